//! AdmissionReview: what is accepted has one meaning, every place that is found holds that image, and whatever came in,
//! what goes out is an answer in good form that lets nothing in by itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_oci::strict;
use seaworthy_verifier::admission::{Answer, Found, Outcome, images, limits, review};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let answer = match review::parse(data) {
        Err(malformed) => {
            assert!(!malformed.why.is_empty());
            Answer::refused(malformed.uid.as_deref(), Outcome::Malformed, malformed.to_string())
        }
        Ok(request) => {
            assert!(strict::check(data).is_ok(), "accepted with two meanings");
            // Another reader sees the same request.
            let other: Value = serde_json::from_slice(data).expect("accepted, and no JSON");
            assert_eq!(other["request"]["uid"].as_str(), Some(request.uid.as_str()));
            assert_eq!(other["request"]["object"], request.object);
            let described = ["example.test/Rollout=/spec/template/spec".parse().expect("a place")];
            match images::find(&request, &described) {
                Ok(Found::Images(positions)) => {
                    assert!(positions.len() <= limits::POSITIONS);
                    for position in positions {
                        let there = request.object.pointer(&position.pointer).and_then(Value::as_str);
                        assert_eq!(there, Some(position.image.as_str()), "{}", position.pointer);
                        assert!(position.image.len() <= limits::IMAGE_CHARS);
                    }
                }
                Ok(Found::NoImage(why)) => assert!(!why.is_empty()),
                Err(why) => assert!(!why.to_string().is_empty()),
            }
            Answer::refused(Some(&request.uid), Outcome::CouldNotFindOut, String::from_utf8_lossy(data))
        }
    };
    let body: Value = serde_json::from_slice(&answer.body(None)).expect("an answer in good form");
    assert_eq!(body["response"]["allowed"], false);
    assert_eq!(body["kind"], "AdmissionReview");
    assert!(
        body["response"]["status"]["message"]
            .as_str()
            .is_some_and(|m| !m.is_empty() && m.chars().count() <= 4_096)
    );
});
