//! Who asks for a certificate: identity tokens (OpenID Connect), and what they prove.
//!
//! A token is believed when its issuer is in authority.yaml (or is the built-in one), its signature is by a
//! key that this issuer publishes *now*, it is meant for us (`aud`), and it is valid now. Algorithms are
//! RS256 and ES256, and the key's kind decides which, never the token's header alone; `none` and the HMAC
//! family do not exist here. An issuer that does not answer is "could not find out" (503), not "no" (401).

use crate::asn1::{self, SEQUENCE, bits, oid, seq, tlv, uint};
use crate::config::{AUDIENCE, Address, Config, Issuer, Names, StaticToken, Switch, issuer_url};
use crate::error::{Error, Refused, Result};
use crate::keys::Key as OwnKey;
use crate::limits::{
    CLAIM_BYTES, CLOCK_SKEW_SECONDS, ISSUER_TIME, JWKS_AGAIN, JWKS_AGE, JWKS_BYTES, JWKS_KEYS, SUBJECT_BYTES,
    TOKEN_BYTES, TOKEN_SECONDS,
};
use crate::pipelines;
use crate::verify::Key;
use crate::x509::{Claims, Subject};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use jiff::Timestamp;
use seaworthy_sign::PublicKey;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sigstore_crypto::SigningScheme;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

/// The issuer in certificates for static tokens, below the authority's own URL.
const STATIC_ISSUER: &str = "/static";

/// A proven identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) subject: Subject,
    pub(crate) claims: Claims,
    /// What a client may sign to prove that it holds its key: its subject, by either name.
    pub(crate) challenges: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Booleans that some providers write as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Text(String),
}

#[derive(Debug, Deserialize)]
struct Token {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    email: Option<String>,
    email_verified: Option<Flag>,
    #[serde(flatten)]
    other: HashMap<String, serde_json::Value>,
}

fn no(message: impl Into<String>) -> Refused {
    Refused::unauthorized(message)
}

/// The SPKI of a published key; `None` for kinds that are not used here.
fn spki(jwk: &Jwk) -> Option<Vec<u8>> {
    if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let part = |text: &Option<String>| B64.decode(text.as_ref()?).ok();
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-256")) => {
            let (x, y) = (part(&jwk.x)?, part(&jwk.y)?);
            (x.len() == 32 && y.len() == 32).then_some(())?;
            let algorithm = seq(&[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]);
            Some(seq(&[&algorithm, &bits(&[&[4], x.as_slice(), &y].concat())]))
        }
        ("RSA", _) => {
            let key = seq(&[&uint(&part(&jwk.n)?), &uint(&part(&jwk.e)?)]);
            Some(seq(&[&seq(&[&oid("1.2.840.113549.1.1.1"), &tlv(5, &[])]), &bits(&key)]))
        }
        _ => None,
    }
}

/// The DER form of the two halves that a token's ECDSA signature is (RFC 7518, section 3.4).
fn der_signature(raw: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = (raw.len() == 64).then(|| raw.split_at(32))?;
    Some(seq(&[&uint(r), &uint(s)]))
}

struct Cached {
    keys: Vec<(Option<String>, Key)>,
    at: Instant,
}

/// All that decides whether a token is believed.
pub(crate) struct Identities {
    base: String,
    built_in: Option<(String, PublicKey)>,
    issuers: Vec<Issuer>,
    tokens: Vec<StaticToken>,
    cache: Mutex<HashMap<String, Cached>>,
    /// One fetch at a time: a hundred tokens of one new issuer are one request to it.
    fetching: tokio::sync::Mutex<()>,
}

impl Identities {
    pub(crate) fn new(config: &Config, address: &Address, own: &PublicKey) -> Self {
        let enabled = config.built_in_issuer == Switch::Enabled;
        Self {
            base: address.url.clone(),
            built_in: enabled.then(|| (address.url.clone(), own.clone())),
            issuers: config.issuers.clone(),
            tokens: config.tokens.clone(),
            cache: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// What `/api/v2/configuration` says.
    pub(crate) fn configuration(&self) -> serde_json::Value {
        let built_in = self.built_in.iter().map(|(url, _)| (url.as_str(), AUDIENCE, "email"));
        let others = self.issuers.iter().map(|issuer| {
            let claim = if issuer.names == Names::Email { "email" } else { "sub" };
            (issuer.url.as_str(), issuer.audience.as_str(), claim)
        });
        let issuers: Vec<_> = built_in
            .chain(others)
            .map(|(url, audience, claim)| {
                serde_json::json!({ "issuerUrl": url, "audience": audience, "challengeClaim": claim })
            })
            .collect();
        serde_json::json!({ "issuers": issuers })
    }

    /// Who holds this token.
    pub(crate) async fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, Refused> {
        if token.len() > TOKEN_BYTES {
            return Err(no(format!("a token has at most {TOKEN_BYTES} bytes")));
        }
        if let Some(identity) = self.fixed(token) {
            return identity;
        }
        let mut parts = token.split('.');
        let (Some(head), Some(body), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(no("this is neither a known token nor a JSON web token"));
        };
        let json = |text: &str| B64.decode(text).map_err(|_| no("the token is not base64url"));
        let header: Header =
            serde_json::from_slice(&json(head)?).map_err(|_| no("the token's header is not one of a JWT"))?;
        let claims: Token = serde_json::from_slice(&json(body)?)
            .map_err(|e| no(format!("the token lacks what an identity token has: {e}")))?;
        let signature = json(signature)?;
        let message = [head, ".", body].concat();

        // The issuer is looked up before its name is used for anything.
        let (audience, names, trust_domain) =
            match (&self.built_in, self.issuers.iter().find(|i| i.url == claims.iss)) {
                (Some((url, key)), _) if *url == claims.iss => {
                    check(&Key::read(key.as_spki_der())?, &header, message.as_bytes(), &signature)?;
                    (AUDIENCE, if claims.email.is_some() { Names::Email } else { Names::Uri }, None)
                }
                (_, Some(issuer)) => {
                    self.check_with_published(issuer, &header, message.as_bytes(), &signature).await?;
                    (issuer.audience.as_str(), issuer.names, issuer.trust_domain.as_deref())
                }
                _ => return Err(no("the token's issuer is not one of this authority's")),
            };
        let meant = match &claims.aud {
            Audience::One(one) => one == audience,
            Audience::Many(many) => many.iter().any(|one| one == audience),
        };
        if !meant {
            return Err(no(format!("the token is not for the audience '{audience}'")));
        }
        let now = now.as_second();
        if claims.exp <= now.saturating_sub(CLOCK_SKEW_SECONDS) {
            return Err(no("the token has expired"));
        }
        let latest = now.saturating_add(CLOCK_SKEW_SECONDS);
        if claims.nbf.is_some_and(|at| at > latest) || claims.iat.is_some_and(|at| at > latest) {
            return Err(no("the token is not valid yet"));
        }
        identity(&claims, names, trust_domain)
    }

    /// The identity of a static token. Its hash is compared, so that the time taken tells nothing about it.
    fn fixed(&self, token: &str) -> Option<Result<Identity, Refused>> {
        let hash = hex::encode(Sha256::digest(token.as_bytes()));
        let found = self.tokens.iter().find(|known| known.sha256.eq_ignore_ascii_case(&hash))?;
        let subject = subject(&found.subject, if is_uri(&found.subject) { Names::Uri } else { Names::Email });
        let issuer = format!("{}{STATIC_ISSUER}", self.base);
        Some(subject.map(|subject| Identity {
            subject,
            claims: vec![(1, issuer.clone()), (8, issuer)],
            challenges: vec![found.subject.clone()],
        }))
    }

    async fn check_with_published(
        &self,
        issuer: &Issuer,
        header: &Header,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refused> {
        if let Some(answer) = self.check_with_cached(issuer, header, message, signature, JWKS_AGE) {
            return answer;
        }
        let _one = self.fetching.lock().await;
        // Somebody else may have fetched while this one waited; and a key that is not there is looked for
        // again only after a while.
        if let Some(answer) = self.check_with_cached(issuer, header, message, signature, JWKS_AGAIN) {
            return answer;
        }
        let keys = fetch(issuer).await.map_err(|why| {
            Refused::unavailable(format!("cannot get the keys of the issuer {}: {why}", issuer.url))
        })?;
        if let Ok(mut cache) = self.cache.lock() {
            cache.insert(issuer.url.clone(), Cached { keys, at: Instant::now() });
        }
        self.check_with_cached(issuer, header, message, signature, JWKS_AGAIN)
            .unwrap_or_else(|| Err(no("the token's issuer does not publish the key that signed it")))
    }

    /// `None` where the cache is too old to say, or lacks the key and is not brand new.
    fn check_with_cached(
        &self,
        issuer: &Issuer,
        header: &Header,
        message: &[u8],
        signature: &[u8],
        age: std::time::Duration,
    ) -> Option<Result<(), Refused>> {
        let cache = self.cache.lock().ok()?;
        let cached = cache.get(&issuer.url).filter(|cached| cached.at.elapsed() < age)?;
        let mut named =
            cached.keys.iter().filter(|(id, _)| header.kid.is_none() || *id == header.kid).peekable();
        if named.peek().is_none() {
            let fresh = cached.at.elapsed() < JWKS_AGAIN;
            return fresh.then(|| Err(no("the token's issuer does not publish the key that signed it")));
        }
        let mut answer = Err(no("the token is not signed by its issuer"));
        for (_, key) in named {
            answer = answer.or_else(|_| check(key, header, message, signature));
        }
        Some(answer)
    }
}

/// The keys that an issuer publishes now.
async fn fetch(issuer: &Issuer) -> Result<Vec<(Option<String>, Key)>, String> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
        jwks_uri: String,
    }
    let url = format!("{}/.well-known/openid-configuration", issuer.url.trim_end_matches('/'));
    let found: Discovery =
        serde_json::from_slice(&get(&url).await?).map_err(|e| format!("its discovery: {e}"))?;
    if found.issuer != issuer.url {
        return Err("its discovery document is of another issuer".into());
    }
    let set: Jwks =
        serde_json::from_slice(&get(&found.jwks_uri).await?).map_err(|e| format!("its keys: {e}"))?;
    if set.keys.len() > JWKS_KEYS {
        return Err(format!("it publishes more than {JWKS_KEYS} keys"));
    }
    // Keys of kinds that are not used here are passed over: providers publish several.
    let known = set.keys.into_iter().filter_map(|value| {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let key = Key::read(&spki(&jwk)?).ok()?;
        Some((jwk.kid, key))
    });
    Ok(known.collect())
}

async fn get(url: &str) -> Result<Vec<u8>, String> {
    let plain = issuer_url(url).map_err(|e| e.message)?.scheme() == "http";
    // Fails only where the program installed a provider before: then that one is used.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // A client of its own for each of the few fetches: plain HTTP is on loopback, which no proxy may see,
    // and must work on a machine without certificate authorities.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(ISSUER_TIME);
    let client = if plain { client.no_proxy().tls_certs_only([]) } else { client };
    let client = client.build().map_err(|e| format!("cannot prepare a connection: {e}"))?;
    let mut response = client.get(url).send().await.map_err(|e| e.without_url().to_string())?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("it answered {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| e.without_url().to_string())? {
        if body.len() + chunk.len() > JWKS_BYTES {
            return Err(format!("it sent more than {JWKS_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether the token is signed by this key, in the one way that keys of this kind sign.
fn check(key: &Key, header: &Header, message: &[u8], signature: &[u8]) -> Result<(), Refused> {
    let good = match (header.alg.as_str(), key.scheme()) {
        ("RS256", SigningScheme::RsaPkcs1Sha256) => key.verifies(message, signature),
        ("ES256", SigningScheme::EcdsaP256Sha256) => {
            der_signature(signature).is_some_and(|der| key.verifies(message, &der))
        }
        _ => return Err(no("tokens are signed with RS256 or ES256, by a key of that kind")),
    };
    if good { Ok(()) } else { Err(no("the token is not signed by its issuer")) }
}

fn is_uri(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| text.contains("://") && url.has_host())
}

fn is_mail(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

fn subject(text: &str, names: Names) -> Result<Subject, Refused> {
    // IA5String in the certificate: ASCII without controls, and a space would split it in too many readers.
    if text.len() > SUBJECT_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(no(format!("a subject is printable ASCII of at most {SUBJECT_BYTES} bytes")));
    }
    match names {
        Names::Email if is_mail(text) => Ok(Subject::Email(text.to_owned())),
        Names::Email => Err(no("the token's mail address is none")),
        _ if is_uri(text) => Ok(Subject::Uri(text.to_owned())),
        _ => Err(no("the token's subject is no URI")),
    }
}

/// A SPIFFE ID in the domain that its issuer may speak for (SPIFFE-ID, section 2): `spiffe://domain/path`, compared
/// byte for byte, because another spelling is another name to somebody else.
fn spiffe(text: &str, domain: Option<&str>) -> Result<Subject, Refused> {
    let path =
        domain.and_then(|domain| text.strip_prefix("spiffe://")?.strip_prefix(domain)?.strip_prefix('/'));
    let path = path.ok_or_else(|| no("the token's subject is no SPIFFE ID in the issuer's trust domain"))?;
    let segment = |part: &str| {
        let good = |c: u8| c.is_ascii_alphanumeric() || b".-_".contains(&c);
        !part.is_empty() && part != "." && part != ".." && part.bytes().all(good)
    };
    if !path.split('/').all(segment) {
        return Err(no("the path of the token's SPIFFE ID is not one"));
    }
    subject(text, Names::Spiffe)
}

fn identity(token: &Token, names: Names, trust_domain: Option<&str>) -> Result<Identity, Refused> {
    // .1 is the issuer as text, .8 the same as DER; both are written, as Fulcio does.
    let mut claims = vec![(1, token.iss.clone())];
    let mut challenges = vec![token.sub.clone()];
    let subject = match names {
        Names::Email => {
            let verified = match &token.email_verified {
                Some(Flag::Bool(flag)) => *flag,
                Some(Flag::Text(flag)) => flag == "true",
                None => false,
            };
            let mail = token.email.as_deref().ok_or_else(|| no("the token has no mail address"))?;
            if !verified {
                return Err(no("the token's mail address is not verified"));
            }
            challenges.push(mail.to_owned());
            subject(mail, names)?
        }
        Names::Uri => subject(&token.sub, names)?,
        Names::Spiffe => spiffe(&token.sub, trust_domain)?,
        Names::Github | Names::Gitlab | Names::Buildkite => {
            let of = |name: &str| token.other.get(name).and_then(|value| value.as_str());
            let (subject_of_pipeline, more) = match names {
                Names::Github => pipelines::github(of),
                Names::Gitlab => pipelines::gitlab(&token.iss, of),
                _ => pipelines::buildkite(of),
            }
            .map_err(|missing| no(format!("the token names no {missing}")))?;
            claims.extend(more);
            subject(&subject_of_pipeline, Names::Uri)?
        }
    };
    claims.push((8, token.iss.clone()));
    claims.sort();
    if claims.iter().any(|(_, value)| value.is_empty() || value.len() > CLAIM_BYTES) {
        return Err(no(format!("a claim of the token is empty or longer than {CLAIM_BYTES} bytes")));
    }
    Ok(Identity { subject, claims, challenges })
}

/// The built-in issuer's key set.
pub(crate) fn jwks(key: &PublicKey) -> Option<serde_json::Value> {
    // SPKI of P-256 ends with the point: 4, x, y.
    let mut walk = asn1::Walk(key.as_spki_der());
    let mut fields = asn1::Walk(walk.expect(SEQUENCE)?.content);
    fields.expect(SEQUENCE)?;
    let point = fields.expect(asn1::BIT_STRING)?.content;
    let (x, y) = (point.get(2..34)?, point.get(34..66)?);
    Some(serde_json::json!({ "keys": [{
        "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "kid": key_id(key),
        "x": B64.encode(x), "y": B64.encode(y),
    }] }))
}

fn key_id(key: &PublicKey) -> String {
    B64.encode(Sha256::digest(key.as_spki_der()))
}

/// Makes a token of the built-in issuer.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] where the subject is neither a mail address nor a URI, or the lifetime is not
/// between one second and a day.
pub(crate) fn mint(
    issuer: &str,
    key: &OwnKey,
    who: &str,
    audience: &str,
    now: Timestamp,
    seconds: i64,
) -> Result<String> {
    if !(1..=TOKEN_SECONDS).contains(&seconds) {
        return Err(Error::usage(format!("a token is valid for 1 to {TOKEN_SECONDS} seconds")));
    }
    let names = if is_uri(who) { Names::Uri } else { Names::Email };
    subject(who, names).map_err(|_| Error::usage(format!("'{who}' is neither a mail address nor a URI")))?;
    let now = now.as_second();
    let header = serde_json::json!({ "alg": "ES256", "kid": key_id(key.public_key()), "typ": "JWT" });
    let mut claims = serde_json::json!({
        "iss": issuer, "sub": who, "aud": audience, "iat": now, "nbf": now, "exp": now.saturating_add(seconds),
    });
    if names == Names::Email {
        claims["email"] = who.into();
        claims["email_verified"] = true.into();
    }
    let message = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
    let der = key.sign(message.as_bytes())?;
    let signature = p256::ecdsa::Signature::from_der(&der)
        .map_err(|e| Error::local(format!("cannot write a signature: {e}")))?;
    Ok(format!("{message}.{}", B64.encode(signature.to_bytes())))
}
