//! What happened so far, as numbers in Prometheus' text format.
//!
//! "Denied" and "could not find out" are two series, because they wake two different people.

use crate::admission::{Outcome, Way, Webhook};
use crate::cluster::objects::Standing;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in microseconds: around the aims (2 ms warm, 25 ms cold) and up to the budget.
const BUCKETS: [u64; 12] =
    [500, 1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000];

/// The counters. All of them only rise, but for the gauges that say so.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    reviews: [[AtomicU64; 4]; 2],
    images: [AtomicU64; 4],
    remembered: AtomicU64,
    break_glass: AtomicU64,
    registry_down: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len()],
    micros: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) policy_reloads: AtomicU64,
    pub(super) policy_failures: AtomicU64,
    /// 1 while the files hold something that was refused and older policies answer.
    pub(super) policy_stale: AtomicU64,
    pub(super) certificate_reloads: AtomicU64,
    pub(super) certificate_failures: AtomicU64,
    pub(super) handshake_failures: AtomicU64,
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Metrics {
    pub(super) fn review(&self, webhook: Webhook, outcome: Outcome, took: Duration) {
        if let Some(counter) = self.reviews.get(webhook as usize).and_then(|r| r.get(outcome as usize)) {
            add(counter, 1);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        add(&self.micros, micros);
        if let Some(bucket) = BUCKETS.iter().position(|b| micros <= *b).and_then(|at| self.buckets.get(at)) {
            add(bucket, 1);
        }
    }

    pub(super) fn image(&self, outcome: Outcome, remembered: u64, way: Option<Way>) {
        match way {
            Some(Way::BreakGlass) => add(&self.break_glass, 1),
            Some(Way::RegistryDown) => add(&self.registry_down, 1),
            None => {}
        }
        if let Some(counter) = self.images.get(outcome as usize) {
            add(counter, 1);
        }
        add(&self.remembered, remembered);
    }

    /// The text of `/metrics`; `policies` is how many answer now.
    pub(super) fn text(&self, policies: usize) -> String {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut out = String::new();
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        };
        head(&mut out, "seaworthy_reviews_total", "counter", "Admission reviews by outcome.");
        let mut all = 0;
        for (webhook, row) in [Webhook::Validate, Webhook::Mutate].iter().zip(&self.reviews) {
            for (outcome, counter) in Outcome::ALL.iter().zip(row) {
                all += get(counter);
                let (webhook, outcome) = (webhook.name(), outcome.label());
                let _ = writeln!(
                    out,
                    "seaworthy_reviews_total{{webhook=\"{webhook}\",outcome=\"{outcome}\"}} {}",
                    get(counter)
                );
            }
        }
        head(&mut out, "seaworthy_images_total", "counter", "Images of reviews by outcome.");
        for (outcome, counter) in Outcome::ALL.iter().zip(&self.images).take(3) {
            let _ =
                writeln!(out, "seaworthy_images_total{{outcome=\"{}\"}} {}", outcome.label(), get(counter));
        }
        head(&mut out, "seaworthy_review_seconds", "histogram", "Time from a review's body to its answer.");
        let mut below = 0;
        for (bound, bucket) in BUCKETS.iter().zip(&self.buckets) {
            below += get(bucket);
            let _ = writeln!(
                out,
                "seaworthy_review_seconds_bucket{{le=\"{}\"}} {below}",
                Duration::from_micros(*bound).as_secs_f64()
            );
        }
        let _ = writeln!(out, "seaworthy_review_seconds_bucket{{le=\"+Inf\"}} {all}");
        let seconds = Duration::from_micros(get(&self.micros)).as_secs_f64();
        let _ = writeln!(out, "seaworthy_review_seconds_sum {seconds}\nseaworthy_review_seconds_count {all}");
        for (name, kind, help, value) in [
            ("remembered_total", "counter", "Images whose verdict was remembered.", get(&self.remembered)),
            ("break_glass_total", "counter", "Images let in by a signed token.", get(&self.break_glass)),
            (
                "registry_down_total",
                "counter",
                "Images let in by an old verdict while their registry was down.",
                get(&self.registry_down),
            ),
            ("reviews_in_flight", "gauge", "Reviews that are being answered.", get(&self.in_flight)),
            ("policies", "gauge", "Policies that answer now.", policies as u64),
            ("policy_reloads_total", "counter", "New policies that took effect.", get(&self.policy_reloads)),
            (
                "policy_failures_total",
                "counter",
                "New policies that were refused.",
                get(&self.policy_failures),
            ),
            (
                "policy_stale",
                "gauge",
                "1 while the files hold policies that were refused.",
                get(&self.policy_stale),
            ),
            (
                "certificate_reloads_total",
                "counter",
                "New certificates that took effect.",
                get(&self.certificate_reloads),
            ),
            (
                "certificate_failures_total",
                "counter",
                "New certificates that were refused.",
                get(&self.certificate_failures),
            ),
            (
                "handshake_failures_total",
                "counter",
                "Connections that ended before a request.",
                get(&self.handshake_failures),
            ),
        ] {
            head(&mut out, &format!("seaworthy_{name}"), kind, help);
            let _ = writeln!(out, "seaworthy_{name} {value}");
        }
        out
    }
}

pub(super) fn line(out: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    let name = format!("seaworthy_{name}");
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
}

/// What is known of policies in the cluster. Without an age, they were never known.
pub(super) fn of_objects(standing: &Standing) -> String {
    let mut out = String::new();
    let failures = "Times that the list of policy objects could not be had.";
    line(&mut out, "policy_objects", "gauge", "Policy objects that mean something.", standing.good);
    line(
        &mut out,
        "policy_objects_refused",
        "gauge",
        "Policy objects that cannot be read.",
        standing.refused,
    );
    line(&mut out, "policy_objects_failures_total", "counter", failures, standing.failures);
    if let Some(age) = standing.age {
        let help = "Seconds since the list of policy objects was last had.";
        line(&mut out, "policy_objects_age_seconds", "gauge", help, age);
    }
    out
}
