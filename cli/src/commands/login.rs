//! `login` and `logout`: credentials where Docker and Podman look for them.

use crate::args::{Login, Logout};
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;
use seaworthy_oci::OpenOptions;
use seaworthy_oci::registry::credentials::{Erased, Kept, Store};
use seaworthy_oci::registry::{Secret, login as registry_login};
use serde::Serialize;
use std::io::Read as _;

/// A password on standard input: as long as the longest tokens, not longer.
const PASSWORD_BYTES: u64 = 64 << 10;

#[derive(Serialize)]
struct Done {
    registry: String,
    /// `file` or `helper`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'static str>,
    /// The file's path or the helper's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    changed: bool,
}

pub(crate) async fn login(args: &Login, options: &OpenOptions, printer: &Printer) -> Outcome {
    let username = match &args.username {
        Some(username) => username.clone(),
        None => return Err(Failure::usage("no user name").hint("give --username NAME")),
    };
    let password = password(args)?;
    if args.no_check {
        printer.say("stored without asking the registry");
    } else if options.offline {
        return Err(Failure::usage("login asks the registry, and --offline forbids it")
            .hint("give --no-check to store without asking"));
    } else {
        match registry_login::check(&args.registry, &username, &password, &options.registry).await? {
            registry_login::Checked::Accepted => {}
            registry_login::Checked::NotAsked => {
                printer.warn(format!("{} asks for no credentials: these were not checked", args.registry));
            }
        }
    }
    let (kept, place) = match Store::docker()?.store(&args.registry, &username, &password)? {
        Kept::File(path) => ("file", path.display().to_string()),
        Kept::Helper(name) => ("helper", name),
    };
    if kept == "file" {
        printer.say(format!("note: {place} holds the password unencrypted; a credential helper would not"));
    }
    let done =
        Done { registry: args.registry.clone(), kept: Some(kept), place: Some(place.clone()), changed: true };
    printer
        .result(&done, || format!("logged in to {} as {username}, kept in {kept} {place}\n", args.registry));
    Ok(Exit::Yes)
}

pub(crate) fn logout(args: &Logout, printer: &Printer) -> Outcome {
    let changed = Store::docker()?.erase(&args.registry)? == Erased::Erased;
    let done = Done { registry: args.registry.clone(), kept: None, place: None, changed };
    printer.result(&done, || match changed {
        true => format!("credentials for {} are forgotten\n", args.registry),
        false => format!("there were no credentials for {}\n", args.registry),
    });
    Ok(Exit::Yes)
}

fn password(args: &Login) -> Outcome<Secret> {
    if args.password_stdin {
        let mut text = zeroize::Zeroizing::new(String::new());
        std::io::stdin()
            .lock()
            .take(PASSWORD_BYTES)
            .read_to_string(&mut text)
            .map_err(|e| Failure::local(format!("cannot read the password from standard input: {e}")))?;
        return Ok(Secret::new(text.trim_end_matches(['\r', '\n'])));
    }
    match context::prompt("password: ")? {
        Some(secret) => match std::str::from_utf8(secret.expose()) {
            Ok(text) => Ok(Secret::new(text)),
            Err(_) => Err(Failure::usage("the password is not UTF-8")),
        },
        None => Err(Failure::usage("no password and no terminal to ask on").hint("give --password-stdin")),
    }
}
