//! Dart and Flutter: packages in a pub cache.
//!
//! `.pub-cache/hosted/<host>/<name>-<version>/pubspec.yaml`. What was compiled into a program is not in a cache.

use super::stated::{self, List, Reach, Record};
use super::structured::yaml;
use super::{Cataloger, Parsed, field};
use crate::collect::Collector;
use crate::limits;
use crate::squash::View;
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Dart;

const NAME: &str = "dart";

impl Cataloger for Dart {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`.pub-cache/hosted/*/*/pubspec.yaml`",
            gives: "packages with home page, dependencies, licence by its text",
            cannot_know: "what was compiled into a program",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let rest = path.strip_suffix("/pubspec.yaml")?.split_once(".pub-cache/hosted/")?.1;
        (rest.matches('/').count() == 1).then_some(limits::PACKAGE_JSON_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        let (mut name, mut version, mut home, mut summary) = (None, None, None, None);
        let (mut inside, mut needs) = (false, Vec::new());
        for line in yaml(&text) {
            match (line.indent, line.key.as_deref()) {
                (0, Some(key)) => {
                    inside = key == "dependencies";
                    match key {
                        "name" => name = field(line.value),
                        "version" => version = field(line.value),
                        "homepage" | "repository" if home.is_none() => home = field(line.value),
                        "description" => summary = field(line.value).filter(|text| text.len() > 2),
                        _ => {}
                    }
                }
                (2, Some(key)) if inside => needs.push(key.to_owned()),
                _ => {}
            }
        }
        let (Some(name), Some(version)) = (name, version) else {
            return Err("no name and version in it".into());
        };
        let mut record = Record::new(Ecosystem::Pub, name, version).needing(needs);
        record.package.homepage = home;
        record.package.description = summary;
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}
