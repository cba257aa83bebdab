//! The part of JSON Schema (draft 7) that the schemas of SPDX 2.3 and CycloneDX use.
//!
//! What a schema uses beyond [`KEYWORDS`] would be passed over in silence; a test holds every schema that is stored
//! against the list. Where one of several forms is wanted and none fits, the one that came nearest is explained.

use super::{Findings, Path, Step, TRIED, formats, kind_of};
use crate::{Error, ErrorKind, Result};
use regex_lite::Regex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The keywords that are understood. `$ref` hides its neighbours, as draft 7 has it.
#[cfg(test)]
pub(super) const KEYWORDS: [&str; 25] = [
    "$ref",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "definitions",
    "else",
    "enum",
    "format",
    "if",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "not",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "then",
    "type",
];

/// One more, by itself for the length of the line above.
#[cfg(test)]
pub(super) const UNIQUE: &str = "uniqueItems";

/// Fields named in a hint.
const NAMED: usize = 16;
/// Levels of schema within schema: the deepest of those stored has about forty for one level of the document.
const LEVELS: usize = 2_000;

/// Holds `document` against the schema called `name`.
pub(super) fn check(
    schemas: &BTreeMap<String, Value>,
    name: &str,
    document: &Value,
    findings: &mut Findings,
) -> Result<()> {
    let (name, root) = schemas.get_key_value(name).ok_or_else(|| lost(name))?;
    let mut checker =
        Checker { schemas, patterns: HashMap::new(), quiet: 0, level: 0, path: Path::default(), findings };
    checker.value(name, root, document)?;
    Ok(())
}

fn lost(name: &str) -> Error {
    Error::new(TRIED, ErrorKind::Io(format!("there is no schema '{name}' in this program")))
}

struct Checker<'s, 'v, 'f> {
    schemas: &'s BTreeMap<String, Value>,
    patterns: HashMap<&'s str, Regex>,
    /// Above zero, nothing is told: somebody only wants to know whether it fits.
    quiet: usize,
    level: usize,
    path: Path<'v>,
    findings: &'f mut Findings,
}

impl<'s, 'v> Checker<'s, 'v, '_> {
    /// Whether `value` is as `schema`, which stands in the file `file`, wants it.
    fn value(&mut self, file: &'s str, schema: &'s Value, value: &'v Value) -> Result<bool> {
        self.findings.step()?;
        self.level += 1;
        if self.level > LEVELS {
            let kind = ErrorKind::LimitExceeded { limit: "LEVELS", value: LEVELS as u64 };
            return Err(Error::new(TRIED, kind));
        }
        let good = match schema {
            Value::Bool(true) => true,
            Value::Bool(false) => self.bad("nothing", value, None),
            Value::Object(schema) => match schema.get("$ref").and_then(Value::as_str) {
                Some(target) => {
                    let (file, schema) = self.resolve(file, target)?;
                    self.value(file, schema, value)?
                }
                None => self.keywords(file, schema, value)?,
            },
            _ => return Err(lost(file)),
        };
        self.level -= 1;
        Ok(good)
    }

    /// The schema behind `other.schema.json#/definitions/name`.
    fn resolve(&self, file: &'s str, target: &str) -> Result<(&'s str, &'s Value)> {
        let (other, pointer) = target.split_once('#').unwrap_or((target, ""));
        let wanted = if other.is_empty() { file } else { other.rsplit('/').next().unwrap_or(other) };
        let (file, root) = self.schemas.get_key_value(wanted).ok_or_else(|| lost(wanted))?;
        Ok((file, root.pointer(pointer).ok_or_else(|| lost(target))?))
    }

    /// Tells a problem, unless nobody listens.
    fn bad(&mut self, expected: impl Into<String>, found: &Value, hint: Option<String>) -> bool {
        if self.quiet == 0 {
            self.findings.add(&self.path, expected, found, hint);
        }
        false
    }

    fn keywords(&mut self, file: &'s str, schema: &'s Map<String, Value>, value: &'v Value) -> Result<bool> {
        let mut good = true;
        if let Some(kinds) = schema.get("type")
            && !is_of_type(kinds, value)
        {
            // Everything below would only say the same in other words.
            return Ok(self.bad(format!("a value of the type {}", listed(kinds)), value, None));
        }
        if let Some(wanted) = schema.get("const")
            && !equal(wanted, value)
        {
            good &= self.bad(wanted.to_string(), value, None);
        }
        if let Some(Value::Array(known)) = schema.get("enum")
            && !known.iter().any(|k| equal(k, value))
        {
            let nearest =
                value.as_str().and_then(|text| nearest(text, known.iter().filter_map(Value::as_str)));
            let hint = nearest.map(|name| format!("did you mean {name}?"));
            let expected = match known.len() {
                0..=NAMED => format!("one of {}", listed(&Value::Array(known.clone()))),
                n => format!("one of the {n} values that the schema lists"),
            };
            good &= self.bad(expected, value, hint);
        }
        good &= match value {
            Value::String(text) => self.string(schema, text, value)?,
            Value::Number(_) => self.number(schema, value),
            Value::Array(items) => self.array(file, schema, items, value)?,
            Value::Object(fields) => self.object(file, schema, fields, value)?,
            _ => true,
        };
        good &= self.combined(file, schema, value)?;
        Ok(good)
    }

    fn string(&mut self, schema: &'s Map<String, Value>, text: &str, value: &Value) -> Result<bool> {
        let mut good = true;
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
        let length = text.chars().count() as u64;
        if let Some(most) = bound("maxLength").filter(|most| length > *most) {
            good &= self.bad(format!("at most {most} characters"), value, None);
        }
        if let Some(least) = bound("minLength").filter(|least| length < *least) {
            good &= self.bad(format!("at least {least} characters"), value, None);
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && !self.matches(pattern, text)?
        {
            good &= self.bad(format!("text like {pattern}"), value, None);
        }
        if let Some(format) = schema.get("format").and_then(Value::as_str)
            && formats::conforms(format, text) == Some(false)
        {
            good &= self.bad(format!("text of the format {format}"), value, None);
        }
        Ok(good)
    }

    fn matches(&mut self, pattern: &'s str, text: &str) -> Result<bool> {
        if !self.patterns.contains_key(pattern) {
            let made = Regex::new(pattern)
                .map_err(|e| Error::new(TRIED, ErrorKind::Io(format!("the pattern {pattern}: {e}"))))?;
            self.patterns.insert(pattern, made);
        }
        Ok(self.patterns.get(pattern).is_some_and(|made| made.is_match(text)))
    }

    fn number(&mut self, schema: &'s Map<String, Value>, value: &Value) -> bool {
        let (mut good, number) = (true, value.as_f64().unwrap_or(f64::NAN));
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            good &= self.bad(format!("at least {least}"), value, None);
        }
        if let Some(most) = bound("maximum").filter(|most| number > *most) {
            good &= self.bad(format!("at most {most}"), value, None);
        }
        good
    }

    fn array(
        &mut self,
        file: &'s str,
        schema: &'s Map<String, Value>,
        items: &'v [Value],
        value: &Value,
    ) -> Result<bool> {
        let mut good = true;
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
        if let Some(most) = bound("maxItems").filter(|most| items.len() as u64 > *most) {
            good &= self.bad(format!("at most {most} items"), value, None);
        }
        if let Some(least) = bound("minItems").filter(|least| (items.len() as u64) < *least) {
            good &= self.bad(format!("at least {least} items"), value, None);
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let mut seen = HashSet::with_capacity(items.len());
            let twice = items.iter().position(|item| !seen.insert(canonical(item)));
            if let Some(at) = twice {
                let hint = Some(format!("item {at} is there already"));
                good &= self.bad("no item twice", value, hint);
            }
        }
        for (index, item) in items.iter().enumerate() {
            // A list of schemas goes with the items one by one, the rest with `additionalItems`.
            let of_item = match schema.get("items") {
                Some(Value::Array(each)) => each.get(index).or_else(|| schema.get("additionalItems")),
                one => one,
            };
            if let Some(of_item) = of_item {
                self.path.0.push(Step::Index(index));
                good &= self.value(file, of_item, item)?;
                self.path.0.pop();
            }
            if !good && self.quiet > 0 {
                break;
            }
        }
        Ok(good)
    }

    fn object(
        &mut self,
        file: &'s str,
        schema: &'s Map<String, Value>,
        fields: &'v Map<String, Value>,
        value: &Value,
    ) -> Result<bool> {
        let mut good = true;
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !fields.contains_key(name) {
                good &= self.bad(format!("the field {name}"), value, None);
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, field) in fields {
            let known = properties.and_then(|p| p.get(name));
            let Some(of_field) = known.or_else(|| schema.get("additionalProperties")) else { continue };
            self.path.0.push(Step::Key(name));
            if of_field == &Value::Bool(false) {
                let names = || properties.into_iter().flat_map(|p| p.keys()).map(String::as_str);
                let hint = match nearest(name, names()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => {
                        format!("the fields here are {}", names().take(NAMED).collect::<Vec<_>>().join(", "))
                    }
                };
                good &= self.bad("no such field", field, Some(hint));
            } else {
                good &= self.value(file, of_field, field)?;
            }
            self.path.0.pop();
            if !good && self.quiet > 0 {
                break;
            }
        }
        Ok(good)
    }

    fn combined(&mut self, file: &'s str, schema: &'s Map<String, Value>, value: &'v Value) -> Result<bool> {
        let mut good = true;
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            good &= self.value(file, part, value)?;
        }
        if let Some(Value::Array(forms)) = schema.get("anyOf") {
            let (fitting, problems) = self.forms(file, forms, value)?;
            if fitting == 0 {
                good &= self.explained(forms.len(), problems, value);
            }
        }
        if let Some(Value::Array(forms)) = schema.get("oneOf") {
            let (fitting, problems) = self.forms(file, forms, value)?;
            good &= match fitting {
                0 => self.explained(forms.len(), problems, value),
                1 => true,
                n => self.bad(format!("exactly one of {} forms; {n} of them fit", forms.len()), value, None),
            };
        }
        if let Some(not) = schema.get("not")
            && self.fits(file, not, value)?
        {
            good &= self.bad("something else: the schema excludes this", value, None);
        }
        if let Some(condition) = schema.get("if") {
            let then = if self.fits(file, condition, value)? { "then" } else { "else" };
            if let Some(then) = schema.get(then) {
                good &= self.value(file, then, value)?;
            }
        }
        Ok(good)
    }

    /// Whether it fits; nothing is told.
    fn fits(&mut self, file: &'s str, schema: &'s Value, value: &'v Value) -> Result<bool> {
        self.quiet += 1;
        let fits = self.value(file, schema, value);
        self.quiet -= 1;
        fits
    }

    /// How many of the forms fit, and what is wrong in the one that came nearest.
    fn forms(
        &mut self,
        file: &'s str,
        forms: &'s [Value],
        value: &'v Value,
    ) -> Result<(usize, Vec<super::Problem>)> {
        let mut fitting = 0;
        for form in forms {
            fitting += usize::from(self.fits(file, form, value)?);
        }
        let mut best: Vec<super::Problem> = Vec::new();
        if fitting > 0 || self.quiet > 0 || self.findings.problems.len() >= super::PROBLEMS {
            return Ok((fitting, best));
        }
        for form in forms {
            let (before, more) = (std::mem::take(&mut self.findings.problems), self.findings.more);
            self.value(file, form, value)?;
            let found = std::mem::replace(&mut self.findings.problems, before);
            self.findings.more = more;
            // The deeper the first problem, the more of the form is right before it.
            let depth = |problems: &[super::Problem]| {
                problems.iter().map(|p| p.path.matches('/').count()).max().unwrap_or_default()
            };
            let nearer =
                depth(&found) > depth(&best) || (depth(&found) == depth(&best) && found.len() < best.len());
            if best.is_empty() || nearer {
                best = found;
            }
        }
        Ok((fitting, best))
    }

    fn explained(&mut self, forms: usize, problems: Vec<super::Problem>, value: &Value) -> bool {
        if problems.is_empty() {
            return self.bad(format!("one of {forms} forms"), value, None);
        }
        for mut problem in problems {
            if self.findings.problems.len() >= super::PROBLEMS {
                self.findings.more = true;
                break;
            }
            problem
                .hint
                .get_or_insert_with(|| format!("of {forms} forms that are possible, this one is nearest"));
            if !self.findings.problems.contains(&problem) {
                self.findings.problems.push(problem);
            }
        }
        false
    }
}

fn is_of_type(kinds: &Value, value: &Value) -> bool {
    let one = |kind: &Value| match kind.as_str() {
        // A number without a fraction is an integer, however it is written.
        Some("integer") => value.as_f64().is_some_and(|n| n.fract() == 0.0) && value.is_number(),
        Some(kind) => kind == kind_of(value),
        None => false,
    };
    match kinds {
        Value::Array(kinds) => kinds.iter().any(one),
        kind => one(kind),
    }
}

fn listed(values: &Value) -> String {
    match values {
        Value::Array(values) => values.iter().map(listed).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// JSON Schema's equality: numbers by their value.
fn equal(a: &Value, b: &Value) -> bool {
    a == b || canonical(a) == canonical(b)
}

/// A text that two equal values have in common.
fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let mut parts: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name:?}:{}", canonical(value))).collect();
            parts.sort_unstable();
            format!("{{{}}}", parts.join(","))
        }
        other => other.to_string(),
    }
}

/// The name that differs by case, or by one or two letters.
pub(super) fn nearest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let short = text.len() <= 64;
    let scored =
        names.filter(|_| short).map(|name| (distance(&text.to_lowercase(), &name.to_lowercase()), name));
    scored.filter(|(distance, name)| *distance <= 2 && *distance < name.len()).min().map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, y) in row.iter().skip(1).zip(&b) {
            let here = (diagonal + usize::from(x != *y)).min(above + 1).min(left + 1);
            diagonal = *above;
            left = here;
            next.push(here);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
