//! C17: what is no question, and what is too much of one.

use crate::world::{Outcome, World, create, pod, review};
use proptest::prelude::*;
use seaworthy_verifier::admission::limits;
use serde_json::{Value, json};

fn refused(world: &World, body: &[u8], uid: &str, why: &str) {
    let reviewed = world.review(body);
    let said: Value = serde_json::from_slice(&reviewed.body).unwrap();
    assert_eq!(said["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(said["kind"], "AdmissionReview");
    assert_eq!(said["response"]["allowed"], false);
    assert_eq!(said["response"]["uid"], uid);
    let message = said["response"]["status"]["message"].as_str().unwrap();
    assert!(message.contains(why), "{message}");
}

#[test]
fn c17_what_is_no_review_is_denied_in_good_form() {
    let world = World::new();
    let uid = "705ab4f5-6393-11e8-b7cc-42010a800002";
    let good = create(&pod(&["registry.example/a"]));
    refused(&world, b"", "", "empty");
    refused(&world, b"not json", "", "expected");
    refused(&world, b"[]", "", "");
    refused(&world, b"{}", "", "only 'admission.k8s.io/v1 AdmissionReview'");
    let mut beta = good.clone();
    beta["apiVersion"] = "admission.k8s.io/v1beta1".into();
    refused(&world, beta.to_string().as_bytes(), uid, "v1beta1");
    let mut none = good.clone();
    none.as_object_mut().unwrap().remove("request");
    refused(&world, none.to_string().as_bytes(), "", "no request");
    none["request"] = Value::Null;
    refused(&world, none.to_string().as_bytes(), "", "no request");
    let mut nameless = good.clone();
    nameless["request"]["uid"] = "".into();
    refused(&world, nameless.to_string().as_bytes(), "", "uid");
    nameless["request"]["uid"] = "u".repeat(limits::UID_CHARS + 1).into();
    refused(&world, nameless.to_string().as_bytes(), "", "uid");
    let mut odd = good.clone();
    odd["request"]["operation"] = "PATCH".into();
    refused(&world, odd.to_string().as_bytes(), uid, "PATCH");
    let twice = good.to_string().replace(r#""name":"p","#, r#""name":"p","name":"q","#);
    refused(&world, twice.as_bytes(), uid, "duplicate key 'name'");
    let mut deep = good.clone();
    deep["request"]["object"]["metadata"]["x"] =
        (0..limits_depth() + 1).fold(json!(1), |inner, _| json!([inner]));
    refused(&world, deep.to_string().as_bytes(), uid, "nested deeper");
}

fn limits_depth() -> usize {
    seaworthy_oci::limits::JSON_DEPTH
}

#[test]
fn c17_a_body_of_limit_plus_one() {
    let world = World::new();
    let mut body = create(&pod(&[])).to_string().into_bytes();
    body.resize(limits::BODY_BYTES, b' ');
    assert_eq!(world.review(&body).answer.outcome, Outcome::Allowed);
    body.push(b' ');
    refused(&world, &body, "", "BODY_BYTES");
}

#[test]
fn c17_the_same_image_five_hundred_times_is_fetched_once() {
    let world = World::new();
    let image = world.signed("app", "1");
    let reviewed = world.ask(&create(&pod(&vec![image.as_str(); 500])));
    assert_eq!(reviewed.answer.outcome, Outcome::Allowed, "{}", reviewed.answer.message());
    assert_eq!(reviewed.answer.images.len(), 1);
    assert_eq!(reviewed.answer.images[0].places, 500);
    assert_eq!(world.lab.requests_to("GET", "/manifests/1").len(), 1);
}

#[test]
fn c17_distinct_images_and_places_at_limit_plus_one() {
    let world = World::new();
    let images: Vec<String> = (0..=limits::IMAGES).map(|n| format!("other.example/a:{n}")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let fits = world.ask(&create(&pod(&images[1..])));
    assert_eq!(fits.answer.images.len(), limits::IMAGES);
    // A few are told, the rest are counted.
    assert!(
        fits.answer
            .message()
            .contains(&format!("and {} more images", limits::IMAGES - limits::MESSAGE_LINES))
    );
    let over = world.ask(&create(&pod(&images)));
    assert_eq!(over.answer.outcome, Outcome::Denied);
    assert!(over.answer.message().contains("IMAGES = 64"), "{}", over.answer.message());
    let same = vec!["other.example/a"; limits::POSITIONS + 1];
    assert!(world.ask(&create(&pod(&same))).answer.message().contains("POSITIONS"));
    let long = format!("other.example/{}", "a".repeat(limits::IMAGE_CHARS));
    assert!(world.ask(&create(&pod(&[&long]))).answer.message().contains("IMAGE_CHARS"));
    assert!(world.lab.requests().is_empty());
}

#[test]
fn c17_objects_of_another_shape_are_denied() {
    let world = World::new();
    for spec in [
        json!([]),
        json!({ "containers": {} }),
        json!({ "containers": ["x"] }),
        json!({ "containers": [{ "image": 1 }] }),
        json!({ "containers": [{ "image": "" }] }),
        json!({ "containers": [{}] }),
        json!({ "volumes": [{ "image": "x" }] }),
        json!({ "volumes": [{ "image": {} }] }),
    ] {
        let object = json!({ "kind": "Pod", "spec": spec });
        assert_eq!(world.ask(&create(&object)).answer.outcome, Outcome::Malformed, "{object}");
    }
    assert_eq!(
        world.ask(&review("CREATE", "", &Value::Null, &Value::Null)).answer.outcome,
        Outcome::Malformed
    );
    let mut other = create(&pod(&[]));
    other["request"]["object"]["kind"] = "Secret".into();
    assert_eq!(world.ask(&other).answer.outcome, Outcome::Malformed);
}

#[test]
fn a_kind_that_nobody_described_is_denied() {
    let world = World::new();
    let widget = json!({ "kind": "Widget", "spec": { "image": "x" } });
    let reviewed = world.ask(&review("CREATE", "example.test", &widget, &Value::Null));
    assert_eq!(reviewed.answer.outcome, Outcome::Denied);
    assert!(reviewed.answer.message().contains("example.test/Widget"), "{}", reviewed.answer.message());
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer_that_parses(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(seaworthy_verifier::admission::review::parse(&body).is_err());
    }

    #[test]
    fn any_object_is_read_without_a_panic(text in "[a-zA-Z0-9:/@.*_-]{0,40}", list in "(containers|initContainers|ephemeralContainers)") {
        let object = json!({ "kind": "Pod", "spec": { list: [{ "image": text.clone() }] } });
        let request = seaworthy_verifier::admission::review::parse(create(&object).to_string().as_bytes()).unwrap();
        match seaworthy_verifier::admission::images::find(&request, &[]) {
            Ok(seaworthy_verifier::admission::Found::Images(found)) => prop_assert_eq!(&found[0].image, &text),
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(_) => prop_assert!(text.is_empty()),
        }
    }
}
