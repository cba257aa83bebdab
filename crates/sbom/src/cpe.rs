//! CPE 2.3 names for packages, for the databases that ask for them.
//!
//! Nobody publishes which CPE a package has. For well-known software the vendor and product under which the National
//! Vulnerability Database lists it stand in a table; for the rest they are guessed from the name, and a guess may be
//! wrong or belong to somebody else. Hence names are made on request alone, and a property says which of the two they
//! are. A version with characters that need quoting gives no name: a wrong one would be worse.

use crate::fields;
use crate::inventory::{Ecosystem, Inventory, Package};

/// The property that says where the CPEs of a package come from: [`KNOWN`] or [`GUESSED`].
pub const ORIGIN: &str = "seaworthy:cpe";
/// Vendor and product stand in our table.
pub const KNOWN: &str = "known";
/// Vendor and product were guessed from the name.
pub const GUESSED: &str = "guessed";

/// Source packages of distributions, by the name most of them use: vendor and product.
const SYSTEM: [(&str, &str, &str); 56] = [
    ("apache2", "apache", "http_server"),
    ("apk-tools", "alpinelinux", "apk-tools"),
    ("apt", "debian", "apt"),
    ("bash", "gnu", "bash"),
    ("binutils", "gnu", "binutils"),
    ("busybox", "busybox", "busybox"),
    ("bzip2", "bzip", "bzip2"),
    ("coreutils", "gnu", "coreutils"),
    ("cpio", "gnu", "cpio"),
    ("curl", "haxx", "curl"),
    ("dbus", "freedesktop", "dbus"),
    ("dpkg", "debian", "dpkg"),
    ("elfutils", "elfutils_project", "elfutils"),
    ("expat", "libexpat_project", "libexpat"),
    ("freetype", "freetype", "freetype"),
    ("git", "git-scm", "git"),
    ("glib2.0", "gnome", "glib"),
    ("glibc", "gnu", "glibc"),
    ("gnupg2", "gnupg", "gnupg"),
    ("gnutls28", "gnu", "gnutls"),
    ("grep", "gnu", "grep"),
    ("gzip", "gnu", "gzip"),
    ("krb5", "mit", "kerberos_5"),
    ("libarchive", "libarchive", "libarchive"),
    ("libgcrypt20", "gnupg", "libgcrypt"),
    ("libidn2", "gnu", "libidn2"),
    ("libpng1.6", "libpng", "libpng"),
    ("libssh2", "libssh2", "libssh2"),
    ("libtasn1-6", "gnu", "libtasn1"),
    ("libxml2", "xmlsoft", "libxml2"),
    ("libxslt", "xmlsoft", "libxslt"),
    ("linux-pam", "linux-pam", "linux-pam"),
    ("lz4", "lz4_project", "lz4"),
    ("mariadb", "mariadb", "mariadb"),
    ("musl", "musl-libc", "musl"),
    ("ncurses", "gnu", "ncurses"),
    ("nghttp2", "nghttp2", "nghttp2"),
    ("nginx", "f5", "nginx"),
    ("openldap", "openldap", "openldap"),
    ("openssh", "openbsd", "openssh"),
    ("openssl", "openssl", "openssl"),
    ("p11-kit", "p11-kit_project", "p11-kit"),
    ("pcre2", "pcre", "pcre2"),
    ("perl", "perl", "perl"),
    ("php", "php", "php"),
    ("redis", "redis", "redis"),
    ("rpm", "rpm", "rpm"),
    ("shadow", "debian", "shadow"),
    ("sqlite3", "sqlite", "sqlite"),
    ("sudo", "sudo_project", "sudo"),
    ("systemd", "systemd_project", "systemd"),
    ("tar", "gnu", "tar"),
    ("util-linux", "kernel", "util-linux"),
    ("wget", "gnu", "wget"),
    ("xz-utils", "tukaani", "xz"),
    ("zlib", "zlib", "zlib"),
];

/// Packages of languages, by the name that the ecosystem gives them.
const LANGUAGE: [(Ecosystem, &str, &str, &str); 26] = [
    (Ecosystem::Pypi, "django", "djangoproject", "django"),
    (Ecosystem::Pypi, "flask", "palletsprojects", "flask"),
    (Ecosystem::Pypi, "jinja2", "palletsprojects", "jinja"),
    (Ecosystem::Pypi, "werkzeug", "palletsprojects", "werkzeug"),
    (Ecosystem::Pypi, "requests", "python", "requests"),
    (Ecosystem::Pypi, "urllib3", "python", "urllib3"),
    (Ecosystem::Pypi, "pillow", "python", "pillow"),
    (Ecosystem::Pypi, "setuptools", "python", "setuptools"),
    (Ecosystem::Pypi, "pip", "pypa", "pip"),
    (Ecosystem::Pypi, "cryptography", "cryptography.io", "cryptography"),
    (Ecosystem::Pypi, "pyyaml", "pyyaml", "pyyaml"),
    (Ecosystem::Pypi, "numpy", "numpy", "numpy"),
    (Ecosystem::Npm, "lodash", "lodash", "lodash"),
    (Ecosystem::Npm, "express", "openjsf", "express"),
    (Ecosystem::Npm, "axios", "axios", "axios"),
    (Ecosystem::Npm, "minimist", "substack", "minimist"),
    (Ecosystem::Npm, "npm", "npmjs", "npm"),
    (Ecosystem::Npm, "semver", "npmjs", "semver"),
    (Ecosystem::Maven, "org.apache.logging.log4j:log4j-core", "apache", "log4j"),
    (Ecosystem::Maven, "log4j:log4j", "apache", "log4j"),
    (Ecosystem::Maven, "org.springframework:spring-core", "vmware", "spring_framework"),
    (Ecosystem::Maven, "com.fasterxml.jackson.core:jackson-databind", "fasterxml", "jackson-databind"),
    (Ecosystem::Maven, "com.google.guava:guava", "google", "guava"),
    (Ecosystem::Maven, "io.netty:netty-handler", "netty", "netty"),
    (Ecosystem::Golang, "stdlib", "golang", "go"),
    (Ecosystem::Gem, "rails", "rubyonrails", "rails"),
];

/// Puts a CPE, or several guesses, into every package that has none.
pub fn add(inventory: &mut Inventory) {
    for package in &mut inventory.packages {
        if !package.cpes.is_empty() {
            continue;
        }
        let (cpes, origin) = of(package);
        if !cpes.is_empty() {
            package.cpes = cpes;
            package.properties.insert(ORIGIN.to_owned(), origin.to_owned());
        }
    }
}

/// The CPEs of a package, sorted, and where they come from.
fn of(package: &Package) -> (Vec<String>, &'static str) {
    let system = matches!(package.ecosystem, Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm);
    let from = package.source.as_ref().filter(|_| system).map_or(package.name.as_str(), |s| s.name.as_str());
    let name = from.to_lowercase();
    let Some(version) = version(package, system) else { return (Vec::new(), GUESSED) };
    let known = match system {
        true => {
            SYSTEM.iter().find(|(known, ..)| *known == name).map(|(_, vendor, product)| (*vendor, *product))
        }
        false => LANGUAGE
            .iter()
            .find(|(ecosystem, known, ..)| *ecosystem == package.ecosystem && *known == name)
            .map(|(_, _, vendor, product)| (*vendor, *product)),
    };
    let target = match package.ecosystem {
        Ecosystem::Npm => "node.js",
        Ecosystem::Pypi => "python",
        Ecosystem::Gem => "ruby",
        _ => "*",
    };
    if let Some((vendor, product)) = known {
        let name = format!("cpe:2.3:a:{vendor}:{product}:{version}:*:*:*:*:*:*:*");
        return (if fields::is_cpe23(&name) { vec![name] } else { Vec::new() }, KNOWN);
    }
    let (vendors, product) = guesses(package.ecosystem, &name);
    let mut out: Vec<String> = vendors
        .into_iter()
        .map(|vendor| format!("cpe:2.3:a:{vendor}:{product}:{version}:*:*:*:*:{target}:*:*"))
        .filter(|name| fields::is_cpe23(name))
        .collect();
    out.sort();
    out.dedup();
    (out, GUESSED)
}

/// The version of the software: for packages of distributions without epoch and revision, which are the packager's.
fn version(package: &Package, system: bool) -> Option<String> {
    let version = package.version.as_deref()?;
    if !system {
        return Some(
            version
                .strip_prefix('v')
                .filter(|_| package.ecosystem == Ecosystem::Golang)
                .unwrap_or(version)
                .to_owned(),
        );
    }
    let plain = version.split_once(':').map_or(version, |(_, rest)| rest);
    let upstream = plain.rsplit_once('-').map_or(plain, |(upstream, _)| upstream);
    // `1.2+dfsg` is 1.2 with files taken out; `1.2~rc1` is before 1.2, and cannot be said without quoting.
    Some(upstream.split('+').next().unwrap_or(upstream).to_owned())
}

/// Vendors that it may be listed under, and the product.
fn guesses(ecosystem: Ecosystem, name: &str) -> (Vec<String>, String) {
    let parts: Vec<&str> = name.split(['/', ':']).filter(|part| !part.is_empty()).collect();
    let last = parts.last().copied().unwrap_or(name);
    let mut vendors = vec![last.to_owned(), format!("{last}_project")];
    match ecosystem {
        // `org.apache.logging.log4j`: the part after the country or kind.
        Ecosystem::Maven => {
            vendors.extend(name.split(':').next().and_then(|g| g.split('.').nth(1)).map(str::to_owned))
        }
        // `github.com/owner/name`, and a scope of npm.
        Ecosystem::Golang if parts.len() > 2 => vendors.extend(parts.get(1).map(|owner| (*owner).to_owned())),
        Ecosystem::Npm | Ecosystem::Composer if parts.len() > 1 => {
            vendors.extend(parts.first().map(|scope| scope.trim_start_matches('@').to_owned()));
        }
        Ecosystem::Pypi => vendors.push(format!("python-{last}")),
        _ => {}
    }
    (vendors, last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::SourcePackage;

    fn of(ecosystem: Ecosystem, name: &str, version: &str, source: Option<&str>) -> (Vec<String>, String) {
        let mut package = Package::new(ecosystem, name, Some(version.into()));
        package.source = source.map(|name| SourcePackage { name: name.into(), version: None });
        let mut inventory = Inventory { packages: vec![package], ..Inventory::default() };
        add(&mut inventory);
        let package = inventory.packages.remove(0);
        let origin = package.properties.get(ORIGIN).cloned().unwrap_or_default();
        (package.cpes, origin)
    }

    #[test]
    fn well_known_software_has_the_name_of_the_database() {
        for (found, wanted) in [
            (of(Ecosystem::Deb, "libssl3", "3.0.11-1~deb12u2", Some("openssl")), "openssl:openssl:3.0.11"),
            (of(Ecosystem::Rpm, "bash", "0:5.1.8-6.el9", Some("bash")), "gnu:bash:5.1.8"),
            (of(Ecosystem::Apk, "busybox", "1.36.1-r5", None), "busybox:busybox:1.36.1"),
            (
                of(Ecosystem::Deb, "libarchive13", "3.6.2+dfsg-1", Some("libarchive")),
                "libarchive:libarchive:3.6.2",
            ),
            (of(Ecosystem::Pypi, "Django", "4.2", None), "djangoproject:django:4.2"),
            (
                of(Ecosystem::Maven, "org.apache.logging.log4j:log4j-core", "2.17.1", None),
                "apache:log4j:2.17.1",
            ),
            (of(Ecosystem::Golang, "stdlib", "v1.22.1", None), "golang:go:1.22.1"),
        ] {
            assert_eq!(found, (vec![format!("cpe:2.3:a:{wanted}:*:*:*:*:*:*:*")], KNOWN.to_owned()));
        }
    }

    #[test]
    fn the_rest_is_guessed_and_says_so() {
        let (cpes, origin) = of(Ecosystem::Npm, "@babel/core", "7.0.0", None);
        assert_eq!(origin, GUESSED);
        assert_eq!(
            cpes,
            [
                "cpe:2.3:a:babel:core:7.0.0:*:*:*:*:node.js:*:*",
                "cpe:2.3:a:core:core:7.0.0:*:*:*:*:node.js:*:*",
                "cpe:2.3:a:core_project:core:7.0.0:*:*:*:*:node.js:*:*",
            ]
        );
        let (cpes, _) = of(Ecosystem::Golang, "github.com/gorilla/mux", "v1.8.0", None);
        assert!(cpes.contains(&"cpe:2.3:a:gorilla:mux:1.8.0:*:*:*:*:*:*:*".to_owned()), "{cpes:?}");
    }

    #[test]
    fn what_cannot_be_written_or_is_there_is_left_alone() {
        assert_eq!(of(Ecosystem::Deb, "bash", "5.2~rc1-1", None).0, Vec::<String>::new());
        assert_eq!(of(Ecosystem::Generic, "a b", "1", None).0, Vec::<String>::new());
        let mut package = Package::new(Ecosystem::Deb, "bash", Some("5.2".into()));
        package.cpes = vec!["cpe:2.3:a:x:y:1:*:*:*:*:*:*:*".into()];
        let mut inventory = Inventory { packages: vec![package], ..Inventory::default() };
        let before = inventory.clone();
        add(&mut inventory);
        assert_eq!(inventory, before);
    }

    #[test]
    fn the_tables_are_names_that_every_validator_takes() {
        for (name, vendor, product) in SYSTEM {
            assert!(fields::is_cpe23(&format!("cpe:2.3:a:{vendor}:{product}:1:*:*:*:*:*:*:*")), "{name}");
        }
        for (_, name, vendor, product) in LANGUAGE {
            assert!(fields::is_cpe23(&format!("cpe:2.3:a:{vendor}:{product}:1:*:*:*:*:*:*:*")), "{name}");
            assert_eq!(name, name.to_lowercase());
        }
    }
}
