//! The flags, and nothing but the flags: man pages, completions and docs/reference/cli.md are made from
//! this file. Names follow what people type today: cosign's for signing and verifying, syft's for
//! inventories.

use crate::blob_args::{AttestBlob, SignBlob, VerifyBlob};
use crate::layer_cache::LayerCache;
use crate::pki_args::{OwnCertificate, PrivateCas};
use crate::policy_args::Policy;
use crate::trust_args::Trust;
use crate::who::{Certificate, Counted, Proofs, TrustFiles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use url::Url;

/// Certifies container images before they sail: inventory, signature, attestation, and the verdict.
///
/// An IMAGE is registry/name[:tag][@digest], oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE.
#[derive(Debug, Parser)]
#[command(
    name = "seaworthy",
    version,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 yes or done, 1 no, 2 usage, 3 could not find out, 4 broken input, 5 local failure."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// How to print the result: text for people, or one JSON document
    #[arg(long, global = true, value_enum, default_value = "human", value_name = "FORMAT")]
    pub(crate) output: OutputFormat,
    /// Say nothing but results, warnings and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// Open no socket: everything must be in OCI layouts, archives and files
    #[arg(long, global = true, env = "SEAWORTHY_OFFLINE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) offline: bool,
    /// Talk plain HTTP to this registry host (loopback is plain by itself); '*' for every host
    #[arg(long, global = true, value_name = "HOST", env = "SEAWORTHY_PLAIN_HTTP", value_delimiter = ',')]
    pub(crate) plain_http: Vec<String>,
    /// Talk plain HTTP to every registry: cosign's name for --plain-http='*'
    #[arg(long, global = true, hide = true)]
    pub(crate) allow_http_registry: bool,
    /// PEM file of certificate authorities to trust beside the system's
    #[arg(long, global = true, value_name = "FILE", env = "SEAWORTHY_CA_CERT", value_delimiter = ',')]
    pub(crate) ca_cert: Vec<PathBuf>,
    /// How long one request to a registry or a signing service may take, in seconds, before it is tried
    /// again [default: 30 for registries, 45 for services]
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = "SEAWORTHY_REQUEST_TIMEOUT",
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub(crate) request_timeout: Option<u64>,
    /// Bearer token for the registry, better given by the environment
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "SEAWORTHY_REGISTRY_TOKEN",
        hide_env_values = true
    )]
    pub(crate) registry_token: Option<String>,
    /// User name for the registry
    #[arg(long, global = true, value_name = "NAME", env = "SEAWORTHY_REGISTRY_USERNAME")]
    pub(crate) registry_username: Option<String>,
    /// Password for the registry, better given by the environment
    #[arg(
        long,
        global = true,
        value_name = "PASSWORD",
        env = "SEAWORTHY_REGISTRY_PASSWORD",
        hide_env_values = true
    )]
    pub(crate) registry_password: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Human,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Release(Release),
    Sbom(Sbom),
    Sign(Sign),
    Attest(Attest),
    Verify(Verify),
    SignBlob(SignBlob),
    AttestBlob(AttestBlob),
    VerifyBlob(VerifyBlob),
    Tree(Tree),
    Inspect(Inspect),
    Copy(Copy),
    Pack(Pack),
    Unpack(Unpack),
    Keygen(Keygen),
    #[command(name = "import-key-pair", visible_alias = "import-key")]
    ImportKeyPair(ImportKeyPair),
    PublicKey(PublicKey),
    Login(Login),
    Logout(Logout),
    BreakGlass(crate::cluster_args::BreakGlass),
    #[command(subcommand)]
    Policy(Policy),
    #[command(subcommand)]
    Trust(Trust),
    #[command(subcommand)]
    Authority(Authority),
    Completion(Completion),
    Man(Man),
}

/// Inventory, sign, attest, push, read back and judge an image, all platforms, in one step
///
/// The plan is printed first. The command can be run again after any failure: what is there already is
/// left as it is, and "done" is said only after everything was read back and judged.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy release registry.example/app:1.0 --key release.key --policy policy.yaml
  seaworthy release oci:build --to registry.example/app:1.0 --key release.key --policy policy.yaml")]
pub(crate) struct Release {
    /// The image
    pub(crate) image: String,
    /// Copy the image there first, and release it there
    #[arg(long, value_name = "IMAGE")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// Policy that the finished image must meet; without it, the signing key is the policy
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// SBOM formats to attest
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', default_value = "spdx-json")]
    pub(crate) sbom_format: Vec<String>,
    #[command(flatten)]
    pub(crate) speakers: Speakers,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) platforms: Platforms,
    #[command(flatten)]
    pub(crate) cache: LayerCache,
}

/// Inventory an image: what is in it, by which layer, under which licence; convert and merge SBOMs
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  seaworthy sbom registry.example/app:1.0
  seaworthy sbom oci:build -o table -o spdx-json=app.spdx.json -o cyclonedx-json@1.5=app.cdx.json
  seaworthy sbom --scope all-layers oci:build
  seaworthy sbom --files unowned oci:build
  seaworthy sbom --lazy registry.example/model:1.0
  seaworthy sbom dir:/mnt/rootfs --source-name server
  seaworthy sbom file:target/app.jar -o cyclonedx-json
  seaworthy sbom sbom:app.cdx.json -o table
  seaworthy sbom docker:app:1.0
  seaworthy sbom containerd:registry.example/app:1.0@k8s.io
  seaworthy sbom oci:build -o template=packages.csv.tmpl=packages.csv
  seaworthy sbom convert app.cdx.json -o spdx-tag-value=app.spdx"
)]
pub(crate) struct Sbom {
    /// What to do with documents instead
    #[command(subcommand)]
    pub(crate) documents: Option<SbomCommand>,
    /// The image, or dir:PATH (a directory, a mounted file system), file:PATH (an archive, a program, a lock file),
    /// sbom:FILE (an SBOM in any format that is read), docker:NAME or podman:NAME (an image that the daemon keeps; found
    /// by DOCKER_HOST, CONTAINER_HOST and in the usual places), containerd:NAME[@NAMESPACE] (an image in containerd's store,
    /// read from its files as root; the namespace is CONTAINERD_NAMESPACE or default)
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) formats: Formats,
    #[command(flatten)]
    pub(crate) speakers: Speakers,
    /// Name packages by CPE, too: as the National Vulnerability Database does where that is known, else by guesses
    #[arg(long)]
    pub(crate) cpe: bool,
    /// Leave with exit code 1 where something could not be read
    #[arg(long)]
    pub(crate) strict: bool,
    /// Which packages: those of the final file system, or also those that a later layer hides, marked with that layer
    #[arg(long, short, value_enum, default_value = "squashed", value_name = "SCOPE")]
    pub(crate) scope: Scope,
    /// List files with checksums, layer and package: all, owned (by a package), unowned (and those that are not what
    /// their package recorded), none. With any of them, what the files tell is summed up; with all and unowned, files are
    /// compared with dpkg's MD5 sums as well, which takes longer
    #[arg(long, value_name = "WHICH", default_value = "none", hide_default_value = true,
        value_parser = ["all", "owned", "unowned", "none"])]
    pub(crate) files: String,
    /// Of layers in a registry that have a table of contents (eStargz, zstd:chunked), fetch only what is wanted, where that is
    /// less than half. Each piece is checked; the layer is not: a runtime that unpacks it may find other files, and the
    /// SBOM says so as a gap
    #[arg(long)]
    pub(crate) lazy: bool,
    /// What the SBOM calls a directory or a file, instead of the last part of its path
    #[arg(long, value_name = "NAME")]
    pub(crate) source_name: Option<String>,
    /// Enter other file systems that are mounted below a directory
    #[arg(long)]
    pub(crate) enter_mounts: bool,
    /// Where containerd keeps its things, for containerd:NAME [default: /var/lib/containerd]
    #[arg(long, value_name = "DIR")]
    pub(crate) containerd_root: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) platforms: Platforms,
    #[command(flatten)]
    pub(crate) cache: LayerCache,
}

/// How much of an image is inventoried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    Squashed,
    AllLayers,
}

/// Who speaks in an SBOM.
#[derive(Debug, Args)]
pub(crate) struct Speakers {
    /// Who makes the SBOM, 'NAME <MAIL>': an organization, or a person with 'Person:' before it; without it, the
    /// document names this program alone
    #[arg(long, value_name = "WHO", env = "SEAWORTHY_SBOM_AUTHOR")]
    pub(crate) author: Option<String>,
    /// Who supplies the image, 'NAME <MAIL>', instead of what its labels say
    #[arg(long, value_name = "WHO", env = "SEAWORTHY_SBOM_SUPPLIER")]
    pub(crate) supplier: Option<String>,
}

/// Where an inventory goes, in which formats.
#[derive(Debug, Args)]
pub(crate) struct Formats {
    /// FORMAT or FORMAT=FILE, several at once: table, json, spdx-json, spdx-tag-value, spdx-3-json,
    /// cyclonedx-json, cyclonedx-xml (both with @1.4 to @1.7), github-json; or template=TEMPLATE[=FILE], what a template makes
    /// of it. With several platforms, FILE may hold {platform}
    #[arg(short = 'o', long = "format", value_name = "FORMAT[=FILE]", value_delimiter = ',')]
    pub(crate) formats: Vec<String>,
    /// The template of '-o template', as syft and trivy have it: the same as -o template=TEMPLATE
    #[arg(short = 't', long, value_name = "TEMPLATE")]
    pub(crate) template: Option<String>,
}

/// SBOM files.
#[derive(Debug, Subcommand)]
pub(crate) enum SbomCommand {
    Check(CheckSbom),
    Validate(ValidateSbom),
    Convert(Convert),
    Merge(Merge),
}

/// Hold an SBOM file against a set of minimum elements
///
/// ntia (NTIA 2021), cisa (CISA 2026), bsi (BSI TR-03183-2 v2.1), telco (OpenChain Telco SBOM Guide 1.1). What the document
/// itself says is not known is counted apart. Exit 0: everything else is there; 1: something is missing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy sbom check app.spdx.json
  seaworthy sbom check --profile cisa,bsi app.cdx.json")]
pub(crate) struct CheckSbom {
    /// The SBOM; '-' reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// ntia, cisa, bsi, telco; several are possible
    #[arg(long, value_name = "PROFILE", value_delimiter = ',', default_value = "ntia")]
    pub(crate) profile: Vec<String>,
    /// Count what the document says is not known as missing, as policies do
    #[arg(long)]
    pub(crate) deny_unknown: bool,
}

/// Hold SBOM files against the published schemas of their formats
///
/// SPDX 2.3 and 3.0.1 as JSON, CycloneDX 1.4 to 1.7 as JSON and XML. Each problem is told with its place (a JSON pointer, in XML
/// an XPath), what the schema wants there and what is there. Each file has its own answer. Exit 0: all are valid; 1: one is not;
/// 4: one is no such document.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy sbom validate app.spdx.json
  seaworthy sbom validate app.cdx.json app.cdx.xml --output json")]
pub(crate) struct ValidateSbom {
    /// The SBOMs; '-' reads standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// Write an SBOM file in another format, and say what is lost on the way
///
/// Read are SPDX 2.2 and 2.3 (JSON, tag-value), SPDX 3.0, CycloneDX 1.4 to 1.7 (JSON, XML) and syft's own JSON.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy sbom convert app.syft.json -o spdx-json=app.spdx.json -o cyclonedx-xml@1.6=app.cdx.xml
  seaworthy sbom convert --strict app.cdx.json -o spdx-tag-value
  seaworthy sbom convert app.spdx.json -o template=licenses.md.tmpl")]
pub(crate) struct Convert {
    /// The SBOM; '-' reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) formats: Formats,
    /// Leave with exit code 1 where something is left behind
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Make one SBOM of several
///
/// Packages that agree in ecosystem, name, version and architecture become one; what a later file says otherwise is
/// kept beside it. Files about different images are refused, unless the result has a name of its own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy sbom merge image.spdx.json build.cdx.json -o spdx-json=all.spdx.json
  seaworthy sbom merge --name product-1.0 api.spdx.json web.spdx.json -o cyclonedx-json=product.cdx.json")]
pub(crate) struct Merge {
    /// The SBOMs
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) formats: Formats,
    /// What the result is about, instead of the one image that all files are about
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Leave with exit code 1 where something is left behind
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Sign an image's digest
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy sign --key release.key registry.example/app@sha256:…
  seaworthy sign --key release.key --recursive oci:build:1.0
  seaworthy sign --key vault://release registry.example/app@sha256:…")]
pub(crate) struct Sign {
    /// The image
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// Sign every manifest of an index as well as the index
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// Also write the bundle to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
}

/// Sign a statement about an image: an SBOM, provenance, scan results
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy attest --key release.key --type spdx --predicate app.spdx.json registry.example/app:1.0
  seaworthy attest --key release.key --type slsaprovenance1 --predicate build.json oci:build")]
pub(crate) struct Attest {
    /// The image
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// spdx, cyclonedx, slsaprovenance1, slsaprovenance02, vuln, openvex, link, custom, or a URI
    #[arg(long = "type", value_name = "TYPE", default_value = "custom")]
    pub(crate) predicate_type: String,
    /// The predicate, JSON; '-' reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) predicate: PathBuf,
    /// Attest this one platform of an index instead of the index itself
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
    /// Also write the bundle to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
}

/// Judge an image: may it run?
///
/// By a policy file, or by keys and identities given as flags. Exit 0 yes, 1 no, 3 could not find out.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy verify --policy policy.yaml registry.example/app:1.0
  seaworthy verify --policy policy.yaml --namespace production registry.example/app:1.0
  seaworthy verify --key release.pub --type spdx registry.example/app:1.0
  seaworthy verify --offline --key release.pub oci:build
  seaworthy verify --ca-roots root.pem --ca-intermediates ca.pem --crl root.crl --crl ca.crl \\
    --certificate-identity release@example.org registry.example/app:1.0
  seaworthy verify --certificate-identity-regexp 'https://github\\.com/acme/app/\\.github/workflows/.*' \\
    --certificate-oidc-issuer https://token.actions.githubusercontent.com registry.example/app:1.0")]
pub(crate) struct Verify {
    /// The image
    pub(crate) image: String,
    /// Policy file; with several, the strictest that applies decides
    #[arg(
        long,
        value_name = "FILE",
        env = "SEAWORTHY_POLICY",
        value_delimiter = ',',
        conflicts_with_all = ["certificate", "trust"]
    )]
    pub(crate) policy: Vec<PathBuf>,
    /// Public key that must have signed: a PEM file, env://VARIABLE, NAME://RESOURCE or pkcs11:…
    #[arg(long, value_name = "KEY", conflicts_with_all = ["policy", "certificate"])]
    pub(crate) key: Vec<PathBuf>,
    /// Also demand an attestation of this type by the same signer; several at once
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "policy")]
    pub(crate) types: Vec<String>,
    #[command(flatten)]
    pub(crate) certificate: Certificate,
    #[command(flatten)]
    pub(crate) cas: PrivateCas,
    #[command(flatten)]
    pub(crate) proofs: Proofs,
    #[command(flatten)]
    pub(crate) files: TrustFiles,
    /// Judge by this bundle too, as if it were attached to the image
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Vec<PathBuf>,
    /// Judge for this platform; all platforms of an index without it
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Vec<String>,
    /// Judge as the webhook would for this namespace; without it, a yes is a yes in each
    #[arg(long, short = 'n', value_name = "NAME")]
    pub(crate) namespace: Option<seaworthy_verifier::Namespace>,
    /// Print the whole tree of reasons, also for a yes
    #[arg(long)]
    pub(crate) explain: bool,
}

/// Show what is attached to an image: by whom, of which kind, valid or not
///
/// With --key, --certificate-identity, --trust or --policy it says whether the image is signed by them: signed, not
/// signed, or could not find out. What may run is for `verify` to say.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy tree registry.example/app:1.0
  seaworthy tree --key release.pub oci:build
  seaworthy tree --certificate-identity ci@example.com --certificate-oidc-issuer https://accounts.example.com \\
    registry.example/app:1.0")]
pub(crate) struct Tree {
    /// The image
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) by: Counted,
}

/// Look into an SBOM: an image's or a file's
///
/// For an image, the attested SBOM is read (verified with --key, --certificate-identity, --trust or --policy), or the image itself with --scan.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy inspect app.spdx.json
  seaworthy inspect --key release.pub --packages --name 'lib*' registry.example/app:1.0
  seaworthy inspect --licenses oci:build --scan
  seaworthy inspect --diff old.spdx.json new.spdx.json")]
pub(crate) struct Inspect {
    /// An image, or an SBOM file (SPDX 2.3 or CycloneDX JSON)
    pub(crate) target: String,
    /// List the packages
    #[arg(long)]
    pub(crate) packages: bool,
    /// List the licences and who stands under each
    #[arg(long)]
    pub(crate) licenses: bool,
    /// Compare with this older SBOM file: added, removed, changed
    #[arg(long, value_name = "FILE")]
    pub(crate) diff: Option<PathBuf>,
    /// Only packages whose name matches ('*' stands for anything)
    #[arg(long, value_name = "PATTERN")]
    pub(crate) name: Option<String>,
    /// Only packages of this ecosystem: deb, apk, rpm, pypi, npm and so on
    #[arg(long, value_name = "ECOSYSTEM")]
    pub(crate) ecosystem: Option<String>,
    /// Only packages whose licence mentions this
    #[arg(long, value_name = "LICENSE")]
    pub(crate) license: Option<String>,
    /// Only packages that this layer brought (digest or its beginning)
    #[arg(long, value_name = "DIGEST")]
    pub(crate) layer: Option<String>,
    #[command(flatten)]
    pub(crate) by: Counted,
    /// Inventory the image now instead of reading its attested SBOM
    #[arg(long, conflicts_with_all = ["key", "policy", "trust", "certificate", "trusted_root"])]
    pub(crate) scan: bool,
    /// Of this platform of an index
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
}

/// Copy an image with everything that is attached to it
///
/// Between registries, layouts, and from archives. Signatures and attestations go along in both forms, of an
/// index and of each of its children. "copied" is said only after everything was read back; nothing that
/// was attached at the destination is lost.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy copy registry.example/app:1.0 mirror.example/app:1.0
  seaworthy copy oci:build:1.0 registry.example/app:1.0
  seaworthy copy --platform linux/arm64 registry.example/app:1.0 oci:app:1.0")]
pub(crate) struct Copy {
    /// The image
    pub(crate) from: String,
    /// Where to: a registry or an OCI layout
    pub(crate) to: String,
    /// Whether what is attached goes along
    #[arg(long, value_enum, default_value = "all", value_name = "WHICH")]
    pub(crate) with_evidence: WithEvidence,
    /// Copy the image of this platform alone; an index stays behind, since its digest names all of them
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, ValueEnum)]
pub(crate) enum WithEvidence {
    All,
    None,
}

/// Pack images with all their evidence into one file, to be carried where no network is
///
/// The file is an OCI layout in a tar file: verify and tree read it as oci-archive:FILE. The same images
/// give the same bytes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy pack registry.example/app:1.0 registry.example/db:2.3 -o bag.tar
  seaworthy pack oci:build=team/app:1.0 --policy policy.yaml -o bag.tar
  tar -xOf last.tar seaworthy/digests.txt > there.txt
  seaworthy pack registry.example/app:1.1 --delta-from there.txt -o delta.tar
  seaworthy verify --offline --key release.pub oci-archive:bag.tar")]
pub(crate) struct Pack {
    /// The images; IMAGE=NAME gives one another name in the bag
    #[arg(required = true, value_name = "IMAGE[=NAME]")]
    pub(crate) images: Vec<String>,
    /// The file to write
    #[arg(short = 'o', long = "bag", value_name = "FILE")]
    pub(crate) bag: PathBuf,
    /// Carry this policy along, for people at the other side: nothing trusts it by itself
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Carry this trusted root along, in the same way
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// Leave out the layers on this list, which the other side has: the seaworthy/digests.txt of an earlier
    /// bag; several at once
    #[arg(long, value_name = "LIST")]
    pub(crate) delta_from: Vec<PathBuf>,
    /// Pack the image of this platform alone; an index stays behind, since its digest names all of them
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
}

/// Unpack a bag into a registry or an OCI layout
///
/// The bag is checked as a whole before anything is written: one from which a signature was taken, or into
/// which anything was put, is refused. "unpacked" is said only after everything was read back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy unpack bag.tar --to registry.internal:5000
  seaworthy unpack bag.tar --to registry.internal:5000/mirror --map team/app=prod/app
  seaworthy unpack bag.tar --to oci:images")]
pub(crate) struct Unpack {
    /// The bag
    pub(crate) bag: PathBuf,
    /// REGISTRY[/PREFIX] or oci:DIR. Images keep their names behind it
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: String,
    /// Put the repository OLD under the name NEW; several at once
    #[arg(long, value_name = "OLD=NEW")]
    pub(crate) map: Vec<String>,
}

/// Make a key pair: PREFIX.key (encrypted as cosign does it) and PREFIX.pub
#[derive(Debug, Args)]
#[command(
    visible_alias = "generate-key-pair",
    after_help = "\
Examples:
  seaworthy keygen --output-key-prefix release
  SEAWORTHY_PASSWORD=… seaworthy keygen --type ed25519 --output-key-prefix release
  seaworthy keygen --kms vault://release --output-key-prefix release"
)]
pub(crate) struct Keygen {
    /// Where to write: PREFIX.key and PREFIX.pub
    #[arg(long, value_name = "PREFIX", default_value = "seaworthy")]
    pub(crate) output_key_prefix: PathBuf,
    /// The kind of key
    #[arg(long = "type", value_enum, default_value = "p256")]
    pub(crate) key_type: KeyType,
    /// Have a plugin make the key: NAME://RESOURCE runs the program sigstore-kms-NAME. PREFIX.pub alone is
    /// written
    #[arg(long, value_name = "NAME://RESOURCE", conflicts_with = "key_type")]
    pub(crate) kms: Option<String>,
    /// The algorithm of that key, in the plugin's words; its default without it
    #[arg(long, value_name = "ALGORITHM", requires = "kms")]
    pub(crate) kms_algorithm: Option<String>,
    #[command(flatten)]
    pub(crate) password: Password,
    /// Overwrite existing files
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyType {
    #[value(alias = "ecdsa-p256", alias = "ecdsa")]
    P256,
    #[value(alias = "ecdsa-p384")]
    P384,
    #[value(alias = "ecdsa-p521")]
    P521,
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "rsa-4096")]
    Rsa4096,
    Ed25519,
}

/// Encrypt an existing private key (PKCS#8, SEC1, PKCS#1 or cosign's) as cosign does it
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  seaworthy import-key-pair --key ec.pem --output-key-prefix release")]
pub(crate) struct ImportKeyPair {
    /// The private key, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Where to write: PREFIX.key and PREFIX.pub
    #[arg(long, value_name = "PREFIX", default_value = "import-seaworthy")]
    pub(crate) output_key_prefix: PathBuf,
    #[command(flatten)]
    pub(crate) password: Password,
    /// Overwrite existing files
    #[arg(long)]
    pub(crate) force: bool,
}

/// Print the public key of a private key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy public-key --key release.key > release.pub
  seaworthy public-key --key vault://release > release.pub")]
pub(crate) struct PublicKey {
    /// The private key: PEM, env://VARIABLE, a plugin's NAME://RESOURCE, or pkcs11:…
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// Store credentials for a registry where Docker and Podman look for them
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  printf %s \"$TOKEN\" | seaworthy login -u ci --password-stdin registry.example")]
pub(crate) struct Login {
    /// The registry's host, with a port where it has one
    pub(crate) registry: String,
    /// User name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Store without asking the registry
    #[arg(long)]
    pub(crate) no_check: bool,
}

/// Forget the credentials for a registry
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  seaworthy logout registry.example")]
pub(crate) struct Logout {
    /// The registry's host, with a port where it has one
    pub(crate) registry: String,
}

/// Print shell completions
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  seaworthy completion bash > /etc/bash_completion.d/seaworthy")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Write man pages
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy man | man -l -
  seaworthy man --dir /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// Write a page for every command into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Write the Markdown reference of all commands to standard output
    #[arg(long, hide = true)]
    pub(crate) markdown: bool,
}

/// Who signs, and how the signature is stored.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing options")]
pub(crate) struct Signing {
    /// Private key: a PEM file (cosign's, PKCS#8 or SEC1), env://VARIABLE, NAME://RESOURCE for the plugin
    /// sigstore-kms-NAME, or pkcs11:…
    #[arg(long, value_name = "KEY", env = "SEAWORTHY_KEY")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) certificate: OwnCertificate,
    #[command(flatten)]
    pub(crate) password: Password,
    /// How signatures and attestations are stored: Sigstore bundles, cosign's tags of old, or both
    #[arg(long, value_enum, default_value = "bundle", value_name = "FORM")]
    pub(crate) signature_format: SignatureForm,
    /// Signed annotation of the image; several at once
    #[arg(long, short = 'a', value_name = "KEY=VALUE")]
    pub(crate) annotations: Vec<String>,
    /// The name written into statements and legacy signatures, instead of the repository's
    #[arg(long, value_name = "NAME")]
    pub(crate) sign_container_identity: Option<String>,
    #[command(flatten)]
    pub(crate) keyless: Keyless,
}

/// Signing with an identity, and who is told of a signature. No service is asked that is not named here.
#[derive(Debug, Args)]
#[command(next_help_heading = "Identity and services")]
pub(crate) struct Keyless {
    /// Identity token, or a file with one. Without it: SIGSTORE_ID_TOKEN, the CI system's own, or a login
    /// at the terminal
    #[arg(long, value_name = "TEXT|FILE")]
    pub(crate) identity_token: Option<String>,
    /// Take the token from here alone: environment, github-actions, buildkite-agent, circleci, google,
    /// google-impersonate, spiffe, filesystem
    #[arg(long, value_name = "NAME")]
    pub(crate) oidc_provider: Option<String>,
    /// Do not ask the CI system for a token: somebody logs in
    #[arg(long, conflicts_with = "oidc_provider")]
    pub(crate) oidc_disable_ambient_providers: bool,
    /// How somebody logs in at a terminal: in the browser, by a code for another device, or not at all. Without it,
    /// in the browser where there is one
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) fulcio_auth_flow: Option<AuthFlow>,
    /// Issuer to log in at
    #[arg(long, value_name = "URL")]
    pub(crate) oidc_issuer: Option<Url>,
    /// Client that we are to the issuer
    #[arg(long, value_name = "ID", default_value = "sigstore")]
    pub(crate) oidc_client_id: String,
    /// File with the client's secret, where it has one
    #[arg(long, value_name = "FILE")]
    pub(crate) oidc_client_secret_file: Option<PathBuf>,
    /// Where the browser comes back to: http://localhost:PORT/PATH. Any port without it
    #[arg(long, value_name = "URL")]
    pub(crate) oidc_redirect_url: Option<Url>,
    /// Services to use: a signing_config.json of version 0.2, a trust file with services, or public-good or staging,
    /// which come with this program. A trust file is also the trusted root, if it is one
    #[arg(long, value_name = "FILE|NAME", env = "SEAWORTHY_SIGNING_CONFIG")]
    pub(crate) signing_config: Option<PathBuf>,
    /// Services to use and the trusted root to verify with, in one file (ClientTrustConfig)
    #[arg(long, value_name = "FILE", env = "SEAWORTHY_TRUST_CONFIG")]
    pub(crate) trust_config: Option<PathBuf>,
    /// Certificate authority to use
    #[arg(long, value_name = "URL")]
    pub(crate) fulcio_url: Option<Url>,
    /// Transparency log to use
    #[arg(long, value_name = "URL")]
    pub(crate) rekor_url: Option<Url>,
    /// Version of the log's interface
    #[arg(long, value_name = "1|2", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) rekor_version: u8,
    /// Timestamp authority to use (RFC 3161)
    #[arg(long, value_name = "URL")]
    pub(crate) timestamp_server_url: Option<Url>,
    /// Trusted root to verify with what was made: a file (trusted_root.json), or public-good, staging or github.
    /// Where an embedded signing configuration is used, its root without this
    #[arg(long = "trusted-root", value_name = "FILE|NAME")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// Say what a failed run left signed and not pushed. It is pushed first in any case
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthFlow {
    #[value(name = "normal", alias = "browser")]
    Browser,
    Device,
    #[value(name = "token", alias = "none")]
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignatureForm {
    Bundle,
    Legacy,
    Both,
}

/// Run a private Sigstore: certificates for identities, a transparency log, timestamps
#[derive(Debug, Subcommand)]
pub(crate) enum Authority {
    Init(AuthorityInit),
    Serve(AuthorityServe),
    Token(AuthorityToken),
    Rotate(AuthorityRotate),
    Backup(AuthorityBackup),
    Restore(AuthorityRestore),
}

/// Make an authority: keys, certificates, empty logs, and the files that clients need
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy authority init --dir authority --url https://sigstore.example.org
  seaworthy authority init --dir authority --url http://127.0.0.1:8400
  seaworthy authority init --dir authority --url https://sigstore.example.org --kms vault://sigstore")]
pub(crate) struct AuthorityInit {
    /// The authority's folder, empty or not there
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where clients will reach it: https://host[:port], or http:// on loopback. It cannot change later
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,
    /// The organisation in its certificates
    #[arg(long, value_name = "NAME", default_value = "seaworthy authority")]
    pub(crate) organization: String,
    /// Have a plugin make and keep the keys: NAME://RESOURCE-root, -issuer, -timestamp, -log, -ct and
    /// -tokens, by the program sigstore-kms-NAME
    #[arg(long, value_name = "NAME://RESOURCE", conflicts_with = "password_file")]
    pub(crate) kms: Option<String>,
    /// The plugin's word for P-256 keys; its default algorithm without it
    #[arg(long, value_name = "ALGORITHM", requires = "kms")]
    pub(crate) kms_algorithm: Option<String>,
    /// Take the keys of these names that are with the plugin already, instead of making them
    #[arg(long, requires = "kms", conflicts_with = "kms_algorithm")]
    pub(crate) kms_existing: bool,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// Answer as certificate authority, transparency log, timestamp authority and token issuer
///
/// It ends on SIGTERM after what it has begun. A crash at any moment loses nothing that was acknowledged.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy authority serve --dir authority
  seaworthy authority serve --dir authority --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem")]
pub(crate) struct AuthorityServe {
    /// The authority's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where to listen; put a proxy before it or give --tls-cert where others reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8400")]
    pub(crate) listen: std::net::SocketAddr,
    /// PEM file with the certificate chain of the server
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with its private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// Make an identity token of the authority's own issuer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy authority token --dir authority --subject ci@example.org > token
  seaworthy sign --signing-config authority/signing_config.json --identity-token token registry.example.org/app")]
pub(crate) struct AuthorityToken {
    /// The authority's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Whom the token stands for: a mail address or a URI
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: String,
    /// Whom the token is for
    #[arg(long, value_name = "NAME", default_value = "sigstore")]
    pub(crate) audience: String,
    /// How many seconds it is valid, a day at most
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) seconds: i64,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// Replace keys of an authority that nobody serves
///
/// The trusted root gets the new ones beside the old ones, whose windows end: what was signed stays good. Clients need
/// the new trusted root. A log is closed and a new one begins; the closed one stays readable under /log/N and /ct/N.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy authority rotate --dir authority log certificate-log
  seaworthy authority rotate --dir authority issuer timestamps")]
pub(crate) struct AuthorityRotate {
    /// The authority's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// What to replace; issuer and timestamps need keys/root.key in the folder, unless the root is replaced too
    #[arg(required = true, value_enum, value_name = "WHAT")]
    pub(crate) parts: Vec<AuthorityPart>,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// What `authority rotate` replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum AuthorityPart {
    /// The log of signatures
    Log,
    /// The log of certificates
    CertificateLog,
    /// The key and certificate that sign certificates
    Issuer,
    /// The key and certificate that sign timestamps
    Timestamps,
    /// The key of the built-in issuer: tokens made before are no longer believed
    Tokens,
    /// The root, and with it issuer and timestamps; the old root's key is not needed
    Root,
}

/// Copy an authority, also while it serves, to a folder that is consistent in itself
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy authority backup --dir authority --to /backup/authority-monday")]
pub(crate) struct AuthorityBackup {
    /// The authority's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
}

/// Make an authority of a backup, with new logs behind the old ones so that nothing forks
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy authority restore --from /backup/authority-monday --dir authority")]
pub(crate) struct AuthorityRestore {
    /// The backup
    #[arg(long, value_name = "DIR")]
    pub(crate) from: PathBuf,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// Where a key's password comes from: this file, SEAWORTHY_PASSWORD, COSIGN_PASSWORD, or the terminal.
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// Read the key's password from this file (else SEAWORTHY_PASSWORD, COSIGN_PASSWORD, or the terminal)
    #[arg(long, value_name = "FILE", env = "SEAWORTHY_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// Which platforms of an index.
#[derive(Debug, Args)]
pub(crate) struct Platforms {
    /// This platform of an index; several at once. All without it
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub(crate) platform: Vec<String>,
}
