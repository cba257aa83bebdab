//! Policies as objects of the cluster: listed, watched, read, and told in their status what became of them.
//!
//! The list is what counts. A watch only says that it is time to ask for it again, and so does a minute without a
//! word from it; nothing is put together from events. Until each kind was listed once, nothing is known, and the
//! webhook lets nothing in. Where the API server cannot be asked later, what was known stays, and metrics say since
//! when.
//!
//! A namespace with more policies than [`OF_A_NAMESPACE`] gets one in their place that is never met: whoever fills it
//! up keeps out their own images, and nobody else's.

use super::{Api, ApiError, Change, is_name};
use crate::policy::object;
use crate::{Namespace, Policy};
use jiff::Timestamp;
use seaworthy_oci::Digest;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Policies of one namespace.
pub const OF_A_NAMESPACE: usize = 32;
/// Policies of the cluster's own.
pub const OF_THE_CLUSTER: usize = 1_000;
/// Time after which the list is asked for again without a word from the watch.
const RESYNC: Duration = Duration::from_secs(60);
/// Time after a list that could not be had; it doubles up to [`RESYNC`].
const RETRY: Duration = Duration::from_millis(500);
/// Time between two lists, however much changes.
const SETTLE: Duration = Duration::from_millis(200);
/// Characters of a condition's message (the API's own limit is 32768).
const MESSAGE_CHARS: usize = 2_000;

/// Takes a level (`info`, `error`) and what an operator should know.
pub type Tell = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// The kinds of policy objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `ClusterImagePolicy`.
    Cluster,
    /// `ImagePolicy`, in a namespace.
    Namespaced,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Cluster, Self::Namespaced];

    fn name(self) -> &'static str {
        match self {
            Self::Cluster => "ClusterImagePolicy",
            Self::Namespaced => "ImagePolicy",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Cluster => "clusterimagepolicies",
            Self::Namespaced => "imagepolicies",
        }
    }

    fn list(self) -> String {
        format!("/apis/{}/v1alpha1/{}", object::GROUP, self.plural())
    }
}

/// One object, read.
#[derive(Debug, Clone)]
struct Item {
    policy: Policy,
    /// What it says, as a hash.
    says: Digest,
    problems: Option<String>,
    /// Where its status is written, and what is to be written there; none where it says so already.
    status: Option<(String, Value)>,
    stands_for: StandsFor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StandsFor {
    Itself,
    /// All policies of its namespace, or all of the cluster's own.
    All,
}

#[derive(Debug, Default)]
struct Known {
    kinds: BTreeMap<Kind, Vec<Item>>,
    /// When each kind was last listed.
    listed: BTreeMap<Kind, Timestamp>,
    failures: u64,
    /// Names of policies in files, which no object may take.
    taken: BTreeSet<String>,
}

/// What is known of the policy objects.
#[derive(Debug, Default)]
pub struct Objects {
    known: Mutex<Known>,
    changed: Notify,
}

/// What is known, at one moment.
pub struct Snapshot {
    /// What the objects mean.
    pub policies: Vec<Policy>,
    /// What they say, as a hash.
    pub fingerprint: String,
}

/// How the objects are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Objects that mean something.
    pub good: u64,
    /// Objects that cannot be read.
    pub refused: u64,
    /// Seconds since the older of the lists; none before each was had once.
    pub age: Option<u64>,
    /// Lists that could not be had.
    pub failures: u64,
}

impl Objects {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Every change is one assignment: nothing is half-written when a panic unwinds.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known; none before each kind was listed once.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let known = self.known();
        if known.kinds.len() < Kind::ALL.len() {
            return None;
        }
        let items = || known.kinds.values().flatten();
        let all: String = items().map(|i| format!("{} {}\n", i.policy.name(), i.says)).collect();
        let policies = items().map(|i| i.policy.clone()).collect();
        Some(Snapshot { policies, fingerprint: Digest::sha256(all.as_bytes()).to_string() })
    }

    /// Names that objects may not have, since policies in files do.
    pub fn take(&self, names: BTreeSet<String>) {
        let mut known = self.known();
        if known.taken != names {
            known.taken = names;
            drop(known);
            self.changed.notify_one();
        }
    }

    /// How they are known, at `now`.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let known = self.known();
        let refused = known.kinds.values().flatten().filter(|i| i.problems.is_some()).count() as u64;
        let all = known.kinds.values().map(Vec::len).sum::<usize>() as u64;
        let oldest = known.listed.values().min().filter(|_| known.listed.len() == Kind::ALL.len());
        let age = oldest.map(|t| u64::try_from(now.duration_since(*t).as_secs()).unwrap_or(0));
        Standing { good: all - refused, refused, age, failures: known.failures }
    }

    /// Ends when something changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Follows both kinds, for ever. `tell` gets what an operator should know: failures, and when they ended.
    pub async fn follow(self: Arc<Self>, api: Api, tell: Tell) {
        let each = |kind| Arc::clone(&self).follow_kind(kind, api.clone(), Arc::clone(&tell));
        tokio::join!(each(Kind::Cluster), each(Kind::Namespaced));
    }

    /// Asks for both lists once.
    ///
    /// # Errors
    /// Where one of them cannot be had.
    pub async fn list_once(&self, api: &Api) -> Result<(), ApiError> {
        for kind in Kind::ALL {
            self.list(kind, api).await?;
        }
        Ok(())
    }

    async fn follow_kind(self: Arc<Self>, kind: Kind, api: Api, tell: Tell) {
        let (mut wait, mut told) = (RETRY, String::new());
        loop {
            let ended = match self.list(kind, &api).await {
                Ok(version) => {
                    if !told.is_empty() {
                        tell("info", &format!("{}: the list is had again", kind.name()));
                        told.clear();
                    }
                    wait = RETRY;
                    self.write_statuses(kind, &api, &tell).await;
                    api.changed(&kind.list(), &version, RESYNC).await
                }
                Err(error) => Err(error),
            };
            match ended {
                Ok(()) => tokio::time::sleep(SETTLE).await,
                Err(error) => {
                    self.known().failures += 1;
                    let text = format!("{}: {error}; what was known stays", kind.name());
                    if told != text {
                        tell("error", &text);
                        told = text;
                    }
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RESYNC);
                }
            }
        }
    }

    async fn list(&self, kind: Kind, api: &Api) -> Result<String, ApiError> {
        let (now, taken) = (Timestamp::now(), self.known().taken.clone());
        let mut items: Vec<Item> = Vec::new();
        let mut of_each: BTreeMap<String, usize> = BTreeMap::new();
        let version = api
            .list(&kind.list(), |mut object| {
                // Elements of a list do not say what they are.
                object["apiVersion"] = format!("{}/v1alpha1", object::GROUP).into();
                object["kind"] = kind.name().into();
                let namespace =
                    object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
                let count = of_each.entry(namespace.to_owned()).or_default();
                *count += 1;
                let limit = if kind == Kind::Cluster { OF_THE_CLUSTER } else { OF_A_NAMESPACE };
                if *count <= limit {
                    items.push(item(kind, &object, &taken, now));
                } else if *count == limit + 1 {
                    items.extend(overflow(kind, namespace, limit));
                }
            })
            .await?;
        // Where there are too many, the one in their place is enough, and the rest is not judged by chance.
        let home = |i: &Item| i.policy.name().split_once('/').map(|(home, _)| home.to_owned());
        let over: BTreeSet<_> = items.iter().filter(|i| i.stands_for == StandsFor::All).map(home).collect();
        items.retain(|i| i.stands_for == StandsFor::All || !over.contains(&home(i)));
        items.sort_by(|a, b| a.policy.name().cmp(b.policy.name()));
        let mut known = self.known();
        let same = known.kinds.get(&kind).is_some_and(|old| {
            old.len() == items.len() && old.iter().zip(&items).all(|(a, b)| a.says == b.says)
        });
        known.kinds.insert(kind, items);
        known.listed.insert(kind, now);
        drop(known);
        if !same {
            self.changed.notify_one();
        }
        Ok(version)
    }

    /// Tells each object what became of it, where its status says something else.
    async fn write_statuses(&self, kind: Kind, api: &Api, tell: &Tell) {
        let due: Vec<(String, Value)> = {
            let known = self.known();
            known.kinds.get(&kind).into_iter().flatten().filter_map(|i| i.status.clone()).collect()
        };
        let mut failed = 0;
        for (path, status) in &due {
            // An object that is gone meanwhile needs none.
            if let Err(error) = api.write(path, Change::Merge, status).await
                && !error.not_found
            {
                failed += 1;
                if failed == 1 {
                    tell("error", &format!("a status was not written: {error}"));
                }
            }
        }
        if let Some(items) = self.known().kinds.get_mut(&kind) {
            items.iter_mut().for_each(|item| item.status = None);
        }
    }
}

/// One object, read; its status where that has to be written.
fn item(kind: Kind, object: &Value, taken: &BTreeSet<String>, now: Timestamp) -> Item {
    let object::Read { mut policy, mut problems } = object::read(object, now);
    if problems.is_none() && taken.contains(policy.name()) {
        let why = "a policy of this name is in a file of the webhook: give this one another name";
        policy = Policy::unreadable(&format!("object {}", policy.name()), None, why);
        problems = Some(why.to_owned());
    }
    let says = [object.get("spec"), Some(&json!(problems))];
    let says = Digest::sha256(json!(says).to_string().as_bytes());
    Item {
        policy,
        says,
        status: status(kind, object, problems.as_deref(), now),
        problems,
        stands_for: StandsFor::Itself,
    }
}

/// What stands for all policies of a namespace, or of the cluster, that has more than are read.
fn overflow(kind: Kind, namespace: &str, limit: usize) -> Option<Item> {
    let why = format!("there are more than {limit} policies here");
    let owner = match kind {
        Kind::Cluster => None,
        Kind::Namespaced => Some(namespace.parse::<Namespace>().ok()?),
    };
    let policy = Policy::unreadable("too-many", owner, &why);
    Some(Item {
        policy,
        says: Digest::sha256(why.as_bytes()),
        problems: Some(why),
        status: None,
        stands_for: StandsFor::All,
    })
}

/// The path of the object's status and what to write there, where it says something else.
fn status(kind: Kind, object: &Value, problems: Option<&str>, now: Timestamp) -> Option<(String, Value)> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").filter(|n| is_name(n))?;
    let path = match (kind, text("/metadata/namespace")) {
        (Kind::Cluster, _) => format!("{}/{name}/status", kind.list()),
        (Kind::Namespaced, Some(namespace)) if is_name(namespace) => {
            format!("/apis/{}/v1alpha1/namespaces/{namespace}/{}/{name}/status", object::GROUP, kind.plural())
        }
        (Kind::Namespaced, _) => return None,
    };
    let generation = object.pointer("/metadata/generation").cloned().unwrap_or_default();
    let message: String =
        problems.unwrap_or("the policy is understood").chars().take(MESSAGE_CHARS).collect();
    let (state, reason) = if problems.is_some() { ("False", "Refused") } else { ("True", "Accepted") };
    let old = object.pointer("/status/conditions/0").cloned().unwrap_or_default();
    let same = old.get("status").and_then(Value::as_str) == Some(state);
    if same
        && old.get("message").and_then(Value::as_str) == Some(message.as_str())
        && old.get("observedGeneration") == Some(&generation)
    {
        return None;
    }
    let since = old.get("lastTransitionTime").filter(|_| same).cloned();
    let since = since.unwrap_or_else(|| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
    let condition = json!({
        "type": "Ready", "status": state, "reason": reason, "message": message,
        "observedGeneration": generation, "lastTransitionTime": since,
    });
    Some((path, json!({ "status": { "conditions": [condition] } })))
}
