//! The formats by name, and which one some bytes are in.
//!
//! Sniffing looks at the two marker keys of the top-level object alone (`spdxVersion`, `bomFormat`); it
//! refuses bytes that carry both, because two readers could then see two documents.

use crate::inventory::Inventory;
use crate::{Error, ErrorKind, Result, cyclonedx, json, spdx};
use serde::Deserialize;
use std::io::Write;

/// A document format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// SPDX 2.3 as JSON (2.2 is read too).
    SpdxJson,
    /// CycloneDX 1.4 to 1.7 as JSON; 1.6 if nothing else is asked for.
    CycloneDxJson,
}

/// How the JSON is laid out. Both are the same document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// One line: what is signed and stored.
    #[default]
    Compact,
    /// Indented by two spaces, with a newline at the end: for people and for diffs.
    Pretty,
}

/// How a document is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// How the JSON is laid out.
    pub layout: Layout,
    /// The version of CycloneDX documents.
    pub cyclonedx: cyclonedx::Version,
}

impl WriteOptions {
    /// Options with this layout.
    pub fn new(layout: Layout) -> Self {
        Self { layout, ..Self::default() }
    }

    /// The same with another version of CycloneDX.
    #[must_use]
    pub fn cyclonedx(mut self, version: cyclonedx::Version) -> Self {
        self.cyclonedx = version;
        self
    }
}

impl Format {
    /// All formats, the default first.
    pub const ALL: [Self; 2] = [Self::SpdxJson, Self::CycloneDxJson];

    /// The name on the command line: `spdx-json`, `cyclonedx-json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpdxJson => "spdx-json",
            Self::CycloneDxJson => "cyclonedx-json",
        }
    }

    /// Other names that people know it by.
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::SpdxJson => &["spdx", "spdxjson"],
            Self::CycloneDxJson => &["cyclonedx", "cdx", "cdx-json", "cyclonedxjson"],
        }
    }

    /// The format of that name or alias, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Self::ALL.into_iter().find(|f| f.name() == name || f.aliases().contains(&name.as_str()))
    }

    /// The in-toto predicate type that we write for it.
    pub const fn predicate_type(self) -> &'static str {
        match self {
            Self::SpdxJson => "https://spdx.dev/Document",
            Self::CycloneDxJson => "https://cyclonedx.org/bom",
        }
    }

    /// The format behind a predicate type: ours, or ours with a version after a slash, as others write it
    /// (`https://spdx.dev/Document/v2.3`).
    pub fn from_predicate_type(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| {
            uri.strip_prefix(f.predicate_type()).is_some_and(|rest| {
                rest.is_empty()
                    || rest.strip_prefix("/v").is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
            })
        })
    }

    /// The media type that we write for it.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::SpdxJson => "application/spdx+json",
            Self::CycloneDxJson => "application/vnd.cyclonedx+json",
        }
    }

    /// The format behind a media type; parameters after `;` are ignored.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match bare.as_str() {
            "application/spdx+json" | "text/spdx+json" => Some(Self::SpdxJson),
            "application/vnd.cyclonedx+json" => Some(Self::CycloneDxJson),
            _ => None,
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::from_name(name).ok_or_else(|| {
            let shown: String = name.chars().take(60).collect();
            Error::new(
                "choose a format",
                ErrorKind::UnknownFormat(format!("'{}' is no SBOM format", shown.escape_debug())),
            )
            .hint("the formats are spdx-json and cyclonedx-json")
        })
    }
}

/// The format of a document.
///
/// # Errors
/// [`ErrorKind::UnknownFormat`] for anything else, [`ErrorKind::Malformed`] for bytes that are no JSON
/// object or claim to be both, [`ErrorKind::LimitExceeded`].
pub fn sniff(bytes: &[u8]) -> Result<Format> {
    const TRIED: &str = "recognise the SBOM";

    #[derive(Deserialize)]
    struct Markers {
        #[serde(rename = "spdxVersion", default)]
        spdx: Option<serde::de::IgnoredAny>,
        #[serde(rename = "bomFormat", default)]
        cyclonedx: Option<serde::de::IgnoredAny>,
    }

    json::guard(TRIED, bytes)?;
    let start = bytes.iter().copied().find(|b| !b.is_ascii_whitespace());
    if start != Some(b'{') {
        let what = if start == Some(b'<') { "XML" } else { "no JSON object" };
        return Err(Error::new(TRIED, ErrorKind::UnknownFormat(format!("the bytes are {what}")))
            .hint("SPDX JSON and CycloneDX JSON can be read"));
    }
    let markers: Markers = json::parse(TRIED, bytes)?;
    match (markers.spdx, markers.cyclonedx) {
        (Some(_), None) => Ok(Format::SpdxJson),
        (None, Some(_)) => Ok(Format::CycloneDxJson),
        (Some(_), Some(_)) => Err(Error::new(
            TRIED,
            ErrorKind::Malformed("it claims to be SPDX and CycloneDX at once".to_owned()),
        )),
        (None, None) => Err(Error::new(
            TRIED,
            ErrorKind::UnknownFormat("the object has neither spdxVersion nor bomFormat".to_owned()),
        )
        .hint("SPDX JSON and CycloneDX JSON can be read")),
    }
}

/// Reads a document of whichever format.
///
/// # Errors
/// What [`sniff`], [`spdx::read`] and [`cyclonedx::read`] give.
pub fn read(bytes: &[u8]) -> Result<(Format, Inventory)> {
    let format = sniff(bytes)?;
    let inventory = match format {
        Format::SpdxJson => spdx::read(bytes)?,
        Format::CycloneDxJson => cyclonedx::read(bytes)?,
    };
    Ok((format, inventory))
}

/// Writes an inventory as a document.
///
/// # Errors
/// [`ErrorKind::Io`] when `out` fails.
pub fn write(format: Format, inventory: &Inventory, options: &WriteOptions, out: impl Write) -> Result<()> {
    match format {
        Format::SpdxJson => spdx::write(inventory, options, out),
        Format::CycloneDxJson => cyclonedx::write(inventory, options, out),
    }
}
