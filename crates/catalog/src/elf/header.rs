//! The ELF header and the program headers: what kind of file it is, and where in it its segments stand.

/// What is taken from the ELF header and the program headers.
pub(crate) struct Header {
    /// Where writable segments begin and end in the file.
    pub(super) writable: Vec<(u64, u64)>,
    /// Offset and size of segments of notes.
    pub(super) notes: Vec<(u64, u64)>,
    /// Offset and size of segments that are loaded, without empty ones.
    pub(crate) loaded: Vec<(u64, u64)>,
    /// Offset of what was such a segment and is disabled: UPX does that in shared objects.
    pub(super) disabled: Option<u64>,
    pub(super) is_big: bool,
}

impl Header {
    /// `None` for what is no program or shared object. (System V ABI, "ELF header", "Program header".)
    pub(crate) fn read(head: &[u8]) -> Option<Self> {
        let wide = match head.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let little = match head.get(5)? {
            1 => true,
            2 => false,
            _ => return None,
        };
        let number = |at: usize, bytes: usize| -> Option<u64> {
            let part = head.get(at..at.checked_add(bytes)?)?;
            let join = |sum: u64, b: &u8| sum << 8 | u64::from(*b);
            Some(if little { part.iter().rev().fold(0, join) } else { part.iter().fold(0, join) })
        };
        const ET_EXEC: u64 = 2;
        const ET_DYN: u64 = 3;
        if !matches!(number(16, 2)?, ET_EXEC | ET_DYN) {
            return None;
        }
        let (table, entry, count) = if wide {
            (number(32, 8)?, number(54, 2)?, number(56, 2)?)
        } else {
            (number(28, 4)?, number(42, 2)?, number(44, 2)?)
        };
        let (mut writable, mut notes, mut loaded, mut disabled) = (Vec::new(), Vec::new(), Vec::new(), None);
        // What is beyond the head is not looked at: linkers put the table right behind the header.
        for i in 0..count.min(64) {
            let at = usize::try_from(table.saturating_add(i * entry)).unwrap_or(usize::MAX);
            let field = |wide_at: usize, narrow_at: usize, wide_bytes: usize| {
                let (offset, bytes) = if wide { (wide_at, wide_bytes) } else { (narrow_at, 4) };
                number(at.checked_add(offset)?, bytes)
            };
            let (Some(kind), Some(flags), Some(offset), Some(size)) =
                (field(0, 0, 4), field(4, 24, 4), field(8, 4, 8), field(32, 16, 8))
            else {
                break;
            };
            const PT_NULL: u64 = 0;
            const PT_LOAD: u64 = 1;
            const PT_NOTE: u64 = 4;
            const PF_W: u64 = 2;
            if kind == PT_NOTE {
                notes.push((offset, size));
            }
            if kind == PT_LOAD && size > 0 {
                loaded.push((offset, size));
            }
            if kind == PT_NULL && size > 0 {
                disabled = Some(offset);
            }
            if kind == PT_LOAD && flags & PF_W != 0 {
                writable.push((offset, offset.saturating_add(size)));
            }
        }
        Some(Self { writable, notes, loaded, disabled, is_big: !little })
    }
}
