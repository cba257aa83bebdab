//! An identity provider: it signs tokens with a key that it publishes, and lets people log in.

use super::fake::{Answer, Fake, Request, json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use seaworthy_sign::{Algorithm, Payload, PrivateKey};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// What the token endpoint was told by the page that people log in at.
#[derive(Default)]
pub struct LogIn {
    /// Name in the token.
    pub mail: String,
    pub nonce: String,
    pub challenge: String,
    pub redirect: String,
    pub code: String,
    /// How often a device has to ask before somebody gave the code.
    pub pending: usize,
}

pub struct Issuer {
    pub server: Fake,
    pub login: Arc<Mutex<LogIn>>,
    key: Arc<PrivateKey>,
    url: Arc<Mutex<String>>,
}

/// The two numbers of an ECDSA signature in DER, 32 bytes each.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut at = 2;
    let mut out = Vec::new();
    for _ in 0..2 {
        let length = usize::from(der[at + 1]);
        let number = &der[at + 2..at + 2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        out.extend(std::iter::repeat_n(0, 32 - number.len()));
        out.extend_from_slice(number);
        at += 2 + length;
    }
    out
}

/// `claims` as a token by `key`, valid for `seconds`.
fn sign(key: &PrivateKey, issuer: &str, seconds: i64, claims: &Value) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let mut all = json!({ "iss": issuer, "aud": "sigstore", "iat": now, "exp": now + seconds });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let head = json!({ "alg": "ES256", "kid": "k", "typ": "JWT" });
    let message = format!("{}.{}", B64.encode(head.to_string()), B64.encode(all.to_string()));
    let der = key.sign(&Payload::Blob(message.as_bytes())).unwrap();
    format!("{message}.{}", B64.encode(raw(&der)))
}

impl Issuer {
    pub fn start() -> Self {
        let key = Arc::new(PrivateKey::generate(Algorithm::EcdsaP256).unwrap());
        let login = Arc::new(Mutex::new(LogIn::default()));
        let url = Arc::new(Mutex::new(String::new()));
        let (k, l, u) = (Arc::clone(&key), Arc::clone(&login), Arc::clone(&url));
        let server =
            Fake::start(move |request| answer(request, &k, &u.lock().unwrap(), &mut l.lock().unwrap()));
        url.lock().unwrap().clone_from(&server.url);
        Self { server, login, key, url }
    }

    pub fn url(&self) -> String {
        self.url.lock().unwrap().clone()
    }

    pub fn token(&self, seconds: i64, claims: &Value) -> String {
        sign(&self.key, &self.url(), seconds, claims)
    }

    /// Makes tokens elsewhere.
    pub fn minter(&self) -> impl Fn(i64, &Value) -> String + Send + Sync + 'static {
        let (key, url) = (Arc::clone(&self.key), self.url());
        move |seconds, claims| sign(&key, &url, seconds, claims)
    }
}

fn answer(request: &Request, key: &PrivateKey, url: &str, login: &mut LogIn) -> Answer {
    let refused = |why: &str| json(400, &json!({ "error": why }));
    match request.path() {
        "/.well-known/openid-configuration" => json(
            200,
            &json!({
                "issuer": url,
                "jwks_uri": format!("{url}/keys"),
                "authorization_endpoint": format!("{url}/auth"),
                "token_endpoint": format!("{url}/token"),
                "device_authorization_endpoint": format!("{url}/device"),
            }),
        ),
        "/keys" => {
            let spki = key.public_key().as_spki_der();
            let point = &spki[spki.len() - 64..];
            let (x, y) = (B64.encode(&point[..32]), B64.encode(&point[32..]));
            json(
                200,
                &json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "k", "x": x, "y": y }] }),
            )
        }
        "/device" => {
            login.challenge = request.field("code_challenge").unwrap();
            assert_eq!(request.field("code_challenge_method").unwrap(), "S256");
            json(
                200,
                &json!({ "device_code": "the-device", "user_code": "ABCD-EFGH", "verification_uri": format!("{url}/here"), "interval": 1 }),
            )
        }
        "/token" => {
            let verifier = request.field("code_verifier").unwrap_or_default();
            let proven =
                B64.encode(<sha2::Sha256 as sha2::Digest>::digest(verifier.as_bytes())) == login.challenge;
            if !proven || request.field("client_id").as_deref() != Some("sigstore") {
                return refused("invalid_grant");
            }
            let mut claims = json!({ "sub": login.mail, "email": login.mail, "email_verified": true });
            match request.field("grant_type").as_deref() {
                Some("authorization_code") => {
                    let same = request.field("code").as_ref() == Some(&login.code)
                        && request.field("redirect_uri").as_ref() == Some(&login.redirect);
                    if !same {
                        return refused("invalid_grant");
                    }
                    claims["nonce"] = login.nonce.clone().into();
                }
                _ if login.pending > 0 => {
                    login.pending -= 1;
                    return refused("authorization_pending");
                }
                _ if request.field("device_code").as_deref() != Some("the-device") => {
                    return refused("invalid_grant");
                }
                _ => {}
            }
            json(200, &json!({ "id_token": sign(key, url, 600, &claims), "access_token": "x" }))
        }
        _ => json(404, &json!({})),
    }
}
