//! `policy explain`: the whole decision as a tree.
//!
//! The engine is the one of `verify`, and so are the exit codes. Shown are all policies with why they apply or do not, each
//! requirement, each piece of evidence with what it counts for or why it does not, and every question that was asked of
//! the place where the image is, so that it can be told where an answer came from.

use crate::context;
use crate::exit::Outcome;
use crate::policy_args::PolicyExplain;
use crate::printer::{BAD, BOLD, DIM, GOOD, Printer, WARN, paint, plain};
use async_trait::async_trait;
use seaworthy_oci::{
    BlobReader, Descriptor, Digest, Location, OpenOptions, RawManifest, Referrers, Selector, Source,
};
use seaworthy_verifier::{
    Context, Decision, Explained, Explanation, ImageName, Looked, Mode, Platforms, PolicyVerdict, Verifier,
};
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    explained: &'a Explained,
    requests: Vec<Request>,
}

/// One question to the place where the image is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    number: usize,
    /// `manifest`, `referrers`, `blob`.
    asked: &'static str,
    /// The digest, or the tag.
    of: String,
    answer: String,
}

pub(crate) async fn run(args: &PolicyExplain, options: &OpenOptions, printer: &Printer) -> Outcome {
    let policies = super::load(&args.policy)?;
    let platforms = match context::platforms(&args.platform)? {
        none if none.is_empty() => Platforms::All,
        some => Platforms::Only(some),
    };
    let reference = context::reference(&args.image)?;
    let requests = Arc::new(Mutex::new(Vec::new()));
    let place = Traced {
        inner: seaworthy_oci::open(&reference.location, options).await?,
        turn: tokio::sync::Mutex::new(()),
        requests: Arc::clone(&requests),
    };
    let (pinned, raw) = seaworthy_oci::resolve(&place, &reference).await?;
    let context = Context { now: context::now(), platforms, namespace: args.namespace.clone() };
    let verifier = Verifier::new(policies, context).map_err(|e| super::failure(&e))?;
    let name = match &args.named {
        Some(named) => ImageName::parse(named)?,
        None => ImageName::of(pinned.location()),
    };
    let explained = verifier.explain(&place, &pinned, raw, &name).await;
    let requests = requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let explained = match explained {
        Ok(explained) => explained,
        Err(error) => {
            // What was asked is what helps to find out why there is no answer.
            printer.report(&Branch::new(paint(BOLD, "requests"), listed(&requests)).to_text());
            return Err(error.into());
        }
    };
    let document = Document { explained: &explained, requests };
    printer.result(&document, || human(&document));
    Ok(crate::commands::verify::exit(&explained.verdict))
}

/// A place that remembers what it was asked.
struct Traced {
    inner: Box<dyn Source>,
    /// One question at a time, in the order in which they are asked: so the same image gives the same list.
    turn: tokio::sync::Mutex<()>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Traced {
    fn note(&self, asked: &'static str, of: String, answer: String) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let number = requests.len() + 1;
        requests.push(Request { number, asked, of, answer });
    }
}

#[async_trait]
impl Source for Traced {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    async fn manifest(&self, selector: Selector<'_>) -> seaworthy_oci::Result<Option<RawManifest>> {
        let _turn = self.turn.lock().await;
        let answer = self.inner.manifest(selector).await;
        let of = match selector {
            Selector::Only => "the only image there".to_owned(),
            Selector::Tag(tag) => format!("tag {tag}"),
            Selector::Digest(digest) => digest.to_string(),
        };
        let words = match &answer {
            Ok(Some(raw)) => format!("{}, {} bytes", raw.descriptor.digest, raw.descriptor.size),
            Ok(None) => "not there".to_owned(),
            Err(error) => format!("could not find out: {error}"),
        };
        self.note("manifest", of, words);
        answer
    }

    async fn blob(&self, descriptor: &Descriptor) -> seaworthy_oci::Result<BlobReader> {
        let _turn = self.turn.lock().await;
        let answer = self.inner.blob(descriptor).await;
        self.note("blob", descriptor.digest.to_string(), blob_answer(descriptor, answer.as_ref().err()));
        answer
    }

    async fn blob_bytes(&self, descriptor: &Descriptor, limit: u64) -> seaworthy_oci::Result<Vec<u8>> {
        let _turn = self.turn.lock().await;
        let answer = self.inner.blob_bytes(descriptor, limit).await;
        self.note("blob", descriptor.digest.to_string(), blob_answer(descriptor, answer.as_ref().err()));
        answer
    }

    async fn referrers(&self, subject: &Digest) -> seaworthy_oci::Result<Referrers> {
        let _turn = self.turn.lock().await;
        let answer = self.inner.referrers(subject).await;
        let words = match &answer {
            Ok(found) => {
                let via = match found.via {
                    seaworthy_oci::ReferrersVia::Api => "the Referrers API",
                    seaworthy_oci::ReferrersVia::FallbackTag => "the fallback tag",
                    seaworthy_oci::ReferrersVia::Layout => "the layout's index",
                };
                format!("{} by {via}", found.descriptors.len())
            }
            Err(error) => format!("could not find out: {error}"),
        };
        self.note("referrers", subject.to_string(), words);
        answer
    }
}

fn blob_answer(descriptor: &Descriptor, error: Option<&seaworthy_oci::Error>) -> String {
    match error {
        None => format!("{} bytes", descriptor.size),
        Some(error) => format!("could not be read: {error}"),
    }
}

/// A line, and the lines below it.
struct Branch {
    text: String,
    below: Vec<Branch>,
}

impl Branch {
    fn new(text: impl Into<String>, below: Vec<Self>) -> Self {
        Self { text: text.into(), below }
    }

    fn leaf(text: impl Into<String>) -> Self {
        Self::new(text, Vec::new())
    }

    /// The tree, with lines that show what belongs to what.
    fn to_text(&self) -> String {
        let mut out = format!("{}\n", self.text);
        self.write_below("", &mut out);
        out
    }

    fn write_below(&self, indent: &str, out: &mut String) {
        for (at, branch) in self.below.iter().enumerate() {
            let last = at + 1 == self.below.len();
            let (elbow, line) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            out.push_str(&format!("{indent}{elbow}{}\n", branch.text));
            branch.write_below(&format!("{indent}{line}"), out);
        }
    }
}

fn human(document: &Document<'_>) -> String {
    let verdict = &document.explained.verdict;
    let (style, word) = match verdict.decision {
        Decision::Allow => (GOOD, "allowed"),
        Decision::Deny => (BAD, "denied"),
    };
    let mut below = vec![Branch::leaf(format!("reason: {}", plain(&verdict.reason)))];
    below.extend(verdict.refusals.iter().map(reason));
    below.extend(
        verdict
            .warnings
            .iter()
            .map(|w| Branch::leaf(format!("{} {}", paint(WARN, "warning"), plain(&w.to_string())))),
    );
    for considered in &document.explained.considered {
        let mode = mode(considered.mode);
        let verdict = verdict.policies.iter().find(|p| p.policy == considered.policy);
        let outcome = match verdict.map(|v| v.decision) {
            None => paint(DIM, "does not apply"),
            Some(Decision::Allow) => paint(GOOD, "applies, and is met"),
            Some(Decision::Deny) => paint(BAD, "applies, and is not met"),
        };
        let (name, why) = (paint(BOLD, plain(&considered.policy)), plain(&considered.why));
        let head = format!("policy {name} ({mode}): {outcome} ({why})");
        let mut inner = Vec::new();
        if let Some(verdict) = verdict {
            inner.push(Branch::new(
                "asks",
                considered.asks.iter().map(|line| Branch::leaf(plain(line))).collect(),
            ));
            inner.extend(verdict.refusals.iter().map(reason));
            inner.extend(verdict.expired_exceptions.iter().map(|note| {
                Branch::leaf(format!("{} {}", paint(WARN, "exception is over"), plain(&note.to_string())))
            }));
            inner.extend(subjects(verdict));
            let pieces = document.explained.evidence.iter().find(|e| e.policy == considered.policy);
            let pieces: Vec<Branch> = pieces
                .into_iter()
                .flat_map(|e| &e.pieces)
                .map(|piece| looked(piece, &document.requests))
                .collect();
            inner.push(match pieces.is_empty() {
                true => Branch::leaf("no evidence was looked at"),
                false => Branch::new("evidence", pieces),
            });
        }
        below.push(Branch::new(head, inner));
    }
    below.push(Branch::new("requests", listed(&document.requests)));
    let head = format!("{} {}@{}", paint(style, word), plain(&verdict.name), verdict.digest);
    Branch::new(head, below).to_text()
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Audit => "audit",
        Mode::Warn => "warn",
        Mode::Enforce => "enforce",
    }
}

fn subjects(verdict: &PolicyVerdict) -> Vec<Branch> {
    let each = verdict.subjects.iter().filter(|subject| !subject.requirements.is_empty()).map(|subject| {
        let role = format!("{:?}", subject.role).to_lowercase();
        let place = subject.platform.as_deref().unwrap_or(&role);
        let requirements = subject.requirements.iter().map(|requirement| {
            let mark = if requirement.met { paint(GOOD, "yes") } else { paint(BAD, "no ") };
            let mut below: Vec<Branch> = requirement
                .signers
                .iter()
                .map(|signer| Branch::leaf(format!("by {}: {}", plain(&signer.authority), plain(&signer.id))))
                .collect();
            below.extend(requirement.refusals.iter().map(reason));
            let lifted =
                requirement.suppressed.iter().map(|s| Branch::leaf(paint(DIM, plain(&s.to_string()))));
            below.extend(lifted);
            Branch::new(format!("{mark} {}", plain(&requirement.requirement)), below)
        });
        Branch::new(format!("{} {}", plain(place), subject.digest), requirements.collect())
    });
    each.collect()
}

fn reason(explanation: &Explanation) -> Branch {
    let mut below: Vec<Branch> = explanation.causes.iter().map(reason).collect();
    if let Some(evidence) = &explanation.evidence {
        below.insert(0, Branch::leaf(paint(DIM, format!("evidence {}", plain(evidence)))));
    }
    if let Some(hint) = &explanation.hint {
        below.push(Branch::leaf(format!("hint: {}", plain(hint))));
    }
    Branch::new(format!("{} {}", paint(BAD, explanation.code.code()), plain(&explanation.message)), below)
}

fn looked(piece: &Looked, requests: &[Request]) -> Branch {
    let kind = serde_json::to_value(piece.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    let kind = kind.unwrap_or_default();
    let what = piece
        .predicate_type
        .as_deref()
        .filter(|predicate| *predicate != kind)
        .map_or_else(|| kind.clone(), |predicate| format!("{kind} {predicate}"));
    let size = piece.size.map(|size| format!(", {size} bytes")).unwrap_or_default();
    let style = if piece.counts_for.is_empty() { DIM } else { GOOD };
    let mut below = vec![Branch::leaf(paint(style, plain(&piece.summary)))];
    if let (Some(claimed), true) = (&piece.claimed_signer, piece.signers.is_empty()) {
        below.push(Branch::leaf(format!("names {}, unproven", plain(claimed))));
    }
    below.extend(
        piece
            .signers
            .iter()
            .map(|s| Branch::leaf(format!("signed by {}: {}", plain(&s.authority), plain(&s.id)))),
    );
    below.extend(piece.reasons.iter().map(reason));
    let mut numbers: Vec<String> = requests
        .iter()
        .filter(|request| request.of == piece.evidence || piece.manifest.as_ref() == Some(&request.of))
        .map(|request| request.number.to_string())
        .collect();
    numbers.dedup();
    let mut from = format!("attached to {}", piece.attached_to);
    if !numbers.is_empty() {
        from.push_str(&format!(", read by request {}", numbers.join(", ")));
    }
    below.push(Branch::leaf(paint(DIM, from)));
    Branch::new(format!("{} {}{size}", plain(&what), piece.evidence), below)
}

fn listed(requests: &[Request]) -> Vec<Branch> {
    let width = requests.len().to_string().len();
    let each = requests.iter().map(|r| {
        Branch::leaf(format!("{:>width$}  {:<9} {}: {}", r.number, r.asked, plain(&r.of), plain(&r.answer)))
    });
    each.collect()
}
