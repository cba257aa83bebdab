//! .NET: the libraries of applications, by their `*.deps.json`.
//!
//! The SDK writes one beside each application (docs.microsoft.com, "runtime-configuration-file"), or into it where the
//! application is a single file ([`crate::bundle`]). Libraries of type
//! `package` are NuGet packages and `project` is the application and its parts; `reference` and
//! `runtimepack` names (`runtimepack.Microsoft.NETCore.App.Runtime.linux-x64`) stand for the runtime inside a
//! self-contained application, and are listed under the name of the package they are. What it cannot know: a
//! library whose file was removed afterwards, and licences.

use super::bytes::{self, Alphabet};
use super::{Cataloger, Fact, Parsed, dependencies_left_out, field};
use crate::collect::Collector;
use crate::limits;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use seaworthy_sbom::inventory::{Checksum, Ecosystem, Package, RelationshipKind};
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) struct Dotnet;

/// One library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Library {
    name: String,
    version: String,
    kind: String,
    /// SHA-512 of the package as distributed, hex.
    sha512: Option<String>,
    /// Names.
    dependencies: Vec<String>,
    /// Names of files that it brings, in lower case.
    files: Vec<String>,
}
pack!(struct Library { name, version, kind, sha512, dependencies, files });

impl Library {
    /// Names of the files that the library is in, in lower case.
    pub(super) fn file_names(&self) -> impl Iterator<Item = String> {
        let own = self.name.to_ascii_lowercase();
        [format!("{own}.dll"), format!("{own}.exe")].into_iter().chain(self.files.iter().cloned())
    }
}

impl Cataloger for Dotnet {
    fn name(&self) -> &'static str {
        "dotnet"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`*.deps.json`, also in single-file applications (ELF programs of any name, bundles of the versions 1, 2 and 6)",
            gives: "libraries, the SHA-512 of packages, edges, the parts of the runtime in self-contained applications",
            cannot_know: "licences; assemblies without a list, which `pe` tells; single-file applications without a list (a gap says so), and those of Windows",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        path.strip_suffix(".deps.json")
            .is_some_and(|p| !p.is_empty() && !p.ends_with('/'))
            .then_some(limits::LIST_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        libraries(content)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        for (path, last, parsed) in view.parsed() {
            let Fact::Dotnet(libraries) = &parsed.fact else { continue };
            let snapshots = Snapshots::new(&[view.history(path)], keys);
            let mut handles: BTreeMap<&str, usize> = BTreeMap::new();
            for library in libraries {
                let version = Some(library.version.clone());
                let mut package = Package::new(Ecosystem::Nuget, &library.name, version);
                if library.kind != "package" {
                    package.properties.insert("dotnet:type".into(), library.kind.clone());
                }
                package.checksums.extend(
                    library
                        .sha512
                        .iter()
                        .map(|hex| Checksum { algorithm: "SHA512".into(), hex: hex.clone() }),
                );
                package.evidence.push(view.evidence(path, last));
                let key = (library.name.clone(), library.version.clone());
                handles.insert(&library.name, out.add(package, snapshots.since(&key).unwrap_or(last)));
            }
            for library in libraries {
                let Some(from) = handles.get(library.name.as_str()) else { continue };
                for name in &library.dependencies {
                    if let Some(to) = handles.get(name.as_str()) {
                        out.relate(*from, RelationshipKind::DependsOn, *to);
                    }
                }
            }
        }
    }
}

fn keys(state: &State) -> Vec<(String, String)> {
    match state.fact() {
        Some(Fact::Dotnet(all)) => all.iter().map(|l| (l.name.clone(), l.version.clone())).collect(),
        _ => Vec::new(),
    }
}

/// The list in a single-file application.
pub(super) fn bundled(list: Result<Vec<u8>, String>) -> Parsed {
    list.and_then(|content| libraries(&content)).unwrap_or_else(|why| Parsed {
        fact: Fact::Dotnet(Vec::new()),
        notes: vec![format!("a single-file application of .NET, whose libraries are not known: {why}")],
    })
}

fn libraries(content: &[u8]) -> Result<Parsed, String> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let json: Value = serde_json::from_slice(content).map_err(|e| format!("no JSON: {e}"))?;
    let all = json.get("libraries").and_then(Value::as_object).ok_or("no libraries in it")?;
    if all.len() > limits::DATABASE_PACKAGES {
        return Err(format!("{} libraries, more than the limit of {}", all.len(), limits::DATABASE_PACKAGES));
    }
    let mut needs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut notes = Vec::new();
    let targets = json.get("targets").and_then(Value::as_object).into_iter().flatten();
    for (library, target) in targets.filter_map(|(_, target)| target.as_object()).flatten() {
        let names = target.get("dependencies").and_then(Value::as_object).into_iter().flatten();
        let known = needs.entry(library).or_default();
        let room = limits::DEPENDENCIES.saturating_sub(known.len());
        let assets = ["runtime", "native", "resources", "runtimeTargets"];
        let assets = assets.iter().filter_map(|kind| target.get(*kind)?.as_object()).flatten();
        let brought = files.entry(library).or_default();
        let left = limits::DEPENDENCIES.saturating_sub(brought.len());
        brought.extend(assets.map(|(path, _)| crate::path::split(path).1.to_ascii_lowercase()).take(left));
        let named = target.get("dependencies").and_then(Value::as_object).map_or(0, |all| all.len());
        notes.extend(dependencies_left_out(library, known.len() + named));
        known.extend(names.map(|(name, _)| plain_name(name).to_owned()).take(room));
    }
    let mut found = Vec::new();
    for (key, library) in all {
        let kind = library.get("type").and_then(Value::as_str).and_then(field).unwrap_or_default();
        let Some((name, version)) =
            key.split_once('/').filter(|(name, version)| is_name(name) && is_version(version))
        else {
            if notes.len() < limits::GAPS {
                let shown = crate::path::shown(key.as_bytes());
                notes.push(format!("'{shown}' has no proper name and version"));
            }
            continue;
        };
        let mut dependencies = needs.remove(key.as_str()).unwrap_or_default();
        dependencies.sort();
        dependencies.dedup();
        let sha512 = library.get("sha512").and_then(Value::as_str).and_then(|s| s.strip_prefix("sha512-"));
        found.push(Library {
            name: plain_name(name).to_owned(),
            version: version.to_owned(),
            kind,
            sha512: sha512.and_then(hex),
            dependencies,
            files: files.remove(key.as_str()).unwrap_or_default(),
        });
    }
    Ok(Parsed { fact: Fact::Dotnet(found), notes })
}

/// The package behind a runtime pack.
fn plain_name(name: &str) -> &str {
    name.strip_prefix("runtimepack.").unwrap_or(name)
}

fn is_name(name: &str) -> bool {
    name.len() <= 256
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !plain_name(name).is_empty()
}

fn is_version(version: &str) -> bool {
    !version.is_empty()
        && version.len() <= 256
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b))
}

/// Base64 of 64 bytes as hex; `None` for anything else (projects have an empty one).
fn hex(base64: &str) -> Option<String> {
    bytes::base64(base64, Alphabet::Standard).filter(|sum| sum.len() == 64).map(hex::encode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const APP: &str = r#"{"runtimeTarget":{"name":".NETCoreApp,Version=v8.0/linux-x64"},
        "targets":{".NETCoreApp,Version=v8.0/linux-x64":{
            "App/1.0.0":{"dependencies":{"Serilog":"3.1.1","runtimepack.Microsoft.NETCore.App.Runtime.linux-x64":"8.0.1"}}}},
        "libraries":{"App/1.0.0":{"type":"project","serviceable":false,"sha512":""},
            "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1":{"type":"runtimepack"},
            "Serilog/3.1.1":{"type":"package","sha512":"sha512-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="},
            "../x/1":{"type":"package"}}}"#;

    #[test]
    fn libraries_with_edges_and_hashes() {
        let parsed = libraries(APP.as_bytes()).unwrap();
        let Fact::Dotnet(found) = &parsed.fact else { panic!() };
        let names: Vec<&str> = found.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(parsed.notes.len(), 1);
        assert_eq!(names.len(), 3);
        let by = |name: &str| found.iter().find(|l| l.name == name).unwrap();
        assert_eq!(by("App").dependencies, ["Microsoft.NETCore.App.Runtime.linux-x64", "Serilog"]);
        let wanted: String = (0..64).map(|i| format!("{i:02x}")).collect();
        assert_eq!(by("Serilog").sha512.as_deref(), Some(wanted.as_str()));
        assert_eq!(by("App").sha512, None);
        assert!(libraries(b"{}").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>(), key in "\\PC{0,20}", hash in "[A-Za-z0-9+/=]{0,200}") {
            let _ = libraries(&bytes);
            let json = serde_json::json!({"libraries": {key: {"sha512": format!("sha512-{hash}")}}});
            let _ = libraries(json.to_string().as_bytes());
            let _ = hex(&hash);
        }
    }
}
