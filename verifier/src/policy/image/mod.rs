//! The rule on an image's configuration: who it runs as, what it carries along, what it is built on, how old it is.
//!
//! The configuration is what whoever built the image wrote into it; a signature on the image covers it. So this rule
//! keeps accidents out, and nobody with a signing key. What cannot be told is a refusal of its own: a user that is a
//! name (its number stands in a layer), a base image that is not stated, a date that reproducible builds make up.

pub(crate) mod config;
pub(crate) mod secrets;

use super::glob::{Fixed, Glob};
use super::lint::Lint;
use super::model::At;
use super::pattern::Pattern;
use super::provenance::read::ImageUsed;
use super::rules::shown;
use crate::ImageName;
use crate::limits;
use crate::verdict::{Explanation, Refusal};
use config::Config;
use jiff::{SignedDuration, Timestamp};
use seaworthy_oci::Digest;
use secrets::Secrets;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The base image's name (OCI image specification, "Pre-Defined Annotation Keys").
const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The base image's digest.
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// 2013-03-20, when the first container image could have been built; before it, a date is made up.
const FIRST_IMAGES: i64 = 1_363_737_600;
/// The highest user id of Linux that is one (the last is "nobody changed").
const HIGHEST_USER: u64 = u32::MAX as u64 - 1;

/// What the configuration of each platform must be like.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImageDoc {
    /// `true`: the user is a number, and not 0.
    run_as_non_root: Option<At<bool>>,
    /// No secrets in environment variables, as far as their names and values tell. `{}` takes the documented lists.
    no_secrets_in_env: Option<At<SecretsDoc>>,
    /// Which ports the image may announce.
    exposed_ports: Option<At<PortsDoc>>,
    /// Which image it may be built on.
    base: Option<At<BaseDoc>>,
    /// How old the image may be: `180d`.
    max_age: Option<At<String>>,
    /// Labels that it must have.
    labels: Option<At<Vec<At<NamedDoc>>>>,
    /// Annotations that its manifest, or the index, must have.
    annotations: Option<At<Vec<At<NamedDoc>>>>,
}

/// Secrets in environment variables, beyond the documented lists.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SecretsDoc {
    /// Names of variables that hold secrets, in any case, with `*`.
    names: Option<At<Vec<At<String>>>>,
    /// Values that are secrets, with `*` and `**`.
    values: Option<At<Vec<At<String>>>>,
    /// Names of variables that hold none, whatever the lists say.
    allow: Option<At<Vec<At<String>>>>,
}

/// Ports: `8080`, `53/udp`, `9000-9100/tcp`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PortsDoc {
    /// Nothing but these; an empty list allows none.
    allow: Option<At<Vec<At<String>>>>,
    /// None of these.
    deny: Option<At<Vec<At<String>>>>,
}

/// The base image.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BaseDoc {
    /// Who says what it is: `annotations` (default) or `provenance`.
    from: Option<At<String>>,
    /// Patterns of names, as in `spec.images`.
    images: Option<At<Vec<At<String>>>>,
    /// Digests.
    digests: Option<At<Vec<At<String>>>>,
}

/// A label or annotation.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NamedDoc {
    /// Its name.
    name: At<String>,
    /// What it must say, with `*` and `**`; anything but nothing if left out.
    value: Option<At<String>>,
}

/// What is asked of an image's configuration.
#[derive(Debug, Clone)]
pub(crate) struct ImageRule {
    non_root: bool,
    secrets: Option<Secrets>,
    allowed_ports: Option<Vec<Ports>>,
    denied_ports: Vec<Ports>,
    pub(crate) base: Option<Base>,
    max_age: Option<SignedDuration>,
    labels: Vec<Named>,
    annotations: Vec<Named>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ports {
    from: u16,
    to: u16,
    /// Both where it is left out.
    udp: Option<bool>,
}

/// Which base images are allowed, and who says what the base image is.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) from: BaseFrom,
    images: Vec<Pattern>,
    digests: Vec<Digest>,
}

/// Who says what the base image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BaseFrom {
    /// Annotations of the manifest or index.
    Annotations,
    /// The provenance that fulfils the policy's rule.
    Provenance,
}

#[derive(Debug, Clone)]
struct Named {
    name: String,
    value: Option<Glob>,
}

/// What a platform's image is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged<'a> {
    /// Its configuration, where a rule asks for it.
    pub(crate) config: Option<&'a Result<Config, Explanation>>,
    pub(crate) annotations: &'a BTreeMap<String, String>,
    /// Those of the index around it.
    pub(crate) around: &'a BTreeMap<String, String>,
    /// For each provenance that fulfils the policy's rule, the images that went into the build.
    pub(crate) provenances: &'a [&'a [ImageUsed]],
    pub(crate) now: Timestamp,
}

impl ImageRule {
    /// Whether the configuration must be fetched.
    pub(crate) fn asks_config(&self) -> bool {
        self.non_root
            || self.secrets.is_some()
            || self.allowed_ports.is_some()
            || !self.denied_ports.is_empty()
            || self.max_age.is_some()
            || !self.labels.is_empty()
    }

    /// What it asks for, a line each, for people.
    pub(super) fn summary_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.non_root {
            lines.push("runs as a user with a number other than 0".to_owned());
        }
        if self.secrets.is_some() {
            lines.push("no secrets in environment variables".to_owned());
        }
        if self.allowed_ports.is_some() || !self.denied_ports.is_empty() {
            lines.push("exposed ports".to_owned());
        }
        lines.extend(self.base.iter().map(|base| {
            let who = match base.from {
                BaseFrom::Annotations => "annotations",
                BaseFrom::Provenance => "provenance",
            };
            format!("base image, by its {who}")
        }));
        lines.extend(self.max_age.map(|age| format!("image no older than {age:#}")));
        lines.extend(self.labels.iter().map(|l| format!("label {}", l.name)));
        lines.extend(self.annotations.iter().map(|a| format!("annotation {}", a.name)));
        lines
    }

    /// Why the image does not fulfil the rule; nothing where it does.
    pub(crate) fn judge(&self, image: Judged<'_>) -> Vec<Explanation> {
        let mut why = Vec::new();
        match image.config {
            Some(Ok(config)) => self.judge_config(config, image.now, &mut why),
            Some(Err(unreadable)) if self.asks_config() => why.push(unreadable.clone()),
            None if self.asks_config() => {
                let text = "the image configuration was not read; please report it";
                why.push(Explanation::new(Refusal::ConfigUnreadable, text));
            }
            _ => {}
        }
        if let Some(base) = &self.base {
            why.extend(base.judge(image));
        }
        for wanted in &self.annotations {
            let value = image.annotations.get(&wanted.name).or_else(|| image.around.get(&wanted.name));
            why.extend(wanted.judge("annotation", Refusal::AnnotationRefused, value));
        }
        why
    }

    fn judge_config(&self, config: &Config, now: Timestamp, why: &mut Vec<Explanation>) {
        if self.non_root {
            why.extend(runs_as_root(&config.user));
        }
        if let Some(secrets) = &self.secrets {
            why.extend(config.env.iter().filter_map(|entry| secrets.find(entry)).map(|(name, reason)| {
                let text = format!("the environment variable {} holds a secret: {reason}", shown(name));
                Explanation::new(Refusal::SecretInEnvironment, text).hint(
                    "give it to the container when it starts, and treat this value as known to everybody",
                )
            }));
        }
        for port in &config.ports {
            why.extend(self.port(port));
        }
        if let Some(age) = self.max_age {
            why.extend(too_old(config.created.as_deref(), age, now));
        }
        for wanted in &self.labels {
            why.extend(wanted.judge("label", Refusal::LabelRefused, config.labels.get(&wanted.name)));
        }
    }

    fn port(&self, text: &str) -> Option<Explanation> {
        if self.allowed_ports.is_none() && self.denied_ports.is_empty() {
            return None;
        }
        let no = |words: &str| {
            Some(Explanation::new(Refusal::ExposedPortRefused, format!("port {} {words}", shown(text))))
        };
        let Some(port) = Ports::parse(text) else { return no("cannot be read") };
        if self.denied_ports.iter().any(|denied| denied.meets(port)) {
            return no("is denied by the policy");
        }
        if self.allowed_ports.as_ref().is_some_and(|list| !list.iter().any(|allowed| allowed.covers(port))) {
            return no("is not among those that the policy allows");
        }
        None
    }
}

/// Whether `user` (`uid`, `user`, `uid:gid`, `user:group`) is, or may be, root.
fn runs_as_root(user: &str) -> Option<Explanation> {
    let name = user.split_once(':').map_or(user, |(name, _)| name);
    let root = |text: String| {
        Some(
            Explanation::new(Refusal::RunsAsRoot, text)
                .hint("set USER to a number other than 0 in the image's build file"),
        )
    };
    if name.is_empty() {
        return root("no user is set, so the image runs as root".into());
    }
    // As runtimes read numbers: a sign and leading zeroes are taken.
    let digits = name.strip_prefix(['+', '-']).unwrap_or(name);
    match digits.parse::<u64>() {
        Ok(0) => root(format!("user {} is root", shown(user))),
        Ok(number) if number <= HIGHEST_USER && name == digits => None,
        _ if name == "root" => root("user 'root' is root".into()),
        _ => Some(
            Explanation::new(
                Refusal::UserNotNumeric,
                format!(
                    "user {} is no number of a user: which one it is stands in the image's files",
                    shown(user)
                ),
            )
            .hint("write the number instead of the name; Kubernetes wants it for runAsNonRoot as well"),
        ),
    }
}

fn too_old(created: Option<&str>, max_age: SignedDuration, now: Timestamp) -> Option<Explanation> {
    let unknown = |text: String| Some(Explanation::new(Refusal::ImageDateUnknown, text));
    let Some(created) = created.filter(|c| !c.is_empty()) else {
        return unknown("the image does not say when it was built".into());
    };
    let Ok(time) = created.parse::<Timestamp>() else {
        return unknown(format!("the image was built at {}, which is no time", shown(created)));
    };
    if time.as_second() < FIRST_IMAGES {
        let text = format!("the image's date {time} is made up, as reproducible builds do");
        return Some(Explanation::new(Refusal::ImageDateFixed, text).hint(
            "limit the age of what is dated, such as its SBOM, or build with SOURCE_DATE_EPOCH set to the commit",
        ));
    }
    let age = now.duration_since(time);
    if age < -limits::CLOCK_SKEW {
        return unknown(format!("the image says that it was built at {time}, in the future"));
    }
    (age > max_age).then(|| {
        let text = format!("the image was built at {time}, {} days ago", age.as_hours() / 24);
        Explanation::new(Refusal::ImageTooOld, text).hint("build it again")
    })
}

impl Ports {
    fn parse(text: &str) -> Option<Self> {
        let (numbers, udp) = match text.split_once('/') {
            None => (text, None),
            Some((numbers, "tcp")) => (numbers, Some(false)),
            Some((numbers, "udp")) => (numbers, Some(true)),
            Some(_) => return None,
        };
        let (from, to) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let number = |text: &str| {
            let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
            text.parse::<u16>().ok().filter(|n| plain && *n > 0)
        };
        let (from, to) = (number(from)?, number(to)?);
        (from <= to).then_some(Self { from, to, udp })
    }

    /// Whether some port is in both.
    fn meets(self, other: Self) -> bool {
        let kinds = self.udp.is_none_or(|own| own == other.udp.unwrap_or(false));
        kinds && self.from <= other.to && other.from <= self.to
    }

    /// Whether every port of `other` is in it. An image's port without a kind is of TCP.
    fn covers(self, other: Self) -> bool {
        let kinds = self.udp.is_none_or(|own| own == other.udp.unwrap_or(false));
        kinds && self.from <= other.from && other.to <= self.to
    }
}

impl Base {
    fn judge(&self, image: Judged<'_>) -> Vec<Explanation> {
        match self.from {
            BaseFrom::Annotations => {
                let stated = |key: &str| {
                    image.annotations.get(key).or_else(|| image.around.get(key)).filter(|v| !v.is_empty())
                };
                let name = stated(BASE_NAME);
                let used = ImageUsed {
                    name: name.and_then(|n| ImageName::parse(n).ok()),
                    digest: stated(BASE_DIGEST).and_then(|d| d.parse().ok()),
                    shown: name.map_or_else(|| "an image without a name".to_owned(), |n| shown(n)),
                };
                self.one(&used).into_iter().collect()
            }
            BaseFrom::Provenance => {
                let mut all = Vec::new();
                for images in image.provenances {
                    let why: Vec<Explanation> = match images {
                        [] => vec![Explanation::new(
                            Refusal::BaseImageUnknown,
                            "the provenance names no image that went into the build",
                        )],
                        images => images.iter().filter_map(|used| self.one(used)).collect(),
                    };
                    if why.is_empty() {
                        return why;
                    }
                    all.extend(why);
                }
                if all.is_empty() {
                    let text = "no provenance that the policy accepts says what the image was built on";
                    all.push(Explanation::new(Refusal::BaseImageUnknown, text));
                }
                all
            }
        }
    }

    fn one(&self, used: &ImageUsed) -> Option<Explanation> {
        let Some(digest) = &used.digest else {
            let text = format!("built on {}: it is not stated by digest", used.shown);
            return Some(Explanation::new(Refusal::BaseImageUnknown, text));
        };
        if !self.digests.is_empty() && !self.digests.contains(digest) {
            let text = format!("built on {} ({digest}), which the policy does not name", used.shown);
            return Some(Explanation::new(Refusal::BaseImageRefused, text));
        }
        if self.images.is_empty() {
            return None;
        }
        match &used.name {
            Some(name) if self.images.iter().any(|p| p.covers(name)) => None,
            Some(name) => Some(Explanation::new(
                Refusal::BaseImageRefused,
                format!("built on {name}, which the policy does not name"),
            )),
            None => Some(Explanation::new(
                Refusal::BaseImageUnknown,
                format!("built on {}: it is no name of an image", used.shown),
            )),
        }
    }
}

impl Named {
    fn judge(&self, what: &str, code: Refusal, value: Option<&String>) -> Option<Explanation> {
        let name = shown(&self.name);
        match (value.filter(|v| !v.is_empty()), &self.value) {
            (None, _) => Some(Explanation::new(code, format!("there is no {what} {name}"))),
            (Some(value), Some(wanted)) if !wanted.matches(value) => {
                let text = format!("the {what} {name} says {}, not {}", shown(value), wanted.as_str());
                Some(Explanation::new(code, text))
            }
            _ => None,
        }
    }
}

impl Lint<'_> {
    /// `provenance`: whether a rule of this policy says whose provenance counts.
    pub(super) fn image(
        &mut self,
        at: &At<ImageDoc>,
        provenance: Option<&super::ProvenanceRule>,
    ) -> ImageRule {
        let doc = at.get();
        if let Some(place) = &doc.run_as_non_root
            && !place.get()
        {
            self.say(place, "runAsNonRoot: false has no effect", "write true, or leave it out");
        }
        let secrets = doc.no_secrets_in_env.as_ref().and_then(|place| self.secrets(place));
        let (mut allowed_ports, mut denied_ports) = (None, Vec::new());
        if let Some(ports) = &doc.exposed_ports {
            let PortsDoc { allow, deny } = ports.get();
            if allow.is_none() && deny.as_ref().is_none_or(|d| d.get().is_empty()) {
                self.say(ports, "exposedPorts without allow and deny has no effect", "add one of them");
            }
            allowed_ports = allow.as_ref().map(|list| self.ports(list));
            denied_ports = deny.iter().flat_map(|list| self.ports(list)).collect();
            for place in deny.iter().flat_map(|list| list.get()) {
                let both = Ports::parse(place.get())
                    .is_some_and(|p| allowed_ports.iter().flatten().any(|allowed: &Ports| *allowed == p));
                if both {
                    self.say(place, "this port is both allowed and denied", "leave one of them out");
                }
            }
        }
        let base = doc.base.as_ref().and_then(|place| self.base(place, provenance));
        let max_age = doc.max_age.as_ref().and_then(|age| self.duration(age));
        let labels = self.named(doc.labels.as_ref(), "labels");
        let annotations = self.named(doc.annotations.as_ref(), "annotations");
        let rule = ImageRule {
            non_root: doc.run_as_non_root.as_ref().is_some_and(|v| *v.get()),
            secrets,
            allowed_ports,
            denied_ports,
            base,
            max_age,
            labels,
            annotations,
        };
        let asked = doc.run_as_non_root.is_some()
            || doc.no_secrets_in_env.is_some()
            || doc.exposed_ports.is_some()
            || doc.base.is_some()
            || doc.max_age.is_some()
            || doc.labels.is_some()
            || doc.annotations.is_some();
        if !asked {
            self.say(at, "an empty image asks for nothing", "add a rule such as runAsNonRoot: true");
        }
        rule
    }

    fn secrets(&mut self, at: &At<SecretsDoc>) -> Option<Secrets> {
        let SecretsDoc { names, values, allow } = at.get();
        let upper = |globs: Vec<Glob>| -> Vec<Glob> {
            let up = |g: &Glob| Glob::parse(&g.as_str().to_ascii_uppercase(), Fixed::Free).ok();
            globs.iter().filter_map(up).collect()
        };
        let names = upper(self.globs(names.as_ref(), "names", Fixed::Free));
        let values = self.globs(values.as_ref(), "values", Fixed::Free);
        let allow = upper(self.globs(allow.as_ref(), "allow", Fixed::Free));
        for (list, what) in [(&allow, "allow"), (&values, "values"), (&names, "names")] {
            if list.iter().any(|g| g.as_str().chars().all(|c| c == '*')) {
                let message = format!("* under {what} means every variable");
                self.say(at, message, "write out what is meant");
            }
        }
        match Secrets::new(names, values, allow) {
            Ok(secrets) => Some(secrets),
            Err(refused) => {
                self.say(at, refused.why, refused.hint);
                None
            }
        }
    }

    fn ports(&mut self, list: &At<Vec<At<String>>>) -> Vec<Ports> {
        let mut ports = Vec::new();
        for at in list.get() {
            match Ports::parse(at.get()) {
                Some(port) if ports.contains(&port) => {
                    self.say(at, "the same port twice", "leave one of them out");
                }
                Some(port) => ports.push(port),
                None => self.say(
                    at,
                    format!("'{}' is no port", at.get().escape_debug()),
                    "write it as \"8080\", \"53/udp\" or \"9000-9100/tcp\"",
                ),
            }
        }
        ports
    }

    fn base(&mut self, at: &At<BaseDoc>, provenance: Option<&super::ProvenanceRule>) -> Option<Base> {
        let doc = at.get();
        let from = match &doc.from {
            None => BaseFrom::Annotations,
            Some(place) => match place.get().as_str() {
                "annotations" => BaseFrom::Annotations,
                "provenance" => {
                    if provenance.is_none_or(|rule| rule.signers.is_none()) {
                        self.say(
                            place,
                            "nobody is named whose provenance counts",
                            "add provenance with by: [NAME] to the policy",
                        );
                    }
                    BaseFrom::Provenance
                }
                other => {
                    let message = format!("'{}' says nothing about base images", other.escape_debug());
                    self.say(place, message, "write annotations or provenance");
                    return None;
                }
            },
        };
        if doc.images.is_none() && doc.digests.is_none() {
            self.say(at, "a base without images and digests allows none", "add images or digests");
        }
        let images = doc.images.as_ref().map(|list| self.images(list)).unwrap_or_default();
        let digests = self.digests(doc.digests.as_ref());
        Some(Base { from, images, digests })
    }

    fn named(&mut self, list: Option<&At<Vec<At<NamedDoc>>>>, what: &str) -> Vec<Named> {
        let Some(list) = list else { return Vec::new() };
        if list.get().is_empty() {
            self.say(list, format!("an empty list of {what} asks for nothing"), "leave it out, or name one");
        }
        let mut all: Vec<Named> = Vec::new();
        for at in list.get() {
            let NamedDoc { name, value } = at.get();
            if name.get().is_empty() {
                self.say(name, "an empty name is never there", "write the name");
            }
            if all.iter().any(|n| n.name == *name.get()) {
                self.say(name, "the same name twice", "leave one of them out");
            }
            let value = value.as_ref().and_then(|value| self.glob(value, Fixed::Free));
            all.push(Named { name: name.get().clone(), value });
        }
        all
    }
}
