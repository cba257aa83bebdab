//! sigstore policy-controller: `ClusterImagePolicy` v1alpha1 and v1beta1.
//!
//! There, one authority of several is enough, and an authority with attestations is met by these alone. An image that
//! no policy matches is denied by default, as here: so a pattern that is wider here would allow more, and is weaker.

use super::Piece;
use super::draft::{Draft, Fields, Findings, Rule, Weight};
use super::names::Dialect;
use super::who::{self, Given, Stars};
use std::collections::BTreeSet;

/// What one authority comes to.
enum Meaning {
    /// Signed, or attested, by one of these authorities of ours.
    By {
        names: Vec<String>,
        attestations: BTreeSet<String>,
    },
    AlwaysPasses,
    AlwaysFails,
    /// It cannot be said here, and why was said.
    Lost,
}

pub(super) fn import(root: &Fields<'_>, findings: Findings, given: &Given) -> Piece {
    let mut draft = Draft { mode: "enforce", ..Draft::default() };
    let name = super::metadata(root, &mut draft);
    root.skip(&["status"]);
    let Some(spec) = root.map("spec") else {
        findings.say(root.line(), "spec", Weight::Refused, "there is no spec");
        return Piece::new(format!("ClusterImagePolicy '{name}'"), root.line(), draft, findings);
    };
    match spec.text("mode") {
        Some((_, mode)) if mode == "warn" => draft.mode = "warn",
        Some((node, mode)) if mode != "enforce" => {
            spec.refuse(node, "mode", format!("there is no mode '{mode}'"))
        }
        _ => {}
    }
    if let Some(policy) = spec.take("policy") {
        let message = "the policy in CUE or Rego over all signatures and attestations is not carried over";
        spec.say(policy, "policy", Weight::Weaker, message);
    }
    if let Some(matching) = spec.take("match") {
        let message = "ours asks the same of an image wherever it runs, in every kind of resource";
        spec.say(matching, "match", Weight::Stricter, message);
    }
    let patterns: Vec<_> = spec
        .maps("images")
        .into_iter()
        .filter_map(|image| {
            let glob = image.text("glob").map(|(node, text)| (node, image.at("glob"), text));
            if glob.is_none() {
                image.say_here(Weight::Refused, "an image without a glob");
            }
            image.finish();
            glob
        })
        .collect();
    who::images(&mut draft, patterns.into_iter(), Dialect::Sigstore, Weight::Weaker, &findings);
    authorities(&spec, &mut draft, given);
    spec.finish();
    Piece::new(format!("ClusterImagePolicy '{name}'"), root.line(), draft, findings)
}

/// The fields of an authority.
const AUTHORITY: [&str; 9] = [
    "name",
    "key",
    "keyless",
    "static",
    "source",
    "ctlog",
    "attestations",
    "rfc3161timestamp",
    "signatureFormat",
];

fn authorities(spec: &Fields<'_>, draft: &mut Draft, given: &Given) {
    let all = spec.maps("authorities");
    let (mut names, mut kinds, mut meant, mut lost) = (Vec::new(), Vec::new(), 0, Vec::new());
    for (at, authority) in all.iter().enumerate() {
        match one(authority, at, draft, given) {
            Meaning::By { names: more, attestations } => {
                for name in more {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                if !kinds.contains(&attestations) {
                    kinds.push(attestations);
                }
                meant += 1;
            }
            Meaning::AlwaysPasses => {
                // Beside it, what the other authorities ask for changes nothing.
                draft.nothing = true;
                authority.say_here(
                    Weight::Note,
                    "these images come in unjudged, unless another policy asks for something",
                );
                all.iter().for_each(|authority| authority.skip(&AUTHORITY));
                return;
            }
            Meaning::AlwaysFails if all.len() > 1 => {
                authority
                    .say_here(Weight::Note, "an authority that always fails changes nothing beside others");
            }
            Meaning::AlwaysFails => {
                let message = "this denies every image; ours denies what no policy speaks about, and another policy \
                               could speak about these";
                authority.say_here(Weight::Refused, message);
                return;
            }
            Meaning::Lost => lost.push(at),
        }
    }
    for at in lost {
        if let Some(authority) = all.get(at) {
            let (weight, message) = match meant {
                0 => (Weight::Refused, "without this authority nobody is left who could sign"),
                _ => (Weight::Stricter, "this authority is left out: one way less to be allowed"),
            };
            authority.say_here(weight, message);
        }
    }
    let rule = Rule { by: names, threshold: 1 };
    match kinds.as_slice() {
        [] if all.is_empty() => {
            spec.say_here(Weight::Refused, "no authority: nobody is named who must have signed")
        }
        [] => {}
        [none] if none.is_empty() => draft.signatures.push(rule),
        [kinds] => {
            if kinds.len() > 1 && meant > 1 {
                let message =
                    "there, one authority must have made all attestations; here, each may come from another";
                spec.say_here(Weight::Weaker, message);
            }
            draft.attestations.extend(kinds.iter().map(|kind| (kind.clone(), rule.clone())));
        }
        _ => {
            let message = "the authorities ask for different attestations, and one of them is enough: ours cannot say \
                           'or' between requirements";
            spec.say_here(Weight::Refused, message);
        }
    }
    for authority in all {
        authority.finish();
    }
}

fn one(authority: &Fields<'_>, at: usize, draft: &mut Draft, given: &Given) -> Meaning {
    let wanted = authority.text("name").map_or_else(|| format!("authority-{at}"), |(_, name)| name);
    for source in authority.maps("source") {
        source.each_is(
            &["oci", "tagPrefix"],
            Weight::Stricter,
            "signatures are looked for beside the image alone",
        );
        source.each_is(&["signaturePullSecrets"], Weight::Note, "the webhook has credentials of its own");
        source.finish();
    }
    if let Some((node, format)) = authority.text("signatureFormat") {
        let message = format!("not only '{format}': ours reads signatures of both formats");
        authority.say(node, "signatureFormat", Weight::Note, message);
    }
    let attestations = match attestations(authority) {
        Some(attestations) => attestations,
        None => return Meaning::Lost,
    };
    let ctlog = authority.map("ctlog").map(|log| {
        let url = log.text("url").map(|(_, url)| url);
        let reference = log.text("trustRootRef").map(|(_, name)| name);
        log.finish();
        (url, reference)
    });
    let timestamp = authority.map("rfc3161timestamp").map(|stamp| {
        stamp.skip(&["trustRootRef"]);
        stamp.finish();
    });
    let names = match (authority.map("key"), authority.map("keyless"), authority.map("static")) {
        (None, None, Some(fixed)) => return fixed_answer(fixed),
        (Some(key), None, None) => keys(&key, &ctlog, timestamp.is_some(), &wanted, draft, given),
        (None, Some(keyless), None) => {
            identities(&keyless, &ctlog, timestamp.is_some(), &wanted, draft, given)
        }
        _ => {
            authority.say_here(Weight::Note, "one of key, keyless and static is expected");
            None
        }
    };
    match names {
        Some(names) => Meaning::By { names, attestations },
        None => Meaning::Lost,
    }
}

fn fixed_answer(fixed: Fields<'_>) -> Meaning {
    let action = fixed.text("action").map(|(_, action)| action);
    fixed.skip(&["message"]);
    fixed.finish();
    match action.as_deref() {
        Some("pass") => Meaning::AlwaysPasses,
        // Also what is not known: as if it denied, which is the side that is safe.
        _ => Meaning::AlwaysFails,
    }
}

fn attestations(authority: &Fields<'_>) -> Option<BTreeSet<String>> {
    let mut kinds = BTreeSet::new();
    for attestation in authority.maps("attestations") {
        attestation.skip(&["name"]);
        if let Some(policy) = attestation.take("policy") {
            let message = "the policy in CUE or Rego over the predicate is not carried over";
            attestation.say(policy, "policy", Weight::Weaker, message);
        }
        match attestation.text("predicateType").map(|(node, text)| (node, who::predicate(&text))) {
            Some((_, Ok(kind))) => {
                kinds.insert(kind);
            }
            Some((node, Err(why))) => {
                attestation.say(node, "predicateType", Weight::Note, why);
                return None;
            }
            None => {
                attestation.say_here(Weight::Note, "an attestation without a type");
                return None;
            }
        }
        attestation.finish();
    }
    Some(kinds)
}

type Log = Option<(Option<String>, Option<String>)>;

/// The root for a log, `None` where no log is asked for.
fn log_root(ctlog: &Log, given: &Given) -> Result<Option<String>, String> {
    match ctlog {
        None => given.root_for(None).map(Some),
        Some((None, None)) => Ok(None),
        Some((_, Some(_))) => given.root_instead("the trust root of the log").map(Some),
        Some((Some(url), None)) => given.root_for(Some(url)).map(Some),
    }
}

fn keys(
    key: &Fields<'_>,
    ctlog: &Log,
    stamped: bool,
    wanted: &str,
    draft: &mut Draft,
    given: &Given,
) -> Option<Vec<String>> {
    let data = key.text("data");
    let elsewhere = key.take("secretRef").or_else(|| key.take("kms"));
    let hash = key.text("hashAlgorithm").filter(|(_, hash)| !hash.eq_ignore_ascii_case("sha256"));
    let made = match (data, elsewhere, hash) {
        (_, _, Some((_, hash))) => Err(format!("signatures with {hash} are not verified here")),
        (Some((_, text)), None, None) => who::keys(&text),
        _ => Err(
            "the key stands elsewhere: write it into the policy (`seaworthy public-key --key …` prints it)"
                .into(),
        ),
    };
    key.skip(&["secretRef", "kms"]);
    let made = made.and_then(|keys| {
        let root = match (log_root(ctlog, given)?, stamped) {
            (root, false) => root,
            (_, true) => Some(given.root_instead("the trust root of the timestamp authority")?),
        };
        Ok((keys, root))
    });
    let (keys, root) = match made {
        Ok(made) => made,
        Err(why) => {
            key.say_here(Weight::Note, why);
            return None;
        }
    };
    if ctlog.is_none() {
        key.say_here(
            Weight::Stricter,
            "nothing is said about a log: an entry in the public one is asked for",
        );
    }
    let transparency = match (&root, matches!(ctlog, Some((None, None)))) {
        (None, _) => None,
        (Some(_), true) => Some("none"),
        (Some(_), false) => Some("required"),
    };
    let who = super::draft::Who::Keys { keys, trusted_root: root };
    Some(vec![draft.add(wanted, who, transparency, stamped.then_some("required"))])
}

fn identities(
    keyless: &Fields<'_>,
    ctlog: &Log,
    stamped: bool,
    wanted: &str,
    draft: &mut Draft,
    given: &Given,
) -> Option<Vec<String>> {
    let url = keyless.text("url").map(|(_, url)| url);
    let own = keyless.take("trustRootRef").or_else(|| keyless.take("ca-cert"));
    keyless.skip(&["trustRootRef", "ca-cert"]);
    if keyless.flag("insecureIgnoreSCT") == Some(true) {
        let message = "certificates must prove that they were logged where the trusted root has such logs";
        keyless.say_here(Weight::Stricter, message);
    }
    let of_log = match ctlog {
        Some((None, None)) => {
            keyless.say_here(Weight::Stricter, "an entry in a log is asked for also where ctlog is empty");
            Ok(None)
        }
        log => log_root(log, given),
    };
    let root = of_log.and_then(|of_log| {
        let own = match (own, stamped) {
            (None, false) => given.root_for(url.as_deref())?,
            _ => given.root_instead("the trust root of the certificates or timestamps")?,
        };
        // One root serves both; where one service is private, all that is asked for must be in the given one.
        Ok(of_log.filter(|root| root != who::PUBLIC).unwrap_or(own))
    });
    let root = match root {
        Ok(root) => root,
        Err(why) => {
            keyless.say_here(Weight::Note, why);
            return None;
        }
    };
    let all = keyless.maps("identities");
    if all.is_empty() {
        keyless
            .say_here(Weight::Note, "no identities: anybody's certificate would count, which ours refuses");
    }
    let mut names = Vec::new();
    for identity in all {
        match who::identity(&identity, Stars::Literal) {
            Some(found) => {
                let stamp = stamped.then_some("required");
                names.push(who::add_keyless(draft, wanted, found, root.clone(), stamp));
            }
            None => {
                identity.say_here(Weight::Stricter, "this identity is left out: one way less to be allowed")
            }
        }
        identity.finish();
    }
    if names.is_empty() { None } else { Some(names) }
}
