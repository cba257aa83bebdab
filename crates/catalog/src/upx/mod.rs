//! Programs that UPX packed: the program as it was, piece by piece, while the packed one streams by.
//!
//! A packed ELF program has the words of UPX (`l_info`, `p_info`) behind its program headers and then blocks, each with
//! its size before and after and how it was compressed (`b_info`): first the ELF header and the program headers as they
//! were, then the segments that are loaded, in the order of those headers. The code that unpacks them follows, and then
//! what stood between and behind the segments. Of the last, what was between is passed over (nothing loads it), and what
//! was behind is handed out like the segments. A block is held while it is unpacked, and nothing else.
//!
//! What it decides is where bytes stood, not whether they are true: checksums of UPX are not compared. It stops, and
//! says why, at what it does not know (other compressions and filters, other orders of bytes), at what contradicts
//! itself, and at each of its limits. Shared objects are packed in another way, and are not unpacked.

mod filter;
mod nrv;

use crate::elf::Header;
use crate::limits;
use nrv::Code;
use std::io::Read;

/// How the words of UPX begin, behind a checksum of four bytes.
pub(crate) const MAGIC: &[u8] = b"UPX!";
/// `l_info` and `p_info`.
const INFO_BYTES: usize = 24;
/// `b_info`.
const BLOCK_INFO_BYTES: usize = 12;
/// The ELF header with 64 program headers, more than which are not looked at in other programs either.
const HEADERS_BYTES: usize = 64 + 64 * 56;
/// How many zeros may stand between segments: linkers align them to pages, the largest of which have 2 MiB.
const BETWEEN_BYTES: u64 = 4 << 20;
/// What is handed out at once of zeros.
const ZEROS: &[u8] = &[0; 4096];

/// Whether more is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    More,
    Enough,
}

/// What stands before a block.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    /// Bytes when unpacked.
    unpacked: usize,
    /// Bytes in the file.
    packed: usize,
    method: u8,
    filter: u8,
    mark: u8,
}

impl Block {
    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let four = bytes.get(at..)?.first_chunk::<4>()?;
            usize::try_from(u32::from_le_bytes(*four)).ok()
        };
        Some(Self {
            unpacked: number(0)?,
            packed: number(4)?,
            method: *bytes.get(8)?,
            filter: *bytes.get(9)?,
            mark: *bytes.get(10)?,
        })
    }

    /// Whether there can be such a block.
    fn is_plausible(self) -> bool {
        let is_known = matches!(self.method, 0 | 2..=10 | 14);
        is_known && self.unpacked > 0 && self.packed > 0 && self.packed <= self.unpacked
    }

    fn unpack(self, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let size = self.unpacked;
        let mut out = match self.method {
            _ if bytes.len() == size => Some(bytes),
            2..=10 => {
                let code = [Code::B, Code::D, Code::E].get(usize::from(self.method - 2) / 3).copied();
                // Words of 32, 8 and 16 bits, in this order for each.
                let width = [4, 1, 2].get(usize::from(self.method - 2) % 3).copied();
                code.zip(width).and_then(|(code, width)| nrv::unpack(&bytes, size, code, width))
            }
            14 => lzma(&bytes, size),
            _ => None,
        }
        .ok_or_else(|| format!("a block of {size} bytes is broken"))?;
        filter::undo(&mut out, self.filter, self.mark)?;
        Ok(out)
    }
}

/// LZMA without its header: two bytes tell lc, lp and pb.
fn lzma(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let (&[first, second], stream) = bytes.split_first_chunk::<2>()?;
    let (lc, lp, pb) = (u32::from(second & 15), u32::from(second >> 4), u32::from(first & 7));
    let dictionary = u32::try_from(size).ok()?;
    let reader = lzma_rust2::LzmaReader::new(stream, size as u64, lc, lp, pb, dictionary, None).ok()?;
    let mut out = Vec::with_capacity(size.min(stream.len().saturating_mul(8)));
    reader.take(size as u64).read_to_end(&mut out).ok()?;
    (out.len() == size).then_some(out)
}

/// What is being gathered.
enum State {
    /// Bytes that are passed over, and then a block.
    Skip(usize),
    /// What stands before a block.
    Info,
    /// A block.
    Packed(Block),
    /// Nothing any more.
    Over,
}

/// Where in the program that is being unpacked.
enum Place {
    /// Its headers are next.
    Headers,
    /// The segment with this number is next, of which so many bytes are missing.
    Segment(usize, u64),
    /// What was not loaded is next, of which the first bytes stood between segments.
    Rest(u64),
}

/// Unpacks one program.
pub(crate) struct Unpacker {
    state: State,
    place: Place,
    held: Vec<u8>,
    /// Size of the code that unpacks, which stands behind the segments.
    loader: usize,
    /// File offset of the packed program, of which all before was taken.
    at: u64,
    /// Size of the other, as the packed one has it.
    size: u64,
    /// File offset of what is handed out next.
    offset: u64,
    /// File offset and size of the segments that are loaded.
    segments: Vec<(u64, u64)>,
    /// Bytes between them.
    between: u64,
    blocks: usize,
    /// Bytes that were unpacked, and how many more may be.
    unpacked: u64,
    left: u64,
    why: Option<String>,
}

impl Unpacker {
    /// For the program that begins with `head` and has [`MAGIC`] at `at`; at most `left` bytes are unpacked. What is fed
    /// begins with the file. `None`: no program that was packed in a known way.
    pub(crate) fn open(head: &[u8], at: usize, left: u64) -> Option<Self> {
        let start = at.checked_sub(4)?;
        let info = head.get(start..start.checked_add(INFO_BYTES)?)?;
        let number = |at: usize| Some(u32::from_le_bytes(*info.get(at..)?.first_chunk::<4>()?));
        let first = Block::read(head.get(start + INFO_BYTES..)?)?;
        let is_known = head.get(5) == Some(&1) && first.is_plausible() && first.unpacked <= HEADERS_BYTES;
        is_known.then_some(())?;
        Some(Self {
            state: State::Skip(start + INFO_BYTES),
            place: Place::Headers,
            held: Vec::new(),
            loader: usize::try_from(number(8)? & 0xffff).ok()?,
            at: 0,
            size: u64::from(number(16)?),
            offset: 0,
            segments: Vec::new(),
            between: 0,
            blocks: 0,
            unpacked: 0,
            left,
            why: None,
        })
    }

    /// Bytes that were unpacked so far.
    pub(crate) fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// Takes the next bytes of the packed file and shows what was in them.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], show: &mut dyn FnMut(&[u8]) -> Wanted) -> Wanted {
        while !bytes.is_empty() {
            let wanted = match self.state {
                State::Over => return Wanted::Enough,
                State::Skip(n) => n,
                State::Info => BLOCK_INFO_BYTES,
                State::Packed(block) => block.packed,
            };
            let (now, rest) = bytes.split_at(bytes.len().min(wanted - self.held.len()));
            bytes = rest;
            self.at += now.len() as u64;
            if let State::Skip(n) = &mut self.state {
                *n -= now.len();
                if *n == 0 {
                    self.state = State::Info;
                }
                continue;
            }
            self.held.extend_from_slice(now);
            if self.held.len() == wanted {
                let held = std::mem::take(&mut self.held);
                if let Err(why) = self.step(held, show) {
                    self.why = Some(why);
                    self.state = State::Over;
                }
            }
        }
        if matches!(self.state, State::Over) { Wanted::Enough } else { Wanted::More }
    }

    /// The file is over, or enough was seen. Why it was not unpacked to its end, if it was not and that was not
    /// because nobody wanted more.
    pub(crate) fn finish(self) -> Option<String> {
        let cut = !matches!(self.state, State::Over);
        self.why.or_else(|| cut.then(|| "it is cut short".to_owned())).map(|why| {
            let (read, size) = (self.offset, self.size);
            format!("packed by UPX, of which {read} of {size} bytes were unpacked: {why}")
        })
    }

    fn step(&mut self, held: Vec<u8>, show: &mut dyn FnMut(&[u8]) -> Wanted) -> Result<(), String> {
        let State::Packed(block) = self.state else {
            return self.info(&held);
        };
        self.state = State::Info;
        let mut out = block.unpack(held)?;
        match self.place {
            Place::Headers => {
                self.segments = Header::read(&out).ok_or("its headers are not those of a program")?.loaded;
                self.hand(&out, show);
                self.next_segment(0, show)?;
            }
            Place::Segment(number, left) => {
                let left =
                    left.checked_sub(out.len() as u64).ok_or("a segment is longer than its header says")?;
                self.hand(&out, show);
                self.place = Place::Segment(number, left);
                if left == 0 {
                    self.next_segment(number + 1, show)?;
                }
            }
            Place::Rest(between) => {
                let between = usize::try_from(between).unwrap_or(usize::MAX).min(out.len());
                out.drain(..between);
                self.place = Place::Rest(0);
                self.hand(&out, show);
                if self.offset >= self.size {
                    self.state = State::Over;
                }
            }
        }
        Ok(())
    }

    /// What stands before a block has come.
    fn info(&mut self, held: &[u8]) -> Result<(), String> {
        let block = Block::read(held).unwrap_or_default();
        if let Place::Rest(between) = &mut self.place {
            // A block of nothing is the end.
            if block.unpacked == 0 && self.offset >= self.size {
                self.state = State::Over;
                return Ok(());
            }
            let size = block.unpacked as u64;
            if block.is_plausible() && size <= *between {
                *between -= size;
                self.state = State::Skip(block.packed);
                return Ok(());
            }
        }
        if !block.is_plausible() {
            return Err("a block is compressed in a way that is not known, or is none".to_owned());
        }
        self.blocks += 1;
        self.unpacked = self.unpacked.saturating_add(block.unpacked as u64);
        let limit = |name: &str, value: u64| Err(format!("more than {name} ({value})"));
        if block.unpacked > limits::UPX_BLOCK_BYTES {
            return limit("UPX_BLOCK_BYTES", limits::UPX_BLOCK_BYTES as u64);
        }
        if self.blocks > limits::UPX_BLOCKS {
            return limit("UPX_BLOCKS", limits::UPX_BLOCKS as u64);
        }
        if self.unpacked > limits::UPX_GRACE
            && self.unpacked / limits::UPX_RATIO > self.at + block.packed as u64
        {
            return limit("UPX_RATIO", limits::UPX_RATIO);
        }
        if self.unpacked > self.left {
            return limit("UPX_LAYER_BYTES", limits::UPX_LAYER_BYTES);
        }
        self.state = State::Packed(block);
        Ok(())
    }

    /// Shows bytes, and moves on.
    fn hand(&mut self, bytes: &[u8], show: &mut dyn FnMut(&[u8]) -> Wanted) {
        self.offset = self.offset.saturating_add(bytes.len() as u64);
        if !bytes.is_empty() && show(bytes) == Wanted::Enough {
            self.state = State::Over;
        }
    }

    /// Goes to the start of the segment with that number, or to what is behind all of them.
    fn next_segment(&mut self, number: usize, show: &mut dyn FnMut(&[u8]) -> Wanted) -> Result<(), String> {
        for (number, (start, size)) in self.segments.clone().into_iter().enumerate().skip(number) {
            let end = start.saturating_add(size);
            if end <= self.offset {
                continue;
            }
            // The headers are the start of the first one, and came before it.
            if start < self.offset && number > 0 {
                return Err("its segments overlap, or are not in order".to_owned());
            }
            let zeros = start.saturating_sub(self.offset);
            if zeros > BETWEEN_BYTES {
                return Err(format!("{zeros} bytes between its segments"));
            }
            self.between += zeros;
            let mut left = zeros;
            while left > 0 && !matches!(self.state, State::Over) {
                let n = ZEROS.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.hand(ZEROS.get(..n).unwrap_or_default(), show);
                left -= n as u64;
            }
            self.place = Place::Segment(number, end - self.offset.min(end));
            return Ok(());
        }
        if self.offset >= self.size {
            self.state = State::Over;
        } else if !matches!(self.state, State::Over) {
            // Behind the code that unpacks, blocks begin at a multiple of four.
            self.place = Place::Rest(self.between);
            let next = (self.at + self.loader as u64).next_multiple_of(4);
            self.state = State::Skip(usize::try_from(next - self.at).unwrap_or(usize::MAX));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
