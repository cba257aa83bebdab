//! Java archives as the JDK's `jar` makes them (`testdata/catalog/java`) and as an attacker would.

use crate::support::*;
use proptest::prelude::*;
use seaworthy_catalog::limits;
use seaworthy_sbom::inventory::{Inventory, RelationshipKind};
use std::io::Write;

const APP: &[u8] = include_bytes!("../../../../testdata/catalog/java/harbour-app.jar");
const RUN: &[u8] = include_bytes!("../../../../testdata/catalog/java/harbour-run.jar");

fn image(path: &str, archive: &[u8]) -> Inventory {
    read(&[Tar::default().file(path, archive).plain()])
}

fn contains(inventory: &Inventory) -> Vec<String> {
    let name = |id: &str| inventory.package(id).unwrap().name.clone();
    let mut all: Vec<String> = inventory
        .relationships
        .iter()
        .filter(|r| r.kind == RelationshipKind::Contains)
        .map(|r| format!("{} > {}", name(&r.from), name(&r.to)))
        .collect();
    all.sort();
    all
}

/// Zips by hand, so that they can be wrong.
#[derive(Default, Clone)]
struct Zip {
    body: Vec<u8>,
    central: Vec<u8>,
    count: usize,
}

impl Zip {
    fn stored(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, 0, content, content.len())
    }

    fn deflated(self, name: &str, content: &[u8]) -> Self {
        let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(9));
        out.write_all(content).unwrap();
        let out = out.finish().unwrap();
        self.entry(name, 8, &out, content.len())
    }

    fn entry(mut self, name: &str, method: u16, data: &[u8], size: usize) -> Self {
        let offset = u32::try_from(self.body.len()).unwrap();
        let mut common = Vec::new();
        for half in [20, 0, method, 0, 0] {
            common.extend(half.to_le_bytes());
        }
        for number in [0, u32::try_from(data.len()).unwrap(), u32::try_from(size).unwrap()] {
            common.extend(number.to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        self.body.extend(b"PK\x03\x04");
        self.body.extend(&common);
        self.body.extend(name.as_bytes());
        self.body.extend(data);
        self.central.extend(b"PK\x01\x02\x14\x00");
        self.central.extend(&common);
        self.central.extend([0; 10]);
        self.central.extend(offset.to_le_bytes());
        self.central.extend(name.as_bytes());
        self.count += 1;
        self
    }

    fn end(mut self) -> Vec<u8> {
        let at = u32::try_from(self.body.len()).unwrap();
        let size = u32::try_from(self.central.len()).unwrap();
        let count = u16::try_from(self.count.min(0xffff)).unwrap();
        self.body.append(&mut self.central);
        self.body.extend(b"PK\x05\x06\0\0\0\0");
        self.body.extend(count.to_le_bytes());
        self.body.extend(count.to_le_bytes());
        self.body.extend(size.to_le_bytes());
        self.body.extend(at.to_le_bytes());
        self.body.extend([0, 0]);
        self.body
    }
}

fn pom(group: &str, artifact: &str, version: &str) -> (String, String) {
    (
        format!("META-INF/maven/{group}/{artifact}/pom.properties"),
        format!("version={version}\ngroupId={group}\nartifactId={artifact}\n"),
    )
}

#[test]
fn an_application_with_a_shaded_dependency_and_archives_inside() {
    for (name, bytes) in [("harbour-app.jar", APP), ("harbour-app-run.jar", RUN)] {
        let found = image(&format!("opt/{name}"), bytes);
        assert_eq!(
            names(&found),
            [
                "com.example.ropes:ropes-core 0.9",
                "mooring-line 1.7.3",
                "org.example.harbour:harbour-app 3.2.1",
                "org.example:tide 2.0.1",
            ]
        );
        assert_eq!(
            contains(&found),
            [
                "org.example.harbour:harbour-app > com.example.ropes:ropes-core",
                "org.example.harbour:harbour-app > mooring-line",
                "org.example.harbour:harbour-app > org.example:tide",
            ]
        );
        assert!(found.gaps.is_empty(), "{:?}", found.gaps);
        let app = package(&found, "org.example.harbour:harbour-app");
        assert_eq!(app.purl.as_deref(), Some("pkg:maven/org.example.harbour/harbour-app@3.2.1"));
        assert_eq!(app.license.expression.as_deref(), Some("Apache-2.0"));
        assert_eq!(app.checksums[0].hex, diff_id(bytes).hex());
        assert_eq!(app.properties["java:known-by"], "pom.properties");
        let tide = package(&found, "org.example:tide");
        assert_eq!(tide.license.expression.as_deref(), Some("Apache-2.0"), "from a URL");
        assert_eq!(tide.evidence[0].path, format!("/opt/{name}!/BOOT-INF/lib/tide.jar"));
        let line = package(&found, "mooring-line");
        assert_eq!(line.properties["java:known-by"], "file name");
        assert_eq!(line.purl.as_deref(), Some("pkg:maven/mooring-line@1.7.3"));
    }
}

/// A build that puts archives together without care leaves the manifest of one of them.
#[test]
fn a_shaded_archive_is_not_the_part_whose_manifest_it_carries() {
    let (rope, rope_pom) = pom("com.example", "rope", "1.14.0");
    let (knot, knot_pom) = pom("com.example", "knot", "3.11.0");
    let archive = Zip::default()
        .stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\nAutomatic-Module-Name: rope\n")
        .stored(&rope, rope_pom.as_bytes())
        .stored(&knot, knot_pom.as_bytes())
        .end();
    let found = image("app/winch-standalone-3.141.59.jar", &archive);
    assert_eq!(
        names(&found),
        ["com.example:knot 3.11.0", "com.example:rope 1.14.0", "winch-standalone 3.141.59"]
    );
    assert_eq!(package(&found, "winch-standalone").checksums[0].hex, diff_id(&archive).hex());
    assert!(package(&found, "com.example:rope").checksums.is_empty());

    let found = image("app/winch-2.0-jar-with-dependencies.jar", &archive);
    assert!(names(&found).contains(&"winch 2.0".to_owned()), "{:?}", names(&found));
}

/// A module is called after its packages, an artifact after what people ask for: `anchor.jar` is no `org.anchor.core`.
#[test]
fn a_file_name_that_is_a_part_of_the_modules_name_is_the_artifact() {
    let archive = |manifest: &str| Zip::default().stored("META-INF/MANIFEST.MF", manifest.as_bytes()).end();
    let module = archive("Automatic-Module-Name: org.anchor.core\nImplementation-Version: 42.5\n");
    assert_eq!(names(&image("usr/share/java/anchor.jar", &module)), ["anchor 42.5"]);
    assert_eq!(names(&image("usr/share/java/chain.jar", &module)), ["org.anchor.core 42.5"]);
    let bundle = archive("Bundle-SymbolicName: org.anchor.core\nBundle-Version: 42.5\n");
    assert_eq!(names(&image("usr/share/java/anchor.jar", &bundle)), ["anchor 42.5"]);
}

#[test]
fn an_archive_that_says_nothing_has_an_unknown_version() {
    let found = image("app/lib/quiet.jar", &Zip::default().stored("x.class", b"x").end());
    assert_eq!(names(&found), ["quiet -"]);
    assert_eq!(found.packages[0].properties["seaworthy:version"], "unknown");
    assert!(found.gaps.is_empty());
}

#[test]
fn which_pom_is_the_archives_own() {
    let jar = |poms: &[(&str, &str, &str)]| {
        poms.iter()
            .fold(Zip::default(), |zip, (g, a, v)| {
                let (name, text) = pom(g, a, v);
                zip.deflated(&name, text.as_bytes())
            })
            .end()
    };
    let both = [("com.google.guava", "guava", "31.1-jre"), ("com.google.guava", "guava-testlib", "31.1-jre")];
    assert_eq!(
        contains(&image("l/guava-testlib-31.1-jre.jar", &jar(&both))),
        ["com.google.guava:guava-testlib > com.google.guava:guava"]
    );
    assert_eq!(
        contains(&image("l/guava-31.1-jre.jar", &jar(&both))),
        ["com.google.guava:guava > com.google.guava:guava-testlib"]
    );
    let spec = [("org.example.specs", "harbour-interceptor_3.0_spec", "1.0.1")];
    assert_eq!(
        names(&image("l/harbour-interceptor-3.0-spec.jar", &jar(&spec))),
        ["org.example.specs:harbour-interceptor_3.0_spec 1.0.1"]
    );
    // A renamed archive is still its one pom; a versioned name of something else is not.
    let one = jar(&[("org.example", "demo", "1.0")]);
    assert_eq!(names(&image("app.jar", &one)), ["org.example:demo 1.0"]);
    assert_eq!(names(&image("l/server-4.2.jar", &one)), ["org.example:demo 1.0", "server 4.2"]);
    // The same in several places is one package.
    let twice = Tar::default().file("a/demo-1.0.jar", &one).file("b/demo-1.0.jar", &one);
    let found = read(&[twice.plain()]);
    assert_eq!((found.packages.len(), found.packages[0].evidence.len()), (1, 2));
}

#[test]
fn what_a_deb_owns_is_contained_in_it() {
    let info = "/usr/share/java/tide-1.0.jar\n/usr/lib/jvm/java-17/release\n";
    let release = "IMPLEMENTOR=\"Debian\"\nJAVA_RUNTIME_VERSION=\"17.0.9+9-Debian-1\"\nJAVA_VERSION=\"17.0.9\"\nOS_ARCH=\"x86_64\"\n";
    let tar = Tar::default()
        .file(STATUS, deb("libtide-java", "1.0-1"))
        .file("var/lib/dpkg/info/libtide-java.list", info)
        .file("usr/share/java/tide-1.0.jar", Zip::default().stored("x", b"x").end())
        .file("usr/lib/jvm/java-17/release", release)
        .file("etc/other/release", "not java\n");
    let found = read(&[tar.plain()]);
    assert_eq!(names(&found), ["libtide-java 1.0-1", "openjdk 17.0.9+9-Debian-1", "tide 1.0"]);
    assert_eq!(contains(&found), ["libtide-java > openjdk", "libtide-java > tide"]);
    assert_eq!(package(&found, "openjdk").supplier.as_deref(), Some("Debian"));
    assert!(found.gaps.is_empty());
}

#[test]
fn what_is_no_archive_is_a_gap_and_an_empty_file_is_nothing() {
    let found = image("a.jar", b"hello");
    assert!(gaps(&found)[0].contains("no zip archive"), "{:?}", gaps(&found));
    let found = image("a.jar", b"");
    assert!(found.gaps.is_empty() && found.packages.is_empty());
    let cut = image("a.jar", &APP[..APP.len() - 30]);
    assert!(gaps(&cut)[0].contains("no zip archive"));
}

#[test]
fn archives_in_archives_are_read_to_a_depth() {
    let mut jar = Zip::default().stored("x", b"x").end();
    for level in (0..100).rev() {
        jar = Zip::default().stored(&format!("level-{level}.jar"), &jar).end();
    }
    let found = image("outer.jar", &jar);
    assert!(found.packages.len() <= limits::JAR_DEPTH + 1);
    assert!(found.packages.len() >= 4, "{:?}", names(&found));
    assert!(!found.gaps.is_empty());
    // With bytes enough for all levels it is the depth that ends it, exactly.
    for (depth, told) in [(limits::JAR_DEPTH, 0), (limits::JAR_DEPTH + 1, 1)] {
        let mut jar = Zip::default().stored("x", b"x").end();
        for level in (0..depth).rev() {
            jar = Zip::default().stored(&format!("level-{level}.jar"), &jar).end();
        }
        let found = image("outer.jar", &jar);
        assert_eq!(gaps(&found).iter().filter(|g| g.contains("deep")).count(), told, "{:?}", gaps(&found));
    }
}

#[test]
fn entries_are_bounded() {
    let mut many = Zip::default();
    for _ in 0..limits::JAR_ENTRIES {
        many = many.entry("", 0, b"", 0);
    }
    let exact = many.clone().end();
    assert!(image("many.jar", &exact).gaps.is_empty());
    let found = image("many.jar", &many.entry("", 0, b"", 0).end());
    assert!(gaps(&found)[0].contains("JAR_ENTRIES"), "{:?}", gaps(&found));
    assert_eq!(names(&found), ["many -"]);
}

/// An archive of exactly `bytes` bytes.
fn sized(bytes: usize) -> Vec<u8> {
    let overhead = Zip::default().stored("x", b"").end().len();
    Zip::default().stored("x", &vec![0; bytes - overhead]).end()
}

#[test]
fn texts_of_an_archive_are_bounded_at_limit_plus_one() {
    let maven = "META-INF/maven/g/a/";
    for (name, most) in [
        ("META-INF/MANIFEST.MF".to_owned(), limits::JAR_TEXT_BYTES),
        (format!("{maven}pom.xml"), limits::JAR_TEXT_BYTES),
        (format!("{maven}pom.properties"), limits::JAR_PROPERTIES_BYTES),
    ] {
        for (bytes, told) in [(most, false), (most + 1, true)] {
            let found = image("a.jar", &Zip::default().stored(&name, &vec![b'\n'; bytes]).end());
            let says = gaps(&found)
                .contains(&format!("/a.jar: {name}: {bytes} bytes, more than the limit of {most}"));
            assert_eq!(says, told, "{name}: {:?}", gaps(&found));
        }
    }
}

#[test]
fn archives_in_archives_are_bounded_at_limit_plus_one() {
    // Half as much at each level: the lowest that is read costs the least to build.
    let depth = limits::JAR_DEPTH - 1;
    let most = limits::JAR_NESTED_BYTES >> depth;
    for (bytes, told) in [(most, 0), (most + 1, 1)] {
        let mut jar = sized(bytes);
        for level in (0..=depth).rev() {
            jar = Zip::default().stored(&format!("level-{level}.jar"), &jar).end();
        }
        let found = image("outer.jar", &jar);
        let limit = format!("bytes, more than the limit of {most}");
        assert_eq!(gaps(&found).iter().filter(|g| g.contains(&limit)).count(), told, "{:?}", gaps(&found));
    }
}

/// With that many poms, of which none is the archive's own.
fn with_poms(count: usize, label: &str) -> Vec<u8> {
    let poms = (0..count).map(|at| pom("g", &format!("{label}{at}"), "1"));
    poms.fold(Zip::default(), |zip, (name, text)| zip.stored(&name, text.as_bytes())).end()
}

#[test]
fn poms_are_bounded_at_limit_plus_one() {
    for (count, told) in [(limits::JAR_POMS, 0), (limits::JAR_POMS + 1, 1)] {
        let found = image("own-1.jar", &with_poms(count, "p"));
        assert_eq!(
            gaps(&found).iter().filter(|g| g.contains("JAR_POMS")).count(),
            told,
            "{:?}",
            gaps(&found)
        );
        assert_eq!(found.packages.len(), limits::JAR_POMS + 1);
    }
}

#[test]
fn packages_of_an_archive_are_bounded_at_limit_plus_one() {
    // Each archive is one package, and each pom in it another: 1 + 19 * 1,000 + 999.
    let filled = (0..19).fold(Zip::default(), |zip, at| {
        zip.stored(&format!("part{at}-1.jar"), &with_poms(999, &format!("p{at}x")))
    });
    for (last, told) in [(998, 0), (999, 1)] {
        let jar = filled.clone().stored("last-1.jar", &with_poms(last, "q")).end();
        let found = image("outer-1.jar", &jar);
        assert_eq!(found.packages.len(), limits::JAR_PACKAGES);
        let says = gaps(&found).iter().filter(|g| g.contains("JAR_PACKAGES")).count();
        assert_eq!(says, told, "{:?}", gaps(&found));
    }
    // Empty ones are no packages, but looking at them is work.
    let names = (0..=limits::JAR_PACKAGES).map(|at| format!("{at}.jar"));
    let many = names.fold(Zip::default(), |zip, name| zip.stored(&name, b"")).end();
    assert!(gaps(&image("outer-1.jar", &many))[0].contains("JAR_PACKAGES"));
}

#[test]
fn what_is_looked_at_is_bounded_by_the_archives_size() {
    let manifest = |bytes: usize, padding: usize| {
        Zip::default()
            .deflated("META-INF/MANIFEST.MF", &vec![b'\n'; bytes])
            .stored("padding", &vec![0; padding])
            .end()
    };
    // As large as eight times the whole archive, and what small ones may have beside.
    let size = 10_000;
    let most = size * limits::JAR_READ_RATIO + limits::JAR_READ_GRACE;
    for (bytes, told) in [(most, 0), (most + 1, 1)] {
        let jar = manifest(bytes, size - manifest(bytes, 0).len());
        assert_eq!(jar.len(), size);
        let found = image("a-1.jar", &jar);
        let says = gaps(&found).iter().filter(|g| g.contains("more bytes in archives")).count();
        assert_eq!(says, told, "{:?}", gaps(&found));
    }
}

#[test]
fn bombs_are_not_inflated() {
    // 1,000 entries share a stored archive: the bytes looked at are bounded by the size of the file.
    let inner = Zip::default().stored("x", &vec![b'x'; 300_000]).end();
    let mut zip = Zip::default().stored("a-0.jar", &inner);
    let one = zip.central.clone();
    for _ in 0..1_000 {
        zip.central.extend_from_slice(&one);
        zip.count += 1;
    }
    let found = image("outer.jar", &zip.end());
    assert!(gaps(&found).iter().any(|g| g.contains("more bytes in archives")), "{:?}", gaps(&found));
    // An archive of zeros that inflates a thousand times.
    let bomb = Zip::default().deflated("b-1.jar", &vec![0; 20 << 20]).end();
    assert!(bomb.len() < 100_000);
    assert!(gaps(&image("outer.jar", &bomb))[0].contains("more bytes in archives"));
    // A size that is a lie.
    let lie = Zip::default().entry("META-INF/MANIFEST.MF", 8, &[0x03, 0x00], 5).end();
    assert!(gaps(&image("l.jar", &lie))[0].contains("another size"));
    let encrypted = {
        let mut zip = Zip::default().stored("META-INF/MANIFEST.MF", b"A: b\n");
        zip.central[8] = 1;
        zip.end()
    };
    assert!(gaps(&image("e.jar", &encrypted))[0].contains("encrypted"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_change_breaks_the_reader(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = RUN.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        let found = image("a-1.0.jar", &bytes);
        prop_assert!(found.packages.len() <= 8);
    }
}

/// The text in an archive is that of its package, where nothing else says its licence and nothing was shaded in.
#[test]
fn licence_texts_in_archives() {
    let text = |id: &str| spdx::license_id(id).unwrap().text();
    let properties = |name: &str| format!("groupId=org.example\nartifactId={name}\nversion=1.0\n");
    let of = |name: &str| {
        let at = format!("META-INF/maven/org.example/{name}/pom.properties");
        Zip::default()
            .deflated("META-INF/LICENSE.txt", text("Apache-2.0").as_bytes())
            .deflated(&at, properties(name).as_bytes())
    };
    let concluded = |found: &Inventory, name: &str| {
        let found = package(found, &format!("org.example:{name}"));
        (found.license.concluded.clone(), found.evidence.iter().map(|e| e.path.clone()).collect::<Vec<_>>())
    };
    let apache = Some("Apache-2.0".to_owned());
    let alone = image("srv/a-1.0.jar", &of("a").end());
    let there = vec!["/srv/a-1.0.jar".to_owned(), "/srv/a-1.0.jar!/META-INF/LICENSE.txt".to_owned()];
    assert_eq!(concluded(&alone, "a"), (apache.clone(), there));
    // In an archive in an archive; the outer one has another.
    let outer =
        of("w").stored("WEB-INF/lib/a-1.0.jar", &of("a").end()).stored("LICENSE", text("MIT").as_bytes());
    let nested = image("srv/w-1.0.war", &outer.end());
    let inside = concluded(&nested, "a");
    assert_eq!(
        (inside.0, &inside.1[1]),
        (apache, &"/srv/w-1.0.war!/WEB-INF/lib/a-1.0.jar!/META-INF/LICENSE.txt".to_owned())
    );
    assert_eq!(concluded(&nested, "w").0, None);
    // Shaded: whose text it is, nothing says. And the manifest comes first.
    let second = "META-INF/maven/org.example/b/pom.properties";
    let shaded = image("srv/a-1.0.jar", &of("a").deflated(second, properties("b").as_bytes()).end());
    assert_eq!((concluded(&shaded, "a").0, concluded(&shaded, "b").0), (None, None));
    let manifest = b"Manifest-Version: 1.0\nBundle-License: MIT\n";
    let said = image("srv/a-1.0.jar", &of("a").deflated("META-INF/MANIFEST.MF", manifest).end());
    assert_eq!(concluded(&said, "a"), (None, vec!["/srv/a-1.0.jar".to_owned()]));
    // A text that is broken says nothing, and is no gap.
    let broken = Zip::default().entry("LICENSE", 8, b"no deflate", 900);
    let broken = image("srv/a-1.0.jar", &broken.deflated(second, properties("a").as_bytes()).end());
    assert_eq!((concluded(&broken, "a").0, gaps(&broken).len()), (None, 0));
    // So many that there is no room for all of them.
    let most = limits::JAR_TEXTS_BYTES / limits::LICENCE_TEXT_BYTES as usize;
    let text = vec![b'\n'; limits::LICENCE_TEXT_BYTES as usize];
    let many = |count: usize| {
        (0..count).fold(Zip::default(), |zip, n| {
            zip.stored(&format!("p{n}-1.0.jar"), &Zip::default().stored("LICENSE", &text).end())
        })
    };
    assert_eq!(gaps(&image("srv/most-1.0.jar", &many(most).end())), Vec::<String>::new());
    let over = gaps(&image("srv/over-1.0.jar", &many(most + 1).end()));
    assert!(matches!(over.as_slice(), [only] if only.contains("JAR_TEXTS_BYTES")), "{over:?}");
}
