//! A new authority: keys, certificates, two empty logs, and the files that clients need.
//!
//! It refuses to touch a folder that holds anything. All of it is made beside the folder and then renamed
//! into place, so that an authority is there whole or not at all.

use crate::config::{self, Address, Config};
use crate::error::{Error, Result};
use crate::folder::{Log, sync};
use crate::keys::{Key, Keys};
use crate::log::store::Store;
use crate::trust;
use crate::x509::{self, Certificate, pem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// How long the authority's own certificates are valid: ten years. All of them can be replaced ([`crate::rotate()`]).
const YEARS: i64 = 10;

/// The end of a certificate of the authority's own that begins at `from`.
pub(crate) fn until(from: Timestamp) -> Timestamp {
    from + SignedDuration::from_hours(YEARS * 365 * 24)
}

/// What a new authority is made from.
#[derive(Debug)]
pub struct Init<'a> {
    /// The folder, which must be empty or not there.
    pub dir: &'a Path,
    /// Where clients will reach it: `https://host[:port]`, or `http://` on loopback.
    pub url: &'a str,
    /// The organisation in its certificates.
    pub organization: &'a str,
    /// Where its keys are to be.
    pub keys: Keys<'a>,
}

/// The files that clients get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// `trusted_root.json`: what to verify against.
    pub trusted_root: PathBuf,
    /// `signing_config.json`: where to sign.
    pub signing_config: PathBuf,
    /// Both in one, for clients that take a ClientTrustConfig.
    pub trust_config: PathBuf,
    /// What is to be edited.
    pub configuration: PathBuf,
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if path.extension().is_some_and(|extension| extension == "key") {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|e| Error::local(format!("cannot write {}: {e}", path.display())))
}

/// The log begins with the trusted root, signed by the log itself. That says once and for all what the
/// authority started with, and it keeps number 0 and the empty proof from everybody else: cosign leaves
/// both out of a bundle, as JSON of protobuf may, and sigstore-python then refuses the bundle.
pub(crate) fn first_entry(dir: &Path, address: &Address, key: Key, trusted_root: &[u8]) -> Result<()> {
    let signature = key.sign(trusted_root)?;
    let request = json!({ "hashedRekordRequestV002": {
        "digest": STANDARD.encode(Sha256::digest(trusted_root)),
        "signature": {
            "content": STANDARD.encode(signature),
            "verifier": { "publicKey": { "rawBytes": STANDARD.encode(key.public_key().as_spki_der()) } },
        },
    } });
    let entry = crate::rekor::read(request.to_string().as_bytes()).map_err(|e| Error::local(e.message))?;
    Store::open(&dir.join("log"), &address.host, key)?.append(&[entry.body])?;
    Ok(())
}

/// Makes an authority.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] for a URL or a name that cannot be used, or a folder that is not empty;
/// [`crate::ErrorKind::Local`] where the disk, the randomness or a plugin refuses. What a plugin made by then
/// stays with it.
pub fn init(options: &Init<'_>) -> Result<Files> {
    let address = Address::read(options.url)?;
    let organization = options.organization;
    if organization.is_empty() || organization.len() > 50 || organization.chars().any(char::is_control) {
        return Err(Error::usage("the organisation's name has 1 to 50 bytes of text"));
    }
    let dir = options.dir;
    let used = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
        Err(e) => return Err(Error::local(format!("cannot read {}: {e}", dir.display()))),
    };
    if used {
        return Err(Error::usage(format!("{} is not empty", dir.display()))
            .hint("an authority is made once; take another folder"));
    }
    let name = dir.file_name().ok_or_else(|| Error::usage("the folder needs a name"))?.to_string_lossy();
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = parent.join(format!(".{name}.new-{}", std::process::id()));
    let made = fill(&new, options, &address).and_then(|()| {
        std::fs::rename(&new, dir)
            .map_err(|e| Error::local(format!("cannot make {}: {e}", dir.display())))?;
        sync(parent)
    });
    if made.is_err() {
        // Only what this run made, and only because it failed.
        let _ = std::fs::remove_dir_all(&new);
    }
    made?;
    Ok(Files {
        trusted_root: dir.join("trusted_root.json"),
        signing_config: dir.join("signing_config.json"),
        trust_config: dir.join("client_trust_config.json"),
        configuration: dir.join(config::FILE),
    })
}

fn fill(dir: &Path, options: &Init<'_>, address: &Address) -> Result<()> {
    let local = |e: std::io::Error| Error::local(format!("cannot make {}: {e}", dir.display()));
    std::fs::create_dir_all(dir.join("keys")).map_err(local)?;
    std::fs::create_dir(dir.join("certs")).map_err(local)?;
    #[cfg(unix)]
    for private in [dir.to_owned(), dir.join("keys")] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(private, mode).map_err(local)?;
    }
    let key = |name: &str| Key::make(dir, name, &options.keys);
    let (root_key, issuer_key, tsa_key) = (key("root")?, key("issuer")?, key("timestamp")?);
    let (log_key, ct_key, _) = (key("log")?, key("ct")?, key("tokens")?);

    let from = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    let until = until(from);
    let unreadable = || Error::local("cannot read the certificate that was just made");
    let read = |der: Vec<u8>| Certificate::read(&der).ok_or_else(unreadable);
    let organization = options.organization;
    let root = read(x509::root(organization, &root_key, from, until)?)?;
    let issuer = read(x509::issuing(organization, issuer_key.public_key(), &root, &root_key, from)?)?;
    let tsa = read(x509::timestamping(organization, tsa_key.public_key(), &root, &root_key, from)?)?;
    for (name, certificate) in [("root", &root), ("issuer", &issuer), ("timestamp", &tsa)] {
        let path = dir.join("certs").join(format!("{name}.pem"));
        write(&path, pem("CERTIFICATE", &certificate.der).as_bytes())?;
    }
    for (log, key) in Log::BOTH.into_iter().zip([&log_key, &ct_key]) {
        Store::create(&dir.join(log.name()), &log.origin(address), key)?;
    }

    let url = &address.url;
    let trusted_root = trust::root(
        trust::log(url, log_key.public_key(), from),
        trust::log(&format!("{url}/ct"), ct_key.public_key(), from),
        trust::authority(organization, "root", url, [&issuer, &root], from),
        trust::authority(organization, "timestamps", &format!("{url}/api/v1/timestamp"), [&tsa, &root], from),
    );
    let files = trust::files(&trusted_root, &trust::signing_config(address, organization, from));
    for (name, text) in &files {
        write(&dir.join(name), text.as_bytes())?;
    }
    let [(_, trusted_root), ..] = &files;
    first_entry(dir, address, log_key, trusted_root.as_bytes())?;
    write(&dir.join(config::FILE), Config::template(address).as_bytes())?;
    sync(dir)
}
