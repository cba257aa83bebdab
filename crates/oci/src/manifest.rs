//! Manifests, read strictly: clearly an image or clearly an index, never both.
//!
//! Two programs that read one manifest differently run different things (CVE-2021-41190). So the media
//! type must be in the body and agree with the header, `layers` and `manifests` exclude each other, keys
//! are unique, and counts are bounded.

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::{limits, strict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Media types by name.
pub mod media_type {
    /// OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// Docker manifest list.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker image manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// OCI image configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// Docker image configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// The empty JSON object as a descriptor's content.
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// OCI layer, gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// OCI layer, zstd.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// OCI layer, not compressed.
    pub const LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
    /// What a client accepts as the answer to a manifest request.
    pub const ACCEPT: [&str; 4] = [INDEX, MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];
}

/// Annotation keys by name (OCI image specification, "Pre-Defined Annotation Keys").
pub mod annotation {
    /// The tag of an entry in a layout's index.json.
    pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
    /// When a manifest was made, RFC 3339.
    pub const CREATED: &str = "org.opencontainers.image.created";
}

/// A name, a size and a type for content (OCI image specification, "Content Descriptors").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes. Negative and fractional sizes do not parse.
    pub size: u64,
    /// Where an index entry runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What kind of artifact the manifest behind the descriptor is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
    /// Other places to fetch from. Parsed so that it is seen, and never followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub urls: Vec<String>,
}

/// Go's encoders write `null` for an empty list or map.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

impl Descriptor {
    /// A descriptor of `bytes`, without platform, artifact type or annotations.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.into(),
            digest: Digest::sha256(bytes),
            size: bytes.len() as u64,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
        }
    }

    /// The same name, size and type, without the decoration an index adds: what a `subject` holds.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self {
            media_type: self.media_type.clone(),
            digest: self.digest.clone(),
            size: self.size,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
        }
    }

    /// Whether the content is an index or a Docker manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), media_type::INDEX | media_type::DOCKER_LIST)
    }
}

/// Operating system, architecture and variant, printed as `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// `GOOS`.
    pub os: String,
    /// `GOARCH`.
    pub architecture: String,
    /// `v7`, `v8` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Windows build.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

impl Platform {
    /// Whether an entry for `self` serves somebody who asks for `wanted`: equal, where a missing variant
    /// of `arm64` is `v8` and a missing variant in `wanted` takes any.
    pub fn serves(&self, wanted: &Self) -> bool {
        let variant = |p: &Self| match (p.architecture.as_str(), p.variant.as_deref()) {
            ("arm64", None) => Some("v8".to_owned()),
            (_, v) => v.map(str::to_owned),
        };
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || variant(self) == variant(wanted))
            && (wanted.os_version.is_none() || self.os_version == wanted.os_version)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|v| write!(f, "/{v}"))
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let clean = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match parts.as_slice() {
            [os, arch] if clean(os) && clean(arch) => {
                Ok(Self { os: (*os).into(), architecture: (*arch).into(), variant: None, os_version: None })
            }
            [os, arch, variant] if clean(os) && clean(arch) && clean(variant) => Ok(Self {
                os: (*os).into(),
                architecture: (*arch).into(),
                variant: Some((*variant).into()),
                os_version: None,
            }),
            _ => Err(Error::new(
                "read platform",
                format!("'{}'", text.escape_debug()),
                ErrorKind::InvalidReference(
                    "a platform is os/architecture or os/architecture/variant".into(),
                ),
            )
            .hint("for example linux/amd64")),
        }
    }
}

/// A manifest's bytes under the digest they were hashed to. What is judged is what was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    /// Media type (checked against the body), digest and size of `bytes`.
    pub descriptor: Descriptor,
    /// The exact bytes.
    pub bytes: Vec<u8>,
}

impl RawManifest {
    /// Takes `bytes` that came with the media type `announced` (a Content-Type header or a descriptor), or
    /// with none. The digest is computed; comparing it is the caller's part, see [`RawManifest::expect`].
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] where the body has no media type of its own, or another than announced.
    pub fn new(bytes: Vec<u8>, announced: Option<&str>, on: impl fmt::Display) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(rename = "mediaType")]
            media_type: Option<String>,
        }
        let bad = |why: String| Error::new("read manifest", &on, ErrorKind::Malformed(why));
        let head: Head = strict::from_slice(&bytes).map_err(bad)?;
        let announced = announced
            .map(|a| a.split(';').next().unwrap_or(a).trim())
            // Static file servers and old registries announce what says nothing.
            .filter(|a| !matches!(*a, "application/json" | "application/octet-stream" | "text/plain" | ""));
        let media_type = match (head.media_type, announced) {
            (Some(body), Some(header)) if body != header => {
                return Err(bad(format!("ambiguous: its media type is '{body}', but it came as '{header}'")));
            }
            (Some(body), _) => body,
            (None, _) => return Err(bad("ambiguous: it has no mediaType".into())),
        };
        Ok(Self { descriptor: Descriptor::of(media_type, &bytes), bytes })
    }

    /// The same manifest, if its digest is `expected`.
    ///
    /// # Errors
    /// [`ErrorKind::DigestMismatch`].
    pub fn expect(mut self, expected: &Digest, on: impl fmt::Display) -> Result<Self> {
        if !expected.matches(&self.bytes) {
            return Err(Error::new(
                "fetch manifest",
                on,
                ErrorKind::DigestMismatch {
                    expected: expected.to_string(),
                    actual: self.descriptor.digest.to_string(),
                },
            ));
        }
        self.descriptor.digest = expected.clone();
        Ok(self)
    }

    /// Reads the manifest strictly.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] where it is neither clearly an image nor clearly an index,
    /// [`ErrorKind::LimitExceeded`] where it lists too much.
    pub fn parse(&self) -> Result<Manifest> {
        Manifest::parse(&self.bytes, &self.descriptor.media_type, &self.descriptor.digest)
    }
}

/// A manifest that was read strictly.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "few exist at a time, and a box would show in every match")]
pub enum Manifest {
    /// One image, or one artifact.
    Image(Image),
    /// A list of manifests.
    Index(Index),
}

/// An image manifest (OCI image specification, "Image Manifest"), also used by artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type.
    pub media_type: String,
    /// What kind of artifact this is, where it is not a runnable image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration blob.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifest this artifact is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

/// An image index (OCI image specification, "Image Index").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type.
    pub media_type: String,
    /// What kind of artifact this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The entries.
    pub manifests: Vec<Descriptor>,
    /// The manifest this artifact is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// The children that a runtime can run: everything but BuildKit's attestation manifests, which name
    /// the platform `unknown/unknown`, and artifacts.
    pub fn runnable(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().filter(|d| {
            let unknown =
                d.platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown");
            let attestation = d.annotations.contains_key("vnd.docker.reference.type");
            !(unknown || attestation || d.artifact_type.is_some())
        })
    }
}

impl Manifest {
    /// Reads `bytes` of media type `media_type` strictly; `on` names the place in errors.
    ///
    /// # Errors
    /// As [`RawManifest::parse`].
    pub fn parse(bytes: &[u8], media_type: &str, on: impl fmt::Display) -> Result<Self> {
        #[derive(Deserialize)]
        struct Shape {
            manifests: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
            config: Option<serde::de::IgnoredAny>,
        }
        let bad = |why: String| Error::new("read manifest", &on, ErrorKind::Malformed(why));
        let too_many = |limit: &'static str, value: usize| {
            Err(Error::new("read manifest", &on, ErrorKind::LimitExceeded { limit, value: value as u64 }))
        };
        if bytes.len() as u64 > limits::MANIFEST_BYTES {
            return too_many("MANIFEST_BYTES", limits::MANIFEST_BYTES as usize);
        }
        let shape: Shape = strict::from_slice(bytes).map_err(bad)?;
        let manifest = match media_type {
            media_type::INDEX | media_type::DOCKER_LIST => {
                if shape.layers.is_some() || shape.config.is_some() {
                    return Err(bad("ambiguous: an index that also has layers or a config".into()));
                }
                let index: Index = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
                if index.manifests.len() > limits::INDEX_ENTRIES {
                    return too_many("INDEX_ENTRIES", limits::INDEX_ENTRIES);
                }
                Self::Index(index)
            }
            media_type::MANIFEST | media_type::DOCKER_MANIFEST => {
                if shape.manifests.is_some() {
                    return Err(bad("ambiguous: an image that also has manifests".into()));
                }
                let image: Image = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
                if image.layers.len() > limits::IMAGE_LAYERS {
                    return too_many("IMAGE_LAYERS", limits::IMAGE_LAYERS);
                }
                Self::Image(image)
            }
            other => return Err(bad(format!("'{}' is no media type of an image", other.escape_debug()))),
        };
        let (version, own) = match &manifest {
            Self::Image(m) => (m.schema_version, &m.media_type),
            Self::Index(m) => (m.schema_version, &m.media_type),
        };
        if version != 2 {
            return Err(bad(format!("schemaVersion is {version}, only 2 is read")));
        }
        if own != media_type {
            return Err(bad(format!("ambiguous: its media type is '{own}', but it came as '{media_type}'")));
        }
        Ok(manifest)
    }
}

/// The parts of an image configuration that somebody here reads (OCI image specification, "Image
/// Configuration"). Unknown fields are left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was built, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// `GOOS`.
    #[serde(default)]
    pub os: String,
    /// `GOARCH`.
    #[serde(default)]
    pub architecture: String,
    /// `v7`, `v8` and so on.
    #[serde(default)]
    pub variant: Option<String>,
    /// The layers' digests before compression.
    #[serde(default)]
    pub rootfs: RootFs,
    /// How the image is run, and what its maker says about it.
    #[serde(default)]
    pub config: Option<RunConfig>,
}

/// The part of `config` of an image configuration that somebody here reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunConfig {
    /// What the image's maker says about it.
    #[serde(default, rename = "Labels")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// The `rootfs` of an image configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// The layers' digests before compression, lowest first.
    #[serde(default)]
    pub diff_ids: Vec<Digest>,
}

impl ImageConfig {
    /// Reads a configuration blob.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`].
    pub fn parse(bytes: &[u8], on: impl fmt::Display) -> Result<Self> {
        strict::from_slice(bytes)
            .map_err(|why| Error::new("read image configuration", on, ErrorKind::Malformed(why)))
    }

    /// Who made the image: its label `org.opencontainers.image.vendor`, or `.authors` where that is missing
    /// (OCI image specification, "Pre-Defined Annotation Keys").
    pub fn maker(&self) -> Option<&str> {
        let labels = self.config.as_ref()?.labels.as_ref()?;
        let keys = ["org.opencontainers.image.vendor", "org.opencontainers.image.authors"];
        keys.iter().filter_map(|key| labels.get(*key)).map(|text| text.trim()).find(|text| !text.is_empty())
    }

    /// Where the image runs; none where the configuration does not say (artifacts).
    pub fn platform(&self) -> Option<Platform> {
        (!self.os.is_empty() && !self.architecture.is_empty()).then(|| Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().filter(|v| !v.is_empty()),
            os_version: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(body: &str, announced: Option<&str>) -> Result<Manifest> {
        RawManifest::new(body.as_bytes().to_vec(), announced, "x")?.parse()
    }

    fn descriptor() -> String {
        format!(r#"{{"mediaType":"a/b","digest":"sha256:{}","size":1}}"#, "a".repeat(64))
    }

    #[test]
    fn a_manifest_has_one_reading() {
        let image = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{d},"layers":[{d}]}}"#,
            media_type::MANIFEST,
            d = descriptor()
        );
        assert!(matches!(raw(&image, Some(media_type::MANIFEST)), Ok(Manifest::Image(_))));
        assert!(matches!(raw(&image, None), Ok(Manifest::Image(_))));
        let header_differs = raw(&image, Some(media_type::INDEX)).unwrap_err().to_string();
        assert!(header_differs.contains("ambiguous"), "{header_differs}");
        for bad in [
            image.replace(&format!(r#""mediaType":"{}","#, media_type::MANIFEST), ""),
            image.replace(r#""layers""#, r#""manifests":[],"layers""#),
            image.replace(media_type::MANIFEST, media_type::INDEX),
            image.replace(r#""size":1"#, r#""size":-1"#),
            image.replace(r#""size":1"#, r#""size":1e3"#),
            image.replace(r#""schemaVersion":2"#, r#""schemaVersion":1"#),
            image.replace(r#""schemaVersion":2"#, r#""schemaVersion":2,"schemaVersion":2"#),
        ] {
            let error = raw(&bad, None).unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{bad}: {error}");
        }
    }

    #[test]
    fn counts_are_bounded_at_limit_plus_one() {
        let index = |n: usize| {
            format!(
                r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
                media_type::INDEX,
                vec![descriptor(); n].join(",")
            )
        };
        assert!(raw(&index(limits::INDEX_ENTRIES), None).is_ok());
        let error = raw(&index(limits::INDEX_ENTRIES + 1), None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "INDEX_ENTRIES", value: 1_000 });
    }
}
