//! cosign's tags: one manifest under `sha256-<hex>.sig` or `.att`, one layer for each piece of evidence.
//!
//! Several writers add to one tag, so layers are added by [`Sink::edit_tag`] and never by overwriting. The
//! configuration lists the layers, as cosign writes it and needs it to add layers of its own; it has to be
//! there before the manifest that names it. An edit that finds another list of layers than the one whose
//! configuration was pushed therefore stops, the configuration is pushed, and the edit starts again.
//!
//! Refused: tags that hold an index. Layers that we did not make are kept as they are. The same signature with more
//! beside it (a log entry, a timestamp) completes the layer that is there; where the two contradict each other, both stay.

use crate::attach::Change;
use crate::error::{Error, ErrorKind, Result};
use crate::simple_signing::SIGNATURE_ANNOTATION;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{Descriptor, Digest, Image, Manifest, RawManifest, Sink, limits};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one run of the edit leaves behind for the code around it.
#[derive(Default)]
struct State {
    pushed_configs: BTreeSet<String>,
    needed_config: Option<Vec<u8>>,
    conflict: Option<ErrorKind>,
    manifest: Option<Descriptor>,
    wrote: bool,
}

/// A panic elsewhere leaves the notes as they are; they are overwritten by every run.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The configuration that cosign writes for `layers`: they are not compressed, so a layer's digest is its
/// diff-id, and the times are Go's zero.
fn config(layers: &[Descriptor]) -> serde_json::Result<Vec<u8>> {
    const ZERO: &str = "0001-01-01T00:00:00Z";
    #[derive(Serialize)]
    struct History {
        created: &'static str,
    }
    #[derive(Serialize)]
    struct RootFs<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        diff_ids: Vec<&'a Digest>,
    }
    #[derive(Serialize)]
    struct Config<'a> {
        architecture: &'static str,
        created: &'static str,
        history: Vec<History>,
        os: &'static str,
        rootfs: RootFs<'a>,
        config: BTreeMap<String, String>,
    }
    serde_json::to_vec(&Config {
        architecture: "",
        created: ZERO,
        history: layers.iter().map(|_| History { created: ZERO }).collect(),
        os: "",
        rootfs: RootFs { kind: "layers", diff_ids: layers.iter().map(|l| &l.digest).collect() },
        config: BTreeMap::new(),
    })
}

fn same(a: &Descriptor, b: &Descriptor) -> bool {
    a.digest == b.digest
        && a.media_type == b.media_type
        && a.annotations.get(SIGNATURE_ANNOTATION) == b.annotations.get(SIGNATURE_ANNOTATION)
}

/// Whether an annotation may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lack {
    Allowed,
    Refused,
}

/// Whether `there` says everything beside it that `ours` says; where lacks are allowed, whether nothing contradicts.
fn says(there: &Descriptor, ours: &Descriptor, lack: Lack) -> bool {
    ours.annotations.iter().all(|(name, value)| match there.annotations.get(name) {
        Some(found) => found == value,
        None => lack == Lack::Allowed,
    })
}

/// One run of the edit: what should be under the tag, given what is there.
fn edit(
    current: Option<&RawManifest>,
    layer: &Descriptor,
    drop: &[Digest],
    state: &Mutex<State>,
) -> Result<Option<(String, Vec<u8>)>, ErrorKind> {
    let mut image = match current.map(RawManifest::parse).transpose() {
        Ok(Some(Manifest::Image(image))) => image,
        Ok(Some(Manifest::Index(_))) => return Err(ErrorKind::Conflict("an index is under the tag".into())),
        Err(e) => return Err(ErrorKind::Conflict(e.to_string())),
        Ok(None) => Image {
            schema_version: 2,
            media_type: media_type::MANIFEST.into(),
            artifact_type: None,
            config: Descriptor::of(media_type::CONFIG, b"{}"),
            layers: Vec::new(),
            subject: None,
            annotations: BTreeMap::new(),
        },
    };
    let dropped = |l: &Descriptor| drop.contains(&l.digest) && !same(l, layer);
    let present = image.layers.iter().any(|l| same(l, layer) && says(l, layer, Lack::Refused));
    if present && !image.layers.iter().any(dropped) {
        lock(state).manifest = current.map(|raw| raw.descriptor.clone());
        return Ok(None);
    }
    image.layers.retain(|l| !dropped(l));
    let less = image.layers.iter_mut().find(|l| same(l, layer) && says(l, layer, Lack::Allowed));
    if let (false, Some(there)) = (present, less) {
        there.annotations.extend(layer.annotations.clone());
    } else if !present {
        if image.layers.len() >= limits::IMAGE_LAYERS {
            let value = limits::IMAGE_LAYERS as u64;
            return Err(ErrorKind::LimitExceeded { limit: "IMAGE_LAYERS", value });
        }
        image.layers.push(layer.clone());
    }
    let local = |e: serde_json::Error| ErrorKind::Local(e.to_string());
    let config = config(&image.layers).map_err(local)?;
    image.config = Descriptor::of(media_type::CONFIG, &config);
    let mut state = lock(state);
    if !state.pushed_configs.contains(image.config.digest.hex()) {
        state.needed_config = Some(config);
        return Err(ErrorKind::Conflict("its configuration is not there yet".into()));
    }
    let bytes = serde_json::to_vec(&image).map_err(local)?;
    state.wrote = true;
    state.manifest = Some(Descriptor::of(image.media_type.clone(), &bytes));
    Ok(Some((image.media_type, bytes)))
}

/// Adds `layer`, whose blob is there, to the manifest under `tag`, and takes the layers `drop` away.
///
/// # Errors
/// [`ErrorKind::Conflict`] where something else is under the tag, or where others keep changing it.
pub async fn add_layer(
    sink: &dyn Sink,
    tag: &str,
    layer: &Descriptor,
    drop: &[Digest],
) -> Result<(Descriptor, Change)> {
    let on = || format!("{}:{tag}", sink.location());
    let state = Mutex::new(State::default());
    for _ in 0..limits::TAG_RACES {
        let edit = |current: Option<&RawManifest>| {
            edit(current, layer, drop, &state).map_err(|kind| {
                let told = seaworthy_oci::ErrorKind::Local(kind.to_string());
                lock(&state).conflict = Some(kind);
                seaworthy_oci::Error::new("edit tag", tag, told)
            })
        };
        let result = sink.edit_tag(tag, &edit).await;
        let (needed, conflict) = {
            let mut state = lock(&state);
            (state.needed_config.take(), state.conflict.take())
        };
        if let Some(config) = needed {
            let descriptor = Descriptor::of(media_type::CONFIG, &config);
            sink.push_blob(&descriptor, &config).await?;
            lock(&state).pushed_configs.insert(descriptor.digest.hex().to_owned());
            continue;
        }
        if let Some(kind) = conflict {
            return Err(Error::new("add to", on(), kind));
        }
        result?;
        let state = lock(&state);
        let change = if state.wrote { Change::Added } else { Change::AlreadyThere };
        return match &state.manifest {
            Some(manifest) => Ok((manifest.clone(), change)),
            None => Err(Error::new("add to", on(), ErrorKind::Local("the tag was not edited".into()))),
        };
    }
    Err(Error::new("add to", on(), ErrorKind::Conflict("others kept changing it".into()))
        .hint("try again when fewer writers are at work"))
}
