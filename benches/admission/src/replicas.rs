//! Two replicas behind one address, one of them ended every few seconds, under load.
//!
//! Half of the ends are orderly: SIGTERM, as a rollout or a drained node sends it, while the list of endpoints is
//! corrected up to two seconds later. Then **no request may be without an answer**. Half are SIGKILL, as the kernel
//! sends it to who takes too much memory; the list is corrected when somebody has noticed. An API server asks each
//! question once, so that two kinds of requests are lost by such an end, and nothing that is left alive could have
//! helped; they are counted:
//!
//! - those that were on their way to the killed replica, which had taken them, at that moment;
//! - connections that were sent to it before the list was corrected, on which nothing was asked yet.
//!
//! Every other request without an answer is a violation, and so are a wrong answer and an answer after the API
//! server's patience.

use crate::balancer::Balancer;
use crate::client::{Client, Lost, PATIENCE, Target};
use crate::dice::Dice;
use crate::programs::Programs;
use crate::registry::{Registry, push, sign};
use crate::review::{Expect, Review, Reviews, Said};
use crate::system;
use crate::tally::Tally;
use crate::webhook::{Authority, Priority, Setting, Webhook, key_pair, policy};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: u64 = 16;
/// Seconds in which a replica still takes requests after SIGTERM: the program's default.
const LINGER: u32 = 5;
/// Milliseconds until the list of endpoints knows of an end.
const NOTICED: (u64, u64) = (100, 2_000);

/// For so long after the process is gone, its connections are still open in the balancer, which is a process of its
/// own: kube-proxy rewrites packets instead, and the client would know at once.
const RELAYED: Duration = Duration::from_millis(100);

/// A replica that was killed: when the signal was sent, when the process was gone, when the list of endpoints knew.
#[derive(Clone, Copy)]
struct Kill {
    sent: Instant,
    gone: Option<Instant>,
    known: Option<Instant>,
}

struct Trial<'a> {
    programs: &'a Programs,
    dir: &'a Path,
    registry: SocketAddr,
    authority: &'a Authority,
    balancer: Balancer,
    end: Instant,
    over: AtomicBool,
    kills: Mutex<Vec<Kill>>,
    tally: Tally,
}

impl Trial<'_> {
    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A replica that answers its probe, in the list of endpoints.
    fn replica(&self, number: usize) -> Webhook {
        let log = self.dir.join(format!("audit-{number}.jsonl"));
        let setting = Setting {
            dir: self.dir,
            registries: &[self.registry],
            poll: 10,
            linger: LINGER,
            log,
            priority: Priority::Same,
        };
        let webhook = Webhook::start(self.programs, &setting);
        let mut probe = Client::new(&webhook.target(self.authority));
        while !probe.ask(&crate::client::get("/readyz")).is_ok_and(|a| a.status == 200) {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.balancer.add(webhook.address);
        webhook
    }

    fn ask(&self, target: &Target, reviews: &[Review], mut dice: Dice) {
        let mut client = Client::new(target);
        while !self.over() {
            let review = &reviews[dice.roll(reviews.len() as u64) as usize];
            let begun = Instant::now();
            let answer = client.ask(&review.request);
            let ended = Instant::now();
            match answer {
                Ok(answer) => match Said::read(&answer) {
                    Ok(said)
                        if said.allowed == (review.expect == Expect::Allowed) && ended - begun < PATIENCE =>
                    {
                        self.tally.count("answered, and rightly");
                    }
                    Ok(said) => {
                        self.tally.wrong(format!("{}, after {:?}: {said:?}", review.image, ended - begun))
                    }
                    Err(why) => self.tally.wrong(format!("{}: {why}", review.image)),
                },
                Err(lost) => self.lost(review, &lost, begun, ended),
            }
            std::thread::sleep(dice.millis(0, 6));
        }
    }

    fn lost(&self, review: &Review, lost: &Lost, begun: Instant, ended: Instant) {
        // What is still being told of the end is waited for.
        std::thread::sleep(RELAYED);
        let kills = self.kills.lock().expect("the kills").clone();
        let excuse = match lost {
            Lost::Sent(_)
                if kills
                    .iter()
                    .any(|k| k.sent <= ended && k.gone.is_none_or(|gone| begun <= gone + RELAYED)) =>
            {
                "lost by SIGKILL: on its way to the killed replica"
            }
            Lost::Dial(_)
                if kills.iter().any(|k| k.sent <= ended && k.known.is_none_or(|known| begun <= known)) =>
            {
                "lost by SIGKILL: sent to it by a list that did not know yet; nothing was asked"
            }
            _ => return self.tally.wrong(format!("{}: {lost}, and nobody was killed", review.image)),
        };
        self.tally.count(excuse);
    }

    /// Ends one replica after another until the time is over; the last two, which still have to answer.
    fn ends(&self, mut dice: Dice) -> [Webhook; 2] {
        let mut replicas = [self.replica(0), self.replica(1)];
        let mut number = 1;
        while Instant::now() < self.end {
            std::thread::sleep(dice.millis(1_000, 3_000));
            let which = dice.roll(2) as usize;
            let (address, noticed) = (replicas[which].address, dice.millis(NOTICED.0, NOTICED.1));
            number += 1;
            // In turn, so that a short run has both.
            if number % 2 == 0 {
                eprintln!("SIGTERM to {address}, known after {noticed:?}");
                self.tally.count("replicas ended by SIGTERM");
                let balancer = self.balancer.clone();
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        std::thread::sleep(noticed);
                        balancer.remove(address);
                    });
                    if !replicas[which].terminate(Duration::from_secs(30)) {
                        self.tally.wrong("SIGTERM did not end a replica in good order".into());
                    }
                });
            } else {
                eprintln!("SIGKILL to {address}, known after {noticed:?}");
                self.tally.count("replicas ended by SIGKILL");
                let kill = Kill { sent: Instant::now(), gone: None, known: None };
                self.kills.lock().expect("the kills").push(kill);
                let last = |change: &dyn Fn(&mut Kill)| {
                    change(self.kills.lock().expect("the kills").last_mut().expect("the one above"));
                };
                replicas[which].kill();
                last(&|kill| kill.gone = Some(Instant::now()));
                std::thread::sleep(noticed);
                self.balancer.remove(address);
                // Who was chosen just before is still being connected.
                last(&|kill| kill.known = Some(Instant::now() + RELAYED));
            }
            replicas[which] = self.replica(number);
        }
        self.over.store(true, Ordering::Relaxed);
        replicas
    }
}

/// Runs for `length`; whether all of it held.
pub fn run(programs: &Programs, length: Duration, seed: u64) -> bool {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path();
    let policies = dir.join("policy");
    std::fs::create_dir(&policies).expect("a directory");
    let authority = Authority::new();
    authority.issue_into(dir);
    let key = key_pair(&policies, "release");
    let registry = Registry::start(programs, &dir.join("registry"));
    let host = registry.address;
    std::fs::write(policies.join("policy.yaml"), policy("replicas", &[host], &["release.pub"]))
        .expect("a file");
    let signed = push(host, "app", 20);
    sign(programs, &key, host, &signed);
    let unsigned = push(host, "evil", 5);
    let reviews = Reviews::new(&programs.root);
    let yes = signed.iter().flat_map(|i| [("/mutate", i.by_tag(host)), ("/validate", i.by_digest(host))]);
    let yes = yes.map(|(path, name)| reviews.of(path, &name, Expect::Allowed));
    let no = unsigned.iter().map(|i| reviews.of("/validate", &i.by_tag(host), Expect::Denied));
    let questions: Vec<Review> = yes.chain(no).collect();

    let balancer = Balancer::start(Dice(seed));
    let target = Target::new(balancer.address, &authority.pem());
    println!("replicas: {} s, seed {seed}, {CLIENTS} clients, load {:.2}", length.as_secs(), system::load());
    let trial = Trial {
        programs,
        dir,
        registry: host,
        authority: &authority,
        balancer,
        end: Instant::now() + length,
        over: AtomicBool::new(false),
        kills: Mutex::default(),
        tally: Tally::default(),
    };
    let last = std::thread::scope(|scope| {
        let (trial, target, questions) = (&trial, &target, &questions);
        let ends = scope.spawn(move || trial.ends(Dice(seed + 1)));
        std::thread::sleep(Duration::from_millis(500));
        for n in 0..CLIENTS {
            scope.spawn(move || trial.ask(target, questions, Dice(seed ^ (n << 32))));
        }
        let last = ends.join();
        trial.over.store(true, Ordering::Relaxed);
        last
    });
    if last.is_err() {
        trial.tally.wrong("the trial itself broke".into());
    }
    drop(last);
    let good = trial.tally.conclude();
    println!(
        "replicas: seed {seed}, {}",
        if good { "no request was lost that could be answered" } else { "it did not hold" }
    );
    good
}
