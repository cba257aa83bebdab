//! `sign`: a signature of an image's digest, and of every child's with `--recursive`.

use super::identity;
use crate::args::Sign;
use crate::context::{self, Access, SigningContext};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{DIM, GOOD, Printer, paint};
use seaworthy_oci::{OpenOptions, Pinned, Sink, Source};
use seaworthy_sign::attach::Change;
use seaworthy_sign::{Format, Prepared, SignatureRequest};
use serde::Serialize;
use std::path::Path;

/// One thing that was attached, in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attached {
    /// What: `signature`, or the predicate type.
    pub(crate) what: String,
    /// The digest it is about.
    pub(crate) subject: String,
    /// Where the subject runs, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    /// `bundle` or `legacy`.
    pub(crate) format: &'static str,
    /// The manifest that carries it.
    pub(crate) manifest: String,
    /// The tag of that manifest, for the legacy form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    /// `added` or `already-there`.
    pub(crate) change: &'static str,
}

impl Attached {
    pub(crate) fn new(
        what: &str,
        subject: &Pinned,
        platform: Option<String>,
        o: &seaworthy_sign::Outcome,
    ) -> Self {
        Self {
            what: what.to_owned(),
            subject: subject.digest().to_string(),
            platform,
            format: match o.format {
                Format::Bundle => "bundle",
                Format::Legacy => "legacy",
            },
            manifest: o.manifest.digest.to_string(),
            tag: o.tag.clone(),
            change: match o.change {
                Change::Added => "added",
                Change::AlreadyThere => "already-there",
            },
        }
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let mark = if self.change == "added" { paint(GOOD, "added  ") } else { paint(DIM, "present") };
        let on = self.platform.as_deref().unwrap_or("image");
        format!("{mark}  {:<10} {:<14} {:<6}  {}\n", self.what, on, self.format, paint(DIM, &self.manifest))
    }
}

/// The result of `sign` and `attest` in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    pub(crate) image: String,
    pub(crate) digest: String,
    pub(crate) attached: Vec<Attached>,
}

impl Document {
    pub(crate) fn print(&self, printer: &Printer) {
        printer.result(self, || self.attached.iter().map(Attached::line).collect());
    }
}

/// Signs one digest, where it is not signed yet. A bundle also goes to `bundle`, before it is pushed.
pub(crate) async fn prepare_one(
    place: &dyn Source,
    subject: &Pinned,
    signing: &SigningContext,
    bundle: Option<&Path>,
) -> Outcome<Vec<Prepared>> {
    let identity = signing.identity.clone().or_else(|| legacy_identity(subject));
    let request = SignatureRequest {
        subject,
        annotations: &signing.annotations,
        formats: signing.formats,
        created: signing.created,
        docker_reference: identity.as_deref(),
    };
    let prepared = seaworthy_sign::prepare_signature(place, signing.signer.as_ref(), &request).await?;
    write_bundle(&prepared, bundle)?;
    Ok(prepared)
}

/// [`prepare_one`], and attaches what was made.
pub(crate) async fn sign_one(
    place: &dyn Sink,
    subject: &Pinned,
    signing: &SigningContext,
    bundle: Option<&Path>,
) -> Outcome<Vec<seaworthy_sign::Outcome>> {
    let prepared = prepare_one(place, subject, signing, bundle).await;
    Ok(identity::publish(place, subject, signing, vec![prepared]).await?.into_iter().flatten().collect())
}

/// What a legacy signature calls an image that has no repository: the name of its file or directory.
pub(crate) fn legacy_identity(subject: &Pinned) -> Option<String> {
    let path = subject.location().path()?;
    let path = std::path::absolute(path).ok()?;
    Some(path.file_stem()?.to_string_lossy().into_owned())
}

/// Writes the bundle among `prepared` to `path`, where both are there.
pub(crate) fn write_bundle(prepared: &[Prepared], path: Option<&Path>) -> Outcome<()> {
    let Some(path) = path else { return Ok(()) };
    let json = prepared.iter().find_map(|p| match p {
        Prepared::Signed(evidence) => evidence.bundle_json(),
        Prepared::AlreadyThere(_) => None,
    });
    match json {
        Some(json) => context::write_file(path, json.as_bytes(), Access::Public),
        None => Err(Failure::usage(format!(
            "no bundle for {}: the image carries this signature already, or --signature-format is legacy",
            path.display()
        ))),
    }
}

pub(crate) async fn run(args: &Sign, options: &OpenOptions, printer: &Printer) -> Outcome {
    let signing = context::signing(&args.signing, options).await?;
    identity::say_plan(&signing.who, &signing.public_key, &signing.told, printer);
    context::must_be_writable(&context::reference(&args.image)?.location)?;
    let opened = context::open_sink(&args.image, options).await?;
    if args.recursive && args.bundle.is_some() {
        return Err(Failure::usage("--bundle writes one bundle, and --recursive makes several"));
    }
    let targets = match args.recursive && opened.pinned.descriptor().is_index() {
        true => context::targets(&opened, &[]).await?,
        false => Vec::new(),
    };
    let children = targets.iter().map(|t| (&t.pinned, Some(t.label())));
    let subjects: Vec<(&Pinned, Option<String>)> =
        std::iter::once((&opened.pinned, None)).chain(children).collect();
    let pinned: Vec<&Pinned> = subjects.iter().map(|(pinned, _)| *pinned).collect();
    let place = opened.place.as_ref();
    identity::resume(place, &pinned, &signing, printer).await?;
    let work = subjects.iter().map(|(subject, label)| {
        let (signing, bundle) = (&signing, args.bundle.as_deref());
        async move {
            let outcomes = sign_one(place, subject, signing, bundle).await?;
            let attached = outcomes.iter().map(|o| Attached::new("signature", subject, label.clone(), o));
            Ok(attached.collect::<Vec<_>>())
        }
    });
    let attached = identity::all(work).await?.into_iter().flatten().collect();
    let document =
        Document { image: opened.pinned.to_string(), digest: opened.pinned.digest().to_string(), attached };
    printer.say(format!("signed {}", opened.pinned));
    document.print(printer);
    Ok(Exit::Yes)
}
