//! The Kubernetes admission webhook: may this object, with all images in it, come in?
//!
//! [`Admission::review`] takes the bytes of an AdmissionReview and gives the bytes of the answer; sockets are
//! [`crate::serve`]'s. The judge is the same [`Verifier`] that the command line asks. Its steps:
//!
//! 1. [`review`] reads the question, [`images`] finds every image in it.
//! 2. An image that no policy speaks about, and a registry that may not be asked ([`registries`]), are denied
//!    before any name is resolved.
//! 3. A tag is asked for once. What it means now is hashed; that digest is judged, remembered and pinned.
//! 4. All of it ends within the budget, which is below the API server's own timeout, so that there is always
//!    a reason: "denied" and "could not find out" are told apart.
//!
//! What is refused: everything that cannot be read, has more images than [`limits`] allow, or is of a kind
//! that nobody described. The only way to `allowed` is a verdict for every image.

pub mod images;
pub mod limits;
mod memory;
mod objects;
mod policies;
pub mod registries;
pub mod response;
pub mod review;
mod ways;

pub use images::{Found, ImagesAt, Position};
pub use policies::{Policies, fingerprint, fingerprint_with};
pub use registries::RegistryName;
pub use response::{Answer, ImageAnswer, Outcome};
pub use review::{Request, User};
pub use ways::{RegistryDown, Way};

use crate::break_glass::Glass;
use crate::cluster::secrets::PullSecrets;
use crate::policy::scope::{self, Matching};
use crate::{Context, Decision, ImageName, Mode, Namespace, Platforms, Verdict, Verifier};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use memory::Memory;
use policies::Key;
use seaworthy_oci::registry::credentials::DockerConfig;
use seaworthy_oci::registry::{Addresses, Connections, Credentials};
use seaworthy_oci::{Digest, ErrorKind, Location, OpenOptions, Reference, Repository, Source};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Which of the two webhooks is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Webhook {
    /// Says yes or no.
    Validate,
    /// Says yes or no, and with the yes pins the images of Pods.
    Mutate,
}

impl Webhook {
    /// Its name in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Mutate => "mutate",
        }
    }
}

/// How reviews are answered.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time for one review.
    pub budget: Duration,
    /// The registries that may be asked; empty: all but this machine and link-local addresses.
    pub registries: Vec<RegistryName>,
    /// Where images stand in kinds that the API does not define.
    pub images_at: Vec<ImagesAt>,
    /// Which platforms of an index must be in order.
    pub platforms: Platforms,
    /// How long a yes is remembered.
    pub allowed_for: Duration,
    /// What is done where a registry does not answer.
    pub registry_down: RegistryDown,
    /// Where images are pinned.
    pub pin: Pin,
    /// Whose break-glass tokens count; none: nobody's.
    pub glass: Option<Glass>,
    /// Where the pull secrets of Pods are read; none: nowhere.
    pub pull_secrets: Option<Arc<PullSecrets>>,
    /// How registries are talked to.
    pub open: OpenOptions,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

/// Where the mutating webhook writes the digest behind the tag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pin {
    /// In Pods alone: a pinned template would hide the tag from whoever rolls it out next.
    #[default]
    Pods,
    /// In everything that it is asked about, templates of Pods included: all Pods of a rollout are then one image, also
    /// when the tag moves meanwhile.
    Templates,
}

impl Default for Options {
    fn default() -> Self {
        let mut open = OpenOptions::default();
        // Inside eight seconds there is room for one more try, and a reason is better than a second one.
        open.registry.tries = 2;
        open.registry.addresses = Addresses::NotLocal;
        open.registry.backoff = Duration::from_millis(100);
        open.registry.timeouts.connect = Duration::from_secs(2);
        open.registry.timeouts.request = Duration::from_secs(5);
        open.registry.timeouts.idle = Duration::from_secs(3);
        open.registry.timeouts.helper = Duration::from_secs(3);
        Self {
            budget: limits::BUDGET,
            registries: Vec::new(),
            images_at: Vec::new(),
            platforms: Platforms::All,
            allowed_for: limits::ALLOWED_FOR,
            registry_down: RegistryDown::default(),
            pin: Pin::default(),
            glass: None,
            pull_secrets: None,
            open,
            clock: Timestamp::now,
        }
    }
}

/// What the judge said about one digest, without its tree.
#[derive(Debug)]
struct Judged {
    decision: Decision,
    reason: String,
    warnings: Vec<String>,
    would_deny: bool,
}

/// What the images of one review have in common.
struct Asked {
    /// All of a review by one set of policies, also if another comes meanwhile.
    policies: Arc<Policies>,
    /// None for an object of the cluster itself: then the strictest applies.
    namespace: Option<Namespace>,
    /// What stands where break-glass tokens stand. Nothing is known about them.
    tokens: Vec<String>,
    /// The pull secrets that the object names, and the account that may name others.
    pulls: images::Pulls,
    /// What is in them, once somebody needed it.
    opened: OnceCell<Result<Vec<DockerConfig>, String>>,
    deadline: Instant,
    budget: Duration,
}

/// A review, answered.
#[derive(Debug)]
pub struct Reviewed {
    /// The body of the HTTP answer.
    pub body: Vec<u8>,
    /// What was said.
    pub answer: Answer,
    /// What was asked, where it could be read, without its objects: for the audit log.
    pub request: Option<Request>,
}

/// A repository, and what it is asked with: a connection is never shared between different credentials.
type SourceKey = (Repository, Option<Digest>);

/// The webhook without its server. Share it behind an [`Arc`].
pub struct Admission {
    options: Options,
    policies: RwLock<Arc<Policies>>,
    sources: Mutex<Memory<SourceKey, Arc<dyn Source>>>,
    judgements: Semaphore,
}

impl Admission {
    /// A webhook that answers by `policies`.
    pub fn new(policies: Policies, mut options: Options) -> Self {
        options.open.registry.shared = Some(Connections::default());
        Self {
            options,
            policies: RwLock::new(Arc::new(policies)),
            sources: Mutex::new(Memory::new(limits::SOURCES)),
            judgements: Semaphore::new(limits::JUDGEMENTS),
        }
    }

    /// The policies that answer now.
    pub fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.policies.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From the next review on, `policies` answer, and nothing that was remembered counts.
    pub fn replace_policies(&self, policies: Policies) {
        *self.policies.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
    }

    /// Answers the review in `body`. `patience` is how long the API server waits, where it says so.
    pub async fn review(
        self: &Arc<Self>,
        webhook: Webhook,
        body: &[u8],
        patience: Option<Duration>,
    ) -> Reviewed {
        let mut request = match review::parse(body) {
            Ok(request) => request,
            Err(malformed) => {
                let answer =
                    Answer::refused(malformed.uid.as_deref(), Outcome::Malformed, malformed.to_string());
                return Reviewed { body: answer.body(None), answer, request: None };
            }
        };
        let uid = Some(request.uid.as_str());
        if let Some(answer) = objects::review(&request, (self.options.clock)()) {
            let body = answer.body(None);
            (request.object, request.old_object) = Default::default();
            return Reviewed { body, answer, request: Some(request) };
        }
        let (answer, positions) = match images::find(&request, &self.options.images_at) {
            Ok(Found::NoImage(_)) => (self.answer(&request, Vec::new()), Vec::new()),
            Ok(Found::Images(positions)) => {
                let budget = patience.map_or(self.options.budget, |patience| {
                    self.options.budget.min(patience.saturating_sub(limits::HEADROOM))
                });
                let (policies, deadline) = (self.policies(), Instant::now() + budget);
                if let Some(missing) = policies.waiting() {
                    let why = format!("could not find out: {missing}");
                    let answer = Answer::refused(uid, Outcome::CouldNotFindOut, why);
                    return Reviewed { body: answer.body(None), answer, request: Some(request) };
                }
                match namespace(&request) {
                    Ok(namespace) => {
                        let tokens = match &self.options.glass {
                            Some(_) => ways::tokens(&request, &self.options.images_at),
                            None => Vec::new(),
                        };
                        let pulls = match &self.options.pull_secrets {
                            Some(_) => images::pulls(&request, &self.options.images_at),
                            None => images::Pulls::default(),
                        };
                        let opened = OnceCell::new();
                        let asked = Asked { policies, namespace, tokens, pulls, opened, deadline, budget };
                        let images = self.judge_all(&positions, Arc::new(asked)).await;
                        (self.answer(&request, images), positions)
                    }
                    Err(why) => (Answer::refused(uid, Outcome::Malformed, why), Vec::new()),
                }
            }
            Err(why @ (images::Unreadable::UnknownKind(_) | images::Unreadable::TooMany { .. })) => {
                (Answer::refused(uid, Outcome::Denied, format!("denied: {why}")), Vec::new())
            }
            Err(why) => {
                let why = format!("the object cannot be judged: {why}");
                (Answer::refused(uid, Outcome::Malformed, why), Vec::new())
            }
        };
        let patch = answer.patch(webhook, &request, &positions, self.options.pin);
        let body = answer.body(Some(&patch));
        (request.object, request.old_object) = Default::default();
        Reviewed { body, answer, request: Some(request) }
    }

    /// Judges `images` as those of a Pod in `namespace` with the pull secrets `pulls`, outside of any review.
    pub async fn judge_images(
        self: &Arc<Self>,
        namespace: &Namespace,
        pulls: &images::Pulls,
        images: &[&str],
        budget: Duration,
    ) -> Vec<ImageAnswer> {
        let place = |image: &&str| Position { pointer: String::new(), image: (*image).to_owned() };
        let positions: Vec<Position> = images.iter().map(place).collect();
        let asked = Asked {
            policies: self.policies(),
            namespace: Some(namespace.clone()),
            tokens: Vec::new(),
            pulls: pulls.clone(),
            opened: OnceCell::new(),
            deadline: Instant::now() + budget,
            budget,
        };
        self.judge_all(&positions, Arc::new(asked)).await
    }

    fn answer(&self, request: &Request, images: Vec<ImageAnswer>) -> Answer {
        // The order of the variants is the order of precedence: a certain no outweighs a doubt.
        let any = |outcome| images.iter().any(|i| i.outcome == outcome);
        let outcome = [Outcome::Denied, Outcome::CouldNotFindOut, Outcome::Malformed]
            .into_iter()
            .find(|o| any(*o))
            .unwrap_or(Outcome::Allowed);
        let policies = self.policies().fingerprint().to_owned();
        Answer { uid: request.uid.clone(), outcome, reason: None, images, policies }
    }

    /// Judges each distinct image once, at the same time, until `deadline`.
    async fn judge_all(self: &Arc<Self>, positions: &[Position], asked: Arc<Asked>) -> Vec<ImageAnswer> {
        let mut images: Vec<ImageAnswer> = Vec::new();
        for position in positions {
            match images.iter_mut().find(|i| i.image == position.image) {
                Some(known) => known.places += 1,
                None => images.push(ImageAnswer {
                    image: position.image.clone(),
                    at: position.dotted(),
                    places: 1,
                    // What nobody answers stays a doubt.
                    outcome: Outcome::CouldNotFindOut,
                    reason: "the judge ended without an answer; please report it".into(),
                    digest: None,
                    warnings: Vec::new(),
                    would_deny: false,
                    remembered: false,
                    way: None,
                }),
            }
        }
        let mut tasks = JoinSet::new();
        for (at, image) in images.iter_mut().enumerate() {
            let (this, asked, text) = (Arc::clone(self), Arc::clone(&asked), image.image.clone());
            match at_once(async move { this.judge_one(&asked, &text).await }) {
                Ok(said) => tell(image, said),
                Err(rest) => {
                    tasks.spawn(async move { (at, rest.await) });
                }
            }
        }
        while let Some(ended) = tasks.join_next().await {
            if let Ok((at, said)) = ended
                && let Some(image) = images.get_mut(at)
            {
                tell(image, said);
            }
        }
        images
    }

    async fn judge_one(self: &Arc<Self>, asked: &Asked, text: &str) -> Said {
        let reference = match readable(text) {
            Ok(reference) => reference,
            Err(why) => return Said::new(Outcome::Denied, why),
        };
        let said = self.judge_reference(asked, &reference).await;
        let Some(glass) = &self.options.glass else { return said };
        let digest = said.digest.as_ref().and_then(|d| d.parse().ok()).or_else(|| reference.digest.clone());
        ways::break_glass(said, digest.as_ref(), asked, glass, (self.options.clock)())
    }

    async fn judge_reference(self: &Arc<Self>, asked: &Asked, reference: &Reference) -> Said {
        let Location::Registry(repository) = &reference.location else {
            return Said::new(Outcome::Denied, "it names no registry".into());
        };
        let name = ImageName::of(&reference.location);
        let matching = match scope::select(&asked.policies.set.policies, &name, asked.namespace.as_ref()) {
            Ok(matching) => matching,
            Err(why) => return Said::new(Outcome::Denied, with_hint(why.one_line(), why.hint.as_deref())),
        };
        if let Err(why) = registries::check(repository, &self.options.registries) {
            return Said::new(Outcome::Denied, format!("{why} [registry-not-allowed]"));
        }
        let question = Question { asked, matching: &matching, name: &name };
        let found = match timeout_at(asked.deadline, self.find_out(&question, reference, repository)).await {
            Ok(found) => found,
            Err(_) => Err(Doubt {
                nature: Nature::Down,
                why: format!(
                    "no answer within {:.1} s: the registry is slow or silent",
                    asked.budget.as_secs_f32()
                ),
            }),
        };
        let doubt = match found {
            Ok(said) => return said,
            Err(doubt) => doubt,
        };
        // A policy that only watches breaks nothing, also where there is nothing to see.
        if matching.iter().all(|p| p.mode != Mode::Enforce) {
            let mut said =
                Said::new(Outcome::Allowed, format!("allowed, though it could not be judged: {}", doubt.why));
            said.would_deny = true;
            let warned = matching.iter().filter(|p| p.mode == Mode::Warn);
            said.warnings =
                warned.map(|p| format!("policy '{}': could not find out: {}", p.name(), doubt.why)).collect();
            return said;
        }
        if doubt.nature == Nature::Down
            && let Some(said) = ways::remembered(&question, reference, self.options.registry_down, &doubt.why)
        {
            return said;
        }
        let certain = doubt.nature == Nature::NotThere;
        Said::new(if certain { Outcome::Denied } else { Outcome::CouldNotFindOut }, doubt.why)
    }

    /// What the policies say about what `reference` means now.
    async fn find_out(
        self: &Arc<Self>,
        question: &Question<'_>,
        reference: &Reference,
        repository: &Repository,
    ) -> Result<Said, Doubt> {
        let policies = &question.asked.policies;
        if let Some(digest) = &reference.digest {
            let key = question.key(digest, reference.tag.as_deref());
            if let Some(judged) = lock(&policies.verdicts).get(&key) {
                return Ok(Said::from(&judged, &key, Remembered::Yes));
            }
        }
        let source = self.source(question.asked, repository).await?;
        let (pinned, manifest) =
            seaworthy_oci::resolve(source.as_ref(), reference).await.map_err(Doubt::from)?;
        let key = question.key(pinned.digest(), pinned.tag());
        if let Some(judged) = lock(&policies.verdicts).get(&key) {
            return Ok(Said::from(&judged, &key, Remembered::Yes));
        }
        // Whoever asks about the same digest meanwhile waits for this answer. Should this review's time be
        // over first, the cell lets one of them take the work up.
        let flight = policies.board(&key);
        let judge = async {
            let failed = |e: &dyn std::fmt::Display| Doubt { nature: Nature::Other, why: e.to_string() };
            let _permit = self.judgements.acquire().await.map_err(|e| failed(&e))?;
            let context = Context {
                now: (self.options.clock)(),
                platforms: self.options.platforms.clone(),
                namespace: question.asked.namespace.clone(),
            };
            let verifier = Verifier::sharing(&policies.set, context);
            let verdict = verifier.judge_manifest(source.as_ref(), &pinned, manifest, question.name).await;
            let verdict = verdict.map_err(Doubt::from)?;
            let judged = Arc::new(Judged::from(&verdict));
            let keep = match (judged.decision, judged.would_deny) {
                (Decision::Allow, false) => self.options.allowed_for,
                _ => limits::DENIED_FOR,
            };
            // What an exception allows is forgotten when it ends.
            let left = verdict.until().map(|until| until.duration_since((self.options.clock)()));
            let at_most =
                |keep: Duration| left.map_or(keep, |left| keep.min(left.try_into().unwrap_or_default()));
            lock(&policies.verdicts).put(key.clone(), Arc::clone(&judged), at_most(keep));
            if let (RegistryDown::Remembered(long), Decision::Allow, false) =
                (self.options.registry_down, judged.decision, judged.would_deny)
            {
                let at = (self.options.clock)();
                lock(&policies.known).put(key.clone(), (Arc::clone(&judged), at), at_most(long));
            }
            Ok(judged)
        };
        let landed = flight.cell.get_or_init(|| judge).await.clone();
        // Whatever a judgement failed by, it is no "there is no such image": the image was there.
        let judged = landed.map_err(|doubt| match doubt.nature {
            Nature::NotThere => Doubt { nature: Nature::Other, ..doubt },
            Nature::Down | Nature::Other => doubt,
        })?;
        Ok(Said::from(&judged, &key, Remembered::No))
    }

    /// A connection to `repository`, kept for a while: its token and its TLS session are worth something.
    async fn source(&self, asked: &Asked, repository: &Repository) -> Result<Arc<dyn Source>, Doubt> {
        let configs = self.configs(asked, repository).await?;
        let with = (!configs.is_empty()).then(|| DockerConfig::digest(&configs));
        let key: SourceKey = (repository.clone(), with);
        if let Some(source) = lock(&self.sources).get(&key) {
            return Ok(source);
        }
        let location = Location::Registry(repository.clone());
        let mut open = self.options.open.clone();
        if !configs.is_empty() {
            open.registry.credentials = Credentials::Given(configs);
        }
        let source: Arc<dyn Source> = Arc::from(seaworthy_oci::open(&location, &open).await?);
        lock(&self.sources).put(key, Arc::clone(&source), limits::SOURCE_FOR);
        Ok(source)
    }

    /// The pull secrets of the review that are for `repository`.
    async fn configs(&self, asked: &Asked, repository: &Repository) -> Result<Vec<DockerConfig>, Doubt> {
        let (Some(secrets), Some(namespace)) = (&self.options.pull_secrets, &asked.namespace) else {
            return Ok(Vec::new());
        };
        let opened = asked.opened.get_or_init(|| secrets.open(namespace, &asked.pulls)).await;
        match opened {
            Ok(configs) => Ok(configs.iter().filter(|c| c.is_for(repository)).cloned().collect()),
            Err(why) => Err(Doubt { nature: Nature::Other, why: format!("the pull secrets: {why}") }),
        }
    }
}

/// What was said about `image`. After a panic that is nothing, and it keeps the doubt that it started with.
fn tell(image: &mut ImageAnswer, said: Result<Said, Panicked>) {
    let Ok(said) = said else { return };
    (image.outcome, image.reason, image.digest) = (said.outcome, said.reason, said.digest);
    (image.warnings, image.would_deny) = (said.warnings, said.would_deny);
    (image.remembered, image.way) = (said.remembered, said.way);
}

/// The work ended in a panic, which the panic hook has told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// What is left of work that had to wait.
pub(crate) type Rest<T> = BoxFuture<'static, Result<T, Panicked>>;

/// What `work` ends in if it need not wait for anything, as where a verdict is remembered: then a task of its own, which
/// another thread would have to be woken for, costs more than the work. Otherwise what is left of it, to be spawned.
pub(crate) fn at_once<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Result<T, Panicked>, Rest<T>> {
    // Nobody looks at what a panic has left: all that is shared is behind locks that are never held half-written.
    let mut work: Rest<T> =
        AssertUnwindSafe(work).catch_unwind().map(|ended| ended.map_err(|_| Panicked)).boxed();
    work.as_mut().now_or_never().ok_or(work)
}

/// What is asked about one image.
struct Question<'q> {
    asked: &'q Asked,
    matching: &'q [Matching<'q>],
    name: &'q ImageName,
}

impl Question<'_> {
    /// Under which a verdict is remembered: what it depends on, besides the policies whose memory it is. Namespaces in
    /// which the same policies apply in the same modes share it.
    fn key(&self, digest: &Digest, tag: Option<&str>) -> Key {
        let applied = self.matching.iter().map(|m| (m.at, m.mode)).collect();
        let mut name = self.name.to_string();
        // A condition may ask for what is no property of the digest. No name has a line's end in it.
        if self.matching.iter().any(|m| m.condition_uses().place) {
            let namespace = self.asked.namespace.as_ref().map(ToString::to_string).unwrap_or_default();
            name = format!("{name}\n{}\n{namespace}", tag.unwrap_or_default());
        }
        Key { name, digest: digest.clone(), applied }
    }
}

/// The namespace that `request` is about, if about one.
fn namespace(request: &Request) -> Result<Option<Namespace>, String> {
    match request.namespace.as_str() {
        "" => Ok(None),
        name => name.parse().map(Some),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing in here is half-written when a panic unwinds: every change is one call.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The reference that a node would pull, in its one canonical form.
///
/// Seaworthy's own forms for places on disk are none here: a node reads `oci:1` as an image of Docker Hub.
fn readable(text: &str) -> Result<Reference, String> {
    if text.contains("://") {
        return Err("it is a URL, and a node takes none".into());
    }
    let reference: Reference = text.parse().map_err(|e: seaworthy_oci::Error| e.kind.to_string())?;
    match reference.location {
        Location::Registry(_) => Ok(reference),
        _ => Err("it names a place on disk, and a node would read it as something else".into()),
    }
}

fn with_hint(text: String, hint: Option<&str>) -> String {
    hint.map_or(text.clone(), |hint| format!("{text} (hint: {hint})"))
}

/// Why there is no verdict.
#[derive(Debug, Clone)]
struct Doubt {
    nature: Nature,
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// It is certain that there is no such image.
    NotThere,
    /// The registry does not answer, or only with failures of its own.
    Down,
    /// Everything else: what it sends is broken, or refuses us.
    Other,
}

impl From<crate::Error> for Doubt {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Source(error) => Self::from(error),
            other => Self { nature: Nature::Other, why: with_hint(other.to_string(), other.hint()) },
        }
    }
}

impl From<seaworthy_oci::Error> for Doubt {
    fn from(error: seaworthy_oci::Error) -> Self {
        let nature = match error.kind {
            _ if error.is_not_found() => Nature::NotThere,
            ErrorKind::Unreachable(_)
            | ErrorKind::Timeout { .. }
            | ErrorKind::Server { .. }
            | ErrorKind::Throttled { .. } => Nature::Down,
            _ => Nature::Other,
        };
        Self { nature, why: with_hint(error.to_string(), error.hint.as_deref()) }
    }
}

impl Judged {
    fn from(verdict: &Verdict) -> Self {
        let short = |text: &str| response::line(text, limits::LINE_CHARS);
        Self {
            decision: verdict.decision,
            reason: short(&verdict.reason),
            warnings: verdict.warnings.iter().take(limits::WARNINGS).map(|w| short(&w.to_string())).collect(),
            would_deny: verdict.would_deny,
        }
    }
}

enum Remembered {
    Yes,
    No,
}

struct Said {
    outcome: Outcome,
    reason: String,
    digest: Option<String>,
    warnings: Vec<String>,
    would_deny: bool,
    remembered: bool,
    way: Option<Way>,
}

impl Said {
    fn new(outcome: Outcome, reason: String) -> Self {
        Self {
            outcome,
            reason,
            digest: None,
            warnings: Vec::new(),
            would_deny: false,
            remembered: false,
            way: None,
        }
    }

    fn from(judged: &Judged, key: &Key, remembered: Remembered) -> Self {
        Self {
            outcome: match judged.decision {
                Decision::Allow => Outcome::Allowed,
                Decision::Deny => Outcome::Denied,
            },
            reason: judged.reason.clone(),
            digest: Some(key.digest.to_string()),
            warnings: judged.warnings.clone(),
            would_deny: judged.would_deny,
            remembered: matches!(remembered, Remembered::Yes),
            way: None,
        }
    }
}
