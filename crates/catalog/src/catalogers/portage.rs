//! Portage: Gentoo's database of installed packages.
//!
//! One directory a package, `var/db/pkg/<category>/<name>-<version>`, and in it one file for each thing that is known
//! (PMS, "The VDB"). Name and version are those of the directory, as PMS, section 3.2, tells them apart. Dependencies
//! are the atoms of `RDEPEND`; conditions on USE flags are not evaluated, and blockers are left out: an edge goes only
//! to what is installed.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Fact, Parsed, field, proves_language_package};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Portage;

const NAME: &str = "portage";

/// The files beside `PF` that are read, each one text.
const TEXTS: [&str; 5] = ["LICENSE", "HOMEPAGE", "DESCRIPTION", "RDEPEND", "repository"];

/// Groups in groups of a licence expression.
const DEPTH: usize = 16;

impl Cataloger for Portage {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`var/db/pkg/*/*/PF`, `LICENSE`, `HOMEPAGE`, `DESCRIPTION`, `RDEPEND`, `repository`, `CONTENTS`",
            gives: "packages with category, licence, repository, dependencies, owned packages of other ecosystems",
            cannot_know: "which USE flag a dependency hangs on; the checksum of what was built from",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let rest = path.split_once("var/db/pkg/")?.1;
        let mut parts = rest.split('/').skip(2);
        match (parts.next()?, parts.next()) {
            ("CONTENTS", None) => Some(limits::LIST_BYTES),
            (base, None) if base == "PF" || TEXTS.contains(&base) => Some(limits::DIRECT_URL_BYTES),
            _ => None,
        }
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let (dir, base) = path::split(path);
        let text = String::from_utf8_lossy(content);
        match base {
            "CONTENTS" => {
                let files =
                    text.lines().filter_map(|line| line.strip_prefix("obj /")?.rsplitn(3, ' ').nth(2));
                let wanted = files.filter(|file| proves_language_package(file)).map(str::to_owned);
                Ok(Fact::Beside(wanted.collect()).into())
            }
            "PF" => {
                let (above, package) = path::split(dir);
                let (name, version) =
                    name_and_version(package).ok_or("its directory has no name and version")?;
                let full = format!("{}/{name}", path::split(above).1);
                let mut list = List::default();
                list.add(Record::new(Ecosystem::Ebuild, full, version));
                list.done(NAME, Reach::Image)
            }
            "LICENSE" => Ok(Fact::Beside(expression(&text).into_iter().collect()).into()),
            "RDEPEND" => Ok(Fact::Beside(needed(&text)).into()),
            _ => Ok(Fact::Beside(field(&text).into_iter().collect()).into()),
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect_with(NAME, view, out, |view, path, mut record| {
            let dir = path::split(path).0;
            let lines = |base: &str| stated::beside(view, &path::join(dir, base)).unwrap_or_default();
            let text = |base: &str| lines(base).first().cloned();
            record = record
                .licensed(text("LICENSE"))
                .needing(lines("RDEPEND").iter().cloned())
                .with("portage:repository", text("repository"));
            record.package.homepage = text("HOMEPAGE").and_then(|all| field(all.split(' ').next()?));
            record.package.description = text("DESCRIPTION");
            record.files.extend(lines("CONTENTS").iter().cloned());
            Some(record)
        });
    }
}

/// `bash-5.1_p16-r2` is `bash` and `5.1_p16-r2`: the version begins at the last hyphen with a digit behind it that is
/// no revision.
fn name_and_version(text: &str) -> Option<(&str, &str)> {
    let (body, _) = match text.rsplit_once("-r") {
        Some((body, revision)) if !revision.is_empty() && revision.bytes().all(|b| b.is_ascii_digit()) => {
            (body, revision)
        }
        _ => (text, ""),
    };
    let (name, version) = body.rsplit_once('-')?;
    let found = version.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty();
    found.then(|| (name, text.get(name.len() + 1..).unwrap_or(version)))
}

/// Category and name of each atom that is needed.
fn needed(atoms: &str) -> Vec<String> {
    let atom = |word: &str| {
        if word.starts_with('!') || word.ends_with('?') {
            return None;
        }
        let bare = word.trim_start_matches(['<', '>', '=', '~']);
        let name = bare.split([':', '[']).next()?.trim_end_matches('*');
        // Only an atom with an operator has a version.
        let name = match bare.len() == word.len() {
            true => name,
            false => name_and_version(name)?.0,
        };
        name.contains('/').then(|| name.to_owned())
    };
    atoms.split_whitespace().filter_map(atom).take(limits::DEPENDENCIES).collect()
}

/// `GPL-2 || ( MIT BSD )` in words that licences are read by everywhere: `GPL-2 AND (MIT OR BSD)`.
fn expression(text: &str) -> Option<String> {
    let mut groups: Vec<(&str, Vec<String>)> = vec![("AND", Vec::new())];
    let mut any = "AND";
    // A part of an expression says something else than the whole: what is too long stays as it was written.
    if text.split_whitespace().nth(limits::LICENCES).is_some() {
        return field(text);
    }
    for word in text.split_whitespace() {
        match word {
            "||" => any = "OR",
            "(" if groups.len() > DEPTH => return field(text),
            "(" => groups.push((std::mem::replace(&mut any, "AND"), Vec::new())),
            ")" => {
                let Some(inner) = groups.pop().and_then(join) else { continue };
                match groups.last_mut() {
                    Some((_, into)) => into.push(inner),
                    None => return field(text),
                }
            }
            word if word.ends_with('?') => {}
            word => groups.last_mut()?.1.push(word.to_owned()),
        }
    }
    let all = groups.pop().filter(|_| groups.is_empty());
    let whole = all.and_then(join)?;
    // Nothing is around the outermost.
    let inside = whole.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    field(inside.filter(|text| !text.contains(['(', ')'])).unwrap_or(&whole))
}

fn join((word, parts): (&str, Vec<String>)) -> Option<String> {
    match parts.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("({})", many.join(&format!(" {word} ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_versions_and_atoms() {
        assert_eq!(name_and_version("bash-5.1_p16-r2"), Some(("bash", "5.1_p16-r2")));
        assert_eq!(name_and_version("gtk+-2.24.33"), Some(("gtk+", "2.24.33")));
        assert_eq!(name_and_version("font-misc-misc-1.1.3"), Some(("font-misc-misc", "1.1.3")));
        assert_eq!(name_and_version("bash"), None);
        let text =
            ">=sys-libs/readline-8.1:0= !app-shells/x nls? ( virtual/libintl ) || ( a/b[ssl] ~c/d-1-r1 )";
        assert_eq!(needed(text), ["sys-libs/readline", "virtual/libintl", "a/b", "c/d"]);
    }

    #[test]
    fn licences_as_expressions() {
        assert_eq!(expression("GPL-3+").as_deref(), Some("GPL-3+"));
        assert_eq!(expression("GPL-2 || ( MIT BSD )").as_deref(), Some("(GPL-2 AND (MIT OR BSD))"));
        assert_eq!(expression("GPL-2 LGPL-2.1").as_deref(), Some("GPL-2 AND LGPL-2.1"));
        assert_eq!(expression(" "), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "((\\|\\|)? ?[()]? ?[a-zé0-9/:>=-]{0,9} ){0,9}") {
            let _ = expression(&text);
            let _ = needed(&text);
            let _ = name_and_version(&text);
        }
    }
}
