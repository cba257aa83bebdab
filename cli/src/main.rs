//! The one command line.
//!
//! This file parses, runs one command and turns its outcome into an exit code; it is the only place that
//! prints an error. What a command decides is in `commands/`, one file a verb; what the codes mean is in
//! [`exit`].

mod args;
mod blob_args;
mod cluster_args;
mod commands;
mod context;
mod exit;
mod import;
mod journal;
mod keys;
mod layer_cache;
mod pki_args;
mod policy_args;
mod printer;
mod transfer;
mod tree;
mod trust;
mod trust_args;
mod who;
mod yaml;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic is a bug, and a bug must never read as "yes": the default exit code of a panic is 101.
    let args = args::Cli::parse();
    let printer = printer::Printer::new(&args.global);
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Readers of blobs block; a handful serves two cores, and each costs a stack.
        .max_blocking_threads(8)
        .build()
        .map_err(|e| exit::Failure::local(format!("cannot start: {e}")))
        .and_then(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    result = commands::run(args, &printer) => result,
                    _ = tokio::signal::ctrl_c() => Err(exit::Failure::interrupted()),
                }
            })
        });
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            printer.failure(&failure);
            failure.exit.into()
        }
    }
}
