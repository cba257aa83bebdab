//! `pack`: images with all their evidence in one file.

use crate::args::Pack;
use crate::context::{self, Opened};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{Printer, plain};
use crate::transfer::{count, pieces};
use seaworthy_oci::archive::bag::{self, Extras, Listed, Name, Packed};
use seaworthy_oci::closure::{self, Closure, Extent};
use seaworthy_oci::{Digest, Location, OpenOptions, Reference, Source};
use seaworthy_verifier::{Policy, Trust};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    bag: String,
    /// In bytes.
    size: u64,
    /// Of the file as a whole.
    digest: Digest,
    images: Vec<Listed>,
    /// How many blobs are in it, manifests not counted.
    blobs: usize,
    left_out: BTreeSet<Digest>,
    /// What is carried along.
    files: Vec<String>,
}

/// One image, found with all that belongs to it.
struct Found {
    name: Name,
    opened: Opened<dyn Source>,
    closure: Closure,
}

pub(crate) async fn run(args: &Pack, options: &OpenOptions, printer: &Printer) -> Outcome {
    let mut known = BTreeSet::new();
    for list in &args.delta_from {
        let bytes = context::read_input(list, "list of digests")?;
        known.extend(bag::digest_list(&bytes, list.display())?);
    }
    let extras = extras(args)?;
    let mut found = Vec::new();
    for text in &args.images {
        found.push(find(text, args.platform.as_deref(), options).await?);
    }
    let packed: Vec<Packed<'_>> = found
        .iter()
        .map(|f| Packed { name: f.name.clone(), source: f.opened.place.as_ref(), closure: &f.closure })
        .collect();

    let fail =
        |e: &dyn std::fmt::Display| Failure::local(format!("cannot write {}: {e}", args.bag.display()));
    let dir = args.bag.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    // A bag is whole or it is not there.
    let file = builder.tempfile_in(dir).map_err(|e| fail(&e))?;
    let writing = file.reopen().map_err(|e| fail(&e))?;
    let written = bag::write(writing, &packed, &known, &extras).await?;
    file.persist(&args.bag).map_err(|e| fail(&e))?;

    let document = Document {
        bag: args.bag.display().to_string(),
        size: written.size,
        digest: written.digest,
        images: written.contents.images,
        blobs: written.blobs,
        left_out: written.contents.left_out,
        files: written.contents.files.into_keys().collect(),
    };
    printer.result(&document, || human(&document));
    Ok(Exit::Yes)
}

fn human(document: &Document) -> String {
    let mut out = format!("packed {}: {} bytes, {}\n", document.bag, document.size, document.digest);
    for image in &document.images {
        out.push_str(&format!(
            "  {}@{}: {}, {}\n",
            plain(&image.name.to_string()),
            image.image.digest,
            count(image.manifests.len(), "manifest", "manifests"),
            pieces(image.evidence.len())
        ));
    }
    if !document.left_out.is_empty() {
        let layers = count(document.left_out.len(), "layer", "layers");
        out.push_str(&format!("  {layers} left out: the other side has them\n"));
    }
    for file in &document.files {
        out.push_str(&format!("  {file}: for people to read; nothing trusts it by itself\n"));
    }
    out
}

async fn find(text: &str, platform: Option<&str>, options: &OpenOptions) -> Outcome<Found> {
    let (image, given) = match text.rsplit_once('=') {
        Some((image, name)) => (image, Some(name)),
        None => (text, None),
    };
    let reference = context::reference(image)?;
    let name = match given {
        Some(given) => given_name(given)?,
        None => own_name(&reference)?,
    };
    let opened = context::open(image, options).await?;
    let root = context::part(&opened, platform).await?;
    let closure = closure::find(opened.place.as_ref(), &root, Extent::WithEvidence).await?;
    Ok(Found { name, opened, closure })
}

/// `[HOST/]REPOSITORY[:TAG]`, where a host is what looks like one.
fn given_name(text: &str) -> Outcome<Name> {
    let (rest, tag) = match text.rsplit_once(':') {
        Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag)),
        _ => (text, None),
    };
    Ok(match rest.split_once('/') {
        Some((host, name)) if host.contains(['.', ':']) || host == "localhost" => {
            Name::new(Some(host), name, tag)?
        }
        _ => Name::new(None, rest, tag)?,
    })
}

/// The name that an image has where it is. A layout or an archive is called like its directory or file.
fn own_name(reference: &Reference) -> Outcome<Name> {
    let tag = reference.tag.as_deref();
    let Some(path) = reference.location.path() else {
        let Location::Registry(repository) = &reference.location else {
            return Err(Failure::usage(format!("{reference} has no name")));
        };
        return Ok(Name::new(Some(repository.registry()), repository.name(), tag)?);
    };
    // An image that was unpacked into a layout has its whole name for a tag.
    if let Some(whole) = tag.filter(|t| t.contains('/') || t.contains(':')) {
        return given_name(whole);
    }
    let stem = match reference.location {
        Location::Layout(_) => path.file_name(),
        _ => path.file_stem(),
    };
    let stem = stem.map(|s| s.to_string_lossy().to_lowercase()).unwrap_or_default();
    Name::new(None, &stem, tag).map_err(|e| {
        Failure::usage(format!("{reference} has no name that it could have in a registry: {}", e.kind))
            .hint(format!("give it one: {reference}=team/app:1.0"))
    })
}

/// The policy and the trusted root, if both can be used where nothing but them is.
fn extras(args: &Pack) -> Outcome<Extras> {
    let mut extras = Extras::default();
    if let Some(path) = &args.trusted_root {
        Trust::load(path).map_err(|why| Failure::new(Exit::Local, why))?;
        extras.trusted_root = Some(context::read_input(path, "trusted root")?);
    }
    if let Some(path) = &args.policy {
        super::policy::load(std::slice::from_ref(path))?;
        let bytes = context::read_input(path, "policy")?;
        let local = |e: std::io::Error| Failure::local(format!("cannot try the policy: {e}"));
        let alone = tempfile::tempdir().map_err(local)?;
        let copy = alone.path().join("policy.yaml");
        std::fs::write(&copy, &bytes).map_err(local)?;
        if let Some(root) = &extras.trusted_root {
            std::fs::write(alone.path().join("trusted_root.json"), root).map_err(local)?;
        }
        Policy::load(&copy, context::now()).map_err(|e| {
            let why: Vec<String> = e.problems.iter().map(|p| p.message.clone()).collect();
            let shown = path.display();
            Failure::usage(format!("the policy {shown} cannot be used away from here: {}", why.join("; ")))
                .hint(
                    "write keys into it (data: instead of path:), and call the trusted root \
                     trusted_root.json and give it with --trusted-root",
                )
        })?;
        extras.policy = Some(bytes);
    }
    Ok(extras)
}
