//! `policy test`: is each recorded image judged as the test file says?
//!
//! The judge is the one of `verify` and of the cluster; nothing is fetched. A case passes where the decision is the
//! expected one, every expected refusal stands in the verdict, and no refusal stands there that was not expected. So
//! an image that is denied for another reason than the one that was meant is a failure, and so is an image that a
//! policy in audit or warn mode would have denied unless the case says so.
//!
//! What no case covers is said: a policy that matched no image, one that was never seen allowing or never denying,
//! a policy file that no test file names.

use super::cases::{self, Case, Decision, Expect, TestFile};
use crate::context::{self, Access};
use crate::exit::{Exit, Failure, Outcome};
use crate::policy_args::PolicyTest;
use crate::printer::{BAD, BOLD, GOOD, Printer, WARN, paint, plain, table};
use jiff::Timestamp;
use seaworthy_oci::{OpenOptions, Platform, Reference};
use seaworthy_verifier::{
    Context, Decision as Verdicts, Explanation, ImageName, Platforms, PolicySet, Verdict, Verifier,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Directories below the one that is searched.
const SEARCH_DEPTH: usize = 16;
/// Entries that are looked at in one search: a repository of policies has hundreds.
const SEARCH_ENTRIES: usize = 100_000;

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    files: Vec<FileReport>,
    warnings: Vec<String>,
    passed: usize,
    failed: usize,
    broken: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileReport {
    file: String,
    /// Why none of its cases could run.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    cases: Vec<CaseReport>,
    policies: Vec<Coverage>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseReport {
    name: String,
    line: u64,
    image: String,
    result: CaseResult,
    expected: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Side>,
    /// One line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum CaseResult {
    Passed,
    Failed,
    /// The evidence could not be opened: neither passed nor failed.
    Broken,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    decision: Decision,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    refusals: BTreeSet<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// How often a policy was seen saying yes and no.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Coverage {
    policy: String,
    allowed: usize,
    denied: usize,
    /// It asks for nothing, and so denies nothing.
    #[serde(skip)]
    asks_nothing: bool,
}

pub(crate) async fn run(args: &PolicyTest, printer: &Printer) -> Outcome {
    let found = find(&args.paths)?;
    if found.tests.is_empty() {
        let shown: Vec<String> = args.paths.iter().map(|p| p.display().to_string()).collect();
        return Err(Failure::usage(format!("there is no test file (*.test.yaml) in {}", shown.join(", ")))
            .hint("`seaworthy policy record IMAGE --policy FILE --to FILE.test.yaml` makes one"));
    }
    let mut report = Report::default();
    let mut tested: BTreeSet<PathBuf> = BTreeSet::new();
    for path in &found.tests {
        let file = match cases::read(path) {
            Ok(file) => file,
            Err(failure) => {
                report.push(FileReport::broken(path, &failure));
                continue;
            }
        };
        tested.extend(file.policies.iter().filter_map(|p| p.canonicalize().ok()));
        let wanted = |case: &&Case| args.case.as_ref().is_none_or(|text| case.name.contains(text.as_str()));
        report.push(match run_file(&file, wanted).await {
            Ok(done) => done,
            Err(failure) => FileReport::broken(path, &failure),
        });
    }
    if report.files.iter().all(|f| f.cases.is_empty() && f.error.is_none()) {
        return Err(Failure::usage("no case has that text in its name").hint("leave out --case to run all"));
    }
    // A run of some cases says nothing about what the others cover.
    if args.case.is_none() {
        report.uncovered();
        for policy in found.policies.iter().filter(|p| p.canonicalize().is_ok_and(|p| !tested.contains(&p))) {
            report.warnings.push(format!("{}: no test file names this policy", policy.display()));
        }
    }
    if let Some(path) = &args.junit {
        context::write_file(path, junit(&report).as_bytes(), Access::Public)?;
    }
    printer.result(&report, || human(&report));
    Ok(match (report.broken, report.failed, args.strict && !report.warnings.is_empty()) {
        (1.., _, _) => Exit::Broken,
        (0, 1.., _) | (0, 0, true) => Exit::No,
        (0, 0, false) => Exit::Yes,
    })
}

impl Report {
    fn push(&mut self, file: FileReport) {
        let of = |result| file.cases.iter().filter(|c| c.result == result).count();
        self.passed += of(CaseResult::Passed);
        self.failed += of(CaseResult::Failed);
        self.broken += of(CaseResult::Broken) + usize::from(file.error.is_some());
        self.files.push(file);
    }

    /// Warnings for what the cases show too little of.
    fn uncovered(&mut self) {
        for file in &self.files {
            for Coverage { policy, allowed, denied, asks_nothing } in &file.policies {
                let what = match (allowed, denied) {
                    (0, 0) => "no case covers the policy",
                    (0, _) => "no case shows an image that meets the policy",
                    (_, 0) if !asks_nothing => "no case shows an image that does not meet the policy",
                    _ => continue,
                };
                self.warnings.push(format!("{}: {what} '{policy}'", file.file));
            }
        }
    }
}

impl FileReport {
    fn broken(path: &Path, failure: &Failure) -> Self {
        let hint = failure.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        Self {
            file: path.display().to_string(),
            error: Some(format!("{}{hint}", failure.message)),
            cases: Vec::new(),
            policies: Vec::new(),
        }
    }
}

/// What a search found.
#[derive(Default)]
struct Found {
    tests: Vec<PathBuf>,
    /// Policy files in the directories that were searched.
    policies: Vec<PathBuf>,
}

/// Test files among `paths` and in the directories among them, sorted. Links are not followed.
fn find(paths: &[PathBuf]) -> Outcome<Found> {
    let mut found = Found::default();
    let mut entries = 0;
    for path in paths {
        if !path.is_dir() {
            found.tests.push(path.clone());
            continue;
        }
        let mut todo = vec![(path.clone(), 0)];
        while let Some((dir, depth)) = todo.pop() {
            let fail = |e: std::io::Error| Failure::local(format!("cannot read {}: {e}", dir.display()));
            for entry in std::fs::read_dir(&dir).map_err(fail)? {
                let entry = entry.map_err(fail)?;
                entries += 1;
                if entries > SEARCH_ENTRIES || depth > SEARCH_DEPTH {
                    return Err(Failure::usage(format!(
                        "{} has more than {SEARCH_ENTRIES} entries, or is deeper than {SEARCH_DEPTH} directories",
                        path.display()
                    ))
                    .hint("name the test files themselves"));
                }
                let (name, kind) = (entry.file_name(), entry.file_type().map_err(fail)?);
                let name = name.to_string_lossy();
                if kind.is_dir() && !name.starts_with('.') && name != "blobs" {
                    todo.push((entry.path(), depth + 1));
                } else if kind.is_file() && (name.ends_with(".test.yaml") || name.ends_with(".test.yml")) {
                    found.tests.push(entry.path());
                } else if kind.is_file() && (name.ends_with(".yaml") || name.ends_with(".yml")) {
                    found.policies.extend(is_policy(&entry.path()).then(|| entry.path()));
                }
            }
        }
    }
    for list in [&mut found.tests, &mut found.policies] {
        for path in list.iter_mut() {
            // `./a` and `a` are one file, and read better without.
            *path = path.strip_prefix(".").map_or_else(|_| path.clone(), Path::to_owned);
        }
        list.sort();
        list.dedup();
    }
    Ok(found)
}

/// Whether a file looks like policies of ours. What cannot be read is none: a test file that names it says so.
fn is_policy(path: &Path) -> bool {
    let kinds = ["kind: ImagePolicy", "kind: ClusterImagePolicy"];
    crate::yaml::read(path).is_ok_and(|text| {
        let has = |wanted: &dyn Fn(&str) -> bool| text.lines().any(|line| wanted(line.trim_end()));
        has(&|line| line.starts_with("apiVersion: seaworthy.dev/")) && has(&|line| kinds.contains(&line))
    })
}

async fn run_file(file: &TestFile, wanted: impl Fn(&&Case) -> bool) -> Outcome<FileReport> {
    let mut loaded: BTreeMap<Timestamp, PolicySet> = BTreeMap::new();
    let mut coverage: BTreeMap<String, Coverage> = BTreeMap::new();
    let mut reports = Vec::new();
    let now = context::now();
    for case in file.cases.iter().filter(wanted) {
        let now = case.now.unwrap_or(now);
        let policies = match loaded.get(&now) {
            Some(policies) => policies.clone(),
            None => {
                let policies = load(&file.policies, now)?;
                loaded.insert(now, policies.clone());
                policies
            }
        };
        for policy in &policies.policies {
            let entry = coverage.entry(policy.name().to_owned()).or_default();
            entry.policy = policy.name().to_owned();
            entry.asks_nothing = policy.requires_nothing();
        }
        let context = Context { now, platforms: only(&case.platforms), namespace: case.namespace.clone() };
        let judged = judge(&case.image, &case.named, policies, context).await;
        let (found, result, differences) = match &judged {
            Err(failure) => (None, CaseResult::Broken, vec![failure.message.clone()]),
            Ok(outcome) => {
                if let Judged::Verdict(verdict) = outcome {
                    for policy in &verdict.policies {
                        let entry = coverage.entry(policy.policy.clone()).or_default();
                        match policy.decision {
                            Verdicts::Allow => entry.allowed += 1,
                            Verdicts::Deny => entry.denied += 1,
                        }
                    }
                }
                let differences = outcome.differences(&case.expect);
                let good = differences.is_empty();
                let result = if good { CaseResult::Passed } else { CaseResult::Failed };
                (Some(outcome.side()), result, differences)
            }
        };
        let expected =
            Side { decision: case.expect.decision, refusals: case.expect.refusals.clone(), reason: None };
        reports.push(CaseReport {
            name: case.name.clone(),
            line: case.line,
            image: case.written.clone(),
            result,
            expected,
            found,
            differences,
        });
    }
    Ok(FileReport {
        file: file.path.display().to_string(),
        error: None,
        cases: reports,
        policies: coverage.into_values().collect(),
    })
}

fn only(platforms: &[Platform]) -> Platforms {
    match platforms {
        [] => Platforms::All,
        some => Platforms::Only(some.to_vec()),
    }
}

/// The policies of all `files`, as they were to be read at `now`.
pub(super) fn load(files: &[PathBuf], now: Timestamp) -> Outcome<PolicySet> {
    super::load_at(files, now)
}

/// How a judgement ended.
pub(super) enum Judged {
    Verdict(Box<Verdict>),
    /// It came to no verdict, and why.
    Unknown(String),
}

/// Judges a recorded image. No socket is opened.
///
/// # Errors
/// Where the image itself cannot be opened: then nothing was judged.
pub(super) async fn judge(
    image: &Reference,
    name: &ImageName,
    policies: PolicySet,
    context: Context,
) -> Outcome<Judged> {
    let options = OpenOptions { offline: true, ..OpenOptions::default() };
    let place = seaworthy_oci::open(&image.location, &options).await?;
    let (pinned, raw) = seaworthy_oci::resolve(place.as_ref(), image).await?;
    let verifier = Verifier::new(policies, context).map_err(|e| super::failure(&e))?;
    Ok(match verifier.judge_manifest(place.as_ref(), &pinned, raw, name).await {
        Ok(verdict) => Judged::Verdict(Box::new(verdict)),
        Err(error) => Judged::Unknown(error.to_string()),
    })
}

impl Judged {
    pub(super) fn decision(&self) -> Decision {
        match self {
            Self::Verdict(verdict) => match verdict.decision {
                Verdicts::Allow => Decision::Allow,
                Verdicts::Deny => Decision::Deny,
            },
            Self::Unknown(_) => Decision::CouldNotFindOut,
        }
    }

    /// The refusals that stand for themselves: not the causes below them.
    fn refusals(&self) -> Vec<&Explanation> {
        let Self::Verdict(verdict) = self else { return Vec::new() };
        let of_rules = verdict.policies.iter().flat_map(|p| {
            let rules = p.subjects.iter().flat_map(|s| &s.requirements).flat_map(|r| &r.refusals);
            p.refusals.iter().chain(rules)
        });
        verdict.refusals.iter().chain(of_rules).collect()
    }

    /// The codes of [`Judged::refusals`].
    pub(super) fn codes(&self) -> BTreeSet<&'static str> {
        self.refusals().iter().map(|e| e.code.code()).collect()
    }

    fn side(&self) -> Side {
        let reason = match self {
            Self::Verdict(verdict) => verdict.reason.clone(),
            Self::Unknown(why) => why.clone(),
        };
        Side { decision: self.decision(), refusals: self.codes(), reason: Some(reason) }
    }

    /// What differs from `expect`, a line each.
    fn differences(&self, expect: &Expect) -> Vec<String> {
        let mut out = Vec::new();
        if self.decision() != expect.decision {
            let reason = match self {
                Self::Verdict(verdict) => &verdict.reason,
                Self::Unknown(why) => why,
            };
            out.push(format!(
                "expected {}, found {}: {reason}",
                expect.decision.name(),
                self.decision().name()
            ));
        }
        let top = self.refusals();
        let all: BTreeSet<&str> =
            top.iter().flat_map(|e| e.walk()).map(|explanation| explanation.code.code()).collect();
        for code in expect.refusals.iter().filter(|code| !all.contains(**code)) {
            out.push(format!("expected the refusal {code}, which is not there"));
        }
        for refusal in top {
            if !refusal.walk().iter().any(|e| expect.refusals.contains(e.code.code())) {
                out.push(format!("not expected: {}", refusal.one_line()));
            }
        }
        let said = self.said();
        for text in expect.text.iter().filter(|text| !said.iter().any(|line| line.contains(text.as_str()))) {
            out.push(format!("expected the text '{text}', which nothing says"));
        }
        out
    }

    /// Everything that the verdict says in words.
    fn said(&self) -> Vec<String> {
        match self {
            Self::Unknown(why) => vec![why.clone()],
            Self::Verdict(verdict) => {
                let refusals = self.refusals();
                let explained = refusals.iter().flat_map(|e| e.walk()).map(ToString::to_string);
                let requirements = verdict.policies.iter().flat_map(|p| &p.subjects);
                let requirements = requirements.flat_map(|s| &s.requirements).map(|r| r.requirement.clone());
                std::iter::once(verdict.reason.clone()).chain(explained).chain(requirements).collect()
            }
        }
    }
}

fn human(report: &Report) -> String {
    let mut out = String::new();
    for file in &report.files {
        out.push_str(&format!("{}\n", paint(BOLD, plain(&file.file))));
        if let Some(error) = &file.error {
            out.push_str(&format!("  {} {}\n\n", paint(BAD, "broken"), plain(error)));
            continue;
        }
        let cell = |side: &Side| {
            let codes: Vec<&str> = side.refusals.iter().copied().collect();
            let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
            format!("{}{codes}", side.decision.name())
        };
        let row = |case: &CaseReport| {
            vec![
                format!("{:?}", case.result).to_lowercase(),
                plain(&case.name),
                cell(&case.expected),
                case.found.as_ref().map_or_else(|| "-".to_owned(), cell),
            ]
        };
        let rows: Vec<Vec<String>> = file.cases.iter().map(row).collect();
        out.push_str(&table(&["RESULT", "CASE", "EXPECTED", "FOUND"], &rows));
        for case in file.cases.iter().filter(|c| c.result != CaseResult::Passed) {
            let word = format!("{:?}", case.result).to_lowercase();
            let at = format!("{}:{}", file.file, case.line);
            out.push_str(&format!("{} {}: {}\n", paint(BAD, word), plain(&at), plain(&case.name)));
            for line in &case.differences {
                out.push_str(&format!("  {}\n", plain(line)));
            }
        }
        out.push('\n');
    }
    for warning in &report.warnings {
        out.push_str(&format!("{} {}\n", paint(WARN, "warning"), plain(warning)));
    }
    let Report { passed, failed, broken, .. } = report;
    let style = if failed + broken == 0 { GOOD } else { BAD };
    out.push_str(&format!(
        "{}\n",
        paint(style, format!("{passed} passed, {failed} failed, {broken} broken"))
    ));
    out
}

/// The results in the form that CI systems read.
fn junit(report: &Report) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for file in &report.files {
        let count = |result| file.cases.iter().filter(|c| c.result == result).count();
        let errors = count(CaseResult::Broken) + usize::from(file.error.is_some());
        let name = xml(&file.file);
        out.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"{errors}\">\n",
            file.cases.len().max(errors),
            count(CaseResult::Failed)
        ));
        if let Some(error) = &file.error {
            let error = xml(error);
            out.push_str(&format!(
                "    <testcase name=\"{name}\" classname=\"{name}\"><error message=\"{error}\"/></testcase>\n"
            ));
        }
        for case in &file.cases {
            let head = format!("    <testcase name=\"{}\" classname=\"{name}\"", xml(&case.name));
            let kind = match case.result {
                CaseResult::Passed => {
                    out.push_str(&format!("{head}/>\n"));
                    continue;
                }
                CaseResult::Failed => "failure",
                CaseResult::Broken => "error",
            };
            let message = xml(&case.differences.join("; "));
            out.push_str(&format!("{head}><{kind} message=\"{message}\"/></testcase>\n"));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// `text` in an attribute of XML 1.0, which cannot hold control characters at all.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
