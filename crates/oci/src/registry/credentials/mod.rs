//! Credentials that the user's other tools already keep: which entry of which file is for a repository.
//!
//! Read are Docker's `config.json` and Podman's `auth.json`, which are one format with two dialects: Docker
//! keys entries by registry (and Docker Hub by an old URL), Podman also by `registry/path`, where the
//! longest path wins (containers-auth.json(5)). Programs named by `credsStore` and `credHelpers` are asked
//! under a deadline (`helper`). A file or a helper that is there and fails is an error, not "no
//! credentials": going on as somebody else would give a wrong reason for what follows.
//!
//! Written by hand rather than with the crate docker_credential: that one waits for helpers for ever, puts
//! their output, which may hold secrets, into its errors, and knows no paths.

mod helper;
#[cfg(feature = "push")]
mod store;

#[cfg(feature = "push")]
pub use store::{Erased, Kept, Store};

use super::secret::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::{Repository, limits};
use base64::Engine as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Where credentials are looked up. The default is where Docker and Podman keep theirs.
#[derive(Debug, Clone, Default)]
pub struct ConfigFiles {
    /// Exactly these files, the first match wins; `None` for the usual places: `$REGISTRY_AUTH_FILE`,
    /// `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, `$XDG_RUNTIME_DIR/containers/auth.json`,
    /// `$XDG_CONFIG_HOME/containers/auth.json` or `~/.config/containers/auth.json`.
    pub files: Option<Vec<PathBuf>>,
    /// The directory of the `docker-credential-*` programs; `None` for `PATH`.
    pub helpers: Option<PathBuf>,
}

/// What was found for a registry.
pub(super) enum Found {
    /// A name and a password.
    Basic(String, Secret),
    /// A refresh token for the registry's token service (`identitytoken`).
    IdentityToken(Secret),
}

/// The credentials for `repository`; `None` where no file has any.
pub(super) fn find(
    files: &ConfigFiles,
    repository: &Repository,
    deadline: Duration,
) -> Result<Option<Found>> {
    let paths = match &files.files {
        Some(paths) => paths.clone(),
        None => usual_places(&|name| std::env::var_os(name)),
    };
    for path in &paths {
        let Some(config) = Config::read(path)? else { continue };
        if let Some(found) = config.find(path, files.helpers.as_deref(), repository, deadline)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A Docker configuration that was handed over, such as a pull secret of Kubernetes: a text of its own, and no file.
#[derive(Clone)]
pub struct DockerConfig(Secret);

impl DockerConfig {
    /// Takes the text of a `config.json`.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where it is none. The message quotes nothing.
    pub fn parse(text: Secret) -> Result<Self> {
        let config = Self(text);
        config.read()?;
        Ok(config)
    }

    fn read(&self) -> Result<Config> {
        let path = Path::new("a given configuration");
        if self.0.expose().len() as u64 > limits::CREDENTIAL_BYTES {
            let kind =
                ErrorKind::LimitExceeded { limit: "CREDENTIAL_BYTES", value: limits::CREDENTIAL_BYTES };
            return Err(Error::new("read credentials from", path.display(), kind));
        }
        let mut config: Config = serde_json::from_str(self.0.expose()).map_err(|e| malformed(path, &e))?;
        // Whoever hands over credentials does not choose what is run here.
        (config.creds_store, config.cred_helpers) = Default::default();
        Ok(config)
    }

    /// Whether it has credentials for `repository`.
    pub fn is_for(&self, repository: &Repository) -> bool {
        let has = |config: Config| {
            config.auths.keys().any(|key| Key::parse(key).is_some_and(|k| k.matches(repository).is_some()))
        };
        self.read().is_ok_and(has)
    }

    /// A hash of what `configs` say, to tell one set of credentials from another.
    pub fn digest(configs: &[Self]) -> crate::Digest {
        // Of hashes, so that no two lists have one text.
        let each: String =
            configs.iter().map(|c| crate::Digest::sha256(c.0.expose().as_bytes()).to_string()).collect();
        crate::Digest::sha256(each.as_bytes())
    }
}

/// The credentials for `repository` in `configs`; the first that has any.
pub(super) fn find_in(configs: &[DockerConfig], repository: &Repository) -> Result<Option<Found>> {
    let path = Path::new("a given configuration");
    for config in configs {
        if let Some(found) = config.read()?.find(path, None, repository, Duration::ZERO)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn usual_places(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let env = |name| env(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || env("HOME").or_else(|| env("USERPROFILE"));
    [
        env("REGISTRY_AUTH_FILE"),
        docker_config(&env),
        env("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json")),
        env("XDG_CONFIG_HOME")
            .or_else(|| home().map(|h| h.join(".config")))
            .map(|d| d.join("containers/auth.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn docker_config(env: &dyn Fn(&'static str) -> Option<PathBuf>) -> Option<PathBuf> {
    env("DOCKER_CONFIG")
        .or_else(|| env("HOME").or_else(|| env("USERPROFILE")).map(|h| h.join(".docker")))
        .map(|d| d.join("config.json"))
}

/// The parts of a configuration file that are about credentials.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    /// base64 of `username:password`.
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
}

impl Config {
    /// Reads `path`; `None` where there is no such file.
    fn read(path: &Path) -> Result<Option<Self>> {
        let Some(bytes) = read_capped(path)? else { return Ok(None) };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|e| malformed(path, &e))
    }

    fn find(
        self,
        path: &Path,
        helpers: Option<&Path>,
        repository: &Repository,
        deadline: Duration,
    ) -> Result<Option<Found>> {
        let mut matching: Vec<((usize, bool), Entry)> = self
            .auths
            .into_iter()
            .filter_map(|(key, entry)| {
                let whole = !key.contains('*');
                Some(((Key::parse(&key)?.matches(repository)?, whole), entry))
            })
            .collect();
        // The longest path, and of two of one length the host that is named whole.
        matching.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        let (paths, hosts): (Vec<_>, Vec<_>) = matching.into_iter().partition(|((length, _), _)| *length > 0);
        // Helpers know registries only, so an entry for a path is the closer match.
        for (_, entry) in paths {
            if let Some(found) = entry.open(path)? {
                return Ok(Some(found));
            }
        }
        if let Some(name) = helper_for(&self.cred_helpers, self.creds_store.as_deref(), repository.registry())
        {
            let server = server_address(repository.registry());
            if let Some(found) = helper::get(helpers, name, server, deadline)? {
                return Ok(Some(found));
            }
        }
        for (_, entry) in hosts {
            if let Some(found) = entry.open(path)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Entry {
    fn open(self, path: &Path) -> Result<Option<Found>> {
        if let Some(token) = self.identitytoken.filter(|t| !t.is_empty()) {
            return Ok(Some(Found::IdentityToken(token)));
        }
        if let Some(auth) = self.auth.filter(|a| !a.is_empty()) {
            let bad = || local(path, "an 'auth' in it is not base64 of username:password".into());
            let engine = &base64::engine::general_purpose::STANDARD;
            let bytes = Zeroizing::new(engine.decode(auth.expose().trim()).map_err(|_| bad())?);
            let text = std::str::from_utf8(&bytes).map_err(|_| bad())?;
            let (username, password) = text.split_once(':').ok_or_else(bad)?;
            // Docker's own encoder once padded passwords with zero bytes.
            return Ok(Some(named(username.into(), Secret::new(password.trim_end_matches('\0')))));
        }
        match (self.username, self.password) {
            (Some(username), Some(password)) => Ok(Some(named(username, password))),
            _ => Ok(None),
        }
    }
}

/// A name and a secret; the name `<token>` says that the secret is an identity token (Docker's protocol
/// for credential helpers).
fn named(username: String, secret: Secret) -> Found {
    if username == "<token>" { Found::IdentityToken(secret) } else { Found::Basic(username, secret) }
}

/// A key of `auths`: a registry in any spelling, and a path or none. As in Kubernetes, a part of the host may have `*`
/// in it (`*.registry.example`), which stands for anything but a dot; ports and paths have none.
struct Key {
    registry: String,
    path: String,
}

/// What may stand in a host for `*` and is no pattern: a host must be read before it is compared.
const STAND_IN: &str = "seaworthy0star";

impl Key {
    fn parse(key: &str) -> Option<Self> {
        let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
        let (host, path) = match bare {
            // An old URL: what follows the host is the version of an API.
            Some(url) => (url.split('/').next().unwrap_or(url), ""),
            None => key.split_once('/').unwrap_or((key, "")),
        };
        let path = path.trim_end_matches('/');
        let path = if matches!(path, "v1" | "v2") { "" } else { path };
        // Read as a host without its stars, so that every spelling has its one form; a name of one part is none here.
        let stars = host.contains('*');
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        if stars && (host.contains(STAND_IN) || !name.contains('.') || port.is_some_and(|p| p.contains('*')))
        {
            return None;
        }
        let registry = Repository::new(&host.replace('*', STAND_IN), "x/x").ok()?.registry().to_owned();
        Some(Self { registry: registry.replace(STAND_IN, "*"), path: path.to_owned() })
    }

    /// Whether the key is for this registry: part by part of the host, as many of them, and the same port.
    fn covers(&self, registry: &str) -> bool {
        if !self.registry.contains('*') {
            return self.registry == registry;
        }
        let parts = |text: &str| {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            (host.split('.').map(str::to_owned).collect::<Vec<_>>(), port.to_owned())
        };
        let ((wanted, port), (found, its)) = (parts(&self.registry), parts(registry));
        port == its
            && wanted.len() == found.len()
            && wanted.iter().zip(&found).all(|(wanted, found)| part_matches(wanted, found))
    }

    /// The length of the path, where the key is for `repository`.
    fn matches(&self, repository: &Repository) -> Option<usize> {
        let rest = repository.name().strip_prefix(self.path.as_str())?;
        let whole = self.path.is_empty() || rest.is_empty() || rest.starts_with('/');
        (whole && self.covers(repository.registry())).then_some(self.path.len())
    }

    #[cfg(feature = "push")]
    fn is_registry(&self, registry: &str) -> bool {
        self.registry == registry && self.path.is_empty()
    }
}

/// Whether `*` in `pattern`, standing for any characters, makes `text` of it. Linear: each piece is taken where it first
/// stands.
fn part_matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

fn helper_for<'a>(
    by_registry: &'a BTreeMap<String, String>,
    for_all: Option<&'a str>,
    registry: &str,
) -> Option<&'a str> {
    let own = by_registry
        .iter()
        .find(|(key, _)| Key::parse(key).is_some_and(|k| k.registry == registry && k.path.is_empty()));
    own.map(|(_, name)| name.as_str()).or(for_all).filter(|name| !name.is_empty())
}

/// The name under which Docker's tools keep a registry.
fn server_address(registry: &str) -> &str {
    if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry }
}

fn read_capped(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(e) => return Err(local(path, e.to_string())),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limits::CREDENTIAL_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| local(path, e.to_string()))?;
    if bytes.len() as u64 > limits::CREDENTIAL_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "CREDENTIAL_BYTES", value: limits::CREDENTIAL_BYTES };
        return Err(Error::new("read credentials from", path.display(), kind));
    }
    Ok(Some(bytes))
}

fn local(path: &Path, why: String) -> Error {
    Error::new("read credentials from", path.display(), ErrorKind::Local(why))
}

/// Where a file does not parse; never what stands there, since it may be a password.
fn malformed(path: &Path, error: &serde_json::Error) -> Error {
    local(path, format!("it is no Docker configuration: line {}, column {}", error.line(), error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(found: Option<Found>) -> String {
        match found {
            None => "none".into(),
            Some(Found::Basic(name, secret)) => format!("{name}:{}", secret.expose()),
            Some(Found::IdentityToken(token)) => format!("token {}", token.expose()),
        }
    }

    fn look_up(file: &str, registry: &str, name: &str) -> Result<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        std::fs::write(&path, file).unwrap();
        let files = ConfigFiles { files: Some(vec![dir.path().join("none.json"), path]), helpers: None };
        find(&files, &Repository::new(registry, name).unwrap(), Duration::from_secs(5)).map(self::found)
    }

    fn entry(text: &str) -> String {
        format!(r#"{{"auth":"{}"}}"#, base64::engine::general_purpose::STANDARD.encode(text))
    }

    #[test]
    fn the_longest_path_wins_and_a_path_is_whole_components() {
        let file = format!(
            r#"{{"auths":{{"r.example":{},"r.example/a":{},"r.example/a/b":{},"r.example:5000":{}}}}}"#,
            entry("h:1"),
            entry("a:2"),
            entry("ab:3:4"),
            entry("p:5")
        );
        let look = |registry, name| look_up(&file, registry, name).unwrap();
        assert_eq!(look("r.example", "x"), "h:1");
        assert_eq!(look("R.Example:443", "a"), "a:2");
        assert_eq!(look("r.example", "a/b"), "ab:3:4");
        assert_eq!(look("r.example", "a/b/c"), "ab:3:4");
        assert_eq!(look("r.example", "a/bc"), "a:2");
        assert_eq!(look("r.example", "ab"), "h:1");
        assert_eq!(look("r.example:5000", "a/b"), "p:5");
        assert_eq!(look("evil.r.example", "a/b"), "none");
        assert_eq!(look("r.example.evil", "a/b"), "none");
    }

    #[test]
    fn stars_stand_for_parts_of_a_host_and_for_nothing_else() {
        let look = |key: &str, registry: &str, name: &str| {
            let file = format!(r#"{{"auths":{{"{key}":{}}}}}"#, entry("u:p"));
            look_up(&file, registry, name).unwrap() == "u:p"
        };
        for (key, registry, name) in [
            ("*.r.example", "eu.r.example", "a/b"),
            ("*.*.r.example", "a.b.r.example", "a"),
            ("https://*.r.example/v1/", "eu.r.example", "a/b"),
            ("eu-*.r.example", "eu-west.r.example", "a"),
            ("e*-w*t.r.example", "eu-west.r.example", "a"),
            ("r.*.example:5000", "r.eu.example:5000", "a"),
            ("*.r.example/team", "eu.r.example", "team/app"),
            ("*.R.Example:443", "eu.r.example", "a"),
        ] {
            assert!(look(key, registry, name), "{key} for {registry}/{name}");
        }
        for (key, registry, name) in [
            ("*.r.example", "r.example", "a"),
            ("*.r.example", "a.b.r.example", "a"),
            ("*.r.example", "eu.r.example:5000", "a"),
            ("*.r.example:5000", "eu.r.example", "a"),
            ("*.r.example:*", "eu.r.example:5000", "a"),
            ("*.r.example/te*", "eu.r.example", "team/app"),
            ("*.r.example/team", "eu.r.example", "teams/app"),
            ("eu*west.r.example", "euwes.r.example", "a"),
            ("*", "localhost", "a"),
            ("*", "r.example", "a"),
            ("*.r.example", "evilr.example", "a"),
            ("*.r.example", "eu.r.example.evil.example", "a"),
            ("*.seaworthy0star.example", "a.x.example", "a"),
        ] {
            assert!(!look(key, registry, name), "{key} for {registry}/{name}");
        }
        // What is named whole comes before a pattern.
        let both = format!(
            r#"{{"auths":{{"*.r.example":{},"eu.r.example":{}}}}}"#,
            entry("star:1"),
            entry("whole:2")
        );
        assert_eq!(look_up(&both, "eu.r.example", "a").unwrap(), "whole:2");
    }

    #[test]
    fn docker_hub_by_all_its_names() {
        for key in [
            "https://index.docker.io/v1/",
            "docker.io",
            "index.docker.io",
            "https://registry-1.docker.io/v2/",
        ] {
            let file = format!(r#"{{"auths":{{"{key}":{}}}}}"#, entry("me:pw"));
            assert_eq!(look_up(&file, "docker.io", "nginx").unwrap(), "me:pw", "{key}");
            assert_eq!(look_up(&file, "quay.io", "a/b").unwrap(), "none", "{key}");
        }
    }

    #[test]
    fn tokens_pairs_and_empty_entries() {
        let token = r#"{"auths":{"r.example":{"auth":"bWU6","identitytoken":"t"}}}"#;
        assert_eq!(look_up(token, "r.example", "a/b").unwrap(), "token t");
        let pair = r#"{"auths":{"r.example":{"username":"u","password":"p"}}}"#;
        assert_eq!(look_up(pair, "r.example", "a/b").unwrap(), "u:p");
        let named = format!(r#"{{"auths":{{"r.example":{}}}}}"#, entry("<token>:t"));
        assert_eq!(look_up(&named, "r.example", "a/b").unwrap(), "token t");
        assert_eq!(look_up(r#"{"auths":{"r.example":{}}}"#, "r.example", "a/b").unwrap(), "none");
        assert_eq!(look_up("", "r.example", "a/b").unwrap(), "none");
    }

    #[test]
    fn a_broken_file_is_an_error_that_quotes_nothing() {
        for broken in [
            r#"{"auths":{"r.example":{"auth":["hunter2"]}}}"#,
            r#"{"auths":{"r.example":{"auth":"hunter2!"}}}"#,
            r#"{"auths":"hunter2"}"#,
            r#"{"auths":{"r.example":{"auth":"hunter2"#,
        ] {
            let error = look_up(broken, "r.example", "a/b").unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Local(_)));
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let limit = limits::CREDENTIAL_BYTES as usize;
        let padded = |n: usize| format!("{{}}{}", " ".repeat(n - 2));
        assert_eq!(look_up(&padded(limit), "r.example", "a/b").unwrap(), "none");
        let error = look_up(&padded(limit + 1), "r.example", "a/b").unwrap_err();
        assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "CREDENTIAL_BYTES", .. }));
    }

    #[test]
    fn what_is_handed_over_is_for_the_hosts_that_it_names_and_runs_nothing() {
        let text = format!(
            r#"{{"auths":{{"r.example/team":{}}},"credsStore":"evil","credHelpers":{{"q.example":"evil"}}}}"#,
            entry("u:p")
        );
        let config = DockerConfig::parse(Secret::new(text)).unwrap();
        let at = |registry, name| Repository::new(registry, name).unwrap();
        let look = |repository| find_in(std::slice::from_ref(&config), &repository).map(found).unwrap();
        assert!(config.is_for(&at("r.example", "team/app")) && !config.is_for(&at("r.example", "other/app")));
        assert!(!config.is_for(&at("q.example", "a/b")));
        assert_eq!(look(at("r.example", "team/app")), "u:p");
        assert_eq!(look(at("q.example", "a/b")), "none", "no program is run");
        let other = DockerConfig::parse(Secret::new("{}")).unwrap();
        let one = DockerConfig::digest(std::slice::from_ref(&config));
        assert_ne!(one, DockerConfig::digest(&[config, other]));
        let error = DockerConfig::parse(Secret::new(r#"{"auths":"hunter2"}"#)).map(|_| ()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn the_usual_places_in_order() {
        let env = |name: &str| match name {
            "HOME" => Some("/h".into()),
            "XDG_RUNTIME_DIR" => Some("/run".into()),
            _ => None,
        };
        let shown = |paths: Vec<PathBuf>| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            shown(usual_places(&env)),
            ["/h/.docker/config.json", "/run/containers/auth.json", "/h/.config/containers/auth.json"]
        );
        let explicit = |name: &str| match name {
            "REGISTRY_AUTH_FILE" => Some("/a.json".into()),
            "DOCKER_CONFIG" => Some("/d".into()),
            "XDG_CONFIG_HOME" => Some("/c".into()),
            other => env(other),
        };
        assert_eq!(
            shown(usual_places(&explicit)),
            ["/a.json", "/d/config.json", "/run/containers/auth.json", "/c/containers/auth.json"]
        );
    }
}
