//! What is written down: one JSON object a line, on standard output.
//!
//! A review's line says who asked for what, each image, its digest and why. Objects are never in it: they hold
//! environment variables, and those hold secrets.

use crate::admission::{Answer, ImageAnswer, Outcome, Request, Webhook};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Images that one line lists; the rest are counted.
const IMAGES: usize = 64;

/// Where the lines go.
pub struct Log(Mutex<Box<dyn Write + Send>>);

impl Log {
    /// To `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(out))
    }

    fn line(&self, value: &impl Serialize) {
        let Ok(mut text) = serde_json::to_vec(value) else { return };
        text.push(b'\n');
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written is no reason to let something in, nor to stop saying no.
        let _ = out.write_all(&text).and_then(|()| out.flush());
    }

    /// Something that happened to the server itself.
    pub(super) fn event(&self, level: &str, event: &str, message: &str) {
        self.line(&json!({ "time": Timestamp::now(), "level": level, "event": event, "message": message }));
    }

    /// A review and its answer.
    pub(super) fn review(
        &self,
        webhook: Webhook,
        request: Option<&Request>,
        answer: &Answer,
        took: Duration,
    ) {
        self.line(&Line {
            time: Timestamp::now(),
            level: "info",
            event: "review",
            webhook: webhook.name(),
            uid: &answer.uid,
            outcome: answer.outcome,
            policies: &answer.policies,
            images: answer.images.get(..IMAGES).unwrap_or(&answer.images),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            reason: answer.reason.as_deref(),
            request: request.map(|request| Asked {
                operation: request.operation.name(),
                kind: request.kind.to_string(),
                sub_resource: &request.sub_resource,
                namespace: &request.namespace,
                name: &request.name,
                user: &request.user_info.username,
                dry_run: request.dry_run.unwrap_or_default(),
            }),
        });
    }
}

/// A review's line: every review of every object is one, so it is written as it stands here, without a tree in between.
#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    level: &'static str,
    event: &'static str,
    webhook: &'static str,
    uid: &'a str,
    outcome: Outcome,
    policies: &'a str,
    images: &'a [ImageAnswer],
    micros: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(flatten)]
    request: Option<Asked<'a>>,
}

/// What was asked, where it could be read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    operation: &'static str,
    kind: String,
    sub_resource: &'a str,
    namespace: &'a str,
    name: &'a str,
    user: &'a str,
    dry_run: bool,
}
