//! The authority's folder: who may write it, and where its logs are.
//!
//! One process has it at a time, by a lock that ends with the process. A rotation that was begun and not finished is
//! finished by whoever has the folder next ([`crate::rotate()`]). A backup is refused: it is old by the time it is
//! served, and a log that goes on from something old is a fork.

use crate::config::Address;
use crate::error::{Error, Result};
use crate::limits::SHARDS;
use crate::log::store::View;
use crate::x509::from_pem;
use seaworthy_sign::PublicKey;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait for the process before this one to finish its last write.
const LOCK_TIME: Duration = Duration::from_secs(2);

/// The public key of a log, in the log's folder.
pub(crate) const LOG_KEY: &str = "key.pub";

/// What marks a folder as a backup.
pub(crate) const BACKUP: &str = "backup.json";

/// Takes the folder.
pub(crate) fn lock(dir: &Path) -> Result<Arc<File>> {
    if dir.join(BACKUP).exists() {
        return Err(Error::broken(format!("{} is a backup", dir.display()))
            .hint("`seaworthy authority restore` makes an authority of it that does not fork its logs"));
    }
    let path = dir.join("lock");
    let lock =
        File::create(&path).map_err(|e| Error::local(format!("cannot open {}: {e}", path.display())))?;
    let asked = Instant::now();
    while let Err(e) = lock.try_lock() {
        if asked.elapsed() > LOCK_TIME {
            return Err(Error::local(format!("another process serves {}: {e}", dir.display()))
                .hint("two writers would fork the logs; stop the other one first"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(Arc::new(lock))
}

/// One of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Log {
    Signatures,
    Certificates,
}

impl Log {
    pub(crate) const BOTH: [Self; 2] = [Self::Signatures, Self::Certificates];

    /// Its folder, and its key's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signatures => "log",
            Self::Certificates => "ct",
        }
    }

    /// Its name in checkpoints, which stays when its key changes: clients derive it from the URL's host.
    pub(crate) fn origin(self, address: &Address) -> String {
        match self {
            Self::Signatures => address.host.clone(),
            Self::Certificates => format!("{}/ct", address.host),
        }
    }

    /// Where it is read, once it was closed as number `number`.
    pub(crate) fn closed_url(self, address: &Address, number: u32) -> String {
        format!("{}/{}/{number}", address.url, self.name())
    }
}

/// A log that takes no more entries.
pub(crate) struct Closed {
    pub(crate) number: u32,
    pub(crate) dir: PathBuf,
    pub(crate) key: PublicKey,
}

/// The key that a log's folder names.
pub(crate) fn log_key(dir: &Path) -> Result<PublicKey> {
    let path = dir.join(LOG_KEY);
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Error::local(format!("cannot read {}: {e}", path.display())))?;
    from_pem("PUBLIC KEY", &text)
        .and_then(|der| PublicKey::from_spki_der(&der).ok())
        .ok_or_else(|| Error::broken(format!("{} holds no public key", path.display())))
}

/// The logs of one kind that were closed, in order.
pub(crate) fn closed(dir: &Path, log: Log) -> Result<Vec<Closed>> {
    let mut all = Vec::new();
    for number in 1.. {
        let dir = dir.join(format!("{}-{number}", log.name()));
        if !dir.exists() {
            break;
        }
        if all.len() >= SHARDS {
            return Err(Error::usage(format!("more than {SHARDS} closed logs in {}", dir.display())));
        }
        let key = log_key(&dir)?;
        all.push(Closed { number, dir, key });
    }
    Ok(all)
}

impl Closed {
    /// What everybody may read of it.
    pub(crate) fn view(&self, log: Log, address: &Address) -> Result<View> {
        View::open(&self.dir, &log.origin(address), &self.key)
    }
}

/// Makes the changes in `dir` outlast a loss of power.
pub(crate) fn sync(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| Error::local(format!("cannot sync {}: {e}", dir.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_sign::{Algorithm, PrivateKey};

    #[test]
    fn one_closed_log_beyond_the_limit_is_refused_and_a_gap_ends_the_list() {
        let home = tempfile::tempdir().unwrap();
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap().public_key().to_pem();
        let make = |number: usize| {
            let dir = home.path().join(format!("log-{number}"));
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(dir.join(LOG_KEY), &key).unwrap();
        };
        (1..=SHARDS).for_each(make);
        let found = closed(home.path(), Log::Signatures).unwrap();
        assert_eq!(found.len(), SHARDS);
        assert!(found.iter().zip(1..).all(|(log, number)| log.number == number));
        assert!(closed(home.path(), Log::Certificates).unwrap().is_empty());
        make(SHARDS + 2);
        assert_eq!(closed(home.path(), Log::Signatures).unwrap().len(), SHARDS);
        make(SHARDS + 1);
        let refused = closed(home.path(), Log::Signatures).err().unwrap();
        assert!(refused.message.contains("more than 32 closed logs"), "{refused}");
    }
}
