//! `sign-blob`, `attest-blob`, `verify-blob`: the same for files.

use crate::blob_args::{AttestBlob, SignBlob, VerifyBlob};
use crate::context::{self, Access};
use crate::exit::{Exit, Failure, Outcome};
use crate::keys;
use crate::printer::{BAD, BOLD, DIM, GOOD, Printer, paint, plain};
use seaworthy_oci::{Digest, OpenOptions};
use seaworthy_sign::{Blob, Predicate, PredicateType, Signer, blob};
use seaworthy_verifier::{
    Artifact, Authority, BlobError, BlobVerdict, Decision, Identity, Trust, verify_blob,
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The result of `sign-blob` and `attest-blob`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    file: &'a Path,
    digest: String,
    algorithm: &'static str,
    signer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicate_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle_file: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<Box<RawValue>>,
}

pub(crate) async fn sign(args: &SignBlob, options: &OpenOptions, printer: &Printer) -> Outcome {
    let signer = keys::signer(&args.key, &args.password, options).await?;
    let blob = read(&args.file, signer.as_ref())?;
    let (_, bundle) = blob::sign(signer.as_ref(), &blob).await?;
    done(&args.file, &blob, signer.as_ref(), None, bundle, args.bundle.as_deref(), printer)
}

pub(crate) async fn attest(args: &AttestBlob, options: &OpenOptions, printer: &Printer) -> Outcome {
    let predicate_type: PredicateType = args.predicate_type.parse()?;
    let bytes = context::read_input(&args.predicate, "predicate")?;
    let predicate = match predicate_type {
        PredicateType::Custom => {
            let at = context::source_date_epoch()?.unwrap_or_else(|| context::now().as_second());
            Predicate::custom(&bytes, at)?
        }
        _ => Predicate::parse(bytes)?,
    };
    let signer = keys::signer(&args.key, &args.password, options).await?;
    let blob = read(&args.file, signer.as_ref())?;
    let name = args.file.file_name().map(|n| n.to_string_lossy().into_owned()).filter(|n| n != "-");
    let bundle = blob::attest(signer.as_ref(), &blob, name.as_deref(), &predicate_type, &predicate).await?;
    let uri = Some(predicate_type.uri());
    done(&args.file, &blob, signer.as_ref(), uri, bundle, args.bundle.as_deref(), printer)
}

/// Reads the file once, as the key needs it.
fn read(path: &Path, key: &dyn Signer) -> Outcome<Blob> {
    let fail = |e: &dyn std::fmt::Display| Failure::local(format!("cannot read {}: {e}", path.display()));
    if path == Path::new("-") {
        return Ok(Blob::read(std::io::stdin().lock(), key.algorithm())?);
    }
    let file = File::open(path).map_err(|e| fail(&e))?;
    if file.metadata().map_err(|e| fail(&e))?.is_dir() {
        return Err(Failure::usage(format!("{} is a directory", path.display())));
    }
    Ok(Blob::read(file, key.algorithm())?)
}

fn done(
    file: &Path,
    blob: &Blob,
    signer: &dyn Signer,
    predicate_type: Option<&str>,
    bundle: Vec<u8>,
    to: Option<&Path>,
    printer: &Printer,
) -> Outcome {
    let text = String::from_utf8(bundle).map_err(|e| Failure::local(e.to_string()))?;
    if let Some(path) = to {
        context::write_file(path, text.as_bytes(), Access::Public)?;
    }
    let raw = match to {
        Some(_) => None,
        None => Some(RawValue::from_string(text.clone()).map_err(|e| Failure::local(e.to_string()))?),
    };
    let document = Document {
        file,
        digest: format!("sha256:{}", hex(&blob.sha256())),
        algorithm: signer.algorithm().as_str(),
        signer: format!("key {}", signer.public_key().fingerprint()),
        predicate_type,
        bundle_file: to,
        bundle: raw,
    };
    printer.result(&document, || match to {
        Some(path) => {
            format!("signed  {}  {}\nbundle  {}\n", file.display(), document.digest, path.display())
        }
        None => format!("{text}\n"),
    });
    Ok(Exit::Yes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The root that `--trusted-root` names: a file, or one that comes with the program.
pub(crate) fn trusted_root(named: &Path) -> Outcome<Trust> {
    let found = match named.to_str().and_then(Trust::embedded) {
        Some(embedded) => embedded,
        None => Trust::load(named),
    };
    found.map_err(|why| Failure::new(Exit::Local, why).hint("a file, or one of public-good, staging, github"))
}

pub(crate) async fn verify(args: &VerifyBlob, options: &OpenOptions, printer: &Printer) -> Outcome {
    let trust = args.trusted_root.as_deref().map(trusted_root).transpose()?;
    let certified =
        args.cas.certified(args.certificate_identity.as_deref(), args.certificate_oidc_issuer.as_deref())?;
    let authority = match (&args.key, &args.certificate_identity, &args.certificate_oidc_issuer) {
        (key, ..) if certified.is_some() => {
            if key.is_some() {
                return Err(Failure::usage("a key and --ca-roots cannot both be asked for"));
            }
            match certified {
                Some(certified) => Authority::certified("certificate", certified, trust),
                None => return Err(no_issuer()),
            }
        }
        (None, Some(_), None) => return Err(no_issuer()),
        (Some(key), None, None) => {
            let mut authority = keys::authority("key", key, options).await?;
            if let Some(trust) = trust {
                authority = authority.logged(trust);
            }
            authority
        }
        (None, Some(identity), Some(issuer)) => {
            let trust = match trust {
                Some(trust) => trust,
                None => Trust::public_good().map_err(|why| Failure::new(Exit::Local, why))?,
            };
            let identity = Identity { issuer: issuer.clone(), identity: identity.clone() };
            Authority::keyless("identity", identity, trust)
        }
        _ => {
            return Err(Failure::usage("nobody is trusted: there is nothing to verify against").hint(
                "give --key FILE, or --certificate-identity with --certificate-oidc-issuer or --ca-roots",
            ));
        }
    };
    let bundle = context::read_input(&args.bundle, "bundle")?;
    let artifact = artifact(&args.artifact)?;
    let verdict =
        verify_blob(&bundle, &artifact, &authority, context::now()).map_err(|error| match error {
            BlobError::BytesNeeded(_) => Failure::usage(error).hint("give the file instead of its digest"),
            BlobError::File(_) => Failure::local(error),
            BlobError::Undecided(ref why) => {
                let failure = Failure::new(Exit::CouldNotFindOut, &error);
                match &why.hint {
                    Some(hint) => failure.hint(hint.clone()),
                    None => failure,
                }
            }
        })?;
    printer.result(&verdict, || human(&verdict, &args.artifact));
    Ok(match verdict.decision {
        Decision::Allow => Exit::Yes,
        Decision::Deny => Exit::No,
    })
}

/// An identity needs somebody whose word it is.
pub(crate) fn no_issuer() -> Failure {
    Failure::usage("--certificate-identity alone does not say by whose word")
        .hint("give --certificate-oidc-issuer, or --ca-roots or --certificate-chain for a private PKI")
}

/// A file of that name before a digest: what is on the disk is what somebody sees there.
fn artifact(text: &str) -> Outcome<Artifact> {
    let path = PathBuf::from(text);
    if !path.exists()
        && let Ok(digest) = text.parse::<Digest>()
    {
        return Ok(Artifact::digest(&digest));
    }
    Artifact::file(&path).map_err(Failure::local)
}

fn human(verdict: &BlobVerdict, name: &str) -> String {
    let mut out = String::new();
    match (&verdict.signer, verdict.decision) {
        (Some(signer), Decision::Allow) => {
            out.push_str(&format!("{}  {}\n", paint(GOOD, "verified"), plain(name)));
            out.push_str(&format!("  {}\n", paint(DIM, &verdict.digest)));
            let what = match &verdict.predicate_type {
                Some(kind) => format!("a statement ({})", plain(kind.uri())),
                None => "a signature".to_owned(),
            };
            out.push_str(&format!("  {what} by {}\n", plain(&signer.id)));
            for time in &verdict.times {
                out.push_str(&format!("  signed at {time}\n"));
            }
            if verdict.logged {
                out.push_str("  held by a transparency log of the trusted root\n");
            }
        }
        _ => {
            out.push_str(&format!("{}  {}\n", paint(BAD, "refused"), plain(name)));
            for why in &verdict.refusals {
                out.push_str(&format!("  {} {}\n", paint(BAD, why.code.code()), plain(&why.message)));
                for cause in &why.causes {
                    out.push_str(&format!("    {} {}\n", cause.code.code(), plain(&cause.message)));
                }
            }
            if let Some(claimed) = &verdict.claimed_signer {
                out.push_str(&format!("  {} it names {}\n", paint(BOLD, "signer:"), plain(claimed)));
            }
        }
    }
    out
}
