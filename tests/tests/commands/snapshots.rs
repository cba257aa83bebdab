//! Every command once, as it looks.

use super::world::{World, root};
use seaworthy_tests::registry::Lab;

/// What these snapshots are about: words and shapes. The version of the program, and digests and sizes of what
/// is attached (an SBOM changes with every cataloger), are other tests' matter; digests of testdata/ stay.
fn shown(text: &str) -> String {
    let text = text.replace(concat!("seaworthy ", env!("CARGO_PKG_VERSION")), "seaworthy [version]");
    let known = known_digests();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("sha256:") {
        let (before, digest) = rest.split_at(at);
        let hex = digest.bytes().skip(7).take_while(u8::is_ascii_hexdigit).count();
        let (digest, after) = digest.split_at(7 + hex);
        out.push_str(before);
        let known = hex < 64 || known.iter().any(|k| k == &digest[7..]);
        out.push_str(if known { digest } else { "sha256:[evidence]" });
        rest = after;
    }
    let sizes = |line: &str| match line.split_once("  ").map(|_| line.rsplit_once(" bytes, ")) {
        Some(Some((before, after))) => {
            let before = before.trim_end_matches(|c: char| c.is_ascii_digit());
            format!("{before}[n] bytes, {after}")
        }
        _ if line.trim_start().starts_with("\"size\": ") => {
            format!("{}\"size\": [n],", &line[..line.len() - line.trim_start().len()])
        }
        _ => line.to_owned(),
    };
    (out + rest).lines().map(sizes).collect::<Vec<_>>().join("\n")
}

/// Digests that stand in testdata/: blobs of the images, and the keys' fingerprints.
fn known_digests() -> Vec<String> {
    let mut known: Vec<String> = ["harbor", "fleet"]
        .iter()
        .flat_map(|image| {
            std::fs::read_dir(root().join("testdata/images").join(image).join("blobs/sha256")).unwrap()
        })
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for key in ["demo", "other"] {
        let pem = std::fs::read_to_string(root().join(format!("testdata/keys/{key}.pub"))).unwrap();
        let body: String = pem.lines().filter(|l| !l.starts_with("-----")).collect();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
        known.push(seaworthy_oci::Digest::sha256(&der).hex().to_owned());
    }
    known
}

macro_rules! snapshot {
    ($name:literal, $ran:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!($name, shown(&$ran.transcript()));
        });
    };
}

#[test]
fn release() {
    let world = World::new();
    let command = "release oci:testdata/images/harbor --to oci:out --key testdata/keys/demo.key \
                   --policy testdata/policies/demo.yaml";
    snapshot!("release", world.run(command));
    // Again: nothing is added.
    snapshot!("release-again", world.run(command));
    snapshot!("release-dry-run", world.run(&format!("{command} --dry-run")));
    snapshot!("release-json", world.run(&format!("{command} --output json -q")));
}

#[test]
fn release_of_an_index() {
    let world = World::new();
    snapshot!(
        "release-index",
        world.run(
            "release oci:testdata/images/fleet --to oci:out --key testdata/keys/demo.key \
             --sbom-format spdx-json,cyclonedx-json --signature-format both"
        )
    );
    snapshot!("tree-index", world.run("tree --key testdata/keys/demo.pub oci:out"));
}

#[test]
fn release_to_a_registry() {
    for api in
        [seaworthy_tests::registry::ReferrersApi::Absent, seaworthy_tests::registry::ReferrersApi::Paged(50)]
    {
        let lab = Lab::builder().referrers(api).start();
        let mut world = World::new();
        world.scrub(&lab.host(), "[registry]");
        let image = lab.reference("team/harbor:1.0");
        let release = format!("release oci:testdata/images/harbor --to {image} --key testdata/keys/demo.key");
        snapshot!("release-registry", world.run(&release));
        let tree = world.run(&format!("tree --key testdata/keys/demo.pub {image}"));
        snapshot!("tree-registry", tree);
        snapshot!("verify-registry", world.run(&format!("verify --key testdata/keys/demo.pub {image}")));
    }
}

#[test]
fn sbom() {
    let world = World::new();
    snapshot!("sbom", world.run("sbom oci:testdata/images/harbor"));
    snapshot!("sbom-all-layers", world.run("sbom --scope all-layers oci:testdata/images/harbor"));
    snapshot!("sbom-index", world.run("sbom oci:testdata/images/fleet"));
    snapshot!("sbom-spdx", world.run("sbom oci:testdata/images/fleet --platform linux/arm64 -o spdx-json"));
    snapshot!(
        "sbom-cyclonedx",
        world.run("sbom oci:testdata/images/fleet --platform linux/arm64 -o cyclonedx-json")
    );
    snapshot!("sbom-two-documents", world.run("sbom oci:testdata/images/fleet -o spdx-json"));
    snapshot!("sbom-unknown-format", world.run("sbom oci:testdata/images/harbor -o pdf"));
    world.run("sbom oci:testdata/images/fleet --platform linux/arm64 -o spdx-json=arm.json -q").expect(0);
    snapshot!(
        "sbom-convert",
        world.run("sbom convert arm.json -o spdx-tag-value=arm.spdx -o github-json=arm.gh.json")
    );
    snapshot!(
        "sbom-convert-json",
        world.run("sbom convert arm.json -o cyclonedx-xml@1.5=arm.xml --output json")
    );
    world
        .run("sbom oci:testdata/images/fleet --platform linux/amd64 -o cyclonedx-json@1.5=amd.json -q")
        .expect(0);
    snapshot!("sbom-check", world.run("sbom check --profile ntia,cisa arm.json"));
    snapshot!("sbom-check-json", world.run("sbom check amd.json --profile bsi --output json"));
    snapshot!("sbom-check-tag-value", world.run("sbom check arm.spdx --profile cisa"));
    snapshot!("sbom-merge", world.run("sbom merge arm.json amd.json -o table"));
    snapshot!("sbom-merge-named", world.run("sbom merge --name fleet arm.json amd.json -o table"));
}

#[test]
fn sbom_validate() {
    let world = World::new();
    let make = "sbom oci:testdata/images/fleet --platform linux/amd64 -q -o spdx-json=amd.spdx.json -o cyclonedx-json=amd.cdx.json";
    world.run(make).expect(0);
    snapshot!("sbom-validate", world.run("sbom validate amd.spdx.json amd.cdx.json"));
    let text = std::fs::read_to_string(world.path("amd.cdx.json")).unwrap();
    let spoiled = text.replacen("\"library\"", "\"libary\"", 1).replacen("\"timestamp\"", "\"time\"", 1);
    std::fs::write(world.path("bad.json"), spoiled).unwrap();
    snapshot!("sbom-validate-bad", world.run("sbom validate bad.json"));
    snapshot!("sbom-validate-json", world.run("sbom validate amd.spdx.json bad.json --output json"));
    world.run("sbom convert amd.cdx.json -o cyclonedx-xml=amd.xml -q").expect(0);
    snapshot!("sbom-validate-xml", world.run("sbom validate amd.xml"));
    let text = std::fs::read_to_string(world.path("amd.xml")).unwrap();
    std::fs::write(world.path("bad.xml"), text.replacen("<components>", "<components><components/>", 1))
        .unwrap();
    std::fs::write(world.path("other.spdx"), "SPDXVersion: SPDX-2.3\n").unwrap();
    // Each has its own answer, and the exit code is that of the one that has none.
    snapshot!("sbom-validate-several", world.run("sbom validate other.spdx bad.xml amd.xml"));
    snapshot!("sbom-validate-none", world.run("sbom validate other.spdx"));
    snapshot!("sbom-validate-several-json", world.run("sbom validate other.spdx amd.xml --output json"));
}

#[test]
fn sbom_of_somebody() {
    let world = World::new();
    let make = "sbom oci:testdata/images/fleet --platform linux/amd64 -o cyclonedx-json";
    let run = world.run(&format!("{make} --cpe --author Harbour"));
    run.expect(0)
        .says("cpe:2.3:a:busybox:busybox:")
        .says("\"value\": \"known\"")
        .says("\"name\": \"Harbour\"");
    world.run(make).expect(0).never_says("cpe:2.3");
    snapshot!("sbom-nobody", world.run(&format!("{make} --author <nobody>")));
}

#[test]
fn sign_and_attest() {
    let world = World::new();
    world.image("fleet", "fleet");
    snapshot!("sign", world.run("sign --recursive -a build=7 --key testdata/keys/demo.key oci:fleet"));
    snapshot!("sign-again", world.run("sign --recursive -a build=7 --key testdata/keys/demo.key oci:fleet"));
    world.run("sbom oci:fleet -o spdx-json={platform}.json -q").expect(0);
    let attest = "attest --key testdata/keys/demo.key --type spdx --predicate linux-amd64.json oci:fleet";
    snapshot!("attest", world.run(&format!("{attest} --platform linux/amd64")));
    snapshot!("attest-other-digest", world.run(&format!("{attest} --platform linux/arm64")));
    snapshot!("sign-no-key", world.run("sign oci:fleet"));
    snapshot!("sign-archive", world.run("sign --key testdata/keys/demo.key docker-archive:x.tar"));
}

#[test]
fn keys_elsewhere() {
    let mut world = World::new();
    world.image("harbor", "img");
    snapshot!("sign-no-plugin", world.run("sign --key vault://release oci:img"));
    world.drawer();
    snapshot!("keygen-kms", world.run("keygen --kms drawer://release --output-key-prefix release"));
    snapshot!("keygen-kms-algorithm", world.run("keygen --kms drawer://a --kms-algorithm dsa"));
    snapshot!("sign-plugin", world.run("sign --key drawer://release oci:img"));
    snapshot!("sign-plugin-refuses", world.run("sign --key drawer://none oci:img"));
    snapshot!("sign-plugin-offline", world.run("sign --offline --key drawer://release oci:img"));
    snapshot!("sign-pkcs11-pin", world.run("sign --key pkcs11:object=k?pin-value=1234 oci:img"));
}

#[test]
fn verify() {
    let world = World::new();
    world.released("harbor", "harbor");
    snapshot!("verify", world.run("verify --policy testdata/policies/demo.yaml oci:harbor"));
    snapshot!(
        "verify-explain",
        world.run("verify --explain --policy testdata/policies/demo.yaml oci:harbor")
    );
    snapshot!(
        "verify-json",
        world.run("verify --output json --policy testdata/policies/demo.yaml oci:harbor")
    );
    snapshot!("verify-other-key", world.run("verify --key testdata/keys/other.pub oci:harbor"));
    snapshot!("verify-nobody", world.run("verify oci:harbor"));
    snapshot!(
        "verify-offline-registry",
        world.run("verify --offline --key testdata/keys/demo.pub example.com/a")
    );
}

#[test]
fn tree() {
    let world = World::new();
    world.released("harbor", "harbor");
    snapshot!("tree", world.run("tree oci:harbor"));
    snapshot!("tree-json", world.run("tree --output json --key testdata/keys/demo.pub oci:harbor"));
    snapshot!("tree-nothing", world.run("tree oci:testdata/images/harbor"));
}

#[test]
fn inspect() {
    let world = World::new();
    world.released("harbor", "harbor");
    snapshot!("inspect", world.run("inspect --key testdata/keys/demo.pub oci:harbor"));
    snapshot!("inspect-packages", world.run("inspect --scan --name 'lib*' oci:harbor"));
    snapshot!("inspect-licenses", world.run("inspect --licenses --scan oci:harbor --output json"));
    snapshot!("inspect-no-file", world.run("inspect missing.spdx.json"));
    snapshot!("inspect-nothing", world.run("inspect oci:testdata/images/harbor"));
}

#[test]
fn keys() {
    let mut world = World::new();
    snapshot!("keygen-no-password", world.run("keygen"));
    snapshot!("public-key", world.run("public-key --key testdata/keys/demo.key"));
    world.env("COSIGN_PASSWORD", "secret");
    // A new key differs in every run, and so does its fingerprint: `shown` hides it.
    snapshot!("keygen", world.run("keygen"));
    snapshot!("keygen-json", world.run("keygen --type ed25519 --output-key-prefix new --output json"));
    snapshot!(
        "import-key-pair",
        world.run("import-key-pair --key testdata/keys/openssl/sec1.pem --output-key-prefix imported")
    );
    snapshot!(
        "import-key-pair-refused",
        world.run("import-key-pair --key testdata/keys/README.md --output-key-prefix nothing")
    );
    snapshot!("keygen-overwrite", world.run("keygen"));
    snapshot!("key-wrong-password", world.run("public-key --key testdata/keys/demo.key"));
    world.run("public-key --key seaworthy.key").expect(0).says("BEGIN PUBLIC KEY");
}

#[test]
fn blobs() {
    let world = World::new();
    std::fs::write(world.path("file"), "hello").unwrap();
    std::fs::write(world.path("other"), "hallo").unwrap();
    std::fs::write(world.path("predicate.json"), "{}").unwrap();
    snapshot!("sign-blob", world.run("sign-blob --key testdata/keys/demo.key --bundle signature.json file"));
    snapshot!(
        "attest-blob",
        world.run(
            "attest-blob --key testdata/keys/demo.key --type https://example.com/t --predicate predicate.json \
             --bundle attestation.json --output json file"
        )
    );
    let verify = "verify-blob --key testdata/keys/demo.pub --bundle";
    snapshot!("verify-blob", world.run(&format!("{verify} signature.json file")));
    snapshot!("verify-blob-json", world.run(&format!("{verify} attestation.json file --output json")));
    snapshot!("verify-blob-other-file", world.run(&format!("{verify} signature.json other")));
}

#[test]
fn moving_images() {
    let world = World::new();
    world.released("harbor", "harbor");
    snapshot!("copy", world.run("copy oci:harbor oci:copied:1.0"));
    snapshot!("copy-again", world.run("copy oci:harbor oci:copied:1.0 --output json"));
    let mut packed = world.run("pack oci:copied:1.0=team/harbor:1.0 -o bag.tar");
    let bytes = std::fs::metadata(world.path("bag.tar")).unwrap().len().to_string();
    packed.stdout = packed.stdout.replacen(&bytes, "[n]", 1);
    snapshot!("pack", packed);
    snapshot!("unpack", world.run("unpack bag.tar --to oci:there"));
    snapshot!("unpack-json", world.run("unpack bag.tar --to oci:again --output json -q"));
    std::fs::write(world.path("bad.tar"), [0; 1024]).unwrap();
    snapshot!("unpack-refused", world.run("unpack bad.tar --to oci:never"));
}

#[test]
fn trust() {
    let mut world = World::new();
    let from = "--from 2026-01-01T00:00:00Z";
    let at = "--at 2026-11-01T00:00:00Z";
    let init = format!("trust init trust.yaml --key testdata/keys/demo.pub --keyring release {from}");
    snapshot!("trust-init", world.run(&init));
    snapshot!("trust-init-again", world.run(&init));
    std::fs::copy(world.path("trust.yaml"), world.path("old.yaml")).unwrap();
    snapshot!(
        "trust-add",
        world.run(&format!("trust add trust.yaml --key testdata/keys/ed25519.pub --keyring build {from}"))
    );
    snapshot!(
        "trust-rotate",
        world.run(
            "trust rotate trust.yaml --keyring release --key testdata/keys/other.pub \
             --from 2026-10-01T00:00:00Z --overlap 30d"
        )
    );
    snapshot!("trust-show", world.run(&format!("trust show trust.yaml {at}")));
    snapshot!("trust-show-json", world.run(&format!("trust show trust.yaml {at} --output json")));
    snapshot!("trust-show-embedded", world.run(&format!("trust show {at}")));
    snapshot!("trust-show-public", world.run(&format!("trust show public-good {at}")));
    snapshot!("trust-lint", world.run(&format!("trust lint github public-good {at}")));
    snapshot!("trust-lint-json", world.run(&format!("trust lint github {at} --output json")));
    snapshot!("trust-diff", world.run("trust diff old.yaml trust.yaml"));
    snapshot!("trust-diff-json", world.run("trust diff old.yaml trust.yaml --output json"));
    snapshot!("trust-export", world.run("trust export trust.yaml --format trust"));
    snapshot!("trust-verify-nobody", world.run("verify oci:testdata/images/harbor --trust public-good"));
    let root = world.run("trust export github --format trusted-root").expect(0).stdout;
    let repository = seaworthy_tests::tuf::Repository::new(&[("trusted_root.json", &root)]);
    seaworthy_tests::tuf::write(&repository.files, &world.path("mirror"));
    let update = "trust update github.yaml --tuf-mirror mirror --tuf-root mirror/root.json";
    snapshot!("trust-update", world.run(update));
    snapshot!("trust-update-again", world.run(&format!("{update} --output json")));
    world.env("SEAWORTHY_OFFLINE", "1");
    snapshot!("trust-update-offline", world.run("trust update new.yaml --public-good"));
}

#[test]
fn authority() {
    let mut world = World::new();
    snapshot!("authority-serve-nothing", world.run("authority serve --dir nowhere"));
    world.env("COSIGN_PASSWORD", "secret");
    let init = "authority init --dir authority --url http://127.0.0.1:8080";
    snapshot!("authority-init", world.run(init));
    snapshot!("authority-init-again", world.run(init));
    let mut token = world.run("authority token --dir authority --subject ci@example.com").expect(0);
    assert_eq!(token.stdout.trim_end().split('.').count(), 3, "{}", token.transcript());
    token.stdout = "[token]".to_owned();
    snapshot!("authority-token", token);
    snapshot!("authority-backup", world.run("authority backup --dir authority --to saved"));
    snapshot!("authority-backup-again", world.run("authority backup --dir authority --to saved"));
    snapshot!("authority-serve-backup", world.run("authority serve --dir saved"));
    snapshot!("authority-restore", world.run("authority restore --from saved --dir restored --output json"));
    snapshot!("authority-rotate", world.run("authority rotate --dir authority log tokens issuer log"));
    std::fs::remove_file(world.path("authority/keys/root.key")).unwrap();
    snapshot!("authority-rotate-without-root", world.run("authority rotate --dir authority issuer"));
}

#[test]
fn login() {
    let mut world = World::new();
    let lab = Lab::builder().auth(seaworthy_tests::registry::Auth::basic("ci", "secret")).start();
    let host = lab.host();
    world.scrub(&host, "[registry]");
    let login = |password: &str| {
        world.shell(&format!("printf %s {password} | seaworthy login -u ci --password-stdin {host}"))
    };
    snapshot!("login-wrong", login("wrong"));
    snapshot!("login", login("secret"));
    world
        .run(&format!("release oci:testdata/images/harbor --to {host}/a/b:1 --key testdata/keys/demo.key"))
        .expect(0);
    snapshot!("logout", world.run(&format!("logout {host}")));
    snapshot!("login-needed", world.run(&format!("tree {host}/a/b:1")));
}

#[test]
fn policy_check() {
    let world = World::new();
    snapshot!("policy-check", world.run("policy check testdata/policies/demo.yaml"));
    std::fs::write(world.path("bad.yaml"), "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: bad\nspec:\n  images: []\n")
        .unwrap();
    snapshot!("policy-check-bad", world.run("policy check bad.yaml"));
    snapshot!("policy-check-json", world.run("policy check bad.yaml --output json"));
}

#[test]
fn policy_explain() {
    let world = World::new();
    world.released("harbor", "harbor");
    let explain = "policy explain oci:harbor --policy testdata/policies/demo.yaml";
    snapshot!("policy-explain", world.run(explain));
    snapshot!(
        "policy-explain-denied",
        world.run(&explain.replace("oci:harbor", "oci:testdata/images/harbor"))
    );
    snapshot!("policy-explain-no-policy", world.run(&format!("{explain} --as registry.example/app")));
    snapshot!("policy-explain-json", world.run(&format!("{explain} --output json")));
}

#[test]
fn policy_import() {
    let world = World::new();
    let import = |name: &str| world.run(&format!("policy import testdata/import/{name}.yaml"));
    snapshot!("policy-import-cip", import("cluster-image-policies"));
    snapshot!("policy-import-cip-lost", import("cluster-image-policies-lost"));
    snapshot!("policy-import-kyverno", import("kyverno"));
    snapshot!("policy-import-kyverno-lost", import("kyverno-lost"));
    snapshot!("policy-import-ivp", import("image-validating-policy"));
    snapshot!(
        "policy-import-containers",
        world.run("policy import testdata/import/policy.json --accept-weaker --to policy.yaml")
    );
    snapshot!(
        "policy-import-json",
        world.run("policy import testdata/import/kyverno-lost.yaml --output json")
    );
}

#[test]
fn policy_test() {
    let world = World::new();
    world.released("harbor", "harbor");
    let record = |case: &str, image: &str| {
        let mut ran = world.run(&format!(
            "policy record --policy testdata/policies/demo.yaml --to demo.test.yaml --case '{case}' --as oci:app {image}"
        ));
        ran.command = ran.command.replace("  ", " ");
        ran
    };
    snapshot!("policy-record", record("a release", "oci:harbor"));
    snapshot!("policy-record-denied", record("unsigned", "oci:testdata/images/harbor"));
    snapshot!("policy-record-twice", record("unsigned", "oci:testdata/images/harbor"));
    let file = world.path("demo.test.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("name: a release") && text.contains("    now: 20"), "{text}");
    snapshot!("policy-test", world.run("policy test demo.test.yaml"));
    std::fs::write(&file, text.replace("signature-missing", "sbom-too-old")).unwrap();
    snapshot!("policy-test-failed", world.run("policy test demo.test.yaml"));
    snapshot!("policy-test-json", world.run("policy test demo.test.yaml --output json"));
    snapshot!("policy-test-nothing", world.run("policy test home"));
}

#[test]
fn break_glass() {
    let world = World::new();
    let image = format!("registry.example/app@sha256:{}", "a".repeat(64));
    let make = "break-glass --key testdata/keys/demo.key --cluster prod --namespace shop --reason ticket-7";
    snapshot!("break-glass-too-long", world.run(&format!("{make} --expires 25h {image}")));
}

#[test]
fn references() {
    let world = World::new();
    snapshot!("reference-bad", world.run("tree 'Example.com/UPPER'"));
    snapshot!("reference-missing-layout", world.run("tree oci:nowhere"));
    snapshot!("reference-missing-tag", world.run("tree oci:testdata/images/harbor:9.9"));
    snapshot!("reference-missing-json", world.run("tree oci:nowhere --output json"));
}

#[test]
fn help() {
    let world = World::new();
    snapshot!("help", world.run("--help"));
    snapshot!("completion", {
        let mut ran = world.run("completion bash").expect(0);
        ran.stdout = ran.stdout.lines().take(3).collect::<Vec<_>>().join("\n");
        ran
    });
    snapshot!("man", {
        let mut ran = world.run("man").expect(0);
        ran.stdout = ran.stdout.lines().skip(2).take(8).collect::<Vec<_>>().join("\n");
        ran
    });
}

/// docs/reference/cli.md is what the program says about itself. `UPDATE_DOCS=1` writes it.
#[test]
fn the_reference_of_commands_is_true() {
    let said = World::new().run("man --markdown").expect(0).stdout;
    let path = root().join("docs/reference/cli.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == said,
        "UPDATE_DOCS=1 cargo test -p seaworthy writes it anew"
    );
}

/// The commands that do something, as the program itself lists them.
fn commands() -> Vec<String> {
    let said = World::new().run("man --markdown").expect(0).stdout;
    let all: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("## seaworthy ")).collect();
    let is_group = |name: &str| all.iter().any(|other| other.starts_with(&format!("{name} ")));
    let commands: Vec<String> = all.iter().filter(|name| !is_group(name)).map(|&name| name.into()).collect();
    assert!(commands.len() > 20, "{commands:?}");
    commands
}

#[test]
fn every_command_has_a_snapshot() {
    let mut shown = String::new();
    for entry in std::fs::read_dir(root().join("tests/tests/commands/snapshots")).unwrap() {
        shown += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    for command in commands() {
        let plain = format!("$ seaworthy {command}");
        let said = shown.lines().any(|line| {
            line.strip_prefix(&plain).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
                // `login` is given its password through a pipe.
                || line.contains(&format!("| seaworthy {command} "))
        });
        assert!(said, "no snapshot of `seaworthy {command}` in tests/tests/commands/snapshots");
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let world = World::new();
    for command in commands() {
        world
            .run(&format!("{command} --help"))
            .expect(0)
            .says("Example")
            .says(&format!("seaworthy {command}"));
    }
}
