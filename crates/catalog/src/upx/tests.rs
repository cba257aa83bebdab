//! Programs that UPX packed (testdata/catalog/packed), unpacked to the bytes that they were.

use super::*;
use proptest::prelude::*;
use std::fs;

/// Each packed program, and what it was.
const PACKED: [(&str, &str); 9] = [
    ("amd64-nrv2b.upx", "amd64.elf"),
    ("amd64-nrv2d.upx", "amd64.elf"),
    ("amd64-nrv2e.upx", "amd64.elf"),
    ("amd64-lzma.upx", "amd64.elf"),
    ("amd64-upx3.upx", "amd64.elf"),
    ("arm64-nrv2e.upx", "arm64.elf"),
    ("arm64-lzma.upx", "arm64.elf"),
    ("arm-nrv2e.upx", "arm.elf"),
    ("arm-lzma.upx", "arm.elf"),
];

fn recorded(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../../testdata/catalog/packed/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What is in a packed program, and why not all of it is.
fn unpack(file: &[u8], piece: usize) -> Option<(Vec<u8>, Option<String>)> {
    let head = &file[..file.len().min(4096)];
    let at = memchr::memmem::find(head, MAGIC)?;
    let mut unpacker = Unpacker::open(head, at, u64::MAX)?;
    let mut out = Vec::new();
    for piece in file.chunks(piece) {
        let wanted = unpacker.feed(piece, &mut |bytes| {
            out.extend_from_slice(bytes);
            Wanted::More
        });
        if wanted == Wanted::Enough {
            break;
        }
    }
    Some((out, unpacker.finish()))
}

#[test]
fn every_compression_and_filter() {
    for (packed, plain) in PACKED {
        let (packed_bytes, plain) = (recorded(packed), recorded(plain));
        for piece in [usize::MAX, 4096, 100, 7] {
            let (out, why) = unpack(&packed_bytes, piece).unwrap();
            assert_eq!(why, None, "{packed}");
            assert!(out == plain, "{packed}: {} of {} bytes, in pieces of {piece}", out.len(), plain.len());
        }
    }
}

/// The packed program with other bytes at a place of the block with that number, counted from its information.
fn changed(block: usize, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = recorded("amd64-nrv2e.upx");
    let mut place = memchr::memmem::find(&file, MAGIC).unwrap() + 20;
    for _ in 0..block {
        place += 12 + Block::read(&file[place..]).unwrap().packed;
    }
    file[place + at..place + at + bytes.len()].copy_from_slice(bytes);
    file
}

fn why(file: &[u8]) -> String {
    unpack(file, usize::MAX).unwrap().1.unwrap()
}

#[test]
fn what_cannot_be_unpacked_is_said() {
    let file = recorded("amd64-nrv2e.upx");
    let cut = why(&file[..file.len() / 2]);
    assert!(cut.contains("cut short") && cut.contains("of 41777 bytes"), "{cut}");
    assert!(why(&changed(1, 8, &[15])).contains("compressed in a way that is not known"));
    assert!(why(&changed(1, 9, &[0x26])).contains("the filter 0x26"));
    assert!(why(&changed(1, 12, &[0xff; 64])).contains("is broken"));
    assert!(why(&changed(1, 0, &[1])).contains("is broken"));
    // The first block says how it goes on: what has none is not taken for packed.
    assert!(unpack(&changed(0, 0, &[0xff; 8]), usize::MAX).is_none());
    let mut other = file;
    other[5] = 2;
    assert!(unpack(&other, usize::MAX).is_none());
}

#[test]
fn bounds_at_limit_plus_one() {
    let claimed = |unpacked: u64, packed: u64| {
        let claim = |n: u64| u32::try_from(n).unwrap().to_le_bytes();
        why(&changed(1, 0, &[claim(unpacked), claim(packed)].concat()))
    };
    let block = limits::UPX_BLOCK_BYTES as u64;
    // Of such a size the file has not enough.
    assert!(claimed(block, block / 8).contains("cut short"));
    assert!(claimed(block + 1, block / 8).contains("UPX_BLOCK_BYTES"));
    let headers = 176;
    let before =
        recorded("amd64-nrv2e.upx").windows(4).position(|four| four == MAGIC).unwrap() as u64 + 20 + 12 + 12;
    let before = before + Block::read(&changed(0, 0, &[])[before as usize - 24..]).unwrap().packed as u64;
    assert!(claimed(limits::UPX_GRACE - headers, 1000).contains("is broken"));
    assert!(claimed(limits::UPX_GRACE - headers + 1, 1000).contains("UPX_RATIO"));
    let enough = (limits::UPX_GRACE / limits::UPX_RATIO).saturating_sub(before);
    assert!(claimed(limits::UPX_GRACE - headers + 1, enough).contains("cut short"));
    assert!(claimed(limits::UPX_GRACE - headers + 1, enough - 1).contains("UPX_RATIO"));
}

/// A packed program of one segment, of which each byte is a block.
fn crumbs(blocks: usize) -> Vec<u8> {
    let mut headers = recorded("amd64.elf")[..120].to_vec();
    headers[56] = 1;
    let size = (headers.len() + blocks) as u64;
    headers[96..104].copy_from_slice(&size.to_le_bytes());
    let mut file = recorded("amd64-nrv2e.upx");
    file.truncate(memchr::memmem::find(&file, MAGIC).unwrap() + 12);
    file.extend([(size as u32).to_le_bytes(), [0; 4]].concat());
    let mut block = |bytes: &[u8]| {
        let size = (bytes.len() as u32).to_le_bytes();
        file.extend([&size[..], &size, &[0; 4], bytes].concat());
    };
    block(&headers);
    (0..blocks).for_each(|_| block(b"x"));
    file
}

#[test]
fn blocks_are_bounded_at_limit_plus_one() {
    let (out, why) = unpack(&crumbs(limits::UPX_BLOCKS - 1), usize::MAX).unwrap();
    assert_eq!((out.len(), why), (120 + limits::UPX_BLOCKS - 1, None));
    let why = unpack(&crumbs(limits::UPX_BLOCKS), usize::MAX).unwrap().1.unwrap();
    assert!(why.contains("UPX_BLOCKS"), "{why}");
}

proptest! {
    #[test]
    fn never_panics(name in prop::sample::select(PACKED.to_vec()), changes in prop::collection::vec((0_usize..20_000, any::<u8>()), 1..8),
                    near in prop::collection::vec((0_usize..400, any::<u8>()), 0..4), piece in 1_usize..5000) {
        let mut file = recorded(name.0);
        for (at, byte) in changes.into_iter().chain(near) {
            let at = at % file.len();
            file[at] = byte;
        }
        if let Some((out, _)) = unpack(&file, piece) {
            prop_assert!(out.len() as u64 <= limits::UPX_GRACE + limits::UPX_RATIO * file.len() as u64 + (1 << 26));
        }
    }
}
