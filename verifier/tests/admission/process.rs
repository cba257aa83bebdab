//! Rows of the list of attacks against the running program: `seaworthy-verifier` as a process, asked over HTTPS, with a
//! registry on loopback that lies, stalls and moves tags. Which row is shown where: `tests/it/rows.rs`.

use crate::asked::{Program, refused};
use crate::keys::{self, Key, SIGN};
use crate::server::certificate;
use crate::world::{BUNDLE, World, create, pod, policy, review};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{Descriptor, Digest};
use seaworthy_tests::image;
use seaworthy_tests::registry::{Delivery, Fault, Lab, Reply, Request, endless_pages, many_referrers};
use serde_json::{Value, json};
use std::time::Duration;

const SPDX: &str = "https://spdx.dev/Document";

#[test]
fn a01_a10_a_tag_that_moves_takes_no_verdict_along_and_a_digest_is_pinned() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    let review = create(&pod(&[&image])).to_string();
    let first = program.post("/mutate", review.clone());
    first.yes();
    let pinned = first.patch[0]["value"].as_str().unwrap().to_owned();
    // What a node's store holds under the tag does not matter: the kubelet is told the digest.
    assert!(pinned.starts_with(&format!("{image}@sha256:")), "{pinned}");
    program.world.image("app", "1", "evil");
    let second = program.post("/mutate", review);
    second.no("signature-missing");
    assert!(second.patch.is_empty());
    program.pod(&pinned).yes();
}

#[test]
fn a02_the_first_answer_is_the_one_that_is_judged_and_pinned() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    let evil = program.world.image("other", "1", "evil");
    let bytes = program.world.lab.manifest("other", &evil.digest.to_string()).unwrap();
    program.world.lab.fault(Fault::on("", "/manifests/1").skip(1).body(bytes));
    let said = program.post("/mutate", create(&pod(&[&image])).to_string());
    said.yes();
    assert!(!said.patch[0]["value"].as_str().unwrap().contains(&evil.digest.to_string()));
    let asked = program.world.lab.requests().iter().filter(|r| r.target.contains("/manifests/1")).count();
    assert_eq!(asked, 1, "asked once, by whatever method");
    // The next review meets the second answer, and judges that.
    program.pod(&image).no("signature-missing");
}

#[test]
fn a03_another_body_than_the_digest_says() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    let digest = program.post("/mutate", create(&pod(&[&image])).to_string()).patch[0]["value"].clone();
    let world = World::new();
    let fresh = Program::over(world);
    drop(program);
    let image = fresh.world.signed("app", "1");
    let pinned = format!("{image}@{}", digest.as_str().unwrap().split_once('@').unwrap().1);
    fresh.world.lab.fault(Fault::on("GET", "/manifests/sha256").corrupt());
    fresh.pod(&pinned).doubt("wrong content");
    fresh.world.lab.heal();
    fresh.pod(&pinned).yes();
}

#[test]
fn a04_evidence_of_another_image() {
    let program = Program::new();
    let image = program.world.image("app", "1", "one");
    let other = Digest::sha256(b"another image");
    program.attach("app", &image, &program.world.key.bundle(&keys::statement(&other, SIGN, json!({}))));
    program.pod(&program.world.lab.reference("app:1")).no("subject-mismatch");
}

#[test]
fn a05_a_manifest_in_two_readings() {
    let program = Program::new();
    let image = program.world.image("app", "0", "one");
    let raw = program.world.lab.manifest("app", &image.digest.to_string()).unwrap();
    let good: Value = serde_json::from_slice(&raw).unwrap();
    let mut both = good.clone();
    both["manifests"] = json!([]);
    let mut none = good.clone();
    none.as_object_mut().unwrap().remove("mediaType");
    let all = [
        (both, media_type::MANIFEST, "ambiguous"),
        (none, media_type::MANIFEST, "no mediaType"),
        (good, media_type::INDEX, "media type"),
    ];
    for (at, (manifest, kind, why)) in all.into_iter().enumerate() {
        let said = program.pod(&program.raw(&format!("v{at}"), kind, &manifest));
        assert!(!said.allowed && said.message.contains(why), "{} {}", said.code, said.message);
    }
}

#[test]
fn a06_an_old_release_is_too_old() {
    let old = |lab: &Lab| {
        policy("fresh", "enforce", &format!("{}/**", lab.host()), "release")
            + "  sbom:\n    by: [release]\n    maxAge: 30d\n"
    };
    let program = Program::over(World::with(old, |_| {}));
    for (tag, created, yes) in [("old", "2020-01-01T00:00:00Z".to_owned(), false), ("new", now(), true)] {
        let image = program.world.image("app", tag, tag);
        program.world.sign("app", &image);
        let document = keys::spdx(&created, &[]);
        program.attach(
            "app",
            &image,
            &program.world.key.bundle(&keys::statement(&image.digest, SPDX, document)),
        );
        let said = program.pod(&program.world.lab.reference(&format!("app:{tag}")));
        if yes { said.yes() } else { said.no("sbom-too-old") }
    }
}

/// Now, to the second, as SPDX writes it.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[test]
fn a07_children_of_an_index() {
    let program = Program::new();
    let child = program.world.image("app", "child", "child");
    let index = |entries: Vec<Value>| json!({ "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": entries });
    let entry = |child: &Descriptor| {
        json!({ "mediaType": child.media_type, "digest": child.digest, "size": child.size,
            "platform": { "os": "linux", "architecture": "amd64" } })
    };
    let top = program.raw("index", media_type::INDEX, &index(vec![entry(&child)]));
    program.pod(&top).yes();
    // The child is covered by the index's signature, and has none of its own.
    program.pod(&program.world.lab.reference("app:child")).no("signature-missing");
    // Fifty inside each other, and ten thousand beside each other.
    let mut inner = child.clone();
    for _ in 0..50 {
        let bytes = index(vec![entry(&inner)]).to_string().into_bytes();
        inner = Descriptor::of(media_type::INDEX, &bytes);
        program.world.lab.put_manifest("app", None, media_type::INDEX, &bytes);
    }
    program.pod(&program.raw("deep", media_type::INDEX, &index(vec![entry(&inner)]))).no("INDEX_DEPTH");
    let wide = program.pod(&program.raw("wide", media_type::INDEX, &index(vec![entry(&child); 10_000])));
    assert!(!wide.allowed && wide.message.contains("INDEX_ENTRIES"), "{}", wide.message);
    // The child swapped: a new process, which remembers nothing.
    let swapped = Program::new();
    let child = swapped.world.image("app", "child", "child");
    let top = swapped.raw("index", media_type::INDEX, &index(vec![entry(&child)]));
    swapped.world.lab.fault(Fault::on("GET", child.digest.hex()).corrupt());
    swapped.pod(&top).doubt("wrong content");
}

#[test]
fn a08_spelling_cannot_dodge_a_policy() {
    let world = World::with(|_| policy("hub", "enforce", "docker.io/library/nginx", "release"), |_| {});
    let program = Program::over(world);
    // The policy speaks about all of these; the registry is not among those that may be asked, and that is the reason.
    for image in [
        "nginx",
        "nginx:1",
        "library/nginx",
        "docker.io/nginx",
        "docker.io/library/nginx",
        "index.docker.io/library/nginx",
        "registry-1.docker.io/library/nginx",
        "DOCKER.IO/library/nginx",
        "docker.io:443/library/nginx",
    ] {
        program.pod(image).no("registry-not-allowed");
    }
    // And of these none is another spelling: they are other images, or none at all.
    for image in [
        "docker.io./library/nginx",
        "docker.io/library/nginx/",
        "docker.io//nginx",
        "xn--dcker-jua.io/library/nginx",
        "[::1]/nginx",
        "docker.io/library/Nginx",
    ] {
        assert!(!program.pod(image).allowed, "{image}");
    }
    assert!(program.world.lab.requests().is_empty());
}

#[test]
fn a09_c06_policies_that_cannot_mean_what_they_say_do_not_start() {
    for (images, why) in [
        ("docker.io/library/nginx:1", "tag"),
        ("docker.io/Library/**", "upper"),
        ("https://docker.io/**", ""),
    ] {
        let (code, said) = refused(|_| policy("p", "enforce", images, "release"));
        assert_eq!(code, Some(2), "{images}: {said}");
        assert!(said.contains("policy.yaml:") && said.contains(why), "{said}");
    }
    let empty = refused(|_| policy("p", "enforce", "x", "release").replace("[\"x\"]", "[]"));
    assert_eq!(empty.0, Some(2), "{}", empty.1);
    let twice = refused(|lab| {
        let one = policy("p", "enforce", &format!("{}/**", lab.host()), "release");
        format!("{one}---\n{one}")
    });
    assert_eq!(twice.0, Some(2));
    assert!(twice.1.contains("two policies have the name 'p'"), "{}", twice.1);
}

#[test]
fn c01_c02_every_image_by_every_policy() {
    let world = World::with(
        |lab| {
            let all = format!("{}/**", lab.host());
            policy("watch", "audit", &all, "release") + "---\n" + &policy("hold", "enforce", &all, "release")
        },
        |_| {},
    );
    let program = Program::over(world);
    let (good, bad) = (program.world.signed("app", "1"), program.world.unsigned("evil", "1"));
    program.ask(&create(&pod(&[&good, &bad]))).no("evil:1");
    program.ask(&create(&pod(&[&bad, &good]))).no("policy 'hold'");
    let other = program.ask(&create(&pod(&["third.example/x", &bad])));
    other.no("no-policy-matches");
    other.no("evil:1");
    program.pod(&good).yes();
}

#[test]
fn c03_c17_what_is_no_question_and_what_is_too_much_of_one() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    let good = create(&pod(&[&image]));
    let mut beta = good.clone();
    beta["apiVersion"] = "admission.k8s.io/v1beta1".into();
    let mut none = good.clone();
    none["request"] = Value::Null;
    let twice = good.to_string().replace(r#""name":"p","#, r#""name":"p","name":"q","#);
    let bodies = [
        String::new(),
        "[]".into(),
        "{}".into(),
        beta.to_string(),
        none.to_string(),
        twice,
        " ".repeat(3 << 20) + "{}",
    ];
    for body in bodies {
        let said = program.post("/validate", body.clone());
        assert!(!said.allowed && said.code == 400, "{} for {:.80}", said.code, body);
    }
    // What another webhook's patch may leave behind.
    for spec in [
        json!([]),
        json!({ "containers": {} }),
        json!({ "containers": [{ "image": 1 }] }),
        json!({ "containers": [{}] }),
    ] {
        let said = program.ask(&create(&json!({ "kind": "Pod", "spec": spec })));
        assert!(!said.allowed && said.code == 400, "{}", said.message);
    }
    program.ask(&create(&pod(&vec![image.as_str(); 500]))).yes();
    assert_eq!(program.world.lab.requests_to("GET", "/manifests/1").len(), 1, "fetched once");
    let many: Vec<String> = (0..500).map(|n| format!("{image}{n}")).collect();
    program.ask(&create(&pod(&many.iter().map(String::as_str).collect::<Vec<_>>()))).no("IMAGES = 64");
}

#[test]
fn c04_c05_c09_c10_c12_c13_nothing_that_a_tenant_writes_is_a_way_round() {
    let program = Program::new();
    let (good, bad) = (program.world.signed("app", "1"), program.world.unsigned("evil", "1"));
    let mut object = pod(&[&bad]);
    object["metadata"] = json!({
        "name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"],
        "annotations": { "seaworthy.dev/verified": "true", "kubernetes.io/config.mirror": "x" },
        "labels": { "seaworthy.dev/ignore": "true" },
        "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "u", "controller": true }],
    });
    program.ask(&create(&object)).no("signature-missing");
    program.ask(&review("UPDATE", "", &object, &object)).no("signature-missing");
    let scaled = |replicas: u32, image: &str| {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "spec": { "replicas": replicas,
            "template": { "spec": { "containers": [{ "name": "c", "image": image }] } } } })
    };
    program.ask(&review("UPDATE", "apps", &scaled(0, &bad), &scaled(1, &good))).no("signature-missing");
    program.ask(&review("UPDATE", "apps", &scaled(0, &good), &scaled(1, &good))).yes();
}

#[test]
fn c07_policies_that_cannot_be_read_any_more_are_no_policies_that_are_skipped() {
    let program = Program::new();
    let (good, bad) = (program.world.signed("app", "1"), program.world.unsigned("evil", "1"));
    program.pod(&good).yes();
    std::fs::remove_file(program.world.dir.path().join("policy.yaml")).unwrap();
    program.until("the loss is seen", |p| p.metric("seaworthy_policy_stale 1"));
    program.pod(&good).yes();
    program.pod(&bad).no("signature-missing");
}

#[test]
fn c11_every_place_and_every_kind() {
    let program = Program::new();
    let (good, bad) = (program.world.signed("app", "1"), program.world.unsigned("evil", "1"));
    let specs = |image: &str| {
        let container = json!({ "name": "c", "image": image });
        [
            json!({ "containers": [container] }),
            json!({ "initContainers": [container], "containers": [] }),
            json!({ "initContainers": [{ "name": "c", "image": image, "restartPolicy": "Always" }] }),
            json!({ "ephemeralContainers": [{ "name": "c", "image": image, "targetContainerName": "x" }] }),
            json!({ "volumes": [{ "name": "v", "image": { "reference": image } }] }),
        ]
    };
    for (group, kind, path) in [
        ("", "Pod", "/spec"),
        ("", "PodTemplate", "/template/spec"),
        ("", "ReplicationController", "/spec/template/spec"),
        ("apps", "Deployment", "/spec/template/spec"),
        ("apps", "StatefulSet", "/spec/template/spec"),
        ("apps", "DaemonSet", "/spec/template/spec"),
        ("apps", "ReplicaSet", "/spec/template/spec"),
        ("batch", "Job", "/spec/template/spec"),
        ("batch", "CronJob", "/spec/jobTemplate/spec/template/spec"),
        ("example.test", "Rollout", "/spec/template/spec"),
    ] {
        let object = |spec: Value| {
            let mut inner =
                path.rsplit('/').filter(|p| !p.is_empty()).fold(spec, |inner, key| json!({ key: inner }));
            inner["kind"] = kind.into();
            inner
        };
        for (yes, no) in specs(&good).into_iter().zip(specs(&bad)) {
            program.ask(&review("CREATE", group, &object(yes), &Value::Null)).yes();
            let mut dry = review("CREATE", group, &object(no), &Value::Null);
            program.ask(&dry).no("signature-missing");
            dry["request"]["dryRun"] = true.into();
            program.ask(&dry).no("signature-missing");
        }
    }
}

#[test]
fn c13_a_mode_hangs_on_the_namespaces_name_and_on_nothing_that_its_owner_writes() {
    let program = Program::over(World::with(
        |lab| {
            policy("signed", "enforce", &format!("{}/**", lab.host()), "release")
                .replace("spec:\n", "spec:\n  modes:\n    - mode: warn\n      namespaces: [sandbox]\n")
        },
        |_| {},
    ));
    let mut asked = create(&pod(&[&program.world.unsigned("evil", "1")]));
    asked["request"]["object"]["metadata"]["labels"] = json!({ "kubernetes.io/metadata.name": "sandbox" });
    asked["request"]["object"]["metadata"]["namespace"] = "sandbox".into();
    program.ask(&asked).no("signature-missing");
    asked["request"]["namespace"] = "sandbox".into();
    program.ask(&asked).yes();
}

#[test]
fn c16_hosts_that_nobody_named() {
    let program = Program::over(World::with(|_| policy("all", "enforce", "**", "release"), |_| {}));
    for image in ["169.254.169.254/x", "localhost:2379/x", "[::1]/x", "elsewhere.example/x", "nginx"] {
        program.pod(image).no("registry-not-allowed");
    }
    // Without a list, this machine and what is link-local are out of reach all the same.
    let open = Program::with(World::with(|_| policy("all", "enforce", "**", "release"), |_| {}), &[], |_| {});
    for image in [
        "169.254.169.254/x",
        "localhost:2379/x",
        "[::1]/x",
        "[fe80::1]/x",
        &open.world.lab.reference("app:1"),
    ] {
        open.pod(image).no("registry-not-allowed");
    }
    assert!(open.world.lab.requests().is_empty());
}

#[test]
fn c18_certificates_rotate_twice_without_a_dropped_request() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    program.pod(&image).yes();
    for _ in 0..2 {
        let client = Program::client(&certificate(program.tls.path()));
        program.until("the new certificate is shown", |p| {
            // The kept connection goes on being answered all the while.
            p.pod(&image).yes();
            let request = client.get(format!("{}/readyz", p.base));
            p.world.runtime.block_on(async { request.send().await.is_ok() })
        });
    }
}

#[test]
fn c19_a_registry_that_hangs_anywhere() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    let next = |request: &Request, reply: Reply| match request.target.contains("last=1") {
        true => reply,
        false => reply.with("Link", format!("<{}?last=1>; rel=\"next\"", request.path())),
    };
    let hangs = [
        Fault::on("GET", "/manifests/1").deliver(Delivery::Stall),
        Fault::on("GET", "/manifests/1").deliver(Delivery::StallAfter(20)),
        Fault::on("GET", "/referrers/").deliver(Delivery::Stall),
        Fault::on("GET", "/blobs/").deliver(Delivery::StallAfter(10)),
        Fault::on("GET", "/blobs/").deliver(Delivery::Drip(Duration::from_secs(1))),
    ];
    let ask = || program.post("/validate?timeout=2s", create(&pod(&[&image])).to_string());
    for hang in hangs {
        program.world.lab.heal();
        program.world.lab.fault(hang);
        ask().doubt("could not find out: no answer within 1.5 s");
    }
    // The second page.
    program.world.lab.heal();
    program.world.lab.fault(Fault::on("GET", "/referrers/sha256").rewrite(next));
    program.world.lab.fault(Fault::on("GET", "last=1").deliver(Delivery::Stall));
    ask().doubt("could not find out: no answer within 1.5 s");
    program.world.lab.heal();
    ask().yes();
    // A host that takes connections and never speaks.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let mute = Program::with(
        World::with(|_| policy("all", "enforce", "**", "release"), |_| {}),
        &["--registry", &host],
        |_| {},
    );
    // Not plain: it hangs in the TLS handshake.
    mute.post("/validate?timeout=2s", create(&pod(&[&format!("{host}/app")])).to_string())
        .doubt("could not find out");
}

#[test]
fn d01_too_much_of_everything() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    for fault in [many_referrers(100_000), endless_pages()] {
        program.world.lab.heal();
        program.world.lab.fault(fault);
        let said = program.pod(&image);
        assert!(!said.allowed && said.message.contains("limit"), "{} {}", said.code, said.message);
    }
    program.world.lab.heal();
    let mut many: Value = serde_json::from_slice(&program.world.lab.manifest("app", "1").unwrap()).unwrap();
    many["layers"] = vec![many["layers"][0].clone(); 10_000].into();
    let said = program.pod(&program.raw("layers", media_type::MANIFEST, &many));
    assert!(!said.allowed && said.message.contains("limit"), "{} {}", said.code, said.message);
    let subject = json!({ "name": "x", "digest": { "sha256": "0".repeat(64) } });
    let plain = program.world.image("app", "subjects", "subjects");
    let statement = json!({ "_type": "https://in-toto.io/Statement/v1", "subject": vec![subject; 10_000],
        "predicateType": SIGN, "predicate": {} });
    program.attach("app", &plain, &program.world.key.bundle(statement.to_string().as_bytes()));
    program.pod(&program.world.lab.reference("app:subjects")).no("STATEMENT_SUBJECTS");
}

#[test]
fn d02_sizes_that_lie() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    for part in ["/manifests/1", "/referrers/", "/blobs/"] {
        for delivery in [
            Delivery::Endless,
            Delivery::Announce(10),
            Delivery::Announce(u64::MAX / 2),
            Delivery::Truncate(10),
        ] {
            program.world.lab.heal();
            program.world.lab.fault(Fault::on("GET", part).deliver(delivery));
            let said = program.post("/validate?timeout=3s", create(&pod(&[&image])).to_string());
            assert!(!said.allowed, "{part} {delivery:?}");
        }
    }
    program.world.lab.heal();
    let good: Value = serde_json::from_slice(&program.world.lab.manifest("app", "1").unwrap()).unwrap();
    for (tag, size) in [("negative", json!(-1)), ("fraction", json!(1.5))] {
        let mut odd = good.clone();
        odd["config"]["size"] = size;
        let said = program.pod(&program.raw(tag, media_type::MANIFEST, &odd));
        assert!(!said.allowed, "{tag}: {}", said.message);
    }
    // Evidence that claims to be as large as a number can be.
    let plain = program.world.image("app", "claims", "claims");
    let bundle = program.world.key.bundle(&keys::statement(&plain.digest, SIGN, json!({})));
    let (manifest, blobs) = image::artifact(&plain, BUNDLE, bundle.to_string().as_bytes());
    blobs.iter().for_each(|blob| drop(program.world.lab.put_blob("app", blob)));
    let mut claims: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    claims["layers"][0]["size"] = i64::MAX.into();
    program.world.lab.put_manifest("app", None, media_type::MANIFEST, claims.to_string().as_bytes());
    program.pod(&program.world.lab.reference("app:claims")).no("limit");
    // It lives, and remembers nothing of it for others.
    program.pod(&program.world.signed("other", "1")).yes();
}

#[test]
fn d03_json_that_is_a_bomb_or_has_two_readings() {
    let program = Program::new();
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    program.world.lab.put_manifest("app", Some("deep"), media_type::MANIFEST, deep.as_bytes());
    let said = program.pod(&program.world.lab.reference("app:deep"));
    assert!(!said.allowed && said.message.contains("nested"), "{}", said.message);
    let image = program.world.image("app", "twice", "twice");
    let statement = String::from_utf8(keys::statement(&image.digest, SIGN, json!({}))).unwrap();
    let twice = statement.replacen('{', r#"{"predicateType":"https://x.example/other","#, 1);
    program.attach("app", &image, &program.world.key.bundle(twice.as_bytes()));
    program.pod(&program.world.lab.reference("app:twice")).no("duplicate key");
    // And it lives.
    program.pod(&program.world.signed("app", "1")).yes();
}

#[test]
fn d04_digests_that_are_none() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    for digest in [
        "sha256:../../etc",
        "sha256:abc",
        &format!("sha256:{}", "A".repeat(64)),
        &format!("md5:{}", "a".repeat(32)),
        "sha256",
        "",
    ] {
        let said = program.pod(&format!("{image}@{digest}"));
        assert!(!said.allowed && said.code == 403, "{digest}: {}", said.message);
    }
    assert!(program.world.lab.requests().is_empty());
}

#[test]
fn d05_credentials_stay_with_the_registry_that_they_are_for() {
    let (world, other) = (World::new(), Lab::start());
    let port = other.host().rsplit(':').next().unwrap().to_owned();
    let elsewhere = format!("localhost:{port}");
    let (host, auth) = (world.lab.host(), STANDARD.encode("me:secret"));
    let config = json!({ "auths": { host.as_str(): { "auth": auth } } }).to_string();
    let flags = ["--registry", &host, "--registry", &elsewhere, "--plain-http", &elsewhere];
    let program =
        Program::with(world, &flags, |dir| std::fs::write(dir.join("config.json"), config).unwrap());
    let image = program.world.signed("app", "1");
    // A token service on another host.
    let challenge =
        format!("Bearer realm=\"http://{elsewhere}/token\",service=\"x\",scope=\"repository:app:pull\"");
    program.world.lab.fault(Fault::on("GET", "/v2/").status(401).header("WWW-Authenticate", &challenge));
    assert!(!program.pod(&image).allowed);
    // The registry itself asks, is told, and sends us elsewhere.
    program.world.lab.heal();
    program.world.lab.fault(
        Fault::when(|r| r.header("authorization").is_none())
            .status(401)
            .header("WWW-Authenticate", "Basic realm=\"x\""),
    );
    program.world.lab.fault(
        Fault::when(|r| r.header("authorization").is_some())
            .redirect(&format!("http://{elsewhere}/v2/app/manifests/1")),
    );
    assert!(!program.pod(&image).allowed);
    let told = program
        .world
        .lab
        .requests()
        .iter()
        .any(|r| r.header("authorization") == Some(&format!("Basic {auth}")));
    assert!(told, "the registry itself gets its password");
    let requests = other.requests();
    let leaked = |r: &&Request| {
        r.header("authorization").is_some_and(|a| a.contains(&auth)) || r.target.contains("secret")
    };
    assert!(!requests.iter().any(|r| leaked(&r)), "{requests:?}");
}

#[test]
fn d06_each_failure_is_its_own_and_none_is_unsigned() {
    let program = Program::new();
    let image = program.world.signed("app", "1");
    for (status, words) in [(401, "401"), (403, "403"), (429, "429"), (500, "500"), (503, "503")] {
        for part in ["/manifests/1", "/referrers/", "/blobs/"] {
            program.world.lab.heal();
            program.world.lab.fault(Fault::on("GET", part).status(status).header("Retry-After", "0"));
            program.pod(&image).doubt(words);
        }
    }
    program.world.lab.heal();
    program.world.lab.fault(Fault::on("GET", "/referrers/").deliver(Delivery::Reset));
    let said = program.pod(&image);
    assert!(
        !said.allowed && said.code == 503 && !said.message.contains("signature-missing"),
        "{}",
        said.message
    );
    program.world.lab.heal();
    program.pod(&program.world.lab.reference("app:none")).no("not found");
    // A hiccup is waited out: the second try is answered.
    program.world.lab.fault(Fault::on("GET", "/referrers/").status(503).times(1));
    program.pod(&image).yes();
}

#[test]
fn b07_c17_no_key_no_question_and_no_panic_ends_the_process() {
    let mut program = Program::new();
    let image = program.world.image("app", "1", "one");
    program.attach(
        "app",
        &image,
        &json!({ "mediaType": BUNDLE, "verificationMaterial": 17, "dsseEnvelope": [] }),
    );
    program.attach("app", &image, &Key::new(9).bundle(&keys::statement(&image.digest, SIGN, json!({}))));
    program.pod(&program.world.lab.reference("app:1")).no("unknown-signer");
    for size in [0, 1, 100, 10_000] {
        assert!(!program.post("/mutate", vec![0xff; size]).allowed);
    }
    assert!(program.child.try_wait().unwrap().is_none(), "it lives");
}
