//! Flags of commands that are about a cluster.

use crate::args::Password;
use clap::Args;
use seaworthy_verifier::Namespace;
use std::path::PathBuf;

/// Make a break-glass token: one digest may run in one namespace for a while, whatever the policies say
///
/// The webhook takes it from the annotation `seaworthy.dev/break-glass` of a Pod or Pod template, if it was started with
/// the public key (--break-glass-key) and the name of this cluster (--cluster-name). Each use is logged, counted, and told
/// as a warning. Use a key that signs nothing else.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  token=$(seaworthy break-glass --key break-glass.key --cluster prod --namespace shop --expires 2h \\
    --reason 'signer down, ticket 7' registry.example/app:1.0)
  kubectl annotate pod/app -n shop seaworthy.dev/break-glass=\"$token\"")]
pub(crate) struct BreakGlass {
    /// The image; a tag is resolved now, and the token is for its digest
    pub(crate) image: String,
    /// Private key: PEM, env://VARIABLE, a plugin's NAME://RESOURCE, or pkcs11:…
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) password: Password,
    /// The cluster's name, as its webhook was told it
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: String,
    /// The namespace
    #[arg(long, short = 'n', value_name = "NAME")]
    pub(crate) namespace: Namespace,
    /// How long it is valid: 30m, 4h; 24h at most
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = crate::trust_args::duration)]
    pub(crate) expires: jiff::SignedDuration,
    /// Why, for whoever reads the log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}
