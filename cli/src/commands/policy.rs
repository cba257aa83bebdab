//! `policy check`: can each policy mean what it says? And the other verbs of `policy`, a file each.

mod cases;
mod explain;
mod import;
mod record;
mod test;

use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::policy_args::{self, PolicyCheck};
use crate::printer::{BAD, GOOD, Printer, paint, plain};
use seaworthy_oci::OpenOptions;
use seaworthy_verifier::{Mode, PolicyError, PolicySet, Problem};
use serde::Serialize;
use std::path::PathBuf;

pub(crate) async fn run(command: &policy_args::Policy, options: &OpenOptions, printer: &Printer) -> Outcome {
    match command {
        policy_args::Policy::Check(args) => check(args, printer),
        policy_args::Policy::Test(args) => test::run(args, printer).await,
        policy_args::Policy::Explain(args) => explain::run(args, options, printer).await,
        policy_args::Policy::Record(args) => record::run(args, options, printer).await,
        policy_args::Policy::Import(args) => import::run(args, printer),
    }
}

/// Loads the policies of all `files`.
pub(crate) fn load(files: &[PathBuf]) -> Outcome<PolicySet> {
    load_at(files, context::now())
}

/// [`load`], as of `now`.
fn load_at(files: &[PathBuf], now: jiff::Timestamp) -> Outcome<PolicySet> {
    let mut policies = PolicySet::default();
    for file in files {
        policies.extend(PolicySet::load(file, now).map_err(|e| failure(&e))?);
    }
    Ok(policies)
}

/// A policy that cannot be used is broken input: no retry makes it mean something.
pub(crate) fn failure(error: &PolicyError) -> Failure {
    Failure::broken(format!("cannot use the policy {error}"))
        .hint("`seaworthy policy check` lists everything that is wrong with it")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    file: String,
    good: bool,
    policies: Vec<Named>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exceptions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

impl Checked {
    fn bad(file: String, problems: Vec<Problem>) -> Self {
        Self { file, good: false, policies: Vec::new(), exceptions: Vec::new(), problems }
    }
}

#[derive(Serialize)]
struct Named {
    name: String,
    mode: Mode,
}

fn check(args: &PolicyCheck, printer: &Printer) -> Outcome {
    let mut checked: Vec<Checked> = Vec::new();
    let mut all = PolicySet::default();
    for file in &args.files {
        let name = file.display().to_string();
        checked.push(match PolicySet::load(file, context::now()) {
            Ok(policies) => {
                let named =
                    policies.policies.iter().map(|p| Named { name: p.name().to_owned(), mode: p.mode() });
                let named = named.collect();
                let exceptions = policies.exceptions.iter().map(|e| e.name().to_owned()).collect();
                let entry = Checked { file: name, good: true, policies: named, exceptions, problems: vec![] };
                all.extend(policies);
                entry
            }
            Err(error) => Checked::bad(name, error.problems),
        });
    }
    // Two files may each be good and still not go together.
    let (now, platforms) = (context::now(), Default::default());
    let context = seaworthy_verifier::Context { now, platforms, namespace: None };
    if let Err(error) = seaworthy_verifier::Verifier::new(all, context) {
        checked.push(Checked::bad(error.origin, error.problems));
    }
    let good = checked.iter().all(|c| c.good);
    printer.result(&checked, || checked.iter().map(human).collect());
    Ok(if good { Exit::Yes } else { Exit::No })
}

fn human(checked: &Checked) -> String {
    let mut out = String::new();
    for policy in &checked.policies {
        let mode = serde_json::to_value(policy.mode).ok().and_then(|m| m.as_str().map(str::to_owned));
        out.push_str(&format!(
            "{}  {}: policy {} ({})\n",
            paint(GOOD, "good"),
            checked.file,
            plain(&policy.name),
            mode.unwrap_or_default()
        ));
    }
    for exception in &checked.exceptions {
        let name = plain(exception);
        out.push_str(&format!("{}  {}: exception {name}\n", paint(GOOD, "good"), checked.file));
    }
    for problem in &checked.problems {
        let at = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!(":{line}:{column}"),
            _ => String::new(),
        };
        out.push_str(&format!("{}   {}{at}: {}\n", paint(BAD, "bad"), checked.file, plain(&problem.message)));
        if let Some(hint) = &problem.hint {
            out.push_str(&format!("      hint: {}\n", plain(hint)));
        }
    }
    out
}
