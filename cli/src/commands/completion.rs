//! `completion`: shell completions, made from the flags.

use crate::args::{Cli, Completion};
use crate::exit::{Exit, Outcome};
use crate::printer::Printer;
use clap::CommandFactory as _;

pub(crate) fn run(args: &Completion, printer: &Printer) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "seaworthy", &mut script);
    printer.data(&String::from_utf8_lossy(&script));
    Ok(Exit::Yes)
}
