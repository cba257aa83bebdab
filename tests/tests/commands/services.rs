//! A private Sigstore in the test's own process, behind a door that counts, throttles, fails and resets.

use super::world::World;
use seaworthy_authority::{Authority, Init, init, token};
use seaworthy_sign::Secret;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the door does with one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// This status, with a `Retry-After` of no time.
    Status(u16),
    /// The connection is closed without an answer.
    Reset,
    /// The request goes through, and its answer is lost.
    Lost,
}

pub const FULCIO: &str = "/api/v2/signingCert";
pub const REKOR: &str = "/api/v2/log/entries";
pub const TSA: &str = "/api/v1/timestamp";

#[derive(Default)]
struct State {
    seen: Vec<String>,
    /// A path, what happens to requests for it, how often.
    faults: Vec<(&'static str, Door, usize)>,
}

pub struct Services {
    password: Secret,
    state: Arc<Mutex<State>>,
}

impl Services {
    /// An authority with its files in `world`'s directory `authority`.
    pub fn start(world: &mut World) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", door.local_addr().unwrap());
        world.scrub(&url, "http://services");
        let password = Secret::from("");
        let dir = world.path("authority");
        init(&Init { dir: &dir, url: &url, organization: "test", password: &password }).unwrap();
        let authority = Authority::open(&dir, &password).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let _ = authority.serve(listener, None, std::future::pending()).await;
            });
        });
        let behind = told.recv().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in door.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || pass(stream, behind, &state));
            }
        });
        Self { password, state }
    }

    /// A token for `subject`.
    pub fn token(&self, world: &World, subject: &str) -> String {
        token(&world.path("authority"), &self.password, subject, None, 600).unwrap()
    }

    /// Lets the next `times` requests for `path` fail.
    pub fn fault(&self, path: &'static str, door: Door, times: usize) {
        self.state.lock().unwrap().faults.push((path, door, times));
    }

    /// No more faults.
    pub fn heal(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// How many requests for `path` arrived.
    pub fn count(&self, path: &str) -> usize {
        self.state.lock().unwrap().seen.iter().filter(|p| p.as_str() == path).count()
    }

    pub fn forget(&self) {
        self.state.lock().unwrap().seen.clear();
    }
}

/// Reads one request, and decides.
fn pass(mut client: TcpStream, behind: std::net::SocketAddr, state: &Mutex<State>) {
    let mut request = Vec::new();
    let mut byte = [0u8; 4096];
    let (head, length) = loop {
        let Ok(n) = client.read(&mut byte) else { return };
        if n == 0 {
            return;
        }
        request.extend_from_slice(&byte[..n]);
        if let Some(at) = request.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..at]).into_owned();
            let length = head
                .lines()
                .find_map(|l| {
                    l.to_ascii_lowercase().strip_prefix("content-length:").map(|v| v.trim().to_owned())
                })
                .map_or(0, |v| v.parse::<usize>().unwrap());
            break (head, at + 4 + length);
        }
    };
    while request.len() < length {
        let Ok(n) = client.read(&mut byte) else { return };
        request.extend_from_slice(&byte[..n]);
    }
    let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let door = {
        let mut state = state.lock().unwrap();
        state.seen.push(path.clone());
        state.faults.iter_mut().find(|(p, _, left)| *p == path && *left > 0).map(|fault| {
            fault.2 -= 1;
            fault.1
        })
    };
    match door {
        Some(Door::Status(status)) => {
            let _ = write!(
                client,
                "HTTP/1.1 {status} No\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        Some(Door::Reset) => {}
        door => {
            let text = String::from_utf8_lossy(&request[..head.len()]).replacen(
                "\r\n",
                "\r\nConnection: close\r\n",
                1,
            );
            let mut server = TcpStream::connect(behind).unwrap();
            server.write_all(text.as_bytes()).unwrap();
            server.write_all(&request[head.len()..]).unwrap();
            let mut answer = Vec::new();
            let _ = server.read_to_end(&mut answer);
            if door != Some(Door::Lost) {
                let _ = client.write_all(&answer);
            }
        }
    }
}
