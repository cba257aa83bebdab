//! The flags of `policy`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Work on policy files
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Check(PolicyCheck),
    Test(PolicyTest),
    Explain(PolicyExplain),
    Record(PolicyRecord),
    Import(PolicyImport),
}

/// Check that policies can mean what they say
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  seaworthy policy check policy.yaml")]
pub(crate) struct PolicyCheck {
    /// The policy files
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// Test policies: recorded images, and the verdict that each must get
///
/// Reads test files (*.test.yaml), judges each case by the same engine as `verify`, and compares. No socket is
/// opened. Exit 0 all passed, 1 some failed, 4 a test file or policy is broken.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy policy test policies/
  seaworthy policy test policies/production.test.yaml --output json
  seaworthy policy test policies/ --strict --junit report.xml")]
pub(crate) struct PolicyTest {
    /// Test files, or directories that are searched for *.test.yaml
    #[arg(default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Run only the cases whose name has this text in it
    #[arg(long, value_name = "TEXT")]
    pub(crate) case: Option<String>,
    /// Also write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// A warning fails the run: a policy without a test, or never seen allowing or denying
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Show the whole decision about an image as a tree
///
/// Every policy and why it applies, each requirement, each piece of evidence and what it counts for, and every question
/// that was asked. The engine and the exit codes are those of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy policy explain registry.example/app:1.0 --policy policy.yaml
  seaworthy policy explain oci:build --as registry.example/app --policy policy.yaml --output json")]
pub(crate) struct PolicyExplain {
    /// The image
    pub(crate) image: String,
    /// Policy file; with several, the strictest that applies decides
    #[arg(long, value_name = "FILE", env = "SEAWORTHY_POLICY", value_delimiter = ',', required = true)]
    pub(crate) policy: Vec<PathBuf>,
    /// The name that the image is judged under; its own without it
    #[arg(long = "as", value_name = "IMAGE")]
    pub(crate) named: Option<String>,
    /// Judge as the webhook would for this namespace; without it, a yes is a yes in each
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<seaworthy_verifier::Namespace>,
    /// Judge for this platform; all platforms of an index without it
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Vec<String>,
}

/// Record a case for `policy test` from an image: its evidence, and the verdict that it gets now
///
/// Manifests, configurations, signatures and attestations are kept; layers never are. The test file is made, or
/// gets one more case.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy policy record registry.example/app:1.0 --policy policy.yaml --to policy.test.yaml
  seaworthy policy record oci:build --as registry.example/app --case 'the build is signed' \\
    --policy policy.yaml --to policy.test.yaml")]
pub(crate) struct PolicyRecord {
    /// The image
    pub(crate) image: String,
    /// The policy that the case is for; several at once
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) policy: Vec<PathBuf>,
    /// The test file; the evidence goes into a directory `evidence` beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// The name of the case; the image's name without it
    #[arg(long, value_name = "NAME")]
    pub(crate) case: Option<String>,
    /// The name that the image is judged under; its own without it
    #[arg(long = "as", value_name = "IMAGE")]
    pub(crate) named: Option<String>,
    /// Judge as the webhook would for this namespace; without it, a yes is a yes in each
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<seaworthy_verifier::Namespace>,
}

/// Make policies out of those of others, and say what could not be carried over
///
/// Reads ClusterImagePolicy (policy-controller), ClusterPolicy, Policy and ImageValidatingPolicy (Kyverno), and
/// policy.json (containers). Exit 0 everything is carried over or stricter, 1 something is not, or is weaker.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy policy import cluster-image-policy.yaml --to policy.yaml
  kubectl get clusterpolicy -o yaml | seaworthy policy import -
  seaworthy policy import /etc/containers/policy.json --trusted-root trusted_root.json --accept-weaker")]
pub(crate) struct PolicyImport {
    /// The file to read; - is standard input
    pub(crate) file: PathBuf,
    /// Write the policies here; to standard output without it
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// What to trust where the original names services or keys other than those of the public Sigstore: a
    /// trusted_root.json, a trust file, staging or github
    #[arg(long, value_name = "ROOT")]
    pub(crate) trusted_root: Option<String>,
    /// Also write policies that are weaker than the original; each such place is marked in them
    #[arg(long)]
    pub(crate) accept_weaker: bool,
}
