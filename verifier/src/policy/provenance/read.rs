//! What a signed SLSA provenance or verification summary says, in the forms that real builders write.
//!
//! Read are provenance v1 (GitHub, slsa-github-generator, BuildKit, Cloud Build, Tekton) and v0.2 (the same, older),
//! and verification summaries v1. Nothing is guessed: a source repository counts where the build's own parameters
//! name it; a dependency counts as the source only if it is the only repository that is named at all, because a build
//! of something else may well depend on the right repository. Two parameters that name two repositories name none.

use crate::ImageName;
use crate::limits;
use crate::policy::rules::shown;
use crate::statement::PredicateType;
use seaworthy_oci::Digest;
use seaworthy_sbom::purl::Purl;
use serde_json::Value;
use std::collections::BTreeSet;

/// The predicate type of a verification summary.
pub(crate) const SUMMARY: &str = "https://slsa.dev/verification_summary/v1";
/// The longest text that is taken from a predicate: URIs are shorter.
const TEXT: usize = super::super::glob::TEXT_BYTES;

/// What a provenance says. What it does not say is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Provenance {
    pub(crate) builder: Option<String>,
    pub(crate) build_type: Option<String>,
    /// The source repository in canonical form, or why it cannot be told.
    pub(crate) source: Option<Result<String, String>>,
    /// The ref as the provenance writes it.
    pub(crate) reference: Option<String>,
    /// The commit of the source.
    pub(crate) commit: Option<String>,
    /// Images that went into the build.
    pub(crate) images: Vec<ImageUsed>,
}

/// An image that went into a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageUsed {
    /// Its canonical name, where it can be told.
    pub(crate) name: Option<ImageName>,
    /// Its digest, where it is stated.
    pub(crate) digest: Option<Digest>,
    /// As it stands there, for messages.
    pub(crate) shown: String,
}

/// What a verification summary says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) verifier: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) passed: bool,
    /// The highest SLSA build level that it verified.
    pub(crate) level: Option<u32>,
}

/// A repository as somebody wrote it, in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) url: String,
    pub(crate) reference: Option<String>,
}

fn value(predicate: &[u8]) -> Result<Value, String> {
    if predicate.len() > limits::PROVENANCE_BYTES {
        return Err(format!(
            "{} bytes, more than the limit PROVENANCE_BYTES = {}",
            predicate.len(),
            limits::PROVENANCE_BYTES
        ));
    }
    serde_json::from_slice(predicate).map_err(|e| e.to_string())
}

/// The text at `path`; none where it is missing, empty, no text, or longer than anybody needs.
fn text(value: &Value, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(value, |v, key| v.get(key))?.as_str()?;
    (!found.is_empty() && found.len() <= TEXT).then(|| found.to_owned())
}

impl Provenance {
    /// Reads the predicate of a provenance of type `kind`.
    pub(crate) fn read(kind: &PredicateType, predicate: &[u8]) -> Result<Self, String> {
        let all = value(predicate)?;
        if !all.is_object() {
            return Err("the predicate is no object".into());
        }
        Ok(match kind {
            PredicateType::SlsaProvenance1 => v1(&all),
            PredicateType::SlsaProvenance02 => v02(&all),
            other => return Err(format!("{other} is no provenance that is read")),
        })
    }
}

fn v1(all: &Value) -> Provenance {
    let none = Value::Null;
    let definition = all.get("buildDefinition").unwrap_or(&none);
    let parameters = definition.get("externalParameters").unwrap_or(&none);
    let mut named = Named::default();
    // GitHub and slsa-github-generator.
    named.pair(text(parameters, &["workflow", "repository"]), text(parameters, &["workflow", "ref"]));
    // Cloud Build.
    let config = "buildConfigSource";
    named.pair(text(parameters, &[config, "repository"]), text(parameters, &[config, "ref"]));
    // slsa-github-generator (delegated builders), BuildKit.
    for path in [&["source"][..], &["source", "uri"], &["configSource", "uri"]] {
        named.uri(text(parameters, path));
    }
    named.context(text(parameters, &["request", "args", "context"]));
    let vcs = all.pointer("/runDetails/metadata/buildkit_metadata/vcs").unwrap_or(&none);
    let dependencies = definition.get("resolvedDependencies").unwrap_or(&none);
    finish(
        text(all, &["runDetails", "builder", "id"]),
        text(definition, &["buildType"]),
        named,
        vcs,
        dependencies,
    )
}

fn v02(all: &Value) -> Provenance {
    let none = Value::Null;
    let mut named = Named::default();
    named.uri(text(all, &["invocation", "configSource", "uri"]));
    named.context(text(all, &["invocation", "parameters", "args", "context"]));
    let vcs = all
        .get("metadata")
        .and_then(|m| m.get("https://mobyproject.org/buildkit@v1#metadata"))
        .and_then(|m| m.get("vcs"))
        .unwrap_or(&none);
    let materials = all.get("materials").unwrap_or(&none);
    finish(text(all, &["builder", "id"]), text(all, &["buildType"]), named, vcs, materials)
}

/// What the parameters of a build name as its source.
#[derive(Default)]
struct Named {
    found: Vec<Result<Repository, String>>,
}

impl Named {
    fn uri(&mut self, uri: Option<String>) {
        let Some(uri) = uri else { return };
        self.found
            .push(repository(&uri).ok_or_else(|| format!("its source {} is no repository", shown(&uri))));
    }

    fn pair(&mut self, uri: Option<String>, reference: Option<String>) {
        self.uri(uri);
        if let (Some(Ok(last)), Some(reference)) = (self.found.last_mut(), reference) {
            last.reference.get_or_insert(reference);
        }
    }

    /// BuildKit's context may also be a directory of the client, which is no repository and names none.
    fn context(&mut self, context: Option<String>) {
        if let Some(context) = context
            && (context.contains("://") || context.starts_with("git@"))
        {
            self.uri(Some(context));
        }
    }

    /// The one repository that they agree on.
    fn one(self) -> Option<Result<Repository, String>> {
        let mut all = self.found.into_iter();
        let mut first = match all.next()? {
            Ok(first) => first,
            Err(why) => return Some(Err(why)),
        };
        for other in all {
            match other {
                Ok(other) if other.url != first.url => {
                    return Some(Err(format!(
                        "it names two sources, {} and {}",
                        shown(&first.url),
                        shown(&other.url)
                    )));
                }
                Ok(other) => match (&first.reference, &other.reference) {
                    (Some(a), Some(b)) if a != b => {
                        return Some(Err(format!("it names two refs, {} and {}", shown(a), shown(b))));
                    }
                    (None, Some(_)) => first.reference = other.reference,
                    _ => {}
                },
                Err(why) => return Some(Err(why)),
            }
        }
        Some(Ok(first))
    }
}

fn finish(
    builder: Option<String>,
    build_type: Option<String>,
    named: Named,
    vcs: &Value,
    dependencies: &Value,
) -> Provenance {
    let mut made = Provenance { builder, build_type, ..Provenance::default() };
    let entries: &[Value] = dependencies.as_array().map_or(&[], Vec::as_slice);
    let mut repositories: Vec<(Repository, String)> = Vec::new();
    for entry in entries {
        let Some(uri) = text(entry, &["uri"]) else { continue };
        if let Some(image) = image_used(&uri, entry) {
            made.images.push(image);
            continue;
        }
        let commit = ["gitCommit", "sha1"].iter().find_map(|name| text(entry, &["digest", name]));
        if let (Some(commit), Some(repository)) = (commit, repository(&uri)) {
            repositories.push((repository, commit));
        }
    }
    let vcs_source = text(vcs, &["source"])
        .map(|uri| repository(&uri).ok_or_else(|| format!("its source {} is no repository", shown(&uri))));
    let only = || {
        let urls: BTreeSet<&str> = repositories.iter().map(|(r, _)| r.url.as_str()).collect();
        match (urls.len(), repositories.first()) {
            (1, Some((one, _))) => Some(Ok(one.clone())),
            (0, _) => None,
            (n, _) => Some(Err(format!("it names no source, and {n} repositories among its dependencies"))),
        }
    };
    let source = named.one().or(vcs_source).or_else(only);
    if let Some(Ok(source)) = &source {
        made.reference = source.reference.clone();
        let of_source = |(r, _): &&(Repository, String)| r.url == source.url;
        let commits: BTreeSet<&str> =
            repositories.iter().filter(of_source).map(|(_, commit)| commit.as_str()).collect();
        made.commit = match (commits.len(), commits.first()) {
            (1, Some(commit)) => Some((*commit).to_owned()),
            (0, _) => text(vcs, &["revision"]),
            _ => None,
        };
        if made.reference.is_none() {
            let refs: BTreeSet<&String> =
                repositories.iter().filter(of_source).filter_map(|(r, _)| r.reference.as_ref()).collect();
            made.reference = refs.first().filter(|_| refs.len() == 1).map(|r| (*r).clone());
        }
    }
    made.source = source.map(|source| source.map(|repository| repository.url));
    made
}

/// The image behind a dependency, as BuildKit (`pkg:docker/…`) and others (`pkg:oci/…`) write it.
fn image_used(uri: &str, entry: &Value) -> Option<ImageUsed> {
    if !uri.starts_with("pkg:docker/") && !uri.starts_with("pkg:oci/") {
        return None;
    }
    let purl = Purl::parse(uri).ok();
    let stated = text(entry, &["digest", "sha256"]).map(|hex| format!("sha256:{hex}"));
    let in_purl = purl.as_ref().and_then(|p| {
        let qualifier = p.qualifiers.iter().find(|(key, _)| *key == "digest").map(|(_, value)| value.clone());
        qualifier.or_else(|| p.version.clone().filter(|v| v.starts_with("sha256:")))
    });
    // Two digests in one entry are none.
    let digest = match (stated, in_purl) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => a.or(b),
    };
    let name = purl.as_ref().and_then(|p| {
        let at =
            p.qualifiers.iter().find(|(key, _)| *key == "repository_url").map(|(_, value)| value.clone());
        let name = match (at, &p.namespace) {
            (Some(url), _) => url,
            (None, Some(namespace)) => format!("{namespace}/{}", p.name),
            (None, None) => p.name.clone(),
        };
        ImageName::parse(&name).ok()
    });
    let shown = shown(uri);
    Some(ImageUsed { name, digest: digest.and_then(|d| d.parse().ok()), shown })
}

impl Summary {
    /// Reads the predicate of a verification summary (SLSA, "Verification Summary Attestation" v1).
    pub(crate) fn read(predicate: &[u8]) -> Result<Self, String> {
        let all = value(predicate)?;
        let levels = all.get("verifiedLevels").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let level = levels
            .iter()
            .filter_map(|level| level.as_str()?.strip_prefix("SLSA_BUILD_LEVEL_")?.parse::<u32>().ok())
            .max();
        let Some(result) = text(&all, &["verificationResult"]) else {
            return Err("it has no verificationResult".into());
        };
        Ok(Self {
            verifier: text(&all, &["verifier", "id"]),
            resource: text(&all, &["resourceUri"]),
            passed: result == "PASSED",
            level,
        })
    }
}

/// `uri` as the repository that it names, in one form: `https://host/path`.
///
/// `git+`, a user, the default port, `.git`, a ref behind `@` or `#` and a final `/` are left out, and the host is
/// lower-case. `ssh://` and `user@host:path` name the same repository as `https://`, since both prove the host; `http://`
/// and `git://` do not, and stay what they are. None for what is no such URI.
pub(crate) fn repository(uri: &str) -> Option<Repository> {
    if uri.len() > TEXT
        || uri.chars().any(|c| c.is_control() || c.is_whitespace())
        || uri.contains(['?', '%', '\\'])
    {
        return None;
    }
    let (uri, fragment) = uri.split_once('#').map_or((uri, None), |(uri, f)| (uri, Some(f)));
    let uri = uri.strip_prefix("git+").unwrap_or(uri);
    let (scheme, authority, path) = match uri.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/')?;
            (scheme.to_ascii_lowercase(), authority, path)
        }
        None => {
            let (authority, path) = uri.split_once(':')?;
            (authority.contains('@').then(|| "ssh".to_owned())?, authority, path)
        }
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let port = if scheme == "ssh" { ":22" } else { ":443" };
    let host = host.strip_suffix(port).unwrap_or(&host).to_owned();
    let (path, reference) = path.split_once('@').map_or((path, None), |(path, r)| (path, Some(r)));
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let scheme = if scheme == "ssh" { "https" } else { &scheme };
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if host.is_empty() || !matches!(scheme, "https" | "http" | "git") || path.split('/').any(odd) {
        return None;
    }
    // BuildKit writes a directory behind the ref: `#ref:dir`.
    let fragment = fragment.map(|f| f.split_once(':').map_or(f, |(reference, _)| reference));
    let reference = reference.or(fragment).filter(|r| !r.is_empty()).map(str::to_owned);
    Some(Repository { url: format!("{scheme}://{host}/{path}"), reference })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_one_form() {
        let form = |uri: &str| repository(uri).map(|r| (r.url, r.reference));
        let app = "https://github.com/acme/app";
        for (uri, reference) in [
            ("https://github.com/acme/app", None),
            ("git+https://github.com/acme/app@refs/heads/main", Some("refs/heads/main")),
            ("git+https://GitHub.com:443/acme/app.git/", None),
            ("https://x-token@github.com/acme/app.git#main:sub/dir", Some("main")),
            ("ssh://git@github.com:22/acme/app.git", None),
            ("git@github.com:acme/app.git#v1", Some("v1")),
            ("git+ssh://git@github.com/acme/app@refs/tags/v1", Some("refs/tags/v1")),
        ] {
            assert_eq!(form(uri), Some((app.to_owned(), reference.map(str::to_owned))), "{uri}");
        }
        assert_eq!(form("http://github.com/acme/app").unwrap().0, "http://github.com/acme/app");
        for none in [
            "acme/app",
            "https://github.com",
            "https://github.com/",
            "https:///acme/app",
            "https://github.com/acme/../evil/app",
            "https://github.com/acme%2Fapp",
            "https://github.com/acme/app?ref=x",
            "file:///etc/passwd",
            "https://github.com/acme/a b",
            "pkg:docker/alpine@3",
        ] {
            assert_eq!(form(none), None, "{none}");
        }
    }
}
