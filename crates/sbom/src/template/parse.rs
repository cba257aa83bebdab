//! From the text of a template to its tree. Decides the grammar; what names mean is decided when it runs, except for
//! functions, which are known here. Refused: more levels than [`limits::TEMPLATE_DEPTH`], what is not closed, `block`.

use super::Fault;
use super::functions::{self, Function};
use crate::limits::TEMPLATE_DEPTH;
use serde_json::Value;
use std::collections::BTreeMap;

type Parsed<T> = Result<T, Fault>;

/// A piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Print(Pipe),
    If { test: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    With { test: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    Range { over: Pipe, body: Vec<Node>, otherwise: Vec<Node> },
    Call { line: usize, name: String, with: Option<Pipe> },
    Break,
    Continue,
}

/// Commands whose results flow into each other, and the variables that take what comes out.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) line: usize,
    pub(super) sets: Vec<String>,
    /// Whether the variables are there already (`=`) or begin here (`:=`).
    pub(super) sets_old: bool,
    pub(super) commands: Vec<Vec<Word>>,
}

#[derive(Debug)]
pub(super) enum Word {
    Literal(Value),
    Dot(Vec<String>),
    Variable(String, Vec<String>),
    Paren(Pipe, Vec<String>),
    Function(&'static Function),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A name with the fields behind it, as `.a.b`, `$x.a` or `range`; the text before the first dot.
    Name(String, Vec<String>),
    Literal(Value),
    /// Fields behind a parenthesis: `(…).a`.
    Fields(Vec<String>),
    Sign(&'static str),
}

#[derive(Debug)]
enum Item {
    Text(String),
    Action(usize, Vec<Token>),
}

/// The templates that a template defines, by name.
pub(super) type Defined = BTreeMap<String, Vec<Node>>;

pub(super) fn parse(source: &str) -> Parsed<(Vec<Node>, Defined)> {
    let items = items(source)?;
    let mut parser = Parser { items: items.into_iter(), defined: BTreeMap::new(), depth: 0, loops: 0 };
    let (body, end) = parser.nodes(Within::Top)?;
    match end {
        None => Ok((body, parser.defined)),
        Some((line, word, _)) => Err(Fault::new(line, format!("'{word}' without a beginning"))),
    }
}

/// Cuts a source into texts and actions.
fn items(source: &str) -> Parsed<Vec<Item>> {
    let mut items = Vec::new();
    let (mut rest, mut line, mut trims) = (source, 1, false);
    loop {
        let (text, action) = match rest.split_once("{{") {
            Some((text, action)) => (text, Some(action)),
            None => (rest, None),
        };
        let trims_behind = action.is_some_and(|a| a.starts_with('-') && a[1..].starts_with(space));
        let shown = if trims { text.trim_start_matches(space) } else { text };
        let shown = if trims_behind { shown.trim_end_matches(space) } else { shown };
        if !shown.is_empty() {
            items.push(Item::Text(shown.to_owned()));
        }
        line += lines(text);
        let Some(mut action) = action else { return Ok(items) };
        if trims_behind {
            action = action.get(1..).unwrap_or_default();
        }
        let begins = line;
        let comment = action.trim_start_matches(space);
        let inside = if let Some(comment) = comment.strip_prefix("/*") {
            let (_, behind) =
                comment.split_once("*/").ok_or_else(|| Fault::new(begins, "a comment without an end: */"))?;
            let behind = behind.trim_start_matches(space);
            let end = behind.strip_prefix("-}}").map(|r| (r, true));
            let end = end.or_else(|| behind.strip_prefix("}}").map(|r| (r, false)));
            let (left, trim) =
                end.ok_or_else(|| Fault::new(begins, "a comment stands alone in its action"))?;
            (Vec::new(), left, trim)
        } else {
            let mut scan = Scan { rest: action, line: begins };
            let mut tokens = Vec::new();
            let trim = loop {
                match scan.next()? {
                    Next::Token(token) => tokens.push(token),
                    Next::End(trim) => break trim,
                }
            };
            if tokens.is_empty() {
                return Err(Fault::new(begins, "an action with nothing in it"));
            }
            (tokens, scan.rest, trim)
        };
        let (tokens, left, trim) = inside;
        line += lines(action.get(..action.len() - left.len()).unwrap_or_default());
        if !tokens.is_empty() {
            items.push(Item::Action(begins, tokens));
        }
        (rest, trims) = (left, trim);
    }
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'\n').count()
}

fn space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn of_a_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

struct Scan<'s> {
    rest: &'s str,
    line: usize,
}

enum Next {
    Token(Token),
    End(bool),
}

impl<'s> Scan<'s> {
    fn bad(&self, why: impl std::fmt::Display) -> Fault {
        Fault::new(self.line, why)
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn while_(&mut self, wanted: impl Fn(char) -> bool) -> &'s str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.line += lines(taken);
        self.rest = rest;
        taken
    }

    /// `.a.b` as its names.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while self.rest.strip_prefix('.').is_some_and(|r| r.starts_with(of_a_name)) {
            self.eat(".");
            fields.push(self.while_(of_a_name).to_owned());
        }
        fields
    }

    fn next(&mut self) -> Parsed<Next> {
        let spaced = !self.while_(space).is_empty();
        if self.eat("}}") {
            return Ok(Next::End(false));
        }
        if spaced && self.eat("-}}") {
            return Ok(Next::End(true));
        }
        for sign in [":=", "=", "|", "(", ",", ")"] {
            if self.eat(sign) {
                // A dot right behind a parenthesis belongs to it, and one after a space is the next argument.
                let fields = if sign == ")" { self.fields() } else { Vec::new() };
                if !fields.is_empty() {
                    return Ok(Next::Token(Token::Fields(fields)));
                }
                return Ok(Next::Token(Token::Sign(sign)));
            }
        }
        let Some(first) = self.rest.chars().next() else {
            return Err(self.bad("an action without an end: }}"));
        };
        let token = match first {
            '"' | '`' => Token::Literal(Value::String(self.text(first)?)),
            '.' => {
                let fields = self.fields();
                if fields.is_empty() {
                    self.eat(".");
                }
                Token::Name(".".to_owned(), fields)
            }
            '$' => {
                self.eat("$");
                let name = format!("${}", self.while_(of_a_name));
                Token::Name(name, self.fields())
            }
            '-' | '+' | '0'..='9' => {
                let negative = self.eat("-");
                self.eat("+");
                let digits = self.while_(of_a_name);
                let text = if negative { format!("-{digits}") } else { digits.to_owned() };
                let number = text
                    .parse::<i64>()
                    .map_err(|_| self.bad(format!("'{}' is no whole number", text.escape_debug())))?;
                Token::Literal(number.into())
            }
            c if of_a_name(c) => match self.while_(of_a_name) {
                "true" => Token::Literal(true.into()),
                "false" => Token::Literal(false.into()),
                "nil" => Token::Literal(Value::Null),
                name => Token::Name(name.to_owned(), Vec::new()),
            },
            c => return Err(self.bad(format!("'{}' has no meaning here", c.escape_debug()))),
        };
        let ends = self.rest.chars().next().is_none_or(|c| space(c) || "})|,=:".contains(c));
        if ends { Ok(Next::Token(token)) } else { Err(self.bad("a space is missing between two words")) }
    }

    fn text(&mut self, quote: char) -> Parsed<String> {
        let (begins, mut out) = (self.line, String::new());
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(out);
                }
                '\n' if quote == '"' => break,
                '\\' if quote == '"' => out.push(match chars.next().map(|(_, c)| c) {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(c @ ('"' | '\\' | '\'')) => c,
                    _ => return Err(self.bad("after \\ in a text only n, t, r, \", ' and \\ may stand")),
                }),
                c => {
                    self.line += usize::from(c == '\n');
                    out.push(c);
                }
            }
        }
        Err(Fault::new(begins, format!("a text without an end: {quote}")))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Top,
    Block,
}

/// What ended a list of nodes: its line, `end` or `else`, and what stands behind `else`.
type End = Option<(usize, &'static str, Vec<Token>)>;

struct Parser {
    items: std::vec::IntoIter<Item>,
    defined: Defined,
    depth: usize,
    loops: usize,
}

impl Parser {
    fn deeper(&mut self, line: usize) -> Parsed<()> {
        self.depth += 1;
        if self.depth > TEMPLATE_DEPTH {
            return Err(Fault::new(
                line,
                format!("more levels than the limit TEMPLATE_DEPTH = {TEMPLATE_DEPTH}"),
            ));
        }
        Ok(())
    }

    fn nodes(&mut self, within: Within) -> Parsed<(Vec<Node>, End)> {
        let mut nodes = Vec::new();
        while let Some(item) = self.items.next() {
            let (line, mut tokens) = match item {
                Item::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Item::Action(line, tokens) => (line, tokens),
            };
            let word = match tokens.first() {
                Some(Token::Name(name, fields)) if fields.is_empty() => name.clone(),
                _ => String::new(),
            };
            let mut behind = || {
                tokens.remove(0);
                std::mem::take(&mut tokens)
            };
            match word.as_str() {
                "end" | "else" => {
                    let (word, tokens) = (if word == "end" { "end" } else { "else" }, behind());
                    if word == "end" && !tokens.is_empty() {
                        return Err(Fault::new(line, "'end' stands alone"));
                    }
                    return Ok((nodes, Some((line, word, tokens))));
                }
                "if" | "with" | "range" => {
                    let tokens = behind();
                    nodes.push(self.block(line, &word, tokens)?);
                }
                "define" => {
                    let name = only_text(line, "define", behind())?;
                    if within != Within::Top {
                        return Err(Fault::new(line, "'define' stands outside of everything else"));
                    }
                    let (body, _) = self.body(line, "define", &["end"])?;
                    if self.defined.insert(name.clone(), body).is_some() {
                        return Err(Fault::new(line, format!("'{}' is defined twice", name.escape_debug())));
                    }
                }
                "template" => {
                    let mut tokens = behind();
                    let rest = tokens.split_off(tokens.len().min(1));
                    let name = only_text(line, "template", tokens)?;
                    let with = if rest.is_empty() { None } else { Some(self.pipe(line, rest)?) };
                    nodes.push(Node::Call { line, name, with });
                }
                "break" | "continue" => {
                    if !behind().is_empty() || self.loops == 0 {
                        return Err(Fault::new(line, format!("'{word}' stands alone, within a range")));
                    }
                    nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                }
                "block" => {
                    return Err(Fault::new(line, "'block' is not known here")
                        .hint("write it as define, and call it with template"));
                }
                _ => nodes.push(Node::Print(self.pipe(line, tokens)?)),
            }
        }
        Ok((nodes, None))
    }

    /// The nodes up to one of `ends`, and where that is an `else`, what stands behind it.
    fn body(&mut self, line: usize, of: &str, ends: &[&str]) -> Parsed<(Vec<Node>, Option<Vec<Token>>)> {
        self.deeper(line)?;
        let (nodes, end) = self.nodes(Within::Block)?;
        self.depth -= 1;
        match end {
            Some((_, word, tokens)) if ends.contains(&word) => {
                Ok((nodes, (word == "else").then_some(tokens)))
            }
            Some((line, word, _)) => Err(Fault::new(line, format!("'{word}' has no place in this '{of}'"))),
            None => Err(Fault::new(line, format!("'{of}' without an end")).hint("close it with {{end}}")),
        }
    }

    fn block(&mut self, line: usize, word: &str, tokens: Vec<Token>) -> Parsed<Node> {
        let test = self.pipe(line, tokens)?;
        let in_loop = usize::from(word == "range");
        self.loops += in_loop;
        let (then, behind) = self.body(line, word, &["end", "else"])?;
        self.loops -= in_loop;
        let otherwise = match behind {
            None => Vec::new(),
            Some(tokens) if tokens.is_empty() => self.body(line, word, &["end"])?.0,
            Some(mut tokens) => match tokens.first() {
                Some(Token::Name(next, _)) if next == word && word != "range" => {
                    tokens.remove(0);
                    self.deeper(line)?;
                    let node = self.block(line, word, tokens)?;
                    self.depth -= 1;
                    vec![node]
                }
                _ => {
                    return Err(Fault::new(
                        line,
                        format!("behind 'else' of this '{word}' stands something else"),
                    ));
                }
            },
        };
        Ok(match word {
            "if" => Node::If { test, then, otherwise },
            "with" => Node::With { test, then, otherwise },
            _ => Node::Range { over: test, body: then, otherwise },
        })
    }

    fn pipe(&mut self, line: usize, tokens: Vec<Token>) -> Parsed<Pipe> {
        let mut tokens = tokens.into_iter().peekable();
        let pipe = self.pipe_of(line, &mut tokens)?;
        match tokens.next() {
            None => Ok(pipe),
            Some(_) => Err(Fault::new(line, "a ')' without its '('")),
        }
    }

    fn pipe_of(
        &mut self,
        line: usize,
        tokens: &mut std::iter::Peekable<std::vec::IntoIter<Token>>,
    ) -> Parsed<Pipe> {
        self.deeper(line)?;
        let bad = |why: &str| Fault::new(line, why);
        let mut pipe = Pipe { line, sets: Vec::new(), sets_old: false, commands: Vec::new() };
        let (mut words, mut settled): (Vec<Word>, bool) = (Vec::new(), false);
        loop {
            let next = tokens.peek();
            if matches!(next, None | Some(Token::Sign(")") | Token::Fields(_))) {
                break;
            }
            let Some(token) = tokens.next() else { break };
            match token {
                Token::Sign("|") => {
                    if words.is_empty() {
                        return Err(bad("nothing stands before '|'"));
                    }
                    pipe.commands.push(std::mem::take(&mut words));
                }
                Token::Sign(sign @ (":=" | "=" | ",")) => {
                    let alone =
                        !settled && pipe.commands.is_empty() && pipe.sets.len() < 2 && words.len() == 1;
                    match words.pop() {
                        Some(Word::Variable(name, fields)) if alone && fields.is_empty() && name != "$" => {
                            pipe.sets.push(name);
                        }
                        _ => return Err(bad("a variable stands before ',', ':=' and '='")),
                    }
                    pipe.sets_old = sign == "=";
                    settled = sign != ",";
                }
                Token::Sign("(") => {
                    let inner = self.pipe_of(line, tokens)?;
                    if !inner.sets.is_empty() {
                        return Err(bad("no variable is set within parentheses"));
                    }
                    let fields = match tokens.next() {
                        Some(Token::Sign(")")) => Vec::new(),
                        Some(Token::Fields(fields)) => fields,
                        _ => return Err(bad("a '(' without its ')'")),
                    };
                    words.push(Word::Paren(inner, fields));
                }
                Token::Sign(_) | Token::Fields(_) => {
                    return Err(bad("a sign stands where a value is wanted"));
                }
                Token::Literal(value) => words.push(Word::Literal(value)),
                Token::Name(name, fields) if name == "." => words.push(Word::Dot(fields)),
                Token::Name(name, fields) if name.starts_with('$') => {
                    words.push(Word::Variable(name, fields))
                }
                Token::Name(name, _) => {
                    let function = functions::named(&name).ok_or_else(|| {
                        let fault =
                            Fault::new(line, format!("no function is called '{}'", name.escape_debug()));
                        fault.hint(format!(
                            "the functions are {}; a field begins with a dot",
                            functions::names()
                        ))
                    })?;
                    words.push(Word::Function(function));
                }
            }
        }
        if words.is_empty() || (!pipe.sets.is_empty() && !settled) {
            return Err(bad("a value is missing"));
        }
        pipe.commands.push(words);
        self.depth -= 1;
        Ok(pipe)
    }
}

fn only_text(line: usize, of: &str, tokens: Vec<Token>) -> Parsed<String> {
    match <[Token; 1]>::try_from(tokens) {
        Ok([Token::Literal(Value::String(name))]) => Ok(name),
        _ => Err(Fault::new(line, format!("behind '{of}' stands a name as a text: {of} \"row\""))),
    }
}
