//! `trust`: the files that say whose signatures count. No command here opens a socket but `update`.

mod edit;
mod update;

use crate::context::{self, Access};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{BAD, BOLD, DIM, GOOD, Printer, WARN, paint, plain, table};
use crate::trust::describe::{self, Item, Kind, State, pem, short};
use crate::trust::{self, EMBEDDED, lint, tuf, write};
use crate::trust_args::{ExportForm, Trust, TrustDiff, TrustExport, TrustInit, TrustLint, TrustShow};
use jiff::Timestamp;
use seaworthy_oci::OpenOptions;
use seaworthy_verifier::Authority;
use seaworthy_verifier::trust_file::{RootVersion, TrustFile};
use serde::Serialize;
use std::path::Path;

pub(crate) async fn run(command: &Trust, options: &OpenOptions, printer: &Printer) -> Outcome {
    match command {
        Trust::Init(args) => init(args, printer),
        Trust::Show(args) => show(args, printer),
        Trust::Add(args) => edit::add(args, printer),
        Trust::Rotate(args) => edit::rotate(args, printer),
        Trust::Lint(args) => lint(args, printer),
        Trust::Diff(args) => diff(args, printer),
        Trust::Export(args) => export(args, printer),
        Trust::Update(args) => update::run(args, options, printer).await,
    }
}

/// Those of `names` that the trust file at `path` has.
pub(crate) fn known(path: &Path, names: &[String]) -> Outcome<Vec<String>> {
    let file = trust::load(path)?.file;
    let has = |name: &&String| {
        file.keyrings().contains(&name.as_str()) || file.identities.iter().any(|i| i.name == **name)
    };
    Ok(names.iter().filter(has).cloned().collect())
}

/// The keyrings and identities of the trust file at `path`, or those of `names`, as authorities to verify with.
pub(crate) fn authorities(path: &Path, names: &[String]) -> Outcome<Vec<Authority>> {
    let file = trust::load(path)?.file;
    let shown = path.display();
    let everybody = || file.keyrings().into_iter().chain(file.identities.iter().map(|i| i.name.as_str()));
    let rings: Vec<String> = match names {
        [] => everybody().map(str::to_owned).collect(),
        names => names.to_vec(),
    };
    if rings.is_empty() {
        return Err(Failure::usage(format!("{shown} has no keys and no identities")).hint(
            "to verify an identity by it, give --certificate-identity with --certificate-oidc-issuer",
        ));
    }
    let one = |name: &String| {
        if let Some(identity) = file.identity(name, &shown.to_string()) {
            return identity.map_err(Failure::local);
        }
        file.authority(name).ok_or_else(|| {
            Failure::usage(format!("{shown} has no keyring '{name}'"))
                .hint(format!("it has {}", everybody().collect::<Vec<_>>().join(", ")))
        })
    };
    rings.iter().map(one).collect()
}

/// What changed between two states of a trust file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changes {
    pub(super) added: Vec<Item>,
    pub(super) removed: Vec<Item>,
    pub(super) changed: Vec<Change>,
}

/// An entry that stayed, and said otherwise.
#[derive(Serialize)]
pub(super) struct Change {
    entry: Item,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    field: &'static str,
    old: Option<String>,
    new: Option<String>,
}

/// What a file says once it was written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written<'a> {
    file: &'a Path,
    changes: Changes,
}

impl Changes {
    pub(super) fn between(old: &TrustFile, new: &TrustFile) -> Self {
        let (was, now) = (describe::items(old), describe::items(new));
        let same = |a: &Item, b: &Item| a.kind == b.kind && a.identity == b.identity;
        let mut changes = Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() };
        changes.removed = was.iter().filter(|o| !now.iter().any(|n| same(o, n))).cloned().collect();
        for item in now {
            match was.iter().find(|o| same(o, &item)) {
                None => changes.added.push(item),
                Some(old) => {
                    let fields = fields(old, &item);
                    if !fields.is_empty() {
                        changes.changed.push(Change { entry: item, fields });
                    }
                }
            }
        }
        changes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    pub(super) fn human(&self) -> String {
        let mut out = String::new();
        let until = |item: &Item| format!("{} – {}", time(item.from, "always"), time(item.until, "for good"));
        for (mark, style, items) in [("added", GOOD, &self.added), ("removed", BAD, &self.removed)] {
            for item in items {
                out.push_str(&format!(
                    "{} {}  {}\n",
                    paint(style, format!("{mark:8}")),
                    words(item),
                    until(item)
                ));
            }
        }
        for change in &self.changed {
            out.push_str(&format!("{} {}\n", paint(WARN, "changed "), words(&change.entry)));
            for field in &change.fields {
                let shown = |v: &Option<String>| v.as_deref().map_or_else(|| "(none)".to_owned(), plain);
                out.push_str(&format!(
                    "         {}: {} -> {}\n",
                    field.field,
                    shown(&field.old),
                    shown(&field.new)
                ));
            }
        }
        out
    }
}

fn words(item: &Item) -> String {
    let owner = item.owner.as_ref().map(|o| format!(", {}", plain(o))).unwrap_or_default();
    format!("{}{owner}", plain(&item.words()))
}

fn time(time: Option<Timestamp>, none: &str) -> String {
    match time {
        None => none.to_owned(),
        // A window without a beginning, as sigstore's own files write it.
        Some(time) if time == Timestamp::UNIX_EPOCH => "always".to_owned(),
        Some(time) => time.to_string(),
    }
}

fn fields(old: &Item, new: &Item) -> Vec<Field> {
    let text = |t: &Option<Timestamp>| t.map(|t| t.to_string());
    let all = [
        ("name", Some(old.name.clone()), Some(new.name.clone())),
        ("owner", old.owner.clone(), new.owner.clone()),
        ("hint", old.hint.clone(), new.hint.clone()),
        ("from", text(&old.from), text(&new.from)),
        ("until", text(&old.until), text(&new.until)),
    ];
    all.into_iter().filter(|(_, o, n)| o != n).map(|(field, old, new)| Field { field, old, new }).collect()
}

/// Writes `after` to `path` and says what changed.
pub(super) fn save(
    path: &Path,
    text: &str,
    before: &TrustFile,
    after: &TrustFile,
    printer: &Printer,
) -> Outcome {
    trust::check(after, path)?;
    let changes = Changes::between(before, after);
    context::write_file(path, text.as_bytes(), Access::Public)?;
    printer.result(&Written { file: path, changes: Changes::between(before, after) }, || {
        format!("{}{} {}\n", changes.human(), paint(DIM, "written"), path.display())
    });
    Ok(Exit::Yes)
}

fn init(args: &TrustInit, printer: &Printer) -> Outcome {
    let path = &args.file;
    if path.exists() && !args.force {
        return Err(Failure::usage(format!("{} is there already", path.display()))
            .hint("change it with `trust add`, `trust rotate` or `trust update`, or give --force"));
    }
    let mut file = match args.instance.name().and_then(trust::embedded) {
        Some(embedded) => embedded?,
        None => TrustFile::default(),
    };
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    file.name = args.name.clone().unwrap_or(stem);
    for from in args.trusted_root.iter().chain(&args.authority) {
        edit::take(from, &mut file)?;
        // From several places: no single one can refresh it.
        file.source = None;
    }
    for key in &args.key {
        let keyring = args.keyring.clone().unwrap_or_else(|| edit::stem(key));
        file.keys.push(edit::managed(key, keyring, args.owner.clone(), None, edit::now(args.from), None)?);
    }
    if describe::items(&file).is_empty() {
        return Err(Failure::usage("nobody is named who would be trusted")
            .hint("give --key, --trusted-root, --authority, --public-good or --github"));
    }
    let text = write::whole(&file);
    let read = TrustFile::parse(&text).map_err(|problems| trust::broken(path, &problems))?;
    save(path, &text, &TrustFile::default(), &read, printer)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    at: Timestamp,
    /// When the newest entry begins: what came later is unknown to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tuf_root: Option<tuf::RootFacts>,
    entries: Vec<ShownItem>,
}

#[derive(Serialize)]
struct ShownItem {
    #[serde(flatten)]
    item: Item,
    state: State,
}

fn shown(file: &TrustFile, at: Timestamp) -> Shown {
    let items = describe::items(file);
    Shown {
        name: file.name.clone(),
        source: file.source.clone(),
        at,
        newest: items.iter().filter_map(|i| i.from).max(),
        tuf_root: None,
        entries: items
            .into_iter()
            .map(|item| ShownItem { state: State::of(item.window(), at), item })
            .collect(),
    }
}

fn show(args: &TrustShow, printer: &Printer) -> Outcome {
    let at = args.at.unwrap_or_else(context::now);
    let Some(path) = &args.file else { return show_embedded(at, printer) };
    let loaded = trust::load(path)?;
    let mut document = shown(&loaded.file, at);
    document.tuf_root = path.to_str().and_then(tuf::embedded_root);
    printer.result(&document, || {
        let rows: Vec<Vec<String>> = document
            .entries
            .iter()
            .map(|entry| {
                let item = &entry.item;
                vec![
                    item.kind.words().into(),
                    plain(&item.name),
                    plain(item.owner.as_deref().unwrap_or("-")),
                    short(&item.id),
                    item.algorithm.clone().unwrap_or_else(|| "-".into()),
                    time(item.from, "always"),
                    time(item.until, "for good"),
                    entry.state.words().into(),
                ]
            })
            .collect();
        let header = ["WHAT", "NAME", "OWNER", "KEY", "ALGORITHM", "FROM", "UNTIL", "STATE"];
        format!("{}{}", table(&header, &rows), age(&document))
    });
    Ok(Exit::Yes)
}

/// How old trust is, in a line: an embedded root knows nothing that came after it.
fn age(document: &Shown) -> String {
    let Some(root) = &document.tuf_root else { return String::new() };
    let newest = document.newest.map(|t| {
        let days = document.at.duration_since(t).as_hours() / 24;
        format!("newest entry {days} days old; ")
    });
    format!(
        "{}: {}TUF root {} {} {}\n",
        paint(BOLD, "embedded"),
        newest.unwrap_or_default(),
        root.version,
        if root.expires < document.at { "expired" } else { "good until" },
        root.expires
    )
}

fn show_embedded(at: Timestamp, printer: &Printer) -> Outcome {
    let mut all = Vec::new();
    for (name, _) in EMBEDDED {
        let Some(file) = trust::embedded(name) else { continue };
        let mut document = shown(&file?, at);
        document.tuf_root = tuf::embedded_root(name);
        all.push(document);
    }
    printer.result(&all, || {
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|d| {
                let valid =
                    d.entries.iter().filter(|e| e.state == State::Valid && e.item.kind != Kind::Service);
                let (valid, all) =
                    (valid.count(), d.entries.iter().filter(|e| e.item.kind != Kind::Service).count());
                let days = d.newest.map(|t| at.duration_since(t).as_hours() / 24).unwrap_or_default();
                let root = d.tuf_root.as_ref();
                vec![
                    d.name.clone(),
                    format!("{valid} of {all}"),
                    format!("{days} days"),
                    root.map(|r| r.version.to_string()).unwrap_or_default(),
                    root.map(|r| r.expires.to_string()).unwrap_or_default(),
                ]
            })
            .collect();
        let text = table(&["EMBEDDED ROOT", "VALID", "NEWEST ENTRY", "TUF ROOT", "GOOD UNTIL"], &rows);
        format!("{text}refreshed by `seaworthy trust update` alone\n")
    });
    Ok(Exit::Yes)
}

#[derive(Serialize)]
struct Linted {
    file: String,
    good: bool,
    findings: Vec<lint::Finding>,
}

fn lint(args: &TrustLint, printer: &Printer) -> Outcome {
    let at = args.at.unwrap_or_else(context::now);
    let mut all = Vec::new();
    for path in &args.files {
        let findings = match path.to_str().and_then(trust::embedded) {
            Some(file) => lint::check(&file?, at, args.within),
            None => lint_file(path, at, args.within)?,
        };
        let bad = |f: &lint::Finding| args.strict || f.severity == lint::Severity::Error;
        all.push(Linted { file: path.display().to_string(), good: !findings.iter().any(bad), findings });
    }
    printer.result(&all, || all.iter().map(linted).collect());
    Ok(if all.iter().all(|l| l.good) { Exit::Yes } else { Exit::No })
}

/// A file that does not even load is linted too: its problems are findings, as with `policy check`.
fn lint_file(path: &Path, at: Timestamp, within: jiff::SignedDuration) -> Outcome<Vec<lint::Finding>> {
    let text = trust::read(path)?;
    if !TrustFile::looks_like(&text) {
        return Ok(lint::check(&trust::load(path)?.file, at, within));
    }
    Ok(match TrustFile::parse(&text) {
        Ok(file) => lint::check(&file, at, within),
        Err(problems) => problems
            .into_iter()
            .map(|p| lint::Finding {
                severity: lint::Severity::Error,
                line: p.line,
                message: p.message,
                hint: p.hint.unwrap_or_default(),
            })
            .collect(),
    })
}

fn linted(linted: &Linted) -> String {
    let mut out = String::new();
    for finding in &linted.findings {
        let (style, word) = match finding.severity {
            lint::Severity::Error => (BAD, "error"),
            lint::Severity::Warning => (WARN, "warning"),
        };
        let line = finding.line.map(|l| format!(":{l}")).unwrap_or_default();
        out.push_str(&format!(
            "{}  {}{line}: {}\n      hint: {}\n",
            paint(style, word),
            linted.file,
            plain(&finding.message),
            plain(&finding.hint)
        ));
    }
    if linted.findings.is_empty() {
        out = format!("{}  {}\n", paint(GOOD, "good"), linted.file);
    }
    out
}

fn diff(args: &TrustDiff, printer: &Printer) -> Outcome {
    let changes = Changes::between(&trust::load(&args.old)?.file, &trust::load(&args.new)?.file);
    printer.result(&changes, || if changes.is_empty() { "no difference\n".into() } else { changes.human() });
    Ok(if changes.is_empty() { Exit::Yes } else { Exit::No })
}

fn export(args: &TrustExport, printer: &Printer) -> Outcome {
    let file = trust::load(&args.file)?.file;
    if !matches!(args.format, ExportForm::CosignPub | ExportForm::Pem) && args.keyring.is_some() {
        return Err(Failure::usage("--keyring is for --format cosign-pub and pem"));
    }
    let json = |value: serde_json::Value| format!("{value:#}\n");
    let services = |value: Option<serde_json::Value>| {
        value.map(json).ok_or_else(|| {
            Failure::usage(format!("{} names no services to sign at", args.file.display()))
                .hint("take them over with `trust init --signing-config FILE`")
        })
    };
    let text = match args.format {
        ExportForm::TrustedRoot => json(file.trusted_root(RootVersion::V0_1)),
        ExportForm::TrustedRootV02 => json(file.trusted_root(RootVersion::V0_2)),
        ExportForm::SigningConfig => services(file.signing_config())?,
        ExportForm::ClientTrustConfig => services(file.client_trust_config())?,
        ExportForm::Trust => write::whole(&file),
        ExportForm::CosignPub => one_key(&file, args)?,
        ExportForm::Pem => all_pem(&file, args.keyring.as_deref()),
    };
    match &args.out {
        Some(path) => {
            context::write_file(path, text.as_bytes(), Access::Public)?;
            printer.say(format!("written to {}", path.display()));
        }
        None => printer.data(&text),
    }
    Ok(Exit::Yes)
}

/// cosign's `--key` takes one key: the one that signs now.
fn one_key(file: &TrustFile, args: &TrustExport) -> Outcome<String> {
    let now = context::now();
    let wanted = |name: &str| args.keyring.as_deref().is_none_or(|k| k == name);
    let mut keys: Vec<_> =
        file.keys.iter().filter(|k| wanted(&k.keyring) && k.window.contains(now)).collect();
    // While two overlap, the newer one signs.
    keys.sort_by_key(|k| k.window.start);
    let rings: std::collections::BTreeSet<&str> = keys.iter().map(|k| k.keyring.as_str()).collect();
    match keys.last() {
        Some(key) if rings.len() == 1 => Ok(pem("PUBLIC KEY", key.key.spki())),
        Some(_) => Err(Failure::usage("several keyrings have a key that is valid now")
            .hint(format!("name one with --keyring: {}", rings.into_iter().collect::<Vec<_>>().join(", ")))),
        None => Err(Failure::new(Exit::No, format!("no key of {} is valid now", args.file.display()))
            .hint("`seaworthy trust show` tells from when until when each is")),
    }
}

fn all_pem(file: &TrustFile, keyring: Option<&str>) -> String {
    let mut out = String::new();
    for key in file.keys.iter().filter(|k| keyring.is_none_or(|name| name == k.keyring)) {
        out.push_str(&pem("PUBLIC KEY", key.key.spki()));
    }
    if keyring.is_some() {
        return out;
    }
    for chain in file.certificate_authorities.iter().chain(&file.timestamp_authorities) {
        chain.certificates.iter().for_each(|der| out.push_str(&pem("CERTIFICATE", der)));
    }
    for log in file.ct_logs.iter().chain(&file.transparency_logs) {
        let label = if log.key_details.starts_with("PKCS1_") { "RSA PUBLIC KEY" } else { "PUBLIC KEY" };
        out.push_str(&pem(label, &log.key));
    }
    out
}
