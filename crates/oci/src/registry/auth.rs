//! Who we are to a registry, and to whom else we say so.
//!
//! Credentials are looked up for one registry and go to that registry. The one exception is the token
//! service that the registry names in its challenge, and it must earn it: [`Auth::trusts`]. A service that
//! does not is asked without credentials, as an anonymous client would, so that a registry cannot send a
//! user's password to whom it likes (adversarial row D05; CVE-2020-15157 was this hole in containerd).
//!
//! Tokens are kept for the life of the client, by scope and until they expire.

use super::credentials::{self, Found};
use super::http::{Again, Answer, Call, Http, Reading, repository_of, shown_host};
use super::options::Credentials;
use super::secret::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::{Repository, limits};
use base64::Engine as _;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;
use url::Url;
use zeroize::Zeroizing;

/// What a token is for: actions by resource (`repository:a/b` to `pull`, `push`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope(BTreeMap<String, BTreeSet<String>>);

impl Scope {
    pub(super) fn pull(name: &str) -> Self {
        Self::default().and(name, &["pull"])
    }

    #[cfg(feature = "push")]
    pub(super) fn push(name: &str) -> Self {
        Self::default().and(name, &["pull", "push"])
    }

    /// The same and these actions on the repository `name`.
    pub(super) fn and(mut self, name: &str, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|&a| a.to_owned());
        self.0.entry(format!("repository:{name}")).or_default().extend(actions);
        self
    }

    /// The same and what a challenge names (`repository:a/b:pull,push registry:catalog:*`).
    fn and_challenged(mut self, text: &str) -> Self {
        for one in text.split(' ').filter(|s| !s.is_empty()).take(8) {
            // Some services have scopes of one word (`aws`).
            let (resource, actions) = one.rsplit_once(':').unwrap_or((one, ""));
            let actions = actions.split(',').filter(|a| !a.is_empty()).take(8).map(str::to_owned);
            self.0.entry(resource.to_owned()).or_default().extend(actions);
        }
        self
    }

    fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(resource, actions)| self.0.get(resource).is_some_and(|a| a.is_superset(actions)))
    }

    fn strings(&self) -> Vec<String> {
        let one = |(resource, actions): (&String, &BTreeSet<String>)| {
            let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
            if actions.is_empty() { resource.clone() } else { format!("{resource}:{}", actions.join(",")) }
        };
        self.0.iter().map(one).collect()
    }
}

/// One challenge of a `WWW-Authenticate` header (RFC 9110 section 11.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Challenge {
    /// In lower case.
    scheme: String,
    /// By lower-case name.
    parameters: BTreeMap<String, String>,
}

/// The longest `WWW-Authenticate` header that is read.
const CHALLENGE_BYTES: usize = 8 << 10;

/// All challenges of one header; what does not parse ends the list.
fn parse_challenges(header: &str) -> Vec<Challenge> {
    fn token(text: &str) -> (&str, &str) {
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c)));
        text.split_at(end.unwrap_or(text.len()))
    }
    let mut found: Vec<Challenge> = Vec::new();
    if header.len() > CHALLENGE_BYTES {
        return found;
    }
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (name, after) = token(rest);
        if name.is_empty() {
            return found;
        }
        let after = after.trim_start_matches([' ', '\t']);
        let Some(value) = after.strip_prefix('=').filter(|v| !v.starts_with('=')) else {
            found.push(Challenge { scheme: name.to_ascii_lowercase(), parameters: BTreeMap::new() });
            rest = after.trim_start_matches('=');
            continue;
        };
        let value = value.trim_start_matches([' ', '\t']);
        let mut text = String::new();
        if let Some(quoted) = value.strip_prefix('"') {
            let mut chars = quoted.chars();
            loop {
                match chars.next() {
                    None => return found,
                    Some('"') => break,
                    Some('\\') => text.extend(chars.next()),
                    Some(c) => text.push(c),
                }
            }
            rest = chars.as_str();
        } else {
            let (plain, after) = token(value);
            text.push_str(plain);
            rest = after;
        }
        if let Some(challenge) = found.last_mut() {
            challenge.parameters.entry(name.to_ascii_lowercase()).or_insert(text);
        }
    }
}

struct Token {
    scope: Scope,
    header: HeaderValue,
    until: Instant,
}

/// What was learnt about authenticating to one registry.
pub(super) struct Auth {
    repository: Repository,
    /// Where the registry's API is.
    base: Url,
    found: OnceCell<Option<Found>>,
    tokens: Mutex<Vec<Token>>,
    basic: Mutex<Option<HeaderValue>>,
    /// A token service that did not get our credentials, for the hint of a failure.
    withheld: Mutex<Option<String>>,
}

impl Auth {
    pub(super) fn new(repository: &Repository, base: &Url) -> Self {
        Self {
            repository: repository.clone(),
            base: base.clone(),
            found: OnceCell::new(),
            tokens: Mutex::default(),
            basic: Mutex::default(),
            withheld: Mutex::default(),
        }
    }

    /// The `Authorization` for a request of `scope`, as far as it is known without asking anybody.
    pub(super) fn ready(&self, http: &Http, scope: &Scope) -> Option<HeaderValue> {
        if let Credentials::RegistryToken(token) = &http.options.credentials {
            return secret_header("Bearer ", token.expose());
        }
        if let Some(basic) = self.basic.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Some(basic);
        }
        let now = Instant::now();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|token| token.until > now);
        tokens.iter().find(|token| token.scope.covers(scope)).map(|token| token.header.clone())
    }

    /// What to say after `refused` (a 401) came; `None` where there is nothing more to say. `stale` is the
    /// `Authorization` that was refused.
    pub(super) async fn respond(
        &self,
        http: &Http,
        refused: &Answer,
        scope: &Scope,
        stale: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>> {
        if matches!(http.options.credentials, Credentials::RegistryToken(_)) {
            return Ok(None);
        }
        if let Some(stale) = stale {
            self.tokens.lock().unwrap_or_else(PoisonError::into_inner).retain(|t| t.header != *stale);
            let mut basic = self.basic.lock().unwrap_or_else(PoisonError::into_inner);
            if basic.as_ref() == Some(stale) {
                *basic = None;
                return Ok(None);
            }
        }
        let challenges: Vec<Challenge> = refused
            .headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .take(4)
            .filter_map(|value| value.to_str().ok())
            .flat_map(parse_challenges)
            .take(16)
            .collect();
        let bearer = challenges.iter().find(|c| c.scheme == "bearer" && c.parameters.contains_key("realm"));
        if let Some(challenge) = bearer {
            return self.bearer(http, challenge, scope).await.map(Some);
        }
        if challenges.iter().any(|c| c.scheme == "basic")
            && let Some(Found::Basic(username, password)) = self.credentials(http).await?
        {
            let header = basic(username, password);
            self.basic.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&header);
            return Ok(header);
        }
        Ok(None)
    }

    /// What may help where the registry refused us for good.
    pub(super) fn hint(&self) -> Option<String> {
        let withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(format!(
            "the registry's token service is at {withheld}, another domain, so it did not get your credentials; \
             allow it as a token host if you trust it"
        ))
    }

    async fn credentials(&self, http: &Http) -> Result<Option<&Found>> {
        let found = self
            .found
            .get_or_try_init(|| async {
                match &http.options.credentials {
                    Credentials::Anonymous | Credentials::RegistryToken(_) => Ok(None),
                    Credentials::Basic { username, password } => {
                        Ok(Some(Found::Basic(username.clone(), password.clone())))
                    }
                    Credentials::Given(configs) => credentials::find_in(configs, &self.repository),
                    Credentials::Configured(files) => {
                        let (files, repository) = (files.clone(), self.repository.clone());
                        let deadline = http.options.timeouts.helper;
                        // Files and helper programs block.
                        tokio::task::spawn_blocking(move || credentials::find(&files, &repository, deadline))
                            .await
                            .map_err(|e| {
                                let kind = ErrorKind::Local(e.to_string());
                                Error::new("look up credentials for", self.repository.registry(), kind)
                            })?
                    }
                }
            })
            .await?;
        Ok(found.as_ref())
    }

    /// Whether the token service at `realm` may get the credentials of our registry: it has the registry's
    /// own scheme, host and port; or the user allowed it; or it is reached by HTTPS under the domain that
    /// the registry is under, as `auth.docker.io` is for `registry-1.docker.io`.
    fn trusts(&self, http: &Http, realm: &Url) -> bool {
        if realm.origin() == self.base.origin() {
            return true;
        }
        let listed = repository_of(realm).is_some_and(|r| {
            let same = |h: &String| Repository::new(h, "x/x").is_ok_and(|h| h.registry() == r.registry());
            http.options.token_hosts.iter().any(same)
        });
        let siblings = || match (realm.host_str(), self.base.host_str()) {
            (Some(a), Some(b)) => matches!((domain(a), domain(b)), (Some(a), Some(b)) if a == b),
            _ => false,
        };
        listed || (realm.scheme() == "https" && self.base.scheme() == "https" && siblings())
    }

    async fn bearer(&self, http: &Http, challenge: &Challenge, scope: &Scope) -> Result<HeaderValue> {
        const TRIED: &str = "get a token for";
        let fail = |kind| Error::new(TRIED, &self.repository, kind);
        let realm = challenge.parameters.get("realm").map(String::as_str).unwrap_or_default();
        let realm = Url::parse(realm)
            .map_err(|_| fail(ErrorKind::Malformed("the registry's token service is no URL".into())))?;
        let plain = realm.scheme() == "http" && http.is_plain(&realm);
        if !(realm.scheme() == "https" || plain) || !realm.username().is_empty() || realm.password().is_some()
        {
            let why = format!("the registry's token service at {} is not HTTPS", shown_host(&realm));
            return Err(fail(ErrorKind::Malformed(why)));
        }
        let wanted = match challenge.parameters.get("scope") {
            Some(text) => scope.clone().and_challenged(text),
            None => scope.clone(),
        };
        let service = challenge.parameters.get("service").cloned();
        let credentials = match self.credentials(http).await? {
            Some(found) if self.trusts(http, &realm) => Some(found),
            Some(_) => {
                *self.withheld.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown_host(&realm));
                None
            }
            None => None,
        };
        let ask =
            Ask { http, realm: &realm, service: service.as_deref(), scope: &wanted, on: &self.repository };
        let (call, answer) = match credentials {
            None => ask.get(None).await?,
            Some(Found::IdentityToken(token)) => {
                ask.post(&[("grant_type", "refresh_token"), ("refresh_token", token.expose())]).await?
            }
            Some(Found::Basic(username, password)) => {
                let got = ask.get(basic(username, password).as_ref()).await?;
                // Token services that know only the OAuth 2 form answer a GET so (distribution token
                // specification; Azure's did).
                if matches!(got.1.status.as_u16(), 404 | 405) {
                    let (name, word) = (username.as_str(), password.expose());
                    ask.post(&[("grant_type", "password"), ("username", name), ("password", word)]).await?
                } else {
                    got
                }
            }
        };
        if !answer.status.is_success() {
            let error = answer.error(&call);
            return Err(match self.hint() {
                Some(hint) if error.kind == ErrorKind::Unauthorized => error.hint(hint),
                _ => error,
            });
        }
        let token: TokenAnswer = serde_json::from_slice(&answer.body).map_err(|_| {
            // Not the parser's words: they may quote the answer, and the answer may hold a token.
            fail(ErrorKind::Malformed(format!("{} answered without a token", shown_host(&realm))))
        })?;
        let text = token.token.or(token.access_token).filter(|t| !t.is_empty());
        let header = text.as_ref().and_then(|t| secret_header("Bearer ", t.expose())).ok_or_else(|| {
            fail(ErrorKind::Malformed(format!("{} answered without a usable token", shown_host(&realm))))
        })?;
        // A token without an age lives a minute (distribution token specification). It is not used in its
        // last moments, so that it does not die on the way.
        let life = token.expires_in.unwrap_or(60).min(3_600);
        let until = Instant::now() + Duration::from_secs(life - (life / 2).min(10));
        let token = Token { scope: wanted, header: header.clone(), until };
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).push(token);
        Ok(header)
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<Secret>,
    access_token: Option<Secret>,
    expires_in: Option<u64>,
}

/// One question to a token service.
struct Ask<'a> {
    http: &'a Http,
    realm: &'a Url,
    service: Option<&'a str>,
    scope: &'a Scope,
    on: &'a Repository,
}

impl Ask<'_> {
    fn call(&self, method: Method, url: Url) -> Call {
        let mut call = Call::new(method, url, "get a token for", self.on.to_string());
        call.reading = Reading::All("TOKEN_BYTES", limits::TOKEN_BYTES);
        call.account_at = Some(self.on.registry().to_owned());
        call
    }

    async fn get(&self, authorization: Option<&HeaderValue>) -> Result<(Call, Answer)> {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            self.service.iter().for_each(|service| {
                query.append_pair("service", service);
            });
            for scope in self.scope.strings() {
                query.append_pair("scope", &scope);
            }
        }
        let call = self.call(Method::GET, url);
        let answer = self.http.persist(&call, authorization).await?;
        Ok((call, answer))
    }

    fn form(&self, grant: &[(&str, &str)]) -> Bytes {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", "seaworthy");
        self.service.iter().for_each(|service| {
            form.append_pair("service", service);
        });
        form.append_pair("scope", &self.scope.strings().join(" "));
        form.extend_pairs(grant);
        Bytes::from(form.finish())
    }

    async fn post(&self, grant: &[(&str, &str)]) -> Result<(Call, Answer)> {
        let mut call = self.call(Method::POST, self.realm.clone());
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        call.headers = HeaderMap::from_iter([(CONTENT_TYPE, form_type)]);
        call.body = Some(self.form(grant));
        let answer = self.http.persist(&call, None).await?;
        Ok((call, answer))
    }
}

/// The domain that a host is under, as far as that can be told without a list of public suffixes: its last
/// two labels, or three where the middle one is short and stands before a country (`example.co.uk`).
/// Addresses and single names are under none.
fn domain(host: &str) -> Option<&str> {
    let host = host.trim_end_matches('.');
    if host.parse::<Ipv4Addr>().is_ok() || host.trim_matches(['[', ']']).parse::<Ipv6Addr>().is_ok() {
        return None;
    }
    let labels: Vec<&str> = host.split('.').collect();
    let wanted = match labels.as_slice() {
        [.., second, top] if top.len() == 2 && second.len() <= 3 => 3,
        [_, .., _] => 2,
        _ => return None,
    };
    let skipped = labels.len().checked_sub(wanted)?;
    let start: usize = labels.iter().take(skipped).map(|l| l.len() + 1).sum();
    host.get(start..)
}

fn basic(username: &str, password: &Secret) -> Option<HeaderValue> {
    let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
    let text = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
    secret_header("Basic ", &text)
}

/// A header that the HTTP library neither prints nor compresses into a shared table; `None` where the
/// secret has characters that no header can have.
fn secret_header(scheme: &str, secret: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme}{secret}"));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// [`Http::persist`] for requests to the registry itself: with our token, and with a new one after a 401.
pub(super) async fn send(http: &Http, auth: &Auth, call: &Call, scope: &Scope) -> Result<Answer> {
    // An upload's Location may lead elsewhere: there we are nobody.
    if call.url.origin() != auth.base.origin() {
        return http.persist(call, None).await;
    }
    let mut tried = 0;
    loop {
        tried += 1;
        let ready = auth.ready(http, scope);
        let mut outcome = http.exchange(call, ready.as_ref()).await;
        if let Ok(answer) = &outcome
            && answer.status.as_u16() == 401
            && !answer.crossed
            && let Some(header) = auth.respond(http, answer, scope, ready.as_ref()).await?
        {
            outcome = http.exchange(call, Some(&header)).await;
        }
        match http.pause(call, tried, &outcome) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return outcome.map_err(|(error, _): (Error, Again)| error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use proptest::prelude::*;

    fn parsed(header: &str) -> Vec<(String, Vec<(String, String)>)> {
        parse_challenges(header).into_iter().map(|c| (c.scheme, c.parameters.into_iter().collect())).collect()
    }

    #[test]
    fn challenges_of_many_shapes() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            parsed(r#"Bearer realm="https://a/token",service="a",scope="repository:x:pull,push""#),
            [(
                "bearer".to_owned(),
                vec![
                    pair("realm", "https://a/token"),
                    pair("scope", "repository:x:pull,push"),
                    pair("service", "a"),
                ]
            )]
        );
        assert_eq!(
            parsed(r#"Negotiate, NTLM abc==, Basic realm="a \"b\", c" , bearer Realm = x"#),
            [
                ("negotiate".to_owned(), vec![]),
                ("ntlm".to_owned(), vec![]),
                ("abc".to_owned(), vec![]),
                ("basic".to_owned(), vec![pair("realm", "a \"b\", c")]),
                ("bearer".to_owned(), vec![pair("realm", "x")]),
            ]
        );
        assert_eq!(parsed(r#"Bearer realm="never closed"#), [("bearer".to_owned(), vec![])]);
        assert!(parse_challenges(&format!("Bearer realm={}", "x".repeat(CHALLENGE_BYTES))).is_empty());
    }

    proptest! {
        #[test]
        fn a_quoted_value_comes_back_as_it_was(value in "\\PC{0,40}", other in "[a-z]{1,8}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let challenges = parse_challenges(&format!("Bearer realm=\"{quoted}\", {other}x=1"));
            prop_assert_eq!(challenges.len(), 1);
            prop_assert_eq!(challenges[0].parameters.get("realm"), Some(&value));
        }

        #[test]
        fn any_header_ends(header in "\\PC{0,200}") {
            prop_assert!(parse_challenges(&header).len() <= header.len());
        }
    }

    #[test]
    fn scopes_merge_and_cover() {
        let push = Scope::push("a/b");
        assert!(push.covers(&Scope::pull("a/b")));
        assert!(!Scope::pull("a/b").covers(&push));
        assert!(!push.covers(&Scope::pull("a/c")));
        let merged = Scope::pull("a/b").and_challenged("repository:a/b:push,pull registry:catalog:*");
        assert_eq!(merged.strings(), ["registry:catalog:*", "repository:a/b:pull,push"]);
        assert_eq!(Scope::default().and_challenged("aws").strings(), ["aws"]);
    }

    #[test]
    fn a_token_service_must_earn_our_credentials() {
        let trusts = |registry: &str, realm: &str, token_hosts: &[&str]| {
            let base: Url = registry.parse().unwrap();
            let auth = Auth::new(&repository_of(&base).unwrap(), &base);
            let token_hosts = token_hosts.iter().map(|&h| h.to_owned()).collect();
            let http = Http::new(&Options { token_hosts, ..Options::default() }).unwrap();
            auth.trusts(&http, &realm.parse().unwrap())
        };
        for (registry, realm) in [
            ("https://registry-1.docker.io/", "https://auth.docker.io/token"),
            ("https://ghcr.io/", "https://ghcr.io/token"),
            ("https://registry.gitlab.com/", "https://gitlab.com/jwt/auth"),
            ("https://registry.example.co.uk/", "https://auth.example.co.uk/"),
            ("http://localhost:5000/", "http://localhost:5000/token"),
        ] {
            assert!(trusts(registry, realm, &[]), "{registry} {realm}");
        }
        for (registry, realm) in [
            ("https://registry-1.docker.io/", "https://docker.io.evil.example/"),
            ("https://registry-1.docker.io/", "https://evildocker.io/"),
            ("https://registry-1.docker.io/", "http://auth.docker.io/token"),
            ("https://registry.example.co.uk/", "https://evil.co.uk/"),
            ("https://registry.co.uk/", "https://evil.co.uk/"),
            ("https://10.0.0.1/", "https://10.0.0.2/"),
            ("https://10.0.0.1:5000/", "https://10.0.0.1:5001/"),
            ("http://localhost:5000/", "http://localhost:5001/token"),
            ("https://registry/", "https://evil/"),
        ] {
            assert!(!trusts(registry, realm, &[]), "{registry} {realm}");
        }
        assert!(trusts("https://rg.scw.example/", "https://api.other.example/token", &["api.other.example"]));
        assert!(!trusts(
            "https://rg.scw.example/",
            "https://api.other.example:8443/",
            &["api.other.example"]
        ));
    }
}
