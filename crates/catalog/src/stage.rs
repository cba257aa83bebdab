//! One step of reading a layer on a thread of its own, a few pieces ahead of the next step.
//!
//! A layer is read and hashed, inflated, and walked. Each of these goes on while the next works on what came before, so
//! that a single large layer uses more than one core and costs little more than its inflating. Decides nothing about
//! content. What is in flight is bounded by [`PIECES`] of [`PIECE_BYTES`]; the buffers go back and forth. A step that
//! ends without saying so (a panic) is told from the end of the data. Whoever has seen enough drops the receiving end,
//! and the step stops at its next piece.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Scope;

/// One piece: as much as stays in a core's cache.
pub(crate) const PIECE_BYTES: usize = 128 << 10;
/// Pieces between two steps; more did not make it faster.
pub(crate) const PIECES: usize = 4;

type Piece<E> = Result<(Vec<u8>, usize), E>;

/// The receiving end.
pub(crate) struct Ahead<E> {
    full: Receiver<Piece<E>>,
    empty: Sender<Vec<u8>>,
    over: bool,
}

/// The step ended without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Died;

/// Calls `fill` on a thread of `scope` until it gives 0 bytes or an error.
pub(crate) fn ahead<'s, E: Send + 's>(
    scope: &'s Scope<'s, '_>,
    fill: impl FnMut(&mut [u8]) -> Result<usize, E> + Send + 's,
) -> Ahead<E> {
    let (to, full) = sync_channel(PIECES);
    let (empty, back) = channel();
    scope.spawn(move || work(fill, &to, &back));
    Ahead { full, empty, over: false }
}

fn work<E>(
    mut fill: impl FnMut(&mut [u8]) -> Result<usize, E>,
    to: &SyncSender<Piece<E>>,
    back: &Receiver<Vec<u8>>,
) {
    loop {
        let mut piece = back.try_recv().unwrap_or_else(|_| vec![0; PIECE_BYTES]);
        let filled = fill(&mut piece);
        let last = !matches!(filled, Ok(1..));
        if to.send(filled.map(|n| (piece, n))).is_err() || last {
            return;
        }
    }
}

impl<E> Ahead<E> {
    /// Where pieces go that were taken and are not given back by the next call.
    pub(crate) fn empty(&self) -> Sender<Vec<u8>> {
        self.empty.clone()
    }

    /// The next piece in place of `buf`, and how much of it is filled: 0 at the end.
    pub(crate) fn next(&mut self, buf: &mut Vec<u8>) -> Result<Result<usize, E>, Died> {
        if self.over {
            return Ok(Ok(0));
        }
        let filled = self.full.recv().map_err(|_| Died)?;
        self.over = !matches!(filled, Ok((_, 1..)));
        Ok(filled.map(|(piece, n)| {
            let used = std::mem::replace(buf, piece);
            if used.len() == PIECE_BYTES {
                // Nobody takes it back once the step has ended.
                let _ = self.empty.send(used);
            }
            n
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    fn gather(ahead: &mut Ahead<&'static str>) -> Result<Result<Vec<u8>, &'static str>, Died> {
        let (mut all, mut buf) = (Vec::new(), vec![0; PIECE_BYTES]);
        loop {
            match ahead.next(&mut buf)? {
                Ok(0) => return Ok(Ok(all)),
                Ok(n) => all.extend_from_slice(&buf[..n]),
                Err(e) => return Ok(Err(e)),
            }
        }
    }

    #[test]
    fn pieces_come_in_order_and_the_end_stays_the_end() {
        let wanted: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let got = thread::scope(|scope| {
            let mut rest = wanted.as_slice();
            let mut ahead = ahead(scope, move |buf| {
                let n = rest.len().min(buf.len()).min(70_001);
                buf[..n].copy_from_slice(&rest[..n]);
                rest = &rest[n..];
                Ok(n)
            });
            let got = gather(&mut ahead);
            assert_eq!(ahead.next(&mut Vec::new()), Ok(Ok(0)));
            got
        });
        assert_eq!(got, Ok(Ok(wanted)));
    }

    #[test]
    fn a_buffer_of_another_size_is_not_filled() {
        thread::scope(|scope| {
            let mut ahead: Ahead<()> = ahead(scope, |buf| Ok(buf.len()));
            for _ in 0..3 * PIECES {
                assert_eq!(ahead.next(&mut Vec::new()), Ok(Ok(PIECE_BYTES)));
            }
        });
    }

    #[test]
    fn an_error_comes_after_what_was_before_it() {
        let got = thread::scope(|scope| {
            let mut left = 3;
            let mut ahead = ahead(scope, move |_| {
                left -= 1;
                if left == 0 { Err("broken") } else { Ok(10) }
            });
            assert_eq!(ahead.next(&mut vec![0; PIECE_BYTES]), Ok(Ok(10)));
            gather(&mut ahead)
        });
        assert_eq!(got, Ok(Err("broken")));
    }

    #[test]
    fn whoever_has_seen_enough_stops_it() {
        let filled = AtomicUsize::new(0);
        thread::scope(|scope| {
            let mut ahead: Ahead<()> = ahead(scope, |buf| {
                filled.fetch_add(1, Ordering::Relaxed);
                Ok(buf.len())
            });
            assert!(matches!(ahead.next(&mut vec![0; PIECE_BYTES]), Ok(Ok(1..))));
        });
        // Those in flight, the one that was taken, and one that nobody took.
        assert!(filled.load(Ordering::Relaxed) <= PIECES + 2);
    }

    #[test]
    fn a_panic_is_not_the_end_of_the_data() {
        let (to, full) = sync_channel::<Piece<()>>(PIECES);
        let (empty, _back) = channel();
        drop(to);
        assert_eq!(Ahead { full, empty, over: false }.next(&mut Vec::new()), Err(Died));
    }
}
