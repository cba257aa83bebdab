//! `sbom`: the inventory of an image, in several formats at once.

use super::sources::{self, Place};
use crate::args::{self, Formats, Sbom, Speakers};
use crate::context::{self, Target};
use crate::exit::{Exit, Failure, Outcome};
use crate::layer_cache;
use crate::printer::{self, Printer, plain};
use seaworthy_catalog::{HIDDEN_BY, Memory, Options, Progress, Reading, Scope};
use seaworthy_oci::archive::containerd;
use seaworthy_oci::{Digest, Location, OpenOptions, Source};
use seaworthy_sbom::cpe;
use seaworthy_sbom::declare::{self, Declaration};
use seaworthy_sbom::documents::{self, Kind};
use seaworthy_sbom::files::Selection;
use seaworthy_sbom::format::{Format, Layout, WriteOptions};
use seaworthy_sbom::github;
use seaworthy_sbom::inventory::Inventory;
use seaworthy_sbom::template::Template;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// One of the forms that were asked for.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// For people.
    Table,
    /// The inventory model itself.
    Json,
    /// A standard document.
    Document(Kind),
    /// What a template makes of it.
    Template(Arc<Template>),
}

/// Where one form goes.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) form: Form,
    /// `None`: standard output.
    pub(super) file: Option<String>,
}

/// Draws the layers of one image as they are read.
struct LayerBar {
    bar: indicatif::ProgressBar,
    read: Mutex<Vec<u64>>,
    /// Layers that were read in part: which, and how many bytes of them were fetched.
    lazy: Mutex<Vec<(usize, u64)>>,
}

impl Progress for LayerBar {
    fn layer_bytes(&self, index: usize, read: u64) {
        let mut all = self.read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(slot) = all.get_mut(index) {
            *slot = read;
        }
        self.bar.set_position(all.iter().sum());
    }

    fn layer_was_lazy(&self, index: usize, fetched: u64) {
        self.lazy.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, fetched));
    }
}

impl LayerBar {
    /// Says of which layers only a part was fetched, and how much.
    fn told(self, target: &Target, printer: &Printer) {
        let mut lazy = self.lazy.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        lazy.sort_unstable();
        for (index, fetched) in lazy {
            let Some(layer) = target.image.layers.get(index) else { continue };
            let (number, of) = (index + 1, target.image.layers.len());
            printer.say(format!("layer {number} of {of}: fetched {fetched} of {} bytes", layer.size));
        }
    }
}

/// How images are inventoried in one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct How {
    /// What is known of their layers.
    pub(crate) memory: Memory,
    /// How much of them.
    pub(crate) scope: Scope,
    /// Which of their files are listed.
    pub(crate) files: Selection,
    /// Whether layers may be read in part.
    pub(crate) reading: Reading,
    /// Who speaks.
    pub(crate) declaration: Declaration,
}

/// Inventories one image. The name inside is the repository, or the name of the file or directory: paths of
/// this machine do not belong into a document that travels.
pub(crate) async fn inventory(
    place: &dyn Source,
    target: &Target,
    how: How,
    printer: &Printer,
) -> Outcome<Inventory> {
    let How { memory, scope, files, reading, declaration } = how;
    // A layer for each core, and no more than leave some of the blocking threads (main.rs) to whoever feeds them.
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 6));
    let created = context::source_date_epoch()?;
    let options = Options { created, memory, scope, files, reading, threads, ..Options::default() };
    let total = target.image.layers.iter().map(|l| l.size).sum();
    let progress = LayerBar {
        bar: printer.bar(&format!("inventory {}", target.label()), total),
        read: Mutex::new(vec![0; target.image.layers.len()]),
        lazy: Mutex::default(),
    };
    let mut inventory =
        seaworthy_catalog::inventory(place, &target.pinned, &target.image, &options, &progress).await?;
    progress.bar.finish_and_clear();
    progress.told(target, printer);
    inventory.subject.name = match target.pinned.location() {
        Location::Registry(repository) => repository.to_string(),
        Location::Daemon { name, .. } | Location::Containerd { name, .. } => {
            let (name, tag) = sources::name_of_exported(name);
            inventory.subject.tag = tag;
            name
        }
        _ => super::sign::legacy_identity(&target.pinned).unwrap_or_else(|| "image".into()),
    };
    declare::declare(&mut inventory, &declaration);
    Ok(inventory)
}

/// Who speaks, as the command line and the environment say.
pub(crate) fn declaration(speakers: &Speakers) -> Outcome<Declaration> {
    let named = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let author = named(&speakers.author).map(|text| declare::author(&text)).transpose();
    let author = author.map_err(|e| {
        let failure = Failure::from(e);
        Failure { hint: failure.hint, ..Failure::usage(failure.message) }
    })?;
    Ok(Declaration { author, supplier: named(&speakers.supplier) })
}

/// The document's bytes.
pub(crate) fn document(inventory: &Inventory, format: Format, layout: Layout) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    seaworthy_sbom::format::write(format, inventory, &WriteOptions::new(layout), &mut bytes)?;
    Ok(bytes)
}

/// A document format by name.
pub(crate) fn format(name: &str) -> Outcome<Format> {
    Format::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(|f| f.name()).collect();
        Failure::usage(format!("'{}' is no SBOM format that is written here", plain(name)))
            .hint(format!("write {}", known.join(" or ")))
    })
}

/// What was asked for with `-o`.
pub(super) fn outputs(args: &Formats, printer: &Printer) -> Outcome<Vec<Output>> {
    let mut outputs = Vec::new();
    for text in &args.formats {
        if let Some(rest) = text.strip_prefix("template").filter(|r| r.is_empty() || r.starts_with('=')) {
            outputs.push(templated(rest.strip_prefix('='), args)?);
            continue;
        }
        let (name, file) = match text.split_once('=') {
            Some((name, file)) if !file.is_empty() => (name, Some(file.to_owned())),
            Some((name, _)) => return Err(Failure::usage(format!("no file name after '{name}='"))),
            None => (text.as_str(), None),
        };
        let form = match name {
            "table" => Form::Table,
            "json" => Form::Json,
            other => Form::Document(other.parse()?),
        };
        outputs.push(Output { form, file });
    }
    if args.template.is_some() && !outputs.iter().any(|o: &Output| matches!(o.form, Form::Template(_))) {
        return Err(Failure::usage("--template goes with -o template"));
    }
    if outputs.is_empty() {
        let form = if printer.is_json() { Form::Json } else { Form::Table };
        outputs.push(Output { form, file: None });
    }
    if outputs.iter().filter(|o| o.file.is_none()).count() > 1 {
        return Err(Failure::usage("only one format can go to standard output")
            .hint("write the others to files: -o spdx-json=app.spdx.json"));
    }
    Ok(outputs)
}

/// `-o template=FILE` and `-o template=FILE=OUT`; `-t FILE -o template` as syft and trivy have it.
fn templated(named: Option<&str>, args: &Formats) -> Outcome<Output> {
    let hint = "-o template=FILE writes what the template FILE makes to standard output, -o template=FILE=OUT to a file";
    let flag = args.template.as_ref().map(|name| name.strip_prefix('@').unwrap_or(name));
    let (path, file) = match (named, flag) {
        (Some(named), None) => match named.split_once('=') {
            Some((path, file)) => (path, Some(file)),
            None => (named, None),
        },
        (None, Some(path)) => (path, None),
        (None, None) => return Err(Failure::usage("no template was named").hint(hint)),
        (Some(_), Some(_)) => {
            return Err(Failure::usage("a template is named by -o and by --template").hint(hint));
        }
    };
    if path.is_empty() || file.is_some_and(str::is_empty) {
        return Err(Failure::usage("a file name is missing behind 'template='").hint(hint));
    }
    let source = String::from_utf8(context::read_input(Path::new(path), "template")?)
        .map_err(|_| Failure::broken(format!("template {path} is no text (UTF-8)")))?;
    let template = Template::parse(path, &source)?;
    Ok(Output { form: Form::Template(Arc::new(template)), file: file.map(str::to_owned) })
}

pub(crate) async fn run(args: &Sbom, options: &OpenOptions, printer: &Printer) -> Outcome {
    let outputs = outputs(&args.formats, printer)?;
    let Some(image) = &args.image else { return Err(Failure::usage("no image was named")) };
    if let Some(place) = Place::named(image) {
        return sources::run(&place, args, &outputs, printer).await;
    }
    sources::is_about_an_image(args)?;
    let files = Selection::from_name(&args.files).unwrap_or_default();
    let declaration = declaration(&args.speakers)?;
    let wanted = context::platforms(&args.platforms.platform)?;
    let opened = match (sources::of_daemon(image), sources::of_containerd(image)) {
        (Some(location), _) => sources::exported(location, options).await?,
        (_, Some(location)) => {
            let root = args.containerd_root.as_deref().unwrap_or(Path::new(containerd::ROOT));
            sources::kept(location, root, &wanted, printer).await?
        }
        _ => context::open(image, options).await?,
    };
    let reading = reading(args, opened.place.location(), printer)?;
    let targets = context::targets(&opened, &wanted).await?;
    let many = targets.len() > 1;
    for output in &outputs {
        let names_platform = output.file.as_ref().is_some_and(|f| f.contains("{platform}"));
        if many
            && !names_platform
            && (output.file.is_some() || matches!(output.form, Form::Document(_) | Form::Template(_)))
        {
            let platforms: Vec<String> = targets.iter().map(Target::label).collect();
            return Err(Failure::usage(format!(
                "{} has {} platforms ({}), and a document holds one",
                opened.pinned,
                targets.len(),
                platforms.join(", ")
            ))
            .hint("choose with --platform, or write to a file with {platform} in its name"));
        }
    }
    let scope = match args.scope {
        args::Scope::Squashed => Scope::Squashed,
        args::Scope::AllLayers => Scope::AllLayers,
    };
    let how = How { memory: args.cache.memory(&targets, printer), scope, files, reading, declaration };
    let mut gaps = 0;
    let mut all: Vec<Inventory> = Vec::new();
    for target in &targets {
        let mut inventory = inventory(opened.place.as_ref(), target, how.clone(), printer).await?;
        if inventory.subject.platform.is_none() {
            inventory.subject.platform = target.platform.as_ref().map(ToString::to_string);
        }
        if args.cpe {
            cpe::add(&mut inventory);
        }
        gaps += tell_gaps(&inventory, printer);
        for output in &outputs {
            write(output, &inventory, target, many, printer)?;
        }
        if outputs.iter().any(|o| o.file.is_none() && matches!(o.form, Form::Json)) {
            all.push(inventory);
        }
    }
    layer_cache::told(&how.memory, printer);
    match all.as_slice() {
        [] => {}
        [one] => json(one, printer.sink())?,
        many => json(&many, printer.sink())?,
    }
    Ok(if args.strict && gaps > 0 { Exit::No } else { Exit::Yes })
}

/// Whether layers may be read in part, as `--lazy` says.
fn reading(args: &Sbom, location: &Location, printer: &Printer) -> Outcome<Reading> {
    match (args.lazy, location) {
        (false, _) => Ok(Reading::Whole),
        (true, Location::Registry(_)) => {
            if args.files != "none" {
                printer.warn("--files needs all bytes of every file: --lazy changes nothing");
            }
            Ok(Reading::Lazy)
        }
        (true, _) => Err(lazy_is_for_registries()),
    }
}

/// Elsewhere all is there.
pub(super) fn lazy_is_for_registries() -> Failure {
    Failure::usage("--lazy is for images in registries: elsewhere nothing is fetched")
}

/// Says what could not be read, and how much that is.
pub(super) fn tell_gaps(inventory: &Inventory, printer: &Printer) -> usize {
    for gap in &inventory.gaps {
        printer.warn(format!("not read: {}: {}", plain(&gap.path), plain(&gap.reason)));
    }
    inventory.gaps.len()
}

fn json(value: &impl serde::Serialize, mut out: impl std::io::Write) -> Outcome<()> {
    serde_json::to_writer_pretty(&mut out, value)
        .map_err(std::io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(|e| Failure::local(format!("cannot write the inventory: {e}")))
}

fn write(
    output: &Output,
    inventory: &Inventory,
    target: &Target,
    many: bool,
    printer: &Printer,
) -> Outcome<()> {
    let head = if many { format!("{}\n", target.label()) } else { String::new() };
    let named = output.file.as_ref().map(|f| f.replace("{platform}", &target.label().replace('/', "-")));
    match named {
        // All platforms make one JSON document; it is printed when they are all there.
        None if matches!(output.form, Form::Json) => Ok(()),
        file => emit(&output.form, file.as_deref(), &head, inventory, printer),
    }
}

/// Writes an inventory in one form to one place; `head` stands above a table.
pub(super) fn emit(
    form: &Form,
    file: Option<&str>,
    head: &str,
    inventory: &Inventory,
    printer: &Printer,
) -> Outcome<()> {
    // Documents are written as they come: with all files of an image they are larger than the inventory.
    let Some(name) = file else {
        return match form {
            Form::Document(kind) if *kind != Kind::GitHub => {
                Ok(documents::write(*kind, inventory, Layout::Pretty, printer.sink())?)
            }
            _ => {
                printer.data(&String::from_utf8_lossy(&bytes(form, head, inventory)?));
                Ok(())
            }
        };
    };
    context::write_output(&PathBuf::from(name), |out| match form {
        Form::Document(kind) if *kind != Kind::GitHub => {
            Ok(documents::write(*kind, inventory, Layout::Pretty, out)?)
        }
        _ => {
            let bytes = bytes(form, head, inventory)?;
            let plain = matches!(form, Form::Table);
            let bytes = if plain { anstream::adapter::strip_bytes(&bytes).into_vec() } else { bytes };
            out.write_all(&bytes).map_err(|e| Failure::local(format!("cannot write {name}: {e}")))
        }
    })?;
    printer.say(format!("wrote {name} ({} packages)", inventory.packages.len()));
    Ok(())
}

/// What is small, in one piece.
fn bytes(form: &Form, head: &str, inventory: &Inventory) -> Outcome<Vec<u8>> {
    match form {
        Form::Json => {
            let mut bytes = Vec::new();
            json(inventory, &mut bytes).map(|()| bytes)
        }
        Form::Table => {
            Ok(format!("{head}{}{}", table(inventory), super::files::findings(inventory)).into_bytes())
        }
        Form::Document(_) => snapshot(inventory),
        Form::Template(template) => Ok(template.render(inventory)?),
    }
}

/// A snapshot as GitHub's API takes it from a workflow, whose runner says which run it is.
fn snapshot(inventory: &Inventory) -> Outcome<Vec<u8>> {
    let says = |name: &str| std::env::var(name).unwrap_or_default();
    let run = github::Snapshot {
        job_id: says("GITHUB_RUN_ID"),
        correlator: [says("GITHUB_WORKFLOW"), says("GITHUB_JOB")].join(" ").trim().to_owned(),
        sha: says("GITHUB_SHA"),
        git_ref: says("GITHUB_REF"),
    };
    let mut bytes = Vec::new();
    github::write(inventory, &run, Layout::Pretty, &mut bytes)?;
    Ok(bytes)
}

/// The packages for people.
pub(crate) fn table(inventory: &Inventory) -> String {
    let layer_of = |digest: &Option<String>| -> String {
        let Some(digest) = digest else { return "-".into() };
        let index = inventory.layers.iter().position(|l| l.digest == *digest);
        index.map_or_else(
            || digest.parse::<Digest>().map_or("-".into(), |d| d.short().to_owned()),
            |i| (i + 1).to_string(),
        )
    };
    let rows: Vec<Vec<String>> = inventory
        .packages
        .iter()
        .map(|p| {
            vec![
                plain(&p.name),
                plain(p.version.as_deref().unwrap_or("-")),
                p.ecosystem.name().to_owned(),
                match p.properties.get(HIDDEN_BY) {
                    Some(by) => format!("{}, hidden by {}", layer_of(&p.layer), layer_of(&Some(by.clone()))),
                    None => layer_of(&p.layer),
                },
                plain(super::inspect::license_of(p).unwrap_or("-")),
            ]
        })
        .collect();
    let mut out = printer::table(&["NAME", "VERSION", "TYPE", "LAYER", "LICENSE"], &rows);
    let os = inventory
        .os
        .as_ref()
        .and_then(|os| os.pretty_name.clone())
        .unwrap_or_else(|| "no known system".into());
    let hidden = inventory.packages.iter().filter(|p| p.properties.contains_key(HIDDEN_BY)).count();
    let layers = match inventory.layers.len() {
        0 if !inventory.subject.is_image() => String::new(),
        n => format!(" in {n} layers"),
    };
    out.push_str(&format!(
        "{} packages{}{layers}, {}\n",
        inventory.packages.len() - hidden,
        if hidden == 0 { String::new() } else { format!(", and {hidden} hidden,") },
        plain(&os)
    ));
    out
}
