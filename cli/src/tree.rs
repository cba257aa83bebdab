//! YAML as a tree in which every value knows its line: for files of others, of which every field must be accounted
//! for.

use seaworthy_yaml::Resolved;

/// A value and the line on which it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) value: Value,
}

/// What stands in YAML. Maps keep their order.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As text: no number here is calculated with.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value under `key`, where this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(is) => Some(is.to_string()),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

impl From<&seaworthy_yaml::Node> for Node {
    fn from(node: &seaworthy_yaml::Node) -> Self {
        let value = match &node.value {
            seaworthy_yaml::Value::List(list) => Value::List(list.iter().map(Self::from).collect()),
            seaworthy_yaml::Value::Map(map) => {
                Value::Map(map.iter().map(|entry| (entry.key.clone(), Self::from(&entry.node))).collect())
            }
            seaworthy_yaml::Value::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => Value::Null,
                Resolved::Bool(is) => Value::Bool(is),
                Resolved::Unsigned(number) => Value::Number(number.to_string()),
                Resolved::Negative(number) => Value::Number(number.to_string()),
                // As it is written: `1.10` is a version as often as a number.
                Resolved::Float(_) => Value::Number(scalar.text().to_owned()),
                Resolved::Text(text) => Value::Text(text.to_owned()),
            },
        };
        Self { line: node.place.line, value }
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, Value};
    use std::path::Path;

    fn one(text: &str) -> Node {
        Node::from(&crate::yaml::trees(text, Path::new("x.yaml")).unwrap()[0])
    }

    #[test]
    fn every_value_has_its_line() {
        let node = one("a: 1\nb:\n  - x\n  - {c: true}\nd: ~\n");
        assert_eq!(node.get("a").unwrap().line, 1);
        let Value::List(list) = &node.get("b").unwrap().value else { panic!("{node:?}") };
        assert_eq!((list[0].line, list[1].line), (3, 4));
        assert!(matches!(list[1].get("c").unwrap().value, Value::Bool(true)));
        assert!(matches!(node.get("d").unwrap().value, Value::Null));
    }

    #[test]
    fn json_is_read_as_well() {
        let node = one("{\n  \"default\": [ {\"type\": \"reject\"} ]\n}\n");
        assert_eq!(node.get("default").unwrap().line, 2);
    }
}
