//! What a format has no place for, carried beside it.
//!
//! A writer builds the format's own form of a package, reads that back, and puts into `Extra` exactly what
//! came back different. So nothing is lost, nothing is said twice, and a format that learns a field needs
//! no change here.
//!
//! What decides identity is never carried here: name, version, purl, checksums and licence expression are
//! what the format's own fields say. Otherwise a document could show one package to people and another to a
//! policy. The subject's digest, likewise, is read from the format's own fields alone.

use crate::files::FileFindings;
use crate::inventory::{
    Creator, Ecosystem, Evidence, Inventory, Layer, OsRelease, Package, Presence, SourcePackage,
};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Present and null is not the same as absent: null takes away what the format's own field said.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

macro_rules! extra {
    ($(#[$doc:meta])* $name:ident of $model:ty { $($field:ident ($($path:ident).+): $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub(crate) struct $name {
            $(
                #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
                $field: Option<$kind>,
            )+
        }

        impl $name {
            /// What must be carried so that `native` becomes `wanted`; `None` where they agree.
            pub(crate) fn between(wanted: &$model, native: &$model) -> Option<Self> {
                let extra = Self {
                    $($field: (wanted.$($path).+ != native.$($path).+).then(|| wanted.$($path).+.clone()),)+
                };
                (extra != Self::default()).then_some(extra)
            }

            /// Puts what was carried into `native`.
            pub(crate) fn apply(self, native: &mut $model) {
                $(if let Some(value) = self.$field {
                    native.$($path).+ = value;
                })+
            }
        }
    };
}

extra! {
    /// Of a package.
    PackageExtra of Package {
        ecosystem (ecosystem): Ecosystem,
        presence (presence): Presence,
        architecture (architecture): Option<String>,
        source (source): Option<SourcePackage>,
        license_declared (license.declared): Vec<String>,
        license_concluded (license.concluded): Option<String>,
        supplier (supplier): Option<String>,
        originator (originator): Option<String>,
        copyright (copyright): Option<String>,
        homepage (homepage): Option<String>,
        download (download): Option<String>,
        description (description): Option<String>,
        cpes (cpes): Vec<String>,
        layer (layer): Option<String>,
        evidence (evidence): Vec<Evidence>,
        files (files): Vec<String>,
        found_by (found_by): Option<String>,
        properties (properties): BTreeMap<String, String>,
    }
}

extra! {
    /// Of a document.
    DocumentExtra of Inventory {
        created (created): Option<i64>,
        creators (creators): Vec<Creator>,
        name (subject.name): String,
        media_type (subject.media_type): Option<String>,
        platform (subject.platform): Option<String>,
        tag (subject.tag): Option<String>,
        supplier (subject.supplier): Option<String>,
        os (os): Option<OsRelease>,
        layers (layers): Vec<Layer>,
        file_findings (file_findings): Option<FileFindings>,
    }
}

impl PackageExtra {
    /// [`PackageExtra::apply`], but a purl that names an ecosystem has the last word about it.
    pub(crate) fn apply_to(mut self, package: &mut Package) {
        if package.ecosystem != Ecosystem::Generic {
            self.ecosystem = None;
        }
        self.apply(package);
    }
}

/// Who made something, as documents write it: a name with a mail address or URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) name: String,
    pub(crate) contact: Option<String>,
}

impl Party {
    /// Reads `Name <contact>`.
    pub(crate) fn parse(text: &str) -> Self {
        match text.trim().strip_suffix('>').and_then(|t| t.split_once('<')) {
            Some((name, contact)) if !name.trim().is_empty() && !contact.trim().is_empty() => {
                Self { name: name.trim().to_owned(), contact: Some(contact.trim().to_owned()) }
            }
            _ => Self { name: text.trim().to_owned(), contact: None },
        }
    }

    /// Writes `Name <contact>`.
    pub(crate) fn text(&self) -> String {
        match &self.contact {
            Some(contact) => format!("{} <{contact}>", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether it is a group by its name: formats want to know, and packages do not say.
    pub(crate) fn is_group(&self) -> bool {
        const WORDS: [&str; 22] = [
            "team",
            "developers",
            "maintainers",
            "group",
            "project",
            "foundation",
            "inc",
            "inc.",
            "ltd",
            "ltd.",
            "gmbh",
            "llc",
            "corporation",
            "corp",
            "corp.",
            "packagers",
            "authority",
            "contributors",
            "authors",
            "debian",
            "alpine",
            "ubuntu",
        ];
        self.name.to_lowercase().split(|c: char| !c.is_alphanumeric() && c != '.').any(|w| WORDS.contains(&w))
            || !self.name.contains(' ')
    }

    /// Whether the contact is a mail address in the plain form that schemas check.
    pub(crate) fn email(&self) -> Option<&str> {
        self.contact.as_deref().filter(|c| is_email(c))
    }
}

/// A mail address plain enough for every validator.
pub(crate) fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| {
        let plain = |t: &str| {
            !t.is_empty()
                && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._%+-".contains(&b))
                && !t.starts_with('.')
        };
        plain(user) && plain(host)
    })
}

/// A URL plain enough for every validator.
pub(crate) fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b))
            && !host.starts_with(['.', '-', ':'])
            && host
                .split_once(':')
                .is_none_or(|(_, p)| p.len() < 6 && !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=".contains(&b))
            && rest.matches('#').count() < 2
    })
}

/// A CPE 2.3 formatted string, by the shape that schemas check (NISTIR 7695, section 6.2).
pub(crate) fn is_cpe23(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("cpe:2.3:") else { return false };
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for c in rest.chars() {
        match c {
            ':' if !escaped => parts.push(String::new()),
            c => {
                if let Some(last) = parts.last_mut() {
                    last.push(c);
                }
            }
        }
        escaped = c == '\\' && !escaped;
    }
    parts.len() == 11
        && matches!(parts[0].as_str(), "a" | "h" | "o")
        && parts.iter().skip(1).all(|p| {
            p == "*"
                || p == "-"
                || (!p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)))
        })
}

/// The length in hex digits of an SPDX checksum algorithm's values.
pub(crate) fn hex_length(algorithm: &str) -> Option<usize> {
    Some(match algorithm {
        "MD5" => 32,
        "SHA1" => 40,
        "SHA224" => 56,
        "SHA256" | "SHA3-256" | "BLAKE2b-256" | "BLAKE3" => 64,
        "SHA384" | "SHA3-384" | "BLAKE2b-384" => 96,
        "SHA512" | "SHA3-512" | "BLAKE2b-512" => 128,
        _ => return None,
    })
}

/// `sha256:<64 lower-case hex digits>`, the only digest that an inventory's subject has.
pub(crate) fn sha256_digest(text: &str) -> Option<String> {
    let hex = text.strip_prefix("sha256:")?;
    (hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))).then(|| text.to_owned())
}

/// RFC 3339 with seconds in UTC. Years beyond 9999 cannot be written so; they become the last second of it.
pub(crate) fn rfc3339(seconds: i64) -> String {
    const LAST: i64 = 253_402_207_200;
    let clamped = seconds.clamp(0, LAST);
    jiff::Timestamp::from_second(clamped)
        .map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// The seconds of an RFC 3339 time.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    text.trim().parse::<jiff::Timestamp>().ok().map(|t| t.as_second())
}

/// The source package that a purl's `upstream` qualifier names.
pub(crate) fn upstream(text: &str) -> SourcePackage {
    // rpm: `bash-5.1.8-4.el9.src.rpm`.
    if let Some((rest, release)) = text.strip_suffix(".src.rpm").and_then(|stem| stem.rsplit_once('-'))
        && let Some((name, version)) = rest.rsplit_once('-')
        && !name.is_empty()
    {
        return SourcePackage { name: name.to_owned(), version: Some(format!("{version}-{release}")) };
    }
    match text.split_once('@') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => {
            SourcePackage { name: name.to_owned(), version: Some(version.to_owned()) }
        }
        _ => SourcePackage { name: text.to_owned(), version: None },
    }
}

/// Fills in what a package's purl says: ecosystem, the namespace in its name, version, architecture, source.
pub(crate) fn fill_from_purl(package: &mut Package) {
    let Some(purl) = package.purl.as_deref().and_then(|p| crate::purl::Purl::parse(p).ok()) else { return };
    package.ecosystem = purl.ecosystem();
    // Some writers put only the last part of `@babel/core` or `org.slf4j:slf4j-api` into the name.
    if package.name.is_empty() || (package.name == purl.name && purl.namespace.is_some()) {
        package.name = purl.package_name();
    }
    if package.version.is_none() {
        package.version = purl.package_version();
    }
    package.architecture = purl.qualifiers.get("arch").cloned();
    package.source = purl.qualifiers.get("upstream").map(|u| upstream(u));
    package.purl = Some(purl.to_string());
}

/// The digest and tag that an image's purl names.
pub(crate) fn image_purl(text: &str) -> Option<crate::purl::Purl> {
    crate::purl::Purl::parse(text).ok().filter(|p| matches!(p.kind.as_str(), "oci" | "docker"))
}
