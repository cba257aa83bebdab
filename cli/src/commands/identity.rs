//! Who signs, from the flags: a key, an identity, either with witnesses. And the way from a signature to the
//! place it belongs, by way of the journal.
//!
//! Nothing is assumed: without a key and without a configuration that names a certificate authority there is
//! no signer, and no public service is asked that was not named. A login is offered only at a terminal.

use crate::args::Keyless;
use crate::context::{self, SigningContext};
use crate::exit::{Failure, Outcome};
use crate::journal::Journal;
use crate::printer::Printer;
use futures_util::StreamExt as _;
use seaworthy_oci::{OpenOptions, Pinned, Sink, limits, registry::PlainHttp};
use seaworthy_sign::keyless::{
    DeviceLogin, Http, HttpOptions, IdentitySigner, Selection, Services, TokenSource, TrustConfig,
    WitnessedSigner, oidc, plan,
};
use seaworthy_sign::{Formats, Prepared, Signer};
use seaworthy_verifier::{Authority, Identity, Trust};
use std::future::Future;
use std::io::IsTerminal as _;
use std::sync::Arc;
use url::Url;

/// Manifests that are signed at the same time. Each needs a log entry and a timestamp, which take a second
/// each; more at once would look like an attack to a public log.
const AT_ONCE: usize = 8;

/// Whose name a signature is in.
pub(crate) enum Who {
    /// A key's.
    Key,
    /// An identity's.
    Identity(Arc<IdentitySigner>),
}

/// Witnesses of a run, for the plan.
#[derive(Default)]
pub(crate) struct Told {
    /// Public services that are told.
    pub(crate) public: Vec<String>,
    /// Whether there is anything about a signature that could not be made again for nothing.
    pub(crate) witnessed: bool,
}

/// The services that the flags name, and the trusted root where they name one.
fn services(args: &Keyless) -> Outcome<(Services, Option<Trust>)> {
    let single = args.fulcio_url.is_some() || args.rekor_url.is_some() || args.timestamp_server_url.is_some();
    let ways = [args.signing_config.is_some(), args.trust_config.is_some(), single];
    if ways.iter().filter(|w| **w).count() > 1 {
        return Err(Failure::usage(
            "services are named twice: give --signing-config, or --trust-config, or their URLs",
        ));
    }
    let mut trust = match &args.trusted_root {
        Some(path) => Some(Trust::load(path).map_err(Failure::local)?),
        None => None,
    };
    let now = context::now();
    let services = if let Some(path) = &args.signing_config {
        Services::from_signing_config(&context::read_input(path, "signing configuration")?, now)?
    } else if let Some(path) = &args.trust_config {
        let config = TrustConfig::from_json(&context::read_input(path, "trust configuration")?, now)?;
        if trust.is_none() {
            let label = path.display().to_string();
            trust = Some(Trust::from_json(&config.trusted_root, &label).map_err(Failure::local)?);
        }
        config.services
    } else {
        let one = |url: &Option<Url>, version| {
            url.as_ref().map_or_else(Selection::default, |url| Selection::one(url.clone(), version))
        };
        Services {
            authorities: one(&args.fulcio_url, 1),
            issuers: Vec::new(),
            logs: one(&args.rekor_url, args.rekor_version.into()),
            timestamps: one(&args.timestamp_server_url, 1),
        }
    };
    Ok((services, trust))
}

/// The login that is offered to a person.
fn login(args: &Keyless, services: &Services) -> Option<DeviceLogin> {
    // Somebody has to read the code, and somebody has to be there.
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let issuer = args.oidc_issuer.as_ref().or_else(|| services.issuers.first())?.clone();
    let show = |place: &str, code: &str| anstream::eprintln!("open {place} and enter the code {code}");
    Some(DeviceLogin { issuer, client_id: args.oidc_client_id.clone(), show })
}

/// What signs, in whose name, and who is told.
pub(crate) type Made = (Box<dyn Signer>, Who, Told, Option<Trust>);

/// The signer of the flags, around `key` where there is one.
pub(crate) fn signer(
    args: &Keyless,
    key: Option<Arc<dyn Signer>>,
    formats: Formats,
    options: &OpenOptions,
) -> Outcome<Made> {
    let (services, trust) = services(args)?;
    let asks = args.identity_token.is_some() || args.oidc_provider.is_some();
    if key.is_some() && asks {
        return Err(Failure::usage("a key and an identity cannot sign together")
            .hint("leave out --key (or SEAWORTHY_KEY), or the token"));
    }
    let told = services.logs.wanted + services.timestamps.wanted > 0;
    if (key.is_none() || told) && formats != Formats::Bundle && !services.is_empty() {
        return Err(Failure::usage(
            "--signature-format legacy has no room for certificates, log entries and timestamps here",
        )
        .hint("leave it at bundle, or sign with a key alone"));
    }
    let http = || -> Outcome<Http> {
        if options.offline && !services.is_empty() {
            return Err(Failure::usage("--offline opens no socket, and these services have to be asked")
                .hint("offline, sign with a key alone"));
        }
        let plain_http = match &options.registry.plain_http {
            PlainHttp::Hosts(hosts) => hosts.clone(),
            // Registries everywhere says nothing about services that get an identity token.
            _ => Vec::new(),
        };
        let request = options.registry.timeouts.request;
        // One number for both, unless it is the default: services have a longer one of their own.
        let patience = (request != limits::REQUEST).then_some(request);
        Ok(Http::new(&HttpOptions { ca_files: options.registry.ca_files.clone(), plain_http, patience })?)
    };
    match key {
        Some(key) if !told => Ok((Box::new(key), Who::Key, Told::default(), trust)),
        Some(key) => {
            let mut used = services.clone();
            used.authorities = Selection::default();
            let told = Told { public: plan::public_services(&used), witnessed: true };
            Ok((Box::new(WitnessedSigner::new(key, http()?, used)?), Who::Key, told, trust))
        }
        None if services.authorities.groups.is_empty() => Err(no_signer(asks || !services.is_empty())),
        None => {
            let http = http()?;
            let provider = args.oidc_provider.as_deref().map(str::parse::<oidc::Provider>).transpose()?;
            let env = |name: &str| std::env::var(name).ok();
            let tokens = TokenSource::detect(oidc::Wanted {
                given: args.identity_token.as_deref(),
                provider,
                env: &env,
                login: login(args, &services),
            })?;
            let told = Told { public: plan::public_services(&services), witnessed: true };
            let signer = Arc::new(IdentitySigner::new(http, services, tokens)?);
            Ok((Box::new(Arc::clone(&signer)), Who::Identity(signer), told, trust))
        }
    }
}

/// Nothing is the default: a public log cannot be told by accident.
fn no_signer(keyless: bool) -> Failure {
    if keyless {
        return Failure::usage("the flags name no certificate authority to vouch for an identity")
            .hint("give --signing-config FILE, --trust-config FILE, or --fulcio-url with --rekor-url or --timestamp-server-url");
    }
    Failure::usage("no key to sign with, and no services to sign with an identity").hint(
        "give --key FILE, or make one with `seaworthy keygen`; for an identity give --signing-config FILE \
         or --trust-config FILE",
    )
}

/// For the plan: who will sign.
pub(crate) fn describe(signing: &SigningContext) -> String {
    match &signing.who {
        Who::Key => signing.public_key.id(),
        Who::Identity(signer) => format!("an identity, by {}", signer.tokens().describe()),
    }
}

/// The signer as an authority: what was just signed must verify with it.
pub(crate) fn own_authority(signing: &SigningContext) -> Outcome<Authority> {
    let Who::Identity(signer) = &signing.who else { return Ok(context::key_authority(signing)) };
    let trust = signing.trust.clone().ok_or_else(no_trust)?;
    let found = signer
        .identity()
        .ok_or_else(|| Failure::local("the certificate does not name one identity and its issuer"))?;
    let identity = Identity { issuer: found.issuer, identity: found.identity };
    Ok(Authority::keyless("signer", identity, trust))
}

/// Without a trusted root nobody can say whether what was made verifies.
pub(crate) fn no_trust() -> Failure {
    Failure::usage("no trusted root to verify with what was made")
        .hint("give --trusted-root FILE, --trust-config FILE, or a --policy that names one")
}

/// Runs one future for each manifest, several at once, all of them to their end: what one of them signed is
/// kept even where another fails. The results come in order.
pub(crate) async fn all<T>(
    work: impl IntoIterator<Item = impl Future<Output = Outcome<T>>>,
) -> Outcome<Vec<T>> {
    let done: Vec<Outcome<T>> = futures_util::stream::iter(work).buffered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

/// Pushes what earlier runs signed for `subjects` and could not push.
pub(crate) async fn resume(
    place: &dyn Sink,
    subjects: &[&Pinned],
    signing: &SigningContext,
    printer: &Printer,
) -> Outcome<()> {
    if !signing.told.witnessed {
        if signing.resume {
            printer.warn("--resume has nothing to do: signatures of a key alone are made again, not kept");
        }
        return Ok(());
    }
    let mut found = 0usize;
    for subject in subjects {
        let journal = Journal::of(place.location(), subject.digest())?;
        for (kept, evidence) in journal.kept()? {
            found += 1;
            signing.signer.ready().await?;
            if evidence.subject().digest != *subject.digest() || !evidence.is_by(signing.signer.as_ref()) {
                printer
                    .warn(format!("not pushed, because it is not by this signer: {}", kept.path().display()));
                continue;
            }
            seaworthy_sign::publish_evidence(place, &evidence).await?;
            journal.done(kept)?;
        }
    }
    match (found, signing.resume) {
        (0, true) => printer.say("resume: nothing was left over"),
        (0, false) => {}
        (n, _) => printer.say(format!("resume: {n} signed and not pushed by an earlier run")),
    }
    Ok(())
}

/// Pushes what was prepared. What could not be made again for nothing is kept on disk until it is pushed.
pub(crate) async fn publish(
    place: &dyn Sink,
    subject: &Pinned,
    signing: &SigningContext,
    prepared: Vec<Outcome<Vec<Prepared>>>,
) -> Outcome<Vec<Vec<seaworthy_sign::Outcome>>> {
    let journal = match signing.told.witnessed {
        true => Some(Journal::of(place.location(), subject.digest())?),
        false => None,
    };
    // First everything is kept, also where a piece beside it failed; then it is pushed.
    let mut pieces = Vec::new();
    let mut failed = None;
    for piece in prepared {
        match piece {
            Ok(piece) => {
                let mut kept = Vec::new();
                if let Some(journal) = &journal {
                    for item in &piece {
                        if let Prepared::Signed(evidence) = item {
                            kept.push(journal.keep(evidence)?);
                        }
                    }
                }
                pieces.push((piece, kept));
            }
            Err(e) => failed = failed.or(Some(e)),
        }
    }
    let mut outcomes = Vec::new();
    for (piece, kept) in pieces {
        outcomes.push(seaworthy_sign::publish(place, &piece).await?);
        if let Some(journal) = &journal {
            for kept in kept {
                journal.done(kept)?;
            }
        }
    }
    failed.map_or(Ok(outcomes), Err)
}
