//! The running server: HTTPS on loopback, as an API server would talk to it.

use crate::keys::Key;
use crate::world::{World, create, pod, policy, recorded, recordings};
use seaworthy_tests::registry::Fault;
use seaworthy_verifier::admission::limits;
use seaworthy_verifier::serve::{Config, Log, Server};
use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn all(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    fn reviews(&self) -> Vec<Value> {
        self.all().into_iter().filter(|l| l["event"] == "review").collect()
    }
}

/// A new self-signed certificate in `dir`; its PEM text.
pub fn certificate(dir: &Path) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    std::fs::write(dir.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(dir.join("tls.crt"), certificate.pem()).unwrap();
    certificate.pem()
}

struct Running {
    world: World,
    tls: tempfile::TempDir,
    ca: String,
    address: SocketAddr,
    lines: Lines,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Running {
    fn new() -> Self {
        Self::over(World::new(), Duration::ZERO)
    }

    fn over(world: World, linger: Duration) -> Self {
        let tls = tempfile::tempdir().unwrap();
        let ca = certificate(tls.path());
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate: tls.path().join("tls.crt"),
            private_key: tls.path().join("tls.key"),
            policies: vec![world.dir.path().to_owned()],
            poll: Duration::from_millis(20),
            linger,
            drain: Duration::from_secs(30),
        };
        let lines = Lines::default();
        let log = Log::new(Box::new(lines.clone()));
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, task) = world.runtime.block_on(async {
            let server = Server::bind(config, Arc::clone(&world.admission), log).await.unwrap();
            let address = server.address().unwrap();
            (address, tokio::spawn(server.run(async { stopped.await.unwrap_or(()) })))
        });
        Self { world, tls, ca, address, lines, stop: Some(stop), task: Some(task) }
    }

    fn client(&self, ca: &str) -> reqwest::Client {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let ca = reqwest::Certificate::from_pem(ca.as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Value {
        let request = self.client(&self.ca).post(self.url(path)).body(body.into());
        self.world.runtime.block_on(async {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200);
            serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
        })
    }

    fn get(&self, path: &str) -> (u16, String) {
        let request = self.client(&self.ca).get(self.url(path));
        self.world.runtime.block_on(async {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        })
    }

    fn until(&self, what: &str, mut reached: impl FnMut() -> bool) {
        for _ in 0..1_000 {
            if reached() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("never: {what}; the log: {:#?}", self.lines.all());
    }
}

fn message(answer: &Value) -> &str {
    answer["response"]["status"]["message"].as_str().unwrap_or_default()
}

#[test]
fn signed_is_allowed_unsigned_is_denied_and_both_are_counted_and_logged() {
    let running = Running::new();
    let (good, bad) = (running.world.signed("app", "1"), running.world.unsigned("evil", "1"));
    let yes = running.post("/validate?timeout=10s", create(&pod(&[&good])).to_string());
    assert_eq!(yes["response"]["allowed"], true);
    let pinned = running.post("/mutate", create(&pod(&[&good])).to_string());
    assert_eq!(pinned["response"]["patchType"], "JSONPatch");
    let mut asked = create(&pod(&[&good, &bad]));
    asked["request"]["object"]["spec"]["containers"][0]["env"] =
        serde_json::json!([{ "name": "PASSWORD", "value": "hunter2" }]);
    let no = running.post("/validate", asked.to_string());
    assert_eq!(no["response"]["allowed"], false);
    assert_eq!(no["response"]["status"]["code"], 403);
    assert!(message(&no).contains("evil:1 (spec.containers[1].image) denied: policy 'signed'"), "{no}");
    let metrics = running.get("/metrics").1;
    for line in [
        r#"seaworthy_reviews_total{webhook="validate",outcome="allowed"} 1"#,
        r#"seaworthy_reviews_total{webhook="validate",outcome="denied"} 1"#,
        r#"seaworthy_reviews_total{webhook="validate",outcome="could_not_find_out"} 0"#,
        r#"seaworthy_reviews_total{webhook="mutate",outcome="allowed"} 1"#,
        r#"seaworthy_review_seconds_bucket{le="+Inf"} 3"#,
        "seaworthy_policies 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} in\n{metrics}");
    }
    let log = running.lines.reviews();
    assert_eq!(log.len(), 3);
    assert_eq!((&log[2]["outcome"], &log[2]["user"]), (&"denied".into(), &"jane".into()));
    assert_eq!(log[2]["images"][1]["image"], bad.as_str());
    let text = format!("{log:?}");
    assert!(!text.contains("hunter2") && !text.contains("env"), "objects are not logged");
}

#[test]
fn every_recorded_review_over_https() {
    let running = Running::new();
    for entry in std::fs::read_dir(recordings()).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        let body = recorded(&name);
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let said = running.post("/validate", body);
        assert_eq!(said["response"]["uid"], asked["request"]["uid"], "{name}");
        // No policy speaks about their images: only what carries none is let in.
        let none = ["scale", "delete", "binding"].iter().any(|w| name.contains(w));
        assert_eq!(said["response"]["allowed"], none, "{name}");
    }
}

#[test]
fn c17_oversize_and_empty_bodies_get_a_denial_in_good_form() {
    let running = Running::new();
    for (body, why) in [(vec![b' '; limits::BODY_BYTES + 1], "BODY_BYTES"), (Vec::new(), "empty")] {
        let said = running.post("/validate", body);
        assert_eq!(said["kind"], "AdmissionReview");
        assert_eq!(said["response"]["allowed"], false);
        assert!(message(&said).contains(why), "{said}");
    }
    assert_eq!(running.get("/validate").0, 405);
    assert_eq!(running.get("/elsewhere").0, 404);
    assert_eq!(running.get("/healthz"), (200, "ok\n".into()));
}

#[test]
fn c19_a_silent_registry_is_a_reason_before_the_api_servers_timeout() {
    let running = Running::new();
    let image = running.world.signed("app", "1");
    running.world.lab.fault(Fault::on("GET", "").delay(Duration::from_secs(60)));
    let said = running.post("/validate?timeout=1s", create(&pod(&[&image])).to_string());
    assert_eq!(said["response"]["allowed"], false);
    assert_eq!(said["response"]["status"]["code"], 503);
    assert!(message(&said).contains("could not find out: no answer within 0.5 s"), "{said}");
    let metrics = running.get("/metrics").1;
    assert!(metrics.contains(r#"outcome="could_not_find_out"} 1"#), "{metrics}");
}

#[test]
fn c06_a_bad_new_policy_is_told_and_changes_nothing() {
    let running = Running::new();
    let image = running.world.signed("app", "1");
    let body = create(&pod(&[&image])).to_string();
    let file = running.world.dir.path().join("policy.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "kind: Nonsense").unwrap();
    running.until("the refusal is told", || {
        running.lines.all().iter().any(|l| l["event"] == "policies" && l["level"] == "error")
    });
    assert!(running.get("/metrics").1.contains("seaworthy_policy_stale 1"));
    assert_eq!(running.post("/validate", body.clone())["response"]["allowed"], true);
    assert_eq!(running.get("/readyz").0, 200);
    // Two of one name are as bad.
    std::fs::write(&file, format!("{good}---\n{good}")).unwrap();
    running.until("the second refusal is told", || {
        running.lines.all().iter().any(|l| l["message"].as_str().unwrap_or_default().contains("two policies"))
    });
    // A good one takes effect, also where it says no to what was remembered.
    let stricter = policy("signed", "enforce", &format!("{}/**", running.world.lab.host()), "other");
    std::fs::write(&file, stricter).unwrap();
    running.until("the new policy answers", || {
        running.post("/validate", body.clone())["response"]["allowed"] == false
    });
    assert!(running.get("/metrics").1.contains("seaworthy_policy_stale 0"));
}

#[test]
fn a_key_that_is_replaced_in_its_file_takes_effect() {
    let running = Running::new();
    let image = running.world.signed("app", "1");
    let body = create(&pod(&[&image])).to_string();
    assert_eq!(running.post("/validate", body.clone())["response"]["allowed"], true);
    std::fs::write(running.world.dir.path().join("release.pub"), Key::new(8).pem()).unwrap();
    running.until("the old key's signature is refused", || {
        running.post("/validate", body.clone())["response"]["allowed"] == false
    });
}

#[test]
fn c18_certificates_rotate_twice_without_a_dropped_request() {
    let running = Running::new();
    let image = running.world.signed("app", "1");
    let body = create(&pod(&[&image])).to_string();
    // One client keeps its connection over all rotations.
    let kept = running.client(&running.ca);
    let ask = |client: &reqwest::Client| {
        let request = client.post(running.url("/validate")).body(body.clone());
        running.world.runtime.block_on(async { request.send().await.map(|r| r.status().as_u16()) })
    };
    assert_eq!(ask(&kept).unwrap(), 200);
    for _ in 0..2 {
        // A half-written pair in between is not taken.
        std::fs::write(running.tls.path().join("tls.crt"), "garbage").unwrap();
        let new = certificate(running.tls.path());
        running.until("the new certificate is shown", || {
            assert_eq!(ask(&kept).unwrap(), 200);
            ask(&running.client(&new)).is_ok()
        });
        assert!(ask(&running.client(&running.ca)).is_err(), "the old one is not shown any more");
    }
}

#[test]
fn a_stop_lets_what_is_under_way_end() {
    let mut running = Running::over(World::new(), Duration::from_millis(500));
    let image = running.world.signed("app", "1");
    running.world.lab.fault(Fault::on("GET", "/referrers/").delay(Duration::from_millis(1_500)));
    let request =
        running.client(&running.ca).post(running.url("/validate")).body(create(&pod(&[&image])).to_string());
    let under_way =
        running.world.runtime.spawn(async move { request.send().await.unwrap().text().await.unwrap() });
    running
        .until("the registry was asked", || !running.world.lab.requests_to("GET", "/referrers/").is_empty());
    running.stop.take().unwrap().send(()).unwrap();
    running.until("readiness says no", || running.lines.all().iter().any(|l| l["event"] == "stopping"));
    let (task, runtime) = (running.task.take().unwrap(), &running.world.runtime);
    let answer: Value = serde_json::from_str(&runtime.block_on(under_way).unwrap()).unwrap();
    assert_eq!(answer["response"]["allowed"], true);
    runtime.block_on(task).unwrap();
    assert!(running.lines.all().iter().any(|l| l["message"] == "all requests were answered"));
}

#[test]
fn a_stop_tells_clients_to_go_elsewhere_before_it_hangs_up() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut running = Running::over(World::new(), Duration::from_millis(500));
    let image = running.world.signed("app", "1");
    let body = create(&pod(&[&image])).to_string();
    let ca = reqwest::Certificate::from_pem(running.ca.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().http1_only().build().unwrap();
    let ask = |running: &Running| {
        let request = client.post(running.url("/validate")).body(body.clone());
        running.world.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let said = response.headers().get("connection").map(|v| v.to_str().unwrap().to_owned());
            (serde_json::from_slice::<Value>(&response.bytes().await.unwrap()).unwrap()["response"]["allowed"] == true, said)
        })
    };
    assert_eq!(ask(&running), (true, None));
    running.stop.take().unwrap().send(()).unwrap();
    running.until("readiness says no", || running.lines.all().iter().any(|l| l["event"] == "stopping"));
    assert_eq!(ask(&running), (true, Some("close".into())), "answered, and the last on this connection");
}
