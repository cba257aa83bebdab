//! Who signs, from the flags: a key, an identity, either with witnesses. And the way from a signature to the
//! place it belongs, by way of the journal.
//!
//! Nothing is assumed: without a key and without a configuration that names a certificate authority there is
//! no signer, and no public service is asked that was not named. A login is offered only at a terminal.

use crate::args::{AuthFlow, Keyless};
use crate::context::{self, SigningContext};
use crate::exit::{Exit, Failure, Outcome};
use crate::journal::Journal;
use crate::pki_args::OwnCertificate;
use crate::printer::Printer;
use futures_util::StreamExt as _;
use seaworthy_oci::{OpenOptions, Pinned, Sink, limits, registry::PlainHttp};
use seaworthy_sign::keyless::{
    Ambient, Flow, Http, HttpOptions, IdentitySigner, Login, Prompt, Selection, Services, TokenSource,
    TrustConfig, WitnessedSigner, oidc, plan,
};
use seaworthy_sign::{Evidence, Formats, Prepared, Secret, Signer};
use seaworthy_verifier::evidence::{Standing, check_piece};
use seaworthy_verifier::pki::Certified;
use seaworthy_verifier::trust_file::TrustFile;
use seaworthy_verifier::{Authority, Explanation, Identity, PublicKey, Refusal, Trust, TrustedKey};
use std::future::Future;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use url::Url;

/// Manifests that are signed at the same time. Each needs a log entry and a timestamp, which take a second
/// each; more at once would look like an attack to a public log.
const AT_ONCE: usize = 8;

/// Whose name a signature is in.
pub(crate) enum Who {
    /// A key's.
    Key,
    /// A key's that has a certificate.
    Certificate(Box<Certified>),
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
    /// Whether a log is told.
    pub(crate) logged: bool,
}

impl Told {
    fn of(services: &Services) -> Self {
        let logged = services.logs.wanted > 0;
        Self { public: plan::public_services(services), witnessed: true, logged }
    }
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
    let mut trust = args.trusted_root.as_deref().map(crate::who::trusted_root).transpose()?;
    let now = context::now();
    let services = if let Some(path) = &args.signing_config {
        match path.to_str().and_then(|name| Some((name, Trust::embedded_signing_config(name)?))) {
            Some((name, config)) => {
                if trust.is_none() {
                    trust = Trust::embedded(name).transpose().map_err(Failure::local)?;
                }
                Services::from_signing_config(config.as_bytes(), now)?
            }
            None => {
                let bytes = context::read_input(path, "signing configuration")?;
                match std::str::from_utf8(&bytes).ok().filter(|text| TrustFile::looks_like(text)) {
                    Some(text) => {
                        let (config, root) = of_trust_file(text, path)?;
                        trust = trust.or(root);
                        Services::from_signing_config(config.as_bytes(), now)?
                    }
                    None => Services::from_signing_config(&bytes, now)?,
                }
            }
        }
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

/// The services of a trust file as a signing configuration, and its root where it has one.
fn of_trust_file(text: &str, path: &Path) -> Outcome<(String, Option<Trust>)> {
    let shown = path.display();
    let file = TrustFile::parse(text).map_err(|problems| crate::trust::broken(path, &problems))?;
    let config = file.signing_config().ok_or_else(|| {
        Failure::usage(format!("the trust file {shown} names no services to sign at"))
            .hint("take them over with `seaworthy trust init --signing-config FILE`")
    })?;
    let root = match file.certificate_authorities.is_empty() && file.transparency_logs.is_empty() {
        true => None,
        false => Some(file.trust(&shown.to_string()).map_err(Failure::local)?),
    };
    Ok((config.to_string(), root))
}

/// The login that is offered to a person.
fn login(args: &Keyless, services: &Services) -> Outcome<Option<Login>> {
    // Somebody has to read what is shown, and somebody has to be there.
    let nobody = !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal();
    let Some(issuer) = args.oidc_issuer.as_ref().or_else(|| services.issuers.first()).filter(|_| !nobody)
    else {
        return Ok(None);
    };
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let browser = cfg!(target_os = "macos") || ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(set);
    let flow = match args.fulcio_auth_flow {
        Some(AuthFlow::Never) => return Ok(None),
        Some(AuthFlow::Browser) => Flow::Browser,
        Some(AuthFlow::Device) => Flow::Device,
        // A browser on the other end of a connection would come back to a port of another machine.
        None if browser && !set("SSH_CONNECTION") => Flow::Browser,
        None => Flow::Device,
    };
    let client_secret = match &args.oidc_client_secret_file {
        Some(path) => Some(Arc::new(Secret::new(context::read_input(path, "client secret")?))),
        None => None,
    };
    let redirect = args.oidc_redirect_url.clone();
    let (issuer, client_id) = (issuer.clone(), args.oidc_client_id.clone());
    Ok(Some(Login { issuer, client_id, client_secret, redirect, flow, show }))
}

fn show(prompt: Prompt<'_>) {
    match prompt {
        Prompt::Code { place, code } => anstream::eprintln!("open {place} and enter the code {code}"),
        Prompt::Page(page) => {
            anstream::eprintln!("log in at {page}");
            let opener = std::env::var("BROWSER").ok().filter(|program| !program.is_empty());
            let opener = opener.unwrap_or_else(|| match cfg!(target_os = "macos") {
                true => "open".into(),
                false => "xdg-open".into(),
            });
            let null = std::process::Stdio::null;
            let opened = std::process::Command::new(opener)
                .arg(page)
                .stdin(null())
                .stdout(null())
                .stderr(null())
                .spawn();
            // Where no browser opens, the page is on the terminal.
            drop(opened);
        }
    }
}

/// What signs, in whose name, and who is told.
pub(crate) struct Made {
    /// Who signs.
    pub(crate) signer: Box<dyn Signer>,
    /// In whose name.
    pub(crate) who: Who,
    /// Who is told.
    pub(crate) told: Told,
    /// What to verify with what was made.
    pub(crate) trust: Option<Trust>,
}

/// cosign's older form has room for the entry of one Rekor v1 log and for one timestamp: of the services, those.
fn older_form(mut services: Services) -> Outcome<Services> {
    let logs = &mut services.logs;
    for group in &mut logs.groups {
        group.retain(|endpoint| endpoint.version == 1);
    }
    logs.groups.retain(|group| !group.is_empty());
    if logs.groups.is_empty() || logs.wanted != 1 || services.timestamps.wanted > 1 {
        return Err(Failure::usage(
            "the older form of signatures has room for the entry of one Rekor v1 log and one timestamp, and these \
             services are others",
        )
        .hint("leave --signature-format at bundle, or sign with a key alone"));
    }
    Ok(services)
}

/// [`signer`], where the key may have a certificate of somebody's own.
pub(crate) fn certified_signer(
    args: &Keyless,
    key: Option<Arc<dyn Signer>>,
    certificate: &OwnCertificate,
    formats: Formats,
    options: &OpenOptions,
) -> Outcome<Made> {
    let Some(key) = key else { return signer(args, None, formats, options) };
    let (key, certified) = certificate.around(key, context::now())?;
    let mut made = signer(args, Some(key), formats, options)?;
    if let Some(certified) = certified {
        made.who = Who::Certificate(Box::new(certified));
    }
    Ok(made)
}

/// The signer of the flags, around `key` where there is one.
pub(crate) fn signer(
    args: &Keyless,
    key: Option<Arc<dyn Signer>>,
    formats: Formats,
    options: &OpenOptions,
) -> Outcome<Made> {
    let (mut services, trust) = services(args)?;
    let asks = args.identity_token.is_some() || args.oidc_provider.is_some();
    if key.is_some() && asks {
        return Err(Failure::usage("a key and an identity cannot sign together")
            .hint("leave out --key (or SEAWORTHY_KEY), or the token"));
    }
    let told = services.logs.wanted + services.timestamps.wanted > 0;
    if formats != Formats::Bundle && told {
        services = older_form(services)?;
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
        Some(key) if !told => Ok(Made { signer: Box::new(key), who: Who::Key, told: Told::default(), trust }),
        Some(key) => {
            let mut used = services.clone();
            used.authorities = Selection::default();
            let key = match used.logs.wanted {
                0 => key,
                _ => key.logged_form().unwrap_or(key),
            };
            let told = Told::of(&used);
            let signer = Box::new(WitnessedSigner::new(key, http()?, used)?);
            Ok(Made { signer, who: Who::Key, told, trust })
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
                ambient: match args.oidc_disable_ambient_providers {
                    true => Ambient::PassedOver,
                    false => Ambient::Asked,
                },
                login: login(args, &services)?,
            })?;
            let told = Told::of(&services);
            let signer = Arc::new(IdentitySigner::new(http, services, tokens)?);
            if trust.is_none() {
                return Err(no_trust());
            }
            Ok(Made { signer: Box::new(Arc::clone(&signer)), who: Who::Identity(signer), told, trust })
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
pub(crate) fn describe(who: &Who, key: &PublicKey) -> String {
    match who {
        Who::Key | Who::Certificate(_) => key.id(),
        Who::Identity(signer) => format!("an identity, by {}", signer.tokens().describe()),
    }
}

/// The plan of a command that has no longer one: who signs, and which public services are told. Nobody is told
/// of a signature of a key alone, and nothing is said.
pub(crate) fn say_plan(who: &Who, key: &PublicKey, told: &Told, printer: &Printer) {
    if told.witnessed {
        let public = if told.public.is_empty() { "none".into() } else { told.public.join(", ") };
        printer.say(format!("signs: {}; public services: {public}", describe(who, key)));
    }
}

/// The public key of `signer`, as the verifier reads it.
pub(crate) fn public_key(signer: &dyn Signer) -> Outcome<PublicKey> {
    PublicKey::from_spki(signer.public_key().as_spki_der())
        .map_err(|why| Failure::local(format!("cannot verify with the signing key: {why}")))
}

/// The signer as an authority: what was just signed must verify with it. An identity is known when there is a
/// certificate.
pub(crate) fn own_authority(
    who: &Who,
    key: &PublicKey,
    told: &Told,
    trust: Option<&Trust>,
) -> Outcome<Authority> {
    if let Who::Certificate(certified) = who {
        return Ok(Authority::certified("signer", (**certified).clone(), trust.cloned()));
    }
    let Who::Identity(signer) = who else {
        let key = TrustedKey { key: key.clone(), not_before: None, not_after: None };
        return Ok(Authority::keys("signer", vec![key], trust.filter(|_| told.logged).cloned()));
    };
    let trust = trust.cloned().ok_or_else(no_trust)?;
    let found = signer
        .identity()
        .ok_or_else(|| Failure::local("the certificate does not name one identity and its issuer"))?;
    let identity = Identity { issuer: found.issuer, identity: found.identity };
    Ok(Authority::keyless("signer", identity, trust))
}

impl SigningContext {
    /// See [`own_authority`].
    pub(crate) fn authority(&self) -> Outcome<Authority> {
        own_authority(&self.who, &self.public_key, &self.told, self.trust.as_ref())
    }

    /// Judges what was signed as everybody else will, before anybody else sees it.
    fn judge(&self, evidence: &Evidence) -> Outcome<()> {
        let piece = evidence.piece();
        let (subject, authority) = (&evidence.subject().digest, self.authority()?);
        let content = piece.content.to_vec();
        let checked =
            check_piece(piece.media_type, content, piece.annotations, subject, &[authority], context::now());
        match checked.standing {
            Standing::Valid { .. } => Ok(()),
            Standing::UnknownSigner { reasons } => Err(refused(&reasons)),
            Standing::Invalid { reason } => Err(refused(&[reason])),
            _ => Err(refused(&[])),
        }
    }
}

/// What was signed here is not accepted by what it is to be verified with.
pub(crate) fn refused(reasons: &[Explanation]) -> Failure {
    if reasons.iter().flat_map(|r| r.walk()).any(|r| r.code == Refusal::EvidenceTooLarge) {
        let limit = seaworthy_verifier::limits::EVIDENCE_ITEM_BYTES;
        return Failure::new(
            Exit::No,
            format!("what was signed is larger than any verifier of ours reads ({limit} bytes)"),
        )
        .hint(
            "a statement can have three quarters of that; CycloneDX says the same in fewer bytes than SPDX",
        );
    }
    let why: Vec<String> = reasons.iter().map(|r| format!("{}: {}", r.code.code(), r.message)).collect();
    let why = if why.is_empty() { "it carries no signature".into() } else { why.join("; ") };
    Failure::new(Exit::No, format!("what was signed is not accepted, so it goes nowhere: {why}"))
        .hint("the trusted root has to know these services: their certificate authority, log and timestamps")
}

/// Without a trusted root nobody can say whether what was made verifies.
pub(crate) fn no_trust() -> Failure {
    Failure::usage("no trusted root to verify with what was made: it is verified before anybody else sees it")
        .hint("give --trusted-root FILE or --trust-config FILE; the public Sigstore's root is --trusted-root public-good")
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
            if let Err(why) = signing.judge(&evidence) {
                printer.warn(format!("not pushed: {}: {}", kept.path().display(), why.message));
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

/// Nothing is lost, and the user should know how to go on.
fn with_resume(failure: Failure) -> Failure {
    let kept = "what was signed is kept: the same command with --resume pushes it";
    let hint = failure.hint.as_ref().map_or_else(|| kept.to_owned(), |hint| format!("{hint}; {kept}"));
    failure.hint(hint)
}

/// Judges what was prepared, and pushes it. What could not be made again for nothing is kept on disk until it is
/// pushed.
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
    let (mut all, mut kept, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    let mut failed = None;
    for piece in prepared {
        match piece {
            Ok(piece) => {
                let signed = || {
                    piece.iter().filter_map(|item| match item {
                        Prepared::Signed(evidence) => Some(evidence),
                        Prepared::AlreadyThere(_) => None,
                    })
                };
                if let Err(e) = signed().try_for_each(|evidence| signing.judge(evidence)) {
                    failed = failed.or(Some(e));
                    continue;
                }
                if let Some(journal) = &journal {
                    for evidence in signed() {
                        kept.push(journal.keep(evidence)?);
                    }
                }
                lengths.push(piece.len());
                all.extend(piece);
            }
            Err(e) => failed = failed.or(Some(e)),
        }
    }
    let published = seaworthy_sign::publish(place, &all).await.map_err(Failure::from);
    let published =
        published.map_err(|failure| if kept.is_empty() { failure } else { with_resume(failure) })?;
    let mut published = published.into_iter();
    let outcomes = lengths.into_iter().map(|n| published.by_ref().take(n).collect()).collect();
    if let Some(journal) = &journal {
        for kept in kept {
            journal.done(kept)?;
        }
    }
    failed.map_or(Ok(outcomes), Err)
}
