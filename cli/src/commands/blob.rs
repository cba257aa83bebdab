//! `sign-blob`, `attest-blob`, `verify-blob`: the same for files.

use super::identity::{self, Made, Who};
use crate::args::Keyless;
use crate::blob_args::{AttestBlob, FileKey, SignBlob, VerifyBlob};
use crate::context::{self, Access};
use crate::exit::{Exit, Failure, Outcome};
use crate::journal::{Journal, Kept};
use crate::keys;
use crate::printer::{BAD, BOLD, DIM, GOOD, Printer, paint, plain};
use crate::who;
use seaworthy_oci::{Digest, OpenOptions};
use seaworthy_sign::{Algorithm, Blob, Formats, Predicate, PredicateType, blob};
use seaworthy_verifier::{
    Artifact, Authority, BlobError, BlobVerdict, Decision, PublicKey, Refusal, verify_blob,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
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
    public_services: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    predicate_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle_file: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<Box<RawValue>>,
}

/// Who signs a file, and what says whether it was signed well.
struct FileSigner {
    made: Made,
    key: PublicKey,
}

/// What is signed.
enum Content {
    /// The file itself.
    File,
    /// A statement, and its predicate type.
    Statement(Vec<u8>, String),
}

impl FileSigner {
    async fn new(by: &FileKey, keyless: &Keyless, options: &OpenOptions, printer: &Printer) -> Outcome<Self> {
        let key = match &by.key {
            Some(path) => Some(keys::signer(path, &by.password, options).await?),
            None => None,
        };
        let made = identity::certified_signer(keyless, key, &by.certificate, Formats::Bundle, options)?;
        let key = identity::public_key(made.signer.as_ref())?;
        identity::say_plan(&made.who, &key, &made.told, printer);
        Ok(Self { made, key })
    }

    /// Judges `bundle` as everybody else will.
    fn judge(&self, bundle: &[u8], artifact: &Artifact) -> Outcome<()> {
        let Made { who, told, trust, .. } = &self.made;
        let authority = identity::own_authority(who, &self.key, told, trust.as_ref())?;
        let verdict = verify_blob(bundle, artifact, &authority, context::now()).map_err(Failure::local)?;
        match verdict.decision {
            Decision::Allow => Ok(()),
            Decision::Deny => Err(identity::refused(&verdict.refusals)),
        }
    }

    /// The bundle that an earlier run signed and could not write, where there is one by this signer.
    async fn resumed(
        &self,
        journal: &Journal,
        artifact: &Artifact,
        printer: &Printer,
    ) -> Outcome<Option<(Kept, Vec<u8>)>> {
        for (kept, bundle) in journal.kept_json()? {
            self.made.signer.ready().await?;
            match self.judge(&bundle, artifact) {
                Ok(()) => return Ok(Some((kept, bundle))),
                Err(_) => printer
                    .warn(format!("not used, because it is not by this signer: {}", kept.path().display())),
            }
        }
        Ok(None)
    }

    /// Signs, judges, keeps and writes.
    async fn sign(&self, asked: &Asked<'_>, blob: &Blob, content: &Content, printer: &Printer) -> Outcome {
        let signer = self.made.signer.as_ref();
        let artifact = Artifact::known(&blob.sha256(), blob.digest(), blob.content());
        let signed = match content {
            Content::File => blob.sha256().to_vec(),
            Content::Statement(payload, _) => payload.clone(),
        };
        let journal = match self.made.told.witnessed {
            true => Some(Journal::of_file(&Digest::sha256(&signed))?),
            false => None,
        };
        let resumed = match &journal {
            Some(journal) => self.resumed(journal, &artifact, printer).await?,
            None => None,
        };
        match (&resumed, asked.keyless.resume, journal.is_some()) {
            (Some(_), ..) => printer.say("resume: signed and not written by an earlier run"),
            (None, true, true) => printer.say("resume: nothing was left over"),
            (None, true, false) => {
                printer
                    .warn("--resume has nothing to do: signatures of a key alone are made again, not kept");
            }
            _ => {}
        }
        let (kept, bundle) = match resumed {
            Some((kept, bundle)) => (Some(kept), bundle),
            None => {
                signer.ready().await?;
                let bundle = match content {
                    Content::File => blob::sign(signer, blob).await?.1,
                    Content::Statement(payload, _) => blob::attest(signer, payload).await?,
                };
                self.judge(&bundle, &artifact)?;
                let kept = journal.as_ref().map(|journal| journal.keep_json(&bundle)).transpose()?;
                (kept, bundle)
            }
        };
        let predicate_type = match content {
            Content::File => None,
            Content::Statement(_, uri) => Some(uri.as_str()),
        };
        let exit = self.done(asked, blob, predicate_type, bundle, printer)?;
        if let (Some(journal), Some(kept)) = (journal, kept) {
            journal.done(kept)?;
        }
        Ok(exit)
    }

    fn done(
        &self,
        asked: &Asked<'_>,
        blob: &Blob,
        predicate_type: Option<&str>,
        bundle: Vec<u8>,
        printer: &Printer,
    ) -> Outcome {
        let (file, to) = (asked.file, asked.bundle);
        let text = String::from_utf8(bundle).map_err(|e| Failure::local(e.to_string()))?;
        if let Some(path) = to {
            context::write_file(path, text.as_bytes(), Access::Public)?;
        }
        let raw = match to {
            Some(_) => None,
            None => Some(RawValue::from_string(text.clone()).map_err(|e| Failure::local(e.to_string()))?),
        };
        let signer = self.made.signer.as_ref();
        let who = match &self.made.who {
            Who::Key | Who::Certificate(_) => format!("key {}", signer.public_key().fingerprint()),
            Who::Identity(signer) => {
                let found = signer.identity();
                found.map_or_else(String::new, |found| format!("{} ({})", found.identity, found.issuer))
            }
        };
        let document = Document {
            file,
            digest: format!("sha256:{}", hex(&blob.sha256())),
            algorithm: signer.algorithm().as_str(),
            signer: who,
            public_services: &self.made.told.public,
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
}

/// What both commands are asked for.
struct Asked<'a> {
    file: &'a Path,
    bundle: Option<&'a Path>,
    keyless: &'a Keyless,
}

pub(crate) async fn sign(args: &SignBlob, options: &OpenOptions, printer: &Printer) -> Outcome {
    let signer = FileSigner::new(&args.by, &args.keyless, options, printer).await?;
    let blob = read(&args.file, signer.made.signer.algorithm())?;
    let asked = Asked { file: &args.file, bundle: args.bundle.as_deref(), keyless: &args.keyless };
    signer.sign(&asked, &blob, &Content::File, printer).await
}

pub(crate) async fn attest(args: &AttestBlob, options: &OpenOptions, printer: &Printer) -> Outcome {
    let signer = || FileSigner::new(&args.by, &args.keyless, options, printer);
    let asked = |file| Asked { file, bundle: args.bundle.as_deref(), keyless: &args.keyless };
    if let Some(path) = &args.statement {
        let payload = context::read_input(path, "statement")?;
        let statement = Statement::read(&payload)?;
        let content = Content::Statement(payload, statement.predicate_type);
        return signer().await?.sign(&asked(path), &statement.subject, &content, printer).await;
    }
    let (Some(file), Some(predicate)) = (&args.file, &args.predicate) else {
        return Err(Failure::usage("give a file and --predicate FILE, or --statement FILE"));
    };
    let predicate_type: PredicateType = args.predicate_type.parse()?;
    let bytes = context::read_input(predicate, "predicate")?;
    let predicate = match predicate_type {
        PredicateType::Custom => {
            let at = context::source_date_epoch()?.unwrap_or_else(|| context::now().as_second());
            Predicate::custom(&bytes, at)?
        }
        _ => Predicate::parse(bytes)?,
    };
    let signer = signer().await?;
    let blob = read(file, signer.made.signer.algorithm())?;
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).filter(|n| n != "-");
    let payload = blob::statement(&blob, name.as_deref(), &predicate_type, &predicate)?;
    let content = Content::Statement(payload, predicate_type.uri().to_owned());
    signer.sign(&asked(file), &blob, &content, printer).await
}

/// A statement that somebody else wrote: what it is about, as far as our own judge has to be asked for it.
struct Statement {
    subject: Blob,
    predicate_type: String,
}

impl Statement {
    fn read(payload: &[u8]) -> Outcome<Self> {
        #[derive(Deserialize)]
        struct Wire {
            subject: Vec<Subject>,
            #[serde(rename = "predicateType")]
            predicate_type: String,
        }
        #[derive(Deserialize)]
        struct Subject {
            digest: BTreeMap<String, String>,
        }
        let bad = |why: &str| Failure::broken(format!("cannot sign the statement: {why}"));
        let wire: Wire = seaworthy_oci::strict::from_slice(payload)
            .map_err(|why| bad(&format!("it is no in-toto statement: {why}")))?;
        let sha256 = wire.subject.iter().find_map(|subject| subject.digest.get("sha256"));
        let digest = sha256.and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
        let digest = digest.ok_or_else(|| bad("no subject has a SHA-256"))?;
        Ok(Self { subject: Blob::named(&digest)?, predicate_type: wire.predicate_type })
    }
}

/// Reads the file once, as the key needs it.
fn read(path: &Path, algorithm: Algorithm) -> Outcome<Blob> {
    let fail = |e: &dyn std::fmt::Display| Failure::local(format!("cannot read {}: {e}", path.display()));
    if path == Path::new("-") {
        return Ok(Blob::read(std::io::stdin().lock(), algorithm)?);
    }
    let file = File::open(path).map_err(|e| fail(&e))?;
    if file.metadata().map_err(|e| fail(&e))?.is_dir() {
        return Err(Failure::usage(format!("{} is a directory", path.display())));
    }
    Ok(Blob::read(file, algorithm)?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) async fn verify(args: &VerifyBlob, options: &OpenOptions, printer: &Printer) -> Outcome {
    let keys = args.key.as_slice();
    let authorities =
        who::authorities(keys, &args.certificate, &args.cas, &args.proofs, &args.files, options).await?;
    if authorities.is_empty() {
        return Err(Failure::usage("nobody is trusted: there is nothing to verify against").hint(
            "give --key FILE, --trust FILE, or --certificate-identity with --certificate-oidc-issuer or --ca-roots",
        ));
    }
    let bundle = context::read_input(&args.bundle, "bundle")?;
    let artifact = artifact(&args.artifact)?;
    let verdict =
        by_any(&authorities, |authority| verify_blob(&bundle, &artifact, authority, context::now()))
            .map_err(|error| match error {
                BlobError::BytesNeeded(_) => {
                    Failure::usage(error).hint("give the file instead of its digest")
                }
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

/// The answer of the first who says yes. What could not be found out outweighs every "no"; of those, one that goes
/// beyond "not mine" says the most, and where nobody goes beyond it, all of them are said.
fn by_any(
    authorities: &[Authority],
    ask: impl Fn(&Authority) -> Result<BlobVerdict, BlobError>,
) -> Result<BlobVerdict, BlobError> {
    let (mut no, mut unknown): (Option<BlobVerdict>, _) = (None, None);
    let not_mine = |verdict: &BlobVerdict| {
        let codes = [Refusal::UnknownSigner, Refusal::IdentityMismatch, Refusal::ClaimMismatch];
        verdict.refusals.iter().all(|why| codes.contains(&why.code))
    };
    for authority in authorities {
        match ask(authority) {
            Ok(verdict) if verdict.decision == Decision::Allow => return Ok(verdict),
            Ok(verdict) => match &mut no {
                Some(there) if !not_mine(there) => {}
                Some(there) if not_mine(&verdict) => there.refusals.extend(verdict.refusals),
                _ => no = Some(verdict),
            },
            Err(error) => unknown = unknown.or(Some(error)),
        }
    }
    match (unknown, no) {
        (None, Some(verdict)) => Ok(verdict),
        (Some(error), _) => Err(error),
        (None, None) => Err(BlobError::BytesNeeded("nobody was asked for".into())),
    }
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
