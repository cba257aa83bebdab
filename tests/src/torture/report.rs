//! What became of all runs, as numbers and as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What became of all runs.
#[derive(Debug, Default)]
pub struct Report {
    /// How many runs there were, those that were killed included.
    pub runs: usize,
    /// Said 0 at once.
    pub at_first: usize,
    /// Said 3, and 0 after one `--resume` or more.
    pub resumed: usize,
    /// Were killed before they were done, and said 0 after one `--resume` or more.
    pub killed: usize,
    /// Were to be killed, and were done before.
    pub too_late: usize,
    /// Exit codes of all processes; -9 is killed.
    pub codes: BTreeMap<i32, usize>,
    /// Requests that were made.
    pub answers: usize,
    /// Answers that were replaced.
    pub replaced: usize,
    /// Evidence that is there more than once.
    pub duplicates: usize,
    /// Runs that said 0 or "released" while something was missing.
    pub partial: usize,
    /// Entries in the log.
    pub entries: usize,
    /// Entries that are in the log twice.
    pub entries_twice: usize,
    /// What must not be, in words.
    pub wrong: Vec<String>,
}

impl Report {
    /// Counts the log.
    pub(super) fn entries(&mut self, entries: &[Vec<u8>]) {
        let different: BTreeSet<_> = entries.iter().collect();
        self.entries = entries.len();
        self.entries_twice = entries.len() - different.len();
        if self.entries_twice > 0 {
            self.wrong.push("the log has entries twice".into());
        }
    }

    /// Whether everything was as it must be.
    #[must_use]
    pub fn good(&self) -> bool {
        self.wrong.is_empty() && self.duplicates == 0 && self.partial == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes: Vec<_> = self.codes.iter().map(|(code, n)| format!("{n} times {code}")).collect();
        writeln!(f, "runs                {}", self.runs)?;
        writeln!(f, "complete at first   {}", self.at_first)?;
        writeln!(f, "complete by resume  {} after exit code 3, {} after kill -9", self.resumed, self.killed)?;
        writeln!(f, "done before killed  {}", self.too_late)?;
        writeln!(f, "exit codes          {}", codes.join(", "))?;
        writeln!(f, "answers replaced    {} of {}", self.replaced, self.answers)?;
        writeln!(f, "duplicates          {}", self.duplicates)?;
        writeln!(f, "partial             {}", self.partial)?;
        writeln!(f, "log entries         {}, {} of them twice", self.entries, self.entries_twice)?;
        writeln!(f, "wrong               {}", self.wrong.len())?;
        self.wrong.iter().try_for_each(|wrong| writeln!(f, "  {wrong}"))
    }
}
