use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;

/// A database, made of pages that are written here.
struct Made {
    size: usize,
    pages: Vec<Vec<u8>>,
}

fn header(number: u64, flags: u16, count: usize, overflow: u32) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend(u16::try_from(count).unwrap().to_le_bytes());
    bytes.extend(overflow.to_le_bytes());
    bytes
}

/// A leaf with these flags, keys and values, as page 0.
fn leaf(items: &[(u32, &[u8], Vec<u8>)]) -> Vec<u8> {
    let mut bytes = header(0, IS_LEAF, items.len(), 0);
    let mut behind = Vec::new();
    for (index, (flags, key, value)) in items.iter().enumerate() {
        let from = (items.len() - index) * ELEMENT + behind.len();
        for part in [*flags as usize, from, key.len(), value.len()] {
            bytes.extend(u32::try_from(part).unwrap().to_le_bytes());
        }
        behind.extend_from_slice(key);
        behind.extend_from_slice(value);
    }
    bytes.extend(behind);
    bytes
}

impl Made {
    fn new(size: usize) -> Self {
        Self { size, pages: vec![Vec::new(), Vec::new()] }
    }

    fn put(&mut self, mut page: Vec<u8>) -> u64 {
        let number = self.pages.len() as u64;
        let overflow = page.len().div_ceil(self.size) - 1;
        page[..8].copy_from_slice(&number.to_le_bytes());
        page[12..16].copy_from_slice(&u32::try_from(overflow).unwrap().to_le_bytes());
        page.resize((overflow + 1) * self.size, 0);
        self.pages.extend(page.chunks(self.size).map(<[u8]>::to_vec));
        number
    }

    /// A tree of leaves with `each` items, and branches above them; its root page.
    fn tree(&mut self, items: &BTreeMap<Vec<u8>, Vec<u8>>, each: usize) -> u64 {
        let all: Vec<(u32, &[u8], Vec<u8>)> =
            items.iter().map(|(k, v)| (0, k.as_slice(), v.clone())).collect();
        let mut level: Vec<(Vec<u8>, u64)> = Vec::new();
        for part in all.chunks(each) {
            level.push((part[0].1.to_vec(), self.put(leaf(part))));
        }
        if level.is_empty() {
            return self.put(leaf(&[]));
        }
        while level.len() > 1 {
            let below = std::mem::take(&mut level);
            for part in below.chunks(each.max(2)) {
                let (mut bytes, mut behind) = (header(0, IS_BRANCH, part.len(), 0), Vec::new());
                for (index, (key, child)) in part.iter().enumerate() {
                    let from = (part.len() - index) * ELEMENT + behind.len();
                    bytes.extend(u32::try_from(from).unwrap().to_le_bytes());
                    bytes.extend(u32::try_from(key.len()).unwrap().to_le_bytes());
                    bytes.extend(child.to_le_bytes());
                    behind.extend_from_slice(key);
                }
                bytes.extend(behind);
                level.push((part[0].0.clone(), self.put(bytes)));
            }
        }
        level[0].1
    }

    fn meta(&mut self, place: usize, root: u64, transaction: u64) {
        let mut body = MAGIC.to_le_bytes().to_vec();
        body.extend(VERSION.to_le_bytes());
        body.extend(u32::try_from(self.size).unwrap().to_le_bytes());
        body.extend(0_u32.to_le_bytes());
        for number in [root, 0, u64::MAX, self.pages.len() as u64, transaction] {
            body.extend(number.to_le_bytes());
        }
        let sum = fnv64a(&body);
        body.extend(sum.to_le_bytes());
        let mut page = header(place as u64, IS_META, 0, 0);
        page.extend(body);
        page.resize(self.size, 0);
        self.pages[place] = page;
    }

    fn file(&mut self) -> File {
        self.pages[0].resize(self.size, 0);
        self.pages[1].resize(self.size, 0);
        file(&self.pages.concat())
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn value(bolt: &mut Bolt<'_>, key: &[u8]) -> Option<Vec<u8>> {
    bolt.get(&bolt.root(), key).unwrap().and_then(Found::value)
}

proptest! {
    /// Whatever is in a tree is found in it, and nothing else.
    #[test]
    fn what_was_put_is_found(
        items in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 1..12), prop::collection::vec(any::<u8>(), 0..60), 0..80),
        each in 1_usize..6,
        size in prop::sample::select(vec![1_usize << 10, 4 << 10, 64 << 10]),
        other in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let mut made = Made::new(size);
        let root = made.tree(&items, each);
        made.meta(0, root, 8);
        let file = made.file();
        let mut bolt = Bolt::open(&file).unwrap();
        for (key, wanted) in &items {
            prop_assert_eq!(value(&mut bolt, key), Some(wanted.clone()));
        }
        prop_assert_eq!(value(&mut bolt, &other), items.get(&other).cloned());
        let keys = bolt.keys(&bolt.root(), 1_000).unwrap();
        prop_assert_eq!(keys, items.keys().cloned().collect::<Vec<_>>());
        prop_assert!(bolt.is_still().unwrap());
    }

    /// Whatever bytes are changed, an answer comes.
    #[test]
    fn no_bytes_break_it(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..30)) {
        let items = (0_u8..60).map(|n| (vec![b'k', n], vec![n; 30])).collect();
        let mut made = Made::new(1 << 10);
        let root = made.tree(&items, 4);
        made.meta(0, root, 1);
        let mut bytes: Vec<u8> = { made.pages[1].resize(1 << 10, 0); made.pages.concat() };
        for (place, byte) in changes {
            // The meta stays whole, so that what is below it is looked at.
            let at = (1 << 10) + place.index(bytes.len() - (1 << 10));
            bytes[at] = byte;
        }
        let file = file(&bytes);
        let mut bolt = Bolt::open(&file).unwrap();
        let root = bolt.root();
        let _ = bolt.get(&root, b"k\x07");
        let _ = bolt.keys(&root, 100);
    }
}

#[test]
fn the_newer_of_two_whole_metas_counts() {
    let mut made = Made::new(4 << 10);
    let (old, new) = (leaf(&[(0, b"k", b"old".to_vec())]), leaf(&[(0, b"k", b"new".to_vec())]));
    let (old, new) = (made.put(old), made.put(new));
    made.meta(0, old, 6);
    made.meta(1, new, 7);
    let whole = made.file();
    assert_eq!(value(&mut Bolt::open(&whole).unwrap(), b"k"), Some(b"new".to_vec()));
    made.pages[1][40] ^= 1;
    let torn = made.file();
    let mut bolt = Bolt::open(&torn).unwrap();
    assert_eq!(value(&mut bolt, b"k"), Some(b"old".to_vec()));
    // The first is torn: only trying tells where the second stands.
    made.pages[1][40] ^= 1;
    made.pages[0][40] ^= 1;
    let torn = made.file();
    assert_eq!(value(&mut Bolt::open(&torn).unwrap(), b"k"), Some(b"new".to_vec()));
    made.pages[1][40] ^= 1;
    let torn = made.file();
    assert!(matches!(Bolt::open(&torn), Err(Fault::Broken(why)) if why.contains("neither")));
}

#[test]
fn a_transaction_that_ends_meanwhile_is_seen() {
    let mut made = Made::new(4 << 10);
    let root = made.put(leaf(&[]));
    made.meta(0, root, 6);
    let mut file = made.file();
    let bolt = Bolt::open(&file).unwrap();
    assert!(bolt.is_still().unwrap());
    made.meta(1, root, 7);
    let mut writer = file.try_clone().unwrap();
    writer.seek(SeekFrom::Start(4 << 10)).unwrap();
    writer.write_all(&made.pages[1]).unwrap();
    assert!(!bolt.is_still().unwrap());
    file.flush().unwrap();
}

#[test]
fn buckets_stand_in_pages_of_their_own_or_in_their_parent() {
    let mut made = Made::new(4 << 10);
    let own = made.put(leaf(&[(0, b"a", b"1".to_vec())]));
    let mut outside = own.to_le_bytes().to_vec();
    outside.extend([0; 8]);
    let mut inline = vec![0; 16];
    inline.extend(leaf(&[(0, b"a", b"2".to_vec())]));
    let root = made.put(leaf(&[
        (IS_BUCKET, b"inline", inline),
        (IS_BUCKET, b"outside", outside),
        (0, b"value", vec![3; 9_000]),
    ]));
    made.meta(0, root, 1);
    let file = made.file();
    let mut bolt = Bolt::open(&file).unwrap();
    for (name, wanted) in [("inline", b"2"), ("outside", b"1")] {
        let bucket = bolt.get(&bolt.root(), name.as_bytes()).unwrap().and_then(Found::bucket).unwrap();
        assert_eq!(bolt.get(&bucket, b"a").unwrap().and_then(Found::value).unwrap(), wanted);
    }
    // More than a page: it overflows into the next ones.
    assert_eq!(value(&mut bolt, b"value").unwrap().len(), 9_000);
}

#[test]
fn what_has_no_end_is_ended() {
    let mut made = Made::new(4 << 10);
    // A branch whose child is itself.
    let mut circle = header(0, IS_BRANCH, 1, 0);
    circle.extend(16_u32.to_le_bytes());
    circle.extend(0_u32.to_le_bytes());
    circle.extend(2_u64.to_le_bytes());
    let root = made.put(circle);
    assert_eq!(root, 2);
    made.meta(0, root, 1);
    let circle = made.file();
    let mut bolt = Bolt::open(&circle).unwrap();
    assert!(matches!(bolt.get(&bolt.root(), b"k"), Err(Fault::Limit("LEVELS", _))));
    assert!(matches!(bolt.keys(&bolt.root(), 1), Err(Fault::Limit("LEVELS", _))));

    let mut made = Made::new(4 << 10);
    let at_most = usize::try_from(PAGE_BYTES).unwrap();
    let large = |bytes: usize| leaf(&[(0, b"k", vec![1; bytes - HEADER - ELEMENT - 1])]);
    let (fits, over) = (made.put(large(at_most)), made.put(large(at_most + 1)));
    made.meta(0, fits, 1);
    made.meta(1, over, 2);
    let too_large = made.file();
    let mut bolt = Bolt::open(&too_large).unwrap();
    assert!(matches!(bolt.get(&Bucket::Root(over), b"k"), Err(Fault::Limit("PAGE_BYTES", _))));
    assert!(bolt.get(&Bucket::Root(fits), b"k").unwrap().is_some());
    for _ in 1..PAGES - 1 {
        bolt.get(&Bucket::Root(over), b"k").unwrap_err();
    }
    assert!(matches!(bolt.get(&Bucket::Root(fits), b"k"), Err(Fault::Limit("PAGES", _))));
}
