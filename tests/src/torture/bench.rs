//! The authority, the registries, the doors in front of them, and one run of the program between them.

use super::{Dice, Plan};
use crate::authority::{Process, Served, command};
use crate::door::{Door, Fate, Frame, Heard, Trouble};
use crate::registry::{Lab, ReferrersApi};
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Who releases.
const WHO: &str = "ci@example.com";
/// The authority's name. Nobody is reached there, because everybody comes through a door.
const URL: &str = "http://127.0.0.1:8400";
/// What one request may take, as the program is told. A stall is longer than that.
const PATIENCE: Duration = Duration::from_secs(1);
/// The exit code of a process that was killed, as reported here.
pub(super) const KILLED: i32 = -9;

pub(super) struct Bench {
    plan: Plan,
    dir: tempfile::TempDir,
    authority: Served,
    /// With and without the Referrers API.
    labs: [Lab; 2],
    answers: AtomicUsize,
    replaced: AtomicUsize,
}

impl Bench {
    pub(super) fn new(plan: &Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Served::start(&plan.program, dir.path(), URL);
        std::fs::write(dir.path().join("token"), authority.token(WHO)).unwrap();
        let policy = format!(
            "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: torture}}\nspec:\n  \
             images: [\"**\"]\n  authorities:\n    - name: ci\n      keyless: {{issuer: \"{URL}\", identity: \
             {WHO}, trustedRoot: authority/trusted_root.json}}\n  signatures: [{{by: [ci]}}]\n  sbom: {{by: \
             [ci]}}\n"
        );
        std::fs::write(dir.path().join("policy.yaml"), policy).unwrap();
        let lab = |api| Lab::builder().referrers(api).start();
        Self {
            plan: plan.clone(),
            dir,
            authority,
            labs: [lab(ReferrersApi::Paged(100)), lab(ReferrersApi::Absent)],
            answers: AtomicUsize::new(0),
            replaced: AtomicUsize::new(0),
        }
    }

    pub(super) fn authority(&self) -> SocketAddr {
        self.authority.address()
    }

    /// Requests, and answers that were replaced.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.answers.load(Ordering::Relaxed), self.replaced.load(Ordering::Relaxed))
    }
}

/// What the doors of a run do.
struct Weather {
    dice: Dice,
    /// Of a hundred answers so many are replaced.
    trouble: u64,
    /// Which door stays shut, after how many requests.
    outage: Option<(usize, u64)>,
    seen: [u64; 2],
}

impl Weather {
    fn fate(&mut self, door: usize) -> Fate {
        self.seen[door] += 1;
        if self.outage.is_some_and(|(which, after)| which == door && self.seen[door] > after) {
            return Some((Trouble::Status(503, Some(0)), Heard::No));
        }
        (self.dice.roll(100) < self.trouble).then(|| self.dice.trouble(PATIENCE))
    }
}

/// How long a process may live.
pub(super) enum Life {
    Whole,
    Until(Duration),
}

/// How a process ended.
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stderr: String,
    pub(super) took: Duration,
}

/// One release, as often as it takes.
pub(super) struct Run {
    bench: Arc<Bench>,
    number: usize,
    name: String,
    weather: Arc<Mutex<Weather>>,
    dice: Dice,
    authority: Door,
    registry: Door,
}

impl Run {
    pub(super) fn new(bench: &Arc<Bench>, number: usize, trouble: u64) -> Self {
        let mut dice = Dice(bench.plan.seed.wrapping_mul(0x1_0000_0001).wrapping_add(number as u64));
        let weather = Weather { dice: Dice(dice.roll(u64::MAX)), trouble, outage: None, seen: [0; 2] };
        let weather = Arc::new(Mutex::new(weather));
        let door = |which: usize, behind: SocketAddr| {
            let (weather, bench) = (Arc::clone(&weather), Arc::clone(bench));
            Frame::new().open(behind, move |_, _| {
                let fate = weather.lock().unwrap().fate(which);
                bench.answers.fetch_add(1, Ordering::Relaxed);
                bench.replaced.fetch_add(usize::from(fate.is_some()), Ordering::Relaxed);
                fate
            })
        };
        Self {
            bench: Arc::clone(bench),
            number,
            name: format!("team/run-{number}"),
            authority: door(0, bench.authority()),
            registry: door(1, bench.labs[number % 2].host().parse().unwrap()),
            weather,
            dice,
        }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn lab(&self) -> &Lab {
        &self.bench.labs[self.number % 2]
    }

    pub(super) fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// One of the services goes away for good somewhere in the next run.
    pub(super) fn outage(&mut self) {
        // Early enough to matter: a run asks the authority a dozen times, and the registry a hundred.
        let which = self.dice.roll(2);
        let outage = (which as usize, self.dice.roll(if which == 0 { 10 } else { 80 }));
        self.weather.lock().unwrap().outage = Some(outage);
    }

    /// It comes back.
    pub(super) fn heal(&self) {
        self.weather.lock().unwrap().outage = None;
    }

    fn state(&self) -> std::path::PathBuf {
        self.bench.dir.path().join("state").join(self.number.to_string())
    }

    /// Runs `release` once.
    pub(super) fn release(&self, life: Life, more: &[&str]) -> Ended {
        let url = format!("http://{}", self.authority.address());
        let mut command = command(&self.bench.plan.program, self.bench.dir.path());
        command
            .args(["release", "--identity-token", "token", "--rekor-version", "2"])
            .arg(format!("oci:{}", self.bench.plan.root.join("testdata/images/fleet").display()))
            .args(["--to", &format!("{}/{}:1", self.registry.address(), self.name)])
            .args([
                "--trusted-root",
                "authority/trusted_root.json",
                "--fulcio-url",
                &url,
                "--rekor-url",
                &url,
            ])
            .args(["--timestamp-server-url", &format!("{url}/api/v1/timestamp")])
            .args(["--request-timeout", &PATIENCE.as_secs().to_string()])
            .args(more)
            .env("SEAWORTHY_STATE_DIR", self.state())
            .env("SOURCE_DATE_EPOCH", "1700000000");
        ended(command, life)
    }

    /// Asks the judge, without trouble.
    pub(super) fn verify(&self) -> Ended {
        let mut command = command(&self.bench.plan.program, self.bench.dir.path());
        command.args(["verify", "--policy", "policy.yaml"]);
        command.arg(format!("{}/{}:1", self.lab().host(), self.name));
        ended(command, Life::Whole)
    }

    /// How many pieces the journal still has. A file that a kill left without its name is none: it was not whole.
    pub(super) fn kept(&self) -> usize {
        fn files(dir: &Path) -> usize {
            let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
            let count = |p: std::path::PathBuf| match p.is_dir() {
                true => files(&p),
                false => usize::from(p.extension().is_some_and(|e| e == "json")),
            };
            entries.map(|e| count(e.unwrap().path())).sum()
        }
        files(&self.state())
    }
}

fn ended(mut command: Command, life: Life) -> Ended {
    let started = Instant::now();
    let mut process = Process(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut stderr = process.0.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    if let Life::Until(life) = life {
        std::thread::sleep(life);
        let _ = process.0.kill();
    }
    let status = process.0.wait().unwrap();
    let took = started.elapsed();
    Ended { code: status.code().unwrap_or(KILLED), stderr: reader.join().unwrap(), took }
}
