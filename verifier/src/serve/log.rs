//! What is written down: one JSON object a line, on standard output.
//!
//! A review's line says who asked for what, each image, its digest and why. Objects are never in it: they hold
//! environment variables, and those hold secrets.

use crate::admission::{Answer, Request, Webhook};
use jiff::Timestamp;
use serde_json::{Value, json};
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

    fn line(&self, value: &Value) {
        let mut text = value.to_string();
        text.push('\n');
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written is no reason to let something in, nor to stop saying no.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
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
        let mut value = json!({
            "time": Timestamp::now(), "level": "info", "event": "review", "webhook": webhook.name(),
            "uid": answer.uid, "outcome": answer.outcome, "policies": answer.policies,
            "images": answer.images.iter().take(IMAGES).collect::<Vec<_>>(),
            "micros": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        });
        if let Some(reason) = &answer.reason {
            value["reason"] = reason.as_str().into();
        }
        if let Some(request) = request {
            value["operation"] = request.operation.name().into();
            value["kind"] = request.kind.to_string().into();
            value["subResource"] = request.sub_resource.as_str().into();
            value["namespace"] = request.namespace.as_str().into();
            value["name"] = request.name.as_str().into();
            value["user"] = request.user_info.username.as_str().into();
            value["dryRun"] = request.dry_run.unwrap_or_default().into();
        }
        self.line(&value);
    }
}
