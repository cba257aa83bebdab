//! The image configuration, read for the rules: strictly, because a runtime's parser is not.
//!
//! Container runtimes are written in Go, whose JSON decoder takes keys in any case, the last one wins: a second `user`
//! beside `User` would be run and not judged. A configuration with such keys is refused, as are duplicate keys.

use crate::limits;
use seaworthy_oci::strict;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a runtime takes from an image configuration (OCI image specification, "Image Configuration").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) created: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) architecture: Option<String>,
    pub(crate) user: String,
    /// `NAME=value`, in order.
    pub(crate) env: Vec<String>,
    /// As written: `80/tcp`.
    pub(crate) ports: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Config {
    /// Reads a configuration blob.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > limits::IMAGE_CONFIG_BYTES {
            let limit = limits::IMAGE_CONFIG_BYTES;
            return Err(format!("{} bytes, more than the limit IMAGE_CONFIG_BYTES = {limit}", bytes.len()));
        }
        let Value::Object(all) = strict::from_slice::<Value>(bytes)? else {
            return Err("it is no object".into());
        };
        let [created, config, os, architecture] = exactly(&all, ["created", "config", "os", "architecture"])?;
        let mut made = Self {
            created: text(created, "created")?,
            os: text(os, "os")?,
            architecture: text(architecture, "architecture")?,
            ..Self::default()
        };
        let run = match config {
            None | Some(Value::Null) => return Ok(made),
            Some(Value::Object(run)) => run,
            Some(_) => return Err("its config is no object".into()),
        };
        let [user, env, ports, labels] = exactly(run, ["User", "Env", "ExposedPorts", "Labels"])?;
        made.user = text(user, "User")?.unwrap_or_default();
        if let Some(list) = env.filter(|v| !v.is_null()) {
            let list = list.as_array().ok_or("its Env is no list")?;
            for entry in list {
                made.env.push(entry.as_str().ok_or("its Env holds something else than text")?.to_owned());
            }
        }
        let size: usize = made.env.iter().map(String::len).sum();
        if made.env.len() > limits::ENVIRONMENT_ENTRIES || size > limits::ENVIRONMENT_BYTES {
            return Err(format!(
                "its Env has {} entries and {size} bytes, more than the limits ENVIRONMENT_ENTRIES = {} and ENVIRONMENT_BYTES = {}",
                made.env.len(),
                limits::ENVIRONMENT_ENTRIES,
                limits::ENVIRONMENT_BYTES
            ));
        }
        if let Some(map) = ports.filter(|v| !v.is_null()) {
            made.ports = map.as_object().ok_or("its ExposedPorts are no object")?.keys().cloned().collect();
        }
        if let Some(map) = labels.filter(|v| !v.is_null()) {
            for (name, value) in map.as_object().ok_or("its Labels are no object")? {
                let value = value.as_str().ok_or("its Labels hold something else than text")?;
                made.labels.insert(name.clone(), value.to_owned());
            }
        }
        Ok(made)
    }
}

/// The values of `keys`, where no other key would be taken for one of them.
fn exactly<'v, const N: usize>(
    object: &'v Map<String, Value>,
    keys: [&str; N],
) -> Result<[Option<&'v Value>; N], String> {
    for found in object.keys() {
        if let Some(key) = keys.iter().find(|key| **key != found && folded(key) == folded(found)) {
            let shown: String = found.chars().take(40).collect();
            return Err(format!("'{}' would be taken for {key} by some runtimes", shown.escape_debug()));
        }
    }
    Ok(keys.map(|key| object.get(key)))
}

/// As Go's decoder folds keys: two letters outside ASCII fold to letters in it.
fn folded(key: &str) -> String {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

fn text(value: Option<&Value>, what: &str) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("its {what} is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_only() {
        let config = |run: &str| Config::parse(format!(r#"{{"config":{run}}}"#).as_bytes());
        assert_eq!(config(r#"{"User":"1000"}"#).unwrap().user, "1000");
        assert_eq!(config(r#"{"User":null,"Env":null,"ExposedPorts":null}"#).unwrap(), Config::default());
        assert_eq!(config("null").unwrap(), Config::default());
        for two in [
            r#"{"User":"1000","user":"0"}"#,
            r#"{"User":"1000","USER":"0"}"#,
            r#"{"User":"1000","U\u017fer":"0"}"#,
            r#"{"User":"1000","User":"0"}"#,
            r#"{"user":"0"}"#,
            r#"{"User":0}"#,
            r#"{"Env":{"A":"b"}}"#,
            r#"{"Env":[1]}"#,
            r#"{"Labels":{"a":1}}"#,
            "[]",
        ] {
            assert!(config(two).is_err(), "{two}");
        }
        assert!(Config::parse(br#"{"config":{"User":"1000"},"Config":{"User":"0"}}"#).is_err());
        assert!(Config::parse(b"[]").is_err());
    }

    #[test]
    fn bounded_at_limit_plus_one() {
        let env = |count: usize, each: usize| {
            let list: Vec<String> = (0..count).map(|_| "x".repeat(each)).collect();
            Config::parse(serde_json::json!({ "config": { "Env": list } }).to_string().as_bytes())
        };
        assert!(env(limits::ENVIRONMENT_ENTRIES, 1).is_ok());
        assert!(env(limits::ENVIRONMENT_ENTRIES + 1, 1).unwrap_err().contains("ENVIRONMENT_ENTRIES"));
        assert!(env(1, limits::ENVIRONMENT_BYTES).is_ok());
        assert!(env(1, limits::ENVIRONMENT_BYTES + 1).is_err());
        let long = vec![b' '; limits::IMAGE_CONFIG_BYTES as usize + 1];
        assert!(Config::parse(&long).unwrap_err().contains("IMAGE_CONFIG_BYTES"));
    }
}
