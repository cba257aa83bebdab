//! The functions of templates, by the names that Go's templates and the libraries beside it give them. Each is a function of
//! its values alone: nothing here reads a file, the environment, the clock or the network. The value that flows in through
//! `|` is the last one.

use super::run::{Run, Val, kind, shown, truth};
use crate::error::Result;
use crate::limits;
use serde_json::Value;
use std::cmp::Ordering;

pub(super) type Call = for<'t> fn(&mut Run<'t>, &[Val<'t>]) -> Result<Val<'t>>;

/// One function.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// How it is written, for messages and for the manual.
    pub(super) usage: &'static str,
    /// How many values it takes.
    pub(super) least: usize,
    pub(super) most: usize,
    /// `and` stops at the first value that is false, `or` at the first that is true.
    pub(super) stops_at: Option<bool>,
    /// Whether the call counted what it made itself.
    pub(super) counts: bool,
    pub(super) call: Call,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const MANY: usize = 64;
/// The widest column that `printf` makes.
const WIDTH: usize = 1_000;

const fn function(
    name: &'static str,
    usage: &'static str,
    least: usize,
    most: usize,
    call: Call,
) -> Function {
    Function { name, usage, least, most, stops_at: None, counts: false, call }
}

const fn stopping(name: &'static str, usage: &'static str, at: bool) -> Function {
    Function { name, usage, least: 1, most: MANY, stops_at: Some(at), counts: false, call: last_of }
}

/// Every function, by name.
pub(super) const ALL: &[Function] = &[
    function("add", "add NUMBER…", 1, MANY, add),
    stopping("and", "and VALUE…", false),
    function("contains", "contains NEEDLE TEXT", 2, 2, |run, v| {
        about(run, v, |text, part| text.contains(part))
    }),
    function("csv", "csv VALUE…", 1, MANY, csv),
    function("date", "date SECONDS", 1, 1, date),
    function("default", "default OTHERWISE VALUE", 2, 2, default),
    function("eq", "eq VALUE VALUE…", 2, MANY, |run, v| equal(run, v).map(Val::from)),
    function("escapeXML", "escapeXML TEXT", 1, 1, html),
    function("first", "first LIST", 1, 1, |run, v| at_end(run, v, |list| list.first())),
    function("ge", "ge VALUE VALUE", 2, 2, |run, v| Ok((order(run, v)? != Ordering::Less).into())),
    function("gt", "gt VALUE VALUE", 2, 2, |run, v| Ok((order(run, v)? == Ordering::Greater).into())),
    function("hasPrefix", "hasPrefix START TEXT", 2, 2, |run, v| {
        about(run, v, |text, part| text.starts_with(part))
    }),
    function("hasSuffix", "hasSuffix END TEXT", 2, 2, |run, v| {
        about(run, v, |text, part| text.ends_with(part))
    }),
    function("html", "html TEXT", 1, 1, html),
    function("index", "index VALUE KEY…", 2, MANY, index),
    function("join", "join SEPARATOR LIST", 2, 2, join),
    function("json", "json VALUE", 1, 1, json),
    function("last", "last LIST", 1, 1, |run, v| at_end(run, v, |list| list.last())),
    function("le", "le VALUE VALUE", 2, 2, |run, v| Ok((order(run, v)? != Ordering::Greater).into())),
    function("len", "len VALUE", 1, 1, len),
    function("lower", "lower TEXT", 1, 1, |run, v| changed(run, v, |text| text.to_lowercase())),
    function("lt", "lt VALUE VALUE", 2, 2, |run, v| Ok((order(run, v)? == Ordering::Less).into())),
    function("markdown", "markdown TEXT", 1, 1, markdown),
    function("ne", "ne VALUE VALUE", 2, 2, |run, v| Ok((!equal(run, v)?).into())),
    function("not", "not VALUE", 1, 1, |_, v| Ok((!v.iter().all(|v| truth(v))).into())),
    stopping("or", "or VALUE…", true),
    function("print", "print VALUE…", 1, MANY, |_, v| {
        Ok(v.iter().map(|v| shown(v)).collect::<String>().into())
    }),
    function("printf", "printf FORMAT VALUE…", 1, MANY, printf),
    Function { counts: true, ..function("replace", "replace OLD NEW TEXT", 3, 3, replace) },
    function("split", "split SEPARATOR TEXT", 2, 2, split),
    function("toJson", "toJson VALUE", 1, 1, json),
    function("toLower", "toLower TEXT", 1, 1, |run, v| changed(run, v, |text| text.to_lowercase())),
    function("toUpper", "toUpper TEXT", 1, 1, |run, v| changed(run, v, |text| text.to_uppercase())),
    function("trim", "trim TEXT", 1, 1, |run, v| changed(run, v, |text| text.trim().to_owned())),
    function("trimPrefix", "trimPrefix START TEXT", 2, 2, |run, v| {
        cut(run, v, |text, part| text.strip_prefix(part))
    }),
    function("trimSuffix", "trimSuffix END TEXT", 2, 2, |run, v| {
        cut(run, v, |text, part| text.strip_suffix(part))
    }),
    function("upper", "upper TEXT", 1, 1, |run, v| changed(run, v, |text| text.to_uppercase())),
];

pub(super) fn named(name: &str) -> Option<&'static Function> {
    ALL.iter().find(|function| function.name == name)
}

pub(super) fn names() -> String {
    ALL.iter().map(|function| function.name).collect::<Vec<_>>().join(", ")
}

/// The value at `index`; how many there are was counted before the call.
fn at<'v, 't>(values: &'v [Val<'t>], index: usize) -> &'v Value {
    const NULL: &Value = &Value::Null;
    values.get(index).map_or(NULL, |value| value)
}

/// The value at `index` as a text; null is an empty one.
fn text<'v>(run: &Run<'_>, values: &'v [Val<'_>], index: usize) -> Result<std::borrow::Cow<'v, str>> {
    match at(values, index) {
        Value::String(text) => Ok(text.as_str().into()),
        Value::Null => Ok("".into()),
        Value::Number(number) => Ok(number.to_string().into()),
        Value::Bool(yes) => Ok(yes.to_string().into()),
        other => Err(run
            .bad(format!("a text is wanted, and this is {}", kind(other)))
            .hint("join makes a text of a list, json of anything")),
    }
}

fn number(run: &Run<'_>, value: &Value) -> Result<i64> {
    value.as_i64().ok_or_else(|| run.bad(format!("a whole number is wanted, and this is {}", kind(value))))
}

fn last_of<'t>(_: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    Ok(values.last().cloned().unwrap_or_else(|| Value::Null.into()))
}

fn add<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    let sum = values.iter().try_fold(0_i64, |sum, v| Ok(sum.saturating_add(number(run, v)?)));
    sum.map(Val::from)
}

/// A question about the text at the end, and the part before it.
fn about<'t>(run: &mut Run<'t>, values: &[Val<'t>], ask: fn(&str, &str) -> bool) -> Result<Val<'t>> {
    Ok(ask(&text(run, values, 1)?, &text(run, values, 0)?).into())
}

fn changed<'t>(run: &mut Run<'t>, values: &[Val<'t>], change: fn(&str) -> String) -> Result<Val<'t>> {
    Ok(change(&text(run, values, 0)?).into())
}

fn cut<'t>(
    run: &mut Run<'t>,
    values: &[Val<'t>],
    cut: for<'s> fn(&'s str, &str) -> Option<&'s str>,
) -> Result<Val<'t>> {
    let (part, whole) = (text(run, values, 0)?, text(run, values, 1)?);
    Ok(cut(&whole, &part).unwrap_or(&whole).into())
}

fn default<'t>(_: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    let chosen = if truth(at(values, 1)) { values.get(1) } else { values.first() };
    Ok(chosen.cloned().unwrap_or_else(|| Value::Null.into()))
}

fn equal(run: &Run<'_>, values: &[Val<'_>]) -> Result<bool> {
    let Some((first, others)) = values.split_first() else { return Ok(false) };
    for other in others {
        let same_kind = std::mem::discriminant::<Value>(first) == std::mem::discriminant::<Value>(other);
        if !same_kind && !first.is_null() && !other.is_null() {
            return Err(run.bad(format!("{} is never equal to {}", kind(first), kind(other))));
        }
        if **first == **other {
            return Ok(true);
        }
    }
    Ok(false)
}

fn order(run: &Run<'_>, values: &[Val<'_>]) -> Result<Ordering> {
    match (at(values, 0), at(values, 1)) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (a, b) => Ok(number(run, a)?.cmp(&number(run, b)?)),
    }
}

fn at_end<'t>(
    run: &mut Run<'t>,
    values: &[Val<'t>],
    which: fn(&Vec<Value>) -> Option<&Value>,
) -> Result<Val<'t>> {
    let Some(list) = values.first() else { return Ok(Value::Null.into()) };
    match &**list {
        Value::Array(_) => {}
        Value::Null => return Ok(Value::Null.into()),
        other => return Err(run.bad(format!("a list is wanted, and this is {}", kind(other)))),
    }
    let found = run.part(list, |value| value.as_array().and_then(which))?;
    Ok(found.unwrap_or_else(|| Value::Null.into()))
}

/// What is not there is null here: fields are written `.name`, and must be there.
fn index<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    let Some((first, keys)) = values.split_first() else { return Ok(Value::Null.into()) };
    let mut value = first.clone();
    for key in keys {
        let next = match (&*value, &**key) {
            (Value::Object(_), Value::String(key)) => run.part(&value, |v| v.get(key))?,
            (Value::Array(_), Value::Number(_)) => {
                let at = usize::try_from(number(run, key)?).ok();
                run.part(&value, |v| v.get(at?))?
            }
            (Value::Null, _) => None,
            (of, key) => return Err(run.bad(format!("{} has no place by {}", kind(of), kind(key)))),
        };
        value = next.unwrap_or_else(|| Value::Null.into());
    }
    Ok(value)
}

fn join<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    let separator = text(run, values, 0)?;
    match at(values, 1) {
        Value::Array(items) => {
            // Items are as long as they are in the inventory; the separator is the template's, and counts for each.
            run.charge((items.len() as u64).saturating_mul(1 + separator.len() as u64 / 8))?;
            Ok(items.iter().map(shown).collect::<Vec<_>>().join(&separator).into())
        }
        Value::Null => Ok("".into()),
        other => Err(run
            .bad(format!("a list is wanted, and this is {}", kind(other)))
            .hint("it is written: join SEPARATOR LIST")),
    }
}

fn split<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    let (separator, whole) = (text(run, values, 0)?, text(run, values, 1)?);
    if separator.is_empty() {
        return Err(run.bad("nothing separates nothing").hint("it is written: split SEPARATOR TEXT"));
    }
    Ok(Value::from(whole.split(&*separator).collect::<Vec<_>>()).into())
}

fn replace<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    let (old, new, whole) = (text(run, values, 0)?, text(run, values, 1)?, text(run, values, 2)?);
    if old.is_empty() {
        return Err(run.bad("nothing is replaced everywhere").hint("it is written: replace OLD NEW TEXT"));
    }
    // Counted before it is made: a letter may become a megabyte.
    let times = whole.matches(&*old).count() as u64;
    let bytes = times.saturating_mul(new.len() as u64).saturating_add(whole.len() as u64);
    run.charge(bytes / 8)?;
    if bytes > limits::TEMPLATE_OUTPUT as u64 {
        return Err(run.bad("the text would be longer than all that a template may write"));
    }
    Ok(whole.replace(&*old, &new).into())
}

fn json<'t>(_: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    Ok(at(values, 0).to_string().into())
}

fn len<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    let length = match at(values, 0) {
        Value::Null => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        other => return Err(run.bad(format!("{} has no length", kind(other)))),
    };
    Ok(length.into())
}

/// One line of comma-separated values (RFC 4180), quoted where that is needed. A list is one cell, with spaces between.
fn csv<'t>(_: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    let cell = |value: &Val<'t>| {
        let text = match &**value {
            Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
            other => shown(other),
        };
        let quoted = text.contains(['"', ',', '\n', '\r']) || text.trim() != text;
        if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    Ok(values.iter().map(cell).collect::<Vec<_>>().join(",").into())
}

fn escaped<'t>(run: &mut Run<'t>, values: &[Val<'t>], each: impl Fn(char, &mut String)) -> Result<Val<'t>> {
    let whole = text(run, values, 0)?;
    let mut out = String::with_capacity(whole.len());
    whole.chars().for_each(|c| each(c, &mut out));
    Ok(out.into())
}

fn html<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    escaped(run, values, |c, out| match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&#34;"),
        '\'' => out.push_str("&#39;"),
        c => out.push(c),
    })
}

/// Text within a line of Markdown, also within a table: what has a meaning there is quoted, a line break is a space.
fn markdown<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    escaped(run, values, |c, out| match c {
        '\n' | '\r' => out.push(' '),
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        c => {
            if "\\`*_[]|#~>!$".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
    })
}

/// Seconds since 1970 as a time (RFC 3339).
fn date<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    if at(values, 0).is_null() {
        return Ok(Value::Null.into());
    }
    let seconds = number(run, at(values, 0))?;
    let time = jiff::Timestamp::from_second(seconds).map_err(|_| run.bad(format!("{seconds} is no time")))?;
    Ok(time.to_string().into())
}

/// `%s`, `%v`, `%d`, `%q` and `%%`, with a width, which `-` fills at the right end and `0` with zeros.
fn printf<'t>(run: &mut Run<'t>, values: &[Val<'t>]) -> Result<Val<'t>> {
    let format = text(run, values, 0)?;
    let (mut out, mut next) = (String::new(), 1);
    let mut rest = &*format;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(behind) = behind.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        let (left, behind) = behind.strip_prefix('-').map_or((false, behind), |b| (true, b));
        let digits = behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (width, behind) = behind.split_at(digits);
        let zeros = width.starts_with('0') && !left;
        let width = if width.is_empty() { 0 } else { width.parse().unwrap_or(usize::MAX) };
        if width > WIDTH {
            return Err(run.bad(format!("a column is at most {WIDTH} wide")));
        }
        let mut chars = behind.chars();
        let verb = chars.next();
        let Some(value) = values.get(next) else {
            return Err(run.bad("printf has more places than values"));
        };
        next += 1;
        let text = match verb {
            Some('s' | 'v') => shown(value),
            Some('d') => number(run, value)?.to_string(),
            Some('q') => Value::from(shown(value)).to_string(),
            _ => return Err(run.bad("printf knows %s, %v, %d, %q and %%")),
        };
        let fill = width.saturating_sub(text.chars().count());
        let (sign, digits) =
            if zeros && text.starts_with('-') { text.split_at(1) } else { ("", text.as_str()) };
        match (left, zeros) {
            (true, _) => out.push_str(&format!("{text}{}", " ".repeat(fill))),
            (_, true) => out.push_str(&format!("{sign}{}{digits}", "0".repeat(fill))),
            _ => out.push_str(&format!("{}{text}", " ".repeat(fill))),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    if next != values.len() {
        return Err(run.bad("printf has fewer places than values"));
    }
    Ok(out.into())
}
