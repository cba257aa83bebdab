//! Servers that a test makes up, on loopback, one thread for each connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request that arrived whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The head as text, with its first line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// Reads one; `None` where the other side goes away before it is whole.
    pub fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut piece = [0u8; 4096];
        let (head, whole) = loop {
            let n = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
            bytes.extend_from_slice(&piece[..n]);
            if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
                let length = header(&head, "content-length").map_or(0, |v| v.parse::<usize>().unwrap());
                break (head, at + 4 + length);
            }
        };
        while bytes.len() < whole {
            let n = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
            bytes.extend_from_slice(&piece[..n]);
        }
        let mut words = head.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let body = bytes.split_off(head.len() + 4);
        Some(Self { method, target, head, body })
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }

    /// A value of the query, or of a form in the body.
    pub fn field(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
        let body = String::from_utf8_lossy(&self.body).into_owned();
        [query, body].iter().find_map(|text| {
            let url = url::Url::parse(&format!("http://x/?{text}")).ok()?;
            url.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned())
        })
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// What is answered: a status, headers, a body. `None` closes the connection without a word.
pub type Answer = Option<(u16, Vec<(&'static str, String)>, Vec<u8>)>;

pub fn json(status: u16, value: &serde_json::Value) -> Answer {
    Some((status, vec![("Content-Type", "application/json".into())], value.to_string().into_bytes()))
}

pub fn write(stream: &mut TcpStream, answer: Answer) {
    let Some((status, headers, body)) = answer else { return };
    let headers: String = headers.iter().map(|(k, v)| format!("{k}: {v}\r\n")).collect();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    // Whether the client still reads is its own business.
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

/// The answer of the server at `url` to `request`: what a proxy would bring back.
pub fn forward(url: &str, request: &Request) -> Answer {
    let mut server = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let head = request.head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(&[head.as_bytes(), b"\r\n\r\n", &request.body].concat()).unwrap();
    let mut bytes = Vec::new();
    let _ = server.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let status = String::from_utf8_lossy(&bytes).split_whitespace().nth(1)?.parse().ok()?;
    Some((status, Vec::new(), bytes.split_off(end)))
}

/// A server, and what it was asked.
pub struct Fake {
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (shared, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let Some(request) = Request::read(&mut stream) else { return };
                    seen.lock().unwrap().push(request.clone());
                    write(&mut stream, answer(&request));
                });
            }
        });
        Self { url, seen }
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests for `path` arrived.
    pub fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|r| r.path() == path).count()
    }
}
