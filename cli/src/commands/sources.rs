//! What `sbom` reads beside images in registries, layouts and archives: directories, single files, SBOMs, and images that
//! a daemon keeps, through its socket or in its store.
//!
//! They are named with a word before the path, because a path alone could be an image of Docker Hub. Here alone:
//! everywhere else `docker:dind` is the image of that name, as it is in a Pod.

use super::documents;
use super::sbom::{self, Output};
use crate::args::{Sbom, Scope};
use crate::context::{self, Opened};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;
use seaworthy_catalog::{Mounts, Options};
use seaworthy_oci::archive::containerd;
use seaworthy_oci::archive::daemon::{self, Socket};
use seaworthy_oci::{Descriptor, Manifest, Platform};
use seaworthy_oci::{Engine, Error, ErrorKind, Location, OpenOptions, Reference, Source};
use seaworthy_sbom::documents::Kind;
use seaworthy_sbom::inventory::Inventory;
use seaworthy_sbom::losses::Losses;
use seaworthy_sbom::{cpe, declare};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Something that is no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `dir:PATH`.
    Directory(PathBuf),
    /// `file:PATH`.
    File(PathBuf),
    /// `sbom:FILE`.
    Document(PathBuf),
}

impl Place {
    /// The place that `text` names; `None` where it is to be read as an image.
    pub(super) fn named(text: &str) -> Option<Self> {
        let after = |word: &str| text.strip_prefix(word).map(PathBuf::from);
        let directory = after("dir:").map(Self::Directory);
        directory.or_else(|| after("file:").map(Self::File)).or_else(|| after("sbom:").map(Self::Document))
    }
}

/// The daemon's image that `text` names: `docker:NAME`, `podman:NAME`, `docker-daemon:NAME` as skopeo has it.
pub(super) fn of_daemon(text: &str) -> Option<Location> {
    let words =
        [("docker:", Engine::Docker), ("docker-daemon:", Engine::Docker), ("podman:", Engine::Podman)];
    words.into_iter().find_map(|(word, engine)| {
        // `docker://name` is a registry's image, as skopeo writes it.
        let name = text.strip_prefix(word).filter(|name| !name.starts_with("//"))?;
        Some(Location::Daemon { engine, name: name.to_owned() })
    })
}

/// The image of containerd's store that `text` names: `containerd:NAME[@NAMESPACE]`. What stands behind the last `@` is part of
/// the name where it is a digest.
pub(super) fn of_containerd(text: &str) -> Option<Location> {
    let name = text.strip_prefix("containerd:").filter(|name| !name.starts_with("//"))?;
    let (name, namespace) = match name.rsplit_once('@') {
        Some((name, namespace)) if !namespace.contains(':') => (name, Some(namespace.to_owned())),
        _ => (name, None),
    };
    let said = || std::env::var("CONTAINERD_NAMESPACE").ok().filter(|n| !n.is_empty());
    let namespace = namespace.or_else(said).unwrap_or_else(|| "default".to_owned());
    Some(Location::Containerd { namespace, name: name.to_owned() })
}

/// Opens the image at `location` in containerd's store, and leaves out the platforms of its index that are not there,
/// unless somebody asks for them by name.
pub(super) async fn kept(
    location: Location,
    root: &Path,
    wanted: &[Platform],
    printer: &Printer,
) -> Outcome<Opened<dyn Source>> {
    let place = containerd::open(&location, root).await?;
    let mut opened = context::pinned(place, &Reference { location, tag: None, digest: None }).await?;
    let Manifest::Index(index) = &mut opened.manifest else { return Ok(opened) };
    if !wanted.is_empty() {
        return Ok(opened);
    }
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    let runnable: Vec<Descriptor> = index.runnable().cloned().collect();
    for child in runnable {
        let found = containerd::is_there(opened.place.as_ref(), &child).await?;
        if found { there.push(child) } else { missing.push(child) }
    }
    if !there.is_empty() {
        for child in missing {
            let platform = child.platform.map_or_else(|| child.digest.to_string(), |p| p.to_string());
            printer.warn(format!("not in containerd's store, and left out: {platform}"));
        }
        index.manifests = there;
    }
    Ok(opened)
}

/// Exports the image at `location` from its daemon, and pins what came.
pub(super) async fn exported(location: Location, options: &OpenOptions) -> Outcome<Opened<dyn Source>> {
    let Location::Daemon { engine, .. } = &location else {
        return Err(Failure::usage(format!("{location} is no image of a daemon")));
    };
    if options.offline {
        return Err(Failure::from(
            Error::new("export", &location, ErrorKind::Offline)
                .hint("--offline opens no socket, also none of this machine: `docker save` the image first"),
        ));
    }
    let socket = Socket::of(*engine, &|name| std::env::var(name).ok(), &|path| path.exists())?;
    let spool =
        tempfile::tempfile().map_err(|e| Failure::local(format!("cannot make a temporary file: {e}")))?;
    let place = daemon::open(&location, &socket, spool).await?;
    context::pinned(place, &Reference { location, tag: None, digest: None }).await
}

/// What a daemon's image is called in a registry, with its tag; an identity stays what it is.
pub(super) fn name_of_exported(name: &str) -> (String, Option<String>) {
    match name.parse::<Reference>() {
        Ok(Reference { location: Location::Registry(repository), tag, .. })
            if !name.starts_with("sha256:") =>
        {
            (repository.to_string(), tag)
        }
        _ => (name.to_owned(), None),
    }
}

/// Refuses flags that say something about directories and files alone.
pub(super) fn is_about_an_image(args: &Sbom) -> Outcome<()> {
    let kept = args.image.as_deref().is_some_and(|image| of_containerd(image).is_some());
    match () {
        () if args.containerd_root.is_some() && !kept => {
            Err(Failure::usage("--containerd-root is for images of containerd (containerd:NAME)"))
        }
        () if args.enter_mounts => Err(Failure::usage("--enter-mounts is for directories (dir:PATH)")),
        () if args.source_name.is_some() => {
            Err(Failure::usage("--source-name is for directories and files (dir:PATH, file:PATH)"))
        }
        () => Ok(()),
    }
}

/// Reads `place` and writes what was asked for.
pub(super) async fn run(place: &Place, args: &Sbom, outputs: &[Output], printer: &Printer) -> Outcome {
    if !args.platforms.platform.is_empty() {
        return Err(Failure::usage("--platform chooses among the images of an index, and this is none"));
    }
    if args.scope != Scope::Squashed || args.files != "none" {
        return Err(Failure::usage("--scope and --files are for images"));
    }
    if args.lazy {
        return Err(super::sbom::lazy_is_for_registries());
    }
    let mounts_of_no_directory = args.enter_mounts && !matches!(place, Place::Directory(_));
    if mounts_of_no_directory || args.containerd_root.is_some() {
        is_about_an_image(args)?;
    }
    let mut left = Losses::default();
    let mut inventory = match place {
        Place::Document(path) => documents::read_document(path, &mut left, printer)?.1,
        Place::File(path) => match document(path) {
            Some(document) => documents::taken(path, document, &mut left, printer).1,
            None => read(place, path, args).await?,
        },
        Place::Directory(path) => read(place, path, args).await?,
    };
    if let Some(name) = &args.source_name {
        inventory.subject.name.clone_from(name);
    }
    declare::declare(&mut inventory, &sbom::declaration(&args.speakers)?);
    if args.cpe {
        cpe::add(&mut inventory);
    }
    let gaps = sbom::tell_gaps(&inventory, printer);
    for output in outputs {
        sbom::emit(&output.form, output.file.as_deref(), "", &inventory, printer)?;
    }
    Ok(if args.strict && (gaps > 0 || !left.is_empty()) { Exit::No } else { Exit::Yes })
}

/// The SBOM that a file is, if it is one. Its first bytes keep large files from being read for nothing.
fn document(path: &Path) -> Option<(Kind, Inventory, Losses)> {
    // Opening a pipe would wait for somebody who writes to it.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(64).read_to_end(&mut start).ok()?;
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    if ![&b"{"[..], b"<", b"SPDXVersion"].iter().any(|b| text.starts_with(b)) {
        return None;
    }
    seaworthy_sbom::documents::read(&context::read_input(path, "file").ok()?).ok()
}

async fn read(place: &Place, path: &Path, args: &Sbom) -> Outcome<Inventory> {
    if path.as_os_str().is_empty() {
        return Err(Failure::usage("no path after the colon"));
    }
    let name = match &args.source_name {
        Some(name) => name.clone(),
        None => last_part(path)?,
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let options = Options { created: context::source_date_epoch()?, threads, ..Options::default() };
    let mounts = if args.enter_mounts { Mounts::Enter } else { Mounts::PassBy };
    let (place, path) = (place.clone(), path.to_owned());
    let reading = move || match place {
        Place::Directory(_) => seaworthy_catalog::directory(&path, &name, mounts, &options),
        _ => seaworthy_catalog::file(&path, &name, &options),
    };
    let read = tokio::task::spawn_blocking(reading).await;
    Ok(read.map_err(|e| Failure::local(format!("cannot read: {e}")))??)
}

/// The name of a directory or file by itself: paths of this machine do not belong into a document that travels.
fn last_part(path: &Path) -> Outcome<String> {
    let whole =
        path.canonicalize().map_err(|e| Failure::local(format!("cannot read {}: {e}", path.display())))?;
    // What the user typed names a file, also where that is a link.
    let named = path.file_name().or_else(|| whole.file_name());
    Ok(named.map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_a_daemon_has_the_name_that_it_has_in_a_registry() {
        let shown = |text: &str| of_daemon(text).map(|location| location.to_string());
        assert_eq!(shown("docker:dind").as_deref(), Some("docker:dind"));
        assert_eq!(shown("docker-daemon:a/b:1").as_deref(), Some("docker:a/b:1"));
        assert_eq!(shown("podman:localhost/x").as_deref(), Some("podman:localhost/x"));
        for image in ["docker://nginx", "docker.io/library/docker:dind", "docker", "docker-archive:x"] {
            assert_eq!(shown(image), None, "{image}");
        }
        assert_eq!(name_of_exported("nginx:1"), ("docker.io/library/nginx".into(), Some("1".into())));
        assert_eq!(name_of_exported("sha256:00ff"), ("sha256:00ff".into(), None));
    }

    #[test]
    fn an_image_of_containerd_has_a_namespace() {
        let shown = |text: &str| of_containerd(text).map(|location| location.to_string());
        assert_eq!(shown("containerd:nginx:1@k8s.io").as_deref(), Some("containerd:nginx:1@k8s.io"));
        let pinned = "containerd:a/b@sha256:00ff";
        assert_eq!(shown(&format!("{pinned}@moby")), Some(format!("{pinned}@moby")));
        assert!(
            matches!(of_containerd(pinned), Some(Location::Containerd { name, .. }) if name == "a/b@sha256:00ff")
        );
        for image in ["containerd", "containerd://x", "registry.example/containerd:1"] {
            assert_eq!(shown(image), None, "{image}");
        }
    }

    #[test]
    fn a_word_before_the_path_makes_it_a_place() {
        let place = |text: &str| Place::named(text);
        assert_eq!(place("dir:/mnt"), Some(Place::Directory("/mnt".into())));
        assert_eq!(place("file:a:b"), Some(Place::File("a:b".into())));
        assert_eq!(place("sbom:x.json"), Some(Place::Document("x.json".into())));
        for image in ["dir", "./dir", "oci:dir", "docker.io/library/file:1", "registry.example/dir:1"] {
            assert_eq!(place(image), None, "{image}");
        }
    }
}
