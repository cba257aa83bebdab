//! The verifier as a program: today the Kubernetes admission webhook.
//!
//! It decides nothing itself: flags become options of the library, which is the same that the command line
//! asks. Exit codes as everywhere: 2 for what cannot be meant, 5 where this machine fails.

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use seaworthy_oci::Platform;
use seaworthy_oci::registry::PlainHttp;
use seaworthy_verifier::Platforms;
use seaworthy_verifier::admission::{Admission, ImagesAt, Options, Policies, RegistryName};
use seaworthy_verifier::cluster::objects::Objects;
use seaworthy_verifier::cluster::{Api, ApiServer};
use seaworthy_verifier::serve::{Config, Log, Server};
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
    /// Policy file, or directory of policy files; several are possible; read again when they change
    #[arg(long, value_name = "PATH", required_unless_present = "policy_objects")]
    policy: Vec<PathBuf>,
    /// Also take the policies that are objects in the cluster: ImagePolicy and ClusterImagePolicy
    #[arg(long)]
    policy_objects: bool,
    #[command(flatten)]
    api: ApiFlags,
    /// A registry that may be asked, as host, host:port or *.domain; without any, all but this machine's own
    #[arg(long, value_name = "HOST")]
    registry: Vec<RegistryName>,
    /// Where images stand in a kind of your own: GROUP/KIND=/path/to/pod/spec
    #[arg(long, value_name = "GROUP/KIND=/PATH")]
    images_at: Vec<ImagesAt>,
    /// A platform that must be in order; without any, all of an index
    #[arg(long, value_name = "OS/ARCH")]
    platform: Vec<Platform>,
    /// PEM file with a certificate authority of a registry
    #[arg(long, value_name = "FILE")]
    registry_ca: Vec<PathBuf>,
    /// A registry that is spoken to without TLS
    #[arg(long, value_name = "HOST")]
    plain_http: Vec<String>,
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

fn main() -> ExitCode {
    let Command::Admission(flags) = Cli::parse().command;
    match admission(*flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            // The only place that talks to people; what is data goes to standard output as JSON lines.
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::from(code)
        }
    }
}

fn admission(flags: Flags) -> Result<(), (u8, String)> {
    let objects = Arc::new(Objects::default());
    let policies = match flags.policy_objects {
        false => Policies::load(&flags.policy, Timestamp::now()),
        true => Policies::with_objects(&flags.policy, &objects, Timestamp::now()),
    };
    let policies = policies.map_err(|e| (2, e.to_string()))?;
    let api = if flags.policy_objects { Some(flags.api.api()?) } else { None };
    let mut options = Options { budget: Duration::from_secs(flags.budget), ..Options::default() };
    options.registries = flags.registry;
    options.images_at = flags.images_at;
    if !flags.platform.is_empty() {
        options.platforms = Platforms::Only(flags.platform);
    }
    options.open.registry.ca_files = flags.registry_ca;
    // Loopback is the node's or the Pod's own: nothing there is plain unless it is named.
    options.open.registry.plain_http =
        if flags.plain_http.is_empty() { PlainHttp::Never } else { PlainHttp::Hosts(flags.plain_http) };
    let config = Config {
        listen: flags.listen,
        certificate: flags.certificate,
        private_key: flags.private_key,
        policies: flags.policy,
        poll: Duration::from_secs(flags.poll),
        linger: Duration::from_secs(flags.linger),
        drain: Duration::from_secs(flags.budget + 2),
    };
    let local = |e: std::io::Error| (5, e.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Reading bodies and evidence blocks; more at once would only hold more memory.
        .max_blocking_threads(64)
        .enable_all()
        .build()
        .map_err(local)?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(local)?;
        let admission = Arc::new(Admission::new(policies, options));
        let log = Log::new(Box::new(std::io::stdout()));
        let server = Server::bind(config, admission, log).await.map_err(|e| (5, e.to_string()))?;
        let server = match api {
            Some(api) => server.following(api, objects),
            None => server,
        };
        let address = server.address().map_err(local)?;
        let _ = writeln!(std::io::stderr(), "listening on https://{address}");
        let stop = async move {
            tokio::select! { _ = terminate.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
        };
        server.run(stop).await;
        Ok(())
    })
}
