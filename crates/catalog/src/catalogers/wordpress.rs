//! WordPress: itself, its plugins and themes, by the headers of their files.
//!
//! A plugin is a `.php` directly in `wp-content/plugins` or in a directory there, with `Plugin Name:` in its first
//! 8 KiB (developer.wordpress.org, "Header Requirements"); a theme is a `style.css` with `Theme Name:`. Their names
//! are those of the directories, which is what the registry of WordPress calls them. The version of WordPress stands
//! in `wp-includes/version.php`. No PHP is run.

use super::stated::{self, List, Reach, Record};
use super::structured::quoted;
use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::limits;
use crate::squash::View;
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Wordpress;

const NAME: &str = "wordpress";

/// As much as WordPress itself looks at (`get_file_data`).
const HEADER_BYTES: usize = 8 << 10;

/// What a path is.
enum Place<'a> {
    Core,
    Plugin(&'a str),
    Theme(&'a str),
}

fn place(path: &str) -> Option<Place<'_>> {
    if path.ends_with("wp-includes/version.php") {
        return Some(Place::Core);
    }
    let rest = path.split_once("wp-content/")?.1;
    let mut parts = rest.split('/');
    match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
        ("plugins" | "mu-plugins", dir, Some(base), None) if base.ends_with(".php") => {
            Some(Place::Plugin(dir))
        }
        ("plugins" | "mu-plugins", base, None, None) => base.strip_suffix(".php").map(Place::Plugin),
        ("themes", dir, Some("style.css"), None) => Some(Place::Theme(dir)),
        _ => None,
    }
}

impl Cataloger for Wordpress {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`wp-includes/version.php`, `wp-content/plugins/*/*.php`, `wp-content/themes/*/style.css`",
            gives: "WordPress, plugins and themes with version, author, licence",
            cannot_know: "which plugins are active; checksums",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        place(path).map(|_| limits::METADATA_BYTES)
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content.get(..HEADER_BYTES).unwrap_or(content));
        let header = |name: &str| {
            text.lines().find_map(|line| {
                let line = line.trim_start_matches(['/', '*', ' ', '\t', '#', '@', '<', '?', 'p', 'h']);
                let rest = line.strip_prefix(name)?.strip_prefix(':')?;
                field(rest.trim_end_matches("*/").trim_end_matches("?>"))
            })
        };
        let mut list = List::default();
        let (kind, dir) = match place(path) {
            Some(Place::Core) => {
                let line = text.lines().find(|line| line.trim_start().starts_with("$wp_version"));
                let version = line.and_then(|line| quoted(line).next()).ok_or("no $wp_version in it")?;
                list.add(
                    Record::new(Ecosystem::Generic, "wordpress", version).licensed(["GPL-2.0-or-later"]),
                );
                return list.done(NAME, Reach::File);
            }
            Some(Place::Plugin(dir)) if header("Plugin Name").is_some() => ("plugin", dir),
            Some(Place::Theme(dir)) if header("Theme Name").is_some() => ("theme", dir),
            _ => return Ok(Fact::Nothing.into()),
        };
        let Some(version) = header("Version") else { return Err(format!("a {kind} without a version")) };
        let mut record =
            Record::new(Ecosystem::Wordpress, format!("{kind}/{dir}"), version).licensed(header("License"));
        record.package.originator = header("Author");
        record.package.homepage = header("Plugin URI").or_else(|| header("Theme URI"));
        record.package.description = header("Plugin Name").or_else(|| header("Theme Name"));
        list.add(record);
        list.done(NAME, Reach::File)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}
