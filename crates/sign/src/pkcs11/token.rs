//! Signing with a key in a token (PKCS#11 v2.40 and 3.0), through the module that the user names.
//!
//! Used: P-256, P-384 and P-521 (`CKM_ECDSA` over a digest of ours), RSA of 2048, 3072 and 4096 bits
//! (`CKM_RSA_PKCS` over a DigestInfo of ours). Everything is hashed here, so that a token never sees more than
//! a digest. Refused: other kinds of keys, references that fit no key or several, and signatures that do not
//! verify with the key's public half. One PIN is tried once: tokens lock themselves after a few wrong ones.
//!
//! A module is code in C that runs in this process: it is loaded only where it is named by an absolute path.

use super::Uri;
use crate::blob::Blob;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Algorithm, PublicKey};
use crate::secret::Secret;
use crate::signer::{Material, Payload, Signed, Signer};
use async_trait::async_trait;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as ModuleError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens and keys that are looked at: more on one machine is a module gone wrong.
const FOUND: usize = 256;

/// A key in a token.
pub struct TokenSigner {
    session: Arc<Mutex<Session>>,
    key: ObjectHandle,
    public: PublicKey,
    name: String,
}

/// What a token's user is asked for.
pub enum Pin {
    /// This one.
    Given(Secret),
    /// Nobody knows one: good for tokens with a keypad of their own, and for those without a login.
    None,
}

fn failed(tried: &str, on: &dyn std::fmt::Display, e: ModuleError) -> Error {
    let hint = match &e {
        ModuleError::Pkcs11(RvError::PinIncorrect, _) => {
            Some("the PIN is wrong; a token locks itself after a few of these")
        }
        ModuleError::Pkcs11(RvError::PinLocked, _) => {
            Some("the PIN is locked; the token's officer can set a new one")
        }
        _ => None,
    };
    let error = Error::new(tried, on, ErrorKind::Signer(e.to_string()));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

impl TokenSigner {
    /// Loads `module`, opens a session with the token, logs in, and finds the key. It blocks for as long as
    /// the token takes.
    ///
    /// # Errors
    /// [`ErrorKind::Signer`] with what the module says, [`ErrorKind::BadInput`] where the reference fits
    /// several tokens or keys, [`ErrorKind::UnsupportedKey`].
    pub fn open(uri: &Uri, module: &Path, pin: &Pin) -> Result<Self> {
        let shown = module.display();
        let context = Pkcs11::new(module).map_err(|e| failed("load module", &shown, e))?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(ModuleError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(e) => return Err(failed("start module", &shown, e)),
        }
        let (slot, info) = token(&context, uri)?;
        let session = context.open_ro_session(slot).map_err(|e| failed("open", uri, e))?;
        if info.login_required() {
            let pin = match pin {
                Pin::Given(pin) => {
                    let text = std::str::from_utf8(pin.expose()).map_err(|_| {
                        Error::new("log in to", uri, ErrorKind::BadInput("the PIN is no text".into()))
                    })?;
                    Some(AuthPin::new(text.into()))
                }
                Pin::None if info.protected_authentication_path() => None,
                Pin::None => {
                    return Err(Error::new("log in to", uri, ErrorKind::PasswordNeeded).hint(
                        "give pin-source=FILE in the URI, or set SEAWORTHY_PKCS11_PIN or COSIGN_PKCS11_PIN",
                    ));
                }
            };
            match session.login(UserType::User, pin.as_ref()) {
                Ok(()) | Err(ModuleError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
                Err(e) => return Err(failed("log in to", uri, e)),
            }
        }
        let key = object(&session, uri, ObjectClass::PRIVATE_KEY)?;
        let public = public_key(&session, uri, key)?;
        Ok(Self { session: Arc::new(Mutex::new(session)), key, public, name: uri.to_string() })
    }

    async fn sign_digest(&self, digest: &[u8]) -> Result<Vec<u8>> {
        let (session, key, algorithm) = (self.session.clone(), self.key, self.public.algorithm());
        let data = match is_rsa(algorithm) {
            true => [&SHA256_INFO, digest].concat(),
            false => digest.to_vec(),
        };
        // The module blocks, and it is the token's decision for how long.
        let signed = tokio::task::spawn_blocking(move || {
            let mechanism = if is_rsa(algorithm) { Mechanism::RsaPkcs } else { Mechanism::Ecdsa };
            session.lock().unwrap_or_else(PoisonError::into_inner).sign(&mechanism, key, &data)
        });
        let raw = signed
            .await
            .map_err(|e| Error::new("sign with", &self.name, ErrorKind::Local(e.to_string())))?
            .map_err(|e| failed("sign with", &self.name, e))?;
        let signature = if is_rsa(algorithm) { raw } else { ecdsa_der(&raw) };
        self.public.verify_digest(digest, &signature).map_err(|_| {
            let why = "its signature does not verify with its public key; nothing was pushed";
            Error::new("sign with", &self.name, ErrorKind::Signer(why.into()))
        })?;
        Ok(signature)
    }

    fn signed(&self, signature: Vec<u8>) -> Signed {
        Signed { signature, material: Material::PublicKey { hint: self.public.hint() } }
    }
}

#[async_trait]
impl Signer for TokenSigner {
    fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed> {
        let digest = payload.digest(self.public.algorithm().hash());
        Ok(self.signed(self.sign_digest(&digest).await?))
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        Ok(self.signed(self.sign_digest(blob.digest()).await?))
    }
}

/// The one token that the reference fits.
fn token(context: &Pkcs11, uri: &Uri) -> Result<(Slot, TokenInfo)> {
    let asked = |e| failed("look for the token of", uri, e);
    let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is.trim_end());
    let mut found = Vec::new();
    for slot in context.get_slots_with_initialized_token().map_err(asked)?.into_iter().take(FOUND) {
        let info = context.get_token_info(slot).map_err(asked)?;
        let matches = fits(&uri.token, info.label())
            && fits(&uri.manufacturer, info.manufacturer_id())
            && fits(&uri.serial, info.serial_number())
            && fits(&uri.model, info.model())
            && uri.slot.is_none_or(|id| id == slot.id());
        if matches {
            found.push((slot, info));
        }
    }
    let refused = |kind| Error::new("look for the token of", uri, kind);
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => Err(refused(ErrorKind::BadInput("several tokens fit".into()))
            .hint("name one with token=, serial= or slot-id=")),
        (None, _) => Err(refused(ErrorKind::Signer("the module has no such token".into()))),
    }
}

/// The one object of `class` that the reference fits.
fn object(session: &Session, uri: &Uri, class: ObjectClass) -> Result<ObjectHandle> {
    let mut template = vec![Attribute::Class(class)];
    template.extend(uri.object.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec())));
    template.extend(uri.id.clone().map(Attribute::Id));
    let found = session.find_objects(&template).map_err(|e| failed("look for", uri, e))?;
    let refused = |kind| Error::new("look for", uri, kind);
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(refused(ErrorKind::Signer("the token has no such key".into()))),
        _ => {
            Err(refused(ErrorKind::BadInput("several keys fit".into())).hint("name one with object= and id="))
        }
    }
}

/// The public half of `key`: of the public key object beside it, or, for RSA, of the key itself.
fn public_key(session: &Session, uri: &Uri, key: ObjectHandle) -> Result<PublicKey> {
    let read = |object: ObjectHandle, wanted: &[AttributeType]| {
        session.get_attributes(object, wanted).map_err(|e| failed("read", uri, e))
    };
    let attributes = read(key, &[AttributeType::KeyType, AttributeType::Id])?;
    let kind = attributes.iter().find_map(|a| match a {
        Attribute::KeyType(kind) => Some(*kind),
        _ => None,
    });
    let unsupported = |what: &str| Error::new("use", uri, ErrorKind::UnsupportedKey(what.to_owned()));
    let spki = match kind {
        Some(KeyType::RSA) => {
            let parts = read(key, &[AttributeType::Modulus, AttributeType::PublicExponent])?;
            let part = |pick: fn(&Attribute) -> Option<&Vec<u8>>| parts.iter().find_map(pick);
            let modulus = part(|a| if let Attribute::Modulus(n) = a { Some(n) } else { None });
            let exponent = part(|a| if let Attribute::PublicExponent(e) = a { Some(e) } else { None });
            let (Some(modulus), Some(exponent)) = (modulus, exponent) else {
                return Err(unsupported("an RSA key that does not tell its public half"));
            };
            rsa_spki(modulus, exponent)
        }
        Some(KeyType::EC) => {
            let id = attributes.iter().find_map(|a| match a {
                Attribute::Id(id) if !id.is_empty() => Some(id.clone()),
                _ => None,
            });
            let mut beside = uri.clone();
            beside.id = id.or(beside.id);
            let public = object(session, &beside, ObjectClass::PUBLIC_KEY).map_err(|e| {
                e.hint("the public key has to be in the token too, with the same id and label")
            })?;
            let parts = read(public, &[AttributeType::EcParams, AttributeType::EcPoint])?;
            let part = |pick: fn(&Attribute) -> Option<&Vec<u8>>| parts.iter().find_map(pick);
            let curve = part(|a| if let Attribute::EcParams(p) = a { Some(p) } else { None });
            let point = part(|a| if let Attribute::EcPoint(p) = a { Some(p) } else { None });
            let (Some(curve), Some(point)) = (curve, point) else {
                return Err(unsupported("an elliptic curve key that does not tell its point"));
            };
            ec_spki(curve, point)
        }
        Some(other) => return Err(unsupported(&format!("a key of the type {other}"))),
        None => return Err(unsupported("a key that does not tell its type")),
    };
    let public = PublicKey::from_spki_der(&spki).map_err(|e| e.about(uri))?;
    match public.algorithm() {
        Algorithm::Ed25519 => Err(unsupported("an Ed25519 key in a token")),
        _ => Ok(public),
    }
}

fn is_rsa(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096)
}

/// DigestInfo of SHA-256 without the digest (RFC 8017, section 9.2, note 1).
const SHA256_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
/// AlgorithmIdentifier of RSA (RFC 8017, appendix A.1).
const RSA: [u8; 15] = [0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
/// id-ecPublicKey (RFC 5480, section 2.1.1).
const EC: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = length.get((content.len().leading_zeros() / 8) as usize..).unwrap_or_default();
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        out.push(0x80 | length.len() as u8);
    }
    match content.len() {
        0 => out.push(0),
        _ => out.extend_from_slice(length),
    }
    out.extend_from_slice(content);
    out
}

/// An INTEGER that is not negative.
fn uint(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    let mut content = bytes.get(start..).unwrap_or_default().to_vec();
    if content.first().is_none_or(|b| *b >= 0x80) {
        content.insert(0, 0);
    }
    tlv(2, &content)
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    tlv(0x30, &[algorithm, &tlv(3, &[&[0], key].concat())].concat())
}

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    spki(&RSA, &tlv(0x30, &[uint(modulus), uint(exponent)].concat()))
}

/// `CKA_EC_PARAMS` is DER of the curve's name; `CKA_EC_POINT` is an OCTET STRING around the point, or, from
/// old modules, the point itself.
fn ec_spki(curve: &[u8], point: &[u8]) -> Vec<u8> {
    let wrapped = match point {
        // The three curves' points by themselves.
        _ if matches!(point.len(), 65 | 97 | 133) => None,
        [4, 0x81, length, inner @ ..] if usize::from(*length) == inner.len() && *length >= 0x80 => {
            Some(inner)
        }
        [4, length, inner @ ..] if usize::from(*length) == inner.len() && *length < 0x80 => Some(inner),
        _ => None,
    };
    spki(&tlv(0x30, &[&EC, curve].concat()), wrapped.unwrap_or(point))
}

/// r and s, one after the other, as DER (RFC 3279, section 2.2.3).
fn ecdsa_der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    tlv(0x30, &[uint(r), uint(s)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PrivateKey;

    #[test]
    fn points_are_read_with_and_without_their_wrapping() {
        for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::EcdsaP521] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let der = key.public_key().as_spki_der();
            let length = match algorithm {
                Algorithm::EcdsaP256 => 65,
                Algorithm::EcdsaP384 => 97,
                _ => 133,
            };
            let point = &der[der.len() - length..];
            let curve = match algorithm {
                Algorithm::EcdsaP256 => vec![6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
                Algorithm::EcdsaP384 => vec![6, 5, 0x2b, 0x81, 4, 0, 0x22],
                _ => vec![6, 5, 0x2b, 0x81, 4, 0, 0x23],
            };
            assert_eq!(ec_spki(&curve, point), der);
            assert_eq!(ec_spki(&curve, &tlv(4, point)), der);
        }
    }

    #[test]
    fn numbers_are_minimal_and_positive() {
        assert_eq!(uint(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(uint(&[]), [2, 1, 0]);
        assert_eq!(ecdsa_der(&[0, 1, 0xff, 2]), [0x30, 8, 2, 1, 1, 2, 3, 0, 0xff, 2]);
        assert_eq!(tlv(4, &[7; 0x80])[..3], [4, 0x81, 0x80]);
        assert_eq!(tlv(4, &[7; 0x100])[..4], [4, 0x82, 1, 0]);
    }
}
