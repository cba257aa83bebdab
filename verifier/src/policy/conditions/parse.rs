//! From the text of an expression to its tree: the grammar of CEL ("Syntax"), bounded in size and depth.
//!
//! Left out, and refused: bytes, triple quotes, messages (`Type{…}`), optional syntax, and any function but those of
//! [`Function`].

use super::EXPRESSION_BYTES;
use super::value::{Value, variables};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{Compiler, Config};
use std::sync::Arc;

/// Nesting of an expression.
const DEPTH: usize = 40;
/// Levels of the tree: a chain of `a && b && …` has one for each sign.
const TREE: usize = 128;
/// Nesting of walks over lists.
const WALKS: usize = 3;
/// The longest regular expression, and the memory of its automaton.
const PATTERN_BYTES: usize = 512;
const AUTOMATON_BYTES: usize = 128 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
    Timestamp,
    Duration,
    Int,
    Double,
    String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

#[derive(Debug, Clone)]
pub(super) enum Expr {
    Literal(Value),
    /// A variable, by its place in [`variables`].
    Global(usize),
    /// What walks bind, outermost first.
    Local(usize),
    Field(Box<Expr>, String),
    Has(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Call(Function, Vec<Expr>),
    Matches(Box<Expr>, Arc<PikeVM>),
    /// Over `range`, for those that `filter` lets through.
    Walk {
        walk: Walk,
        range: Box<Expr>,
        filter: Option<Box<Expr>>,
        body: Box<Expr>,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Int(i64),
    Double(f64),
    Sign(&'static str),
}

/// Longest first.
const SIGNS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "?", "+", "-", "*", "/",
    "%", "!", "<", ">", ";",
];
/// Words that the language keeps for itself (CEL, "Syntax").
const RESERVED: [&str; 16] = [
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "return", "var", "void", "while",
];

/// Reads `text`.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    if text.len() > EXPRESSION_BYTES {
        return Err(format!("longer than the limit EXPRESSION_BYTES = {EXPRESSION_BYTES}"));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, locals: Vec::new() };
    let expr = parser.expr()?;
    match parser.tokens.get(parser.at) {
        None if depth(&expr) > TREE => {
            Err(format!("a tree deeper than {TREE}: shorten its chains, or use a list"))
        }
        None => Ok(expr),
        Some(token) => Err(format!("{} is not expected behind a whole expression", shown(token))),
    }
}

/// How many levels the tree has: asking it goes down as many.
fn depth(expr: &Expr) -> usize {
    1 + match expr {
        Expr::Literal(_) | Expr::Global(_) | Expr::Local(_) => 0,
        Expr::Field(a, _) | Expr::Has(a, _) | Expr::Not(a) | Expr::Negate(a) | Expr::Matches(a, _) => {
            depth(a)
        }
        Expr::Index(a, b) | Expr::And(a, b) | Expr::Or(a, b) | Expr::Binary(_, a, b) => {
            depth(a).max(depth(b))
        }
        Expr::If(a, b, c) => depth(a).max(depth(b)).max(depth(c)),
        Expr::List(all) | Expr::Call(_, all) => all.iter().map(depth).max().unwrap_or(0),
        Expr::Map(all) => all.iter().map(|(k, v)| depth(k).max(depth(v))).max().unwrap_or(0),
        Expr::Walk { range, filter, body, .. } => {
            let inner = filter.as_ref().map_or(0, |f| depth(f));
            depth(range).max(depth(body)).max(inner)
        }
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("'{}'", name.escape_debug()),
        Token::Text(_) => "a string".into(),
        Token::Int(_) | Token::Double(_) => "a number".into(),
        Token::Sign(sign) => format!("'{sign}'"),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut all = Vec::new();
    let mut at = 0;
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    while at < chars.len() {
        let c = peek(at);
        if c.is_whitespace() {
            at += 1;
        } else if c == '/' && peek(at + 1) == '/' {
            while at < chars.len() && peek(at) != '\n' {
                at += 1;
            }
        } else if c == '"' || c == '\'' || ((c == 'r' || c == 'R') && matches!(peek(at + 1), '"' | '\'')) {
            let raw = c == 'r' || c == 'R';
            at += usize::from(raw);
            let (made, next) = string(&chars, at, raw)?;
            all.push(Token::Text(made));
            at = next;
        } else if c.is_ascii_digit() {
            let start = at;
            while peek(at).is_ascii_alphanumeric()
                || (peek(at) == '.' && peek(at + 1).is_ascii_digit())
                || (matches!(peek(at), '+' | '-')
                    && matches!(peek(at - 1), 'e' | 'E')
                    && peek(start + 1) != 'x')
            {
                at += 1;
            }
            let word: String = chars.get(start..at).unwrap_or_default().iter().collect();
            all.push(number(&word)?);
        } else if c.is_ascii_alphabetic() || c == '_' {
            let start = at;
            while peek(at).is_ascii_alphanumeric() || peek(at) == '_' {
                at += 1;
            }
            let word: String = chars.get(start..at).unwrap_or_default().iter().collect();
            if matches!(peek(at), '"' | '\'') {
                return Err(format!("strings of the kind {word}'…' are not read"));
            }
            all.push(Token::Name(word));
        } else {
            let rest: String = chars.get(at..(at + 2).min(chars.len())).unwrap_or_default().iter().collect();
            let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
                return Err(format!("'{}' is no sign of the language", c.escape_debug()));
            };
            all.push(Token::Sign(sign));
            at += sign.len();
        }
    }
    Ok(all)
}

fn number(word: &str) -> Result<Token, String> {
    let bad = || format!("'{}' is no number", word.escape_debug());
    // Unsigned numbers are numbers here.
    let plain = word.strip_suffix(['u', 'U']).unwrap_or(word);
    if let Some(hex) = plain.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).map(Token::Int).map_err(|_| bad());
    }
    if plain.bytes().all(|b| b.is_ascii_digit()) {
        return plain.parse().map(Token::Int).map_err(|_| bad());
    }
    let double: f64 = word.parse().map_err(|_| bad())?;
    if double.is_finite() { Ok(Token::Double(double)) } else { Err(bad()) }
}

fn string(chars: &[char], mut at: usize, raw: bool) -> Result<(String, usize), String> {
    let get = |at: usize| chars.get(at).copied();
    let quote = get(at).unwrap_or('"');
    at += 1;
    if get(at) == Some(quote) && get(at + 1) == Some(quote) {
        return Err("triple quotes are not read".into());
    }
    let mut out = String::new();
    loop {
        let c = get(at).ok_or("a string has no end")?;
        at += 1;
        match c {
            c if c == quote => return Ok((out, at)),
            '\n' | '\r' => return Err("a string has no end on its line".into()),
            '\\' if !raw => {
                let escape = get(at).ok_or("a string has no end")?;
                at += 1;
                let digits = match escape {
                    'n' => {
                        out.push('\n');
                        continue;
                    }
                    'r' => {
                        out.push('\r');
                        continue;
                    }
                    't' => {
                        out.push('\t');
                        continue;
                    }
                    '\\' | '"' | '\'' | '`' | '?' => {
                        out.push(escape);
                        continue;
                    }
                    'x' | 'X' => 2,
                    'u' => 4,
                    'U' => 8,
                    other => return Err(format!("there is no escape \\{}", other.escape_debug())),
                };
                let hex: String = chars.get(at..at + digits).unwrap_or_default().iter().collect();
                let good = hex.len() == digits && hex.bytes().all(|b| b.is_ascii_hexdigit());
                let made = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32).filter(|_| good);
                out.push(made.ok_or("an escape names no character")?);
                at += digits;
            }
            c => out.push(c),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    locals: Vec<String>,
}

impl Parser {
    fn take(&mut self, sign: &str) -> bool {
        let there = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(there);
        there
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            return Ok(());
        }
        let found = self.tokens.get(self.at).map_or("the end".to_owned(), shown);
        Err(format!("'{sign}' is missing before {found}"))
    }

    fn one_of(&mut self, signs: &[(&str, Op)]) -> Option<Op> {
        signs.iter().find(|(sign, _)| self.take(sign)).map(|(_, op)| *op)
    }

    /// Every way down passes here or through [`Parser::unary`], so depth is bounded.
    fn expr(&mut self) -> Result<Expr, String> {
        self.deeper(|p| {
            let condition = p.or()?;
            if !p.take("?") {
                return Ok(condition);
            }
            let yes = p.or()?;
            p.need(":")?;
            Ok(Expr::If(condition.into(), yes.into(), p.expr()?.into()))
        })
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Expr, String>) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("nested deeper than {DEPTH}"));
        }
        let made = read(self);
        self.depth -= 1;
        made
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut left = self.and()?;
        while self.take("||") {
            left = Expr::Or(left.into(), self.and()?.into());
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.relation()?;
        while self.take("&&") {
            left = Expr::And(left.into(), self.relation()?.into());
        }
        Ok(left)
    }

    fn relation(&mut self) -> Result<Expr, String> {
        let mut left = self.sum()?;
        loop {
            let signs = [
                ("==", Op::Equal),
                ("!=", Op::Unequal),
                ("<=", Op::LessEqual),
                (">=", Op::GreaterEqual),
                ("<", Op::Less),
                (">", Op::Greater),
            ];
            let op = match self.one_of(&signs) {
                Some(op) => op,
                None if self.tokens.get(self.at) == Some(&Token::Name("in".into())) => {
                    self.at += 1;
                    Op::In
                }
                None => return Ok(left),
            };
            left = Expr::Binary(op, left.into(), self.sum()?.into());
        }
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        while let Some(op) = self.one_of(&[("+", Op::Add), ("-", Op::Subtract)]) {
            left = Expr::Binary(op, left.into(), self.product()?.into());
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.unary()?;
        while let Some(op) = self.one_of(&[("*", Op::Multiply), ("/", Op::Divide), ("%", Op::Remainder)]) {
            left = Expr::Binary(op, left.into(), self.unary()?.into());
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        if self.take("!") {
            return self.deeper(|p| Ok(Expr::Not(p.unary()?.into())));
        }
        if self.take("-") {
            return self.deeper(|p| Ok(Expr::Negate(p.unary()?.into())));
        }
        self.member()
    }

    fn member(&mut self) -> Result<Expr, String> {
        let mut left = self.primary()?;
        let mut links = 0;
        loop {
            links += 1;
            if links > DEPTH {
                return Err(format!("a chain longer than {DEPTH}"));
            }
            if self.take(".") {
                let Some(Token::Name(name)) = self.tokens.get(self.at).cloned() else {
                    return Err("a name is missing behind '.'".into());
                };
                self.at += 1;
                left =
                    if self.take("(") { self.method(left, &name)? } else { Expr::Field(left.into(), name) };
            } else if self.take("[") {
                let index = self.expr()?;
                self.need("]")?;
                left = Expr::Index(left.into(), index.into());
            } else {
                return Ok(left);
            }
        }
    }

    /// The arguments up to `)`.
    fn arguments(&mut self) -> Result<Vec<Expr>, String> {
        let mut all = Vec::new();
        while !self.take(")") {
            if !all.is_empty() {
                self.need(",")?;
            }
            all.push(self.expr()?);
        }
        Ok(all)
    }

    fn method(&mut self, target: Expr, name: &str) -> Result<Expr, String> {
        let walk = match name {
            "all" => Some(Walk::All),
            "exists" => Some(Walk::Exists),
            "exists_one" => Some(Walk::ExistsOne),
            "map" => Some(Walk::Map),
            "filter" => Some(Walk::Filter),
            _ => None,
        };
        if let Some(walk) = walk {
            return self.walk(walk, target);
        }
        let mut arguments = self.arguments()?;
        let function = match (name, arguments.len()) {
            ("size", 0) => Function::Size,
            ("startsWith", 1) => Function::StartsWith,
            ("endsWith", 1) => Function::EndsWith,
            ("contains", 1) => Function::Contains,
            ("matches", 1) => return matches(target, arguments.remove(0)),
            _ => return Err(format!("there is no function '{name}' of {} arguments", arguments.len())),
        };
        let mut all = vec![target];
        all.append(&mut arguments);
        Ok(Expr::Call(function, all))
    }

    fn walk(&mut self, walk: Walk, range: Expr) -> Result<Expr, String> {
        let Some(Token::Name(name)) = self.tokens.get(self.at).cloned() else {
            return Err("a walk over a list begins with a name for its elements".into());
        };
        self.at += 1;
        self.need(",")?;
        if self.locals.len() >= WALKS {
            return Err(format!("walks over lists are nested deeper than {WALKS}"));
        }
        if variables().iter().any(|(known, _)| *known == name) || RESERVED.contains(&name.as_str()) {
            return Err(format!("'{name}' is taken"));
        }
        self.locals.push(name);
        let first = self.expr()?;
        let second = if walk == Walk::Map && self.take(",") { Some(self.expr()?) } else { None };
        self.locals.pop();
        self.need(")")?;
        let (filter, body) = match second {
            Some(body) => (Some(first.into()), body),
            None => (None, first),
        };
        Ok(Expr::Walk { walk, range: range.into(), filter, body: body.into() })
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let Some(token) = self.tokens.get(self.at).cloned() else {
            return Err("the expression ends too early".into());
        };
        self.at += 1;
        Ok(match token {
            Token::Int(n) => Expr::Literal(Value::Int(n)),
            Token::Double(n) => Expr::Literal(Value::Double(n)),
            Token::Text(text) => Expr::Literal(Value::text(text)),
            Token::Name(name) => return self.name(&name),
            Token::Sign("(") => {
                let inner = self.expr()?;
                self.need(")")?;
                inner
            }
            Token::Sign("[") => {
                let mut all = Vec::new();
                while !self.take("]") {
                    if !all.is_empty() {
                        self.need(",")?;
                        if self.take("]") {
                            break;
                        }
                    }
                    all.push(self.expr()?);
                }
                Expr::List(all)
            }
            Token::Sign("{") => {
                let mut all = Vec::new();
                while !self.take("}") {
                    if !all.is_empty() {
                        self.need(",")?;
                    }
                    let key = self.expr()?;
                    self.need(":")?;
                    all.push((key, self.expr()?));
                }
                Expr::Map(all)
            }
            Token::Sign(sign) => return Err(format!("'{sign}' is not expected here")),
        })
    }

    fn name(&mut self, name: &str) -> Result<Expr, String> {
        match name {
            "true" => return Ok(Expr::Literal(Value::Bool(true))),
            "false" => return Ok(Expr::Literal(Value::Bool(false))),
            "null" => return Ok(Expr::Literal(Value::Null)),
            _ => {}
        }
        if self.take("(") {
            let mut arguments = self.arguments()?;
            let function = match (name, arguments.len()) {
                ("has", 1) => {
                    return match arguments.remove(0) {
                        Expr::Field(of, field) => Ok(Expr::Has(of, field)),
                        _ => Err("has() asks for a field, as in has(a.b)".into()),
                    };
                }
                ("size", 1) => Function::Size,
                ("timestamp", 1) => Function::Timestamp,
                ("duration", 1) => Function::Duration,
                ("int", 1) => Function::Int,
                ("double", 1) => Function::Double,
                ("string", 1) => Function::String,
                _ => return Err(format!("there is no function '{name}' of {} arguments", arguments.len())),
            };
            return Ok(Expr::Call(function, arguments));
        }
        // The innermost of one name counts.
        if let Some(place) = self.locals.iter().rposition(|local| local == name) {
            return Ok(Expr::Local(place));
        }
        match variables().iter().position(|(known, _)| *known == name) {
            Some(place) => Ok(Expr::Global(place)),
            None => {
                let known: Vec<&str> = variables().iter().map(|(name, _)| *name).collect();
                Err(format!("there is no variable '{name}'; known are {}", known.join(", ")))
            }
        }
    }
}

/// A regular expression is written out, so that it is read and bounded once.
fn matches(target: Expr, pattern: Expr) -> Result<Expr, String> {
    let Expr::Literal(Value::Text(pattern)) = pattern else {
        return Err("matches() takes a regular expression that is written out as a string".into());
    };
    if pattern.len() > PATTERN_BYTES {
        return Err(format!("a regular expression longer than the limit PATTERN_BYTES = {PATTERN_BYTES}"));
    }
    let parser =
        regex_syntax::ParserBuilder::new().nest_limit(32).unicode(false).utf8(false).build().parse(&pattern);
    let hir = parser.map_err(|error| {
        let all = error.to_string();
        format!(
            "not a regular expression: {}",
            all.lines().last().unwrap_or_default().trim_start_matches("error: ")
        )
    })?;
    let machine = Compiler::new()
        .configure(Config::new().utf8(false).nfa_size_limit(Some(AUTOMATON_BYTES)))
        .build_from_hir(&hir)
        .and_then(PikeVM::new_from_nfa)
        .map_err(|_| {
            format!("a regular expression larger than the limit AUTOMATON_BYTES = {AUTOMATON_BYTES}")
        })?;
    Ok(Expr::Matches(target.into(), Arc::new(machine)))
}
