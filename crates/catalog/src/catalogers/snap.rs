//! Snaps: `meta/snap.yaml` of one that is unpacked in the image, or that the image is.

use super::stated::{self, List, Reach, Record};
use super::structured::yaml;
use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::limits;
use crate::squash::View;
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Snap;

const NAME: &str = "snap";

impl Cataloger for Snap {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`meta/snap.yaml`",
            gives: "the snap with base, licence, architecture",
            cannot_know: "what is in a snap that is still packed (`*.snap`); its publisher",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        (path == "meta/snap.yaml" || path.ends_with("/meta/snap.yaml")).then_some(limits::PACKAGE_JSON_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        let top = |name: &str| {
            let line = yaml(&text).find(|line| line.indent == 0 && line.key.as_deref() == Some(name));
            line.and_then(|line| field(line.value))
        };
        let (Some(name), Some(version)) = (top("name"), top("version")) else {
            return Ok(Fact::Nothing.into());
        };
        let mut record = Record::new(Ecosystem::Snap, name, version)
            .licensed(top("license"))
            .with("snap:base", top("base"))
            .needing(top("base"));
        record.package.description = top("summary");
        let mut lines = yaml(&text).skip_while(|line| line.key.as_deref() != Some("architectures"));
        record.package.architecture =
            lines.nth(1).filter(|line| line.item && line.key.is_none()).and_then(|line| field(line.value));
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}
