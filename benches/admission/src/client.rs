//! One connection to the webhook, as an API server holds it: HTTP/1.1 over TLS, kept alive, one request at a time.
//!
//! API servers ask webhooks by HTTP/1.1, so that requests spread over replicas, and live by the rules of Go's
//! transport: an idle connection that the other side has closed is not used again, and a POST of which anything may
//! have arrived is never sent twice. What is lost is told by where it was lost, because the two have different causes.

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The name that the Service has in a cluster, and the certificate with it.
pub const NAME: &str = "seaworthy-verifier.seaworthy.svc";
/// What the manifests of deploy/ give the API server: `timeoutSeconds: 10`.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// More than any answer has.
const ANSWER_BYTES: usize = 1 << 20;

/// Whom to ask, and by which authority it shows who it is.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Target {
    pub fn new(address: SocketAddr, ca_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("a certificate"))
            .expect("an authority");
        let mut tls =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("protocol versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
        // API servers keep no sessions; and a resumed one would show the certificate of the first.
        tls.resumption = rustls::client::Resumption::disabled();
        Self { address, tls: Arc::new(tls) }
    }
}

/// A request, ready to be written: it is built once, since building is not what is measured.
pub fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path}?timeout={}s HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: kube-apiserver-admission\r\n\
         Content-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n\r\n",
        PATIENCE.as_secs(),
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A GET, such as a probe makes it.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: kube-probe\r\n\r\n").into_bytes()
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// A request without an answer.
#[derive(Debug)]
pub enum Lost {
    /// There was no connection, so that nothing was sent.
    Dial(io::Error),
    /// It was sent, in part at least, and no whole answer came.
    Sent(io::Error),
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dial(error) => write!(f, "no connection: {error}"),
            Self::Sent(error) => write!(f, "no answer: {error}"),
        }
    }
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// A client with one connection at most.
pub struct Client {
    target: Target,
    connection: Option<Connection>,
    pub dials: u64,
    buffer: Vec<u8>,
}

impl Client {
    pub fn new(target: &Target) -> Self {
        Self { target: target.clone(), connection: None, dials: 0, buffer: vec![0; 16 << 10] }
    }

    /// Asks, over the open connection or a new one.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer, Lost> {
        let mut reused = true;
        if !self.connection.as_ref().is_some_and(open) {
            self.connection = Some(self.dial().map_err(Lost::Dial)?);
            reused = false;
        }
        let connection = self.connection.as_mut().expect("it was made just now");
        if let Err(error) = connection.write_all(request).and_then(|()| connection.flush()) {
            self.connection = None;
            // The kernel took nothing any more: whoever was there has gone before it could hear a word.
            return if reused && error.kind() == io::ErrorKind::BrokenPipe {
                self.ask(request)
            } else {
                Err(Lost::Sent(error))
            };
        }
        match read(connection, &mut self.buffer) {
            Ok((answer, Keep::Open)) => Ok(answer),
            Ok((answer, Keep::Close)) => {
                self.connection = None;
                Ok(answer)
            }
            Err(error) => {
                self.connection = None;
                Err(Lost::Sent(error))
            }
        }
    }

    /// Lets the connection go: the next request makes a new one.
    pub fn hang_up(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.conn.send_close_notify();
            let _ = connection.flush();
        }
    }

    /// The certificate that the other side showed on the open connection.
    pub fn shown(&self) -> Option<Vec<u8>> {
        Some(self.connection.as_ref()?.conn.peer_certificates()?.first()?.to_vec())
    }

    fn dial(&mut self) -> io::Result<Connection> {
        self.dials += 1;
        let stream = TcpStream::connect_timeout(&self.target.address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(&self.target.tls), name).map_err(io::Error::other)?;
        let mut connection = StreamOwned::new(session, stream);
        while connection.conn.is_handshaking() {
            connection.conn.complete_io(&mut connection.sock)?;
        }
        Ok(connection)
    }
}

/// Whether the other side has not closed an idle connection.
fn open(connection: &Connection) -> bool {
    let socket = &connection.sock;
    if socket.set_nonblocking(true).is_err() {
        return false;
    }
    let peeked = socket.peek(&mut [0]);
    let blocking = socket.set_nonblocking(false).is_ok();
    blocking && matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

enum Keep {
    Open,
    Close,
}

fn read(connection: &mut Connection, buffer: &mut [u8]) -> io::Result<(Answer, Keep)> {
    let mut have = Vec::new();
    let mut more = |have: &mut Vec<u8>| match connection.read(buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        n if have.len() + n > ANSWER_BYTES => Err(io::Error::other("an endless answer")),
        n => {
            have.extend_from_slice(&buffer[..n]);
            Ok(())
        }
    };
    let end = loop {
        more(&mut have)?;
        if let Some(at) = have.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let mut body = have.split_off(end);
    let head = String::from_utf8(have).map_err(io::Error::other)?.to_ascii_lowercase();
    let field =
        |name: &str| head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let status = head.get(9..12).and_then(|s| s.parse().ok()).ok_or_else(|| io::Error::other("no status"))?;
    let length: usize =
        field("content-length").and_then(|l| l.parse().ok()).ok_or_else(|| io::Error::other("no length"))?;
    while body.len() < length {
        more(&mut body)?;
    }
    let keep = if field("connection") == Some("close") { Keep::Close } else { Keep::Open };
    Ok((Answer { status, body }, keep))
}
