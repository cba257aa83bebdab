//! The verbs, one file each. A command gets its flags and a printer, and ends in an exit code or a failure;
//! it prints its result itself and never its failure.

mod attest;
mod authority;
mod blob;
mod break_glass;
mod check_sbom;
mod completion;
mod copy;
mod documents;
mod files;
pub(crate) mod identity;
mod inspect;
mod keygen;
mod login;
mod man;
mod pack;
pub(crate) mod policy;
mod release;
mod sbom;
mod sign;
mod sources;
mod tree;
pub(crate) mod trust;
mod unpack;
mod validate_sbom;
mod verdict;
mod verify;

use crate::args::{Cli, Command, SbomCommand};
use crate::exit::Outcome;
use crate::printer::Printer;

/// Runs the command that was asked for.
pub(crate) async fn run(cli: Cli, printer: &Printer) -> Outcome {
    let options = crate::context::open_options(&cli.global)?;
    match &cli.command {
        Command::Release(args) => release::run(args, &options, printer).await,
        Command::Sbom(args) => match &args.documents {
            None => sbom::run(args, &options, printer).await,
            Some(SbomCommand::Check(args)) => check_sbom::run(args, printer),
            Some(SbomCommand::Validate(args)) => validate_sbom::run(args, printer),
            Some(SbomCommand::Convert(args)) => documents::convert(args, printer),
            Some(SbomCommand::Merge(args)) => documents::merge(args, printer),
        },
        Command::Sign(args) => sign::run(args, &options, printer).await,
        Command::Attest(args) => attest::run(args, &options, printer).await,
        Command::Verify(args) => verify::run(args, &options, printer).await,
        Command::SignBlob(args) => blob::sign(args, &options, printer).await,
        Command::AttestBlob(args) => blob::attest(args, &options, printer).await,
        Command::VerifyBlob(args) => blob::verify(args, &options, printer).await,
        Command::Tree(args) => tree::run(args, &options, printer).await,
        Command::Copy(args) => copy::run(args, &options, printer).await,
        Command::Pack(args) => pack::run(args, &options, printer).await,
        Command::Unpack(args) => unpack::run(args, &options, printer).await,
        Command::Inspect(args) => inspect::run(args, &options, printer).await,
        Command::Keygen(args) => keygen::generate(args, &options, printer).await,
        Command::ImportKeyPair(args) => keygen::import(args, printer),
        Command::PublicKey(args) => keygen::public(args, &options, printer).await,
        Command::Login(args) => login::login(args, &options, printer).await,
        Command::Logout(args) => login::logout(args, printer),
        Command::BreakGlass(args) => break_glass::run(args, &options, printer).await,
        Command::Policy(command) => policy::run(command, &options, printer).await,
        Command::Trust(command) => trust::run(command, &options, printer).await,
        Command::Authority(command) => authority::run(command, &options, printer).await,
        Command::Completion(args) => completion::run(args, printer),
        Command::Man(args) => man::run(args, printer),
    }
}
