//! Licences: from what a package says to an SPDX expression, and from an expression to a policy's answer.
//!
//! Normalising ([`normalize`]) never guesses: a name that means a family (`BSD`) or nothing known becomes
//! `LicenseRef-seaworthy-…`, which documents carry with its text. Deciding ([`is_denied`]) never repairs:
//! an expression that does not parse is [`Denial::Unreadable`], and callers fail closed. `spdx`'s
//! `canonicalize` guesses, and is used for neither.

mod names;
mod parse;
#[cfg(test)]
mod tests;

use crate::inventory::{Ecosystem, License};
use crate::limits::LICENSE_BYTES;
use parse::Node;
use sha2::{Digest, Sha256};
use std::fmt;

/// One licence of an expression, as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf {
    /// The SPDX identifier, today's (`GPL-2.0` reads as `GPL-2.0-only`), with `+` for "or later" outside
    /// the GNU family; or `LicenseRef-…`.
    pub id: String,
    /// The exception after `WITH`.
    pub exception: Option<String>,
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.exception {
            Some(exception) => write!(f, "{} WITH {exception}", self.id),
            None => f.write_str(&self.id),
        }
    }
}

/// Whether an expression is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Every way to use the package needs a denied licence; the licences that were denied.
    Denied(Vec<Leaf>),
    /// There is a way without a denied licence.
    NotDenied,
    /// The expression cannot be read, for this reason. Callers fail closed.
    Unreadable(String),
}

/// Identifiers deprecated by SPDX are what half of the world's documents hold; reading them is no guess.
const MODE: spdx::ParseMode = spdx::ParseMode {
    allow_slash_as_or_operator: false,
    allow_imprecise_license_names: false,
    allow_postfix_plus_on_gpl: true,
    allow_deprecated: true,
    allow_unknown: false,
};

fn parse_expression(expression: &str) -> Result<spdx::Expression, String> {
    if expression.len() > LICENSE_BYTES {
        return Err(format!("longer than {LICENSE_BYTES} bytes"));
    }
    spdx::Expression::parse_mode(expression, MODE).map_err(|e| e.reason.to_string())
}

/// Whether an expression is valid SPDX 2.3: known identifiers (deprecated ones too) and `LicenseRef-`s of
/// the same document, nothing else.
pub fn is_valid(expression: &str) -> bool {
    parse_expression(expression).is_ok_and(|parsed| {
        parsed.requirements().all(|r| {
            let license = match &r.req.license {
                spdx::LicenseItem::Spdx { .. } => true,
                spdx::LicenseItem::Other(other) => {
                    other.doc_ref.is_none() && is_reference(&format!("LicenseRef-{}", other.lic_ref))
                }
            };
            // `AdditionRef-` came with SPDX 3.
            license && !matches!(r.req.addition, Some(spdx::AdditionItem::Other(_)))
        })
    })
}

/// The licences of an expression, sorted, each once; `None` where it cannot be read.
pub fn leaves(expression: &str) -> Option<Vec<Leaf>> {
    let parsed = parse_expression(expression).ok()?;
    let mut all: Vec<Leaf> = parsed.requirements().map(|r| leaf(&r.req)).collect();
    all.sort();
    all.dedup();
    Some(all)
}

/// Whether an expression is denied: an OR only if all its alternatives are, an AND if any part is.
pub fn is_denied(expression: &str, mut denied: impl FnMut(&Leaf) -> bool) -> Denial {
    let parsed = match parse_expression(expression) {
        Ok(parsed) => parsed,
        Err(why) => return Denial::Unreadable(why),
    };
    let mut hits = Vec::new();
    let allowed = parsed.evaluate(|req| {
        let leaf = leaf(req);
        let hit = denied(&leaf);
        if hit {
            hits.push(leaf);
        }
        !hit
    });
    if allowed {
        return Denial::NotDenied;
    }
    hits.sort();
    hits.dedup();
    Denial::Denied(hits)
}

fn leaf(req: &spdx::LicenseReq) -> Leaf {
    let exception = req.addition.as_ref().map(ToString::to_string);
    match &req.license {
        spdx::LicenseItem::Spdx { id, or_later } => {
            let mut name = modern(id.name);
            if *or_later && !id.is_gnu() {
                name.push('+');
            }
            Leaf { id: name, exception }
        }
        spdx::LicenseItem::Other(other) => {
            // Our own reference for an exception that SPDX does not know: see `parse::atom`.
            if let Some((id, rest)) =
                other.lic_ref.strip_prefix("seaworthy-").and_then(|t| t.split_once("-with-"))
                && spdx::license_id(id).is_some()
            {
                return Leaf { id: modern(id), exception: exception.or(Some(rest.to_owned())) };
            }
            Leaf { id: other.to_string(), exception }
        }
    }
}

/// Today's name of a GNU identifier that SPDX deprecated; any other as it is.
fn modern(id: &str) -> String {
    let (base, later) = match id.strip_suffix('+') {
        Some(base) => (base, true),
        None => (id, false),
    };
    let gnu = spdx::license_id(base).is_some_and(|l| l.is_gnu());
    if gnu
        && !base.ends_with("-only")
        && !base.ends_with("-or-later")
        && let Some(found) = spdx::gnu_license_id(base, later)
    {
        return found.name.to_owned();
    }
    id.to_owned()
}

/// A licence in a policy: an SPDX identifier (`MIT`), one with `*` (`AGPL-*`), `LicenseRef-…`, or any of
/// these `WITH` an exception. Letter case does not matter.
///
/// - Without `WITH` it means the licence with any exception and with none: a deny rule fails closed.
/// - `Apache-2.0` means `Apache-2.0+` too. `GPL-2.0`, which SPDX deprecated for being ambiguous, means
///   `GPL-2.0-only` and `GPL-2.0-or-later`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    ids: Vec<String>,
    exception: Option<String>,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The reason, as text, for a pattern that is empty or can never match a licence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || text.len() > LICENSE_BYTES {
            return Err("a licence pattern is empty or too long".to_owned());
        }
        let lower = text.to_lowercase();
        let (id, exception) = match lower.split_once(" with ") {
            Some((id, exception)) => (id.trim().to_owned(), Some(exception.trim().to_owned())),
            None => (lower.clone(), None),
        };
        if id.split_whitespace().count() != 1 {
            return Err(format!("'{}' is an expression; list its licences one by one", text.escape_debug()));
        }
        let known = spdx::identifiers::LICENSES.iter().map(|l| l.name);
        let mut ids = vec![id.trim_end_matches('+').to_owned()];
        if id.starts_with("licenseref-") || id.starts_with("documentref-") {
            ids = vec![id.clone()];
        } else {
            let hits: Vec<&str> = known.filter(|name| glob(&id, &name.to_lowercase())).collect();
            if hits.is_empty() && !glob(&id, "licenseref-x") && !id.ends_with('+') {
                return Err(format!("no SPDX licence is named '{}'", text.escape_debug()));
            }
            if let [deprecated] = hits.as_slice() {
                let today = modern(deprecated);
                if today != *deprecated {
                    let later = format!("{}-or-later", deprecated.trim_end_matches('+'));
                    ids = if deprecated.ends_with('+') { vec![] } else { vec![today.to_lowercase()] };
                    ids.push(later.to_lowercase());
                }
            }
            if ids.iter().all(|id| !id.contains('*') && spdx_by_lower(id).is_none()) {
                return Err(format!("no SPDX licence is named '{}'", text.escape_debug()));
            }
        }
        if let Some(exception) = &exception
            && !spdx::identifiers::EXCEPTIONS.iter().any(|e| glob(exception, &e.name.to_lowercase()))
            && !ids.iter().all(|id| id.starts_with("licenseref-"))
        {
            return Err(format!("no SPDX exception is named '{}'", exception.escape_debug()));
        }
        Ok(Self { text: text.to_owned(), ids, exception })
    }

    /// Whether the leaf is meant.
    pub fn matches(&self, leaf: &Leaf) -> bool {
        let id = leaf.id.to_lowercase();
        let id = id.strip_suffix('+').unwrap_or(&id);
        let exception = match (&self.exception, &leaf.exception) {
            (None, _) => true,
            (Some(wanted), Some(exception)) => glob(wanted, &exception.to_lowercase()),
            (Some(_), None) => false,
        };
        exception && self.ids.iter().any(|wanted| glob(wanted, id))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn spdx_by_lower(id: &str) -> Option<&'static str> {
    spdx::identifiers::LICENSES.iter().map(|l| l.name).find(|name| name.to_lowercase() == id)
}

/// `*` is any run of characters. Greedy with one point of return: linear times linear, never exponential.
fn glob(pattern: &str, text: &str) -> bool {
    let (p, t) = (pattern.as_bytes(), text.as_bytes());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < t.len() {
        match p.get(i) {
            Some(b'*') => {
                star = Some((i, j));
                i += 1;
            }
            Some(c) if Some(c) == t.get(j) => {
                i += 1;
                j += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    i = at + 1;
                    j = from + 1;
                }
                None => return false,
            },
        }
    }
    p.iter().skip(i).all(|c| *c == b'*')
}

/// What the package's own data says, as an SPDX expression: all values apply, so they are joined by AND.
///
/// A family name (`BSD`, `License :: OSI Approved :: Apache Software License`) is dropped where another
/// value names a member of that family exactly. Values that say nothing (`UNKNOWN`) are not kept.
pub fn normalize(declared: &[String], ecosystem: Ecosystem) -> License {
    let (mut kept, mut seen, mut nodes) = (Vec::new(), std::collections::HashSet::new(), Vec::new());
    for text in declared.iter().map(|t| t.trim()) {
        if !seen.insert(text) {
            continue;
        }
        if let Some(node) = parse::node(text, ecosystem) {
            kept.push(text.to_owned());
            nodes.push(node);
        }
    }
    let exact: Vec<String> = nodes
        .iter()
        .filter(|n| family(n).is_none())
        .flat_map(|n| leaves(&n.text()).unwrap_or_default())
        .map(|leaf| leaf.id)
        .collect();
    let (bsd, apache) =
        (exact.iter().any(|id| Family::Bsd.has(id)), exact.iter().any(|id| Family::Apache.has(id)));
    nodes.retain(|node| match family(node) {
        Some(Family::Bsd) => !bsd,
        Some(Family::Apache) => !apache,
        None => true,
    });
    let expression = Node::join(nodes, Node::And).map(|n| n.text());
    License { declared: kept, expression, concluded: None }
}

/// A name that means one of several licences.
enum Family {
    Bsd,
    Apache,
}

impl Family {
    fn has(&self, id: &str) -> bool {
        match self {
            Self::Bsd => id.starts_with("BSD-") || id == "0BSD",
            Self::Apache => id.starts_with("Apache-"),
        }
    }
}

/// The family that a reference of ours stands for.
fn family(node: &Node) -> Option<Family> {
    let Node::Leaf(id) = node else { return None };
    let name = id.strip_prefix("LicenseRef-seaworthy-")?.to_ascii_lowercase();
    if name == "bsd" || name.starts_with("bsd-license-") {
        return Some(Family::Bsd);
    }
    let apache =
        name == "apache" || name.starts_with("apache-software-license") || name.starts_with("apache-license");
    apache.then_some(Family::Apache)
}

/// The reference that stands for a text which SPDX has no name for. Other text, other reference: a hash is
/// added where the text had to be changed.
pub fn reference(text: &str) -> String {
    format!("LicenseRef-seaworthy-{}", slug(text.trim()))
}

fn slug(text: &str) -> String {
    const LONGEST: usize = 48;
    let mut out = String::new();
    for c in text.chars().take(LONGEST) {
        if c.is_ascii_alphanumeric() || c == '.' {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    let clean = out.trim_matches('-');
    if clean == text {
        return clean.to_owned();
    }
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    let hash = hash.get(..8).unwrap_or_default();
    if clean.is_empty() { hash.to_owned() } else { format!("{clean}-{hash}") }
}

/// Whether a text is a licence reference that SPDX 2.3 takes: letters, digits, `.` and `-`.
pub fn is_reference(text: &str) -> bool {
    text.strip_prefix("LicenseRef-").is_some_and(|id| {
        !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
    })
}

/// The references in `declared` and what they stand for, for a document's list of extracted licences.
pub(crate) fn references(declared: &[String], ecosystem: Ecosystem) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for text in declared {
        let Some(node) = parse::node(text, ecosystem) else { continue };
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            match node {
                Node::Leaf(id) if id.starts_with("LicenseRef-") => out.push((id, text.trim().to_owned())),
                Node::Leaf(_) => {}
                Node::And(parts) | Node::Or(parts) => stack.extend(parts),
            }
        }
    }
    out
}

/// The `LicenseRef-`s of an expression.
pub(crate) fn reference_ids(expression: &str) -> Vec<String> {
    let Ok(parsed) = parse_expression(expression) else { return Vec::new() };
    parsed
        .requirements()
        .filter_map(|r| match &r.req.license {
            spdx::LicenseItem::Other(other) => Some(other.to_string()),
            spdx::LicenseItem::Spdx { .. } => None,
        })
        .collect()
}
