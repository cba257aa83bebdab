//! Modules of a Go program that has no module information, by the names of its source files.
//!
//! The table of functions names the file of each (`runtime.pclntab`); the names stand one behind the other, each with
//! a NUL at its end. A file of the module cache has module and version in its name (`…/pkg/mod/host/x@v1.2.3/y.go`,
//! trimmed `host/x@v1.2.3/y.go`), one of a vendor directory or of GOPATH the import path alone, of which the module is
//! as much as its host is known to take. Refused is what has no host at its start: the standard library, the program's
//! own directories.

/// What ends one name, so that the next begins behind it.
pub(super) const NEEDLE: &[u8] = b".go\0";
/// Hosts on which a module takes one part more than the host; others of a repository take two.
const HOSTS: &[&str] = &[
    "github.com",
    "gitlab.com",
    "bitbucket.org",
    "codeberg.org",
    "gitee.com",
    "git.sr.ht",
    "salsa.debian.org",
];

/// Module and version (empty where it is not known) of the name behind [`NEEDLE`].
pub(super) fn read(bytes: &[u8]) -> Option<(String, String)> {
    let rest = bytes.strip_prefix(NEEDLE)?;
    let name = rest.get(..rest.iter().position(|b| *b == 0)?)?;
    let name = std::str::from_utf8(name).ok()?.strip_suffix(".go")?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-~!@+".contains(&b);
    if !name.bytes().all(is_plain) {
        return None;
    }
    // The innermost of what a directory may stand in.
    let inner = ["/pkg/mod/", "/vendor/", "/src/"]
        .iter()
        .filter_map(|mark| name.rfind(mark).map(|at| at + mark.len()))
        .max();
    let import = match inner {
        Some(at) => name.get(at..)?,
        None => name,
    };
    let host = import.split('/').next()?;
    let is_host = host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
    if !is_host {
        return None;
    }
    if let Some((module, rest)) = import.split_once('@') {
        let version = rest.split('/').next().filter(|v| v.starts_with('v') && rest.contains('/'))?;
        return Some((unescaped(module)?, version.to_owned()));
    }
    let parts: Vec<&str> = import.split('/').collect();
    let takes = match parts.as_slice() {
        [host, ..] if HOSTS.contains(host) => 3,
        ["golang.org", "x", ..] => 3,
        // gopkg.in/x.v2 and gopkg.in/user/x.v2.
        ["gopkg.in", first, ..] if !first.contains(".v") => 3,
        _ => 2,
    };
    // The last part is the file.
    let dirs = parts.get(..parts.len() - 1)?;
    let root = dirs.get(..takes)?;
    let major = dirs.get(takes).filter(|part| {
        part.strip_prefix('v')
            .is_some_and(|n| !n.is_empty() && n != "0" && n != "1" && n.bytes().all(|b| b.is_ascii_digit()))
    });
    let module = root.iter().chain(major).copied().collect::<Vec<_>>().join("/");
    Some((unescaped(&module)?, String::new()))
}

/// The module cache writes capitals as `!` and a small letter (golang.org/x/mod/module, "Escaped Paths").
fn unescaped(module: &str) -> Option<String> {
    let mut out = String::with_capacity(module.len());
    let mut chars = module.chars();
    while let Some(c) = chars.next() {
        match c {
            '!' => out.push(chars.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase()),
            c => out.push(c),
        }
    }
    (!out.ends_with('/') && !out.contains("//")).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn modules_of_names() {
        let found = |name: &str| read(format!(".go\0{name}\0").as_bytes());
        let both = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        for (name, module, version) in [
            (
                "/root/go/pkg/mod/github.com/!burnt!sushi/toml@v1.2.0/lex.go",
                "github.com/BurntSushi/toml",
                "v1.2.0",
            ),
            (
                "golang.org/x/sys@v0.0.0-20210615035016-665e8c7367d1/unix/ioctl.go",
                "golang.org/x/sys",
                "v0.0.0-20210615035016-665e8c7367d1",
            ),
            ("github.com/BurntSushi/toml/internal/x.go", "github.com/BurntSushi/toml", ""),
            ("/b/src/example.org/a/vendor/github.com/a/b/v3/c/d.go", "github.com/a/b/v3", ""),
            ("gopkg.in/yaml.v2/x.go", "gopkg.in/yaml.v2", ""),
            ("k8s.io/client-go/rest/x.go", "k8s.io/client-go", ""),
        ] {
            assert_eq!(found(name), both(module, version), "{name}");
        }
        for none in [
            "bufio/scan.go",
            "github.com/a.go",
            "./x.y/a/b.go",
            "a@v1.go",
            "/usr/lib/go-1.19/src/fmt/print.go",
            "x.y/a/b.c",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(name in "[a-z./@!v0-9]{0,60}(\\.go)?\0?", bytes in any::<Vec<u8>>()) {
            let _ = read(format!(".go\0{name}").as_bytes());
            let _ = read(&bytes);
        }
    }
}
