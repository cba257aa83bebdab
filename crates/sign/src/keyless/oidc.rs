//! Identity tokens: where they come from, what is read from them, and when they are over.
//!
//! A token is looked for in a fixed order ([`TokenSource::detect`]): what was given, what the CI system
//! offers, a person at a terminal. Nothing is asked of anybody where there is no terminal. Tokens are
//! secrets: they are wiped, never printed, and sent to nobody but the certificate authority. They are not
//! verified here (the authority does that); what is read serves to tell early what cannot work.

use super::http::{Call, Http, escaped};
use super::login::{Flow, Login};
use super::spiffe;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// A token; real ones have 1 to 4 KB.
pub const TOKEN_BYTES: usize = 64 << 10;
/// A token that ends within so many seconds is not sent: it would be over when it arrives.
pub const EXPIRY_MARGIN: i64 = 10;
/// A program that is asked for a token.
pub const AGENT: Duration = Duration::from_secs(30);
/// Whom tokens are for: what Fulcio asks of every issuer.
const AUDIENCE: &str = "sigstore";
/// Where Google gives tokens for other accounts, and the variable by which gcloud is sent elsewhere.
const IAM: &str = "https://iamcredentials.googleapis.com/";
const IAM_OVERRIDE: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS";
/// Where Kubernetes projects a token for cosign (cosign's `filesystem` provider).
pub const PROJECTED: &str = "/var/run/sigstore/cosign/oidc-token";

/// The places that tokens come from by themselves; the names are cosign's where it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// GitHub Actions with `id-token: write`.
    GithubActions,
    /// GitLab, and everything else that sets `SIGSTORE_ID_TOKEN`.
    Environment,
    /// `buildkite-agent oidc request-token`.
    Buildkite,
    /// CircleCI.
    CircleCi,
    /// The metadata server of Google Cloud.
    Google,
    /// Another service account of Google Cloud (`GOOGLE_SERVICE_ACCOUNT_NAME`), which this machine's may stand for.
    GoogleImpersonate,
    /// A JWT-SVID from the agent at `SPIFFE_ENDPOINT_SOCKET`, or in the file that `SPIFFE_JWT_SVID_FILE` names.
    Spiffe,
    /// [`PROJECTED`].
    Filesystem,
}

impl Provider {
    const ALL: [Self; 8] = [
        Self::Environment,
        Self::GithubActions,
        Self::Buildkite,
        Self::CircleCi,
        Self::GoogleImpersonate,
        Self::Google,
        Self::Spiffe,
        Self::Filesystem,
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GithubActions => "github-actions",
            Self::Environment => "environment",
            Self::Buildkite => "buildkite-agent",
            Self::CircleCi => "circleci",
            Self::Google => "google",
            Self::GoogleImpersonate => "google-impersonate",
            Self::Spiffe => "spiffe",
            Self::Filesystem => "filesystem",
        }
    }
}

impl std::str::FromStr for Provider {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // cosign's names, where ours are others.
        let name = match text {
            "google-workload-identity" => "google",
            "envvar" | "gitlab" => "environment",
            other => other,
        };
        Self::ALL.into_iter().find(|p| p.as_str() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|p| p.as_str()).collect();
            let text = escaped(text);
            Error::new("use", format!("'{text}'"), ErrorKind::BadInput("no such token provider".into()))
                .hint(format!("one of {}", names.join(", ")))
        })
    }
}

/// Where a token comes from.
pub enum TokenSource {
    /// It was given; it cannot be fetched anew.
    Given(Secret),
    /// A file, read anew each time.
    File(PathBuf),
    /// GitHub's token service.
    Github {
        /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
        url: Url,
        /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
        token: Secret,
    },
    /// A program of the CI system that prints one.
    Agent(Agent),
    /// Google's metadata server.
    Google {
        /// Its address.
        base: Url,
    },
    /// Another service account, by the word of this machine's own.
    GoogleImpersonate {
        /// The metadata server.
        base: Url,
        /// The service that gives tokens (IAM credentials).
        service: Url,
        /// The account.
        account: String,
    },
    /// A SPIFFE agent's socket.
    Spiffe(PathBuf),
    /// A person at a terminal.
    Login(Login),
}

// By hand: some hold tokens.
impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

/// Programs that print a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// `buildkite-agent oidc request-token`.
    Buildkite,
    /// `circleci run oidc get`.
    CircleCi,
}

/// Whether the places are asked that tokens come from by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ambient {
    /// They are.
    #[default]
    Asked,
    /// They are not: a person is.
    PassedOver,
}

/// What is asked of [`TokenSource::detect`].
pub struct Wanted<'a> {
    /// `--identity-token`: a token, or the name of a file with one.
    pub given: Option<&'a str>,
    /// `--oidc-provider`: this one alone.
    pub provider: Option<Provider>,
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether CI systems are asked at all.
    pub ambient: Ambient,
    /// The login that is offered where there is a terminal, and nothing else.
    pub login: Option<Login>,
}

fn none(why: &str) -> Error {
    Error::new("find", "an identity token", ErrorKind::BadInput(why.into()))
}

fn bad(why: impl Into<String>) -> Error {
    Error::new("use", "the identity token", ErrorKind::BadInput(why.into()))
}

impl TokenSource {
    /// The first source that is there.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] where there is none.
    pub fn detect(wanted: Wanted<'_>) -> Result<Self> {
        if let Some(given) = wanted.given {
            return Ok(match Token::parse(Secret::from(given)) {
                Ok(token) => Self::Given(token.secret),
                Err(e) if given.starts_with("eyJ") && given.contains('.') => return Err(e),
                Err(_) => Self::File(PathBuf::from(given)),
            });
        }
        if let Some(provider) = wanted.provider {
            return Self::of(provider, wanted.env)?
                .ok_or_else(|| none(&format!("{} offers none here", provider.as_str())));
        }
        for provider in Provider::ALL {
            if wanted.ambient == Ambient::PassedOver {
                break;
            }
            if let Some(source) = Self::of(provider, wanted.env)? {
                return Ok(source);
            }
        }
        wanted.login.map(Self::Login).ok_or_else(|| {
            none("this is no CI system that offers one, and there is no terminal to log in at").hint(
                "give --identity-token TEXT|FILE or SIGSTORE_ID_TOKEN; in GitHub Actions the job needs \
                 `permissions: id-token: write`",
            )
        })
    }

    fn of(provider: Provider, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let text = |name: &str| env(name).filter(|v| !v.is_empty());
        Ok(match provider {
            Provider::Environment => text("SIGSTORE_ID_TOKEN").map(|t| Self::Given(Secret::from(t))),
            Provider::GithubActions => {
                match (text("ACTIONS_ID_TOKEN_REQUEST_URL"), text("ACTIONS_ID_TOKEN_REQUEST_TOKEN")) {
                    (Some(url), Some(token)) => {
                        let url = Url::parse(&url)
                            .map_err(|e| bad(format!("ACTIONS_ID_TOKEN_REQUEST_URL is no URL: {e}")))?;
                        Some(Self::Github { url, token: Secret::from(token) })
                    }
                    _ => None,
                }
            }
            Provider::Buildkite => {
                text("BUILDKITE_AGENT_ACCESS_TOKEN").map(|_| Self::Agent(Agent::Buildkite))
            }
            // The token in the environment is for the organisation and not for us; the program gives one that
            // Fulcio takes. Where it is not there, what is there is tried.
            Provider::CircleCi => match (text("CIRCLECI"), text("CIRCLE_OIDC_TOKEN_V2")) {
                (Some(_), _) if on_path("circleci", text("PATH").as_deref()) => {
                    Some(Self::Agent(Agent::CircleCi))
                }
                (_, token) => token.map(|t| Self::Given(Secret::from(t))),
            },
            Provider::Google => metadata(env)?.map(|base| Self::Google { base }),
            Provider::GoogleImpersonate => match (text("GOOGLE_SERVICE_ACCOUNT_NAME"), metadata(env)?) {
                (Some(account), Some(base)) => {
                    let service = text(IAM_OVERRIDE).unwrap_or_else(|| IAM.into());
                    let service =
                        Url::parse(&service).map_err(|e| bad(format!("{IAM_OVERRIDE} is no URL: {e}")))?;
                    Some(Self::GoogleImpersonate { base, service, account })
                }
                _ => None,
            },
            Provider::Spiffe => match (text("SPIFFE_JWT_SVID_FILE"), text("SPIFFE_ENDPOINT_SOCKET")) {
                (Some(file), _) => Some(Self::File(PathBuf::from(file))),
                (None, Some(socket)) => Some(Self::Spiffe(spiffe::socket(&socket)?)),
                (None, None) => {
                    let socket = PathBuf::from(spiffe::DEFAULT_SOCKET);
                    socket.exists().then_some(Self::Spiffe(socket))
                }
            },
            Provider::Filesystem => {
                Path::new(PROJECTED).exists().then(|| Self::File(PathBuf::from(PROJECTED)))
            }
        })
    }

    /// For people.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Given(_) => "a token that was given",
            Self::File(_) => "a token file",
            Self::Github { .. } => "GitHub Actions",
            Self::Agent(Agent::Buildkite) => "Buildkite",
            Self::Agent(Agent::CircleCi) => "CircleCI",
            Self::Google { .. } => "Google Cloud",
            Self::GoogleImpersonate { .. } => "Google Cloud, for another account",
            Self::Spiffe(_) => "a SPIFFE agent",
            Self::Login(Login { flow: Flow::Browser, .. }) => "a login in the browser",
            Self::Login(Login { flow: Flow::Device, .. }) => "a login with a device code",
        }
    }

    /// Whether asking again may give a newer one.
    pub fn renews(&self) -> bool {
        !matches!(self, Self::Given(_))
    }

    /// A token that is not over, fetched now.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] where it is over or no token, and those of asking.
    pub async fn token(&self, http: &Http) -> Result<Token> {
        let secret = match self {
            Self::Given(secret) => Secret::new(secret.expose().to_vec()),
            Self::File(path) => read_file(path)?,
            Self::Github { url, token } => github(http, url, token).await?,
            Self::Agent(agent) => agent.run().await?,
            Self::Google { base } => google(base).await?,
            Self::GoogleImpersonate { base, service, account } => {
                impersonate(http, base, service, account).await?
            }
            Self::Spiffe(socket) => spiffe::fetch(socket, AUDIENCE).await?,
            Self::Login(asked) => super::login::login(http, asked).await?,
        };
        let token = Token::parse(secret)?;
        token.check(Timestamp::now().as_second())?;
        Ok(token)
    }
}

fn read_file(path: &Path) -> Result<Secret> {
    let fail = |e: std::io::Error| {
        Error::new("read identity token", path.display(), ErrorKind::BadInput(e.to_string()))
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(TOKEN_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
    Ok(Secret::new(bytes))
}

async fn github(http: &Http, url: &Url, token: &Secret) -> Result<Secret> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("audience", AUDIENCE);
    let mut call = Call::get(&url, "get an identity token from");
    call.bearer = Some(token);
    let answer = http.call(&call).await?;
    let body = Secret::new(answer.body);
    let answer: Answer = serde_json::from_slice(body.expose())
        .map_err(|_| call.error(ErrorKind::Signer("its answer holds no token".into())))?;
    Ok(Secret::from(answer.value))
}

/// Google's metadata server, where this machine is one of theirs.
fn metadata(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Url>> {
    let host = env("GCE_METADATA_HOST").filter(|v| !v.is_empty()).or_else(|| {
        let product = std::fs::read_to_string("/sys/class/dmi/id/product_name").ok()?;
        matches!(product.trim(), "Google" | "Google Compute Engine")
            .then(|| "metadata.google.internal".to_owned())
    });
    let url = host.map(|host| Url::parse(&format!("http://{host}/"))).transpose();
    url.map_err(|e| bad(format!("GCE_METADATA_HOST is no host: {e}")))
}

/// Whether there is such a program.
fn on_path(program: &str, path: Option<&str>) -> bool {
    path.is_some_and(|path| std::env::split_paths(path).any(|dir| dir.join(program).is_file()))
}

/// Asks Google's metadata server for what is under `path`. It speaks plain HTTP on a link that does not leave
/// the machine, and nothing secret is sent.
async fn of_metadata(base: &Url, path: &str, query: &[(&str, &str)]) -> Result<Secret> {
    let host = base.host_str().unwrap_or_default().to_owned();
    let options = super::http::HttpOptions { plain_http: vec![host], ..Default::default() };
    let http = Http::new(&options)?;
    let path = format!("computeMetadata/v1/instance/service-accounts/default/{path}");
    let mut url = super::under(base, &path)?;
    url.query_pairs_mut().extend_pairs(query);
    let mut call = Call::get(&url, "get an identity token from");
    call.header = Some(("metadata-flavor", "Google"));
    Ok(Secret::new(http.call(&call).await?.body))
}

async fn google(base: &Url) -> Result<Secret> {
    of_metadata(base, "identity", &[("audience", AUDIENCE), ("format", "full")]).await
}

/// A token of `account`, which the machine's own account may make (IAM credentials, `generateIdToken`).
async fn impersonate(http: &Http, base: &Url, service: &Url, account: &str) -> Result<Secret> {
    #[derive(Deserialize)]
    struct Access {
        access_token: String,
    }
    #[derive(Deserialize)]
    struct Answer {
        token: String,
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '-' | '_');
    if account.is_empty() || !account.chars().all(good) {
        return Err(bad("GOOGLE_SERVICE_ACCOUNT_NAME is no service account's mail address"));
    }
    let access = of_metadata(base, "token", &[]).await?;
    let access: Access = serde_json::from_slice(access.expose())
        .map_err(|_| bad("the metadata server's answer holds no access token"))?;
    let access = Secret::from(access.access_token);
    let url = super::under(service, &format!("v1/projects/-/serviceAccounts/{account}:generateIdToken"))?;
    let body = serde_json::json!({ "audience": AUDIENCE, "includeEmail": true }).to_string();
    let mut call = Call::post(&url, "get an identity token from", "application/json", body.into());
    call.bearer = Some(&access);
    let answer = Secret::new(http.call(&call).await?.body);
    let answer: Answer = serde_json::from_slice(answer.expose())
        .map_err(|_| call.error(ErrorKind::Signer("its answer holds no token".into())))?;
    Ok(Secret::from(answer.token))
}

impl Agent {
    async fn run(self) -> Result<Secret> {
        let (program, arguments): (_, &[&str]) = match self {
            Self::Buildkite => ("buildkite-agent", &["oidc", "request-token", "--audience", AUDIENCE]),
            Self::CircleCi => ("circleci", &["run", "oidc", "get", "--claims", r#"{"aud":"sigstore"}"#]),
        };
        let fail = |why: String| Error::new("run", program, ErrorKind::Local(why));
        let child = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(AGENT, child)
            .await
            .map_err(|_| fail(format!("no answer after {} s", AGENT.as_secs())))?
            .map_err(|e| fail(e.to_string()))?;
        let secret = Secret::new(output.stdout);
        if !output.status.success() {
            return Err(fail(format!("it left with {}", output.status)));
        }
        Ok(secret)
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<serde_json::Value>,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
}

/// A token that was read, and not verified.
pub struct Token {
    secret: Secret,
    issuer: String,
    subject: Option<String>,
    email: Option<String>,
    email_verified: bool,
    not_after: i64,
    not_before: Option<i64>,
}

// By hand: it holds the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Token {
    /// Reads a JSON Web Token (RFC 7519); white space around it is left out.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] where it is none, [`ErrorKind::LimitExceeded`] ([`TOKEN_BYTES`]).
    pub fn parse(secret: Secret) -> Result<Self> {
        if secret.expose().len() > TOKEN_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "TOKEN_BYTES", value: TOKEN_BYTES as u64 };
            return Err(Error::new("use", "the identity token", kind));
        }
        let text = std::str::from_utf8(secret.expose()).map_err(|_| bad("it is no text"))?.trim();
        let parts: Vec<&str> = text.split('.').collect();
        let [_, claims, _] = parts.as_slice() else {
            return Err(bad("it is no JSON Web Token: three parts with a dot between them"));
        };
        let claims = Secret::new(
            URL_SAFE_NO_PAD
                .decode(claims.trim_end_matches('='))
                .map_err(|_| bad("its claims are no base64url"))?,
        );
        let claims: Claims = seaworthy_oci::strict::from_slice(claims.expose())
            .map_err(|_| bad("its claims are no JSON with an issuer and an expiry"))?;
        let verified = match &claims.email_verified {
            Some(serde_json::Value::Bool(yes)) => *yes,
            Some(serde_json::Value::String(yes)) => yes == "true",
            _ => false,
        };
        Ok(Self {
            issuer: claims.iss,
            subject: claims.sub.filter(|s| !s.is_empty()),
            email: claims.email.filter(|e| !e.is_empty()),
            email_verified: verified,
            not_after: claims.exp as i64,
            not_before: claims.nbf.map(|n| n as i64),
            secret: Secret::from(text),
        })
    }

    /// Whether it can be used at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`].
    pub fn check(&self, now: i64) -> Result<()> {
        if self.not_after <= now + EXPIRY_MARGIN {
            return Err(bad(format!("it expired {} s ago", now.saturating_sub(self.not_after).max(0)))
                .hint("fetch a new one, or let the CI system offer it"));
        }
        // Clocks differ by seconds; authorities allow a minute.
        if self.not_before.is_some_and(|start| start > now + 60) {
            return Err(bad("it is not valid yet; compare the clocks"));
        }
        Ok(())
    }

    /// Who made it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What Fulcio wants signed as proof of possession: the email address where there is one, else the
    /// subject.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] where the address is not verified, or there is no subject.
    pub fn proof_subject(&self) -> Result<&str> {
        match (&self.email, &self.subject) {
            (Some(email), _) if self.email_verified => Ok(email),
            (Some(_), _) => Err(bad("its issuer has not verified the email address in it")),
            (None, Some(subject)) => Ok(subject),
            (None, None) => Err(bad("it has neither a subject nor an email address")),
        }
    }

    /// The token, for the one place that sends it.
    pub(super) fn expose(&self) -> Result<&str> {
        std::str::from_utf8(self.secret.expose()).map_err(|_| bad("it is no text"))
    }
}

#[cfg(test)]
#[path = "oidc_tests.rs"]
mod tests;
