//! Gems, Composer, .NET and lock files in images.

use crate::support::*;
use seaworthy_sbom::inventory::{Presence, RelationshipKind};

const RACK: &str = "Gem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"3.0.8\"\n  s.licenses = [\"MIT\".freeze]\nend\n";

#[test]
fn installed_by_their_own_metadata() {
    let installed = r#"{"packages":[{"name":"psr/log","version":"3.0.0","license":["MIT"]},
        {"name":"monolog/monolog","version":"3.5.0","require":{"psr/log":"^3"}}]}"#;
    let deps = r#"{"libraries":{"App/1.0.0":{"type":"project"},"Serilog/3.1.1":{"type":"package"}},
        "targets":{"net8.0":{"App/1.0.0":{"dependencies":{"Serilog":"3.1.1"}}}}}"#;
    let image = read(&[Tar::default()
        .file("usr/local/bundle/specifications/rack-3.0.8.gemspec", RACK)
        .file("app/vendor/composer/installed.json", installed)
        .file("srv/App.deps.json", deps)
        .gzip()]);
    let mut purls: Vec<&str> = image.packages.iter().filter_map(|p| p.purl.as_deref()).collect();
    purls.sort_unstable();
    assert_eq!(
        purls,
        [
            "pkg:composer/monolog/monolog@3.5.0",
            "pkg:composer/psr/log@3.0.0",
            "pkg:gem/rack@3.0.8",
            "pkg:nuget/App@1.0.0",
            "pkg:nuget/Serilog@3.1.1",
        ]
    );
    assert!(image.gaps.is_empty());
    assert_eq!(package(&image, "rack").license.expression.as_deref(), Some("MIT"));
    assert_eq!(image.relationships.len(), 2);
    assert!(image.relationships.iter().all(|r| r.kind == RelationshipKind::DependsOn));
}

#[test]
fn declared_is_not_installed_and_both_are_one() {
    let lock = "GEM\n  specs:\n    rack (3.0.8)\n    rake (13.0.6)\n";
    let first = Tar::default().file("app/Gemfile.lock", lock);
    let second = Tar::default().file("usr/local/bundle/specifications/rack-3.0.8.gemspec", RACK);
    let image = read(&[first.gzip(), second.gzip()]);
    assert_eq!(names(&image), ["rack 3.0.8", "rake 13.0.6"]);
    let rack = package(&image, "rack");
    assert_eq!((rack.presence, rack.evidence.len()), (Presence::Installed, 2));
    assert_eq!(rack.found_by.as_deref(), Some("gem"));
    // The layer that installed it, not the one that declared it.
    assert_eq!(rack.layer.as_deref(), Some(image.layers[1].digest.as_str()));
    let rake = package(&image, "rake");
    assert_eq!((rake.presence, rake.found_by.as_deref()), (Presence::Declared, Some("lock-file")));
}

#[test]
fn what_cannot_be_read_is_a_gap() {
    let image = read(&[Tar::default()
        .file("app/composer.lock", "{")
        .file("srv/App.deps.json", "[]")
        .file("gems/specifications/x.gemspec", "s.name = 1")
        .gzip()]);
    assert!(image.packages.is_empty());
    assert_eq!(image.gaps.len(), 3);
}
