//! `release` between a registry and an authority that fail all the time, and under `kill -9`.
//!
//! Every run is the real program in a process of its own, with doors of its own ([`crate::door`]) in front of one
//! authority (the real one, in a process too) and one registry ([`crate::registry`]). What is random comes from a
//! seed and the run's number. A run must end with exit code 0 and everything in place, or with 3; after 3 and
//! after a kill it is repeated with `--resume` until it says 0. Then [`audit`] looks into the registry's own
//! memory, without any code of the program: every signature and attestation is there exactly once.

pub mod audit;
mod bench;
mod dice;
mod report;

pub use report::Report;

use audit::Audit;
use bench::{Bench, Ended, Life, Run};
use dice::Dice;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a run that says "3" may be repeated. With a fifth of all answers lost a repetition mostly succeeds.
const RESUMES: usize = 12;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// The repository's root, for its `testdata`.
    pub root: PathBuf,
    /// Runs to the end.
    pub runs: usize,
    /// Runs that are killed somewhere.
    pub kills: usize,
    /// How many at a time; they wait most of the time.
    pub at_once: usize,
    /// Of a hundred answers so many are replaced.
    pub trouble: u64,
    /// Where all that is random comes from.
    pub seed: u64,
}

/// Does it.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let bench = Arc::new(Bench::new(plan));
    let report = Mutex::new(Report::default());
    // How long a run takes that nothing happens to, and one that much happens to: when a kill still hits.
    let calm = calibrate(&bench, 0);
    let rough = calibrate(&bench, plan.trouble);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..plan.at_once.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= plan.runs + plan.kills {
                        return;
                    }
                    let killed = number >= plan.runs;
                    // Every second kill hits a run that has no other trouble.
                    let smooth = killed && number.is_multiple_of(2);
                    let trouble = if smooth { 0 } else { plan.trouble };
                    let mut run = Run::new(&bench, number, trouble);
                    // The longest run of a few is no upper bound; kills that come too late are counted.
                    let life = killed.then(|| run.dice().part_of(if smooth { calm } else { rough }));
                    one(&mut run, life, &report);
                    // What was asked is of no interest, and is held in memory.
                    run.lab().forget_requests();
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap();
    (report.answers, report.replaced) = bench.counts();
    report.entries(&crate::authority::entries(bench.authority()));
    report
}

fn calibrate(bench: &Arc<Bench>, trouble: u64) -> Duration {
    let run = Run::new(bench, 1_000_000 + trouble as usize, trouble);
    run.release(Life::Whole, &[]).took
}

/// One release, as often as it takes.
fn one(run: &mut Run, life: Option<Duration>, report: &Mutex<Report>) {
    // One run in ten meets a service that stays away, so that there is something to resume.
    if life.is_none() && run.number() % 10 == 9 {
        run.outage();
    }
    let first = run.release(life.map_or(Life::Whole, Life::Until), &[]);
    let note = |ended: &Ended| {
        *report.lock().unwrap().codes.entry(ended.code).or_default() += 1;
        let said_so = ended.stderr.contains("released ") && !ended.stderr.contains("not released");
        let audit = Audit::of(run.lab(), run.name(), "1");
        let mut report = report.lock().unwrap();
        if (ended.code == 0 || said_so) && !audit.missing.is_empty() {
            report.partial += 1;
            report.wrong.push(format!("{}: said done without {}", run.name(), audit.missing.join(", ")));
        }
        if !matches!(ended.code, 0 | 3 | bench::KILLED) {
            report.wrong.push(format!("{}: exit code {}: {}", run.name(), ended.code, ended.stderr.trim()));
        }
    };
    note(&first);
    let mut last = first.code;
    run.heal();
    for _ in 0..RESUMES {
        if !matches!(last, 3 | bench::KILLED) {
            break;
        }
        let again = run.release(Life::Whole, &["--resume"]);
        note(&again);
        last = again.code;
    }
    let audit = Audit::of(run.lab(), run.name(), "1");
    let kept = run.kept();
    let verdict = run.verify();
    let mut report = report.lock().unwrap();
    report.runs += 1;
    match (first.code, last) {
        (0, 0) if life.is_some() => report.too_late += 1,
        (0, 0) => report.at_first += 1,
        (bench::KILLED, 0) => report.killed += 1,
        (_, 0) => report.resumed += 1,
        _ => report.wrong.push(format!("{}: never came to an end", run.name())),
    }
    report.duplicates += audit.duplicates.len();
    let name = run.name();
    for (what, found) in
        [("there twice", &audit.duplicates), ("missing", &audit.missing), ("broken", &audit.broken)]
    {
        if !found.is_empty() {
            report.wrong.push(format!("{name}: {what}: {}", found.join(", ")));
        }
    }
    if kept > 0 {
        report.wrong.push(format!("{name}: {kept} files are still kept"));
    }
    if verdict.code != 0 {
        report.wrong.push(format!("{name}: verify says {}: {}", verdict.code, verdict.stderr.trim()));
    }
}
