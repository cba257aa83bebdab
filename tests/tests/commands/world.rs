//! A place to run commands in: a directory of its own, and nothing of the machine's configuration.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory with `testdata` in it, and the environment of a machine that nobody configured.
pub struct World {
    dir: tempfile::TempDir,
    env: Vec<(String, String)>,
    scrub: Vec<(String, String)>,
}

/// A command that runs beside the test. It ends with the guard.
pub struct Started(std::process::Child);

impl Started {
    /// Waits for a line on standard error that holds `text`, and gives it.
    pub fn wait_for(&mut self, text: &str) -> String {
        use std::io::BufRead as _;
        let stderr = std::io::BufReader::new(self.0.stderr.take().unwrap());
        let mut said = String::new();
        for line in stderr.lines() {
            let line = line.unwrap();
            if line.contains(text) {
                return line;
            }
            said.push_str(&line);
        }
        panic!("it ended without '{text}': {said}");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command did.
pub struct Ran {
    pub command: String,
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Ran {
    /// Both streams and the exit code, as a snapshot.
    pub fn transcript(&self) -> String {
        let mut out = format!("$ seaworthy {}\n", self.command);
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                let _ = write!(out, "--- {name}\n{}\n", text.trim_end());
            }
        }
        let _ = writeln!(out, "--- exit {}", self.code);
        out
    }

    /// The JSON document on standard output.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}\n{}", self.transcript()))
    }

    /// Fails the test where the exit code is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.transcript());
        self
    }

    /// Fails the test where neither stream says `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "no '{text}' in\n{}",
            self.transcript()
        );
        self
    }

    /// Fails the test where a stream says `text`.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "'{text}' in\n{}",
            self.transcript()
        );
        self
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root().join("testdata"), dir.path().join("testdata")).unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let env = [
            ("HOME", home.display().to_string()),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("SOURCE_DATE_EPOCH", "1700000000".to_owned()),
        ];
        let env = env.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let scrub = vec![(dir.path().display().to_string(), "[dir]".to_owned())];
        Self { dir, env, scrub }
    }

    /// Sets a variable for every command from here on.
    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Shows `shown` wherever a stream says `text`: ports and other things that differ from run to run.
    pub fn scrub(&mut self, text: &str, shown: &str) -> &mut Self {
        self.scrub.push((text.to_owned(), shown.to_owned()));
        self
    }

    /// Puts the plugin `sigstore-kms-drawer` on the path, with its keys in the directory `drawer`. The program
    /// is a script that starts this test binary (see `kms.rs`), so that nothing else has to be built.
    pub fn drawer(&mut self) -> &mut Self {
        let bin = self.path("bin");
        std::fs::create_dir(&bin).unwrap();
        let test = std::env::current_exe().unwrap();
        let script = format!(
            "#!/bin/sh\nDRAWER_VERSION=\"$1\" DRAWER_CALL=\"$2\" exec '{}' --exact kms::the_drawer_itself --ignored \
             --nocapture --quiet 3>&1 >/dev/null\n",
            test.display()
        );
        let program = bin.join("sigstore-kms-drawer");
        std::fs::write(&program, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let path = format!("{}:{}", bin.display(), self.get("PATH"));
        let drawer = self.path("drawer").display().to_string();
        self.env("PATH", &path).env("DRAWER", &drawer)
    }

    fn get(&self, name: &str) -> String {
        let found = self.env.iter().rev().find(|(k, _)| k == name);
        found.map(|(_, v)| v.clone()).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `seaworthy` with these arguments, split at white space (`'…'` keeps some together).
    pub fn run(&self, arguments: &str) -> Ran {
        self.finish(self.command(arguments), arguments)
    }

    /// The same, not started yet.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seaworthy"));
        command.args(split(arguments));
        command.env_clear().envs(self.env.iter().map(|(k, v)| (k, v))).current_dir(self.dir.path());
        command
    }

    /// Starts `seaworthy` with these arguments, to run beside the test until the guard goes.
    pub fn start(&self, arguments: &str) -> Started {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seaworthy"));
        command.args(split(arguments)).env_clear().envs(self.env.iter().map(|(k, v)| (k, v)));
        command.current_dir(self.dir.path()).stdin(std::process::Stdio::null());
        command.stderr(std::process::Stdio::piped());
        Started(command.spawn().unwrap())
    }

    /// Runs a shell script with `seaworthy` on its path.
    pub fn shell(&self, script: &str) -> Ran {
        let bin = Path::new(env!("CARGO_BIN_EXE_seaworthy")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), self.get("PATH"));
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.dir.path());
        command.env_clear().envs(self.env.iter().map(|(k, v)| (k, v))).env("PATH", path);
        self.finish(command, script)
    }

    fn finish(&self, mut command: Command, shown: &str) -> Ran {
        command.stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        let clean = |bytes: &[u8]| {
            let mut text = String::from_utf8_lossy(bytes).into_owned();
            for (from, to) in &self.scrub {
                text = text.replace(from, to);
            }
            text
        };
        Ran {
            command: clean(shown.as_bytes()),
            stdout: clean(&output.stdout),
            stderr: clean(&output.stderr),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Copies an image of testdata/images to the layout `name`.
    pub fn image(&self, image: &str, name: &str) {
        copy_dir(&root().join("testdata/images").join(image), &self.path(name));
    }

    /// A layout `name` with the image released by the demo key.
    pub fn released(&self, image: &str, name: &str) {
        self.run(&format!(
            "release oci:testdata/images/{image} --to oci:{name} --key testdata/keys/demo.key -q"
        ))
        .expect(0);
    }
}

/// Copies a directory tree.
pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
