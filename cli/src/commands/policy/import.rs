//! `policy import`: the policies of others as ours, and what became of each field.
//!
//! The policies go to standard output or to a file, what is said about them to standard error or beside them. The exit
//! code says whether anything was lost: 0 where everything is carried over or stricter, else 1.

use super::record::beside;
use crate::context::{self, Access};
use crate::exit::{Exit, Failure, Outcome};
use crate::import::{self, Finding, Given, Piece, Weaker, Weight};
use crate::policy_args::PolicyImport;
use crate::printer::{BAD, BOLD, DIM, GOOD, Printer, WARN, paint, plain};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    file: String,
    /// What was written, together.
    policies: String,
    imported: Vec<Imported>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    source: String,
    line: u64,
    /// The name of the policy that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    findings: Vec<Finding>,
}

pub(crate) fn run(args: &PolicyImport, printer: &Printer) -> Outcome {
    let text = crate::yaml::read(&args.file)?;
    let target = args.to.as_deref().unwrap_or(Path::new("policy.yaml"));
    let base = target.parent().unwrap_or(Path::new(""));
    let given = Given { trusted_root: args.trusted_root.as_ref().map(|root| named(root, base)).transpose()? };
    let weaker = if args.accept_weaker { Weaker::Marked } else { Weaker::Refused };
    let pieces = import::import(&text, &args.file, target, &given, weaker, context::now())?;
    let policies: Vec<&str> =
        pieces.iter().filter_map(|p| p.written.as_ref()).map(|w| w.yaml.as_str()).collect();
    let policies = policies.join("---\n");
    let lost = pieces.iter().any(|piece| piece.weight() >= Some(Weight::Weaker));
    let document = Document {
        file: args.file.display().to_string(),
        policies,
        imported: pieces.into_iter().map(imported).collect(),
    };
    if let (Some(to), false) = (&args.to, document.policies.is_empty()) {
        if to.exists() {
            return Err(Failure::usage(format!("{} is there already", to.display()))
                .hint("name a new file: an import is read by somebody before it replaces anything"));
        }
        context::write_file(to, document.policies.as_bytes(), Access::Public)?;
    }
    printer.result(&document, || match args.to {
        Some(_) => human(&document),
        None => document.policies.clone(),
    });
    if args.to.is_none() && !printer.is_json() {
        printer.report(&human(&document));
    }
    Ok(if lost { Exit::No } else { Exit::Yes })
}

/// A trusted root as policies in `base` write it.
fn named(root: &str, base: &Path) -> Outcome<String> {
    if seaworthy_verifier::Trust::embedded(root).is_some() {
        return Ok(root.to_owned());
    }
    if !Path::new(root).is_file() {
        return Err(Failure::usage(format!("there is no file {root}"))
            .hint("give a trusted_root.json or a trust file"));
    }
    Ok(beside(base, Path::new(root)))
}

fn imported(piece: Piece) -> Imported {
    Imported {
        source: piece.source,
        line: piece.line,
        policy: piece.written.map(|written| written.name),
        findings: piece.findings,
    }
}

fn human(document: &Document) -> String {
    let mut out = String::new();
    for one in &document.imported {
        let place = format!("{}:{}", document.file, one.line);
        let became = match &one.policy {
            Some(name) => format!("{} policy {}", paint(GOOD, "written"), plain(name)),
            None => paint(BAD, "no policy"),
        };
        let _ = writeln!(out, "{} {}: {became}", paint(BOLD, plain(&one.source)), paint(DIM, plain(&place)));
        for finding in &one.findings {
            let style = match finding.weight {
                Weight::Note => DIM,
                Weight::Stricter => WARN,
                Weight::Weaker | Weight::Refused => BAD,
            };
            let word = paint(style, format!("{:<8}", finding.weight.name()));
            let field =
                if finding.field.is_empty() { String::new() } else { format!("{}: ", plain(&finding.field)) };
            let _ = writeln!(out, "  {word}  line {:<4} {field}{}", finding.line, plain(&finding.message));
        }
    }
    out
}
