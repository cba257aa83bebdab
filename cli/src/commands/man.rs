//! `man` and the reference page: made from the flags, so that they cannot tell something else.

use crate::args::{Cli, Man};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;
use clap::CommandFactory as _;
use std::fmt::Write as _;

pub(crate) fn run(args: &Man, printer: &Printer) -> Outcome {
    if args.markdown {
        printer.data(&markdown());
        return Ok(Exit::Yes);
    }
    if let Some(dir) = &args.dir {
        clap_mangen::generate_to(Cli::command(), dir)
            .map_err(|e| Failure::local(format!("cannot write man pages to {}: {e}", dir.display())))?;
        printer.say(format!("man pages written to {}", dir.display()));
        return Ok(Exit::Yes);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|e| Failure::local(format!("cannot render the man page: {e}")))?;
    printer.data(&String::from_utf8_lossy(&page));
    Ok(Exit::Yes)
}

/// docs/reference/cli.md: every command with its help, word for word.
fn markdown() -> String {
    let mut out = String::from(
        "# Command line\n\nGenerated from the flags by `seaworthy man --markdown`; a test keeps it true.\n",
    );
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut todo = vec![root];
    while let Some(mut command) = todo.pop() {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(out, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
        let mut children: Vec<clap::Command> = command
            .get_subcommands()
            .filter(|c| c.get_name() != "help" && !c.is_hide_set())
            .cloned()
            .collect();
        children.reverse();
        todo.extend(children);
    }
    out
}
