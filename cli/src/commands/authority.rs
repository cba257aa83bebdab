//! `authority init`, `serve`, `token`, `rotate`, `backup`, `restore`: a private Sigstore.

use super::keygen::new_password;
use crate::args::{
    Authority, AuthorityInit, AuthorityPart, AuthorityRestore, AuthorityRotate, AuthorityServe,
    AuthorityToken, Password,
};
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::keys;
use crate::printer::Printer;
use seaworthy_authority::{Keys, Place};
use seaworthy_oci::OpenOptions;
use seaworthy_sign::{KeyRef, Secret};
use serde::Serialize;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    url: String,
    trusted_root: PathBuf,
    signing_config: PathBuf,
    trust_config: PathBuf,
    configuration: PathBuf,
}

pub(crate) async fn run(command: &Authority, options: &OpenOptions, printer: &Printer) -> Outcome {
    match command {
        Authority::Init(args) => init(args, options, printer),
        Authority::Serve(args) => serve(args, options, printer).await,
        Authority::Token(args) => token(args, printer),
        Authority::Rotate(args) => rotate(args, printer),
        Authority::Backup(args) => {
            let copied = seaworthy_authority::backup(&args.dir, &args.to)?;
            Ok(copy_of(&args.to, &copied, printer))
        }
        Authority::Restore(args) => restore(args, printer),
    }
}

fn init(args: &AuthorityInit, options: &OpenOptions, printer: &Printer) -> Outcome {
    let prefix = match &args.kms {
        None => None,
        Some(text) => match KeyRef::of(Path::new(text))? {
            KeyRef::Plugin(prefix) => {
                keys::not_offline(&prefix, options)?;
                Some(prefix)
            }
            _ => {
                return Err(Failure::usage(format!("--kms {text} names no plugin"))
                    .hint("--kms NAME://RESOURCE has the program sigstore-kms-NAME keep the keys"));
            }
        },
    };
    // A plugin protects its keys itself.
    let password = match prefix {
        Some(_) => Secret::new(Vec::new()),
        None => new_password(&args.password)?,
    };
    let keys = match &prefix {
        Some(prefix) if args.kms_existing => Keys::There(prefix),
        Some(prefix) => Keys::Made { prefix, algorithm: args.kms_algorithm.as_deref() },
        None => Keys::Files(&password),
    };
    let files = seaworthy_authority::init(&seaworthy_authority::Init {
        dir: &args.dir,
        url: &args.url,
        organization: &args.organization,
        keys,
    })?;
    if prefix.is_none() && password.expose().is_empty() {
        printer.warn(format!(
            "the keys in {} have an empty password: whoever reads them can sign",
            args.dir.display()
        ));
    }
    let document = Made {
        url: args.url.clone(),
        trusted_root: files.trusted_root,
        signing_config: files.signing_config,
        trust_config: files.trust_config,
        configuration: files.configuration,
    };
    printer.result(&document, || {
        format!(
            "url             {}\ntrusted root    {}\nsigning config  {}\nboth in one     {}\nto be edited    {}\n",
            document.url,
            document.trusted_root.display(),
            document.signing_config.display(),
            document.trust_config.display(),
            document.configuration.display()
        )
    });
    Ok(Exit::Yes)
}

/// The password of keys that are there: given, or asked for, or empty, as it is where a plugin has them.
fn password(dir: &Path, args: &Password) -> Outcome<Secret> {
    if Place::of(dir) == Place::Plugin {
        return Ok(Secret::new(Vec::new()));
    }
    match context::given_password(args)? {
        Some(given) => Ok(given),
        None => {
            Ok(context::prompt("password of the authority's keys: ")?
                .unwrap_or_else(|| Secret::new(Vec::new())))
        }
    }
}

async fn serve(args: &AuthorityServe, options: &OpenOptions, printer: &Printer) -> Outcome {
    if options.offline {
        return Err(Failure::usage("a server cannot be --offline"));
    }
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(seaworthy_authority::tls(certificate, key)?),
        _ => None,
    };
    let authority = seaworthy_authority::Authority::open(&args.dir, &password(&args.dir, &args.password)?)?;
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .map_err(|e| Failure::local(format!("cannot listen on {}: {e}", args.listen)))?;
    let address =
        listener.local_addr().map_or_else(|_| args.listen.to_string(), |address| address.to_string());
    printer.say(format!("{} answers on {address}", authority.url()));
    authority.serve(listener, tls, terminated()).await?;
    Ok(Exit::Yes)
}

/// Waits for SIGTERM. Ctrl-C ends every command at once, which is safe here too.
async fn terminated() {
    #[cfg(unix)]
    if let Ok(mut signal) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        signal.recv().await;
        return;
    }
    std::future::pending().await
}

fn token(args: &AuthorityToken, printer: &Printer) -> Outcome {
    let password = password(&args.dir, &args.password)?;
    let token =
        seaworthy_authority::token(&args.dir, &password, &args.subject, Some(&args.audience), args.seconds)?;
    // cosign takes a token of this kind from a file alone, and sends a newline at its end along.
    let end = if std::io::stdout().is_terminal() { "\n" } else { "" };
    printer.data(&format!("{token}{end}"));
    Ok(Exit::Yes)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rotated {
    replaced: Vec<&'static str>,
    trusted_root: PathBuf,
}

fn rotate(args: &AuthorityRotate, printer: &Printer) -> Outcome {
    use seaworthy_authority::Part;
    let mut parts = args.parts.clone();
    if parts.contains(&AuthorityPart::Root) {
        parts.extend([AuthorityPart::Issuer, AuthorityPart::Timestamps]);
    }
    parts.sort_unstable();
    parts.dedup();
    let (replaced, parts): (Vec<_>, Vec<_>) = parts
        .into_iter()
        .map(|part| match part {
            AuthorityPart::Log => ("log", Part::Log),
            AuthorityPart::CertificateLog => ("certificate-log", Part::CertificateLog),
            AuthorityPart::Issuer => ("issuer", Part::Issuer),
            AuthorityPart::Timestamps => ("timestamps", Part::Timestamps),
            AuthorityPart::Tokens => ("tokens", Part::Tokens),
            AuthorityPart::Root => ("root", Part::Root),
        })
        .unzip();
    seaworthy_authority::rotate(&args.dir, &password(&args.dir, &args.password)?, &parts)?;
    let document = Rotated { replaced, trusted_root: args.dir.join("trusted_root.json") };
    printer.result(&document, || {
        format!(
            "replaced        {}\ntrusted root    {}, which clients need anew\n",
            document.replaced.join(", "),
            document.trusted_root.display()
        )
    });
    Ok(Exit::Yes)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CopyOf {
    folder: PathBuf,
    signatures: u64,
    certificates: u64,
}

fn copy_of(folder: &Path, copied: &seaworthy_authority::Copied, printer: &Printer) -> Exit {
    let document = CopyOf {
        folder: folder.to_owned(),
        signatures: copied.signatures,
        certificates: copied.certificates,
    };
    printer.result(&document, || {
        format!(
            "{} holds {} log entries and {} certificates\n",
            document.folder.display(),
            document.signatures,
            document.certificates
        )
    });
    Exit::Yes
}

fn restore(args: &AuthorityRestore, printer: &Printer) -> Outcome {
    let copied = seaworthy_authority::restore(&args.from, &args.dir, &password(&args.from, &args.password)?)?;
    printer.warn(
        "what was signed after the backup is not in its logs, and stays good for those who hold the proof; new logs \
         have begun, and clients need the new trusted root",
    );
    Ok(copy_of(&args.dir, &copied, printer))
}
