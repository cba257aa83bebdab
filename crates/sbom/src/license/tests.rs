//! Names to expressions, and expressions to a policy's answer.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn maps(ecosystem: Ecosystem, pairs: &[(&str, &str)]) {
    for (text, wanted) in pairs {
        let got = normalize(&[(*text).to_owned()], ecosystem);
        assert_eq!(got.expression.as_deref(), Some(*wanted), "{text}");
        assert!(is_valid(wanted), "{wanted}");
        assert_eq!(got.declared, [*text]);
    }
}

#[test]
fn debian_short_names() {
    maps(
        Ecosystem::Deb,
        &[
            ("Expat", "MIT"),
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-2", "GPL-2.0-only"),
            ("GPL-3.0", "GPL-3.0-only"),
            ("GPL-2.0+", "GPL-2.0-or-later"),
            ("GPL", "GPL-1.0-or-later"),
            ("GPLv3+", "GPL-3.0-or-later"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("LGPL-2", "LGPL-2.0-only"),
            ("LGPLv2.1+", "LGPL-2.1-or-later"),
            ("AGPL-3", "AGPL-3.0-only"),
            ("GFDL-1.3+", "GFDL-1.3-or-later"),
            ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
            ("public-domain", "LicenseRef-public-domain"),
            ("PD", "LicenseRef-public-domain"),
            ("Artistic", "Artistic-1.0-Perl"),
            ("BSD-3-clause", "BSD-3-Clause"),
            ("GPL-1+ or Artistic", "GPL-1.0-or-later OR Artistic-1.0-Perl"),
            ("LGPL-3+ or GPL-2+", "LGPL-3.0-or-later OR GPL-2.0-or-later"),
            (
                "GPL-2+ or Artistic-2.0, and BSD-3-clause",
                "(GPL-2.0-or-later OR Artistic-2.0) AND BSD-3-Clause",
            ),
            ("GPL-2+ with Autoconf exception", "GPL-2.0-or-later WITH Autoconf-exception-2.0"),
            ("GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"),
            ("GPL-3+-WITH-BISON-EXCEPTION", "GPL-3.0-or-later WITH Bison-exception-2.2"),
            ("LGPLv3+_or_GPLv2+", "LGPL-3.0-or-later OR GPL-2.0-or-later"),
            ("OpenLDAP-2.8 and UMich", "OLDAP-2.8 AND LicenseRef-seaworthy-UMich"),
            ("BSL-1.0 and Jam", "BSL-1.0 AND Jam"),
            ("MIT/X11 and zlib/libpng", "MIT AND Zlib"),
        ],
    );
}

#[test]
fn an_exception_without_a_name_keeps_its_licence_visible() {
    let license = normalize(&["GPL-2+ with OpenSSL exception".into()], Ecosystem::Deb);
    let expression = license.expression.unwrap();
    assert!(
        expression.starts_with("LicenseRef-seaworthy-GPL-2.0-or-later-with-OpenSSL-exception"),
        "{expression}"
    );
    assert!(is_valid(&expression));
    let gpl = Pattern::parse("GPL-2.0-or-later").unwrap();
    assert!(matches!(is_denied(&expression, |l| gpl.matches(l)), Denial::Denied(_)));
}

#[test]
fn prose_is_one_reference_and_not_many() {
    let text = "Permission to use, copy, modify, and distribute this software and its";
    let license = normalize(&[text.into()], Ecosystem::Deb);
    assert_eq!(license.expression, Some(reference(text)));
}

#[test]
fn python_classifiers_and_prose() {
    maps(
        Ecosystem::Pypi,
        &[
            ("License :: OSI Approved :: MIT License", "MIT"),
            ("License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
            (
                "License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)",
                "GPL-3.0-or-later",
            ),
            ("License :: OSI Approved :: ISC License (ISCL)", "ISC"),
            ("Apache License 2.0", "Apache-2.0"),
            ("Apache License, Version 2.0", "Apache-2.0"),
            ("Apache 2", "Apache-2.0"),
            ("MIT license", "MIT"),
            ("3-Clause BSD License", "BSD-3-Clause"),
            ("BSD", "LicenseRef-seaworthy-BSD"),
            ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
            ("Apache-2.0 AND (MIT OR BSD-3-Clause)", "Apache-2.0 AND (MIT OR BSD-3-Clause)"),
            ("GNU GPL 3 or later", "GPL-3.0-or-later"),
            ("GPL (>= 2)", "GPL-2.0-or-later"),
        ],
    );
}

#[test]
fn a_family_gives_way_to_its_member() {
    let license = normalize(
        &["Apache-2.0".into(), "License :: OSI Approved :: Apache Software License".into()],
        Ecosystem::Pypi,
    );
    assert_eq!(license.expression.as_deref(), Some("Apache-2.0"));
    assert_eq!(license.declared.len(), 2);
    let alone = normalize(&["License :: OSI Approved :: Apache Software License".into()], Ecosystem::Pypi);
    assert!(alone.expression.unwrap().starts_with("LicenseRef-seaworthy-Apache-Software-License"));
}

#[test]
fn npm_and_apk_forms() {
    maps(
        Ecosystem::Npm,
        &[
            ("(MIT OR Apache-2.0)", "MIT OR Apache-2.0"),
            ("{\"type\": \"MIT\", \"url\": \"x\"}", "MIT"),
            ("UNLICENSED", "LicenseRef-seaworthy-UNLICENSED"),
            ("Unlicense", "Unlicense"),
        ],
    );
    let see = normalize(&["SEE LICENSE IN LICENSE.txt".into()], Ecosystem::Npm).expression.unwrap();
    assert!(see.starts_with("LicenseRef-seaworthy-SEE-LICENSE-IN-LICENSE.txt-"), "{see}");
    maps(
        Ecosystem::Apk,
        &[
            ("GPL-2.0-or-later AND MIT", "GPL-2.0-or-later AND MIT"),
            ("MIT BSD-2-Clause GPL2+", "MIT AND BSD-2-Clause AND GPL-2.0-or-later"),
            ("GPL-2.0-only", "GPL-2.0-only"),
            ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ],
    );
}

#[test]
fn nothing_said_is_nothing_known() {
    for text in ["", " ", "UNKNOWN", "NOASSERTION", "License :: OSI Approved"] {
        assert_eq!(normalize(&[text.into()], Ecosystem::Pypi), License::default(), "{text:?}");
    }
    let both = normalize(&["MIT".into(), "Expat".into(), "MIT".into()], Ecosystem::Deb);
    assert_eq!(both.expression.as_deref(), Some("MIT"));
    assert_eq!(both.declared, ["MIT", "Expat"]);
}

#[test]
fn other_text_is_another_reference() {
    let long = |end: &str| format!("{}{end}", "Permission to use, copy, modify ".repeat(100));
    let refs: std::collections::BTreeSet<String> =
        ["a b", "a-b", "a_b", "a", &long("x"), &long("y")].iter().map(|t| reference(t)).collect();
    assert_eq!(refs.len(), 6);
    assert!(refs.iter().all(|r| is_reference(r)), "{refs:?}");
}

fn denied(expression: &str, patterns: &[&str]) -> Denial {
    let patterns: Vec<Pattern> = patterns.iter().map(|p| Pattern::parse(p).unwrap()).collect();
    is_denied(expression, |leaf| patterns.iter().any(|p| p.matches(leaf)))
}

#[test]
fn or_needs_all_and_needs_one() {
    let hit = |expression: &str, patterns: &[&str]| match denied(expression, patterns) {
        Denial::Denied(_) => true,
        Denial::NotDenied => false,
        Denial::Unreadable(why) => panic!("{expression}: {why}"),
    };
    assert!(!hit("MIT OR GPL-3.0-only", &["GPL-3.0-only"]));
    assert!(hit("MIT AND GPL-3.0-only", &["GPL-3.0-only"]));
    assert!(hit("GPL-3.0-only OR AGPL-3.0-only", &["GPL-*", "AGPL-*"]));
    assert!(!hit("MIT OR GPL-2.0-only AND Apache-2.0", &["GPL-2.0-only"]));
    assert!(hit("(MIT OR GPL-2.0-only) AND Apache-2.0", &["apache-2.0"]));
    assert!(hit("GPL-2.0+", &["GPL-2.0-or-later"]));
    assert!(hit("GPL-2.0", &["GPL-2.0-only"]));
    assert!(hit("GPL-2.0-or-later", &["GPL-2.0"]));
    assert!(hit("GPL-2.0-only", &["GPL-2.0"]));
    assert!(!hit("GPL-2.0-only", &["GPL-2.0+"]));
    assert!(!hit("LGPL-2.1-only", &["GPL-*"]));
    assert!(hit("Apache-2.0+", &["Apache-2.0"]));
    assert!(hit("GPL-2.0-only WITH Classpath-exception-2.0", &["GPL-2.0-only"]));
    assert!(hit("GPL-2.0-only WITH Classpath-exception-2.0", &["gpl-2.0-only WITH classpath-*"]));
    assert!(!hit("GPL-2.0-only", &["GPL-2.0-only WITH Classpath-exception-2.0"]));
    assert!(hit("LicenseRef-seaworthy-BSD", &["LicenseRef-*"]));
    assert!(hit("MIT", &["*"]));
    assert!(!hit("MIT-0", &["MIT"]));
}

#[test]
fn an_unreadable_expression_is_its_own_answer() {
    for bad in ["", "MIT and then some", "GPLv2", "MIT OR", "(MIT", "MIT/Apache-2.0"] {
        assert!(matches!(denied(bad, &["MIT"]), Denial::Unreadable(_)), "{bad}");
    }
    let long = |n: usize| vec!["MIT"; n].join(" OR ");
    assert!(matches!(denied(&long(LICENSE_BYTES / 7 + 2), &["MIT"]), Denial::Unreadable(_)));
    assert!(matches!(denied(&long(1000), &["MIT"]), Denial::Denied(_)));
}

#[test]
fn patterns_that_can_never_match_are_refused() {
    for bad in
        ["", "MIT OR Apache-2.0", "GPLv2", "Apache2", "GPL-9.*", "MIT WITH nothing-exception", "Aapche-2.0"]
    {
        assert!(Pattern::parse(bad).is_err(), "{bad}");
    }
    for good in ["MIT", "gpl-3.0-*", "LicenseRef-x", "*", "GPL-2.0", "GPL-2.0+", "Apache-2.0+"] {
        assert!(Pattern::parse(good).is_ok(), "{good}");
    }
}

proptest! {
    #[test]
    fn whatever_is_declared_gives_a_valid_expression(
        text in prop_oneof![
            "\\PC{0,60}",
            "(GPL-2\\+?|MIT|Expat|foo|Artistic|with|exception|or|and|,|\\(|\\)|later| ){0,14}",
            "(GPL-2\\+|MIT|x y)( (or|and|, and|with) (BSD|ISC|OpenSSL exception)){0,4}",
        ],
        ecosystem in prop_oneof![Just(Ecosystem::Deb), Just(Ecosystem::Apk), Just(Ecosystem::Pypi), Just(Ecosystem::Npm)],
    ) {
        if let Some(expression) = normalize(&[text], ecosystem).expression {
            prop_assert!(is_valid(&expression), "{}", expression);
        }
    }

    #[test]
    fn no_text_makes_patterns_or_policy_panic(a in "\\PC{0,40}", b in "\\PC{0,40}") {
        if let Ok(pattern) = Pattern::parse(&a) {
            let _ = is_denied(&b, |l| pattern.matches(l));
        }
    }
}

#[test]
fn fedora_short_names() {
    let expression = |text: &str| normalize(&[text.to_owned()], Ecosystem::Rpm).expression.unwrap();
    for (text, spdx) in [
        ("GPLv2+", "GPL-2.0-or-later"),
        ("LGPLv2+ and MIT", "LGPL-2.0-or-later AND MIT"),
        ("GPLv3+ and (ASL 2.0 or MPLv2.0)", "GPL-3.0-or-later AND (Apache-2.0 OR MPL-2.0)"),
        ("Boost and zlib", "BSL-1.0 AND Zlib"),
        ("BSD with advertising", "BSD-4-Clause"),
        ("Public Domain", "LicenseRef-public-domain"),
        ("OpenLDAP", "OLDAP-2.8"),
        ("Sleepycat and LGPLv2", "Sleepycat AND LGPL-2.0-only"),
    ] {
        assert_eq!(expression(text), spdx, "{text}");
    }
    // A family is no licence.
    assert!(expression("BSD").starts_with("LicenseRef-"));
}
