//! `sbom validate`: whether SBOM files are what the published schemas of their formats say.
//!
//! "Valid", "not valid" and "has no answer" (another format, broken bytes, a limit) are three answers with three exit codes.
//! Each file has its own, and no answer of one hides that of another; the command leaves with the worst.

use crate::args::ValidateSbom;
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{BAD, GOOD, Printer, paint, plain};
use seaworthy_sbom::validate::{self, Problem};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Report {
    files: Vec<OfFile>,
}

#[derive(Serialize)]
struct OfFile {
    file: String,
    schema: Option<String>,
    /// None: there is no answer.
    valid: Option<bool>,
    problems: Vec<Problem>,
    /// Whether there are more of them than are told.
    more: bool,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

impl OfFile {
    fn new(path: &Path, answer: Outcome<validate::Report>) -> Self {
        let file = path.display().to_string();
        match answer {
            Ok(report) => {
                let valid = report.problems.is_empty();
                Self {
                    file,
                    schema: Some(report.schema.to_string()),
                    valid: Some(valid),
                    problems: report.problems,
                    more: report.more,
                    error: None,
                    hint: None,
                    exit: if valid { Exit::Yes } else { Exit::No },
                }
            }
            Err(Failure { exit, message, hint }) => Self {
                file,
                schema: None,
                valid: None,
                problems: Vec::new(),
                more: false,
                error: Some(message),
                hint,
                exit,
            },
        }
    }
}

pub(crate) fn run(args: &ValidateSbom, printer: &Printer) -> Outcome {
    let answer = |path: &Path| -> Outcome<validate::Report> {
        let bytes = context::read_input(path, "SBOM")?;
        validate::validate(&bytes).map_err(Failure::from)
    };
    if let [path] = args.files.as_slice() {
        // One file without an answer is a failed command, told as all of them are.
        let report = answer(path).map_err(|failure| failure.of(path))?;
        return Ok(told(vec![OfFile::new(path, Ok(report))], printer));
    }
    Ok(told(args.files.iter().map(|path| OfFile::new(path, answer(path))).collect(), printer))
}

/// Prints the answers, and gives the worst exit code of theirs.
fn told(files: Vec<OfFile>, printer: &Printer) -> Exit {
    let report = Report { files };
    printer.result(&report, || shown(&report));
    report.files.iter().map(|file| file.exit).max_by_key(|exit| exit.code()).unwrap_or(Exit::Yes)
}

fn shown(report: &Report) -> String {
    let mut out = String::new();
    for file in &report.files {
        let word = match file.valid {
            Some(true) => paint(GOOD, "valid"),
            Some(false) => paint(BAD, "not valid"),
            None => paint(BAD, "no answer"),
        };
        let what = file.schema.as_deref().or(file.error.as_deref()).unwrap_or_default();
        out.push_str(&format!("{word}  {}: {}\n", plain(&file.file), plain(what)));
        if let Some(hint) = &file.hint {
            out.push_str(&format!("  hint: {}\n", plain(hint)));
        }
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
