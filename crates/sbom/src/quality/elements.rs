//! The sets of minimum elements by name, and the elements that each asks for.
//!
//! A code, once given, stays: policies and programs compare it.

/// A set of minimum elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Profile {
    /// NTIA 2021.
    Ntia,
    /// CISA 2026.
    Cisa,
    /// BSI TR-03183-2 v2.1.
    Bsi,
    /// OpenChain Telco SBOM Guide 1.1.
    Telco,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ntia, Self::Cisa, Self::Bsi, Self::Telco];

    /// The name in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ntia => "ntia",
            Self::Cisa => "cisa",
            Self::Bsi => "bsi",
            Self::Telco => "telco",
        }
    }

    /// The profile of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The elements that it asks for, in the order of [`Element`].
    pub const fn elements(self) -> &'static [Element] {
        use Element::*;
        match self {
            Self::Ntia => &[Author, Timestamp, ComponentName, Version, Supplier, UniqueId, Relationships],
            Self::Cisa => &[
                Author,
                Timestamp,
                ComponentName,
                Version,
                Supplier,
                UniqueId,
                Relationships,
                ToolName,
                GenerationContext,
                StrongHash,
                License,
            ],
            Self::Bsi => &[
                Author,
                Timestamp,
                ComponentName,
                Version,
                UniqueId,
                Relationships,
                License,
                DocumentFormat,
                DocumentId,
                AuthorContact,
                ComponentCreator,
                Completeness,
                FileName,
                Executable,
                Archive,
                Structured,
                Sha512,
                NoVulnerabilities,
            ],
            Self::Telco => &[
                Author,
                Timestamp,
                ComponentName,
                Version,
                Supplier,
                Relationships,
                GenerationContext,
                DocumentId,
                Spdx2,
                ToolVersion,
                DownloadLocation,
                LicenseConcluded,
                LicenseDeclared,
                CopyrightText,
            ],
        }
    }
}

/// An element of the minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Element {
    /// Who made the document.
    Author,
    /// When it was made.
    Timestamp,
    /// The name of a component.
    ComponentName,
    /// The version of a component.
    Version,
    /// Who supplies a component.
    Supplier,
    /// A purl or CPE.
    UniqueId,
    /// What the components belong to.
    Relationships,
    /// The program that made the document.
    ToolName,
    /// When in the life of the software the document was made.
    GenerationContext,
    /// A hash of a component by SHA-2, SHA-3 or BLAKE.
    StrongHash,
    /// The licence of a component.
    License,
    /// CycloneDX 1.6 or later, SPDX 3.0.1 or later.
    DocumentFormat,
    /// An identifier of the document itself.
    DocumentId,
    /// A mail address or URL of who made the document.
    AuthorContact,
    /// A mail address or URL of who made a component.
    ComponentCreator,
    /// How complete the document says it is.
    Completeness,
    /// The name of a component's file.
    FileName,
    /// Whether a component is executable.
    Executable,
    /// Whether a component is an archive.
    Archive,
    /// Whether an archive's parts can be told apart.
    Structured,
    /// A SHA-512 of a component.
    Sha512,
    /// Nothing about vulnerabilities in the document.
    NoVulnerabilities,
    /// SPDX 2.2 or 2.3.
    Spdx2,
    /// The program that made the document, with its version.
    ToolVersion,
    /// Where a component comes from: in SPDX also the open word that nobody says.
    DownloadLocation,
    /// The licence that somebody concluded: in SPDX also the open word that nobody did.
    LicenseConcluded,
    /// The licence that a component declares, or the open word that it is not known.
    LicenseDeclared,
    /// The copyright text of a component, or the open word that it is not known.
    CopyrightText,
}

impl Element {
    /// Whether it is asked of each package, and not of the document.
    pub const fn is_of_packages(self) -> bool {
        matches!(
            self,
            Self::ComponentName
                | Self::Version
                | Self::Supplier
                | Self::UniqueId
                | Self::StrongHash
                | Self::License
                | Self::ComponentCreator
                | Self::FileName
                | Self::Executable
                | Self::Archive
                | Self::Structured
                | Self::Sha512
                | Self::DownloadLocation
                | Self::LicenseConcluded
                | Self::LicenseDeclared
                | Self::CopyrightText
        )
    }

    /// A stable kebab-case name for policies and machine output.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Timestamp => "timestamp",
            Self::ComponentName => "component-name",
            Self::Version => "version",
            Self::Supplier => "supplier",
            Self::UniqueId => "unique-id",
            Self::Relationships => "relationships",
            Self::ToolName => "tool-name",
            Self::GenerationContext => "generation-context",
            Self::StrongHash => "strong-hash",
            Self::License => "license",
            Self::DocumentFormat => "document-format",
            Self::DocumentId => "document-id",
            Self::AuthorContact => "author-contact",
            Self::ComponentCreator => "component-creator",
            Self::Completeness => "completeness",
            Self::FileName => "file-name",
            Self::Executable => "executable",
            Self::Archive => "archive",
            Self::Structured => "structured",
            Self::Sha512 => "sha-512",
            Self::NoVulnerabilities => "no-vulnerabilities",
            Self::Spdx2 => "spdx-2",
            Self::ToolVersion => "tool-version",
            Self::DownloadLocation => "download-location",
            Self::LicenseConcluded => "license-concluded",
            Self::LicenseDeclared => "license-declared",
            Self::CopyrightText => "copyright-text",
        }
    }
}
