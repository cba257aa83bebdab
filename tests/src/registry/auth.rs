//! Who may do what: nothing, basic, or tokens (the distribution project's token specification).
//!
//! Every lab answers `/token`, so that one lab can be the token service of another. A token says in clear
//! what it grants; it is worth nothing outside a test.

use super::State;
use super::http::{Reply, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// What somebody without credentials may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    /// Nothing.
    Nothing,
    /// Pull.
    Pull,
}

/// The authentication of a lab.
#[derive(Debug, Clone)]
pub enum Auth {
    /// None: everybody may do everything.
    None,
    /// Basic, with this account.
    Basic {
        /// Its name.
        user: String,
        /// Its password.
        password: String,
    },
    /// Tokens, for this account.
    Bearer {
        /// Its name.
        user: String,
        /// Its password, which is a refresh token as well.
        password: String,
        /// What a token without credentials grants.
        anonymous: Anonymous,
        /// The base of the token service; none: this lab.
        realm: Option<String>,
    },
}

impl Auth {
    /// Tokens from this lab, and nothing for anonymous clients.
    #[must_use]
    pub fn bearer(user: &str, password: &str) -> Self {
        Self::Bearer {
            user: user.into(),
            password: password.into(),
            anonymous: Anonymous::Nothing,
            realm: None,
        }
    }

    /// Basic.
    #[must_use]
    pub fn basic(user: &str, password: &str) -> Self {
        Self::Basic { user: user.into(), password: password.into() }
    }
}

const MARK: &str = "lab-token ";

/// The answer to a request that may not go on.
pub(super) fn refusal(state: &State, request: &Request) -> Option<Reply> {
    let header = request.header("authorization").unwrap_or_default();
    match &state.auth {
        Auth::None => None,
        Auth::Basic { user, password } => (basic(header) != Some((user.clone(), password.clone())))
            .then(|| Reply::error(401, "UNAUTHORIZED").with("WWW-Authenticate", "Basic realm=\"lab\"")),
        Auth::Bearer { realm, .. } => {
            let realm = realm.clone().unwrap_or_else(|| state.base());
            let mut challenge = format!("Bearer realm=\"{realm}/token\",service=\"lab\"");
            let granted = header.strip_prefix("Bearer ").and_then(|token| {
                let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
                text.strip_prefix(MARK).map(str::to_owned)
            });
            let needed = needed(request);
            if let Some((name, action)) = &needed {
                let actions = if *action == "push" { "pull,push" } else { "pull" };
                challenge.push_str(&format!(",scope=\"repository:{name}:{actions}\""));
            }
            let enough = granted.as_ref().is_some_and(|granted| {
                needed.is_none_or(|(name, action)| {
                    granted.split(' ').any(|scope| {
                        scope
                            .strip_prefix(&format!("repository:{name}:"))
                            .is_some_and(|actions| actions.split(',').any(|a| a == action))
                    })
                })
            });
            if enough {
                return None;
            }
            if granted.is_some() {
                challenge.push_str(",error=\"insufficient_scope\"");
            }
            Some(Reply::error(401, "UNAUTHORIZED").with("WWW-Authenticate", challenge))
        }
    }
}

/// Repository and action that a request needs.
fn needed(request: &Request) -> Option<(String, &'static str)> {
    let rest = request.path().strip_prefix("/v2/")?;
    let end = ["/blobs/", "/manifests/", "/referrers/", "/tags/"].iter().find_map(|part| rest.find(part))?;
    let action = match request.method.as_str() {
        "GET" | "HEAD" => "pull",
        _ => "push",
    };
    Some((rest.get(..end)?.to_owned(), action))
}

fn basic(header: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// The token service: `GET` with basic authentication, `POST` with a form.
pub(super) fn token(state: &State, request: &Request) -> Option<Reply> {
    if request.path() != "/token" {
        return None;
    }
    let Auth::Bearer { user, password, anonymous, .. } = &state.auth else {
        return Some(Reply::error(404, "UNSUPPORTED"));
    };
    let account = (user.clone(), password.clone());
    let (fields, known) = if request.method == "POST" {
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let get =
            |key: &str| fields.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()).unwrap_or_default();
        let good = match get("grant_type").as_str() {
            "password" => (get("username"), get("password")) == account,
            "refresh_token" => get("refresh_token") == *password,
            _ => false,
        };
        (fields, Some(good))
    } else {
        (request.query(), request.header("authorization").map(|header| basic(header) == Some(account)))
    };
    let asked = fields.iter().filter(|(k, _)| k == "scope").flat_map(|(_, v)| v.split(' '));
    let granted: Vec<String> = match (known, anonymous) {
        (Some(false), _) => return Some(Reply::error(401, "UNAUTHORIZED")),
        (Some(true), _) => asked.map(str::to_owned).collect(),
        (None, Anonymous::Nothing) => return Some(Reply::error(401, "UNAUTHORIZED")),
        (None, Anonymous::Pull) => asked
            .filter_map(|scope| scope.rsplit_once(':'))
            .map(|(repository, _)| format!("{repository}:pull"))
            .collect(),
    };
    let token = BASE64.encode(format!("{MARK}{}", granted.join(" ")));
    let body = if request.method == "POST" {
        serde_json::json!({"access_token": token, "expires_in": 300, "scope": granted.join(" ")})
    } else {
        serde_json::json!({"token": token, "expires_in": 300})
    };
    Some(Reply::new(200).with("Content-Type", "application/json").body(body.to_string()))
}
