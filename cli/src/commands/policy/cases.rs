//! Test files of policies (`*.test.yaml`): which image, judged under which name and when, and the verdict that it
//! must get.
//!
//! Refused is a case that could not fail: one without expectation, or one that expects a "no" without saying why
//! (an image can be denied for a reason that nobody thought of). Also refused: a refusal that does not exist, a
//! decision that contradicts its refusals, two cases of one name, unknown fields.

use crate::exit::{Failure, Outcome};
use crate::yaml;
use jiff::Timestamp;
use seaworthy_oci::{Location, Platform, Reference};
use seaworthy_verifier::{ImageName, Namespace, Refusal};
use seaworthy_yaml::Spanned;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What `apiVersion` must say.
pub(super) const API_VERSION: &str = "seaworthy.dev/v1alpha1";
/// What `kind` must say.
pub(super) const KIND: &str = "PolicyTest";
/// Cases of one test file. A suite of hundreds is split by policy.
pub(super) const CASES: usize = 1_000;

/// A test file that was read and means something.
#[derive(Debug)]
pub(super) struct TestFile {
    pub(super) path: PathBuf,
    /// The policy files, relative to where the program runs.
    pub(super) policies: Vec<PathBuf>,
    pub(super) cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) line: u64,
    /// Where the evidence is.
    pub(super) image: Reference,
    /// The image as written.
    pub(super) written: String,
    /// The name that it is judged under: the one that is given, or the image as the file writes it, so that it does
    /// not depend on where the program runs.
    pub(super) named: ImageName,
    pub(super) platforms: Vec<Platform>,
    /// Where it is to run.
    pub(super) namespace: Option<Namespace>,
    /// When it is judged; the time of the run where the file says nothing.
    pub(super) now: Option<Timestamp>,
    pub(super) expect: Expect,
}

/// What a case expects.
#[derive(Debug, Clone)]
pub(super) struct Expect {
    pub(super) decision: Decision,
    pub(super) refusals: BTreeSet<&'static str>,
    /// Texts that must stand in the verdict for people.
    pub(super) text: Vec<String>,
}

/// The three outcomes of a judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Decision {
    Allow,
    Deny,
    CouldNotFindOut,
}

impl Decision {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::CouldNotFindOut => "could-not-find-out",
        }
    }

    fn from_name(text: &str) -> Option<Self> {
        [Self::Allow, Self::Deny, Self::CouldNotFindOut].into_iter().find(|d| d.name() == text)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: Spanned<String>,
    kind: Spanned<String>,
    policies: Spanned<Vec<Spanned<String>>>,
    now: Option<Spanned<String>>,
    cases: Spanned<Vec<Spanned<CaseDoc>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CaseDoc {
    name: Spanned<String>,
    image: Spanned<String>,
    #[serde(rename = "as")]
    named: Option<Spanned<String>>,
    platform: Option<Vec<Spanned<String>>>,
    namespace: Option<Spanned<String>>,
    now: Option<Spanned<String>>,
    expect: Option<Spanned<ExpectDoc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExpectDoc {
    decision: Spanned<String>,
    refusals: Option<Spanned<Vec<Spanned<String>>>>,
    text: Option<Vec<Spanned<String>>>,
}

/// Where in which file.
struct Place<'a>(&'a Path);

impl Place<'_> {
    fn broken<T, S>(&self, at: &Spanned<S>, message: impl std::fmt::Display, hint: &str) -> Outcome<T> {
        let (line, column) = (at.place.line, at.place.column);
        Err(Failure::broken(format!("{}:{line}:{column}: {message}", self.0.display())).hint(hint))
    }

    fn time(&self, at: &Spanned<String>) -> Outcome<Timestamp> {
        at.value.parse().or_else(|_| {
            let message = format!("'{}' is no time", at.value.escape_debug());
            self.broken(at, message, "write it as 2026-06-01T00:00:00Z")
        })
    }
}

/// Reads the test file at `path`.
///
/// # Errors
/// The first thing that is wrong with it, with its place.
pub(super) fn read(path: &Path) -> Outcome<TestFile> {
    parse(&yaml::read(path)?, path)
}

/// Takes the text of a test file; `path` is what messages name and what paths in it start from.
pub(super) fn parse(text: &str, path: &Path) -> Outcome<TestFile> {
    let place = Place(path);
    let mut documents: Vec<Document> = yaml::documents(text, path)
        .map_err(|failure| failure.hint("the fields are described in docs/guide/policy-tests.md"))?;
    let (Some(document), true) = (documents.pop(), documents.is_empty()) else {
        return Err(Failure::broken(format!("{}: a test file holds one document", path.display())));
    };
    if document.api_version.value != API_VERSION {
        let message = format!("apiVersion '{}' is not known", document.api_version.value.escape_debug());
        return place.broken(&document.api_version, message, "write apiVersion: seaworthy.dev/v1alpha1");
    }
    if document.kind.value != KIND {
        let message = format!("kind '{}' is not known", document.kind.value.escape_debug());
        return place.broken(&document.kind, message, "write kind: PolicyTest");
    }
    if document.policies.value.is_empty() {
        return place.broken(&document.policies, "no policy is tested", "name the policy files");
    }
    if document.cases.value.is_empty() {
        return place.broken(&document.cases, "there is no case in it", "add one, or use `policy record`");
    }
    if document.cases.value.len() > CASES {
        let message = format!("more than {CASES} cases in one file");
        return place.broken(&document.cases, message, "split it by policy");
    }
    let base = path.parent().unwrap_or(Path::new(""));
    let now = document.now.as_ref().map(|at| place.time(at)).transpose()?;
    let mut cases: Vec<Case> = Vec::new();
    for doc in &document.cases.value {
        let case = case(&place, doc, base, now)?;
        if cases.iter().any(|other| other.name == case.name) {
            let message = format!("two cases have the name '{}'", case.name.escape_debug());
            return place.broken(&doc.value.name, message, "say in the name what the case is about");
        }
        cases.push(case);
    }
    Ok(TestFile {
        path: path.to_owned(),
        policies: document.policies.value.iter().map(|p| base.join(&p.value)).collect(),
        cases,
    })
}

fn case(place: &Place<'_>, at: &Spanned<CaseDoc>, base: &Path, now: Option<Timestamp>) -> Outcome<Case> {
    let doc = &at.value;
    if doc.name.value.trim().is_empty() {
        return place.broken(&doc.name, "a case without a name", "say what the case is about");
    }
    let (image, own) = image(place, &doc.image, base)?;
    let named = match &doc.named {
        None => own,
        Some(text) => match ImageName::parse(&text.value) {
            Ok(name) => name,
            Err(error) => return place.broken(text, error, "write it as on the command line of verify"),
        },
    };
    let mut platforms = Vec::new();
    for text in doc.platform.iter().flatten() {
        match text.value.parse() {
            Ok(platform) => platforms.push(platform),
            Err(error) => return place.broken(text, error, "write it as linux/amd64"),
        }
    }
    let namespace = match doc.namespace.as_ref().map(|text| (text, text.value.parse())) {
        None => None,
        Some((_, Ok(namespace))) => Some(namespace),
        Some((text, Err(why))) => {
            let why: String = why;
            return place.broken(text, why, "write the namespace's name");
        }
    };
    Ok(Case {
        name: doc.name.value.clone(),
        line: at.place.line,
        image,
        written: doc.image.value.clone(),
        named,
        platforms,
        namespace,
        now: doc.now.as_ref().map(|at| place.time(at)).transpose()?.or(now),
        expect: expect(place, at)?,
    })
}

/// The image: a layout directory or an archive (which a bag is too), relative to the test file.
fn image(place: &Place<'_>, at: &Spanned<String>, base: &Path) -> Outcome<(Reference, ImageName)> {
    const HINT: &str = "name a layout or bag by its path relative to the test file: evidence/app, oci:evidence/app:1.0, \
                        oci-archive:bag.tar";
    let written = &at.value;
    if written.starts_with("docker-archive:") || written.contains("://") {
        return place.broken(at, "this is no recorded image", HINT);
    }
    let scheme = ["oci:", "oci-archive:"].iter().any(|s| written.starts_with(s));
    let text = match (scheme, base.join(written).is_file()) {
        (true, _) => written.clone(),
        (false, true) => format!("oci-archive:{written}"),
        (false, false) => format!("oci:{written}"),
    };
    let mut reference: Reference = match text.parse() {
        Ok(reference) => reference,
        Err(error) => return place.broken(at, error, HINT),
    };
    let own = ImageName::of(&reference.location);
    reference.location = match reference.location {
        Location::Layout(path) => Location::Layout(base.join(path)),
        Location::OciArchive(path) => Location::OciArchive(base.join(path)),
        _ => return place.broken(at, "this is no recorded image", HINT),
    };
    Ok((reference, own))
}

fn expect(place: &Place<'_>, at: &Spanned<CaseDoc>) -> Outcome<Expect> {
    let case = &at.value;
    let Some(expect) = &case.expect else {
        let message =
            format!("the case '{}' expects nothing: it could not fail", case.name.value.escape_debug());
        return place.broken(at, message, "add expect: {decision: allow}, or deny with its refusals");
    };
    let doc = &expect.value;
    let Some(decision) = Decision::from_name(&doc.decision.value) else {
        let message = format!("there is no decision '{}'", doc.decision.value.escape_debug());
        return place.broken(&doc.decision, message, "write allow, deny or could-not-find-out");
    };
    let mut refusals = BTreeSet::new();
    for text in doc.refusals.iter().flat_map(|list| &list.value) {
        let Some(known) = Refusal::ALL.iter().find(|r| r.code() == text.value) else {
            let message = format!("there is no refusal '{}'", text.value.escape_debug());
            return place.broken(text, message, "the codes are in docs/reference/refusals.md");
        };
        refusals.insert(known.code());
    }
    match (decision, refusals.is_empty()) {
        (Decision::Deny, true) => {
            let message = "a denial without its refusals is no expectation: it could come from anything";
            return place.broken(
                expect,
                message,
                "add refusals: [signature-missing] or what it is denied for",
            );
        }
        (Decision::CouldNotFindOut, false) => {
            let message = "what could not be found out has no refusals";
            return place.broken(expect, message, "leave refusals out, or write decision: deny");
        }
        _ => {}
    }
    let text = doc.text.iter().flatten().map(|t| t.value.clone()).collect();
    Ok(Expect { decision, refusals, text })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::path::Path;

    fn file(cases: &str) -> String {
        format!("apiVersion: seaworthy.dev/v1alpha1\nkind: PolicyTest\npolicies: [p.yaml]\ncases:\n{cases}")
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let text = file("  - {name: a, image: 'e/x:1.0', expect: {decision: allow}}\n");
        let file = parse(&text, Path::new("dir/p.test.yaml")).unwrap();
        assert_eq!(file.policies, [Path::new("dir/p.yaml")]);
        assert_eq!(file.cases[0].image.to_string(), "oci:dir/e/x:1.0");
        assert_eq!(file.cases[0].line, 5);
    }

    #[test]
    fn what_could_not_fail_is_refused_with_its_place() {
        for (cases, words) in [
            ("  - {name: a, image: x}\n", "5:5: the case 'a' expects nothing"),
            ("  - {name: a, image: x, expect: {decision: deny}}\n", "no expectation"),
            ("  - {name: a, image: x, expect: {decision: deny, refusals: []}}\n", "no expectation"),
            ("  - {name: a, image: x, expect: {decision: maybe}}\n", "no decision 'maybe'"),
            ("  - {name: a, image: x, expect: {decision: deny, refusals: [nope]}}\n", "no refusal 'nope'"),
            (
                "  - {name: a, image: x, expect: {decision: could-not-find-out, refusals: [other-kind]}}\n",
                "has no refusals",
            ),
            ("  - {name: a, image: x, expect: {decision: allow}, tag: y}\n", "unknown field"),
            ("  - {name: ' ', image: x, expect: {decision: allow}}\n", "without a name"),
            ("  - {name: a, image: 'docker-archive:x', expect: {decision: allow}}\n", "no recorded image"),
            ("  - {name: a, image: x, now: yesterday, expect: {decision: allow}}\n", "no time"),
            ("  - {name: a, image: x, as: 'A/B:', expect: {decision: allow}}\n", ""),
            ("  - {name: a, image: x, platform: [''], expect: {decision: allow}}\n", ""),
            (
                "  - {name: a, image: x, expect: {decision: allow}}\n  - {name: a, image: x, expect: {decision: allow}}\n",
                "6:12: two cases",
            ),
            ("  []\n", "no case"),
        ] {
            let error = parse(&file(cases), Path::new("p.test.yaml")).unwrap_err();
            assert!(error.message.contains(words) && error.hint.is_some(), "{cases}: {error:?}");
        }
        for text in ["", "apiVersion: x\nkind: PolicyTest\npolicies: [p]\ncases: []\n"] {
            assert!(parse(text, Path::new("x")).is_err());
        }
    }

    #[test]
    fn one_case_more_than_the_limit_is_refused() {
        let cases = |n: usize| -> String {
            (0..n).map(|i| format!("  - {{name: c{i}, image: x, expect: {{decision: allow}}}}\n")).collect()
        };
        assert!(parse(&file(&cases(super::CASES)), Path::new("x")).is_ok());
        let error = parse(&file(&cases(super::CASES + 1)), Path::new("x")).unwrap_err();
        assert!(error.message.contains("more than 1000"), "{error:?}");
    }
}
