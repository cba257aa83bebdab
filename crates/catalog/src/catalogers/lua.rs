//! Lua: rocks that LuaRocks installed.
//!
//! `luarocks/rocks[-<lua>]/<name>/<version>/<name>-<version>.rockspec`: name and version are those of the place. The
//! rockspec is a program in Lua; only literal texts in it are taken, it is not run.

use super::stated::{self, List, Reach, Record};
use super::structured::quoted;
use super::{Cataloger, Parsed, field};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Lua;

const NAME: &str = "lua";

impl Cataloger for Lua {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`luarocks/rocks*/*/*/*.rockspec`",
            gives: "rocks with licence, dependencies",
            cannot_know: "modules that were copied; rockspecs that compute their fields",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        place(path).map(|_| limits::PACKAGE_JSON_BYTES)
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let (name, version) = place(path).ok_or("not in a tree of rocks")?;
        let text = String::from_utf8_lossy(content);
        let literal = |key: &str| {
            let value = text.lines().find_map(|line| {
                let rest = line.trim_start().strip_prefix(key)?.trim_start().strip_prefix('=')?;
                Some(rest.trim_start())
            })?;
            value.starts_with(['"', '\'']).then(|| quoted(value).next().and_then(field)).flatten()
        };
        let needs = text.split_once("\ndependencies").and_then(|(_, rest)| {
            let inside = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('{')?;
            Some(inside.split('}').next()?.to_owned())
        });
        let needs = needs.unwrap_or_default();
        let needs = quoted(&needs).filter_map(|text| text.split([' ', '<', '>', '=', '~']).next());
        let mut record = Record::new(Ecosystem::Luarocks, name, version)
            .licensed(literal("license"))
            .needing(needs.map(str::to_owned).collect::<Vec<_>>());
        record.package.homepage = literal("homepage");
        record.package.description = literal("summary");
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}

/// Name and version of the rock whose rockspec stands at `path`.
fn place(path: &str) -> Option<(&str, &str)> {
    let spec = path.strip_suffix(".rockspec")?;
    let (dir, base) = path::split(spec);
    let (above, version) = path::split(dir);
    let (tree, name) = path::split(above);
    let (parent, tree) = path::split(tree);
    let rocks = (tree == "rocks" || tree.starts_with("rocks-")) && path::split(parent).1 == "luarocks";
    (rocks && base.strip_prefix(name)?.strip_prefix('-')? == version).then_some((name, version))
}
