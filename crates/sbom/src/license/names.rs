//! The names that people give to licences, and the SPDX identifiers they mean.
//!
//! A name is here only if it means one licence. `BSD` alone, or Python's `Apache Software License`, name a
//! family: they stay a `LicenseRef-`, because a guess would be a claim that nobody made.

use std::collections::HashMap;
use std::sync::OnceLock;

/// Names in lower case, without `license`/`licence`, `the`, punctuation and doubled spaces: see [`fold`].
const NAMES: &[(&str, &str)] = &[
    // Debian's short names (copyright-format 1.0, "License specification") and what its files really hold.
    ("expat", "MIT"),
    ("mit/expat", "MIT"),
    ("expat/mit", "MIT"),
    ("mit/x11", "MIT"),
    ("x11/mit", "MIT"),
    ("mit-style", "LicenseRef-seaworthy-MIT-style"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-1", "Artistic-1.0-Perl"),
    ("artistic-2", "Artistic-2.0"),
    ("artistic 2.0", "Artistic-2.0"),
    ("apache-1", "Apache-1.0"),
    ("apache-2", "Apache-2.0"),
    ("apache2", "Apache-2.0"),
    ("apache-2.0+", "Apache-2.0+"),
    ("asl 2.0", "Apache-2.0"),
    ("asl-2.0", "Apache-2.0"),
    ("apache-2-llvm-exceptions", "Apache-2.0 WITH LLVM-exception"),
    ("apache-2-with-llvm-exception", "Apache-2.0 WITH LLVM-exception"),
    ("openldap-2.8", "OLDAP-2.8"),
    ("bsd-2", "BSD-2-Clause"),
    ("bsd-3", "BSD-3-Clause"),
    ("bsd-4", "BSD-4-Clause"),
    ("bsd-1", "BSD-1-Clause"),
    ("bsl", "BSL-1.0"),
    ("boost-1.0", "BSL-1.0"),
    ("boost software 1.0", "BSL-1.0"),
    ("cc0", "CC0-1.0"),
    ("cc-by-3", "CC-BY-3.0"),
    ("cc-by-4", "CC-BY-4.0"),
    ("cc-by-sa-3", "CC-BY-SA-3.0"),
    ("cc-by-sa-4", "CC-BY-SA-4.0"),
    ("fsfap", "FSFAP"),
    ("mpl-1", "MPL-1.0"),
    ("mpl-2", "MPL-2.0"),
    ("ofl-1.1", "OFL-1.1"),
    ("sil-1.1", "OFL-1.1"),
    ("psf-2", "PSF-2.0"),
    ("python-2", "Python-2.0"),
    ("zpl-2.1", "ZPL-2.1"),
    ("zlib/libpng", "Zlib"),
    ("public-domain", "LicenseRef-public-domain"),
    ("public domain", "LicenseRef-public-domain"),
    ("pd", "LicenseRef-public-domain"),
    // Fedora's short names from before it took SPDX over (2022), as RHEL 8 and 9 and SUSE still have them; those
    // that name a family (`BSD`, `MIT with advertising`, `CC-BY`) are left out.
    ("artistic clarified", "ClArtistic"),
    ("asl 1.0", "Apache-1.0"),
    ("asl 1.1", "Apache-1.1"),
    ("apsl 2.0", "APSL-2.0"),
    ("bitstream vera", "Bitstream-Vera"),
    ("boost", "BSL-1.0"),
    ("bsd with advertising", "BSD-4-Clause"),
    ("bsd-original", "BSD-4-Clause"),
    ("caldera", "Caldera"),
    ("cecill-c", "CECILL-C"),
    ("condor", "Condor-1.1"),
    ("cpl", "CPL-1.0"),
    ("epl", "EPL-1.0"),
    ("epl-1.0", "EPL-1.0"),
    ("eupl 1.1", "EUPL-1.1"),
    ("ftl", "FTL"),
    ("ibm", "IPL-1.0"),
    ("ijg", "IJG"),
    ("imagemagick", "ImageMagick"),
    ("intel acpi", "Intel-ACPI"),
    ("jasper", "JasPer-2.0"),
    ("jpython", "CNRI-Jython"),
    ("lsof", "lsof"),
    ("lucent public 1.02", "LPL-1.02"),
    ("lpl", "LPL-1.02"),
    ("mirros", "MirOS"),
    ("mplv1.0", "MPL-1.0"),
    ("mplv1.1", "MPL-1.1"),
    ("mplv2.0", "MPL-2.0"),
    ("mpl v2.0", "MPL-2.0"),
    ("ms-pl", "MS-PL"),
    ("naist-2003", "NAIST-2003"),
    ("ncsa", "NCSA"),
    ("netcdf", "NetCDF"),
    ("openldap", "OLDAP-2.8"),
    ("openssl", "OpenSSL"),
    ("oml", "OML"),
    ("postgresql", "PostgreSQL"),
    ("psutils", "psutils"),
    ("qpl", "QPL-1.0"),
    ("ruby", "Ruby"),
    ("sissl", "SISSL"),
    ("sleepycat", "Sleepycat"),
    ("tcl", "TCL"),
    ("tcp_wrappers", "TCP-wrappers"),
    ("tmate", "TMate"),
    ("vim", "Vim"),
    ("vostrom", "VOSTROM"),
    ("vsl", "VSL-1.0"),
    ("w3c", "W3C"),
    ("xinetd", "xinetd"),
    ("zplv2.0", "ZPL-2.0"),
    ("zplv2.1", "ZPL-2.1"),
    // Words and titles, as Python, npm and apk metadata have them.
    ("apache 2", "Apache-2.0"),
    ("apache 2.0", "Apache-2.0"),
    ("apache version 2", "Apache-2.0"),
    ("apache version 2.0", "Apache-2.0"),
    ("apache software 2.0", "Apache-2.0"),
    ("apache software version 2.0", "Apache-2.0"),
    ("apache-2.0 software", "Apache-2.0"),
    ("apachev2", "Apache-2.0"),
    ("apachev2.0", "Apache-2.0"),
    ("mit", "MIT"),
    ("expat mit", "MIT"),
    ("mit expat", "MIT"),
    ("bsd 2 clause", "BSD-2-Clause"),
    ("bsd 2-clause", "BSD-2-Clause"),
    ("2-clause bsd", "BSD-2-Clause"),
    ("bsd 2-clause simplified", "BSD-2-Clause"),
    ("simplified bsd", "BSD-2-Clause"),
    ("freebsd", "BSD-2-Clause-FreeBSD"),
    ("bsd 3 clause", "BSD-3-Clause"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("3-clause bsd", "BSD-3-Clause"),
    ("new bsd", "BSD-3-Clause"),
    ("modified bsd", "BSD-3-Clause"),
    ("revised bsd", "BSD-3-Clause"),
    ("bsd 3-clause new or revised", "BSD-3-Clause"),
    ("isc", "ISC"),
    ("iscl", "ISC"),
    ("isc iscl", "ISC"),
    ("mpl 1.1", "MPL-1.1"),
    ("mpl 2.0", "MPL-2.0"),
    ("mozilla public 1.1", "MPL-1.1"),
    ("mozilla public 1.1 mpl 1.1", "MPL-1.1"),
    ("mozilla public 2.0", "MPL-2.0"),
    ("mozilla public 2.0 mpl 2.0", "MPL-2.0"),
    ("mozilla public version 2.0", "MPL-2.0"),
    ("python software foundation", "PSF-2.0"),
    ("psf", "PSF-2.0"),
    ("psfl", "PSF-2.0"),
    ("psf-2.0", "PSF-2.0"),
    ("zope public", "LicenseRef-seaworthy-Zope-Public-License"),
    ("zpl 2.1", "ZPL-2.1"),
    ("unlicense", "Unlicense"),
    ("unlicense unlicense", "Unlicense"),
    ("wtfpl", "WTFPL"),
    ("do what the fuck you want to public", "WTFPL"),
    ("zlib", "Zlib"),
    ("zlib libpng", "Zlib"),
    ("cc0 1.0 universal", "CC0-1.0"),
    ("cc0 1.0 universal cc0 1.0 public domain dedication", "CC0-1.0"),
    ("eclipse public 1.0", "EPL-1.0"),
    ("eclipse public 1.0 epl-1.0", "EPL-1.0"),
    ("eclipse public 2.0", "EPL-2.0"),
    ("eclipse public 2.0 epl-2.0", "EPL-2.0"),
    ("european union public licence 1.2 eupl 1.2", "EUPL-1.2"),
    ("european union public 1.2 eupl 1.2", "EUPL-1.2"),
    ("boost software 1.0 bsl-1.0", "BSL-1.0"),
    ("mit no attribution mit-0", "MIT-0"),
    ("mit no attribution", "MIT-0"),
    ("historical permission notice and disclaimer hpnd", "HPND"),
    ("academic free afl", "LicenseRef-seaworthy-Academic-Free-License"),
    ("gnu affero general public v3", "AGPL-3.0-only"),
    ("gnu affero general public v3 or later agplv3+", "AGPL-3.0-or-later"),
    ("gnu general public v2 gplv2", "GPL-2.0-only"),
    ("gnu general public v2 or later gplv2+", "GPL-2.0-or-later"),
    ("gnu general public v3 gplv3", "GPL-3.0-only"),
    ("gnu general public v3 or later gplv3+", "GPL-3.0-or-later"),
    ("gnu lesser general public v2 lgplv2", "LGPL-2.0-only"),
    ("gnu lesser general public v2 or later lgplv2+", "LGPL-2.0-or-later"),
    ("gnu lesser general public v3 lgplv3", "LGPL-3.0-only"),
    ("gnu lesser general public v3 or later lgplv3+", "LGPL-3.0-or-later"),
];

/// Exceptions by the word before `exception`, as Debian writes them; `None`: SPDX has no name for it.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("autoconf", "Autoconf-exception-2.0"),
    ("autoconf-2.0", "Autoconf-exception-2.0"),
    ("autoconf-3.0", "Autoconf-exception-3.0"),
    ("bison", "Bison-exception-2.2"),
    ("bison-2.2", "Bison-exception-2.2"),
    ("classpath", "Classpath-exception-2.0"),
    ("font", "Font-exception-2.0"),
    ("gcc", "GCC-exception-3.1"),
    ("gcc runtime library", "GCC-exception-3.1"),
    ("libtool", "Libtool-exception"),
    ("linux-syscall-note", "Linux-syscall-note"),
    ("linux syscall note", "Linux-syscall-note"),
    ("llvm", "LLVM-exception"),
    ("swift", "Swift-exception"),
];

/// A name with what carries no meaning taken out.
pub(super) fn fold(name: &str) -> String {
    let lower = name.to_lowercase().replace(['(', ')', '"', ',', ';'], " ");
    let words: Vec<&str> = lower
        .split_whitespace()
        .filter(|w| !matches!(*w, "the" | "license" | "licence" | "licenses" | "licensed" | "under"))
        .collect();
    words.join(" ").trim_end_matches('.').to_owned()
}

/// The SPDX identifier that a folded name means.
pub(super) fn lookup(folded: &str) -> Option<&'static str> {
    static TABLE: OnceLock<HashMap<String, &'static str>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table = HashMap::new();
        // Later entries win: identifiers over titles, our own table over both.
        for license in
            spdx::identifiers::LICENSES.iter().filter(|l| l.flags & spdx::flags::IS_DEPRECATED == 0)
        {
            table.insert(fold(license.full_name), license.name);
        }
        for license in
            spdx::identifiers::LICENSES.iter().filter(|l| l.flags & spdx::flags::IS_DEPRECATED == 0)
        {
            table.insert(license.name.to_lowercase(), license.name);
        }
        table.extend(NAMES.iter().map(|(name, id)| ((*name).to_owned(), *id)));
        table
    });
    table.get(folded).copied()
}

/// The SPDX exception that is meant, by identifier or by the words before `exception`.
pub(super) fn exception(text: &str) -> Option<&'static str> {
    let folded = fold(text);
    let bare = folded.strip_suffix("exception").unwrap_or(&folded).trim_end_matches([' ', '-']);
    spdx::identifiers::EXCEPTIONS
        .iter()
        .map(|e| e.name)
        .find(|name| name.eq_ignore_ascii_case(text.trim()))
        .or_else(|| EXCEPTIONS.iter().find(|(name, _)| *name == bare).map(|(_, id)| *id))
}

/// GNU names in all their spellings: `GPL-2+`, `LGPLv2.1+`, `GPL 3`, `GPL (>= 2)`, `GFDL-NIV-1.3+`.
///
/// A GNU licence without a version means any version: its own text says so (section 9 of GPL 2).
pub(super) fn gnu(name: &str) -> Option<String> {
    let mut rest = fold(name);
    for (long, short) in [
        ("gnu ", ""),
        ("affero general public", "agpl"),
        ("lesser general public", "lgpl"),
        ("library or lgpl", "lgpl"),
        ("library general public", "lgpl"),
        ("general public", "gpl"),
        ("free documentation", "gfdl"),
        (" version ", " "),
    ] {
        rest = rest.replacen(long, short, 1);
    }
    let (family, lowest) =
        [("agpl", "3.0"), ("lgpl", "2.0"), ("gfdl", "1.1"), ("fdl", "1.1"), ("gpl", "1.0")]
            .into_iter()
            .find(|(family, _)| rest.starts_with(family))?;
    let rest = rest.get(family.len()..)?.trim_start_matches(['-', ' ']);
    let (rest, invariants) = match rest.strip_prefix("niv") {
        Some(rest) if family.ends_with("fdl") => (rest.trim_start_matches(['-', ' ']), "-no-invariants"),
        _ => (rest, ""),
    };
    let (rest, later_before) = match rest.strip_prefix(">=") {
        Some(rest) => (rest.trim_start(), true),
        None => (rest, false),
    };
    let rest = rest.trim_start_matches("v.").trim_start_matches('v').trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (version, tail) = rest.split_at(end);
    let later = match tail.trim().trim_start_matches('-') {
        "" | "only" => later_before,
        "+" | "or-later" | "or later" | "or newer" | "or any later version" | "or any later" => true,
        _ => return None,
    };
    let family = if family == "fdl" { "gfdl" } else { family }.to_uppercase();
    let version = version.trim_end_matches('.');
    let (version, later) = match version {
        "" => (lowest.to_owned(), true),
        v if v.contains('.') => (v.to_owned(), later),
        v => (format!("{v}.0"), later),
    };
    let id = format!("{family}-{version}{invariants}-{}", if later { "or-later" } else { "only" });
    spdx::license_id(&id).map(|found| found.name.to_owned())
}
