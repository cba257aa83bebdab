//! Trouble for minutes: a registry that is killed, stalled, throttled, busy, rude and restarted, certificates that are
//! rotated, policies that are reloaded, all under load and at times that a seed decides.
//!
//! What must hold of every request:
//!
//! - an unsigned image is never allowed, nor one whose key the policy stopped trusting, once it was read again;
//! - a signed image is allowed whenever the registry has been well for [`SETTLE`]; before, it may be "could not find
//!   out" (503) and never "denied" (403): a registry that fails does not make an image unsigned;
//! - every no has a reason, and comes before the API server stops waiting;
//! - no request is without an answer, whatever happens to certificates and policies;
//!
//! and of the process: it lives, shows each new certificate, and its memory and open files do not grow.

use crate::client::{Client, PATIENCE, Target};
use crate::dice::Dice;
use crate::gate::{Gate, Weather};
use crate::programs::Programs;
use crate::registry::{Image, Registry, push, sign};
use crate::review::{Expect, Review, Reviews, Said};
use crate::system::{self, mib};
use crate::tally::Tally;
use crate::webhook::{Authority, Priority, Setting, Webhook, key_pair, policy};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Clients, each with one connection.
const CLIENTS: u64 = 8;
/// How long the registry must have been well for a yes to be owed: requests that hang are let go in this time.
const SETTLE: Duration = Duration::from_secs(2);
/// Seconds between two looks of the webhook at its files.
const POLL: u32 = 1;
/// When a policy that was written must have taken effect, at the latest.
const RELOADED: Duration = Duration::from_millis(2_500);
/// Resident at any time, and more of it in the last quarter than in the second.
const MOST_MIB: f64 = 64.0;
const GROWTH_MIB: f64 = 4.0;
/// Sockets and files at once: clients, connections to the registry, and what the runtime keeps.
const OPEN_FILES: usize = 200;

/// What is done to the registry.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Killed,
    Stalled,
    Throttled,
    Busy,
    Rude,
    Restarted,
}

const TROUBLES: [Trouble; 6] =
    [Trouble::Killed, Trouble::Stalled, Trouble::Throttled, Trouble::Busy, Trouble::Rude, Trouble::Restarted];

/// Something that is so since a moment; it is not known to be otherwise while the moment stays.
struct Since<T>(Mutex<(T, Instant)>);

impl<T: Copy> Since<T> {
    fn new(value: T) -> Self {
        Self(Mutex::new((value, Instant::now())))
    }

    fn set(&self, value: T) {
        *self.0.lock().expect("a state") = (value, Instant::now());
    }

    fn get(&self) -> (T, Instant) {
        *self.0.lock().expect("a state")
    }
}

/// Whether a second key is trusted now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Second {
    Trusted,
    Unknown,
}

/// Whether the registry is well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    Well,
    Ill,
}

struct Soak {
    end: Instant,
    tally: Tally,
    health: Since<Health>,
    second: Since<Second>,
    over: AtomicBool,
    slowest: Mutex<Duration>,
}

/// The reviews, by what is signed.
struct Questions {
    signed: Vec<Review>,
    pinned: Vec<Review>,
    unsigned: Vec<Review>,
    by_second: Vec<Review>,
}

impl Soak {
    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.over() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || Instant::now() >= self.end
    }

    /// One client, until the end.
    fn ask(&self, target: &Target, questions: &Questions, mut dice: Dice) {
        let mut client = Client::new(target);
        while !self.over() {
            let (kind, all) = match dice.roll(100) {
                0..50 => ("signed", &questions.signed),
                50..65 => ("signed, by digest", &questions.pinned),
                65..85 => ("unsigned", &questions.unsigned),
                _ => ("signed by a second key", &questions.by_second),
            };
            let review = &all[dice.roll(all.len() as u64) as usize];
            let (health, second, begun) = (self.health.get(), self.second.get(), Instant::now());
            let answer = client.ask(&review.request);
            let took = begun.elapsed();
            let well = health.0 == Health::Well
                && begun.duration_since(health.1) > SETTLE
                && self.health.get() == health;
            let known = (begun.duration_since(second.1) > RELOADED && self.second.get() == second)
                .then_some(second.0);
            let mut slowest = self.slowest.lock().expect("a time");
            *slowest = took.max(*slowest);
            drop(slowest);
            match answer.map_err(|lost| lost.to_string()).and_then(|answer| Said::read(&answer)) {
                Ok(said) => self.judge(kind, review, &said, Seen { well, known }),
                Err(why) => self.tally.wrong(format!("{kind}, {}: {why}", review.image)),
            }
            if took >= PATIENCE {
                self.tally.wrong(format!("{kind}, {}: an answer after {took:?}", review.image));
            }
            if dice.roll(40) == 0 {
                client.hang_up();
            }
            std::thread::sleep(dice.millis(1, 10));
        }
    }

    fn judge(&self, kind: &str, review: &Review, said: &Said, seen: Seen) {
        let outcome = match (said.allowed, said.code) {
            (true, _) => "allowed",
            (false, 403) => "denied",
            (false, 503) => "could not find out",
            (false, _) => "another answer",
        };
        let when = if seen.well { "registry well" } else { "in trouble, or just after it" };
        self.tally.count(format!("{kind}: {outcome} ({when})"));
        let wrong =
            |what: &str| self.tally.wrong(format!("{kind}, {}, {when}: {what}: {said:?}", review.image));
        if !said.allowed && said.message.trim().is_empty() {
            wrong("no reason");
        }
        let trusted = match (kind, review.expect) {
            ("signed by a second key", _) => seen.known.map(|second| second == Second::Trusted),
            (_, expect) => Some(expect == Expect::Allowed),
        };
        match trusted {
            Some(true) if !said.allowed && seen.well => wrong("denied though all was well"),
            Some(true) if !said.allowed && said.code != 503 => wrong("doubt became a no"),
            Some(false) if said.allowed => wrong("ALLOWED"),
            Some(false) if seen.well && said.code != 403 => wrong("no plain no though all was well"),
            _ => {}
        }
    }

    /// The registry's troubles, each kind in turn, in an order that the seed decides.
    fn trouble(&self, registry: &mut Registry, gate: &Gate, mut dice: Dice) {
        let mut left: Vec<Trouble> = Vec::new();
        self.pause(Duration::from_secs(3));
        while !self.over() {
            if left.is_empty() {
                left = TROUBLES.to_vec();
            }
            let trouble = left.remove(dice.roll(left.len() as u64) as usize);
            let time = dice.millis(800, 5_000);
            eprintln!("registry: {trouble:?} for {:.1} s", time.as_secs_f32());
            self.tally.count(format!("troubles: registry {trouble:?}"));
            self.health.set(Health::Ill);
            match trouble {
                Trouble::Killed => {
                    registry.kill();
                    self.pause(time);
                    registry.up();
                }
                Trouble::Restarted => {
                    registry.kill();
                    registry.up();
                }
                Trouble::Stalled => {
                    system::signal(registry.id(), "STOP");
                    self.pause(time);
                    system::signal(registry.id(), "CONT");
                }
                Trouble::Throttled | Trouble::Busy | Trouble::Rude => {
                    gate.set(match trouble {
                        Trouble::Throttled => Weather::Slow(500 + dice.roll(4_000)),
                        Trouble::Busy => Weather::Busy,
                        _ => Weather::Rude,
                    });
                    self.pause(time);
                    gate.set(Weather::Fair);
                }
            }
            self.health.set(Health::Well);
            self.pause(SETTLE + dice.millis(1_500, 6_000));
        }
    }

    /// New certificates, after a pair of files that is none.
    fn certificates(&self, authority: &Authority, target: &Target, dir: &Path, mut dice: Dice) {
        while !self.over() {
            self.pause(dice.millis(5_000, 12_000));
            std::fs::write(dir.join("tls.crt"), "half of a certificate").expect("a file");
            self.pause(dice.millis(0, 2_000));
            let der = authority.issue_into(dir);
            let written = Instant::now();
            let shown = || {
                let mut client = Client::new(target);
                let said = client.ask(&crate::client::get("/readyz"));
                said.is_ok_and(|a| a.status == 200) && client.shown().as_deref() == Some(&der)
            };
            while !self.over() && !shown() {
                if written.elapsed() > Duration::from_secs(10) {
                    self.tally.wrong("a new certificate was not shown within 10 s".into());
                    break;
                }
                self.pause(Duration::from_millis(200));
            }
            self.tally.count("troubles: certificate rotated");
        }
    }

    /// New policies: the same in other words, with and without the second key, and some that cannot be read.
    fn policies(&self, host: SocketAddr, dir: &Path, mut dice: Dice) {
        let put = |text: &str| {
            // By a rename, as a mounted ConfigMap changes.
            std::fs::write(dir.join("next"), text).expect("a file");
            std::fs::rename(dir.join("next"), dir.join("policy.yaml")).expect("a rename");
        };
        let mut number = 0;
        while !self.over() {
            self.pause(dice.millis(4_000, 9_000));
            number += 1;
            let second = self.second.get().0;
            match dice.roll(3) {
                0 => {
                    put(&text(host, second, number));
                    self.tally.count("troubles: policy reloaded");
                }
                1 => {
                    let other = if second == Second::Trusted { Second::Unknown } else { Second::Trusted };
                    // Until it has been read, both are right.
                    put(&text(host, other, number));
                    self.second.set(other);
                    self.tally.count("troubles: policy trusts another set of keys");
                }
                _ => {
                    put("kind: ImagePolicy\nspec: { images: [\"**\"], mode: of-no-kind }\n");
                    self.pause(dice.millis(500, 3_000));
                    put(&text(host, second, number));
                    self.tally.count("troubles: policy that means nothing");
                }
            }
        }
    }

    /// Samples of memory and open files; a line every ten seconds.
    fn watch(&self, webhook: &mut Webhook, length: Duration) {
        let begun = Instant::now();
        let mut samples: Vec<(f64, f64)> = Vec::new();
        let mut told = 0;
        while !self.over() {
            self.pause(Duration::from_millis(500));
            let (at, resident) = (begun.elapsed(), mib(webhook.resident()));
            let open = system::open_files(webhook.id());
            samples.push((at.as_secs_f64(), resident));
            if webhook.gone() {
                self.tally.wrong("the webhook has ended".into());
                self.over.store(true, Ordering::Relaxed);
                return;
            }
            if open > OPEN_FILES {
                self.tally.wrong(format!("{open} open files, more than {OPEN_FILES}"));
            }
            if at.as_secs() / 10 > told {
                told = at.as_secs() / 10;
                println!(
                    "{:>4} s  {resident:>5.1} MiB resident, {open} open files, load {:.2}",
                    told * 10,
                    system::load()
                );
            }
        }
        let most = |from: f64, to: f64| {
            let within = samples.iter().filter(|(at, _)| (from..to).contains(&(at / length.as_secs_f64())));
            within.map(|(_, resident)| *resident).fold(0.0, f64::max)
        };
        let (second, last, all) = (most(0.25, 0.5), most(0.75, 9.0), most(0.0, 9.0));
        println!(
            "memory: {second:.1} MiB at most in the second quarter, {last:.1} in the last, {all:.1} in all"
        );
        if last > second + GROWTH_MIB || all > MOST_MIB {
            self.tally.wrong(format!(
                "memory: more than {GROWTH_MIB} MiB of growth, or than {MOST_MIB} MiB in all"
            ));
        }
    }
}

/// What was known about the world while a request was under way.
struct Seen {
    /// The registry was well for long enough before, and to the end.
    well: bool,
    /// Whether the second key was trusted, where that was certain.
    known: Option<Second>,
}

fn text(host: SocketAddr, second: Second, number: u64) -> String {
    let keys: &[&str] = if second == Second::Trusted { &["first.pub", "second.pub"] } else { &["first.pub"] };
    format!("# number {number}\n{}", policy("soak", &[host], keys))
}

/// Runs for `length`; whether all of it held.
pub fn run(programs: &Programs, length: Duration, seed: u64) -> bool {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path();
    let policies = dir.join("policy");
    std::fs::create_dir(&policies).expect("a directory");
    let authority = Authority::new();
    authority.issue_into(dir);
    let (first, second) = (key_pair(&policies, "first"), key_pair(&policies, "second"));
    let mut registry = Registry::start(programs, &dir.join("registry"));
    let gate = Gate::start(registry.address);
    let host = gate.address;
    let signed = push(registry.address, "app", 60);
    sign(programs, &first, registry.address, &signed);
    let by_second = push(registry.address, "second", 20);
    sign(programs, &second, registry.address, &by_second);
    let unsigned = push(registry.address, "evil", 20);
    std::fs::write(policies.join("policy.yaml"), text(host, Second::Unknown, 0)).expect("a file");

    let reviews = Reviews::new(&programs.root);
    let ask = |path, images: &[Image], name: &dyn Fn(&Image) -> String, expect| -> Vec<Review> {
        images.iter().map(|image| reviews.of(path, &name(image), expect)).collect()
    };
    let questions = Questions {
        signed: ask("/mutate", &signed, &|i| i.by_tag(host), Expect::Allowed),
        pinned: ask("/validate", &signed, &|i| i.by_digest(host), Expect::Allowed),
        unsigned: ask("/validate", &unsigned, &|i| i.by_tag(host), Expect::Denied),
        by_second: ask("/validate", &by_second, &|i| i.by_digest(host), Expect::Allowed),
    };
    let setting = Setting {
        dir,
        registries: &[host],
        poll: POLL,
        linger: 0,
        log: dir.join("audit.jsonl"),
        priority: Priority::Same,
    };
    let mut webhook = Webhook::start(programs, &setting);
    let target = webhook.target(&authority);
    println!("soak: {} s, seed {seed}, {CLIENTS} clients, load {:.2}", length.as_secs(), system::load());

    let soak = Soak {
        end: Instant::now() + length,
        tally: Tally::default(),
        health: Since::new(Health::Well),
        second: Since::new(Second::Unknown),
        over: AtomicBool::new(false),
        slowest: Mutex::default(),
    };
    std::thread::scope(|scope| {
        let (soak, target, questions) = (&soak, &target, &questions);
        for n in 0..CLIENTS {
            scope.spawn(move || soak.ask(target, questions, Dice(seed ^ (n << 32))));
        }
        let (authority, policies, gate, registry) = (&authority, &policies, &gate, &mut registry);
        scope.spawn(move || soak.trouble(registry, gate, Dice(seed + 1)));
        scope.spawn(move || soak.certificates(authority, target, dir, Dice(seed + 2)));
        scope.spawn(move || soak.policies(host, policies, Dice(seed + 3)));
        soak.watch(&mut webhook, length);
    });
    if !webhook.terminate(Duration::from_secs(15)) {
        soak.tally.wrong("SIGTERM did not end it in good order within 15 s".into());
    }
    println!("slowest answer: {:.2} s", soak.slowest.lock().expect("a time").as_secs_f64());
    let good = soak.tally.conclude();
    println!("soak: seed {seed}, {}", if good { "all of it held" } else { "it did not hold" });
    good
}
