//! The judgement.
use crate::{Error, ImageName, Verdict, Verifier};
use seaworthy_oci::{Pinned, RawManifest, Source};

pub(crate) async fn judge(
    verifier: &Verifier,
    source: &dyn Source,
    image: &Pinned,
    manifest: Option<RawManifest>,
    name: &ImageName,
) -> Result<Verdict, Error> {
    let _ = (verifier, source, image, manifest, name);
    todo!()
}
