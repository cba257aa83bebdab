//! Runs a template over what it sees. Decides what a value is worth in a condition, what it looks like in print, and what
//! a field of it is. Refused: a field that is not there, a variable that was not set, a result for nobody.

use super::functions::Function;
use super::parse::{Node, Pipe, Word};
use super::{Fault, Template};
use crate::error::{Error, Result};
use crate::limits;
use serde_json::Value;
use std::rc::Rc;

/// A value: of the inventory, or made on the way.
#[derive(Debug, Clone)]
pub(super) enum Val<'t> {
    Seen(&'t Value),
    Made(Rc<Value>),
}

impl std::ops::Deref for Val<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        match self {
            Self::Seen(value) => value,
            Self::Made(value) => value,
        }
    }
}

impl<T: Into<Value>> From<T> for Val<'_> {
    fn from(value: T) -> Self {
        Self::Made(Rc::new(value.into()))
    }
}

/// How a list of nodes was left.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

pub(super) struct Run<'t> {
    template: &'t Template,
    root: Val<'t>,
    variables: Vec<(&'t str, Val<'t>)>,
    out: Vec<u8>,
    steps: u64,
    depth: usize,
    line: usize,
}

pub(super) fn run(template: &Template, seen: &Value) -> Result<Vec<u8>> {
    let root = Val::Seen(seen);
    let (out, variables) = (Vec::new(), Vec::new());
    let mut run = Run { template, root: root.clone(), variables, out, steps: 0, depth: 0, line: 1 };
    run.nodes(&template.body, &root)?;
    Ok(run.out)
}

/// What counts as no in a condition: null, false, 0, and what is empty.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// What it looks like in print: nothing for null, JSON for lists and objects.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a condition",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Whether a character steers a terminal or turns the writing direction: names of packages are whatever an image says.
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\t'))
}

impl<'t> Run<'t> {
    /// A failure at the line that is run.
    pub(super) fn bad(&self, why: impl std::fmt::Display) -> Error {
        self.template.wrong(Fault::new(self.line, why))
    }

    /// Counts what was done.
    pub(super) fn charge(&mut self, steps: u64) -> Result<()> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > limits::TEMPLATE_STEPS {
            return Err(self.template.over("TEMPLATE_STEPS", limits::TEMPLATE_STEPS));
        }
        Ok(())
    }

    fn put(&mut self, text: &str) -> Result<()> {
        if self.out.len() + text.len() > limits::TEMPLATE_OUTPUT {
            return Err(self.template.over("TEMPLATE_OUTPUT", limits::TEMPLATE_OUTPUT as u64));
        }
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn print(&mut self, value: &Value) -> Result<()> {
        let made;
        let text = match value {
            Value::String(text) => text.as_str(),
            other => {
                made = shown(other);
                self.charge(made.len() as u64 / 8)?;
                &made
            }
        };
        if text.contains(steers) {
            return self.put(&text.replace(steers, "\u{fffd}"));
        }
        self.put(text)
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > limits::TEMPLATE_DEPTH {
            return Err(self.template.over("TEMPLATE_DEPTH", limits::TEMPLATE_DEPTH as u64));
        }
        Ok(())
    }

    /// Nodes with variables of their own.
    fn nodes(&mut self, nodes: &'t [Node], dot: &Val<'t>) -> Result<Flow> {
        self.deeper()?;
        let variables = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(variables);
        self.depth -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &'t Node, dot: &Val<'t>) -> Result<Flow> {
        self.charge(1)?;
        match node {
            Node::Text(text) => self.put(text)?,
            Node::Print(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.sets.is_empty() {
                    self.print(&value)?;
                }
            }
            Node::If { test, then, otherwise } | Node::With { test, then, otherwise } => {
                let variables = self.variables.len();
                let value = self.pipe(test, dot)?;
                let within = if matches!(node, Node::With { .. }) { &value } else { dot };
                let flow =
                    if truth(&value) { self.nodes(then, within)? } else { self.nodes(otherwise, dot)? };
                self.variables.truncate(variables);
                return Ok(flow);
            }
            Node::Range { over, body, otherwise } => return self.range(over, body, otherwise, dot),
            Node::Call { line, name, with } => {
                let value = match with {
                    Some(pipe) => self.pipe(pipe, dot)?,
                    None => Value::Null.into(),
                };
                self.line = *line;
                let Some(body) = self.template.defined.get(name) else {
                    let known: Vec<&str> = self.template.defined.keys().map(String::as_str).collect();
                    let error = self.bad(format!("no template is defined as '{}'", name.escape_debug()));
                    return Err(error.hint(format!("defined are: {}", listed(&known))));
                };
                // A template that is called sees what it is given, and nothing of who calls it.
                let variables = std::mem::take(&mut self.variables);
                let root = std::mem::replace(&mut self.root, value.clone());
                self.nodes(body, &value)?;
                (self.variables, self.root) = (variables, root);
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(
        &mut self,
        over: &'t Pipe,
        body: &'t [Node],
        otherwise: &'t [Node],
        dot: &Val<'t>,
    ) -> Result<Flow> {
        let list = self.value(over, dot)?;
        self.line = over.line;
        let length = match &*list {
            Value::Null => 0,
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            other => {
                let error =
                    self.bad(format!("range goes through a list or an object, and this is {}", kind(other)));
                return Err(error);
            }
        };
        if length == 0 {
            return self.nodes(otherwise, dot);
        }
        let mut keys: Vec<String> = match &*list {
            Value::Object(fields) => fields.keys().cloned().collect(),
            _ => Vec::new(),
        };
        keys.sort_unstable();
        let variables = self.variables.len();
        for index in 0..length {
            self.charge(1)?;
            let (key, item) = match keys.get(index) {
                Some(key) => (Value::from(key.as_str()), self.part(&list, |v| v.get(key))?),
                None => (Value::from(index), self.part(&list, |v| v.get(index))?),
            };
            let item = item.unwrap_or_else(|| Value::Null.into());
            match over.sets.as_slice() {
                [one] => self.set(one, over.sets_old, item.clone())?,
                [first, second] => {
                    self.set(first, over.sets_old, key.into())?;
                    self.set(second, over.sets_old, item.clone())?;
                }
                _ => {}
            }
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(variables);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    /// A part of a value: borrowed where the value is.
    pub(super) fn part(
        &mut self,
        of: &Val<'t>,
        part: impl Fn(&Value) -> Option<&Value>,
    ) -> Result<Option<Val<'t>>> {
        match of {
            Val::Seen(value) => Ok(part(value).map(Val::Seen)),
            Val::Made(value) => {
                let Some(part) = part(value) else { return Ok(None) };
                self.charge(shown(part).len() as u64 / 8)?;
                Ok(Some(part.clone().into()))
            }
        }
    }

    fn set(&mut self, name: &'t str, old: bool, value: Val<'t>) -> Result<()> {
        if !old {
            self.variables.push((name, value));
            return Ok(());
        }
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, place)) => *place = value,
            None => return Err(self.unknown_variable(name)),
        }
        Ok(())
    }

    fn unknown_variable(&self, name: &str) -> Error {
        self.bad(format!("no variable {name} was set")).hint(format!("set it first: {name} := …"))
    }

    /// What a pipe gives, after its variables have it.
    fn pipe(&mut self, pipe: &'t Pipe, dot: &Val<'t>) -> Result<Val<'t>> {
        let value = self.value(pipe, dot)?;
        match pipe.sets.as_slice() {
            [] => {}
            [one] => self.set(one, pipe.sets_old, value.clone())?,
            _ => return Err(self.bad("two variables are set by range alone")),
        }
        Ok(value)
    }

    fn value(&mut self, pipe: &'t Pipe, dot: &Val<'t>) -> Result<Val<'t>> {
        let mut flows: Option<Val<'t>> = None;
        for command in &pipe.commands {
            self.charge(1)?;
            self.line = pipe.line;
            let Some((first, rest)) = command.split_first() else { continue };
            let value = match first {
                Word::Function(function) => self.call(function, rest, flows.take(), dot, pipe.line)?,
                _ if rest.is_empty() && flows.is_none() => self.word(first, dot)?,
                _ => {
                    let error = self.bad("a value that is no function is given something");
                    return Err(error.hint("the name of a function comes first: join \", \" .list"));
                }
            };
            flows = Some(value);
        }
        flows.ok_or_else(|| self.bad("a value is missing"))
    }

    fn call(
        &mut self,
        function: &'static Function,
        words: &'t [Word],
        last: Option<Val<'t>>,
        dot: &Val<'t>,
        line: usize,
    ) -> Result<Val<'t>> {
        let given = words.len() + usize::from(last.is_some());
        if given < function.least || given > function.most {
            let error = self.bad(format!("'{}' is given {given} values", function.name));
            return Err(error.hint(format!("it is written: {}", function.usage)));
        }
        if let Some(wanted) = function.stops_at {
            // `and` and `or` look no further than they must.
            let mut value = Value::Null.into();
            for word in words {
                value = self.word(word, dot)?;
                if truth(&value) == wanted {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut values = Vec::with_capacity(given);
        for word in words {
            values.push(self.word(word, dot)?);
        }
        values.extend(last);
        self.line = line;
        let value = (function.call)(self, &values)?;
        if let (Val::Made(made), false) = (&value, function.counts) {
            let bytes = match &**made {
                Value::String(text) => text.len(),
                Value::Array(items) => items.len() * 16,
                _ => 0,
            };
            self.charge(bytes as u64 / 8)?;
        }
        Ok(value)
    }

    fn word(&mut self, word: &'t Word, dot: &Val<'t>) -> Result<Val<'t>> {
        self.charge(1)?;
        let (value, fields) = match word {
            Word::Literal(value) => return Ok(Val::Seen(value)),
            Word::Dot(fields) => (dot.clone(), fields),
            Word::Paren(pipe, fields) => {
                self.deeper()?;
                let value = self.value(pipe, dot)?;
                self.depth -= 1;
                (value, fields)
            }
            Word::Variable(name, fields) if name == "$" => (self.root.clone(), fields),
            Word::Variable(name, fields) => {
                let set = self.variables.iter().rev().find(|(known, _)| known == name);
                let value = set.map(|(_, value)| value.clone());
                (value.ok_or_else(|| self.unknown_variable(name))?, fields)
            }
            Word::Function(function) => return self.call(function, &[], None, dot, self.line),
        };
        fields.iter().try_fold(value, |value, name| self.field(&value, name))
    }

    fn field(&mut self, of: &Val<'t>, name: &str) -> Result<Val<'t>> {
        if let Some(value) = self.part(of, |v| v.get(name))? {
            return Ok(value);
        }
        let error = self.bad(format!("no field '{}' in {}", name.escape_debug(), kind(of)));
        match &**of {
            Value::Null => Ok(Value::Null.into()),
            Value::Object(fields) => {
                let mut known: Vec<&str> = fields.keys().map(String::as_str).collect();
                known.sort_unstable();
                let known = listed(&known);
                Err(error.hint(format!("there are: {known}; one that may be missing: index . \"{name}\"")))
            }
            Value::Array(_) => Err(error.hint("range goes through a list")),
            _ => Err(error),
        }
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().take(40).map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ")
}
