//! The readers of lock files, on files as their tools write them, and on what nobody wrote.

use super::*;
use crate::catalogers::stated::told;
use proptest::prelude::*;

/// `name version > what it needs`, nothing left out.
#[track_caller]
fn found(path: &str, text: &str) -> Vec<String> {
    let parsed = Locks.parse(path, text.as_bytes()).unwrap();
    assert!(parsed.notes.is_empty(), "{:?}", parsed.notes);
    told(&parsed)
}

#[test]
fn tables_of_cargo_and_uv() {
    let cargo = "version = 4\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.200\"\nsource = \"registry+https://x\"\ndependencies = [\n \"a\",\n]\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n\n[metadata]\nname = \"no\"\nversion = \"1\"\n";
    assert_eq!(found("app/Cargo.lock", cargo), ["app 0.1.0", "serde 1.0.200 > a"]);
    let uv = "[[package]]\nname = \"app\"\nversion = \"1\"\nsource = { editable = \".\" }\n\n[[package]]\nname = \"idna\"\nversion = \"3.7\"\n";
    assert_eq!(found("uv.lock", uv), ["idna 3.7"]);
}

#[test]
fn npm_and_yarn() {
    let lock = r#"{"lockfileVersion":3,"packages":{"":{"name":"app","version":"1.0.0"},
        "node_modules/@a/b":{"version":"2.0.0"},"node_modules/@a/b/node_modules/c":{"version":"3.0.0"},
        "node_modules/w":{"resolved":"w","link":true}}}"#;
    assert_eq!(found("package-lock.json", lock), ["@a/b 2.0.0", "c 3.0.0"]);
    let old = r#"{"dependencies":{"a":{"version":"1.0.0","dependencies":{"b":{"version":"2.0.0"}}}}}"#;
    assert_eq!(found("package-lock.json", old), ["a 1.0.0", "b 2.0.0"]);
    let classic = "# yarn lockfile v1\n\n\"@a/b@^1.0.0\", \"@a/b@^1.1.0\":\n  version \"1.2.0\"\n  dependencies:\n    c \"^1\"\n\nc@^1:\n  version \"1.0.0\"\n";
    assert_eq!(found("yarn.lock", classic), ["@a/b 1.2.0 > c@^1", "c 1.0.0"]);
    let berry = "__metadata:\n  version: 8\n\n\"c@npm:^1\":\n  version: 1.0.0\n\n\"x@npm:@r/y@^2\":\n  version: 2.0.0\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n";
    assert_eq!(found("yarn.lock", berry), ["@r/y 2.0.0", "c 1.0.0"]);
}

#[test]
fn python_ruby_go() {
    let text = "-r other.txt\nflask[async]==3.0.0 ; python_version > '3' --hash=sha256:0\nidna>=3\nsix == 1.16.0 \\\n    --hash=sha256:1\na==1.*\n";
    assert_eq!(found("app/requirements.txt", text), ["flask 3.0.0", "six 1.16.0"]);
    let text = r#"{"default":{"idna":{"version":"==3.7"},"local":{"path":"."}},"develop":{}}"#;
    assert_eq!(found("Pipfile.lock", text), ["idna 3.7"]);
    let text = "PATH\n  remote: .\n  specs:\n    app (0.1.0)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.16.0-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.7.3)\n\nPLATFORMS\n  ruby\n";
    assert_eq!(found("Gemfile.lock", text), ["nokogiri 1.16.0 > racc", "racc 1.7.3"]);
    let text = "module example.com/app\n\ngo 1.22\n\nrequire example.com/a v1.0.0 // indirect\nrequire (\n\tgithub.com/B/c v2.0.0+incompatible\n\texample.com/d v1.0.0\n\texample.com/e v1.0.0\n)\nreplace example.com/d => ../d\nreplace example.com/e v1.0.0 => example.com/f v1.1.0\n";
    assert_eq!(
        found("src/go.mod", text),
        ["example.com/a v1.0.0", "example.com/f v1.1.0", "github.com/B/c v2.0.0+incompatible"]
    );
}

#[test]
fn poetry_and_pdm() {
    let poetry = "[[package]]\nname = \"requests\"\nversion = \"2.31.0\"\ndescription = \"HTTP\"\noptional = false\ngroups = [\"main\"]\nfiles = [\n    {file = \"x.whl\", hash = \"sha256:0\"},\n]\n\n[package.dependencies]\ncertifi = \">=2017.4.17\"\nCharset_Normalizer = {version = \">=2,<4\", optional = true}\n\n[package.extras]\nsocks = [\"PySocks (>=1.5.6,!=1.5.7)\"]\n\n[[package]]\nname = \"iniconfig\"\nversion = \"2.0.0\"\ngroups = [\"dev\"]\n\n[[package]]\nname = \"old\"\nversion = \"1.0\"\ncategory = \"dev\"\n\n[metadata]\nlock-version = \"2.1\"\n";
    assert_eq!(
        found("poetry.lock", poetry),
        [
            "iniconfig 2.0.0 (development)",
            "old 1.0 (development)",
            "requests 2.31.0 > certifi > charset-normalizer"
        ]
    );
    let pdm = "[metadata]\ngroups = [\"default\", \"dev\"]\n\n[[package]]\nname = \"requests\"\nversion = \"2.31.0\"\ngroups = [\"default\"]\ndependencies = [\n    \"certifi>=2017.4.17\",\n    \"idna<4,>=2.5\",\n]\n\n[[package]]\nname = \"iniconfig\"\nversion = \"2.0.0\"\ngroups = [\"dev\"]\n\n[[package]]\nname = \"here\"\nversion = \"0.1\"\neditable = true\npath = \"./here\"\n";
    assert_eq!(found("pdm.lock", pdm), ["iniconfig 2.0.0 (development)", "requests 2.31.0 > certifi > idna"]);
}

/// The forms that are not recorded in testdata/locks, as their tools' documents and sources write them.
#[test]
fn dotnet_java_and_mobile() {
    let nuget = r#"{"version":1,"dependencies":{"net8.0":{"Serilog":{"type":"Direct","requested":"[3.1.1, )","resolved":"3.1.1","dependencies":{"System.Text":"1.0.0"}},"System.Text":{"type":"Transitive","resolved":"1.0.0"},"lib":{"type":"Project"}}}}"#;
    assert_eq!(found("src/packages.lock.json", nuget), ["Serilog 3.1.1 > system.text", "System.Text 1.0.0"]);
    let gradle = "# This is a Gradle generated file for dependency locking.\ncom.google.guava:guava:32.1.2-jre=compileClasspath,runtimeClasspath\njunit:junit:4.13.2=testCompileClasspath,testRuntimeClasspath\nempty=annotationProcessor\n";
    assert_eq!(
        found("gradle.lockfile", gradle),
        ["com.google.guava:guava 32.1.2-jre", "junit:junit 4.13.2 (development)"]
    );
    let dart = "packages:\n  async:\n    dependency: transitive\n    description:\n      name: async\n      sha256: \"947bfcf187f74dbc5e146c9eb9c0f10c9f8b30743e341481c1e2ed3ecc18c20c\"\n      url: \"https://pub.dev\"\n    source: hosted\n    version: \"2.11.0\"\n  flutter:\n    dependency: \"direct main\"\n    description: flutter\n    source: sdk\n    version: \"0.0.0\"\n  lints:\n    dependency: \"direct dev\"\n    description:\n      name: lints\n    source: hosted\n    version: \"3.0.0\"\nsdks:\n  dart: \">=3.2.0 <4.0.0\"\n";
    assert_eq!(found("pubspec.lock", dart), ["async 2.11.0", "lints 3.0.0 (development)"]);
    let one = r#"{"object":{"pins":[{"package":"Alamofire","repositoryURL":"https://github.com/Alamofire/Alamofire.git","state":{"branch":null,"revision":"ab","version":"5.4.3"}}]},"version":1}"#;
    let two = r#"{"pins":[{"identity":"swift-nio","kind":"remoteSourceControl","location":"git@github.com:apple/swift-nio.git","state":{"revision":"c0ffee00","branch":"main"}}],"version":2}"#;
    assert_eq!(found("Package.resolved", one), ["github.com/Alamofire/Alamofire 5.4.3"]);
    assert_eq!(found("Package.resolved", two), ["github.com/apple/swift-nio c0ffee00"]);
    let pods = "PODS:\n  - Alamofire (5.4.3)\n  - GoogleUtilities/Environment (7.5.0):\n    - PromisesObjC (~> 1.2)\n  - PromisesObjC (1.2.12)\n\nDEPENDENCIES:\n  - Alamofire (~> 5.4)\n\nSPEC CHECKSUMS:\n  Alamofire: e447a2774a40c996748296fa2c55112fdbbc42f9\n\nCOCOAPODS: 1.11.2\n";
    assert_eq!(
        found("ios/Podfile.lock", pods),
        ["Alamofire 5.4.3", "GoogleUtilities/Environment 7.5.0 > PromisesObjC", "PromisesObjC 1.2.12"]
    );
}

#[test]
fn beam_haskell_and_ocaml() {
    let sum = "0f".repeat(32);
    let mix = format!(
        "%{{\n  \"decimal\": {{:hex, :decimal, \"2.1.1\", \"{sum}\", [:mix], [], \"hexpm\", \"{sum}\"}},\n  \"jason\": {{:hex, :jason, \"1.4.1\", \"{sum}\", [:mix], [{{:decimal, \"~> 1.0 or ~> 2.0\", [hex: :decimal, repo: \"hexpm\", optional: true]}}], \"hexpm\", \"{sum}\"}},\n  \"x\": {{:git, \"https://h.example/x.git\", \"c0ffee\", []}},\n}}\n"
    );
    assert_eq!(found("mix.lock", &mix), ["decimal 2.1.1", "jason 1.4.1 > decimal"]);
    let rebar = "{\"1.2.0\",\n[{<<\"cowboy\">>,{pkg,<<\"cowboy\">>,<<\"2.9.0\">>},0},\n {<<\"cowlib\">>,{pkg,<<\"cowlib\">>,<<\"2.11.0\">>},1}]}.\n[\n{pkg_hash,[\n {<<\"cowboy\">>, <<\"865D\">>}]}\n].\n";
    assert_eq!(found("rebar.lock", rebar), ["cowboy 2.9.0", "cowlib 2.11.0"]);
    let stack = "packages:\n- completed:\n    hackage: acme-missiles-0.3@sha256:2ba66a092a32593880a87fb00f3213762d7bca65a687d45965778deb8694c5d1,613\n    pantry-tree:\n      size: 226\n  original:\n    hackage: acme-missiles-0.3\nsnapshots: []\n";
    assert_eq!(found("stack.yaml.lock", stack), ["acme-missiles 0.3"]);
    let cabal = "active-repositories: hackage.haskell.org:merge\nconstraints: any.aeson ==2.1.2.1,\n             aeson -cffi +ordered-keymap,\n             any.base ==4.18.0.0\nindex-state: hackage.haskell.org 2023-10-01T00:00:00Z\n";
    assert_eq!(found("cabal.project.freeze", cabal), ["aeson 2.1.2.1", "base 4.18.0.0"]);
    let opam = "opam-version: \"2.0\"\nname: \"app\"\nversion: \"dev\"\ndepends: [\n  \"base-bytes\" {= \"base\"}\n  \"dune\" {= \"3.7.0\"}\n  \"ounit2\" {= \"2.2.6\" & with-test}\n]\nbuild: [\n  [\"dune\" \"build\"]\n]\n";
    assert_eq!(
        found("app.opam.locked", opam),
        ["base-bytes base", "dune 3.7.0", "ounit2 2.2.6 (development)"]
    );
}

#[test]
fn c_r_perl_lua() {
    let two = r##"{"version":"0.5","requires":["zlib/1.2.13#97d5730b529b4224045fe7090592d4c1%1676028483.234","fmt/9.1.0@me/stable"],"build_requires":["cmake/3.25.3#1b%1"],"python_requires":[]}"##;
    assert_eq!(found("conan.lock", two), ["cmake 3.25.3 (development)", "fmt 9.1.0", "zlib 1.2.13"]);
    let one = r#"{"graph_lock":{"nodes":{"0":{"ref":"app","requires":["1"]},"1":{"ref":"openssl/1.1.1t","requires":["2"]},"2":{"ref":"zlib/1.2.13"}}},"version":"0.4"}"#;
    assert_eq!(found("conan.lock", one), ["openssl 1.1.1t > 2", "zlib 1.2.13"]);
    let vcpkg = r##"{"name":"app","dependencies":["fmt",{"name":"zlib","version>=":"1.2.12"}],"overrides":[{"name":"fmt","version":"9.1.0#1"},{"name":"zlib","version-string":"1.2.13","port-version":2}]}"##;
    assert_eq!(found("vcpkg.json", vcpkg), ["fmt 9.1.0", "zlib 1.2.13"]);
    let renv = r#"{"R":{"Version":"4.3.1"},"Packages":{"R6":{"Package":"R6","Version":"2.5.1","Source":"Repository","Requirements":["R"]},"cli":{"Package":"cli","Version":"3.6.1","Imports":["R6 (>= 2.0)","utils"]}}}"#;
    assert_eq!(found("renv.lock", renv), ["R6 2.5.1 > R", "cli 3.6.1 > R6 > utils"]);
    let perl = "# carton snapshot format: version 1.0\nDISTRIBUTIONS\n  Mojolicious-9.33\n    pathname: S/SR/SRI/Mojolicious-9.33.tar.gz\n    provides:\n      Mojo undef\n      Mojolicious 9.33\n    requirements:\n      IO::Socket::IP 0.37\n      perl 5.016\n  Plack-1.0050\n    pathname: M/MI/MIYAGAWA/Plack-1.0050.tar.gz\n    provides:\n      Plack 1.0050\n    requirements:\n      Mojolicious 0\n";
    assert_eq!(
        found("cpanfile.snapshot", perl),
        ["Mojolicious 9.33 > IO::Socket::IP > perl", "Plack 1.0050 > Mojolicious"]
    );
    let lua = "return {\n   build_dependencies = {\n      [\"luarocks-build\"] = \"0.1-1\"\n   },\n   dependencies = {\n      lua = \"5.4-1\",\n      [\"lua-cjson\"] = \"2.1.0.10-1\"\n   }\n}\n";
    assert_eq!(
        found("luarocks.lock", lua),
        ["lua 5.4-1", "lua-cjson 2.1.0.10-1", "luarocks-build 0.1-1 (development)"]
    );
}

#[test]
fn pnpm_before_version_nine() {
    let five = "lockfileVersion: 5.4\n\npackages:\n\n  /@babel/core/7.20.0_x@1.0.0:\n    resolution: {integrity: sha512-x}\n    dependencies:\n      ms: 2.1.3\n      y: link:../y\n    dev: true\n\n  /ms/2.1.3:\n    resolution: {integrity: sha512-y}\n    dev: false\n\n  file:../z:\n    resolution: {directory: ../z, type: directory}\n";
    assert_eq!(
        found("pnpm-lock.yaml", five),
        ["@babel/core 7.20.0 > ms@2.1.3 > y@link:../y (development)", "ms 2.1.3"]
    );
    let six = "lockfileVersion: '6.0'\n\npackages:\n\n  /a@1.0.0(b@2.0.0):\n    resolution: {integrity: sha512-x}\n    dependencies:\n      b: 2.0.0\n      c: /d@3.0.0\n    dev: false\n\n  /b@2.0.0:\n    resolution: {integrity: sha512-y}\n\n  /d@3.0.0:\n    resolution: {integrity: sha512-y}\n";
    assert_eq!(found("pnpm-lock.yaml", six), ["a 1.0.0 > b@2.0.0 > d@3.0.0", "b 2.0.0", "d 3.0.0"]);
}

#[test]
fn not_inside_of_installed_trees() {
    for path in [
        "app/node_modules/a/yarn.lock",
        "usr/lib/python3/site-packages/a/requirements.txt",
        "var/lib/gems/3.1.0/gems/a/Gemfile.lock",
        "root/go/pkg/mod/a@v1/go.mod",
        "app/vendor/a/b/composer.lock",
        "root/.pub-cache/hosted/pub.dev/a-1.0.0/pubspec.lock",
        "app/other.lock",
    ] {
        assert_eq!(Locks.wants(path), None, "{path}");
    }
    assert!(Locks.wants("composer.lock").is_some());
    assert!(Locks.wants("src/app.opam.locked").is_some());
}

#[test]
fn what_has_no_proper_name_is_counted() {
    let text =
        "[[package]]\nname = \"../a\"\nversion = \"1\"\n\n[[package]]\nname = \"a\"\nversion = \"x y\"\n";
    let parsed = Locks.parse("Cargo.lock", text.as_bytes()).unwrap();
    assert_eq!(parsed.notes, ["2 entries without a proper name and exact version were left out"]);
    for (path, text) in [
        ("package-lock.json", "{"),
        ("composer.lock", r#"{"packages":{}}"#),
        ("Package.resolved", "{}"),
        ("packages.lock.json", "[]"),
        ("renv.lock", "{}"),
        ("bun.lock", "{,}"),
    ] {
        assert!(Locks.parse(path, text.as_bytes()).is_err(), "{path}");
    }
}

#[test]
fn one_package_more_than_the_limit() {
    let text: String = (0..=limits::DATABASE_PACKAGES).map(|n| format!("a==1.{n}\n")).collect();
    let why = Locks.parse("requirements.txt", text.as_bytes()).unwrap_err();
    assert_eq!(why, "200001 packages, more than the limit of 200000");
}

const NAMES: &[&str] = &[
    "Cargo.lock",
    "uv.lock",
    "Pipfile.lock",
    "requirements.txt",
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "deno.lock",
    "Gemfile.lock",
    "composer.lock",
    "go.mod",
    "packages.lock.json",
    "pubspec.lock",
    "Package.resolved",
    "Podfile.lock",
    "mix.lock",
    "rebar.lock",
    "stack.yaml.lock",
    "cabal.project.freeze",
    "conan.lock",
    "vcpkg.json",
    "gradle.lockfile",
    "renv.lock",
    "cpanfile.snapshot",
    "luarocks.lock",
    "opam.locked",
];

proptest! {
    #[test]
    fn never_panics(bytes in any::<Vec<u8>>(), text in "([\\[\\]{}<a@:=/,\"'é() -]{0,12}(version|name|require|=>|npm:@|GEM|PODS:|pkg,|:hex,|packages:|dependencies = \\[)?.{0,6}\n){0,9}") {
        for name in NAMES {
            let _ = Locks.parse(name, &bytes);
            let _ = Locks.parse(name, text.as_bytes());
        }
    }

    /// JSON of any shape where something else is expected.
    #[test]
    fn any_json_is_read_or_refused(key in "(packages|dependencies|pins|graph_lock|nodes|npm|requires|overrides|Packages|\\PC{0,5})", inner in "(null|1|\"a/1@2#3\"|\\[\"a@1\",\\{\\}\\]|\\{\"a\":\\{\"version\":\"1\",\"ref\":\"é\"\\}\\})") {
        let text = format!("{{{}:{inner}}}", serde_json::Value::from(key));
        for name in NAMES {
            let _ = Locks.parse(name, text.as_bytes());
        }
    }
}
