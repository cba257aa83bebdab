//! cargo-auditable's list of crates: JSON in a zlib stream, found without section headers.

use crate::limits;
use crate::pack::pack;
use flate2::{Decompress, FlushDecompress, Status};
use serde_json::Value;

/// The first byte of a zlib stream with a window of 32 KiB (RFC 1950).
pub(super) const FIRST: u8 = 0x78;
/// How the JSON begins.
const PREFIX: &[u8] = b"{\"packages\"";

/// The crates of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audit {
    /// In the order of the list; [`Crate::dependencies`] are places in it.
    pub(crate) crates: Vec<Crate>,
}
pack!(struct Audit { crates });

/// One crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `crates.io`, `registry`, `git`, `local`, or whatever the tool says.
    pub(crate) source: String,
    pub(crate) linked: Linked,
    pub(crate) role: Role,
    pub(crate) dependencies: Vec<usize>,
}
pack!(struct Crate { name, version, source, linked, role, dependencies });

/// Whether a crate's code is in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linked {
    Runtime,
    /// It ran at build time only.
    Build,
}
pack!(
    enum Linked {
        Runtime,
        Build,
    }
);

/// Whether a crate is the program itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Root,
    Dependency,
}
pack!(
    enum Role {
        Root,
        Dependency,
    }
);

pub(super) enum State {
    More,
    Nothing,
    Found(Audit),
    Bad(String),
}

/// Whether a zlib stream of what is looked for may begin here: the header's own check (RFC 1950, 2.2), then
/// the start of the first block (RFC 1951, 3.2). No inflater is set up for what fails here.
pub(super) fn is_plausible(bytes: &[u8]) -> bool {
    let [first, flags, rest @ ..] = bytes else { return false };
    // No preset dictionary, and the sixteen bits are a multiple of 31: 01, 5e, 9c or da after 78.
    if flags & 0x20 != 0 || !(u16::from(*first) << 8 | u16::from(*flags)).is_multiple_of(31) {
        return false;
    }
    let mut bits = 0_u128;
    for (i, byte) in rest.iter().take(16).enumerate() {
        bits |= u128::from(*byte) << (8 * i);
    }
    match bits >> 1 & 3 {
        // Stored: the text itself after two lengths of 16 bits.
        0 => rest.get(5..).is_some_and(|text| text.starts_with(b"{\"")),
        // Fixed codes: eight bits for a character, its highest first, 0x30 more than it (3.2.6).
        1 => b"{\"p".iter().enumerate().all(|(i, c)| {
            let code = (bits >> (3 + 8 * i) & 0xff) as u8;
            code.reverse_bits() == c + 0x30
        }),
        2 => {
            let (literals, distances) = (bits >> 3 & 31, bits >> 8 & 31);
            // The lengths of the code for code lengths must make a complete code (3.2.7).
            let lengths = (bits >> 13 & 15) as usize + 4;
            let sum: u32 = (0..lengths)
                .map(|i| (bits >> (17 + 3 * i) & 7) as u32)
                .filter(|length| *length > 0)
                .map(|length| 128 >> length)
                .sum();
            literals <= 29 && distances <= 29 && sum == 128
        }
        _ => false,
    }
}

/// A stream that may be it.
pub(super) struct Capture {
    start: u64,
    consumed: usize,
    inflate: Decompress,
    text: Vec<u8>,
}

impl Capture {
    pub(super) fn new(start: u64) -> Self {
        Self { start, consumed: 0, inflate: Decompress::new(true), text: Vec::new() }
    }

    /// Takes what is new in `bytes`, whose first is at the file offset `base`.
    pub(super) fn feed(&mut self, bytes: &[u8], base: u64) -> State {
        let next = self.start + self.consumed as u64;
        let Some(skip) = next.checked_sub(base).and_then(|n| usize::try_from(n).ok()) else {
            return State::Nothing;
        };
        let mut new = bytes.get(skip..).unwrap_or_default();
        let mut out = [0; 1024];
        while !new.is_empty() {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(new, &mut out, FlushDecompress::None);
            let read = usize::try_from(self.inflate.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(self.inflate.total_out() - written).unwrap_or(usize::MAX);
            self.consumed += read;
            new = new.get(read..).unwrap_or_default();
            self.text.extend_from_slice(out.get(..written).unwrap_or_default());
            let known = self.text.len().min(PREFIX.len());
            if self.text.get(..known) != PREFIX.get(..known) {
                return State::Nothing;
            }
            if self.text.len() > limits::AUDIT_BYTES {
                return self.broken("is beyond AUDIT_BYTES");
            }
            // Only now: what came before the mistake tells whether it is one, in pieces of any size.
            let Ok(status) = status else { return self.broken("cannot be unpacked") };
            if status == Status::StreamEnd {
                return match audit(&self.text) {
                    Ok(audit) => State::Found(audit),
                    Err(why) => State::Bad(format!("cargo-auditable's list: {why}")),
                };
            }
            if read == 0 && written == 0 {
                break;
            }
        }
        State::More
    }

    fn broken(&self, why: &str) -> State {
        match self.text.starts_with(PREFIX) {
            true => State::Bad(format!("cargo-auditable's list {why}")),
            false => State::Nothing,
        }
    }

    /// What is to be said where the file ends before the stream.
    pub(super) fn cut_short(&self) -> Option<String> {
        self.text.starts_with(PREFIX).then(|| "cargo-auditable's list is cut short".to_owned())
    }
}

fn audit(text: &[u8]) -> Result<Audit, String> {
    let json: Value = serde_json::from_slice(text).map_err(|e| format!("no JSON: {e}"))?;
    let list = json.get("packages").and_then(Value::as_array).ok_or("no packages in it")?;
    if list.len() > limits::ELF_MODULES {
        return Err(format!("{} crates, more than the limit of {}", list.len(), limits::ELF_MODULES));
    }
    let mut edges = 0;
    let mut crates = Vec::with_capacity(list.len());
    for entry in list {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let plain = |text: &str, more: &[u8]| {
            !text.is_empty()
                && text.len() <= 256
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        let (name, version) = (text("name"), text("version"));
        if !plain(name, b"-_") || !plain(version, b"-.+") {
            return Err("a crate without a proper name or version".to_owned());
        }
        let dependencies: Vec<usize> = entry
            .get("dependencies")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|i| usize::try_from(i.as_u64()?).ok().filter(|i| *i < list.len()))
            .collect();
        edges += dependencies.len();
        if edges > limits::AUDIT_EDGES {
            return Err(format!("more than {} dependencies", limits::AUDIT_EDGES));
        }
        crates.push(Crate {
            name: name.to_owned(),
            version: version.to_owned(),
            source: text("source").chars().take(64).collect(),
            linked: if text("kind") == "build" { Linked::Build } else { Linked::Runtime },
            role: match entry.get("root").and_then(Value::as_bool) {
                Some(true) => Role::Root,
                _ => Role::Dependency,
            },
            dependencies,
        });
    }
    Ok(Audit { crates })
}
