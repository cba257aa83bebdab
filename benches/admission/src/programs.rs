//! The programs that are measured, and those that they are measured against.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where they are. The scripts beside this package set the variables.
pub struct Programs {
    /// `SEAWORTHY`: signs the images.
    pub seaworthy: PathBuf,
    /// `SEAWORTHY_VERIFIER`: the webhook.
    pub verifier: PathBuf,
    /// `REGISTRY`: Debian's docker-registry.
    pub registry: PathBuf,
    /// `COSIGN`.
    pub cosign: PathBuf,
    /// The work tree.
    pub root: PathBuf,
}

impl Programs {
    pub fn from_environment() -> Result<Self, String> {
        let path = |name: &str| {
            let value = std::env::var_os(name)
                .ok_or_else(|| format!("{name} is not set; use benches/admission/run"))?;
            std::fs::canonicalize(&value).map_err(|e| format!("{name}: {}: {e}", Path::new(&value).display()))
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Ok(Self {
            seaworthy: path("SEAWORTHY")?,
            verifier: path("SEAWORTHY_VERIFIER")?,
            registry: path("REGISTRY")?,
            cosign: path("COSIGN")?,
            root: std::fs::canonicalize(root).map_err(|e| e.to_string())?,
        })
    }

    /// A command that sees nothing of the user's own, and no proxy before loopback.
    pub fn quiet(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", std::env::temp_dir());
        command.env("NO_PROXY", "127.0.0.1").env("COSIGN_PASSWORD", "").env("CI", "true");
        command.stdin(std::process::Stdio::null());
        command
    }
}
