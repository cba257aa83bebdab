//! The table of known programs: `data/programs.txt`, compiled in and read once.
//!
//! A program is looked for in files of certain names only. The index answers for a base name without going
//! through the table, because every executable of an image asks.

use super::pattern::Pattern;
use crate::catalogers::{paragraphs, value};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The table in this build.
pub(super) static TABLE: LazyLock<Table> =
    LazyLock::new(|| Table::parse(include_str!("../../data/programs.txt")).unwrap_or_default());

/// Every file of every package's list asks for its name: one look-up has to tell most of them apart.
const KEY_BYTES: usize = 4;

/// A program of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// Its name in the inventory.
    pub(crate) name: String,
    /// Its purl without version, where it has another than `pkg:generic/NAME`.
    pub(crate) purl: Option<String>,
    /// CPE 2.3's vendor and product.
    pub(crate) cpe: Option<(String, String)>,
    /// Its licence as SPDX writes it, where all versions have the same.
    pub(crate) license: Option<String>,
    pub(super) find: Vec<Pattern>,
}

/// All programs, and where to look for them.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) programs: Vec<Program>,
    /// Globs and programs, by the first bytes of the literal before the first `*`.
    globs: HashMap<[u8; KEY_BYTES], Vec<(String, usize)>>,
    /// Those whose literal is shorter.
    short: Vec<(String, usize)>,
}

impl Table {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        for fields in paragraphs(text) {
            let get = |name: &str| value(&fields, name).filter(|v| !v.is_empty());
            let name = get("Program").ok_or("a paragraph without Program")?.to_owned();
            let wrong = |why: &str| format!("{name}: {why}");
            const FIELDS: [&str; 6] = ["Program", "Files", "Find", "Purl", "Cpe", "License"];
            if let Some((other, _)) = fields.iter().find(|(field, _)| !FIELDS.contains(field)) {
                return Err(wrong(&format!("no field is called '{other}'")));
            }
            let mut find = Vec::new();
            for line in get("Find").ok_or_else(|| wrong("no Find"))?.lines() {
                find.push(Pattern::parse(line).map_err(|why| wrong(&why))?);
            }
            for glob in get("Files").ok_or_else(|| wrong("no Files"))?.split_whitespace() {
                let literal = glob.split('*').next().unwrap_or_default();
                if literal.is_empty() || glob.contains('/') {
                    return Err(wrong("a name in Files begins with text and has no slash"));
                }
                let place = (glob.to_owned(), table.programs.len());
                match literal.as_bytes().first_chunk() {
                    Some(key) => table.globs.entry(*key).or_default().push(place),
                    None => table.short.push(place),
                }
            }
            let cpe = match get("Cpe") {
                Some(cpe) => {
                    let (vendor, product) =
                        cpe.split_once(':').ok_or_else(|| wrong("Cpe is vendor:product"))?;
                    Some((vendor.to_owned(), product.to_owned()))
                }
                None => None,
            };
            let (purl, license) = (get("Purl").map(str::to_owned), get("License").map(str::to_owned));
            table.programs.push(Program { name, purl, cpe, license, find });
        }
        Ok(table)
    }

    /// The programs that may be in a file of that base name, each with what the first `*` stands for.
    pub(super) fn candidates<'a>(&'a self, base: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let long = base.as_bytes().first_chunk().and_then(|key| self.globs.get(key));
        long.into_iter()
            .flatten()
            .chain(self.short.iter().filter(|(glob, _)| glob.bytes().next() == base.bytes().next()))
            .filter_map(|(glob, program)| Some((*program, matched(glob, base)?)))
    }
}

/// What the first `*` of `glob` stands for in `name`; empty where there is none.
fn matched<'a>(glob: &str, name: &'a str) -> Option<&'a str> {
    let mut parts = glob.split('*');
    let mut rest = name.strip_prefix(parts.next()?)?;
    let mut star = None;
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() {
            rest.len().checked_sub(part.len()).filter(|at| rest.get(*at..) == Some(part))?
        } else {
            rest.find(part)?
        };
        star = star.or(rest.get(..at));
        rest = rest.get(at + part.len()..)?;
    }
    rest.is_empty().then_some(star.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let table = Table::parse(include_str!("../../data/programs.txt")).unwrap();
        assert!(table.programs.len() >= 100, "{}", table.programs.len());
        let mut names: Vec<&str> = table.programs.iter().map(|p| p.name.as_str()).collect();
        let sorted = names.clone();
        names.sort_unstable();
        assert_eq!(names, sorted, "programs stand in the order of their names");
        names.dedup();
        assert_eq!(names.len(), sorted.len(), "one paragraph for each program");
        for program in &table.programs {
            for pattern in &program.find {
                // Two characters: the least that a file's name can give.
                assert!(pattern.live("3.1").is_some(), "{}: an anchor that is too short", program.name);
            }
            if let Some(license) = &program.license {
                let known = seaworthy_sbom::license::normalize(
                    std::slice::from_ref(license),
                    seaworthy_sbom::inventory::Ecosystem::Generic,
                );
                assert_eq!(known.expression.as_deref(), Some(license.as_str()), "{}", program.name);
            }
            if let Some(purl) = &program.purl {
                let text = format!("{purl}@1.0");
                assert_eq!(seaworthy_sbom::purl::canonical(&text).as_deref(), Some(text.as_str()));
            }
        }
    }

    #[test]
    fn globs() {
        assert_eq!(matched("nginx", "nginx"), Some(""));
        assert_eq!(matched("nginx", "nginx2"), None);
        assert_eq!(matched("python*", "python3.11"), Some("3.11"));
        assert_eq!(matched("libpython*.so*", "libpython3.11.so.1.0"), Some("3.11"));
        assert_eq!(matched("libpython*.so", "libpython3.11.so.1"), None);
        assert_eq!(matched("a*b*a", "aba"), Some(""));
        assert_eq!(matched("ab*ba", "aba"), None);
    }

    #[test]
    fn a_wrong_table_says_where() {
        for (text, why) in [
            ("Program: x\nFiles: x\n", "no Find"),
            ("Program: x\nFind: x {version}\n", "no Files"),
            ("Program: x\nFiles: *\nFind: x {version}\n", "begins with text"),
            ("Program: x\nFiles: x\nFind: x {version}\nCpe: x\n", "vendor:product"),
            ("Program: x\nFiles: x\nFind: x {version}\nCve: x\n", "'Cve'"),
            ("Files: x\n", "without Program"),
        ] {
            let error = Table::parse(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
