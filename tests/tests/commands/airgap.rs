//! Bags and copies: evidence arrives whole at the other side, or nobody says "done".

use super::world::{Ran, World};
use seaworthy_oci::{Descriptor, Digest};
use seaworthy_tests::image::{Member, tar};
use seaworthy_tests::registry::{Delivery, Fault, Lab, ReferrersApi};
use serde_json::Value;
use std::collections::BTreeSet;

const KEY: &str = "--key testdata/keys/demo.key";
const PUB: &str = "--key testdata/keys/demo.pub";

/// A layout `built` with an index of two platforms, signed and inventoried in both forms.
fn built(world: &World) {
    world
        .run(&format!(
            "release oci:testdata/images/fleet --to oci:built:1.0 {KEY} -q --signature-format both \
             --sign-container-identity registry.example/team/fleet"
        ))
        .expect(0);
}

/// What `tree` shows, without the name of the place.
#[track_caller]
fn evidence(world: &World, image: &str) -> Value {
    let mut tree = world.run(&format!("tree {PUB} --output json {image}")).expect(0).json();
    for subject in tree["subjects"].as_array_mut().unwrap() {
        subject["evidence"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    }
    assert!(tree["subjects"].to_string().contains("\"valid\""));
    tree["subjects"].clone()
}

fn members(world: &World, bag: &str) -> Vec<Member> {
    let bytes = std::fs::read(world.path(bag)).unwrap();
    let (mut at, mut found) = (0, Vec::new());
    while bytes[at] != 0 {
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8(bytes[at..][range].to_vec()).unwrap().trim_end_matches('\0').to_owned()
        };
        let (name, size) = (text(0..100), usize::from_str_radix(text(124..136).trim(), 8).unwrap());
        found.push(Member::File(name, bytes[at + 512..at + 512 + size].to_vec()));
        at += 512 + size.next_multiple_of(512);
    }
    found
}

fn name(member: &Member) -> &str {
    match member {
        Member::File(name, _) | Member::Directory(name) | Member::Symlink(name, _) => name,
    }
}

fn content<'a>(members: &'a [Member], wanted: &str) -> &'a [u8] {
    let found = members.iter().find_map(|m| match m {
        Member::File(name, bytes) if name == wanted => Some(bytes.as_slice()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no {wanted}"))
}

/// Writes `bad.tar`: the members of `bag.tar` as `change` leaves them.
fn rewrite(world: &World, change: impl FnOnce(&mut Vec<Member>)) {
    let mut all = members(world, "bag.tar");
    change(&mut all);
    std::fs::write(world.path("bad.tar"), tar(&all)).unwrap();
}

/// Unpacking `bad.tar` is refused for `reason`, and the registry is not even asked.
#[track_caller]
fn refused(world: &World, reason: &str) {
    let lab = Lab::start();
    world.run(&format!("unpack bad.tar --to {}", lab.host())).expect(4).says(reason).never_says("unpacked ");
    assert!(lab.requests().is_empty());
    world.run("unpack bad.tar --to oci:refused").expect(4).says(reason);
    let written = std::fs::read_dir(world.path("refused")).map(Iterator::count).unwrap_or(0);
    assert_eq!(written, 0);
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// The first piece of evidence that `bag.json` lists with (or without) a tag.
fn listed(world: &World, tagged: bool) -> Value {
    let contents: Value =
        serde_json::from_slice(content(&members(world, "bag.tar"), "seaworthy/bag.json")).unwrap();
    let evidence = contents["images"][0]["evidence"].as_array().unwrap();
    evidence.iter().find(|e| e.get("tag").is_some() == tagged).unwrap().clone()
}

#[test]
fn evidence_survives_the_whole_way_round() {
    for api in [ReferrersApi::Paged(50), ReferrersApi::Absent] {
        let lab = Lab::builder().referrers(api).start();
        let world = World::new();
        built(&world);
        let before = evidence(&world, "oci:built:1.0");
        world.run("pack oci:built:1.0=team/fleet:1.0 -o bag.tar").expect(0).says("pieces of evidence");
        assert_eq!(before, evidence(&world, "oci-archive:bag.tar:1.0"));

        world.run(&format!("unpack bag.tar --to {}", lab.host())).expect(0).says("unpacked ");
        let there = lab.reference("team/fleet:1.0");
        assert_eq!(before, evidence(&world, &there));

        world.run(&format!("copy {there} oci:back:1.0")).expect(0).says("copied ");
        assert_eq!(before, evidence(&world, "oci:back:1.0"));
        for image in ["oci:built:1.0", "oci-archive:bag.tar:1.0", &there, "oci:back:1.0"] {
            world.run(&format!("verify {PUB} --type spdx {image}")).expect(0);
            world.run(&format!("verify --key testdata/keys/other.pub {image}")).expect(1);
        }
        // And what came back packs to the same bag.
        world.run("pack oci:back:1.0=team/fleet:1.0 -o again.tar").expect(0);
        world.run(&format!("pack {there}=team/fleet:1.0 -o lab.tar")).expect(0);
        let read = |name| std::fs::read(world.path(name)).unwrap();
        assert!(read("bag.tar") == read("again.tar"));
        assert!(read("bag.tar") == read("lab.tar"));
    }
}

#[test]
fn a_bag_verifies_where_there_is_no_network_at_all() {
    let world = World::new();
    built(&world);
    world.run("pack oci:built:1.0 -o bag.tar").expect(0);
    let can = std::process::Command::new("unshare").args(["-rn", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "unshare does not work, and CI must run this");
        eprintln!("NOT RUN: unshare does not work here");
        return;
    }
    let away = |command: &str| world.shell(&format!("unshare -rn seaworthy {command}"));
    away(&format!("verify --offline {PUB} oci-archive:bag.tar:1.0")).expect(0).says("allowed");
    away("verify --offline --key testdata/keys/other.pub oci-archive:bag.tar").expect(1).says("denied");
    away(&format!("tree --offline {PUB} oci-archive:bag.tar")).expect(0).says("valid by demo");
    away("unpack --offline bag.tar --to oci:there").expect(0).says("unpacked ");
    away(&format!("verify --offline {PUB} oci:there:1.0")).expect(0);
    away("unpack --offline bag.tar --to registry.example").expect(2).says("--offline");
}

#[test]
fn several_images_share_a_bag() {
    let world = World::new();
    world.released("harbor", "harbor");
    world.released("fleet", "fleet");
    world
        .run("pack oci:harbor=a.example/team/harbor:1 oci:fleet=b.example/team/fleet:1 -o bag.tar")
        .expect(0);
    world.run(&format!("verify {PUB} oci-archive:bag.tar:a.example/team/harbor:1")).expect(0);
    world.run(&format!("verify {PUB} oci-archive:bag.tar:b.example/team/fleet:1")).expect(0);
    world.run(&format!("verify {PUB} oci-archive:bag.tar:1")).expect(2).says("several");
    let lab = Lab::start();
    world.run(&format!("unpack bag.tar --to {}/mirror --map team/fleet=prod/fleet", lab.host())).expect(0);
    world.run(&format!("verify {PUB} {}", lab.reference("mirror/team/harbor:1"))).expect(0);
    world.run(&format!("verify {PUB} {}", lab.reference("mirror/prod/fleet:1"))).expect(0);
    world.run("unpack bag.tar --to oci:images").expect(0);
    world.run(&format!("verify {PUB} oci:images:b.example/team/fleet:1")).expect(0);
    // One name at the destination for two images, and names that mean nothing.
    let map = "--map team/harbor=app --map team/fleet=app";
    world.run(&format!("unpack bag.tar --to {} {map}", lab.host())).expect(2).says("would both become");
    world.run(&format!("unpack bag.tar --to {} --map nobody=app", lab.host())).expect(2);
    world.run("unpack bag.tar --to team").expect(2).says("no registry");
    world.run("unpack bag.tar --to oci-archive:out.tar").expect(2).says("no registry");
    world.run("pack oci:harbor=x:1 oci:fleet=x:1 -o two.tar").expect(2).says("'x:1' is two images");
    world.run("pack oci:harbor oci:harbor -o two.tar").expect(2).says("given twice");
    assert!(!world.path("two.tar").exists());
}

#[test]
fn a_bag_without_one_signature_is_refused() {
    let world = World::new();
    built(&world);
    world.run("pack oci:built:1.0 -o bag.tar").expect(0);
    for tagged in [false, true] {
        let lost = listed(&world, tagged);
        let digest = lost["manifest"].as_str().unwrap();
        // The file alone.
        rewrite(&world, |all| all.retain(|m| name(m) != blob(digest)));
        refused(&world, "was taken out of it");
        // The file, and every mention outside bag.json.
        rewrite(&world, |all| {
            all.retain(|m| name(m) != blob(digest));
            for member in all {
                let Member::File(name, bytes) = member else { continue };
                if name == "seaworthy/digests.txt" {
                    let text = String::from_utf8(bytes.clone()).unwrap();
                    *bytes = text.replace(&format!("{digest}\n"), "").into_bytes();
                }
                if name == "index.json" {
                    let mut index: Value = serde_json::from_slice(bytes).unwrap();
                    index["manifests"].as_array_mut().unwrap().retain(|d| d["digest"] != digest);
                    *bytes = serde_json::to_vec(&index).unwrap();
                }
            }
        });
        refused(&world, "cannot be found in it any more");
        // The entry that finds it.
        rewrite(&world, |all| {
            for member in all {
                let Member::File(name, bytes) = member else { continue };
                if name == "index.json" {
                    let mut index: Value = serde_json::from_slice(bytes).unwrap();
                    index["manifests"].as_array_mut().unwrap().retain(|d| d["digest"] != digest);
                    *bytes = serde_json::to_vec(&index).unwrap();
                }
            }
        });
        refused(&world, "cannot be found in it any more");
    }
}

#[test]
fn a_changed_bag_is_refused() {
    let world = World::new();
    built(&world);
    world.run("pack oci:built:1.0 -o bag.tar").expect(0);
    let names: Vec<String> = members(&world, "bag.tar").iter().map(|m| name(m).to_owned()).collect();
    assert!(names.is_sorted());
    for (at, of) in names.iter().enumerate() {
        rewrite(&world, |all| {
            if let Member::File(_, bytes) = &mut all[at] {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
        });
        world.run("unpack bad.tar --to oci:refused").expect(4).never_says("unpacked ");
        assert!(!world.path("refused").exists(), "{of}");
        rewrite(&world, |all| drop(all.remove(at)));
        world.run("unpack bad.tar --to oci:refused").expect(4).never_says("unpacked ");
        assert!(!world.path("refused").exists(), "{of}");
    }
}

#[test]
fn a_bag_with_anything_else_in_it_is_refused() {
    let world = World::new();
    built(&world);
    world.run("pack oci:built:1.0 -o bag.tar").expect(0);
    let stray = b"stray".to_vec();
    let by_digest = blob(&Digest::sha256(&stray).to_string());
    for (extra, reason) in [
        (Member::File("README".into(), stray.clone()), "was put into it"),
        (Member::File(by_digest, stray.clone()), "was put into it"),
        (Member::File("seaworthy/policy.yaml".into(), stray.clone()), "was put into it"),
        (Member::File("index.json".into(), stray.clone()), "second member"),
        (Member::File("./index.json".into(), stray.clone()), "second member"),
        (Member::Directory("blobs".into()), "no regular file"),
        (Member::Symlink("link".into(), "/etc/passwd".into()), "no regular file"),
    ] {
        rewrite(&world, |all| all.push(extra));
        refused(&world, reason);
    }
    // Names that leave the archive: this tar writer does not make them, so they are put there by hand.
    for path in ["../evil", "/evil", "blobs/../../evil"] {
        rewrite(&world, |all| all.push(Member::File("X".repeat(path.len()), stray.clone())));
        let mut bytes = std::fs::read(world.path("bad.tar")).unwrap();
        let placeholder = "X".repeat(path.len()).into_bytes();
        let at = (0..bytes.len() / 512)
            .map(|block| block * 512)
            .find(|at| bytes[*at..].starts_with(&placeholder) && bytes[at + placeholder.len()] == 0)
            .unwrap();
        bytes[at..at + path.len()].copy_from_slice(path.as_bytes());
        bytes[at + 148..at + 156].fill(b' ');
        let sum: u32 = bytes[at..at + 512].iter().map(|b| u32::from(*b)).sum();
        bytes[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        std::fs::write(world.path("bad.tar"), bytes).unwrap();
        refused(&world, "no regular file");
    }
    // A second archive behind the first: some programs read it, some do not.
    let mut twice = std::fs::read(world.path("bag.tar")).unwrap();
    twice.extend(twice.clone());
    std::fs::write(world.path("bad.tar"), twice).unwrap();
    refused(&world, "something follows its end");
    world.run("unpack testdata/keys/demo.pub --to oci:refused").expect(4);
    world.run("unpack nothing.tar --to oci:refused").expect(4).says("not found");
}

#[test]
fn a_delta_bag_leaves_out_what_the_other_side_has() {
    let lab = Lab::builder().referrers(ReferrersApi::Absent).start();
    let world = World::new();
    built(&world);
    world.run("pack oci:built:1.0=team/fleet:1.0 -o bag.tar").expect(0);
    std::fs::write(world.path("there.txt"), content(&members(&world, "bag.tar"), "seaworthy/digests.txt"))
        .unwrap();
    // Signed once more since then.
    world.run("sign --key testdata/keys/ed25519.key oci:built:1.0").expect(0);
    let packed = world
        .run("pack oci:built:1.0=team/fleet:1.0 --delta-from there.txt -o delta.tar --output json")
        .expect(0)
        .json();
    assert!(!packed["leftOut"].as_array().unwrap().is_empty());
    let size = |name| std::fs::metadata(world.path(name)).unwrap().len();
    world.run("pack oci:built:1.0=team/fleet:1.0 -o full.tar").expect(0);
    assert!(size("delta.tar") < size("full.tar"));
    // It is judged by itself.
    world.run(&format!("verify --offline {PUB} --type spdx oci-archive:delta.tar")).expect(0);

    let unpack = format!("unpack delta.tar --to {}", lab.host());
    let missing = packed["leftOut"][0].as_str().unwrap();
    world.run(&unpack).expect(4).says("nothing was unpacked").says(missing);
    assert!(lab.tags("team/fleet").is_empty());
    assert!(lab.requests_to("PUT", "").is_empty());
    world.run(&format!("unpack bag.tar --to {}", lab.host())).expect(0);
    world.run(&unpack).expect(0);
    let there = lab.reference("team/fleet:1.0");
    assert_eq!(evidence(&world, "oci:built:1.0"), evidence(&world, &there));
    world.run(&format!("verify --key testdata/keys/ed25519.pub {there}")).expect(0);
    world.run("pack oci:built:1.0 --delta-from testdata/keys/demo.pub -o x.tar").expect(4).says("line 1");
}

#[test]
fn unpacking_twice_changes_nothing() {
    for api in [ReferrersApi::Paged(50), ReferrersApi::Absent] {
        let lab = Lab::builder().referrers(api).start();
        let world = World::new();
        built(&world);
        world.run("pack oci:built:1.0 -o bag.tar").expect(0);
        let unpack = format!("unpack bag.tar --to {} --output json", lab.host());
        let first = world.run(&unpack).expect(0).json();
        assert_eq!(first["images"][0]["blobs"]["existed"], 0);
        let tags = lab.tags("built");
        let uploads = lab.requests_to("POST", "/blobs/uploads/").len();
        let second = world.run(&unpack).expect(0).json();
        assert_eq!(second["images"][0]["blobs"]["uploaded"], 0);
        for attached in second["images"][0]["evidence"].as_array().unwrap() {
            assert_eq!(attached["change"], "already-there");
        }
        assert_eq!(lab.requests_to("POST", "/blobs/uploads/").len(), uploads);
        assert_eq!(lab.tags("built"), tags);
    }
}

#[test]
fn trouble_in_the_middle_ends_in_a_whole_bag_or_none() {
    let faults: [fn(Fault) -> Fault; 3] =
        [|f| f.status(429).header("Retry-After", "0"), |f| f.status(500), |f| f.deliver(Delivery::Reset)];
    for (turn, fault) in faults.into_iter().enumerate() {
        let api = if turn == 1 { ReferrersApi::Paged(50) } else { ReferrersApi::Absent };
        let lab = Lab::builder().referrers(api).start();
        let world = World::new();
        built(&world);
        world.run("pack oci:built:1.0 -o bag.tar").expect(0);
        let unpack = format!("unpack bag.tar --to {}", lab.host());
        // A few are retried away.
        lab.fault(fault(Fault::on("PUT", "/manifests/").skip(1)).times(2));
        // In the middle of the evidence, and for good: that is no "done".
        lab.fault(fault(Fault::on("PUT", "/manifests/").skip(8)));
        world.run(&unpack).expect(3).never_says("unpacked ");
        lab.heal();
        world.run(&unpack).expect(0).says("unpacked ");
        assert_eq!(evidence(&world, "oci:built:1.0"), evidence(&world, &lab.reference("built:1.0")));
    }
}

#[test]
fn done_is_said_only_of_what_can_be_read_back() {
    let lab = Lab::start();
    let world = World::new();
    built(&world);
    world.run("pack oci:built:1.0 -o bag.tar").expect(0);
    // A registry that takes everything and shows no referrers.
    let empty = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    lab.fault(Fault::on("GET", "/referrers/").body(empty));
    for command in [
        format!("unpack bag.tar --to {}", lab.host()),
        format!("copy oci:built:1.0 {}", lab.reference("there:1.0")),
    ] {
        world
            .run(&command)
            .expect(3)
            .says("not done")
            .says("as attached to")
            .never_says("unpacked ")
            .never_says("copied ");
    }
}

#[test]
fn a_copy_adds_and_never_takes_away() {
    for api in [ReferrersApi::Paged(50), ReferrersApi::Absent] {
        let (from, to) = (Lab::start(), Lab::builder().referrers(api).start());
        let world = World::new();
        let both = "--signature-format both --sign-container-identity registry.example/team/harbor";
        let (here, there) = (from.reference("team/harbor:1.0"), to.reference("team/harbor:1.0"));
        world.run(&format!("release oci:testdata/images/harbor --to {here} {KEY} {both} -q")).expect(0);
        // Somebody signed it at the destination before.
        world.run(&format!("copy oci:testdata/images/harbor {there}")).expect(0).says("no evidence");
        world.run(&format!("sign --key testdata/keys/other.key {both} {there}")).expect(0);
        let copied = world.run(&format!("copy {here} {there} --output json")).expect(0).json();
        let changes: BTreeSet<&str> =
            copied["evidence"].as_array().unwrap().iter().map(|e| e["change"].as_str().unwrap()).collect();
        assert_eq!(changes, BTreeSet::from(["added", "merged"]));
        world.run(&format!("verify {PUB} --type spdx {there}")).expect(0);
        world.run(&format!("verify --key testdata/keys/other.pub {there}")).expect(0);
        let legacy = |key: &str| {
            let tree = world.run(&format!("tree --key testdata/keys/{key}.pub --output json {there}"));
            let tree = tree.expect(0).json();
            let items = tree["subjects"][0]["evidence"].as_array().unwrap();
            items
                .iter()
                .filter(|i| i["format"] == "simple-signing" && i["checked"]["standing"]["status"] == "valid")
                .count()
        };
        assert_eq!((legacy("demo"), legacy("other")), (1, 1));
        let again = world.run(&format!("copy {here} {there} --output json")).expect(0).json();
        for attached in again["evidence"].as_array().unwrap() {
            assert_eq!(attached["change"], "already-there", "{attached}");
        }
    }
}

#[test]
fn nothing_is_fetched_twice_and_nothing_that_is_there() {
    let lab = Lab::start();
    let world = World::new();
    let image = lab.reference("team/fleet:1.0");
    world.run(&format!("release oci:testdata/images/fleet --to {image} {KEY} -q")).expect(0);
    let fetched = |lab: &Lab| -> Vec<String> {
        lab.requests_to("GET", "/blobs/").iter().map(|r| r.path().to_owned()).collect()
    };
    let before = fetched(&lab).len();
    world.run(&format!("copy {image} oci:here")).expect(0);
    let mut paths = fetched(&lab).split_off(before);
    let all = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), all);
    assert!(all > 0);
    world.run(&format!("copy {image} oci:here")).expect(0);
    assert_eq!(fetched(&lab).len(), before + all);
    // Within a registry, layers are mounted and not sent.
    let there = lab.reference("prod/fleet:1.0");
    let copied = world.run(&format!("copy {image} {there} --output json")).expect(0).json();
    assert_eq!(copied["blobs"]["uploaded"], 0);
    assert_eq!(copied["blobs"]["mounted"], all);
    assert_eq!(fetched(&lab).len(), before + all);
}

#[test]
fn one_platform_and_no_evidence_on_request() {
    let world = World::new();
    built(&world);
    world.run("copy --platform linux/arm64 oci:built:1.0 oci:arm:1.0").expect(0);
    world.run(&format!("verify {PUB} --type spdx oci:arm:1.0")).expect(0);
    world.run("pack --platform linux/arm64 oci:built:1.0 -o arm.tar").expect(0);
    world.run(&format!("verify {PUB} --platform linux/arm64 oci-archive:arm.tar")).expect(0);
    world
        .run("copy --platform linux/s390x oci:built:1.0 oci:s390x")
        .expect(2)
        .says("no image for linux/s390x");
    world.run("copy --platform linux/s390x oci:arm:1.0 oci:s390x").expect(2).says("no image for linux/s390x");
    world.run("copy --with-evidence none oci:built:1.0 oci:bare:1.0").expect(0).says("no evidence");
    world.run(&format!("verify {PUB} oci:bare:1.0")).expect(1);
    world.run("copy oci:built:1.0 oci-archive:out.tar").expect(2).says("read-only");
}

/// A list that names what is not there cannot be copied whole.
#[test]
fn a_source_that_lost_evidence_is_not_copied_in_silence() {
    let lab = Lab::builder().referrers(ReferrersApi::Absent).start();
    let world = World::new();
    let image = lab.reference("team/harbor:1.0");
    world.run(&format!("release oci:testdata/images/harbor --to {image} {KEY} -q")).expect(0);
    let referrer = Descriptor::of("application/vnd.oci.image.manifest.v1+json", b"gone");
    let tag = lab.tags("team/harbor").into_iter().find(|t| t.starts_with("sha256-")).unwrap();
    let mut index: Value = serde_json::from_slice(&lab.manifest("team/harbor", &tag).unwrap()).unwrap();
    index["manifests"].as_array_mut().unwrap().push(serde_json::to_value(&referrer).unwrap());
    let media_type = "application/vnd.oci.image.index.v1+json";
    lab.put_manifest("team/harbor", Some(&tag), media_type, index.to_string().as_bytes());
    world.run(&format!("copy {image} oci:out")).expect(4).says(&referrer.digest.to_string());
    world.run(&format!("pack {image} -o out.tar")).expect(4).says("it is not there");
    assert!(!world.path("out.tar").exists());
    for status in [403, 429, 500] {
        let fault = Fault::on("GET", "/referrers/").status(status).header("Retry-After", "0");
        lab.fault(fault);
        world.run(&format!("copy {image} oci:out")).expect(3).never_says("copied ");
        lab.heal();
    }
}

#[test]
fn a_policy_that_travels_is_whole() {
    let world = World::new();
    built(&world);
    let refused: Ran = world.run("pack oci:built:1.0 --policy testdata/policies/demo.yaml -o bag.tar");
    refused.expect(2).says("cannot be used away from here");
    let text = std::fs::read_to_string(world.path("testdata/policies/demo.yaml")).unwrap();
    let key = std::fs::read_to_string(world.path("testdata/keys/demo.pub")).unwrap();
    let indented: String = key.lines().map(|l| format!("            {l}\n")).collect();
    let inline = text
        .replace("path: ../keys/demo.pub", &format!("data: |\n{indented}"))
        .replace("oci:**", "oci-archive:**");
    std::fs::write(world.path("policy.yaml"), inline).unwrap();
    world.run("pack oci:built:1.0 --policy policy.yaml -o bag.tar").expect(0).says("seaworthy/policy.yaml");
    world.shell("mkdir away && tar -xf bag.tar -C away seaworthy").expect(0);
    world.run("verify --offline --policy away/seaworthy/policy.yaml oci-archive:bag.tar").expect(0);
    rewrite(&world, |all| {
        for member in all {
            let Member::File(name, bytes) = member else { continue };
            if name == "seaworthy/policy.yaml" {
                bytes.push(b'\n');
            }
        }
    });
    refused_policy(&world);
}

#[track_caller]
fn refused_policy(world: &World) {
    refused(world, "'seaworthy/policy.yaml' was changed");
}
