//! cosign's first format, "simple signing", which podman, skopeo, CRI-O and older admission controllers
//! read alone.
//!
//! The payload names the digest and the repository it was signed for; it is signed and verified as bytes,
//! so its order is fixed here.

use crate::error::{Error, ErrorKind, Result};
use crate::statement::check_annotations;
use seaworthy_oci::Digest;
use serde::Serialize;
use std::collections::BTreeMap;

/// The media type of the payload as a layer.
pub const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of the layer that holds the signature, in base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// The payload for `subject`, signed as `docker_reference` (a repository, as `registry/name`). No annotations
/// are written as `null`, as cosign does.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`] ([`crate::statement::ANNOTATION_BYTES`]) or [`ErrorKind::BadInput`].
pub fn payload(
    subject: &Digest,
    docker_reference: &str,
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Document<'a> {
        critical: Critical<'a>,
        optional: Option<&'a BTreeMap<String, String>>,
    }
    #[derive(Serialize)]
    struct Critical<'a> {
        identity: Identity<'a>,
        image: Image,
        #[serde(rename = "type")]
        kind: &'static str,
    }
    #[derive(Serialize)]
    struct Identity<'a> {
        #[serde(rename = "docker-reference")]
        docker_reference: &'a str,
    }
    #[derive(Serialize)]
    struct Image {
        #[serde(rename = "docker-manifest-digest")]
        digest: String,
    }
    check_annotations(annotations)?;
    let document = Document {
        critical: Critical {
            identity: Identity { docker_reference },
            image: Image { digest: subject.to_string() },
            kind: "cosign container image signature",
        },
        optional: Some(annotations).filter(|a| !a.is_empty()),
    };
    serde_json::to_vec(&document)
        .map_err(|e| Error::new("write", "signature payload", ErrorKind::BadInput(e.to_string())))
}
