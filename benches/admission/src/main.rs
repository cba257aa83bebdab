//! The admission webhook as a process, asked as an API server asks it.
//!
//! - `bench [--short] [--write FILE]`: how fast, how much memory, and `cosign verify` beside it;
//! - `soak [--seconds N] [--seed N]`: a registry that fails, certificates and policies that change, under load;
//! - `replicas [--seconds N] [--seed N]`: two of it behind one address, one ended every few seconds.
//!
//! The scripts `run`, `soak` and `replicas` beside this package build what is needed and start it. Exit code 0: all
//! that was promised held; 1: it did not; 2: it was asked for something else.

// A test bench: a panic is how it reports that the bench itself is broken, and printing is what it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]
#![allow(unreachable_pub)]

mod balancer;
mod bench;
mod client;
mod dice;
mod front;
mod gate;
mod http;
mod load;
mod null;
mod programs;
mod registry;
mod replicas;
mod report;
mod review;
mod soak;
mod system;
mod tally;
mod webhook;

use programs::Programs;
use std::process::ExitCode;
use std::time::Duration;

struct Words(Vec<String>);

impl Words {
    fn flag(&mut self, name: &str) -> bool {
        let found = self.0.iter().position(|w| w == name);
        found.map(|at| self.0.remove(at)).is_some()
    }

    fn value(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(at) = self.0.iter().position(|w| w == name) else { return Ok(None) };
        if at + 1 >= self.0.len() {
            return Err(format!("{name} wants a value"));
        }
        self.0.remove(at);
        Ok(Some(self.0.remove(at)))
    }

    fn done(self) -> Result<(), String> {
        self.0.first().map_or(Ok(()), |word| Err(format!("{word} is not known here")))
    }
}

fn bench(mut words: Words) -> Result<bool, String> {
    let size = if words.flag("--short") { bench::Size::SHORT } else { bench::Size::FULL };
    let write = words.value("--write")?;
    words.done()?;
    let programs = Programs::from_environment()?;
    let (report, good) = bench::run(&programs, &size);
    println!("{report}");
    if let Some(path) = write {
        let text = format!("{}\n{}\n", report::PREFACE, report.trim_end());
        std::fs::write(&path, text).map_err(|e| format!("{path}: {e}"))?;
        eprintln!("written: {path}");
    }
    Ok(good)
}

/// `[--short] [--seconds N] [--seed N]`: how long, and the seed.
fn length(mut words: Words, short: u64, full: u64) -> Result<(Duration, u64), String> {
    let mut number = |name: &str, default: u64| match words.value(name)? {
        Some(text) => text.parse().map_err(|_| format!("{name} wants a number")),
        None => Ok(default),
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_secs());
    let (seed, seconds) = (number("--seed", now)?, number("--seconds", 0)?);
    let default = if words.flag("--short") { short } else { full };
    words.done()?;
    Ok((Duration::from_secs(if seconds == 0 { default } else { seconds }), seed))
}

fn soak(words: Words) -> Result<bool, String> {
    let (time, seed) = length(words, 60, 600)?;
    Ok(soak::run(&Programs::from_environment()?, time, seed))
}

fn replicas(words: Words) -> Result<bool, String> {
    let (time, seed) = length(words, 30, 300)?;
    Ok(replicas::run(&Programs::from_environment()?, time, seed))
}

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let command = if words.is_empty() { String::new() } else { words.remove(0) };
    let done = match command.as_str() {
        "bench" => bench(Words(words)),
        "soak" => soak(Words(words)),
        "replicas" => replicas(Words(words)),
        _ => Err("say bench, soak or replicas".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("benches/admission: {why}");
            ExitCode::from(2)
        }
    }
}
