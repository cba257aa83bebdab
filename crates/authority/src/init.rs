//! A new authority: keys, certificates, two empty logs, and the files that clients need.
//!
//! It refuses to touch a folder that holds anything. All of it is made beside the folder and then renamed
//! into place, so that an authority is there whole or not at all.

use crate::config::{self, Address, Config};
use crate::error::{Error, Result};
use crate::log::store::Store;
use crate::x509::{self, Certificate, pem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use seaworthy_sign::{Algorithm, PrivateKey, PublicKey, Secret};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How long the authority's own certificates are valid: ten years. Rotation is a new authority beside it.
const YEARS: i64 = 10;

/// The origin of the certificate transparency log, below the host.
pub(crate) fn ct_origin(address: &Address) -> String {
    format!("{}/ct", address.host)
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
    /// What its key files are encrypted with.
    pub password: &'a Secret,
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

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
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

fn sync(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| Error::local(format!("cannot sync {}: {e}", dir.display())))
}

/// The log begins with the trusted root, signed by the log itself. That says once and for all what the
/// authority started with, and it keeps number 0 and the empty proof from everybody else: cosign leaves
/// both out of a bundle, as JSON of protobuf may, and sigstore-python then refuses the bundle.
fn first_entry(dir: &Path, address: &Address, key: PrivateKey, trusted_root: &[u8]) -> Result<()> {
    let signature = x509::sign(&key, trusted_root)?;
    let request = json!({ "hashedRekordRequestV002": {
        "digest": STANDARD.encode(Sha256::digest(trusted_root)),
        "signature": {
            "content": STANDARD.encode(signature),
            "verifier": { "publicKey": { "rawBytes": STANDARD.encode(key.public_key().as_spki_der()) } },
        },
    } });
    let entry = crate::rekor::read(request.to_string().as_bytes()).map_err(|e| Error::local(e.message))?;
    Store::open(&dir.join("log"), &address.host, Arc::new(key))?.append(&[entry.body])?;
    Ok(())
}

/// Makes an authority.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] for a URL or a name that cannot be used, or a folder that is not empty;
/// [`crate::ErrorKind::Local`] where the disk or the randomness refuses.
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
    let key = |name: &str| -> Result<PrivateKey> {
        let failed = |e: seaworthy_sign::Error| Error::local(format!("cannot make a key: {e}"));
        let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(failed)?;
        let text = key.to_encrypted_pem(options.password).map_err(failed)?;
        write(&dir.join("keys").join(format!("{name}.key")), text.as_bytes())?;
        Ok(key)
    };
    let (root_key, issuer_key, tsa_key) = (key("root")?, key("issuer")?, key("timestamp")?);
    let (log_key, ct_key, _) = (key("log")?, key("ct")?, key("tokens")?);

    let from = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    let until = from + SignedDuration::from_hours(YEARS * 365 * 24);
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
    Store::create(&dir.join("log"), &address.host, &log_key)?;
    Store::create(&dir.join("ct"), &ct_origin(address), &ct_key)?;

    let start = from.to_string();
    let chain = |certificates: &[&Certificate]| -> Value {
        let raw: Vec<_> =
            certificates.iter().map(|c| json!({ "rawBytes": STANDARD.encode(&c.der) })).collect();
        json!({ "certificates": raw })
    };
    let log = |url: String, key: &PublicKey| {
        json!({
            "baseUrl": url,
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": STANDARD.encode(key.as_spki_der()),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": { "start": start },
            },
            "logId": { "keyId": STANDARD.encode(Sha256::digest(key.as_spki_der())) },
        })
    };
    let authority = |what: &str, url: String, chain: Value| {
        json!({
            "subject": { "organization": organization, "commonName": format!("{organization} {what}") },
            "uri": url,
            "certChain": chain,
            "validFor": { "start": start },
        })
    };
    let url = &address.url;
    let trusted_root = json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [log(url.clone(), log_key.public_key())],
        "certificateAuthorities": [authority("root", url.clone(), chain(&[&issuer, &root]))],
        "ctlogs": [log(format!("{url}/ct"), ct_key.public_key())],
        "timestampAuthorities": [
            authority("timestamps", format!("{url}/api/v1/timestamp"), chain(&[&tsa, &root])),
        ],
    });
    let service = |url: String, version: u32| {
        json!([{
            "url": url,
            "majorApiVersion": version,
            "validFor": { "start": start },
            "operator": organization,
        }])
    };
    let signing_config = json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": service(url.clone(), 1),
        "oidcUrls": service(url.clone(), 1),
        "rekorTlogUrls": service(url.clone(), 2),
        "rekorTlogConfig": { "selector": "ANY" },
        "tsaUrls": service(format!("{url}/api/v1/timestamp"), 1),
        "tsaConfig": { "selector": "ANY" },
    });
    let both = json!({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": trusted_root,
        "signingConfig": signing_config,
    });
    let trusted_root = format!("{trusted_root:#}\n");
    for (name, text) in [
        ("trusted_root.json", &trusted_root),
        ("signing_config.json", &format!("{signing_config:#}\n")),
        ("client_trust_config.json", &format!("{both:#}\n")),
    ] {
        write(&dir.join(name), text.as_bytes())?;
    }
    first_entry(dir, address, log_key, trusted_root.as_bytes())?;
    write(&dir.join(config::FILE), Config::template(address).as_bytes())?;
    sync(dir)
}
