//! The checksums of files, made on a thread of their own.
//!
//! Whoever walks a layer marks whose data each stretch of a piece is, and passes the piece on when it is done with it
//! ([`crate::tar::Mark`]); here it is hashed and given back to be filled again. Hashing costs more than walking, and goes
//! on beside it. Decides nothing: a file whose bytes did not all come by has no sums.

use crate::pack::pack;
use crate::stage::PIECES;
use crate::tar::Mark;
use md5::Md5;
use seaworthy_sbom::files::Selection;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// What each of the functions takes at a time.
const BLOCK_BYTES: usize = 64;

/// The checksums of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) sha256: [u8; 32],
    pub(super) sha1: [u8; 20],
    pub(super) md5: Option<[u8; 16]>,
}
pack!(struct Sums { sha256, sha1, md5 });

/// A file of the layer that is hashed: the how manieth, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    number: u32,
    with_md5: bool,
}

impl Ticket {
    /// For the file at `path`, before which `number` others were hashed.
    pub(super) fn of(path: &str, number: u32, md5: Md5Sums) -> Self {
        Self { number, with_md5: md5 == Md5Sums::OfDpkg && may_be_of_dpkg(path) }
    }
}

/// Whether MD5 sums are made, which nothing but dpkg's lists is compared with. It takes as long as all else that is done
/// with a file's bytes, inflating left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Md5Sums {
    /// None: who asks for the files of packages wants to know them.
    None,
    /// Of what dpkg may have brought: who asks for files that nobody owns, or for all, wants to see what was changed.
    OfDpkg,
}

impl Md5Sums {
    /// For whoever asks for these files.
    pub(crate) fn for_list(selection: Selection) -> Self {
        match selection {
            Selection::None | Selection::Owned => Self::None,
            Selection::Unowned | Selection::All => Self::OfDpkg,
        }
    }
}

/// MD5 is not made where Debian lets no package put a file (policy 9.1.1 and 9.1.2) and where applications stand.
fn may_be_of_dpkg(path: &str) -> bool {
    !["usr/local/", "home/", "root/", "srv/", "tmp/", "app/"].iter().any(|dir| path.starts_with(dir))
        && !path.contains("/node_modules/")
}

/// What is under way of one file.
struct Hashing {
    number: u32,
    bytes: u64,
    sha256: Sha256,
    sha1: Sha1,
    md5: Option<Md5>,
}

impl Hashing {
    fn of(ticket: Ticket) -> Self {
        let md5 = ticket.with_md5.then(Md5::new);
        Self { number: ticket.number, bytes: 0, sha256: Sha256::new(), sha1: Sha1::new(), md5 }
    }

    /// Each block goes through all functions before the next one: a processor works on several at a time, since none
    /// waits for the other. By the piece, it takes a third longer.
    fn update(&mut self, bytes: &[u8]) {
        // So that blocks are theirs as well, wherever a piece began.
        let begun = usize::try_from(self.bytes % BLOCK_BYTES as u64).unwrap_or_default();
        let (first, rest) = bytes.split_at(bytes.len().min((BLOCK_BYTES - begun) % BLOCK_BYTES));
        self.bytes += bytes.len() as u64;
        for block in std::iter::once(first).chain(rest.chunks(BLOCK_BYTES)) {
            self.sha256.update(block);
            self.sha1.update(block);
            if let Some(md5) = &mut self.md5 {
                md5.update(block);
            }
        }
    }

    fn finish(self) -> Sums {
        Sums {
            sha256: self.sha256.finalize().into(),
            sha1: self.sha1.finalize().into(),
            md5: self.md5.map(|md5| md5.finalize().into()),
        }
    }
}

/// The sums of the files of a layer that are not empty, in order.
#[derive(Debug, Default)]
pub(crate) struct Hashed(Vec<(u32, u64, Sums)>);

impl Hashed {
    /// Those of a file of `size` bytes; `None` where other bytes came by than these.
    pub(super) fn sums(&self, ticket: Ticket, size: u64) -> Option<Sums> {
        if size == 0 {
            return Some(Hashing::of(ticket).finish());
        }
        let at = self.0.binary_search_by_key(&ticket.number, |(number, ..)| *number).ok()?;
        self.0.get(at).filter(|(_, bytes, _)| *bytes == size).map(|(.., sums)| sums.clone())
    }

    fn put(&mut self, done: Hashing) {
        self.0.push((done.number, done.bytes, done.finish()));
    }
}

/// A piece, and what in it is to be hashed.
type Piece = (Vec<u8>, Vec<Mark>);

/// The end to which pieces go.
pub(crate) struct Hasher(SyncSender<Piece>);

impl Hasher {
    /// A thread of `scope` that gives pieces back to `empty`. It ends, and has the sums, when its hasher is dropped.
    pub(crate) fn start<'s>(
        scope: &'s Scope<'s, '_>,
        empty: Sender<Vec<u8>>,
    ) -> (Self, ScopedJoinHandle<'s, Hashed>) {
        let (to, pieces) = sync_channel(PIECES);
        (Self(to), scope.spawn(move || work(&pieces, &empty)))
    }

    /// Hashes what `marks` say of `piece`. A thread that died is found out when it is joined.
    pub(crate) fn hash(&self, piece: Vec<u8>, marks: Vec<Mark>) {
        let _ = self.0.send((piece, marks));
    }
}

fn work(pieces: &Receiver<Piece>, empty: &Sender<Vec<u8>>) -> Hashed {
    let (mut hashed, mut current) = (Hashed::default(), None::<Hashing>);
    for (piece, marks) in pieces {
        for Mark { ticket, at } in marks {
            if let Some(done) = current.take_if(|current| current.number != ticket.number) {
                hashed.put(done);
            }
            current.get_or_insert_with(|| Hashing::of(ticket)).update(piece.get(at).unwrap_or_default());
        }
        // Nobody takes it once all is unpacked.
        let _ = empty.send(piece);
    }
    if let Some(done) = current {
        hashed.put(done);
    }
    hashed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn a_file_that_did_not_come_by_whole_has_no_sums() {
        let (empty, back) = channel();
        let (ticket, other) =
            (Ticket::of("usr/bin/x", 0, Md5Sums::OfDpkg), Ticket::of("srv/y", 2, Md5Sums::OfDpkg));
        let hashed = thread::scope(|scope| {
            let (hasher, handle) = Hasher::start(scope, empty);
            hasher.hash(b"..ab".to_vec(), vec![Mark { ticket, at: 2..4 }]);
            let marks = vec![Mark { ticket, at: 0..1 }, Mark { ticket: other, at: 1..3 }];
            hasher.hash(b"cdef".to_vec(), marks);
            drop(hasher);
            handle.join().unwrap()
        });
        assert_eq!(back.into_iter().count(), 2, "both pieces come back");
        let sha = |text: &[u8]| <[u8; 32]>::from(Sha256::digest(text));
        let of = |ticket, size| hashed.sums(ticket, size);
        assert_eq!(of(ticket, 3).map(|s| s.sha256), Some(sha(b"abc")));
        assert_eq!(of(ticket, 3).unwrap().md5, Some(Md5::digest(b"abc").into()));
        assert_eq!((of(other, 2).unwrap().sha256, of(other, 2).unwrap().md5), (sha(b"de"), None));
        assert_eq!(
            (of(ticket, 4), of(other, 1), of(Ticket::of("a", 1, Md5Sums::None), 1)),
            (None, None, None)
        );
        assert_eq!(of(Ticket::of("a", 1, Md5Sums::None), 0).map(|s| s.sha256), Some(sha(b"")));
    }
}
