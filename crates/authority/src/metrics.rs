//! Counters for Prometheus, by route and status. Nothing that a client chose becomes a label.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many, and how long they took together.
type Answers = (u64, Duration);

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    answers: Mutex<BTreeMap<(&'static str, u16), Answers>>,
}

impl Metrics {
    pub(crate) fn count(&self, route: &'static str, status: u16, took: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, time) = answers.entry((route, status)).or_default();
        *count += 1;
        *time += took;
    }

    /// The text of `/metrics`; `logs` are names and sizes.
    pub(crate) fn text(&self, logs: &[(&str, u64)]) -> String {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from(
            "# HELP seaworthy_authority_answers_total Answers, by route and status.\n\
             # TYPE seaworthy_authority_answers_total counter\n",
        );
        for ((route, status), (count, _)) in answers.iter() {
            let _ = writeln!(
                text,
                "seaworthy_authority_answers_total{{route=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
        text.push_str(
            "# HELP seaworthy_authority_seconds_total Time spent on answers, by route and status.\n\
             # TYPE seaworthy_authority_seconds_total counter\n",
        );
        for ((route, status), (_, time)) in answers.iter() {
            let _ = writeln!(
                text,
                "seaworthy_authority_seconds_total{{route=\"{route}\",status=\"{status}\"}} {:.6}",
                time.as_secs_f64()
            );
        }
        text.push_str(
            "# HELP seaworthy_authority_log_entries Entries under the log's newest checkpoint.\n\
             # TYPE seaworthy_authority_log_entries gauge\n",
        );
        for (log, size) in logs {
            let _ = writeln!(text, "seaworthy_authority_log_entries{{log=\"{log}\"}} {size}");
        }
        text
    }
}
