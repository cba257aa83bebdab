//! Where in an object images stand.
//!
//! Every image of the new object is found, whatever the old one had: an image that was let in before a
//! policy existed has never been judged. Nothing that a tenant can write (labels, annotations, owner
//! references, a deletion timestamp) makes anything be skipped.
//!
//! What carries no image is told by the API's own shape, not by looking for the word: `Scale`, `Binding` and
//! `Eviction` hold none, `DELETE` has no new object, and `CONNECT` brings options of a stream. A kind that
//! nobody described is refused: the webhook was registered for it, so somebody expects a judgement.

use super::limits;
use super::review::{Operation, Request};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One place in which an image stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The RFC 6901 pointer into the object: `/spec/containers/0/image`.
    pub pointer: String,
    /// The reference as it is written there.
    pub image: String,
}

impl Position {
    /// The pointer as people write it: `spec.containers[0].image`.
    pub fn dotted(&self) -> String {
        self.pointer.split('/').skip(1).fold(String::new(), |mut out, part| {
            if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
                out.push_str(&format!("[{part}]"));
            } else {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(&part.replace("~1", "/").replace("~0", "~"));
            }
            out
        })
    }
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No image can come in by it; the text says why.
    NoImage(&'static str),
    /// These images, each of which must be judged.
    Images(Vec<Position>),
}

/// Why it cannot be said which images an object has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A kind that neither the API nor the administrator described.
    #[error(
        "nobody said where images stand in {0}: name the place with --images-at, or take the kind out of the \
         webhook's rules"
    )]
    UnknownKind(String),
    /// The request has no new object.
    #[error("there is no object in it")]
    NoObject,
    /// The object says that it is of another kind than the request.
    #[error("the object is a {found}, the request says {expected}")]
    OtherKind {
        /// What the request says.
        expected: String,
        /// What the object says.
        found: String,
    },
    /// Something of another shape than the API gives it.
    #[error("{at} is not {expected}")]
    Shape {
        /// Where.
        at: String,
        /// What should be there.
        expected: &'static str,
    },
    /// More than is looked at.
    #[error("more than the limit {limit} = {value}")]
    TooMany {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
}

/// Where images stand in a kind that the API does not define: `GROUP/KIND=/pointer`.
///
/// The pointer leads to a Pod's `spec` (an object) or to an image reference (a string); `*` in it stands for
/// every element of a list. Where nothing is, no image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagesAt {
    group: String,
    kind: String,
    path: Vec<String>,
}

impl FromStr for ImagesAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write GROUP/KIND=/path/to/pod/spec, such as argoproj.io/Rollout=/spec/template/spec";
        let (name, pointer) = text.split_once('=').ok_or(form)?;
        let (group, kind) = name.rsplit_once('/').unwrap_or(("", name));
        let path: Vec<String> =
            pointer.strip_prefix('/').ok_or(form)?.split('/').map(str::to_owned).collect();
        let clean = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
        if kind.is_empty() || !clean(kind) || !clean(group) || path.iter().any(String::is_empty) {
            return Err(form.into());
        }
        if builtin(group, kind).is_some() {
            return Err(format!("{kind} is known: where its images stand cannot be changed"));
        }
        Ok(Self { group: group.into(), kind: kind.into(), path })
    }
}

/// The path from an object of the API to its Pod's `spec`.
fn builtin(group: &str, kind: &str) -> Option<&'static [&'static str]> {
    Some(match (group, kind) {
        ("", "Pod") => &["spec"],
        // Before Kubernetes 1.22 the subresource pods/ephemeralcontainers is an object of its own, with the list on top.
        ("", "EphemeralContainers") => &[],
        ("", "PodTemplate") => &["template", "spec"],
        ("", "ReplicationController")
        | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job") => &["spec", "template", "spec"],
        ("batch", "CronJob") => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => return None,
    })
}

/// Finds all images that `request` would bring in.
///
/// # Errors
/// Where that cannot be said; whoever must decide then, denies.
pub fn find(request: &Request, described: &[ImagesAt]) -> Result<Found, Unreadable> {
    match request.operation {
        Operation::Delete => return Ok(Found::NoImage("nothing starts by a DELETE")),
        Operation::Connect => return Ok(Found::NoImage("a CONNECT changes no object")),
        Operation::Create | Operation::Update => {}
    }
    let kind = &request.kind;
    match (kind.group.as_str(), kind.kind.as_str(), request.sub_resource.as_str()) {
        ("autoscaling", "Scale", "scale") => return Ok(Found::NoImage("a Scale is a number of replicas")),
        ("", "Binding", "binding") | ("", "Binding", "") => {
            return Ok(Found::NoImage("a Binding names a node for a Pod that was judged"));
        }
        ("policy", "Eviction", "eviction") => return Ok(Found::NoImage("an Eviction ends a Pod")),
        _ => {}
    }
    let paths = specs(request, described);
    if paths.is_empty() {
        return Err(Unreadable::UnknownKind(kind.to_string()));
    }
    let Value::Object(object) = &request.object else { return Err(Unreadable::NoObject) };
    // The API server sends both alike; where they differ, one of them is not what will be stored.
    if let Some(found) = object.get("kind").and_then(Value::as_str).filter(|found| *found != kind.kind) {
        return Err(Unreadable::OtherKind {
            expected: kind.kind.clone(),
            found: found.chars().take(60).collect::<String>().escape_debug().to_string(),
        });
    }
    let mut positions = Positions::default();
    for path in &paths {
        positions.descend(&request.object, path, String::new())?;
    }
    positions.distinct()?;
    Ok(Found::Images(positions.found))
}

/// The paths from the object of `request` to the `spec` of each Pod in it.
fn specs<'d>(request: &Request, described: &'d [ImagesAt]) -> Vec<Vec<&'d str>> {
    let kind = &request.kind;
    match builtin(&kind.group, &kind.kind) {
        Some(path) => vec![path.to_vec()],
        None => described
            .iter()
            .filter(|d| d.group == kind.group && d.kind == kind.kind)
            .map(|d| d.path.iter().map(String::as_str).collect())
            .collect(),
    }
}

/// What stands in the annotation `name` of the object and of the Pod templates in it.
pub(super) fn annotations(request: &Request, described: &[ImagesAt], name: &str) -> Vec<String> {
    let mut places: Vec<Option<&Value>> = vec![request.object.get("metadata")];
    for path in specs(request, described) {
        if let Some((&"spec", above)) = path.split_last().filter(|(_, above)| !above.is_empty()) {
            let template = above.iter().try_fold(&request.object, |value, key| value.get(key));
            places.push(template.and_then(|t| t.get("metadata")));
        }
    }
    let of = |meta: Option<&Value>| meta?.get("annotations")?.get(name)?.as_str().map(str::to_owned);
    places.into_iter().filter_map(of).collect()
}

/// The pull secrets that the Pods of an object name, and the service account that they run as.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pulls {
    /// Names of secrets.
    pub secrets: BTreeSet<String>,
    /// The account, whose secrets count where the Pod names none.
    pub account: String,
}

/// The pull secrets that `request` names.
pub(super) fn pulls(request: &Request, described: &[ImagesAt]) -> Pulls {
    let of =
        |path: &Vec<&str>| path.iter().try_fold(&request.object, |value, key| value.get(key)).map(pulls_of);
    let each = specs(request, described).iter().filter_map(of).collect::<Vec<_>>();
    let secrets = each.iter().flat_map(|p| p.secrets.clone()).collect();
    let account = each.into_iter().next().map_or_else(|| "default".to_owned(), |p| p.account);
    Pulls { secrets, account }
}

/// The pull secrets that a Pod's `spec` names.
pub(crate) fn pulls_of(spec: &Value) -> Pulls {
    let named = spec.get("imagePullSecrets").and_then(Value::as_array).into_iter().flatten();
    let secrets = named.filter_map(|s| s.get("name")?.as_str().map(str::to_owned)).collect();
    let account = spec.get("serviceAccountName").and_then(Value::as_str).unwrap_or("default").to_owned();
    Pulls { secrets, account }
}

#[derive(Default)]
struct Positions {
    found: Vec<Position>,
}

impl Positions {
    fn descend(&mut self, value: &Value, path: &[&str], at: String) -> Result<(), Unreadable> {
        let Some((first, rest)) = path.split_first() else {
            return match value {
                Value::Null => Ok(()),
                Value::String(_) => self.image(Some(value), at),
                _ => self.pod(value, &at),
            };
        };
        match (value, *first) {
            (Value::Null, _) => Ok(()),
            (Value::Array(all), "*") => all
                .iter()
                .enumerate()
                .try_for_each(|(index, value)| self.descend(value, rest, format!("{at}/{index}"))),
            (_, "*") => Err(Unreadable::Shape { at, expected: "a list" }),
            (Value::Object(map), key) => {
                let written = key.replace("~1", "/").replace("~0", "~");
                map.get(&written).map_or(Ok(()), |value| self.descend(value, rest, format!("{at}/{key}")))
            }
            _ => Err(Unreadable::Shape { at, expected: "an object" }),
        }
    }

    /// The images of a Pod's `spec`.
    fn pod(&mut self, spec: &Value, at: &str) -> Result<(), Unreadable> {
        let Value::Object(spec) = spec else {
            return Err(Unreadable::Shape { at: at.to_owned(), expected: "an object" });
        };
        for list in ["initContainers", "containers", "ephemeralContainers", "volumes"] {
            let at = format!("{at}/{list}");
            let elements = match spec.get(list) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(elements)) => elements,
                Some(_) => return Err(Unreadable::Shape { at, expected: "a list" }),
            };
            for (index, element) in elements.iter().enumerate() {
                let at = format!("{at}/{index}");
                let Value::Object(element) = element else {
                    return Err(Unreadable::Shape { at, expected: "an object" });
                };
                if list != "volumes" {
                    self.image(element.get("image"), format!("{at}/image"))?;
                    continue;
                }
                match element.get("image") {
                    None | Some(Value::Null) => {}
                    Some(Value::Object(image)) => {
                        self.image(image.get("reference"), format!("{at}/image/reference"))?;
                    }
                    Some(_) => {
                        return Err(Unreadable::Shape { at: format!("{at}/image"), expected: "an object" });
                    }
                }
            }
        }
        Ok(())
    }

    fn image(&mut self, value: Option<&Value>, pointer: String) -> Result<(), Unreadable> {
        let image = match value {
            Some(Value::String(text)) if !text.is_empty() => text,
            _ => return Err(Unreadable::Shape { at: pointer, expected: "an image reference" }),
        };
        if image.len() > limits::IMAGE_CHARS {
            return Err(Unreadable::TooMany { limit: "IMAGE_CHARS", value: limits::IMAGE_CHARS });
        }
        if self.found.len() >= limits::POSITIONS {
            return Err(Unreadable::TooMany { limit: "POSITIONS", value: limits::POSITIONS });
        }
        self.found.push(Position { pointer, image: image.clone() });
        Ok(())
    }

    fn distinct(&self) -> Result<(), Unreadable> {
        let distinct: BTreeSet<&str> = self.found.iter().map(|p| p.image.as_str()).collect();
        if distinct.len() > limits::IMAGES {
            return Err(Unreadable::TooMany { limit: "IMAGES", value: limits::IMAGES });
        }
        Ok(())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.image, self.dotted())
    }
}
