//! Lock files that the tools themselves wrote (testdata/catalog/locks), in images.

use crate::support::*;
use seaworthy_sbom::inventory::{Inventory, Presence, RelationshipKind};

fn recorded(name: &str) -> Vec<u8> {
    let place = format!("{}/../../testdata/catalog/locks/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&place).unwrap_or_else(|e| panic!("{place}: {e}"))
}

fn of(recorded_as: &str, path: &str) -> Inventory {
    let image = read(&[Tar::default().file(path, recorded(recorded_as)).gzip()]);
    assert_eq!(gaps(&image), Vec::<String>::new(), "{recorded_as}");
    assert!(image.packages.iter().all(|p| p.presence == Presence::Declared), "{recorded_as}");
    assert!(image.relationships.iter().all(|r| r.kind == RelationshipKind::DependsOn));
    image
}

/// `from > to`, by name.
fn edges(image: &Inventory) -> Vec<String> {
    let name = |id: &str| image.packages.iter().find(|p| p.stable_id() == id).unwrap().name.clone();
    let mut all: Vec<String> =
        image.relationships.iter().map(|r| format!("{} > {}", name(&r.from), name(&r.to))).collect();
    all.sort();
    all
}

fn development(image: &Inventory) -> Vec<&str> {
    let dev = |p: &&seaworthy_sbom::inventory::Package| p.properties.contains_key("lock:scope");
    let mut all: Vec<&str> = image.packages.iter().filter(dev).map(|p| p.name.as_str()).collect();
    all.sort_unstable();
    all
}

/// One `package.json`, resolved by seven tools: the same packages, the same edges, the same checksums.
#[test]
fn seven_tools_for_javascript_agree() {
    let files = [
        ("package-lock.json", "app/package-lock.json"),
        ("pnpm-lock-9.yaml", "app/pnpm-lock.yaml"),
        ("pnpm-lock-8.yaml", "app/pnpm-lock.yaml"),
        ("yarn-classic.lock", "app/yarn.lock"),
        ("yarn-berry.lock", "app/yarn.lock"),
        ("bun.lock", "app/bun.lock"),
        ("deno.lock", "app/deno.lock"),
    ];
    for (name, path) in files {
        let image = of(name, path);
        assert_eq!(
            names(&image),
            [
                "@types/node 18.19.0",
                "ansi-styles 4.3.0",
                "chalk 4.1.2",
                "color-convert 2.0.1",
                "color-name 1.1.4",
                "has-flag 4.0.0",
                "left-pad 1.3.0",
                "lru-cache 6.0.0",
                "semver 7.5.4",
                "supports-color 7.2.0",
                "undici-types 5.26.5",
                "yallist 4.0.0",
            ],
            "{name}"
        );
        // deno names what a package needs without its version where there is only one.
        assert_eq!(
            edges(&image),
            [
                "@types/node > undici-types",
                "ansi-styles > color-convert",
                "chalk > ansi-styles",
                "chalk > supports-color",
                "color-convert > color-name",
                "lru-cache > yallist",
                "semver > lru-cache",
                "supports-color > has-flag",
            ],
            "{name}"
        );
        // Berry's checksums are those of its own archives, not of the packages.
        if name != "yarn-berry.lock" {
            let sums = &package(&image, "chalk").checksums;
            assert_eq!((sums[0].algorithm.as_str(), &sums[0].hex[..8]), ("SHA512", "a0a9db84"), "{name}");
        }
    }
    for (name, path) in &files[..3] {
        let wanted: &[&str] = if name.contains('9') { &[] } else { &["lru-cache", "semver", "yallist"] };
        assert_eq!(development(&of(name, path)), wanted, "{name}");
    }
}

/// uv's own file and the form of PEP 751 that it exports: the same packages, the edges in the first alone.
#[test]
fn both_forms_of_uv() {
    let image = of("uv.lock", "app/uv.lock");
    let runtime = ["certifi", "charset-normalizer", "click", "colorama", "idna", "requests", "urllib3"];
    let mut found: Vec<&str> = image.packages.iter().map(|p| p.name.as_str()).collect();
    found.sort_unstable();
    let mut wanted = runtime.to_vec();
    wanted.push("iniconfig");
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    assert_eq!(
        edges(&image),
        [
            "click > colorama",
            "requests > certifi",
            "requests > charset-normalizer",
            "requests > idna",
            "requests > urllib3",
        ]
    );
    let exported = of("pylock.toml", "app/pylock.toml");
    assert_eq!(names(&exported), names(&image));
    assert_eq!(package(&exported, "requests").purl.as_deref(), Some("pkg:pypi/requests@2.31.0"));
}

/// The lock file of this project: what cargo says of it is what it says itself.
#[test]
fn cargo_with_edges_and_checksums() {
    let text = std::fs::read_to_string(format!("{}/../../Cargo.lock", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let image = read(&[Tar::default().file("app/Cargo.lock", &text).gzip()]);
    assert_eq!(image.packages.len(), text.matches("[[package]]").count());
    let sums = image.packages.iter().filter(|p| !p.checksums.is_empty()).count();
    assert_eq!(sums, text.lines().filter(|line| line.starts_with("checksum = ")).count());
    // Every item of a `dependencies` list is an edge.
    let items = text.lines().filter(|line| line.starts_with(" \"")).count();
    assert_eq!(image.relationships.len(), items);
}

#[test]
fn too_many_dependencies_of_one_package() {
    let lock = |count: usize| {
        let items: String = (0..count).map(|n| format!(" \"d{n}\",\n")).collect();
        format!(
            "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\n{items}]\n\n[[package]]\nname = \"d0\"\nversion = \"1.0.0\"\n"
        )
    };
    let limit = seaworthy_catalog::limits::DEPENDENCIES;
    let read = |count| read(&[Tar::default().file("app/Cargo.lock", lock(count)).gzip()]);
    let image = read(limit);
    assert_eq!((image.relationships.len(), image.gaps.len()), (1, 0));
    let image = read(limit + 1);
    assert_eq!((image.packages.len(), image.relationships.len()), (2, 0));
    assert_eq!(gaps(&image), ["/app/Cargo.lock: a has 10001 dependencies, more than 10000"]);
}
