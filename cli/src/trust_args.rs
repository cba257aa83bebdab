//! The flags of `trust`. Those of `trust update` have cosign's names of `cosign initialize` as aliases.

use crate::who::Certificate;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Whose keys, certificates, logs and timestamps count: one file that people can review
///
/// A FILE is a trust file (trust.yaml). Where it is only read, it may also be a trusted_root.json, a
/// signing_config.json, a ClientTrustConfig, or public-good, staging or github, which come with this program.
#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    Init(TrustInit),
    Show(TrustShow),
    Add(Box<TrustAdd>),
    Rotate(TrustRotate),
    Lint(TrustLint),
    Diff(TrustDiff),
    Export(TrustExport),
    Update(TrustUpdate),
}

/// Make a trust file: from keys, from sigstore's files, from an authority, from the embedded roots
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy trust init trust.yaml --key release.pub --owner 'release team'
  seaworthy trust init trust.yaml --authority authority/
  seaworthy trust init trust.yaml --public-good")]
pub(crate) struct TrustInit {
    /// The file to write
    pub(crate) file: PathBuf,
    /// What the file is called; its file name without it
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Public key to trust, PEM; several at once
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// The keyring of the keys; the name of each key's file without it
    #[arg(long, value_name = "NAME", requires = "key")]
    pub(crate) keyring: Option<String>,
    /// Who holds the keys
    #[arg(long, value_name = "TEXT", requires = "key")]
    pub(crate) owner: Option<String>,
    /// From when the keys count (RFC 3339); now without it
    #[arg(long, value_name = "TIME", requires = "key")]
    pub(crate) from: Option<jiff::Timestamp>,
    /// Take over a trusted_root.json, signing_config.json or ClientTrustConfig; several at once
    #[arg(long, visible_aliases = ["signing-config", "trust-config"], value_name = "FILE")]
    pub(crate) trusted_root: Vec<PathBuf>,
    /// Take over a private authority: its folder, or the client_trust_config.json that it wrote
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) authority: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) instance: Instance,
    /// Overwrite the file
    #[arg(long)]
    pub(crate) force: bool,
}

/// One of the Sigstores that the program comes with.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Instance {
    /// The public Sigstore
    #[arg(long)]
    pub(crate) public_good: bool,
    /// Its test instance
    #[arg(long)]
    pub(crate) staging: bool,
    /// GitHub's own attestations
    #[arg(long)]
    pub(crate) github: bool,
}

impl Instance {
    /// Its name.
    pub(crate) fn name(&self) -> Option<&'static str> {
        match (self.public_good, self.staging, self.github) {
            (true, ..) => Some("public-good"),
            (_, true, _) => Some("staging"),
            (.., true) => Some("github"),
            _ => None,
        }
    }
}

/// Show who is trusted: what, whose, which key, from when until when, and how that stands
///
/// Without a FILE, the embedded roots: how old they are, and until when their TUF roots are good.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy trust show
  seaworthy trust show trust.yaml --at 2027-01-01T00:00:00Z
  seaworthy trust show public-good --output json")]
pub(crate) struct TrustShow {
    /// A trust file, or one of the other forms
    pub(crate) file: Option<PathBuf>,
    /// How it stands at this time instead of now (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<jiff::Timestamp>,
}

/// Add a key, a certificate authority, a log or a timestamp authority
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy trust add trust.yaml --key build.pub --keyring build --owner 'build team'
  seaworthy trust add trust.yaml --identity ci --certificate-identity ci@example.org \\
    --certificate-oidc-issuer https://accounts.example.org
  seaworthy trust add trust.yaml --ca chain.pem --uri https://ca.example.org --until 2030-01-01T00:00:00Z
  seaworthy trust add trust.yaml --log log.pub --uri https://log.example.org")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["key", "ca", "log", "ct_log", "tsa", "authority", "identity"]))]
pub(crate) struct TrustAdd {
    /// The trust file
    pub(crate) file: PathBuf,
    /// A public key, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// A certificate authority: its chain, PEM, the one that issues first
    #[arg(long, value_name = "FILE", requires = "uri")]
    pub(crate) ca: Option<PathBuf>,
    /// A transparency log: its public key, PEM
    #[arg(long, value_name = "FILE", requires = "uri")]
    pub(crate) log: Option<PathBuf>,
    /// A certificate transparency log: its public key, PEM
    #[arg(long, value_name = "FILE", requires = "uri")]
    pub(crate) ct_log: Option<PathBuf>,
    /// A timestamp authority: its chain, PEM, the one that stamps first
    #[arg(long, value_name = "FILE", requires = "uri")]
    pub(crate) tsa: Option<PathBuf>,
    /// All of a private authority: its folder, or a file as `trust init --trusted-root` takes it
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) authority: Option<PathBuf>,
    /// An identity, by this name: whoever has such a certificate of the authorities in the file
    #[arg(long, value_name = "NAME", requires = "certificate")]
    pub(crate) identity: Option<String>,
    #[command(flatten)]
    pub(crate) certificate: Certificate,
    /// The keyring of the key; the name of its file without it
    #[arg(long, value_name = "NAME", requires = "key")]
    pub(crate) keyring: Option<String>,
    /// Where it is reached, or a name
    #[arg(long, value_name = "URI")]
    pub(crate) uri: Option<String>,
    /// Whose it is
    #[arg(long, value_name = "TEXT")]
    pub(crate) owner: Option<String>,
    #[command(flatten)]
    pub(crate) times: Times,
    /// What bundles call the key; without it, the base64 of its SHA-256
    #[arg(long, value_name = "TEXT", requires = "key")]
    pub(crate) hint: Option<String>,
}

/// From when until when.
#[derive(Debug, Args)]
pub(crate) struct Times {
    /// From when (RFC 3339). Of a key, now; of a certificate, its own beginning; of a log, always
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<jiff::Timestamp>,
    /// Until when (RFC 3339); for good without it
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<jiff::Timestamp>,
}

/// Put a new key or authority in the place of an old one, both valid while they overlap
///
/// Nothing is deleted: the old one gets an end. What it signed before, with a proof of when, stays good.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy trust rotate trust.yaml --keyring release --key new.pub --overlap 30d
  seaworthy trust rotate trust.yaml --authority new-authority/ --replaces https://old.example.org")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["key", "authority"]))]
pub(crate) struct TrustRotate {
    /// The trust file
    pub(crate) file: PathBuf,
    /// The new public key, PEM
    #[arg(long, value_name = "FILE", requires = "keyring")]
    pub(crate) key: Option<PathBuf>,
    /// The keyring it goes into
    #[arg(long, value_name = "NAME", requires = "key")]
    pub(crate) keyring: Option<String>,
    /// The new private authority: its folder, or a file as `trust init --trusted-root` takes it
    #[arg(long, value_name = "DIR|FILE", requires = "replaces")]
    pub(crate) authority: Option<PathBuf>,
    /// The URI of what it replaces: all entries whose URI begins with it
    #[arg(long, value_name = "URI", requires = "authority")]
    pub(crate) replaces: Option<String>,
    /// How long the old one stays good after the new one begins: 12h, 30d, 4w
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    pub(crate) overlap: jiff::SignedDuration,
    /// When the new one begins (RFC 3339); now without it
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<jiff::Timestamp>,
    /// Whose the new key is; as the old one without it
    #[arg(long, value_name = "TEXT", requires = "key")]
    pub(crate) owner: Option<String>,
    /// What bundles call the new key; without it, the base64 of its SHA-256
    #[arg(long, value_name = "TEXT", requires = "key")]
    pub(crate) hint: Option<String>,
}

/// Find what is unwise: windows that end, gaps, keys that are weak or there twice, a CA without a log
///
/// Exit 0: no error; 1: an error (with --strict: or a warning).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy trust lint trust.yaml
  seaworthy trust lint trust.yaml --strict --within 60d")]
pub(crate) struct TrustLint {
    /// The trust files
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Tell windows that end within this time: 12h, 30d, 4w
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    pub(crate) within: jiff::SignedDuration,
    /// Exit 1 for warnings too
    #[arg(long)]
    pub(crate) strict: bool,
    /// How it stands at this time instead of now (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<jiff::Timestamp>,
}

/// Show what a reviewer should see: who came, who went, whose time changed
///
/// Exit 0: the same; 1: something differs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy trust diff old.yaml trust.yaml
  seaworthy trust diff public-good trust.yaml")]
pub(crate) struct TrustDiff {
    /// The file as it was
    pub(crate) old: PathBuf,
    /// The file as it is
    pub(crate) new: PathBuf,
}

/// Write what a trust file says in the forms that other tools read
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy trust export trust.yaml --format trusted-root -o trusted_root.json
  seaworthy trust export trust.yaml --format cosign-pub --keyring release > release.pub")]
pub(crate) struct TrustExport {
    /// A trust file, or one of the other forms
    pub(crate) file: PathBuf,
    /// The form
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) format: ExportForm,
    /// For keys: those of this keyring alone
    #[arg(long, value_name = "NAME")]
    pub(crate) keyring: Option<String>,
    /// Where to write; standard output without it
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// A form that other tools read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    /// trusted_root.json, version 0.1, which every client reads
    TrustedRoot,
    /// trusted_root.json, version 0.2, with operators
    #[value(name = "trusted-root-v0.2")]
    TrustedRootV02,
    /// signing_config.json, version 0.2
    SigningConfig,
    /// Both in one
    ClientTrustConfig,
    /// The one key that is valid now, as cosign's --key takes it
    CosignPub,
    /// All keys and certificates, as PEM
    Pem,
    /// A trust file of ours
    Trust,
}

/// Fetch certificates, logs and timestamp authorities by TUF, and put them into a trust file
///
/// This is the only command that fetches trust, and it does so only when it is called. Everything is checked
/// from the TUF root on; what was verified is kept, so that an older state is refused the next time. Keys that
/// stand in the file are left alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy trust update trust.yaml
  seaworthy trust update trust.yaml --public-good --check
  seaworthy trust update trust.yaml --tuf-mirror https://tuf.example.org --tuf-root root.json
  seaworthy --offline trust update trust.yaml --public-good --tuf-mirror /media/tuf")]
pub(crate) struct TrustUpdate {
    /// The trust file; made where it is not there
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) instance: Instance,
    /// A TUF mirror: its URL, or a directory with a copy of it. With --public-good, --staging or --github, a
    /// mirror of that one
    #[arg(long, visible_alias = "mirror", value_name = "URL|DIR")]
    pub(crate) tuf_mirror: Option<String>,
    /// The TUF root.json that the mirror is trusted by: any version that you got from somebody you trust
    #[arg(long, visible_alias = "root", value_name = "FILE")]
    pub(crate) tuf_root: Option<PathBuf>,
    /// Where verified TUF metadata is kept; below SEAWORTHY_STATE_DIR or the XDG state directory without it
    #[arg(long, value_name = "DIR", env = "SEAWORTHY_TUF_DIR")]
    pub(crate) tuf_dir: Option<PathBuf>,
    /// Write nothing: exit 1 where the file would change
    #[arg(long)]
    pub(crate) check: bool,
}

/// A number and a unit: `90s`, `15m`, `12h`, `30d`, `4w`.
pub(crate) fn duration(text: &str) -> Result<jiff::SignedDuration, String> {
    let bad = || format!("'{text}' is no time such as 12h, 30d or 4w");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(bad)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(bad()),
    };
    let number: i64 = number.parse().ok().filter(|n| (0..=100_000).contains(n)).ok_or_else(bad)?;
    Ok(jiff::SignedDuration::from_secs(number * seconds))
}
