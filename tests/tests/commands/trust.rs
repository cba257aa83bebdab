//! `trust`: files that people review, and what they mean to everything that verifies.

use super::services::Services;
use super::world::{World, root};

/// A trust file with one keyring, from 2024 on.
fn one_keyring(world: &World) {
    let init = "trust init trust.yaml --key testdata/keys/demo.pub --keyring release --owner team";
    world.run(&format!("{init} --from 2024-01-01T00:00:00Z")).expect(0);
}

fn read(world: &World, name: &str) -> String {
    std::fs::read_to_string(world.path(name)).unwrap()
}

#[test]
fn embedded_roots_go_through_every_form_and_come_back_the_same() {
    let world = World::new();
    for name in ["public-good", "staging", "github"] {
        world.run(&format!("trust init {name}.yaml --{name}")).expect(0);
        world.run(&format!("trust diff {name} {name}.yaml")).expect(0);
        for form in ["trusted-root", "trusted-root-v0.2"] {
            world.run(&format!("trust export {name}.yaml --format {form} -o {form}.json")).expect(0);
            world.run(&format!("trust init again.yaml --trusted-root {form}.json --force")).expect(0);
            let entries = |file: &str| {
                let mut shown = world.run(&format!("trust show {file} --output json")).expect(0).json();
                let entries = shown["entries"].as_array_mut().unwrap();
                entries.retain(|e| e["kind"] != "service");
                entries.clone()
            };
            assert_eq!(entries("again.yaml"), entries(name), "{name} {form}");
        }
        // The same file, the same bytes.
        let once = world.run(&format!("trust export {name}.yaml --format trust")).expect(0).stdout;
        std::fs::write(world.path("written.yaml"), &once).unwrap();
        assert_eq!(once, world.run("trust export written.yaml --format trust").expect(0).stdout);
    }
    world.run("trust export public-good --format client-trust-config -o both.json").expect(0);
    world.run("trust init both.yaml --trust-config both.json").expect(0);
    world.run("trust diff public-good both.yaml").expect(0);
    world.run("trust export github --format signing-config").expect(2).says("names no services");
}

#[test]
fn a_keyring_verifies_inside_its_windows_and_no_other_does() {
    let world = World::new();
    world.image("harbor", "img");
    world.run("sign oci:img --key testdata/keys/demo.key").expect(0);
    one_keyring(&world);
    world.run("verify oci:img --trust trust.yaml").expect(0);
    world.run("verify oci:img --trust trust.yaml --keyring release").expect(0);
    world.run("verify oci:img --trust trust.yaml --keyring other").expect(2).says("it has release");
    world.run("verify oci:img --trust trust.yaml --key testdata/keys/demo.pub").expect(2);
    world.run("verify oci:img --trust public-good").expect(2).says("has no keys");
    // Over: the signature has no proof that it was made before.
    let text = read(&world, "trust.yaml");
    let over = text.replace("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z\n      end: 2024-06-01T00:00:00Z");
    std::fs::write(world.path("over.yaml"), over).unwrap();
    world.run("verify oci:img --trust over.yaml").expect(1).says("outside the time");
    world.run("trust lint over.yaml").expect(1).says("no key of keyring 'release' is valid now");
    // Somebody else's key.
    let other = text.replace("    - keyring: release", "    - keyring: release # theirs");
    std::fs::write(world.path("other.yaml"), other).unwrap();
    world.run("trust init theirs.yaml --key testdata/keys/other.pub").expect(0);
    world.run("verify oci:img --trust theirs.yaml").expect(1);
}

#[test]
fn a_rotation_overlaps_and_deletes_nothing() {
    let world = World::new();
    one_keyring(&world);
    let text = read(&world, "trust.yaml").replace("  keys:", "  # who releases\n  keys:");
    std::fs::write(world.path("trust.yaml"), text).unwrap();
    let rotate = "trust rotate trust.yaml --keyring release --key testdata/keys/other.pub";
    let ran = world
        .run(&format!("{rotate} --from 2025-01-01T00:00:00Z --overlap 30d --output json"))
        .expect(0)
        .json();
    assert_eq!(ran["changes"]["removed"], serde_json::json!([]));
    assert_eq!(ran["changes"]["changed"][0]["fields"][0]["new"], "2025-01-31T00:00:00Z");
    assert_eq!(ran["changes"]["added"][0]["owner"], "team");
    assert!(read(&world, "trust.yaml").contains("  # who releases\n"));
    let states = |at: &str| {
        let shown = world.run(&format!("trust show trust.yaml --at {at} --output json")).expect(0).json();
        let entries = shown["entries"].as_array().unwrap().clone();
        entries.iter().map(|e| e["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states("2024-12-31T23:59:59Z"), ["valid", "not-yet"]);
    assert_eq!(states("2025-01-15T00:00:00Z"), ["valid", "valid"]);
    assert_eq!(states("2025-01-31T00:00:01Z"), ["ended", "valid"]);
    // Both verify while they overlap, the new one after.
    for key in ["demo", "other"] {
        world.image("harbor", key);
        world.run(&format!("sign oci:{key} --key testdata/keys/{key}.key")).expect(0);
    }
    world.run("verify oci:other --trust trust.yaml").expect(0);
    world.run("verify oci:demo --trust trust.yaml").expect(1);
    // A policy names the keyring, and does not change when the key does.
    let policy = |name: &str| {
        format!(
            "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: p\nspec:\n  images: [\"**\"]\n  \
             authorities:\n    - name: release\n      keyring:\n        trust: trust.yaml\n        name: {name}\n  \
             signatures:\n    - by: [release]\n"
        )
    };
    std::fs::write(world.path("policy.yaml"), policy("release")).unwrap();
    world.run("policy check policy.yaml").expect(0);
    world.run("verify oci:other --policy policy.yaml").expect(0);
    world.run("verify oci:demo --policy policy.yaml").expect(1).says("outside the time");
    std::fs::write(world.path("bad.yaml"), policy("nobody")).unwrap();
    world.run("policy check bad.yaml").expect(1).says("bad.yaml:11:15").says("it has release");
    let both = policy("release")
        .replace("      keyring:", "      keys: [{path: testdata/keys/demo.pub}]\n      keyring:");
    std::fs::write(world.path("bad.yaml"), both).unwrap();
    world.run("policy check bad.yaml").expect(1).says("keys or a keyring");
    std::fs::write(
        world.path("bad.yaml"),
        policy("release").replace("trust: trust.yaml", "trust: policy.yaml"),
    )
    .unwrap();
    world.run("policy check bad.yaml").expect(1).says("trust file policy.yaml");
    // What signs now is what other tools get.
    let exported = world.run("trust export trust.yaml --format cosign-pub").expect(0).stdout;
    assert_eq!(exported, std::fs::read_to_string(root().join("testdata/keys/other.pub")).unwrap());
    // The same key again, and a ring that nobody has.
    world.run(rotate).expect(4).says("twice");
    world
        .run("trust rotate trust.yaml --keyring nobody --key testdata/keys/ed25519.pub")
        .expect(2)
        .says("the keyrings are release");
    world.run("trust rotate trust.yaml --key testdata/keys/ed25519.pub").expect(2);
    world.run(&format!("{rotate} --overlap soon")).expect(2).says("no time such as");
}

#[test]
fn an_authority_is_trusted_by_the_file_and_by_what_it_exports() {
    let mut world = World::new();
    let services = Services::start(&mut world);
    world.image("harbor", "img");
    std::fs::write(world.path("token"), services.token(&world, "me@example.com")).unwrap();
    world.run("trust init trust.yaml --authority authority").expect(0);
    world.run("trust lint trust.yaml").expect(0);
    for form in ["trusted-root", "signing-config", "client-trust-config"] {
        world.run(&format!("trust export trust.yaml --format {form} -o {form}.json")).expect(0);
    }
    // Signed where the export says, verified by every form of the same trust.
    let sign = "sign oci:img --trust-config client-trust-config.json --identity-token token";
    world.run(sign).expect(0);
    let config: serde_json::Value = serde_json::from_str(&read(&world, "signing-config.json")).unwrap();
    let issuer = config["caUrls"][0]["url"].as_str().unwrap().to_owned();
    let who = format!("--certificate-identity me@example.com --certificate-oidc-issuer {issuer}");
    for root in [
        "--trust trust.yaml",
        "--trusted-root trust.yaml",
        "--trusted-root trusted-root.json",
        "--trusted-root client-trust-config.json",
    ] {
        world.run(&format!("verify oci:img {root} {who}")).expect(0);
    }
    world.run(&format!("verify oci:img --trust public-good {who}")).expect(1);
    // A policy names the same file.
    let policy = format!(
        "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: p\nspec:\n  images: [\"**\"]\n  \
         authorities:\n    - name: me\n      keyless:\n        issuer: {issuer}\n        identity: me@example.com\n        \
         trustedRoot: trust.yaml\n  signatures:\n    - by: [me]\n"
    );
    std::fs::write(world.path("policy.yaml"), policy).unwrap();
    world.run("verify oci:img --policy policy.yaml").expect(0);

    // The next authority: signing moves at once, what the first one certified stays good for a time.
    world.env("SEAWORTHY_PASSWORD", "");
    world.run("authority init --dir next --url http://127.0.0.1:1").expect(0);
    let rotate = format!("trust rotate trust.yaml --authority next --replaces {issuer}");
    world.run("trust rotate trust.yaml --authority next --replaces http://nobody.example").expect(2);
    world.run(&rotate).expect(0);
    world.run(&format!("verify oci:img --trust trust.yaml {who}")).expect(0);
    world.run("trust lint trust.yaml").expect(0);
    let shown = world.run("trust show trust.yaml --output json").expect(0).json();
    let entries = shown["entries"].as_array().unwrap();
    let count = |kind: &str| entries.iter().filter(|e| e["kind"] == kind).count();
    assert_eq!((count("certificate-authority"), count("ct-log"), count("transparency-log")), (2, 2, 2));
    let old = |e: &&serde_json::Value| e["name"].as_str().unwrap().starts_with(&issuer);
    assert!(entries.iter().filter(old).all(|e| e["until"].is_string()), "{entries:?}");
    // Trusted until yesterday: the same image is not any more.
    world.run(&format!("{rotate} --from 2024-01-01T00:00:00Z")).expect(2);
    let text = read(&world, "trust.yaml");
    let ended: Vec<String> = text
        .lines()
        .map(|l| {
            if l.trim_start().starts_with("end:") {
                "      end: 2024-01-02T00:00:00Z".into()
            } else {
                l.to_owned()
            }
        })
        .map(|l| l.replace("start: 20", "start: 19"))
        .collect();
    let ended = ended.join("\n") + "\n";
    let ended = &ended[..ended.find("  services:").unwrap()];
    std::fs::write(world.path("ended.yaml"), ended).unwrap();
    world.run(&format!("verify oci:img --trust ended.yaml {who}")).expect(1);
}

#[test]
fn everything_can_be_added_and_comments_stay() {
    let world = World::new();
    one_keyring(&world);
    let mut world = world;
    world.env("SEAWORTHY_PASSWORD", "");
    world.run("authority init --dir a --url https://a.example").expect(0);
    let chain = format!("{}{}", read(&world, "a/certs/issuer.pem"), read(&world, "a/certs/root.pem"));
    std::fs::write(world.path("chain.pem"), chain).unwrap();
    std::fs::write(
        world.path("tsa.pem"),
        format!("{}{}", read(&world, "a/certs/timestamp.pem"), read(&world, "a/certs/root.pem")),
    )
    .unwrap();
    let text = read(&world, "trust.yaml").replace("    - keyring", "    # the first\n    - keyring");
    std::fs::write(world.path("trust.yaml"), format!("# reviewed\n\n{text}# end\n")).unwrap();
    for add in [
        "--ca chain.pem --uri https://a.example --until 2030-01-01T00:00:00Z --owner us",
        "--tsa tsa.pem --uri https://tsa.example",
        "--log testdata/keys/other.pub --uri https://log.example --from 2024-05-01T00:00:00Z",
        "--ct-log testdata/keys/ed25519.pub --uri https://ct.example",
        "--key testdata/keys/ed25519.pub --keyring build --hint 'build 2026' --until 2031-01-01T00:00:00Z",
    ] {
        world.run(&format!("trust add trust.yaml {add}")).expect(0).says("added");
    }
    let text = read(&world, "trust.yaml");
    assert!(text.starts_with("# reviewed\n\n") && text.ends_with("# end\n"), "{text}");
    assert!(text.contains("    # the first\n    - keyring: release\n"), "{text}");
    let shown = world.run("trust show trust.yaml --output json").expect(0).json();
    let entries = shown["entries"].as_array().unwrap();
    let find = |kind: &str| entries.iter().find(|e| e["kind"] == kind).unwrap();
    assert_eq!(find("certificate-authority")["until"], "2030-01-01T00:00:00Z");
    assert_eq!(find("certificate-authority")["owner"], "us");
    assert_eq!(find("transparency-log")["from"], "2024-05-01T00:00:00Z");
    assert_eq!(entries[1]["hint"], "build 2026");
    let pem = world.run("trust export trust.yaml --format pem").expect(0).stdout;
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 4);
    assert_eq!(pem.matches("BEGIN PUBLIC KEY").count(), 4);
    world.run("trust export trust.yaml --format cosign-pub").expect(2).says("--keyring: build, release");

    // Refused, and the file is as it was.
    for (bad, code) in [
        ("--log testdata/keys/other.pub --uri https://again.example", 4),
        ("--key testdata/keys/demo.pub --keyring release", 4),
        ("--key testdata/keys/demo.key", 4),
        ("--ca testdata/keys/demo.pub --uri x", 4),
        ("--ca chain.pem", 2),
        ("--key testdata/keys/demo.pub --log testdata/keys/demo.pub --uri x", 2),
        ("", 2),
    ] {
        world.run(&format!("trust add trust.yaml {bad}")).expect(code);
    }
    assert_eq!(read(&world, "trust.yaml"), text);
    world.run("trust add a/trusted_root.json --key testdata/keys/demo.pub").expect(2).says("trust init");
    world.run("trust init trust.yaml --github").expect(2).says("--force");
    world.run("trust init empty.yaml").expect(2).says("nobody");

    // A style that cannot be edited in place is written anew, unless that would lose what people wrote.
    let flow = "{apiVersion: seaworthy.dev/v1alpha1, kind: Trust, metadata: {name: t}, spec: {}}\n";
    std::fs::write(world.path("flow.yaml"), flow.replace("{api", " {api").replace(" {api", "---\n{api"))
        .unwrap();
    world.run("trust add flow.yaml --key testdata/keys/demo.pub").expect(0);
    std::fs::write(world.path("flow.yaml"), format!("# mine\n{flow}")).unwrap();
    world.run("trust add flow.yaml --key testdata/keys/demo.pub").expect(2).says("comments");
}

/// What `trust lint` says of `spec`, as code and text.
fn linted(world: &World, keys: &[(&str, &str, &str)], code: i32, says: &str) {
    let mut text =
        "apiVersion: seaworthy.dev/v1alpha1\nkind: Trust\nmetadata:\n  name: t\nspec:\n  keys:\n".to_owned();
    for (ring, key, window) in keys {
        let pem = std::fs::read_to_string(root().join(format!("testdata/keys/{key}.pub"))).unwrap();
        let pem: String = pem.lines().map(|l| format!("        {l}\n")).collect();
        text.push_str(&format!(
            "    - keyring: {ring}\n      hint: {key}\n{window}      publicKey: |\n{pem}"
        ));
    }
    std::fs::write(world.path("lint.yaml"), text).unwrap();
    world.run("trust lint lint.yaml --at 2026-06-01T00:00:00Z").expect(code).says(says);
}

#[test]
fn lint_finds_what_is_unwise_and_says_where() {
    let world = World::new();
    let w = |start: &str, end: &str| {
        let line = |name: &str, time: &str| match time {
            "" => String::new(),
            time => format!("      {name}: {time}-01T00:00:00Z\n"),
        };
        line("start", start) + &line("end", end)
    };
    let (open, soon) = (w("2026-01", ""), w("2026-01", "2026-06").replace("06-01", "06-20"));
    linted(&world, &[("a", "demo", &open)], 0, "good");
    linted(&world, &[("a", "demo", &soon)], 0, "lint.yaml:7: keyring 'a' ends soon");
    linted(
        &world,
        &[("a", "demo", &w("2026-01", "2026-03")), ("a", "other", &w("2026-04", ""))],
        0,
        "trusts nobody",
    );
    linted(&world, &[("a", "demo", &open), ("a", "other", &w("2026-03", ""))], 0, "have no end");
    linted(&world, &[("a", "demo", &w("2026-01", "2026-07")), ("a", "other", &w("2026-05", ""))], 0, "good");
    linted(&world, &[("a", "demo", &open), ("b", "demo", &open)], 0, "is also in keyring 'a'");
    linted(&world, &[("a", "demo", &w("2027-01", ""))], 1, "no key of keyring 'a' is valid now");
    linted(&world, &[("a", "demo", &w("2026-03", "2026-01"))], 1, "lies before the start");
    linted(&world, &[("a", "demo", &open), ("a", "demo", &open)], 1, "twice");
    let strict = world.run("trust lint github --strict --at 2026-11-01T00:00:00Z");
    strict.expect(1).says("no certificate transparency log");
    for name in ["public-good", "staging"] {
        world.run(&format!("trust lint {name} --strict --at 2026-11-01T00:00:00Z")).expect(0);
    }
    world.run("trust lint public-good --at 2020-01-01T00:00:00Z").expect(1).says("is valid now");

    let text = std::fs::read_to_string(world.path("lint.yaml")).unwrap();
    for (from, to, says) in [
        ("kind: Trust", "kind: Trusts", "not 'Trust'"),
        ("name: t", "name: T!", "not a name"),
        ("keyring:", "keyrings:", "unknown field"),
        ("BEGIN PUBLIC", "BEGIN PRIVATE", "private key"),
        ("2026-01-01T00:00:00Z", "yesterday", "is no time"),
        ("hint: demo", "hint: \"\"", "empty"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(world.path("bad.yaml"), text.replace(from, to)).unwrap();
        world.run("trust lint bad.yaml").expect(1).says(says).says("hint:");
        world.run("trust show bad.yaml").expect(4).says(says);
    }
    world.run("trust lint nothing.yaml").expect(5);
    // A P-224 key is told by name.
    let weak = text.replace("MFkwEwYHKoZIzj0CAQ", "MFkwEwYHKoZIzj0CAA");
    std::fs::write(world.path("bad.yaml"), weak).unwrap();
    world.run("trust lint bad.yaml").expect(1).says("not a usable public key");
}

#[test]
fn lint_looks_into_certificates() {
    let mut world = World::new();
    world.env("SEAWORTHY_PASSWORD", "");
    world.run("authority init --dir a --url https://a.example").expect(0);
    let (issuer, ca) = (read(&world, "a/certs/issuer.pem"), read(&world, "a/certs/root.pem"));
    world.run("trust init keys.yaml --key testdata/keys/demo.pub").expect(0);
    std::fs::write(world.path("chain.pem"), format!("{ca}{issuer}")).unwrap();
    world.run("trust add keys.yaml --ca chain.pem --uri https://a.example").expect(0);
    world
        .run("trust lint keys.yaml")
        .expect(1)
        .says("not in order")
        .says("neither a log nor a timestamp authority")
        .says("no certificate transparency log");
    world.run("trust init good.yaml --authority a").expect(0);
    world.run("trust lint good.yaml --strict").expect(0).says("good");
    world.run("trust lint good.yaml --at 2037-01-01T00:00:00Z").expect(0).says("ended at");
}

#[test]
fn a_file_has_bounds() {
    let world = World::new();
    one_keyring(&world);
    let text = read(&world, "trust.yaml");
    let fill = |bytes: usize| format!("{text}#{}\n", "x".repeat(bytes - text.len() - 2));
    std::fs::write(world.path("large.yaml"), fill(1 << 20)).unwrap();
    world.run("trust show large.yaml").expect(0);
    std::fs::write(world.path("large.yaml"), fill((1 << 20) + 1)).unwrap();
    world.run("trust show large.yaml").expect(4).says("TRUST_FILE_BYTES");
    let service = |n: usize| {
        let one = "      - url: https://a.example\n        version: 1\n        start: 2024-01-01T00:00:00Z\n";
        format!("{text}  services:\n    oidcIssuers:\n{}", one.repeat(n))
    };
    std::fs::write(world.path("many.yaml"), service(512)).unwrap();
    world.run("trust show many.yaml").expect(0);
    std::fs::write(world.path("many.yaml"), service(513)).unwrap();
    world.run("trust show many.yaml").expect(4).says("TRUST_ENTRIES");
    let owner = |n: usize| text.replace("owner: team", &format!("owner: {}", "x".repeat(n)));
    std::fs::write(world.path("long.yaml"), owner(1024)).unwrap();
    world.run("trust show long.yaml").expect(0);
    std::fs::write(world.path("long.yaml"), owner(1025)).unwrap();
    world.run("trust show long.yaml").expect(4).says("TRUST_TEXT_BYTES");
    let mut world = world;
    world.env("SEAWORTHY_PASSWORD", "");
    world.run("authority init --dir a --url https://a.example").expect(0);
    let ca = read(&world, "a/certs/root.pem");
    for (count, code) in [(16, 0), (17, 4)] {
        let pem: String = ca.repeat(count).lines().map(|l| format!("        {l}\n")).collect();
        let chain = format!(
            "{text}  certificateAuthorities:\n    - uri: x\n      start: 2024-01-01T00:00:00Z\n      certificates: |\n{pem}"
        );
        std::fs::write(world.path("chain.yaml"), chain).unwrap();
        world.run("trust show chain.yaml").expect(code);
    }
    world.run("trust show chain.yaml").expect(4).says("CHAIN_CERTIFICATES");
}

#[test]
fn other_documents_are_not_trust() {
    let world = World::new();
    for text in [
        "",
        "{}",
        "[]",
        "{\"mediaType\":\"x\"}",
        "kind: ImagePolicy\n",
        "\u{0}",
        "{\"mediaType\":\"application/vnd.dev.sigstore.signingconfig.v0.1+json\"}",
    ] {
        std::fs::write(world.path("x"), text).unwrap();
        world.run("trust show x").expect(4);
        world.run("trust diff x public-good").expect(4);
    }
    // A key twice in one object is two answers.
    let root = world.run("trust export github --format trusted-root").expect(0).stdout;
    std::fs::write(world.path("x"), root.replacen("\"tlogs\": []", "\"tlogs\": [], \"tlogs\": []", 1))
        .unwrap();
    world.run("trust show x").expect(4);
}

/// Identities in the file itself: `verify`, `verify-blob`, `tree` and `inspect` need nothing else. Several files
/// together, by any of them.
#[test]
fn identities_in_trust_files() {
    let mut world = World::new();
    let services = Services::start(&mut world);
    for who in ["ci", "eve"] {
        std::fs::write(world.path(who), services.token(&world, &format!("{who}@example.com"))).unwrap();
    }
    let url = &services.url;
    world
        .run("trust init trust.yaml --authority authority --key testdata/keys/demo.pub --keyring release")
        .expect(0);
    let add = format!(
        "trust add trust.yaml --identity build --owner 'build team' --certificate-identity ci@example.com --certificate-oidc-issuer {url}"
    );
    world.shell(&format!("seaworthy {add}")).expect(0);
    world.shell(&format!("seaworthy {add}")).expect(4).says("name of something else");
    world.run("trust add trust.yaml --identity half --certificate-identity ci@example.com").expect(2);
    let open = "trust add trust.yaml --identity open --certificate-identity-regexp .* --certificate-oidc-issuer https://x.example";
    world.run(open).expect(2);
    world.run("trust show trust.yaml").expect(0).says("ci@example.com").says("build team");
    let text = read(&world, "trust.yaml");
    assert!(text.contains("  identities:\n    - name: build\n      owner: build team\n"), "{text}");
    world.run("trust lint trust.yaml").expect(0);
    // The file is what is signed with, too.
    let by = |who: &str| format!("--signing-config trust.yaml --identity-token {who}");
    std::fs::write(world.path("file"), "ahoy\n").unwrap();
    for (image, who) in [("img", "ci"), ("bad", "eve")] {
        world.released("harbor", image);
        world.run(&format!("sign {} oci:{image}", by(who))).expect(0);
        world.run(&format!("sign-blob {} --bundle {image}.json file", by(who))).expect(0);
    }
    let verify = |more: &str| world.run(&format!("--offline verify --trust trust.yaml {more}"));
    verify("--keyring build oci:img").expect(0);
    verify("--keyring build oci:bad").expect(1);
    verify("--keyring release oci:bad").expect(0);
    verify("--keyring nobody oci:bad").expect(2).says("it has release, build");
    let blob = |more: &str| world.run(&format!("--offline verify-blob --trust trust.yaml {more} file"));
    blob("--bundle img.json").expect(0).says("ci@example.com");
    blob("--bundle bad.json").expect(1).says("identity-mismatch");
    blob("--bundle img.json --keyring release").expect(1).says("unknown-signer");
    // Several files: either will do, and a name is meant where it is.
    world.run("trust init keys.yaml --key testdata/keys/other.pub --keyring other").expect(0);
    verify("--trust keys.yaml oci:img").expect(0);
    verify("--trust keys.yaml --keyring build oci:img").expect(0);
    verify("--trust keys.yaml --keyring other oci:img").expect(1);
    verify("--trust keys.yaml --keyring neither oci:img").expect(2).says("no trust file has neither");
    let who = format!("--certificate-identity ci@example.com --certificate-oidc-issuer {url}");
    world.run(&format!("--offline verify --trust public-good --trust trust.yaml {who} oci:img")).expect(0);
    // Whoever looks asks the same.
    let root = "--trusted-root authority/trusted_root.json";
    world.run(&format!("tree {root} {who} oci:img")).expect(0).says("signed by ci@example.com");
    world.run(&format!("tree {root} {who} oci:bad")).expect(0).says("not signed by anybody");
    let json =
        |text: &str| world.run(&format!("tree --output json {text}")).expect(0).json()["signed"].clone();
    assert_eq!(json("--trust trust.yaml --keyring build oci:img")["answer"], "yes");
    assert_eq!(json("--trust trust.yaml --keyring build oci:bad")["answer"], "no");
    assert!(json("oci:img").is_null());
    world.run("tree --key testdata/keys/demo.pub --trust trust.yaml oci:img").expect(2);
    let policy = "--policy testdata/policies/demo.yaml";
    world.run(&format!("tree {policy} oci:img")).expect(0).says("signed by key sha256:");
    world.run(&format!("inspect {policy} oci:img")).expect(0).says("attestation, verified");
    world.run(&format!("inspect {root} {who} oci:img")).expect(1).says("no SBOM attested by anybody");
    world.run("sbom oci:img -o spdx-json=sbom.json").expect(0);
    world.run(&format!("attest oci:img --type spdx --predicate sbom.json {}", by("ci"))).expect(0);
    world.run(&format!("inspect {root} {who} oci:img")).expect(0).says("verified: ci@example.com");
    world.run("inspect --trust trust.yaml --keyring build oci:img").expect(0);
}

#[test]
fn lint_compares_with_the_roots_of_the_program() {
    let world = World::new();
    world.run("trust init root.yaml --staging").expect(0);
    let text = read(&world, "root.yaml");
    // A log of it that never ends here, and one that is missing.
    let shown = world.run("trust show staging --output json").expect(0).json();
    let entries = shown["entries"].as_array().unwrap();
    let ended = entries.iter().find_map(|e| e["until"].as_str()).expect("staging has ended entries");
    std::fs::write(world.path("open.yaml"), text.replacen(&format!("      end: {ended}\n"), "", 1)).unwrap();
    world.run("trust lint open.yaml").says("of this program ends this").says(ended);
    let at = text.find("  ctLogs:").unwrap();
    let until = at + text[at..].find("  transparencyLogs:").unwrap();
    let without = [&text[..at], &text[until..]].concat();
    std::fs::write(world.path("without.yaml"), without).unwrap();
    world.run("trust lint without.yaml").says("and the file has not");
    // Years later it is old.
    world.run("trust lint staging --at 2040-01-01T00:00:00Z").says("that comes with this program is old");
}
