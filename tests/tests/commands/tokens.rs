//! Where identity tokens come from: every source, through a whole command, against a fake of the other side; and
//! that nobody is asked to log in where there is no terminal.

use super::fake::{Fake, json};
use super::issuer::Issuer;
use super::services::{FULCIO, Services};
use super::world::World;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

const TRUST: &str = "--trust-config authority/client_trust_config.json";

struct Place {
    world: World,
    services: Services,
    issuer: Issuer,
}

impl Place {
    /// An authority that believes an issuer whose tokens name `kind`.
    fn new(kind: &str) -> Self {
        let mut world = World::new();
        let issuer = Issuer::start();
        let services = Services::start_with(&mut world, |yaml| {
            yaml.replace("issuers: []", &format!("issuers: [{{url: '{}', type: {kind}}}]", issuer.url()))
        });
        std::fs::write(world.path("file"), "ahoy\n").unwrap();
        std::fs::create_dir(world.path("bin")).unwrap();
        let path = format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        world.env("PATH", &path);
        Self { world, services, issuer }
    }

    /// A program that does what `script` says.
    fn program(&self, name: &str, script: &str) {
        let path = self.world.path("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn mail(&self, mail: &str) -> String {
        self.issuer.token(600, &json!({ "sub": mail, "email": mail, "email_verified": true }))
    }

    /// Signs with what the environment offers; the signature must be `identity`'s.
    fn signs(&self, flags: &str, identity: &str) {
        let ran = self.world.run(&format!("sign-blob {TRUST} {flags} --bundle b.json file")).expect(0);
        drop(ran.never_says("eyJ"));
        self.accepts(identity);
    }

    fn accepts(&self, identity: &str) {
        let issuer = self.issuer.url();
        self.world
            .run(&format!(
                "verify-blob --bundle b.json --trusted-root authority/trusted_root.json \
                 --certificate-identity {identity} --certificate-oidc-issuer {issuer} file"
            ))
            .expect(0);
    }
}

const WHO: &str = "dev@example.com";

#[test]
fn gitlab_and_everybody_else_who_sets_the_variable() {
    let mut place = Place::new("email");
    let token = place.mail(WHO);
    place.world.env("SIGSTORE_ID_TOKEN", &token);
    for flags in ["", "--oidc-provider environment", "--oidc-provider gitlab"] {
        place.signs(flags, WHO);
    }
    // The one that was named, and no other.
    place
        .world
        .run(&format!("sign-blob {TRUST} --oidc-provider spiffe file"))
        .expect(2)
        .says("spiffe offers none");
    place
        .world
        .run(&format!("sign-blob {TRUST} --oidc-disable-ambient-providers file"))
        .expect(2)
        .says("no terminal");
}

#[test]
fn github_gives_a_token_for_our_audience_to_whoever_shows_the_job_s_own() {
    let mut place = Place::new("github");
    let workflow = "team/app/.github/workflows/release.yml@refs/heads/main";
    let mint = place.issuer.minter();
    let github = Fake::start(move |request| {
        let ours = request.path() == "/token"
            && request.field("a").as_deref() == Some("b")
            && request.field("audience").as_deref() == Some("sigstore")
            && request.header("authorization").as_deref() == Some("Bearer the-job");
        if !ours {
            return json(401, &json!({ "message": "no" }));
        }
        let claims = json!({
            "sub": "repo:team/app:ref:refs/heads/main", "job_workflow_ref": workflow, "repository": "team/app",
            "event_name": "push", "sha": "aa", "ref": "refs/heads/main",
        });
        json(200, &json!({ "value": mint(600, &claims), "count": 1 }))
    });
    place.world.env("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?a=b", github.url));
    place.world.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-job");
    for flags in ["", "--oidc-provider github-actions"] {
        place.signs(flags, &format!("https://github.com/{workflow}"));
    }
    assert_eq!(github.seen().len(), 2);
    place.world.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "another-job");
    place
        .world
        .run(&format!("sign-blob {TRUST} file"))
        .expect(5)
        .says("HTTP 401")
        .never_says("another-job")
        .never_says("a=b");
}

#[test]
fn programs_of_ci_systems_are_asked_for_our_audience() {
    let mut place = Place::new("email");
    std::fs::write(place.world.path("t"), place.mail(WHO)).unwrap();
    let token = place.world.path("t").display().to_string();
    place.program(
        "buildkite-agent",
        &format!("[ \"$*\" = 'oidc request-token --audience sigstore' ] && cat '{token}'"),
    );
    place.world.env("BUILDKITE_AGENT_ACCESS_TOKEN", "x");
    for flags in ["", "--oidc-provider buildkite-agent"] {
        place.signs(flags, WHO);
    }
    place.program("buildkite-agent", "echo geheim; exit 7");
    place.world.run(&format!("sign-blob {TRUST} file")).expect(5).says("exit status: 7").never_says("geheim");
    place.world.env("BUILDKITE_AGENT_ACCESS_TOKEN", "");

    // CircleCI's program where there is one, for our audience; else what stands in the environment.
    place.world.env("CIRCLECI", "true");
    place.world.env("CIRCLE_OIDC_TOKEN_V2", &place.mail("circle@example.com"));
    place.signs("--oidc-provider circleci", "circle@example.com");
    place.program(
        "circleci",
        &format!("[ \"$*\" = 'run oidc get --claims {{\"aud\":\"sigstore\"}}' ] && cat '{token}'"),
    );
    place.signs("", WHO);
}

#[test]
fn google_for_the_machine_and_for_another_account() {
    let mut place = Place::new("email");
    let mint = place.issuer.minter();
    let google = Fake::start(move |request| {
        let account = "/computeMetadata/v1/instance/service-accounts/default";
        let token = |mail: &str| mint(600, &json!({ "sub": "1", "email": mail, "email_verified": true }));
        let path = request.path();
        if path.starts_with(account) && request.header("metadata-flavor").as_deref() != Some("Google") {
            return json(403, &json!({}));
        }
        if path == format!("{account}/identity") && request.field("audience").as_deref() == Some("sigstore") {
            return Some((200, Vec::new(), token("machine@example.com").into_bytes()));
        }
        if path == format!("{account}/token") {
            return json(
                200,
                &json!({ "access_token": "the-machine", "expires_in": 9, "token_type": "Bearer" }),
            );
        }
        let asked: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let ours = path == "/v1/projects/-/serviceAccounts/release@example.com:generateIdToken"
            && request.header("authorization").as_deref() == Some("Bearer the-machine")
            && asked == json!({ "audience": "sigstore", "includeEmail": true });
        if ours {
            json(200, &json!({ "token": token("release@example.com") }))
        } else {
            json(403, &json!({}))
        }
    });
    let (host, url) = (google.host().to_owned(), google.url.clone());
    place.world.env("GCE_METADATA_HOST", &host);
    for flags in ["", "--oidc-provider google", "--oidc-provider google-workload-identity"] {
        place.signs(flags, "machine@example.com");
    }
    place.world.env("GOOGLE_SERVICE_ACCOUNT_NAME", "release@example.com");
    place.world.env("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &url);
    for flags in ["", "--oidc-provider google-impersonate"] {
        place.signs(flags, "release@example.com");
    }
    place.world.env("GOOGLE_SERVICE_ACCOUNT_NAME", "a/../b");
    place.world.run(&format!("sign-blob {TRUST} file")).expect(2).says("GOOGLE_SERVICE_ACCOUNT_NAME");
}

#[test]
fn spiffe_by_file_and_by_the_agent_s_socket() {
    let mut place = Place::new("uri");
    let who = "spiffe://example.org/ci/release";
    let token = place.issuer.token(600, &json!({ "sub": who }));
    std::fs::write(place.world.path("svid"), format!("{token}\n")).unwrap();
    let file = place.world.path("svid").display().to_string();
    place.world.env("SPIFFE_JWT_SVID_FILE", &file);
    place.signs("", who);
    place.world.env("SPIFFE_JWT_SVID_FILE", "");

    let socket = place.world.path("agent.sock");
    let asked = agent(&socket, token);
    let path = socket.display().to_string();
    for (set, flags) in [(path.clone(), ""), (format!("unix://{path}"), "--oidc-provider spiffe")] {
        place.world.env("SPIFFE_ENDPOINT_SOCKET", &set);
        place.signs(flags, who);
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 2);
    place.world.env("SPIFFE_ENDPOINT_SOCKET", &format!("unix://{path}.gone"));
    place.world.run(&format!("sign-blob {TRUST} file")).expect(5).says("agent.sock.gone");
    place.world.env("SPIFFE_ENDPOINT_SOCKET", "tcp://127.0.0.1:1");
    place.world.run(&format!("sign-blob {TRUST} file")).expect(2).says("no Unix socket");
}

/// An agent that answers `FetchJWTSVID`, and counts.
fn agent(socket: &std::path::Path, token: String) -> std::sync::Arc<std::sync::atomic::AtomicUsize> {
    use http_body_util::{BodyExt as _, Full};
    use hyper::{Request, Response, body::Bytes, body::Incoming};
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&asked);
    let field = |number: u8, value: &[u8]| {
        let mut out = vec![number << 3 | 2];
        let mut length = value.len();
        while length >= 128 {
            out.push((length % 128) as u8 | 128);
            length /= 128;
        }
        out.push(length as u8);
        [out, value.to_vec()].concat()
    };
    let svid = [field(1, b"spiffe://example.org/ci/release"), field(2, token.as_bytes())].concat();
    let message = field(1, &svid);
    let frame = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
    let expected = [&[0, 0, 0, 0, 10][..], &field(1, b"sigstore")].concat();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (frame, expected, counted) = (frame.clone(), expected.clone(), counted.clone());
                let serve = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (frame, expected, counted) = (frame.clone(), expected.clone(), counted.clone());
                    async move {
                        let header =
                            |name: &str| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
                        let named = header("workload.spiffe.io").as_deref() == Some("true")
                            && header("content-type").as_deref() == Some("application/grpc")
                            && request.uri().path() == "/SpiffeWorkloadAPI/FetchJWTSVID";
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let response = Response::builder().header("content-type", "application/grpc");
                        if named && body == expected {
                            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            response.body(Full::new(Bytes::from(frame)))
                        } else {
                            response.header("grpc-status", "7").body(Full::new(Bytes::new()))
                        }
                    }
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
                    .serve_connection(io, serve)
                    .await;
            }
        });
    });
    asked
}

/// A command with a terminal, as a person would have one.
struct Terminal {
    child: std::process::Child,
    screen: std::fs::File,
    shown: String,
}

impl Terminal {
    fn run(world: &World, arguments: &str) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let terminal = || std::fs::OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let mut command = world.command(arguments);
        command.stdin(terminal()).stderr(terminal()).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        Self { child, screen: std::fs::File::from(controller), shown: String::new() }
    }

    /// Reads the screen until `text` and the rest of its line are there; the rest of the line.
    fn until(&mut self, text: &str) -> String {
        let mut piece = [0u8; 1024];
        loop {
            if let Some(at) = self.shown.find(text)
                && let Some((line, _)) = self.shown[at + text.len()..].split_once('\n')
            {
                return line.trim().to_owned();
            }
            let n = self.screen.read(&mut piece).unwrap_or(0);
            assert!(n > 0, "no '{text}' on the terminal:\n{}", self.shown);
            self.shown.push_str(&String::from_utf8_lossy(&piece[..n]));
        }
    }

    fn code(mut self) -> (i32, String) {
        let mut piece = [0u8; 1024];
        // A terminal that everybody has left is an error to read.
        while let Ok(n) = self.screen.read(&mut piece) {
            if n == 0 {
                break;
            }
            self.shown.push_str(&String::from_utf8_lossy(&piece[..n]));
        }
        (self.child.wait().unwrap().code().unwrap(), self.shown)
    }
}

fn get(url: &str) -> String {
    let url: url::Url = url.parse().unwrap();
    let port = url.port().unwrap();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
    write!(stream, "GET {}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n", url.path()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn somebody_logs_in_in_the_browser() {
    let mut place = Place::new("email");
    place.program("browse", &format!("printf %s \"$1\" > '{}'", place.world.path("opened").display()));
    place.world.env("BROWSER", "browse");
    let issuer = place.issuer.url();
    let sign = format!("sign-blob {TRUST} --oidc-issuer {issuer} --bundle b.json file");
    for nonce in ["ours", "another"] {
        let _ = std::fs::remove_file(place.world.path("b.json"));
        let mut terminal = Terminal::run(&place.world, &sign);
        let page: url::Url = terminal.until("log in at ").parse().unwrap();
        let query: std::collections::BTreeMap<String, String> =
            page.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        assert!(page.as_str().starts_with(&format!("{issuer}/auth?")));
        assert_eq!((&*query["response_type"], &*query["client_id"]), ("code", "sigstore"));
        assert_eq!((&*query["code_challenge_method"], &*query["scope"]), ("S256", "openid email"));
        let redirect = &query["redirect_uri"];
        *place.issuer.login.lock().unwrap() = super::issuer::LogIn {
            mail: WHO.into(),
            nonce: if nonce == "ours" { query["nonce"].clone() } else { "x".into() },
            challenge: query["code_challenge"].clone(),
            redirect: redirect.clone(),
            code: "the-code".into(),
            pending: 0,
        };
        // Somebody else on this machine, who does not know the state.
        for other in ["", "?code=the-code", "?code=the-code&state=x", "?error=no&state=x"] {
            assert!(get(&format!("{redirect}{other}")).starts_with("HTTP/1.1 404"), "{other}");
        }
        assert!(
            get(&format!("{redirect}?code=the-code&state={}", query["state"])).starts_with("HTTP/1.1 200")
        );
        let (code, shown) = terminal.code();
        if nonce == "ours" {
            assert_eq!(code, 0, "{shown}");
            place.accepts(WHO);
        } else {
            assert_eq!(code, 5, "{shown}");
            assert!(shown.contains("nonce"), "{shown}");
            assert!(!place.world.path("b.json").exists());
        }
        assert!(!shown.contains("eyJ"), "{shown}");
    }
    assert!(std::fs::read_to_string(place.world.path("opened")).unwrap().starts_with(&issuer));

    // Turned away at the page.
    let mut terminal = Terminal::run(&place.world, &sign);
    let page: url::Url = terminal.until("log in at ").parse().unwrap();
    let value = |name: &str| page.query_pairs().find(|(k, _)| k == name).unwrap().1.into_owned();
    get(&format!("{}?error=access_denied&state={}", value("redirect_uri"), value("state")));
    let (code, shown) = terminal.code();
    assert_eq!(code, 5, "{shown}");
    assert!(shown.contains("access_denied"), "{shown}");
}

#[test]
fn somebody_gives_a_code_on_another_device() {
    let place = Place::new("email");
    *place.issuer.login.lock().unwrap() =
        super::issuer::LogIn { mail: WHO.into(), pending: 1, ..Default::default() };
    let issuer = place.issuer.url();
    // No browser in this environment: a code is what is offered.
    let mut terminal = Terminal::run(
        &place.world,
        &format!("sign-blob {TRUST} --oidc-issuer {issuer} --bundle b.json file"),
    );
    assert_eq!(terminal.until("open "), format!("{issuer}/here and enter the code ABCD-EFGH"));
    let (code, shown) = terminal.code();
    assert_eq!(code, 0, "{shown}");
    place.accepts(WHO);
    assert_eq!(place.issuer.server.count("/token"), 2);
}

#[test]
fn nobody_is_asked_to_log_in_where_there_is_no_terminal() {
    let mut place = Place::new("email");
    place.program("browse", &format!("echo > '{}'", place.world.path("opened").display()));
    place.world.env("BROWSER", "browse");
    let issuer = place.issuer.url();
    place.world.image("harbor", "img");
    for how in
        ["", "--fulcio-auth-flow normal", "--fulcio-auth-flow device", "--oidc-disable-ambient-providers"]
    {
        for command in ["sign-blob file", "sign oci:img", "release oci:img"] {
            let ran = place.world.run(&format!("{command} {TRUST} --oidc-issuer {issuer} {how}"));
            ran.expect(2).says("no terminal");
        }
    }
    // Nor at a terminal by somebody who said that nobody is there.
    let token = Terminal::run(
        &place.world,
        &format!("sign-blob file {TRUST} --oidc-issuer {issuer} --fulcio-auth-flow token"),
    );
    let (code, shown) = token.code();
    assert_eq!(code, 2, "{shown}");
    assert!(place.issuer.server.seen().is_empty() && !place.world.path("opened").exists());
    assert_eq!(place.services.count(FULCIO), 0);
}

/// A token that ends while the authority is asked is fetched anew, once.
#[test]
fn a_token_that_ends_in_mid_run_is_fetched_anew() {
    use super::services::Door;
    let mut place = Place::new("email");
    let mint = place.issuer.minter();
    let given = std::sync::atomic::AtomicUsize::new(0);
    let github = Fake::start(move |_| {
        // The first is over two seconds from now, as far as the client is concerned.
        let seconds = if given.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 { 12 } else { 600 };
        let claims = json!({ "sub": WHO, "email": WHO, "email_verified": true });
        json(200, &json!({ "value": mint(seconds, &claims) }))
    });
    place.world.env("ACTIONS_ID_TOKEN_REQUEST_URL", &github.url);
    place.world.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x");
    // Waits that come to almost four seconds at least, and then a refusal.
    place.services.fault(FULCIO, Door::Bare(503), 5);
    place.services.fault(FULCIO, Door::Status(401), 1);
    place.signs("", WHO);
    assert_eq!(github.seen().len(), 2);
    assert_eq!(place.services.count(FULCIO), 7);
}
