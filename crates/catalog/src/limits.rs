//! Every byte and entry of a layer that an outsider controls, by name and with its reason.
//!
//! Limits of the structure (layers, tar) end in [`crate::ErrorKind::LimitExceeded`]: what cannot be walked to its
//! end cannot be inventoried. Limits of one file end in a gap, and the rest of the image is still read.

/// The tar within one layer. Ten times the largest layer that is stored ([`seaworthy_oci::limits::LAYER_BYTES`]).
pub const LAYER_UNPACKED_BYTES: u64 = 100 << 30;
/// How many bytes one compressed byte may become. Real layers stay below 20; deflate can reach 1032.
pub const RATIO: u64 = 200;
/// Bytes of a layer for which [`RATIO`] is not asked: a file of zeros is no attack.
pub const RATIO_GRACE: u64 = 64 << 20;
/// Entries of one layer's tar; a full desktop has half a million.
pub const LAYER_ENTRIES: u64 = 1_000_000;
/// Entries of all layers of an image: each costs eight bytes until the layers are squashed.
pub const IMAGE_ENTRIES: u64 = 4_000_000;
/// Files of one layer, where files are asked for: a full desktop has half a million. Each takes 200 bytes.
pub const LAYER_FILES: usize = 600_000;
/// Files of an image, as all its layers leave them.
pub const IMAGE_FILES: usize = 800_000;
/// One PAX header or GNU long name; a path cannot be longer than 4096 bytes.
pub const TAR_EXTENSION_BYTES: u64 = 1 << 20;
/// `PATH_MAX` of Linux: no runtime unpacks a longer one.
pub const PATH_BYTES: usize = 4096;
/// Symbolic links and whiteouts of one layer, as bytes of their paths and targets.
pub const LINK_BYTES: usize = 32 << 20;
/// Symbolic links that are followed for one path, as Linux does.
pub const LINK_HOPS: usize = 40;
/// Bytes of all files of one layer that catalogers want.
pub const LAYER_WANTED_BYTES: u64 = 256 << 20;
/// Bytes of the wanted files of all layers of an image.
pub const IMAGE_WANTED_BYTES: u64 = 512 << 20;
/// Files of one layer that catalogers want; the largest node image seen has 20,000.
pub const LAYER_WANTED_FILES: usize = 200_000;
/// Gaps that one layer or one cataloger reports one by one; further ones are counted.
pub const GAPS: usize = 1_000;
/// A package database (dpkg status, apk installed); a system of 5,000 packages has 8 MiB.
pub const DATABASE_BYTES: u64 = 64 << 20;
/// A package's name where its ecosystem sets no shorter limit; Go's module paths are the longest.
pub const NAME_BYTES: usize = 512;
/// A package's version; the longest seen are pseudo-versions and revisions of 64 letters.
pub const VERSION_BYTES: usize = 256;
/// Licences that one package names.
pub const LICENCES: usize = 100;
/// Packages of one database.
pub const DATABASE_PACKAGES: usize = 200_000;
/// An rpm database; a Fedora workstation has 150 MiB, an image of the minimal flavour 15.
pub const RPM_DATABASE_BYTES: u64 = 192 << 20;
/// One header of an rpm database; the largest in Fedora (kernels, documentation) have 5 MiB.
pub const RPM_HEADER_BYTES: usize = 32 << 20;
/// Files of one rpm; the largest own 100,000.
pub const RPM_FILES: usize = 1_000_000;
/// Paths of all rpms of a database, put together from directory and name: long directories named by many
/// files cost more than they take in the database.
pub const RPM_PATH_BYTES: usize = 256 << 20;
/// A Java archive as a file: it is held while it is read. The largest that was seen in images has 130 MiB.
pub const JAR_BYTES: u64 = 256 << 20;
/// An archive in an archive; half of it for one in that one, and so on.
pub const JAR_NESTED_BYTES: usize = 128 << 20;
/// `pom.xml` and `pom.properties` of one archive; shaded clients of clouds have 500.
pub const JAR_POMS: usize = 4_000;
/// Archives in archives: an ear holds a war that holds jars; further ones are no layout of Java.
pub const JAR_DEPTH: usize = 6;
/// Entries of an archive and of all archives in it; application servers come to 150,000.
pub const JAR_ENTRIES: usize = 500_000;
/// Packages of an archive with all archives in it.
pub const JAR_PACKAGES: usize = 20_000;
/// How many times its own size is looked at in an archive, archives in it included.
pub const JAR_READ_RATIO: usize = 8;
/// The same for small archives, whose manifest may be larger than the archive.
pub const JAR_READ_GRACE: usize = 256 << 10;
/// A manifest or a `pom.xml`; signed archives list every class in it.
pub const JAR_TEXT_BYTES: usize = 16 << 20;
/// A `pom.properties`.
pub const JAR_PROPERTIES_BYTES: usize = 64 << 10;
/// A list of a package's files; kernels have 2 MiB.
pub const LIST_BYTES: u64 = 16 << 20;
/// A `package.json`; the largest that npm takes is smaller.
pub const PACKAGE_JSON_BYTES: u64 = 1 << 20;
/// Dependencies that one package names; beyond it they are left out and a gap says so.
pub const DEPENDENCIES: usize = 10_000;
/// A Debian copyright file; the longest in Debian 12 has 1.6 MiB and is an outlier.
pub const COPYRIGHT_BYTES: u64 = 2 << 20;
/// A licence text; the longest of SPDX's list has 50 KiB, and what is longer lists the licences of many parts.
pub const LICENCE_TEXT_BYTES: u64 = 64 << 10;
/// Licence texts of one layer; the largest node image seen has 2,000.
pub const LAYER_TEXTS: usize = 20_000;
/// Bytes of all licence texts of a layer; those of an image with 100,000 files come to 4 MiB.
pub const LAYER_TEXT_BYTES: u64 = 16 << 20;
/// Bytes of the texts of an image that are compared with known licences, each text once: a second or two of work.
pub const IMAGE_TEXT_BYTES: usize = 8 << 20;
/// Bytes of the licence texts that are kept of one Java archive with all in it: 300 times the longest usual one.
pub const JAR_TEXTS_BYTES: usize = 4 << 20;
/// A zipped Python egg: it is held while it is read. The largest have 30 MiB.
pub const EGG_BYTES: u64 = 64 << 20;
/// A Python `METADATA` or `PKG-INFO`, long description included.
pub const METADATA_BYTES: u64 = 4 << 20;
/// An `os-release`.
pub const OS_RELEASE_BYTES: u64 = 64 << 10;
/// A `direct_url.json`.
pub const DIRECT_URL_BYTES: u64 = 64 << 10;
/// Text that is taken over into the inventory from one field.
pub const FIELD_BYTES: usize = 16 << 10;
/// Worker threads, whatever the caller asks for.
pub const THREADS: usize = 16;
/// Go's build information in one executable; Kubernetes has 40 KiB.
pub const GO_BUILD_INFO_BYTES: usize = 4 << 20;
/// The list of cargo-auditable, unpacked; a browser's engine has 200 KiB.
pub const AUDIT_BYTES: usize = 8 << 20;
/// Dependencies in one list of cargo-auditable; together they are less than a square of the crates.
pub const AUDIT_EDGES: usize = 200_000;
/// Modules or crates of one executable.
pub const ELF_MODULES: usize = 10_000;
/// Places of one executable that are followed at a time, and build informations that are taken from it.
pub const ELF_CAPTURES: usize = 8;
/// The shortest file that is looked at as an executable: an ELF header and one program header.
pub const ELF_LEAST_BYTES: u64 = 84;
/// One segment of notes in an executable; those of distributions have 300 bytes.
pub const ELF_NOTE_BYTES: usize = 64 << 10;
/// Inflaters that are set up for one executable, and one more for each [`ELF_BYTES_PER_TRY`]: real ones need
/// fewer by far, and an image of places that look like zlib must not cost hours.
pub const ELF_TRIES: u64 = 32;
/// See [`ELF_TRIES`].
pub const ELF_BYTES_PER_TRY: u64 = 1 << 20;
/// One block of a program that UPX packed, unpacked: it is held. Blocks are segments; the largest of Go programs seen
/// have 45 MiB.
pub const UPX_BLOCK_BYTES: usize = 96 << 20;
/// Blocks of one such program: older versions of UPX make one for each half MiB.
pub const UPX_BLOCKS: usize = 10_000;
/// How many bytes one of its bytes may become; real ones stay below 10.
pub const UPX_RATIO: u64 = 64;
/// Bytes of such a program for which [`UPX_RATIO`] is not asked: tables of zeros are no attack.
pub const UPX_GRACE: u64 = 16 << 20;
/// What is unpacked of all such programs of a layer together: it takes half a minute.
pub const UPX_LAYER_BYTES: u64 = 2 << 30;
/// The list of libraries in a single-file application of .NET; it is held with what stands between it and the end.
pub const BUNDLE_LIST_BYTES: usize = 16 << 20;
/// The manifest of such an application; 500 files take 30 KiB.
pub const BUNDLE_MANIFEST_BYTES: usize = 4 << 20;
/// The SBOM in a native image of GraalVM, compressed; those of 50 components have 3 KiB.
pub const NATIVE_SBOM_BYTES: usize = 4 << 20;
/// A gemspec; the longest that RubyGems wrote has 60 KiB, most of it names of files.
pub const GEMSPEC_BYTES: u64 = 1 << 20;
/// All cached layers together; what was not used for longest goes first.
pub const CACHE_BYTES: u64 = 1 << 30;
/// What is cached of one layer; 100,000 files and 5,000 packages are 8 MiB.
pub const CACHE_ENTRY_BYTES: u64 = 128 << 20;
/// An SBOM that an image carries; those of whole distribution images have 20 MiB.
pub const EMBEDDED_SBOM_BYTES: u64 = 32 << 20;
/// Packages of one such SBOM; it is held as packages until the image is read.
pub const EMBEDDED_SBOM_PACKAGES: usize = 20_000;
/// The start of a model or a kernel; the metadata of models come before their vocabulary, within a few kilobytes.
pub const MODEL_HEAD_BYTES: usize = 1 << 20;
/// A kernel module, packed and unpacked; the largest of distributions (amdgpu) has 25 MiB.
pub const MODULE_BYTES: u64 = 64 << 20;
/// The resources of a PE file, in which its version stands; those of browsers have 5 MiB of pictures and texts.
pub const PE_RESOURCE_BYTES: usize = 8 << 20;
/// Directories within directories of a file system: each costs one call for every part of its path.
pub const DIRECTORY_DEPTH: usize = 256;
/// An archive of packages that is read as a single file: it is held while it is read.
pub const SINGLE_ZIP_BYTES: u64 = JAR_BYTES;
/// A layer's table of contents, packed and unpacked; 100,000 files in 200,000 pieces are 40 MB.
pub const TOC_BYTES: u64 = 64 << 20;
/// Entries of one such table, further pieces of files included.
pub const TOC_ENTRIES: usize = 500_000;
/// The smallest layer that is read by its table: a smaller one is there with the first answer.
pub const LAZY_LEAST_BYTES: u64 = 64 << 10;
