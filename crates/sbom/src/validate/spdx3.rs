//! SPDX 3.0.1's JSON-LD against the classes of its model.
//!
//! The published JSON schema is generated from that model: each object has a type, the properties of its class and those
//! above it and no others; lists are lists, and what points to an object is an IRI, a blank node or the object itself.
//! That references lead somewhere, and that a relationship suits its ends, is no part of the schema.

use super::{Findings, Path, Step, TRIED};
use crate::spdx3::CONTEXT;
use crate::{Error, ErrorKind, Result};
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// Objects within objects. Documents go a few levels deep; the depth of JSON is bounded before.
const LEVELS: usize = crate::limits::JSON_DEPTH;

/// A class of the model, as `schemas/make.py` writes it.
#[derive(Deserialize)]
struct Class {
    #[serde(rename = "type")]
    name: String,
    parents: Vec<String>,
    #[serde(rename = "abstract")]
    is_abstract: bool,
    /// Whether anybody may add classes below it, and properties to its objects.
    open: bool,
    id: String,
    /// Whether its objects must have an IRI.
    named: bool,
    properties: BTreeMap<String, Property>,
}

/// What it takes, in detail (a pattern, the names of an enumeration, a class), how many at least, one or a list, at most.
#[derive(Deserialize)]
struct Property(String, Value, u64, String, Option<u64>);

/// Holds a document against the model.
pub(super) fn check(
    schemas: &BTreeMap<String, Value>,
    document: &Value,
    findings: &mut Findings,
) -> Result<()> {
    let lost =
        |why: String| Error::new(TRIED, ErrorKind::Io(format!("the model of SPDX 3 in this program: {why}")));
    let table = schemas.get("spdx-3.0.1").ok_or_else(|| lost("it is not there".to_owned()))?;
    let classes: BTreeMap<String, Class> = BTreeMap::deserialize(table).map_err(|e| lost(e.to_string()))?;
    let by_type = classes.iter().map(|(key, class)| (class.name.as_str(), key.as_str())).collect();
    let mut checker =
        Checker { classes: &classes, by_type, patterns: HashMap::new(), path: Path::default(), findings };
    checker.document(document)
}

struct Checker<'s, 'v, 'f> {
    classes: &'s BTreeMap<String, Class>,
    by_type: HashMap<&'s str, &'s str>,
    patterns: HashMap<&'s str, Regex>,
    path: Path<'v>,
    findings: &'f mut Findings,
}

impl<'s, 'v> Checker<'s, 'v, '_> {
    fn document(&mut self, document: &'v Value) -> Result<()> {
        let Value::Object(fields) = document else { return Ok(()) };
        let Some(graph) = fields.get("@graph") else {
            // One object alone, with the context beside its properties.
            return self.object(None, fields, document, 0, Beside::Context);
        };
        for (name, value) in fields {
            self.path.0.push(Step::Key(name));
            match name.as_str() {
                "@graph" => {}
                "@context" if value.as_str() == Some(CONTEXT) => {}
                "@context" => self.bad(CONTEXT, value, None),
                _ => {
                    self.bad("no such field", value, Some("beside @context and @graph there is none".into()))
                }
            }
            self.path.0.pop();
        }
        self.path.0.push(Step::Key("@graph"));
        match graph {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.path.0.push(Step::Index(index));
                    match item {
                        Value::Object(fields) => self.object(None, fields, item, 0, Beside::Nothing)?,
                        other => self.bad("an object", other, None),
                    }
                    self.path.0.pop();
                }
            }
            other => self.bad("a list of objects", other, None),
        }
        self.path.0.pop();
        Ok(())
    }

    fn bad(&mut self, expected: impl Into<String>, found: &Value, hint: Option<String>) {
        self.findings.add(&self.path, expected, found, hint);
    }

    /// The class and all above it.
    fn lineage(&self, key: &str) -> Vec<&'s Class> {
        let (mut out, mut waiting): (Vec<&'s Class>, Vec<String>) = (Vec::new(), vec![key.to_owned()]);
        while let Some(key) = waiting.pop() {
            if let Some(class) = self.classes.get(&key)
                && !out.iter().any(|known| std::ptr::eq(*known, class))
            {
                out.push(class);
                waiting.extend(class.parents.iter().cloned());
            }
        }
        out
    }

    /// An object, which must be of the class `wanted` or one below it.
    fn object(
        &mut self,
        wanted: Option<&str>,
        fields: &'v Map<String, Value>,
        whole: &'v Value,
        level: usize,
        beside: Beside,
    ) -> Result<()> {
        self.findings.step()?;
        if level > LEVELS {
            let kind = ErrorKind::LimitExceeded { limit: "JSON_DEPTH", value: LEVELS as u64 };
            return Err(Error::new(TRIED, kind));
        }
        let Some(kind) = fields.get("type") else {
            self.bad("the field type", whole, None);
            return Ok(());
        };
        let key = kind.as_str().and_then(|name| self.by_type.get(name).copied());
        let lineage = key.map(|key| self.lineage(key)).unwrap_or_default();
        // Where an extension stands, the schema asks for the name of a class, anybody's or SPDX's own, and for nothing more.
        let invites = wanted.is_some_and(|wanted| self.classes.get(wanted).is_some_and(|class| class.open));
        let known = lineage.first().is_some_and(|class| !class.is_abstract);
        if invites && (known || kind.as_str().is_some_and(is_iri)) {
            return Ok(());
        }
        let (Some(key), Some(class)) = (key, lineage.first()) else {
            self.path.0.push(Step::Key("type"));
            self.bad("the name of a class of SPDX 3.0.1", kind, None);
            self.path.0.pop();
            return Ok(());
        };
        let fits = wanted.is_none_or(|wanted| self.is_a(key, wanted));
        if class.is_abstract || !fits {
            self.path.0.push(Step::Key("type"));
            let expected = match wanted.filter(|_| !fits) {
                Some(wanted) => format!("{wanted} or a class below it"),
                None => "a class of which there are objects".to_owned(),
            };
            self.bad(expected, kind, None);
            self.path.0.pop();
            return Ok(());
        }
        let id = class.id.as_str();
        if class.named && !fields.contains_key(id) {
            self.bad(format!("the field {id}"), whole, None);
        }
        for property in lineage.iter().flat_map(|class| &class.properties) {
            if property.1.2 > 0 && !fields.contains_key(property.0) {
                self.bad(format!("the field {}", property.0), whole, None);
            }
        }
        for (name, value) in fields {
            self.path.0.push(Step::Key(name));
            let property = lineage.iter().find_map(|class| class.properties.get(name));
            match (name.as_str(), property) {
                ("type", _) => {}
                (name, _) if name == id => self.identifier(class.named, value),
                ("@context", _) if beside == Beside::Context && value.as_str() == Some(CONTEXT) => {}
                (_, Some(property)) => self.property(property, value, level)?,
                (name, None) if is_iri(name) && lineage.iter().any(|class| class.open) => {}
                _ => {
                    let hint = format!("{} has no such property", class.name);
                    self.bad("no such field", value, Some(hint));
                }
            }
            self.path.0.pop();
        }
        Ok(())
    }

    fn is_a(&self, key: &str, wanted: &str) -> bool {
        self.lineage(key)
            .iter()
            .any(|class| self.classes.get(wanted).is_some_and(|w| std::ptr::eq(*class, w)))
    }

    fn identifier(&mut self, named: bool, value: &Value) {
        let good = value.as_str().is_some_and(|text| is_iri(text) || (!named && is_blank(text)));
        if !good {
            self.bad(if named { "an IRI" } else { "an IRI or a blank node" }, value, None);
        }
    }

    fn property(&mut self, property: &'s Property, value: &'v Value, level: usize) -> Result<()> {
        let Property(_, _, least, shape, most) = property;
        if shape != "list" {
            return self.single(property, value, level);
        }
        let Value::Array(items) = value else {
            self.bad("a list", value, None);
            return Ok(());
        };
        let count = items.len() as u64;
        if count < *least || most.is_some_and(|most| count > most) {
            let upper = most.map(|most| format!(" and at most {most}")).unwrap_or_default();
            self.bad(format!("at least {least}{upper} items"), value, None);
        }
        for (index, item) in items.iter().enumerate() {
            self.path.0.push(Step::Index(index));
            self.single(property, item, level)?;
            self.path.0.pop();
        }
        Ok(())
    }

    fn single(&mut self, property: &'s Property, value: &'v Value, level: usize) -> Result<()> {
        self.findings.step()?;
        let Property(kind, detail, ..) = property;
        let names = || detail.as_array().into_iter().flatten().filter_map(Value::as_str);
        let whole =
            |least: f64| value.as_f64().is_some_and(|number| number.fract() == 0.0 && number >= least);
        let expected = match kind.as_str() {
            "object" => return self.reference(names().collect(), value, level),
            "enum" if value.as_str().is_none_or(|text| names().all(|name| name != text)) => {
                format!("one of {}", names().collect::<Vec<_>>().join(", "))
            }
            "string" if !value.is_string() => "text".to_owned(),
            "time" if !value.as_str().is_some_and(|text| self.matches(TIME, text)) => {
                "a time like 2026-01-31T12:00:00Z".to_owned()
            }
            "integer" if !whole(f64::NEG_INFINITY) => "a whole number".to_owned(),
            "natural" if !whole(0.0) => "a whole number from 0 on".to_owned(),
            "positive" if !whole(1.0) => "a whole number from 1 on".to_owned(),
            "boolean" if !value.is_boolean() => "true or false".to_owned(),
            "number" if !value.is_number() && !value.as_str().is_some_and(|t| self.matches(DECIMAL, t)) => {
                "a number".to_owned()
            }
            _ => match (detail.as_str(), value.as_str()) {
                (Some(pattern), Some(text)) if !self.matches(pattern, text) => format!("text like {pattern}"),
                _ => return Ok(()),
            },
        };
        self.bad(expected, value, None);
        Ok(())
    }

    /// What points to an object: `names` begins with its class; individuals that have names of their own follow.
    fn reference(&mut self, names: Vec<&'s str>, value: &'v Value, level: usize) -> Result<()> {
        match value {
            Value::Object(fields) => {
                self.object(names.first().copied(), fields, value, level + 1, Beside::Nothing)
            }
            Value::String(text) if is_iri(text) || is_blank(text) => Ok(()),
            Value::String(text) if names.iter().skip(1).any(|name| name == text) => Ok(()),
            other => {
                self.bad("an IRI, a blank node or an object", other, None);
                Ok(())
            }
        }
    }

    fn matches(&mut self, pattern: &'s str, text: &str) -> bool {
        if !self.patterns.contains_key(pattern)
            && let Ok(made) = Regex::new(pattern)
        {
            self.patterns.insert(pattern, made);
        }
        self.patterns.get(pattern).is_some_and(|made| made.is_match(text))
    }
}

/// What may stand beside the properties of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Context,
    Nothing,
}

/// The schema's times.
const TIME: &str =
    r"^[0-9]{4}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|[+-][0-9]{2}:[0-9]{2})$";
/// The schema's numbers as text.
const DECIMAL: &str = r"^-?[0-9]+(\.[0-9]*)?$";

/// The schema's IRIs: something before and after a colon, and no blank node.
fn is_iri(text: &str) -> bool {
    let colon = |text: &str| {
        text.char_indices()
            .skip(1)
            .any(|(at, c)| c == ':' && text.get(at + 1..).is_some_and(|rest| !rest.is_empty()))
    };
    !text.starts_with("_:") && colon(text.lines().next().unwrap_or_default())
}

fn is_blank(text: &str) -> bool {
    text.strip_prefix("_:").is_some_and(|rest| !rest.is_empty())
}
