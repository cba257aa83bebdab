//! Signing with a key in a token (PKCS#11 v2.40 and 3.0), through the module that the user names.
//!
//! Used: P-256, P-384 and P-521 (`CKM_ECDSA` over a digest of ours), RSA of 2048, 3072 and 4096 bits
//! (`CKM_RSA_PKCS` over a DigestInfo of ours), and Ed25519 (`CKM_EDDSA`). Everything is hashed here, so that a token
//! never sees more than a digest; Ed25519 alone signs the message itself. Refused: other kinds of keys, references that fit no key or several, and signatures that do not
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
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
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

    /// What the token makes of `data`, with the one mechanism that such a key has.
    async fn sign_raw(&self, data: Vec<u8>) -> Result<Vec<u8>> {
        let (session, key, algorithm) = (self.session.clone(), self.key, self.public.algorithm());
        // The module blocks, and it is the token's decision for how long.
        let signed = tokio::task::spawn_blocking(move || {
            let mechanism = match algorithm {
                Algorithm::Ed25519 => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)),
                rsa if is_rsa(rsa) => Mechanism::RsaPkcs,
                _ => Mechanism::Ecdsa,
            };
            session.lock().unwrap_or_else(PoisonError::into_inner).sign(&mechanism, key, &data)
        });
        signed
            .await
            .map_err(|e| Error::new("sign with", &self.name, ErrorKind::Local(e.to_string())))?
            .map_err(|e| failed("sign with", &self.name, e))
    }

    fn unlike(&self) -> Error {
        let why = "its signature does not verify with its public key; nothing was pushed";
        Error::new("sign with", &self.name, ErrorKind::Signer(why.into()))
    }

    async fn sign_digest(&self, digest: &[u8]) -> Result<Vec<u8>> {
        let rsa = is_rsa(self.public.algorithm());
        let data = match rsa {
            true => [&SHA256_INFO, digest].concat(),
            false => digest.to_vec(),
        };
        let raw = self.sign_raw(data).await?;
        let signature = if rsa { raw } else { ecdsa_der(&raw) };
        self.public.verify_digest(digest, &signature).map_err(|_| self.unlike())?;
        Ok(signature)
    }

    /// Ed25519 hashes for itself, twice, so that it needs all of the message.
    async fn sign_message(&self, payload: &Payload<'_>) -> Result<Vec<u8>> {
        let signature = self.sign_raw(payload.message().into_owned()).await?;
        self.public.verify(payload, &signature).map_err(|_| self.unlike())?;
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
        if self.public.algorithm() == Algorithm::Ed25519 {
            return Ok(self.signed(self.sign_message(payload).await?));
        }
        let digest = payload.digest(self.public.algorithm().hash());
        Ok(self.signed(self.sign_digest(&digest).await?))
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        if self.public.algorithm() == Algorithm::Ed25519 {
            let held = blob.content().ok_or_else(|| {
                let why = "an Ed25519 key signs no digests, and the file is not held".into();
                Error::new("sign", "file", ErrorKind::Signer(why))
            })?;
            return self.sign_payload(&Payload::Blob(held)).await;
        }
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
        Some(kind @ (KeyType::EC | KeyType::EC_EDWARDS)) => {
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
            match kind {
                KeyType::EC => ec_spki(curve, point),
                // Ed448 has a longer point; which of the two the parameters name, modules write in three ways.
                _ => ed25519_spki(point).ok_or_else(|| unsupported("a key on another curve than Ed25519"))?,
            }
        }
        Some(other) => return Err(unsupported(&format!("a key of the type {other}"))),
        None => return Err(unsupported("a key that does not tell its type")),
    };
    PublicKey::from_spki_der(&spki).map_err(|e| e.about(uri))
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

/// `CKA_EC_POINT` of an Edwards key is the point by itself (PKCS#11 v3.0), or in an OCTET STRING or BIT STRING, as modules
/// have it that are older or asked the errata.
fn ed25519_spki(point: &[u8]) -> Option<Vec<u8>> {
    let bare = match point {
        [4, 0x20, bare @ ..] | [3, 0x21, 0, bare @ ..] => bare,
        bare => bare,
    };
    // id-Ed25519, without parameters (RFC 8410, section 3).
    (bare.len() == 32).then(|| spki(&[0x30, 5, 6, 3, 0x2b, 0x65, 0x70], bare))
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
    fn edwards_points_are_read_in_three_forms() {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let der = key.public_key().as_spki_der();
        let point = &der[der.len() - 32..];
        for form in [point.to_vec(), tlv(4, point), tlv(3, &[&[0], point].concat())] {
            assert_eq!(ed25519_spki(&form).as_deref(), Some(der));
        }
        assert_eq!(ed25519_spki(&[7; 57]), None);
        assert_eq!(ed25519_spki(&[]), None);
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
