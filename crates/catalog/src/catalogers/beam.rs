//! Erlang, Elixir, Gleam: applications of OTP, by `ebin/<name>.app`.
//!
//! Every application has one, in a release as in the installation of Erlang itself: `{application,cowboy,[…]}` with
//! `vsn` and the applications that it needs. Where the package from hex.pm left its `hex_metadata.config` beside it,
//! it is listed as that package, otherwise as an application. The terms are looked through, not evaluated.

use super::stated::{self, List, Reach, Record};
use super::structured::quoted;
use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Beam;

const NAME: &str = "beam";
const HEX: &str = "hex_metadata.config";

impl Cataloger for Beam {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`ebin/*.app`, `hex_metadata.config`",
            gives: "applications of Erlang and Elixir with dependencies; with the metadata of hex.pm as its packages, with licence",
            cannot_know: "applications in an escript; whether an application without metadata came from hex.pm",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let (dir, base) = path::split(path);
        let application = base.len() > 4 && base.ends_with(".app") && path::split(dir).1 == "ebin";
        (application || base == HEX).then_some(limits::PACKAGE_JSON_BYTES)
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        let base = path::split(path).1;
        if base == HEX {
            return Ok(hex(&text));
        }
        let text = text.lines().map(|line| if line.trim_start().starts_with('%') { "" } else { line });
        let text = text.collect::<Vec<_>>().join("\n");
        let name = base.strip_suffix(".app").unwrap_or(base);
        let version = term(&text, "vsn").and_then(|rest| quoted(rest).next()).and_then(field);
        let Some(version) = version else { return Err("no vsn in it".into()) };
        let needs = term(&text, "applications").and_then(|rest| {
            let inside = rest.trim_start().strip_prefix('[')?;
            inside.split(']').next()
        });
        let needs =
            needs.unwrap_or_default().split(',').filter_map(|name| field(name.trim().trim_matches('\'')));
        // rebar3 writes them; licences in a list, as hex.pm has them.
        let licences = term(&text, "licenses").and_then(|rest| rest.split(']').next()).unwrap_or_default();
        let mut record = Record::new(Ecosystem::Otp, name, version).needing(needs).licensed(quoted(licences));
        let description = term(&text, "description").filter(|rest| rest.trim_start().starts_with('"'));
        record.package.description = description.and_then(|rest| quoted(rest).next()).and_then(field);
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect_with(NAME, view, out, |view, path, mut record| {
            let root = path::split(path::split(path).0).0;
            for line in stated::beside(view, &path::join(root, HEX)).unwrap_or_default() {
                match line.split_once(' ') {
                    Some(("name", name)) => {
                        record.package.ecosystem = Ecosystem::Hex;
                        record.package.name = name.to_owned();
                    }
                    Some(("license", text)) => record = record.licensed([text]),
                    Some(("description", text)) => record.package.description = field(text),
                    _ => {}
                }
            }
            Some(record)
        });
    }
}

/// What stands behind `{key,`.
fn term<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.match_indices(key).find_map(|(at, _)| {
        let before = text.get(..at)?.trim_end();
        let after = text.get(at + key.len()..)?.trim_start();
        before.ends_with('{').then(|| after.strip_prefix(',')).flatten()
    })
}

/// `{<<"name">>,<<"cowboy">>}.` and the like: the word and what it says.
fn hex(text: &str) -> Parsed {
    let value = |key: &str| {
        let (_, rest) = text.split_once(&format!("{{<<\"{key}\">>,"))?;
        rest.split("}.").next()
    };
    let first = |key: &str| quoted(value(key)?).next().and_then(field).map(|text| format!("{key} {text}"));
    let mut lines: Vec<String> = [first("name"), first("description")].into_iter().flatten().collect();
    let mut licences = quoted(value("licenses").unwrap_or_default()).filter_map(field);
    lines.extend(licences.by_ref().take(limits::LICENCES).map(|text| format!("license {text}")));
    let too_many = || format!("more than LICENCES ({}): further ones are left out", limits::LICENCES);
    Parsed { fact: Fact::Beside(lines), notes: licences.next().map(|_| too_many()).into_iter().collect() }
}
