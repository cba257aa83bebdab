//! Moving an image with all that belongs to it from one place to another.
//!
//! Decides the order (blobs, manifests, evidence, and the tag last, so that nobody meets an image under its
//! name before its evidence is there), and what "done" means: [`read_back`] asks the destination for every
//! manifest and every list of evidence. Tags of cosign's are merged, never overwritten: what others attached
//! at the destination stays. A layer that is there is not read, and one that another repository of the same
//! registry has is mounted.

use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use seaworthy_oci::closure::{Attachment, Closure, Via};
use seaworthy_oci::{
    BlobContent, BlobReader, Descriptor, Digest, Location, Manifest, Pushed, RawManifest, Selector, Sink,
    Source,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What happened to the parts of one image.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Moved {
    /// How many manifests belong to the image and its evidence.
    pub(crate) manifests: usize,
    pub(crate) blobs: Blobs,
    /// What is attached, and whether it was there before.
    pub(crate) evidence: Vec<Attached>,
}

/// Blobs by what happened to them.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blobs {
    pub(crate) uploaded: usize,
    pub(crate) mounted: usize,
    pub(crate) existed: usize,
    /// Layers with `urls` that the source does not have: they lie elsewhere for good.
    pub(crate) elsewhere: usize,
}

/// One attached manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attached {
    pub(crate) subject: Digest,
    /// The tag that it is under; a referrer without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    pub(crate) manifest: Digest,
    pub(crate) change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    Added,
    /// Added to what was under the tag.
    Merged,
    AlreadyThere,
}

impl Moved {
    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let Blobs { uploaded, mounted, existed, elsewhere } = &self.blobs;
        let mut blobs = format!("{} sent, {existed} there before", count(*uploaded, "blob", "blobs"));
        if *mounted > 0 {
            blobs.push_str(&format!(", {mounted} mounted"));
        }
        if *elsewhere > 0 {
            blobs.push_str(&format!(", {elsewhere} lie elsewhere"));
        }
        let fresh = self.evidence.iter().filter(|e| e.change != Change::AlreadyThere).count();
        let evidence = match (self.evidence.len(), fresh) {
            (0, _) => "no evidence".to_owned(),
            (all, 0) => format!("{}, nothing new", pieces(all)),
            (all, fresh) => format!("{}, {fresh} new", pieces(all)),
        };
        format!("{}; {blobs}; {evidence}", count(self.manifests, "manifest", "manifests"))
    }
}

/// `1 blob`, `2 blobs`.
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// So many pieces of evidence.
pub(crate) fn pieces(n: usize) -> String {
    count(n, "piece of evidence", "pieces of evidence")
}

/// Several images on their way, which may share blobs.
pub(crate) struct Transfer<'a> {
    printer: &'a Printer,
    /// Where each blob is by now.
    pushed: BTreeMap<Digest, Location>,
    /// Layers that the source has not, because the destination has them.
    left_out: BTreeSet<Digest>,
    /// Layers that nobody wants at the destination.
    skipped: BTreeSet<Digest>,
}

/// Blobs of one image that are sent at once: what docker sends at once to a registry, and one more.
const BLOBS_AT_ONCE: usize = 4;

/// What became of a blob; `how` is none where it lies elsewhere for good.
struct Sent {
    digest: Digest,
    how: Option<Pushed>,
}

/// A blob on its way.
struct Content<'a> {
    source: &'a dyn Source,
    descriptor: &'a Descriptor,
    mount: Option<&'a Location>,
    left_out: bool,
}

#[async_trait]
impl BlobContent for Content<'_> {
    async fn open(&self) -> seaworthy_oci::Result<BlobReader> {
        if self.left_out {
            let kind = seaworthy_oci::ErrorKind::NotFound;
            return Err(seaworthy_oci::Error::new(
                "send what was left out of the bag,",
                &self.descriptor.digest,
                kind,
            ));
        }
        self.source.blob(self.descriptor).await
    }

    fn mountable_from(&self) -> Option<&Location> {
        self.mount.or_else(|| Some(self.source.location()))
    }
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(printer: &'a Printer) -> Self {
        Self::without(printer, BTreeSet::new())
    }

    /// A transfer from a place that lacks the layers `left_out`.
    pub(crate) fn without(printer: &'a Printer, left_out: BTreeSet<Digest>) -> Self {
        Self { printer, pushed: BTreeMap::new(), left_out, skipped: BTreeSet::new() }
    }

    /// A transfer of everything but the layers `skipped`: what is at the destination can be judged and not run.
    pub(crate) fn skipping(printer: &'a Printer, skipped: BTreeSet<Digest>) -> Self {
        Self { skipped, ..Self::new(printer) }
    }

    /// Puts `closure`, which was found in `source`, into `sink`, and its image under `tag`.
    pub(crate) async fn image(
        &mut self,
        source: &dyn Source,
        closure: &Closure,
        sink: &dyn Sink,
        tag: Option<&str>,
    ) -> Outcome<Moved> {
        let mut moved = Moved { manifests: closure.manifests().len(), ..Moved::default() };
        let mut blobs = closure.image_blobs()?;
        blobs.append(&mut closure.evidence_blobs()?);
        let mut wanted = blobs.values().filter(|blob| !self.skipped.contains(&blob.digest));
        // By the first one the registry is known: who we are, and what it wants to hear.
        let mut sent = Vec::new();
        if let Some(first) = wanted.next() {
            sent.push(self.blob(source, first, sink).await?);
        }
        let rest: Vec<BoxFuture<'_, Outcome<Sent>>> =
            wanted.map(|blob| Box::pin(self.blob(source, blob, sink)) as BoxFuture<'_, _>).collect();
        let mut running = stream::iter(rest).buffered(BLOBS_AT_ONCE);
        while let Some(one) = running.next().await {
            sent.push(one?);
        }
        drop(running);
        for Sent { digest, how } in sent {
            match how {
                Some(Pushed::Uploaded) => moved.blobs.uploaded += 1,
                Some(Pushed::Existed) => moved.blobs.existed += 1,
                Some(Pushed::Mounted) => moved.blobs.mounted += 1,
                None => {
                    moved.blobs.elsewhere += 1;
                    continue;
                }
            }
            self.pushed.entry(digest).or_insert_with(|| sink.location().clone());
        }
        let Some((root, parts)) = closure.image.split_last() else {
            return Err(Failure::local("an image without a manifest"));
        };
        for raw in parts {
            sink.push_manifest(raw, None).await?;
        }
        if !closure.evidence.is_empty() {
            sink.push_manifest(root, None).await?;
            let mut listed = Listed::default();
            for attachment in &closure.evidence {
                let change = attach(sink, attachment, &mut listed).await?;
                moved.evidence.push(Attached {
                    subject: attachment.subject.clone(),
                    tag: match &attachment.via {
                        Via::Referrer => None,
                        Via::Tag(tag) => Some(tag.clone()),
                    },
                    manifest: attachment.manifest.descriptor.digest.clone(),
                    change,
                });
            }
        }
        if closure.evidence.is_empty() || tag.is_some() {
            sink.push_manifest(root, tag).await?;
        }
        Ok(moved)
    }

    async fn blob(&self, source: &dyn Source, blob: &Descriptor, sink: &dyn Sink) -> Outcome<Sent> {
        let sent = |how| Ok(Sent { digest: blob.digest.clone(), how });
        let left_out = self.left_out.contains(&blob.digest);
        if !blob.urls.is_empty() && !left_out && !sink.has_blob(blob).await? {
            match source.blob(blob).await {
                Ok(_) => {}
                Err(e) if e.is_not_found() => return sent(None),
                Err(e) => return Err(e.into()),
            }
        }
        let mount = self.pushed.get(&blob.digest);
        let content = Content { source, descriptor: blob, mount, left_out };
        let bar = self.printer.bar(&format!("push {}", blob.digest.short()), blob.size);
        let how = sink.push_blob(blob, &content).await?;
        bar.finish_and_clear();
        sent(Some(how))
    }
}

/// What the destination lists, asked once for each subject.
#[derive(Default)]
struct Listed(BTreeMap<Digest, BTreeSet<Digest>>);

impl Listed {
    async fn holds(&mut self, place: &dyn Source, subject: &Digest, referrer: &Digest) -> Outcome<bool> {
        if !self.0.contains_key(subject) {
            let list = place.referrers(subject).await?.descriptors;
            self.0.insert(subject.clone(), list.into_iter().map(|d| d.digest).collect());
        }
        Ok(self.0.get(subject).is_some_and(|list| list.contains(referrer)))
    }
}

async fn attach(sink: &dyn Sink, attachment: &Attachment, listed: &mut Listed) -> Outcome<Change> {
    let Attachment { subject, via, manifest, children } = attachment;
    for raw in children {
        sink.push_manifest(raw, None).await?;
    }
    let digest = &manifest.descriptor.digest;
    let place: &dyn Source = sink;
    match via {
        Via::Referrer => {
            // Listed and not there happens where a registry was cleaned up: then it is pushed again.
            if listed.holds(place, subject, digest).await?
                && place.manifest(Selector::Digest(digest)).await?.is_some()
            {
                return Ok(Change::AlreadyThere);
            }
            sink.attach(manifest).await?;
            Ok(Change::Added)
        }
        Via::Tag(tag) => {
            let there = place.manifest(Selector::Tag(tag)).await?;
            if holds(there.as_ref(), manifest)? {
                return Ok(Change::AlreadyThere);
            }
            // Under its own digest too: something may be attached to it.
            sink.push_manifest(manifest, None).await?;
            sink.edit_tag(tag, &|now| match now {
                None => Ok(Some((manifest.descriptor.media_type.clone(), manifest.bytes.clone()))),
                // Somebody else's: merged below.
                Some(_) => Ok(None),
            })
            .await?;
            let Manifest::Image(image) = manifest.parse()? else {
                return Ok(Change::Added);
            };
            let mut change = Change::Added;
            let now = place.manifest(Selector::Tag(tag)).await?;
            if !holds(now.as_ref(), manifest)? {
                for layer in &image.layers {
                    seaworthy_sign::add_legacy_layer(sink, tag, layer, &[]).await?;
                    change = Change::Merged;
                }
            }
            Ok(change)
        }
    }
}

/// Whether what is under a tag is `ours`, or has every layer of it.
fn holds(there: Option<&RawManifest>, ours: &RawManifest) -> Outcome<bool> {
    let Some(there) = there else { return Ok(false) };
    if there.descriptor.digest == ours.descriptor.digest {
        return Ok(true);
    }
    let (Manifest::Image(there), Manifest::Image(ours)) = (there.parse()?, ours.parse()?) else {
        return Ok(false);
    };
    // What stands beside a layer may have become more: a log entry that somebody added.
    let says_all = |there: &Descriptor, ours: &Descriptor| {
        (&there.digest, &there.media_type) == (&ours.digest, &ours.media_type)
            && ours.annotations.iter().all(|(name, value)| there.annotations.get(name) == Some(value))
    };
    Ok(ours.layers.iter().all(|layer| there.layers.iter().any(|l| says_all(l, layer))))
}

/// Reads everything back from `place`, which should have been opened anew: every manifest by its digest, and
/// every list that something of `closure` must be on.
///
/// # Errors
/// With the first thing that is not there, and where that could not be found out.
pub(crate) async fn read_back(place: &dyn Source, closure: &Closure, tag: Option<&str>) -> Outcome<()> {
    let lost = |what: String| {
        Failure::new(Exit::CouldNotFindOut, format!("not done: {} does not show {what}", place.location()))
            .hint("run the same command again: what is there already is left as it is")
    };
    for digest in closure.manifests().into_keys() {
        if place.manifest(Selector::Digest(digest)).await?.is_none() {
            return Err(lost(format!("the manifest {digest}")));
        }
    }
    let mut listed = Listed::default();
    for attachment in &closure.evidence {
        let Attachment { subject, via, manifest, .. } = attachment;
        let digest = &manifest.descriptor.digest;
        let found = match via {
            Via::Referrer => listed.holds(place, subject, digest).await?,
            Via::Tag(tag) => holds(place.manifest(Selector::Tag(tag)).await?.as_ref(), manifest)?,
        };
        if !found {
            return Err(lost(format!("{digest} as attached to {subject}")));
        }
    }
    if let (Some(tag), Some(root)) = (tag, closure.image.last()) {
        let digest = &root.descriptor.digest;
        let there = place.manifest(Selector::Tag(tag)).await?;
        if there.is_none_or(|t| t.descriptor.digest != *digest) {
            return Err(lost(format!("{digest} under the tag {tag}")));
        }
    }
    Ok(())
}
