//! Linux kernel modules: what `.modinfo` says of `*.ko`, also compressed with gzip, xz or zstd.
//!
//! A module is a package of its own only where it has a version of its own (`version=`, as drivers that are also
//! distributed apart from the kernel have): what has none is a part of its kernel. Parts of a kernel that a package
//! of the image owns are that package; those that nobody owns stand together as one `linux-kernel` in the release
//! that their `vermagic` names, with their number. Refused is what is no ELF file or has no `.modinfo`, which is only
//! said of files below a directory of modules: `ko` is also a language.

use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, Package, RelationshipKind};
use seaworthy_sbom::purl::Purl;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

pub(crate) struct Modules;

/// What one module says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Module {
    name: Option<String>,
    version: Option<String>,
    licences: Vec<String>,
    /// The kernel that it was built for: its release, then options.
    vermagic: Option<String>,
    /// A hash of its sources, made by the kernel's build.
    srcversion: Option<String>,
    description: Option<String>,
    /// `Y`: built with the kernel.
    intree: Option<String>,
}
pack!(struct Module { name, version, licences, vermagic, srcversion, description, intree });

/// How the file is packed, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Xz,
    Zstd,
}

/// The module's name by its file, and how it is packed.
fn named(path: &str) -> Option<(&str, Packing)> {
    let base = path::split(path).1;
    let ends = [
        (".ko", Packing::Plain),
        (".ko.gz", Packing::Gzip),
        (".ko.xz", Packing::Xz),
        (".ko.zst", Packing::Zstd),
    ];
    let found = ends.iter().find_map(|(end, packing)| Some((base.strip_suffix(end)?, *packing)))?;
    (!found.0.is_empty()).then_some(found)
}

impl Cataloger for Modules {
    fn name(&self) -> &'static str {
        "linux-kernel-module"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`*.ko`, `*.ko.gz`, `*.ko.xz`, `*.ko.zst`: their `.modinfo`",
            gives: "modules that have a version of their own, with licence, kernel (`linux:vermagic`) and `linux:srcversion`, contained in the package that owns them; modules without one that nobody owns as one `linux-kernel` for each release, with their number (`linux:modules`)",
            cannot_know: "the version of a module that states none (syft lists those too, without a version): it is its kernel's",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        named(path).map(|_| limits::MODULE_BYTES)
    }

    fn weight(&self, _: u64) -> u64 {
        // A few fields are kept of it.
        1024
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let Some((_, packing)) = named(path) else { return Ok(Fact::Nothing.into()) };
        let read = unpacked(content, packing).and_then(|bytes| {
            modinfo(&bytes).map(module).ok_or_else(|| "a kernel module without .modinfo".to_owned())
        });
        match read {
            Ok(module) => Ok(Fact::Module(Box::new(module)).into()),
            Err(_) if !path.split('/').any(|part| part == "modules") => Ok(Fact::Nothing.into()),
            Err(why) => Err(why),
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        // Modules that nobody owns, by the release of their kernel: how many, the first of them, and its layer.
        let mut parts: BTreeMap<&str, (usize, &str, usize)> = BTreeMap::new();
        let mut built_in: Vec<(&str, usize)> = Vec::new();
        let mut owned: BTreeSet<&str> = BTreeSet::new();
        for (path, last, parsed) in view.parsed() {
            let Fact::Module(module) = &parsed.fact else { continue };
            let is_owned = out.is_owned(path);
            let release = module.vermagic.as_deref().and_then(|v| v.split_whitespace().next());
            owned.extend(release.filter(|_| is_owned));
            if let Some(mut package) = package(path, module) {
                package.evidence.push(view.evidence(path, last));
                let handle = out.add(package, last);
                if let (Some(release), Some("Y"), false) = (release, module.intree.as_deref(), is_owned) {
                    built_in.push((release, handle));
                }
            }
            if let (Some(release), false) = (release, is_owned)
                && (module.version.is_none() || module.intree.is_some() && !owned.contains(release))
            {
                let part = parts.entry(release).or_insert((0, path, last));
                part.0 += 1;
                part.2 = part.2.min(last);
            }
        }
        let mut kernels = BTreeMap::new();
        for (release, (count, first, layer)) in parts {
            if owned.contains(release) {
                let why = format!(
                    "{count} modules from here on for the kernel {release} are nobody's and state no version"
                );
                out.gap(format!("/{first}"), why, self.name());
                continue;
            }
            let mut package = Package::new(Ecosystem::Generic, "linux-kernel", Some(release.to_owned()));
            package.license.declared.push("GPL-2.0-only".into());
            package.properties.insert("linux:modules".into(), count.to_string());
            package.evidence.push(view.evidence(first, layer));
            kernels.insert(release, out.add(package, layer));
        }
        for (release, module) in built_in {
            if let Some(kernel) = kernels.get(release) {
                out.relate(*kernel, RelationshipKind::Contains, module);
            }
        }
    }
}

/// The package that a module is, if it has a version.
fn package(path: &str, module: &Module) -> Option<Package> {
    let version = module.version.clone()?;
    let name = module.name.clone().or_else(|| Some(named(path)?.0.replace('-', "_")))?;
    let mut package = Package::new(Ecosystem::Generic, &name, Some(version.clone()));
    let purl = Purl {
        kind: "generic".into(),
        namespace: Some("linux-kernel-module".into()),
        name,
        version: Some(version),
        qualifiers: BTreeMap::new(),
        subpath: None,
    };
    package.purl = Some(purl.to_string());
    package.license.declared.clone_from(&module.licences);
    package.description.clone_from(&module.description);
    let more = [
        ("linux:vermagic", &module.vermagic),
        ("linux:srcversion", &module.srcversion),
        ("linux:intree", &module.intree),
    ];
    for (key, value) in more {
        package.properties.extend(value.clone().map(|value| (key.to_owned(), value)));
    }
    Some(package)
}

fn unpacked(content: &[u8], packing: Packing) -> Result<Cow<'_, [u8]>, String> {
    /// What a decoder may take besides; xz and zstd of modules use windows of 2 MiB.
    const WINDOW_KIB: u32 = 64 << 10;
    let mut out = Vec::new();
    let most = limits::MODULE_BYTES + 1;
    let read = match packing {
        Packing::Plain => return Ok(Cow::Borrowed(content)),
        Packing::Gzip => flate2::bufread::GzDecoder::new(content).take(most).read_to_end(&mut out),
        Packing::Xz => {
            lzma_rust2::XzReader::new_mem_limit(content, false, WINDOW_KIB).take(most).read_to_end(&mut out)
        }
        Packing::Zstd => zstd::Decoder::with_buffer(content).and_then(|mut zstd| {
            zstd.window_log_max(26)?;
            zstd.take(most).read_to_end(&mut out)
        }),
    };
    read.map_err(|e| format!("a kernel module that cannot be unpacked: {e}"))?;
    if out.len() as u64 >= most {
        return Err("a kernel module that unpacks to more than MODULE_BYTES".to_owned());
    }
    Ok(Cow::Owned(out))
}

/// The section of that name (System V ABI, "Sections").
fn modinfo(file: &[u8]) -> Option<&[u8]> {
    let wide = match file.get(..5)? {
        b"\x7fELF\x01" => false,
        b"\x7fELF\x02" => true,
        _ => return None,
    };
    let is_big = *file.get(5)? == 2;
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let part = file.get(at..at.checked_add(bytes)?)?;
        let join = |sum: u64, b: &u8| sum << 8 | u64::from(*b);
        let sum = if is_big { part.iter().fold(0, join) } else { part.iter().rev().fold(0, join) };
        usize::try_from(sum).ok()
    };
    // Where the table is, the size of an entry, their number, and which of them holds the names.
    let (table, at) = if wide { (number(40, 8)?, 58) } else { (number(32, 4)?, 46) };
    let (entry, mut count, names) = (number(at, 2)?, number(at + 2, 2)?, number(at + 4, 2)?);
    let section = |i: usize| -> Option<(usize, &[u8])> {
        let at = table.checked_add(i.checked_mul(entry)?)?;
        let (offset, size) = if wide {
            (number(at.checked_add(24)?, 8)?, number(at.checked_add(32)?, 8)?)
        } else {
            (number(at.checked_add(16)?, 4)?, number(at.checked_add(20)?, 4)?)
        };
        Some((number(at, 4)?, file.get(offset..offset.checked_add(size)?).unwrap_or_default()))
    };
    if count == 0 && table != 0 {
        // More than the field holds: the first section's size is their number.
        count = section(0)
            .map_or(0, |_| number(table + if wide { 32 } else { 20 }, if wide { 8 } else { 4 }).unwrap_or(0));
    }
    let names = section(names)?.1;
    // What is not in the file ends the search.
    (0..count).map_while(section).find_map(|(name, bytes)| {
        let name = names.get(name..)?;
        name.starts_with(b".modinfo\0").then_some(bytes)
    })
}

fn module(info: &[u8]) -> Module {
    let mut module = Module::default();
    for line in info.split(|b| *b == 0).filter(|line| !line.starts_with(b"alias=")) {
        let text = String::from_utf8_lossy(line);
        let Some((key, value)) = text.split_once('=') else { continue };
        let Some(value) = field(value) else { continue };
        let slot = match key {
            "name" => &mut module.name,
            "version" => &mut module.version,
            "vermagic" => &mut module.vermagic,
            "srcversion" => &mut module.srcversion,
            "description" => &mut module.description,
            "intree" => &mut module.intree,
            "license" => {
                if module.licences.len() < limits::LICENCES {
                    module.licences.push(value);
                }
                continue;
            }
            _ => continue,
        };
        slot.get_or_insert(value);
    }
    module.version.take_if(|v| v.len() > limits::VERSION_BYTES);
    module.name.take_if(|n| n.len() > limits::NAME_BYTES || n.contains(['/', ' ']));
    module
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_files() {
        let named = |path: &'static str| super::named(path).map(|(name, _)| name);
        assert_eq!(named("lib/modules/6/kernel/fs/x-y.ko.xz"), Some("x-y"));
        assert_eq!(named("x.ko"), Some("x"));
        assert_eq!((named(".ko"), named("x.ko.bz2"), named("x.kong")), (None, None, None));
    }

    proptest! {
        #[test]
        fn never_panics(
            bytes in any::<Vec<u8>>(),
            wide in 1_u8..3,
            order in 1_u8..3,
            packing in prop_oneof![
                Just(Packing::Plain), Just(Packing::Gzip), Just(Packing::Xz), Just(Packing::Zstd)
            ],
        ) {
            let _ = unpacked(&bytes, packing);
            let _ = module(&bytes);
            let file = [b"\x7fELF".as_slice(), &[wide, order], &bytes].concat();
            let _ = modinfo(&file);
        }

        #[test]
        fn no_header_panics(header in any::<[u8; 32]>(), table in 0_usize..200, rest in any::<Vec<u8>>()) {
            let mut file = [b"\x7fELF\x02\x01".as_slice(), &[0; 26], &header, &rest].concat();
            file[40..48].copy_from_slice(&table.to_le_bytes());
            file[58] = 64;
            let _ = modinfo(&file);
        }
    }
}
