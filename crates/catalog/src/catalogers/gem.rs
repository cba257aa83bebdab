//! Ruby: installed gems, by their `specifications/*.gemspec`.
//!
//! RubyGems writes these files itself when it installs a gem, as Ruby code of one assignment a line (default
//! gems below `specifications/default`, Bundler's below `bundler/gems/*/`). They are read as text, never
//! run: `s.name = "rake".freeze`. What is computed (in a gemspec that people wrote, in a checkout) is no
//! fact, and a gemspec without a literal name and version is not taken. What it cannot know: the dependencies
//! of gems whose gemspec is no generated one.

use super::{Cataloger, Fact, Parsed, dependencies_left_out, field, structured};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, Package, RelationshipKind};
use std::collections::BTreeMap;

pub(crate) struct Gem;

/// What a gemspec says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spec {
    name: String,
    version: String,
    platform: Option<String>,
    licenses: Vec<String>,
    authors: Vec<String>,
    homepage: Option<String>,
    summary: Option<String>,
    dependencies: Vec<String>,
}
pack!(struct Spec { name, version, platform, licenses, authors, homepage, summary, dependencies });

impl Cataloger for Gem {
    fn name(&self) -> &'static str {
        "gem"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`specifications/*.gemspec`, default gems too",
            gives: "gems, licences, platform, edges",
            cannot_know: "gemspecs that compute their name or version",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let (dir, base) = path::split(path);
        let (above, last) = path::split(dir);
        let inside =
            last == "specifications" || (last == "default" && path::split(above).1 == "specifications");
        (inside && base.ends_with(".gemspec")).then_some(limits::GEMSPEC_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        let found = spec(&text)?;
        let named =
            text.lines().filter(|l| l.contains(".add_dependency") || l.contains(".add_runtime_dependency"));
        let notes = dependencies_left_out(&found.name, named.count()).into_iter().collect();
        Ok(Parsed { fact: Fact::Gem(Box::new(found)), notes })
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        let mut handles: BTreeMap<&str, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for (path, last, parsed) in view.parsed() {
            let Fact::Gem(spec) = &parsed.fact else { continue };
            let mut package = Package::new(Ecosystem::Gem, &spec.name, Some(spec.version.clone()));
            package.license.declared = spec.licenses.clone();
            package.originator = (!spec.authors.is_empty()).then(|| spec.authors.join(", "));
            package.homepage = spec.homepage.clone();
            package.description = spec.summary.clone();
            if let Some(platform) = &spec.platform {
                package.properties.insert("gem:platform".into(), platform.clone());
            }
            package.evidence.push(view.evidence(path, last));
            let handle = out.add(package, since(view, path, spec).unwrap_or(last));
            handles.entry(&spec.name).or_insert(handle);
            found.push((handle, spec));
        }
        for (handle, spec) in found {
            for name in &spec.dependencies {
                if let Some(to) = handles.get(name.as_str()) {
                    out.relate(handle, RelationshipKind::DependsOn, *to);
                }
            }
        }
    }
}

fn since(view: &View, path: &str, spec: &Spec) -> Option<usize> {
    let key = |state: &State| match state.fact() {
        Some(Fact::Gem(s)) => vec![(s.name.clone(), s.version.clone())],
        _ => Vec::new(),
    };
    Snapshots::new(&[view.history(path)], key).since(&(spec.name.clone(), spec.version.clone()))
}

fn spec(text: &str) -> Result<Spec, String> {
    let mut spec = Spec::default();
    let mut receiver = "s";
    for line in text.lines() {
        let line = line.trim();
        if let Some((_, rest)) = line.split_once("Gem::Specification.new do |") {
            receiver = rest.split('|').next().unwrap_or(receiver);
        }
        let Some(rest) = line.strip_prefix(receiver).and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        let dependency = ["add_runtime_dependency", "add_dependency"];
        if let Some(arguments) = dependency.iter().find_map(|call| rest.strip_prefix(call)) {
            // Older RubyGems write `%q<name>.freeze`.
            let quoted = arguments.split_once("%q<").and_then(|(_, rest)| rest.split_once('>'));
            let name = quoted.map(|(name, _)| name).or_else(|| strings(arguments).next());
            let name = name.filter(|name| is_name(name));
            if spec.dependencies.len() < limits::DEPENDENCIES {
                spec.dependencies.extend(name.map(str::to_owned));
            }
            continue;
        }
        let Some((key, value)) = rest.split_once('=') else { continue };
        let first = || strings(value).next().and_then(field);
        match key.trim() {
            "name" if spec.name.is_empty() => spec.name = first().unwrap_or_default(),
            "version" if spec.version.is_empty() => spec.version = first().unwrap_or_default(),
            "platform" => spec.platform = first().filter(|p| p != "ruby"),
            "license" | "licenses" => spec.licenses.extend(strings(value).take(100).filter_map(field)),
            "author" | "authors" => spec.authors.extend(strings(value).take(100).filter_map(field)),
            "homepage" => spec.homepage = first(),
            "summary" => spec.summary = first().and_then(|s| s.lines().next().and_then(field)),
            _ => {}
        }
    }
    spec.dependencies.sort();
    spec.dependencies.dedup();
    if !is_name(&spec.name) {
        return Err(format!("'{}' is no name of a gem", path::shown(spec.name.as_bytes())));
    }
    let version = |b: u8| b.is_ascii_alphanumeric() || b".-".contains(&b);
    if !spec.version.starts_with(|c: char| c.is_ascii_digit()) || !spec.version.bytes().all(version) {
        return Err(format!("'{}' is no version of a gem", path::shown(spec.version.as_bytes())));
    }
    Ok(spec)
}

/// `Gem::Specification::VALID_NAME_PATTERN`.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 214
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && name.bytes().any(|b| b.is_ascii_alphabetic())
}

/// What stands in quotation marks, as RubyGems writes it (`dump`). A text that is not literal (`"#{x}"`) ends the search.
fn strings(text: &str) -> impl Iterator<Item = &str> {
    structured::quoted(text).take_while(|text| !text.contains("#{"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RAKE: &str = "# -*- encoding: utf-8 -*-\n# stub: rake 13.0.6 ruby lib\n\nGem::Specification.new do |s|\n  \
        s.name = \"rake\".freeze\n  s.version = \"13.0.6\"\n\n  s.required_rubygems_version = \
        Gem::Requirement.new(\">= 1.3.2\".freeze) if s.respond_to? :required_rubygems_version=\n  s.authors = \
        [\"Hiroshi \\\"H\\\" SHIBATA\".freeze, \"Jim Weirich\".freeze]\n  s.homepage = \
        \"https://github.com/ruby/rake\".freeze\n  s.licenses = [\"MIT\".freeze]\n  s.summary = \"Make-like\".freeze\n\
        \n  s.add_runtime_dependency(%q<minitest>.freeze, [\"~> 5\"])\n  s.add_runtime_dependency(\"json\".freeze, [\">= 2\".freeze])\n  \
        s.add_development_dependency(\"x\".freeze)\nend\n";

    #[test]
    fn generated_specifications() {
        let found = spec(RAKE).unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str()), ("rake", "13.0.6"));
        assert_eq!(found.licenses, ["MIT"]);
        assert_eq!(found.authors.len(), 2);
        assert_eq!(found.homepage.as_deref(), Some("https://github.com/ruby/rake"));
        assert_eq!(found.dependencies, ["json", "minitest"]);
    }

    #[test]
    fn what_is_computed_is_no_fact() {
        for bad in [
            "Gem::Specification.new do |s|\n s.name = \"a\"\n s.version = A::VERSION\nend\n",
            "Gem::Specification.new do |s|\n s.name = \"a-#{x}\"\n s.version = \"1\"\nend\n",
            "Gem::Specification.new do |s|\n s.name = \"../a\"\n s.version = \"1\"\nend\n",
            "",
        ] {
            assert!(spec(bad).is_err(), "{bad}");
        }
        assert_eq!(
            spec("Gem::Specification.new do |gem|\n gem.name = 'a'\n gem.version = '1.0'\n").unwrap().name,
            "a"
        );
    }

    #[test]
    fn places() {
        let wanted = |p: &str| Gem.wants(p).is_some();
        assert!(wanted("usr/local/bundle/specifications/rake-13.0.6.gemspec"));
        assert!(wanted("usr/local/lib/ruby/gems/3.3.0/specifications/default/json-2.7.1.gemspec"));
        assert!(!wanted("usr/local/bundle/gems/rake-13.0.6/rake.gemspec"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "(s\\.(name|version|licenses|add_dependency)? ?=? ?[\\PC]{0,30}\n){0,12}") {
            let _ = spec(&format!("Gem::Specification.new do |s|\n{text}"));
        }
    }
}
