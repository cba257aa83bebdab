//! The verifier as a program: the Kubernetes admission webhook, and what judges again what runs.
//!
//! It decides nothing itself: flags become options of the library, which is the same that the command line
//! asks. Exit codes as everywhere: 2 for what cannot be meant, 5 where this machine fails.

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use seaworthy_oci::Platform;
use seaworthy_oci::registry::credentials::ConfigFiles;
use seaworthy_oci::registry::{Credentials, PlainHttp};
use seaworthy_verifier::admission::{
    Admission, ImagesAt, Options, Pin, Policies, RegistryDown, RegistryName,
};
use seaworthy_verifier::break_glass::Glass;
use seaworthy_verifier::cluster::objects::Objects;
use seaworthy_verifier::cluster::secrets::PullSecrets;
use seaworthy_verifier::cluster::{Api, ApiServer};
use seaworthy_verifier::serve::{Config, Log, Server, Watchman};
use seaworthy_verifier::{Platforms, PublicKey};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Parser)]
#[command(name = "seaworthy-verifier", version, about = "Decides whether images may run")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the Kubernetes admission webhook
    Admission(Box<Flags>),
    /// Judge again what runs in the cluster, and write a PolicyReport for each namespace
    Revalidate(Box<Rounds>),
}

#[derive(Args)]
struct Flags {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// PEM file with the certificate and its chain; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE")]
    private_key: PathBuf,
    #[command(flatten)]
    judge: JudgeFlags,
    /// Seconds for which a yes about a digest is remembered: what is withdrawn takes effect after it at the latest
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(0..=3600))]
    keep_verdicts: u64,
    /// Where the mutating webhook writes the digest behind the tag, among what its rules send it
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Pinned::Pods)]
    pin: Pinned,
    /// What is done with a digest that the same policies allowed before, where its registry does not answer now
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Down::Deny)]
    when_registry_down: Down,
    /// Hours for which such a verdict counts
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=168))]
    remember_for: u64,
    /// Public key whose break-glass tokens count (see `seaworthy break-glass`); several at once
    #[arg(long, value_name = "FILE", requires = "cluster_name")]
    break_glass_key: Vec<PathBuf>,
    /// This cluster's name, as break-glass tokens write it
    #[arg(long, value_name = "NAME", requires = "break_glass_key")]
    cluster_name: Option<String>,
    /// Where images stand in a kind of your own: GROUP/KIND=/path/to/pod/spec
    #[arg(long, value_name = "GROUP/KIND=/PATH")]
    images_at: Vec<ImagesAt>,
    /// Seconds for one review; stay below the webhook's timeoutSeconds
    #[arg(long, value_name = "SECONDS", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=29))]
    budget: u64,
    /// Seconds between two looks at certificate and policies
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    poll: u64,
    /// Seconds in which requests are still taken after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=60))]
    linger: u64,
}

#[derive(Args)]
struct Rounds {
    #[command(flatten)]
    judge: JudgeFlags,
    /// Minutes between two rounds
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    every: u64,
    /// One round, and an exit code: 0 all pass or warn, 1 something is denied, 3 something could not be found out
    #[arg(long)]
    once: bool,
    /// Where /metrics and /healthz are, over plain HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
}

/// By what, and how, images are judged.
#[derive(Args)]
struct JudgeFlags {
    /// Policy file, or directory of policy files; several are possible; read again when they change
    #[arg(long, value_name = "PATH", required_unless_present = "policy_objects")]
    policy: Vec<PathBuf>,
    /// Also take the policies that are objects in the cluster: ImagePolicy and ClusterImagePolicy
    #[arg(long)]
    policy_objects: bool,
    /// Read the pull secrets of Pods and their service accounts, each for the registries that it names; needs a role
    #[arg(long)]
    pull_secrets: bool,
    /// The webhook's own credentials: a Docker config.json, with the helper programs that it names
    #[arg(long, value_name = "FILE")]
    docker_config: Option<PathBuf>,
    /// A registry that may be asked, as host, host:port or *.domain; without any, all but this machine's own
    #[arg(long, value_name = "HOST")]
    registry: Vec<RegistryName>,
    /// A platform that must be in order; without any, all of an index
    #[arg(long, value_name = "OS/ARCH")]
    platform: Vec<Platform>,
    /// PEM file with a certificate authority of a registry
    #[arg(long, value_name = "FILE")]
    registry_ca: Vec<PathBuf>,
    /// A registry that is spoken to without TLS
    #[arg(long, value_name = "HOST")]
    plain_http: Vec<String>,
    #[command(flatten)]
    api: ApiFlags,
}

/// Where images are pinned.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pinned {
    /// In Pods alone
    Pods,
    /// In templates of Pods, too: Deployments, Jobs, kinds of your own
    Templates,
}

/// What is done where a registry does not answer.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Down {
    /// It stays out
    Deny,
    /// It comes in, with a warning, and is counted apart; never a tag without a digest
    Remembered,
}

/// How the API server is asked; without any, as the service account of this Pod.
#[derive(Args)]
struct ApiFlags {
    /// The API server, as https://host:port
    #[arg(long, value_name = "URL", requires_all = ["api_ca", "api_token"])]
    api_server: Option<String>,
    /// PEM file with the API server's certificate authority
    #[arg(long, value_name = "FILE", requires = "api_server")]
    api_ca: Option<PathBuf>,
    /// File with a bearer token for the API server; it is read again for each request
    #[arg(long, value_name = "FILE", requires = "api_server")]
    api_token: Option<PathBuf>,
}

impl ApiFlags {
    fn api(self) -> Result<Api, (u8, String)> {
        let server = match (self.api_server, self.api_ca, self.api_token) {
            (Some(url), Some(ca), Some(token)) => Ok(ApiServer { url, ca, token }),
            _ => ApiServer::in_cluster(),
        };
        server.and_then(|server| Api::new(&server)).map_err(|e| (5, e.to_string()))
    }
}

fn glass(cluster: &str, files: &[PathBuf]) -> Result<Glass, String> {
    let keys: Result<Vec<PublicKey>, String> = files.iter().map(|file| PublicKey::from_file(file)).collect();
    Glass::new(cluster, keys?)
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Admission(flags) => admission(*flags).map(|()| 0),
        Command::Revalidate(rounds) => revalidate(*rounds),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err((code, message)) => {
            // The only place that talks to people; what is data goes to standard output as JSON lines.
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::from(code)
        }
    }
}

/// What `flags` say, put together.
struct Judge {
    options: Options,
    policies: Vec<PathBuf>,
    objects: Option<Arc<Objects>>,
    api: Option<Api>,
}

impl JudgeFlags {
    fn judge(self, needs_api: NeedsApi) -> Result<Judge, (u8, String)> {
        let wanted = self.policy_objects || self.pull_secrets || needs_api == NeedsApi::Always;
        let api = if wanted { Some(self.api.api()?) } else { None };
        let mut options = Options::default();
        if self.pull_secrets {
            options.pull_secrets = api.clone().map(|api| Arc::new(PullSecrets::new(api)));
        }
        if let Some(file) = self.docker_config {
            let files = ConfigFiles { files: Some(vec![file]), helpers: None };
            options.open.registry.credentials = Credentials::Configured(files);
        }
        options.registries = self.registry;
        if !self.platform.is_empty() {
            options.platforms = Platforms::Only(self.platform);
        }
        options.open.registry.ca_files = self.registry_ca;
        // Loopback is the node's or the Pod's own: nothing there is plain unless it is named.
        options.open.registry.plain_http =
            if self.plain_http.is_empty() { PlainHttp::Never } else { PlainHttp::Hosts(self.plain_http) };
        let objects = self.policy_objects.then(|| Arc::new(Objects::default()));
        Ok(Judge { options, policies: self.policy, objects, api })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NeedsApi {
    Always,
    ForSomeFlags,
}

fn revalidate(rounds: Rounds) -> Result<u8, (u8, String)> {
    let Judge { options, policies, objects, api } = rounds.judge.judge(NeedsApi::Always)?;
    let Some(api) = api else { return Err((5, "no API server".into())) };
    let log = Log::new(Box::new(std::io::stdout()));
    let watchman = Watchman { api, options, policies, objects, log };
    let local = |e: std::io::Error| (5, e.to_string());
    runtime()?.block_on(async {
        if rounds.once {
            let counts = watchman.round().await.map_err(|why| (3, why))?.counts;
            return Ok(match (counts.fail, counts.error) {
                (0, 0) => 0,
                (0, _) => 3,
                _ => 1,
            });
        }
        let listener = tokio::net::TcpListener::bind(rounds.listen).await.map_err(local)?;
        let stop = stopped()?;
        tokio::select! {
            () = watchman.run(listener, Duration::from_secs(rounds.every * 60)) => {}
            () = stop => {}
        }
        Ok(0)
    })
}

/// Ends at SIGTERM or SIGINT.
fn stopped() -> Result<impl Future<Output = ()>, (u8, String)> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| (5, e.to_string()))?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, (u8, String)> {
    tokio::runtime::Builder::new_multi_thread()
        // Reading bodies and evidence blocks; more at once would only hold more memory.
        .max_blocking_threads(64)
        .enable_all()
        .build()
        .map_err(|e| (5, e.to_string()))
}

fn admission(flags: Flags) -> Result<(), (u8, String)> {
    let Judge { mut options, policies: files, objects, api } = flags.judge.judge(NeedsApi::ForSomeFlags)?;
    let policies = match &objects {
        None => Policies::load(&files, Timestamp::now()),
        Some(objects) => Policies::with_objects(&files, objects, Timestamp::now()),
    };
    let policies = policies.map_err(|e| (2, e.to_string()))?;
    options.budget = Duration::from_secs(flags.budget);
    options.allowed_for = Duration::from_secs(flags.keep_verdicts);
    options.pin = match flags.pin {
        Pinned::Pods => Pin::Pods,
        Pinned::Templates => Pin::Templates,
    };
    if flags.when_registry_down == Down::Remembered {
        options.registry_down = RegistryDown::Remembered(Duration::from_secs(flags.remember_for * 3600));
    }
    if let Some(cluster) = flags.cluster_name {
        options.glass = Some(glass(&cluster, &flags.break_glass_key).map_err(|why| (2, why))?);
    }
    options.images_at = flags.images_at;
    let config = Config {
        listen: flags.listen,
        certificate: flags.certificate,
        private_key: flags.private_key,
        policies: files,
        poll: Duration::from_secs(flags.poll),
        linger: Duration::from_secs(flags.linger),
        drain: Duration::from_secs(flags.budget + 2),
    };
    let local = |e: std::io::Error| (5, e.to_string());
    runtime()?.block_on(async {
        let stop = stopped()?;
        let admission = Arc::new(Admission::new(policies, options));
        let log = Log::new(Box::new(std::io::stdout()));
        let server = Server::bind(config, admission, log).await.map_err(|e| (5, e.to_string()))?;
        let server = match (api, objects) {
            (Some(api), Some(objects)) => server.following(api, objects),
            _ => server,
        };
        let address = server.address().map_err(local)?;
        let _ = writeln!(std::io::stderr(), "listening on https://{address}");
        server.run(stop).await;
        Ok(())
    })
}
