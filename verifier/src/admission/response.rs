//! The answer: an AdmissionReview that the API server understands and a person can act on.
//!
//! Whatever came in, what goes out is well-formed: the version that is spoken, the `uid` where one is known,
//! and `allowed` that is true only where every image was allowed. Reasons are bounded and on one line each.

use super::images::Position;
use super::review::{API_VERSION, Request};
use super::{Pin, Way, Webhook, limits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::Reference;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What a review ended in. Metrics and alerts keep these apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every image may run, or there is none.
    Allowed,
    /// Some image may not run.
    Denied,
    /// Nothing is known against any image, and of some it could not be found out. Denied as well.
    CouldNotFindOut,
    /// The question could not be read. Denied as well.
    Malformed,
}

impl Outcome {
    /// All of them, for metrics.
    pub const ALL: [Self; 4] = [Self::Allowed, Self::Denied, Self::CouldNotFindOut, Self::Malformed];

    /// The label in metrics and in the audit log.
    pub fn label(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::CouldNotFindOut => "could_not_find_out",
            Self::Malformed => "malformed",
        }
    }

    /// The HTTP code of the status and its reason: a person sees the reason, a client retries a 503.
    fn status(self) -> (u16, &'static str) {
        match self {
            Self::Allowed => (200, ""),
            Self::Denied => (403, "Forbidden"),
            Self::CouldNotFindOut => (503, "ServiceUnavailable"),
            Self::Malformed => (400, "BadRequest"),
        }
    }
}

/// What is said about one image, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageAnswer {
    /// The reference as written.
    pub image: String,
    /// Where it stands, the first place.
    pub at: String,
    /// In how many places it stands.
    pub places: usize,
    /// What became of it: never [`Outcome::Malformed`].
    pub outcome: Outcome,
    /// Why, on one line.
    pub reason: String,
    /// The digest that was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What people should be told although it decides nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether a policy in warn or audit mode would have denied it.
    pub would_deny: bool,
    /// Whether the verdict was remembered.
    pub remembered: bool,
    /// How it came in that would not have otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
}

/// What is said about a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Sent back; empty where none is known.
    pub uid: String,
    /// The decision.
    pub outcome: Outcome,
    /// Why, where it is about no image in particular.
    pub reason: Option<String>,
    /// Each image once, in the order of their first places.
    pub images: Vec<ImageAnswer>,
    /// Which policies answered.
    pub policies: String,
}

impl Answer {
    /// A denial that is about no image in particular.
    pub fn refused(uid: Option<&str>, outcome: Outcome, why: impl Into<String>) -> Self {
        Self {
            uid: uid.unwrap_or_default().to_owned(),
            outcome,
            reason: Some(why.into()),
            images: Vec::new(),
            policies: String::new(),
        }
    }

    /// The text that people see: a line for each image that was not allowed, bounded.
    pub fn message(&self) -> String {
        let mut lines: Vec<String> = self.reason.iter().map(|r| line(r, limits::LINE_CHARS)).collect();
        let bad: Vec<&ImageAnswer> = self.images.iter().filter(|i| i.outcome != Outcome::Allowed).collect();
        lines.extend(bad.iter().take(limits::MESSAGE_LINES).map(|image| {
            let what = if image.outcome == Outcome::Denied { "denied" } else { "could not find out" };
            line(&format!("{} ({}) {what}: {}", image.image, image.at, image.reason), limits::LINE_CHARS)
        }));
        if bad.len() > limits::MESSAGE_LINES {
            lines.push(format!("and {} more images", bad.len() - limits::MESSAGE_LINES));
        }
        lines.join("\n")
    }

    fn warnings(&self) -> Vec<String> {
        let each = |i: &ImageAnswer| {
            i.warnings
                .iter()
                .map(|w| line(&format!("{}: {w}", i.image), limits::WARNING_CHARS))
                .collect::<Vec<_>>()
        };
        let all: Vec<String> = self.images.iter().flat_map(each).collect();
        let more = all.len().saturating_sub(limits::WARNINGS);
        let mut told: Vec<String> = all.into_iter().take(limits::WARNINGS).collect();
        if more > 0 {
            told.push(format!("seaworthy: and {more} more warnings"));
        }
        told
    }

    fn annotations(&self) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, text: String| {
            if !text.is_empty() {
                out.insert(key.to_owned(), line(&text, limits::ANNOTATION_CHARS).into());
            }
        };
        put("outcome", self.outcome.label().to_owned());
        put("policies", self.policies.clone());
        let named = |i: &ImageAnswer| {
            format!(
                "{}={}{}",
                i.image,
                i.outcome.label(),
                i.digest.as_ref().map(|d| format!(" {d}")).unwrap_or_default()
            )
        };
        put("images", self.images.iter().map(named).collect::<Vec<_>>().join(", "));
        let would: Vec<&str> =
            self.images.iter().filter(|i| i.would_deny).map(|i| i.image.as_str()).collect();
        put("would-deny", would.join(", "));
        for (name, way) in [("break-glass", Way::BreakGlass), ("registry-down", Way::RegistryDown)] {
            let by = |i: &&ImageAnswer| i.way == Some(way);
            let let_in: Vec<String> =
                self.images.iter().filter(by).map(|i| format!("{}: {}", i.image, i.reason)).collect();
            put(name, let_in.join(", "));
        }
        Value::Object(out)
    }

    /// The body of the HTTP answer.
    pub fn body(&self, patch: Option<&[Value]>) -> Vec<u8> {
        let mut response = json!({
            "uid": self.uid,
            "allowed": self.outcome == Outcome::Allowed,
            "auditAnnotations": self.annotations(),
        });
        let warnings = self.warnings();
        if !warnings.is_empty() {
            response["warnings"] = warnings.into();
        }
        if self.outcome == Outcome::Allowed {
            if let Some(patch) = patch.filter(|p| !p.is_empty()) {
                response["patchType"] = "JSONPatch".into();
                response["patch"] = STANDARD.encode(Value::from(patch.to_vec()).to_string()).into();
            }
        } else {
            let (code, reason) = self.outcome.status();
            response["status"] = json!({
                "metadata": {}, "status": "Failure", "message": self.message(), "reason": reason, "code": code,
            });
        }
        json!({ "apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response })
            .to_string()
            .into_bytes()
    }

    /// The JSON Patch (RFC 6902) that pins what was judged, for `webhook`. An image that stood there before stays as it
    /// is, because changing it would restart a running container.
    pub fn patch(&self, webhook: Webhook, request: &Request, positions: &[Position], pin: Pin) -> Vec<Value> {
        let pod = request.kind.group.is_empty() && request.kind.kind == "Pod";
        if webhook != Webhook::Mutate || self.outcome != Outcome::Allowed || (pin == Pin::Pods && !pod) {
            return Vec::new();
        }
        let was =
            |p: &Position| request.old_object.pointer(&p.pointer).and_then(Value::as_str) == Some(&p.image);
        positions
            .iter()
            .filter(|p| !was(p))
            .filter_map(|p| {
                let digest = self.images.iter().find(|i| i.image == p.image)?.digest.as_deref()?;
                let pinned = pinned(&p.image, digest)?;
                Some(json!({ "op": "replace", "path": p.pointer, "value": pinned }))
            })
            .collect()
    }
}

/// `image` with its tag and `digest`; none where it has a digest.
fn pinned(image: &str, digest: &str) -> Option<String> {
    let reference: Reference = image.parse().ok()?;
    if reference.digest.is_some() {
        return None;
    }
    // `latest` where nothing is written: said now, because it is what was resolved.
    let tag = reference.tag?;
    let tagged =
        if image.ends_with(&format!(":{tag}")) { image.to_owned() } else { format!("{image}:{tag}") };
    Some(format!("{tagged}@{digest}"))
}

/// `text` on one line of at most `limit` characters, with nothing in it that moves a cursor.
pub(super) fn line(text: &str, limit: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = text.chars().take(limit).map(clean).collect();
    if text.chars().nth(limit).is_some() {
        out = out.chars().take(limit.saturating_sub(1)).collect();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinning_keeps_what_people_wrote() {
        for (image, expected) in [
            ("nginx", Some("nginx:latest@sha256:d")),
            ("nginx:1.25", Some("nginx:1.25@sha256:d")),
            ("localhost:5000/x/y", Some("localhost:5000/x/y:latest@sha256:d")),
            ("localhost:5000/x/latest", Some("localhost:5000/x/latest:latest@sha256:d")),
        ] {
            assert_eq!(pinned(image, "sha256:d").as_deref(), expected, "{image}");
        }
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(pinned(&format!("app:1@{digest}"), "sha256:d"), None);
    }

    #[test]
    fn lines_are_bounded_at_limit_plus_one() {
        assert_eq!(line("abc", 3), "abc");
        assert_eq!(line("abcd", 3), "ab…");
        assert_eq!(line("a\nb\u{1b}", 9), "a b ");
    }
}
