//! Tables of the orders of Go, Ruby, .NET and PHP: what their own tools say of tricky pairs.

use super::compare;
use crate::inventory::Ecosystem::{self, Composer, Gem, Golang, Nuget};
use proptest::prelude::*;
use std::cmp::Ordering;

/// The list is ascending; every pair of it is compared both ways.
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

#[track_caller]
fn refused(ecosystem: Ecosystem, list: &[&str]) {
    for bad in list {
        assert_eq!(compare(ecosystem, bad, "1.0.0"), None, "{ecosystem:?}: {bad:?}");
        assert_eq!(compare(ecosystem, "1.0.0", bad), None, "{ecosystem:?}: {bad:?}");
    }
}

/// go.dev/ref/mod, "Versions" and "Pseudo-versions".
/// The example of vercmp(8), and what its text says of epochs and releases.
#[test]
fn pacman() {
    let alpm = Ecosystem::Alpm;
    ascending(
        alpm,
        &[
            "1.0a", "1.0b", "1.0beta", "1.0p", "1.0pre", "1.0rc", "1.0", "1.0.a", "1.0.1", "1.1", "1.2",
            "2.0", "3.0.0",
        ],
    );
    ascending(alpm, &["1", "1.0", "1.1", "1.2", "1.11", "2", "20220713", "1:0.1"]);
    ascending(alpm, &["1.5-1", "1.5-2", "1.5.1-1"]);
    ascending(alpm, &["1.0", "1..0"]);
    equal(alpm, &[("1.5-1", "1.5"), ("1.5", "1.5"), ("0:1.5", "1.5"), ("1.05", "1.5")]);
    refused(alpm, &["", ":", "x:1", "1 2", "1:"]);
}

#[test]
fn lists_of_numbers() {
    ascending(Ecosystem::Cran, &["1.0", "1.0.0", "1.0-1", "1.2", "1.10-3", "2"]);
    equal(Ecosystem::Cran, &[("1.0-1", "1.0.1")]);
    refused(Ecosystem::Cran, &["1.0a", "", "1..0"]);
    ascending(Ecosystem::Hackage, &["0.9", "0.9.0", "0.10", "1.2.3.4"]);
    refused(Ecosystem::Hackage, &["1-0", "1.x"]);
}

/// Orders that an ecosystem shares with another by its own documentation.
#[test]
fn orders_of_others() {
    ascending(Ecosystem::Opam, &["4.14.0~rc1", "4.14.0", "4.14.0+flambda", "5.2.0"]);
    ascending(Ecosystem::Hex, &["1.0.0-rc.1", "1.0.0", "1.0.10"]);
    ascending(Ecosystem::Cocoapods, &["1.0.0.beta.1", "1.0.0", "1.0.1"]);
}

#[test]
fn go() {
    ascending(
        Golang,
        &[
            "v0.0.0-20180101000000-abcdefabcdef",
            "v0.0.0-20191109021931-daa7c04131f5",
            "v0.0.0",
            "v0.1.0",
            "v1.2.3-pre",
            "v1.2.3-pre.0.20191109021931-daa7c04131f5",
            "v1.2.3",
            "v1.2.4-0.20191109021931-daa7c04131f5",
            "v1.2.4-alpha",
            "v1.2.4",
            "v1.10.0",
            "v2.0.0+incompatible",
        ],
    );
    equal(Golang, &[("v2.0.0+incompatible", "v2.0.0"), ("1.22.1", "v1.22.1")]);
    refused(Golang, &["(devel)", "", "v1.2.3.4", "v1..2", "master"]);
}

/// `Gem::Version`, its documentation and its tests.
#[test]
fn gem() {
    ascending(
        Gem,
        &[
            "0.beta.1", "1.0.a.2", "1.0.b1", "1.0.rc1", "1.0", "1.1.rc10", "1.1", "1.2.b1", "1.2.3.1",
            "1.10", "5.2.4",
        ],
    );
    ascending(Gem, &["1.0.0.pre", "1.0.0", "1.0.0.1"]);
    ascending(Gem, &["1.8.2.a", "1.8.2.a10", "1.8.2.b", "1.8.2"]);
    ascending(Gem, &["5.0.0.rc1", "5.0.0.rc2", "5.0.0.rc10", "5.0.0"]);
    equal(
        Gem,
        &[
            ("1.0", "1"),
            ("1.0.0", "1"),
            ("0.0.beta", "0.beta"),
            ("1.0.a", "1.a"),
            ("1-1", "1.pre.1"),
            ("007", "7"),
        ],
    );
    refused(Gem, &["", "junk", "1..2", "1.x_y", "1.16.0-x86_64-linux", "2.0-java", "1.0-"]);
}

/// learn.microsoft.com, "Package versioning": normalized numbers, SemVer 2 labels, case does not count.
#[test]
fn nuget() {
    ascending(
        Nuget,
        &[
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-Beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.0.1",
            "1.0.1",
            "1.2",
            "1.10",
            "2147483648.0",
        ],
    );
    equal(Nuget, &[("1.0", "1.0.0.0"), ("1.00.1", "1.0.1"), ("1.0-RC", "1.0.0-rc"), ("1.0.0+a", "1.0.0+b")]);
    refused(Nuget, &["", "1.0.0.0.1", "a", "1.-2", "1.0-"]);
}

/// `composer/semver`: `VersionParser::normalize` and `Comparator`.
#[test]
fn composer() {
    ascending(
        Composer,
        &[
            "1.0.0-dev",
            "v1.0.0-alpha1",
            "1.0.0-alpha2",
            "1.0.0-a10",
            "1.0.0-beta",
            "1.0.0-beta.2-dev",
            "1.0.0-beta.2",
            "1.0.0RC1",
            "1.0.0-RC2",
            "1.0.0",
            "1.0.0-p1",
            "1.0.0-patch2",
            "1.0.0.1",
            "1.2",
            "1.10",
            "v20231010",
        ],
    );
    equal(
        Composer,
        &[
            ("v1.0", "1.0.0.0"),
            ("1.0.0-RC1", "1.0.0rc1"),
            ("1.0.beta1", "1.0.0-b1"),
            ("1.0.0-stable", "1.0"),
            ("1.0+x", "1.0"),
        ],
    );
    refused(Composer, &["dev-main", "1.x-dev", "", "1.0.0.0.1", "1.0.0-other", "1..0", "1.0-1"]);
}

proptest! {
    #[test]
    fn orders_are_orders(
        a in "v?[0-9]{0,3}(\\.[0-9a-z]{0,3}){0,4}([-+_.][a-zR0-9.-]{0,8})?",
        b in "v?[0-9]{0,3}(\\.[0-9a-z]{0,3}){0,4}([-+_.][a-zR0-9.-]{0,8})?",
        c in "[0-9]{1,2}(\\.[0-9]{1,2}){0,3}(-(rc|a|beta)[0-9]?)?",
    ) {
        for ecosystem in [Golang, Gem, Nuget, Composer] {
            let ab = compare(ecosystem, &a, &b);
            prop_assert_eq!(ab, compare(ecosystem, &b, &a).map(Ordering::reverse));
            if let (Some(ab), Some(bc)) = (ab, compare(ecosystem, &b, &c))
                && ab == bc
            {
                prop_assert_eq!(compare(ecosystem, &a, &c), Some(ab), "{:?} {} {} {}", ecosystem, a, b, c);
            }
        }
    }

    #[test]
    fn any_text_is_an_order_or_none(a in "\\PC{0,20}", b in any::<String>()) {
        for ecosystem in [Golang, Gem, Nuget, Composer] {
            let _ = compare(ecosystem, &a, &b);
        }
    }
}
