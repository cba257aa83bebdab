//! One run of a plugin, bounded in time and output.
//!
//! No shell is between us and the program. It gets the environment that we have, because that is where the
//! protocol lets it find its credentials, without the secrets that are ours alone; it gets no terminal to
//! ask anybody (a process group of its own, its standard streams are pipes). Whatever happens, it is gone
//! with its children when a call ends: on time, late, or because the caller went away.

use super::{PLUGIN_OUTPUT_BYTES, STDERR_BYTES};
use crate::error::{Error, ErrorKind, Result};
use futures_util::future::try_join;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// Variables that hold secrets of ours and mean nothing to a plugin.
const OURS: [&str; 5] = [
    "SEAWORTHY_PASSWORD",
    "SEAWORTHY_REGISTRY_TOKEN",
    "SEAWORTHY_REGISTRY_PASSWORD",
    "SEAWORTHY_PKCS11_PIN",
    "COSIGN_PASSWORD",
];

/// How long the last words of a plugin that has ended are waited for: they are in the pipe already, unless
/// a child of its own holds the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a plugin said.
pub(super) struct Said {
    /// How it ended, in words.
    pub(super) ended: String,
    pub(super) stdout: Vec<u8>,
    /// The end of what it complained about, one line, nothing that could play with a terminal.
    pub(super) stderr: String,
}

/// A child and its children, which go when this goes.
struct Group {
    child: Child,
    #[cfg(unix)]
    id: Option<rustix::process::Pid>,
}

impl Group {
    async fn ended(&mut self) -> std::io::Result<std::process::ExitStatus> {
        let status = self.child.wait().await?;
        // From here on the number may be another process's.
        #[cfg(unix)]
        if let Some(id) = self.id.take() {
            // The group outlives its leader where it started others: they are of no use to anybody.
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(id) = self.id.take() {
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

/// Runs `program` with these two arguments and `message` on its standard input.
pub(super) async fn run(
    program: &Path,
    arguments: [&str; 2],
    message: &[u8],
    within: Duration,
) -> Result<Said> {
    let name = program.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let failed = |why: String| Error::new("run", &name, ErrorKind::Signer(why));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    for secret in OURS {
        command.env_remove(secret);
    }
    let mut child = command.spawn().map_err(|e| failed(format!("it does not start: {e}")))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(failed("it has no standard streams".into()));
    };
    #[cfg(unix)]
    let id = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    let mut group = Group {
        child,
        #[cfg(unix)]
        id,
    };

    let mut complaints = Vec::new();
    let answered = {
        let listening = tail(stderr, &mut complaints);
        tokio::pin!(listening);
        let work = async {
            // A plugin that does not read all of it has its reasons; what it answers decides.
            let write = async {
                let _ = stdin.write_all(message).await;
                let _ = stdin.shutdown().await;
                drop(stdin);
                Ok(())
            };
            let (stdout, ()) = try_join(whole(stdout), write).await?;
            let status = group.ended().await.map_err(|e| Stopped::Broke(e.to_string()))?;
            Ok((stdout, status))
        };
        tokio::pin!(work);
        let mut heard = false;
        let limited = tokio::time::timeout(within, async {
            tokio::select! {
                done = &mut work => return done,
                () = &mut listening => heard = true,
            }
            work.await
        })
        .await;
        if limited.is_ok() && !heard {
            let _ = tokio::time::timeout(LAST_WORDS, &mut listening).await;
        }
        limited.unwrap_or(Err(Stopped::Late))
    };
    let stderr = said(&complaints, STDERR_BYTES);
    match answered {
        Ok((stdout, status)) => Ok(Said { ended: status.to_string(), stdout, stderr }),
        Err(Stopped::Late) => {
            Err(Error::new("run", &name, ErrorKind::PluginSilent { seconds: within.as_secs(), stderr })
                .hint("SEAWORTHY_KMS_TIMEOUT gives it another number of seconds"))
        }
        Err(Stopped::Large) => Err(failed(format!(
            "it answers with more than PLUGIN_OUTPUT_BYTES = {PLUGIN_OUTPUT_BYTES} bytes{}",
            also(&stderr)
        ))),
        Err(Stopped::Broke(why)) => Err(failed(format!("its answer broke off: {why}{}", also(&stderr)))),
    }
}

/// Why there is no answer.
enum Stopped {
    Late,
    Large,
    Broke(String),
}

/// Standard output to its end, or one byte beyond the limit.
async fn whole(stream: impl AsyncRead + Unpin) -> Result<Vec<u8>, Stopped> {
    let mut bytes = Vec::new();
    let mut stream = stream.take(PLUGIN_OUTPUT_BYTES as u64 + 1);
    stream.read_to_end(&mut bytes).await.map_err(|e| Stopped::Broke(e.to_string()))?;
    if bytes.len() > PLUGIN_OUTPUT_BYTES { Err(Stopped::Large) } else { Ok(bytes) }
}

/// Reads to the end and keeps the last bytes: that is where the reason stands.
async fn tail(mut stream: impl AsyncRead + Unpin, kept: &mut Vec<u8>) {
    let mut piece = [0u8; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        kept.extend_from_slice(piece.get(..read).unwrap_or_default());
        let over = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..over);
    }
}

/// An outsider's words on one line, without anything that a terminal would obey.
pub(super) fn said(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|w| !w.is_empty());
    let mut line = words.collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().find(|(at, c)| at + c.len_utf8() > limit) {
        line.truncate(at);
    }
    line
}

/// `; it says: …`, where it says anything.
pub(super) fn also(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; it says: {stderr}") }
}
