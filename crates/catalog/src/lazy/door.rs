//! From a worker, which blocks, to the place of its layer, which does not.
//!
//! Decides nothing: a worker asks for bytes and waits; whoever runs the inventory asks the place. An inventory that is
//! given up answers nobody, and whoever waits hears it.

use super::Door;
use crate::error::{Error, ErrorKind, Result};
use seaworthy_oci::{BlobReader, Digest, Image, Source};
use std::ops::Range;
use tokio::sync::{mpsc::UnboundedSender, oneshot};

/// Bytes of a layer that its worker asks for.
pub(crate) struct Ask {
    /// The layer, by its place in the manifest.
    index: usize,
    /// Which; `None` for all.
    range: Option<Range<u64>>,
    answer: oneshot::Sender<Result<Option<BlobReader>>>,
}

impl Ask {
    /// Asks the place.
    pub(crate) async fn answer(self, source: &dyn Source, manifest: &Image) {
        let Some(descriptor) = manifest.layers.get(self.index) else { return };
        let opened = match self.range {
            None => source.blob(descriptor).await.map(Some),
            Some(range) => source.blob_range(descriptor, range).await,
        };
        // Where the worker has given up, nobody wants to know.
        let _ = self.answer.send(opened.map_err(Error::from));
    }
}

/// The worker's side of it.
pub(crate) struct Asking {
    index: usize,
    asks: UnboundedSender<Ask>,
    on: Digest,
}

impl Asking {
    /// For the layer `on`, which stands at `index` in the manifest.
    pub(crate) fn new(index: usize, asks: UnboundedSender<Ask>, on: Digest) -> Self {
        Self { index, asks, on }
    }

    fn ask(&self, range: Option<Range<u64>>) -> Result<Option<BlobReader>> {
        let (answer, heard) = oneshot::channel();
        // Where nobody listens any more, nobody answers either.
        let _ = self.asks.send(Ask { index: self.index, range, answer });
        heard.blocking_recv().unwrap_or_else(|_| Err(self.error("the inventory was given up")))
    }

    fn error(&self, why: &str) -> Error {
        Error::new("read layer", &self.on, ErrorKind::Local(why.to_owned()))
    }
}

impl Door for Asking {
    fn whole(&mut self) -> Result<BlobReader> {
        self.ask(None)?.ok_or_else(|| self.error("its place gave nothing"))
    }

    fn stretch(&mut self, range: Range<u64>) -> Result<Option<BlobReader>> {
        self.ask(Some(range))
    }
}
