//! `sbom validate`: whether SBOM files are what the published schemas of their formats say.
//!
//! "Valid", "not valid" and "has no schema here" are three answers with three exit codes; a file of the third kind ends
//! the command before anything is called valid.

use crate::args::ValidateSbom;
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{BAD, GOOD, Printer, paint, plain};
use seaworthy_sbom::validate::{self, Problem};
use serde::Serialize;

#[derive(Serialize)]
struct Report {
    files: Vec<OfFile>,
}

#[derive(Serialize)]
struct OfFile {
    file: String,
    schema: String,
    valid: bool,
    problems: Vec<Problem>,
    /// Whether there are more of them than are told.
    more: bool,
}

pub(crate) fn run(args: &ValidateSbom, printer: &Printer) -> Outcome {
    let mut files = Vec::new();
    for path in &args.files {
        let bytes = context::read_input(path, "SBOM")?;
        let report = validate::validate(&bytes).map_err(|e| Failure::from(e).of(path))?;
        files.push(OfFile {
            file: path.display().to_string(),
            schema: report.schema.to_string(),
            valid: report.problems.is_empty(),
            problems: report.problems,
            more: report.more,
        });
    }
    let report = Report { files };
    let valid = report.files.iter().all(|file| file.valid);
    printer.result(&report, || shown(&report));
    Ok(if valid { Exit::Yes } else { Exit::No })
}

fn shown(report: &Report) -> String {
    let mut out = String::new();
    for file in &report.files {
        let word = if file.valid { paint(GOOD, "valid") } else { paint(BAD, "not valid") };
        out.push_str(&format!("{word}  {}: {}\n", plain(&file.file), file.schema));
        for problem in &file.problems {
            let place = if problem.path.is_empty() { "/" } else { &problem.path };
            out.push_str(&format!(
                "  {}\n    expected {}\n    found {}\n",
                plain(place),
                plain(&problem.expected),
                plain(&problem.found)
            ));
            if let Some(hint) = &problem.hint {
                out.push_str(&format!("    hint: {}\n", plain(hint)));
            }
        }
        if file.more {
            out.push_str("  and more\n");
        }
    }
    out
}
