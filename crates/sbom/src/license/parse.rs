//! From what a package says to an SPDX expression.
//!
//! A small grammar over words: `or` binds weakest inside a phrase, a comma before `and` or `or` is weaker
//! still (Debian's copyright-format 1.0, section "Short name"), `with … exception` belongs to the name
//! before it. A phrase that it cannot take apart becomes one `LicenseRef-`.

use super::{names, reference};
use crate::inventory::Ecosystem;

/// Parentheses in parentheses: nobody needs three, and this is a recursive parser.
const DEPTH: usize = 16;

/// What to do with a name that nobody knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// Give it a reference of its own: the text is known to be a list of names.
    Reference,
    /// Take the whole text as one name: it may be prose.
    Whole,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Comma,
    And,
    Or,
    Name(String),
}

/// An expression in which AND and OR have at least two parts each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Leaf(String),
    And(Vec<Node>),
    Or(Vec<Node>),
}

impl Node {
    /// Joins parts, flattening and dropping repetitions.
    pub(super) fn join(parts: Vec<Self>, wrap: fn(Vec<Self>) -> Self) -> Option<Self> {
        let mut flat: Vec<Self> = Vec::new();
        // A set beside it: a document of strangers may list a million names.
        let mut seen = std::collections::HashSet::new();
        for part in parts {
            let same = std::mem::discriminant(&part) == std::mem::discriminant(&wrap(Vec::new()));
            let inner = match part {
                Self::And(inner) | Self::Or(inner) if same => inner,
                other => vec![other],
            };
            for node in inner {
                if seen.insert(node.clone()) {
                    flat.push(node);
                }
            }
        }
        if flat.len() > 1 { Some(wrap(flat)) } else { flat.pop() }
    }

    pub(super) fn text(&self) -> String {
        let join = |parts: &[Self], operator: &str| {
            let texts: Vec<String> = parts
                .iter()
                .map(|p| if matches!(p, Self::Leaf(_)) { p.text() } else { format!("({})", p.text()) })
                .collect();
            texts.join(operator)
        };
        match self {
            Self::Leaf(id) => id.clone(),
            Self::And(parts) => join(parts, " AND "),
            Self::Or(parts) => join(parts, " OR "),
        }
    }
}

/// What one declared value means; `None` where it says nothing.
pub(super) fn node(declared: &str, ecosystem: Ecosystem) -> Option<Node> {
    let text = unwrap(declared.trim());
    let folded = names::fold(text);
    if matches!(
        folded.as_str(),
        "" | "unknown" | "none" | "noassertion" | "n/a" | "osi approved" | "other/proprietary" | "-"
    ) {
        return None;
    }
    if text.len() > crate::limits::LICENSE_BYTES {
        return Some(Node::Leaf(reference(text)));
    }
    if let Some(id) = names::lookup(&folded).map(str::to_owned).or_else(|| names::gnu(text)) {
        return Some(Node::Leaf(id));
    }
    let unknown = match ecosystem {
        Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm => Unknown::Reference,
        _ => Unknown::Whole,
    };
    let spaced = if ecosystem == Ecosystem::Apk { apk_words(text) } else { None };
    spaced
        .or_else(|| {
            let tokens = tokenize(text);
            let mut parser = Parser { tokens: &tokens, at: 0, unknown };
            let node = parser.phrase(0)?;
            (parser.at == tokens.len()).then_some(node)
        })
        .or_else(|| Some(Node::Leaf(reference(text))))
}

/// Takes off what ecosystems wrap around a licence: Python's classifier path, npm's old `{"type": …}`.
fn unwrap(text: &str) -> &str {
    if let Some(path) = text.strip_prefix("License :: ") {
        return path.rsplit(" :: ").next().unwrap_or(path).trim();
    }
    if text.starts_with('{')
        && let Some((_, rest)) = text.split_once("\"type\"")
        && let Some(value) =
            rest.trim_start().strip_prefix(':').and_then(|r| r.trim_start().strip_prefix('"'))
        && let Some((value, _)) = value.split_once('"')
    {
        return value;
    }
    text
}

/// apk's older form: licences with spaces between them and no operator, all of which apply.
fn apk_words(text: &str) -> Option<Node> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let operator = |w: &&str| {
        w.contains(['(', ')'])
            || w.eq_ignore_ascii_case("and")
            || w.eq_ignore_ascii_case("or")
            || w.eq_ignore_ascii_case("with")
    };
    if words.len() < 2 || words.iter().any(operator) {
        return None;
    }
    let leaf = |w: &&str| Node::Leaf(atom(w).unwrap_or_else(|| reference(w)));
    Node::join(words.iter().map(leaf).collect(), Node::And)
}

fn tokenize(text: &str) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    // `GPL (>= 2)` is one name; other parentheses group.
    let spaced = text
        .replace("_or_", " or ")
        .replace("_and_", " and ")
        .replace("(>=", " >=")
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace([',', ';'], " , ");
    let balanced = text.contains("(>=");
    for word in spaced.split_whitespace() {
        let token = match word {
            "(" => Token::Open,
            ")" if balanced => continue,
            ")" => Token::Close,
            "," => Token::Comma,
            "&" | "&&" => Token::And,
            "|" | "||" | "/" => Token::Or,
            w if w.eq_ignore_ascii_case("and") || w.eq_ignore_ascii_case("and/or") => Token::And,
            w if w.eq_ignore_ascii_case("or") => Token::Or,
            w => {
                if let Some(Token::Name(name)) = out.last_mut() {
                    name.push(' ');
                    name.push_str(w);
                    continue;
                }
                Token::Name(w.to_owned())
            }
        };
        // "GPL 2 or later": the `or` belongs to the name.
        if let (Token::Name(name), [.., Token::Name(_), Token::Or]) = (&token, out.as_slice())
            && (name.eq_ignore_ascii_case("later")
                || name.eq_ignore_ascii_case("newer")
                || name.eq_ignore_ascii_case("any"))
        {
            out.pop();
            if let Some(Token::Name(before)) = out.last_mut() {
                before.push_str(" or ");
                before.push_str(name);
            }
            continue;
        }
        out.push(token);
    }
    out
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    unknown: Unknown,
}

impl Parser<'_> {
    fn eat(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(found);
        found
    }

    /// Parts with commas between them. `A, B and C` and `A or B, and C` are all of them, `A, B, or C` is one.
    fn phrase(&mut self, depth: usize) -> Option<Node> {
        let mut parts = vec![self.or(depth)?];
        let mut wrap: Option<fn(Vec<Node>) -> Node> = None;
        while self.eat(&Token::Comma) {
            let this: fn(Vec<Node>) -> Node = if self.eat(&Token::Or) {
                Node::Or
            } else {
                self.eat(&Token::And);
                Node::And
            };
            // A mixture has no single reading.
            if wrap
                .is_some_and(|w| std::mem::discriminant(&w(vec![])) != std::mem::discriminant(&this(vec![])))
            {
                return None;
            }
            wrap = Some(this);
            parts.push(self.or(depth)?);
        }
        Node::join(parts, wrap.unwrap_or(Node::And))
    }

    fn or(&mut self, depth: usize) -> Option<Node> {
        let mut parts = vec![self.and(depth)?];
        while self.eat(&Token::Or) {
            parts.push(self.and(depth)?);
        }
        Node::join(parts, Node::Or)
    }

    fn and(&mut self, depth: usize) -> Option<Node> {
        let mut parts = vec![self.name(depth)?];
        while self.eat(&Token::And) {
            parts.push(self.name(depth)?);
        }
        Node::join(parts, Node::And)
    }

    fn name(&mut self, depth: usize) -> Option<Node> {
        if self.eat(&Token::Open) {
            if depth >= DEPTH {
                return None;
            }
            let inner = self.phrase(depth + 1)?;
            return self.eat(&Token::Close).then_some(inner);
        }
        let Token::Name(name) = self.tokens.get(self.at)? else { return None };
        self.at += 1;
        match atom(name) {
            Some(id) => Some(Node::Leaf(id)),
            // A short name has no spaces; three words without a meaning are prose that strayed in here, and
            // taking prose apart at its commas would invent licences.
            None if self.unknown == Unknown::Reference && name.split_whitespace().count() < 3 => {
                Some(Node::Leaf(reference(name)))
            }
            None => None,
        }
    }
}

/// One name, with its exception.
fn atom(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    // `GPL-3+-with-bison-exception` is written too; the part before it must be a licence to count.
    let joined = lower.find("-with-").filter(|at| name.get(..*at).and_then(names::gnu).is_some());
    if let Some(at) = lower.find(" with ").or(joined) {
        let id = plain(name.get(..at)?)?;
        let exception = name.get(at + " with ".len()..)?;
        return Some(match names::exception(exception) {
            Some(exception) if spdx::license_id(&id).is_some() => format!("{id} WITH {exception}"),
            // SPDX 2.3 has no way to name another exception; the base licence stays readable in the
            // reference, so that a policy that denies it still sees it.
            _ => format!("LicenseRef-seaworthy-{id}-with-{}", super::slug(exception)),
        });
    }
    plain(name)
}

fn plain(name: &str) -> Option<String> {
    let name = name.trim();
    if super::is_reference(name) {
        return Some(name.to_owned());
    }
    names::lookup(&names::fold(name)).map(str::to_owned).or_else(|| names::gnu(name)).or_else(|| {
        let base = name.strip_suffix('+')?;
        let id = names::lookup(&names::fold(base))?;
        (!id.starts_with("LicenseRef-") && !id.ends_with("-only") && !id.ends_with("-or-later"))
            .then(|| format!("{id}+"))
    })
}
