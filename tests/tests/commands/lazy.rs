//! `sbom --lazy`: layers by their table of contents, out of a registry that keeps its word or does not.

use crate::world::{Ran, World, root};
use seaworthy_tests::chunked::{self, Format, Member, noise};
use seaworthy_tests::registry::{Delivery, Fault, Lab, Request};
use serde_json::{Value, json};

/// A registry with the images that other programs made, and one with a large model, at `shop/NAME:1`.
fn shop() -> (World, Lab) {
    let (mut world, lab) = (World::new(), Lab::start());
    for name in ["estargz", "zstd-chunked"] {
        let dir = root().join("testdata/interop/chunked").join(name);
        lab.take_layout(&dir, &format!("shop/{name}"), "1");
    }
    let weights =
        [b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(), &noise(3, 24 << 20)].concat();
    let members = [
        Member::file(
            "var/lib/dpkg/status",
            "Package: hello\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
        ),
        Member::file("models/m.gguf", weights),
    ];
    let layer = chunked::layer(Format::ZstdChunked, &members, 128 << 10);
    lab.put_blob("shop/model", &layer.bytes);
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}});
    let digest = lab.put_blob("shop/model", config.to_string().as_bytes());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "layers": [layer.descriptor], "config":
        {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.to_string().len()}});
    lab.put_manifest("shop/model", Some("1"), kind, manifest.to_string().as_bytes());
    world.scrub(&lab.host(), "[registry]");
    (world, lab)
}

fn sbom(world: &World, lab: &Lab, name: &str, flags: &str) -> Ran {
    world.run(&format!("sbom {} --no-cache -o json {flags}", lab.reference(&format!("shop/{name}:1"))))
}

/// The inventory without the gap that says how it was made.
fn without_gap(ran: &Ran) -> Value {
    let mut inventory = ran.json();
    let gaps = inventory["gaps"].as_array_mut().unwrap();
    let before = gaps.len();
    gaps.retain(|gap| !gap["reason"].as_str().unwrap().starts_with("only in part, by its table of contents"));
    assert_eq!(gaps.len() + 1, before, "{}", ran.transcript());
    inventory
}

fn is_part(request: &Request) -> bool {
    request.header("range").is_some()
}

/// Bytes of layers that were asked for, and in how many requests.
fn asked(lab: &Lab) -> (u64, usize) {
    let parts: Vec<Request> = lab.requests().into_iter().filter(is_part).collect();
    let size = |request: &Request| {
        let range = request.header("range").unwrap().strip_prefix("bytes=").unwrap().to_owned();
        let (from, to) = range.split_once('-').unwrap();
        to.parse::<u64>().unwrap() + 1 - from.parse::<u64>().unwrap()
    };
    (parts.iter().map(size).sum(), parts.len())
}

#[test]
fn the_same_packages_with_a_part_of_the_bytes() {
    let (world, lab) = shop();
    for name in ["estargz", "zstd-chunked", "model"] {
        let whole = sbom(&world, &lab, name, "").expect(0);
        assert_eq!(asked(&lab), (0, 0));
        let lazily = sbom(&world, &lab, name, "--lazy").expect(0);
        assert_eq!(without_gap(&lazily), whole.json(), "{name}");
        let (bytes, requests) = asked(&lab);
        let size = whole.json()["layers"][0]["size"].as_u64().unwrap();
        let most = if name == "model" { size / 10 } else { size * 3 / 4 };
        assert!(bytes < most && requests <= 6, "{name}: {bytes} of {size} bytes in {requests} requests");
        lazily.says(&format!("layer 1 of 1: fetched {bytes} of {size} bytes"));
        lab.forget_requests();
    }
}

#[test]
fn as_people_see_it() {
    let (world, lab) = shop();
    let reference = lab.reference("shop/estargz:1");
    let runs = [
        world.run(&format!("sbom --lazy --no-cache {reference}")),
        world.run(&format!("sbom --lazy --no-cache --strict -q {reference} -o spdx-json=x.json")),
        world.run(&format!("sbom --lazy --no-cache --files owned -q {reference} -o spdx-json=x.json")),
        world.run("sbom --lazy oci:testdata/images/harbor"),
        world.run("sbom --lazy dir:testdata"),
    ];
    let shown: Vec<String> = runs.iter().map(Ran::transcript).collect();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("sbom-lazy", shown.join("\n"));
    });
}

#[test]
fn a_registry_without_ranges_gives_the_whole_layer_and_nothing_is_missing() {
    let (world, lab) = shop();
    let whole = sbom(&world, &lab, "model", "").expect(0).json();
    type Make = fn(Fault) -> Fault;
    let faults: [(&str, Make); 5] = [
        // Ignored: all of it, with 200.
        ("ignored", |fault| {
            fault.rewrite(|_, mut reply| {
                reply.status = 200;
                reply.without("Content-Range")
            })
        }),
        ("416", |fault| fault.status(416)),
        ("other bytes", |fault| fault.header("Content-Range", "bytes 0-9/10")),
        ("another size", |fault| {
            fault.rewrite(|request, reply| {
                let asked = request.header("range").unwrap().replace('=', " ");
                reply.with("Content-Range", format!("{asked}/77"))
            })
        }),
        ("no word of which", |fault| fault.without_header("Content-Range")),
    ];
    for (name, make) in faults {
        for skip in [0, 1] {
            lab.fault(make(Fault::when(is_part).skip(skip)));
            let ran = sbom(&world, &lab, "model", "--lazy").expect(0);
            assert_eq!(ran.json(), whole, "{name}, after {skip}");
            lab.heal();
        }
    }
}

#[test]
fn bytes_that_are_wrong_or_missing_are_errors() {
    let (world, lab) = shop();
    // The first request is for the table; a wrong one is said, and the layer read whole.
    lab.fault(Fault::when(is_part).times(1).rewrite(|_, mut reply| {
        let at = reply.body.len() - 300;
        reply.body[at] ^= 1;
        reply
    }));
    let ran = sbom(&world, &lab, "estargz", "--lazy --strict").expect(1);
    ran.says("its table of contents, which cannot be used").says("the layer was read whole");
    lab.heal();
    for name in ["estargz", "zstd-chunked", "model"] {
        lab.fault(Fault::when(is_part).skip(1).corrupt());
        sbom(&world, &lab, name, "--lazy").expect(4).says("a piece of a file");
        lab.heal();
    }
    // Cut short: asked for again where it broke, and then given up.
    lab.fault(Fault::when(is_part).skip(1).times(1).deliver(Delivery::Truncate(100)));
    assert_eq!(
        without_gap(&sbom(&world, &lab, "model", "--lazy").expect(0))["packages"].as_array().unwrap().len(),
        2
    );
    lab.heal();
    lab.fault(Fault::when(is_part).status(403));
    sbom(&world, &lab, "model", "--lazy").expect(3).says("403 forbidden");
    lab.heal();
    lab.fault(Fault::when(is_part).status(429).header("Retry-After", "100"));
    sbom(&world, &lab, "model", "--lazy").expect(3).says("429 too many requests");
    lab.heal();
    lab.fault(Fault::when(is_part).skip(1).times(1).status(429).header("Retry-After", "0"));
    sbom(&world, &lab, "model", "--lazy").expect(0);
}

#[test]
fn what_was_read_in_part_is_not_cached() {
    let (world, lab) = shop();
    let reference = lab.reference("shop/estargz:1");
    let lazily = world.run(&format!("sbom --lazy -o json {reference}")).expect(0);
    lab.forget_requests();
    let whole = world.run(&format!("sbom -o json {reference}")).expect(0).json();
    assert_eq!(without_gap(&lazily), whole);
    let layer = whole["layers"][0]["digest"].as_str().unwrap();
    assert_eq!(lab.requests_to("GET", layer).len(), 1);
    // Now it is known, and better than in part.
    assert_eq!(world.run(&format!("sbom --lazy -o json {reference}")).expect(0).json(), whole);
    assert_eq!(lab.requests_to("GET", layer).len(), 1);
}
