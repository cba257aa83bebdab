//! Programs that are known by their own version strings: which file may be one, and what its bytes say.
//!
//! Only executables whose base name stands in the table (`data/programs.txt`) are searched, for one or a few
//! literals each, while they stream by; what is held is less than a kilobyte. It refuses to guess: a version
//! that is cut off, too long or nothing but zeros is none, and the first that is whole counts.

mod pattern;
mod table;

pub(crate) use table::Program;

use crate::pack::pack;
use pattern::{Edges, Live, WINDOW};
use table::TABLE;

/// Both sides of an anchor, and the anchor.
const SEAM_BYTES: usize = 2 * WINDOW;

/// A program that was found in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// Its place in the table.
    program: usize,
    /// Its version, as the program says it.
    pub(crate) version: String,
}
pack!(struct Found { program, version });

impl Found {
    /// What the table says about it.
    pub(crate) fn program(&self) -> Option<&'static Program> {
        TABLE.programs.get(self.program)
    }
}

/// Whether an executable of that name may be a known program.
pub(crate) fn is_known(path: &str) -> bool {
    TABLE.candidates(crate::path::split(path).1).next().is_some()
}

/// Looks for the programs that one file may be.
pub(crate) struct Matcher {
    wanted: Vec<Wanted>,
    found: Vec<Found>,
    /// The end of what was seen, which may hold the beginning of something.
    seam: Vec<u8>,
    /// Whether nothing was dropped from the seam's beginning.
    is_start: bool,
}

struct Wanted {
    program: usize,
    patterns: Vec<Live>,
}

impl Matcher {
    /// For the file at `path`; `None` where no program has such a name.
    pub(crate) fn new(path: &str) -> Option<Self> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for (program, name) in TABLE.candidates(crate::path::split(path).1) {
            let patterns = TABLE.programs.get(program).into_iter().flat_map(|p| &p.find);
            let patterns: Vec<Live> = patterns.filter_map(|pattern| pattern.live(name)).collect();
            match wanted.iter_mut().find(|w| w.program == program) {
                Some(same) => same.patterns.extend(patterns),
                None => wanted.push(Wanted { program, patterns }),
            }
        }
        (!wanted.is_empty()).then(|| Self { wanted, found: Vec::new(), seam: Vec::new(), is_start: true })
    }

    /// Whether there is anything left to look for.
    pub(crate) fn is_done(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Takes the next bytes of the file.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.is_done() {
            return;
        }
        // Whatever crosses the border of two pieces is whole in the seam: half of it before, half behind.
        let mut seam = std::mem::take(&mut self.seam);
        let near = bytes.len().min(SEAM_BYTES);
        seam.extend_from_slice(bytes.get(..near).unwrap_or_default());
        self.search(&seam, Edges { start: self.is_start, end: false });
        if near < bytes.len() {
            self.search(bytes, Edges { start: false, end: false });
            seam = end_of(bytes);
            self.is_start = false;
        } else if seam.len() > SEAM_BYTES {
            seam = end_of(&seam);
            self.is_start = false;
        }
        self.seam = seam;
    }

    /// The file is over.
    pub(crate) fn finish(mut self) -> Vec<Found> {
        let seam = std::mem::take(&mut self.seam);
        self.search(&seam, Edges { start: self.is_start, end: true });
        self.found.sort();
        self.found
    }

    fn search(&mut self, bytes: &[u8], edges: Edges) {
        let found = &mut self.found;
        self.wanted.retain(|wanted| {
            // The first in the file, so that it does not matter how the bytes come.
            let first = wanted.patterns.iter().filter_map(|p| p.find(bytes, edges)).min();
            let Some((_, version)) = first else { return true };
            found.push(Found { program: wanted.program, version });
            false
        });
    }
}

/// The last bytes, as many as a seam has.
fn end_of(bytes: &[u8]) -> Vec<u8> {
    bytes.get(bytes.len().saturating_sub(SEAM_BYTES)..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, bytes: &[u8], piece: usize) -> Vec<String> {
        let Some(mut matcher) = Matcher::new(path) else { return Vec::new() };
        bytes.chunks(piece).for_each(|piece| matcher.feed(piece));
        let named = |f: Found| Some(format!("{} {}", f.program()?.name, f.version));
        matcher.finish().into_iter().filter_map(named).collect()
    }

    #[test]
    fn what_is_found_does_not_depend_on_the_pieces() {
        let mut file = vec![b'.'; 5000];
        for at in [0, 500, 1023, 4000, 4982] {
            file[at..at + 18].copy_from_slice(b"\0nginx/1.25.3 (x)\0");
            for piece in [1, 3, 17, 255, 512, 513, 1024, 4999, 5000] {
                assert_eq!(find("usr/sbin/nginx", &file, piece), ["nginx 1.25.3"], "{at} {piece}");
            }
            file[at..at + 18].fill(b'.');
        }
        assert!(find("usr/sbin/nginx", &file, 512).is_empty());
        assert!(!is_known("usr/sbin/nginy") && is_known("opt/nginx"));
    }

    #[test]
    fn the_end_of_the_file_ends_a_version() {
        assert_eq!(find("nginx", b"\0nginx/1.25.3", 5), ["nginx 1.25.3"]);
    }
}
