//! The tree: what stands in a text, and where. It decides what is refused whatever type is wanted, and what a scalar
//! without quotes means (YAML 1.2, section 10.3.2, and the truth values of YAML 1.1, which Kubernetes takes).

use crate::{BYTES, DOCUMENTS, Error, NODES, Place, shown};
use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use std::collections::BTreeSet;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What stands there. Maps keep their order.
#[derive(Debug, Clone)]
pub enum Value {
    /// A single value.
    Scalar(Scalar),
    /// `[a, b]`, or lines that begin with `-`.
    List(Vec<Node>),
    /// `{a: b}`, or lines of that kind. No key is there twice.
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key begins.
    pub place: Place,
    /// The value.
    pub node: Node,
}

/// A single value as it is written.
#[derive(Debug, Clone)]
pub struct Scalar {
    pub(crate) text: String,
    /// Without quotes, and no block of text: it can mean something else than text.
    pub(crate) plain: bool,
}

/// What a scalar means where nothing says what is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolved<'a> {
    /// Nothing, `~` or `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number, 0 or more.
    Unsigned(u64),
    /// A whole number below 0.
    Negative(i64),
    /// Another number; finite.
    Float(f64),
    /// A text.
    Text(&'a str),
}

impl Scalar {
    /// The characters of it, whatever they mean.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it means where nothing says what is wanted.
    pub fn resolve(&self) -> Resolved<'_> {
        let text = self.text.as_str();
        if !self.plain {
            return Resolved::Text(text);
        }
        if is_null(text) {
            return Resolved::Null;
        }
        if let Some(is) = boolean(text) {
            return Resolved::Bool(is);
        }
        match integer(text) {
            Some(number) if number >= 0 => u64::try_from(number).ok().map(Resolved::Unsigned),
            Some(number) => i64::try_from(number).ok().map(Resolved::Negative),
            None => None,
        }
        .or_else(|| float(text).map(Resolved::Float))
        .unwrap_or(Resolved::Text(text))
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A truth value, by YAML 1.1 too: a policy that a cluster took must mean the same here.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match (is(["true", "yes", "y", "on"]), is(["false", "no", "n", "off"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// A whole number: decimal without needless zeros, hexadecimal or octal.
pub(crate) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match (digits.strip_prefix("0x"), digits.strip_prefix("0o")) {
        (Some(digits), _) => (16, digits),
        (_, Some(digits)) => (8, digits),
        // `0127` is a code or a version as often as a number, and octal for some readers.
        _ if leads_with_zero(digits) => return None,
        _ => (10, digits),
    };
    // The library's own signs are not YAML's.
    if !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

/// A finite number with a fraction, an exponent, or too many digits for a whole one.
fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // Words such as `nan` and `infinity` are numbers for Rust alone.
    let number = digits.starts_with(|c: char| c == '.' || c.is_ascii_digit());
    (number && !leads_with_zero(digits)).then(|| text.parse().ok())?.filter(|n: &f64| n.is_finite())
}

fn leads_with_zero(digits: &str) -> bool {
    digits.strip_prefix('0').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

impl Node {
    /// Whether nothing stands there.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.resolve() == Resolved::Null)
    }

    /// The value under `key`, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The characters of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar.text()),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Map(_) => "a map",
            Value::List(_) => "a list",
            Value::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => "nothing",
                Resolved::Bool(_) => "true or false",
                Resolved::Unsigned(_) | Resolved::Negative(_) | Resolved::Float(_) => "a number",
                Resolved::Text(_) => "a text",
            },
        }
    }
}

/// A list or map whose end has not come yet.
struct Open {
    place: Place,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Place)> },
}

struct Builder {
    depth: usize,
    nodes: usize,
    open: Vec<Open>,
    documents: Vec<Node>,
}

fn place(span: &Span) -> Place {
    Place { line: span.start.line() as u64, column: span.start.col() as u64 + 1 }
}

fn refused<T>(place: Place, message: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(Some(place), message))
}

/// The documents in `text`, empty ones too. `depth` is how deep lists and maps may stand in each other.
///
/// # Errors
/// Where it is no YAML, or is YAML that is refused here; with the place.
pub fn parse(text: &str, depth: usize) -> Result<Vec<Node>, Error> {
    if text.len() > BYTES {
        return Err(Error::new(None, format!("larger than {} MiB (BYTES)", BYTES >> 20)));
    }
    let mut builder = Builder { depth, nodes: 0, open: Vec::new(), documents: Vec::new() };
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            let at = error.marker();
            let place = Place { line: at.line() as u64, column: at.col() as u64 + 1 };
            Error::new(Some(place), error.info())
        })?;
        builder.take(event, place(&span))?;
    }
    Ok(builder.documents)
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Place) -> Result<(), Error> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.begin(at, anchor)?;
                let text_wanted = match tag.as_deref() {
                    None => false,
                    Some(tag) if is_core(tag, "str") || is_bare(tag) => true,
                    Some(tag) => return refused_tag(at, tag),
                };
                let plain = style == ScalarStyle::Plain && !text_wanted;
                self.end(Node { place: at, value: Value::Scalar(Scalar { text: text.into_owned(), plain }) })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.start(at, anchor, tag.as_deref(), "seq", Inside::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let inside = Inside::Map { entries: Vec::new(), key: None };
                self.start(at, anchor, tag.as_deref(), "map", inside)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { place, inside: Inside::List(list) }) => {
                    self.end(Node { place, value: Value::List(list) })
                }
                Some(Open { place, inside: Inside::Map { entries, .. } }) => {
                    let mut seen = BTreeSet::new();
                    if let Some(twice) = entries.iter().find(|entry| !seen.insert(entry.key.as_str())) {
                        return refused(twice.place, format!("duplicate mapping key: {}", shown(&twice.key)));
                    }
                    self.end(Node { place, value: Value::Map(entries) })
                }
                None => refused(at, "an end without a beginning"),
            },
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                refused(at, "an alias (*): write the value here once more")
            }
            _ => Ok(()),
        }
    }

    /// Counts a node that begins, and refuses an anchor on it.
    fn begin(&mut self, at: Place, anchor: usize) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > NODES {
            return refused(at, format!("more than {NODES} values (NODES)"));
        }
        if anchor != 0 {
            return refused(at, "an anchor (&): aliases are not read, so it has no effect");
        }
        Ok(())
    }

    fn start(
        &mut self,
        at: Place,
        anchor: usize,
        tag: Option<&Tag>,
        core: &str,
        inside: Inside,
    ) -> Result<(), Error> {
        self.begin(at, anchor)?;
        if let Some(tag) = tag.filter(|tag| !is_core(tag, core) && !is_bare(tag)) {
            return refused_tag(at, tag);
        }
        if let Some(Open { inside: Inside::Map { key: None, .. }, .. }) = self.open.last() {
            return refused(at, "a key must be a text");
        }
        if self.open.len() >= self.depth {
            return refused(at, format!("lists and maps stand in each other deeper than {}", self.depth));
        }
        self.open.push(Open { place: at, inside });
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn end(&mut self, node: Node) -> Result<(), Error> {
        match self.open.last_mut().map(|open| &mut open.inside) {
            None if self.documents.len() == DOCUMENTS => {
                refused(node.place, format!("more than {DOCUMENTS} documents (DOCUMENTS)"))
            }
            None => {
                self.documents.push(node);
                Ok(())
            }
            Some(Inside::List(list)) => {
                list.push(node);
                Ok(())
            }
            Some(Inside::Map { entries, key }) => {
                if let Some((key, place)) = key.take() {
                    entries.push(Entry { key, place, node });
                    return Ok(());
                }
                let at = node.place;
                match node.value {
                    Value::Scalar(scalar) if scalar.plain && is_null(&scalar.text) => {
                        refused(at, "a key must be a text, and here is none")
                    }
                    Value::Scalar(scalar) if scalar.plain && scalar.text == "<<" => {
                        refused(at, "a merge key (<<): write the values into this map")
                    }
                    Value::Scalar(scalar) => {
                        *key = Some((scalar.text, at));
                        Ok(())
                    }
                    _ => refused(at, "a key must be a text"),
                }
            }
        }
    }
}

/// `!!name`, in whatever form it is written.
fn is_core(tag: &Tag, name: &str) -> bool {
    tag.core_suffix() == Some(name)
}

/// `!`: no type is to be guessed (YAML 1.2, section 6.9.1).
fn is_bare(tag: &Tag) -> bool {
    tag.handle().is_empty() && tag.suffix() == "!" || tag.handle() == "!" && tag.suffix().is_empty()
}

fn refused_tag<T>(at: Place, tag: &Tag) -> Result<T, Error> {
    let shown: String =
        format!("{}{}", tag.original_handle(), tag.suffix()).escape_debug().take(80).collect();
    refused(at, format!("the tag {shown} is not read here: leave it out"))
}
