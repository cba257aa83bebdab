//! A registry on loopback, images in it, a policy, and the webhook over them.

use crate::keys::{self, Key, SIGN};
use seaworthy_oci::Descriptor;
use seaworthy_oci::manifest::media_type;
use seaworthy_tests::image::{self, TinyImage};
use seaworthy_tests::registry::Lab;
use seaworthy_verifier::admission::{Admission, Options, Policies, Reviewed, Webhook};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use seaworthy_verifier::admission::Outcome;

pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

pub fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/admission")
}

pub fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(recordings().join(format!("{name}.json"))).unwrap()
}

pub struct World {
    pub lab: Lab,
    pub key: Key,
    pub dir: tempfile::TempDir,
    pub admission: Arc<Admission>,
    pub runtime: tokio::runtime::Runtime,
}

/// A policy named `name` in `mode` for `images`, whose only signer is `key`.pub.
pub fn policy(name: &str, mode: &str, images: &str, key: &str) -> String {
    format!(
        "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: {name}\nspec:\n  mode: {mode}\n  \
         images: [\"{images}\"]\n  authorities:\n    - name: release\n      keys:\n        - path: {key}.pub\n  \
         signatures:\n    - by: [release]\n"
    )
}

impl World {
    /// Signatures of one key are demanded of everything in the registry, which is allowed by name.
    pub fn new() -> Self {
        Self::with(|lab| policy("signed", "enforce", &format!("{}/**", lab.host()), "release"), |_| {})
    }

    pub fn with(policies: impl Fn(&Lab) -> String, change: impl Fn(&mut Options)) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self::on(Lab::start(), runtime, policies, change)
    }

    /// The same over a registry of another kind.
    pub fn on(
        lab: Lab,
        runtime: tokio::runtime::Runtime,
        policies: impl Fn(&Lab) -> String,
        change: impl Fn(&mut Options),
    ) -> Self {
        let (key, dir) = (Key::new(7), tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join("release.pub"), key.pem()).unwrap();
        std::fs::write(dir.path().join("other.pub"), Key::new(9).pem()).unwrap();
        std::fs::write(dir.path().join("policy.yaml"), policies(&lab)).unwrap();
        let mut options = Options {
            registries: vec![lab.host().parse().unwrap()],
            images_at: vec!["example.test/Rollout=/spec/template/spec".parse().unwrap()],
            ..Options::default()
        };
        options.open.registry.credentials = seaworthy_oci::registry::Credentials::Anonymous;
        change(&mut options);
        let set = Policies::load(&[dir.path().to_owned()], keys::now()).unwrap_or_else(|e| panic!("{e}"));
        let admission = Arc::new(Admission::new(set, options));
        Self { lab, key, dir, admission, runtime }
    }

    /// Reads the policy files again.
    pub fn reload(&self) {
        self.admission.replace_policies(Policies::load(&[self.dir.path().to_owned()], keys::now()).unwrap());
    }

    /// An image that says `text`, under `name:tag`, unsigned.
    pub fn image(&self, name: &str, tag: &str, text: &str) -> Descriptor {
        let image = TinyImage::saying(text);
        let raw = image.manifest();
        self.lab.put_blob(name, &image.config());
        self.lab.put_manifest(name, Some(tag), &raw.descriptor.media_type, &raw.bytes);
        raw.descriptor.clone()
    }

    /// Signs it with the key that the policy trusts.
    pub fn sign(&self, name: &str, subject: &Descriptor) {
        self.sign_with(&self.key, name, subject);
    }

    pub fn sign_with(&self, key: &Key, name: &str, subject: &Descriptor) {
        let bundle = key.bundle(&keys::statement(&subject.digest, SIGN, json!({}))).to_string();
        let (manifest, blobs) = image::artifact(subject, BUNDLE, bundle.as_bytes());
        for blob in &blobs {
            self.lab.put_blob(name, blob);
        }
        self.lab.put_manifest(name, None, media_type::MANIFEST, &manifest.bytes);
    }

    /// A signed image, and its reference in the lab.
    pub fn signed(&self, name: &str, tag: &str) -> String {
        let image = self.image(name, tag, &format!("{name} {tag}"));
        self.sign(name, &image);
        self.lab.reference(&format!("{name}:{tag}"))
    }

    /// An unsigned image, and its reference in the lab.
    pub fn unsigned(&self, name: &str, tag: &str) -> String {
        self.image(name, tag, &format!("{name} {tag}"));
        self.lab.reference(&format!("{name}:{tag}"))
    }

    pub fn review(&self, body: &[u8]) -> Reviewed {
        self.runtime.block_on(self.admission.review(Webhook::Validate, body, None))
    }

    pub fn ask(&self, review: &Value) -> Reviewed {
        self.review(review.to_string().as_bytes())
    }

    pub fn mutate(&self, review: &Value) -> Reviewed {
        self.runtime.block_on(self.admission.review(Webhook::Mutate, review.to_string().as_bytes(), None))
    }

    pub fn patient(&self, review: &Value, patience: Duration) -> Reviewed {
        let body = review.to_string();
        self.runtime.block_on(self.admission.review(Webhook::Validate, body.as_bytes(), Some(patience)))
    }
}

/// A Pod with these images in its containers.
pub fn pod(images: &[&str]) -> Value {
    let containers: Vec<Value> = images
        .iter()
        .enumerate()
        .map(|(n, image)| json!({ "name": format!("c{n}"), "image": image }))
        .collect();
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": { "containers": containers } })
}

/// A review of `object`, which becomes what it is from `old`.
pub fn review(operation: &str, group: &str, object: &Value, old: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": operation, "name": "p", "namespace": "team",
            "kind": { "group": group, "version": "v1", "kind": object["kind"] },
            "userInfo": { "username": "jane" }, "object": object, "oldObject": old,
        },
    })
}

pub fn create(object: &Value) -> Value {
    review("CREATE", "", object, &Value::Null)
}
