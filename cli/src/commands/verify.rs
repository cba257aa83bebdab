//! `verify`: the judge, asked from the command line.

use super::verdict::{self, Detail};
use crate::args::Verify;
use crate::context::{self, Opened};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;
use crate::who;
use async_trait::async_trait;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{
    BlobReader, Descriptor, Digest, Location, OpenOptions, RawManifest, Referrers, Selector, Source,
};
use seaworthy_verifier::{
    Context, ImageName, Namespace, Platforms, Policy, PolicySet, PredicateType, Requirement, Verdict,
    Verifier,
};
use std::io::Cursor;
use std::path::PathBuf;

pub(crate) async fn run(args: &Verify, options: &OpenOptions, printer: &Printer) -> Outcome {
    // Everything that can be wrong with the question is found before anybody is asked.
    let policies = policies(args, options).await?;
    let platforms = match context::platforms(&args.platform)? {
        none if none.is_empty() => Platforms::All,
        some => Platforms::Only(some),
    };
    let opened = context::open(&args.image, options).await?;
    let opened = with_bundles(opened, &args.bundle)?;
    let verdict = judge(&opened, policies, platforms, args.namespace.clone()).await?;
    let detail = if args.explain { Detail::Full } else { Detail::Short };
    printer.result(&verdict, || verdict::human(&verdict, detail));
    Ok(exit(&verdict))
}

/// The exit code for a verdict.
pub(crate) fn exit(verdict: &Verdict) -> Exit {
    match verdict.decision {
        seaworthy_verifier::Decision::Allow => Exit::Yes,
        seaworthy_verifier::Decision::Deny => Exit::No,
    }
}

/// Judges what was opened, by the name of the place it was opened at.
pub(crate) async fn judge(
    opened: &Opened<dyn Source>,
    policies: PolicySet,
    platforms: Platforms,
    namespace: Option<Namespace>,
) -> Outcome<Verdict> {
    let context = Context { now: context::now(), platforms, namespace };
    let verifier = Verifier::new(policies, context).map_err(|e| super::policy::failure(&e))?;
    let name = ImageName::of(opened.pinned.location());
    verifier
        .judge_manifest(opened.place.as_ref(), &opened.pinned, opened.raw.clone(), &name)
        .await
        .map_err(Failure::from)
}

/// The policies of the files, or the one that the flags say.
async fn policies(args: &Verify, options: &OpenOptions) -> Outcome<PolicySet> {
    if args.namespace.is_some() && args.policy.is_empty() {
        return Err(Failure::usage("--namespace has no effect without --policy")
            .hint("keys and identities given as flags count in every namespace"));
    }
    if !args.policy.is_empty() {
        if args.cas.is_given() || !args.cas.crl.is_empty() {
            return Err(Failure::usage("roots and revocation lists have no effect beside --policy")
                .hint("name them in the policy: certificateAuthorities"));
        }
        if args.proofs.any() {
            return Err(Failure::usage(
                "--trusted-root, --transparency and --timestamp have no effect beside --policy",
            )
            .hint("say it in the policy: trustedRoot, transparency, timestamp"));
        }
        return super::policy::load(&args.policy);
    }
    let authorities =
        who::authorities(&args.key, &args.certificate, &args.cas, &args.proofs, &args.files, options).await?;
    if authorities.is_empty() {
        return Err(Failure::usage("nobody is trusted: there is nothing to verify against").hint(
            "give --policy FILE, --key FILE, --trust FILE, or --certificate-identity with --certificate-oidc-issuer or --ca-roots",
        ));
    }
    let mut requirements = vec![Requirement::Signature];
    for name in &args.types {
        requirements.push(Requirement::Attestation(PredicateType::from_name(name).map_err(Failure::usage)?));
    }
    let policy = Policy::require(authorities, &requirements).map_err(|e| super::policy::failure(&e))?;
    Ok(vec![policy].into())
}

/// A place with bundles from files laid over it: the judge meets them as if they were attached, and checks
/// them like everything else.
struct Overlay {
    inner: Box<dyn Source>,
    subject: Digest,
    manifests: Vec<RawManifest>,
    entries: Vec<Descriptor>,
    bundles: Vec<(Descriptor, Vec<u8>)>,
}

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn with_bundles(opened: Opened<dyn Source>, files: &[PathBuf]) -> Outcome<Opened<dyn Source>> {
    if files.is_empty() {
        return Ok(opened);
    }
    let Opened { place, pinned, raw, manifest } = opened;
    let mut overlay = Overlay {
        inner: place,
        subject: pinned.digest().clone(),
        manifests: Vec::new(),
        entries: Vec::new(),
        bundles: Vec::new(),
    };
    for file in files {
        let bytes = context::read_input(file, "bundle")?;
        let layer = Descriptor::of(BUNDLE, &bytes);
        let document = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "artifactType": BUNDLE,
            "config": Descriptor::of(media_type::EMPTY, b"{}"),
            "layers": [&layer],
            "subject": pinned.descriptor().bare(),
        });
        let made = RawManifest::new(document.to_string().into_bytes(), None, file.display())?;
        let mut entry = made.descriptor.clone();
        entry.artifact_type = Some(BUNDLE.into());
        overlay.entries.push(entry);
        overlay.manifests.push(made);
        overlay.bundles.push((layer, bytes));
    }
    Ok(Opened { place: Box::new(overlay), pinned, raw, manifest })
}

#[async_trait]
impl Source for Overlay {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    async fn manifest(&self, selector: Selector<'_>) -> seaworthy_oci::Result<Option<RawManifest>> {
        if let Selector::Digest(digest) = selector
            && let Some(made) = self.manifests.iter().find(|m| m.descriptor.digest == *digest)
        {
            return Ok(Some(made.clone()));
        }
        self.inner.manifest(selector).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> seaworthy_oci::Result<BlobReader> {
        match self.bundles.iter().find(|(d, _)| d.digest == descriptor.digest) {
            Some((_, bytes)) => Ok(Box::new(Cursor::new(bytes.clone()))),
            None => self.inner.blob(descriptor).await,
        }
    }

    async fn referrers(&self, subject: &Digest) -> seaworthy_oci::Result<Referrers> {
        let mut referrers = self.inner.referrers(subject).await?;
        if *subject == self.subject {
            referrers.descriptors.extend(self.entries.iter().cloned());
        }
        Ok(referrers)
    }
}
