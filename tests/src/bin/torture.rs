//! `torture PROGRAM [RUNS [KILLS [SEED]]]`: releases between services that fail, and under `kill -9`; prints what
//! became of them. Exit code 1 where one of them was lost, doubled or half done.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

use seaworthy_tests::torture::{Plan, run};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: torture PROGRAM [RUNS [KILLS [SEED]]]");
        return ExitCode::from(2);
    };
    let mut number = |default: u64| words.next().map_or(default, |word| word.parse().unwrap());
    let plan = Plan {
        program: std::fs::canonicalize(program).unwrap(),
        root: Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned(),
        runs: number(200) as usize,
        kills: number(50) as usize,
        at_once: 16,
        trouble: 20,
        seed: number(1),
    };
    let started = Instant::now();
    let report = run(&plan);
    print!("{report}");
    println!("seed {}, {:.0} s", plan.seed, started.elapsed().as_secs_f64());
    ExitCode::from(u8::from(!report.good()))
}
