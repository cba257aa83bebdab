//! Kyverno: the `verifyImages` rules of `ClusterPolicy` and `Policy`.
//!
//! There, an image that no rule matches is let through unseen; here it is denied. So a pattern that is wider here only
//! asks more. All sets of attestors must be met, and in a set all entries, or `count` of them.

use super::Piece;
use super::draft::{Draft, Fields, Finding, Findings, Key, Rule, Weight, sanitized};
use super::names::Dialect;
use super::who::{self, Given, Stars};
use crate::tree::{Node, Value};

/// The rules of one policy, each with what is said about it.
pub(super) fn cluster_policy(root: &Node, kind: &str, given: &Given) -> Vec<Piece> {
    let own = Findings::default();
    let mut pieces = Vec::new();
    let mut policy = Draft::default();
    let mut name = String::new();
    if let Some(fields) = Fields::of(root, "", &own) {
        name = super::metadata(&fields, &mut policy);
        fields.skip(&["status"]);
        if kind == "Policy" {
            policy.namespaces = super::namespace(root, &own);
        }
        match fields.map("spec") {
            None => own.say(root.line, "spec", Weight::Refused, "there is no spec"),
            Some(spec) => {
                let base = action(&spec, "validationFailureAction").unwrap_or("audit");
                overrides(&spec, base);
                spec.skip(&[
                    "background",
                    "webhookTimeoutSeconds",
                    "webhookConfiguration",
                    "failurePolicy",
                    "schemaValidation",
                    "applyRules",
                    "admission",
                    "emitWarning",
                    "useServerSideApply",
                    "generateExisting",
                    "mutateExistingOnPolicyUpdate",
                ]);
                for rule in spec.maps("rules") {
                    pieces.extend(rule_of(&rule, &policy, base, given));
                    rule.finish();
                }
                spec.finish();
            }
        }
        fields.finish();
    }
    let rest = Piece::without(format!("{kind} '{name}'"), root.line, own);
    // What is wrong with the policy is wrong with each of its rules.
    if let Some(weight) = rest.weight().filter(|weight| *weight >= Weight::Weaker) {
        let message = "something that is said about the policy as a whole";
        let finding = Finding { line: root.line, field: String::new(), weight, message: message.to_owned() };
        pieces.iter_mut().for_each(|piece| piece.findings.push(finding.clone()));
    }
    if !rest.findings.is_empty() || pieces.is_empty() {
        pieces.insert(0, rest);
    }
    pieces
}

/// `Enforce` or `Audit`, in the words of our modes.
fn action(fields: &Fields<'_>, key: &str) -> Option<&'static str> {
    let (node, text) = fields.text(key)?;
    match text.to_ascii_lowercase().as_str() {
        "enforce" => Some("enforce"),
        "audit" => Some("audit"),
        _ => {
            fields.refuse(node, key, format!("there is no action '{text}'"));
            None
        }
    }
}

fn overrides(spec: &Fields<'_>, base: &str) {
    for one in spec.maps("validationFailureActionOverrides") {
        let (weight, message) = match (action(&one, "action"), base) {
            (Some("enforce"), "audit") => {
                (Weight::Weaker, "some namespaces enforce there; here one mode holds for all of them")
            }
            _ => (Weight::Stricter, "some namespaces only audit there; here one mode holds for all of them"),
        };
        one.say_here(weight, message);
        one.skip(&["namespaces", "namespaceSelector"]);
        one.finish();
    }
}

fn rule_of(rule: &Fields<'_>, policy: &Draft, base: &'static str, given: &Given) -> Vec<Piece> {
    let findings = Findings::default();
    let name = rule.text("name").map_or_else(|| "rule".to_owned(), |(_, name)| name);
    for key in ["exclude", "preconditions", "celPreconditions"] {
        if let Some(node) = rule.take(key) {
            let message = "ours asks the same of an image wherever it runs, and nothing is left out";
            findings.say(node.line, &rule.at(key), Weight::Stricter, message);
        }
    }
    if let Some(node) = rule.take("match") {
        let message = "ours asks the same of an image wherever it runs, in every kind of resource";
        findings.say(node.line, &rule.at("match"), Weight::Stricter, message);
    }
    rule.skip(&["context", "skipBackgroundRequests", "reportProperties"]);
    for key in ["validate", "mutate", "generate"] {
        if let Some(node) = rule.take(key) {
            let message = "this rule is not about signatures: keep it where it is";
            findings.say(node.line, &rule.at(key), Weight::Weaker, message);
        }
    }
    let source = format!("the rule '{name}'");
    let all = rule.maps("verifyImages");
    if all.is_empty() {
        return vec![Piece::without(source, rule.line(), findings)];
    }
    let mut pieces = Vec::new();
    let mut shared = Some(findings);
    for (at, verify) in all.iter().enumerate() {
        let own = Findings::default();
        if let Some(shared) = shared.take() {
            own.extend(shared);
        }
        let mut draft = Draft { mode: base, namespaces: policy.namespaces.clone(), ..Draft::default() };
        draft.name = sanitized(&format!("{}-{name}", policy.name));
        if all.len() > 1 {
            draft.name = format!("{}-{}", draft.name, at + 1);
        }
        // The fields report to the findings of the rule's document; those of this entry are its own.
        if let Some(fields) = verify.again(&own) {
            verify_images(&fields, &mut draft, given, &own);
            fields.finish();
        }
        pieces.push(Piece::new(source.clone(), verify.line(), draft, own));
    }
    pieces
}

fn verify_images(verify: &Fields<'_>, draft: &mut Draft, given: &Given, findings: &Findings) {
    if let Some((node, kind)) = verify.text("type")
        && !["Cosign", "SigstoreBundle"].contains(&kind.as_str())
    {
        verify.refuse(node, "type", format!("signatures of the kind '{kind}' are not verified here"));
    }
    if let Some(mode) = action(verify, "failureAction") {
        draft.mode = mode;
    }
    verify.skip(&["useCache", "cosignOCI11", "name"]);
    verify.each_is(&["imageRegistryCredentials"], Weight::Note, "the webhook has credentials of its own");
    verify.each_is(
        &["mutateDigest", "verifyDigest"],
        Weight::Note,
        "the webhook puts digests into Pods by itself; see the guide for deployment",
    );
    if verify.flag("required") == Some(false) {
        verify.say_here(
            Weight::Stricter,
            "required: false lets an image through that was not verified; ours never does",
        );
    }
    verify.each_is(&["repository"], Weight::Stricter, "signatures are looked for beside the image alone");
    verify.each_is(&["skipImageReferences"], Weight::Stricter, "no image that the patterns mean is left out");
    verify.each_is(&["annotations"], Weight::Weaker, "annotations of a signature are not compared");
    verify.each_is(
        &["validate"],
        Weight::Weaker,
        "conditions over all that was verified are not carried over",
    );
    let patterns = verify.list("imageReferences").iter().enumerate().filter_map(|(at, node)| {
        node.text().map(|text| (node, format!("{}[{at}]", verify.at("imageReferences")), text))
    });
    let patterns: Vec<_> = patterns.collect();
    if patterns.is_empty() {
        verify.say_here(Weight::Refused, "no imageReferences");
    }
    who::images(draft, patterns.into_iter(), Dialect::Kyverno, Weight::Stricter, findings);
    for set in verify.maps("attestors") {
        if let Some(rule) = attestor_set(&set, draft, given) {
            draft.signatures.push(rule);
        }
        set.finish();
    }
    for attestation in verify.maps("attestations") {
        attestation.skip(&["name"]);
        attestation.each_is(
            &["conditions"],
            Weight::Weaker,
            "conditions on the predicate are not carried over",
        );
        let kind = attestation.text("type").or_else(|| attestation.text("predicateType"));
        attestation.skip(&["type", "predicateType"]);
        let kind = match kind.map(|(node, text)| (node, who::predicate(&text))) {
            Some((_, Ok(kind))) => Some(kind),
            Some((node, Err(why))) => {
                attestation.refuse(node, "type", why);
                None
            }
            None => {
                attestation.say_here(Weight::Refused, "an attestation without a type");
                None
            }
        };
        let sets = attestation.maps("attestors");
        if sets.is_empty() {
            attestation.say_here(Weight::Refused, "no attestors: nobody is named who must have attested");
        }
        for set in sets {
            if let (Some(kind), Some(rule)) = (&kind, attestor_set(&set, draft, given)) {
                draft.attestations.push((kind.clone(), rule));
            }
            set.finish();
        }
        attestation.finish();
    }
    if draft.signatures.is_empty() && draft.attestations.is_empty() {
        verify.say_here(Weight::Refused, "nobody is left who must have signed or attested");
    }
}

fn attestor_set(set: &Fields<'_>, draft: &mut Draft, given: &Given) -> Option<Rule> {
    let count = set.text("count").and_then(|(node, text)| match text.parse::<usize>() {
        Ok(count) if count > 0 => Some(count),
        _ => {
            set.refuse(node, "count", format!("'{text}' is no number of entries"));
            None
        }
    });
    let (mut by, mut entries, mut lost) = (Vec::new(), 0, Vec::new());
    let all = set.maps("entries");
    for entry in &all {
        match entry_of(entry, draft, given) {
            Some(names) => {
                entries += names.len();
                by.extend(names);
            }
            None => {
                entries += 1;
                lost.push(entry);
            }
        }
    }
    let threshold = count.unwrap_or(entries);
    by.sort();
    by.dedup();
    for entry in lost {
        let (weight, message) = if by.len() >= threshold && !by.is_empty() {
            (Weight::Stricter, "this entry is left out: one way less to be allowed")
        } else {
            (Weight::Refused, "this entry cannot be carried over, and without it the set cannot be met")
        };
        entry.say_here(weight, message);
    }
    for entry in all {
        entry.finish();
    }
    if by.len() < threshold {
        set.say_here(
            Weight::Refused,
            format!("{threshold} signers are asked for, and {} distinct ones are left", by.len()),
        );
        return None;
    }
    (threshold > 0).then_some(Rule { by, threshold })
}

/// The authorities behind one entry: several where it holds several keys, each of which counts.
fn entry_of(entry: &Fields<'_>, draft: &mut Draft, given: &Given) -> Option<Vec<String>> {
    entry.each_is(&["annotations"], Weight::Weaker, "annotations of a signature are not compared");
    entry.each_is(&["repository"], Weight::Stricter, "signatures are looked for beside the image alone");
    if entry.take("attestor").is_some() {
        entry.say_here(Weight::Note, "sets of attestors within sets cannot be said");
    }
    if let Some(keys) = entry.map("keys") {
        let made = keys_of(&keys, draft, given);
        keys.finish();
        return made;
    }
    if let Some(keyless) = entry.map("keyless") {
        let made = keyless_of(&keyless, draft, given);
        keyless.finish();
        return made.map(|name| vec![name]);
    }
    if entry.take("certificates").is_some() {
        let message =
            "a certificate by itself: write its authority and whom it names under certificateAuthorities";
        entry.say_here(Weight::Note, message);
    }
    None
}

fn keys_of(keys: &Fields<'_>, draft: &mut Draft, given: &Given) -> Option<Vec<String>> {
    keys.skip(&["kms", "secret"]);
    let algorithm = keys.text("signatureAlgorithm").filter(|(_, a)| !a.eq_ignore_ascii_case("sha256"));
    let log = log(keys, given);
    certificate_log(keys);
    let made = match (keys.text("publicKeys"), algorithm) {
        (_, Some((_, algorithm))) => Err(format!("signatures with {algorithm} are not verified here")),
        (Some((_, text)), None) => who::keys(&text),
        (None, None) => Err(
            "the key stands elsewhere: write it into the policy (`seaworthy public-key --key …` prints it)"
                .into(),
        ),
    };
    match made.and_then(|made| Ok((made, log?))) {
        Ok((made, root)) => {
            let each = made.into_iter().map(|key: Key| who::add_keys(draft, "key", vec![key], root.clone()));
            Some(each.collect())
        }
        Err(why) => {
            keys.say_here(Weight::Note, why);
            None
        }
    }
}

/// The root for the log, `None` where none is asked for.
fn log(fields: &Fields<'_>, given: &Given) -> Result<Option<String>, String> {
    let Some(rekor) = fields.map("rekor") else { return given.root_for(None).map(Some) };
    let (url, ignored) = (rekor.text("url").map(|(_, url)| url), rekor.flag("ignoreTlog") == Some(true));
    let key = rekor.take("pubkey").is_some();
    rekor.finish();
    match (ignored, key) {
        (true, _) => Ok(None),
        (false, true) => given.root_instead("the key of the log").map(Some),
        (false, false) => given.root_for(url.as_deref()).map(Some),
    }
}

/// What is said about the log of certificates; whether a key of its own is.
fn certificate_log(fields: &Fields<'_>) -> bool {
    let Some(ctlog) = fields.map("ctlog") else { return false };
    if ctlog.flag("ignoreSCT") == Some(true) {
        let message = "certificates must prove that they were logged where the trusted root has such logs";
        ctlog.say_here(Weight::Note, message);
    }
    let own = ctlog.take("pubkey").is_some();
    ctlog.each_is(&["tsaCertChain"], Weight::Note, "timestamps count by the trusted root alone");
    ctlog.finish();
    own
}

fn keyless_of(keyless: &Fields<'_>, draft: &mut Draft, given: &Given) -> Option<String> {
    keyless.each_is(
        &["additionalExtensions"],
        Weight::Weaker,
        "what the certificate says of the CI run: write it as claims",
    );
    let own = certificate_log(keyless) | keyless.take("roots").is_some();
    let root = match (log(keyless, given), own) {
        (Err(why), _) => Err(why),
        (Ok(_), true) => given.root_instead("certificates of one's own"),
        (Ok(None), false) => {
            keyless.say_here(
                Weight::Stricter,
                "an entry in a log is asked for also where the original ignores it",
            );
            given.root_for(None)
        }
        (Ok(Some(root)), false) => Ok(root),
    };
    let identity = who::identity(keyless, Stars::Meant);
    match (root, identity) {
        (Ok(root), Some(identity)) => Some(who::add_keyless(draft, "keyless", identity, root, None)),
        (Err(why), _) => {
            keyless.say_here(Weight::Note, why);
            None
        }
        (Ok(_), None) => None,
    }
}

/// Whether `node` is a list of resources.
pub(super) fn items(node: &Node) -> Option<&[Node]> {
    match &node.get("items")?.value {
        Value::List(items) => Some(items),
        _ => None,
    }
}
