//! The blobs of an rpm database in rpm's own format, ndb (`lib/backend/ndb/rpmpkg.c`).
//!
//! A header, pages of slots, and blobs in blocks of 16 bytes. Numbers are little-endian. Checksums of blobs
//! are not compared: the layer's digest speaks for every byte.

use super::super::bytes::{le32, slice};
use super::Each;
use crate::limits;

const PAGE: usize = 4096;
const SLOT: usize = 16;
const BLOCK: usize = 16;
/// The file's header takes the place of two slots.
const HEADER: usize = 32;

/// Hands each header to `each`.
pub(super) fn headers(content: &[u8], each: Each<'_>) -> Result<(), String> {
    if !content.starts_with(b"RpmP") || le32(content, 4) != Some(0) {
        return Err("no ndb database of version 0".into());
    }
    let pages = le32(content, 12).unwrap_or_default();
    let slots = pages
        .checked_mul(PAGE)
        .and_then(|end| content.get(HEADER..end))
        .ok_or("an ndb database that ends inside its slots")?;
    for slot in slots.chunks_exact(SLOT) {
        if !slot.starts_with(b"Slot") {
            return Err("an ndb slot without its magic".into());
        }
        let (Some(number), Some(block)) = (le32(slot, 4), le32(slot, 8)) else { break };
        if number == 0 || block == 0 {
            continue;
        }
        let blob = block.checked_mul(BLOCK).and_then(|at| {
            let head = slice(content, at, 16).filter(|h| h.starts_with(b"BlbS"))?;
            let length = le32(head, 12).filter(|_| le32(head, 4) == Some(number))?;
            slice(content, at + 16, length)
        });
        let blob = blob.ok_or_else(|| format!("the ndb blob of package {number} makes no sense"))?;
        if blob.len() > limits::RPM_HEADER_BYTES {
            let (length, limit) = (blob.len(), limits::RPM_HEADER_BYTES);
            return Err(format!("a header of {length} bytes, more than the limit of {limit}"));
        }
        each(blob)?;
    }
    Ok(())
}
