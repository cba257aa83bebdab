//! Patterns of images, from other programs' dialects into ours.
//!
//! Others match the whole reference with tag and digest; our patterns speak of repositories, because a tag is a
//! question and no answer. So a pattern of theirs is either said *exactly* here (it ends in a wildcard, which takes
//! any tag and digest), or it can only be said *more widely*: for the whole repository. Which of the two it is stands
//! in [`Extent`], and nothing is ever widened in silence.
//!
//! Refused: single-character wildcards, wildcards within the name of a registry, names without a registry.

use seaworthy_verifier::ImageName;

/// How the other program reads a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// sigstore policy-controller: `*` stays within a component, `**` is anything; Docker Hub is `index.docker.io`.
    Sigstore,
    /// Kyverno: `*` is anything, also `/`, and `?` is one character.
    Kyverno,
}

/// A pattern in our language.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Translated {
    /// An image is meant where any of these matches.
    pub(crate) patterns: Vec<String>,
    pub(crate) extent: Extent,
}

/// How much is meant, beside what was meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every reference to each repository that matches was meant there too.
    Exact,
    /// Whole repositories are meant here, and only some references to them there: why.
    Wider(String),
}

/// All images of all registries. `**` would also mean layouts and archives on disk.
pub(crate) const EVERYTHING: &str = "**/**";
/// Patterns that one of theirs may become.
const PATTERNS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Is(char),
    /// Any characters but `/`.
    Within,
    /// Any characters.
    Any,
}

/// Puts `text` into our language.
///
/// # Errors
/// Why it cannot be said.
pub(crate) fn translate(text: &str, dialect: Dialect) -> Result<Translated, String> {
    let text = match (dialect, text) {
        // What policy-controller itself makes of these two.
        (Dialect::Sigstore, "*") => "index.docker.io/library/*",
        (Dialect::Sigstore, "*/*") => "index.docker.io/*/*",
        _ => text,
    };
    let tokens = tokens(text, dialect)?;
    if tokens == [Token::Any] {
        return Ok(Translated { patterns: vec![EVERYTHING.into()], extent: Extent::Exact });
    }
    let start = tokens.iter().rposition(|t| *t == Token::Is('/')).map_or(0, |at| at + 1);
    let mark = tokens.iter().skip(start).position(|t| matches!(t, Token::Is(':' | '@')));
    // In a name without any `/`, a colon is as likely a port.
    let (name, mut extent) = match mark {
        Some(at) if start > 0 => {
            let (name, rest) = tokens.split_at(start + at);
            (name, Extent::Wider(format!("it means '{}' alone", text_of(rest))))
        }
        _ => match tokens.last() {
            Some(Token::Within | Token::Any) => (tokens.as_slice(), Extent::Exact),
            _ => (tokens.as_slice(), Extent::Wider("it means the name without tag and digest alone".into())),
        },
    };
    if dialect == Dialect::Sigstore && text.starts_with("docker.io/") {
        extent = Extent::Wider("there, Docker Hub is called index.docker.io".into());
    }
    let components: Vec<&[Token]> = name.split(|t| *t == Token::Is('/')).collect();
    if components.len() < 2 {
        return Err("it names no registry".to_owned());
    }
    let hub = ["docker.io", "index.docker.io"].contains(&text_of(components[0]).as_str());
    if dialect == Dialect::Sigstore && hub && components.len() == 2 && !name.contains(&Token::Any) {
        return Err("it can never match: an image of Docker Hub has a namespace, such as library/".to_owned());
    }
    let mut patterns: Vec<Vec<String>> = vec![Vec::new()];
    for component in components {
        let ways = ways(component)?;
        let grown = patterns.iter().flat_map(|before| {
            ways.iter().map(|way| before.iter().chain(way).cloned().collect::<Vec<String>>())
        });
        patterns = grown.collect();
        if patterns.len() > PATTERNS {
            return Err(format!("it would become more than {PATTERNS} patterns"));
        }
    }
    let mut out: Vec<String> = Vec::new();
    for parts in patterns {
        let pattern = parts.join("/");
        // A registry cannot be told apart from a namespace here.
        if parts.first().is_some_and(|host| host.contains('*') && host != "**" && !host.starts_with("*.")) {
            return Err(
                "a wildcard within the name of a registry would also mean registries of others".to_owned()
            );
        }
        let pattern = if pattern == "**" { EVERYTHING.to_owned() } else { pattern };
        ImageName::check_pattern(&pattern)?;
        if !out.contains(&pattern) {
            out.push(pattern);
        }
    }
    Ok(Translated { patterns: out, extent })
}

fn tokens(text: &str, dialect: Dialect) -> Result<Vec<Token>, String> {
    let mut out: Vec<Token> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let token = match (c, dialect) {
            ('?', Dialect::Kyverno) => {
                return Err("? stands for one character, which cannot be said here".into());
            }
            ('*', Dialect::Kyverno) => Token::Any,
            ('*', Dialect::Sigstore) if chars.peek() == Some(&'*') => {
                chars.next();
                Token::Any
            }
            ('*', Dialect::Sigstore) => Token::Within,
            (c, _) => Token::Is(c),
        };
        match (out.last(), token) {
            // What is beside "anything" adds nothing to it.
            (Some(Token::Any), Token::Within | Token::Any) | (Some(Token::Within), Token::Within) => {}
            (Some(Token::Within), Token::Any) => {
                out.pop();
                out.push(Token::Any);
            }
            _ => out.push(token),
        }
    }
    Ok(out)
}

fn text_of(tokens: &[Token]) -> String {
    tokens
        .iter()
        .map(|t| match t {
            Token::Is(c) => *c,
            Token::Within | Token::Any => '*',
        })
        .collect()
}

/// What one component may be: each a list of components of ours.
fn ways(component: &[Token]) -> Result<Vec<Vec<String>>, String> {
    if component.is_empty() {
        return Err("it can never match: it has an empty component".to_owned());
    }
    let anything: Vec<usize> =
        component.iter().enumerate().filter(|(_, t)| **t == Token::Any).map(|(at, _)| at).collect();
    let at = match anything.as_slice() {
        [] => return Ok(vec![vec![text_of(component)]]),
        [at] => *at,
        _ => return Err("a wildcard for anything stands twice within one component".to_owned()),
    };
    let (before, after) = (text_of(&component[..at]), text_of(&component[at + 1..]));
    let (head, tail) = (format!("{before}*"), format!("*{after}"));
    let whole = "**".to_owned();
    Ok(match (before.is_empty(), after.is_empty()) {
        (true, true) => vec![vec![whole]],
        (false, true) => vec![vec![head.clone()], vec![head, whole]],
        (true, false) => vec![vec![tail.clone()], vec![whole, tail]],
        (false, false) => {
            vec![vec![format!("{before}*{after}")], vec![head.clone(), tail.clone()], vec![head, whole, tail]]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Extent, translate};
    use seaworthy_verifier::ImageName;

    /// Their meaning, written down anew: the whole reference is matched.
    fn theirs(pattern: &[char], text: &[char], dialect: Dialect) -> bool {
        match (pattern, dialect) {
            ([], _) => text.is_empty(),
            (['*', '*', rest @ ..], Dialect::Sigstore) | (['*', rest @ ..], Dialect::Kyverno) => {
                (0..=text.len()).any(|at| theirs(rest, &text[at..], dialect))
            }
            (['*', rest @ ..], Dialect::Sigstore) => (0..=text.len())
                .take_while(|at| !text[..*at].contains(&'/'))
                .any(|at| theirs(rest, &text[at..], dialect)),
            ([c, rest @ ..], _) => text.first() == Some(c) && theirs(rest, &text[1..], dialect),
        }
    }

    fn matches(patterns: &[String], name: &str) -> bool {
        let name = ImageName::parse(name).unwrap();
        patterns.iter().any(|pattern| name.is_meant_by(pattern).unwrap())
    }

    /// Every pattern of a few building blocks against every name of a few: what is said to be exact means the same
    /// repositories, and what is said to be wider is never narrower.
    #[test]
    fn an_exact_pattern_means_neither_more_nor_less() {
        let parts = ["a", "ab", "*", "**", "a*", "*b", "a**", "a*b"];
        let mut patterns: Vec<String> = vec!["**".into(), "r.io/**".into()];
        for first in parts {
            patterns.extend([format!("r.io/{first}"), format!("**/{first}"), format!("*.io/{first}")]);
            for second in parts {
                patterns.push(format!("r.io/{first}/{second}"));
                patterns.push(format!("r.io/{first}/{second}:1"));
                patterns.push(format!("r.io/{first}/{second}:*"));
            }
        }
        let words = ["a", "b", "ab", "aab"];
        let mut names: Vec<String> = Vec::new();
        for host in ["r.io", "s.io", "x.r.io"] {
            for one in words {
                names.push(format!("{host}/{one}"));
                for two in words {
                    names.push(format!("{host}/{one}/{two}"));
                    names.extend(words.iter().map(|three| format!("{host}/{one}/{two}/{three}")));
                }
            }
        }
        let digest = format!("@sha256:{}", "0".repeat(64));
        let (mut exact, mut wider) = (0, 0);
        for dialect in [Dialect::Sigstore, Dialect::Kyverno] {
            for pattern in &patterns {
                let Ok(ours) = translate(pattern, dialect) else { continue };
                let chars: Vec<char> = pattern.chars().collect();
                for name in &names {
                    let by = |suffix: &str| {
                        let whole: Vec<char> = format!("{name}{suffix}").chars().collect();
                        theirs(&chars, &whole, dialect)
                    };
                    let all = [":1", ":v2", digest.as_str()].map(by);
                    let here = matches(&ours.patterns, name);
                    if ours.extent == Extent::Exact {
                        assert_eq!(all, [here; 3], "{dialect:?} {pattern} -> {:?} on {name}", ours.patterns);
                        exact += 1;
                    } else {
                        assert!(
                            here || all == [false; 3],
                            "{dialect:?} {pattern} -> {:?} on {name}",
                            ours.patterns
                        );
                        wider += 1;
                    }
                }
            }
        }
        assert!(exact > 5_000 && wider > 5_000, "{exact} {wider}");
    }

    #[test]
    fn what_is_said_more_widely_says_so() {
        for (pattern, dialect) in [
            ("r.io/a", Dialect::Sigstore),
            ("r.io/a:**", Dialect::Sigstore),
            ("r.io/a:v1", Dialect::Kyverno),
            ("r.io/a:*", Dialect::Kyverno),
            ("r.io/a@sha256:*", Dialect::Kyverno),
            ("docker.io/acme/**", Dialect::Sigstore),
        ] {
            let translated = translate(pattern, dialect).unwrap();
            assert!(matches!(translated.extent, Extent::Wider(_)), "{pattern}: {translated:?}");
        }
        assert_eq!(translate("r.io:5000/a*", Dialect::Sigstore).unwrap().extent, Extent::Exact);
        assert_eq!(translate("*", Dialect::Sigstore).unwrap().patterns, ["index.docker.io/library/*"]);
        assert_eq!(translate("*", Dialect::Kyverno).unwrap().patterns, ["**/**"]);
    }

    #[test]
    fn a_pattern_may_become_as_many_as_the_limit_and_no_more() {
        // Each such component may be one, two or three components.
        let of = |n: usize| format!("r.io/{}/a*", vec!["a**b"; n].join("/"));
        assert_eq!(translate(&of(3), Dialect::Sigstore).unwrap().patterns.len(), 27);
        assert!(translate(&of(4), Dialect::Sigstore).unwrap_err().contains("more than 64"));
        let exactly = format!("r.io/{}/a*", ["a**"; 6].join("/"));
        assert_eq!(translate(&exactly, Dialect::Sigstore).unwrap().patterns.len(), super::PATTERNS);
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        for (pattern, dialect, words) in [
            ("nginx*", Dialect::Sigstore, "no registry"),
            ("r.io/a?", Dialect::Kyverno, "one character"),
            ("r*.io/a*", Dialect::Sigstore, "registries of others"),
            ("gcr.io*", Dialect::Kyverno, "no registry"),
            ("gcr.io*/a", Dialect::Kyverno, "registries of others"),
            ("r.io//a*", Dialect::Sigstore, "empty component"),
            ("r.io/a*b*c*", Dialect::Kyverno, "twice"),
            ("index.docker.io/nginx*", Dialect::Sigstore, "can never match"),
            ("r.io/A*", Dialect::Sigstore, "upper-case"),
        ] {
            let why = translate(pattern, dialect).unwrap_err();
            assert!(why.contains(words), "{pattern}: {why}");
        }
    }
}
