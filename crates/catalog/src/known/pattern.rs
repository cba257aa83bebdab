//! What a program's version string looks like, and how it is read where its anchor was seen.
//!
//! A pattern is literal text with placeholders. Its longest literal is the anchor: it is searched for in the
//! stream, and only around it the rest is compared, within [`WINDOW`] bytes to each side. Placeholders take as
//! much as they can and give back what the text behind them needs; a version that goes on beyond
//! [`CLASS_BYTES`], or beyond what was seen, is none.

use memchr::memmem::Finder;

/// How far from an anchor a pattern can reach, to each side.
pub(super) const WINDOW: usize = 256;
/// The longest text of one placeholder.
const CLASS_BYTES: usize = 48;
/// The shortest anchor: a shorter one is in every program a thousand times.
const ANCHOR_BYTES: usize = 4;

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// This text.
    Text(Vec<u8>),
    /// What the first `*` of the file's name stands for.
    Name,
    /// Text of a kind.
    Class(Class),
}

/// Kinds of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `{version}`: begins with a digit, has a dot, ends with a letter or digit.
    Version,
    /// `{word}`: the same without need of a dot.
    Word,
    /// `{number}`: digits, with dots between them.
    Number,
    /// `{#}`: digits that are no part of the version.
    Digits,
    /// `{any}`: text in one line that is no part of the version.
    Any,
}

impl Class {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Version | Self::Word => byte.is_ascii_alphanumeric() || b".+~_-".contains(&byte),
            Self::Number => byte.is_ascii_digit() || byte == b'.',
            Self::Digits => byte.is_ascii_digit(),
            Self::Any => (b' '..=b'~').contains(&byte),
        }
    }

    fn takes(self, text: &[u8]) -> bool {
        let (Some(first), Some(last)) = (text.first(), text.last()) else { return self == Self::Any };
        let sound = |more: bool| {
            first.is_ascii_digit()
                && last.is_ascii_alphanumeric()
                && more
                && !text.windows(2).any(|w| w == b"..")
        };
        match self {
            Self::Version => sound(text.contains(&b'.')),
            Self::Word | Self::Number => sound(true),
            Self::Digits | Self::Any => true,
        }
    }

    fn is_captured(self) -> bool {
        !matches!(self, Self::Digits | Self::Any)
    }
}

/// A pattern of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
}

impl Pattern {
    /// Reads `text`: `\0`, `\n`, `\t`, `\\`, `\xHH` for bytes, placeholders in braces.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let (now, after) = rest.split_at(c.len_utf8());
            rest = after;
            match c {
                '{' => {
                    let (name, after) = rest.split_once('}').ok_or("a brace that is not closed")?;
                    rest = after;
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(match name {
                        "version" => Piece::Class(Class::Version),
                        "word" => Piece::Class(Class::Word),
                        "number" => Piece::Class(Class::Number),
                        "#" => Piece::Class(Class::Digits),
                        "any" => Piece::Class(Class::Any),
                        "name" => Piece::Name,
                        other => return Err(format!("no placeholder is called '{other}'")),
                    });
                }
                '\\' => {
                    let kind = rest.chars().next().ok_or("a backslash at the end")?;
                    rest = rest.get(kind.len_utf8()..).unwrap_or_default();
                    literal.push(match kind {
                        '0' => 0,
                        'n' => b'\n',
                        't' => b'\t',
                        '\\' => b'\\',
                        'x' => {
                            let (hex, after) = rest.split_at_checked(2).ok_or("\\x without two digits")?;
                            rest = after;
                            u8::from_str_radix(hex, 16).map_err(|_| "\\x without two digits")?
                        }
                        other => return Err(format!("no escape is '\\{other}'")),
                    });
                }
                _ => literal.extend_from_slice(now.as_bytes()),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        let captured = pieces.iter().any(|p| matches!(p, Piece::Class(c) if c.is_captured()));
        if !captured {
            return Err("no placeholder for the version".into());
        }
        let reach = |p: &Piece| match p {
            Piece::Text(text) => text.len(),
            Piece::Name | Piece::Class(_) => CLASS_BYTES,
        };
        if pieces.iter().map(reach).sum::<usize>() > WINDOW {
            return Err(format!("it reaches further than {WINDOW} bytes"));
        }
        Ok(Self { pieces })
    }

    /// The pattern for a file whose `*` stands for `name`; `None` where it has no anchor then.
    pub(super) fn live(&self, name: &str) -> Option<Live> {
        let mut pieces: Vec<(Piece, bool)> = Vec::new();
        for piece in &self.pieces {
            let (text, captured) = match piece {
                Piece::Class(class) => {
                    pieces.push((piece.clone(), class.is_captured()));
                    continue;
                }
                Piece::Name if name.len() > CLASS_BYTES => return None,
                Piece::Name => (name.as_bytes(), true),
                Piece::Text(text) => (text.as_slice(), false),
            };
            pieces.push((Piece::Text(text.to_vec()), captured));
        }
        let first = pieces.iter().position(|(_, captured)| *captured)?;
        let last = pieces.iter().rposition(|(_, captured)| *captured)?;
        // Texts beside each other become one, so that the anchor is as long as it can be; the version's bounds
        // are then bytes within it.
        let mut merged: Vec<Piece> = Vec::new();
        let (mut from, mut to) = ((0, 0), (0, 0));
        for (i, (piece, _)) in pieces.into_iter().enumerate() {
            match (merged.last_mut(), piece) {
                (Some(Piece::Text(_)), Piece::Text(text)) => {
                    if i == first {
                        from = (merged.len() - 1, Self::text_len(&merged));
                    }
                    if let Some(Piece::Text(before)) = merged.last_mut() {
                        before.extend(text);
                    }
                }
                (_, piece) => {
                    if i == first {
                        from = (merged.len(), 0);
                    }
                    merged.push(piece);
                }
            }
            if i == last {
                to = (merged.len() - 1, Self::text_len(&merged));
            }
        }
        let length = |p: &Piece| match p {
            Piece::Text(text) => text.len(),
            _ => 0,
        };
        let anchor = (0..merged.len()).max_by_key(|i| merged.get(*i).map_or(0, length))?;
        let Some(Piece::Text(text)) = merged.get(anchor) else { return None };
        if text.len() < ANCHOR_BYTES {
            return None;
        }
        let finder = Finder::new(text).into_owned();
        Some(Live { anchor_bytes: text.len(), finder, pieces: merged, anchor, from, to })
    }

    fn text_len(pieces: &[Piece]) -> usize {
        match pieces.last() {
            Some(Piece::Text(text)) => text.len(),
            _ => 0,
        }
    }
}

/// A pattern that is being searched for in one file.
pub(super) struct Live {
    finder: Finder<'static>,
    pieces: Vec<Piece>,
    anchor: usize,
    anchor_bytes: usize,
    /// Where the version begins: a piece, and bytes into it.
    from: (usize, usize),
    /// Where it ends: a piece, and bytes into it where it is a text.
    to: (usize, usize),
}

/// What `bytes` are of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edges {
    /// They begin with it.
    pub(super) start: bool,
    /// They end with it.
    pub(super) end: bool,
}

impl Live {
    /// The first version in `bytes`, and where its anchor is.
    pub(super) fn find(&self, bytes: &[u8], edges: Edges) -> Option<(usize, String)> {
        self.finder.find_iter(bytes).find_map(|at| Some((at, self.read(bytes, at, edges)?)))
    }

    fn read(&self, bytes: &[u8], at: usize, edges: Edges) -> Option<String> {
        let mut bounds = vec![0; self.pieces.len() + 1];
        *bounds.get_mut(self.anchor)? = at;
        *bounds.get_mut(self.anchor + 1)? = at + self.anchor_bytes;
        let end = bytes.len().min(at + self.anchor_bytes + WINDOW);
        let ahead = bytes.get(..end)?;
        let whole_end = edges.end && end == bytes.len();
        if !self.forward(self.anchor + 1, ahead, whole_end, &mut bounds) {
            return None;
        }
        let start = at.saturating_sub(WINDOW);
        let whole_start = edges.start && start == 0;
        if !self.backward(self.anchor, bytes, start, whole_start, &mut bounds) {
            return None;
        }
        let from = bounds.get(self.from.0)? + self.from.1;
        let to = match self.pieces.get(self.to.0)? {
            Piece::Text(_) => bounds.get(self.to.0)? + self.to.1,
            _ => *bounds.get(self.to.0 + 1)?,
        };
        let version = std::str::from_utf8(bytes.get(from..to)?).ok()?;
        // `0.0.0` stands for what nobody filled in.
        version.bytes().any(|b| matches!(b, b'1'..=b'9')).then(|| version.to_owned())
    }

    /// Compares the pieces from `i` on with what follows; `bounds[i]` is where they begin.
    fn forward(&self, i: usize, bytes: &[u8], whole: bool, bounds: &mut Vec<usize>) -> bool {
        let Some(piece) = self.pieces.get(i) else { return true };
        let at = bounds.get(i).copied().unwrap_or_default();
        let rest = bytes.get(at..).unwrap_or_default();
        let (longest, shortest) = match piece {
            Piece::Text(text) if rest.starts_with(text) => (text.len(), text.len()),
            Piece::Text(_) | Piece::Name => return false,
            Piece::Class(class) => {
                let run = rest.iter().take(CLASS_BYTES + 1).take_while(|b| class.has(**b)).count();
                let is_cut = run == rest.len() && !whole;
                if is_cut || (run > CLASS_BYTES && i + 1 == self.pieces.len()) {
                    return false;
                }
                (run.min(CLASS_BYTES), 0)
            }
        };
        for length in (shortest..=longest).rev() {
            if let Piece::Class(class) = piece
                && !class.takes(rest.get(..length).unwrap_or_default())
            {
                continue;
            }
            if let Some(bound) = bounds.get_mut(i + 1) {
                *bound = at + length;
            }
            if self.forward(i + 1, bytes, whole, bounds) {
                return true;
            }
        }
        false
    }

    /// Compares the pieces before `i` with what stands before; `bounds[i]` is where they end.
    fn backward(&self, i: usize, bytes: &[u8], start: usize, whole: bool, bounds: &mut Vec<usize>) -> bool {
        let Some(piece) = i.checked_sub(1).and_then(|i| self.pieces.get(i)) else { return true };
        let end = bounds.get(i).copied().unwrap_or_default();
        let before = bytes.get(start..end).unwrap_or_default();
        let (longest, shortest) = match piece {
            Piece::Text(text) if before.ends_with(text) => (text.len(), text.len()),
            Piece::Text(_) | Piece::Name => return false,
            Piece::Class(class) => {
                let run = before.iter().rev().take(CLASS_BYTES + 1).take_while(|b| class.has(**b)).count();
                let is_cut = run == before.len() && !whole;
                if is_cut || (run > CLASS_BYTES && i == 1) {
                    return false;
                }
                (run.min(CLASS_BYTES), 0)
            }
        };
        for length in (shortest..=longest).rev() {
            if let Piece::Class(class) = piece
                && !class.takes(before.get(before.len() - length..).unwrap_or_default())
            {
                continue;
            }
            // `libx1.2` is no version 1.2; `v1.2` is.
            let ahead = bytes.get(..end - length).and_then(<[u8]>::last);
            let glued = |b: &u8| b.is_ascii_alphanumeric() && !matches!(b, b'v' | b'V');
            if i == 1 && matches!(piece, Piece::Class(_)) && ahead.is_some_and(glued) {
                continue;
            }
            if let Some(bound) = bounds.get_mut(i - 1) {
                *bound = end - length;
            }
            if self.backward(i - 1, bytes, start, whole, bounds) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(pattern: &str, name: &str, bytes: &[u8]) -> Option<String> {
        let live = Pattern::parse(pattern).unwrap().live(name)?;
        Some(live.find(bytes, Edges { start: true, end: true })?.1)
    }

    #[test]
    fn versions_before_behind_and_around_the_anchor() {
        let found = |pattern, bytes: &[u8]| find(pattern, "", bytes).unwrap_or_default();
        assert_eq!(found("nginx/{version}", b"x\0nginx/1.25.3\0y"), "1.25.3");
        assert_eq!(found("nginx/{version}", b"nginx/%s nginx/1.2.3-"), "1.2.3");
        assert_eq!(found("{version} (GNU tool)", b"\x009.10.1 (GNU tool)"), "9.10.1");
        assert_eq!(found("{word} (GNU tool)", b"v12 (GNU tool)"), "12");
        assert_eq!(found("{word} (GNU tool)", b"lib12 (GNU tool)"), "");
        assert_eq!(found("\\0{version} {#} \\x40(tool)", b"\x001.2 2023 @(tool)"), "1.2");
        assert_eq!(found("tool {any} version {version}", b"tool of X, version 3.4-rc1\n"), "3.4-rc1");
        assert_eq!(found("tool-{number}.so", b"tool-1.2.3.so"), "1.2.3");
        assert_eq!(found("tool-{number}.so", b"tool-1.2.3.4x.so"), "");
        assert_eq!(found("Tool {version}", b"Tool 0.0.0"), "");
        assert_eq!(found("Tool {version}", format!("Tool 1.{}", "2".repeat(60)).as_bytes()), "");
        assert_eq!(found("Tool {version}", format!("Tool 1.{}", "2".repeat(46)).as_bytes()).len(), 48);
    }

    #[test]
    fn the_files_name_is_part_of_the_version() {
        assert_eq!(find("\\0{name}.{word}\\0", "3.11", b"x\x003.11.2\0").as_deref(), Some("3.11.2"));
        assert_eq!(find("\\0{name}.{word}\\0", "3.11", b"x\x003.12.2\0"), None);
        assert_eq!(find("v {word}.{name}", "3.11", b"v 1.3.11").as_deref(), Some("1.3.11"));
        assert_eq!(find("\\0{name}.{word}\\0", "3", b"\x003.11.2\0").as_deref(), None);
        assert_eq!(find("\\0{name}.{word}\\0", &"3".repeat(49), b"\x003.11.2\0").as_deref(), None);
    }

    #[test]
    fn what_is_cut_is_no_version() {
        let inside = |pattern: &str, bytes: &[u8]| {
            let live = Pattern::parse(pattern).unwrap().live("").unwrap();
            live.find(bytes, Edges { start: false, end: false }).map(|(_, version)| version)
        };
        assert_eq!(inside("Tool {version}", b"Tool 1.2"), None);
        assert_eq!(inside("Tool {version}", b"Tool 1.2\0").as_deref(), Some("1.2"));
        assert_eq!(inside("{version} (Tool)", b"1.2 (Tool)"), None);
        assert_eq!(inside("{version} (Tool)", b"\x001.2 (Tool)").as_deref(), Some("1.2"));
    }

    #[test]
    fn bad_patterns_say_why() {
        for bad in ["Tool", "Tool {version", "Tool {what}", "{version}\\q", "{version}\\x4", "{version}\\"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse(&format!("{{version}}{}", "x".repeat(WINDOW))).is_err());
        assert!(Pattern::parse("{version} ab").unwrap().live("").is_none());
    }

    proptest! {
        #[test]
        fn never_panics(
            pattern in "(\\{(version|word|number|#|any|name)\\}|[a-c. -]{1,5}){1,6}",
            bytes in "[a-c0-2. \0-]{0,200}",
        ) {
            let live = Pattern::parse(&pattern).ok().and_then(|p| p.live("a.b"));
            let whole = Edges { start: true, end: true };
            if let Some((_, version)) = live.and_then(|live| live.find(bytes.as_bytes(), whole)) {
                prop_assert!(bytes.contains(&version));
            }
        }
    }
}
