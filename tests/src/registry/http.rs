//! HTTP/1.1 by hand: requests read strictly enough for real clients, replies written as badly as asked.

use super::State;
use rustls::pki_types::PrivateKeyDer;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A request as it was read.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET` and so on.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// Header names in lower case, and their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The path without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or(&self.target)
    }

    /// The decoded pairs of the query.
    #[must_use]
    pub fn query(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, q)| q);
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// The first value of `key` in the query.
    #[must_use]
    pub fn query_value(&self, key: &str) -> Option<String> {
        self.query().into_iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }
}

/// How the bytes of a reply leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As they should.
    Whole,
    /// The announced length is right, the connection ends after this many bytes of the body.
    Truncate(usize),
    /// Silence after this many bytes of the body.
    StallAfter(usize),
    /// Silence before the first byte.
    Stall,
    /// One byte of the body after each pause.
    Drip(Duration),
    /// A TCP reset before the first byte.
    Reset,
    /// A TCP reset after this many bytes of the body.
    ResetAfter(usize),
    /// The body, and then zeros without end, with `Transfer-Encoding: chunked`.
    Endless,
    /// The body with another `Content-Length`.
    Announce(u64),
}

/// A reply to be written.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers; `Content-Length` is added unless it is here.
    pub headers: Vec<(String, String)>,
    /// The body; for `HEAD` its length is announced and it is not sent.
    pub body: Vec<u8>,
    /// How it leaves.
    pub delivery: Delivery,
    /// How long to wait before that.
    pub delay: Duration,
}

impl Reply {
    /// A status with an empty body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delivery: Delivery::Whole,
            delay: Duration::ZERO,
        }
    }

    /// An error as registries write it.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": format!("the lab says {code}")}]});
        Self::new(status).with("Content-Type", "application/json").body(body.to_string())
    }

    /// With a header; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Delivered so.
    #[must_use]
    pub fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }
}

/// A private authority and a certificate for 127.0.0.1 and localhost.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) ca_pem: String,
    config: Arc<rustls::ServerConfig>,
}

impl Tls {
    pub(super) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Seaworthy lab authority");
        let ca_key = rcgen::KeyPair::generate().expect("a key");
        let ca = rcgen::CertifiedIssuer::self_signed(params, ca_key).expect("an authority");
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let leaf = rcgen::CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &ca))
            .expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .expect("a certificate that fits its key");
        Self { ca_pem: ca.pem(), config: Arc::new(config) }
    }
}

/// One socket with several owners and one descriptor: a reset is sent when the only descriptor is closed.
struct Shared(Arc<TcpStream>);

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Shared {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// Serves one connection until it ends. Errors end it too: the client sees that, and that is enough.
pub(super) fn serve(state: &State, stream: Arc<TcpStream>, tls: Option<&Tls>) {
    let _ = stream.set_nodelay(true);
    let socket = &Arc::clone(&stream);
    let stream = Shared(stream);
    let mut wire: BufReader<Box<dyn Wire>> = BufReader::new(match tls {
        None => Box::new(stream),
        Some(tls) => match rustls::ServerConnection::new(Arc::clone(&tls.config)) {
            Ok(connection) => Box::new(rustls::StreamOwned::new(connection, stream)),
            Err(_) => return,
        },
    });
    while !state.stop.load(Ordering::SeqCst) {
        let Ok(Some(request)) = read_request(&mut wire) else { break };
        state.requests.lock().unwrap().push(request.clone());
        let reply = state.reply(&request);
        std::thread::sleep(reply.delay);
        if !matches!(write_reply(&mut wire, socket, &request, &reply), Ok(After::KeepAlive)) {
            break;
        }
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

fn line(wire: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    wire.by_ref().take(64 << 10).read_until(b'\n', &mut line)?;
    let text = String::from_utf8(line).map_err(|_| broken("a header that is no UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_request(wire: &mut BufReader<Box<dyn Wire>>) -> io::Result<Option<Request>> {
    let first = line(wire)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0")) =
        (words.next(), words.next(), words.next())
    else {
        return Ok(None);
    };
    let mut request =
        Request { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() };
    loop {
        let header = line(wire)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or_else(|| broken("a header without a colon"))?;
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if request.header("expect").is_some() {
        wire.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding").is_some_and(|t| t.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = usize::from_str_radix(line(wire)?.trim(), 16).map_err(|_| broken("a chunk size"))?;
            let start = request.body.len();
            request.body.resize(start + size, 0);
            wire.read_exact(&mut request.body[start..])?;
            line(wire)?;
            if size == 0 {
                return Ok(Some(request));
            }
        }
    }
    if let Some(length) = request.header("content-length") {
        let length = length.parse().map_err(|_| broken("a content length"))?;
        request.body = vec![0; length];
        wire.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}

enum After {
    KeepAlive,
    Close,
}

fn reset(socket: &TcpStream) {
    let socket = socket2::SockRef::from(socket);
    let _ = socket.set_linger(Some(Duration::ZERO));
}

/// Waits until the client goes away or the lab ends.
fn stall(wire: &mut BufReader<Box<dyn Wire>>) {
    let mut byte = [0];
    while wire.read(&mut byte).is_ok_and(|n| n > 0) {}
}

fn write_reply(
    wire: &mut BufReader<Box<dyn Wire>>,
    socket: &TcpStream,
    request: &Request,
    reply: &Reply,
) -> io::Result<After> {
    match reply.delivery {
        Delivery::Stall => {
            stall(wire);
            return Ok(After::Close);
        }
        Delivery::Reset => {
            reset(socket);
            return Ok(After::Close);
        }
        _ => {}
    }
    let mut head = format!("HTTP/1.1 {} Lab\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = match reply.delivery {
        Delivery::Announce(length) => length,
        _ => reply.body.len() as u64,
    };
    if reply.delivery == Delivery::Endless {
        head.push_str("Transfer-Encoding: chunked\r\n");
    } else if reply.status != 204
        && !reply.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-length"))
    {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    head.push_str("\r\n");
    let out = wire.get_mut();
    out.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        out.flush()?;
        return Ok(After::KeepAlive);
    }
    let part = |n: usize| reply.body.get(..n).unwrap_or(&reply.body);
    match reply.delivery {
        Delivery::Whole => {
            out.write_all(&reply.body)?;
            out.flush()?;
            return Ok(After::KeepAlive);
        }
        Delivery::Announce(_) => out.write_all(&reply.body)?,
        Delivery::Truncate(n) => out.write_all(part(n))?,
        Delivery::ResetAfter(n) => {
            out.write_all(part(n))?;
            out.flush()?;
            // Time for the bytes to arrive: a reset throws away what was not read yet.
            std::thread::sleep(Duration::from_millis(50));
            reset(socket);
        }
        Delivery::StallAfter(n) => {
            out.write_all(part(n))?;
            out.flush()?;
            stall(wire);
            return Ok(After::Close);
        }
        Delivery::Drip(pause) => {
            for byte in &reply.body {
                out.write_all(&[*byte])?;
                out.flush()?;
                std::thread::sleep(pause);
            }
            return Ok(After::KeepAlive);
        }
        Delivery::Endless => {
            let mut chunk = reply.body.clone();
            loop {
                if !chunk.is_empty() {
                    out.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
                    out.write_all(&chunk)?;
                    out.write_all(b"\r\n")?;
                }
                // Ends when the client has had enough: the write fails.
                chunk = vec![0; 64 << 10];
            }
        }
        Delivery::Stall | Delivery::Reset => {}
    }
    out.flush()?;
    Ok(After::Close)
}
