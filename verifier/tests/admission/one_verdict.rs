//! The webhook's process says of the same policy files and the same images what the command line says: decision and reason,
//! codes included, are those of testdata/one-verdict/expected.json, which `verify` wrote.

use crate::asked::Program;
use crate::world::World;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_webhook_says_what_the_command_line_says() {
    let expected = json(&testdata().join("one-verdict/expected.json"));
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 8);
    for (policy, images) in expected {
        let world = World::new();
        let file = testdata().join(format!("one-verdict/{policy}.yaml"));
        let host = world.lab.host();
        for image in images.as_object().unwrap().keys() {
            let layout = testdata().join("cookbook/evidence").join(image);
            world.lab.take_layout(&layout, &format!("team/{image}"), "1");
        }
        let program = Program::judging(world, &file, &["--registry", &host], |_| {});
        for (image, said) in images.as_object().unwrap() {
            let answer = program.pod(&program.world.lab.reference(&format!("team/{image}:1")));
            assert_eq!(answer.allowed, said["decision"] == "allow", "{policy}, {image}: {}", answer.message);
            let line = program.audit().pop().unwrap();
            let reason = line["images"][0]["reason"].as_str().unwrap();
            assert_eq!(reason, said["reason"], "{policy}, {image}");
            if !answer.allowed {
                assert!(answer.message.contains(reason), "{}", answer.message);
                let codes = said["codes"].as_array().unwrap();
                assert!(codes.iter().any(|code| reason.contains(code.as_str().unwrap())), "{reason}");
            }
        }
    }
}
