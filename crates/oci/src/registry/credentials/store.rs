//! What `login` and `logout` change: Docker's configuration file, so that all tools share one login.
//!
//! Where the file names a helper for the registry, the helper keeps the secret and the file only learns
//! that there is one. Everything else in the file stays as it was.

use super::super::secret::Secret;
use super::{Key, docker_config, helper, helper_for, local, malformed, read_capped, server_address};
use crate::error::{Error, ErrorKind, Result};
use crate::{Repository, limits};
use base64::Engine as _;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The file in which `login` keeps credentials: Docker's, so that other tools find them too.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    helpers: Option<PathBuf>,
}

/// Where credentials were kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In the file, readable for whoever can read the file.
    File(PathBuf),
    /// By this credential helper.
    Helper(String),
}

/// What [`Store::erase`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// There were credentials, and they are gone.
    Erased,
    /// There were none.
    NothingThere,
}

impl Store {
    /// `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where neither that variable nor a home directory is set.
    pub fn docker() -> Result<Self> {
        let env = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let path = docker_config(&env).ok_or_else(|| {
            let kind = ErrorKind::Local("neither DOCKER_CONFIG nor HOME is set".into());
            Error::new("find", "the Docker configuration", kind)
        })?;
        Ok(Self::at(path, None))
    }

    /// A file of the same format elsewhere, with helpers from `helpers` (`None` for `PATH`).
    pub fn at(path: impl Into<PathBuf>, helpers: Option<PathBuf>) -> Self {
        Self { path: path.into(), helpers }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps credentials for `registry` (`host` or `host:port`): by the helper that the file names for it,
    /// or in the file itself (base64, mode 0600), in place of those that were there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidReference`] for what is no registry; [`ErrorKind::Local`] or
    /// [`ErrorKind::Timeout`] where they could not be kept.
    pub fn store(&self, registry: &str, username: &str, password: &Secret) -> Result<Kept> {
        let registry = canonical(registry)?;
        if username.is_empty() || username.contains(':') || username.chars().any(char::is_control) {
            let why = "a user name is not empty and has neither ':' nor control characters".into();
            return Err(Error::new("keep credentials for", registry, ErrorKind::Local(why)));
        }
        let mut document = self.read()?;
        let server = server_address(&registry);
        let helper = self.helper(&document, &registry);
        let (entry, kept) = if let Some(name) = helper {
            let pair = json!({"ServerURL": server, "Username": username, "Secret": password.expose()});
            let input = Zeroizing::new(pair.to_string());
            self.run(&name, "store", &input)?;
            (json!({}), Kept::Helper(name))
        } else {
            let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
            let auth = base64::engine::general_purpose::STANDARD.encode(pair.as_bytes());
            (json!({"auth": auth}), Kept::File(self.path.clone()))
        };
        let auths = document.entry("auths").or_insert_with(|| json!({}));
        let auths =
            auths.as_object_mut().ok_or_else(|| local(&self.path, "its 'auths' is no object".into()))?;
        // Another spelling of the same registry would compete with the new entry.
        auths.retain(|key, _| !Key::parse(key).is_some_and(|k| k.is_registry(&registry)));
        auths.insert(server.to_owned(), entry);
        self.write(&document)?;
        Ok(kept)
    }

    /// Forgets the credentials for `registry`.
    ///
    /// # Errors
    /// Where it is not certain that they are gone; as [`Store::store`].
    pub fn erase(&self, registry: &str) -> Result<Erased> {
        let registry = canonical(registry)?;
        let mut document = self.read()?;
        let mut erased = Erased::NothingThere;
        if let Some(name) = self.helper(&document, &registry) {
            let deadline = limits::CREDENTIAL_HELPER;
            let server = server_address(&registry);
            if helper::get(self.helpers.as_deref(), &name, server, deadline)?.is_some() {
                self.run(&name, "erase", server)?;
                erased = Erased::Erased;
            }
        }
        if let Some(auths) = document.get_mut("auths").and_then(Value::as_object_mut) {
            let before = auths.len();
            auths.retain(|key, entry| {
                let ours = Key::parse(key).is_some_and(|k| k.is_registry(&registry));
                if ours && entry.as_object().is_some_and(|e| !e.is_empty()) {
                    erased = Erased::Erased;
                }
                !ours
            });
            if auths.len() != before {
                self.write(&document)?;
            }
        }
        Ok(erased)
    }

    fn helper(&self, document: &Map<String, Value>, registry: &str) -> Option<String> {
        let by_registry: BTreeMap<String, String> = document
            .get("credHelpers")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        let for_all = document.get("credsStore").and_then(Value::as_str);
        helper_for(&by_registry, for_all, registry).map(str::to_owned)
    }

    fn run(&self, name: &str, verb: &str, input: &str) -> Result<()> {
        let output = helper::run(self.helpers.as_deref(), name, verb, input, limits::CREDENTIAL_HELPER)?;
        if output.success { Ok(()) } else { Err(helper::failed(name, format!("its '{verb}' failed"))) }
    }

    fn read(&self) -> Result<Map<String, Value>> {
        match read_capped(&self.path)? {
            Some(bytes) if !bytes.iter().all(u8::is_ascii_whitespace) => {
                serde_json::from_slice(&bytes).map_err(|e| malformed(&self.path, &e))
            }
            _ => Ok(Map::new()),
        }
    }

    /// Whole or not at all, and readable for its owner alone from its first byte on.
    fn write(&self, document: &Map<String, Value>) -> Result<()> {
        let fail = |e: std::io::Error| {
            Error::new("write credentials to", self.path.display(), ErrorKind::Local(e.to_string()))
        };
        let mut bytes = Zeroizing::new(serde_json::to_vec_pretty(document).map_err(|e| fail(e.into()))?);
        bytes.push(b'\n');
        // A link to the file stays a link.
        let target = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let dir = target.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
            builder.mode(0o700);
            options.mode(0o600);
        }
        builder.create(dir).map_err(fail)?;
        let random = getrandom::u64().map_err(|e| fail(std::io::Error::other(e.to_string())))?;
        let temporary = dir.join(format!(".config.json.{random:016x}"));
        let written = options
            .open(&temporary)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&temporary, &target));
        written.map_err(|e| {
            let _ = std::fs::remove_file(&temporary);
            fail(e)
        })
    }
}

fn canonical(registry: &str) -> Result<String> {
    Repository::new(registry, "x/x").map(|r| r.registry().to_owned()).map_err(|e| {
        Error::new("read registry", format!("'{}'", registry.escape_debug()), e.kind)
            .hint("a registry is host or host:port")
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigFiles, Found, find};
    use super::*;
    use std::time::Duration;

    fn found(store: &Store, registry: &str) -> Option<String> {
        let files = ConfigFiles { files: Some(vec![store.path.clone()]), helpers: store.helpers.clone() };
        let repository = Repository::new(registry, "a/b").unwrap();
        match find(&files, &repository, Duration::from_secs(60)).unwrap()? {
            Found::Basic(name, secret) => Some(format!("{name}:{}", secret.expose())),
            Found::IdentityToken(_) => panic!(),
        }
    }

    #[test]
    fn what_is_kept_is_found_and_what_is_erased_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("new/config.json"), None);
        assert_eq!(store.erase("r.example").unwrap(), Erased::NothingThere);
        assert!(!store.path().exists());
        let kept = store.store("R.example:443", "me", &Secret::new("p:w")).unwrap();
        assert_eq!(kept, Kept::File(store.path().to_owned()));
        store.store("docker.io", "hub", &Secret::new("x")).unwrap();
        assert_eq!(found(&store, "r.example").unwrap(), "me:p:w");
        assert_eq!(found(&store, "docker.io").unwrap(), "hub:x");
        assert!(std::fs::read_to_string(store.path()).unwrap().contains("https://index.docker.io/v1/"));
        assert_eq!(store.erase("index.docker.io").unwrap(), Erased::Erased);
        assert_eq!(found(&store, "docker.io"), None);
        assert_eq!(found(&store, "r.example").unwrap(), "me:p:w");
        assert_eq!(store.erase("docker.io").unwrap(), Erased::NothingThere);
        assert!(store.store("r.example", "a:b", &Secret::new("x")).is_err());
        assert!(store.store("not a host", "a", &Secret::new("x")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_rest_of_the_file_stays_and_nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real.json");
        let text = r#"{"HttpHeaders":{"X":"1"},"auths":{"https://r.example/v2/":{"auth":"b2xkOm9sZA=="},
            "r.example/a":{"auth":"cGF0aDpwdw=="}},"detachKeys":"ctrl-x"}"#;
        std::fs::write(&real, text).unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o644)).unwrap();
        let link = dir.path().join("config.json");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        Store::at(&link, None).store("r.example", "new", &Secret::new("new")).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
        let document: Value = serde_json::from_slice(&std::fs::read(&real).unwrap()).unwrap();
        assert_eq!(
            document,
            json!({"HttpHeaders":{"X":"1"},"detachKeys":"ctrl-x","auths":{
                "r.example":{"auth":"bmV3Om5ldw=="},"r.example/a":{"auth":"cGF0aDpwdw=="}}})
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
