//! The little of YAML and of TOML that tools write into their lock files, line by line.
//!
//! No document is built: a line has an indent, maybe a dash, maybe a key, and a value as text. What only people
//! write (anchors, aliases, multi-line texts, tables in one line) is not understood, and a reader that meets it
//! finds no package there. So there is no depth to bound and nothing to expand.

use std::borrow::Cow;

/// A line of block YAML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Blanks before the first letter; a dash and the blanks behind it count.
    pub(super) indent: usize,
    /// Whether a dash begins it.
    pub(super) item: bool,
    /// The key, where there is one.
    pub(super) key: Option<Cow<'a, str>>,
    /// What stands behind it, without quotation marks.
    pub(super) value: &'a str,
}

/// The lines of a YAML file, comments and empty ones left out.
pub(super) fn yaml(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter_map(|line| {
        let mut rest = line.trim_start_matches(' ');
        let mut indent = line.len() - rest.len();
        if rest.is_empty() || rest.starts_with('#') || rest == "---" {
            return None;
        }
        let item = rest == "-" || rest.starts_with("- ");
        if item {
            let inner = rest.get(1..).unwrap_or_default().trim_start_matches(' ');
            indent += rest.len() - inner.len();
            rest = inner;
        }
        let (key, value) = match key(rest) {
            Some((key, value)) => (Some(key), value),
            None => (None, rest),
        };
        Some(Line { indent, item, key, value: plain(value) })
    })
}

/// `key: value`, `'key': value`, `"key":`.
fn key(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let quoted = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    if let Some(mark) = quoted {
        let inside = text.get(1..)?;
        let end = inside.find(mark)?;
        let rest = inside.get(end + 1..)?.strip_prefix(':')?;
        return Some((Cow::Borrowed(inside.get(..end)?), rest.trim()));
    }
    if let Some(at) = text.find(": ") {
        return Some((Cow::Borrowed(text.get(..at)?.trim()), text.get(at + 2..)?.trim()));
    }
    let name = text.trim_end().strip_suffix(':')?;
    Some((Cow::Borrowed(name), ""))
}

/// A text without the quotation marks around it.
pub(super) fn plain(text: &str) -> &str {
    let text = text.trim();
    let inside = |mark: char| text.strip_prefix(mark).and_then(|t| t.strip_suffix(mark));
    inside('\'').or_else(|| inside('"')).unwrap_or(text)
}

/// The values that stand behind `key:` in a map or list in one line: `{integrity: sha512-…, tarball: x}`.
pub(super) fn inline<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    inside.split(',').find_map(|part| {
        let (name, value) = part.split_once(':')?;
        (plain(name) == key).then(|| plain(value))
    })
}

/// What stands in quotation marks, from left to right; an escaped mark does not end a text.
pub(super) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let open = rest.find(['"', '\''])?;
        let mark = *rest.as_bytes().get(open)?;
        let inside = rest.get(open + 1..)?;
        let mut escaped = false;
        let end = inside.bytes().position(|b| {
            let ends = b == mark && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        })?;
        rest = inside.get(end + 1..)?;
        inside.get(..end)
    })
}

/// JSON as bun writes it: commas before closing brackets and comments are taken out, texts stay as they are.
pub(super) fn without_trailing_commas(text: &str) -> String {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().peekable();
    let mut comma: Option<usize> = None;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                comma = None;
                out.push(byte);
                let mut escaped = false;
                for byte in bytes.by_ref() {
                    out.push(byte);
                    if byte == b'"' && !escaped {
                        break;
                    }
                    escaped = byte == b'\\' && !escaped;
                }
                continue;
            }
            b'/' if bytes.peek() == Some(&b'/') => {
                for byte in bytes.by_ref() {
                    if byte == b'\n' {
                        break;
                    }
                }
                continue;
            }
            b',' => comma = Some(out.len()),
            b']' | b'}' => {
                if let Some(at) = comma.take() {
                    out.truncate(at);
                }
            }
            b if b.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        out.push(byte);
    }
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_yaml() {
        let text = "---\n# c\na:\n  '@b/c@1(d@2)': \"x: y\"\n  - e: f\n  - g\n  /h/1.0:\n  k: http://x\n";
        let lines: Vec<(usize, bool, String, &str)> = yaml(text)
            .map(|line| (line.indent, line.item, line.key.unwrap_or_default().into_owned(), line.value))
            .collect();
        assert_eq!(
            lines,
            [
                (0, false, "a".to_owned(), ""),
                (2, false, "@b/c@1(d@2)".to_owned(), "x: y"),
                (4, true, "e".to_owned(), "f"),
                (4, true, String::new(), "g"),
                (2, false, "/h/1.0".to_owned(), ""),
                (2, false, "k".to_owned(), "http://x"),
            ]
        );
        assert_eq!(inline("{integrity: sha512-x==, tarball: 'y'}", "tarball"), Some("y"));
    }

    #[test]
    fn json_with_commas() {
        let text = "{ // c\n \"a,]\": [1, 2,\n ],\n \"b\": \"\\\",}\",\n}";
        let json: serde_json::Value = serde_json::from_str(&without_trailing_commas(text)).unwrap();
        assert_eq!(json, serde_json::json!({"a,]": [1, 2], "b": "\",}"}));
    }

    proptest! {
        #[test]
        fn never_panics(text in "([ '\"\\-:,{}/\\\\é#a]{0,20}\n){0,6}") {
            let _ = yaml(&text).count();
            let _ = inline(&text, "a");
            let _ = quoted(&text).count();
            let _ = without_trailing_commas(&text);
        }
    }
}
