//! `trust add` and `trust rotate`: nothing that a file says is taken out of it. What is over gets an end, and
//! stays for what was signed before.

use super::save;
use crate::context;
use crate::exit::{Failure, Outcome};
use crate::printer::Printer;
use crate::trust::{self, describe, import, write};
use crate::trust_args::{TrustAdd, TrustRotate};
use jiff::Timestamp;
use seaworthy_verifier::PublicKey;
use seaworthy_verifier::trust_file::{
    Line, ManagedKey, TrustChain, TrustFile, TrustLog, TrustService, Window, pem_blocks, usual_details,
};
use std::path::{Path, PathBuf};

/// The name of a file without its extension.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "key".into(), |s| s.to_string_lossy().into_owned())
}

/// `time`, or now in whole seconds.
pub(super) fn now(time: Option<Timestamp>) -> Timestamp {
    time.unwrap_or_else(|| write::seconds(context::now()))
}

fn text(path: &Path, what: &str) -> Outcome<String> {
    String::from_utf8(context::read_input(path, what)?)
        .map_err(|_| Failure::broken(format!("{what} {} is no text", path.display())))
}

/// The public key in `path` as an entry.
pub(super) fn managed(
    path: &Path,
    keyring: String,
    owner: Option<String>,
    hint: Option<String>,
    from: Timestamp,
    until: Option<Timestamp>,
) -> Outcome<ManagedKey> {
    let key = PublicKey::from_pem(&text(path, "public key")?).map_err(|why| {
        Failure::broken(format!("public key {}: {why}", path.display()))
            .hint("give one PEM block PUBLIC KEY, such as keygen's .pub file")
    })?;
    let hint = Some(hint.unwrap_or_else(|| key.hint()));
    let window = Window { start: Some(from), end: until };
    Ok(ManagedKey { keyring, owner, hint, window, key, line: Line::default() })
}

/// Adds all of an authority, or of a file in one of sigstore's forms, to `file`.
pub(super) fn take(from: &Path, file: &mut TrustFile) -> Outcome<()> {
    let path: PathBuf =
        if from.is_dir() { from.join("client_trust_config.json") } else { from.to_path_buf() };
    let shown = path.display();
    import::any(&trust::read(&path)?, file).map_err(|why| {
        Failure::broken(format!("cannot read {shown}: {why}"))
            .hint("a trusted_root.json, signing_config.json or ClientTrustConfig, or an authority's folder")
    })
}

fn chain(path: &Path, args: &TrustAdd) -> Outcome<TrustChain> {
    let bad = |why: String| {
        Failure::broken(format!("certificates {}: {why}", path.display()))
            .hint("give PEM blocks CERTIFICATE, the one that issues first and the root last")
    };
    let mut certificates = Vec::new();
    for (label, der) in pem_blocks(&text(path, "certificates")?).map_err(bad)? {
        if label != "CERTIFICATE" {
            return Err(bad(format!("a PEM block {label}")));
        }
        certificates.push(der);
    }
    let facts: Result<Vec<_>, _> = certificates.iter().map(|der| describe::facts(der)).collect();
    let facts = facts.map_err(bad)?;
    // The organisation is told by the root, as sigstore's own files do it; time by all of the chain.
    let root = facts.last().ok_or_else(|| bad("no certificate".into()))?;
    let start = facts.iter().filter_map(|f| f.window.start).max();
    Ok(TrustChain {
        uri: args.uri.clone().unwrap_or_default(),
        owner: args.owner.clone(),
        organization: root.organization.clone(),
        common_name: root.common_name.clone(),
        window: Window { start: args.times.from.or(start), end: args.times.until },
        certificates,
        line: Line::default(),
    })
}

fn log(path: &Path, args: &TrustAdd) -> Outcome<TrustLog> {
    let bad = |why: &str| {
        Failure::broken(format!("the key of a log {}: {why}", path.display()))
            .hint("give one PEM block PUBLIC KEY")
    };
    let blocks = pem_blocks(&text(path, "the key of a log")?).map_err(|why| bad(&why))?;
    let [(label, key)] = blocks.as_slice() else { return Err(bad("more than one PEM block")) };
    let details = usual_details(label, key).ok_or_else(|| bad("it is no key that is accepted"))?;
    Ok(TrustLog {
        uri: args.uri.clone().unwrap_or_default(),
        owner: args.owner.clone(),
        log_id: describe::sha256(key),
        checkpoint_key_id: None,
        key_details: details,
        window: Window { start: Some(args.times.from.unwrap_or_default()), end: args.times.until },
        key: key.clone(),
        line: Line::default(),
    })
}

/// Reads `text` for the last time before it is written: what was made must also be acceptable.
fn checked(path: &Path, old: &str, before: &TrustFile, after: &TrustFile, printer: &Printer) -> Outcome {
    let whole = write::whole(after);
    TrustFile::parse(&whole).map_err(|problems| {
        let all: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
        Failure::broken(format!("{} would not be usable: {}", path.display(), all.join("; ")))
    })?;
    save(path, &write::edit(old, before, after)?, before, after, printer)
}

/// A file that `trust update` keeps holds keys of ours, and authorities of its source alone.
fn ours(file: &TrustFile, path: &Path) -> Outcome<()> {
    match &file.source {
        None => Ok(()),
        Some(source) => {
            Err(Failure::usage(format!("the authorities of {} are those of {source}", path.display()))
                .hint("put others into another file; a policy can name several trust files"))
        }
    }
}

pub(crate) fn add(args: &TrustAdd, printer: &Printer) -> Outcome {
    let (before, old) = trust::editable(&args.file)?;
    if args.key.is_none() && args.identity.is_none() {
        ours(&before, &args.file)?;
    }
    let mut after = before.clone();
    if let Some(path) = &args.key {
        let keyring = args.keyring.clone().unwrap_or_else(|| stem(path));
        let from = now(args.times.from);
        let key = managed(path, keyring, args.owner.clone(), args.hint.clone(), from, args.times.until)?;
        after.keys.push(key);
    }
    if let Some(name) = &args.identity {
        after.identities.push(args.certificate.named(name, args.owner.clone())?);
    }
    if let Some(path) = &args.ca {
        after.certificate_authorities.push(chain(path, args)?);
    }
    if let Some(path) = &args.tsa {
        after.timestamp_authorities.push(chain(path, args)?);
    }
    if let Some(path) = &args.log {
        after.transparency_logs.push(log(path, args)?);
    }
    if let Some(path) = &args.ct_log {
        after.ct_logs.push(log(path, args)?);
    }
    if let Some(path) = &args.authority {
        take(path, &mut after)?;
        if after == before {
            return Err(Failure::usage(format!("all of {} is there already", path.display())));
        }
    }
    checked(&args.file, &old, &before, &after, printer)
}

/// The earlier of an end that is there and `end`: a rotation never makes anybody's time longer.
fn close(window: &mut Window, end: Timestamp) -> bool {
    let over = window.end.is_some_and(|there| there <= end);
    // What has not begun by then would end before it starts.
    if over || window.start.is_some_and(|start| start > end) {
        return false;
    }
    window.end = Some(end);
    true
}

pub(crate) fn rotate(args: &TrustRotate, printer: &Printer) -> Outcome {
    let (before, old) = trust::editable(&args.file)?;
    let from = now(args.from);
    let end = from.checked_add(args.overlap).map_err(|_| {
        Failure::usage("the overlap ends after the end of time").hint("give a shorter --overlap")
    })?;
    let mut after = before.clone();
    if let (Some(path), Some(keyring)) = (&args.key, &args.keyring) {
        let mut owner = args.owner.clone();
        let mut closed = 0;
        let mut at = after.keys.len();
        for (index, key) in after.keys.iter_mut().enumerate().filter(|(_, k)| k.keyring == *keyring) {
            closed += usize::from(close(&mut key.window, end));
            owner = owner.or_else(|| key.owner.clone());
            at = index + 1;
        }
        if closed == 0 {
            let rings = before.keyrings().join(", ");
            let message = format!("keyring '{keyring}' has no key that could be replaced");
            return Err(Failure::usage(message).hint(if rings.is_empty() {
                "add its first key with `trust add --key`".to_owned()
            } else {
                format!("the keyrings are {rings}; `trust add --key` adds the first key of a new one")
            }));
        }
        // Beside the one that it replaces, so that a reviewer sees both.
        after.keys.insert(at, managed(path, keyring.clone(), owner, args.hint.clone(), from, None)?);
    }
    if let (Some(path), Some(replaces)) = (&args.authority, &args.replaces) {
        ours(&before, &args.file)?;
        replace(&mut after, path, replaces, from, end)?;
    }
    checked(&args.file, &old, &before, &after, printer)
}

/// Signing moves at once; what the old authority vouched for stays good until `end`.
fn replace(
    file: &mut TrustFile,
    path: &Path,
    replaces: &str,
    from: Timestamp,
    end: Timestamp,
) -> Outcome<()> {
    let mut new = TrustFile::default();
    take(path, &mut new)?;
    let matches = |uri: &str| {
        uri.strip_prefix(replaces.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut closed = 0;
    let mut chains = |list: &mut Vec<TrustChain>, new: &mut Vec<TrustChain>| {
        for chain in list.iter_mut().filter(|c| matches(&c.uri)) {
            closed += usize::from(close(&mut chain.window, end));
        }
        new.iter_mut().for_each(|c| c.window.start = c.window.start.max(Some(from)));
        list.append(new);
    };
    chains(&mut file.certificate_authorities, &mut new.certificate_authorities);
    chains(&mut file.timestamp_authorities, &mut new.timestamp_authorities);
    let mut logs = |list: &mut Vec<TrustLog>, new: &mut Vec<TrustLog>| {
        for log in list.iter_mut().filter(|l| matches(&l.uri)) {
            closed += usize::from(close(&mut log.window, end));
        }
        new.iter_mut().for_each(|l| l.window.start = l.window.start.max(Some(from)));
        list.append(new);
    };
    logs(&mut file.ct_logs, &mut new.ct_logs);
    logs(&mut file.transparency_logs, &mut new.transparency_logs);
    if closed == 0 {
        return Err(Failure::usage(format!("no entry has a URI that begins with {replaces}"))
            .hint("`seaworthy trust show` lists them"));
    }
    let Some(mut added) = new.services else { return Ok(()) };
    let services = file.services.get_or_insert_default();
    let move_to = |list: &mut Vec<TrustService>, new: &mut Vec<TrustService>| {
        for service in list.iter_mut().filter(|s| matches(&s.url)) {
            close(&mut service.window, from);
        }
        new.iter_mut().for_each(|s| s.window.start = s.window.start.max(Some(from)));
        list.append(new);
    };
    move_to(&mut services.certificate_authorities, &mut added.certificate_authorities);
    move_to(&mut services.oidc_issuers, &mut added.oidc_issuers);
    move_to(&mut services.transparency_logs, &mut added.transparency_logs);
    move_to(&mut services.timestamp_authorities, &mut added.timestamp_authorities);
    Ok(())
}
