//! What refers to a manifest, whole or not at all.
//!
//! The Referrers API where the registry has it, the fallback tag where it does not (distribution
//! specification, "Listing Referrers" and "Referrers Tag Schema"). "Does not have it" is a 404, or one of
//! the few answers with which registries say so; everything else is a failure, because an empty list means
//! "unsigned" to somebody. Where the API answers with an empty list, the fallback tag is read as well: a
//! registry that learnt the API after the signature was pushed knows it only there.

use super::Session;
use super::http::{Answer, Call, Reading, error_code, escaped};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Descriptor, Manifest, media_type};
use crate::source::{Referrers, ReferrersVia};
use crate::{Digest, limits, strict};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LINK};
use serde::Deserialize;
use std::collections::HashSet;
use url::Url;

const TRIED: &str = "list referrers of";

/// All that refers to `subject`.
pub(super) async fn list(session: &Session, subject: &Digest) -> Result<Referrers> {
    match by_api(session, subject).await? {
        Some(descriptors) if !descriptors.is_empty() => Ok(Referrers { descriptors, via: ReferrersVia::Api }),
        Some(_) => {
            let descriptors = by_tag(session, subject).await?;
            let via = if descriptors.is_empty() { ReferrersVia::Api } else { ReferrersVia::FallbackTag };
            Ok(Referrers { descriptors, via })
        }
        None => {
            let descriptors = by_tag(session, subject).await?;
            Ok(Referrers { descriptors, via: ReferrersVia::FallbackTag })
        }
    }
}

/// What the Referrers API said.
enum Asked {
    List(Vec<Descriptor>),
    /// It has none, in words that may be about this subject alone.
    NotHere,
    /// There is no such API, whatever is asked for.
    NoSuchApi,
}

/// The list of the Referrers API; `None` where the registry does not have it. That it has none is asked once:
/// an image of ten platforms would ask ten times.
pub(super) async fn by_api(session: &Session, subject: &Digest) -> Result<Option<Vec<Descriptor>>> {
    let mut own = None;
    let kept = &mut own;
    let first = || async move {
        let asked = ask(session, subject).await?;
        let there = !matches!(asked, Asked::NoSuchApi);
        *kept = Some(asked);
        Ok::<_, crate::Error>(there)
    };
    let there = *session.referrers_api.get_or_try_init(first).await?;
    let asked = match own {
        Some(asked) => asked,
        None if there => ask(session, subject).await?,
        None => return Ok(None),
    };
    Ok(match asked {
        Asked::List(list) => Some(list),
        Asked::NotHere | Asked::NoSuchApi => None,
    })
}

async fn ask(session: &Session, subject: &Digest) -> Result<Asked> {
    let first = session.url(&format!("referrers/{subject}"));
    let mut url = first.clone();
    let mut found = Found::default();
    let mut left = limits::REFERRER_BYTES;
    for page in 0..limits::REFERRER_PAGES {
        let mut call = Call::new(Method::GET, url, TRIED, session.on(subject));
        call.headers.insert(ACCEPT, HeaderValue::from_static(media_type::INDEX));
        call.reading = Reading::All("REFERRER_BYTES", left);
        let answer = session.send(&call, &session.pull()).await.map_err(|e| match e.kind {
            // What is left after earlier pages is no number to show.
            ErrorKind::LimitExceeded { limit: "REFERRER_BYTES", .. } => {
                too_many(&call, "REFERRER_BYTES", limits::REFERRER_BYTES)
            }
            _ => e,
        })?;
        if page == 0 && has_no_api(&answer) {
            return Ok(if of_all_subjects(&answer) { Asked::NoSuchApi } else { Asked::NotHere });
        }
        if answer.status.as_u16() != 200 {
            let error = session.failure(&call, &answer);
            // A missing page is no missing list.
            return Err(match error.kind {
                ErrorKind::NotFound => {
                    call.error(ErrorKind::Malformed("a page of the list is not there".into()))
                }
                _ => error,
            });
        }
        if !is_index(&answer) {
            let kind = answer.header(CONTENT_TYPE).unwrap_or("nothing");
            let why = format!("the Referrers API answered with '{}', not an index", escaped(kind));
            return Err(call.error(ErrorKind::Malformed(why)));
        }
        left = left.saturating_sub(answer.body.len() as u64);
        found.page(&call, &answer.body)?;
        match next_page(&answer).map_err(|why| call.error(ErrorKind::Malformed(why)))? {
            None => return Ok(Asked::List(found.descriptors)),
            Some(next) if next.origin() == first.origin() && next.path().starts_with(first.path()) => {
                url = next;
            }
            Some(_) => {
                let why = "the next page of the list is somewhere else".into();
                return Err(call.error(ErrorKind::Malformed(why)));
            }
        }
    }
    let call = Call::new(Method::GET, first, TRIED, session.on(subject));
    Err(too_many(&call, "REFERRER_PAGES", limits::REFERRER_PAGES as u64))
}

/// The list under the fallback tag; empty where there is no such tag.
async fn by_tag(session: &Session, subject: &Digest) -> Result<Vec<Descriptor>> {
    let tag = subject.tag("");
    let Some(raw) = session.tagged(&tag).await? else { return Ok(Vec::new()) };
    let on = format!("{}:{tag}", session.repository);
    let fail = |kind| Error::new(TRIED, &on, kind);
    let Manifest::Index(index) = raw.parse()? else {
        return Err(fail(ErrorKind::Malformed("the fallback tag holds an image, not an index".into())));
    };
    if index.manifests.len() > limits::REFERRER_ENTRIES {
        let value = limits::REFERRER_ENTRIES as u64;
        return Err(fail(ErrorKind::LimitExceeded { limit: "REFERRER_ENTRIES", value }));
    }
    let mut seen = HashSet::new();
    Ok(index.manifests.into_iter().filter(|d| seen.insert(d.digest.clone())).collect())
}

/// How registries say that they have no Referrers API: the 404 of the specification; a 400 or 405 that
/// says so in its error code; and a redirect to a page for people elsewhere, as GitHub's does.
fn has_no_api(answer: &Answer) -> bool {
    match answer.status.as_u16() {
        404 => true,
        400 | 405 => error_code(&answer.body).is_some_and(|code| code == "UNSUPPORTED"),
        200 => answer.crossed && !is_index(answer),
        _ => false,
    }
}

/// Whether an answer of [`has_no_api`] is about the API. A 404 with an error code of the specification, such as
/// `MANIFEST_UNKNOWN`, is how somebody who has the API might speak of one subject.
fn of_all_subjects(answer: &Answer) -> bool {
    answer.status.as_u16() != 404 || error_code(&answer.body).is_none_or(|code| code == "UNSUPPORTED")
}

fn is_index(answer: &Answer) -> bool {
    let kind = answer.header(CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type::INDEX)
}

fn too_many(call: &Call, limit: &'static str, value: u64) -> Error {
    call.error(ErrorKind::LimitExceeded { limit, value })
}

/// The entries so far, each digest once.
#[derive(Default)]
struct Found {
    descriptors: Vec<Descriptor>,
    seen: HashSet<Digest>,
}

impl Found {
    fn page(&mut self, call: &Call, body: &[u8]) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            // An entry without it is an index all the same: its Content-Type said so.
            media_type: Option<String>,
            // Go's encoders write `null` for an empty list; a missing list is no list.
            manifests: serde_json::Value,
        }
        let bad = |why: String| call.error(ErrorKind::Malformed(why));
        let page: Page = strict::from_slice(body).map_err(bad)?;
        if page.media_type.is_some_and(|m| m != media_type::INDEX) {
            return Err(bad("the Referrers API answered with something that calls itself no index".into()));
        }
        let entries: Option<Vec<Descriptor>> =
            serde_json::from_value(page.manifests).map_err(|e| bad(e.to_string()))?;
        for descriptor in entries.into_iter().flatten() {
            if self.seen.insert(descriptor.digest.clone()) {
                self.descriptors.push(descriptor);
            }
            if self.descriptors.len() > limits::REFERRER_ENTRIES {
                return Err(too_many(call, "REFERRER_ENTRIES", limits::REFERRER_ENTRIES as u64));
            }
        }
        Ok(())
    }
}

/// The target of `Link: <…>; rel="next"` (RFC 8288), absolute.
fn next_page(answer: &Answer) -> Result<Option<Url>, String> {
    for value in answer.headers.get_all(LINK) {
        let text = value.to_str().map_err(|_| "a Link header that is no text".to_owned())?;
        if let Some(target) = link_next(text) {
            return answer.url.join(target).map(Some).map_err(|_| "a Link header without a URL".to_owned());
        }
    }
    Ok(None)
}

fn link_next(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let (parameters, next) = after.split_once('<').map_or((after, ""), |(p, _)| (p, &after[p.len()..]));
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .trim()
                    .trim_matches('"')
                    .split_ascii_whitespace()
                    .any(|r| r.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_next_link_among_others() {
        assert_eq!(link_next(r#"</v2/a?n=1>; rel="next""#), Some("/v2/a?n=1"));
        assert_eq!(link_next("</a>;rel=next"), Some("/a"));
        assert_eq!(link_next(r#"</a>; rel="prev", </b,c;d>; title=x; REL="last next""#), Some("/b,c;d"));
        assert_eq!(link_next(r#"</a>; rel="prev""#), None);
        assert_eq!(link_next("</a"), None);
        assert_eq!(link_next(""), None);
    }

    proptest! {
        #[test]
        fn any_link_header_ends(header in "[<>;,=\"a-z/ é]{0,80}") {
            let _ = link_next(&header);
        }
    }
}
