//! What runs, judged again: evidence is withdrawn, policies change, SBOMs grow old, and Pods stay.
//!
//! One round lists the Pods, judges the digest that each container runs by the same judge as the webhook, and writes a
//! PolicyReport (wgpolicyk8s.io/v1alpha2) for each namespace. It never changes or evicts a Pod. Where a digest is not
//! known (nothing was pulled yet), that is said, and nothing is guessed: a tag means something else by now.
//!
//! Bounded: Pods ([`super::OBJECTS`]), distinct images of a round ([`IMAGES`]), lines of a report ([`RESULTS`]).

use super::{Api, ApiError, Change, is_name};
use crate::Namespace;
use crate::admission::images::{self, Pulls};
use crate::admission::{Admission, ImageAnswer, Outcome, limits};
use jiff::Timestamp;
use seaworthy_oci::{Digest, Reference};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Distinct images of one round, over all namespaces.
pub const IMAGES: usize = 20_000;
/// Lines of one report: an object in etcd has at most 1.5 MB. What is wrong comes first.
pub const RESULTS: usize = 1_000;
/// Characters of a line's message.
const MESSAGE_CHARS: usize = 400;
/// Time for the images of one namespace that are judged at once.
const BUDGET: Duration = Duration::from_secs(120);
/// The name of our report in each namespace.
const REPORT: &str = "seaworthy";

const PODS: &str = "/api/v1/pods";
const REPORTS: &str = "/apis/wgpolicyk8s.io/v1alpha2";

/// What became of the images of one round, each place that it runs in counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Every policy is met.
    pub pass: u64,
    /// Denied by a policy.
    pub fail: u64,
    /// Only a policy in warn or audit mode says no.
    pub warn: u64,
    /// Could not be found out.
    pub error: u64,
    /// Its digest is not known.
    pub skip: u64,
}

/// One round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Pods that run or are about to.
    pub pods: u64,
    /// What became of their images.
    pub counts: Counts,
    /// Reports that were written.
    pub reports: u64,
    /// What went wrong without ending the round.
    pub failures: Vec<String>,
}

/// A container, or an image volume, of a Pod.
struct Place {
    pod: String,
    uid: String,
    container: String,
    /// As it is written in the Pod.
    image: String,
    /// The reference that names what runs; none where that is not known.
    runs: Option<String>,
}

/// Images of one namespace that are pulled with the same secrets.
type Group = (Namespace, Pulls);

/// Lists, judges, reports.
///
/// # Errors
/// Where the Pods cannot be listed: then nothing is written, and the old reports stay.
pub async fn round(api: &Api, admission: &Arc<Admission>) -> Result<Round, ApiError> {
    let mut round = Round::default();
    let mut groups: BTreeMap<Group, Vec<Place>> = BTreeMap::new();
    let mut distinct: BTreeSet<(String, String)> = BTreeSet::new();
    let mut over = 0u64;
    api.list(PODS, |pod| {
        let text = |at: &str| pod.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let Ok(namespace) = text("/metadata/namespace").parse::<Namespace>() else { return };
        if matches!(text("/status/phase"), "Succeeded" | "Failed") {
            return;
        }
        round.pods += 1;
        let pulls = images::pulls_of(pod.get("spec").unwrap_or(&Value::Null));
        for place in places(&pod) {
            let key = (namespace.to_string(), place.runs.clone().unwrap_or_default());
            if distinct.len() >= IMAGES && !distinct.contains(&key) {
                over += 1;
                continue;
            }
            distinct.insert(key);
            groups.entry((namespace.clone(), pulls.clone())).or_default().push(place);
        }
    })
    .await?;
    if over > 0 {
        round
            .failures
            .push(format!("{over} containers are beyond the limit IMAGES = {IMAGES} and were not judged"));
    }
    let mut reports: BTreeMap<Namespace, Vec<(Counts, Value)>> = BTreeMap::new();
    for ((namespace, pulls), places) in groups {
        let wanted: BTreeSet<&str> = places.iter().filter_map(|p| p.runs.as_deref()).collect();
        let wanted: Vec<&str> = wanted.into_iter().collect();
        let mut said: BTreeMap<String, ImageAnswer> = BTreeMap::new();
        for some in wanted.chunks(limits::IMAGES) {
            let answers = admission.judge_images(&namespace, &pulls, some, BUDGET).await;
            said.extend(answers.into_iter().map(|a| (a.image.clone(), a)));
        }
        let lines = places.iter().map(|p| line(&namespace, p, p.runs.as_ref().and_then(|r| said.get(r))));
        reports.entry(namespace.clone()).or_default().extend(lines);
    }
    write(api, reports, &mut round).await;
    Ok(round)
}

/// The containers of `pod` by what its status says that they run, and its image volumes by what it says that is mounted.
fn places(pod: &Value) -> Vec<Place> {
    let of = |at: &str| pod.pointer(at).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |of: &Value, at: &str| of.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let place = |container: String, image: String, id: &str| {
        let runs = runs(&image, id);
        Place { pod: text(pod, "/metadata/name"), uid: text(pod, "/metadata/uid"), container, image, runs }
    };
    let mut all = Vec::new();
    // What each volume is, by the containers that mount it (since Kubernetes 1.35, where its feature is on).
    let mut mounted: BTreeMap<String, String> = BTreeMap::new();
    for (list, statuses) in [
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ] {
        let statuses = of(&format!("/status/{statuses}"));
        for container in of(&format!("/spec/{list}")) {
            let (name, image) = (text(container, "/name"), text(container, "/image"));
            let status = statuses.iter().find(|s| text(s, "/name") == name);
            let id = status.map(|s| text(s, "/imageID")).unwrap_or_default();
            all.push(place(name, image, &id));
        }
        let mounts = statuses.iter().filter_map(|s| s.get("volumeMounts")?.as_array()).flatten();
        for mount in mounts {
            let id = text(mount, "/volumeStatus/image/imageRef");
            if !id.is_empty() {
                mounted.entry(text(mount, "/name")).or_insert(id);
            }
        }
    }
    for volume in of("/spec/volumes").iter().filter(|v| v.get("image").is_some_and(|i| !i.is_null())) {
        let (name, image) = (text(volume, "/name"), text(volume, "/image/reference"));
        let id = mounted.get(&name).map_or("", String::as_str);
        all.push(place(format!("volume {name}"), image, id));
    }
    all
}

/// What runs: the image as written where that has a digest, else the digest that the node says it pulled.
fn runs(image: &str, id: &str) -> Option<String> {
    let reference: Reference = image.parse().ok()?;
    if reference.digest.is_some() {
        return Some(image.to_owned());
    }
    let digest: Digest = id.rsplit_once('@')?.1.parse().ok()?;
    let repository = reference.location.repository()?;
    Some(format!("{repository}@{digest}"))
}

/// A line of the report.
fn line(namespace: &Namespace, place: &Place, said: Option<&ImageAnswer>) -> (Counts, Value) {
    let mut counts = Counts::default();
    let (result, message) = match said {
        None => {
            counts.skip = 1;
            ("skip", "which digest runs is not known yet")
        }
        Some(said) => {
            let (count, result) = match (said.outcome, said.would_deny) {
                (Outcome::Allowed, false) => (&mut counts.pass, "pass"),
                (Outcome::Allowed, true) => (&mut counts.warn, "warn"),
                (Outcome::Denied, _) => (&mut counts.fail, "fail"),
                (Outcome::CouldNotFindOut | Outcome::Malformed, _) => (&mut counts.error, "error"),
            };
            *count = 1;
            (result, said.reason.as_str())
        }
    };
    let message: String = message.chars().take(MESSAGE_CHARS).collect();
    let mut line = json!({
        "source": "seaworthy", "policy": "image-verification", "rule": place.container, "result": result, "scored": true,
        "message": message,
        "resources": [{
            "apiVersion": "v1", "kind": "Pod", "name": place.pod, "namespace": namespace, "uid": place.uid,
        }],
        "properties": { "image": place.image },
    });
    if let Some(digest) = said.and_then(|s| s.digest.as_deref()) {
        line["properties"]["digest"] = digest.into();
    }
    (counts, line)
}

async fn write(api: &Api, mut reports: BTreeMap<Namespace, Vec<(Counts, Value)>>, round: &mut Round) {
    // Where nothing runs any more, an old report would say otherwise.
    let listed = api
        .list(&format!("{REPORTS}/policyreports"), |report| {
            let text = |at: &str| report.pointer(at).and_then(Value::as_str).unwrap_or_default();
            if text("/metadata/name") == REPORT
                && let Ok(namespace) = text("/metadata/namespace").parse()
            {
                reports.entry(namespace).or_default();
            }
        })
        .await;
    if let Err(error) = listed {
        round.failures.push(format!("the reports of before: {error}"));
    }
    let now = Timestamp::now().as_second();
    for (namespace, mut lines) in reports {
        let mut sum = Counts::default();
        for (counts, _) in &lines {
            sum.add(counts);
        }
        round.counts.add(&sum);
        // What is wrong first: a report that is cut must not hide it.
        let rank = |result: &Value| match result.get("result").and_then(Value::as_str) {
            Some("fail") => 0,
            Some("error") => 1,
            Some("warn") => 2,
            Some("skip") => 3,
            _ => 4,
        };
        lines.sort_by_key(|(_, line)| (rank(line), line.to_string()));
        let mut results: Vec<Value> = lines.into_iter().map(|(_, line)| line).take(RESULTS).collect();
        for result in &mut results {
            result["timestamp"] = json!({ "seconds": now, "nanos": 0 });
        }
        let report = json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport",
            "metadata": {
                "name": REPORT, "namespace": namespace, "labels": { "app.kubernetes.io/managed-by": "seaworthy" },
            },
            "summary": {
                "pass": sum.pass, "fail": sum.fail, "warn": sum.warn, "error": sum.error, "skip": sum.skip,
            },
            "results": results,
        });
        // Names of namespaces are names of objects; said again where a path is made of one.
        if !is_name(namespace.as_str()) {
            continue;
        }
        let path = format!("{REPORTS}/namespaces/{namespace}/policyreports/{REPORT}");
        match api.write(&path, Change::Apply, &report).await {
            Ok(_) => round.reports += 1,
            Err(error) => round.failures.push(format!("the report of {namespace}: {error}")),
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.pass += other.pass;
        self.fail += other.fail;
        self.warn += other.warn;
        self.error += other.error;
        self.skip += other.skip;
    }

    /// Each by the word of a PolicyReport.
    pub fn each(&self) -> [(&'static str, u64); 5] {
        [
            ("pass", self.pass),
            ("fail", self.fail),
            ("warn", self.warn),
            ("error", self.error),
            ("skip", self.skip),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_a_digest_or_unknown() {
        let d = format!("sha256:{}", "a".repeat(64));
        let node = format!("docker-pullable://other.example/x@{d}");
        assert_eq!(runs("r.example/app:1", &node), Some(format!("r.example/app@{d}")));
        assert_eq!(runs(&format!("r.example/app:1@{d}"), ""), Some(format!("r.example/app:1@{d}")));
        assert_eq!(
            runs("nginx", &format!("docker.io/library/nginx@{d}")),
            Some(format!("docker.io/library/nginx@{d}"))
        );
        for id in ["", "sha256:", &d, "r.example/app@sha256:short"] {
            assert_eq!(runs("r.example/app:1", id), None, "{id}");
        }
    }
}
