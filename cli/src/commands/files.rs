//! What the files of an image tell, for people: whose they are, what changed, what is missing.

use crate::printer::{self, plain};
use seaworthy_sbom::files::{FileFindings, State};
use seaworthy_sbom::inventory::Inventory;
use std::fmt::Write as _;

/// Rows that a table shows; the documents have all.
const ROWS: usize = 20;

/// A paragraph below the table of packages; empty where nobody asked for files.
pub(super) fn findings(inventory: &Inventory) -> String {
    let Some(found) = &inventory.file_findings else { return String::new() };
    let mut out = format!(
        "{} files: packages own {}, nobody owns {} ({} bytes)\n",
        found.files, found.owned, found.unowned.files, found.unowned.bytes
    );
    let FileFindings { as_recorded, changed, configuration_changed, .. } = found;
    let _ = writeln!(
        out,
        "{as_recorded} are what their package recorded, {changed} are not, nor are {configuration_changed} of configuration"
    );
    let _ = writeln!(
        out,
        "{} that a package recorded are missing, and {} of documentation",
        found.missing, found.missing_documentation
    );
    let mut dirs: Vec<_> = found.unowned_in.iter().collect();
    dirs.sort_by(|a, b| (b.1.bytes, a.0).cmp(&(a.1.bytes, b.0)));
    section(
        &mut out,
        &["OWNED BY NOBODY IN", "FILES", "BYTES"],
        dirs.len(),
        dirs.into_iter()
            .map(|(dir, tally)| vec![plain(dir), tally.files.to_string(), tally.bytes.to_string()]),
    );
    let changed: Vec<_> = inventory.files.iter().filter(|f| f.state == State::Changed).collect();
    let number = |layer: Option<&str>| {
        let at = inventory.layers.iter().position(|l| Some(l.digest.as_str()) == layer);
        at.map_or_else(|| "-".to_owned(), |at| (at + 1).to_string())
    };
    let name =
        |id: Option<&str>| id.and_then(|id| inventory.package(id)).map_or("-".to_owned(), |p| plain(&p.name));
    section(
        &mut out,
        &["CHANGED", "LAYER", "PACKAGE"],
        changed.len(),
        changed.into_iter().map(|file| {
            vec![plain(&file.path), number(file.layer.as_deref()), name(file.package.as_deref())]
        }),
    );
    let missing = &found.missing_files;
    section(
        &mut out,
        &["MISSING", "PACKAGE"],
        missing.len(),
        missing.iter().map(|(path, package)| vec![plain(path), plain(package)]),
    );
    out
}

fn section(out: &mut String, header: &[&str], total: usize, rows: impl Iterator<Item = Vec<String>>) {
    if total == 0 {
        return;
    }
    let rows: Vec<Vec<String>> = rows.take(ROWS).collect();
    let _ = write!(out, "\n{}", printer::table(header, &rows));
    if total > rows.len() {
        let _ = writeln!(out, "and {} more", total - rows.len());
    }
}
