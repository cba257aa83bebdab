//! The lab keeps its word and breaks it as told: a bench that is wrong would make every test above it lie.

use seaworthy_tests::registry::{Auth, Delivery, Fault, Lab};
use std::io::{Read, Write};
use std::net::TcpStream;

fn exchange(lab: &Lab, request: &str) -> String {
    let mut stream = TcpStream::connect(lab.host()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    // A reset is an answer too, here an incomplete one, and it may come before we are done.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(lab: &Lab, path: &str) -> String {
    exchange(lab, &format!("GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n"))
}

#[test]
fn it_answers_and_records() {
    let lab = Lab::start();
    let digest = lab.put_blob("app", b"content");
    let answer = get(&lab, &format!("/v2/app/blobs/{digest}"));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("content"), "{answer}");
    let part = exchange(&lab, &format!("GET /v2/app/blobs/{digest} HTTP/1.1\r\nRange: bytes=2-4\r\n\r\n"));
    assert!(part.starts_with("HTTP/1.1 206") && part.ends_with("nte"), "{part}");
    assert!(get(&lab, "/v2/app/manifests/none").starts_with("HTTP/1.1 404"));
    let seen: Vec<String> = lab.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn faults_come_when_they_were_ordered() {
    let lab = Lab::start();
    lab.fault(Fault::on("GET", "/v2/").status(429).header("Retry-After", "7").skip(1).times(1));
    assert!(get(&lab, "/v2/").starts_with("HTTP/1.1 200"));
    let throttled = get(&lab, "/v2/");
    assert!(throttled.starts_with("HTTP/1.1 429") && throttled.contains("Retry-After: 7"), "{throttled}");
    assert!(get(&lab, "/v2/").starts_with("HTTP/1.1 200"));
    lab.fault(Fault::on("GET", "/v2/").deliver(Delivery::Reset).times(1));
    assert_eq!(get(&lab, "/v2/"), "");
    lab.fault(Fault::on("GET", "/v2/").deliver(Delivery::Truncate(1)).times(1));
    assert!(get(&lab, "/v2/").ends_with("Content-Length: 2\r\n\r\n{"));
}

#[test]
fn tokens_grant_what_they_say() {
    let lab = Lab::builder().auth(Auth::bearer("me", "secret")).start();
    let refused = get(&lab, "/v2/app/tags/list");
    assert!(refused.contains("scope=\"repository:app:pull\""), "{refused}");
    let ask = |login: &str| {
        exchange(
            &lab,
            &format!("GET /token?scope=repository:app:pull HTTP/1.1\r\nAuthorization: Basic {login}\r\n\r\n"),
        )
    };
    assert!(ask("bm9ib2R5Og==").starts_with("HTTP/1.1 401"));
    let answer = ask("bWU6c2VjcmV0");
    let token = answer.split("\"token\":\"").nth(1).and_then(|t| t.split('"').next()).unwrap().to_owned();
    let with = |method: &str, path: &str| {
        exchange(&lab, &format!("{method} {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n"))
    };
    assert!(with("GET", "/v2/app/tags/list").starts_with("HTTP/1.1 200"));
    assert!(with("POST", "/v2/app/blobs/uploads/").contains("insufficient_scope"));
    assert!(with("GET", "/v2/other/tags/list").starts_with("HTTP/1.1 401"));
}
