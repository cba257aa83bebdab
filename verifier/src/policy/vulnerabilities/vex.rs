//! What is known about vulnerabilities (VEX): OpenVEX and CycloneDX statements, and which findings they are about.
//!
//! A statement suppresses a finding where its status is `not_affected` (with a justification or an impact statement, as
//! OpenVEX demands) or `fixed`, its vulnerability is one of the finding's ids, and it is about the finding's package or
//! about the whole image. Of several statements about one finding the newest counts, and of equally old ones the worst.
//!
//! What a statement names is compared, never guessed: an image by its digest (or, without one, by its name), a package by
//! its purl: type, namespace and name exactly, version and qualifiers where the statement has them.

use super::read::Finding;
use crate::ImageName;
use crate::limits;
use jiff::Timestamp;
use seaworthy_oci::Digest;
use seaworthy_sbom::purl::Purl;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a statement says of a vulnerability. The worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Fixed,
    NotAffected,
    UnderInvestigation,
    Affected,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::NotAffected => "not_affected",
            Self::UnderInvestigation => "under_investigation",
            Self::Affected => "affected",
        }
    }

    pub(crate) fn suppresses(self) -> bool {
        matches!(self, Self::Fixed | Self::NotAffected)
    }
}

/// One statement.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// In upper case.
    pub(crate) ids: Vec<String>,
    pub(crate) status: Status,
    /// Why, in a word or sentence of whoever made it.
    pub(crate) reason: Option<String>,
    time: Option<Timestamp>,
    targets: Vec<Target>,
}

/// What a statement is about.
#[derive(Debug, Clone)]
enum Target {
    /// The product: the image, as far as these say, and in it these components; without any, all of it.
    Product { product: Product, components: Vec<Component> },
    /// Whatever the signed statement around it is about.
    Subject { components: Vec<Component> },
}

#[derive(Debug, Clone, Default)]
struct Product {
    names: Vec<String>,
    hashes: Vec<String>,
}

/// A component, where it is a purl. Others match nothing.
#[derive(Debug, Clone)]
struct Component(Option<Box<Purl>>);

/// The image that statements are compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// The platform's digest, and that which was asked for.
    pub(crate) digests: &'a [&'a Digest],
    pub(crate) name: &'a ImageName,
    pub(crate) now: Timestamp,
}

impl Statement {
    /// Reads OpenVEX, or the `vulnerabilities` of a CycloneDX document.
    pub(crate) fn read_all(predicate: &[u8]) -> Result<Vec<Self>, String> {
        if predicate.len() > limits::VEX_BYTES {
            let limit = limits::VEX_BYTES;
            return Err(format!("{} bytes, more than the limit VEX_BYTES = {limit}", predicate.len()));
        }
        let all: Value = serde_json::from_slice(predicate).map_err(|e| e.to_string())?;
        let made = if text(&all, "bomFormat").as_deref() == Some("CycloneDX") {
            cyclonedx(&all)
        } else if all.get("statements").is_some() {
            open_vex(&all)
        } else {
            return Err("it is neither OpenVEX nor CycloneDX".into());
        }?;
        let size: usize = made.iter().map(Self::size).sum();
        if size > limits::VEX_ENTRIES {
            let limit = limits::VEX_ENTRIES;
            return Err(format!("it has {size} entries, more than the limit VEX_ENTRIES = {limit}"));
        }
        Ok(made)
    }

    fn size(&self) -> usize {
        let of = |t: &Target| match t {
            Target::Product { components, .. } | Target::Subject { components } => 1 + components.len(),
        };
        1 + self.ids.len() + self.targets.iter().map(of).sum::<usize>()
    }

    /// Whether it is about `finding` in the image `about`.
    fn concerns(&self, finding: &Finding, about: About<'_>) -> bool {
        if self.time.is_some_and(|time| time.duration_since(about.now) > limits::CLOCK_SKEW) {
            return false;
        }
        let inside =
            |components: &[Component]| components.is_empty() || components.iter().any(|c| c.is(finding));
        self.targets.iter().any(|target| match target {
            Target::Subject { components } => inside(components),
            Target::Product { product, components } => {
                (product.is_image(about) && inside(components))
                    || (components.is_empty() && product.is_package(finding))
            }
        })
    }
}

/// Of `statements`, the one that counts for `finding`.
pub(crate) fn decisive<'s, T>(
    statements: impl Iterator<Item = (&'s Statement, T)>,
    finding: &Finding,
    about: About<'_>,
) -> Option<(&'s Statement, T)> {
    statements
        .filter(|(s, _)| s.concerns(finding, about))
        // Without a time: before all others.
        .max_by_key(|(s, _)| (s.time, s.status))
}

impl Product {
    fn is_image(&self, about: About<'_>) -> bool {
        let digest = |hex: &str| about.digests.iter().any(|d| d.hex() == hex);
        if !self.hashes.is_empty() {
            return self.hashes.iter().any(|hex| digest(hex));
        }
        self.names.iter().any(|name| {
            let Ok(purl) = Purl::parse(name) else {
                // `registry.example/app@sha256:…`, or the digest alone.
                return name.rsplit('@').next().and_then(|d| d.strip_prefix("sha256:")).is_some_and(digest);
            };
            if purl.kind != "oci" && purl.kind != "docker" {
                return false;
            }
            match purl.version.as_deref() {
                Some(version) => version.strip_prefix("sha256:").is_some_and(digest),
                None => match purl.qualifiers.get("repository_url") {
                    Some(url) => ImageName::parse(url).is_ok_and(|named| named == *about.name),
                    None => about.name.to_string().rsplit('/').next() == Some(purl.name.as_str()),
                },
            }
        })
    }

    fn is_package(&self, finding: &Finding) -> bool {
        self.names.iter().any(|name| Component::of(name).is(finding))
    }
}

impl Component {
    fn of(name: &str) -> Self {
        Self(Purl::parse(name).ok().map(Box::new))
    }

    fn is(&self, finding: &Finding) -> bool {
        let (Some(own), Some(found)) = (&self.0, &finding.purl) else { return false };
        own.kind == found.kind
            && own.namespace == found.namespace
            && own.name == found.name
            && own.version.as_ref().is_none_or(|v| found.version.as_ref() == Some(v))
            && own.qualifiers.iter().all(|(key, value)| found.qualifiers.get(key) == Some(value))
            && own.subpath.as_ref().is_none_or(|s| found.subpath.as_ref() == Some(s))
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|t| !t.is_empty() && t.len() <= 4_096).map(str::to_owned)
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn time(value: &Value, keys: &[&str]) -> Option<Timestamp> {
    keys.iter().find_map(|key| text(value, key)?.parse().ok())
}

/// OpenVEX 0.2, and 0.0.1, which has plain texts for vulnerabilities and products.
fn open_vex(all: &Value) -> Result<Vec<Statement>, String> {
    let document = time(all, &["last_updated", "timestamp"]);
    let mut made = Vec::new();
    for one in all.get("statements").and_then(Value::as_array).ok_or("its statements are no list")? {
        let status = match text(one, "status").as_deref() {
            Some("not_affected") => Status::NotAffected,
            Some("affected") => Status::Affected,
            Some("fixed") => Status::Fixed,
            Some("under_investigation") => Status::UnderInvestigation,
            _ => return Err("a statement has no status that OpenVEX knows".into()),
        };
        let mut ids = Vec::new();
        match one.get("vulnerability") {
            Some(Value::String(id)) => ids.push(id.to_ascii_uppercase()),
            Some(found) => {
                ids.extend(text(found, "name").map(|t| t.to_ascii_uppercase()));
                ids.extend(
                    list(found, "aliases").iter().filter_map(Value::as_str).map(str::to_ascii_uppercase),
                );
            }
            None => {}
        }
        let reason = text(one, "justification").or_else(|| text(one, "impact_statement"));
        if ids.is_empty() || (status == Status::NotAffected && reason.is_none()) {
            // "Not affected" without a word of why is no statement (OpenVEX, "status").
            continue;
        }
        let components = |of: &Value| {
            list(of, "subcomponents").iter().flat_map(names).map(|n| Component::of(&n)).collect()
        };
        let targets = match one.get("products") {
            None | Some(Value::Null) => vec![Target::Subject { components: components(one) }],
            Some(_) => list(one, "products")
                .iter()
                .map(|product| {
                    let mut own: Vec<Component> = components(product);
                    // 0.0.1 has them beside the products.
                    own.extend(components(one));
                    Target::Product { product: product_of(product), components: own }
                })
                .collect(),
        };
        let time = time(one, &["last_updated", "timestamp"]).or(document);
        made.push(Statement { ids, status, reason, time, targets });
    }
    Ok(made)
}

/// A product or component: a text, or an object with an id and identifiers.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(name) => vec![name.clone()],
        other => {
            let purl = other.get("identifiers").and_then(|i| text(i, "purl"));
            text(other, "@id").into_iter().chain(purl).collect()
        }
    }
}

fn product_of(value: &Value) -> Product {
    let hashes = ["sha-256", "sha256"].iter().filter_map(|key| text(value.get("hashes")?, key)).collect();
    Product { names: names(value), hashes }
}

/// The `vulnerabilities` of a CycloneDX document.
fn cyclonedx(all: &Value) -> Result<Vec<Statement>, String> {
    let document = all.get("metadata").and_then(|m| time(m, &["timestamp"]));
    let mut components: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut queue: Vec<&Value> = list(all, "components").iter().collect();
    while let Some(component) = queue.pop() {
        if let Some(reference) = text(component, "bom-ref") {
            components.insert(reference, text(component, "purl"));
        }
        queue.extend(list(component, "components"));
    }
    let product = all.get("metadata").and_then(|m| m.get("component"));
    let mut made = Vec::new();
    for one in list(all, "vulnerabilities") {
        let analysis = one.get("analysis").unwrap_or(&Value::Null);
        let status = match text(analysis, "state").as_deref() {
            Some("not_affected" | "false_positive") => Status::NotAffected,
            Some("resolved" | "resolved_with_pedigree") => Status::Fixed,
            Some("exploitable") => Status::Affected,
            Some("in_triage") => Status::UnderInvestigation,
            // A vulnerability that is only listed says nothing of this kind.
            _ => continue,
        };
        let mut ids: Vec<String> = text(one, "id").map(|t| t.to_ascii_uppercase()).into_iter().collect();
        ids.extend(
            list(one, "references").iter().filter_map(|r| text(r, "id")).map(|t| t.to_ascii_uppercase()),
        );
        let reason = text(analysis, "justification").or_else(|| text(analysis, "detail"));
        if ids.is_empty() || (status == Status::NotAffected && reason.is_none()) {
            continue;
        }
        let targets = list(one, "affects").iter().filter_map(|affected| {
            // Which versions are meant is not compared, so it can take nothing away.
            if status.suppresses() && affected.get("versions").is_some() {
                return None;
            }
            // Often the reference is the purl.
            let reference = seaworthy_sbom::cyclonedx::component(&text(affected, "ref")?);
            if let Some(product) = product
                && text(product, "bom-ref").as_deref() == Some(&reference)
            {
                let hashes: Vec<String> = list(product, "hashes")
                    .iter()
                    .filter(|h| text(h, "alg").as_deref() == Some("SHA-256"))
                    .filter_map(|h| text(h, "content"))
                    .collect();
                let names: Vec<String> = text(product, "purl").into_iter().collect();
                // Without a word of what it is, it is what the signed statement is about.
                return Some(if names.is_empty() && hashes.is_empty() {
                    Target::Subject { components: Vec::new() }
                } else {
                    Target::Product { product: Product { names, hashes }, components: Vec::new() }
                });
            }
            let name = components.get(&reference).cloned().flatten().unwrap_or(reference);
            Some(Target::Subject { components: vec![Component::of(&name)] })
        });
        let targets = targets.collect();
        let time = time(analysis, &["lastUpdated", "firstIssued"]).or(document);
        made.push(Statement { ids, status, reason, time, targets });
    }
    Ok(made)
}
