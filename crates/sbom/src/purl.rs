//! Package URLs: made canonically, read tolerantly.
//!
//! Parsing and the rules of each type are `packageurl`'s; the text is written here, because that crate
//! lower-cases Go module paths, which are case-sensitive and then name another module. It refuses purls
//! beyond [`crate::limits::PURL_BYTES`] and what the specification calls invalid.

use crate::inventory::{Ecosystem, OsRelease, Package};
use crate::{Error, ErrorKind, Result, limits};
use std::collections::BTreeMap;
use std::fmt;

/// A package URL, decoded. Its `Display` is the canonical text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purl {
    /// The type, lower case: `deb`, `npm`, `oci`.
    pub kind: String,
    /// The namespace: `debian`, `@babel`.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    /// The qualifiers, keys in lower case.
    pub qualifiers: BTreeMap<String, String>,
    /// The path within the package.
    pub subpath: Option<String>,
}

impl Purl {
    /// Parses a package URL.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] with the reason, or the limit `PURL_BYTES`.
    pub fn parse(text: &str) -> Result<Self> {
        const TRIED: &str = "read a package URL";
        if text.len() > limits::PURL_BYTES {
            return Err(Error::new(
                TRIED,
                ErrorKind::LimitExceeded { limit: "PURL_BYTES", value: limits::PURL_BYTES as u64 },
            ));
        }
        let parse = |text: &str| -> Result<packageurl::PackageUrl<'static>> {
            text.parse().map_err(|e: packageurl::Error| {
                let shown: String = text.chars().take(80).collect();
                Error::new(TRIED, ErrorKind::Malformed(format!("'{}': {e}", shown.escape_debug())))
            })
        };
        let mut parsed = parse(text)?;
        let kind = parsed.ty().to_owned();
        if kind == "golang" {
            // A type without rules is read as it stands; that is how the module path keeps its case.
            let rest = text.split_once(':').map_or("", |(_, rest)| rest).trim_start_matches('/');
            parsed = parse(&format!("pkg:go-module{}", rest.get(kind.len()..).unwrap_or_default()))?;
        }
        let owned = |part: Option<&str>| part.filter(|p| !p.is_empty()).map(str::to_owned);
        Ok(Self {
            kind,
            namespace: owned(parsed.namespace()),
            name: parsed.name().to_owned(),
            version: owned(parsed.version()),
            qualifiers: parsed
                .qualifiers()
                .iter()
                .filter(|(_, v)| !v.is_empty())
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
            subpath: owned(parsed.subpath()),
        })
    }

    /// The ecosystem of its type; [`Ecosystem::Generic`] for those that the model does not know.
    pub fn ecosystem(&self) -> Ecosystem {
        Ecosystem::from_name(&self.kind).unwrap_or(Ecosystem::Generic)
    }

    /// The name as [`Package::name`] has it, which is the ecosystem's own: `@babel/core`,
    /// `org.slf4j:slf4j-api`, `github.com/Masterminds/semver`, `libc6`.
    pub fn package_name(&self) -> String {
        match (self.ecosystem(), &self.namespace) {
            (
                Ecosystem::Npm
                | Ecosystem::Golang
                | Ecosystem::Composer
                | Ecosystem::Ebuild
                | Ecosystem::Pear
                | Ecosystem::Swift
                | Ecosystem::Jsr
                | Ecosystem::Wordpress,
                Some(namespace),
            ) => format!("{namespace}/{}", self.name),
            (Ecosystem::Maven, Some(namespace)) => format!("{namespace}:{}", self.name),
            _ => self.name.clone(),
        }
    }

    /// The version as [`Package::version`] has it: rpm's epoch, a qualifier here, in front of it.
    pub fn package_version(&self) -> Option<String> {
        let version = self.version.clone()?;
        match (self.ecosystem(), self.qualifiers.get("epoch")) {
            (Ecosystem::Rpm, Some(epoch)) if !version.contains(':') => Some(format!("{epoch}:{version}")),
            _ => Some(version),
        }
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkg:{}/", self.kind)?;
        for part in self.namespace.iter().flat_map(|n| n.split('/')).filter(|p| !p.is_empty()) {
            encode(f, part)?;
            f.write_str("/")?;
        }
        encode(f, &self.name)?;
        if let Some(version) = &self.version {
            f.write_str("@")?;
            encode(f, version)?;
        }
        for (i, (key, value)) in self.qualifiers.iter().enumerate() {
            write!(f, "{}{key}=", if i == 0 { '?' } else { '&' })?;
            encode(f, value)?;
        }
        for (i, part) in self.subpath.iter().flat_map(|s| s.split('/')).enumerate() {
            f.write_str(if i == 0 { "#" } else { "/" })?;
            encode(f, part)?;
        }
        Ok(())
    }
}

/// The purl specification's encoding: letters, digits and `.-_~` stay, and so does the colon.
fn encode(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            fmt::Write::write_char(f, byte as char)?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// The canonical purl of a package: from its ecosystem, name, version, architecture and source, with the
/// distribution for deb, apk and rpm. `None` where no valid purl can be made (an empty name).
///
/// The distribution's id is the namespace; without an `os` there is none, rather than a guessed one.
pub fn of(package: &Package, os: Option<&OsRelease>) -> Option<String> {
    let name = package.name.trim();
    let mut version = package.version.clone().filter(|v| !v.is_empty());
    let (mut qualifiers, mut subpath) = (BTreeMap::new(), None);
    let split = |separator: &str| match name.rsplit_once(separator) {
        Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        None => (None, name.to_owned()),
    };
    let distribution = || os.map(|os| os.id.to_ascii_lowercase()).filter(|id| !id.is_empty());
    let (kind, namespace, name) = match package.ecosystem {
        Ecosystem::Deb => ("deb", distribution(), name.to_ascii_lowercase()),
        Ecosystem::Apk => ("apk", distribution(), name.to_owned()),
        Ecosystem::Rpm => ("rpm", distribution(), name.to_owned()),
        Ecosystem::Pypi => ("pypi", None, pypi_name(name)),
        Ecosystem::Npm => {
            let (namespace, name) = split("/");
            ("npm", namespace.map(|n| n.to_ascii_lowercase()), name.to_ascii_lowercase())
        }
        Ecosystem::Maven => {
            let (namespace, name) = split(":");
            ("maven", namespace, name)
        }
        Ecosystem::Golang => {
            let (namespace, name) = split("/");
            ("golang", namespace, name)
        }
        Ecosystem::Composer => {
            let (namespace, name) = split("/");
            ("composer", namespace.map(|n| n.to_ascii_lowercase()), name.to_ascii_lowercase())
        }
        Ecosystem::Cargo => ("cargo", None, name.to_owned()),
        Ecosystem::Gem => ("gem", None, name.to_owned()),
        Ecosystem::Nuget => ("nuget", None, name.to_owned()),
        Ecosystem::Alpm => ("alpm", distribution(), name.to_ascii_lowercase()),
        Ecosystem::Opkg => ("opkg", distribution(), name.to_owned()),
        Ecosystem::Hex | Ecosystem::Otp | Ecosystem::Pub | Ecosystem::Luarocks => {
            (package.ecosystem.name(), None, name.to_ascii_lowercase())
        }
        // Of homebrew/core nobody writes the tap.
        Ecosystem::Brew => {
            let tap = package.properties.get("brew:tap").filter(|tap| *tap != "homebrew/core");
            ("brew", tap.cloned(), name.to_ascii_lowercase())
        }
        Ecosystem::Cpan => {
            let author = package.properties.get("cpan:author");
            ("cpan", author.map(|author| author.to_ascii_uppercase()), name.to_owned())
        }
        Ecosystem::Ebuild | Ecosystem::Pear | Ecosystem::Swift | Ecosystem::Jsr | Ecosystem::Wordpress => {
            let (namespace, name) = split("/");
            (package.ecosystem.name(), namespace, name)
        }
        // A subspec is a path within its pod.
        Ecosystem::Cocoapods => {
            let (pod, below) = name.split_once('/').map_or((name, None), |(pod, sub)| (pod, Some(sub)));
            subpath = below.map(str::to_owned);
            ("cocoapods", None, pod.to_owned())
        }
        Ecosystem::Nix
        | Ecosystem::Conda
        | Ecosystem::Snap
        | Ecosystem::Cran
        | Ecosystem::Opam
        | Ecosystem::Hackage
        | Ecosystem::Conan
        | Ecosystem::Vcpkg => (package.ecosystem.name(), None, name.to_owned()),
        Ecosystem::Generic => ("generic", None, name.to_owned()),
    };
    for (key, property) in qualifying(package.ecosystem) {
        if let Some(value) = package.properties.get(*property) {
            qualifiers.insert((*key).to_owned(), value.clone());
        }
    }
    if matches!(
        package.ecosystem,
        Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm | Ecosystem::Alpm | Ecosystem::Opkg
    ) {
        if let Some(arch) = &package.architecture {
            qualifiers.insert("arch".to_owned(), arch.clone());
        }
        if let (Some(id), Some(os)) = (distribution(), os) {
            let distro = match &os.version_id {
                Some(version) => format!("{id}-{version}"),
                None => id,
            };
            qualifiers.insert("distro".to_owned(), distro);
        }
        if let Some(source) = &package.source {
            let version = source.version.as_ref().filter(|v| Some(*v) != package.version.as_ref());
            match version {
                // rpm names the source by its file, also where it is the package's own (purl's rpm type).
                _ if package.ecosystem == Ecosystem::Rpm => {
                    let version = source.version.as_deref().map(|v| format!("-{v}")).unwrap_or_default();
                    let file = format!("{}{version}.src.rpm", source.name);
                    qualifiers.insert("upstream".to_owned(), file);
                }
                Some(version) => {
                    qualifiers.insert("upstream".to_owned(), format!("{}@{version}", source.name));
                }
                None if source.name != package.name => {
                    qualifiers.insert("upstream".to_owned(), source.name.clone());
                }
                None => {}
            }
        }
    }
    if package.ecosystem == Ecosystem::Rpm
        && let Some((epoch, rest)) = version.as_deref().and_then(|v| v.split_once(':'))
    {
        qualifiers.insert("epoch".to_owned(), epoch.to_owned());
        version = Some(rest.to_owned());
    }
    qualifiers.retain(|_, v| !v.is_empty());
    let purl = Purl { kind: kind.to_owned(), namespace, name, version, qualifiers, subpath };
    canonical(&purl.to_string())
}

/// The qualifiers that a type's definition takes from what the ecosystem says of a package, and the property
/// that holds each.
fn qualifying(ecosystem: Ecosystem) -> &'static [(&'static str, &'static str)] {
    match ecosystem {
        Ecosystem::Conda => &[
            ("build", "conda:build"),
            ("channel", "conda:channel"),
            ("subdir", "conda:subdir"),
            ("type", "conda:type"),
        ],
        Ecosystem::Conan => &[("user", "conan:user"), ("channel", "conan:channel"), ("rrev", "conan:rrev")],
        Ecosystem::Vcpkg => &[("port_version", "vcpkg:port-version")],
        Ecosystem::Nix => &[("output", "nix:output")],
        _ => &[],
    }
}

/// The canonical form of a purl, or `None` where the text is no purl.
pub fn canonical(text: &str) -> Option<String> {
    Purl::parse(text).ok().map(|p| p.to_string())
}

/// The purl of an image: `pkg:oci/app@sha256:…?arch=amd64&repository_url=registry.example%2Fapp&tag=1`.
///
/// `name` is the repository with its registry; its last part, in lower case, is the purl's name.
pub fn oci(name: &str, digest: Option<&str>, tag: Option<&str>, arch: Option<&str>) -> Option<String> {
    let last = name.trim_end_matches('/').rsplit('/').next()?.to_ascii_lowercase();
    let mut qualifiers = BTreeMap::new();
    let mut put = |key: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            qualifiers.insert(key.to_owned(), value.to_owned());
        }
    };
    put("arch", arch);
    put("tag", tag);
    put("repository_url", name.contains('/').then_some(name));
    let version = digest.map(str::to_owned);
    let purl = Purl { kind: "oci".into(), namespace: None, name: last, version, qualifiers, subpath: None };
    canonical(&purl.to_string())
}

/// PEP 503's normal form: lower case, runs of `-`, `_` and `.` as one `-`.
pub fn pypi_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::SourcePackage;
    use proptest::prelude::*;

    fn os(id: &str, version: &str) -> OsRelease {
        OsRelease { id: id.into(), version_id: Some(version.into()), ..OsRelease::default() }
    }

    #[test]
    fn each_ecosystem_in_its_own_form() {
        let purl = |ecosystem, name: &str, version: &str| {
            of(&Package::new(ecosystem, name, Some(version.into())), None)
        };
        for (ecosystem, name, version, wanted) in [
            (Ecosystem::Pypi, "Zope.Interface__x", "5.0", "pkg:pypi/zope-interface-x@5.0"),
            (Ecosystem::Npm, "@Babel/Core", "7.0.0", "pkg:npm/%40babel/core@7.0.0"),
            (Ecosystem::Npm, "left-pad", "1.3.0+x", "pkg:npm/left-pad@1.3.0%2Bx"),
            (Ecosystem::Maven, "org.slf4j:slf4j-api", "2.0", "pkg:maven/org.slf4j/slf4j-api@2.0"),
            (
                Ecosystem::Golang,
                "github.com/Masterminds/semver",
                "v3.1.0",
                "pkg:golang/github.com/Masterminds/semver@v3.1.0",
            ),
            (Ecosystem::Rpm, "bash", "1:5.1-6", "pkg:rpm/bash@5.1-6?epoch=1"),
            (Ecosystem::Deb, "libc6", "2.36", "pkg:deb/libc6@2.36"),
            (Ecosystem::Ebuild, "app-shells/bash", "5.1_p16", "pkg:ebuild/app-shells/bash@5.1_p16"),
            (Ecosystem::Pear, "pecl.php.net/APCu", "5.1.23", "pkg:pear/pecl.php.net/APCu@5.1.23"),
            (
                Ecosystem::Swift,
                "github.com/apple/swift-nio",
                "2.6",
                "pkg:swift/github.com/apple/swift-nio@2.6",
            ),
            (
                Ecosystem::Cocoapods,
                "GoogleUtilities/NSData",
                "7.5",
                "pkg:cocoapods/GoogleUtilities@7.5#NSData",
            ),
            (Ecosystem::Jsr, "@std/path", "1.0.0", "pkg:jsr/%40std/path@1.0.0"),
            (Ecosystem::Hex, "Jason", "1.4.0", "pkg:hex/jason@1.4.0"),
            (Ecosystem::Hackage, "3d-graphics", "0.2", "pkg:hackage/3d-graphics@0.2"),
        ] {
            assert_eq!(purl(ecosystem, name, version).as_deref(), Some(wanted));
        }
        assert_eq!(purl(Ecosystem::Npm, " ", "1"), None);
        // The type asks for the author, and nobody guesses one.
        assert_eq!(purl(Ecosystem::Cpan, "DateTime", "1.55"), None);
    }

    #[test]
    fn what_a_type_wants_beside_name_and_version() {
        for (ecosystem, name, version, properties, wanted) in [
            (
                Ecosystem::Conda,
                "absl-py",
                "0.4.1",
                &[("conda:build", "py36_0"), ("conda:channel", "main"), ("conda:subdir", "linux-64")][..],
                "pkg:conda/absl-py@0.4.1?build=py36_0&channel=main&subdir=linux-64",
            ),
            (
                Ecosystem::Cpan,
                "DateTime",
                "1.55",
                &[("cpan:author", "DROLSKY")],
                "pkg:cpan/DROLSKY/DateTime@1.55",
            ),
            (
                Ecosystem::Vcpkg,
                "bzip2",
                "1.0.8",
                &[("vcpkg:port-version", "6")],
                "pkg:vcpkg/bzip2@1.0.8?port_version=6",
            ),
            (Ecosystem::Brew, "Jq", "1.7", &[("brew:tap", "homebrew/core")], "pkg:brew/jq@1.7"),
            (Ecosystem::Brew, "x", "1", &[("brew:tap", "some/tap")], "pkg:brew/some/tap/x@1"),
            (
                Ecosystem::Conan,
                "openssl",
                "3.0.3",
                &[("conan:user", "bincrafters"), ("conan:channel", "stable")],
                "pkg:conan/openssl@3.0.3?channel=stable&user=bincrafters",
            ),
        ] {
            let mut package = Package::new(ecosystem, name, Some(version.into()));
            package.properties = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(of(&package, None).as_deref(), Some(wanted));
        }
        let mut package = Package::new(Ecosystem::Alpm, "pacman", Some("6.0.1-1".into()));
        package.architecture = Some("x86_64".into());
        assert_eq!(
            of(&package, Some(&OsRelease { id: "arch".into(), ..OsRelease::default() })).as_deref(),
            Some("pkg:alpm/arch/pacman@6.0.1-1?arch=x86_64&distro=arch")
        );
    }

    #[test]
    fn distribution_packages_name_distribution_architecture_and_source() {
        let mut package = Package::new(Ecosystem::Deb, "libstdc++6", Some("12.2.0-14".into()));
        package.architecture = Some("amd64".into());
        package.source = Some(SourcePackage { name: "gcc-12".into(), version: None });
        assert_eq!(
            of(&package, Some(&os("debian", "12"))).as_deref(),
            Some("pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64&distro=debian-12&upstream=gcc-12")
        );
        package.source = Some(SourcePackage { name: "libstdc++6".into(), version: Some("1:3".into()) });
        assert_eq!(
            of(&package, None).as_deref(),
            Some("pkg:deb/libstdc%2B%2B6@12.2.0-14?arch=amd64&upstream=libstdc%2B%2B6%401:3")
        );
    }

    #[test]
    fn an_image() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let purl = oci("registry.example:5000/Team/App", Some(&digest), Some("v1"), Some("amd64")).unwrap();
        assert_eq!(
            purl,
            format!(
                "pkg:oci/app@{digest}?arch=amd64&repository_url=registry.example:5000%2FTeam%2FApp&tag=v1"
            )
        );
        assert_eq!(Purl::parse(&purl).unwrap().version.as_deref(), Some(digest.as_str()));
    }

    #[test]
    fn purls_of_others_are_read() {
        let purl = Purl::parse("pkg:npm/%40types/node@18.0.0").unwrap();
        assert_eq!((purl.ecosystem(), purl.package_name().as_str()), (Ecosystem::Npm, "@types/node"));
        let purl =
            Purl::parse("pkg:oci/debian@sha256%3Aabc?repository_url=index.docker.io/library/debian").unwrap();
        assert_eq!(purl.version.as_deref(), Some("sha256:abc"));
        let purl = Purl::parse("pkg:golang/github.com/Azure/go-autorest@v14.0.0#autorest").unwrap();
        assert_eq!(purl.package_name(), "github.com/Azure/go-autorest");
        let purl = Purl::parse("pkg:rpm/fedora/bash@5.1?epoch=2&arch=x86_64").unwrap();
        assert_eq!(purl.package_version().as_deref(), Some("2:5.1"));
        for bad in ["", "pkg:", "deb/x", "pkg:deb/", "http://x", "pkg:npm/a@1%ff"] {
            assert!(Purl::parse(bad).is_err(), "{bad:?}");
        }
        let long = format!("pkg:npm/{}", "a".repeat(limits::PURL_BYTES - 8));
        assert!(Purl::parse(&long).is_ok());
        assert!(Purl::parse(&(long + "a")).is_err());
    }

    proptest! {
        #[test]
        fn canonical_is_a_fixed_point(text in "pkg:(deb|npm|golang|pypi|oci|generic)/([a-zA-Z@+.%2 ]{1,8}/)?\\PC{1,12}(@\\PC{0,8})?(\\?[a-z]{1,3}=\\PC{0,8})?") {
            if let Some(once) = canonical(&text) {
                prop_assert_eq!(canonical(&once), Some(once.clone()), "{}", text);
            }
        }

        #[test]
        fn what_is_made_reads_back(
            ecosystem in prop_oneof![Just(Ecosystem::Deb), Just(Ecosystem::Apk), Just(Ecosystem::Npm), Just(Ecosystem::Rpm), Just(Ecosystem::Golang), Just(Ecosystem::Maven)],
            name in "[a-z][a-z0-9+._~-]{0,12}",
            version in "[0-9][A-Za-z0-9.+~^-]{0,12}",
            arch in proptest::option::of("[a-z0-9_]{1,8}"),
        ) {
            let mut package = Package::new(ecosystem, name, Some(version));
            package.architecture = arch;
            let purl = Purl::parse(&of(&package, Some(&os("debian", "12"))).unwrap()).unwrap();
            prop_assert_eq!(purl.ecosystem(), ecosystem);
            prop_assert_eq!(purl.package_name(), package.name);
            prop_assert_eq!(purl.package_version(), package.version);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,64}") {
            let _ = Purl::parse(&text);
        }
    }
}
