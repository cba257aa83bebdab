//! Transparency logs: append-only trees on disk ([`store`]), written by one thread that acknowledges many
//! entries with one sync (group commit).
//!
//! The thread decides order and batches. An entry's answer is sent after the checkpoint over it is durable;
//! a queue that is full, or a disk that failed, is told to the client as "not now", never as success.
//!
//! An entry that is in the log already is not added again: a client whose answer was lost asks once more, and gets
//! the same index (`known.rs`).

pub mod checkpoint;
mod known;
pub mod store;
pub mod tree;

use crate::error::{Error, Refused, Result};
use crate::limits::{BATCH_ENTRIES, ENTRY_BYTES, QUEUE_ENTRIES};
use checkpoint::Checkpoint;
use known::Known;
use std::fs::File;
use std::sync::Arc;
use store::{Store, View};
use tokio::sync::{mpsc, oneshot};
use tree::Hash;

/// What an entry gets: its place, and the proof of it.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    pub(crate) index: u64,
    pub(crate) proof: Vec<Hash>,
    pub(crate) checkpoint: Arc<Checkpoint>,
}

struct Job {
    entry: Vec<u8>,
    reply: oneshot::Sender<Option<Receipt>>,
}

/// A log that takes entries from many tasks.
#[derive(Clone)]
pub(crate) struct Log {
    jobs: mpsc::Sender<Job>,
    view: View,
}

impl Log {
    /// Starts the writer's thread. It keeps `lock` until its last write has ended: the server may be gone
    /// by then, and nobody else may open the log before.
    pub(crate) fn start(store: Store, name: &str, lock: Arc<File>) -> Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_ENTRIES);
        let view = store.view();
        std::thread::Builder::new()
            .name(format!("log {name}"))
            .spawn(move || {
                write(store, queue);
                drop(lock);
            })
            .map_err(|e| Error::local(format!("cannot start a thread: {e}")))?;
        Ok(Self { jobs, view })
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Whether the writer takes entries.
    pub(crate) fn alive(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// Adds an entry and waits until it is durable.
    pub(crate) async fn append(&self, entry: Vec<u8>) -> Result<Receipt, Refused> {
        if entry.len() > ENTRY_BYTES {
            return Err(Refused::too_large("ENTRY_BYTES", ENTRY_BYTES));
        }
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { entry, reply }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => Refused::unavailable("the log has too much to write"),
            mpsc::error::TrySendError::Closed(_) => Refused::unavailable("the log takes no entries"),
        })?;
        answer.await.ok().flatten().ok_or_else(|| Refused::unavailable("the log could not be written"))
    }
}

/// The writer: whatever waits is one batch. It ends when nobody can send any more, or when a write failed;
/// then the queue closes, and readiness says so.
fn write(mut store: Store, mut queue: mpsc::Receiver<Job>) {
    let view = store.view();
    let mut known = Known::of(&view);
    let mut jobs = Vec::with_capacity(BATCH_ENTRIES);
    while !store.failed() && queue.blocking_recv_many(&mut jobs, BATCH_ENTRIES) > 0 {
        let mut fresh = Vec::with_capacity(jobs.len());
        let mut replies = Vec::with_capacity(jobs.len());
        for job in jobs.drain(..) {
            let (index, entry) = known.place(job.entry);
            fresh.extend(entry);
            replies.push((index, job.reply));
        }
        let appended = if fresh.is_empty() { Some(view.checkpoint()) } else { store.append(&fresh).ok() };
        known.settle();
        for (index, reply) in replies {
            let receipt = appended.as_ref().and_then(|checkpoint| {
                let proof = view.inclusion(index, checkpoint.size)?;
                Some(Receipt { index, proof, checkpoint: checkpoint.clone() })
            });
            // Whoever asked may have gone; the entry stays.
            let _ = reply.send(receipt);
        }
    }
}
