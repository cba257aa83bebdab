//! Templates: an inventory as whatever text somebody writes a template for.
//!
//! The language is the part of Go's `text/template` that reports need, because that is what templates of SBOMs are
//! written in elsewhere: actions, pipelines, variables, `if`, `with`, `range`, `define`, and a fixed table of functions
//! (`functions.rs`). docs/reference/templates.md is its manual, docs/decisions/0010-templates.md says why it is ours.
//!
//! Decided here: what a template sees ([`Template::render`]). It sees the inventory as JSON has it, and nothing of this
//! machine: there is no function that reads a file, a variable of the environment or the clock. What a field is called
//! wrongly is an error with its line, never an empty place in a report. Steps, bytes and depth are bounded
//! ([`crate::limits`]), and what a limit cuts is not written at all.
//!
//! Refused: `block`, methods, and calls of values. Text comes out as it is in the inventory; escaping is asked for
//! (`html`, `csv`, `markdown`, `json`). Only characters that steer a terminal or turn the writing direction never do.

mod functions;
mod parse;
mod run;

use crate::error::{Error, ErrorKind, Result};
use crate::inventory::Inventory;
use crate::limits;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A template that was read and whose grammar is right.
#[derive(Debug)]
pub struct Template {
    name: String,
    body: Vec<parse::Node>,
    defined: parse::Defined,
}

impl Template {
    /// Reads a template; `name` is what messages call it.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] with line and reason, [`ErrorKind::LimitExceeded`].
    pub fn parse(name: &str, source: &str) -> Result<Self> {
        let mut template = Self { name: name.to_owned(), body: Vec::new(), defined: BTreeMap::new() };
        if source.len() > limits::TEMPLATE_BYTES {
            return Err(template.over("TEMPLATE_BYTES", limits::TEMPLATE_BYTES as u64));
        }
        let (body, defined) = parse::parse(source).map_err(|fault| template.wrong(fault))?;
        (template.body, template.defined) = (body, defined);
        Ok(template)
    }

    /// What the template makes of the inventory: what `-o json` writes, with `files` and `fileFindings` also where nobody
    /// asked for them, and `licenses`: the packages by licence.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] with line and reason, [`ErrorKind::LimitExceeded`].
    pub fn render(&self, inventory: &Inventory) -> Result<Vec<u8>> {
        let seen = view(inventory).map_err(|e| self.wrong(Fault::new(1, e)))?;
        run::run(self, &seen)
    }

    fn wrong(&self, fault: Fault) -> Error {
        let Fault { line, why, hint } = fault;
        let error = Error::new(
            format!("use the template {}", self.name),
            ErrorKind::Malformed(format!("line {line}: {why}")),
        );
        Error { hint, ..error }
    }

    fn over(&self, limit: &'static str, value: u64) -> Error {
        Error::new(format!("use the template {}", self.name), ErrorKind::LimitExceeded { limit, value })
    }
}

/// What is wrong with a template, and where.
#[derive(Debug)]
struct Fault {
    line: usize,
    why: String,
    hint: Option<String>,
}

impl Fault {
    fn new(line: usize, why: impl std::fmt::Display) -> Self {
        Self { line, why: why.to_string(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The fields of a file that JSON leaves out where they are not known. A template may name them all the same.
const OF_A_FILE: [&str; 7] = ["size", "mode", "sha256", "sha1", "layer", "package", "state"];

fn view(inventory: &Inventory) -> std::result::Result<Value, serde_json::Error> {
    let mut seen = serde_json::to_value(inventory)?;
    let Some(fields) = seen.as_object_mut() else { return Ok(seen) };
    fields.entry("fileFindings").or_insert(Value::Null);
    let files = fields.entry("files").or_insert_with(|| json!([]));
    for file in files.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        for name in OF_A_FILE {
            if !file.contains_key(name) {
                file.insert(name.to_owned(), Value::Null);
            }
        }
    }
    fields.insert("licenses".to_owned(), licenses(inventory));
    Ok(seen)
}

/// The packages by licence: what was concluded, else what was declared. Those without any come last, under `null`.
fn licenses(inventory: &Inventory) -> Value {
    let mut by: BTreeMap<(bool, &str), Vec<Value>> = BTreeMap::new();
    for package in &inventory.packages {
        let license = &package.license;
        let said = license.concluded.as_deref().or(license.expression.as_deref());
        let said = said.or(license.declared.first().map(String::as_str));
        by.entry((said.is_none(), said.unwrap_or_default())).or_default().push(json!({
            "name": package.name, "version": package.version, "purl": package.purl,
            "ecosystem": package.ecosystem.name(),
        }));
    }
    let entry = |((unknown, license), packages): ((bool, &str), Vec<Value>)| {
        let mut fields = Map::new();
        let license = if unknown { Value::Null } else { Value::String(license.to_owned()) };
        fields.insert("license".to_owned(), license);
        fields.insert("packages".to_owned(), Value::Array(packages));
        Value::Object(fields)
    };
    by.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests;
