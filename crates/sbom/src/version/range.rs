//! Version ranges as a policy writes them.
//!
//! `*` or `any`; `<1.2.3`; `>=1.0, <2.0` (comma: and); `<1 || >=2, <3` (`||`: or); `=1.2` or `1.2`; `!=1.3`.
//! Pre-releases count as ordinary versions of their order: `<2.0.0` includes `2.0.0-rc.1`, because a deny
//! rule that skipped them would be a hole. `^`, `~` and wildcards inside a version are refused: they mean
//! something else in each ecosystem.

use super::compare;
use crate::inventory::Ecosystem;
use crate::limits::{RANGE_TERMS, VERSION_BYTES};
use crate::{Error, ErrorKind, Result};
use std::cmp::Ordering;
use std::fmt;

/// A set of versions. Parsing is the only way to make one, so a range that means nothing does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Or of ands; an empty list is every version.
    alternatives: Vec<Vec<Term>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    operator: Operator,
    version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Operator {
    const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }

    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }
}

impl Term {
    fn holds(&self, ecosystem: Ecosystem, version: &str) -> Option<bool> {
        match compare(ecosystem, version, &self.version) {
            Some(order) => Some(self.operator.accepts(order)),
            // Without an order, the same text is still the same version; another text proves nothing.
            None if version == self.version => Some(self.operator.accepts(Ordering::Equal)),
            None => None,
        }
    }
}

impl Range {
    /// Every version.
    pub fn any() -> Self {
        Self { alternatives: Vec::new() }
    }

    /// Whether every version is meant, also one that is not known.
    pub fn is_any(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// Whether the version is in the range. `None`: it cannot be compared, and callers fail closed.
    pub fn contains(&self, ecosystem: Ecosystem, version: &str) -> Option<bool> {
        if self.is_any() {
            return Some(true);
        }
        let mut unknown = false;
        for alternative in &self.alternatives {
            // A bound that is certainly not met settles an "and", whatever the others say.
            let held: Vec<_> = alternative.iter().map(|t| t.holds(ecosystem, version)).collect();
            if held.contains(&Some(false)) {
                continue;
            }
            if held.contains(&None) {
                unknown = true;
                continue;
            }
            return Some(true);
        }
        (!unknown).then_some(false)
    }

    /// Whether every bound is a version in that ecosystem's order. A policy with a bound that is none could
    /// never decide, and is refused when it is loaded.
    pub fn is_comparable_in(&self, ecosystem: Ecosystem) -> bool {
        self.alternatives.iter().flatten().all(|t| compare(ecosystem, &t.version, &t.version).is_some())
    }
}

impl std::str::FromStr for Range {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: String| {
            Error::new(
                format!(
                    "read the version range '{}'",
                    text.chars().take(80).collect::<String>().escape_debug()
                ),
                ErrorKind::Malformed(why),
            )
            .hint("write it like '>=1.0, <2.0', '<1.2.3 || =1.4' or '*'")
        };
        if matches!(text.trim(), "*" | "any") {
            return Ok(Self::any());
        }
        let mut alternatives = Vec::new();
        let mut terms = 0;
        for alternative in text.split("||") {
            let mut all = Vec::new();
            for term in alternative.split(',') {
                terms += 1;
                if terms > RANGE_TERMS {
                    return Err(Error::new(
                        "read a version range",
                        ErrorKind::LimitExceeded { limit: "RANGE_TERMS", value: RANGE_TERMS as u64 },
                    ));
                }
                all.push(parse_term(term.trim()).map_err(refuse)?);
            }
            alternatives.push(all);
        }
        Ok(Self { alternatives })
    }
}

fn parse_term(term: &str) -> std::result::Result<Term, String> {
    use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    const SIGNS: [(&str, Operator); 7] = [
        ("<=", LessOrEqual),
        (">=", GreaterOrEqual),
        ("!=", NotEqual),
        ("==", Equal),
        ("<", Less),
        (">", Greater),
        ("=", Equal),
    ];
    let (operator, version) = SIGNS
        .iter()
        .find_map(|(sign, operator)| term.strip_prefix(sign).map(|rest| (*operator, rest.trim())))
        .unwrap_or((Equal, term));
    if version.is_empty() {
        return Err("a bound without a version".to_owned());
    }
    if version.len() > VERSION_BYTES {
        return Err(format!("a version longer than {VERSION_BYTES} bytes"));
    }
    if let Some(bad) = version.chars().find(|c| c.is_whitespace() || c.is_control() || "<>=|*".contains(*c)) {
        return Err(format!("'{}' inside a version", bad.escape_debug()));
    }
    if version.starts_with(['^', '~']) {
        return Err("'^' and '~' ranges mean something else in each ecosystem: write both bounds".to_owned());
    }
    Ok(Term { operator, version: version.to_owned() })
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("*");
        }
        for (i, alternative) in self.alternatives.iter().enumerate() {
            if i > 0 {
                f.write_str(" || ")?;
            }
            for (j, term) in alternative.iter().enumerate() {
                if j > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{}{}", term.operator.sign(), term.version)?;
            }
        }
        Ok(())
    }
}
