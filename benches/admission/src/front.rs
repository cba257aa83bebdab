//! A registry whose answers cost next to nothing: what the real one said once is said again.
//!
//! On a machine of two processors Debian's registry takes more of them than the webhook does, and a measurement of
//! both is one of the registry. Paths, headers, bodies and 404s are the real one's; what is missed is asked there.

use crate::http;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

type Answers = RwLock<HashMap<String, Arc<Vec<u8>>>>;

/// It serves until the program ends.
pub struct Front {
    pub address: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Front {
    /// In front of the registry `behind`, which is only read.
    pub fn start(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (answers, asked) = (Arc::new(Answers::default()), Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&counter));
                std::thread::spawn(move || serve(stream, behind, &answers, &asked));
            }
        });
        Self { address, asked }
    }

    /// How many requests there were.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Answers requests without bodies, for as long as the other side wants; a broken connection is the end of it.
fn serve(mut stream: TcpStream, behind: SocketAddr, answers: &Answers, asked: &AtomicU64) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut have, mut piece) = (Vec::new(), [0; 8 << 10]);
    loop {
        let end = loop {
            if let Some(end) = have.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut piece).ok()? {
                0 => return None,
                n => have.extend_from_slice(&piece[..n]),
            }
        };
        let head = String::from_utf8(have.drain(..end).collect()).ok()?;
        asked.fetch_add(1, Ordering::Relaxed);
        let line = head.lines().next()?.to_owned();
        let known = answers.read().expect("the answers").get(&line).cloned();
        let answer = match known {
            Some(answer) => answer,
            None => {
                let answer = Arc::new(first(behind, &head)?);
                answers.write().expect("the answers").insert(line, Arc::clone(&answer));
                answer
            }
        };
        stream.write_all(&answer).ok()?;
    }
}

/// What the registry says, as bytes to be said again.
fn first(behind: SocketAddr, head: &str) -> Option<Vec<u8>> {
    let mut words = head.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let accept: Vec<&str> = head.lines().filter(|l| l.to_ascii_lowercase().starts_with("accept:")).collect();
    let reply = http::ask(behind, method, path, &accept, b"")?;
    let kept: String =
        reply.head.lines().filter(|l| !l.starts_with("Connection:")).map(|l| format!("{l}\r\n")).collect();
    Some([kept.as_bytes(), b"\r\n", &reply.body].concat())
}
