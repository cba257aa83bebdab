//! Names the version of what is cached of a layer: a hash of all that decides what is read from it.
//!
//! The sources of this package and of those it parses with, the versions of what they use, and the compiler:
//! whoever changes a cataloger or a limit changes the version without thinking of it. Nobody attacks this hash;
//! it has to tell builds apart.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Beside this package: sources that decide what a file says, and the versions of other people's.
const ALSO: [&str; 3] = ["../sbom/src", "../oci/src", "../../Cargo.lock"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut files = Vec::new();
    for entry in fs::read_dir(&here)? {
        let path = entry?.path();
        // Tests decide nothing.
        if path.file_name().is_some_and(|name| name != "tests") {
            println!("cargo:rerun-if-changed={}", path.display());
            list(&path, &mut files)?;
        }
    }
    for name in ALSO {
        let path = here.join(name);
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
            list(&path, &mut files)?;
        }
    }
    let mut named: Vec<(String, PathBuf)> = files
        .into_iter()
        .map(|path| (path.strip_prefix(&here).unwrap_or(&path).to_string_lossy().replace('\\', "/"), path))
        .collect();
    named.sort();
    let mut hash = DefaultHasher::new();
    for (name, path) in named {
        name.hash(&mut hash);
        fs::read(path)?.hash(&mut hash);
    }
    println!("cargo:rustc-env=SEAWORTHY_LAYER_VERSION={:016x}", hash.finish());
    Ok(())
}

/// All files at and below `path`.
fn list(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        list(&entry?.path(), files)?;
    }
    Ok(())
}
