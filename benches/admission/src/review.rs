//! The reviews that are asked, and what an answer says.

use crate::client;
use serde_json::{Value, json};
use std::path::Path;

/// What must come back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// It is signed by whom the policy names.
    Allowed,
    /// It is not.
    Denied,
}

/// A review of a Pod with one image.
pub struct Review {
    pub image: String,
    pub expect: Expect,
    pub request: Vec<u8>,
}

/// Makes reviews of a Pod that a real API server sent, with another image in it.
pub struct Reviews(Value);

impl Reviews {
    /// Reads the recording in testdata/.
    pub fn new(root: &Path) -> Self {
        let path = root.join("testdata/admission/020-create-pods.json");
        Self(serde_json::from_slice(&std::fs::read(path).expect("the recording")).expect("JSON"))
    }

    /// A review by `webhook`, which is `/validate` or `/mutate`.
    pub fn of(&self, webhook: &str, image: &str, expect: Expect) -> Review {
        let mut review = self.0.clone();
        review["request"]["object"]["spec"]["containers"][0]["image"] = image.into();
        let request = client::post(webhook, review.to_string().as_bytes());
        Review { image: image.to_owned(), expect, request }
    }
}

/// What a webhook said, read with care: for where each answer counts, and the time does not.
#[derive(Debug)]
pub struct Said {
    pub allowed: bool,
    pub code: u64,
    pub message: String,
}

impl Said {
    pub fn read(answer: &client::Answer) -> Result<Self, String> {
        let text = || String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>();
        if answer.status != 200 {
            return Err(format!("HTTP {}: {}", answer.status, text()));
        }
        let body: Value = serde_json::from_slice(&answer.body).map_err(|e| format!("{e}: {}", text()))?;
        let response = &body["response"];
        let allowed = response["allowed"].as_bool().ok_or_else(|| format!("no answer in {}", text()))?;
        let message = response["status"]["message"].as_str().unwrap_or_default().to_owned();
        let code = response["status"]["code"].as_u64().unwrap_or_default();
        Ok(Self { allowed, code, message })
    }
}

/// Whether an answer says yes, without reading all of it: for where the time counts.
pub fn allowed(answer: &client::Answer) -> Option<bool> {
    let says = |text: &[u8]| answer.body.windows(text.len()).any(|w| w == text);
    match (answer.status, says(b"\"allowed\":true"), says(b"\"allowed\":false")) {
        (200, true, false) => Some(true),
        (200, false, true) => Some(false),
        _ => None,
    }
}

/// The answer of the empty server against which the load itself is measured: as long as a real one.
pub fn yes() -> Vec<u8> {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": { "uid": "472332a5-e397-40f3-83a0-93c497b085a1", "allowed": true, "auditAnnotations": { "x": "x".repeat(250) } },
    })
    .to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
