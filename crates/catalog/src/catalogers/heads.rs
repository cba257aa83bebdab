//! Files that say at their start what they are, and are too large to be held: machine-learning models, kernels.
//!
//! Decides from the first four bytes and the name whether a file is one, gathers as much of its start as its own
//! format may need, and no more: a model's weights are never looked at. Refused is what the format does not allow; what
//! goes on beyond [`limits::MODEL_HEAD_BYTES`] is read as far as it was gathered, and said.

use super::executables::CONFIDENCE;
use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::fields::Fields;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, Package};
use serde_json::Value;

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// llama.cpp's format (ggml, docs/gguf.md).
    Gguf,
    /// Hugging Face's format: eight bytes of length, then JSON.
    Safetensors,
    /// An x86 kernel (Documentation/arch/x86/boot.rst).
    Kernel,
}

/// Whether a file is called as kernels are.
pub(super) fn is_kernel(path: &str) -> bool {
    let base = path::split(path).1;
    base.starts_with("vmlinuz") || base.starts_with("bzImage")
}

/// Whether a file's name says already that its start is wanted.
pub(crate) fn is_named(path: &str) -> bool {
    is_kernel(path) || path.ends_with(".safetensors") || path.ends_with(".gguf")
}

/// The start of one file.
pub(crate) struct Head<'a> {
    path: &'a str,
    kind: Option<Kind>,
    bytes: Vec<u8>,
    over: bool,
}

impl<'a> Head<'a> {
    /// For the file at `path`.
    pub(crate) fn new(path: &'a str) -> Self {
        let base = path::split(path).1;
        let kind = match base {
            _ if base.ends_with(".safetensors") => Some(Kind::Safetensors),
            _ if is_kernel(path) => Some(Kind::Kernel),
            _ => None,
        };
        Self { path, kind, bytes: Vec::new(), over: false }
    }

    /// Takes the next bytes; whether more are wanted.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> bool {
        if self.over {
            return false;
        }
        let most = if self.kind.is_some() { limits::MODEL_HEAD_BYTES } else { 4 };
        let n = bytes.len().min(most - self.bytes.len().min(most));
        self.bytes.extend_from_slice(bytes.get(..n).unwrap_or_default());
        if self.kind.is_none() && self.bytes.len() >= 4 {
            if !self.bytes.starts_with(b"GGUF") {
                self.over = true;
                return false;
            }
            self.kind = Some(Kind::Gguf);
            return self.feed(bytes.get(n..).unwrap_or_default());
        }
        self.over = self.bytes.len() >= most;
        !self.over
    }

    /// What the file says; `None` where it is none of these.
    pub(crate) fn finish(self) -> Option<Result<Parsed, String>> {
        let base = path::split(self.path).1;
        let read = match self.kind? {
            Kind::Gguf => gguf(&self.bytes),
            Kind::Safetensors => safetensors(&self.bytes),
            Kind::Kernel => return kernel(&self.bytes).map(|p| Ok(Fact::Kernel(Box::new(p)).into())),
        };
        Some(read.map(|(mut package, notes)| {
            if package.name.is_empty() {
                // `…/llama-3/model.safetensors`: the directory is the model's name.
                let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
                let dir = path::split(path::split(self.path).0).1;
                let is_plain = stem.starts_with("model") || stem.starts_with("pytorch_model");
                package.name = if is_plain && !dir.is_empty() { dir } else { stem }.to_owned();
                package.properties.insert(CONFIDENCE.into(), "file-name".into());
            }
            Parsed { fact: Fact::Model(Box::new(package)), notes }
        }))
    }
}

impl<'a> Fields<'a> {
    fn text(&mut self) -> Option<&'a [u8]> {
        let n = usize::try_from(self.number(8)?).ok()?;
        self.take(n)
    }

    /// A value of that type: its text, or its number. Arrays are passed over.
    fn value(&mut self, kind: u64) -> Option<Option<String>> {
        const ARRAY: u64 = 9;
        Some(match kind {
            0 | 1 | 7 => Some(self.number(1)?.to_string()),
            2 | 3 => Some(self.number(2)?.to_string()),
            4 | 5 => Some(self.number(4)?.to_string()),
            6 => self.take(4).map(|_| None)?,
            8 => field(&String::from_utf8_lossy(self.text()?)),
            ARRAY => {
                let (kind, count) = (self.number(4)?, self.number(8)?);
                // An array of arrays is of no use to anybody; what is in none of them takes room in the file.
                if kind == ARRAY {
                    return None;
                }
                for _ in 0..count {
                    self.value(kind)?;
                }
                None
            }
            10 | 11 => Some(self.number(8)?.to_string()),
            12 => self.take(8).map(|_| None)?,
            _ => return None,
        })
    }
}

type Found = (Package, Vec<String>);

fn gguf(bytes: &[u8]) -> Result<Found, String> {
    let mut fields = Fields(bytes.get(4..).unwrap_or_default());
    let header = (|| Some((fields.number(4)?, fields.number(8)?, fields.number(8)?)))();
    let Some((version @ 2..=3, _, count)) = header else {
        return Err("a GGUF file of a version other than 2 and 3, or cut short".to_owned());
    };
    let mut package = Package::new(Ecosystem::Generic, "", None);
    package.properties.insert("model:format".into(), format!("gguf {version}"));
    let mut notes = Vec::new();
    for _ in 0..count {
        let read = (|| {
            let key = fields.text()?;
            let kind = fields.number(4)?;
            Some((key, fields.value(kind)?))
        })();
        let Some((key, value)) = read else {
            // The words about the model come first, its vocabulary after them.
            if bytes.len() < limits::MODEL_HEAD_BYTES {
                notes.push(
                    "GGUF metadata that are cut short or of unknown types: read up to there".to_owned(),
                );
            }
            break;
        };
        let Some(value) = value else { continue };
        match key {
            b"general.name" => package.name = value,
            b"general.version" => package.version = Some(value),
            b"general.license" => package.license.declared.push(value),
            b"general.author" | b"general.organization" => package.supplier = Some(value),
            b"general.url" | b"general.source.url" => package.homepage = Some(value),
            b"general.description" => package.description = Some(value),
            b"general.architecture" => {
                package.properties.insert("model:architecture".into(), value);
            }
            b"general.file_type" => {
                package.properties.insert("model:file-type".into(), value);
            }
            b"general.size_label"
            | b"general.basename"
            | b"general.finetune"
            | b"general.quantization_version" => {
                let name = String::from_utf8_lossy(key).replace("general.", "model:").replace('_', "-");
                package.properties.insert(name, value);
            }
            _ => {}
        }
    }
    Ok((package, notes))
}

fn safetensors(bytes: &[u8]) -> Result<Found, String> {
    let mut fields = Fields(bytes);
    let length = fields.number(8).ok_or("a safetensors file without a header")?;
    let mut package = Package::new(Ecosystem::Generic, "", None);
    package.properties.insert("model:format".into(), "safetensors".into());
    let whole = usize::try_from(length).ok().and_then(|n| fields.0.get(..n));
    let Some(header) = whole else {
        if bytes.len() < limits::MODEL_HEAD_BYTES {
            return Err("a safetensors header that is cut short".to_owned());
        }
        return Ok((
            package,
            vec!["a safetensors header beyond MODEL_HEAD_BYTES: its metadata were not read".to_owned()],
        ));
    };
    let json: Value =
        serde_json::from_slice(header).map_err(|e| format!("a safetensors header that is no JSON: {e}"))?;
    let object = json.as_object().ok_or("a safetensors header that is no JSON object")?;
    let metadata = object.get("__metadata__").and_then(Value::as_object);
    for (key, value) in metadata.into_iter().flatten() {
        let Some(value) = value.as_str().and_then(field) else { continue };
        match key.as_str() {
            "modelspec.title" => package.name = value,
            "modelspec.license" | "license" => package.license.declared.push(value),
            "modelspec.author" => package.supplier = Some(value),
            "modelspec.architecture" => {
                package.properties.insert("model:architecture".into(), value);
            }
            "format" => {
                package.properties.insert("model:framework".into(), value);
            }
            _ => {}
        }
    }
    let tensors = object.len() - usize::from(metadata.is_some());
    package.properties.insert("model:tensors".into(), tensors.to_string());
    Ok((package, Vec::new()))
}

/// The version of an x86 kernel: at 0x20e stands, less 0x200, where its text is.
fn kernel(bytes: &[u8]) -> Option<Package> {
    if bytes.get(0x1fe..0x200)? != b"\x55\xaa" || bytes.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let at = usize::from(u16::from_le_bytes(bytes.get(0x20e..0x210)?.try_into().ok()?)) + 0x200;
    let text = bytes.get(at..)?.split(|b| *b == 0).next()?;
    let text = std::str::from_utf8(text.get(..text.len().min(512))?).ok()?;
    let release = text.split(' ').next().filter(|r| r.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut package = Package::new(Ecosystem::Generic, "linux-kernel", Some(release.to_owned()));
    package.license.declared.push("GPL-2.0-only".into());
    // `6.1.0-18-amd64 (debian-kernel@…) (gcc-12 …) #1 SMP …`
    package.properties.insert("linux:build".into(), text.to_owned());
    package.properties.insert(CONFIDENCE.into(), "version-string".into());
    Some(package)
}

pub(crate) struct Models;
pub(crate) struct Kernel;

/// Adds what `of` says is in each file.
fn collect(view: &View, out: &mut Collector<'_>, of: impl Fn(&Fact) -> Option<&Package>) {
    for (path, last, parsed) in view.parsed() {
        let Some(found) = of(&parsed.fact) else { continue };
        if out.is_owned(path) {
            continue;
        }
        let mut package = found.clone();
        package.evidence.push(view.evidence(path, last));
        out.add(package, last);
    }
}

impl Cataloger for Models {
    fn name(&self) -> &'static str {
        "model"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "GGUF files of any name, `*.safetensors`: the metadata at their start, up to `MODEL_HEAD_BYTES`",
            gives: "models with name, version, licence, author, architecture, file type; those without a name under the file's or directory's (`seaworthy:confidence` = `file-name`)",
            cannot_know: "what a model was trained on; models in other formats; what neighbouring files say",
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        collect(view, out, |fact| match fact {
            Fact::Model(package) => Some(package),
            _ => None,
        });
    }
}

impl Cataloger for Kernel {
    fn name(&self) -> &'static str {
        "linux-kernel"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`vmlinuz*`, `bzImage*`: the version in the header of x86 kernels",
            gives: "kernels that no distribution's package owns, with the line about their build",
            cannot_know: "kernels of other architectures; patches",
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        collect(view, out, |fact| match fact {
            Fact::Kernel(package) => Some(package),
            _ => None,
        });
    }
}
