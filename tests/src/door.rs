//! A door in front of an HTTP server: it counts, throttles, fails, stalls, resets and loses answers.
//!
//! One request a connection, which it says to both sides. What becomes of a request is decided by a closure that is
//! given its method and path, so that a plan may be as simple or as random as a test wants it.

use socket2::SockRef;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What takes the place of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// This status, and `Retry-After` in seconds where there is one.
    Status(u16, Option<u8>),
    /// The connection is reset.
    Reset,
    /// Silence for so long, and then a reset.
    Stall(Duration),
}

/// Whether the server behind the door heard the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It did, and acted on it; its answer is lost.
    Yes,
    /// It did not.
    No,
}

/// What becomes of one request: nothing special, or trouble.
pub type Fate = Option<(Trouble, Heard)>;

type Decide = Box<dyn FnMut(&str, &str) -> Fate + Send>;

/// An open door. Nobody comes in any more once it is dropped.
pub struct Door {
    address: SocketAddr,
    shut: Arc<AtomicBool>,
}

/// A port that is known before it is known what will be behind it.
pub struct Frame(TcpListener);

impl Frame {
    /// Takes a port of 127.0.0.1.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it takes a port, which nobody expects of a default")]
    pub fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Where clients will come in.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Opens the door to `behind`; `decide` is asked for every request with its method and path.
    #[must_use]
    pub fn open(self, behind: SocketAddr, decide: impl FnMut(&str, &str) -> Fate + Send + 'static) -> Door {
        let address = self.address();
        let shut = Arc::new(AtomicBool::new(false));
        let closing = Arc::clone(&shut);
        let decide: Arc<Mutex<Decide>> = Arc::new(Mutex::new(Box::new(decide)));
        std::thread::spawn(move || {
            for stream in self.0.incoming().flatten() {
                if closing.load(Ordering::SeqCst) {
                    return;
                }
                let decide = Arc::clone(&decide);
                // A connection that breaks is what this is for.
                std::thread::spawn(move || pass(stream, behind, &decide));
            }
        });
        Door { address, shut }
    }
}

impl Door {
    /// Where clients come in.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

/// A message of HTTP/1.1 as it came: its head with the empty line, and its body.
struct Message {
    head: String,
    body: Vec<u8>,
}

/// Reads until the body is whole. `None` where the other side went away before.
fn read(stream: &mut TcpStream, has_body: impl Fn(&str) -> bool) -> Option<Message> {
    let mut bytes = Vec::new();
    let mut piece = [0u8; 16 << 10];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let length: usize = if has_body(&head) { length.unwrap_or(0) } else { 0 };
    while body.len() < length {
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => body.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    }
    Some(Message { head, body })
}

/// The message with `Connection: close`.
fn write(stream: &mut TcpStream, message: &Message) -> std::io::Result<()> {
    let head = message.head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    stream.write_all(&[head.as_bytes(), &message.body].concat())
}

fn pass(mut client: TcpStream, behind: SocketAddr, decide: &Mutex<Decide>) {
    let _ = client.set_nodelay(true);
    let Some(request) = read(&mut client, |_| true) else { return };
    let mut words = request.head.split_ascii_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let fate = (decide.lock().unwrap())(method, path);
    let answer = match fate {
        Some((_, Heard::No)) => None,
        _ => {
            let Ok(mut server) = TcpStream::connect(behind) else { return };
            let _ = server.set_nodelay(true);
            if write(&mut server, &request).is_err() {
                return;
            }
            read(&mut server, |_| method != "HEAD")
        }
    };
    match (fate, answer) {
        (None, Some(answer)) => {
            let _ = write(&mut client, &answer);
        }
        // The server went away in the middle: so does the door.
        (None, None) | (Some((Trouble::Reset, _)), _) => reset(&client),
        (Some((Trouble::Stall(time), _)), _) => {
            std::thread::sleep(time);
            reset(&client);
        }
        (Some((Trouble::Status(status, after), _)), _) => {
            let after = after.map_or_else(String::new, |after| format!("Retry-After: {after}\r\n"));
            let head = format!("HTTP/1.1 {status} Trouble\r\n{after}Content-Length: 0\r\n\r\n");
            let _ = write(&mut client, &Message { head, body: Vec::new() });
        }
    }
}

fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
