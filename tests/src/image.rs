//! Small images, the same bytes every time.

use seaworthy_oci::manifest::{Index, RawManifest, media_type};
use seaworthy_oci::{Descriptor, Digest, Image, Platform, Result, Sink};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write as _;

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain tar.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// A member of a layer.
#[derive(Debug, Clone)]
pub enum Member {
    /// A regular file. A whiteout is a file by its name.
    File(String, Vec<u8>),
    /// A directory.
    Directory(String),
    /// A symbolic link, and where it points.
    Symlink(String, String),
}

/// A layer, built.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its descriptor as it stands in a manifest.
    pub descriptor: Descriptor,
    /// The digest of the tar before compression.
    pub diff_id: Digest,
    /// The stored bytes.
    pub bytes: Vec<u8>,
}

impl Layer {
    /// A layer of files, gzip.
    #[must_use]
    pub fn of(files: &[(&str, &[u8])]) -> Self {
        Self::compressed(files, Compression::Gzip)
    }

    /// A layer of files.
    #[must_use]
    pub fn compressed(files: &[(&str, &[u8])], compression: Compression) -> Self {
        let members = files.iter().map(|(name, bytes)| Member::File((*name).into(), bytes.to_vec()));
        Self::from_tar(tar(&members.collect::<Vec<_>>()), compression)
    }

    /// A layer of any tar bytes, also broken ones.
    #[must_use]
    pub fn from_tar(tar: Vec<u8>, compression: Compression) -> Self {
        let diff_id = Digest::sha256(&tar);
        let (media_type, bytes) = match compression {
            Compression::None => (media_type::LAYER_TAR, tar),
            Compression::Gzip => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                gzip.write_all(&tar).expect("memory");
                (media_type::LAYER_GZIP, gzip.finish().expect("memory"))
            }
            Compression::Zstd => {
                (media_type::LAYER_ZSTD, zstd::encode_all(tar.as_slice(), 3).expect("memory"))
            }
        };
        Self { descriptor: Descriptor::of(media_type, &bytes), diff_id, bytes }
    }
}

/// A tar file of `members`, without times and owners.
#[must_use]
pub fn tar(members: &[Member]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        match member {
            Member::File(name, bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, name, bytes.as_slice())
            }
            Member::Directory(name) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                tar.append_data(&mut header, name, [].as_slice())
            }
            Member::Symlink(name, to) => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, name, to)
            }
        }
        .expect("memory");
    }
    tar.into_inner().expect("memory")
}

/// An image to be put somewhere.
#[derive(Debug, Clone)]
pub struct TinyImage {
    platform: Platform,
    layers: Vec<Layer>,
}

impl TinyImage {
    /// For `linux/amd64`, of these layers, lowest first.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { platform: "linux/amd64".parse().expect("a platform"), layers }
    }

    /// With one file that says `text`.
    #[must_use]
    pub fn saying(text: &str) -> Self {
        Self::new(vec![Layer::of(&[("hello.txt", text.as_bytes())])])
    }

    /// The same image for another platform.
    #[must_use]
    pub fn platform(mut self, platform: &str) -> Self {
        self.platform = platform.parse().expect("a platform");
        self
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> Vec<u8> {
        let diff_ids: Vec<&Digest> = self.layers.iter().map(|l| &l.diff_id).collect();
        let mut config = json!({"created": "1970-01-01T00:00:00Z", "os": self.platform.os,
            "architecture": self.platform.architecture, "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        if let Some(variant) = &self.platform.variant {
            config["variant"] = variant.as_str().into();
        }
        config.to_string().into_bytes()
    }

    /// The manifest.
    ///
    /// # Panics
    /// Where the manifest that was built cannot be read.
    #[must_use]
    pub fn manifest(&self) -> RawManifest {
        let image = Image {
            schema_version: 2,
            media_type: media_type::MANIFEST.into(),
            artifact_type: None,
            config: Descriptor::of(media_type::CONFIG, &self.config()),
            layers: self.layers.iter().map(|l| l.descriptor.clone()).collect(),
            subject: None,
            annotations: BTreeMap::new(),
        };
        raw(&serde_json::to_value(image).expect("JSON"))
    }

    /// Puts the image there, blobs first.
    ///
    /// # Errors
    /// As the sink.
    pub async fn push(&self, sink: &dyn Sink, tag: Option<&str>) -> Result<RawManifest> {
        let config = self.config();
        sink.push_blob(&Descriptor::of(media_type::CONFIG, &config), &config).await?;
        for layer in &self.layers {
            sink.push_blob(&layer.descriptor, &layer.bytes).await?;
        }
        let manifest = self.manifest();
        sink.push_manifest(&manifest, tag).await?;
        Ok(manifest)
    }
}

/// Puts an index of these images there, children first.
///
/// # Errors
/// As the sink.
pub async fn push_index(sink: &dyn Sink, images: &[TinyImage], tag: Option<&str>) -> Result<RawManifest> {
    let mut manifests = Vec::new();
    for image in images {
        let mut descriptor = image.push(sink, None).await?.descriptor;
        descriptor.platform = Some(image.platform.clone());
        manifests.push(descriptor);
    }
    let index = Index {
        schema_version: 2,
        media_type: media_type::INDEX.into(),
        artifact_type: None,
        manifests,
        subject: None,
        annotations: BTreeMap::new(),
    };
    let index = raw(&serde_json::to_value(index).expect("JSON"));
    sink.push_manifest(&index, tag).await?;
    Ok(index)
}

/// Two platforms of one image.
#[must_use]
pub fn two_platforms(text: &str) -> [TinyImage; 2] {
    [TinyImage::saying(text), TinyImage::saying(text).platform("linux/arm64/v8")]
}

/// An artifact about `subject` with one layer of `content`, and its blobs.
#[must_use]
pub fn artifact(subject: &Descriptor, artifact_type: &str, content: &[u8]) -> (RawManifest, Vec<Vec<u8>>) {
    let manifest = raw(&json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": artifact_type,
        "config": Descriptor::of(media_type::EMPTY, b"{}"),
        "layers": [Descriptor::of(artifact_type, content)],
        "subject": subject.bare(),
    }));
    (manifest, vec![b"{}".to_vec(), content.to_vec()])
}

/// Attaches an [`artifact`] to `subject`, blobs first.
///
/// # Errors
/// As the sink.
pub async fn attach(
    sink: &dyn Sink,
    subject: &Descriptor,
    artifact_type: &str,
    content: &[u8],
) -> Result<RawManifest> {
    let (manifest, blobs) = artifact(subject, artifact_type, content);
    for blob in &blobs {
        sink.push_blob(&Descriptor::of("application/octet-stream", blob), blob).await?;
    }
    sink.attach(&manifest).await?;
    Ok(manifest)
}

/// A manifest of these JSON bytes.
///
/// # Panics
/// Where it has no media type.
#[must_use]
pub fn raw(value: &serde_json::Value) -> RawManifest {
    RawManifest::new(value.to_string().into_bytes(), None, "test").expect("a manifest")
}
