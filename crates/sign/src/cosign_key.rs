//! cosign's encrypted private keys, read and written.
//!
//! A PEM block around JSON: scrypt makes a key from the password, NaCl's secretbox (XSalsa20-Poly1305)
//! holds PKCS#8 DER. The parameters stand in the file, so a hostile file could ask for hours of work and
//! all memory: only the three costs that cosign ever wrote are run, and that is checked before any work.

use crate::error::{Error, ErrorKind, Result};
use crate::pem;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The PEM label that cosign writes since 2.0.
pub const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
/// The PEM label before.
pub const OLD_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";
/// The scrypt costs that are run: cosign's first, its present default, and its strongest.
pub const ALLOWED_N: [u64; 3] = [32_768, 65_536, 131_072];
/// The scrypt cost that is written, as cosign 3 does: 64 MiB of memory.
pub const WRITTEN_N: u64 = 65_536;

const R: u64 = 8;
const P: u64 = 1;
const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

#[derive(Serialize, Deserialize)]
struct File {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

fn broken(why: impl Into<String>) -> Error {
    Error::new("read", "encrypted private key", ErrorKind::BrokenKey(why.into()))
}

/// Derives the key; `n` was checked.
fn derive(password: &Secret, salt: &[u8], n: u64) -> Result<Zeroizing<[u8; 32]>> {
    let refused = || Error::new("derive", "key", ErrorKind::KdfRefused { n, r: R, p: P });
    let params = scrypt::Params::new(n.trailing_zeros() as u8, R as u32, P as u32).map_err(|_| refused())?;
    let mut key = Zeroizing::new([0u8; 32]);
    scrypt::scrypt(password.expose(), salt, &params, key.as_mut_slice()).map_err(|_| refused())?;
    Ok(key)
}

/// Opens the JSON `body` of a block; the answer is PKCS#8 DER.
pub(crate) fn open(body: &[u8], password: &Secret) -> Result<Secret> {
    let file: File =
        seaworthy_oci::strict::from_slice(body).map_err(|e| broken(format!("not cosign's format: {e}")))?;
    let decode = |what: &str, text: &str| {
        STANDARD.decode(text).map_err(|e| broken(format!("the {what} is bad base64: {e}")))
    };
    if file.kdf.name != "scrypt" {
        return Err(broken(format!("unknown key derivation '{}'", pem::shown(&file.kdf.name))));
    }
    if file.cipher.name != "nacl/secretbox" {
        return Err(broken(format!("unknown cipher '{}'", pem::shown(&file.cipher.name))));
    }
    let Params { n, r, p } = file.kdf.params;
    if !ALLOWED_N.contains(&n) || r != R || p != P {
        return Err(Error::new("read", "encrypted private key", ErrorKind::KdfRefused { n, r, p })
            .hint("write the key again with cosign, or `seaworthy import-key-pair` on its plain form"));
    }
    let salt = decode("salt", &file.kdf.salt)?;
    let nonce = decode("nonce", &file.cipher.nonce)?;
    let ciphertext = decode("ciphertext", &file.ciphertext)?;
    if salt.len() != SALT_BYTES {
        return Err(broken(format!("the salt has {} bytes, not {SALT_BYTES}", salt.len())));
    }
    if nonce.len() != NONCE_BYTES {
        return Err(broken(format!("the nonce has {} bytes, not {NONCE_BYTES}", nonce.len())));
    }
    let key = derive(password, &salt, n)?;
    let cipher = XSalsa20Poly1305::new(Key::from_slice(key.as_slice()));
    // The tag cannot tell a wrong password from a changed ciphertext; all else was checked above.
    let plain = cipher.decrypt(Nonce::from_slice(&nonce), ciphertext.as_slice()).map_err(|_| {
        Error::new("open", "encrypted private key", ErrorKind::WrongPassword)
            .hint("or the encrypted part of the file was changed: the two look alike from outside")
    })?;
    Ok(Secret::new(plain))
}

/// Encrypts PKCS#8 DER as cosign does.
pub(crate) fn seal(pkcs8: &Secret, password: &Secret) -> Result<String> {
    let mut salt = [0u8; SALT_BYTES];
    let mut nonce = [0u8; NONCE_BYTES];
    for bytes in [salt.as_mut_slice(), nonce.as_mut_slice()] {
        getrandom::fill(bytes).map_err(|e| {
            Error::new("encrypt", "private key", ErrorKind::Local(format!("no randomness: {e}")))
        })?;
    }
    let key = derive(password, &salt, WRITTEN_N)?;
    let cipher = XSalsa20Poly1305::new(Key::from_slice(key.as_slice()));
    let ciphertext = cipher
        .encrypt(Nonce::from_slice(&nonce), pkcs8.expose())
        .map_err(|e| Error::new("encrypt", "private key", ErrorKind::Local(e.to_string())))?;
    let file = File {
        kdf: Kdf {
            name: "scrypt".into(),
            params: Params { n: WRITTEN_N, r: R, p: P },
            salt: STANDARD.encode(salt),
        },
        cipher: Cipher { name: "nacl/secretbox".into(), nonce: STANDARD.encode(nonce) },
        ciphertext: STANDARD.encode(ciphertext),
    };
    let body = serde_json::to_vec(&file)
        .map_err(|e| Error::new("encrypt", "private key", ErrorKind::Local(e.to_string())))?;
    Ok(pem::encode(LABEL, &body).to_string())
}
