//! Trust files as something to edit, compare and convert. What such a file means is decided by the verifier
//! ([`TrustFile`]); here is everything that only people and pipelines need.
//!
//! [`load`] reads every form that trust comes in, by looking at it. Nothing here opens a socket but [`tuf`].

pub(crate) mod describe;
pub(crate) mod import;
pub(crate) mod lint;
pub(crate) mod tuf;
pub(crate) mod write;

use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use seaworthy_verifier::trust_file::{TRUST_FILE_BYTES, TrustFile};
use seaworthy_verifier::{Problem, Trust};
use sigstore_trust_root::SigstoreInstance;
use std::path::Path;

/// The Sigstores whose roots are part of the program.
pub(crate) const EMBEDDED: [(&str, SigstoreInstance); 3] = [
    ("public-good", SigstoreInstance::PublicGood),
    ("staging", SigstoreInstance::Staging),
    ("github", SigstoreInstance::GitHub),
];

/// Trust that was read.
pub(crate) struct Loaded {
    pub(crate) file: TrustFile,
    /// The text, where it is a trust file of ours and can be edited.
    pub(crate) text: Option<String>,
}

/// The embedded root of that name, as a trust file.
pub(crate) fn embedded(name: &str) -> Option<Outcome<TrustFile>> {
    let (_, instance) = EMBEDDED.into_iter().find(|(n, _)| *n == name)?;
    let services = instance.embedded_signing_config_json().unwrap_or_default();
    let read = || {
        let mut file = TrustFile { name: name.into(), source: Some(name.into()), ..TrustFile::default() };
        import::trusted_root(instance.embedded_trusted_root_json(), &mut file)?;
        if !services.is_empty() {
            import::signing_config(services, &mut file)?;
        }
        Ok(file)
    };
    Some(read().map_err(|why: String| Failure::local(format!("the embedded root {name}: {why}"))))
}

/// What `name` names: an embedded root, a trust file, a `trusted_root.json`, a `signing_config.json` or a
/// ClientTrustConfig.
pub(crate) fn load(name: &Path) -> Outcome<Loaded> {
    if let Some(found) = name.to_str().and_then(embedded) {
        return Ok(Loaded { file: found?, text: None });
    }
    let shown = name.display();
    let text = read(name)?;
    if TrustFile::looks_like(&text) {
        let file = TrustFile::parse(&text).map_err(|problems| broken(name, &problems))?;
        return Ok(Loaded { file, text: Some(text) });
    }
    let stem = name.file_stem().map(|s| s.to_string_lossy().to_lowercase()).unwrap_or_default();
    let fine = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let mut file = TrustFile { name: stem.chars().map(fine).collect(), ..TrustFile::default() };
    import::any(&text, &mut file).map_err(|why| {
        Failure::broken(format!("cannot read {shown}: {why}")).hint(
            "a trust file, trusted_root.json, signing_config.json or ClientTrustConfig, or one of \
             public-good, staging, github",
        )
    })?;
    Ok(Loaded { file, text: None })
}

/// The text of a file that is trust in one of its forms.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    let bytes = context::read_input(path, "trust file")?;
    let broken = |why: String| Failure::broken(format!("cannot read {}: {why}", path.display()));
    if bytes.len() as u64 > TRUST_FILE_BYTES {
        return Err(broken(format!("larger than {TRUST_FILE_BYTES} bytes (TRUST_FILE_BYTES)")));
    }
    String::from_utf8(bytes).map_err(|_| broken("it is no text".into()))
}

/// The trust file of ours at `path`: the only form that is edited.
pub(crate) fn editable(path: &Path) -> Outcome<(TrustFile, String)> {
    let loaded = load(path)?;
    match loaded.text {
        Some(text) => Ok((loaded.file, text)),
        None => Err(Failure::usage(format!("{} is no trust file that can be edited", path.display())).hint(
            format!(
                "make one of it first: seaworthy trust init trust.yaml --trusted-root {}",
                path.display()
            ),
        )),
    }
}

/// A trust file that cannot be used.
pub(crate) fn broken(path: &Path, problems: &[Problem]) -> Failure {
    let shown = path.display();
    let all: Vec<String> = problems
        .iter()
        .map(|p| match (p.line, p.column) {
            (Some(line), Some(column)) => format!("{shown}:{line}:{column}: {}", p.message),
            _ => format!("{shown}: {}", p.message),
        })
        .collect();
    let failure = Failure::broken(format!("cannot use the trust file {}", all.join("\n  ")));
    match problems.iter().find_map(|p| p.hint.as_deref()) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What a file says must also be usable: it is checked whole before it is written or used.
pub(crate) fn check(file: &TrustFile, label: &Path) -> Outcome<Trust> {
    file.trust(&label.display().to_string()).map_err(|why| Failure::new(Exit::Broken, why))
}
