//! Headers that no rpm writes: their limits, at one more.

use super::*;

/// A header of these fields (rpm's `lib/header.c`): tag, type, count, data.
fn blob(fields: &[(u32, u32, usize, Vec<u8>)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, kind, count, bytes) in fields {
        // Numbers stand at multiples of their size.
        data.resize(data.len().next_multiple_of(4), 0);
        for word in [*tag, *kind, u32::try_from(data.len()).unwrap(), u32::try_from(*count).unwrap()] {
            index.extend(word.to_be_bytes());
        }
        data.extend(bytes);
    }
    let mut out = u32::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
    out.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    out.extend(index);
    out.extend(data);
    out
}

/// A package with `count` files of one name in one directory, and what was noted of it.
fn notes(count: usize, directory: &str, name: &str) -> Vec<String> {
    let text = |text: &str| format!("{text}\0").into_bytes();
    let fields = [
        (tag::NAME, 6, 1, text("a")),
        (tag::VERSION, 6, 1, text("1")),
        (tag::RELEASE, 6, 1, text("1")),
        (tag::ARCH, 6, 1, text("noarch")),
        (tag::DIR_INDEXES, 4, count, vec![0; 4 * count]),
        (tag::BASENAMES, 8, count, text(name).repeat(count)),
        (tag::DIRNAMES, 8, 1, text(directory)),
    ];
    let blob = blob(&fields);
    assert!(blob.len() <= limits::RPM_HEADER_BYTES);
    let mut database = Database::new(blob.len());
    database.header(&blob).unwrap();
    assert_eq!(database.entries.len(), 1);
    database.finish().notes
}

#[test]
fn files_of_a_package_are_bounded_at_limit_plus_one() {
    assert_eq!(notes(limits::RPM_FILES, "/", "f"), Vec::<String>::new());
    let more = notes(limits::RPM_FILES + 1, "/", "f");
    assert!(more.len() == 1 && more[0].contains("RPM_FILES"), "{more:?}");
}

#[test]
fn paths_of_a_database_are_bounded_at_limit_plus_one() {
    // 2,048 bytes each, without the slash before them.
    let directory = format!("/{}/", "d".repeat(2_046));
    let count = limits::RPM_PATH_BYTES / 2_048;
    assert_eq!(notes(count, &directory, "f"), Vec::<String>::new());
    let more = notes(count + 1, &directory, "f");
    assert!(more.len() == 1 && more[0].contains("RPM_PATH_BYTES"), "{more:?}");
}
