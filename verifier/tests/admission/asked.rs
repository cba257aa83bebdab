//! `seaworthy-verifier admission` as a process, asked over HTTPS, with a registry on loopback behind it.

use crate::server::certificate;
use crate::world::{BUNDLE, World, create, pod};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::Descriptor;
use seaworthy_oci::manifest::media_type;
use seaworthy_tests::image;
use seaworthy_tests::registry::Lab;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_seaworthy-verifier");

/// The process, with a world around it. It ends with the test.
pub struct Program {
    pub world: World,
    pub child: Child,
    client: reqwest::Client,
    pub base: String,
    pub tls: tempfile::TempDir,
}

/// What a review was answered.
pub struct Said {
    pub allowed: bool,
    pub code: u64,
    pub message: String,
    pub patch: Vec<Value>,
    pub warnings: Vec<String>,
}

impl Said {
    #[track_caller]
    pub fn yes(&self) {
        assert!(self.allowed, "{} {}", self.code, self.message);
    }

    /// A certain no, with this in its reason.
    #[track_caller]
    pub fn no(&self, why: &str) {
        assert!(!self.allowed && self.code == 403, "{} {}", self.code, self.message);
        assert!(self.message.contains(why), "{}", self.message);
    }

    /// "Could not find out", with this in its reason.
    #[track_caller]
    pub fn doubt(&self, why: &str) {
        assert!(!self.allowed && self.code == 503, "{} {}", self.code, self.message);
        assert!(self.message.contains(why), "{}", self.message);
    }
}

fn command(world: &World, policy: &Path, tls: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("HOME", tls).env("DOCKER_CONFIG", tls).current_dir(tls);
    command.args([
        "admission",
        "--listen",
        "127.0.0.1:0",
        "--certificate",
        "tls.crt",
        "--private-key",
        "tls.key",
    ]);
    command.arg("--policy").arg(policy).args([
        "--plain-http",
        &world.lab.host(),
        "--poll",
        "1",
        "--linger",
        "0",
    ]);
    command.args(flags).stdin(Stdio::null());
    command
}

impl Program {
    pub fn new() -> Self {
        Self::over(World::new())
    }

    pub fn over(world: World) -> Self {
        let host = world.lab.host();
        Self::with(
            world,
            &["--registry", &host, "--images-at", "example.test/Rollout=/spec/template/spec"],
            |_| {},
        )
    }

    pub fn with(world: World, flags: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let policy = world.dir.path().to_owned();
        Self::judging(world, &policy, flags, prepare)
    }

    /// By the policy file or directory at `policy`, and not by the world's own.
    pub fn judging(world: World, policy: &Path, flags: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let tls = tempfile::tempdir().unwrap();
        let ca = certificate(tls.path());
        prepare(tls.path());
        // Standard output is the audit log.
        let log = std::fs::File::create(tls.path().join("audit.jsonl")).unwrap();
        let mut child =
            command(&world, policy, tls.path(), flags).stdout(log).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut first).unwrap();
        let base = first.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}")).to_owned();
        let client = Self::client(&ca);
        Self { world, child, client, base, tls }
    }

    pub fn client(ca: &str) -> reqwest::Client {
        let ca = reqwest::Certificate::from_pem(ca.as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap()
    }

    pub fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Said {
        let request = self.client.post(format!("{}{path}", self.base)).body(body.into());
        let body: Value = self.world.runtime.block_on(async {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200);
            serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
        });
        assert_eq!(
            (&body["apiVersion"], &body["kind"]),
            (&"admission.k8s.io/v1".into(), &"AdmissionReview".into())
        );
        let response = &body["response"];
        let patch = response["patch"].as_str().map(|text| STANDARD.decode(text).unwrap());
        let said = Said {
            allowed: response["allowed"].as_bool().unwrap(),
            code: response["status"]["code"].as_u64().unwrap_or_default(),
            message: response["status"]["message"].as_str().unwrap_or_default().to_owned(),
            patch: patch.map(|p| serde_json::from_slice(&p).unwrap()).unwrap_or_default(),
            warnings: serde_json::from_value(response["warnings"].clone()).unwrap_or_default(),
        };
        assert!(said.allowed || !said.message.is_empty(), "a no without a reason");
        said
    }

    pub fn ask(&self, review: &Value) -> Said {
        self.post("/validate?timeout=10s", review.to_string())
    }

    pub fn pod(&self, image: &str) -> Said {
        self.ask(&create(&pod(&[image])))
    }

    pub fn metric(&self, line: &str) -> bool {
        let request = self.client.get(format!("{}/metrics", self.base));
        let text = self.world.runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
        text.lines().any(|l| l == line)
    }

    /// The lines of the audit log so far that are about reviews, the newest last.
    pub fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.tls.path().join("audit.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == "review").collect()
    }

    #[track_caller]
    pub fn until(&self, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        for _ in 0..600 {
            if reached(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("never: {what}");
    }

    /// What is attached to `subject` in the repository `name`.
    pub fn attach(&self, name: &str, subject: &Descriptor, bundle: &Value) {
        let (manifest, blobs) = image::artifact(subject, BUNDLE, bundle.to_string().as_bytes());
        for blob in &blobs {
            self.world.lab.put_blob(name, blob);
        }
        self.world.lab.put_manifest(name, None, media_type::MANIFEST, &manifest.bytes);
    }

    /// A manifest of these bytes, signed, under `app:TAG`; its reference.
    pub fn raw(&self, tag: &str, media_type: &str, value: &Value) -> String {
        let bytes = value.to_string().into_bytes();
        let descriptor = Descriptor::of(media_type, &bytes);
        self.world.lab.put_manifest("app", Some(tag), media_type, &bytes);
        self.world.sign("app", &descriptor);
        self.world.lab.reference(&format!("app:{tag}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts with these policies, which must not be possible.
pub fn refused(policies: impl Fn(&Lab) -> String) -> (Option<i32>, String) {
    let world = World::new();
    let tls = tempfile::tempdir().unwrap();
    certificate(tls.path());
    std::fs::write(world.dir.path().join("policy.yaml"), policies(&world.lab)).unwrap();
    let mut child =
        command(&world, world.dir.path(), tls.path(), &[]).stderr(Stdio::piped()).spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    errors.read_line(&mut text).unwrap();
    if text.starts_with("listening") {
        child.kill().unwrap();
    } else {
        errors.read_to_string(&mut text).unwrap();
    }
    (child.wait().unwrap().code(), text)
}
