//! "Could not find out" is its own answer: whatever a registry in trouble does, nobody is told "unsigned".

use super::world::World;
use seaworthy_tests::registry::{Fault, Lab, ReferrersApi};

fn released(lab: &Lab, world: &World) -> String {
    let image = lab.reference("team/harbor:1.0");
    world
        .run(&format!("release oci:testdata/images/harbor --to {image} --key testdata/keys/demo.key -q"))
        .expect(0);
    image
}

/// Row D06 of the list of attacks, on the endpoint that decides between "unsigned" and "cannot tell".
fn referrers_answer(fault: impl Fn(Fault) -> Fault, cause: &str) {
    let lab = Lab::builder().referrers(ReferrersApi::Paged(50)).start();
    let world = World::new();
    let image = released(&lab, &world);
    world.run(&format!("verify --key testdata/keys/demo.pub {image}")).expect(0);
    lab.fault(fault(Fault::on("GET", "/referrers/")));
    for command in ["verify", "tree"] {
        world
            .run(&format!("{command} --key testdata/keys/demo.pub {image}"))
            .expect(3)
            .says(cause)
            .never_says("signature-missing")
            .never_says("nothing attached")
            .never_says("denied");
    }
    let error =
        world.run(&format!("verify --output json --key testdata/keys/demo.pub {image}")).expect(3).json();
    assert_eq!(error["error"]["kind"], "could-not-find-out");
    lab.heal();
    world.run(&format!("verify --key testdata/keys/demo.pub {image}")).expect(0);
}

#[test]
fn d06_throttled_is_not_unsigned() {
    referrers_answer(|f| f.status(429).header("Retry-After", "0"), "429");
}

#[test]
fn d06_a_server_in_trouble_is_not_unsigned() {
    referrers_answer(|f| f.status(500), "500");
}

#[test]
fn d06_a_refusal_is_not_unsigned() {
    referrers_answer(|f| f.status(403), "403");
}

#[test]
fn d06_trouble_with_the_fallback_tag_is_not_unsigned() {
    for (status, cause) in [(403, "403"), (503, "503")] {
        let lab = Lab::builder().referrers(ReferrersApi::Absent).start();
        let world = World::new();
        let image = released(&lab, &world);
        lab.fault(Fault::on("GET", "/manifests/sha256-").status(status));
        world
            .run(&format!("verify --key testdata/keys/demo.pub {image}"))
            .expect(3)
            .says(cause)
            .never_says("signature-missing");
    }
}

#[test]
fn a_hiccup_loses_no_release() {
    let lab = Lab::builder().referrers(ReferrersApi::Paged(50)).start();
    let world = World::new();
    lab.fault(Fault::on("PUT", "/manifests/").status(503).times(2));
    lab.fault(Fault::on("POST", "/blobs/uploads/").status(429).header("Retry-After", "0").times(2));
    lab.fault(Fault::on("GET", "/referrers/").status(500).times(1));
    let image = released(&lab, &world);
    world.run(&format!("verify --key testdata/keys/demo.pub {image}")).expect(0);
}

#[test]
fn a_release_that_failed_is_finished_by_running_it_again() {
    let lab = Lab::builder().referrers(ReferrersApi::Absent).start();
    let world = World::new();
    let image = lab.reference("team/fleet:1.0");
    let release = format!("release oci:testdata/images/fleet --to {image} --key testdata/keys/demo.key");
    // Some uploads go through, then the registry refuses: in the middle, for good.
    lab.fault(Fault::on("PUT", "/manifests/").skip(4).status(403));
    world.run(&release).expect(3).says("403").never_says("released ");
    lab.heal();
    world.run(&release).expect(0).says("released ");
    let again = world.run(&format!("{release} --output json")).expect(0).json();
    for attached in again["attached"].as_array().unwrap() {
        assert_eq!(attached["change"], "already-there", "{attached}");
    }
}

#[test]
fn an_image_that_is_not_there_is_broken_input() {
    let lab = Lab::start();
    let world = World::new();
    let image = lab.reference("team/nothing:1.0");
    world
        .run(&format!("verify --key testdata/keys/demo.pub {image}"))
        .expect(4)
        .says("not found")
        .never_says("denied");
}

#[test]
fn a_registry_that_nobody_answers_at_is_not_unsigned() {
    let host = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    World::new()
        .run(&format!("verify --key testdata/keys/demo.pub {host}/team/app:1.0"))
        .expect(3)
        .says("unreachable")
        .never_says("denied");
}

#[test]
fn secrets_are_not_printed() {
    let lab = Lab::builder().auth(seaworthy_tests::registry::Auth::basic("ci", "hunter2")).start();
    let mut world = World::new();
    world.env("SEAWORTHY_REGISTRY_USERNAME", "ci").env("SEAWORTHY_REGISTRY_PASSWORD", "not-hunter2");
    let image = lab.reference("team/app:1.0");
    world.run(&format!("tree {image}")).expect(5).says("401").never_says("hunter2");
    world.run("release --help").never_says("hunter2");
}
