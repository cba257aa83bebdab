//! What commands have in common: opening places, pinning names, choosing platforms, loading keys.
//!
//! Everything here turns flags and environment into the libraries' types once, so that no command decides
//! on its own what a flag means.

use crate::args::{Global, Password, SignatureForm, Signing};
use crate::commands::identity::{self, Made, Told, Who};
use crate::exit::{Failure, Outcome};
use crate::keys;
use jiff::Timestamp;
use seaworthy_oci::registry::{
    Credentials, Options as RegistryOptions, PlainHttp, Secret as RegistrySecret, Timeouts,
};
use seaworthy_oci::{
    Descriptor, Image, Index, Location, Manifest, OpenOptions, Pinned, Platform, RawManifest, Reference,
    Selector, Sink, Source, limits,
};
use seaworthy_sign::{Formats, Secret, Signer};
use seaworthy_verifier::{PublicKey, Trust};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// A file that somebody names on the command line: predicates, policies, bundles. A predicate is the
/// largest of them (64 MiB, as the verifier's own limit for an SBOM).
const INPUT_BYTES: u64 = 64 << 20;

/// How places are opened, from the global flags.
///
/// # Errors
/// Where credentials contradict each other.
pub(crate) fn open_options(global: &Global) -> Outcome<OpenOptions> {
    let plain_http = if global.allow_http_registry || global.plain_http.iter().any(|h| h == "*") {
        PlainHttp::Everywhere
    } else if global.plain_http.is_empty() {
        PlainHttp::Loopback
    } else {
        PlainHttp::Hosts(global.plain_http.clone())
    };
    let credentials = match (&global.registry_token, &global.registry_username, &global.registry_password) {
        (Some(token), None, None) => Credentials::RegistryToken(RegistrySecret::new(token.clone())),
        (None, Some(username), Some(password)) => {
            Credentials::Basic { username: username.clone(), password: RegistrySecret::new(password.clone()) }
        }
        (None, None, None) => Credentials::default(),
        (None, _, _) => {
            return Err(Failure::usage("a registry user name needs a password, and the other way round"));
        }
        (Some(_), _, _) => {
            return Err(Failure::usage(
                "give either a registry token or a user name with password, not both",
            ));
        }
    };
    let timeouts = match global.request_timeout.map(Duration::from_secs) {
        Some(request) => Timeouts { request, idle: request.min(limits::READ_IDLE), ..Timeouts::default() },
        None => Timeouts::default(),
    };
    let registry = RegistryOptions {
        plain_http,
        timeouts,
        ca_files: global.ca_cert.clone(),
        credentials,
        ..RegistryOptions::default()
    };
    Ok(OpenOptions { offline: global.offline, registry })
}

/// An image that was asked for once: from here on its digest is its name.
pub(crate) struct Opened<S: ?Sized> {
    /// Where it lives.
    pub(crate) place: Box<S>,
    /// Its digest.
    pub(crate) pinned: Pinned,
    /// Its manifest, as hashed.
    pub(crate) raw: RawManifest,
    /// Its manifest, as read.
    pub(crate) manifest: Manifest,
}

/// Reads a reference.
pub(crate) fn reference(text: &str) -> Outcome<Reference> {
    text.parse().map_err(Failure::from)
}

/// Opens `image` for reading and pins it.
pub(crate) async fn open(image: &str, options: &OpenOptions) -> Outcome<Opened<dyn Source>> {
    let reference = reference(image)?;
    pinned(seaworthy_oci::open(&reference.location, options).await?, &reference).await
}

/// Pins what `reference` means in `place`.
pub(crate) async fn pinned(place: Box<dyn Source>, reference: &Reference) -> Outcome<Opened<dyn Source>> {
    let (pinned, raw) = seaworthy_oci::resolve(place.as_ref(), reference).await?;
    let manifest = raw.parse()?;
    Ok(Opened { place, pinned, raw, manifest })
}

/// Opens `image` for writing beside it, and pins it.
pub(crate) async fn open_sink(image: &str, options: &OpenOptions) -> Outcome<Opened<dyn Sink>> {
    let reference = reference(image)?;
    // A layout that is not there would be made by opening it for writing: look first.
    drop(seaworthy_oci::open(&reference.location, options).await?);
    let place = seaworthy_oci::open_sink(&reference.location, options).await?;
    let (pinned, raw) = seaworthy_oci::resolve(place.as_ref(), &reference).await?;
    let manifest = raw.parse()?;
    Ok(Opened { place, pinned, raw, manifest })
}

/// One image of one platform, found in what was asked for.
pub(crate) struct Target {
    /// Its digest.
    pub(crate) pinned: Pinned,
    /// Its manifest.
    pub(crate) image: Image,
    /// Where it runs, as the index says; an image by itself says so in its configuration alone.
    pub(crate) platform: Option<Platform>,
}

impl Target {
    /// A name for people and file names: `linux/amd64`, or `image` for one that stands alone.
    pub(crate) fn label(&self) -> String {
        self.platform.as_ref().map_or_else(|| "image".to_owned(), ToString::to_string)
    }
}

/// Parses `--platform`.
pub(crate) fn platforms(texts: &[String]) -> Outcome<Vec<Platform>> {
    texts.iter().map(|t| t.parse::<Platform>().map_err(Failure::from)).collect()
}

/// The images behind `opened`: itself, or the children of the index that serve one of `wanted` (all
/// runnable ones where `wanted` is empty), each digest once.
///
/// # Errors
/// Where a wanted platform is not served, or nothing is runnable.
pub(crate) async fn targets<S: Source + ?Sized>(
    opened: &Opened<S>,
    wanted: &[Platform],
) -> Outcome<Vec<Target>> {
    let index = match &opened.manifest {
        Manifest::Image(image) => {
            let pinned = opened.pinned.clone();
            return Ok(vec![Target { pinned, image: image.clone(), platform: None }]);
        }
        Manifest::Index(index) => index,
    };
    let mut found: Vec<Target> = Vec::new();
    let mut todo: Vec<(Index, usize)> = vec![(index.clone(), 0)];
    while let Some((index, depth)) = todo.pop() {
        for child in index.runnable() {
            let fits = |p: &Platform| wanted.is_empty() || wanted.iter().any(|w| p.serves(w));
            if child.platform.as_ref().is_some_and(|p| !fits(p)) {
                continue;
            }
            if found.iter().any(|t| *t.pinned.digest() == child.digest) {
                continue;
            }
            let raw = child_manifest(opened.place.as_ref(), child).await?;
            match raw.parse()? {
                Manifest::Image(image) => found.push(Target {
                    pinned: opened.pinned.sibling(raw.descriptor),
                    image,
                    platform: child.platform.clone(),
                }),
                Manifest::Index(_) if depth + 1 >= limits::INDEX_DEPTH => {
                    return Err(Failure::broken(format!(
                        "cannot read {}: indexes are nested deeper than {}",
                        opened.pinned,
                        limits::INDEX_DEPTH
                    )));
                }
                Manifest::Index(inner) => todo.push((inner, depth + 1)),
            }
        }
    }
    for platform in wanted {
        if !found.iter().any(|t| t.platform.as_ref().is_some_and(|p| p.serves(platform))) {
            let mut has: Vec<String> =
                index.runnable().filter_map(|d| Some(d.platform.as_ref()?.to_string())).collect();
            has.sort();
            return Err(Failure::usage(format!("{} has no image for {platform}", opened.pinned))
                .hint(format!("it has {}", has.join(", "))));
        }
    }
    if found.is_empty() {
        return Err(Failure::broken(format!("{} lists nothing that could run", opened.pinned)));
    }
    found.sort_by(|a, b| (&a.platform, a.pinned.digest()).cmp(&(&b.platform, b.pinned.digest())));
    Ok(found)
}

async fn child_manifest<S: Source + ?Sized>(place: &S, child: &Descriptor) -> Outcome<RawManifest> {
    let raw = place.manifest(Selector::Digest(&child.digest)).await?.ok_or_else(|| {
        Failure::broken(format!(
            "the index names {}, and {} does not have it",
            child.digest,
            place.location()
        ))
    })?;
    if raw.descriptor.media_type != child.media_type {
        return Err(Failure::broken(format!(
            "the index says that {} is '{}', but it is '{}'",
            child.digest, child.media_type, raw.descriptor.media_type
        )));
    }
    Ok(raw)
}

/// The time now.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// `SOURCE_DATE_EPOCH`, where it is set (reproducible-builds.org specification).
///
/// # Errors
/// Where it is set to something that is no number of seconds.
pub(crate) fn source_date_epoch() -> Outcome<Option<i64>> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(None),
        Ok(text) => {
            let seconds = text.parse::<i64>().ok().filter(|s| (0..=253_402_300_799).contains(s));
            seconds.map(Some).ok_or_else(|| {
                Failure::usage(format!(
                    "SOURCE_DATE_EPOCH is '{text}', which is no number of seconds since 1970"
                ))
            })
        }
    }
}

/// Reads a file (or standard input for `-`), at most 64 MiB of it.
pub(crate) fn read_input(path: &Path, what: &str) -> Outcome<Vec<u8>> {
    let fail = |e: std::io::Error| Failure::local(format!("cannot read {what} {}: {e}", path.display()));
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(INPUT_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?
    } else {
        let file = std::fs::File::open(path).map_err(fail)?;
        file.take(INPUT_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?
    };
    if read as u64 > INPUT_BYTES {
        return Err(Failure::broken(format!("{what} {} is larger than 64 MiB", path.display())));
    }
    Ok(bytes)
}

/// Reads a piece of kept evidence: around a predicate, it is larger than any input.
pub(crate) fn read_kept(path: &Path) -> Outcome<Vec<u8>> {
    let fail = |e: std::io::Error| Failure::local(format!("cannot read {}: {e}", path.display()));
    let mut bytes = Vec::new();
    let limit = seaworthy_sign::evidence::EVIDENCE_BYTES as u64 + 1;
    std::fs::File::open(path).map_err(fail)?.take(limit).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// Writes a file that is either whole or not there, also after the machine lost its power, readable by the owner alone
/// where it is `secret`.
pub(crate) fn write_file(path: &Path, bytes: &[u8], access: Access) -> Outcome<()> {
    put_file(path, access, |file| {
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| cannot_write(path, e))
    })
}

/// Writes what `write` gives in pieces to a file for everybody that is whole or not there. When it stands on the disk is
/// left to the system: it can be made again, and waiting for the disk may take longer than making it.
pub(crate) fn write_output(path: &Path, write: impl FnOnce(&mut dyn Write) -> Outcome<()>) -> Outcome<()> {
    put_file(path, Access::Public, |file| {
        let mut out = std::io::BufWriter::with_capacity(128 << 10, file);
        write(&mut out)?;
        out.flush().map_err(|e| cannot_write(path, e))
    })
}

fn cannot_write(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::local(format!("cannot write {}: {why}", path.display()))
}

fn put_file(
    path: &Path,
    access: Access,
    write: impl FnOnce(&mut std::fs::File) -> Outcome<()>,
) -> Outcome<()> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = match access {
            Access::Secret => 0o600,
            Access::Public => 0o644,
        };
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    let mut file = builder.tempfile_in(dir).map_err(|e| cannot_write(path, e))?;
    write(file.as_file_mut())?;
    file.persist(path).map_err(|e| cannot_write(path, e))?;
    Ok(())
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The owner alone.
    Secret,
    /// Everybody.
    Public,
}

/// Where the password of a key comes from, in this order: `--password-file`, `SEAWORTHY_PASSWORD`,
/// `COSIGN_PASSWORD`; `None` where none of them is set.
pub(crate) fn given_password(args: &Password) -> Outcome<Option<Secret>> {
    if let Some(path) = &args.password_file {
        let bytes = Zeroizing::new(read_input(path, "password file")?);
        // Editors end a file with a newline that is not part of the password.
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        return Ok(Some(Secret::new(bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec())));
    }
    for name in ["SEAWORTHY_PASSWORD", "COSIGN_PASSWORD"] {
        if let Some(value) = std::env::var_os(name) {
            return Ok(Some(Secret::new(value.into_encoded_bytes())));
        }
    }
    Ok(None)
}

/// Asks for a password on the terminal, without echo; `None` where there is no terminal.
pub(crate) fn prompt(question: &str) -> Outcome<Option<Secret>> {
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let text = rpassword::prompt_password(question)
        .map_err(|e| Failure::local(format!("cannot ask for the password: {e}")))?;
    Ok(Some(Secret::new(text.into_bytes())))
}

/// Everything that signing needs, from the flags.
pub(crate) struct SigningContext {
    /// Who signs.
    pub(crate) signer: Box<dyn Signer>,
    /// The signer's public key, as the verifier reads it; of an identity, the key of this run.
    pub(crate) public_key: PublicKey,
    /// In whose name.
    pub(crate) who: Who,
    /// Who is told of the signatures.
    pub(crate) told: Told,
    /// What to verify with what was made, where the flags say it.
    pub(crate) trust: Option<Trust>,
    /// Whether what an earlier run left is to be spoken of.
    pub(crate) resume: bool,
    /// How evidence is stored.
    pub(crate) formats: Formats,
    /// Signed annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    /// The image's name in statements and legacy signatures, where it was given.
    pub(crate) identity: Option<String>,
    /// The time written beside (not into) evidence.
    pub(crate) created: Option<i64>,
}

impl SigningContext {
    /// What statements and legacy signatures call the image: the name that was given, or its repository's.
    pub(crate) fn name_of(&self, image: &Pinned) -> Option<String> {
        self.identity.clone().or_else(|| image.location().repository().map(ToString::to_string))
    }
}

/// Reads the signing flags.
pub(crate) async fn signing(args: &Signing, options: &OpenOptions) -> Outcome<SigningContext> {
    let key = match &args.key {
        Some(path) => Some(keys::signer(path, &args.password, options).await?),
        None => None,
    };
    let formats = match args.signature_format {
        SignatureForm::Bundle => Formats::Bundle,
        SignatureForm::Legacy => Formats::Legacy,
        SignatureForm::Both => Formats::Both,
    };
    let Made { signer, who, told, trust } =
        identity::certified_signer(&args.keyless, key, &args.certificate, formats, options)?;
    let public_key = identity::public_key(signer.as_ref())?;
    let mut annotations = BTreeMap::new();
    for text in &args.annotations {
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Failure::usage(format!("annotation '{text}' is not KEY=VALUE")));
        };
        if annotations.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Failure::usage(format!("annotation '{key}' is given twice")));
        }
    }
    Ok(SigningContext {
        signer,
        public_key,
        who,
        told,
        trust,
        resume: args.keyless.resume,
        formats,
        annotations,
        identity: args.sign_container_identity.clone(),
        created: source_date_epoch()?.or_else(|| Some(now().as_second())),
    })
}

/// Whether `location` can be written to, said before any work is done.
pub(crate) fn must_be_writable(location: &Location) -> Outcome<()> {
    match location {
        Location::Registry(_) | Location::Layout(_) => Ok(()),
        Location::OciArchive(_)
        | Location::DockerArchive(_)
        | Location::Daemon { .. }
        | Location::Containerd { .. } => {
            Err(Failure::usage(format!("{location} is read-only: nothing can be attached to it"))
                .hint("release it to a registry or an OCI layout with `release --to`"))
        }
    }
}

/// Where `to` is for an image that was named `from`: a layout keeps the image's own tag where it names none.
pub(crate) fn destination(from: &Reference, to: &str) -> Outcome<Reference> {
    let mut to = reference(to)?;
    if to.digest.is_some() {
        return Err(Failure::usage(
            "a destination takes a tag, not a digest: the digest is that of the image",
        ));
    }
    if matches!(to.location, Location::Layout(_)) && to.tag.is_none() {
        to.tag.clone_from(&from.tag);
    }
    Ok(to)
}

/// The manifest to copy: all of `opened`, or the one image of it for `platform`.
pub(crate) async fn part(opened: &Opened<dyn Source>, platform: Option<&str>) -> Outcome<RawManifest> {
    let Some(platform) = platform else { return Ok(opened.raw.clone()) };
    let wanted = platforms(&[platform.to_owned()])?;
    let found = targets(opened, &wanted).await?;
    let [one] = found.as_slice() else {
        let labels: Vec<String> = found.iter().map(Target::label).collect();
        let message = format!("{} has several images for {platform}", opened.pinned);
        return Err(Failure::usage(message).hint(format!("name one of {}", labels.join(", "))));
    };
    if one.platform.is_none() {
        // An image by itself says where it runs in its configuration alone.
        let limit = limits::CONFIG_BYTES;
        let bytes = opened.place.blob_bytes(&one.image.config, limit).await?;
        let config = seaworthy_oci::ImageConfig::parse(&bytes, &opened.pinned)?;
        if !config.platform().is_some_and(|p| wanted.iter().any(|w| p.serves(w))) {
            let runs = config.platform().map_or_else(|| "nothing that it names".into(), |p| p.to_string());
            return Err(Failure::usage(format!("{} has no image for {platform}", opened.pinned))
                .hint(format!("it is an image for {runs}")));
        }
    }
    child_manifest(opened.place.as_ref(), one.pinned.descriptor()).await
}
