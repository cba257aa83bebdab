//! A private Sigstore in the test's own process, behind a door that counts, throttles, fails and resets.

use super::world::World;
use seaworthy_authority::{Authority, Init, Keys, init, token};
use seaworthy_sign::Secret;
use seaworthy_tests::door::{self, Frame, Heard, Trouble};
use std::sync::{Arc, Mutex};

/// What the door does with one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// This status, with a `Retry-After` of no time.
    Status(u16),
    /// This status, and no word about when to come back.
    Bare(u16),
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

impl State {
    fn fate(&mut self, path: &str) -> door::Fate {
        self.seen.push(path.to_owned());
        let fault = self.faults.iter_mut().find(|(p, _, left)| *p == path && *left > 0)?;
        fault.2 -= 1;
        Some(match fault.1 {
            Door::Status(status) => (Trouble::Status(status, Some(0)), Heard::No),
            Door::Bare(status) => (Trouble::Status(status, None), Heard::No),
            Door::Reset => (Trouble::Reset, Heard::No),
            Door::Lost => (Trouble::Reset, Heard::Yes),
        })
    }
}

pub struct Services {
    /// Where it is reached.
    pub url: String,
    password: Secret,
    state: Arc<Mutex<State>>,
    _door: door::Door,
}

impl Services {
    /// An authority with its files in `world`'s directory `authority`.
    pub fn start(world: &mut World) -> Self {
        Self::start_with(world, |yaml| yaml)
    }

    /// The same, with another `authority.yaml`.
    pub fn start_with(world: &mut World, yaml: impl FnOnce(String) -> String) -> Self {
        let frame = Frame::new();
        let url = format!("http://{}", frame.address());
        world.scrub(&url, "http://services");
        let password = Secret::from("");
        let dir = world.path("authority");
        init(&Init { dir: &dir, url: &url, organization: "test", keys: Keys::Files(&password) }).unwrap();
        let file = dir.join("authority.yaml");
        std::fs::write(&file, yaml(std::fs::read_to_string(&file).unwrap())).unwrap();
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
        let door = frame.open(behind, move |_, path| shared.lock().unwrap().fate(path));
        Self { url, password, state, _door: door }
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
