//! What a signed vulnerability report says: cosign's `vuln` predicate and in-toto's `vulns`, with the results of Trivy,
//! Grype or SARIF in them.
//!
//! A report in a form that is not known has not been read: that is an error, never a report without findings.

use crate::limits;
use crate::statement::PredicateType;
use jiff::Timestamp;
use seaworthy_sbom::purl::Purl;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt;

/// The family of in-toto's vulnerability predicates; versions follow.
const IN_TOTO: &str = "https://in-toto.io/attestation/vulns";

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Negligible,
    Low,
    Medium,
    High,
    Critical,
}

/// Whether a version without the vulnerability exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fix {
    Yes,
    No,
    Unknown,
}

/// A vulnerability in a package.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// Its id, then others for the same. In upper case. Never empty.
    pub(crate) ids: Vec<String>,
    /// None where the scanner does not know.
    pub(crate) severity: Option<Severity>,
    pub(crate) fix: Fix,
    /// Name and version, for people.
    pub(crate) package: Option<String>,
    pub(crate) purl: Option<Purl>,
}

/// What a scanner found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) scanned: Option<Timestamp>,
    pub(crate) findings: Vec<Finding>,
}

/// Whether `kind` is a vulnerability report.
pub(crate) fn is_report(kind: &PredicateType) -> bool {
    match kind {
        PredicateType::Vuln => true,
        PredicateType::Uri(uri) => {
            uri.strip_prefix(IN_TOTO).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        _ => false,
    }
}

impl Severity {
    /// From a word, in any case; none for `unknown` and for words that mean nothing.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "critical" => Some(Self::Critical),
            "high" | "important" => Some(Self::High),
            "medium" | "moderate" => Some(Self::Medium),
            "low" => Some(Self::Low),
            "negligible" | "none" => Some(Self::Negligible),
            _ => None,
        }
    }

    /// From a CVSS base score, by the scale of CVSS 3.1 (section 5).
    fn from_score(score: f64) -> Option<Self> {
        match score {
            s if !(0.0..=10.0).contains(&s) => None,
            0.0 => Some(Self::Negligible),
            s if s < 4.0 => Some(Self::Low),
            s if s < 7.0 => Some(Self::Medium),
            s if s < 9.0 => Some(Self::High),
            _ => Some(Self::Critical),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

#[derive(Deserialize)]
struct Predicate<'a> {
    #[serde(borrow)]
    scanner: Scanner<'a>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Scanner<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    scan_started_on: Option<String>,
    scan_finished_on: Option<String>,
}

impl Report {
    /// Reads the predicate of a report.
    pub(crate) fn read(predicate: &[u8]) -> Result<Self, String> {
        let all: Predicate<'_> = serde_json::from_slice(predicate).map_err(|e| e.to_string())?;
        let result = all.scanner.result.ok_or("its scanner has no result")?.get();
        let mut report = Self::of_result(result)?;
        if report.findings.len() > limits::VULNERABILITIES {
            return Err(format!(
                "it lists {} vulnerabilities, more than the limit VULNERABILITIES = {}",
                report.findings.len(),
                limits::VULNERABILITIES
            ));
        }
        let time = |text: Option<String>| text.and_then(|t| t.parse::<Timestamp>().ok());
        // The older of what is said counts: the wrapper may be newer than the scan in it.
        let stated = time(all.metadata.scan_finished_on).or(time(all.metadata.scan_started_on));
        report.scanned = match (stated, report.scanned) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Ok(report)
    }

    fn of_result(result: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Probe {
            #[serde(rename = "SchemaVersion")]
            schema: Option<serde::de::IgnoredAny>,
            #[serde(rename = "Results")]
            results: Option<serde::de::IgnoredAny>,
            matches: Option<serde::de::IgnoredAny>,
            runs: Option<serde::de::IgnoredAny>,
        }
        if result.trim_start().starts_with('[') {
            return in_toto(result);
        }
        let probe: Probe = serde_json::from_str(result).map_err(|e| e.to_string())?;
        match (probe.schema.or(probe.results).is_some(), probe.matches.is_some(), probe.runs.is_some()) {
            (true, false, false) => trivy(result),
            (false, true, false) => grype(result),
            (false, false, true) => sarif(result),
            _ => Err("the scanner's result is in no form that is read (Trivy, Grype, SARIF)".into()),
        }
    }
}

fn finding(id: &str, more: impl IntoIterator<Item = String>) -> Result<Finding, String> {
    let id = id.trim();
    if id.is_empty() || id.len() > 200 {
        return Err("a vulnerability has no id".into());
    }
    let mut ids = vec![id.to_ascii_uppercase()];
    for other in more.into_iter().take(20) {
        let other = other.trim().to_ascii_uppercase();
        if !other.is_empty() && other.len() <= 200 && !ids.contains(&other) {
            ids.push(other);
        }
    }
    Ok(Finding { ids, severity: None, fix: Fix::Unknown, package: None, purl: None })
}

fn label(name: Option<String>, version: Option<String>) -> Option<String> {
    let version = version.filter(|v| !v.is_empty()).map(|v| format!(" {v}")).unwrap_or_default();
    let text = format!("{}{version}", name.filter(|n| !n.is_empty())?);
    Some(text.chars().take(200).collect::<String>().escape_debug().to_string())
}

/// in-toto vulns: ids and severities, no packages.
fn in_toto(result: &str) -> Result<Report, String> {
    #[derive(Deserialize)]
    struct One {
        id: String,
        #[serde(default)]
        severity: Severities,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Severities {
        Many(Vec<Score>),
        One(Score),
    }
    impl Default for Severities {
        fn default() -> Self {
            Self::Many(Vec::new())
        }
    }
    #[derive(Deserialize)]
    struct Score {
        #[serde(default)]
        method: String,
        #[serde(default)]
        score: String,
    }
    let all: Vec<One> = serde_json::from_str(result).map_err(|e| e.to_string())?;
    let mut report = Report::default();
    for one in all {
        let mut found = finding(&one.id, [])?;
        let scores = match one.severity {
            Severities::Many(list) => list,
            Severities::One(score) => vec![score],
        };
        let of = |s: &Score| {
            // A number of another method, such as EPSS, is no CVSS score.
            let number =
                s.score.parse::<f64>().ok().filter(|_| s.method.to_ascii_lowercase().contains("cvss"));
            Severity::from_word(&s.score).or_else(|| number.and_then(Severity::from_score))
        };
        found.severity = scores.iter().filter_map(of).max();
        report.findings.push(found);
    }
    Ok(report)
}

fn trivy(result: &str) -> Result<Report, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct All {
        created_at: Option<String>,
        results: Option<Vec<Part>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Part {
        vulnerabilities: Option<Vec<One>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct One {
        #[serde(rename = "VulnerabilityID")]
        id: String,
        pkg_name: Option<String>,
        installed_version: Option<String>,
        fixed_version: Option<String>,
        severity: Option<String>,
        pkg_identifier: Option<Identifier>,
    }
    #[derive(Deserialize)]
    struct Identifier {
        #[serde(rename = "PURL")]
        purl: Option<String>,
    }
    let all: All = serde_json::from_str(result).map_err(|e| e.to_string())?;
    let scanned = all.created_at.and_then(|t| t.parse().ok());
    let mut report = Report { scanned, findings: Vec::new() };
    for one in all.results.into_iter().flatten().filter_map(|part| part.vulnerabilities).flatten() {
        // `VendorIDs` are not read: an advisory (DSA, RHSA) may cover several vulnerabilities.
        let mut found = finding(&one.id, [])?;
        found.severity = one.severity.as_deref().and_then(Severity::from_word);
        found.fix = if one.fixed_version.is_some_and(|v| !v.is_empty()) { Fix::Yes } else { Fix::No };
        found.package = label(one.pkg_name, one.installed_version);
        found.purl = one.pkg_identifier.and_then(|i| i.purl).and_then(|p| Purl::parse(&p).ok());
        report.findings.push(found);
    }
    Ok(report)
}

fn grype(result: &str) -> Result<Report, String> {
    #[derive(Deserialize)]
    struct All {
        matches: Vec<Match>,
        #[serde(default)]
        descriptor: Descriptor,
    }
    #[derive(Deserialize, Default)]
    struct Descriptor {
        timestamp: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Match {
        vulnerability: Vulnerability,
        #[serde(default)]
        related_vulnerabilities: Option<Vec<Related>>,
        artifact: Artifact,
    }
    #[derive(Deserialize)]
    struct Vulnerability {
        id: String,
        severity: Option<String>,
        fix: Option<FixState>,
    }
    #[derive(Deserialize)]
    struct FixState {
        state: Option<String>,
    }
    #[derive(Deserialize)]
    struct Related {
        id: String,
    }
    #[derive(Deserialize)]
    struct Artifact {
        name: Option<String>,
        version: Option<String>,
        purl: Option<String>,
    }
    let all: All = serde_json::from_str(result).map_err(|e| e.to_string())?;
    let scanned = all.descriptor.timestamp.and_then(|t| t.parse().ok());
    let mut report = Report { scanned, findings: Vec::new() };
    for one in all.matches {
        let related = one.related_vulnerabilities.into_iter().flatten().map(|r| r.id);
        let mut found = finding(&one.vulnerability.id, related)?;
        found.severity = one.vulnerability.severity.as_deref().and_then(Severity::from_word);
        found.fix = match one.vulnerability.fix.and_then(|f| f.state).as_deref() {
            Some("fixed") => Fix::Yes,
            Some("not-fixed" | "wont-fix") => Fix::No,
            _ => Fix::Unknown,
        };
        found.package = label(one.artifact.name, one.artifact.version);
        found.purl = one.artifact.purl.and_then(|p| Purl::parse(&p).ok());
        report.findings.push(found);
    }
    Ok(report)
}

fn sarif(result: &str) -> Result<Report, String> {
    #[derive(Deserialize)]
    struct All {
        runs: Vec<Run>,
    }
    #[derive(Deserialize)]
    struct Run {
        tool: Tool,
        results: Option<Vec<One>>,
    }
    #[derive(Deserialize)]
    struct Tool {
        driver: Driver,
    }
    #[derive(Deserialize)]
    struct Driver {
        #[serde(default)]
        rules: Vec<Rule>,
    }
    #[derive(Deserialize)]
    struct Rule {
        id: String,
        #[serde(default)]
        properties: Properties,
    }
    #[derive(Deserialize, Default)]
    struct Properties {
        #[serde(rename = "security-severity")]
        severity: Option<serde_json::Value>,
        #[serde(default)]
        tags: Vec<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct One {
        rule_id: Option<String>,
        rule_index: Option<usize>,
        message: Option<Message>,
    }
    #[derive(Deserialize)]
    struct Message {
        text: Option<String>,
    }
    let all: All = serde_json::from_str(result).map_err(|e| e.to_string())?;
    let mut report = Report::default();
    for run in all.runs {
        let rules = run.tool.driver.rules;
        let by_id: std::collections::HashMap<&str, &Rule> =
            rules.iter().map(|r| (r.id.as_str(), r)).collect();
        for one in run.results.ok_or("a run has no results")? {
            let rule = match (&one.rule_id, one.rule_index) {
                (Some(id), _) => by_id.get(id.as_str()).copied(),
                (None, Some(at)) => rules.get(at),
                (None, None) => None,
            };
            let id =
                one.rule_id.as_deref().or(rule.map(|r| r.id.as_str())).ok_or("a result names no rule")?;
            let tagged = |word: &str| rule.is_some_and(|r| r.properties.tags.iter().any(|t| t == word));
            // Scanners put what is no vulnerability into the same file.
            if !tagged("vulnerability")
                && (tagged("misconfiguration") || tagged("secret") || tagged("license"))
            {
                continue;
            }
            let known = well_known(id);
            let mut found = finding(known.unwrap_or(id), known.map(|_| id.to_owned()))?;
            let score = rule.and_then(|r| match r.properties.severity.as_ref()? {
                serde_json::Value::String(text) => text.parse::<f64>().ok(),
                other => other.as_f64(),
            });
            // 0.0 is how Trivy writes "unknown" here.
            found.severity = score.filter(|s| *s > 0.0).and_then(Severity::from_score);
            let text = one.message.and_then(|m| m.text).unwrap_or_default();
            let field = |name: &str| {
                text.lines()
                    .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
            };
            found.fix = match field("Fixed Version").as_deref() {
                None => Fix::Unknown,
                Some("") => Fix::No,
                Some(_) => Fix::Yes,
            };
            found.package = label(field("Package"), field("Installed Version"));
            report.findings.push(found);
        }
    }
    Ok(report)
}

/// The CVE or GHSA id that a rule's id begins with: Grype writes the package behind it.
fn well_known(id: &str) -> Option<&str> {
    let mut parts = id.split('-');
    let length = match parts.next()? {
        "CVE" => {
            let (year, number) = (parts.next()?, parts.next()?);
            let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
            (digits(year) && digits(number)).then(|| 3 + 1 + year.len() + 1 + number.len())?
        }
        "GHSA" => {
            let groups: Vec<&str> = parts.take(3).collect();
            (groups.len() == 3 && groups.iter().all(|g| g.len() == 4)).then_some(4 + 3 * 5)?
        }
        _ => return None,
    };
    id.get(..length)
}
