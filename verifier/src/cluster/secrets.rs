//! Pull secrets of Pods, read through the API.
//!
//! Read are the secrets that a Pod names, or those of its service account where it names none, as the kubelet does.
//! Of a secret, only credentials are taken (`auths`), and each is used only for the registry that its key names; a
//! program that a secret names is never run. A secret that is not there counts for nothing, as for the kubelet;
//! one that cannot be read is "could not find out".

use super::{Api, is_name};
use crate::Namespace;
use crate::admission::images::Pulls;
use crate::admission::limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::registry::Secret;
use seaworthy_oci::registry::credentials::DockerConfig;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long what was read counts: a changed secret is used after it at the latest.
const KEEP: Duration = Duration::from_secs(30);
/// Secrets and accounts that are kept.
const KEPT: usize = 1_024;

/// What was found under a path: the names that an account has, or the credentials of a secret.
#[derive(Clone)]
enum Found {
    Nothing,
    Names(BTreeSet<String>),
    Config(DockerConfig),
}

/// Reads pull secrets.
pub struct PullSecrets {
    api: Api,
    kept: Mutex<HashMap<String, (Instant, Found)>>,
}

impl std::fmt::Debug for PullSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullSecrets").finish_non_exhaustive()
    }
}

impl PullSecrets {
    /// Through `api`, which must be allowed to read secrets and service accounts.
    pub fn new(api: Api) -> Self {
        Self { api, kept: Mutex::default() }
    }

    /// The credentials in the secrets of `pulls`.
    ///
    /// # Errors
    /// Where one of them could not be read, or too many are named.
    pub async fn open(&self, namespace: &Namespace, pulls: &Pulls) -> Result<Vec<DockerConfig>, String> {
        let mut names = pulls.secrets.clone();
        if names.is_empty()
            && let Found::Names(own) = self.find(namespace, "serviceaccounts", &pulls.account).await?
        {
            names = own;
        }
        if names.len() > limits::PULL_SECRETS {
            return Err(format!("more than the limit PULL_SECRETS = {}", limits::PULL_SECRETS));
        }
        let mut configs = Vec::new();
        for name in &names {
            if let Found::Config(config) = self.find(namespace, "secrets", name).await? {
                configs.push(config);
            }
        }
        Ok(configs)
    }

    async fn find(&self, namespace: &Namespace, what: &str, name: &str) -> Result<Found, String> {
        // A name that no object can have names none.
        if !is_name(name) {
            return Ok(Found::Nothing);
        }
        let path = format!("/api/v1/namespaces/{namespace}/{what}/{name}");
        let now = Instant::now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some((_, found)) = kept.filter(|(until, _)| *until > now) {
            return Ok(found);
        }
        let found = match self.api.get(&path).await {
            Ok(object) => read(&object).map_err(|why| format!("{path}: {why}"))?,
            Err(error) if error.not_found => Found::Nothing,
            Err(error) => return Err(error.to_string()),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.retain(|_, (until, _)| *until > now);
        }
        if kept.len() < KEPT {
            kept.insert(path, (now + KEEP, found.clone()));
        }
        Ok(found)
    }
}

fn read(object: &Value) -> Result<Found, String> {
    if let Some(list) = object.get("imagePullSecrets").and_then(Value::as_array) {
        return Ok(Found::Names(
            list.iter().filter_map(|s| s.get("name")?.as_str().map(str::to_owned)).collect(),
        ));
    }
    let data = |key: &str| object.get("data").and_then(|d| d.get(key)).and_then(Value::as_str);
    let (text, old) = match object.get("type").and_then(Value::as_str) {
        Some("kubernetes.io/dockerconfigjson") => (data(".dockerconfigjson"), false),
        Some("kubernetes.io/dockercfg") => (data(".dockercfg"), true),
        _ => return Ok(Found::Nothing),
    };
    let bytes = STANDARD.decode(text.unwrap_or_default()).map_err(|_| "its data is not base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "its data is no text")?;
    // The older form is the inner part of the newer one.
    let text = Secret::new(if old { format!("{{\"auths\":{text}}}") } else { text });
    DockerConfig::parse(text).map(Found::Config).map_err(|e| e.to_string())
}
