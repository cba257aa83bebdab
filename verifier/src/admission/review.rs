//! The question: an AdmissionReview of `admission.k8s.io/v1`, read strictly.
//!
//! Refused, each with its reason and with the `uid` where one can be found: what is no JSON, has a key
//! twice or is nested too deep, another version, a review without a request, an operation that does not
//! exist. What the API server adds in later versions is skipped over.

use super::limits;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// The version that is spoken.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// A group, version and kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Kind {
    /// The API group; empty for the core.
    #[serde(default)]
    pub group: String,
    /// The version in the group.
    #[serde(default)]
    pub version: String,
    /// The kind.
    pub kind: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.kind)
        } else {
            write!(f, "{}/{}", self.group, self.kind)
        }
    }
}

/// What is done to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// A new object.
    Create,
    /// Another state of an object.
    Update,
    /// The end of an object.
    Delete,
    /// A connection to a running object, such as `exec`.
    Connect,
}

impl Operation {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct User {
    /// The name that the API server established. It decides nothing here; the audit log has it.
    #[serde(default)]
    pub username: String,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Sent back, so that the API server knows which answer this is.
    pub uid: String,
    /// What the object is, after conversion to what the webhook asked for.
    pub kind: Kind,
    /// `scale`, `binding`, `ephemeralcontainers`; empty for the object itself.
    #[serde(default)]
    pub sub_resource: String,
    /// The object's name, if it has one yet.
    #[serde(default)]
    pub name: String,
    /// The object's namespace, if it has one.
    #[serde(default)]
    pub namespace: String,
    /// What is done.
    pub operation: Operation,
    /// Who does it.
    #[serde(default)]
    pub user_info: User,
    /// The object as it will be.
    #[serde(default)]
    pub object: Value,
    /// The object as it was.
    #[serde(default)]
    pub old_object: Value,
    /// Whether nothing will be stored. It changes no verdict.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// A body that is no question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The `uid`, if one could be found.
    pub uid: Option<String>,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no AdmissionReview that can be judged: {}", self.why)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<R> {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<R>,
}

impl<R> Review<R> {
    fn is_spoken(&self) -> bool {
        self.kind == "AdmissionReview" && self.api_version == API_VERSION
    }
}

/// Reads the body of a request.
///
/// # Errors
/// Where it is not one question that has one meaning.
pub fn parse(body: &[u8]) -> Result<Request, Malformed> {
    let no_uid = |why: String| Malformed { uid: None, why };
    if body.len() > limits::BODY_BYTES {
        return Err(no_uid(format!("more than the limit BODY_BYTES = {}", limits::BODY_BYTES)));
    }
    if body.is_empty() {
        return Err(no_uid("the body is empty".into()));
    }
    if let Err(why) = seaworthy_oci::strict::check(body) {
        // Where a key stands twice, the uid may be any of two, but then one of them is right.
        let uid = serde_json::from_slice::<Value>(body).ok().and_then(|v| uid_of(v.get("request")?));
        return Err(Malformed { uid, why });
    }
    // In one pass, which all that API servers send takes. Whatever is wrong with the others is found out below.
    if let Ok(review) = serde_json::from_slice::<Review<Request>>(body)
        && review.is_spoken()
        && let Some(request) = review.request
        && is_uid(&request.uid)
    {
        return Ok(request);
    }
    let review: Review<Value> = serde_json::from_slice(body).map_err(|e| no_uid(e.to_string()))?;
    let uid = review.request.as_ref().and_then(uid_of);
    let failed = |why: String| Malformed { uid: uid.clone(), why };
    if !review.is_spoken() {
        let found: String = format!("{} {}", review.api_version, review.kind).chars().take(100).collect();
        return Err(failed(format!(
            "it is '{}', and only '{API_VERSION} AdmissionReview' is answered",
            found.escape_debug()
        )));
    }
    let Some(request) = review.request.filter(|r| !r.is_null()) else {
        return Err(failed("there is no request in it".into()));
    };
    if uid.is_none() {
        return Err(failed("its uid is missing, empty or too long".into()));
    }
    serde_json::from_value(request).map_err(|e| failed(format!("its request: {e}")))
}

fn uid_of(request: &Value) -> Option<String> {
    request.get("uid")?.as_str().filter(|uid| is_uid(uid)).map(str::to_owned)
}

fn is_uid(uid: &str) -> bool {
    !uid.is_empty() && uid.chars().count() <= limits::UID_CHARS && !uid.chars().any(char::is_control)
}
