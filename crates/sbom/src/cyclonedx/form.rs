//! A CycloneDX document in XML as its JSON form would be, so that what is left behind of either is counted by one rule
//! under one name: `components[].licenses[].license.text`.
//!
//! Nothing is read through this form: what it gets wrong is a name in a list, and never a package.

use crate::xml::{Element, Space};
use serde_json::{Map, Value};

/// The document in JSON's form.
pub(super) fn json(element: &Element) -> Value {
    let attributes = element.attributes.iter().filter(|a| a.space != Space::Instance);
    let of_its_own = |space: Space, name: &str| match space {
        Space::Document | Space::None => name.to_owned(),
        Space::Instance | Space::Other => format!("{name} of another namespace"),
    };
    if is_list(element) {
        return Value::Array(element.children.iter().map(|child| item(element, child)).collect());
    }
    let mut fields = Map::new();
    for attribute in attributes {
        fields.insert(of_its_own(attribute.space, &attribute.name), Value::String(attribute.value.clone()));
    }
    if fields.is_empty() && element.children.is_empty() {
        return Value::String(element.text.clone());
    }
    for child in &element.children {
        let (name, value) = match (element.name.as_str(), child.name.as_str()) {
            // Which component needs which is a list of names in JSON.
            ("dependency", "dependency") => ("dependsOn".to_owned(), reference(child)),
            (_, name) => (of_its_own(child.space, name), json(child)),
        };
        let many = matches!(name.as_str(), "contact" | "dependsOn");
        match fields.get_mut(&name) {
            Some(Value::Array(all)) if many => all.push(value),
            Some(Value::Array(all)) if !matches!(value, Value::Array(_)) => all.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None if many => drop(fields.insert(name, Value::Array(vec![value]))),
            None => drop(fields.insert(name, value)),
        }
    }
    if !element.text.trim().is_empty() {
        let name = if element.name == "property" { "value" } else { "content" };
        fields.insert(name.to_owned(), Value::String(element.text.clone()));
    }
    Value::Object(fields)
}

/// Whether the element only holds items of one kind: `components` holds `component`.
fn is_list(element: &Element) -> bool {
    let holds = |item: &str| match element.name.as_str() {
        "licenses" => matches!(item, "license" | "expression"),
        "externalReferences" => item == "reference",
        list => {
            list.strip_suffix("ies").is_some_and(|stem| item.strip_suffix('y') == Some(stem))
                || list.strip_suffix("es") == Some(item)
                || list.strip_suffix('s') == Some(item)
        }
    };
    let is_item = |child: &Element| child.space == Space::Document && holds(&child.name);
    element.attributes.is_empty() && !element.children.is_empty() && element.children.iter().all(is_item)
}

fn item(list: &Element, child: &Element) -> Value {
    let mut value = json(child);
    match (list.name.as_str(), child.name.as_str()) {
        ("assemblies", _) => reference(child),
        ("licenses", "expression") => {
            if let Value::Object(fields) = &mut value {
                if let Some(text) = fields.remove("content") {
                    fields.insert("expression".to_owned(), text);
                }
                return value;
            }
            Value::Object(Map::from_iter([("expression".to_owned(), value)]))
        }
        ("licenses", name) => Value::Object(Map::from_iter([(name.to_owned(), value)])),
        _ => value,
    }
}

/// An element that only names another; with more in it, the whole of it.
fn reference(element: &Element) -> Value {
    match (element.attribute("ref"), element.attributes.len(), element.children.len()) {
        (Some(name), 1, 0) => Value::String(name),
        _ => json(element),
    }
}

#[cfg(test)]
mod tests {
    use super::json;
    use crate::xml::parse;
    use serde_json::json as value;

    #[test]
    fn the_form_is_that_of_json() {
        let text = r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.6" xmlns:f="urn:f" version="1"><metadata>
            <tools><tool><name>t</name></tool></tools><manufacturer><contact><email>a@b</email></contact></manufacturer></metadata>
            <components><component type="library" bom-ref="a" f:own="1"><name>x</name>
            <hashes><hash alg="MD5">00</hash></hashes>
            <licenses><license><id>MIT</id><text content-type="text/plain">T</text></license></licenses>
            <externalReferences><reference type="vcs"><url>u</url></reference></externalReferences>
            <properties><property name="p">v</property></properties><f:x><f:y/></f:x></component></components>
            <dependencies><dependency ref="a"><dependency ref="b"/><dependency ref="c"/></dependency></dependencies>
            <compositions><composition><aggregate>complete</aggregate><assemblies><assembly ref="a"/></assemblies></composition>
            </compositions><licenses><expression acknowledgement="declared">MIT</expression><expression>X</expression></licenses>
            </bom>"#;
        let (_, root) = parse("try", text.as_bytes()).unwrap();
        assert_eq!(
            json(&root),
            value!({
                "version": "1",
                "metadata": {"tools": [{"name": "t"}], "manufacturer": {"contact": [{"email": "a@b"}]}},
                "components": [{
                    "type": "library", "bom-ref": "a", "own of another namespace": "1", "name": "x",
                    "hashes": [{"alg": "MD5", "content": "00"}],
                    "licenses": [{"license": {"id": "MIT", "text": {"content-type": "text/plain", "content": "T"}}}],
                    "externalReferences": [{"type": "vcs", "url": "u"}],
                    "properties": [{"name": "p", "value": "v"}],
                    "x of another namespace": {"y of another namespace": ""}
                }],
                "dependencies": [{"ref": "a", "dependsOn": ["b", "c"]}],
                "compositions": [{"aggregate": "complete", "assemblies": ["a"]}],
                "licenses": [{"expression": "MIT", "acknowledgement": "declared"}, {"expression": "X"}]
            })
        );
    }
}
