//! A trust file as text: written whole in one form, or edited so that what did not change stays as it stands,
//! comments included.
//!
//! Deterministic: the same file gives the same bytes. An edit is read back before anybody sees it, and must
//! mean what was wanted; where a file is written in a style that cannot be edited in place and has comments,
//! the edit is refused rather than the comments lost.

use super::describe::{self, pem};
use crate::exit::{Failure, Outcome};
use jiff::Timestamp;
use seaworthy_verifier::trust_file::{
    ManagedKey, Named, TrustChain, TrustFile, TrustLog, TrustService, TrustServices, TrustedIdentity, Wanted,
    Window, usual_details,
};

/// The lines of one entry of a list, at four spaces.
struct Entry {
    lines: Vec<String>,
}

impl Entry {
    fn new() -> Self {
        Self { lines: Vec::new() }
    }

    fn raw(&mut self, name: &str, value: &str) {
        let lead = if self.lines.is_empty() { "    - " } else { "      " };
        self.lines.push(format!("{lead}{name}: {value}"));
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.raw(name, &scalar(value));
        }
    }

    fn window(&mut self, window: Window) {
        for (name, time) in [("start", window.start), ("end", window.end)] {
            if let Some(time) = time {
                self.raw(name, &time.to_string());
            }
        }
    }

    fn block(&mut self, name: &str, text: &str) {
        self.raw(name, "|");
        self.lines.extend(text.lines().map(|line| format!("        {line}")));
    }
}

/// A string as YAML: plain where that cannot be taken for anything else.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || " ._@/+-:(),".contains(c);
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(word)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !reserved.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn key(key: &ManagedKey) -> Entry {
    let mut out = Entry::new();
    out.text("keyring", Some(&key.keyring));
    out.text("owner", key.owner.as_deref());
    out.text("hint", key.hint.as_deref());
    out.window(key.window);
    out.block("publicKey", &pem("PUBLIC KEY", key.key.spki()));
    out
}

fn identity(found: &TrustedIdentity) -> Entry {
    let mut out = Entry::new();
    out.text("name", Some(&found.name));
    out.text("owner", found.owner.as_deref());
    for (name, named) in [("issuer", &found.issuer), ("identity", &found.identity)] {
        match named {
            Named::Exact(text) => out.text(name, Some(text)),
            Named::Regexp(text) => out.text(&format!("{name}Regexp"), Some(text)),
        }
    }
    if !found.claims.is_empty() {
        out.lines.push("      claims:".into());
        let line = |(name, value): (&String, &String)| format!("        {}: {}", scalar(name), scalar(value));
        out.lines.extend(found.claims.iter().map(line));
    }
    out
}

fn chain(chain: &TrustChain) -> Entry {
    let mut out = Entry::new();
    out.text("uri", Some(&chain.uri));
    out.text("owner", chain.owner.as_deref());
    out.text("organization", chain.organization.as_deref());
    out.text("commonName", chain.common_name.as_deref());
    out.window(chain.window);
    let certificates: String = chain.certificates.iter().map(|der| pem("CERTIFICATE", der)).collect();
    out.block("certificates", &certificates);
    out
}

fn log(log: &TrustLog) -> Entry {
    let label = if log.key_details.starts_with("PKCS1_") { "RSA PUBLIC KEY" } else { "PUBLIC KEY" };
    let mut out = Entry::new();
    out.text("uri", Some(&log.uri));
    out.text("owner", log.owner.as_deref());
    if log.log_id != describe::sha256(&log.key) {
        out.text("logId", Some(&describe::base64(&log.log_id)));
    }
    out.text("checkpointKeyId", log.checkpoint_key_id.as_ref().map(|id| describe::base64(id)).as_deref());
    if usual_details(label, &log.key).as_ref() != Some(&log.key_details) {
        out.text("keyDetails", Some(&log.key_details));
    }
    out.window(log.window);
    out.block("publicKey", &pem(label, &log.key));
    out
}

fn services(services: &TrustServices) -> Vec<String> {
    let mut lines = vec!["  services:".to_owned()];
    let mut list = |name: &str, found: &[TrustService]| {
        if found.is_empty() {
            return;
        }
        lines.push(format!("    {name}:"));
        for service in found {
            let mut out = Entry::new();
            out.text("url", Some(&service.url));
            out.raw("version", &service.version.to_string());
            out.text("owner", service.owner.as_deref());
            out.window(service.window);
            lines.extend(out.lines.iter().map(|line| format!("  {line}")));
        }
    };
    list("certificateAuthorities", &services.certificate_authorities);
    list("oidcIssuers", &services.oidc_issuers);
    list("transparencyLogs", &services.transparency_logs);
    list("timestampAuthorities", &services.timestamp_authorities);
    for (name, wanted) in
        [("logsWanted", services.logs_wanted), ("timestampsWanted", services.timestamps_wanted)]
    {
        match wanted {
            Wanted::Any => {}
            Wanted::All => lines.push(format!("    {name}: all")),
            Wanted::Exact(count) => lines.push(format!("    {name}: \"{count}\"")),
        }
    }
    if lines.len() == 1 {
        lines = vec!["  services: {}".into()];
    }
    lines
}

/// The sections of `spec`: name and entries, or other lines, in the order of the file.
enum Section {
    List(&'static str, Vec<Entry>),
    Lines(&'static str, Vec<String>),
}

fn sections(file: &TrustFile) -> Vec<Section> {
    let mut out = Vec::new();
    if let Some(source) = &file.source {
        out.push(Section::Lines("source", vec![format!("  source: {}", scalar(source))]));
    }
    let mut list = |name, entries: Vec<Entry>| {
        if !entries.is_empty() {
            out.push(Section::List(name, entries));
        }
    };
    list("keys", file.keys.iter().map(key).collect());
    list("identities", file.identities.iter().map(identity).collect());
    list("certificateAuthorities", file.certificate_authorities.iter().map(chain).collect());
    list("ctLogs", file.ct_logs.iter().map(log).collect());
    list("transparencyLogs", file.transparency_logs.iter().map(log).collect());
    list("timestampAuthorities", file.timestamp_authorities.iter().map(chain).collect());
    if let Some(found) = &file.services {
        out.push(Section::Lines("services", services(found)));
    }
    out
}

impl Section {
    fn name(&self) -> &'static str {
        match self {
            Self::List(name, _) | Self::Lines(name, _) => name,
        }
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Self::Lines(_, lines) => lines.clone(),
            Self::List(name, entries) => {
                let head = format!("  {name}:");
                std::iter::once(head).chain(entries.iter().flat_map(|e| e.lines.clone())).collect()
            }
        }
    }
}

/// `file` in the one form that we write.
pub(crate) fn whole(file: &TrustFile) -> String {
    let mut lines = vec![
        "apiVersion: seaworthy.dev/v1alpha1".to_owned(),
        "kind: Trust".to_owned(),
        "metadata:".to_owned(),
        format!("  name: {}", scalar(&file.name)),
    ];
    let sections = sections(file);
    lines.push(if sections.is_empty() { "spec: {}".into() } else { "spec:".into() });
    lines.extend(sections.iter().flat_map(Section::lines));
    lines.join("\n") + "\n"
}

/// A section or an entry as it stands: the comments before it, and its own lines.
#[derive(Default)]
struct Old {
    comments: Vec<String>,
    lines: Vec<String>,
}

/// Cuts `lines` where `begins` says so; comments and empty lines before such a line go with it.
fn cut(lines: &[String], begins: impl Fn(&str) -> bool) -> (Vec<Old>, Vec<String>) {
    let (mut parts, mut waiting): (Vec<Old>, Vec<String>) = (Vec::new(), Vec::new());
    for line in lines {
        let bare = line.trim_start();
        if begins(line) {
            parts.push(Old { comments: std::mem::take(&mut waiting), lines: vec![line.clone()] });
        } else if bare.is_empty() || bare.starts_with('#') {
            waiting.push(line.clone());
        } else if let Some(last) = parts.last_mut() {
            last.lines.append(&mut waiting);
            last.lines.push(line.clone());
        } else {
            waiting.push(line.clone());
        }
    }
    (parts, waiting)
}

/// `old` with the entries of `new`; none where it is not written in a way that can be edited in place.
fn edited(old: &str, before: &TrustFile, after: &TrustFile) -> Option<String> {
    let lines: Vec<String> = old.lines().map(str::to_owned).collect();
    let spec = lines.iter().position(|line| line.trim_end() == "spec:")?;
    let mut out = lines.get(..=spec)?.to_vec();
    let begins =
        |line: &str| line.starts_with("  ") && line.chars().nth(2).is_some_and(|c| c.is_ascii_alphabetic());
    let (parts, tail) = cut(lines.get(spec + 1..)?, begins);
    let (was, mut wanted) = (sections(before), sections(after));
    let mut written = Vec::new();
    for part in parts {
        let first = part.lines.first()?;
        let name = first.trim_start().split(':').next()?.to_owned();
        let at = wanted.iter().position(|s| s.name() == name);
        out.extend(part.comments);
        let Some(at) = at else { continue };
        let section = wanted.remove(at);
        written.push(name.clone());
        let old_section = was.iter().find(|s| s.name() == name)?;
        if old_section.lines() == section.lines() {
            out.extend(part.lines);
            continue;
        }
        match (old_section, section) {
            (Section::List(_, was), Section::List(_, now)) => {
                let (entries, rest) = cut(part.lines.get(1..)?, |line| line.starts_with("    - "));
                if entries.len() != was.len() {
                    return None;
                }
                out.push(first.clone());
                out.extend(merged(&entries, was, &now));
                out.extend(rest);
            }
            (_, section) => out.extend(section.lines()),
        }
    }
    // New sections come in our order, at the end: what stands in the file keeps its place.
    out.extend(wanted.iter().flat_map(Section::lines));
    out.extend(tail);
    Some(out.join("\n") + "\n")
}

/// The entries of `now`, each as it stands where it stands unchanged, with its comments where it is known.
fn merged(old: &[Old], was: &[Entry], now: &[Entry]) -> Vec<String> {
    let mut out = Vec::new();
    for entry in now {
        // The PEM text is what an entry is about.
        let about = |e: &Entry| {
            let pem: Vec<_> = e.lines.iter().filter(|l| l.starts_with("        ")).cloned().collect();
            // An identity has none: it is about its name.
            if pem.iter().any(|l| l.contains("-----BEGIN ")) {
                pem
            } else {
                e.lines.iter().take(1).cloned().collect()
            }
        };
        let known = was.iter().zip(old).find(|(w, _)| about(w) == about(entry));
        match known {
            Some((was, old)) => {
                out.extend(old.comments.iter().cloned());
                out.extend(if was.lines == entry.lines { old.lines.clone() } else { entry.lines.clone() });
            }
            None => out.extend(entry.lines.iter().cloned()),
        }
    }
    out
}

/// `old`, which means `before`, so that it means `after`.
///
/// # Errors
/// Where comments would be lost.
pub(crate) fn edit(old: &str, before: &TrustFile, after: &TrustFile) -> Outcome<String> {
    let means = |text: &String| TrustFile::parse(text).is_ok_and(|found| found == *after);
    if let Some(text) = edited(old, before, after).filter(&means) {
        return Ok(text);
    }
    let text = whole(after);
    if !means(&text) {
        return Err(Failure::local("the trust file that was made does not read back; nothing was written"));
    }
    if old.lines().any(|line| line.trim_start().starts_with('#')) {
        return Err(Failure::usage(
            "the file is written in a style that cannot be edited in place, and has comments",
        )
        .hint("write lists with `    - ` as `trust init` does, or edit it by hand"));
    }
    Ok(text)
}

/// Whole seconds: nobody wants to review fractions of them.
pub(crate) fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
