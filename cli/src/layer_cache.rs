//! Where the results of reading layers are kept between runs, and what of them one run remembers.
//!
//! Decides the place: the flag, the variable, else the user's cache directory. A place that cannot be used is said and
//! done without: nothing about an inventory depends on it. docs/concepts/layer-cache.md says whom it trusts.

use crate::context::Target;
use crate::printer::{Printer, plain};
use clap::Args;
use seaworthy_catalog::{Cache, Memory};
use std::path::PathBuf;

/// Results of earlier runs.
#[derive(Debug, Args)]
pub(crate) struct LayerCache {
    /// Read every layer, and keep nothing of it for the next run
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Where results of reading layers are kept [default: seaworthy in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR", env = "SEAWORTHY_CACHE_DIR", hide_env_values = true)]
    pub(crate) cache_dir: Option<PathBuf>,
}

impl LayerCache {
    fn place(&self) -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        // The XDG base directory specification wants relative paths ignored.
        let base = || set("XDG_CACHE_HOME").filter(|p| p.is_absolute());
        let dir = self
            .cache_dir
            .clone()
            .filter(|dir| !dir.as_os_str().is_empty())
            .or_else(|| Some(base()?.join("seaworthy")))
            .or_else(|| Some(set("HOME")?.join(".cache/seaworthy")))?;
        Some(dir.join("layers"))
    }

    /// What a run over `targets` may remember.
    pub(crate) fn memory(&self, targets: &[Target], printer: &Printer) -> Memory {
        let cache =
            (!self.no_cache).then(|| self.place()).flatten().and_then(|dir| match Cache::open(&dir) {
                Ok(cache) => Some(cache),
                Err(why) => {
                    printer.say(format!("layers are not cached: {}", plain(&why)));
                    None
                }
            });
        Memory::of_run(targets.iter().map(|target| &target.image), cache)
    }
}

/// Says what became of the cache in this run.
pub(crate) fn told(memory: &Memory, printer: &Printer) {
    if let Some(why) = memory.cache().and_then(Cache::trouble) {
        printer.say(format!("a layer could not be cached: {}", plain(&why)));
    }
}
