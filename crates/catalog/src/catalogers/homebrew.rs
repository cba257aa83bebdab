//! Homebrew: formulae in a Cellar.
//!
//! `Cellar/<name>/<version>/INSTALL_RECEIPT.json` is written for every installed keg; name and version are those of
//! its directory. The recipe that was run stands beside it as `.brew/<name>.rb`: of it only literal `license`,
//! `homepage` and `desc` are taken, it is not run.

use super::stated::{self, List, Reach, Record};
use super::structured::quoted;
use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;
use serde_json::Value;

pub(crate) struct Homebrew;

const NAME: &str = "homebrew";
const RECEIPT: &str = "INSTALL_RECEIPT.json";

impl Cataloger for Homebrew {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`Cellar/*/*/INSTALL_RECEIPT.json`, `Cellar/*/*/.brew/*.rb`",
            gives: "formulae with tap, licence, dependencies",
            cannot_know: "casks; recipes that compute their licence",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let mut parts = path.rsplit('/');
        let (base, dir) = (parts.next()?, parts.next()?);
        let keg = |mut above: std::iter::Skip<_>| above.next() == Some("Cellar");
        match base {
            RECEIPT => keg(parts.skip(1)).then_some(limits::PACKAGE_JSON_BYTES),
            base if dir == ".brew" && base.ends_with(".rb") => {
                keg(parts.skip(2)).then_some(limits::PACKAGE_JSON_BYTES)
            }
            _ => None,
        }
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        if !path.ends_with(RECEIPT) {
            return Ok(Fact::Beside(recipe(&String::from_utf8_lossy(content))).into());
        }
        let json: Value = serde_json::from_slice(content).map_err(|e| format!("no JSON: {e}"))?;
        let (above, version) = path::split(path::split(path).0);
        let text = |at: &str| json.pointer(at).and_then(Value::as_str).and_then(field);
        let needs = json.get("runtime_dependencies").and_then(Value::as_array).into_iter().flatten();
        let needs = needs.filter_map(|one| field(one.get("full_name")?.as_str()?.rsplit('/').next()?));
        let mut record = Record::new(Ecosystem::Brew, path::split(above).1, version)
            .needing(needs)
            .with("brew:tap", text("/source/tap"));
        record.package.architecture = text("/arch");
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect_with(NAME, view, out, |view, path, mut record| {
            let place = format!("{}/.brew/{}.rb", path::split(path).0, record.package.name);
            for line in stated::beside(view, &place).unwrap_or_default() {
                match line.split_once(' ') {
                    Some(("license", text)) => record = record.licensed([text]),
                    Some(("homepage", text)) => record.package.homepage = field(text),
                    Some(("desc", text)) => record.package.description = field(text),
                    _ => {}
                }
            }
            Some(record)
        });
    }
}

/// `license "MIT"`, `license any_of: ["MIT", "Apache-2.0"]`: the word and what it says.
fn recipe(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        // Two blanks: the formula's own, not a resource's.
        let Some((word, rest)) = line.strip_prefix("  ").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let known = matches!(word, "license" | "homepage" | "desc");
        if !known || found.iter().any(|line| line.split(' ').next() == Some(word)) {
            continue;
        }
        let literal = rest.starts_with('"');
        let joined = match () {
            () if literal => quoted(rest).next().map(str::to_owned),
            () if word == "license" && rest.ends_with(']') && rest.matches('[').count() == 1 => {
                let word = if rest.starts_with("all_of:") { " AND " } else { " OR " };
                let known = rest.starts_with("all_of:") || rest.starts_with("any_of:");
                // `{ "GPL-2.0-only" => { with: … } }` says more than a list of names.
                (known && !rest.contains("=>")).then(|| quoted(rest).collect::<Vec<_>>().join(word))
            }
            () => None,
        };
        found.extend(joined.as_deref().and_then(field).map(|text| format!("{word} {text}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_literal() {
        let text = "class Jq < Formula\n  desc \"JSON\"\n  homepage \"https://jq\"\n  license all_of: [\"MIT\", \"ICU\"]\n  resource \"x\" do\n    license \"no\"\n  end\nend\n";
        assert_eq!(recipe(text), ["desc JSON", "homepage https://jq", "license MIT AND ICU"]);
        assert!(recipe("  license any_of: [\"MIT\", { \"GPL-2.0-only\" => { with: \"x\" } }]\n").is_empty());
        assert!(recipe("  license :public_domain\n  license").is_empty());
    }
}
