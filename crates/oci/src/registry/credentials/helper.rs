//! Credential helpers: other people's programs, run with a deadline (Docker's protocol: a verb as the
//! argument, the registry on standard input, JSON on standard output).
//!
//! What they print may hold secrets, so none of it ever reaches a message of ours.

use super::super::secret::Secret;
use super::{Found, named};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use serde::Deserialize;
use std::io::{ErrorKind as IoKind, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Asks the helper `name` for the credentials of `server`; `None` where it says that it has none.
pub(super) fn get(dir: Option<&Path>, name: &str, server: &str, deadline: Duration) -> Result<Option<Found>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: Secret,
    }
    let output = run(dir, name, "get", server, deadline)?;
    if !output.success {
        // The one failure that means something, in the words that all helpers share.
        let none = String::from_utf8_lossy(&output.stdout).contains("credentials not found");
        return if none { Ok(None) } else { Err(failed(name, "it failed".into())) };
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed(name, "it did not answer with credentials as JSON".into()))?;
    if answer.username.is_empty() && answer.secret.is_empty() {
        return Ok(None);
    }
    Ok(Some(named(answer.username, answer.secret)))
}

/// What a helper said.
pub(super) struct Output {
    pub(super) success: bool,
    pub(super) stdout: Zeroizing<Vec<u8>>,
}

pub(super) fn failed(name: &str, why: String) -> Error {
    Error::new(
        "ask credential helper",
        format!("docker-credential-{}", name.escape_debug()),
        ErrorKind::Local(why),
    )
    .hint("run it by hand to see why, or take it out of the Docker configuration")
}

/// Runs the helper `name` with `verb` and `input`, for at most `deadline`.
pub(super) fn run(
    dir: Option<&Path>,
    name: &str,
    verb: &str,
    input: &str,
    deadline: Duration,
) -> Result<Output> {
    // The name comes from a file and becomes a program: no separators, nothing that leaves the directory.
    let clean = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(clean) {
        return Err(failed(name, "its name is not made of letters, digits, '.', '_' and '-'".into()));
    }
    let program = format!("docker-credential-{name}");
    let program = dir.map_or_else(|| program.clone().into(), |dir| dir.join(&program));
    let until = Instant::now() + deadline;
    let mut child = Command::new(program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed(name, e.to_string()))?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let input = Zeroizing::new(input.to_owned());
    let (sender, receiver) = mpsc::channel();
    // On a thread of its own: a helper that neither reads, writes nor ends must not hold us.
    std::thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            // A helper may answer without reading; then the pipe is closed, and that is no failure.
            let _ = stdin.write_all(input.as_bytes());
        }
        let mut bytes = Zeroizing::new(Vec::new());
        let read = match stdout {
            Some(stdout) => stdout.take(limits::TOKEN_BYTES + 1).read_to_end(&mut bytes),
            None => Ok(0),
        };
        let _ = sender.send(read.map(|_| bytes));
    });
    let outcome = loop {
        let left = until.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(Ok(bytes)) if bytes.len() as u64 > limits::TOKEN_BYTES => {
                let limit = ErrorKind::LimitExceeded { limit: "TOKEN_BYTES", value: limits::TOKEN_BYTES };
                break Err(Error { kind: limit, ..failed(name, String::new()) });
            }
            Ok(Ok(bytes)) => break Ok(bytes),
            Ok(Err(e)) if e.kind() == IoKind::Interrupted => {}
            Ok(Err(e)) => break Err(failed(name, e.to_string())),
            Err(_) => {
                break Err(Error {
                    kind: ErrorKind::Timeout { after: deadline },
                    ..failed(name, String::new())
                });
            }
        }
    };
    let stdout = match outcome {
        Ok(stdout) => stdout,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Output { success: status.success(), stdout }),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error {
                    kind: ErrorKind::Timeout { after: deadline },
                    ..failed(name, String::new())
                });
            }
            Err(e) => return Err(failed(name, e.to_string())),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    // One test for all helpers: a program file must not be open for writing in this process while another
    // thread forks (ETXTBSY).
    #[test]
    fn helpers_answer_fail_hang_and_babble() {
        let dir = tempfile::tempdir().unwrap();
        let long = Duration::from_secs(60);
        let helper = |name: &str, script: &str| {
            let path = dir.path().join(format!("docker-credential-{name}"));
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        let ask = |name: &str, deadline| get(Some(dir.path()), name, "r.example", deadline);

        helper("good", r#"read host; echo "{\"ServerURL\":\"x\",\"Username\":\"$1\",\"Secret\":\"$host\"}""#);
        let Some(Found::Basic(username, secret)) = ask("good", long).unwrap() else { panic!() };
        assert_eq!((username.as_str(), secret.expose()), ("get", "r.example"));

        helper("token", r#"echo '{"Username":"<token>","Secret":"t"}'"#);
        assert!(matches!(ask("token", long).unwrap(), Some(Found::IdentityToken(_))));

        helper("none", "echo credentials not found in native keychain; exit 1");
        assert!(ask("none", long).unwrap().is_none());

        helper("leaky", "echo hunter2; echo hunter2 >&2; exit 1");
        helper("chatty", r#"echo '{"Username":"hunter2"'"#);
        for name in ["leaky", "chatty"] {
            let error = ask(name, long).err().unwrap();
            assert!(matches!(error.kind, ErrorKind::Local(_)), "{error}");
            assert!(!format!("{error} {:?}", error.hint).contains("hunter2"), "{error}");
        }

        helper("hangs", "exec sleep 1000");
        helper("closes", "exec >&-; exec sleep 1000");
        for name in ["hangs", "closes"] {
            let error = ask(name, Duration::from_millis(200)).err().unwrap();
            assert_eq!(error.kind, ErrorKind::Timeout { after: Duration::from_millis(200) });
        }

        helper("endless", "exec cat /dev/zero");
        let error = ask("endless", long).err().unwrap();
        assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "TOKEN_BYTES", value: limits::TOKEN_BYTES });

        assert!(matches!(ask("missing", long).err().unwrap().kind, ErrorKind::Local(_)));
        for name in ["../good", "a/b", "", "good\0", "a b"] {
            assert!(ask(name, long).err().unwrap().to_string().contains("its name"), "{name}");
        }
    }
}
