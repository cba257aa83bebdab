//! PEAR and PECL: the registry of installed PHP packages.
//!
//! `.registry/<name>.reg`, and `.registry/.channel.<channel>/<name>.reg` for other channels than `pear.php.net`, hold
//! one array each as PHP serialises it. It is read as data, to a bounded depth; objects are refused, nothing in it is
//! ever made alive.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Parsed};
use crate::collect::Collector;
use crate::limits;
use crate::squash::View;
use seaworthy_sbom::inventory::Ecosystem;
use serde_json::{Map, Value};

pub(crate) struct Pear;

const NAME: &str = "pear";

/// Arrays in arrays; a package's file list nests by directory.
const DEPTH: usize = 64;

impl Cataloger for Pear {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`.registry/*.reg`, `.registry/.channel.*/*.reg`",
            gives: "PEAR and PECL packages with channel, licence, dependencies",
            cannot_know: "extensions that were built without PECL",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let rest = path.strip_suffix(".reg")?.rsplit_once(".registry/")?.1;
        let inside = match rest.split_once('/') {
            Some((channel, name)) => channel.starts_with(".channel.") && !name.contains('/'),
            None => true,
        };
        inside.then_some(limits::PACKAGE_JSON_BYTES)
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let value = Php { bytes: content, at: 0 }.value(DEPTH).ok_or("no array as PHP serialises it")?;
        let text = |at: &str| value.pointer(at).and_then(Value::as_str).and_then(super::field);
        let first = |places: &[&str]| places.iter().find_map(|at| text(at));
        let name = first(&["/name", "/package"]).unwrap_or_default();
        let version = first(&["/version/release", "/version"]).unwrap_or_default();
        let channel = first(&["/channel"]).or_else(|| {
            let dir = path.rsplit_once('/')?.0.rsplit('/').next()?;
            dir.strip_prefix(".channel.").and_then(super::field)
        });
        let channel = channel.unwrap_or_else(|| "pear.php.net".to_owned());
        let mut record = Record::new(Ecosystem::Pear, format!("{channel}/{name}"), version)
            .licensed(first(&["/license/_content", "/license", "/release_license"]))
            .needing(needs(&value));
        record.package.description = first(&["/summary"]);
        record.package.originator = first(&["/lead/name", "/lead/0/name", "/maintainers/0/name"]);
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}

/// The packages that `dependencies/required` names: one is an array, several are a list of them.
fn needs(value: &Value) -> Vec<String> {
    let Some(required) = value.pointer("/dependencies/required/package") else { return Vec::new() };
    let one = |package: &Value| {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        Some(format!("{}/{}", text("channel")?, text("name")?))
    };
    let many = required.as_object().into_iter().flatten().map(|(_, package)| package);
    one(required).into_iter().chain(many.filter_map(one)).collect()
}

/// A reader of PHP's `serialize`: `a:1:{s:4:"name";s:5:"redis";}`.
struct Php<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Php<'_> {
    /// The next value; arrays become objects with their keys as text.
    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let kind = *self.bytes.get(self.at)?;
        self.at += 1;
        if kind == b'N' {
            self.expect(b";")?;
            return Some(Value::Null);
        }
        self.expect(b":")?;
        match kind {
            b'b' | b'i' | b'd' => Some(Value::from(self.until(b';')?)),
            b's' => {
                let length: usize = self.until(b':')?.parse().ok()?;
                self.expect(b"\"")?;
                let text = self.bytes.get(self.at..self.at.checked_add(length)?)?;
                self.at += length;
                self.expect(b"\";")?;
                Some(Value::from(String::from_utf8_lossy(text).into_owned()))
            }
            b'a' => {
                let count: usize = self.until(b':')?.parse().ok()?;
                self.expect(b"{")?;
                let mut map = Map::new();
                // A count is not believed: the bytes end first.
                for _ in 0..count {
                    let key = match self.value(depth)? {
                        Value::String(key) => key,
                        _ => return None,
                    };
                    map.insert(key, self.value(depth)?);
                }
                self.expect(b"}")?;
                Some(Value::Object(map))
            }
            _ => None,
        }
    }

    fn expect(&mut self, wanted: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(wanted).then(|| self.at += wanted.len())
    }

    fn until(&mut self, end: u8) -> Option<String> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().take(64).position(|b| *b == end)?;
        let text = std::str::from_utf8(rest.get(..length)?).ok()?.to_owned();
        self.at += length + 1;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogers::stated::told;
    use proptest::prelude::*;

    #[test]
    fn both_versions_of_a_package_file() {
        let two = br#"a:5:{s:4:"name";s:5:"redis";s:7:"channel";s:12:"pecl.php.net";s:7:"version";a:2:{s:7:"release";s:5:"6.0.2";s:3:"api";s:5:"6.0.0";}s:7:"license";a:2:{s:7:"attribs";a:1:{s:3:"uri";s:1:"x";}s:8:"_content";s:3:"PHP";}s:4:"lead";a:1:{i:0;a:1:{s:4:"name";s:3:"Me,";}}}"#;
        let parsed = Pear.parse("usr/local/lib/php/.registry/.channel.pecl.php.net/redis.reg", two).unwrap();
        assert_eq!(told(&parsed), ["pecl.php.net/redis 6.0.2"]);
        let one = br#"a:3:{s:7:"package";s:4:"PEAR";s:7:"version";s:6:"1.10.1";s:5:"state";b:1;}"#;
        assert_eq!(told(&Pear.parse("x/.registry/pear.reg", one).unwrap()), ["pear.php.net/PEAR 1.10.1"]);
    }

    #[test]
    fn depth_at_the_limit_and_beyond() {
        let nested = |depth: usize| format!("{}N;{}", "a:1:{i:0;".repeat(depth), "}".repeat(depth));
        let read = |depth| Php { bytes: nested(depth).as_bytes(), at: 0 }.value(DEPTH);
        assert!(read(DEPTH - 1).is_some());
        assert!(read(DEPTH).is_none());
        assert!(Pear.parse("x/.registry/a.reg", b"a:99999999999:{").is_err());
        assert!(Pear.parse("x/.registry/a.reg", br#"O:8:"stdClass":0:{}"#).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>(), text in "(a:[0-9]:\\{|s:[0-9]:\"[a-z]{0,9}\";|i:[0-9];|N;|\\}|é){0,20}") {
            let _ = Pear.parse("", &bytes);
            let _ = Pear.parse("", text.as_bytes());
        }
    }
}
