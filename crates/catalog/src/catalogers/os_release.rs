//! `/etc/os-release` or, where there is none, `/usr/lib/os-release` (os-release(5)).

use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::limits;
use crate::squash::{State, View};
use seaworthy_sbom::inventory::OsRelease;

pub(crate) struct OsReleaseFile;

const PATHS: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

impl Cataloger for OsReleaseFile {
    fn name(&self) -> &'static str {
        "os-release"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`etc/os-release`, `usr/lib/os-release`",
            gives: "the distribution in the purls of deb, apk and rpm",
            cannot_know: "a distribution whose file was removed",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        // Also under other directories: links may lead there (NixOS, image builders).
        (path == "os-release" || path.ends_with("/os-release")).then_some(limits::OS_RELEASE_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        Ok(Fact::Os(parse(&String::from_utf8_lossy(content))?).into())
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        for path in PATHS {
            if let Some((_, _, State::Parsed(parsed))) = view.lookup(path)
                && let Fact::Os(os) = &parsed.fact
            {
                out.os = Some(os.clone());
                return;
            }
            out.astray(view, path, self);
        }
    }
}

fn parse(text: &str) -> Result<OsRelease, String> {
    let mut os = OsRelease::default();
    let (mut vendor, mut name) = (None, None);
    for line in text.lines() {
        let line = line.trim();
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = unquote(value);
        match key {
            "ID" => os.id = field(&value).unwrap_or_default().to_ascii_lowercase(),
            "ID_LIKE" => os.id_like = value.split_whitespace().filter_map(field).collect(),
            "VERSION_ID" => os.version_id = field(&value),
            "VERSION_CODENAME" => os.codename = field(&value),
            "PRETTY_NAME" => os.pretty_name = field(&value),
            "VENDOR_NAME" => vendor = field(&value),
            "NAME" => name = field(&value),
            _ => {}
        }
    }
    if os.id.is_empty() {
        // os-release(5): "If not set, a default of ID=linux may be used."
        if os.version_id.is_none() && os.pretty_name.is_none() {
            return Err("no field of os-release(5) in it".into());
        }
        os.id = "linux".into();
    }
    os.vendor = vendor.or(name);
    Ok(os)
}

/// A value as a shell would read it, without expansions.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let (inner, quote) = match value.chars().next() {
        Some(q @ ('"' | '\'')) => (value.strip_prefix(q).and_then(|v| v.strip_suffix(q)).unwrap_or(value), q),
        _ => (value, ' '),
    };
    if quote == '\'' {
        return inner.to_owned();
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_values_as_a_shell_does() {
        let os = parse(
            "# comment\nID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='A \"B\" C'\nID_LIKE=\"a b\"\nX\nVERSION_CODENAME=book\\worm\n",
        )
        .unwrap();
        assert_eq!((os.id.as_str(), os.version_id.as_deref()), ("debian", Some("12")));
        assert_eq!(os.pretty_name.as_deref(), Some("A \"B\" C"));
        assert_eq!(os.codename.as_deref(), Some("bookworm"));
        assert_eq!(os.id_like, ["a", "b"]);
        assert_eq!(parse("VERSION_ID=1\n").unwrap().id, "linux");
        assert!(parse("hello\n").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[A-Z_=\"'\\\\\n ]{0,200}") {
            let _ = parse(&text);
        }
    }
}
