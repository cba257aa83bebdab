//! Ecosystems that files with names make known: one image for each. What Debian ships is recorded in
//! testdata/catalog/installed; the other files are as the tools' documents describe them.

use crate::support::*;
use seaworthy_sbom::inventory::{Inventory, RelationshipKind};

fn recorded(name: &str) -> Vec<u8> {
    let place = format!("{}/../../testdata/catalog/installed/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&place).unwrap_or_else(|e| panic!("{place}: {e}"))
}

fn purls(image: &Inventory) -> Vec<&str> {
    let mut all: Vec<&str> = image.packages.iter().map(|p| p.purl.as_deref().unwrap_or(&p.name)).collect();
    all.sort_unstable();
    all
}

fn licence<'a>(image: &'a Inventory, name: &str) -> Option<&'a str> {
    package(image, name).license.expression.as_deref()
}

/// Whether `from` hangs together with `to` in that way.
fn related(image: &Inventory, from: &str, kind: RelationshipKind, to: &str) -> bool {
    let (from, to) = (package(image, from).stable_id(), package(image, to).stable_id());
    image.relationships.iter().any(|r| r.from == from && r.kind == kind && r.to == to)
}

const NEEDS: RelationshipKind = RelationshipKind::DependsOn;
const CONTAINS: RelationshipKind = RelationshipKind::Contains;
const WHEEL: &str = "Metadata-Version: 2.1\nName: idna\nVersion: 3.7\n";

fn desc(name: &str, version: &str, more: &str) -> String {
    format!("%NAME%\n{name}\n\n%VERSION%\n{version}\n\n%BASE%\n{name}\n\n%ARCH%\nx86_64\n\n{more}")
}

#[test]
fn pacman() {
    let os = "ID=arch\nVERSION_ID=rolling\n";
    let local = "var/lib/pacman/local";
    let python = desc(
        "python-idna",
        "3.7-1",
        "%DESC%\nNames\n\n%URL%\nhttps://idna\n\n%LICENSE%\nBSD\n\n%PACKAGER%\nA Packager <a@example.org>\n\n%DEPENDS%\npython>=3.12\nlibx.so=1-64\n\n",
    );
    let files = "%FILES%\nusr/\nusr/lib/python3.12/site-packages/idna-3.7.dist-info/METADATA\n";
    let first = Tar::default()
        .file("etc/os-release", os)
        .file(&format!("{local}/python-idna-3.7-1/desc"), python)
        .file(&format!("{local}/python-idna-3.7-1/files"), files)
        .file(&format!("{local}/python-3.12.3-1/desc"), desc("python", "3.12.3-1", ""))
        .file("usr/lib/python3.12/site-packages/idna-3.7.dist-info/METADATA", WHEEL);
    let second = Tar::default()
        .file(&format!("{local}/libx-1-1/desc"), desc("libx", "1-1", "%PROVIDES%\nlibx.so=1-64\n\n"))
        .file(&format!("{local}/python-idna-3.7-1/desc"), "");
    let image = read(&[first.clone().gzip()]);
    assert_eq!(
        purls(&image),
        [
            "pkg:alpm/arch/python-idna@3.7-1?arch=x86_64&distro=arch-rolling",
            "pkg:alpm/arch/python@3.12.3-1?arch=x86_64&distro=arch-rolling",
            "pkg:pypi/idna@3.7",
        ]
    );
    assert!(related(&image, "python-idna", NEEDS, "python"));
    assert!(related(&image, "python-idna", CONTAINS, "idna"));
    assert_eq!(package(&image, "python-idna").supplier.as_deref(), Some("A Packager <a@example.org>"));
    // What a later layer broke is a gap, and what it brought is its own.
    let image = read(&[first.gzip(), second.gzip()]);
    assert_eq!(gaps(&image), ["/var/lib/pacman/local/python-idna-3.7-1/desc: no name and version in it"]);
    assert_eq!(package(&image, "libx").layer.as_deref(), Some(image.layers[1].digest.as_str()));
    assert_eq!(package(&image, "python").layer.as_deref(), Some(image.layers[0].digest.as_str()));
}

#[test]
fn portage() {
    let db = "var/db/pkg";
    let contents = "dir /usr\nobj /usr/lib/python3.11/site-packages/idna-3.7.dist-info/METADATA 0123456789abcdef0123456789abcdef 1700000000\nsym /usr/bin/x -> y 1\n";
    let image = read(&[Tar::default()
        .file(&format!("{db}/app-shells/bash-5.1_p16-r2/PF"), "bash-5.1_p16-r2\n")
        .file(&format!("{db}/app-shells/bash-5.1_p16-r2/LICENSE"), "GPL-3+\n")
        .file(
            &format!("{db}/app-shells/bash-5.1_p16-r2/RDEPEND"),
            ">=sys-libs/readline-8.1:0= nls? ( virtual/x )\n",
        )
        .file(&format!("{db}/app-shells/bash-5.1_p16-r2/repository"), "gentoo\n")
        .file(&format!("{db}/sys-libs/readline-8.1_p2/PF"), "readline-8.1_p2\n")
        .file(&format!("{db}/dev-python/idna-3.7/PF"), "idna-3.7\n")
        .file(&format!("{db}/dev-python/idna-3.7/LICENSE"), "|| ( MIT BSD-2 )\n")
        .file(&format!("{db}/dev-python/idna-3.7/CONTENTS"), contents)
        .file("usr/lib/python3.11/site-packages/idna-3.7.dist-info/METADATA", WHEEL)
        .gzip()]);
    assert_eq!(
        purls(&image),
        [
            "pkg:ebuild/app-shells/bash@5.1_p16-r2",
            "pkg:ebuild/dev-python/idna@3.7",
            "pkg:ebuild/sys-libs/readline@8.1_p2",
            "pkg:pypi/idna@3.7",
        ]
    );
    assert_eq!(licence(&image, "app-shells/bash"), Some("GPL-3.0-or-later"));
    assert_eq!(licence(&image, "dev-python/idna"), Some("MIT OR BSD-2-Clause"));
    assert!(related(&image, "app-shells/bash", NEEDS, "sys-libs/readline"));
    assert!(related(&image, "dev-python/idna", CONTAINS, "idna"));
    assert_eq!(package(&image, "app-shells/bash").properties["portage:repository"], "gentoo");
}

#[test]
fn opkg() {
    let status = "Package: busybox\nVersion: 1.36.1-r1\nDepends: libc, libgcc1 (>= 1)\nStatus: install user installed\nArchitecture: mipsel_24kc\n\nPackage: libc\nVersion: 1.2.4-4\nStatus: install hold installed\nArchitecture: mipsel_24kc\n\nPackage: gone\nVersion: 1\nStatus: deinstall user not-installed\n\n";
    let control = "Package: busybox\nVersion: 1.36.1-r1\nLicense: GPL-2.0\nMaintainer: Felix <f@example.org>\nSource: package/utils/busybox\n";
    let image = read(&[Tar::default()
        .file("etc/os-release", "ID=openwrt\nVERSION_ID=23.05.3\n")
        .file("usr/lib/opkg/status", status)
        .file("usr/lib/opkg/info/busybox.control", control)
        .file("usr/lib/opkg/info/busybox.list", "/usr/lib/node_modules/a/package.json\n")
        .file("usr/lib/node_modules/a/package.json", npm("a", "1.0.0"))
        .gzip()]);
    assert_eq!(
        purls(&image),
        [
            "pkg:npm/a@1.0.0",
            "pkg:opkg/openwrt/busybox@1.36.1-r1?arch=mipsel_24kc&distro=openwrt-23.05.3",
            "pkg:opkg/openwrt/libc@1.2.4-4?arch=mipsel_24kc&distro=openwrt-23.05.3",
        ]
    );
    assert_eq!(licence(&image, "busybox"), Some("GPL-2.0-only"));
    assert_eq!(package(&image, "busybox").supplier.as_deref(), Some("Felix <f@example.org>"));
    assert!(related(&image, "busybox", NEEDS, "libc"));
    assert!(related(&image, "busybox", CONTAINS, "a"));
}

#[test]
fn nix() {
    let hash = "0c5rpx6x4k7ixkzbf1dzhcrjp6cyvjbp";
    let store = |name: &str| format!("nix/store/{hash}-{name}");
    let first = Tar::default()
        .dir(&store("glibc-2.38-44"))
        .dir(&format!("{}/bin-1.0", store("glibc-2.38-44")))
        .dir(&store("openssl-3.0.12-dev"))
        .dir(&store("perl5.38.2-URI-5.21"))
        .dir(&store("profile"))
        .dir(&store("source-1.0.tar.gz"))
        .dir("nix/store/short-a-1.0")
        .file(&store("bash-5.2.drv"), "Derive([],[])");
    let image = read(&[first.clone().gzip()]);
    assert_eq!(
        purls(&image),
        ["pkg:nix/glibc@2.38-44", "pkg:nix/openssl@3.0.12?output=dev", "pkg:nix/perl5.38.2-URI@5.21",]
    );
    assert_eq!(package(&image, "openssl").properties["nix:hash"], hash);
    // A later layer names the directory again, and takes another away.
    let second = Tar::default()
        .dir(&store("glibc-2.38-44"))
        .file(&format!("nix/store/.wh.{hash}-openssl-3.0.12-dev"), "");
    let image = read(&[first.gzip(), second.gzip()]);
    assert_eq!(names(&image), ["glibc 2.38-44", "perl5.38.2-URI 5.21"]);
    assert_eq!(package(&image, "glibc").layer.as_deref(), Some(image.layers[0].digest.as_str()));
}

#[test]
fn homebrew() {
    let cellar = "home/linuxbrew/.linuxbrew/Cellar";
    let receipt = r#"{"homebrew_version":"4.2.0","runtime_dependencies":[{"full_name":"oniguruma","version":"6.9.9","pkg_version":"6.9.9"}],"source":{"tap":"homebrew/core","spec":"stable"},"arch":"x86_64"}"#;
    let other = r#"{"runtime_dependencies":[],"source":{"tap":"some/tap"}}"#;
    let recipe = "class Jq < Formula\n  desc \"Command-line JSON processor\"\n  homepage \"https://jqlang.github.io/jq/\"\n  license \"MIT\"\nend\n";
    let image = read(&[Tar::default()
        .file(&format!("{cellar}/jq/1.7.1/INSTALL_RECEIPT.json"), receipt)
        .file(&format!("{cellar}/jq/1.7.1/.brew/jq.rb"), recipe)
        .file(&format!("{cellar}/oniguruma/6.9.9/INSTALL_RECEIPT.json"), other)
        .gzip()]);
    assert_eq!(purls(&image), ["pkg:brew/jq@1.7.1", "pkg:brew/some/tap/oniguruma@6.9.9"]);
    assert_eq!(licence(&image, "jq"), Some("MIT"));
    assert_eq!(package(&image, "jq").homepage.as_deref(), Some("https://jqlang.github.io/jq/"));
    assert!(related(&image, "jq", NEEDS, "oniguruma"));
}

#[test]
fn conda() {
    let sum = "ab".repeat(32);
    let meta = format!(
        r#"{{"arch":"x86_64","build":"py312h06a4308_0","build_number":0,"channel":"https://user:secret@conda.example/t/token/conda-forge/linux-64","depends":["python >=3.12,<3.13.0a0","__glibc >=2.17"],"files":["lib/python3.12/site-packages/idna-3.7.dist-info/METADATA","bin/x"],"fn":"idna-3.7-py312h06a4308_0.conda","license":"BSD-3-Clause","md5":"{}","name":"idna","sha256":"{sum}","subdir":"linux-64","version":"3.7","paths_data":{{"paths":[{{"_path":"bin/x","size_in_bytes":1}}]}}}}"#,
        "0f".repeat(16)
    );
    let python = r#"{"name":"python","version":"3.12.3","build":"h1_0","depends":[]}"#;
    let image = read(&[Tar::default()
        .file("opt/conda/conda-meta/idna-3.7-py312h06a4308_0.json", meta)
        .file("opt/conda/conda-meta/python-3.12.3-h1_0.json", python)
        .file("opt/conda/conda-meta/broken-1-0.json", "{\"name\":\"broken\"}")
        .file("opt/conda/conda-meta/history", "==> 2024 <==")
        .file("opt/conda/lib/python3.12/site-packages/idna-3.7.dist-info/METADATA", WHEEL)
        .gzip()]);
    assert_eq!(
        purls(&image),
        [
            "pkg:conda/idna@3.7?build=py312h06a4308_0&channel=conda-forge&subdir=linux-64&type=conda",
            "pkg:conda/python@3.12.3?build=h1_0",
            "pkg:pypi/idna@3.7",
        ]
    );
    let idna = image.packages.iter().find(|p| p.name == "idna" && p.found_by.as_deref() == Some("conda"));
    let idna = idna.unwrap();
    assert_eq!(idna.license.expression.as_deref(), Some("BSD-3-Clause"));
    assert!(idna.checksums.iter().any(|c| c.algorithm == "SHA256" && c.hex == sum));
    // The environment's package needs python, and brought the distribution.
    assert_eq!(image.relationships.len(), 2);
    assert!(image.relationships.iter().all(|r| r.from == idna.stable_id()));
    assert_eq!(gaps(&image).len(), 1);
    // No token of the channel is in the inventory.
    assert!(!format!("{image:?}").contains("secret") && !format!("{image:?}").contains("token"));
}

#[test]
fn snap() {
    let yaml = "name: hello-world\nversion: '6.4'\nsummary: The 'hello-world' of snaps\nlicense: GPL-3.0\nbase: core22\narchitectures:\n  - amd64\napps:\n  env:\n    command: bin/env\n    version: 9\n";
    let image = read(&[Tar::default()
        .file("snap/hello-world/29/meta/snap.yaml", yaml)
        .file("snap/core22/1/meta/snap.yaml", "name: core22\nversion: \"20240111\"\n")
        .gzip()]);
    assert_eq!(purls(&image), ["pkg:snap/core22@20240111", "pkg:snap/hello-world@6.4"]);
    assert!(related(&image, "hello-world", NEEDS, "core22"));
    assert_eq!(package(&image, "hello-world").architecture.as_deref(), Some("amd64"));
}

#[test]
fn pear_and_pecl() {
    let redis = r#"a:4:{s:4:"name";s:5:"redis";s:7:"channel";s:12:"pecl.php.net";s:7:"version";a:1:{s:7:"release";s:5:"6.0.2";}s:7:"license";s:3:"PHP";}"#;
    let image = read(&[Tar::default()
        .file("var/lib/dpkg/status", deb("php-pear", "1:1.10.13"))
        .file("var/lib/dpkg/info/php-pear.list", "/usr/share/php/.registry/console_getopt.reg\n")
        .file("usr/share/php/.registry/console_getopt.reg", recorded("console_getopt.reg"))
        .file("usr/local/lib/php/.registry/.channel.pecl.php.net/redis.reg", redis)
        .file("usr/local/lib/php/.registry/broken.reg", "O:8:\"stdClass\":0:{}")
        .gzip()]);
    assert_eq!(
        purls(&image),
        [
            "pkg:deb/php-pear@1:1.10.13?arch=amd64",
            "pkg:pear/pear.php.net/Console_Getopt@1.4.3",
            "pkg:pear/pecl.php.net/redis@6.0.2",
        ]
    );
    assert_eq!(licence(&image, "pear.php.net/Console_Getopt"), Some("BSD-2-Clause"));
    assert!(related(&image, "php-pear", CONTAINS, "pear.php.net/Console_Getopt"));
    assert_eq!(gaps(&image), ["/usr/local/lib/php/.registry/broken.reg: no array as PHP serialises it"]);
}

#[test]
fn r_packages() {
    let utils = "Package: utils\nVersion: 4.2.2\nPriority: base\nLicense: Part of R 4.2.2\n";
    let image = read(&[Tar::default()
        .file("usr/lib/R/site-library/digest/DESCRIPTION", recorded("digest.DESCRIPTION"))
        .file("usr/lib/R/library/utils/DESCRIPTION", utils)
        .file("usr/lib/R/library/utils/tests/x/DESCRIPTION", "Package: no\nVersion: 1\n")
        .gzip()]);
    assert_eq!(purls(&image), ["pkg:cran/digest@0.6.31", "pkg:cran/utils@4.2.2"]);
    assert_eq!(licence(&image, "digest"), Some("GPL-2.0-or-later"));
    let digest = package(&image, "digest");
    assert_eq!(digest.supplier.as_deref(), Some("Dirk Eddelbuettel <edd@debian.org>"));
    assert_eq!(digest.homepage.as_deref(), Some("https://github.com/eddelbuettel/digest"));
    assert!(related(&image, "digest", NEEDS, "utils"));
}

#[test]
fn perl() {
    let meta = "usr/local/lib/perl5/site_perl/5.38.2/x86_64-linux-gnu/.meta";
    let install = r#"{"name":"Plack","version":"1.0050","dist":"Plack-1.0050","pathname":"M/MI/MIYAGAWA/Plack-1.0050.tar.gz","provides":{"Plack":{"version":"1.0050"},"Plack::Util":{}}}"#;
    let mymeta = r#"{"license":["perl_5"],"abstract":"Perl Superglue","author":["Tatsuhiko Miyagawa"],"prereqs":{"runtime":{"requires":{"Try::Tiny":"0","perl":"5.012"}}}}"#;
    let tiny = r#"{"dist":"Try-Tiny-0.31","pathname":"E/ET/ETHER/Try-Tiny-0.31.tar.gz","provides":{"Try::Tiny":{}}}"#;
    let pod = "=head2 Sat Jun  1 12:00:00 2024: C<Module> L<Plack|Plack>\n\n=over 4\n\n=item *\n\nC<VERSION: 1.0050>\n\n=back\n\n=head2 Sat Jun  1 12:01:00 2024: C<Module> L<Date::Calc|Date::Calc>\n\n=item *\n\nC<VERSION: 6.4>\n";
    let image = read(&[Tar::default()
        .file(&format!("{meta}/Plack-1.0050/install.json"), install)
        .file(&format!("{meta}/Plack-1.0050/MYMETA.json"), mymeta)
        .file(&format!("{meta}/Try-Tiny-0.31/install.json"), tiny)
        .file("usr/local/lib/perl5/5.38.2/x86_64-linux-gnu/perllocal.pod", pod)
        .gzip()]);
    assert_eq!(
        purls(&image),
        ["pkg:cpan/ETHER/Try-Tiny@0.31", "pkg:cpan/MIYAGAWA/Plack@1.0050", "pkg:generic/Date-Calc@6.4"]
    );
    assert_eq!(licence(&image, "Plack"), Some("Artistic-1.0-Perl OR GPL-1.0-or-later"));
    assert!(related(&image, "Plack", NEEDS, "Try-Tiny"));
}

#[test]
fn lua_rocks() {
    let tree = "usr/local/lib/luarocks/rocks-5.4";
    let spec = "package = \"lua-cjson\"\nversion = \"2.1.0.10-1\"\ndescription = {\n   summary = \"A fast JSON encoding\",\n   homepage = \"http://kyne.au\",\n   license = \"MIT\"\n}\ndependencies = {\n   \"lua >= 5.1\", \"lpeg ~> 1.0\"\n}\n";
    let image = read(&[Tar::default()
        .file(&format!("{tree}/lua-cjson/2.1.0.10-1/lua-cjson-2.1.0.10-1.rockspec"), spec)
        .file(&format!("{tree}/lpeg/1.1.0-1/lpeg-1.1.0-1.rockspec"), "version = x .. '-1'\n")
        .file(&format!("{tree}/lpeg/1.1.0-1/doc/other-1.rockspec"), "")
        .gzip()]);
    assert_eq!(purls(&image), ["pkg:luarocks/lpeg@1.1.0-1", "pkg:luarocks/lua-cjson@2.1.0.10-1"]);
    assert_eq!(licence(&image, "lua-cjson"), Some("MIT"));
    assert!(related(&image, "lua-cjson", NEEDS, "lpeg"));
}

#[test]
fn ocaml_of_opam_and_of_a_distribution() {
    let opam = "opam-version: \"2.0\"\nsynopsis: \"Yojson\"\nmaintainer: \"m@example.org\"\nlicense: \"BSD-3-Clause\"\nhomepage: \"https://yojson\"\ndepends: [\n  \"dune\" {>= \"2.7\"}\n  \"seq\" {>= \"0.2.2\"}\n]\nbuild: [\"dune\"]\n";
    let packages = "home/opam/.opam/4.14/.opam-switch/packages";
    let image = read(&[Tar::default()
        .file(&format!("{packages}/yojson.2.1.1/opam"), opam)
        .file(&format!("{packages}/seq.base/opam"), "opam-version: \"2.0\"\n")
        .file("home/opam/.opam/4.14/lib/ocaml/str/META", "version = \"4.14\"\n")
        .file("usr/lib/ocaml/re/META", recorded("re.META"))
        .file("usr/lib/ocaml/str/META", "version = \"[distributed with Ocaml]\"\n")
        .gzip()]);
    assert_eq!(purls(&image), ["pkg:opam/re@1.10.4", "pkg:opam/seq@base", "pkg:opam/yojson@2.1.1"]);
    assert_eq!(licence(&image, "yojson"), Some("BSD-3-Clause"));
    assert!(related(&image, "yojson", NEEDS, "seq"));
}

#[test]
fn haskell() {
    let conf = "name: splitmix\nversion: 0.1.0.4\nid: splitmix-0.1.0.4-2O3S3S4GNmq4hVYeLsEmKT\nlicense: BSD-3-Clause\n";
    let database = "var/lib/ghc/package.conf.d";
    let random = String::from_utf8(recorded("random.conf")).unwrap();
    // The recorded one names the id that splitmix had there.
    let id = random.split_whitespace().find(|word| word.starts_with("splitmix-")).unwrap();
    let conf = conf.replace("splitmix-0.1.0.4-2O3S3S4GNmq4hVYeLsEmKT", id);
    let image = read(&[Tar::default()
        .file("var/lib/dpkg/status", deb("libghc-random-dev", "1.2.1.1-1"))
        .file("var/lib/dpkg/info/libghc-random-dev.list", format!("/{database}/random-1.2.1.1.conf\n"))
        .file(&format!("{database}/random-1.2.1.1.conf"), &random)
        .file(&format!("{database}/splitmix.conf"), conf)
        .gzip()]);
    assert_eq!(
        purls(&image),
        [
            "pkg:deb/libghc-random-dev@1.2.1.1-1?arch=amd64",
            "pkg:hackage/random@1.2.1.1",
            "pkg:hackage/splitmix@0.1.0.4",
        ]
    );
    assert_eq!(licence(&image, "random"), Some("BSD-3-Clause"));
    assert!(related(&image, "random", NEEDS, "splitmix"));
    assert!(related(&image, "libghc-random-dev", CONTAINS, "random"));
}

#[test]
fn erlang_and_elixir() {
    let cowboy = "{application,cowboy,[{description,\"Small, fast, modern HTTP server.\"},{vsn,\"2.9.0\"},{applications,[kernel,stdlib,crypto,ex_unit]}]}.\n";
    let hex = "{<<\"app\">>,<<\"cowboy\">>}.\n{<<\"licenses\">>,[<<\"ISC\">>]}.\n{<<\"name\">>,<<\"cowboy\">>}.\n{<<\"version\">>,<<\"2.9.0\">>}.\n";
    let image = read(&[Tar::default()
        .file("usr/lib/erlang/lib/p1_utils-1.0.25/ebin/p1_utils.app", recorded("p1_utils.app"))
        .file("usr/lib/elixir/lib/ex_unit/ebin/ex_unit.app", recorded("ex_unit.app"))
        .file("app/lib/cowboy/ebin/cowboy.app", cowboy)
        .file("app/lib/cowboy/hex_metadata.config", hex)
        .file("app/lib/no/ebin/no.app", "{application,no,[]}.")
        .gzip()]);
    assert_eq!(purls(&image), ["pkg:hex/cowboy@2.9.0", "pkg:otp/ex_unit@1.14.0", "pkg:otp/p1_utils@1.0.25"]);
    assert_eq!(licence(&image, "cowboy"), Some("ISC"));
    assert_eq!(licence(&image, "p1_utils"), Some("Apache-2.0"));
    assert!(related(&image, "cowboy", NEEDS, "ex_unit"));
    assert_eq!(gaps(&image), ["/app/lib/no/ebin/no.app: no vsn in it"]);
}

#[test]
fn dart() {
    let cache = "root/.pub-cache/hosted/pub.dev";
    let yaml = "name: http\nversion: 1.2.0\ndescription: A library.\nrepository: https://github.com/dart-lang/http\nenvironment:\n  sdk: ^3.2.0\ndependencies:\n  async: ^2.5.0\ndev_dependencies:\n  test: any\n";
    let image = read(&[Tar::default()
        .file(&format!("{cache}/http-1.2.0/pubspec.yaml"), yaml)
        .file(&format!("{cache}/async-2.11.0/pubspec.yaml"), "name: async\nversion: 2.11.0\n")
        .file(&format!("{cache}/async-2.11.0/example/pubspec.yaml"), "name: example\nversion: 1.0.0\n")
        .gzip()]);
    assert_eq!(purls(&image), ["pkg:pub/async@2.11.0", "pkg:pub/http@1.2.0"]);
    assert!(related(&image, "http", NEEDS, "async"));
}

#[test]
fn wordpress() {
    let root = "var/www/html";
    let plugin = "<?php\n/**\n * @package Akismet\n */\n/*\nPlugin Name: Akismet Anti-spam\nPlugin URI: https://akismet.com/\nVersion: 5.3.1\nAuthor: Automattic\nLicense: GPLv2 or later\n*/\n";
    let theme = "/*\nTheme Name: Twenty Twenty-Four\nVersion: 1.0\nLicense: GNU General Public License v2 or later\n*/\n";
    let image = read(&[Tar::default()
        .file(
            &format!("{root}/wp-includes/version.php"),
            "<?php\n$wp_version = '6.4.2';\n$wp_db_version = 56657;\n",
        )
        .file(&format!("{root}/wp-content/plugins/akismet/akismet.php"), plugin)
        .file(&format!("{root}/wp-content/plugins/akismet/class.akismet.php"), "<?php class Akismet {}")
        .file(
            &format!("{root}/wp-content/plugins/hello.php"),
            "<?php\n/*\nPlugin Name: Hello Dolly\nVersion: 1.7.2\n*/",
        )
        .file(&format!("{root}/wp-content/themes/twentytwentyfour/style.css"), theme)
        .file(&format!("{root}/wp-content/plugins/x/x.php"), "<?php /*\nPlugin Name: X\n*/")
        .gzip()]);
    assert_eq!(
        purls(&image),
        [
            "pkg:generic/wordpress@6.4.2",
            "pkg:wordpress/plugin/akismet@5.3.1",
            "pkg:wordpress/plugin/hello@1.7.2",
            "pkg:wordpress/theme/twentytwentyfour@1.0",
        ]
    );
    assert_eq!(licence(&image, "plugin/akismet"), Some("GPL-2.0-or-later"));
    assert_eq!(gaps(&image), ["/var/www/html/wp-content/plugins/x/x.php: a plugin without a version"]);
}

#[test]
fn vcpkg() {
    let status = "Package: zlib\nVersion: 1.3.1\nPort-Version: 2\nArchitecture: x64-linux\nMulti-Arch: same\nDescription: A compression library\nStatus: install ok installed\n\nPackage: curl\nVersion: 8.7.1\nDepends: zlib, vcpkg-cmake:x64-linux\nArchitecture: x64-linux\nStatus: install ok installed\n\nPackage: curl\nFeature: ssl\nArchitecture: x64-linux\nStatus: install ok installed\n\n";
    let update = "Package: fmt\nVersion: 10.2.1\nArchitecture: x64-linux\nStatus: install ok installed\n\nPackage: gone\nVersion: 1\nArchitecture: x64-linux\nStatus: purge ok not-installed\n";
    let image = read(&[Tar::default()
        .file("src/vcpkg_installed/vcpkg/status", status)
        .file("src/vcpkg_installed/vcpkg/updates/0000000000", update)
        .gzip()]);
    assert_eq!(
        purls(&image),
        ["pkg:vcpkg/curl@8.7.1", "pkg:vcpkg/fmt@10.2.1", "pkg:vcpkg/zlib@1.3.1?port_version=2"]
    );
    assert!(related(&image, "curl", NEEDS, "zlib"));
}

/// One package more than a database may have: nothing of it is taken, and a gap says so.
#[test]
fn a_database_beyond_its_limit() {
    let count = seaworthy_catalog::limits::DATABASE_PACKAGES + 1;
    let status: String = (0..count)
        .map(|n| format!("Package: p{n}\nVersion: 1\nStatus: install user installed\n\n"))
        .collect();
    let image = read(&[Tar::default().file("usr/lib/opkg/status", status).gzip()]);
    assert!(image.packages.is_empty());
    assert_eq!(gaps(&image), ["/usr/lib/opkg/status: 200001 packages, more than the limit of 200000"]);
}

/// Files that break off, are empty or are something else become gaps or nothing, never a package.
#[test]
fn what_is_broken_names_no_package() {
    let paths = [
        "var/lib/pacman/local/a-1-1/desc",
        "var/db/pkg/a/b/PF",
        "usr/lib/opkg/status",
        "opt/Cellar/a/1/INSTALL_RECEIPT.json",
        "opt/conda/conda-meta/a.json",
        "snap/a/1/meta/snap.yaml",
        "usr/share/php/.registry/a.reg",
        "usr/lib/R/library/a/DESCRIPTION",
        "usr/lib/perl5/.meta/a-1/install.json",
        "usr/lib/perl5/perllocal.pod",
        "usr/lib/ocaml/a/META",
        "root/.opam/x/.opam-switch/packages/a/opam",
        "usr/lib/ghc/package.conf.d/a.conf",
        "app/lib/a/ebin/a.app",
        "root/.pub-cache/hosted/pub.dev/a-1/pubspec.yaml",
        "srv/wp-content/plugins/a/a.php",
        "srv/wp-includes/version.php",
        "srv/vcpkg/status",
    ];
    for content in [
        "",
        "\0\u{1}\u{2}",
        "{",
        "name: ../../etc\nversion: 1 2\nPackage: ../x\nVersion: 1\nStatus: install ok installed\n",
    ] {
        let tar = paths.iter().fold(Tar::default(), |tar, path| tar.file(path, content));
        let image = read(&[tar.gzip()]);
        assert_eq!(names(&image), Vec::<String>::new(), "{content:?}");
        assert!(!image.gaps.is_empty(), "{content:?}");
    }
}
