//! The files of an image, where somebody asked for them, and what they tell about the packages.
//!
//! An image has a hundred times more files than packages, so they are kept small: checksums as bytes, names of layers
//! and packages once for all. Whoever clones an inventory shares the list.
//!
//! In a document a file has the format's own element with path and checksums, and belongs to its package by the
//! format's own relationship where there is one. What no format has a field for stands in one text of ours behind
//! `FILE_MARK`. A path that a notation cannot write (control characters, blanks at its end) is shown with `U+FFFD` in
//! their place and stands there as it is.

use crate::{Layout, limits};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::{Borrow, Cow};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io::{self, Write};
use std::ops::Deref;
use std::sync::Arc;

/// What begins the text of ours beside a file; in CycloneDX without the `=` the name of the property.
pub(crate) const FILE_MARK: &str = "seaworthy:file=";
/// A package's property: the SHA-256 over `<sha256>  <path>\n` of every file that the package owns, sorted by path, as
/// they are in the image. Hashed are paths with the slash before them. It says which files an installed package
/// consists of, and is no checksum of the package as distributed.
pub const INSTALLED_FILES_SHA256: &str = "seaworthy:installed-files-sha256";
/// Missing files that are named; further ones are counted.
pub const MISSING_NAMED: usize = 1_000;

/// The files of an inventory, sorted by path; clones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(Arc<Vec<File>>);

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// The absolute path in the image.
    pub path: Box<str>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its permissions, with the bits for other users, groups and the sticky bit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The SHA-256 of its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Hex<32>>,
    /// The SHA-1 of its content, which SPDX 2.3 asks for. Proves nothing against an attacker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha1: Option<Hex<20>>,
    /// The digest of the layer that wrote it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Shared>,
    /// The [`Package::id`](crate::inventory::Package::id) of the package that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Shared>,
    /// Whether it is what its package recorded.
    #[serde(default, skip_serializing_if = "State::is_unknown")]
    pub state: State,
}

impl File {
    /// Writes all of it, so that no other file is written the same.
    pub(crate) fn identify(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { path, size, mode, sha256, sha1, layer, package, state } = self;
        for text in [Some(&**path), layer.as_deref(), package.as_deref()] {
            let text = text.map(str::as_bytes);
            out.write_all(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes())?;
            out.write_all(text.unwrap_or_default())?;
        }
        for known in [size.is_some(), mode.is_some(), sha256.is_some(), sha1.is_some()] {
            out.write_all(&[u8::from(known)])?;
        }
        out.write_all(&size.unwrap_or_default().to_le_bytes())?;
        out.write_all(&mode.map_or(0, |mode| mode.0).to_le_bytes())?;
        out.write_all(sha256.as_ref().map_or(&[], |sum| &sum.0[..]))?;
        out.write_all(sha1.as_ref().map_or(&[], |sum| &sum.0[..]))?;
        out.write_all(&[*state as u8])
    }
}

/// Whether a file is what its package recorded at installation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nobody recorded anything about its content, or it was not compared.
    #[default]
    Unknown,
    /// It is.
    AsRecorded,
    /// It is not.
    Changed,
    /// It is not, and the package says that it is configuration, which people change.
    ConfigurationChanged,
}

impl State {
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }

    /// Whether the content is other than what was recorded.
    pub fn is_changed(self) -> bool {
        matches!(self, Self::Changed | Self::ConfigurationChanged)
    }
}

/// A text that many files share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shared(Arc<str>);

impl From<&str> for Shared {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Deref for Shared {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Shared {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// A checksum as bytes; lower-case hex in documents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> Hex<N> {
    /// Reads hex digits of either case.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).ok().map(|()| Self(bytes))
    }

    /// Its digits, written to `room`, which has enough for SHA-512; what is longer has no name in any format.
    fn digits<'a>(&self, room: &'a mut [u8; 128]) -> Option<&'a str> {
        let digits = room.get_mut(..2 * N)?;
        hex::encode_to_slice(self.0, digits).ok()?;
        std::str::from_utf8(digits).ok()
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits(&mut [0; 128]).ok_or(fmt::Error)?)
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.digits(&mut [0; 128]) {
            Some(digits) => serializer.serialize_str(digits),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("no checksum of {N} bytes")))
    }
}

/// Permissions, the lowest twelve bits; four octal digits in documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u16);

impl Mode {
    /// The permissions in `bits`; the kind of file, which stands above them, is left out.
    pub fn of(bits: u32) -> Self {
        Self(u16::try_from(bits & 0o7777).unwrap_or_default())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u16::from_str_radix(&text, 8) {
            Ok(bits) if bits <= 0o7777 => Ok(Self(bits)),
            _ => Err(de::Error::custom("no permissions in octal digits")),
        }
    }
}

impl From<Vec<File>> for Files {
    fn from(files: Vec<File>) -> Self {
        Self(Arc::new(files))
    }
}

impl Deref for Files {
    type Target = [File];
    fn deref(&self) -> &[File] {
        &self.0
    }
}

impl Files {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sorts by path and takes out what is said twice.
    pub fn normalize(&mut self) {
        if !self.0.windows(2).all(|pair| matches!(pair, [a, b] if a < b)) {
            let files = Arc::make_mut(&mut self.0);
            files.sort_unstable();
            files.dedup();
        }
    }

    /// All of them, changeable; a list that somebody shares is copied first.
    pub fn make_mut(&mut self) -> &mut Vec<File> {
        Arc::make_mut(&mut self.0)
    }

    /// The packages that own files here.
    pub fn owners(&self) -> HashSet<&str> {
        self.iter().filter_map(|f| f.package.as_deref()).collect()
    }
}

impl Serialize for Files {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Vec<File>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of files")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<File>, A::Error> {
                let mut files = Vec::new();
                while let Some(file) = seq.next_element()? {
                    if files.len() >= limits::FILES {
                        return Err(de::Error::custom(crate::json::over("FILES")));
                    }
                    files.push(file);
                }
                Ok(files)
            }
        }
        let mut files = deserializer.deserialize_seq(List)?;
        let mut interned = Interned::default();
        for file in &mut files {
            interned.share(&mut file.layer);
            interned.share(&mut file.package);
        }
        Ok(files.into())
    }
}

/// Texts that were seen, so that each is kept once.
#[derive(Default)]
pub(crate) struct Interned(HashSet<Shared>);

impl Interned {
    /// The text as one that is shared.
    pub(crate) fn text(&mut self, text: &str) -> Shared {
        match self.0.get(text) {
            Some(known) => known.clone(),
            None => {
                let new = Shared::from(text);
                self.0.insert(new.clone());
                new
            }
        }
    }

    fn share(&mut self, text: &mut Option<Shared>) {
        if let Some(own) = text.take() {
            *text = Some(self.text(&own));
        }
    }
}

/// Which files were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// None: nothing is hashed and nothing known about them.
    #[default]
    None,
    /// Those that no package owns, and those that are not what their package recorded.
    Unowned,
    /// Those that a package owns.
    Owned,
    /// All of them.
    All,
}

impl Selection {
    /// Every selection by its name.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::All, "all"), (Self::Owned, "owned"), (Self::Unowned, "unowned"), (Self::None, "none")];

    /// The selection of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(selection, _)| *selection)
    }

    /// Whether a file with that owner and state is listed.
    pub fn lists(self, file: &File) -> bool {
        match self {
            Self::None => false,
            Self::Unowned => file.package.is_none() || file.state.is_changed(),
            Self::Owned => file.package.is_some(),
            Self::All => true,
        }
    }
}

/// What the files of an image tell, whichever of them are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileFindings {
    /// Which files are listed.
    pub listed: Selection,
    /// Regular files in the image, each by all of its names.
    pub files: u64,
    /// Of these, the ones that a package owns.
    pub owned: u64,
    /// Of these, the ones that no package owns.
    pub unowned: Tally,
    /// Files that no package owns, by directory: two levels, three below `/usr` and `/var`.
    pub unowned_in: BTreeMap<String, Tally>,
    /// Owned files that are what was recorded.
    pub as_recorded: u64,
    /// Owned files that are not, without configuration.
    pub changed: u64,
    /// Configuration that is not what was recorded.
    pub configuration_changed: u64,
    /// Files that a package recorded and that are not there, without documentation.
    pub missing: u64,
    /// The same for documentation, manuals and translations, which images are often built without.
    pub missing_documentation: u64,
    /// The missing files by path, each with the name of its package; at most [`MISSING_NAMED`].
    pub missing_files: BTreeMap<String, String>,
}

/// A number of files and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

impl Tally {
    /// One more file of that size.
    pub fn add(&mut self, size: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(size);
    }
}

/// The directory under which a file that nobody owns is counted.
pub fn directory(path: &str) -> &str {
    let deep = ["/usr/", "/var/"].iter().any(|top| path.starts_with(top));
    let parents = path.rfind('/').unwrap_or_default();
    let slashes = path.match_indices('/').map(|(at, _)| at);
    let wanted = if deep { 3 } else { 2 };
    let end = slashes.take_while(|at| *at <= parents).nth(wanted).unwrap_or(parents);
    match path.get(..end) {
        Some("") | None => "/",
        Some(dir) => dir,
    }
}

/// What stands in our text beside a file.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Aside {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<LayerName>,
    /// What the document calls the package, where it has no relationship that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    package: Option<String>,
    #[serde(default, skip_serializing_if = "State::is_unknown")]
    state: State,
}

/// A layer by its place among the layers of the document, from 0, or by its digest where it is none of them.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum LayerName {
    Place(usize),
    Digest(String),
}

/// Writes the files of one inventory as elements of a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writer {
    pub(crate) files: Files,
    layers: Arc<HashMap<String, usize>>,
    /// What the document calls each package.
    names: Arc<HashMap<String, String>>,
    /// Packages to which a relationship of the document gives their files.
    related: Arc<HashSet<String>>,
    /// How the document is laid out, where it is JSON.
    pub(crate) layout: Layout,
}

impl Writer {
    /// `names` are what the document calls the packages; those in `related` get their files by relationships.
    pub(crate) fn new(
        inventory: &crate::inventory::Inventory,
        names: HashMap<String, String>,
        related: HashSet<String>,
        layout: Layout,
    ) -> Self {
        let layers = inventory.layers.iter().enumerate().rev();
        Self {
            files: inventory.files.clone(),
            layers: Arc::new(layers.map(|(at, layer)| (layer.digest.clone(), at)).collect()),
            names: Arc::new(names),
            related: Arc::new(related),
            layout,
        }
    }

    /// What the document calls the package to which a relationship gives the file.
    pub(crate) fn owner(&self, file: &File) -> Option<&str> {
        let owner = file.package.as_deref()?;
        self.related.contains(owner).then(|| self.names.get(owner).map(String::as_str))?
    }

    /// Our text beside the file; `None` where there is nothing to say.
    pub(crate) fn aside(&self, file: &File) -> Option<String> {
        let owner = file.package.as_deref().filter(|_| self.owner(file).is_none());
        let aside = Aside {
            path: (shown(&file.path) != *file.path).then(|| file.path.clone()),
            size: file.size,
            mode: file.mode,
            layer: file.layer.as_deref().map(|digest| match self.layers.get(digest) {
                Some(place) => LayerName::Place(*place),
                None => LayerName::Digest(digest.to_owned()),
            }),
            package: owner.map(|id| self.names.get(id).cloned().unwrap_or_else(|| id.to_owned())),
            state: file.state,
        };
        if aside == Aside::default() {
            return None;
        }
        // Of a struct of texts and numbers. What XML has no way to write is escaped as JSON allows.
        let text = serde_json::to_string(&aside).ok()?;
        Some(match text.is_ascii() {
            true => text,
            false => text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"),
        })
    }
}

/// The path as every notation can write it.
pub(crate) fn shown(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|b| b.is_ascii_graphic()) {
        return Cow::Borrowed(path);
    }
    let odd = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    let mut text: String = path.chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect();
    while text.ends_with(char::is_whitespace) {
        text.pop();
        text.push('\u{fffd}');
    }
    Cow::Owned(text)
}

/// Puts files together that a document gives as elements and relationships.
#[derive(Default)]
pub(crate) struct Reader {
    files: Vec<File>,
    /// The document's own names of the files.
    named: HashMap<String, usize>,
    interned: Interned,
}

impl Reader {
    /// Takes a file that the document calls `name` and shows at `path`. `false`: that is over the limit
    /// [`limits::FILES`].
    pub(crate) fn take(
        &mut self,
        name: &str,
        path: &str,
        checksums: impl IntoIterator<Item = (String, String)>,
        aside: Option<&str>,
    ) -> bool {
        let mut file = File { path: absolute(path), ..File::default() };
        for (algorithm, hex) in checksums {
            match algorithm.as_str() {
                "SHA256" => file.sha256 = Hex::parse(&hex),
                "SHA1" => file.sha1 = Hex::parse(&hex),
                _ => {}
            }
        }
        if let Some(aside) = aside.and_then(|text| serde_json::from_str::<Aside>(text).ok()) {
            file.path = aside.path.unwrap_or(file.path);
            (file.size, file.mode, file.state) = (aside.size, aside.mode, aside.state);
            // Names are made the model's own in `finish`.
            file.package = aside.package.map(|name| self.interned.text(&name));
            file.layer = aside.layer.map(|layer| match layer {
                LayerName::Place(place) => self.interned.text(&format!("#{place}")),
                LayerName::Digest(digest) => self.interned.text(&digest),
            });
        }
        if !name.is_empty() {
            self.named.entry(name.to_owned()).or_insert(self.files.len());
        }
        self.files.push(file);
        self.files.len() <= limits::FILES
    }

    /// The layer of the file that was taken last.
    pub(crate) fn last_layer(&mut self, digest: &str) {
        let digest = self.interned.text(digest);
        if let Some(last) = self.files.last_mut() {
            last.layer = Some(digest);
        }
    }

    #[cfg(feature = "documents")]
    /// Size and permissions of the file that was taken last.
    pub(crate) fn last_facts(&mut self, size: Option<u64>, mode: Option<Mode>) {
        if let Some(last) = self.files.last_mut() {
            (last.size, last.mode) = (size, mode);
        }
    }

    /// A relationship gives the file to the package, both by the document's names. Whether the file is known.
    pub(crate) fn owned(&mut self, package: &str, file: &str) -> bool {
        let Some(file) = self.named.get(file).and_then(|at| self.files.get_mut(*at)) else { return false };
        file.package.get_or_insert_with(|| self.interned.text(package));
        true
    }

    /// The files, with layers and packages by their own names. A package that is not there is nobody.
    pub(crate) fn finish(
        self,
        layers: &[crate::inventory::Layer],
        id: impl Fn(&str) -> Option<String>,
    ) -> Files {
        let Self { mut files, mut interned, named } = self;
        drop(named);
        let mut ids: HashMap<Shared, Option<Shared>> = HashMap::new();
        for file in &mut files {
            if let Some(owner) = file.package.take() {
                let known =
                    ids.entry(owner).or_insert_with_key(|name| id(name).map(|id| Shared::from(id.as_str())));
                file.package.clone_from(known);
            }
            if let Some(place) = file.layer.as_deref().and_then(|name| name.strip_prefix('#')) {
                let layer = place.parse::<usize>().ok().and_then(|place| layers.get(place));
                file.layer = layer.map(|layer| interned.text(&layer.digest));
            }
        }
        files.into()
    }
}

/// Whether a checksum, by SPDX's name of its algorithm, has a place in an inventory of files.
#[cfg(feature = "documents")]
pub(crate) fn checksum_is_read(algorithm: &str, hex: &str) -> bool {
    match algorithm {
        "SHA1" => Hex::<20>::parse(hex).is_some(),
        "SHA256" => Hex::<32>::parse(hex).is_some(),
        _ => false,
    }
}

/// Paths as documents write them, `./usr/bin/x` in SPDX, with the slash at the beginning.
fn absolute(path: &str) -> Box<str> {
    match path.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(path) {
        absolute if absolute.starts_with('/') => absolute.into(),
        relative => format!("/{relative}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_what_nobody_owns() {
        for (path, dir) in [
            ("/x", "/"),
            ("/etc/passwd", "/etc"),
            ("/app/src/lib/a.js", "/app/src"),
            ("/usr/local/lib/a/b", "/usr/local/lib"),
            ("/usr/bin/x", "/usr/bin"),
            ("/var/lib/dpkg/info/a.list", "/var/lib/dpkg"),
        ] {
            assert_eq!(directory(path), dir, "{path}");
        }
    }

    #[test]
    fn permissions_and_checksums_are_strict() {
        assert_eq!(Mode::of(0o100_4755).to_string(), "4755");
        for bad in ["\"9\"", "\"17777\"", "7", "\"-1\""] {
            assert!(serde_json::from_str::<Mode>(bad).is_err(), "{bad}");
        }
        assert!(Hex::<20>::parse(&"a".repeat(39)).is_none());
        assert_eq!(Hex::<2>::parse("AbcD").unwrap().to_string(), "abcd");
    }
}
