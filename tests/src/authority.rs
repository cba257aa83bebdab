//! An authority in a process of its own, which can be killed and comes back on the same port.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A process that ends with this value.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program with nothing of the machine's own configuration, in `dir`.
pub(crate) fn command(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", dir).env("COSIGN_PASSWORD", "").stdin(Stdio::null()).current_dir(dir);
    command
}

/// An authority that is served from the folder `authority` in a directory.
pub struct Served {
    program: PathBuf,
    dir: PathBuf,
    process: Option<Process>,
    address: SocketAddr,
}

impl Served {
    /// Makes an authority with the name `url` in `dir` and serves it.
    #[must_use]
    pub fn start(program: &Path, dir: &Path, url: &str) -> Self {
        let served = Self {
            program: program.to_owned(),
            dir: dir.to_owned(),
            process: None,
            address: ([127, 0, 0, 1], 0).into(),
        };
        served.run(&["authority", "init", "--dir", "authority", "--url", url]);
        let mut served = served;
        served.serve();
        served
    }

    fn serve(&mut self) {
        let mut child = command(&self.program, &self.dir)
            .args(["authority", "serve", "--dir", "authority", "--listen", &self.address.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        self.process = Some(Process(child));
        self.address = lines
            .find_map(|line| line.split_once(" answers on ")?.1.trim().parse().ok())
            .expect("the authority says where it answers");
        std::thread::spawn(move || lines.for_each(drop));
    }

    /// Kills it (SIGKILL) and starts it again.
    pub fn kill(&mut self) {
        drop(self.process.take());
        self.serve();
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs the program in the same directory; it must succeed.
    #[must_use]
    pub fn output(&self, words: &[&str]) -> Vec<u8> {
        let output = command(&self.program, &self.dir).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn run(&self, words: &[&str]) {
        drop(self.output(words));
    }

    /// A token for `who` that lasts for two hours.
    #[must_use]
    pub fn token(&self, who: &str) -> Vec<u8> {
        self.output(&["authority", "token", "--dir", "authority", "--subject", who, "--seconds", "7200"])
    }
}

/// One request on a connection of its own: status and body. `None` where the other side went away.
#[must_use]
pub fn ask(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok())?;
    let body = answer.split_off(end);
    // A process that was killed may have sent a part.
    (body.len() == length).then_some((status, body))
}

/// All entries of the log at `address`, from its tiles (C2SP tlog-tiles).
///
/// # Panics
/// Where it does not answer as tlog-tiles says.
#[must_use]
pub fn entries(address: SocketAddr) -> Vec<Vec<u8>> {
    let get = |path: &str| match ask(address, "GET", path, b"") {
        Some((200, body)) => body,
        other => panic!("{path}: {other:?}"),
    };
    let checkpoint = String::from_utf8(get("/api/v2/checkpoint")).unwrap();
    let size: usize = checkpoint.lines().nth(1).unwrap().parse().unwrap();
    let mut entries = Vec::new();
    for tile in 0..size.div_ceil(256) {
        assert!(tile < 1_000, "a name of three digits");
        let width = (size - tile * 256).min(256);
        let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
        let bundle = get(&format!("/api/v2/tile/entries/{tile:03}{partial}"));
        let mut rest = bundle.as_slice();
        while let [a, b, after @ ..] = rest {
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes([*a, *b])));
            entries.push(entry.to_vec());
            rest = after;
        }
    }
    assert_eq!(entries.len(), size);
    entries
}
