//! The one model of what is in an image.
//!
//! Order carries no meaning in it: [`Inventory::normalize`] sorts everything, so that the same image gives
//! the same bytes. What is not known is `None` or empty, never a word like `UNKNOWN`.

use crate::files::{FileFindings, Files};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is in one image (or directory, or document).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// What the inventory is of.
    pub subject: Subject,
    /// When it was made, seconds since 1970 UTC. `None`: unknown.
    pub created: Option<i64>,
    /// The programs and people that made it.
    pub creators: Vec<Creator>,
    /// The operating system inside.
    pub os: Option<OsRelease>,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// What is installed.
    pub packages: Vec<Package>,
    /// How the packages hang together.
    pub relationships: Vec<Relationship>,
    /// What could not be read or was left out, said openly.
    pub gaps: Vec<Gap>,
    /// The files, where somebody asked for them.
    #[serde(default, skip_serializing_if = "Files::is_empty")]
    pub files: Files,
    /// What the files tell, where somebody asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_findings: Option<FileFindings>,
}

/// What an inventory is of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// A name for people: `registry.example/app`, without tag where a digest is known.
    pub name: String,
    /// The manifest's digest, `sha256:<hex>`. The binding between document and image.
    pub digest: Option<String>,
    /// The manifest's media type.
    pub media_type: Option<String>,
    /// `linux/amd64`, `linux/arm64/v8`.
    pub platform: Option<String>,
    /// The tag it was found under: history, not identity.
    pub tag: Option<String>,
    /// Who made the image, in its own words: the label `org.opencontainers.image.vendor`, or `.authors`.
    #[serde(default)]
    pub supplier: Option<String>,
}

impl Subject {
    /// Whether this is a container image: the media type says that it is something else, or says nothing.
    pub fn is_image(&self) -> bool {
        self.media_type.as_deref().is_none_or(|kind| kind.starts_with("application/vnd."))
    }
}

/// Who made a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Creator {
    /// A program.
    Tool {
        /// Its name.
        name: String,
        /// Its version.
        version: Option<String>,
    },
    /// An organization, with contact if known.
    Organization {
        /// Its name.
        name: String,
        /// Mail address or URL.
        contact: Option<String>,
    },
    /// A person, with contact if known.
    Person {
        /// Their name.
        name: String,
        /// Mail address or URL.
        contact: Option<String>,
    },
}

/// `/etc/os-release` (os-release(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OsRelease {
    /// `ID`: `debian`, `alpine`.
    pub id: String,
    /// `ID_LIKE`, split.
    pub id_like: Vec<String>,
    /// `VERSION_ID`.
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`.
    pub codename: Option<String>,
    /// `PRETTY_NAME`.
    pub pretty_name: Option<String>,
    /// Who makes it: `VENDOR_NAME`, or `NAME` where that is missing.
    #[serde(default)]
    pub vendor: Option<String>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// The digest of the stored blob.
    pub digest: String,
    /// The digest of the tar within, where it was computed or the configuration names it.
    pub diff_id: Option<String>,
    /// The size of the stored blob in bytes.
    pub size: u64,
}

/// The kind of package, by its ecosystem: this decides version order and purl type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Ecosystem {
    /// Debian packages.
    Deb,
    /// Alpine packages.
    Apk,
    /// RPM packages.
    Rpm,
    /// Python distributions.
    Pypi,
    /// npm packages.
    Npm,
    /// Java archives.
    Maven,
    /// Go modules.
    Golang,
    /// Rust crates.
    Cargo,
    /// Ruby gems.
    Gem,
    /// .NET packages.
    Nuget,
    /// PHP packages.
    Composer,
    /// Packages of Arch Linux and other users of pacman.
    Alpm,
    /// Gentoo packages, named with their category: `app-shells/bash`.
    Ebuild,
    /// Paths of a Nix store.
    Nix,
    /// Homebrew formulae and casks.
    Brew,
    /// Conda packages.
    Conda,
    /// Snaps.
    Snap,
    /// Packages of OpenWrt and other users of opkg.
    Opkg,
    /// PEAR and PECL packages, named with their channel: `pecl.php.net/redis`.
    Pear,
    /// R packages.
    Cran,
    /// Perl distributions whose author on CPAN is known.
    Cpan,
    /// Lua rocks.
    Luarocks,
    /// OCaml packages.
    Opam,
    /// Haskell packages.
    Hackage,
    /// Packages of hex.pm: Elixir, Erlang, Gleam.
    Hex,
    /// Applications of Erlang and Elixir, as releases carry them.
    Otp,
    /// Dart packages.
    Pub,
    /// Swift packages, named with where they come from: `github.com/apple/swift-nio`.
    Swift,
    /// CocoaPods.
    Cocoapods,
    /// Conan packages of C and C++.
    Conan,
    /// vcpkg ports of C and C++.
    Vcpkg,
    /// JavaScript packages of jsr.io, with their scope: `@std/path`.
    Jsr,
    /// WordPress plugins and themes: `plugin/akismet`, `theme/twentytwenty`.
    Wordpress,
    /// Anything else: versions have no order.
    Generic,
}

impl Ecosystem {
    /// Every ecosystem with its name, which is also its purl type; [`Ecosystem::Generic`] last.
    pub const ALL: [(Self, &'static str); 34] = [
        (Self::Deb, "deb"),
        (Self::Apk, "apk"),
        (Self::Rpm, "rpm"),
        (Self::Pypi, "pypi"),
        (Self::Npm, "npm"),
        (Self::Maven, "maven"),
        (Self::Golang, "golang"),
        (Self::Cargo, "cargo"),
        (Self::Gem, "gem"),
        (Self::Nuget, "nuget"),
        (Self::Composer, "composer"),
        (Self::Alpm, "alpm"),
        (Self::Ebuild, "ebuild"),
        (Self::Nix, "nix"),
        (Self::Brew, "brew"),
        (Self::Conda, "conda"),
        (Self::Snap, "snap"),
        (Self::Opkg, "opkg"),
        (Self::Pear, "pear"),
        (Self::Cran, "cran"),
        (Self::Cpan, "cpan"),
        (Self::Luarocks, "luarocks"),
        (Self::Opam, "opam"),
        (Self::Hackage, "hackage"),
        (Self::Hex, "hex"),
        (Self::Otp, "otp"),
        (Self::Pub, "pub"),
        (Self::Swift, "swift"),
        (Self::Cocoapods, "cocoapods"),
        (Self::Conan, "conan"),
        (Self::Vcpkg, "vcpkg"),
        (Self::Jsr, "jsr"),
        (Self::Wordpress, "wordpress"),
        (Self::Generic, "generic"),
    ];

    /// The name, as in JSON, in purls and on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(ecosystem, _)| *ecosystem == self).map_or("generic", |(_, name)| name)
    }

    /// The ecosystem of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(ecosystem, _)| *ecosystem)
    }
}

/// Whether a package is there, or only named by a lock file or manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Installed in the image.
    #[default]
    Installed,
    /// Named by a lock file or manifest, not found installed.
    Declared,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Unique within the inventory and the same in every run; see [`Package::stable_id`].
    pub id: String,
    /// Its ecosystem.
    pub ecosystem: Ecosystem,
    /// Its name as the ecosystem writes it: npm scopes with `@`, Python names as in their metadata.
    pub name: String,
    /// Its version as the ecosystem writes it.
    pub version: Option<String>,
    /// Its package URL, canonical.
    pub purl: Option<String>,
    /// CPE 2.3 names, where a document carried them.
    pub cpes: Vec<String>,
    /// Its licence.
    pub license: License,
    /// Who supplies it: `Debian Developers <x@example.org>` as the data says.
    pub supplier: Option<String>,
    /// Who wrote it, where that is somebody else.
    pub originator: Option<String>,
    /// Copyright texts.
    pub copyright: Option<String>,
    /// Its home page.
    pub homepage: Option<String>,
    /// Where it was or can be downloaded from, if known exactly.
    pub download: Option<String>,
    /// One line about it.
    pub description: Option<String>,
    /// Checksums of the package as distributed.
    pub checksums: Vec<Checksum>,
    /// The architecture it was built for: `amd64`, `x86_64`, `all`.
    pub architecture: Option<String>,
    /// The source package it was built from.
    pub source: Option<SourcePackage>,
    /// Installed or declared.
    pub presence: Presence,
    /// The digest of the layer that brought this version: not the one that last rewrote the database.
    pub layer: Option<String>,
    /// The paths that prove it, with the layer in which each stands.
    pub evidence: Vec<Evidence>,
    /// Absolute paths that somebody says it owns; files with checksums are in [`Inventory::files`].
    pub files: Vec<String>,
    /// The cataloger that found it: `dpkg`, `apk`, `python`, `npm`, or the tool behind a document.
    pub found_by: Option<String>,
    /// What a format carries and the model has no field for: kept so that nothing is lost silently.
    pub properties: BTreeMap<String, String>,
}

/// Licence, as said and as understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct License {
    /// What the package's own data says, each value as written there.
    pub declared: Vec<String>,
    /// The same as an SPDX expression, with `LicenseRef-` for what SPDX has no name for.
    pub expression: Option<String>,
    /// The SPDX expression that somebody concluded from texts, where it is known.
    pub concluded: Option<String>,
}

/// A checksum, with SPDX's algorithm names: `SHA256`, `SHA1`, `SHA512`, `MD5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Checksum {
    /// The algorithm.
    pub algorithm: String,
    /// The value in lower-case hex.
    pub hex: String,
}

/// A source package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
}

/// A path that proves a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// The absolute path in the image.
    pub path: String,
    /// The digest of the layer in which it stands.
    pub layer: Option<String>,
}

/// How two packages hang together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Relationship {
    /// The [`Package::id`] it starts from.
    pub from: String,
    /// What it says.
    pub kind: RelationshipKind,
    /// The [`Package::id`] it points to.
    pub to: String,
}

/// What a relationship says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RelationshipKind {
    /// `from` needs `to` to run.
    DependsOn,
    /// `from` brought the files of `to` (a deb that contains a Python distribution).
    Contains,
}

/// Something that could not be read or was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The path or layer it is about.
    pub path: String,
    /// Why, in one line.
    pub reason: String,
    /// The cataloger or limit that says so.
    pub found_by: String,
}

impl Package {
    /// An empty package of that name.
    pub fn new(ecosystem: Ecosystem, name: impl Into<String>, version: Option<String>) -> Self {
        Self {
            id: String::new(),
            ecosystem,
            name: name.into(),
            version,
            purl: None,
            cpes: Vec::new(),
            license: License::default(),
            supplier: None,
            originator: None,
            copyright: None,
            homepage: None,
            download: None,
            description: None,
            checksums: Vec::new(),
            architecture: None,
            source: None,
            presence: Presence::Installed,
            layer: None,
            evidence: Vec::new(),
            files: Vec::new(),
            found_by: None,
            properties: BTreeMap::new(),
        }
    }

    /// An id made of what the package is and where its proof stands: `deb-libc6-1a2b3c4d5e6f7a8b`. The same
    /// package in the same place has the same id in every run; letters, digits, `.` and `-` alone, so that
    /// SPDX takes it.
    pub fn stable_id(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut hasher = Sha256::new();
        let mut part = |text: &str| {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        };
        let ecosystem = format!("{:?}", self.ecosystem).to_lowercase();
        part(&ecosystem);
        part(&self.name);
        part(self.version.as_deref().unwrap_or_default());
        part(self.architecture.as_deref().unwrap_or_default());
        part(self.purl.as_deref().unwrap_or_default());
        let first = self.evidence.iter().map(|e| e.path.as_str()).min().unwrap_or_default();
        part(first);
        let clean: String = self
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
            .take(60)
            .collect();
        format!("{ecosystem}-{}-{}", clean.trim_matches('-'), &hex::encode(hasher.finalize())[..16])
    }
}

impl Inventory {
    /// Gives every package without an id its stable one, and sorts and de-duplicates everything, so that
    /// equal content is equal bytes.
    pub fn normalize(&mut self) {
        for package in &mut self.packages {
            package.evidence.sort();
            package.evidence.dedup();
            package.files.sort();
            package.files.dedup();
            package.checksums.sort();
            package.checksums.dedup();
            package.cpes.sort();
            package.cpes.dedup();
            if package.id.is_empty() {
                package.id = package.stable_id();
            }
        }
        self.packages.sort_by(|a, b| {
            (a.ecosystem, &a.name, &a.version, &a.id).cmp(&(b.ecosystem, &b.name, &b.version, &b.id))
        });
        self.packages.dedup_by(|a, b| a.id == b.id);
        self.relationships.sort();
        self.relationships.dedup();
        self.gaps.sort();
        self.gaps.dedup();
        self.creators.sort();
        self.creators.dedup();
        self.files.normalize();
    }

    /// The package with this id.
    pub fn package(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|p| p.id == id)
    }
}
