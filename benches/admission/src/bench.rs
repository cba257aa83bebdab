//! Reviews a second, times and memory of the webhook, and `cosign verify` of the same images beside it.
//!
//! *Cold*: nothing is remembered of the image, so that the registry is asked for everything and the signature is
//! checked. *Warm, by digest*: the verdict is remembered; a Pod that the mutating webhook has pinned is asked about
//! so. *Warm, by tag*: the verdict is remembered, and the registry is asked what the tag means now.

use crate::front::Front;
use crate::load::{self, Measured};
use crate::null;
use crate::programs::Programs;
use crate::registry::{Image, Registry, push, sign};
use crate::report::{Aim, page, table};
use crate::review::{Expect, Review, Reviews};
use crate::system::{self, mib};
use crate::webhook::{Authority, Priority, Setting, Webhook, key_pair, policy};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How much is done.
pub struct Size {
    images: usize,
    warm: usize,
    long: usize,
    peers: usize,
    times: Times,
}

/// Whether a missed time is a failure: on a machine that does other things as well it is not.
#[derive(PartialEq)]
enum Times {
    Decide,
    AreShown,
}

impl Size {
    pub const FULL: Self =
        Self { images: 1_000, warm: 20_000, long: 100_000, peers: 40, times: Times::Decide };
    pub const SHORT: Self = Self { images: 100, warm: 2_000, long: 20_000, peers: 5, times: Times::AreShown };
}

const AT_ONCE: [usize; 3] = [1, 10, 100];

struct World<'a> {
    programs: &'a Programs,
    authority: Authority,
    registry: Registry,
    front: Front,
    dir: &'a Path,
}

impl World<'_> {
    fn webhook(&self, priority: Priority) -> Webhook {
        let log = self.dir.join("audit.jsonl");
        let registries = [self.registry.address, self.front.address];
        let setting = Setting { dir: self.dir, registries: &registries, poll: 10, linger: 0, log, priority };
        Webhook::start(self.programs, &setting)
    }

    fn measured(&self, what: &'static str, webhook: &Webhook, work: impl FnOnce() -> Measured) -> Row {
        let (processor, asked) = (system::processor(webhook.id()), self.front.asked());
        let load = work();
        let processor = system::processor(webhook.id()).saturating_sub(processor);
        Row { what, load, processor, asked: self.front.asked() - asked }
    }
}

/// One row of the table of times, with what the webhook used meanwhile.
struct Row {
    what: &'static str,
    load: Measured,
    processor: Duration,
    /// Requests to the cheap registry.
    asked: u64,
}

fn times(rows: &[Row]) -> String {
    let head =
        ["", "in flight", "reviews/s", "p50 ms", "p99 ms", "p99.9 ms", "processor ms each", "requests each"];
    let mut cells = vec![head.map(String::from).to_vec()];
    cells.extend(rows.iter().map(|row| {
        let (load, count) = (&row.load, row.load.count() as f64);
        let mut cells =
            vec![row.what.to_owned(), load.at_once.to_string(), format!("{:.0}", load.per_second())];
        cells.extend([0.5, 0.99, 0.999].map(|share| format!("{:.2}", load.at(share))));
        cells.push(format!("{:.2}", row.processor.as_secs_f64() * 1e3 / count));
        cells.push(if row.what == DEBIAN {
            String::new()
        } else {
            format!("{:.1}", row.asked as f64 / count)
        });
        cells
    }));
    table(&cells)
}

const COLD: &str = "cold, by tag";
const WARM: &str = "warm, by digest";
const WARM_TAG: &str = "warm, by tag";
const DEBIAN: &str = "cold, docker-registry";

/// Runs all of it; the report, and whether every aim was met and every answer right.
pub fn run(programs: &Programs, size: &Size) -> (String, bool) {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path();
    let authority = Authority::new();
    authority.issue_into(dir);
    std::fs::create_dir(dir.join("policy")).expect("a directory");
    let key = key_pair(&dir.join("policy"), "release");
    let registry = Registry::start(programs, &dir.join("registry"));
    let front = Front::start(registry.address);
    let (behind, host) = (registry.address, front.address);
    let text = policy("bench", &[behind, host], &["release.pub"]);
    std::fs::write(dir.join("policy/policy.yaml"), text).expect("a file");
    let images = push(behind, "app", size.images);
    sign(programs, &key, behind, &images);
    let unsigned = push(behind, "evil", 10);

    let world = World { programs, authority, registry, front, dir };
    let reviews = Reviews::new(&programs.root);
    let yes = |path: &str, name: &dyn Fn(&Image) -> String| -> Vec<Review> {
        images.iter().map(|image| reviews.of(path, &name(image), Expect::Allowed)).collect()
    };
    let by_tag = yes("/mutate", &|i| i.by_tag(host));
    let by_digest = yes("/validate", &|i| i.by_digest(host));
    let debian = yes("/mutate", &|i| i.by_tag(behind));
    let evil = |image: &Image| reviews.of("/validate", &image.by_tag(host), Expect::Denied);
    let denials: Vec<Review> = unsigned.iter().map(evil).collect();
    let load_before = system::load();

    let empty = null::Server::start(&world.authority);
    let itself: Vec<Measured> =
        AT_ONCE.iter().map(|n| load::run(&empty.target, &by_digest, size.warm, *n)).collect();

    // Memory, and how many a second for a longer time. The cheap registry learns its answers here.
    let webhook = world.webhook(Priority::BelowTheLoad);
    let target = webhook.target(&world.authority);
    let fresh = webhook.resident();
    load::run(&target, &by_tag, by_tag.len(), 10);
    let after_cold = webhook.resident();
    let long = world.measured("long", &webhook, || load::run(&target, &by_digest, size.long, 10));
    let memory = [fresh, after_cold, webhook.resident(), webhook.peak()];
    load::run(&target, &denials, denials.len(), 1);
    drop(webhook);

    let mut rows = Vec::new();
    for at_once in AT_ONCE {
        let webhook = world.webhook(Priority::BelowTheLoad);
        let target = webhook.target(&world.authority);
        let mut row = |what, reviews: &[Review], total| {
            rows.push(world.measured(what, &webhook, || load::run(&target, reviews, total, at_once)));
        };
        row(COLD, &by_tag, by_tag.len());
        row(WARM, &by_digest, size.warm);
        row(WARM_TAG, &by_tag, size.warm / 4);
        row("denied, by tag", &denials, size.warm / 20);
        if at_once <= 10 {
            row(DEBIAN, &debian, debian.len());
        }
        drop(webhook);
        let webhook = world.webhook(Priority::Same);
        let target = webhook.target(&world.authority);
        load::run(&target, &by_digest, by_digest.len(), at_once);
        let same = || load::run(&target, &by_digest, size.warm, at_once);
        rows.push(world.measured("warm, same priority", &webhook, same));
    }
    rows.sort_by_key(|row| row.what);

    let floor = cosign(&world, &images, size.peers);
    let loads = (load_before, system::load());
    conclude(size, &itself, &rows, &long, memory, &floor, loads)
}

/// `cosign verify` of some of the images: seconds sorted, processor seconds, and the largest peak.
struct Floor {
    seconds: Vec<f64>,
    ten_at_once: Vec<f64>,
    peak: u64,
}

fn cosign(world: &World<'_>, images: &[Image], runs: usize) -> Floor {
    let one = |image: &Image| {
        let report = tempfile::NamedTempFile::new().expect("a file");
        let mut command: Command = world.programs.quiet(Path::new("/usr/bin/time"));
        command.args(["-q", "-f", "%M", "-o"]).arg(report.path()).arg(&world.programs.cosign);
        command.args(["verify", "--insecure-ignore-tlog", "--key"]).arg(world.dir.join("policy/release.pub"));
        let begun = Instant::now();
        let said =
            command.arg(image.by_digest(world.registry.address)).output().expect("cosign, under GNU time");
        let seconds = begun.elapsed().as_secs_f64();
        assert!(said.status.success(), "cosign: {}", String::from_utf8_lossy(&said.stderr));
        let peak = std::fs::read_to_string(report.path()).expect("a report");
        (seconds, peak.trim().parse::<u64>().expect("a number") * 1024)
    };
    one(&images[0]);
    let alone: Vec<(f64, u64)> = images.iter().take(runs).map(one).collect();
    let together: Vec<(f64, u64)> = std::thread::scope(|scope| {
        let share = |n: usize| images.iter().skip(n).step_by(10).take(runs.div_ceil(10));
        let threads: Vec<_> =
            (0..10).map(|n| scope.spawn(move || share(n).map(one).collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|t| t.join().expect("a thread")).collect()
    });
    let sorted = |all: &[(f64, u64)]| {
        let mut seconds: Vec<f64> = all.iter().map(|(s, _)| *s).collect();
        seconds.sort_by(f64::total_cmp);
        seconds
    };
    let peak = alone.iter().chain(&together).map(|(_, peak)| *peak).max().unwrap_or(0);
    Floor { seconds: sorted(&alone), ten_at_once: sorted(&together), peak }
}

fn middle(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize] * 1e3
}

fn conclude(
    size: &Size,
    itself: &[Measured],
    rows: &[Row],
    long: &Row,
    [fresh, after_cold, after_all, peak]: [u64; 4],
    floor: &Floor,
    loads: (f64, f64),
) -> (String, bool) {
    let row = |what: &str, at_once: usize| {
        &rows.iter().find(|r| r.what == what && r.load.at_once == at_once).expect("it was measured").load
    };
    let wrong: Vec<&String> = rows.iter().chain([long]).flat_map(|r| &r.load.wrong).collect();
    let resident = format!("resident after {} reviews of {} images", size.long, size.images);
    let p99 = |what: &str, at_once: usize, bound: f64| {
        let title = format!("{what}, p99 at {at_once} in flight");
        Aim::under(&title, row(what, at_once).at(0.99), bound, "ms")
    };
    let aims = [
        p99(WARM, 1, 2.0),
        p99(WARM, 10, 2.0),
        p99(WARM_TAG, 1, 2.0),
        p99(COLD, 10, 25.0),
        Aim::under(&resident, mib(after_all), 40.0, "MiB"),
        Aim::over("warm reviews a second", long.load.per_second(), 5_000.0, "/s"),
    ];
    let load_rows: Vec<Vec<String>> = std::iter::once(
        ["in flight", "requests/s", "p50 ms", "p99 ms", "processor ms each"].map(String::from).to_vec(),
    )
    .chain(itself.iter().map(|m| {
        let each = m.own.as_secs_f64() * 1e3 / m.count() as f64;
        vec![
            m.at_once.to_string(),
            format!("{:.0}", m.per_second()),
            format!("{:.2}", m.at(0.5)),
            format!("{:.2}", m.at(0.99)),
            format!("{each:.3}"),
        ]
    }))
    .collect();
    let ratio = |ours: f64, theirs: f64| {
        vec![format!("{ours:.2}"), format!("{theirs:.2}"), format!("{:.1} x", theirs / ours)]
    };
    let named = |name: &str, cells: Vec<String>| [vec![name.to_owned()], cells].concat();
    let against = table(&[
        ["", "webhook, cold", "cosign verify", "ratio"].map(String::from).to_vec(),
        named("p50, one at a time (ms)", ratio(row(DEBIAN, 1).at(0.5), middle(&floor.seconds, 0.5))),
        named("p99, one at a time (ms)", ratio(row(DEBIAN, 1).at(0.99), middle(&floor.seconds, 0.99))),
        named("p50, 10 at once (ms)", ratio(row(DEBIAN, 10).at(0.5), middle(&floor.ten_at_once, 0.5))),
        named("p99, 10 at once (ms)", ratio(row(DEBIAN, 10).at(0.99), middle(&floor.ten_at_once, 0.99))),
        named("peak memory (MiB)", ratio(mib(peak), mib(floor.peak))),
    ]);
    let memory = table(&[
        vec!["when".into(), "MiB".into()],
        vec!["started".into(), format!("{:.1}", mib(fresh))],
        vec![format!("after {} images, cold", size.images), format!("{:.1}", mib(after_cold))],
        vec![format!("after {} reviews more", size.long), format!("{:.1}", mib(after_all))],
        vec!["peak".into(), format!("{:.1}", mib(peak))],
    ]);
    let report = page(
        &times(rows),
        &long.load,
        &table(&load_rows),
        &against,
        floor.seconds.len(),
        &memory,
        &aims,
        loads,
    );
    let wrong_text: String = wrong.iter().take(20).map(|w| format!("WRONG: {w}\n")).collect();
    let decisive = |aim: &&Aim| size.times == Times::Decide || aim.is_of_memory();
    (report + &wrong_text, wrong.is_empty() && aims.iter().filter(decisive).all(Aim::met))
}
