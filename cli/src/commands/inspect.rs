//! `inspect`: what an SBOM says, for people: summary, packages, licences, differences.

use super::sbom::table;
use crate::args::Inspect;
use crate::context::{self, Target};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{self, BOLD, Printer, paint, plain};
use base64::Engine as _;
use seaworthy_oci::{Descriptor, Digest, OpenOptions, Source};
use seaworthy_sbom::diff::{self, Diff, State};
use seaworthy_sbom::documents;
use seaworthy_sbom::inventory::{Inventory, Package};
use seaworthy_sbom::quality;
use seaworthy_verifier::limits::EVIDENCE_ITEM_BYTES as EVIDENCE_BYTES;
use seaworthy_verifier::{ImageName, PredicateType, evidence, sboms};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The licence to show: concluded before declared before raw.
pub(crate) fn license_of(package: &Package) -> Option<&str> {
    let license = &package.license;
    license
        .concluded
        .as_deref()
        .or(license.expression.as_deref())
        .or_else(|| license.declared.first().map(String::as_str))
}

/// Where the inventory came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Origin {
    /// An SBOM file: as true as the file.
    File { format: &'static str },
    /// An attestation with a signature that was verified.
    Attested { signers: Vec<String> },
    /// An attestation that nobody vouched for here.
    Unverified,
    /// Read off the image just now.
    Scan,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    origin: &'a Origin,
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Vec<&'a Package>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licenses: Option<BTreeMap<String, Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<DiffDocument>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    name: String,
    digest: Option<String>,
    platform: Option<String>,
    os: Option<String>,
    created: Option<String>,
    packages: usize,
    ecosystems: BTreeMap<String, usize>,
    without_license: usize,
    gaps: Vec<String>,
    /// NTIA 2021 minimum elements that are missing, with the number of packages.
    missing_elements: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct DiffDocument {
    added: Vec<Side>,
    removed: Vec<Side>,
    changed: Vec<Changed>,
}

#[derive(Serialize)]
struct Side {
    package: String,
    version: Option<String>,
    license: Option<String>,
}

#[derive(Serialize)]
struct Changed {
    package: String,
    before: State2,
    after: State2,
}

#[derive(Serialize)]
struct State2 {
    version: Option<String>,
    license: Option<String>,
}

impl From<&State> for State2 {
    fn from(state: &State) -> Self {
        Self { version: state.version.clone(), license: state.license.clone() }
    }
}

pub(crate) async fn run(args: &Inspect, options: &OpenOptions, printer: &Printer) -> Outcome {
    let (origin, inventory) = load(args, options, printer).await?;
    let chosen = filter(&inventory, args);
    let diff = match &args.diff {
        None => None,
        Some(path) => {
            let (_, older, _) = documents::read(&context::read_input(path, "SBOM")?)?;
            Some(diff::diff(&older, &inventory))
        }
    };
    let filtered =
        args.name.is_some() || args.ecosystem.is_some() || args.license.is_some() || args.layer.is_some();
    let document = Document {
        origin: &origin,
        summary: summary(&inventory),
        packages: (args.packages || filtered).then(|| chosen.clone()),
        licenses: args.licenses.then(|| licenses(&chosen)),
        diff: diff.as_ref().map(diff_document),
    };
    printer.result(&document, || human(&document, &inventory));
    Ok(match &diff {
        Some(diff) if !diff.is_empty() => Exit::No,
        _ => Exit::Yes,
    })
}

async fn load(args: &Inspect, options: &OpenOptions, printer: &Printer) -> Outcome<(Origin, Inventory)> {
    let path = Path::new(&args.target);
    if path.is_file() {
        if args.scan || args.by.is_given() || args.platform.is_some() {
            return Err(Failure::usage(
                "--scan, --platform and whoever is to have signed are for images, and this is a file",
            ));
        }
        let (kind, inventory, _) = documents::read(&context::read_input(path, "SBOM")?)?;
        return Ok((Origin::File { format: kind.name() }, inventory));
    }
    // A mistyped file name must not become a question to a registry.
    if args.target.starts_with(['.', '/']) || args.target.ends_with(".json") {
        return Err(Failure::local(format!("there is no file {}", plain(&args.target))));
    }
    let name = ImageName::of(&context::reference(&args.target)?.location);
    let authorities = args.by.authorities(&name, options).await?;
    let opened = context::open(&args.target, options).await?;
    let wanted = context::platforms(args.platform.as_slice())?;
    let mut targets = context::targets(&opened, &wanted).await?;
    if targets.len() > 1 {
        let labels: Vec<String> = targets.iter().map(Target::label).collect();
        return Err(Failure::usage(format!("{} has several platforms", opened.pinned))
            .hint(format!("choose one with --platform: {}", labels.join(", "))));
    }
    let target = targets.swap_remove(0);
    if args.scan {
        return Ok((
            Origin::Scan,
            super::sbom::inventory(opened.place.as_ref(), &target, Default::default(), printer).await?,
        ));
    }
    let digest = target.pinned.digest();
    let place = opened.place.as_ref();
    if !authorities.is_empty() {
        let found = sboms::attested(place, digest, &authorities, context::now()).await?;
        return match found.into_iter().next() {
            Some(best) => {
                let signers = best.signers.iter().map(|s| s.id.clone()).collect();
                Ok((Origin::Attested { signers }, best.inventory))
            }
            None => Err(nothing(&target, "no SBOM attested by anybody who was asked for")),
        };
    }
    match unverified(place, digest).await? {
        Some(inventory) => {
            printer.warn(
                "the SBOM's signature was not verified: give --key, --certificate-identity, --trust or --policy",
            );
            Ok((Origin::Unverified, inventory))
        }
        None => Err(nothing(&target, "no attested SBOM")),
    }
}

fn nothing(target: &Target, why: &str) -> Failure {
    Failure::new(Exit::No, format!("{} has {why}", target.pinned))
        .hint("look with `seaworthy tree`, or inventory the image now with --scan")
}

/// The first attested SBOM that can be read, whoever made it: for looking, and said to be unverified.
async fn unverified(place: &dyn Source, digest: &Digest) -> Outcome<Option<Inventory>> {
    for item in evidence::collect(place, digest).await? {
        let is_sbom = item.predicate_type.as_deref().is_some_and(|t| PredicateType::from_uri(t).is_sbom());
        if !is_sbom || item.broken().is_some() {
            continue;
        }
        let mut descriptor = Descriptor::of("", b"");
        (descriptor.digest, descriptor.size) = (item.digest.clone(), item.size);
        let bytes = place.blob_bytes(&descriptor, EVIDENCE_BYTES).await?;
        if let Some(inventory) = read_unverified(&bytes) {
            return Ok(Some(inventory));
        }
    }
    Ok(None)
}

/// The SBOM in a bundle or envelope, signature unseen.
fn read_unverified(bytes: &[u8]) -> Option<Inventory> {
    #[derive(Deserialize)]
    struct Envelope {
        payload: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Bundle {
        dsse_envelope: Envelope,
    }
    #[derive(Deserialize)]
    struct Statement<'a> {
        #[serde(borrow)]
        predicate: &'a serde_json::value::RawValue,
    }
    let envelope = serde_json::from_slice::<Bundle>(bytes).map(|b| b.dsse_envelope);
    let envelope = envelope.or_else(|_| serde_json::from_slice::<Envelope>(bytes)).ok()?;
    let payload = base64::engine::general_purpose::STANDARD.decode(envelope.payload).ok()?;
    let statement: Statement<'_> = serde_json::from_slice(&payload).ok()?;
    let (_, inventory) = seaworthy_sbom::format::read(statement.predicate.get().as_bytes()).ok()?;
    Some(inventory)
}

fn filter<'a>(inventory: &'a Inventory, args: &Inspect) -> Vec<&'a Package> {
    let keep = |p: &&Package| {
        args.name.as_ref().is_none_or(|pattern| glob(pattern, &p.name))
            && args.ecosystem.as_ref().is_none_or(|e| p.ecosystem.name() == e.to_lowercase())
            && args.license.as_ref().is_none_or(|l| {
                license_of(p).is_some_and(|have| have.to_lowercase().contains(&l.to_lowercase()))
            })
            && args.layer.as_ref().is_none_or(|l| {
                let bare = l.strip_prefix("sha256:").unwrap_or(l);
                p.layer
                    .as_ref()
                    .is_some_and(|have| have.strip_prefix("sha256:").unwrap_or(have).starts_with(bare))
            })
    };
    inventory.packages.iter().filter(keep).collect()
}

/// Whether `text` matches `pattern`, in which `*` stands for anything. Linear in their lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn summary(inventory: &Inventory) -> Summary {
    let mut ecosystems = BTreeMap::new();
    for package in &inventory.packages {
        *ecosystems.entry(package.ecosystem.name().to_owned()).or_insert(0) += 1;
    }
    let time = |seconds| jiff::Timestamp::from_second(seconds).ok().map(|t| t.to_string());
    Summary {
        name: inventory.subject.name.clone(),
        digest: inventory.subject.digest.clone(),
        platform: inventory.subject.platform.clone(),
        os: inventory.os.as_ref().map(|os| os.pretty_name.clone().unwrap_or_else(|| os.id.clone())),
        created: inventory.created.and_then(time),
        packages: inventory.packages.len(),
        ecosystems,
        without_license: inventory.packages.iter().filter(|p| license_of(p).is_none()).count(),
        gaps: inventory.gaps.iter().map(|g| format!("{}: {}", g.path, g.reason)).collect(),
        missing_elements: quality::missing(inventory)
            .iter()
            .map(|m| (m.element.code(), m.packages))
            .collect(),
    }
}

fn licenses(packages: &[&Package]) -> BTreeMap<String, Vec<String>> {
    let mut by: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        let license = license_of(package).unwrap_or("(none stated)").to_owned();
        let names = by.entry(license).or_default();
        if !names.contains(&package.name) {
            names.push(package.name.clone());
        }
    }
    by
}

fn diff_document(diff: &Diff) -> DiffDocument {
    let side = |(key, state): &(diff::Key, State)| Side {
        package: key.name.clone(),
        version: state.version.clone(),
        license: state.license.clone(),
    };
    DiffDocument {
        added: diff.added.iter().map(side).collect(),
        removed: diff.removed.iter().map(side).collect(),
        changed: diff
            .changed
            .iter()
            .map(|c| Changed {
                package: c.key.name.clone(),
                before: (&c.before).into(),
                after: (&c.after).into(),
            })
            .collect(),
    }
}

fn human(document: &Document<'_>, inventory: &Inventory) -> String {
    let mut out = String::new();
    let s = &document.summary;
    let mut row = |key: &str, value: &str| {
        let _ = writeln!(out, "{}  {}", paint(BOLD, format!("{key:<10}")), plain(value));
    };
    row("name", &s.name);
    row("digest", s.digest.as_deref().unwrap_or("not stated"));
    for (key, value) in [("platform", &s.platform), ("system", &s.os), ("created", &s.created)] {
        if let Some(value) = value {
            row(key, value);
        }
    }
    row(
        "source",
        &match document.origin {
            Origin::File { format } => format!("{format} file"),
            Origin::Attested { signers } => format!("attestation, verified: {}", signers.join(", ")),
            Origin::Unverified => "attestation, signature not verified".into(),
            Origin::Scan => "inventoried now".into(),
        },
    );
    let kinds: Vec<String> = s.ecosystems.iter().map(|(k, n)| format!("{n} {k}")).collect();
    row("packages", &format!("{} ({})", s.packages, kinds.join(", ")));
    row("licences", &format!("{} packages without one", s.without_license));
    let missing = |(element, packages): (&&str, &usize)| match packages {
        0 => (*element).to_owned(),
        n => format!("{element} in {n}"),
    };
    let missing: Vec<String> = s.missing_elements.iter().map(missing).collect();
    row(
        "NTIA 2021",
        &if missing.is_empty() { "complete".into() } else { format!("missing {}", missing.join(", ")) },
    );
    for gap in &s.gaps {
        row("not read", gap);
    }
    if let Some(packages) = &document.packages {
        let chosen = Inventory {
            packages: packages.iter().map(|p| (*p).clone()).collect(),
            layers: inventory.layers.clone(),
            os: inventory.os.clone(),
            ..Inventory::default()
        };
        let _ = write!(out, "\n{}", table(&chosen));
    }
    if let Some(licenses) = &document.licenses {
        let rows: Vec<Vec<String>> = licenses
            .iter()
            .map(|(license, names)| vec![plain(license), names.len().to_string(), plain(&names.join(", "))])
            .collect();
        let _ = write!(out, "\n{}", printer::table(&["LICENSE", "PACKAGES", "NAMES"], &rows));
    }
    if let Some(diff) = &document.diff {
        out.push('\n');
        let version = |v: &Option<String>| plain(v.as_deref().unwrap_or("-"));
        for side in &diff.added {
            let _ = writeln!(out, "added    {} {}", plain(&side.package), version(&side.version));
        }
        for side in &diff.removed {
            let _ = writeln!(out, "removed  {} {}", plain(&side.package), version(&side.version));
        }
        for changed in &diff.changed {
            let (before, after) = (&changed.before, &changed.after);
            let _ = write!(out, "changed  {}", plain(&changed.package));
            if before.version != after.version {
                let _ = write!(out, " {} -> {}", version(&before.version), version(&after.version));
            }
            if before.license != after.license {
                let _ = write!(out, " ({} -> {})", version(&before.license), version(&after.license));
            }
            out.push('\n');
        }
        if diff.added.is_empty() && diff.removed.is_empty() && diff.changed.is_empty() {
            out.push_str("no difference\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, is) in [
            ("lib*", "libc6", true),
            ("lib*", "zlib", false),
            ("*lib*", "zlib1g", true),
            ("libc6", "libc6", true),
            ("libc6", "libc6-dev", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("ab*ab", "ab", false),
        ] {
            assert_eq!(glob(pattern, text), is, "{pattern} {text}");
        }
    }
}
