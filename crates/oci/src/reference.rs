//! Names of images, and the difference between a question and an answer.
//!
//! A [`Reference`] may move: somebody can push another image under its tag. A [`Pinned`] cannot: it holds
//! the digest. Signing, attesting and verifying take a `Pinned`, so that nobody can sign or judge "whatever
//! the tag says by then".
//!
//! There is one grammar, known from skopeo: `registry/name[:tag][@digest]` (also with `docker://` before
//! it), `oci:DIR[:TAG][@digest]`, `oci-archive:FILE[:TAG][@digest]`, `docker-archive:FILE[:TAG]`. And there
//! is one canonical form, made while parsing, so that spelling cannot dodge a policy: `nginx`,
//! `library/nginx`, `index.docker.io/library/nginx:latest` and `registry-1.docker.io/library/nginx:latest`
//! are one image; hosts are lower-case, without trailing dot and without `:443`; addresses have one form.
//!
//! Refused: hosts that are no ASCII (write the punycode form, which people can see), numbers that only some
//! resolvers take for addresses (`127.1`, `0x7f000001`), user names in references, upper-case repositories.

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Descriptor;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where images live.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// A repository of a registry.
    Registry(Repository),
    /// An OCI layout directory.
    Layout(PathBuf),
    /// An OCI layout in a tar file.
    OciArchive(PathBuf),
    /// A `docker save` tar file.
    DockerArchive(PathBuf),
    /// An image that a daemon on this machine keeps. No text is parsed to it here: `docker:dind` is an image of Docker
    /// Hub wherever images are named, in a Pod above all.
    Daemon {
        /// Whose.
        engine: Engine,
        /// Under which name or identity.
        name: String,
    },
    /// An image in the store of a containerd on this machine. No text is parsed to it here either.
    Containerd {
        /// In which of its namespaces.
        namespace: String,
        /// Under which name.
        name: String,
    },
}

/// A daemon that keeps images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        })
    }
}

/// A repository of a registry, in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    registry: String,
    name: String,
}

/// A name that may move: a location with a tag, a digest, both or neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Where to look.
    pub location: Location,
    /// Under which tag. Registries get `latest` where neither tag nor digest is written.
    pub tag: Option<String>,
    /// For which digest. It wins over the tag.
    pub digest: Option<Digest>,
}

/// A name that cannot move: the manifest with this digest at this location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    location: Location,
    tag: Option<String>,
    descriptor: Descriptor,
}

impl Pinned {
    /// The manifest of `descriptor` at the location of `reference`. The tag is kept for people to read.
    pub fn new(reference: &Reference, descriptor: Descriptor) -> Self {
        Self { location: reference.location.clone(), tag: reference.tag.clone(), descriptor }
    }

    /// Another manifest at the same location, such as a child of an index.
    #[must_use]
    pub fn sibling(&self, descriptor: Descriptor) -> Self {
        Self { location: self.location.clone(), tag: None, descriptor }
    }

    /// Where it lives.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The tag it was found under, if any: history, not identity.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Media type, digest and size of the manifest.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> &Digest {
        &self.descriptor.digest
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.location, self.descriptor.digest)
    }
}

impl Repository {
    /// The repository `name` of `registry`, both in any spelling.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidReference`].
    pub fn new(registry: &str, name: &str) -> Result<Self> {
        Self::canonical(registry, name).map_err(|why| {
            Error::new(
                "read reference",
                shown(&format!("{registry}/{name}")),
                ErrorKind::InvalidReference(why),
            )
        })
    }

    fn canonical(registry: &str, name: &str) -> Result<Self, String> {
        let registry = canonical_registry(registry)?;
        let name = if registry == DOCKER_HUB && !name.contains('/') {
            format!("library/{name}")
        } else {
            name.to_owned()
        };
        check_name(&name)?;
        Ok(Self { registry, name })
    }

    /// The canonical host, with a port where it is not 443 or the host is one name alone: `docker.io`, `localhost:5000`,
    /// `[::1]:5000`, `team:443`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The host without its port and without brackets.
    pub fn host(&self) -> &str {
        split_port(&self.registry).map_or(self.registry.as_str(), |(host, _)| host).trim_matches(['[', ']'])
    }

    /// Where the registry's API answers; Docker Hub's is not at its name.
    pub fn api_host(&self) -> &str {
        if self.registry == DOCKER_HUB { "registry-1.docker.io" } else { &self.registry }
    }

    /// The path within the registry: `library/nginx`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the host is this machine itself, so that plain HTTP crosses no wire.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<Ipv4Addr>().is_ok_and(|a| a.is_loopback())
            || host.parse::<Ipv6Addr>().is_ok_and(|a| a.is_loopback())
    }

    /// The same repository under another tag or digest.
    pub fn reference(&self, tag: Option<String>, digest: Option<Digest>) -> Reference {
        Reference { location: Location::Registry(self.clone()), tag, digest }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

impl Location {
    /// The repository, where this is one.
    pub fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Registry(repository) => Some(repository),
            _ => None,
        }
    }

    /// The path on this machine, where this is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Registry(_) | Self::Daemon { .. } | Self::Containerd { .. } => None,
            Self::Layout(path) | Self::OciArchive(path) | Self::DockerArchive(path) => Some(path),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(repository) => repository.fmt(f),
            Self::Layout(path) => write!(f, "oci:{}", path.display()),
            Self::OciArchive(path) => write!(f, "oci-archive:{}", path.display()),
            Self::DockerArchive(path) => write!(f, "docker-archive:{}", path.display()),
            Self::Daemon { engine, name } => write!(f, "{engine}:{name}"),
            Self::Containerd { namespace, name } => write!(f, "containerd:{name}@{namespace}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(f)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

const DOCKER_HUB: &str = "docker.io";

fn shown(text: &str) -> String {
    format!("'{}'", text.chars().take(300).collect::<String>().escape_debug())
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: String| Error::new("read reference", shown(text), ErrorKind::InvalidReference(why));
        let hint = "write registry/name:tag, registry/name@sha256:…, oci:DIR:TAG, oci-archive:FILE or docker-archive:FILE";
        parse(text).map_err(|why| bad(why).hint(hint))
    }
}

type Local = fn(PathBuf) -> Location;

/// What stands before a colon in references that name no registry.
const KINDS: [&str; 7] =
    ["oci", "oci-archive", "docker-archive", "docker-daemon", "containers-storage", "dir", "file"];

fn parse(text: &str) -> Result<Reference, String> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("white space or control characters in it".into());
    }
    let (rest, digest) = match text.rsplit_once('@') {
        Some((rest, digest)) if digest.starts_with("sha256:") || digest.starts_with("sha512:") => {
            (rest, Some(digest.parse::<Digest>().map_err(|e| format!("its digest: {}", e.kind))?))
        }
        Some((_, digest)) if text.starts_with("oci") || text.starts_with("docker-archive:") => {
            // A path may hold an '@'; a digest of another algorithm must not become part of a file name.
            if digest.split_once(':').is_some_and(|(a, _)| a.chars().all(|c| c.is_ascii_alphanumeric())) {
                return Err("its digest: the algorithm is neither sha256 nor sha512".into());
            }
            (text, None)
        }
        Some(_) => return Err("after '@' only a sha256: or sha512: digest may stand".into()),
        None => (text, None),
    };
    let locals: [(&str, Local); 3] = [
        ("oci:", Location::Layout),
        ("oci-archive:", Location::OciArchive),
        ("docker-archive:", Location::DockerArchive),
    ];
    for (prefix, location) in locals {
        let Some(rest) = rest.strip_prefix(prefix) else { continue };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err("no path in it".into());
        }
        if let Some(tag) = tag {
            // A layout's ref.name and an archive's RepoTags may be whole names with host and port.
            let clean = |b: u8| b.is_ascii_alphanumeric() || b"._-:/+".contains(&b);
            if tag.is_empty() || tag.len() > 255 || !tag.bytes().all(clean) {
                return Err("its tag is empty, too long, or has odd characters".into());
            }
        }
        return Ok(Reference { location: location(PathBuf::from(path)), tag: tag.map(Into::into), digest });
    }
    for other in ["docker-daemon:", "containers-storage:", "dir:", "http://", "https://", "file:"] {
        if rest.starts_with(other) {
            return Err(format!("'{other}' is no kind of reference that is read here"));
        }
    }
    let rest = rest.strip_prefix("docker://").unwrap_or(rest);
    let last = rest.rsplit('/').next().unwrap_or(rest);
    let (path, tag) = match last.rsplit_once(':') {
        // `localhost:5000` alone is a host without a repository, caught below as such.
        Some((_, tag)) if rest.contains('/') || !tag.bytes().all(|b| b.is_ascii_digit()) => {
            (&rest[..rest.len() - tag.len() - 1], Some(tag))
        }
        Some((_, tag))
            if !rest.contains('.') && !rest.starts_with("localhost:") && !rest.starts_with('[') =>
        {
            (&rest[..rest.len() - tag.len() - 1], Some(tag))
        }
        _ => (rest, None),
    };
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let looks_like_host = |first: &str| {
        first.contains(['.', ':', '['])
            || first == "localhost"
            || first.bytes().any(|b| b.is_ascii_uppercase())
    };
    let repository = match path.split_once('/') {
        Some((first, name)) if looks_like_host(first) => Repository::canonical(first, name)?,
        _ => Repository::canonical(DOCKER_HUB, path)?,
    };
    let tag = match (tag, &digest) {
        (Some(tag), _) => Some(tag.to_owned()),
        (None, Some(_)) => None,
        (None, None) => Some("latest".to_owned()),
    };
    Ok(Reference { location: Location::Registry(repository), tag, digest })
}

/// A tag as registries take it (distribution specification, "Pulling manifests").
pub(crate) fn check_tag(tag: &str) -> Result<(), String> {
    let first = tag.bytes().next();
    let good = tag.len() <= 128
        && first.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if good { Ok(()) } else { Err("its tag is not [A-Za-z0-9_][A-Za-z0-9._-]{0,127}".into()) }
}

/// A repository name as registries take it (distribution specification, "Pulling manifests").
fn check_name(name: &str) -> Result<(), String> {
    let component = |part: &str| {
        let bytes = part.as_bytes();
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
        alphanumeric(first)
            && alphanumeric(last)
            && part
                .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                .all(|sep| matches!(sep, "" | "." | "_" | "__") || sep.bytes().all(|b| b == b'-'))
    };
    if name.len() > 255 {
        return Err("its repository is longer than 255 characters".into());
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("its repository has upper-case letters".into());
    }
    if name.split('/').all(component) {
        Ok(())
    } else {
        Err("its repository is not in the form a/b-c.d".into())
    }
}

fn split_port(host: &str) -> Option<(&str, &str)> {
    match host.rsplit_once(':') {
        Some((h, port)) if !h.contains(':') || h.ends_with(']') => Some((h, port)),
        _ => None,
    }
}

fn canonical_registry(text: &str) -> Result<String, String> {
    if !text.is_ascii() {
        return Err("its host is no ASCII; write the punycode form".into());
    }
    let (host, port) = match split_port(text) {
        Some((host, port)) => {
            let plain = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            let number = port.parse::<u16>().ok().filter(|n| plain && *n > 0);
            (host, Some(number.ok_or("its port is no number from 1 to 65535")?))
        }
        None => (text, None),
    };
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
    let host = if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| "its IPv6 address does not parse")?;
        // An IPv4 address in IPv6 clothes is that IPv4 address to every network stack.
        match address.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => format!("[{address}]"),
        }
    } else {
        check_host(&host)?;
        host
    };
    let host = match host.as_str() {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => {
            DOCKER_HUB.to_owned()
        }
        _ => host,
    };
    // Without its port, a host of one name would be read as the first part of a repository of Docker Hub: `Team/app` and
    // `team:443/app` are images of the host `team`, and `team/app` is not.
    let alone = !host.contains(['.', '[']) && host != "localhost";
    // `oci./a`, written with its port, would be the layout in the directory `443/a`.
    if alone && KINDS.contains(&host.as_str()) {
        return Err(format!("a host called '{host}' cannot be told from the kind of reference '{host}:'"));
    }
    Ok(match port {
        None | Some(443) if alone => format!("{host}:443"),
        None | Some(443) => host,
        Some(port) => format!("{host}:{port}"),
    })
}

fn check_host(host: &str) -> Result<(), String> {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err("its host is no host name".into());
    }
    // WHATWG URL, "ends in a number": such a host is an address, and only one spelling of it is let in.
    let last = host.rsplit('.').next().unwrap_or(host);
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err("its host looks like a number and is no IPv4 address in the usual form".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<Reference>().map_or_else(|e| format!("refused: {}", e.kind), |r| r.to_string())
    }

    #[test]
    fn one_image_has_one_spelling() {
        for spelling in [
            "nginx",
            "nginx:latest",
            "library/nginx",
            "docker.io/nginx",
            "docker.io/library/nginx",
            "index.docker.io/library/nginx",
            "registry-1.docker.io/library/nginx:latest",
            "DOCKER.io/library/nginx",
            "docker.io:443/nginx",
            "docker.io./library/nginx",
            "docker://nginx",
        ] {
            assert_eq!(canonical(spelling), "docker.io/library/nginx:latest", "{spelling}");
        }
        assert_eq!(canonical("Registry.Example.COM:443/a/b:1"), "registry.example.com/a/b:1");
        assert_eq!(canonical("registry.example.com.:5000/a:1"), "registry.example.com:5000/a:1");
        assert_eq!(canonical("[0:0:0:0:0:0:0:1]:5000/a:1"), "[::1]:5000/a:1");
        assert_eq!(canonical("[::ffff:127.0.0.1]:5000/a:1"), "127.0.0.1:5000/a:1");
        assert_eq!(canonical("localhost/a"), "localhost/a:latest");
        assert_eq!(canonical("localhost:5000/a"), "localhost:5000/a:latest");
        assert_eq!(canonical("xn--bcher-kva.example/a"), "xn--bcher-kva.example/a:latest");
        // Found by fuzzing: a host of one name needs its port, or its form would be that of another image.
        for spelling in ["Team/app", "team:443/app", "TEAM.:443/app", "team./app", "docker://teaM/app"] {
            assert_eq!(canonical(spelling), "team:443/app:latest", "{spelling}");
        }
        assert_eq!(canonical("team:5000/app"), "team:5000/app:latest");
        assert_eq!(canonical("team/app"), "docker.io/team/app:latest");
        assert_eq!(canonical("oci:dir/x"), "oci:dir/x");
        assert_eq!(canonical("oci:dir:v1"), "oci:dir:v1");
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(canonical(&format!("a/b@{digest}")), format!("docker.io/a/b@{digest}"));
        assert_eq!(canonical(&format!("a/b:1@{digest}")), format!("docker.io/a/b:1@{digest}"));
        assert_eq!(canonical(&format!("oci:d:1@{digest}")), format!("oci:d:1@{digest}"));
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        for bad in [
            "",
            "a b",
            "a\n",
            "a/../b",
            "a//b",
            "/a",
            "a/",
            "a:",
            "a@",
            "a@md5:00",
            "oci:dir@md5:00",
            "bücher.example/a",
            "127.1/a:1",
            "0x7f000001:5000/a",
            "2130706433:80/a",
            "user@host/a",
            "example.com/A",
            "example.com:0/a",
            "example.com:65536/a",
            "example.com:+1/a",
            "[::1/a",
            "a/b:t@sha256:../../etc",
            "oci:",
            "oci::tag",
            "https://example.com/a",
            "docker-daemon:a",
            "oci./56:tag",
            "OCI-archive.:443/a",
            "dir./a",
        ] {
            assert!(canonical(bad).starts_with("refused"), "{bad} -> {}", canonical(bad));
        }
    }
}
