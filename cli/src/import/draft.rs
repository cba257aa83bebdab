//! A policy of ours on its way to paper, and what is said about how it came about.

use crate::tree::{Node, Value};
use crate::yaml::{quoted, scalar};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::rc::Rc;

/// What became of something in the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weight {
    /// Nothing is decided by it, or it is decided the same elsewhere.
    Note,
    /// Ours asks for more, or of more images.
    Stricter,
    /// Ours would ask for less, or allow more images.
    Weaker,
    /// It cannot be said, and without it there is no policy.
    Refused,
}

impl Weight {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Stricter => "stricter",
            Self::Weaker => "weaker",
            Self::Refused => "refused",
        }
    }
}

/// One thing to know about an import.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub(crate) line: u64,
    /// Where in the original: `spec.authorities[0].key`.
    pub(crate) field: String,
    pub(crate) weight: Weight,
    pub(crate) message: String,
}

/// The findings of one policy.
#[derive(Debug, Default)]
pub(crate) struct Findings(Rc<RefCell<Vec<Finding>>>);

impl Findings {
    pub(crate) fn say(&self, line: u64, field: &str, weight: Weight, message: impl Into<String>) {
        let finding = Finding { line, field: field.to_owned(), weight, message: message.into() };
        self.0.borrow_mut().push(finding);
    }

    /// The same list, to be held a second time.
    pub(crate) fn share(&self) -> Self {
        Self(Rc::clone(&self.0))
    }

    /// Adds all of `other`.
    pub(crate) fn extend(&self, other: Self) {
        let more = other.into_sorted();
        self.0.borrow_mut().extend(more);
    }

    /// What was said so far, in the order of the file.
    pub(crate) fn into_sorted(self) -> Vec<Finding> {
        let mut all = self.0.borrow().clone();
        all.sort_by_key(|f| f.line);
        all
    }
}

/// A map of the original, of which every field must be accounted for.
pub(crate) struct Fields<'a> {
    node: &'a Node,
    pub(crate) path: String,
    findings: &'a Findings,
    taken: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    /// The fields of `node`, which stands at `path`; `None`, and said so, where it is no map.
    pub(crate) fn of(node: &'a Node, path: impl Into<String>, findings: &'a Findings) -> Option<Self> {
        let path = path.into();
        if !matches!(node.value, Value::Map(_)) {
            findings.say(
                node.line,
                &path,
                Weight::Refused,
                format!("a map is expected, and there is {}", node.kind()),
            );
            return None;
        }
        Some(Self { node, path, findings, taken: RefCell::default() })
    }

    /// The same map, nothing taken yet, that speaks to `findings`.
    pub(crate) fn again<'b>(&self, findings: &'b Findings) -> Option<Fields<'b>>
    where
        'a: 'b,
    {
        Fields::of(self.node, self.path.clone(), findings)
    }

    pub(crate) fn node(&self) -> &'a Node {
        self.node
    }

    pub(crate) fn line(&self) -> u64 {
        self.node.line
    }

    /// The value under `key`; one that is `null` is not there.
    pub(crate) fn take(&self, key: &str) -> Option<&'a Node> {
        self.taken.borrow_mut().insert(key.to_owned());
        self.node.get(key).filter(|node| !matches!(node.value, Value::Null))
    }

    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The text under `key`.
    pub(crate) fn text(&self, key: &str) -> Option<(&'a Node, String)> {
        let node = self.take(key)?;
        match node.text() {
            Some(text) if text.is_empty() => None,
            Some(text) => Some((node, text)),
            None => {
                self.refuse(node, key, format!("a text is expected, and there is {}", node.kind()));
                None
            }
        }
    }

    /// Whether `key` says `true`; `None` where it is not there.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let node = self.take(key)?;
        match &node.value {
            Value::Bool(is) => Some(*is),
            _ => {
                self.refuse(node, key, format!("true or false is expected, and there is {}", node.kind()));
                None
            }
        }
    }

    /// The list under `key`, empty where it is not there.
    pub(crate) fn list(&self, key: &str) -> &'a [Node] {
        let Some(node) = self.take(key) else { return &[] };
        match &node.value {
            Value::List(list) => list,
            _ => {
                self.refuse(node, key, format!("a list is expected, and there is {}", node.kind()));
                &[]
            }
        }
    }

    /// The map under `key`.
    pub(crate) fn map(&self, key: &str) -> Option<Fields<'a>> {
        Fields::of(self.take(key)?, self.at(key), self.findings)
    }

    /// The maps in the list under `key`.
    pub(crate) fn maps(&self, key: &str) -> Vec<Fields<'a>> {
        let each = self.list(key).iter().enumerate();
        each.filter_map(|(at, node)| Fields::of(node, format!("{}[{at}]", self.at(key)), self.findings))
            .collect()
    }

    pub(crate) fn refuse(&self, node: &Node, key: &str, message: impl Into<String>) {
        self.findings.say(node.line, &self.at(key), Weight::Refused, message);
    }

    pub(crate) fn say(&self, node: &Node, key: &str, weight: Weight, message: impl Into<String>) {
        self.findings.say(node.line, &self.at(key), weight, message);
    }

    /// Says something about the whole map.
    pub(crate) fn say_here(&self, weight: Weight, message: impl Into<String>) {
        self.findings.say(self.node.line, &self.path, weight, message);
    }

    /// Says `message` for each of `keys` that is there.
    pub(crate) fn each_is(&self, keys: &[&str], weight: Weight, message: &str) {
        for key in keys {
            if let Some(node) = self.take(key) {
                self.say(node, key, weight, message);
            }
        }
    }

    /// Takes note of fields that say nothing about images.
    pub(crate) fn skip(&self, keys: &[&str]) {
        for key in keys {
            self.take(key);
        }
    }

    /// Every field that nobody asked for is one that we do not know, and could mean anything.
    pub(crate) fn finish(self) {
        if let Value::Map(entries) = &self.node.value {
            for (key, node) in entries.iter().filter(|(key, _)| !self.taken.borrow().contains(key)) {
                self.refuse(node, key, "this field is not known, and could mean anything");
            }
        }
    }
}

/// A policy of ours.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    /// `enforce`, `warn` or `audit`.
    pub(crate) mode: &'static str,
    pub(crate) images: Vec<String>,
    /// The namespaces that it is for; all where empty.
    pub(crate) namespaces: Vec<String>,
    /// `requires: nothing`: these images come in unjudged.
    pub(crate) nothing: bool,
    pub(crate) authorities: Vec<Authority>,
    pub(crate) signatures: Vec<Rule>,
    pub(crate) attestations: Vec<(String, Rule)>,
}

/// Who signs, how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) by: Vec<String>,
    pub(crate) threshold: usize,
}

/// Somebody who may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) name: String,
    pub(crate) who: Who,
    /// `required`, `none`, or as our defaults have it.
    pub(crate) transparency: Option<&'static str>,
    pub(crate) timestamp: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Keys {
        /// PEM texts, or paths.
        keys: Vec<Key>,
        trusted_root: Option<String>,
    },
    Keyless {
        issuer: Name,
        identity: Name,
        trusted_root: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Pem(String),
    Path(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Exact(String),
    Regexp(String),
}

impl Draft {
    /// A name for a new authority: `wanted` in lower case, with a number behind it where it is taken.
    pub(crate) fn free_name(&self, wanted: &str) -> String {
        let wanted = sanitized(wanted);
        let taken = |name: &str| self.authorities.iter().any(|a| a.name == name);
        let numbered = (2..).map(|n| format!("{wanted}-{n}"));
        std::iter::once(wanted.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(wanted)
    }

    /// Adds an authority, or finds the same one again; its name.
    pub(crate) fn add(
        &mut self,
        wanted: &str,
        who: Who,
        transparency: Option<&'static str>,
        timestamp: Option<&'static str>,
    ) -> String {
        let same =
            |a: &&Authority| a.who == who && a.transparency == transparency && a.timestamp == timestamp;
        if let Some(there) = self.authorities.iter().find(same) {
            return there.name.clone();
        }
        let name = self.free_name(wanted);
        self.authorities.push(Authority { name: name.clone(), who, transparency, timestamp });
        name
    }

    /// The document, with `findings` as comments above it.
    pub(crate) fn to_yaml(&self, source: &str, findings: &[Finding]) -> String {
        let mut out = format!("# From {}.\n", one_line(source));
        for finding in findings.iter().filter(|f| f.weight != Weight::Note) {
            let _ = writeln!(
                out,
                "# {}: line {}, {}: {}",
                finding.weight.name(),
                finding.line,
                one_line(&finding.field),
                one_line(&finding.message)
            );
        }
        let _ = write!(
            out,
            "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: {}\nspec:\n  mode: {}\n  images:\n",
            scalar(&self.name),
            self.mode
        );
        for image in &self.images {
            let _ = writeln!(out, "    - {}", scalar(image));
        }
        if !self.namespaces.is_empty() {
            let _ = writeln!(out, "  namespaces: {}", list(&self.namespaces));
        }
        if self.nothing {
            out.push_str("  requires: nothing\n");
            return out;
        }
        out.push_str("  authorities:\n");
        for authority in &self.authorities {
            authority.write(&mut out);
        }
        if !self.signatures.is_empty() {
            out.push_str("  signatures:\n");
            for rule in &self.signatures {
                let _ = writeln!(out, "    - by: {}", list(&rule.by));
                rule.write_threshold(&mut out);
            }
        }
        if !self.attestations.is_empty() {
            out.push_str("  attestations:\n");
            for (kind, rule) in &self.attestations {
                let _ = writeln!(out, "    - type: {}\n      by: {}", scalar(kind), list(&rule.by));
                rule.write_threshold(&mut out);
            }
        }
        out
    }
}

impl Rule {
    fn write_threshold(&self, out: &mut String) {
        if self.threshold != 1 {
            let _ = writeln!(out, "      threshold: {}", self.threshold);
        }
    }
}

impl Authority {
    fn write(&self, out: &mut String) {
        let _ = writeln!(out, "    - name: {}", scalar(&self.name));
        match &self.who {
            Who::Keys { keys, trusted_root } => {
                out.push_str("      keys:\n");
                for key in keys {
                    match key {
                        Key::Path(path) => {
                            let _ = writeln!(out, "        - path: {}", scalar(path));
                        }
                        Key::Pem(pem) => {
                            out.push_str("        - data: |\n");
                            for line in pem.trim().lines() {
                                let _ = writeln!(out, "            {}", line.trim());
                            }
                        }
                    }
                }
                if let Some(root) = trusted_root {
                    let _ = writeln!(out, "      trustedRoot: {}", scalar(root));
                }
            }
            Who::Keyless { issuer, identity, trusted_root } => {
                out.push_str("      keyless:\n");
                for (field, name) in [("issuer", issuer), ("identity", identity)] {
                    let _ = match name {
                        Name::Exact(text) => writeln!(out, "        {field}: {}", scalar(text)),
                        Name::Regexp(text) => writeln!(out, "        {field}Regexp: {}", quoted(text)),
                    };
                }
                let _ = writeln!(out, "        trustedRoot: {}", scalar(trusted_root));
            }
        }
        for (field, value) in [("transparency", self.transparency), ("timestamp", self.timestamp)] {
            if let Some(value) = value {
                let _ = writeln!(out, "      {field}: {value}");
            }
        }
    }
}

fn list(names: &[String]) -> String {
    format!("[{}]", names.iter().map(|n| scalar(n)).collect::<Vec<_>>().join(", "))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `text` as a name of ours: lower-case letters, digits, `-` and `.`.
pub(crate) fn sanitized(text: &str) -> String {
    let text: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '-' })
        .take(200)
        .collect();
    let text = text.trim_matches(['-', '.']);
    if text.is_empty() { "imported".to_owned() } else { text.to_owned() }
}
