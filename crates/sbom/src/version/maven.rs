//! Maven's order (`ComparableVersion` of maven-artifact 3.9): any text is a version.
//!
//! `.` parts, `-` and a change between digits and letters begin a sub-list. Words of the release cycle have a
//! place (`alpha < beta < milestone < rc < snapshot < "" < sp`), other words come after them in their own
//! order, and numbers after all words. Zeros and empty words at the end of a list mean nothing.

use super::digits;
use std::cmp::Ordering;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Number(String),
    Word(String),
    List(Vec<Item>),
}

/// Words of the release cycle, in order; the empty one is the release.
const CYCLE: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
const RELEASE: usize = 5;
/// Lists in lists: each `-` and each change between digits and letters opens one.
const DEPTH: usize = 256;

/// The order of two versions; `None` where one of them nests too deep to be one.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(lists(&parse(a)?, &parse(b)?))
}

fn parse(text: &str) -> Option<Vec<Item>> {
    let text = text.to_lowercase();
    let mut open: Vec<Vec<Item>> = vec![Vec::new()];
    let mut part = String::new();
    let push = |open: &mut Vec<Vec<Item>>, item: Item| {
        if let Some(list) = open.last_mut() {
            list.push(item);
        }
    };
    for c in text.chars() {
        match c {
            '.' | '-' => {
                // An empty part is a zero.
                let item = if part.is_empty() { Item::Number(String::new()) } else { item(&part, false) };
                push(&mut open, item);
                part.clear();
                if c == '-' {
                    open.push(Vec::new());
                }
            }
            c => {
                let digit = c.is_ascii_digit();
                if let Some(last) = part.chars().last()
                    && last.is_ascii_digit() != digit
                {
                    if last.is_ascii_digit() {
                        push(&mut open, item(&part, false));
                        open.push(Vec::new());
                    } else {
                        // `1.0rc1` is `1.0-rc-1`, as for `a1`, `b1` and `m1`.
                        let word = item(&part, true);
                        if open.last().is_some_and(|list| !list.is_empty()) {
                            open.push(Vec::new());
                        }
                        push(&mut open, word);
                        open.push(Vec::new());
                    }
                    part.clear();
                }
                part.push(c);
            }
        }
        if open.len() > DEPTH {
            return None;
        }
    }
    if !part.is_empty() {
        let last = item(&part, false);
        // A word at the end that follows a dot stands in a list of its own: `1.0.rc` is `1.0-rc`.
        if matches!(last, Item::Word(_)) && open.last().is_some_and(|list| !list.is_empty()) {
            open.push(Vec::new());
        }
        push(&mut open, last);
    }
    let mut inner = trimmed(open.pop()?);
    while let Some(mut list) = open.pop() {
        list = trimmed(list);
        if !inner.is_empty() {
            list.push(Item::List(inner));
        }
        inner = list;
    }
    Some(inner)
}

fn item(part: &str, before_digit: bool) -> Item {
    if part.bytes().all(|b| b.is_ascii_digit()) {
        return Item::Number(part.trim_start_matches('0').to_owned());
    }
    let word = match (part, before_digit) {
        ("a", true) => "alpha",
        ("b", true) => "beta",
        ("m", true) => "milestone",
        ("cr", _) => "rc",
        ("ga" | "final" | "release", _) => "",
        (word, _) => word,
    };
    Item::Word(word.to_owned())
}

/// Without the zeros and empty words at its end.
fn trimmed(mut list: Vec<Item>) -> Vec<Item> {
    while list.last().is_some_and(|item| matches!(item, Item::Number(n) | Item::Word(n) if n.is_empty())) {
        list.pop();
    }
    list
}

fn rank(word: &str) -> (usize, &str) {
    match CYCLE.iter().position(|w| *w == word) {
        Some(at) => (at, ""),
        None => (CYCLE.len(), word),
    }
}

/// A part against the end of the other version.
fn against_nothing(item: &Item) -> Ordering {
    match item {
        Item::Number(n) => {
            if n.is_empty() {
                Ordering::Equal
            } else {
                Ordering::Greater
            }
        }
        Item::Word(word) => rank(word).cmp(&(RELEASE, "")),
        Item::List(list) => list.iter().map(against_nothing).find(|o| o.is_ne()).unwrap_or(Ordering::Equal),
    }
}

fn lists(a: &[Item], b: &[Item]) -> Ordering {
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at), b.get(at)) {
            (Some(a), Some(b)) => items(a, b),
            (Some(a), None) => against_nothing(a),
            (None, Some(b)) => against_nothing(b).reverse(),
            (None, None) => Ordering::Equal,
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn items(a: &Item, b: &Item) -> Ordering {
    match (a, b) {
        (Item::Number(a), Item::Number(b)) => digits(a.as_bytes(), b.as_bytes()),
        (Item::Word(a), Item::Word(b)) => rank(a).cmp(&rank(b)),
        (Item::List(a), Item::List(b)) => lists(a, b),
        // A number is newer than a list, and a list newer than a word.
        (Item::Number(_), _) | (Item::List(_), Item::Word(_)) => Ordering::Greater,
        (_, Item::Number(_)) | (Item::Word(_), Item::List(_)) => Ordering::Less,
    }
}
