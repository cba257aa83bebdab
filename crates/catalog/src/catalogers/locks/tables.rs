//! `[[package]]` tables of TOML, as cargo, Poetry, uv, PDM and PEP 751 write them.
//!
//! Keys are read up to the next package; `[package.dependencies]` and the like belong to the package before them. A
//! dependency is an item of `dependencies = […]` (a text, or a table with `name`), or a key of
//! `[package.dependencies]`.

use crate::catalogers::field;
use crate::catalogers::python::normal;
use crate::catalogers::stated::{List, Record};
use crate::catalogers::structured::{plain, quoted};
use seaworthy_sbom::inventory::Ecosystem;

#[derive(Default)]
struct Table {
    name: Option<String>,
    version: Option<String>,
    local: Option<()>,
    checksum: Option<String>,
    development: Option<()>,
    depends: Vec<String>,
}

/// Where in a package the lines stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Outside,
    Package,
    /// The items of `dependencies = [`.
    Items,
    /// Below `[package.dependencies]`.
    Dependencies,
    /// Another table of the package.
    Other,
}

/// Reads all packages of `text`.
pub(super) fn read(ecosystem: Ecosystem, text: &str, list: &mut List) {
    let mut table = Table::default();
    let mut part = Part::Outside;
    for line in text.lines().map(str::trim) {
        if part == Part::Items {
            match line {
                "]" => part = Part::Package,
                item => table.depends.extend(items(ecosystem, item)),
            }
            continue;
        }
        if line.starts_with('[') && line.ends_with(']') && !line.contains('=') {
            let name = line.trim_matches(['[', ']']);
            match name {
                "package" | "packages" => {
                    finish(ecosystem, std::mem::take(&mut table), list);
                    part = Part::Package;
                }
                "package.dependencies" => part = Part::Dependencies,
                name if name.starts_with("package.") || name.starts_with("packages.") => part = Part::Other,
                _ => {
                    finish(ecosystem, std::mem::take(&mut table), list);
                    part = Part::Outside;
                }
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match part {
            Part::Dependencies if ecosystem == Ecosystem::Pypi => table.depends.push(normal(plain(key))),
            Part::Package => {
                if key == "dependencies" && value == "[" {
                    part = Part::Items;
                } else {
                    set(ecosystem, &mut table, key, value);
                }
            }
            _ => {}
        }
    }
    finish(ecosystem, table, list);
}

fn set(ecosystem: Ecosystem, table: &mut Table, key: &str, value: &str) {
    let text = || value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).and_then(field);
    match key {
        "name" => table.name = text(),
        "version" => table.version = text(),
        "checksum" => table.checksum = text(),
        // uv marks the project and its parts, PDM and PEP 751 what stands in a directory: none was downloaded.
        "source" if ["editable =", "virtual ="].iter().any(|mark| value.contains(mark)) => {
            table.local = Some(());
        }
        "directory" | "path" => table.local = Some(()),
        // Poetry before 1.5 and Cargo have no list but one word.
        "category" if value == "\"dev\"" => table.development = Some(()),
        "groups" => {
            let mut groups = quoted(value).peekable();
            let only = groups.peek().is_some() && groups.all(|group| !matches!(group, "main" | "default"));
            table.development = only.then_some(());
        }
        "dependencies" => table.depends.extend(items(ecosystem, value)),
        _ => {}
    }
}

/// The packages that an item, or a list of them in one line, names.
fn items(ecosystem: Ecosystem, text: &str) -> Vec<String> {
    if text.contains("{") {
        // `{ name = "idna", version = "3.7", marker = "…" },`
        return text
            .split('{')
            .skip(1)
            .filter_map(|table| {
                let name = value_of(table, "name")?;
                Some(match value_of(table, "version") {
                    Some(version) => format!("{}@{version}", normal(name)),
                    None => normal(name),
                })
            })
            .collect();
    }
    quoted(text)
        .filter_map(|item| match ecosystem {
            // `serde`, `serde 1.0.0`, `serde 1.0.0 (registry+…)`.
            Ecosystem::Cargo => {
                let mut words = item.split(' ');
                let name = words.next()?;
                Some(words.next().map_or_else(|| name.to_owned(), |version| format!("{name}@{version}")))
            }
            // A requirement of PEP 508.
            _ => {
                let end = item.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
                Some(normal(item.get(..end.unwrap_or(item.len()))?)).filter(|name| !name.is_empty())
            }
        })
        .collect()
}

/// The text behind `key =` in a table in one line.
fn value_of<'a>(table: &'a str, key: &str) -> Option<&'a str> {
    table.split(',').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name.trim() == key).then(|| plain(value.trim().trim_end_matches('}')))
    })
}

fn finish(ecosystem: Ecosystem, table: Table, list: &mut List) {
    let (None, Some(name)) = (table.local, table.name) else { return };
    let Some(version) = table.version else {
        // PEP 751 lets directories and repositories go without a version; they are no release.
        list.leave_out();
        return;
    };
    let called = if ecosystem == Ecosystem::Pypi { normal(&name) } else { name.clone() };
    let mut record = Record::declared(ecosystem, &name, &version)
        .called(format!("{called}@{version}"))
        .called(called)
        .needing(table.depends);
    if let Some(hex) = table.checksum {
        record = record.sum("SHA256", &hex);
    }
    list.add(if table.development.is_some() { record.for_development() } else { record });
}
