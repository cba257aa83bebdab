//! `attest`: a signed statement about an image.
//!
//! Refuses an SBOM that says itself that it was made for another digest: such a statement would be true in
//! signature and false in content.

use super::identity;
use super::sign::{Attached, Document, write_bundle};
use crate::args::Attest;
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;
use seaworthy_oci::{Digest, OpenOptions};
use seaworthy_sign::attach::Older;
use seaworthy_sign::{Attested, Predicate, PredicateType};

pub(crate) async fn run(args: &Attest, options: &OpenOptions, printer: &Printer) -> Outcome {
    let signing = context::signing(&args.signing, options).await?;
    identity::say_plan(&signing.who, &signing.public_key, &signing.told, printer);
    let predicate_type: PredicateType = args.predicate_type.parse()?;
    context::must_be_writable(&context::reference(&args.image)?.location)?;
    let bytes = context::read_input(&args.predicate, "predicate")?;

    let opened = context::open_sink(&args.image, options).await?;
    let (subject, platform) = match &args.platform {
        None => (opened.pinned.clone(), None),
        Some(text) => {
            let wanted = context::platforms(std::slice::from_ref(text))?;
            let target = context::targets(&opened, &wanted).await?.swap_remove(0);
            let label = target.label();
            (target.pinned, Some(label))
        }
    };
    let predicate = match predicate_type {
        PredicateType::Custom => Predicate::custom(&bytes, signing.created.unwrap_or_default())?,
        _ => Predicate::parse(bytes)?,
    };
    if matches!(predicate_type, PredicateType::Spdx | PredicateType::CycloneDx) {
        check_subject(predicate.as_bytes(), subject.digest(), printer)?;
    }
    let name = signing.name_of(&subject);
    let request = Attested {
        subject: &subject,
        subject_name: name.as_deref(),
        predicate_type: &predicate_type,
        predicate: &predicate,
        formats: signing.formats,
        created: signing.created,
        older: Older::Keep,
    };
    let place = opened.place.as_ref();
    identity::resume(place, &[&subject], &signing, printer).await?;
    let prepared = seaworthy_sign::prepare_attestation(place, signing.signer.as_ref(), &request).await?;
    write_bundle(&prepared, args.bundle.as_deref())?;
    let outcomes = identity::publish(place, &subject, &signing, vec![Ok(prepared)]).await?;
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    let what = args.predicate_type.as_str();
    let document = Document {
        image: opened.pinned.to_string(),
        digest: subject.digest().to_string(),
        attached: outcomes.iter().map(|o| Attached::new(what, &subject, platform.clone(), o)).collect(),
    };
    printer.say(format!("attested {subject}"));
    document.print(printer);
    Ok(Exit::Yes)
}

/// Refuses an SBOM that names another digest; warns of one that names none.
fn check_subject(document: &[u8], digest: &Digest, printer: &Printer) -> Outcome<()> {
    let (format, inventory) = seaworthy_sbom::format::read(document)?;
    match &inventory.subject.digest {
        Some(named) if *named == digest.to_string() => Ok(()),
        Some(named) => Err(Failure::broken(format!(
            "cannot attest the SBOM: it was made for {named}, and this image is {digest}"
        ))
        .hint("make it anew with `seaworthy sbom`, or for one child of an index give --platform")),
        None => {
            printer.warn(format!(
                "the {} document does not say which digest it was made for; a policy may refuse it",
                format.name()
            ));
            Ok(())
        }
    }
}
