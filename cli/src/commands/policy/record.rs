//! `policy record`: a case for `policy test` from an image, so that nobody builds evidence by hand.
//!
//! Kept is what a judgement reads: manifests, configurations, and all that is attached. Layers are never kept: what
//! is in them has no say. The case expects the verdict that the image gets now, at the time that is written beside
//! it; somebody should read it before it is believed.
//!
//! Refused: a case whose evidence lies there already, a test file that is about other policies.

use super::cases::{self, Decision};
use super::test::{self, Judged};
use crate::context::{self, Access};
use crate::exit::{Exit, Failure, Outcome};
use crate::policy_args::PolicyRecord;
use crate::printer::{Printer, plain};
use crate::transfer::{Transfer, count, pieces};
use crate::yaml::scalar;
use seaworthy_oci::closure::{self, Closure, Extent};
use seaworthy_oci::layout::Layout;
use seaworthy_oci::{Digest, Location, Manifest, OpenOptions, Reference};
use seaworthy_verifier::{Context, ImageName, Namespace, Platforms};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    file: String,
    case: String,
    image: String,
    /// The directory that was written.
    recorded: String,
    manifests: usize,
    evidence: usize,
    decision: Decision,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    refusals: BTreeSet<&'static str>,
}

pub(crate) async fn run(args: &PolicyRecord, options: &OpenOptions, printer: &Printer) -> Outcome {
    let named = args.named.as_deref().unwrap_or(&args.image);
    let name = ImageName::parse(named)?;
    let case = args.case.clone().unwrap_or_else(|| named.to_owned());
    if !args.to.file_name().is_some_and(|n| n.to_string_lossy().ends_with(".test.yaml")) {
        return Err(Failure::usage(format!("{} is no name of a test file", args.to.display()))
            .hint("its name must end in .test.yaml, so that `policy test` finds it"));
    }
    let base = args.to.parent().unwrap_or(Path::new(""));
    // Whole seconds: people read them.
    let now = jiff::Timestamp::from_second(context::now().as_second()).unwrap_or_else(|_| context::now());
    let before = match args.to.exists() {
        true => Some(crate::yaml::read(&args.to)?),
        false => None,
    };
    let policies: Vec<String> = args.policy.iter().map(|p| beside(base, p)).collect();
    if let Some(text) = &before {
        let file = cases::parse(text, &args.to)?;
        let theirs: BTreeSet<PathBuf> = file.policies.iter().filter_map(|p| p.canonicalize().ok()).collect();
        let ours: BTreeSet<PathBuf> = args.policy.iter().filter_map(|p| p.canonicalize().ok()).collect();
        if theirs != ours {
            return Err(Failure::usage(format!("{} is about other policies", args.to.display()))
                .hint("give its policies, or another test file"));
        }
        if file.cases.iter().any(|c| c.name == case) {
            return Err(Failure::usage(format!("{} has a case '{case}' already", args.to.display()))
                .hint("give it another name with --case"));
        }
    }
    let loaded = test::load(&args.policy, now)?;
    let opened = context::open(&args.image, options).await?;
    let found = closure::find(opened.place.as_ref(), &opened.raw, Extent::WithEvidence).await?;

    let folder = Path::new("evidence").join(slug(&case));
    let target = base.join(&folder);
    if target.exists() {
        return Err(Failure::usage(format!("{} is there already", target.display()))
            .hint("give the case another name with --case, or remove the directory"));
    }
    let layers = layers(&found)?;
    let sink = Layout::create_without(&target, layers.clone())?;
    // The image is the one thing under a tag of its own choosing: so it is found among what is attached to it.
    Transfer::skipping(printer, layers).image(opened.place.as_ref(), &found, &sink, Some(TAG)).await?;
    // A recording is committed, and nobody writes to it again. Where the lock cannot go, it harms nobody.
    let _ = std::fs::remove_file(target.join(".seaworthy.lock"));

    let recorded =
        Reference { location: Location::Layout(target.clone()), tag: Some(TAG.to_owned()), digest: None };
    // Judged is what was recorded: a case that lacks something would show it here.
    let context = Context { now, platforms: Platforms::All, namespace: args.namespace.clone() };
    let judged = test::judge(&recorded, &name, loaded, context).await?;
    let written = format!("{}:{TAG}", folder.display());
    let entry = entry(&case, &written, named, args.namespace.as_ref(), &now.to_string(), &judged);
    let text = match &before {
        None => head(&policies) + &entry,
        Some(text) => format!("{}{entry}", ended(text)),
    };
    let count_before =
        before.as_ref().map_or(0, |text| cases::parse(text, &args.to).map_or(0, |f| f.cases.len()));
    let whole = cases::parse(&text, &args.to).is_ok_and(|f| f.cases.len() == count_before + 1);
    if !whole {
        return Err(Failure::usage(format!("a case cannot be added at the end of {}", args.to.display()))
            .hint(format!("put `cases` last in it, or add this by hand:\n{entry}")));
    }
    context::write_file(&args.to, text.as_bytes(), Access::Public)?;
    let document = Document {
        file: args.to.display().to_string(),
        case,
        image: opened.pinned.to_string(),
        recorded: target.display().to_string(),
        manifests: found.manifests().len(),
        evidence: found.evidence.len(),
        decision: judged.decision(),
        refusals: judged.codes(),
    };
    printer.result(&document, || human(&document));
    Ok(Exit::Yes)
}

/// The tag of a recorded image in its layout.
const TAG: &str = "image";

fn human(document: &Document) -> String {
    let codes: Vec<&str> = document.refusals.iter().copied().collect();
    let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
    format!(
        "recorded {}\n  in {}: {}, {}, no layers\n  case '{}' in {}: {}{codes}\n",
        plain(&document.image),
        plain(&document.recorded),
        count(document.manifests, "manifest", "manifests"),
        pieces(document.evidence),
        plain(&document.case),
        plain(&document.file),
        document.decision.name(),
    )
}

/// The layers of the image's own manifests, but for what is also a configuration or evidence.
fn layers(closure: &Closure) -> Outcome<BTreeSet<Digest>> {
    let mut layers: BTreeSet<Digest> = BTreeSet::new();
    let mut needed: BTreeSet<Digest> = closure.evidence_blobs()?.into_keys().collect();
    for raw in &closure.image {
        if let Manifest::Image(image) = raw.parse()? {
            layers.extend(image.layers.into_iter().map(|l| l.digest));
            needed.insert(image.config.digest);
        }
    }
    Ok(layers.difference(&needed).cloned().collect())
}

fn head(policies: &[String]) -> String {
    let list: Vec<String> = policies.iter().map(|p| format!("  - {}\n", scalar(p))).collect();
    format!("apiVersion: {}\nkind: {}\npolicies:\n{}cases:\n", cases::API_VERSION, cases::KIND, list.concat())
}

fn entry(
    case: &str,
    image: &str,
    named: &str,
    namespace: Option<&Namespace>,
    now: &str,
    judged: &Judged,
) -> String {
    let (case, image, named) = (scalar(case), scalar(image), scalar(named));
    let mut out = format!("  - name: {case}\n    image: {image}\n    as: {named}\n");
    if let Some(namespace) = namespace {
        out.push_str(&format!("    namespace: {}\n", scalar(&namespace.to_string())));
    }
    let decision = judged.decision().name();
    out.push_str(&format!("    now: {now}\n    expect:\n      decision: {decision}\n"));
    let codes: Vec<&str> = judged.codes().into_iter().collect();
    if !codes.is_empty() {
        out.push_str(&format!("      refusals: [{}]\n", codes.join(", ")));
    }
    out
}

fn ended(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

/// `path` as it is written in a file in `base`: relative, without `base` in front, or with `..` up from it.
pub(super) fn beside(base: &Path, path: &Path) -> String {
    let parts = |path: &Path| -> Vec<String> {
        path.components()
            .filter(|c| !matches!(c, Component::CurDir))
            .map(|c| c.as_os_str().to_string_lossy().into_owned())
            .collect()
    };
    let (from, to) = (parts(base), parts(path));
    if path.is_absolute() || base.is_absolute() || from.iter().any(|p| p == "..") {
        return std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    }
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    up.chain(to.into_iter().skip(shared)).collect::<Vec<_>>().join("/")
}

/// A name for a directory: letters and digits of `text`, with `-` for everything between them.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    // Names of files end at 255 bytes; a case is told apart long before.
    out.truncate(80);
    let out = out.trim_end_matches('-');
    if out.is_empty() { "case".to_owned() } else { out.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{beside, slug};
    use std::path::Path;

    #[test]
    fn a_policy_is_named_from_where_the_test_file_is() {
        for (base, path, expected) in [
            ("", "p.yaml", "p.yaml"),
            ("a", "a/p.yaml", "p.yaml"),
            ("a/b", "a/p.yaml", "../p.yaml"),
            ("a", "./b/p.yaml", "../b/p.yaml"),
            ("./a", "a/p.yaml", "p.yaml"),
        ] {
            assert_eq!(beside(Path::new(base), Path::new(path)), expected, "{base} {path}");
        }
        assert_eq!(beside(Path::new("a"), Path::new("/x/p.yaml")), "/x/p.yaml");
    }

    #[test]
    fn a_directory_has_a_plain_name() {
        assert_eq!(slug("Registry.example/app:1.0 is signed!"), "registry-example-app-1-0-is-signed");
        assert_eq!(slug("…"), "case");
        assert_eq!(slug(&"x".repeat(300)).len(), 80);
    }
}
