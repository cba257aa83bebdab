//! `authority init`, `serve`, `token`: a private Sigstore.

use super::keygen::new_password;
use crate::args::{Authority, AuthorityInit, AuthorityServe, AuthorityToken, Password};
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;
use seaworthy_oci::OpenOptions;
use seaworthy_sign::Secret;
use serde::Serialize;
use std::io::IsTerminal as _;
use std::path::PathBuf;

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
        Authority::Init(args) => init(args, printer),
        Authority::Serve(args) => serve(args, options, printer).await,
        Authority::Token(args) => token(args, printer),
    }
}

fn init(args: &AuthorityInit, printer: &Printer) -> Outcome {
    let password = new_password(&args.password)?;
    let files = seaworthy_authority::init(&seaworthy_authority::Init {
        dir: &args.dir,
        url: &args.url,
        organization: &args.organization,
        password: &password,
    })?;
    if password.expose().is_empty() {
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

/// The password of keys that are there: given, or asked for, or empty.
fn password(args: &Password) -> Outcome<Secret> {
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
    let authority = seaworthy_authority::Authority::open(&args.dir, &password(&args.password)?)?;
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
    let password = password(&args.password)?;
    let token =
        seaworthy_authority::token(&args.dir, &password, &args.subject, Some(&args.audience), args.seconds)?;
    // cosign takes a token of this kind from a file alone, and sends a newline at its end along.
    let end = if std::io::stdout().is_terminal() { "\n" } else { "" };
    printer.data(&format!("{token}{end}"));
    Ok(Exit::Yes)
}
