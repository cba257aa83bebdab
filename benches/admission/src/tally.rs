//! What became of every request, and what must never have become of one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// More than a person reads.
const TOLD: usize = 20;

/// Counts by name, and violations in words.
#[derive(Default)]
pub struct Tally {
    counts: Mutex<BTreeMap<String, u64>>,
    wrong: Mutex<Vec<String>>,
    wrongs: AtomicU64,
}

impl Tally {
    pub fn count(&self, what: impl Into<String>) {
        *self.counts.lock().expect("counts").entry(what.into()).or_default() += 1;
    }

    /// Something that was promised not to happen.
    pub fn wrong(&self, what: String) {
        self.wrongs.fetch_add(1, Ordering::Relaxed);
        let mut wrong = self.wrong.lock().expect("violations");
        if wrong.len() < TOLD {
            eprintln!("WRONG: {what}");
            wrong.push(what);
        }
    }

    /// The counts, a line each, and then the violations; whether there was none.
    pub fn conclude(&self) -> bool {
        for (what, count) in self.counts.lock().expect("counts").iter() {
            println!("{count:>9}  {what}");
        }
        for what in self.wrong.lock().expect("violations").iter() {
            println!("WRONG: {what}");
        }
        let wrongs = self.wrongs.load(Ordering::Relaxed);
        println!("{wrongs} violations");
        wrongs == 0
    }
}
