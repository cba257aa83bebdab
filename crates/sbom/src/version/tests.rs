//! The orders against tables, against dpkg itself where it is installed, and as orders.

use super::{Range, compare};
use crate::inventory::Ecosystem::{self, Apk, Deb, Generic, Maven, Npm, Pypi, Rpm};
use proptest::prelude::*;
use std::cmp::Ordering;

/// Each list is ascending; every pair of it is compared both ways.
#[track_caller]
fn ascending(ecosystem: Ecosystem, list: &[&str]) {
    for (i, a) in list.iter().enumerate() {
        for (j, b) in list.iter().enumerate() {
            assert_eq!(compare(ecosystem, a, b), Some(i.cmp(&j)), "{ecosystem:?}: {a} against {b}");
        }
    }
}

#[track_caller]
fn equal(ecosystem: Ecosystem, pairs: &[(&str, &str)]) {
    for (a, b) in pairs {
        assert_eq!(compare(ecosystem, a, b), Some(Ordering::Equal), "{ecosystem:?}: {a} and {b}");
    }
}

/// The examples of Maven's POM reference ("Version Order Specification") and of `ComparableVersionTest`.
#[test]
fn maven() {
    ascending(
        Maven,
        &[
            "1-alpha2snapshot",
            "1-alpha2",
            "1-alpha-123",
            "1-beta-2",
            "1-beta123",
            "1-m2",
            "1-m11",
            "1-rc",
            "1-cr2",
            "1-rc123",
            "1-SNAPSHOT",
            "1",
            "1-sp",
            "1-sp2",
            "1-sp123",
            "1-abc",
            "1-def",
            "1-pom-1",
            "1-1-snapshot",
            "1-1",
            "1-2",
            "1-123",
        ],
    );
    ascending(
        Maven,
        &[
            "2.0", "2.0.a", "2-1", "2.0.2", "2.0.123", "2.1.0", "2.1-a", "2.1b", "2.1-c", "2.1-1", "2.1.0.1",
            "2.2", "2.123", "11.a2", "11.a11", "11.b2", "11.b11", "11.m2", "11.m11", "11", "11.a", "11b",
            "11c", "11m",
        ],
    );
    ascending(Maven, &["31.0-android", "31.0-jre", "31.1-jre", "32.0.0-jre"]);
    ascending(Maven, &["20031129.200437", "20040616.1"]);
    equal(
        Maven,
        &[
            ("1", "1.0"),
            ("1", "1-0"),
            ("1.0", "1.0.0"),
            ("1", "1.ga"),
            ("1", "1-release"),
            ("1.0.0.Final", "1"),
            ("1a1", "1-alpha-1"),
            ("1b2", "1-beta-2"),
            ("1m3", "1-milestone-3"),
            ("1X", "1x"),
            ("1cr", "1rc"),
            ("1.0.0x", "1-x"),
            ("0.0-1552", "0.0-1552"),
            ("01", "1"),
        ],
    );
    // As maven-artifact 3.8.7 itself prints them.
    use Ordering::{Equal, Greater, Less};
    for (a, order, b) in [
        ("1.0-alpha-1", Less, "1.0"),
        ("2-1", Greater, "2.0.a"),
        ("1.0.rc1", Equal, "1.0-rc-1"),
        ("1..2", Equal, "1.0.2"),
        ("1-a", Less, "1-1"),
        ("1.a1", Equal, "1-a1"),
        ("1.0x2", Equal, "1.0-x-2"),
        ("1.0.x", Equal, "1-x"),
        ("1-0-0-x", Greater, "1-x"),
        ("0-x", Greater, "x"),
        ("x1", Equal, "x-1"),
        ("a1", Equal, "alpha-1"),
        ("1_2", Less, "1-2"),
        ("1.sp", Greater, "1"),
        ("1.2sp1", Less, "1.2-1"),
        ("1.0.RC2", Less, "1.0-RC3"),
        ("3.0.0.Beta1", Greater, "3.0.0.Alpha4"),
        ("1.2.3.4.Final", Equal, "1.2.3.4"),
        ("1.0.0-M1", Less, "1.0.0-M10"),
        ("4.1.100.Final", Greater, "4.1.99.Final"),
        ("1.0a", Equal, "1.0-a"),
        ("1--1", Less, "1-1"),
        ("1.-1", Equal, "1-1"),
    ] {
        assert_eq!(compare(Maven, a, b), Some(order), "{a} against {b}");
    }
    let deep = "1-".repeat(300);
    assert_eq!(compare(Maven, &deep, "1"), None);
}

const DEB: &[&str] = &[
    "0~~",
    "0~~a",
    "0~",
    "0",
    "0.1~rc1",
    "0.1",
    "0.1a",
    "0.1+b1",
    "0.2",
    "1.0~beta1~svn1245",
    "1.0~beta1",
    "1.0",
    "1.0-0.1",
    "1.0-1~bpo11+1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u1",
    "1.0-1.1",
    "1.0-2",
    "1.0.1",
    "1.0a",
    "1.0+dfsg-1",
    "1.2.3-1",
    "1.10",
    "2.36-9+deb12u9",
    "2.36-9+deb12u10",
    "20230311",
    "1:0.1",
    "1:1.0-1",
    "10:0",
];

#[test]
fn dpkg_order() {
    let mut sorted = DEB.to_vec();
    sorted.sort_by(|a, b| compare(Deb, a, b).unwrap());
    ascending(Deb, &sorted);
    ascending(Deb, &["1.0~beta1~svn1245", "1.0~beta1", "1.0", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0-2"]);
    ascending(Deb, &["0~~", "0~~a", "0~", "0", "0a", "0+"]);
    equal(Deb, &[("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.00", "1.0"), ("1.0-01", "1.0-1"), ("0:0-0", "0")]);
    for bad in ["", "a:1", "1:", "-1:1", "1.0-", "1 0", "1_0", "4294967296:1", "1.0-é"] {
        assert_eq!(compare(Deb, bad, "1"), None, "{bad:?}");
    }
}

#[test]
fn dpkg_itself_agrees() {
    let dpkg = |a: &str, op: &str, b: &str| {
        std::process::Command::new("dpkg")
            .args(["--compare-versions", a, op, b])
            .status()
            .map(|s| s.success())
    };
    if dpkg("1", "lt", "2").is_err() {
        eprintln!("no dpkg here: its own answers are not compared");
        return;
    }
    for a in DEB {
        for b in DEB {
            let order = compare(Deb, a, b).unwrap();
            let op = match order {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            assert!(dpkg(a, op, b).unwrap(), "dpkg does not say {a} {op} {b}");
        }
    }
}

#[test]
fn apk_order() {
    ascending(
        Apk,
        &[
            "1.0_alpha",
            "1.0_alpha1",
            "1.0_alpha2",
            "1.0_beta",
            "1.0_pre1",
            "1.0_rc1",
            "1.0_rc2",
            "1.0",
            "1.0-r1",
            "1.0-r10",
            "1.0_cvs",
            "1.0_svn1",
            "1.0_git20240101",
            "1.0_hg1",
            "1.0_p1",
            "1.0_p1-r1",
            "1.0a",
            "1.0b",
            "1.0.1",
            "1.1",
            "1.2",
            "1.10",
            "2",
        ],
    );
    // A part with a leading zero is read as a decimal fraction, as Gentoo does.
    ascending(Apk, &["1.0", "1.001", "1.01", "1.1"]);
    for bad in ["", "a1", "1.", "1.0-r", "1.0_foo1", "1.0-1", "v1.0", "1.0 "] {
        assert_eq!(compare(Apk, bad, "1"), None, "{bad:?}");
    }
}

#[test]
fn rpm_order() {
    ascending(
        Rpm,
        &[
            "1.0~rc1-1",
            "1.0~rc2-1",
            "1.0-1",
            "1.0-1.el9",
            "1.0-2",
            "1.0^git1-1",
            "1.0.a-1",
            "1.0.1-1",
            "1.1-1",
            "1:0.1-1",
        ],
    );
    ascending(Rpm, &["1.0^", "1.0^git1", "1.0.1"]);
    ascending(Rpm, &["5.5p1", "5.5p2", "5.5p10"]);
    ascending(Rpm, &["xyz.4", "8", "9"]);
    equal(Rpm, &[("1.0", "1.0-5"), ("1_0", "1.0"), ("0:1", "1"), ("01", "1"), ("1.0~", "1.0~")]);
    for bad in ["", "x:1", "1-", "a b"] {
        assert_eq!(compare(Rpm, bad, "1"), None, "{bad:?}");
    }
}

#[test]
fn pep440_order() {
    // The list of PEP 440, "Summary of permitted suffixes and relative ordering", and around it.
    ascending(
        Pypi,
        &[
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1!0.1",
        ],
    );
    equal(
        Pypi,
        &[
            ("1.0", "1.0.0"),
            ("v1.0", "1"),
            ("1.0-RC.1", "1.0rc1"),
            ("1.0c1", "1.0rc1"),
            ("1.0-1", "1.0.post1"),
            ("1.0.rev2", "1.0post2"),
            ("1.0alpha", "1.0a0"),
            ("1.0preview3", "1.0pre3"),
            ("1.0+ubuntu-1", "1.0+ubuntu.1"),
            ("0!1.0", "1.0"),
            ("1.0dev", "1.0.dev0"),
        ],
    );
    for bad in ["", "a", "1.0+", "1..0", "1.0x", "1.0+a..b", "!1", "1!", "1.0-r-"] {
        assert_eq!(compare(Pypi, bad, "1"), None, "{bad:?}");
    }
}

#[test]
fn semver_order() {
    ascending(
        Npm,
        &[
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
            "18446744073709551616.0.0",
        ],
    );
    equal(Npm, &[("1.0.0+a", "1.0.0+b"), ("v1.2.3", "=1.2.3"), ("1.2", "1.2.0")]);
    for bad in ["", "x", "1.x", "1.2.3.4", "1.0.0-", "1.0.0+", "1.0.0-a..b", "1.", "latest"] {
        assert_eq!(compare(Npm, bad, "1.0.0"), None, "{bad:?}");
    }
    ascending(Ecosystem::Golang, &["v0.0.0-20200101000000-abcdefabcdef", "v0.0.1", "v2.0.0+incompatible"]);
}

#[test]
fn no_order_is_no_answer() {
    assert_eq!(compare(Generic, "1", "2"), None);
    let long = "1".repeat(crate::limits::VERSION_BYTES + 1);
    assert_eq!(compare(Deb, &long, "1"), None);
    assert!(compare(Deb, &long[1..], "1").is_some());
}

fn range(text: &str) -> Range {
    text.parse().unwrap()
}

#[test]
fn ranges_hold_what_they_say() {
    assert_eq!(range(">=1.0, <2.0").contains(Deb, "1.5-1"), Some(true));
    assert_eq!(range(">=1.0, <2.0").contains(Deb, "2.0"), Some(false));
    assert_eq!(range("<1 || >=2,<3").contains(Npm, "2.5.0"), Some(true));
    assert_eq!(range("<1 || >=2,<3").contains(Npm, "1.5.0"), Some(false));
    assert_eq!(range("=1.0").contains(Pypi, "1.0.0"), Some(true));
    assert_eq!(range("1.0").contains(Pypi, "1.0.1"), Some(false));
    assert_eq!(range("!=1.0").contains(Pypi, "1.0.1"), Some(true));
    assert_eq!(range("<2.0.0").contains(Npm, "2.0.0-rc.1"), Some(true));
    for any in ["*", " any "] {
        assert_eq!(range(any).contains(Generic, "whatever"), Some(true));
    }
}

#[test]
fn what_cannot_be_compared_is_neither_in_nor_out() {
    assert_eq!(range("<2").contains(Generic, "1"), None);
    assert_eq!(range("=1").contains(Generic, "1"), Some(true));
    assert_eq!(range("=1").contains(Generic, "2"), None);
    assert_eq!(range("<2").contains(Npm, "latest"), None);
    // One bound is certainly not met: the other need not be known.
    assert_eq!(range("<1, <x").contains(Npm, "2.0.0"), Some(false));
    assert_eq!(range("<x || <1").contains(Npm, "2.0.0"), None);
    assert!(!range("<x").is_comparable_in(Npm));
    assert!(range("<1.2").is_comparable_in(Npm));
}

#[test]
fn ranges_that_mean_nothing_are_refused() {
    for bad in ["", "<", ">=1,", "||", "1 2", "^1.0", "~1.0", "1.*", "<1 |", ">=1 <2", "=<1", "<\u{0}"] {
        assert!(bad.parse::<Range>().is_err(), "{bad:?}");
    }
    let terms = |n: usize| vec!["<1"; n].join(",");
    assert!(terms(crate::limits::RANGE_TERMS).parse::<Range>().is_ok());
    assert!(terms(crate::limits::RANGE_TERMS + 1).parse::<Range>().is_err());
}

const ORDERED: [Ecosystem; 6] = [Deb, Apk, Rpm, Pypi, Npm, Maven];

proptest! {
    #[test]
    fn any_text_is_compared_or_refused(a in "\\PC{0,24}", b in "\\PC{0,24}") {
        for ecosystem in ORDERED {
            let forth = compare(ecosystem, &a, &b);
            prop_assert_eq!(forth.map(Ordering::reverse), compare(ecosystem, &b, &a));
            if compare(ecosystem, &a, &a).is_some() {
                prop_assert_eq!(compare(ecosystem, &a, &a), Some(Ordering::Equal));
            }
        }
    }

    #[test]
    fn orders_are_transitive(v in proptest::collection::vec("[0-2](\\.[0-2]{1,2}){0,2}(~?[a-c]|_p1|-r?[0-2]|rc1)?", 3)) {
        // Without release on all or none: rpm does not compare a release with its absence.
        for ecosystem in [Deb, Apk, Pypi, Npm] {
            if let (Some(ab), Some(bc), Some(ac)) = (
                compare(ecosystem, &v[0], &v[1]),
                compare(ecosystem, &v[1], &v[2]),
                compare(ecosystem, &v[0], &v[2]),
            ) && ab == bc {
                prop_assert_eq!(ac, ab, "{:?} {:?}", ecosystem, v);
            }
        }
    }

    #[test]
    fn a_range_prints_as_it_reads(text in "(<|<=|>|>=|=|!=)[0-9]\\.[0-9](, (<|>)[0-9])?( \\|\\| =[0-9])?") {
        let parsed = range(&text);
        prop_assert_eq!(parsed.to_string().parse::<Range>().unwrap(), parsed);
    }
}
