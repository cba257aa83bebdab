//! `release`: the one step after a build.
//!
//! Prints its plan, then inventories, signs and attests every platform, pushes, reads everything back, and
//! asks the judge. "released" is said only after the judge said yes. Every step looks first at what is there,
//! so that the command can be run again after any failure and adds only what is missing.

use super::identity;
use super::sbom::How;
use super::sign::{Attached, prepare_one};
use super::verdict::{self, Detail};
use crate::args::Release;
use crate::context::{self, Opened, SigningContext, Target};
use crate::exit::{Exit, Outcome};
use crate::layer_cache;
use crate::printer::{BOLD, Printer, paint};
use crate::transfer::Transfer;
use futures_util::future::{join, join_all};
use seaworthy_oci::closure::{self, Extent};
use seaworthy_oci::{OpenOptions, Pinned, Reference, Sink, Snapshot, Source};
use seaworthy_sbom::format::{Format, Layout};
use seaworthy_sign::attach::Older;
use seaworthy_sign::{Attested, Predicate, PredicateType};
use seaworthy_verifier::{Platforms, Policy, PolicySet, Requirement, Verdict};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    /// Where the image was released.
    image: String,
    digest: String,
    plan: Plan,
    /// What is attached now; empty for a dry run.
    attached: Vec<Attached>,
    /// The answer of the judge; none for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    from: String,
    to: String,
    copies: bool,
    platforms: Vec<String>,
    sbom_formats: Vec<&'static str>,
    signature_format: &'static str,
    /// `key` and its fingerprint.
    signer: String,
    /// The policy files; none means that the signing key is the policy.
    policies: Vec<String>,
    /// Public services that are told about this release.
    public_services: Vec<String>,
}

impl Plan {
    fn lines(&self) -> String {
        let policy = match self.policies.as_slice() {
            [] => "signed and inventoried by this key".to_owned(),
            files => files.join(", "),
        };
        let public = match self.public_services.as_slice() {
            [] => "none".to_owned(),
            hosts => hosts.join(", "),
        };
        let rows = [
            ("image", self.from.clone()),
            ("to", if self.copies { self.to.clone() } else { "where it is".into() }),
            ("platforms", self.platforms.join(", ")),
            ("SBOM", self.sbom_formats.join(", ")),
            ("signature", format!("{}, by {}", self.signature_format, self.signer)),
            ("public services", public),
            ("policy", policy),
        ];
        let body: String = rows.iter().map(|(k, v)| format!("  {k:<16} {v}\n")).collect();
        format!("{}\n{}", paint(BOLD, "plan"), body.trim_end())
    }
}

pub(crate) async fn run(args: &Release, options: &OpenOptions, printer: &Printer) -> Outcome {
    // Whatever can be wrong with the flags is found before anything is read or written.
    let signing = context::signing(&args.signing, options).await?;
    let policies = policies(args)?;
    let formats: Vec<Format> =
        args.sbom_format.iter().map(|name| super::sbom::format(name)).collect::<Outcome<_>>()?;
    let declaration = super::sbom::declaration(&args.speakers)?;
    let wanted = context::platforms(&args.platforms.platform)?;
    let destination = destination(args)?;
    context::must_be_writable(&destination.location)?;

    let from = context::open(&args.image, options).await?;
    let targets = context::targets(&from, &wanted).await?;
    let copies = from.pinned.location() != &destination.location;
    let plan = Plan {
        from: from.pinned.to_string(),
        to: destination.to_string(),
        copies,
        platforms: targets.iter().map(Target::label).collect(),
        sbom_formats: formats.iter().map(|f| f.name()).collect(),
        signature_format: match signing.formats {
            seaworthy_sign::Formats::Bundle => "bundle",
            seaworthy_sign::Formats::Legacy => "legacy",
            seaworthy_sign::Formats::Both => "bundle and legacy",
        },
        signer: identity::describe(&signing.who, &signing.public_key),
        policies: args.policy.iter().map(|p| p.display().to_string()).collect(),
        public_services: signing.told.public.clone(),
    };
    printer.say(plan.lines());
    let image = format!("{}@{}", destination.location, from.pinned.digest());
    let digest = from.pinned.digest().to_string();
    if args.dry_run {
        let document = Document { image, digest, plan, attached: Vec::new(), verdict: None };
        printer.result(&document, || "dry run: nothing was written\n".into());
        return Ok(Exit::Yes);
    }

    let place = seaworthy_oci::open_sink(&destination.location, options).await?;
    if copies {
        printer.say("copying the image");
        // What was attached elsewhere stays there: this run makes evidence of its own.
        let closure = closure::find(from.place.as_ref(), &from.raw, Extent::ImageOnly).await?;
        let tag = destination.tag.as_deref();
        Transfer::new(printer).image(from.place.as_ref(), &closure, place.as_ref(), tag).await?;
    }
    // From here on the image is the one at the destination, under the digest that was resolved once.
    let pinned = Reference { digest: None, ..destination.clone() };
    let pinned = seaworthy_oci::Pinned::new(&pinned, from.raw.descriptor.clone());
    let sink = Opened { place, pinned, raw: from.raw.clone(), manifest: from.manifest.clone() };

    let memory = args.cache.memory(&targets, printer);
    let how = How { memory, declaration, ..How::default() };
    let mut work = Vec::new();
    for target in &targets {
        let child = Target {
            pinned: sink.pinned.sibling(target.pinned.descriptor().clone()),
            image: target.image.clone(),
            platform: target.platform.clone(),
        };
        let claims = inventory(&sink, &child, &formats, &how, printer).await?;
        work.push(Work { label: child.label(), subject: child.pinned, claims });
    }
    layer_cache::told(&how.memory, printer);
    if sink.pinned.descriptor().is_index() {
        let subject = sink.pinned.clone();
        work.push(Work { label: "index".into(), subject, claims: Vec::new() });
    }
    let subjects: Vec<_> = work.iter().map(|w| &w.subject).collect();
    identity::resume(sink.place.as_ref(), &subjects, &signing, printer).await?;
    let certified = work.iter().map(|work| certify(sink.place.as_ref(), work, &signing));
    let attached: Vec<Attached> = identity::all(certified).await?.into_iter().flatten().collect();

    let policies = match policies {
        Some(policies) => policies,
        None => own_policy(&signing)?,
    };
    printer.say("reading everything back");
    let verdict = read_back(&sink.pinned, &destination, policies, &wanted, options).await?;
    let exit = super::verify::exit(&verdict);
    let document = Document { image, digest, plan, attached, verdict: Some(verdict) };
    printer.result(&document, || {
        let lines: String = document.attached.iter().map(Attached::line).collect();
        let verdict = document.verdict.as_ref().map(|v| verdict::human(v, Detail::Short)).unwrap_or_default();
        lines + &verdict
    });
    match exit {
        Exit::Yes => printer.say(format!("released {}", document.image)),
        _ => printer.say("not released: the policy does not allow what is there"),
    }
    Ok(exit)
}

/// Where the image is released: `--to`, with the image's own tag where it names none, or where it is.
fn destination(args: &Release) -> Outcome<Reference> {
    let from = context::reference(&args.image)?;
    match &args.to {
        Some(to) => context::destination(&from, to),
        None => Ok(from),
    }
}

/// The policies of `--policy`; without them, the signer itself is the policy, which is known when it signed.
fn policies(args: &Release) -> Outcome<Option<PolicySet>> {
    if !args.policy.is_empty() {
        return super::policy::load(&args.policy).map(Some);
    }
    Ok(None)
}

/// The policy that the signer makes: signed and inventoried by it.
fn own_policy(signing: &SigningContext) -> Outcome<PolicySet> {
    let requirements = [Requirement::Signature, Requirement::Sbom];
    let policy = Policy::require(vec![signing.authority()?], &requirements);
    Ok(vec![policy.map_err(|e| super::policy::failure(&e))?].into())
}

/// What is to be signed about one manifest.
struct Work {
    label: String,
    subject: Pinned,
    claims: Vec<(PredicateType, Predicate)>,
}

/// Inventories one platform's image.
async fn inventory(
    sink: &Opened<dyn Sink>,
    target: &Target,
    formats: &[Format],
    how: &How,
    printer: &Printer,
) -> Outcome<Vec<(PredicateType, Predicate)>> {
    let label = target.label();
    let place: &dyn Source = sink.place.as_ref();
    let mut inventory = super::sbom::inventory(place, target, how.clone(), printer).await?;
    if inventory.subject.platform.is_none() {
        inventory.subject.platform = target.platform.as_ref().map(ToString::to_string);
    }
    for gap in &inventory.gaps {
        printer.warn(format!("not read: {}: {}", gap.path, gap.reason));
    }
    printer.say(format!("inventoried {label}: {} packages", inventory.packages.len()));
    let mut claims = Vec::new();
    for format in formats {
        let predicate_type = match format {
            Format::CycloneDxJson => PredicateType::CycloneDx,
            _ => PredicateType::Spdx,
        };
        let document = super::sbom::document(&inventory, *format, Layout::Compact)?;
        claims.push((predicate_type, Predicate::parse(document)?));
    }
    Ok(claims)
}

/// Attests and signs one manifest: everything is signed at once, and then pushed one by one.
async fn certify(place: &dyn Sink, work: &Work, signing: &SigningContext) -> Outcome<Vec<Attached>> {
    let name = signing.name_of(&work.subject);
    // Each statement looks for itself among what is there: the list is fetched once for all of them.
    let there = Snapshot::new(place);
    let requests: Vec<Attested<'_>> = work
        .claims
        .iter()
        .map(|(predicate_type, predicate)| Attested {
            subject: &work.subject,
            subject_name: name.as_deref(),
            predicate_type,
            predicate,
            formats: signing.formats,
            created: signing.created,
            older: Older::Keep,
        })
        .collect();
    let claims = join_all(requests.iter().map(async |request| {
        Ok(seaworthy_sign::prepare_attestation(&there, signing.signer.as_ref(), request).await?)
    }));
    let (mut prepared, signature) = join(claims, prepare_one(&there, &work.subject, signing, None)).await;
    prepared.push(signature);
    let outcomes = identity::publish(place, &work.subject, signing, prepared).await?;
    let names = requests.iter().map(|r| match r.predicate_type {
        PredicateType::Spdx => "spdx",
        _ => "cyclonedx",
    });
    let mut attached = Vec::new();
    for (what, outcomes) in names.chain(["signature"]).zip(&outcomes) {
        for outcome in outcomes {
            attached.push(Attached::new(what, &work.subject, Some(work.label.clone()), outcome));
        }
    }
    Ok(attached)
}

/// Opens the destination anew, as a stranger would, and judges what is found there.
async fn read_back(
    pinned: &seaworthy_oci::Pinned,
    destination: &Reference,
    policies: PolicySet,
    wanted: &[seaworthy_oci::Platform],
    options: &OpenOptions,
) -> Outcome<Verdict> {
    let by_digest = Reference {
        digest: Some(pinned.digest().clone()),
        tag: destination.tag.clone(),
        ..destination.clone()
    };
    let place = seaworthy_oci::open(&destination.location, options).await?;
    let (pinned, raw) = seaworthy_oci::resolve(place.as_ref(), &by_digest).await?;
    let manifest = raw.parse()?;
    let opened = Opened { place, pinned, raw, manifest };
    let platforms = if wanted.is_empty() { Platforms::All } else { Platforms::Only(wanted.to_vec()) };
    super::verify::judge(&opened, policies, platforms, None).await
}
