//! `trust update`: the one command that fetches trust, when it is told to.
//!
//! The certificates, logs, timestamp authorities and services of the file become those of the repository; keys
//! stay as they are. A file whose authorities came from elsewhere is refused, because nobody could tell then
//! whose entries may be replaced.

use super::{Changes, edit};
use crate::context::{self, Access};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{DIM, Printer, paint};
use crate::trust::{self, EMBEDDED, import, tuf, write};
use crate::trust_args::TrustUpdate;
use seaworthy_oci::{OpenOptions, limits, registry::PlainHttp};
use seaworthy_sign::keyless::{Http, HttpOptions};
use seaworthy_verifier::trust_file::TrustFile;
use serde::Serialize;
use std::path::{Path, PathBuf};
use url::Url;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated<'a> {
    file: &'a Path,
    source: String,
    tuf: tuf::Versions,
    changes: Changes,
    written: bool,
}

/// Where to fetch, and by which root it is trusted.
struct Source {
    name: String,
    place: tuf::Place,
    root: Vec<u8>,
}

fn http(options: &OpenOptions) -> Outcome<Http> {
    let plain_http = match &options.registry.plain_http {
        PlainHttp::Everywhere => vec!["*".to_owned()],
        PlainHttp::Hosts(hosts) => hosts.clone(),
        _ => Vec::new(),
    };
    let request = options.registry.timeouts.request;
    let patience = (request != limits::REQUEST).then_some(request);
    Ok(Http::new(&HttpOptions { ca_files: options.registry.ca_files.clone(), plain_http, patience })?)
}

fn source(args: &TrustUpdate, file: &TrustFile, options: &OpenOptions) -> Outcome<Source> {
    // A mirror beside the source that the file has is another place of the same; but what is trusted by a root
    // of the caller's is not one of the public ones.
    let public = |name: &str| EMBEDDED.iter().any(|(n, _)| *n == name);
    let kept = file.source.clone().filter(|s| args.tuf_root.is_none() || !public(s));
    let named = args.instance.name().map(str::to_owned);
    let name = named.or(kept).or_else(|| args.tuf_mirror.clone()).ok_or_else(|| {
        Failure::usage("it is not said where from")
            .hint("give --public-good, --staging, --github, or --tuf-mirror with --tuf-root")
    })?;
    let embedded = EMBEDDED.into_iter().find(|(n, _)| *n == name).map(|(_, instance)| instance);
    let root = match (&args.tuf_root, embedded) {
        (Some(path), _) => {
            let bytes = context::read_input(path, "TUF root")?;
            if bytes.len() as u64 > tuf::ROOT_BYTES {
                let message =
                    format!("{} has more than {} bytes (ROOT_BYTES)", path.display(), tuf::ROOT_BYTES);
                return Err(Failure::broken(message));
            }
            bytes
        }
        (None, Some(instance)) => instance.tuf_root().to_vec(),
        (None, None) => {
            return Err(Failure::usage(format!("it is not said by which root {name} is trusted"))
                .hint("give --tuf-root with a root.json of the repository, from somebody you trust"));
        }
    };
    let place = match (&args.tuf_mirror, embedded) {
        (Some(mirror), _) => mirror.clone(),
        (None, Some(instance)) => instance.tuf_url().to_owned(),
        (None, None) => name.clone(),
    };
    let Some(url) = place.contains("://").then_some(place.as_str()) else {
        let dir = PathBuf::from(&place);
        if !dir.is_dir() {
            return Err(Failure::usage(format!("{place} is neither a URL nor a directory"))
                .hint("a mirror is https://…, or a directory with a copy of one"));
        }
        return Ok(Source { name, place: tuf::Place::Directory(dir), root });
    };
    if options.offline {
        return Err(Failure::usage(format!("--offline: {url} is not asked"))
            .hint("give --tuf-mirror DIR with a copy of the mirror, and --tuf-root"));
    }
    let url: Url = url.parse().map_err(|e| Failure::usage(format!("{url} is no URL: {e}")))?;
    let http = http(options)?;
    http.check(&url)?;
    Ok(Source { name, place: tuf::Place::Url(url, http), root })
}

pub(crate) async fn run(args: &TrustUpdate, options: &OpenOptions, printer: &Printer) -> Outcome {
    let path = &args.file;
    let (before, old) = if path.exists() {
        let (file, text) = trust::editable(path)?;
        (file, Some(text))
    } else {
        (TrustFile { name: edit::stem(path), ..TrustFile::default() }, None)
    };
    let source = source(args, &before, options)?;
    let own = [&before.certificate_authorities, &before.timestamp_authorities].iter().any(|l| !l.is_empty())
        || [&before.ct_logs, &before.transparency_logs].iter().any(|l| !l.is_empty());
    if own && before.source.as_ref() != Some(&source.name) {
        let message = format!("{} has authorities that are not from {}", path.display(), source.name);
        return Err(
            Failure::usage(message).hint("update another file; a policy can name several trust files")
        );
    }
    let stores = match &args.tuf_dir {
        Some(dir) => dir.clone(),
        None => crate::journal::state_dir()?.join("tuf"),
    };
    let fetched = tuf::fetch(source.place, &source.root, &stores, context::now()).await?;
    let mut after = TrustFile {
        name: before.name.clone(),
        source: Some(source.name.clone()),
        keys: before.keys.clone(),
        identities: before.identities.clone(),
        ..TrustFile::default()
    };
    let broken = |what: &str, why: String| Failure::broken(format!("the {what} of {}: {why}", source.name));
    import::trusted_root(&fetched.trusted_root, &mut after).map_err(|why| broken("trusted root", why))?;
    if let Some(text) = &fetched.signing_config {
        import::signing_config(text, &mut after).map_err(|why| broken("signing configuration", why))?;
    }
    trust::check(&after, path)?;
    let changes = Changes::between(&before, &after);
    let changed = old.is_none() || before != after;
    if changed && !args.check {
        let text = match &old {
            Some(old) => write::edit(old, &before, &after)?,
            None => write::whole(&after),
        };
        TrustFile::parse(&text).map_err(|problems| trust::broken(path, &problems))?;
        context::write_file(path, text.as_bytes(), Access::Public)?;
    }
    let document = Updated {
        file: path,
        source: source.name,
        tuf: fetched.versions,
        changes,
        written: changed && !args.check,
    };
    printer.result(&document, || {
        let tuf = &document.tuf;
        let verdict = match (changed, args.check) {
            (false, _) => "up to date:",
            (true, true) => "would change:",
            (true, false) => "written",
        };
        format!(
            "{}{} {}\n{} {}: root {}, timestamp {}, snapshot {}, targets {}; good until {}\n",
            document.changes.human(),
            paint(DIM, verdict),
            path.display(),
            paint(DIM, "from"),
            document.source,
            tuf.root,
            tuf.timestamp,
            tuf.snapshot,
            tuf.targets,
            tuf.expires
        )
    });
    Ok(if changed && args.check { Exit::No } else { Exit::Yes })
}
