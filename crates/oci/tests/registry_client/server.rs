//! A server that answers what a test tells it to, byte for byte: one request a connection, on loopback.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What the server does with a request.
pub(crate) enum Reply {
    /// A status, headers and a body; Content-Length is added unless the headers frame the body.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// Closes the connection without a word.
    Drop,
    /// Says nothing until the client goes away.
    Stall,
    /// The head and then one byte after another, slowly, until the client goes away.
    Drip(Vec<(String, String)>),
}

pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Reply::Answer(status, headers, body.into())
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::over(None, handler)
    }

    /// The same over TLS.
    pub(crate) fn start_tls(
        config: Arc<ServerConfig>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::over(Some(config), handler)
    }

    fn over(
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let handler: Arc<Handler> = Arc::new(handler);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, handler, tls) = (log.clone(), handler.clone(), tls.clone());
                std::thread::spawn(move || {
                    let _ = match tls {
                        None => serve(stream, &log, &*handler),
                        Some(config) => {
                            let connection = ServerConnection::new(config).unwrap();
                            serve(StreamOwned::new(connection, stream), &log, &*handler)
                        }
                    };
                });
            }
        });
        Self { port, seen }
    }

    /// As a reference's host.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Method and target of all requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }
}

fn serve(stream: impl Read + Write, log: &Mutex<Vec<Request>>, handler: &Handler) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length").and_then(|l| l.parse::<u64>().ok()) {
        reader.by_ref().take(length).read_to_end(&mut body)?;
    }
    let request = Request { method, target, headers, body };
    log.lock().unwrap().push(request.clone());
    let head = |status: u16, headers: &[(String, String)]| {
        let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head
    };
    match handler(&request) {
        Reply::Answer(status, headers, body) => {
            let mut text = head(status, &headers);
            let frames = ["content-length", "transfer-encoding"];
            if !headers.iter().any(|(name, _)| frames.contains(&name.to_ascii_lowercase().as_str())) {
                text.push_str(&format!("Content-Length: {}\r\n", body.len()));
            }
            text.push_str("\r\n");
            reader.get_mut().write_all(text.as_bytes())?;
            if request.method != "HEAD" {
                reader.get_mut().write_all(&body)?;
            }
            reader.get_mut().flush()
        }
        Reply::Drop => Ok(()),
        Reply::Stall => reader.read_to_end(&mut Vec::new()).map(drop),
        Reply::Drip(headers) => {
            reader.get_mut().write_all(format!("{}\r\n", head(200, &headers)).as_bytes())?;
            loop {
                reader.get_mut().write_all(b"x")?;
                reader.get_mut().flush()?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
