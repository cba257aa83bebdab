//! Keys, wherever `--key` says they are: files, variables, plugins, tokens.
//!
//! One place turns a reference into something that signs or verifies, so that every command takes every
//! kind of key. Offline, a plugin is refused before it is run: what it talks to is its own affair.

use crate::args::Password;
use crate::context::{given_password, prompt, read_input};
use crate::exit::{Exit, Failure, Outcome};
use seaworthy_oci::OpenOptions;
use seaworthy_sign::kms::{KmsSigner, Reference};
use seaworthy_sign::{KeyFile, KeyRef, KeySigner, PrivateKey, Secret, Signer};
use seaworthy_verifier::{Authority, PublicKey, TrustedKey};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The private key in the file or variable `path`; a key that does not leave its keeper is refused.
pub(crate) fn private_key(path: &Path, password: &Password) -> Outcome<PrivateKey> {
    match KeyRef::of(path)? {
        KeyRef::File(path) => {
            let pem = Zeroizing::new(read_input(&path, "private key")?);
            open_pem(&pem, &path.display().to_string(), password)
        }
        KeyRef::Environment(name) => open_pem(&variable(&name)?, &name, password),
        KeyRef::Plugin(_) | KeyRef::Pkcs11(_) => {
            Err(Failure::usage(format!("the key {} cannot be read: it stays where it is", path.display()))
                .hint("give a file with a private key"))
        }
    }
}

/// What an environment variable holds.
fn variable(name: &str) -> Outcome<Zeroizing<Vec<u8>>> {
    let value = std::env::var_os(name)
        .ok_or_else(|| Failure::local(format!("cannot read the key env://{name}: it is not set")))?;
    Ok(Zeroizing::new(value.into_encoded_bytes()))
}

fn open_pem(pem: &[u8], name: &str, password: &Password) -> Outcome<PrivateKey> {
    let named = |error: seaworthy_sign::Error| error.about(format_args!("private key {name}"));
    let kind = KeyFile::of(pem).map_err(named)?;
    let secret = match (kind, given_password(password)?) {
        (KeyFile::Encrypted, None) => {
            // The empty password is legal, and common in tests and behind other protection: it is tried
            // before anybody is asked.
            let empty = Secret::new(Vec::new());
            match PrivateKey::from_pem(pem, Some(&empty)) {
                Ok(key) => return Ok(key),
                Err(error) => match prompt(&format!("password of {name}: "))? {
                    Some(secret) => Some(secret),
                    None => {
                        return Err(Failure::from(named(error))
                            .hint("set SEAWORTHY_PASSWORD or COSIGN_PASSWORD, or give --password-file"));
                    }
                },
            }
        }
        (_, given) => given,
    };
    Ok(PrivateKey::from_pem(pem, secret.as_ref()).map_err(named)?)
}

/// What signs with the key that `path` names.
pub(crate) async fn signer(
    path: &Path,
    password: &Password,
    options: &OpenOptions,
) -> Outcome<Arc<dyn Signer>> {
    Ok(match KeyRef::of(path)? {
        KeyRef::File(_) | KeyRef::Environment(_) => Arc::new(KeySigner::new(private_key(path, password)?)),
        KeyRef::Plugin(reference) => Arc::new(plugin(reference, options).await?),
        KeyRef::Pkcs11(uri) => token(uri).await?,
    })
}

/// A plugin, unless no socket may be opened.
async fn plugin(reference: Reference, options: &OpenOptions) -> Outcome<KmsSigner> {
    not_offline(&reference, options)?;
    Ok(KmsSigner::open(reference).await?)
}

/// Refuses to run a plugin `--offline`.
pub(crate) fn not_offline(reference: &Reference, options: &OpenOptions) -> Outcome<()> {
    if options.offline {
        return Err(Failure::usage(format!(
            "--offline opens no socket, and nobody can say what {} opens",
            reference.program()
        ))
        .hint("offline, give a key file; `seaworthy public-key` writes one to verify with"));
    }
    Ok(())
}

/// The variables that name the module, where the URI does not: ours, and cosign's.
#[cfg(feature = "pkcs11")]
const MODULE: [&str; 2] = ["SEAWORTHY_PKCS11_MODULE", "COSIGN_PKCS11_MODULE_PATH"];

/// The variables with the PIN.
#[cfg(feature = "pkcs11")]
const PIN: [&str; 2] = ["SEAWORTHY_PKCS11_PIN", "COSIGN_PKCS11_PIN"];

/// A key in a token: the PIN comes from the URI's pin-source, from the environment, or from the terminal.
#[cfg(feature = "pkcs11")]
async fn token(uri: seaworthy_sign::pkcs11::Uri) -> Outcome<Arc<dyn Signer>> {
    use seaworthy_sign::pkcs11::{Pin, TokenSigner};
    let named = MODULE.iter().find_map(std::env::var_os).map(PathBuf::from);
    let module = uri.module().cloned().or(named).ok_or_else(|| {
        Failure::usage(format!("nothing says which module serves {uri}"))
            .hint("give ?module-path=/path/to/module.so in the URI, or set SEAWORTHY_PKCS11_MODULE")
    })?;
    if !module.is_absolute() {
        return Err(Failure::usage(format!("the module {} is no absolute path", module.display())));
    }
    let pin = match uri.pin_source() {
        Some(path) => {
            let bytes = Zeroizing::new(read_input(path, "PIN file")?);
            let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            Some(Secret::new(bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec()))
        }
        None => match PIN.iter().find_map(std::env::var_os) {
            Some(pin) => Some(Secret::new(pin.into_encoded_bytes())),
            None => prompt(&format!("PIN for {uri}: "))?,
        },
    };
    let pin = pin.map_or(Pin::None, Pin::Given);
    let opened = tokio::task::spawn_blocking(move || TokenSigner::open(&uri, &module, &pin));
    let signer = opened.await.map_err(|e| Failure::local(format!("cannot open the token: {e}")))??;
    Ok(Arc::new(signer))
}

#[cfg(not(feature = "pkcs11"))]
async fn token(uri: seaworthy_sign::pkcs11::Uri) -> Outcome<Arc<dyn Signer>> {
    Err(Failure::usage(format!("cannot use {uri}: this program was built without PKCS#11"))
        .hint("build it with `cargo build --release -p seaworthy --features pkcs11`"))
}

/// The public key that `path` names: of a file, a variable, a plugin, a token.
async fn public_key(path: &Path, options: &OpenOptions) -> Outcome<PublicKey> {
    let bad = |why: String| Failure::new(Exit::Local, format!("{}: {why}", path.display()));
    match KeyRef::of(path)? {
        KeyRef::File(_) => Err(bad("a file is read by the verifier".into())),
        KeyRef::Environment(name) => {
            let pem = variable(&name)?;
            let text = std::str::from_utf8(&pem).map_err(|_| bad("it is no text".into()))?;
            PublicKey::from_pem(text).map_err(bad)
        }
        KeyRef::Plugin(reference) => {
            PublicKey::from_spki(plugin(reference, options).await?.public_key().as_spki_der()).map_err(bad)
        }
        KeyRef::Pkcs11(uri) => {
            PublicKey::from_spki(token(uri).await?.public_key().as_spki_der()).map_err(bad)
        }
    }
}

/// Who signs with the key that `path` names, under `name`.
pub(crate) async fn authority(
    name: impl Into<String>,
    path: &Path,
    options: &OpenOptions,
) -> Outcome<Authority> {
    if let KeyRef::File(path) = KeyRef::of(path)? {
        return Authority::key_file(name, &path).map_err(|why| Failure::new(Exit::Local, why));
    }
    let key = public_key(path, options).await?;
    Ok(Authority::keys(name, vec![TrustedKey { key, not_before: None, not_after: None }], None))
}

/// The public keys in `paths` as authorities named after their files.
pub(crate) async fn authorities(paths: &[PathBuf], options: &OpenOptions) -> Outcome<Vec<Authority>> {
    let mut found = Vec::new();
    for path in paths {
        let name = match KeyRef::of(path)? {
            KeyRef::File(path) => {
                path.file_stem().map_or_else(|| "key".into(), |s| s.to_string_lossy().into_owned())
            }
            KeyRef::Pkcs11(uri) => uri.to_string(),
            _ => path.display().to_string(),
        };
        found.push(authority(name, path, options).await.map_err(|failure| match failure.hint {
            None => failure.hint("--key takes a PEM public key here, such as keygen's .pub file"),
            Some(_) => failure,
        })?);
    }
    Ok(found)
}
