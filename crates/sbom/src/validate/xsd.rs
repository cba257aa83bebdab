//! CycloneDX as XML against the tables that `schemas/xsd.py` makes of its XML schemas.
//!
//! Order and number of elements, attributes, values, elements and attributes of other namespaces where the schema has room
//! for them, and names given once (`bom-ref`). Room is `lax`: inside of it only a whole `bom` is looked at. An `xsi:type`
//! is refused as "could not find out": it replaces the type of an element, and no writer of CycloneDX is known to do so.

use super::formats::{XmlTime, is_any_uri, is_xml_time};
use super::schema::nearest;
use super::{Findings, Problem, SHOWN, TRIED};
use crate::xml::{Attribute, Element, Space, is_space};
use crate::{Error, ErrorKind, Result};
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Names that are listed where one of several is wanted.
const NAMED: usize = 16;
/// Types made of types: unions of restrictions, three levels deep in what is stored.
const LEVELS: usize = 16;

/// One version's schema.
#[derive(Deserialize)]
struct Table {
    namespace: String,
    roots: BTreeMap<String, String>,
    types: BTreeMap<String, Type>,
    unique: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Complex(Complex),
    Simple(Simple),
}

#[derive(Deserialize)]
struct Complex {
    content: Option<Particle>,
    /// The type of its text, where it has text and no elements.
    text: Option<String>,
    #[serde(default)]
    mixed: bool,
    /// The type, and whether it must be there.
    attributes: BTreeMap<String, (String, bool)>,
    others: Option<Others>,
}

/// The attributes that may stand beside those that are named.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Others {
    Any,
    Other,
}

#[derive(Deserialize)]
struct Simple {
    base: Option<String>,
    #[serde(default, rename = "enum")]
    values: Vec<String>,
    #[serde(default)]
    pattern: Vec<String>,
    least: Option<u64>,
    most: Option<u64>,
    shortest: Option<usize>,
    longest: Option<usize>,
    #[serde(default)]
    union: Vec<String>,
}

#[derive(Deserialize)]
struct Particle {
    #[serde(flatten)]
    term: Term,
    #[serde(default = "once")]
    min: usize,
    #[serde(default = "once_at_most")]
    max: i64,
}

fn once() -> usize {
    1
}

fn once_at_most() -> i64 {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Term {
    Element(Declared),
    Sequence(Vec<Particle>),
    Choice(Vec<Particle>),
    Other {},
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    default: Option<String>,
}

impl Particle {
    fn may_repeat(&self, times: usize) -> bool {
        usize::try_from(self.max).map_or(true, |max| times < max)
    }

    /// Whether nothing at all will do.
    fn may_be_empty(&self) -> bool {
        self.min == 0
            || match &self.term {
                Term::Element(_) | Term::Other {} => false,
                Term::Sequence(parts) => parts.iter().all(Self::may_be_empty),
                Term::Choice(parts) => parts.is_empty() || parts.iter().any(Self::may_be_empty),
            }
    }

    /// Whether `element` can stand first in it. XML Schema asks that there is but one way (Part 1, 3.8.6).
    fn begins_with(&self, element: &Element) -> bool {
        match &self.term {
            Term::Element(declared) => element.is(&declared.name),
            Term::Other {} => matches!(element.space, Space::Other | Space::Instance),
            Term::Choice(parts) => parts.iter().any(|part| part.begins_with(element)),
            Term::Sequence(parts) => {
                for part in parts {
                    if part.begins_with(element) {
                        return true;
                    }
                    if !part.may_be_empty() {
                        return false;
                    }
                }
                false
            }
        }
    }

    /// The names that can stand first in it.
    fn first_names<'p>(&'p self, out: &mut Vec<&'p str>) {
        match &self.term {
            Term::Element(declared) => out.push(&declared.name),
            Term::Other {} => {}
            Term::Choice(parts) => parts.iter().for_each(|part| part.first_names(out)),
            Term::Sequence(parts) => {
                for part in parts {
                    part.first_names(out);
                    if !part.may_be_empty() {
                        break;
                    }
                }
            }
        }
    }
}

/// Holds a document, whose outermost element is of the namespace `namespace`, against the table called `name`.
pub(super) fn check(
    schemas: &BTreeMap<String, Value>,
    name: &str,
    namespace: &str,
    root: &Element,
    findings: &mut Findings,
) -> Result<()> {
    let lost =
        |why: &str| Error::new(TRIED, ErrorKind::Io(format!("the table '{name}' in this program: {why}")));
    let read = |name: &str| -> Result<Table> {
        let table = schemas.get(name).ok_or_else(|| lost("it is not there"))?;
        Table::deserialize(table).map_err(|e| lost(&e.to_string()))
    };
    let (table, licenses) = (read(name)?, read("spdx.xsd")?);
    if namespace != table.namespace {
        return Err(lost("it is of another namespace"));
    }
    let mut checker = Checker {
        table: &table,
        licenses: &licenses,
        patterns: HashMap::new(),
        path: Vec::new(),
        unique: Vec::new(),
        findings,
    };
    let Some(kind) = table.roots.get(&root.name).filter(|_| root.space == Space::Document) else {
        return Err(lost("the document's element is not in it"));
    };
    checker.root(root, kind)
}

struct Checker<'s, 'f> {
    table: &'s Table,
    licenses: &'s Table,
    patterns: HashMap<&'s str, Regex>,
    path: Vec<String>,
    /// For each `bom` around: the values in it of the attribute that no two elements may share.
    unique: Vec<HashSet<String>>,
    findings: &'f mut Findings,
}

impl<'s> Checker<'s, '_> {
    /// A whole document; below the document itself it may stand inside of what is somebody else's.
    fn root(&mut self, element: &Element, kind: &'s str) -> Result<()> {
        self.path.push(element.name.clone());
        self.unique.push(HashSet::new());
        self.element(element, kind, None)?;
        self.unique.pop();
        self.path.pop();
        Ok(())
    }

    fn bad(&mut self, expected: impl Into<String>, found: String, hint: Option<String>) {
        let path = self.path.iter().map(|step| format!("/{step}")).collect();
        self.findings.tell(Problem { path, expected: expected.into(), found, hint });
    }

    /// Tells a problem with an attribute of the present element.
    fn bad_attribute(
        &mut self,
        name: &str,
        expected: impl Into<String>,
        found: String,
        hint: Option<String>,
    ) {
        self.path.push(format!("@{name}"));
        self.bad(expected, found, hint);
        self.path.pop();
    }

    fn element(&mut self, element: &Element, kind: &'s str, default: Option<&str>) -> Result<()> {
        self.findings.step()?;
        if kind == "xs:anyType" {
            return self.lax(element);
        }
        self.own_type(element)?;
        let known = ["schemaLocation", "noNamespaceSchemaLocation"];
        let of_instances = element.attributes.iter().filter(|a| a.space == Space::Instance);
        for attribute in of_instances.filter(|a| !known.contains(&a.name.as_str())) {
            let (name, hint) =
                (format!("xsi:{}", attribute.name), "only xsi:schemaLocation may stand anywhere");
            self.bad_attribute(&name, "no such attribute", said(&attribute.value), Some(hint.to_owned()));
        }
        match self.table.types.get(kind) {
            Some(Type::Complex(complex)) => self.complex(element, complex, default),
            Some(Type::Simple(_)) | None => {
                for attribute in element.attributes.iter().filter(|a| a.space != Space::Instance) {
                    self.bad_attribute(&attribute.name, "no attribute", said(&attribute.value), None);
                }
                self.text(element, kind, default)
            }
        }
    }

    /// Refuses a document with an element that names its own type.
    fn own_type(&self, element: &Element) -> Result<()> {
        if element.attributes.iter().all(|a| a.space != Space::Instance || a.name != "type") {
            return Ok(());
        }
        let why = format!("xsi:type at /{}", self.path.join("/"));
        Err(Error::new(TRIED, ErrorKind::Unsupported(why))
            .hint("an element with a type of its own choice is not looked at"))
    }

    fn complex(&mut self, element: &Element, complex: &'s Complex, default: Option<&str>) -> Result<()> {
        for (name, (_, required)) in &complex.attributes {
            if *required && element.attributes.iter().all(|a| a.space != Space::None || a.name != *name) {
                self.bad(format!("the attribute {name}"), format!("an element {}", element.name), None);
            }
        }
        for attribute in &element.attributes {
            self.attribute(attribute, complex)?;
        }
        if let Some(kind) = &complex.text {
            return self.text(element, kind, default);
        }
        if !complex.mixed && !element.text.chars().all(is_space) {
            self.bad("elements, and no text between them", said(element.text.trim()), None);
        }
        let mut at = 0;
        let mut matched = Vec::with_capacity(element.children.len());
        let mut good = true;
        if let Some(content) = &complex.content {
            good = self.particle(content, &element.children, &mut at, &mut matched)?;
        }
        if let Some(left) = element.children.get(at).filter(|_| good) {
            self.unexpected(complex, left);
        }
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (child, declared) in element.children.iter().zip(matched) {
            let count = seen.entry(child.name.as_str()).or_default();
            *count += 1;
            self.path.push(format!("{}[{count}]", child.name));
            match declared {
                Some(declared) => self.element(child, &declared.kind, declared.default.as_deref())?,
                None => self.lax(child)?,
            }
            self.path.pop();
        }
        Ok(())
    }

    /// Matches a particle from `at` on; what each child is matched with goes to `matched`. False: a problem was told.
    fn particle(
        &mut self,
        particle: &'s Particle,
        children: &[Element],
        at: &mut usize,
        matched: &mut Vec<Option<&'s Declared>>,
    ) -> Result<bool> {
        let mut times = 0;
        while particle.may_repeat(times) && children.get(*at).is_some_and(|child| particle.begins_with(child))
        {
            self.findings.step()?;
            match &particle.term {
                Term::Element(declared) => {
                    matched.push(Some(declared));
                    *at += 1;
                }
                Term::Other {} => {
                    matched.push(None);
                    *at += 1;
                }
                Term::Sequence(parts) => {
                    for part in parts {
                        if !self.particle(part, children, at, matched)? {
                            return Ok(false);
                        }
                    }
                }
                Term::Choice(parts) => {
                    let child = children.get(*at);
                    let chosen = parts.iter().find(|part| child.is_some_and(|child| part.begins_with(child)));
                    if let Some(chosen) = chosen
                        && !self.particle(chosen, children, at, matched)?
                    {
                        return Ok(false);
                    }
                }
            }
            times += 1;
        }
        if times >= particle.min || particle.may_be_empty() {
            return Ok(true);
        }
        let mut names = Vec::new();
        particle.first_names(&mut names);
        let expected = match names.as_slice() {
            [name] => format!("the element {name}"),
            names => format!("one of the elements {}", listed(names)),
        };
        let found = children.get(*at).map_or_else(|| "nothing more".to_owned(), named);
        self.bad(expected, found, None);
        Ok(false)
    }

    /// A child that no particle takes.
    fn unexpected(&mut self, complex: &'s Complex, child: &Element) {
        let mut names = Vec::new();
        if let Some(content) = &complex.content {
            all_names(content, &mut names);
        }
        let hint = if names.iter().any(|name| child.is(name)) {
            Some("it is known here: it stands in the wrong place, or too often".to_owned())
        } else if child.space != Space::Document {
            Some("elements of other namespaces have no place here, or not at this one".to_owned())
        } else {
            match nearest(&child.name, names.iter().copied()) {
                Some(near) => Some(format!("did you mean {near}?")),
                None if names.is_empty() => None,
                None => Some(format!("the elements here are {}", listed(&names))),
            }
        };
        self.bad("no such element at this place", named(child), hint);
    }

    fn attribute(&mut self, attribute: &Attribute, complex: &'s Complex) -> Result<()> {
        self.findings.step()?;
        match (attribute.space, complex.attributes.get(&attribute.name)) {
            (Space::Instance, _) => {}
            (Space::None, Some((kind, _))) => {
                self.path.push(format!("@{}", attribute.name));
                let good = self.value(&attribute.value, kind)?;
                if good && self.table.unique.as_ref() == Some(&attribute.name) {
                    let value = normalized(&attribute.value, self.white_space(kind));
                    let mut twice = false;
                    for seen in &mut self.unique {
                        twice |= !seen.insert(value.clone());
                    }
                    if twice {
                        self.bad("a name that no other element has", said(&attribute.value), None);
                    }
                }
                self.path.pop();
            }
            (Space::Other, _) if complex.others.is_some() => {}
            _ if complex.others == Some(Others::Any) => {}
            _ => {
                let near = nearest(&attribute.name, complex.attributes.keys().map(String::as_str));
                let hint = near.map(|name| format!("did you mean {name}?"));
                self.bad_attribute(&attribute.name, "no such attribute", said(&attribute.value), hint);
            }
        }
        Ok(())
    }

    /// What is somebody else's: nothing is known of it, but a `bom` within it is one.
    fn lax(&mut self, element: &Element) -> Result<()> {
        self.findings.step()?;
        self.own_type(element)?;
        for child in &element.children {
            match self.table.roots.get(&child.name).filter(|_| child.space == Space::Document) {
                Some(kind) => self.root(child, kind)?,
                None => {
                    self.path.push(child.name.clone());
                    self.lax(child)?;
                    self.path.pop();
                }
            }
        }
        Ok(())
    }

    /// An element that holds text alone.
    fn text(&mut self, element: &Element, kind: &'s str, default: Option<&str>) -> Result<()> {
        if let Some(child) = element.children.first() {
            self.bad("text, and no element in it", named(child), None);
            return Ok(());
        }
        // An empty element has its default (Part 1, 3.3.4), which the schema itself answers for.
        if !element.text.is_empty() || default.is_none() {
            self.value(&element.text, kind)?;
        }
        Ok(())
    }

    fn simple(&self, kind: &str) -> Option<&'s Simple> {
        let found = match kind.strip_prefix("spdx:") {
            Some(name) => self.licenses.types.get(name),
            None => self.table.types.get(kind),
        };
        match found {
            Some(Type::Simple(simple)) => Some(simple),
            _ => None,
        }
    }

    /// The built-in type below `kind`, by which its white space goes.
    fn white_space(&self, kind: &'s str) -> &'s str {
        let mut kind = kind;
        for _ in 0..LEVELS {
            match self.simple(kind).and_then(|simple| simple.base.as_deref()) {
                Some(base) => kind = base,
                None => break,
            }
        }
        kind
    }

    /// Whether the text is a value of that type; where not, it is told.
    fn value(&mut self, text: &str, kind: &'s str) -> Result<bool> {
        let Err(expected) = self.held(text, kind, 0)? else { return Ok(true) };
        let values = self.simple(kind).map(|simple| simple.values.as_slice()).unwrap_or_default();
        let near = nearest(text.trim(), values.iter().map(String::as_str)).filter(|near| *near != text);
        self.bad(expected, said(text), near.map(|name| format!("did you mean {name}?")));
        Ok(false)
    }

    /// What is wanted, where the text is none.
    fn held(&mut self, text: &str, kind: &'s str, level: usize) -> Result<std::result::Result<(), String>> {
        self.findings.step()?;
        if level > LEVELS {
            return Err(Error::new(
                TRIED,
                ErrorKind::LimitExceeded { limit: "LEVELS", value: LEVELS as u64 },
            ));
        }
        let Some(simple) = self.simple(kind) else {
            return Ok(if built_in(text, kind)? { Ok(()) } else { Err(words(kind)) });
        };
        if !simple.union.is_empty() {
            let mut wanted = Vec::new();
            for member in &simple.union {
                match self.held(text, member, level + 1)? {
                    Ok(()) => return Ok(Ok(())),
                    Err(expected) => wanted.push(expected),
                }
            }
            return Ok(Err(wanted.join(", or ")));
        }
        let base = simple.base.as_deref().unwrap_or("xs:string");
        if let Err(expected) = self.held(text, base, level + 1)? {
            return Ok(Err(expected));
        }
        let text = normalized(text, self.white_space(base));
        let length = text.chars().count();
        let expected = if !simple.values.is_empty() && !simple.values.contains(&text) {
            match simple.values.len() {
                0..=NAMED => format!("one of {}", simple.values.join(", ")),
                n => format!("one of the {n} values that the schema lists"),
            }
        } else if !simple.pattern.is_empty() && !self.matches(&simple.pattern, &text)? {
            format!("text like {}", simple.pattern.join(" or "))
        } else if let Some(least) = simple.least.filter(|least| against(&text, *least).is_lt()) {
            format!("at least {least}")
        } else if let Some(most) = simple.most.filter(|most| against(&text, *most).is_gt()) {
            format!("at most {most}")
        } else if let Some(least) = simple.shortest.filter(|least| length < *least) {
            format!("at least {least} characters")
        } else if let Some(most) = simple.longest.filter(|most| length > *most) {
            format!("at most {most} characters")
        } else {
            return Ok(Ok(()));
        };
        Ok(Err(expected))
    }

    /// Whether one of the patterns fits the whole text: XML Schema's are anchored at both ends.
    fn matches(&mut self, patterns: &'s [String], text: &str) -> Result<bool> {
        for pattern in patterns {
            if !self.patterns.contains_key(pattern.as_str()) {
                let made = Regex::new(&format!("^(?:{pattern})$"))
                    .map_err(|e| Error::new(TRIED, ErrorKind::Io(format!("the pattern {pattern}: {e}"))))?;
                self.patterns.insert(pattern, made);
            }
            if self.patterns.get(pattern.as_str()).is_some_and(|made| made.is_match(text)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn all_names<'p>(particle: &'p Particle, out: &mut Vec<&'p str>) {
    match &particle.term {
        Term::Element(declared) => out.push(&declared.name),
        Term::Other {} => {}
        Term::Choice(parts) | Term::Sequence(parts) => parts.iter().for_each(|part| all_names(part, out)),
    }
}

fn listed(names: &[&str]) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
}

/// An element for people.
fn named(element: &Element) -> String {
    match element.space {
        Space::Document => format!("an element {}", element.name),
        Space::None => format!("an element {} without namespace", element.name),
        Space::Instance | Space::Other => format!("an element {} of another namespace", element.name),
    }
}

/// A text for people.
fn said(text: &str) -> String {
    let mut short: String = format!("{text:?}").chars().take(SHOWN).collect();
    if text.chars().count() >= SHOWN {
        short.push('…');
    }
    format!("text {short}")
}

/// The text as its type sees it (Part 2, 4.3.6).
fn normalized(text: &str, built_in: &str) -> String {
    match built_in {
        "xs:string" => text.to_owned(),
        "xs:normalizedString" => text.chars().map(|c| if is_space(c) { ' ' } else { c }).collect(),
        _ => text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "),
    }
}

/// How a decimal of any length compares with a bound.
fn against(text: &str, bound: u64) -> Ordering {
    let unsigned = text.trim_start_matches(['+', '-']);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.is_empty() && fraction.is_empty() {
        return 0.cmp(&bound);
    }
    if text.starts_with('-') {
        return Ordering::Less;
    }
    let bound = bound.to_string();
    let bound = bound.trim_start_matches('0');
    let wholes = (whole.len(), whole).cmp(&(bound.len(), bound));
    wholes.then(if fraction.is_empty() { Ordering::Equal } else { Ordering::Greater })
}

/// What a built-in type wants, for people.
fn words(kind: &str) -> String {
    match kind {
        "xs:anyURI" => "a URI".to_owned(),
        "xs:dateTime" => "a time like 2026-01-31T12:00:00Z".to_owned(),
        "xs:date" => "a date like 2026-01-31".to_owned(),
        "xs:boolean" => "true or false".to_owned(),
        "xs:decimal" => "a number".to_owned(),
        "xs:positiveInteger" => "a whole number from 1 on".to_owned(),
        "xs:nonNegativeInteger" => "a whole number from 0 on".to_owned(),
        "xs:integer" => "a whole number".to_owned(),
        other => format!("a value of the type {other}"),
    }
}

/// Whether the text is a value of a type of XML Schema's own (Part 2, section 3).
fn built_in(text: &str, kind: &str) -> Result<bool> {
    let text = normalized(text, kind);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let whole = !unsigned.is_empty() && digits(unsigned);
    let zero = whole && unsigned.bytes().all(|b| b == b'0');
    let negative = text.starts_with('-');
    Ok(match kind {
        "xs:string" | "xs:normalizedString" | "xs:token" | "xs:anyType" => true,
        "xs:anyURI" => is_any_uri(&text),
        "xs:dateTime" => is_xml_time(&text, XmlTime::DateTime),
        "xs:date" => is_xml_time(&text, XmlTime::Date),
        "xs:boolean" => matches!(text.as_str(), "true" | "false" | "1" | "0"),
        "xs:integer" => whole,
        "xs:nonNegativeInteger" => whole && (zero || !negative),
        "xs:positiveInteger" => whole && !zero && !negative,
        "xs:decimal" => {
            let (before, after) = unsigned.split_once('.').unwrap_or((unsigned, ""));
            digits(before) && digits(after) && !(before.is_empty() && after.is_empty())
        }
        other => {
            return Err(Error::new(
                TRIED,
                ErrorKind::Io(format!("there is no type '{other}' in this program")),
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::schemas;

    fn particles<'p>(particle: &'p Particle, each: &mut impl FnMut(&'p Declared)) {
        match &particle.term {
            Term::Element(declared) => each(declared),
            Term::Other {} => {}
            Term::Choice(parts) | Term::Sequence(parts) => {
                parts.iter().for_each(|part| particles(part, each))
            }
        }
    }

    #[test]
    fn every_type_and_pattern_of_the_tables_is_understood() {
        let all = schemas().unwrap();
        let tables = all.iter().filter(|(name, _)| name.ends_with(".xsd"));
        let tables: BTreeMap<&str, Table> =
            tables.map(|(name, table)| (name.as_str(), Table::deserialize(table).unwrap())).collect();
        assert_eq!(tables.len(), 5);
        for (name, table) in &tables {
            let known = |kind: &str| match kind.strip_prefix("spdx:") {
                Some(kind) => tables["spdx.xsd"].types.contains_key(kind),
                None => kind == "xs:anyType" || built_in("", kind).is_ok() || table.types.contains_key(kind),
            };
            for kind in table.types.values() {
                match kind {
                    Type::Complex(complex) => {
                        let attributes = complex.attributes.values().map(|(kind, _)| kind);
                        assert!(attributes.chain(&complex.text).all(|kind| known(kind)), "{name}");
                        if let Some(content) = &complex.content {
                            particles(content, &mut |declared| {
                                assert!(known(&declared.kind), "{name}: {}", declared.kind)
                            });
                        }
                    }
                    Type::Simple(simple) => {
                        assert!(simple.base.iter().chain(&simple.union).all(|kind| known(kind)), "{name}");
                        for pattern in &simple.pattern {
                            assert!(Regex::new(&format!("^(?:{pattern})$")).is_ok(), "{name}: {pattern}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn decimals_of_any_length_are_compared_exactly() {
        for (text, bound, wanted) in [
            ("1", 1, Ordering::Equal),
            ("+01.00", 1, Ordering::Equal),
            ("1.0000000000000000000000000000000000001", 1, Ordering::Greater),
            ("0.99999999999999999999999999999", 1, Ordering::Less),
            ("-0.0", 0, Ordering::Equal),
            ("-5", 0, Ordering::Less),
            (".5", 0, Ordering::Greater),
            ("10", 6, Ordering::Greater),
        ] {
            assert_eq!(against(text, bound), wanted, "{text}");
        }
    }
}
