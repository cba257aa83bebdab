//! Files where they are asked for: content, layer, owner, what was recorded, what is missing.

use crate::support::*;
use seaworthy_catalog::Options;
use seaworthy_sbom::files::{File, FileFindings, INSTALLED_FILES_SHA256, Selection, State, Tally};
use seaworthy_sbom::inventory::Inventory;

fn with(files: Selection, layers: &[Layer]) -> Inventory {
    Built::new(layers).read_with(&Options { files, ..Options::default() }).unwrap()
}

fn file<'a>(inventory: &'a Inventory, path: &str) -> &'a File {
    inventory
        .files
        .iter()
        .find(|f| &*f.path == path)
        .unwrap_or_else(|| panic!("{path}: {:?}", paths(inventory)))
}

fn paths(inventory: &Inventory) -> Vec<&str> {
    inventory.files.iter().map(|f| &*f.path).collect()
}

fn owner<'a>(inventory: &'a Inventory, path: &str) -> Option<&'a str> {
    let id = file(inventory, path).package.as_deref()?;
    Some(inventory.package(id).unwrap().name.as_str())
}

fn findings(inventory: &Inventory) -> &FileFindings {
    inventory.file_findings.as_ref().unwrap()
}

const INFO: &str = "var/lib/dpkg/info";
/// `printf x | md5sum`
const MD5_X: &str = "9dd4e461268c8034f5c8564e155c67a6";

fn system() -> Tar {
    let status = deb("a", "1").replace("\n\n", &format!("\nConffiles:\n /etc/a.conf {MD5_X}\n\n"));
    Tar::default()
        .symlink("bin", "usr/bin")
        .file(STATUS, status + &deb("b", "2"))
        .file(&format!("{INFO}/a.list"), "/.\n/bin\n/bin/tool\n/bin/other\n/etc/a.conf\n/usr/share/doc/a/x\n/bin/sh\n")
        .file(
            &format!("{INFO}/a.md5sums"),
            format!("{MD5_X}  bin/tool\n{MD5_X}  bin/other\n{MD5_X}  usr/share/doc/a/x\n{MD5_X}  bin/gone\n{MD5_X}  bin/sh\n"),
        )
        .file(&format!("{INFO}/b:amd64.list"), "/bin/sh\n")
        .file("var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\nb\n")
        .file("usr/bin/tool", "x")
        .file("usr/bin/other", "x")
        .file("usr/bin/sh", "y")
        .file("usr/bin/sh.distrib", "x")
        .file("etc/a.conf", "x")
        .file("opt/mine/app", "12345")
}

#[test]
fn nothing_is_listed_unless_somebody_asks() {
    let found = read(&[system().gzip()]);
    assert!(found.files.is_empty() && found.file_findings.is_none());
    assert!(!package(&found, "a").properties.contains_key(INSTALLED_FILES_SHA256));
}

#[test]
fn content_layer_and_owner() {
    let second =
        Tar::default().file("bin/tool", "changed").file("etc/a.conf", "mine").file("opt/mine/.wh.app", "");
    let built = Built::new(&[system().gzip(), second.zstd()]);
    let found = built.read_with(&Options { files: Selection::All, ..Options::default() }).unwrap();
    let tool = file(&found, "/usr/bin/tool");
    // printf changed | sha256sum; | sha1sum
    assert_eq!(
        tool.sha256.unwrap().to_string(),
        "d67e2e944994496c8d8ec76eed0cf9f09679448d584b532bebf941852a37f5ed"
    );
    assert_eq!(tool.sha1.unwrap().to_string(), "37c6c57bedf4305ef41249c1794760b5cb8fad17");
    assert_eq!((tool.size, tool.mode.unwrap().to_string().as_str()), (Some(7), "0644"));
    assert_eq!(tool.layer.as_deref(), Some(built.layer(1).as_str()));
    assert_eq!(file(&found, "/usr/bin/other").layer.as_deref(), Some(built.layer(0).as_str()));
    let states: Vec<State> = ["/usr/bin/tool", "/usr/bin/other", "/etc/a.conf"]
        .iter()
        .map(|path| file(&found, path).state)
        .collect();
    assert_eq!(states, [State::Changed, State::AsRecorded, State::ConfigurationChanged]);
    assert_eq!(owner(&found, "/usr/bin/tool"), Some("a"));
    assert_eq!(owner(&found, "/usr/bin/sh"), Some("b"));
    assert_eq!(owner(&found, "/usr/bin/sh.distrib"), Some("a"));
    assert_eq!(file(&found, "/usr/bin/sh.distrib").state, State::AsRecorded);
    assert_eq!(owner(&found, "/var/lib/dpkg/info/b:amd64.list"), Some("b"));
    assert_eq!(owner(&found, &format!("/{STATUS}")), None);
    assert!(!paths(&found).contains(&"/opt/mine/app"), "{:?}", paths(&found));
    let told = findings(&found);
    assert_eq!((told.changed, told.configuration_changed), (1, 1));
    assert_eq!((told.missing, told.missing_documentation), (1, 1));
    assert_eq!(
        told.missing_files.iter().collect::<Vec<_>>(),
        [(&"/usr/bin/gone".to_owned(), &"a".to_owned())]
    );
    assert_eq!(told.files, told.owned + told.unowned.files);
}

#[test]
fn what_is_listed_is_what_was_asked_for() {
    let layers = [system().gzip(), Tar::default().file("usr/bin/tool", "changed").gzip()];
    let all = with(Selection::All, &layers);
    let unowned = with(Selection::Unowned, &layers);
    assert_eq!(
        paths(&unowned),
        ["/opt/mine/app", "/usr/bin/tool", "/var/lib/dpkg/diversions", "/var/lib/dpkg/status"]
    );
    let owned = with(Selection::Owned, &layers);
    assert!(owned.files.iter().all(|f| f.package.is_some()));
    assert_eq!(owned.files.len() as u64, findings(&all).owned);
    let mut told = findings(&all).clone();
    told.listed = Selection::Unowned;
    assert_eq!(&told, findings(&unowned));
    assert_eq!(told.unowned_in["/opt/mine"], Tally { files: 1, bytes: 5 });
    // MD5 sums, which dpkg alone has, are made for whoever looks for changes.
    assert_eq!((told.changed, findings(&owned).changed), (1, 0));
    assert!(owned.files.iter().all(|f| f.state == State::Unknown));
}

/// The property, as somebody with a shell would make it.
#[test]
fn an_installed_package_is_identified_by_its_files() {
    let found = with(Selection::Owned, &[system().gzip()]);
    let lines: String = found
        .files
        .iter()
        .filter(|f| f.package.as_deref() == Some(package(&found, "b").id.as_str()))
        .map(|f| format!("{}  {}\n", f.sha256.unwrap(), f.path))
        .collect();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let expected = seaworthy_oci::Digest::sha256(lines.as_bytes());
    let property = &package(&found, "b").properties[INSTALLED_FILES_SHA256];
    assert_eq!(format!("sha256:{property}"), expected.to_string());
}

#[test]
fn owners_in_other_ecosystems() {
    let record = "a/__init__.py,sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1\n../../../bin/a,,1\na-1.dist-info/METADATA,,\n";
    let found = with(
        Selection::All,
        &[Tar::default()
            .file("usr/lib/python3/site/a-1.dist-info/METADATA", "Name: a\nVersion: 1\n")
            .file("usr/lib/python3/site/a-1.dist-info/RECORD", record)
            .file("usr/lib/python3/site/a/__init__.py", "x")
            .file("usr/bin/a", "x")
            .file("usr/lib/python3/site/a/__pycache__/b.pyc", "x")
            .file("app/node_modules/n/package.json", npm("n", "1"))
            .file("app/node_modules/n/lib/x.js", "x")
            .file("app/node_modules/n/node_modules/m/package.json", npm("m", "1"))
            .file("app/node_modules/n/node_modules/m/y.js", "x")
            .file("app/index.js", "x")
            .file(
                "g/specifications/r-1.gemspec",
                "Gem::Specification.new do |s|\n s.name = \"r\"\n s.version = \"1\"\nend\n",
            )
            .file("g/gems/r-1/lib/r.rb", "x")
            .file("g/extensions/x86_64-linux/3.3.0/r-1/r.so", "x")
            .gzip()],
    );
    for (path, expected) in [
        ("/usr/lib/python3/site/a/__init__.py", Some("a")),
        ("/usr/bin/a", Some("a")),
        ("/usr/lib/python3/site/a/__pycache__/b.pyc", None),
        ("/app/node_modules/n/lib/x.js", Some("n")),
        ("/app/node_modules/n/node_modules/m/y.js", Some("m")),
        ("/app/index.js", None),
        ("/g/specifications/r-1.gemspec", Some("r")),
        ("/g/gems/r-1/lib/r.rb", Some("r")),
        ("/g/extensions/x86_64-linux/3.3.0/r-1/r.so", Some("r")),
    ] {
        assert_eq!(owner(&found, path), expected, "{path}");
    }
    assert_eq!(file(&found, "/usr/lib/python3/site/a/__init__.py").state, State::AsRecorded);
}

#[test]
fn sums_of_apk() {
    // printf x | openssl sha1 -binary | base64
    let database = "P:a\nV:1\nA:x86_64\nF:bin\nR:a\nZ:Q1EfatjsUqKYSrqv18O1FlA3hcIHI=\nR:b\nZ:Q1EfatjsUqKYSrqv18O1FlA3hcIHI=\nR:c\nZ:Q1EfatjsUqKYSrqv18O1FlA3hcIHI=\n\n";
    let found = with(
        Selection::All,
        &[Tar::default().file("lib/apk/db/installed", database).file("bin/a", "x").file("bin/b", "y").gzip()],
    );
    assert_eq!(file(&found, "/bin/a").state, State::AsRecorded);
    assert_eq!(file(&found, "/bin/b").state, State::Changed);
    assert_eq!(findings(&found).missing_files["/bin/c"], "a");
}

#[test]
fn links_replaced_directories_and_what_is_not_listed() {
    let first = Tar::default()
        .file("a/x", "1")
        .file("b/x", "2")
        .hard_link("b/y", "b/x")
        .hard_link("out", "../out")
        .header(b"sparse", b'S', "", 0)
        .header(b"fifo", b'6', "", 0)
        .file("twice", "1")
        .file("twice", "2");
    let second = Tar::default()
        .file("a", "now a file")
        .dir("b")
        .file("b/.wh..wh..opq", "")
        .symlink("c", "b")
        .file("c/z", "3");
    let found = with(Selection::All, &[first.gzip(), second.gzip()]);
    assert_eq!(paths(&found), ["/a", "/b/z", "/twice"]);
    assert_eq!(file(&found, "/twice").size, Some(1));
    assert_eq!(
        gaps(&found),
        ["/out: not listed: a hard link out of the image", "/sparse: not listed: a sparse file"]
    );
    let linked = with(
        Selection::All,
        &[
            Tar::default().file("b/x", "2").hard_link("b/y", "b/x").gzip(),
            Tar::default().hard_link("d", "b/y").gzip(),
        ],
    );
    let sums: Vec<_> = linked.files.iter().map(|f| f.sha256).collect();
    assert!(sums.len() == 3 && sums.iter().all(|sum| *sum == sums[0]));
    let odd = with(Selection::All, &[Tar::default().header(b"\xff", b'0', "", 0).gzip()]);
    assert_eq!(gaps(&odd), ["/\u{fffd}: not read: its name is no UTF-8"]);
}

#[test]
fn cached_layers_give_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let layers = [system().gzip(), Tar::default().file("usr/bin/tool", "changed").gzip()];
    let built = Built::new(&layers);
    let run = |files| {
        let cache = seaworthy_catalog::Cache::open(&dir.path().join("cache")).unwrap();
        let memory = seaworthy_catalog::Memory::of_run([&built.manifest], Some(cache));
        built.read_with(&Options { files, memory, ..Options::default() }).unwrap()
    };
    assert!(run(Selection::None).files.is_empty());
    let cold = run(Selection::All);
    assert_eq!(cold.files.len(), with(Selection::All, &layers).files.len());
    assert_eq!(run(Selection::All), cold);
}

/// Lists of other systems than dpkg's: who owns what, and what is not as it was recorded.
#[test]
fn lists_of_pacman_portage_conda_and_opkg() {
    let sum = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    let conda = format!(
        r#"{{"name":"c","version":"1","files":["bin/c","bin/d"],"paths_data":{{"paths":[{{"_path":"bin/c","sha256":"{sum}"}},{{"_path":"bin/d","sha256":"{sum}","sha256_in_prefix":"{sum}","prefix_placeholder":"/x"}}]}}}}"#
    );
    let store = "nix/store/0c5rpx6x4k7ixkzbf1dzhcrjp6cyvjbp-hello-2.12";
    let found = with(
        Selection::All,
        &[Tar::default()
            .file("var/lib/pacman/local/a-1-1/desc", "%NAME%\na\n\n%VERSION%\n1-1\n")
            .file("var/lib/pacman/local/a-1-1/files", "%FILES%\nusr/\nusr/bin/a\n\n%BACKUP%\netc/a\t0\n")
            .file("usr/bin/a", "x")
            .file("var/db/pkg/sys-apps/b-2/PF", "b-2")
            .file(
                "var/db/pkg/sys-apps/b-2/CONTENTS",
                format!("dir /usr\nobj /usr/share/b b {MD5_X} 17\nobj /usr/share/gone {MD5_X} 17\n"),
            )
            .file("usr/share/b b", "y")
            .file("opt/conda/conda-meta/c-1-0.json", conda)
            .file("opt/conda/bin/c", "x")
            .file("opt/conda/bin/d", "y")
            .file("usr/lib/opkg/status", "Package: e\nVersion: 3\nStatus: install user installed\n")
            .file("usr/lib/opkg/info/e.list", "/usr/bin/e\n")
            .file("usr/bin/e", "x")
            .dir(store)
            .file(&format!("{store}/bin/hello"), "x")
            .file("usr/bin/nobody", "x")
            .gzip()],
    );
    for (path, name) in [
        ("/usr/bin/a", "a"),
        ("/var/lib/pacman/local/a-1-1/files", "a"),
        ("/usr/share/b b", "sys-apps/b"),
        ("/opt/conda/bin/c", "c"),
        ("/usr/bin/e", "e"),
        (&format!("/{store}/bin/hello"), "hello"),
    ] {
        assert_eq!(owner(&found, path), Some(name), "{path}");
    }
    assert_eq!(owner(&found, "/usr/bin/nobody"), None);
    assert_eq!(file(&found, "/usr/share/b b").state, State::Changed);
    assert_eq!(file(&found, "/opt/conda/bin/c").state, State::AsRecorded);
    assert_eq!(file(&found, "/opt/conda/bin/d").state, State::Changed);
    assert_eq!(findings(&found).missing_files["/usr/share/gone"], "sys-apps/b");
}
