//! `tree`: what is attached to an image, by whom, of which kind, valid or not.

use crate::args::Tree;
use crate::context;
use crate::exit::{Exit, Outcome};
use crate::printer::{BAD, BOLD, DIM, GOOD, Printer, WARN, paint, plain};
use seaworthy_oci::{Digest, OpenOptions};
use seaworthy_verifier::evidence::{self, Checked, Item, Kind, Standing};
use seaworthy_verifier::{ImageName, Refusal};
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    image: String,
    /// Whether the image is signed by those who were named; nothing where nobody was.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<Signed>,
    subjects: Vec<Subject>,
}

/// Three answers, and none of them is another.
#[derive(Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
enum Signed {
    Yes { signers: Vec<String> },
    No,
    CouldNotFindOut { why: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subject {
    digest: Digest,
    /// `index`, `image`, or the platform of a child.
    role: String,
    evidence: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    item: Item,
    checked: Checked,
}

pub(crate) async fn run(args: &Tree, options: &OpenOptions, printer: &Printer) -> Outcome {
    let name = ImageName::of(&context::reference(&args.image)?.location);
    let authorities = args.by.authorities(&name, options).await?;
    let opened = context::open(&args.image, options).await?;
    let mut subjects = Vec::new();
    let is_index = opened.pinned.descriptor().is_index();
    let root = (opened.pinned.digest().clone(), if is_index { "index" } else { "image" }.to_owned());
    let mut todo = vec![root];
    if is_index {
        for target in context::targets(&opened, &[]).await? {
            todo.push((target.pinned.digest().clone(), target.label()));
        }
    }
    let now = context::now();
    for (digest, role) in todo {
        let mut entries = Vec::new();
        for item in evidence::collect(opened.place.as_ref(), &digest).await? {
            let checked = evidence::check_item(opened.place.as_ref(), &item, &authorities, now).await?;
            entries.push(Entry { item, checked });
        }
        // The order of a listing is the registry's; people want like beside like.
        entries.sort_by_cached_key(|e: &Entry| {
            let predicate = e.checked.predicate_type.as_ref().map(ToString::to_string);
            (kebab(&e.checked.kind), predicate, kebab(&e.item.format), e.item.manifest.clone())
        });
        subjects.push(Subject { digest, role, evidence: entries });
    }
    let signed = subjects.first().filter(|_| !authorities.is_empty()).map(Signed::of);
    let document = Document { image: opened.pinned.to_string(), signed, subjects };
    printer.result(&document, || human(&document));
    Ok(Exit::Yes)
}

impl Signed {
    /// What the evidence on the digest that was asked for says; that of its children says nothing about it.
    fn of(subject: &Subject) -> Self {
        let signatures = || subject.evidence.iter().filter(|e| e.checked.kind == Kind::Signature);
        let mut signers: Vec<String> = signatures()
            .filter_map(|entry| match &entry.checked.standing {
                Standing::Valid { signers } => Some(signers.iter().map(|s| s.id.clone())),
                _ => None,
            })
            .flatten()
            .collect();
        signers.sort();
        signers.dedup();
        if !signers.is_empty() {
            return Self::Yes { signers };
        }
        // A list of revocations that is missing: the signature might be good.
        let unknown = subject.evidence.iter().find_map(|entry| match &entry.checked.standing {
            Standing::Invalid { reason } => {
                reason.walk().into_iter().find(|r| r.code == Refusal::RevocationUnknown)
            }
            _ => None,
        });
        match unknown {
            Some(why) => Self::CouldNotFindOut { why: why.to_string() },
            None => Self::No,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Yes { signers } => format!("{} by {}", paint(GOOD, "signed"), plain(&signers.join(", "))),
            Self::No => format!("{} by anybody who was asked for", paint(BAD, "not signed")),
            Self::CouldNotFindOut { why } => format!("{} {}", paint(WARN, "could not find out:"), plain(why)),
        }
    }
}

fn human(document: &Document) -> String {
    let no_keys = document.signed.is_none();
    let mut out = format!("{}\n", paint(BOLD, &document.image));
    for (at, subject) in document.subjects.iter().enumerate() {
        let last = at + 1 == document.subjects.len();
        let (branch, trunk) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let _ = writeln!(out, "{branch}{} {}", plain(&subject.role), paint(DIM, &subject.digest));
        if subject.evidence.is_empty() {
            let _ = writeln!(out, "{trunk}└── nothing attached");
        }
        for (at, entry) in subject.evidence.iter().enumerate() {
            let branch = if at + 1 == subject.evidence.len() { "└── " } else { "├── " };
            let _ = writeln!(out, "{trunk}{branch}{}", line(entry, no_keys));
        }
    }
    match &document.signed {
        Some(signed) => out.push_str(&format!("{}\n", signed.words())),
        None => out.push_str(
            "signatures were not checked against anybody: give --key, --certificate-identity, --trust or --policy\n",
        ),
    }
    out
}

fn line(entry: &Entry, no_keys: bool) -> String {
    let kind = kebab(&entry.checked.kind);
    let kind = match entry.checked.predicate_type.as_ref().map(ToString::to_string) {
        Some(predicate) if predicate != kind => format!("{kind} {predicate}"),
        _ => kind,
    };
    let standing = match &entry.checked.standing {
        Standing::Valid { signers } => {
            let who: Vec<&str> = signers.iter().map(|s| s.authority.as_str()).collect();
            format!("{} by {}", paint(GOOD, "valid"), plain(&who.join(", ")))
        }
        Standing::UnknownSigner { .. } if no_keys => paint(WARN, "not checked"),
        Standing::UnknownSigner { .. } => paint(WARN, "unknown signer"),
        Standing::Invalid { reason } => format!("{} {}", paint(BAD, "invalid"), plain(&reason.to_string())),
        Standing::Unsigned => paint(WARN, "unsigned"),
    };
    let by = match (&entry.checked.standing, &entry.checked.claimed_signer) {
        (Standing::Valid { .. }, _) | (_, None) => String::new(),
        (_, Some(claimed)) => format!(", says it is by {}", plain(claimed)),
    };
    format!(
        "{:<24} {:<15} {standing}{by}  {}",
        plain(&kind),
        kebab(&entry.item.format),
        paint(DIM, format!("{} bytes, {}", entry.item.size, entry.item.manifest))
    )
}

/// The name that an enum has in JSON.
fn kebab(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
