//! Conda: `conda-meta/<name>-<version>-<build>.json` of an environment.
//!
//! conda, mamba and micromamba write one for each package they link. It names the files, so that a Python
//! distribution inside of it is linked to it. Of a channel only its name is kept: its URL may carry a token.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Parsed, field, proves_language_package};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;
use serde::Deserialize;

pub(crate) struct Conda;

const NAME: &str = "conda";

/// What is read of the file; the list of digests in it is the larger part and is not kept.
#[derive(Deserialize)]
struct Meta {
    name: String,
    version: String,
    #[serde(default)]
    build: Option<String>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    subdir: Option<String>,
    #[serde(default)]
    license: Option<String>,
    #[serde(default, rename = "fn")]
    file: Option<String>,
    #[serde(default)]
    md5: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    depends: Vec<String>,
    #[serde(default)]
    files: Vec<String>,
}

impl Cataloger for Conda {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`conda-meta/*.json`",
            gives: "packages with build, channel, platform, licence, SHA-256 and MD5, dependencies, owned packages of other ecosystems",
            cannot_know: "who wrote or supplies it; which of two environments a dependency means where both have it",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let name = path.strip_suffix(".json")?;
        (path::split(path::split(name).0).1 == "conda-meta").then_some(limits::LIST_BYTES)
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let meta: Meta = serde_json::from_slice(content).map_err(|e| format!("no metadata of conda: {e}"))?;
        let text = |value: &Option<String>| value.as_deref().and_then(field);
        let prefix = path::split(path::split(path).0).0;
        let kind = text(&meta.file).and_then(|file| {
            let known = ["tar.bz2", "conda"].into_iter().find(|kind| file.ends_with(&format!(".{kind}")));
            known.map(str::to_owned)
        });
        let mut record = Record::new(Ecosystem::Conda, meta.name, meta.version)
            .licensed(text(&meta.license))
            .with("conda:build", text(&meta.build))
            .with("conda:channel", text(&meta.channel).and_then(|url| channel(&url, meta.subdir.as_deref())))
            .with("conda:subdir", text(&meta.subdir))
            .with("conda:type", kind)
            .sum("SHA256", meta.sha256.as_deref().unwrap_or_default())
            .sum("MD5", meta.md5.as_deref().unwrap_or_default())
            // `python >=3.9,<3.10.0a0`; a name that begins with two low lines is the machine's.
            .needing(meta.depends.iter().filter_map(|text| text.split(' ').next()));
        let files = meta.files.iter().filter(|file| proves_language_package(file));
        record.files = files.map(|file| path::join(prefix, file)).collect();
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}

/// `https://conda.anaconda.org/conda-forge/linux-64` is `conda-forge`.
fn channel(url: &str, subdir: Option<&str>) -> Option<String> {
    let url = url.split(['?', '#']).next()?.trim_end_matches('/');
    let url = subdir.and_then(|subdir| url.strip_suffix(subdir)).unwrap_or(url);
    field(url.trim_end_matches('/').rsplit('/').next()?)
}
