//! `unpack`: a bag into a registry or a layout.
//!
//! Nothing is written before the whole bag was checked and, for a bag that leaves layers out, before the
//! destination was seen to have them.

use crate::args::Unpack;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{Printer, plain};
use crate::transfer::{self, Moved, Transfer};
use seaworthy_oci::archive::bag::{Bag, Listed, Name};
use seaworthy_oci::closure::Closure;
use seaworthy_oci::{Digest, Location, OpenOptions, Repository, Sink};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    bag: String,
    images: Vec<Image>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    /// Its name in the bag.
    name: String,
    /// Where it is now.
    to: String,
    digest: Digest,
    #[serde(flatten)]
    moved: Moved,
}

/// Where one image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    location: Location,
    tag: Option<String>,
}

pub(crate) async fn run(args: &Unpack, options: &OpenOptions, printer: &Printer) -> Outcome {
    let place = place(&args.to)?;
    let maps = args.map.iter().map(|m| map(m)).collect::<Outcome<Vec<_>>>()?;
    let bag = Bag::open(&args.bag)?;
    let images = &bag.contents().images;
    let targets = targets(images, &place, &maps)?;
    if options.offline && matches!(place, Place::Registry { .. }) {
        return Err(
            seaworthy_oci::Error::new("unpack to", &args.to, seaworthy_oci::ErrorKind::Offline).into()
        );
    }
    printer.say("checking the bag");
    let closures = bag.check().await?;

    let mut sinks: Vec<(Location, Box<dyn Sink>)> = Vec::new();
    for target in &targets {
        if !sinks.iter().any(|(location, _)| *location == target.location) {
            let sink = seaworthy_oci::open_sink(&target.location, options).await?;
            sinks.push((target.location.clone(), sink));
        }
    }
    let sink = |location: &Location| {
        sinks
            .iter()
            .find_map(|(l, sink)| (l == location).then_some(sink.as_ref()))
            .ok_or_else(|| Failure::local(format!("{location} was not opened")))
    };
    let left_out = &bag.contents().left_out;
    for (target, closure) in targets.iter().zip(&closures) {
        check_left_out(sink(&target.location)?, closure, left_out).await?;
    }

    let mut transfer = Transfer::without(printer, left_out.clone());
    let mut moved = Vec::new();
    for ((target, closure), image) in targets.iter().zip(&closures).zip(images) {
        printer.say(format!("unpacking {}", plain(&image.name.to_string())));
        let sink = sink(&target.location)?;
        moved.push(transfer.image(bag.source(), closure, sink, target.tag.as_deref()).await?);
    }
    printer.say("reading everything back");
    let mut document = Document { bag: args.bag.display().to_string(), images: Vec::new() };
    for (((target, closure), image), moved) in targets.iter().zip(&closures).zip(images).zip(moved) {
        let again = seaworthy_oci::open(&target.location, options).await?;
        transfer::read_back(again.as_ref(), closure, target.tag.as_deref()).await?;
        let tag = target.tag.as_ref().map(|t| format!(":{t}")).unwrap_or_default();
        let digest = image.image.digest.clone();
        let to = format!("{}{tag}@{digest}", target.location);
        document.images.push(Image { name: image.name.to_string(), to, digest, moved });
    }
    printer.result(&document, || {
        let line = |i: &Image| format!("unpacked {}\n  {}\n", plain(&i.to), i.moved.line());
        document.images.iter().map(line).collect()
    });
    Ok(Exit::Yes)
}

/// Layers that the bag leaves out must be at the destination. The first image that lacks any says which.
async fn check_left_out(sink: &dyn Sink, closure: &Closure, left_out: &BTreeSet<Digest>) -> Outcome<()> {
    let mut missing = Vec::new();
    for (digest, blob) in closure.image_blobs()? {
        if left_out.contains(&digest) && !sink.has_blob(&blob).await? {
            missing.push(digest.to_string());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(", ");
    Err(Failure::broken(format!(
        "nothing was unpacked: the bag leaves out layers that {} does not have: {list}",
        sink.location()
    ))
    .hint("unpack the bag there from whose list it was made, or pack one without --delta-from"))
}

/// What `--to` says.
enum Place {
    Layout(Location),
    Registry { host: String, prefix: String },
}

fn place(text: &str) -> Outcome<Place> {
    if text.starts_with("oci:") {
        let reference = crate::context::reference(text)?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(Failure::usage("--to takes a directory without a tag: images keep their names"));
        }
        return Ok(Place::Layout(reference.location));
    }
    let text = text.strip_prefix("docker://").unwrap_or(text).trim_end_matches('/');
    let (host, prefix) = text.split_once('/').unwrap_or((text, ""));
    let local = ["oci-archive:", "docker-archive:", "dir:"].iter().any(|kind| text.starts_with(kind));
    if local || !host.contains(['.', ':']) && host != "localhost" {
        return Err(Failure::usage(format!("'{}' is no registry", plain(host)))
            .hint("write REGISTRY[/PREFIX], such as registry.internal:5000/mirror, or oci:DIR"));
    }
    Ok(Place::Registry { host: host.to_owned(), prefix: prefix.to_owned() })
}

fn map(text: &str) -> Outcome<(&str, &str)> {
    text.split_once('=')
        .filter(|(old, new)| !old.is_empty() && !new.is_empty())
        .ok_or_else(|| Failure::usage(format!("--map '{text}' is not OLD=NEW")))
}

fn targets(images: &[Listed], place: &Place, maps: &[(&str, &str)]) -> Outcome<Vec<Target>> {
    let mut used = BTreeSet::new();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mut targets = Vec::new();
    for image in images {
        let name = renamed(&image.name, maps, &mut used)?;
        let target = match place {
            // The whole name, so that images of one layout never meet under one tag.
            Place::Layout(location) => {
                let tag = name.tag.is_some().then(|| name.to_string());
                Target { location: location.clone(), tag }
            }
            Place::Registry { host, prefix } => {
                let path = match prefix.as_str() {
                    "" => name.repository.clone(),
                    prefix => format!("{prefix}/{}", name.repository),
                };
                let location = Location::Registry(Repository::new(host, &path)?);
                Target { location, tag: name.tag.clone() }
            }
        };
        if let Some(tag) = &target.tag {
            let to = format!("{}:{tag}", target.location);
            if let Some(other) = taken.insert(to.clone(), image.name.to_string()) {
                return Err(Failure::usage(format!("{other} and {} would both become {to}", image.name))
                    .hint(format!("give one another name: --map {}=NEW", image.name.repository)));
            }
        }
        targets.push(target);
    }
    match maps.iter().find(|(old, _)| !used.contains(old)) {
        Some((old, _)) => Err(Failure::usage(format!("--map {old}: the bag has no such repository"))),
        None => Ok(targets),
    }
}

/// The name behind `--map`: OLD is a repository with or without its registry.
fn renamed<'a>(name: &Name, maps: &[(&'a str, &str)], used: &mut BTreeSet<&'a str>) -> Outcome<Name> {
    let whole = Name { tag: None, ..name.clone() }.to_string();
    match maps.iter().find(|(old, _)| *old == name.repository || *old == whole) {
        Some((old, new)) => {
            used.insert(old);
            Ok(Name::new(name.registry.as_deref(), new, name.tag.as_deref())?)
        }
        None => Ok(name.clone()),
    }
}
