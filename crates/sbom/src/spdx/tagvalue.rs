//! SPDX 2.3 as tag and value (SPDX 2.3, clause 6 ff.; the line format is the one of its annex), written and read.
//!
//! The document is the one of [`super::write`], field by field; only the notation differs. A name that spans
//! lines cannot be written in it and is refused, because what stands on the next line would be a tag of its own.
//!
//! Reading refuses lines that are no `Tag: value`, and text that does not end. Tags that mean nothing to an
//! inventory (snippets, texts of licences) are skipped and counted. Files that follow a package are its own; those of
//! nobody stand before the first package.

use super::files;
use super::model::{
    Annotation, Checksum, CreationInfo, ExternalRef, Found, Package as Raw, Packages, Read, Relationship,
    Relationships, VerificationCode, Written,
};
use super::read::{TRIED, found, inventory, matters};
use super::write::complete;
use crate::files::checksum_is_read;
use crate::inventory::Inventory;
use crate::losses::Losses;
use crate::{Error, ErrorKind, Layout, Result, limits};
use std::collections::HashMap;
use std::io::{self, Write};

const WRITING: &str = "write the SPDX document";
/// The marks around a value that may have several lines.
const OPEN: &str = "<text>";
const CLOSE: &str = "</text>";

/// Writes an inventory as SPDX 2.3 tag-value. The same inventory gives the same bytes, whatever its order.
///
/// # Errors
/// [`ErrorKind::Unsupported`] where a name or an identifier holds a control character, [`ErrorKind::Io`] when
/// `out` fails.
pub fn write(inventory: &Inventory, out: impl Write) -> Result<()> {
    let document = complete(inventory, Layout::default())?;
    let mut lines = Lines(Vec::new());
    document_lines(&document, &mut lines)?;
    let mut out = out;
    out.write_all(&lines.0).and_then(|()| out.flush()).map_err(|e| failed(&e))
}

fn failed(error: &io::Error) -> Error {
    Error::new(WRITING, ErrorKind::Io(error.to_string()))
}

struct Lines(Vec<u8>);

impl Lines {
    /// A value of one line.
    fn line(&mut self, tag: &str, value: &str) -> Result<()> {
        if value.chars().any(char::is_control) || value.trim() != value || value.starts_with(OPEN) {
            let shown: String = value.chars().take(60).collect();
            return Err(Error::new(
                WRITING,
                ErrorKind::Unsupported(format!(
                    "tag-value has no way to write the {tag} '{}'",
                    shown.escape_debug()
                )),
            )
            .hint("write spdx-json, which can hold it"));
        }
        self.push(&[tag, ": ", value, "\n"]);
        Ok(())
    }

    fn maybe(&mut self, tag: &str, value: Option<&String>) -> Result<()> {
        value.map_or(Ok(()), |value| self.line(tag, value))
    }

    /// A value that may have several lines.
    fn text(&mut self, tag: &str, value: &str) {
        // What would end the text early is broken up; a reader of the licence loses nothing by it.
        let value = value.replace(CLOSE, "</ text>");
        self.push(&[tag, ": ", OPEN, &value, CLOSE, "\n"]);
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.0.extend_from_slice(part.as_bytes());
        }
    }
}

fn document_lines(document: &Written, out: &mut Lines) -> Result<()> {
    out.line("SPDXVersion", document.spdx_version)?;
    out.line("DataLicense", document.data_license)?;
    out.line("SPDXID", document.id)?;
    out.line("DocumentName", &document.name)?;
    out.line("DocumentNamespace", &document.document_namespace)?;
    if let Some(comment) = &document.comment {
        out.text("DocumentComment", comment);
    }
    out.push(&["\n"]);
    out.maybe("LicenseListVersion", document.creation_info.license_list_version.as_ref())?;
    for creator in &document.creation_info.creators {
        out.line("Creator", creator)?;
    }
    out.maybe("Created", document.creation_info.created.as_ref())?;
    if let Some(comment) = &document.creation_info.comment {
        out.text("CreatorComment", comment);
    }
    for annotation in &document.annotations {
        annotation_lines(annotation, document.id, out)?;
    }
    let mut files: HashMap<Option<&str>, Vec<files::Element>> = HashMap::new();
    for (owner, element) in document.files.elements() {
        files.entry(owner).or_default().push(element);
    }
    for file in files.remove(&None).into_iter().flatten() {
        file_lines(&file, out)?;
    }
    for package in &document.packages {
        package_lines(package, out)?;
        for file in files.remove(&Some(package.id.as_str())).into_iter().flatten() {
            file_lines(&file, out)?;
        }
    }
    for extracted in &document.has_extracted_licensing_infos {
        out.push(&["\n"]);
        out.line("LicenseID", &extracted.license_id)?;
        out.text("ExtractedText", &extracted.extracted_text);
        let name: String = extracted.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if !name.trim().is_empty() {
            out.line("LicenseName", name.trim())?;
        }
    }
    out.push(&["\n"]);
    document.relationships.each().try_for_each(|r| {
        let text = format!("{} {} {}", r.spdx_element_id, r.relationship_type, r.related_spdx_element);
        out.line("Relationship", &text)
    })
}

fn file_lines(file: &files::Element, out: &mut Lines) -> Result<()> {
    out.push(&["\n"]);
    out.line("FileName", &file.file_name)?;
    out.line("SPDXID", &file.id)?;
    for (algorithm, checksum) in file.checksums.each() {
        out.line("FileChecksum", &format!("{algorithm}: {checksum}"))?;
    }
    if let Some(comment) = &file.comment {
        // It is JSON, as in annotations.
        out.text("FileComment", &comment.replace('<', "\\u003c"));
    }
    Ok(())
}

fn annotation_lines(annotation: &Annotation, about: &str, out: &mut Lines) -> Result<()> {
    out.push(&["\n"]);
    out.line("Annotator", &annotation.annotator)?;
    out.line("AnnotationDate", &annotation.annotation_date)?;
    out.line("AnnotationType", &annotation.annotation_type)?;
    out.line("SPDXREF", about)?;
    // Ours are JSON, in which `<` has another spelling: nothing in them can end the text.
    out.text("AnnotationComment", &annotation.comment.replace('<', "\\u003c"));
    Ok(())
}

fn package_lines(package: &Raw, out: &mut Lines) -> Result<()> {
    out.push(&["\n"]);
    out.line("PackageName", &package.name)?;
    out.line("SPDXID", &package.id)?;
    out.maybe("PackageVersion", package.version_info.as_ref())?;
    out.maybe("PackageSupplier", package.supplier.as_ref())?;
    out.maybe("PackageOriginator", package.originator.as_ref())?;
    out.maybe("PackageDownloadLocation", package.download_location.as_ref())?;
    out.maybe("PrimaryPackagePurpose", package.primary_package_purpose.as_ref())?;
    out.line("FilesAnalyzed", if package.files_analyzed == Some(true) { "true" } else { "false" })?;
    if let Some(code) = &package.package_verification_code {
        out.line("PackageVerificationCode", &code.value)?;
    }
    for checksum in package.checksums.iter().flatten() {
        out.line("PackageChecksum", &format!("{}: {}", checksum.algorithm, checksum.checksum_value))?;
    }
    out.maybe("PackageHomePage", package.homepage.as_ref())?;
    if let Some(info) = &package.source_info {
        out.text("PackageSourceInfo", info);
    }
    out.maybe("PackageLicenseConcluded", package.license_concluded.as_ref())?;
    out.maybe("PackageLicenseDeclared", package.license_declared.as_ref())?;
    if let Some(text) = &package.copyright_text {
        // A keyword is a keyword only without the marks of a text.
        if matches!(text.as_str(), "NOASSERTION" | "NONE") {
            out.line("PackageCopyrightText", text)?;
        } else {
            out.text("PackageCopyrightText", text);
        }
    }
    if let Some(summary) = &package.summary {
        out.text("PackageSummary", summary);
    }
    for r in package.external_refs.iter().flatten() {
        let text = format!("{} {} {}", r.reference_category, r.reference_type, r.reference_locator);
        out.line("ExternalRef", &text)?;
    }
    for annotation in package.annotations.iter().flatten() {
        annotation_lines(annotation, &package.id, out)?;
    }
    Ok(())
}

/// Which part of the document the lines are in.
enum Section {
    Document,
    Package(Box<Raw>),
    /// The text of the licence with this id.
    License(String),
    File(Box<TaggedFile>),
    /// Snippets: nothing of an inventory.
    Other,
}

#[derive(Default)]
struct TaggedFile {
    name: String,
    id: String,
    checksums: Vec<Checksum>,
    comment: Option<String>,
}

struct Reader<'a> {
    document: Read,
    section: Section,
    annotations: Vec<(String, Annotation)>,
    packages: Vec<Raw>,
    files: crate::files::Reader,
    /// The id of the package that files which follow belong to.
    analysed: Option<String>,
    relationships: Vec<Relationship>,
    relationships_seen: usize,
    losses: &'a mut Losses,
    texts: Texts,
}

/// The ids of licences with the texts that the document gives for them.
pub(crate) type Texts = std::collections::BTreeSet<(String, String)>;

/// Reads an SPDX 2.2 or 2.3 tag-value document, and counts in `losses` what an inventory does not hold. The texts of
/// licences are given back, because which of them are lost shows when the inventory is written again.
///
/// # Errors
/// As [`super::read`].
pub(crate) fn read(bytes: &[u8], losses: &mut Losses) -> Result<(Inventory, Texts)> {
    if bytes.len() > limits::DOCUMENT_BYTES {
        return Err(over("DOCUMENT_BYTES", limits::DOCUMENT_BYTES));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| malformed(format!("it is no UTF-8: {e}")))?;
    let mut reader = Reader {
        document: Read::default(),
        section: Section::Document,
        annotations: Vec::new(),
        packages: Vec::new(),
        files: crate::files::Reader::default(),
        analysed: None,
        relationships: Vec::new(),
        relationships_seen: 0,
        losses,
        texts: Texts::new(),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut at, mut number) = (0, 0);
    while at < text.len() {
        let end = line_end(text, at);
        let line = text.get(at..end).unwrap_or_default();
        number += 1;
        let from = at;
        at = end + 1;
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let Some((tag, value)) = trimmed.split_once(':') else {
            let shown: String = trimmed.chars().take(60).collect();
            return Err(malformed(format!("line {number} is no 'Tag: value': '{}'", shown.escape_debug())));
        };
        let (tag, value) = (tag.trim(), value.trim());
        let opening = line.find(OPEN).filter(|_| value.starts_with(OPEN));
        let Some(opening) = opening else {
            reader.take(tag, value)?;
            continue;
        };
        // The text goes on over as many lines as it likes.
        let body = text.get(from + opening + OPEN.len()..).unwrap_or_default();
        let Some(length) = body.find(CLOSE) else {
            return Err(malformed(format!("the text that begins in line {number} does not end")));
        };
        let whole = body.get(..length).unwrap_or_default();
        number += whole.matches('\n').count();
        at = line_end(text, from + opening + OPEN.len() + length + CLOSE.len()) + 1;
        reader.take(tag, whole)?;
    }
    reader.finish()
}

/// Where the line that `at` is in ends.
fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| at + length)
}

fn malformed(why: String) -> Error {
    Error::new(TRIED, ErrorKind::Malformed(why))
}

fn over(limit: &'static str, value: usize) -> Error {
    Error::new(TRIED, ErrorKind::LimitExceeded { limit, value: value as u64 })
}

impl Reader<'_> {
    fn take(&mut self, tag: &str, value: &str) -> Result<()> {
        let value = value.to_owned();
        match tag {
            "SPDXVersion" => self.document.spdx_version = value,
            "DocumentName" => self.document.name = Some(value),
            "Creator" => self.creation().creators.push(value),
            "Created" => self.creation().created = Some(value),
            "DataLicense" | "DocumentNamespace" | "LicenseListVersion" => {}
            "PackageName" => {
                self.close()?;
                self.analysed = None;
                if self.packages.len() >= limits::PACKAGES {
                    return Err(over("PACKAGES", limits::PACKAGES));
                }
                self.section = Section::Package(Box::new(Raw { name: value, ..Raw::default() }));
            }
            "FileName" => {
                if let Section::Package(package) = &self.section {
                    let analysed = package.files_analyzed != Some(false);
                    self.analysed = analysed.then(|| package.id.clone());
                }
                self.close()?;
                self.section = Section::File(Box::new(TaggedFile { name: value, ..TaggedFile::default() }));
            }
            "SnippetSPDXID" => self.other("snippets")?,
            "LicenseID" => {
                self.close()?;
                self.section = Section::License(value);
            }
            "Relationship" => self.relationship(&value)?,
            "RelationshipComment" => {
                if let Some(last) = self.relationships.last_mut() {
                    last.comment = Some(value);
                }
            }
            "Annotator" => self.annotations.push((
                String::new(),
                Annotation {
                    annotator: value,
                    annotation_date: String::new(),
                    annotation_type: String::new(),
                    comment: String::new(),
                },
            )),
            "AnnotationDate" => self.annotation(|_, a| a.annotation_date = value),
            "AnnotationType" => self.annotation(|_, a| a.annotation_type = value),
            "SPDXREF" => self.annotation(|about, _| *about = value),
            "AnnotationComment" => self.annotation(|_, a| a.comment = value),
            _ => match &mut self.section {
                Section::Package(package) => {
                    if let Some(tag) = package_tag(package, tag, value) {
                        self.losses.add(&format!("packages[].{tag}"));
                    }
                }
                Section::File(file) => {
                    if let Some(tag) = file_tag(file, tag, value) {
                        self.losses.add(&format!("files[].{tag}"));
                    }
                }
                Section::License(id) if tag == "ExtractedText" => {
                    self.texts.insert((id.clone(), value));
                }
                Section::License(_) => {}
                Section::Document if tag == "SPDXID" => {}
                // Ours counts the gaps, each of which stands in an annotation.
                Section::Document if tag == "DocumentComment" && value.starts_with("Known gaps: ") => {}
                _ if tag == "CreatorComment" && value == super::CONTEXT => {}
                Section::Document => self.losses.add(tag),
                Section::Other => {}
            },
        }
        Ok(())
    }

    fn creation(&mut self) -> &mut CreationInfo {
        self.document.creation_info.get_or_insert_default()
    }

    fn annotation(&mut self, change: impl FnOnce(&mut String, &mut Annotation)) {
        if let Some((about, annotation)) = self.annotations.last_mut() {
            change(about, annotation);
        }
    }

    fn relationship(&mut self, text: &str) -> Result<()> {
        self.relationships_seen += 1;
        if self.relationships_seen > limits::RELATIONSHIPS {
            return Err(over("RELATIONSHIPS", limits::RELATIONSHIPS));
        }
        let mut words = text.split_whitespace().map(str::to_owned);
        let (Some(from), Some(kind), Some(to)) = (words.next(), words.next(), words.next()) else {
            let shown: String = text.chars().take(60).collect();
            return Err(malformed(format!("'{}' is no relationship", shown.escape_debug())));
        };
        self.relationships.push(Relationship {
            spdx_element_id: from,
            relationship_type: kind,
            related_spdx_element: to,
            comment: None,
        });
        Ok(())
    }

    fn other(&mut self, what: &'static str) -> Result<()> {
        self.close()?;
        self.losses.add(what);
        self.section = Section::Other;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.section, Section::Document) {
            Section::Package(package) => self.packages.push(*package),
            Section::File(file) => {
                let TaggedFile { name, id, checksums, comment } = *file;
                if !files::take(&mut self.files, &id, &name, checksums, comment.as_deref()) {
                    return Err(over("FILES", limits::FILES));
                }
                if let Some(package) = &self.analysed {
                    self.files.owned(package, &id);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Inventory, Texts)> {
        self.close()?;
        self.document.files = files::Found(self.files);
        super::read::supported(&self.document.spdx_version)?;
        let mut of_document = Vec::new();
        let at: HashMap<String, usize> =
            self.packages.iter().enumerate().map(|(at, p)| (p.id.clone(), at)).collect();
        for (about, annotation) in self.annotations {
            if !super::annotation_is_read(&annotation.comment) {
                self.losses.add("annotations");
            }
            match at.get(&about).and_then(|at| self.packages.get_mut(*at)) {
                Some(package) => package.annotations.get_or_insert_default().push(annotation),
                None => of_document.push(annotation),
            }
        }
        self.document.annotations = Some(of_document);
        self.document.packages = Packages(self.packages.into_iter().map(found).collect::<Vec<Found>>());
        self.document.relationships = Relationships(
            self.relationships
                .into_iter()
                .filter(|r| {
                    let known = matters(r);
                    if !known {
                        self.losses.add(&format!("relationships of the type {}", r.relationship_type));
                    }
                    known
                })
                .collect(),
        );
        Ok((inventory(self.document)?, self.texts))
    }
}

/// Puts a tag's value into the package; gives the tag back where an inventory has no place for it.
fn package_tag<'t>(package: &mut Raw, tag: &'t str, value: String) -> Option<&'t str> {
    match tag {
        "SPDXID" => package.id = value,
        "PackageVersion" => package.version_info = Some(value),
        "PackageSupplier" => package.supplier = Some(value),
        "PackageOriginator" => package.originator = Some(value),
        "PackageDownloadLocation" => package.download_location = Some(value),
        "PrimaryPackagePurpose" => package.primary_package_purpose = Some(value),
        "PackageChecksum" => {
            if let Some((algorithm, hex)) = value.split_once(':') {
                package.checksums.get_or_insert_default().push(Checksum {
                    algorithm: algorithm.trim().to_owned(),
                    checksum_value: hex.trim().to_owned(),
                });
            }
        }
        "PackageHomePage" => package.homepage = Some(value),
        "PackageSourceInfo" => package.source_info = Some(value),
        "PackageLicenseConcluded" => package.license_concluded = Some(value),
        "PackageLicenseDeclared" => package.license_declared = Some(value),
        "PackageCopyrightText" => package.copyright_text = Some(value),
        "PackageSummary" => package.summary = Some(value),
        "PackageDescription" => package.description = Some(value),
        "PackageAttributionText" => package.attribution_texts.get_or_insert_default().push(value),
        "ExternalRef" => {
            let mut words = value.splitn(3, char::is_whitespace);
            if let (Some(category), Some(kind), Some(locator)) = (words.next(), words.next(), words.next()) {
                package.external_refs.get_or_insert_default().push(ExternalRef {
                    reference_category: category.to_owned(),
                    reference_type: kind.to_owned(),
                    reference_locator: locator.trim().to_owned(),
                });
            }
        }
        "FilesAnalyzed" => package.files_analyzed = Some(value.trim() != "false"),
        "PackageVerificationCode" => {
            let value = value.split_whitespace().next().unwrap_or_default().to_owned();
            package.package_verification_code = Some(VerificationCode { value });
        }
        "PackageLicenseInfoFromFiles" => {}
        _ => return Some(tag),
    }
    None
}

/// The same for a file.
fn file_tag<'t>(file: &mut TaggedFile, tag: &'t str, value: String) -> Option<&'t str> {
    match tag {
        "SPDXID" => file.id = value,
        "FileChecksum" => match value.split_once(':') {
            Some((algorithm, hex)) if checksum_is_read(algorithm.trim(), hex.trim()) => {
                file.checksums.push(Checksum {
                    algorithm: algorithm.trim().to_owned(),
                    checksum_value: hex.trim().to_owned(),
                });
            }
            _ => return Some(tag),
        },
        "FileComment" if super::files::comment_is_read(&value) => file.comment = Some(value),
        _ if matches!(value.as_str(), "" | "NOASSERTION" | "NONE") => {}
        _ => return Some(tag),
    }
    None
}
