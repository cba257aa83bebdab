//! The webhook as a process, with a policy, a certificate, and what it wrote down.

use crate::client::{NAME, Target};
use crate::programs::Programs;
use crate::system;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The authority of the cluster, whose certificate stands in the webhook's `caBundle`.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the cluster's authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A new certificate for the webhook: the texts of `tls.crt` and `tls.key`, and the certificate in DER.
    pub fn issue(&self) -> (String, String, Vec<u8>) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![NAME.to_owned()]).expect("parameters");
        let leaf = params.signed_by(&key, &self.0).expect("a certificate");
        (leaf.pem(), key.serialize_pem(), leaf.der().to_vec())
    }

    /// Writes a new one where the webhook reads it, and gives its DER.
    pub fn issue_into(&self, dir: &Path) -> Vec<u8> {
        let (certificate, key, der) = self.issue();
        std::fs::write(dir.join("tls.crt"), certificate).expect("a file");
        std::fs::write(dir.join("tls.key"), key).expect("a file");
        der
    }
}

/// A policy for all of `hosts`, whose signers are the keys in the files `keys`.
pub fn policy(name: &str, hosts: &[SocketAddr], keys: &[&str]) -> String {
    let hosts = hosts.iter().map(|host| format!("\"{host}/**\"")).collect::<Vec<_>>().join(", ");
    let keys: String = keys.iter().map(|key| format!("        - path: {key}\n")).collect();
    format!(
        "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: {name}\nspec:\n  mode: enforce\n  \
         images: [{hosts}]\n  authorities:\n    - name: release\n      keys:\n{keys}  signatures:\n    - by: [release]\n"
    )
}

/// Writes a new key pair of P-256 as `name`.key and `name`.pub into `dir`.
pub fn key_pair(dir: &Path, name: &str) -> PathBuf {
    let key = KeyPair::generate().expect("a key");
    let path = dir.join(format!("{name}.key"));
    std::fs::write(&path, key.serialize_pem()).expect("a file");
    std::fs::write(dir.join(format!("{name}.pub")), key.public_key_pem()).expect("a file");
    path
}

/// How a webhook is started.
pub struct Setting<'a> {
    /// Has `tls.crt`, `tls.key` and `policy/`.
    pub dir: &'a Path,
    pub registries: &'a [SocketAddr],
    /// Seconds between two looks at certificate and policy.
    pub poll: u32,
    /// Seconds in which requests are taken after SIGTERM.
    pub linger: u32,
    /// The audit log is written here.
    pub log: PathBuf,
    pub priority: Priority,
}

/// How the webhook stands towards the load, with which it shares the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Whoever is first.
    Same,
    /// The load goes before it, as though it had processors of its own. Otherwise what a thread of the load waits until
    /// the kernel takes a processor from the webhook's, up to three milliseconds, counts as the webhook's time.
    BelowTheLoad,
}

/// The process. It ends when it is dropped.
pub struct Webhook {
    pub address: SocketAddr,
    child: Child,
}

impl Webhook {
    pub fn start(programs: &Programs, setting: &Setting<'_>) -> Self {
        let log = std::fs::File::create(&setting.log).expect("a file");
        let mut command = match setting.priority {
            Priority::Same => programs.quiet(&programs.verifier),
            Priority::BelowTheLoad => {
                let mut nice = programs.quiet(Path::new("nice"));
                nice.args(["-n", "5"]).arg(&programs.verifier);
                nice
            }
        };
        let mut child = command
            .current_dir(setting.dir)
            .args([
                "admission",
                "--listen",
                "127.0.0.1:0",
                "--certificate",
                "tls.crt",
                "--private-key",
                "tls.key",
            ])
            .args(["--policy", "policy"])
            .args(
                setting
                    .registries
                    .iter()
                    .flat_map(|r| ["--registry".into(), r.to_string(), "--plain-http".into(), r.to_string()]),
            )
            .args(["--poll", &setting.poll.to_string(), "--linger", &setting.linger.to_string()])
            .stdout(log)
            .stderr(Stdio::piped())
            .spawn()
            .expect("seaworthy-verifier");
        let mut errors = BufReader::new(child.stderr.take().expect("its errors"));
        let mut first = String::new();
        errors.read_line(&mut first).expect("a line");
        let address = first.trim().strip_prefix("listening on https://").and_then(|a| a.parse().ok());
        let address = address.unwrap_or_else(|| panic!("it said: {first}"));
        // A pipe that nobody reads would stop the process one day.
        std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).for_each(|line| eprintln!("webhook: {line}"))
        });
        Self { address, child }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn target(&self, authority: &Authority) -> Target {
        Target::new(self.address, &authority.pem())
    }

    pub fn resident(&self) -> u64 {
        system::memory(self.id(), "VmRSS")
    }

    pub fn peak(&self) -> u64 {
        system::memory(self.id(), "VmHWM")
    }

    /// Whether it has ended by itself.
    pub fn gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM; whether it ended in good order, within `patience`.
    pub fn terminate(&mut self, patience: Duration) -> bool {
        system::signal(self.id(), "TERM");
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.kill();
    }
}
