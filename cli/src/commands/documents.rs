//! `sbom convert` and `sbom merge`: SBOM files into other SBOM files, without silent loss.
//!
//! Two things are told apart. What was in a file and has no place in an inventory is *left behind*. What a target
//! has no field for stands *aside*, in annotations or properties that Seaworthy reads back and others do not see.

use super::sbom::{self, Form, Output};
use crate::args::{Convert, Formats, Merge};
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{Printer, plain};
use seaworthy_sbom::documents::{self, Kind};
use seaworthy_sbom::inventory::Inventory;
use seaworthy_sbom::losses::Losses;
use seaworthy_sbom::merge::{self, About};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    read: Vec<ReadFile>,
    packages: usize,
    left_behind: Vec<Counted>,
    written: Vec<Written>,
}

#[derive(Serialize)]
struct ReadFile {
    file: String,
    format: String,
    packages: usize,
}

#[derive(Serialize)]
struct Counted {
    what: String,
    count: u64,
}

#[derive(Serialize)]
struct Written {
    file: String,
    format: String,
    aside: Vec<Counted>,
}

fn counted(losses: &Losses) -> Vec<Counted> {
    losses.iter().map(|(what, count)| Counted { what: what.to_owned(), count }).collect()
}

fn listed(losses: &Losses) -> String {
    let parts: Vec<String> =
        losses.iter().map(|(what, count)| format!("{count} × {}", plain(what))).collect();
    parts.join(", ")
}

/// An SBOM file, with how it was written and what of it has no place in an inventory.
pub(super) fn read_document(path: &Path, left: &mut Losses, printer: &Printer) -> Outcome<(Kind, Inventory)> {
    let document = documents::read(&context::read_input(path, "SBOM")?);
    Ok(taken(path, document.map_err(|e| Failure::from(e).of(path))?, left, printer))
}

/// The document of `path` as it was read, after telling what of it is left behind.
pub(super) fn taken(
    path: &Path,
    (kind, inventory, losses): (Kind, Inventory, Losses),
    left: &mut Losses,
    printer: &Printer,
) -> (Kind, Inventory) {
    if !losses.is_empty() {
        printer.warn(format!("left behind of {}: {}", path.display(), listed(&losses)));
    }
    left.extend(&losses);
    (kind, inventory)
}

/// One file, with its report.
fn read(path: &Path, left: &mut Losses, printer: &Printer) -> Outcome<(ReadFile, Inventory)> {
    let (kind, inventory) = read_document(path, left, printer)?;
    let packages = inventory.packages.len();
    Ok((ReadFile { file: path.display().to_string(), format: kind.to_string(), packages }, inventory))
}

/// Writes every form and ends the command.
fn finish(
    read: Vec<ReadFile>,
    inventory: &Inventory,
    mut left: Losses,
    outputs: &[Output],
    strict: bool,
    printer: &Printer,
) -> Outcome {
    let mut written = Vec::new();
    for output in outputs {
        sbom::emit(&output.form, output.file.as_deref(), "", inventory, printer)?;
        let (format, aside) = match &output.form {
            Form::Document(kind) => (kind.to_string(), documents::aside(*kind, inventory)?),
            Form::Json => ("json".to_owned(), Losses::default()),
            Form::Table => ("table".to_owned(), Losses::default()),
            // What a template leaves out, it leaves out because somebody wrote it so.
            Form::Template(_) => ("template".to_owned(), Losses::default()),
        };
        if !aside.is_empty() {
            if matches!(output.form, Form::Document(Kind::GitHub)) {
                left.extend(&aside);
                printer.warn(format!("{format}: left behind: {}", listed(&aside)));
            } else {
                printer.say(format!("{format}: only in fields of Seaworthy's own: {}", listed(&aside)));
            }
        }
        if let Some(file) = &output.file {
            written.push(Written { file: file.clone(), format, aside: counted(&aside) });
        }
    }
    let exit = if strict && !left.is_empty() { Exit::No } else { Exit::Yes };
    // A document on standard output is the result itself.
    if outputs.iter().all(|o| o.file.is_some()) {
        let packages = inventory.packages.len();
        let report = Report { read, packages, left_behind: counted(&left), written };
        printer.result(&report, String::new);
    }
    Ok(exit)
}

fn wanted(formats: &Formats, printer: &Printer) -> Outcome<Vec<Output>> {
    if formats.formats.is_empty() {
        return Err(Failure::usage("no format was asked for").hint(format!(
            "-o FORMAT or -o FORMAT=FILE; the formats are table, json, template=TEMPLATE, {}",
            Kind::WRITTEN.join(", ")
        )));
    }
    sbom::outputs(formats, printer)
}

pub(crate) fn convert(args: &Convert, printer: &Printer) -> Outcome {
    let outputs = wanted(&args.formats, printer)?;
    let mut left = Losses::default();
    let (file, inventory) = read(&args.file, &mut left, printer)?;
    finish(vec![file], &inventory, left, &outputs, args.strict, printer)
}

pub(crate) fn merge(args: &Merge, printer: &Printer) -> Outcome {
    let outputs = wanted(&args.formats, printer)?;
    let (mut left, mut files, mut inventories) = (Losses::default(), Vec::new(), Vec::new());
    for path in &args.files {
        let (file, inventory) = read(path, &mut left, printer)?;
        files.push(file);
        inventories.push(inventory);
    }
    let about = args.name.clone().map_or(About::TheSame, About::Named);
    let merged = merge::merge(inventories, about)?;
    finish(files, &merged, left, &outputs, args.strict, printer)
}
