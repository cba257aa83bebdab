//! An XML document as a tree of elements that know their namespace.
//!
//! Refused is what is not well-formed (XML 1.0, Namespaces in XML 1.0), a document type declaration (with it come entities
//! and files of somebody else's choice), another encoding than UTF-8, and what is larger or nested deeper than
//! [`crate::limits`] allows. Comments and processing instructions are passed over.

use crate::{Error, ErrorKind, Result, limits};
use quick_xml::NsReader;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::name::{NamespaceResolver, ResolveResult};
use std::collections::HashSet;

/// The namespace of `xsi:type` and `xsi:schemaLocation`, which stand in any document.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// The namespace of the outermost element.
    Document,
    /// No namespace.
    None,
    /// XML Schema's own, for instances.
    Instance,
    /// Somebody else's.
    Other,
}

/// An attribute that declares no namespace.
pub(crate) struct Attribute {
    pub(crate) space: Space,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// One element with everything in it.
pub(crate) struct Element {
    pub(crate) space: Space,
    /// Without its prefix.
    pub(crate) name: String,
    pub(crate) attributes: Vec<Attribute>,
    /// The text that stands directly in it, all pieces together.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The attribute without namespace.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let found = self.attributes.iter().find(|a| a.space == Space::None && a.name == name);
        found.map(|a| a.value.clone())
    }

    /// The first child of the document's namespace with that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.is(name))
    }

    /// The items in the first child called `list`.
    pub(crate) fn all<'n>(&'n self, list: &str, item: &'static str) -> impl Iterator<Item = &'n Self> {
        self.child(list).into_iter().flat_map(|l| &l.children).filter(move |c| c.is(item))
    }

    /// The text of a child, unless it is empty.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.child(name).map(|c| c.text.clone()).filter(|t| !t.is_empty())
    }

    /// Whether it has that name, in the document's namespace.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.space == Space::Document && self.name == name
    }
}

/// XML 1.0, production 2: the characters that can stand in a document, escaped or not.
pub(crate) fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// XML 1.0, production 3: what separates words.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Namespaces in XML, production 4: a name without a colon.
fn is_name(text: &str) -> bool {
    let start = |c: char| {
        matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
            | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}'
            | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
            | '\u{10000}'..='\u{effff}')
    };
    let more = |c: char| matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}');
    let mut chars = text.chars();
    chars.next().is_some_and(start) && chars.all(|c| start(c) || more(c))
}

/// Reads a document; gives the namespace of its outermost element, empty where there is none, and that element.
///
/// # Errors
/// [`ErrorKind::Malformed`], [`ErrorKind::Unsupported`] for another encoding, [`ErrorKind::LimitExceeded`].
pub(crate) fn parse(tried: &str, bytes: &[u8]) -> Result<(String, Element)> {
    if bytes.len() > limits::DOCUMENT_BYTES {
        return Err(over(tried, "DOCUMENT_BYTES", limits::DOCUMENT_BYTES));
    }
    let mut reading = Reading { tried, namespace: None, elements: 0, open: Vec::new(), root: None };
    let text = std::str::from_utf8(bytes).map_err(|e| reading.malformed(format!("it is no UTF-8: {e}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(c) = text.chars().find(|c| !is_xml(*c)) {
        return Err(reading.malformed(format!("the character {} cannot stand in XML", c.escape_default())));
    }
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = true;
    let mut first = true;
    loop {
        let event = reader.read_event().map_err(|e| reading.malformed(e))?;
        match event {
            Event::Start(start) => reading.start(&start, reader.resolver())?,
            Event::End(_) => reading.end()?,
            Event::Text(text) => {
                let text = text.xml10_content().map_err(|e| reading.malformed(e))?;
                if text.contains("]]>") {
                    return Err(reading.malformed("']]>' stands in the text"));
                }
                reading.text(&text)?;
            }
            Event::CData(data) => {
                if reading.open.is_empty() {
                    return Err(reading.malformed("there is text outside of the document's element"));
                }
                reading.text(&data.xml10_content().map_err(|e| reading.malformed(e))?)?;
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|e| reading.malformed(e))?;
                let text = match reference.resolve_char_ref().map_err(|e| reading.malformed(e))? {
                    Some(c) if is_xml(c) => c.to_string(),
                    Some(_) => {
                        return Err(reading.malformed("a reference to a character that is none in XML"));
                    }
                    None => quick_xml::escape::resolve_predefined_entity(&name)
                        .ok_or_else(|| {
                            reading.malformed(format!("the entity '{}' is not known", name.escape_debug()))
                        })?
                        .to_owned(),
                };
                // A reference is content, even one to a space.
                if reading.open.is_empty() {
                    return Err(reading.malformed("there is a reference outside of the document's element"));
                }
                reading.text(&text)?;
            }
            Event::DocType(_) => return Err(reading.malformed("a document type declaration is refused")),
            Event::Decl(declaration) if first => reading.declaration(&declaration)?,
            Event::Decl(_) => return Err(reading.malformed("an XML declaration stands within the document")),
            Event::Comment(_) | Event::PI(_) | Event::Empty(_) => {}
            Event::Eof => break,
        }
        first = false;
    }
    if !reading.open.is_empty() {
        return Err(reading.malformed("the document ends within an element"));
    }
    let root = reading.root.take().ok_or_else(|| reading.malformed("there is no element"))?;
    Ok((reading.namespace.unwrap_or_default(), root))
}

fn over(tried: &str, limit: &'static str, value: usize) -> Error {
    Error::new(tried, ErrorKind::LimitExceeded { limit, value: value as u64 })
}

struct Reading<'t> {
    tried: &'t str,
    /// Of the outermost element, once it is known.
    namespace: Option<String>,
    elements: usize,
    open: Vec<Element>,
    root: Option<Element>,
}

impl Reading<'_> {
    fn malformed(&self, why: impl std::fmt::Display) -> Error {
        Error::new(self.tried, ErrorKind::Malformed(why.to_string()))
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<()> {
        let Some(encoding) = declaration.encoding() else { return Ok(()) };
        let encoding = encoding.map_err(|e| self.malformed(e))?;
        if encoding.eq_ignore_ascii_case(b"utf-8") || encoding.eq_ignore_ascii_case(b"us-ascii") {
            return Ok(());
        }
        let shown =
            String::from_utf8_lossy(encoding.get(..40).unwrap_or(&encoding)).escape_debug().to_string();
        Err(Error::new(self.tried, ErrorKind::Unsupported(format!("the encoding '{shown}'")))
            .hint("XML is read as UTF-8"))
    }

    fn start(&mut self, start: &BytesStart<'_>, names: &NamespaceResolver) -> Result<()> {
        self.elements += 1;
        if self.elements > limits::ELEMENTS {
            return Err(over(self.tried, "ELEMENTS", limits::ELEMENTS));
        }
        if self.open.len() >= limits::JSON_DEPTH {
            return Err(over(self.tried, "JSON_DEPTH", limits::JSON_DEPTH));
        }
        if self.root.is_some() {
            return Err(self.malformed("there is a second element after the document's own"));
        }
        let (space, local) = names.resolve_element(start.name());
        if self.namespace.is_none() {
            let found = match &space {
                ResolveResult::Bound(space) => self.utf8(space.0)?,
                _ => String::new(),
            };
            self.namespace = Some(found);
        }
        let name = self.name(start.name().as_ref(), local.as_ref())?;
        let space = self.space(&space)?;
        let mut element =
            Element { space, name, attributes: Vec::new(), text: String::new(), children: Vec::new() };
        let mut foreign = HashSet::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| self.malformed(e))?;
            let raw = self.utf8(&attribute.value)?;
            if raw.contains('<') {
                return Err(self.malformed("'<' stands in the value of an attribute"));
            }
            // XML 1.0, 3.3.3: white space that stands there itself is a space, what is referred to stays.
            let spaced = raw.replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
            let value = quick_xml::escape::unescape(&spaced).map_err(|e| self.malformed(e))?;
            if !value.chars().all(is_xml) {
                return Err(self.malformed("a reference to a character that is none in XML"));
            }
            if attribute.key.as_namespace_binding().is_some() {
                if attribute.key.as_ref() != b"xmlns" && value.is_empty() {
                    return Err(self.malformed("a prefix is bound to no namespace"));
                }
                continue;
            }
            let (space, local) = names.resolve_attribute(attribute.key);
            let name = self.name(attribute.key.as_ref(), local.as_ref())?;
            if let ResolveResult::Bound(space) = &space
                && !foreign.insert((space.0.to_vec(), name.clone()))
            {
                return Err(self.malformed(format!("the attribute {} is there twice", name.escape_debug())));
            }
            let space = self.space(&space)?;
            element.attributes.push(Attribute { space, name, value: value.into_owned() });
        }
        self.open.push(element);
        Ok(())
    }

    fn utf8(&self, bytes: &[u8]) -> Result<String> {
        String::from_utf8(bytes.to_vec()).map_err(|e| self.malformed(e))
    }

    /// The local part, if both parts are names.
    fn name(&self, whole: &[u8], local: &[u8]) -> Result<String> {
        let (whole, local) = (self.utf8(whole)?, self.utf8(local)?);
        let good = match whole.split_once(':') {
            Some((prefix, rest)) => is_name(prefix) && is_name(rest),
            None => is_name(&whole),
        };
        if !good {
            return Err(self.malformed(format!("'{}' is no name", whole.escape_debug())));
        }
        Ok(local)
    }

    fn space(&self, space: &ResolveResult<'_>) -> Result<Space> {
        let document = self.namespace.as_deref().unwrap_or_default().as_bytes();
        Ok(match space {
            // `xmlns=""` takes the default namespace away.
            ResolveResult::Unbound => Space::None,
            ResolveResult::Bound(space) if space.0.is_empty() => Space::None,
            ResolveResult::Bound(space) if space.0 == document => Space::Document,
            ResolveResult::Bound(space) if space.0 == INSTANCE.as_bytes() => Space::Instance,
            ResolveResult::Bound(_) => Space::Other,
            ResolveResult::Unknown(prefix) => {
                let prefix = String::from_utf8_lossy(prefix).escape_debug().to_string();
                return Err(self.malformed(format!("the prefix '{prefix}' is bound to no namespace")));
            }
        })
    }

    fn end(&mut self) -> Result<()> {
        let Some(ended) = self.open.pop() else {
            return Err(self.malformed("an element ends that did not begin"));
        };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(ended),
            None => self.root = Some(ended),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.chars().all(is_space) => {}
            None => return Err(self.malformed("there is text outside of the document's element")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Space, parse};
    use crate::{ErrorKind, limits};

    #[test]
    fn names_know_their_namespace() {
        let text = r#"<?xml version="1.0"?>
<a:r xmlns:a="urn:1" xmlns:b="urn:2" p="x&#10;y
z" a:p="2"><a:i/><b:i>1<!-- - -->2<![CDATA[&]]>&lt;</b:i><i xmlns="urn:1"/><i/></a:r>"#;
        let (namespace, root) = parse("try", text.as_bytes()).unwrap();
        assert_eq!((namespace.as_str(), root.name.as_str(), root.space), ("urn:1", "r", Space::Document));
        assert_eq!(root.attribute("p").as_deref(), Some("x\ny z"));
        assert_eq!(root.attributes[1].space, Space::Document);
        let spaces: Vec<Space> = root.children.iter().map(|c| c.space).collect();
        assert_eq!(spaces, [Space::Document, Space::Other, Space::Document, Space::None]);
        assert_eq!(root.children[1].text, "12&<");
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            "x",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "&#32;<a/>",
            "<![CDATA[ ]]><a/>",
            "<a>]]></a>",
            "<a>&x;</a>",
            "<a>&#0;</a>",
            "<a>&#xfffe;</a>",
            "<a>\u{1}</a>",
            "<a>&</a>",
            "<a b='1' b='2'/>",
            "<a b='<'/>",
            "<a b='&x;'/>",
            "<a b='&#1;'/>",
            "<a b=1/>",
            "<a b/>",
            "<1/>",
            "<a 1='x'/>",
            "<b:a/>",
            "<a b:c='1'/>",
            "<a:b:c xmlns:a='urn:1'/>",
            "<a xmlns:b=''/>",
            "<a xmlns:b='urn:1' xmlns:c='urn:1' b:x='1' c:x='1'/>",
            "<a><!-- -- --></a>",
            "<a><?xml version='1.0'?></a>",
            " <?xml version='1.0'?><a/>",
            "<!DOCTYPE a><a/>",
        ] {
            let refused = parse("try", text.as_bytes()).err().map(|e| e.kind);
            assert!(matches!(refused, Some(ErrorKind::Malformed(_))), "{text}: {refused:?}");
        }
        let latin = parse("try", b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>").err().map(|e| e.kind);
        assert!(matches!(latin, Some(ErrorKind::Unsupported(_))), "{latin:?}");
        assert!(parse("try", b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><a/> <!-- x -->").is_ok());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(parse("try", nested(limits::JSON_DEPTH).as_bytes()).is_ok());
        let error = parse("try", nested(limits::JSON_DEPTH + 1).as_bytes()).err().map(|e| e.kind);
        assert_eq!(
            error,
            Some(ErrorKind::LimitExceeded { limit: "JSON_DEPTH", value: limits::JSON_DEPTH as u64 })
        );
    }
}
