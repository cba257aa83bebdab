//! What people and programs read.
//!
//! Data goes to standard output, talk to standard error. `--output json` prints one JSON document and
//! nothing else on standard output. Colour helps and is never needed: every mark also stands as a word.

use crate::args::{ColorChoice, Global, OutputFormat};
use crate::exit::Failure;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// A mark before a line: its colour says the same as its word.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Bad.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Noteworthy.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// Beside the point.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Headings.
pub(crate) const BOLD: Style = Style::new().bold();

/// Prints results, talk, progress and failures in the way that the user chose.
#[derive(Debug)]
pub(crate) struct Printer {
    format: OutputFormat,
    talk: Talk,
    /// Several bars at once, each in its line.
    bars: indicatif::MultiProgress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    Quiet,
    Plain,
    Progress,
}

/// `text` in `style`.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Text from outside, safe for a terminal: control characters are shown, not obeyed.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            // Marks that turn the writing direction can make a refusal read as its opposite.
            let turning =
                matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || turning { c.escape_default().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect()
}

impl Printer {
    /// A printer after the global flags.
    pub(crate) fn new(global: &Global) -> Self {
        match global.color {
            ColorChoice::Auto => {}
            ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
            ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
        }
        let talk = if global.quiet {
            Talk::Quiet
        } else if std::io::stderr().is_terminal() && std::env::var_os("CI").is_none() {
            Talk::Progress
        } else {
            Talk::Plain
        };
        Self { format: global.output, talk, bars: indicatif::MultiProgress::new() }
    }

    /// Whether one JSON document is wanted.
    pub(crate) fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// The result of a command: `document` as JSON, or `human` as text.
    pub(crate) fn result(&self, document: &impl Serialize, human: impl FnOnce() -> String) {
        match self.format {
            OutputFormat::Json => {
                let text = serde_json::to_string_pretty(document)
                    .unwrap_or_else(|e| format!("{{\"error\":{{\"message\":\"cannot print: {e}\"}}}}"));
                self.data(&format!("{text}\n"));
            }
            OutputFormat::Human => self.data(&human()),
        }
    }

    /// Bytes of a result to standard output. A reader that went away is not our failure.
    pub(crate) fn data(&self, text: &str) {
        let _ = anstream::stdout().lock().write_all(text.as_bytes());
    }

    /// Standard output for documents that come in pieces, in which nothing is coloured. A reader that went away is not
    /// our failure.
    pub(crate) fn sink(&self) -> impl std::io::Write + use<> {
        struct Sink(std::io::Stdout);
        impl std::io::Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let _ = self.0.write_all(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                let _ = self.0.flush();
                Ok(())
            }
        }
        std::io::BufWriter::with_capacity(128 << 10, Sink(std::io::stdout()))
    }

    /// A line of talk to standard error; quiet under `--quiet`.
    pub(crate) fn say(&self, line: impl std::fmt::Display) {
        if self.talk != Talk::Quiet {
            let _ = writeln!(anstream::stderr().lock(), "{line}");
        }
    }

    /// What must be read beside a result: to standard error, also under `--quiet`.
    pub(crate) fn report(&self, text: &str) {
        let _ = anstream::stderr().lock().write_all(text.as_bytes());
    }

    /// A warning: also under `--quiet`.
    pub(crate) fn warn(&self, line: impl std::fmt::Display) {
        let _ = writeln!(anstream::stderr().lock(), "{}: {line}", paint(WARN, "warning"));
    }

    /// The one place that prints a failure.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.is_json() {
            let document = serde_json::json!({ "error": {
                "exit": failure.exit.code(), "kind": failure.exit.name(),
                "message": failure.message, "hint": failure.hint,
            }});
            self.data(&format!("{document:#}\n"));
        }
        let mut stderr = anstream::stderr().lock();
        let _ = writeln!(stderr, "{}: {}", paint(BAD, "error"), plain(&failure.message));
        if let Some(hint) = &failure.hint {
            let _ = writeln!(stderr, "{}: {}", paint(BOLD, "hint"), plain(hint));
        }
    }

    /// A progress bar of `bytes` on a terminal; nothing in a pipe.
    pub(crate) fn bar(&self, what: &str, bytes: u64) -> indicatif::ProgressBar {
        if self.talk != Talk::Progress {
            return indicatif::ProgressBar::hidden();
        }
        let style = indicatif::ProgressStyle::with_template(
            "{msg:24!} {bar:28.green/dim} {bytes:>10}/{total_bytes:10} {bytes_per_sec}",
        )
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
        self.bars.add(indicatif::ProgressBar::new(bytes).with_style(style).with_message(what.to_owned()))
    }
}

/// How wide a table may be: as wide as the terminal, so that its rows stay rows; without end in a pipe.
fn room() -> usize {
    if !std::io::stdout().is_terminal() {
        return usize::MAX;
    }
    terminal_size::terminal_size().map_or(usize::MAX, |(width, _)| usize::from(width.0).max(60))
}

/// Rows under a header, columns aligned. The last column is not padded, so that lines have no tail; on a
/// terminal it is cut to fit.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    table_within(header, rows, room())
}

fn table_within(header: &[&str], rows: &[Vec<String>], room: usize) -> String {
    let mut widths: Vec<usize> = header.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>, style: Style| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        let text = text.trim_end();
        if text.chars().count() > room {
            let cut: String = text.chars().take(room.saturating_sub(1)).collect();
            out.push_str(&paint(style, cut + "…"));
        } else {
            out.push_str(&paint(style, text));
        }
        out.push('\n');
    };
    line(&mut header.iter().copied(), BOLD);
    for row in rows {
        line(&mut row.iter().map(String::as_str), Style::new());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{plain, table, table_within};

    #[test]
    fn a_row_stays_a_row_on_a_terminal() {
        let rows = [vec!["a".into(), "MIT AND GPL-2.0-only".into()]];
        let text = anstream::adapter::strip_str(&table_within(&["N", "LICENSE"], &rows, 10)).to_string();
        assert_eq!(text, "N  LICENSE\na  MIT AN…\n");
    }

    #[test]
    fn columns_align_and_lines_have_no_tail() {
        let text = anstream::adapter::strip_str(&table(
            &["NAME", "VERSION"],
            &[vec!["libc6".into(), "2.36".into()], vec!["é".into(), String::new()]],
        ))
        .to_string();
        assert_eq!(text, "NAME   VERSION\nlibc6  2.36\né\n");
    }

    #[test]
    fn a_terminal_obeys_nothing_from_outside() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
    }
}
