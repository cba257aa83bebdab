//! Several requests at a time, and their answers in the order in which they were asked for: the same requests as one
//! after the other, the same decision, the same words. How many at once, and how many bytes of evidence are held at once,
//! is bounded; what is larger is fetched by itself.

use crate::error::Error;
use crate::evidence::{self, Item, Unopened};
use crate::limits;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use seaworthy_oci::Source;
use std::collections::VecDeque;

/// Runs all of `work`, at most [`limits::AT_ONCE`] at a time. The first failure in their order ends it.
pub(crate) async fn in_order<T, E>(work: Vec<BoxFuture<'_, Result<T, E>>>) -> Result<Vec<T>, E> {
    let mut done = Vec::with_capacity(work.len());
    let mut running = stream::iter(work).buffered(limits::AT_ONCE);
    while let Some(one) = running.next().await {
        done.push(one?);
    }
    Ok(done)
}

/// The content of pieces of evidence, one after the other, fetched in small groups.
pub(crate) struct Contents<'a> {
    source: &'a dyn Source,
    waiting: VecDeque<&'a Item>,
    there: VecDeque<Result<Vec<u8>, Unopened>>,
}

impl<'a> Contents<'a> {
    pub(crate) fn of(source: &'a dyn Source, items: impl IntoIterator<Item = &'a Item>) -> Self {
        Self { source, waiting: items.into_iter().collect(), there: VecDeque::new() }
    }

    /// The content of the next piece, or why there is nothing to check.
    ///
    /// # Errors
    /// Where it could not be found out; asking beyond the last is [`Unopened::Unsigned`].
    pub(crate) async fn next(&mut self) -> Result<Result<Vec<u8>, Unopened>, Error> {
        if self.there.is_empty() {
            let mut group: Vec<BoxFuture<'_, _>> = Vec::new();
            let mut bytes = 0u64;
            while let Some(item) = self.waiting.front() {
                bytes = bytes.saturating_add(item.size);
                if !group.is_empty() && (bytes > limits::AHEAD_BYTES || group.len() >= limits::AT_ONCE) {
                    break;
                }
                if let Some(item) = self.waiting.pop_front() {
                    group.push(Box::pin(evidence::fetch(self.source, item)));
                }
            }
            self.there.extend(in_order(group).await?);
        }
        Ok(self.there.pop_front().unwrap_or(Err(Unopened::Unsigned)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn answers_keep_their_order_and_the_bound_holds() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let one = |n: usize| -> BoxFuture<'_, Result<usize, ()>> {
            let (running, most) = (&running, &most);
            Box::pin(async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Later ones are done earlier.
                for _ in 0..(40 - n) {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(n)
            })
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let done = runtime.block_on(in_order((0..40).map(one).collect()));
        assert_eq!(done, Ok((0..40).collect()));
        assert_eq!(most.load(Ordering::SeqCst), limits::AT_ONCE);
        let failing = |n: usize| -> BoxFuture<'_, Result<usize, usize>> {
            Box::pin(async move { if n < 3 { Ok(n) } else { Err(n) } })
        };
        assert_eq!(runtime.block_on(in_order((0..40).map(failing).collect())), Err(3));
    }
}
