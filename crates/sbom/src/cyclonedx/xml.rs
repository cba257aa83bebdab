//! CycloneDX 1.4 to 1.7 as XML, written and read.
//!
//! The document is the one of [`super::write`]; only the notation differs. The order of elements is that of the
//! schema's sequences, which validators insist on.
//!
//! Reading refuses what [`crate::xml`] refuses, and another namespace. Elements that mean nothing to an inventory are skipped
//! and counted, however deep they lie, under the names that JSON gives them ([`super::form`]).

use super::model::{
    Component, Components, Composition, Contact, Dependency, Evidence, ExternalReference, Hash,
    LicenseChoice, LicenseName, Lifecycle, Metadata, Occurrence, Organization, Property, Read, Tool, Tools,
    Written,
};
use super::{NAMESPACE, READ, Version, read as json_read, write as json_write};
use crate::inventory::Inventory;
use crate::losses::Losses;
use crate::xml::{Element as Node, is_xml, parse};
use crate::{Error, ErrorKind, Result, WriteOptions, limits};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use std::io::Write;

const READING: &str = "read the CycloneDX document";
const WRITING: &str = "write the CycloneDX document";

/// Writes an inventory as CycloneDX XML of that version. The same inventory gives the same bytes.
///
/// # Errors
/// [`ErrorKind::Unsupported`] where a value holds a character that XML 1.0 has no way to write,
/// [`ErrorKind::Io`] when `out` fails.
pub fn write(inventory: &Inventory, version: Version, mut out: impl Write) -> Result<()> {
    let options = WriteOptions { cyclonedx: version, ..WriteOptions::default() };
    let document = json_write::complete(inventory, &options)?;
    let mut tree = Tree { writer: Writer::new_with_indent(Vec::new(), b' ', 2), unwritable: None };
    tree.document(&document).map_err(|e| Error::new(WRITING, ErrorKind::Io(e.to_string())))?;
    if let Some(text) = tree.unwritable {
        let shown: String = text.chars().take(60).collect();
        let why = format!("XML has no way to write '{}'", shown.escape_debug());
        return Err(
            Error::new(WRITING, ErrorKind::Unsupported(why)).hint("write cyclonedx-json, which can hold it")
        );
    }
    let mut bytes = tree.writer.into_inner();
    bytes.push(b'\n');
    out.write_all(&bytes)
        .and_then(|()| out.flush())
        .map_err(|e| Error::new(WRITING, ErrorKind::Io(e.to_string())))
}

/// An element's beginning. White space in a value is written as a reference: itself it would be read as a space (XML 1.0, 3.3.3).
fn start<'n>(name: &'n str, attributes: &[(&str, &str)]) -> BytesStart<'n> {
    let mut start = BytesStart::new(name);
    for (key, value) in attributes {
        let value = quick_xml::escape::escape(*value);
        let value = value.replace('\n', "&#10;").replace('\r', "&#13;").replace('\t', "&#9;");
        start.push_attribute((key.as_bytes(), value.as_bytes()));
    }
    start
}

struct Tree {
    writer: Writer<Vec<u8>>,
    unwritable: Option<String>,
}

type Io = std::io::Result<()>;

impl Tree {
    fn check(&mut self, text: &str) {
        if self.unwritable.is_none() && !text.chars().all(is_xml) {
            self.unwritable = Some(text.to_owned());
        }
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> Io {
        for (_, value) in attributes {
            self.check(value);
        }
        let start = start(name, attributes);
        self.writer.write_event(Event::Start(start))
    }

    fn close(&mut self, name: &str) -> Io {
        self.writer.write_event(Event::End(BytesEnd::new(name)))
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> Io {
        for (_, value) in attributes {
            self.check(value);
        }
        let start = start(name, attributes);
        self.writer.write_event(Event::Empty(start))
    }

    fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) -> Io {
        self.open(name, attributes)?;
        self.check(text);
        // A bare carriage return would be read as a line feed (XML 1.0, 2.11).
        let escaped = quick_xml::escape::escape(text).replace('\r', "&#13;");
        self.writer.write_event(Event::Text(BytesText::from_escaped(escaped)))?;
        self.close(name)
    }

    fn maybe(&mut self, name: &str, text: Option<&String>) -> Io {
        text.map_or(Ok(()), |text| self.text(name, &[], text))
    }

    fn list<T>(&mut self, name: &str, items: Option<&[T]>, mut each: impl FnMut(&mut Self, &T) -> Io) -> Io {
        let Some(items) = items.filter(|i| !i.is_empty()) else { return Ok(()) };
        self.open(name, &[])?;
        for item in items {
            each(self, item)?;
        }
        self.close(name)
    }

    fn document(&mut self, document: &Written) -> Io {
        self.writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let namespace = format!("{NAMESPACE}{}", document.spec_version);
        self.open(
            "bom",
            &[("xmlns", &namespace), ("serialNumber", &document.serial_number), ("version", "1")],
        )?;
        self.metadata(&document.metadata)?;
        if !document.components.is_empty() {
            self.open("components", &[])?;
            document.components.each(|c| self.component(c))?;
            self.close("components")?;
        }
        self.list("dependencies", Some(&document.dependencies), |t, d| {
            let Some(needs) = d.depends_on.as_ref().filter(|n| !n.is_empty()) else {
                return t.empty("dependency", &[("ref", &d.from)]);
            };
            t.open("dependency", &[("ref", &d.from)])?;
            for to in needs {
                t.empty("dependency", &[("ref", to)])?;
            }
            t.close("dependency")
        })?;
        self.list("compositions", Some(&document.compositions), |t, c| {
            t.open("composition", &[])?;
            t.text("aggregate", &[], &c.aggregate)?;
            t.list("assemblies", c.assemblies.as_deref(), |t, r| t.empty("assembly", &[("ref", r)]))?;
            t.close("composition")
        })?;
        self.close("bom")
    }

    fn metadata(&mut self, metadata: &Metadata) -> Io {
        self.open("metadata", &[])?;
        self.maybe("timestamp", metadata.timestamp.as_ref())?;
        self.list("lifecycles", metadata.lifecycles.as_deref(), |t, l| {
            t.open("lifecycle", &[])?;
            t.maybe("phase", l.phase.as_ref())?;
            t.close("lifecycle")
        })?;
        match &metadata.tools {
            None => {}
            Some(Tools::List(tools)) => self.list("tools", Some(tools), |t, tool| {
                t.open("tool", &[])?;
                t.text("name", &[], &tool.name)?;
                t.maybe("version", tool.version.as_ref())?;
                t.close("tool")
            })?,
            Some(Tools::Object { components }) => {
                self.open("tools", &[])?;
                self.list("components", Some(components), |t, tool| {
                    t.open("component", &[("type", tool.kind.as_deref().unwrap_or("application"))])?;
                    t.text("name", &[], &tool.name)?;
                    t.maybe("version", tool.version.as_ref())?;
                    t.close("component")
                })?;
                self.close("tools")?;
            }
        }
        self.list("authors", metadata.authors.as_deref(), |t, a| t.contact("author", a))?;
        if let Some(component) = &metadata.component {
            self.component(component)?;
        }
        if let Some(manufacturer) = &metadata.manufacturer {
            self.organization("manufacturer", manufacturer)?;
        }
        self.properties(metadata.properties.as_deref())?;
        self.close("metadata")
    }

    fn properties(&mut self, properties: Option<&[Property]>) -> Io {
        self.list("properties", properties, |t, p| {
            t.text("property", &[("name", &p.name)], p.value.as_deref().unwrap_or_default())
        })
    }

    fn organization(&mut self, name: &str, organization: &Organization) -> Io {
        self.open(name, &[])?;
        self.maybe("name", organization.name.as_ref())?;
        for contact in organization.contact.iter().flatten() {
            self.contact("contact", contact)?;
        }
        self.close(name)
    }

    fn contact(&mut self, name: &str, contact: &Contact) -> Io {
        self.open(name, &[])?;
        self.maybe("name", contact.name.as_ref())?;
        self.maybe("email", contact.email.as_ref())?;
        self.close(name)
    }

    fn component(&mut self, c: &Component) -> Io {
        let mut attributes = vec![("type", c.kind.as_str())];
        attributes.extend(c.bom_ref.as_deref().map(|r| ("bom-ref", r)));
        self.open("component", &attributes)?;
        if let Some(supplier) = &c.supplier {
            self.organization("supplier", supplier)?;
        }
        self.list("authors", c.authors.as_deref(), |t, a| t.contact("author", a))?;
        self.maybe("author", c.author.as_ref())?;
        self.text("name", &[], &c.name)?;
        self.maybe("version", c.version.as_ref())?;
        self.maybe("description", c.description.as_ref())?;
        self.list("hashes", c.hashes.as_deref(), |t, h| t.text("hash", &[("alg", &h.alg)], &h.content))?;
        self.list("licenses", c.licenses.as_deref(), Self::license)?;
        self.maybe("copyright", c.copyright.as_ref())?;
        self.maybe("cpe", c.cpe.as_ref())?;
        self.maybe("purl", c.purl.as_ref())?;
        self.list("externalReferences", c.external_references.as_deref(), |t, r| {
            t.open("reference", &[("type", &r.kind)])?;
            t.text("url", &[], &r.url)?;
            t.close("reference")
        })?;
        self.properties(c.properties.as_deref())?;
        if let Some(evidence) = &c.evidence {
            self.open("evidence", &[])?;
            self.list("occurrences", evidence.occurrences.as_deref(), |t, o| {
                t.open("occurrence", &[])?;
                t.text("location", &[], &o.location)?;
                t.maybe("additionalContext", o.additional_context.as_ref())?;
                t.close("occurrence")
            })?;
            self.close("evidence")?;
        }
        self.close("component")
    }

    fn license(&mut self, choice: &LicenseChoice) -> Io {
        fn said(who: Option<&String>) -> Vec<(&str, &str)> {
            who.map(|w| ("acknowledgement", w.as_str())).into_iter().collect()
        }
        if let Some(expression) = &choice.expression {
            return self.text("expression", &said(choice.acknowledgement.as_ref()), expression);
        }
        let Some(license) = &choice.license else { return Ok(()) };
        self.open("license", &said(license.acknowledgement.as_ref()))?;
        self.maybe("id", license.id.as_ref())?;
        self.maybe("name", license.name.as_ref())?;
        self.close("license")
    }
}

fn over(limit: &'static str, value: usize) -> Error {
    Error::new(READING, ErrorKind::LimitExceeded { limit, value: value as u64 })
}

/// Reads a CycloneDX 1.4 to 1.7 XML document, of which version it gives back, and counts in `losses` what an inventory does not hold.
///
/// # Errors
/// As [`super::read`].
pub fn read(bytes: &[u8], losses: &mut Losses) -> Result<(Version, Inventory)> {
    let (namespace, root) = parse(READING, bytes)?;
    let Some(version) = Version::of_xml(&namespace, &root) else {
        let name = namespace.strip_prefix(NAMESPACE).unwrap_or_default();
        let shown: String = name.chars().take(40).collect();
        let why =
            format!("the element is '{}', the version '{}'", root.name.escape_debug(), shown.escape_debug());
        return Err(Error::new(READING, ErrorKind::Unsupported(why))
            .hint("CycloneDX 1.4, 1.5, 1.6 and 1.7 can be read"));
    };
    let mut out = Components::default();
    for component in root.all("components", "component") {
        flatten(component, &mut out)?;
    }
    crate::documents::count(&super::form::json(&root), READ, losses);
    let dependencies = root.all("dependencies", "dependency").filter_map(|d| {
        let on = d.children.iter().filter_map(|c| c.attribute("ref")).collect::<Vec<_>>();
        Some(Dependency { from: d.attribute("ref")?, depends_on: Some(on) })
    });
    let compositions = root.all("compositions", "composition").map(|c| Composition {
        aggregate: c.value("aggregate").unwrap_or_default(),
        assemblies: Some(c.all("assemblies", "assembly").filter_map(|a| a.attribute("ref")).collect()),
    });
    let inventory = json_read::inventory(Read {
        bom_format: "CycloneDX".to_owned(),
        spec_version: version.name().to_owned(),
        metadata: root.child("metadata").map(metadata),
        dependencies: Some(dependencies.collect()),
        compositions: Some(compositions.collect()),
        components: out,
    })?;
    Ok((version, inventory))
}

/// The component and those nested in it, one after another.
fn flatten(node: &Node, out: &mut Components) -> Result<()> {
    let mut nested = node.all("components", "component");
    let component = component(node);
    if component.is_file() {
        out.files.push(component);
        return nested.try_for_each(|n| flatten(n, out));
    }
    if out.packages.len() >= limits::PACKAGES {
        return Err(over("PACKAGES", limits::PACKAGES));
    }
    let mut found = json_read::found(component);
    found.contains.extend(node.all("components", "component").filter_map(|n| n.attribute("bom-ref")));
    out.packages.push(found);
    nested.try_for_each(|n| flatten(n, out))
}

fn metadata(node: &Node) -> Metadata {
    let tool = |t: &Node| Tool {
        kind: t.attribute("type"),
        name: t.value("name").unwrap_or_default(),
        version: t.value("version"),
    };
    let tools = node.child("tools");
    let listed = tools.into_iter().flat_map(|t| &t.children).filter(|c| c.name == "tool").map(tool);
    let components = tools.into_iter().flat_map(|t| t.all("components", "component")).map(tool);
    let phases = node.all("lifecycles", "lifecycle");
    Metadata {
        timestamp: node.value("timestamp"),
        lifecycles: Some(phases.map(|l| Lifecycle { phase: l.value("phase") }).collect()),
        tools: Some(Tools::List(listed.chain(components).collect())),
        manufacturer: node.child("manufacturer").map(organization),
        authors: Some(node.all("authors", "author").map(contact).collect()),
        component: node.child("component").map(|c| Box::new(component(c))),
        properties: Some(properties(node)),
    }
}

fn properties(node: &Node) -> Vec<Property> {
    let property =
        |p: &Node| Property { name: p.attribute("name").unwrap_or_default(), value: Some(p.text.clone()) };
    node.all("properties", "property").map(property).collect()
}

fn organization(node: &Node) -> Organization {
    let contacts = node.children.iter().filter(|c| c.name == "contact").map(contact).collect();
    Organization { name: node.value("name"), contact: Some(contacts) }
}

fn contact(node: &Node) -> Contact {
    Contact { name: node.value("name"), email: node.value("email") }
}

fn component(node: &Node) -> Component {
    let references: Vec<ExternalReference> = node
        .all("externalReferences", "reference")
        .map(|r| ExternalReference {
            url: r.value("url").unwrap_or_default(),
            kind: r.attribute("type").unwrap_or_default(),
        })
        .collect();
    let occurrences = node.child("evidence").map(|e| {
        e.all("occurrences", "occurrence")
            .map(|o| Occurrence {
                location: o.value("location").unwrap_or_default(),
                additional_context: o.value("additionalContext"),
            })
            .collect()
    });
    Component {
        kind: node.attribute("type").unwrap_or_default(),
        bom_ref: node.attribute("bom-ref"),
        supplier: node.child("supplier").map(organization),
        authors: Some(node.all("authors", "author").map(contact).collect()),
        author: node.value("author"),
        publisher: node.value("publisher"),
        group: node.value("group"),
        name: node.value("name").unwrap_or_default(),
        version: node.value("version"),
        description: node.value("description"),
        hashes: Some(
            node.all("hashes", "hash")
                .map(|h| Hash { alg: h.attribute("alg").unwrap_or_default(), content: h.text.clone() })
                .collect(),
        ),
        licenses: node.child("licenses").map(|l| {
            l.children.iter().filter(|c| c.is("license") || c.is("expression")).map(license).collect()
        }),
        copyright: node.value("copyright"),
        cpe: node.value("cpe"),
        purl: node.value("purl"),
        external_references: Some(references),
        components: Components::default(),
        evidence: Some(Evidence { occurrences }),
        properties: Some(properties(node)),
    }
}

fn license(node: &Node) -> LicenseChoice {
    let acknowledgement = node.attribute("acknowledgement");
    if node.name == "expression" {
        return LicenseChoice { license: None, expression: Some(node.text.clone()), acknowledgement };
    }
    let license = LicenseName { id: node.value("id"), name: node.value("name"), acknowledgement };
    LicenseChoice { license: Some(license), ..LicenseChoice::default() }
}
