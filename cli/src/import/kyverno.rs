//! Kyverno: the `verifyImages` rules of `ClusterPolicy` and `Policy`, and `ImageValidatingPolicy`.
//!
//! There, an image that no rule matches is let through unseen; here it is denied. So a pattern that is wider here only
//! asks more. All sets of attestors must be met, and in a set all entries, or `count` of them. Of the CEL expressions of an
//! `ImageValidatingPolicy`, those are understood that ask for signatures or attestations of attestors of the policy;
//! every other one is said to be lost.

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

/// `ImageValidatingPolicy` of policies.kyverno.io.
pub(super) fn image_validating(root: &Fields<'_>, kind: &str, findings: Findings, given: &Given) -> Piece {
    let mut draft = Draft { mode: "enforce", ..Draft::default() };
    let name = super::metadata(root, &mut draft);
    root.skip(&["status"]);
    if kind.starts_with("Namespaced") {
        draft.namespaces = super::namespace(root.node(), &findings);
    }
    let source = format!("{kind} '{name}'");
    let Some(spec) = root.map("spec") else {
        findings.say(root.line(), "spec", Weight::Refused, "there is no spec");
        return Piece::new(source, root.line(), draft, findings);
    };
    let actions: Vec<String> = spec.list("validationActions").iter().filter_map(Node::text).collect();
    draft.mode = match actions.as_slice() {
        [] => "enforce",
        some if some.iter().any(|a| a == "Deny") => "enforce",
        some if some.iter().any(|a| a == "Warn") => "warn",
        _ => "audit",
    };
    let everywhere = "ours asks the same of an image wherever it runs, in every kind of resource";
    spec.each_is(&["matchConstraints", "matchConditions"], Weight::Stricter, everywhere);
    spec.each_is(&["credentials"], Weight::Note, "the webhook has credentials of its own");
    spec.each_is(
        &["images"],
        Weight::Note,
        "the paths of images in resources are in the webhook's configuration",
    );
    spec.skip(&["failurePolicy", "webhookConfiguration", "evaluation", "autogen", "auditAnnotations"]);
    if let Some(configuration) = spec.map("validationConfigurations") {
        let message = "the webhook puts digests into Pods by itself; see the guide for deployment";
        configuration.each_is(&["mutateDigest", "verifyDigest"], Weight::Note, message);
        if configuration.flag("required") == Some(false) {
            configuration
                .say_here(Weight::Stricter, "ours never lets an image through that was not verified");
        }
        configuration.finish();
    }
    let mut patterns = Vec::new();
    for matching in spec.maps("matchImageReferences") {
        match (matching.text("glob"), matching.take("expression")) {
            (Some((node, glob)), None) => patterns.push((node, matching.at("glob"), glob)),
            _ => matching.say_here(Weight::Refused, "images by an expression cannot be said"),
        }
        matching.finish();
    }
    if patterns.is_empty() {
        draft.images.push(super::names::EVERYTHING.to_owned());
    }
    who::images(&mut draft, patterns.into_iter(), Dialect::Kyverno, Weight::Stricter, &findings);
    let mut attestors: Vec<(String, Option<Vec<String>>)> = Vec::new();
    for attestor in spec.maps("attestors") {
        let name = attestor.text("name").map_or_else(String::new, |(_, name)| name);
        let names = cosign(&attestor, &name, &mut draft, given);
        attestor.finish();
        attestors.push((name, names));
    }
    let mut types: Vec<(String, Option<String>)> = Vec::new();
    for attestation in spec.maps("attestations") {
        let name = attestation.text("name").map_or_else(String::new, |(_, name)| name);
        attestation.each_is(
            &["referrer"],
            Weight::Note,
            "attached documents without a statement are not verified here",
        );
        let kind = attestation.map("intoto").and_then(|intoto| {
            let kind = intoto.text("type").and_then(|(node, text)| match who::predicate(&text) {
                Ok(kind) => Some(kind),
                Err(why) => {
                    intoto.say(node, "type", Weight::Note, why);
                    None
                }
            });
            intoto.finish();
            kind
        });
        attestation.finish();
        types.push((name, kind));
    }
    let validations = spec.maps("validations");
    for validation in &validations {
        validation.skip(&["message", "messageExpression", "reason"]);
        let Some((node, text)) = validation.text("expression") else { continue };
        match asked(&text) {
            Some(asked) => {
                if let Err(why) = asked.apply(&attestors, &types, &mut draft) {
                    validation.refuse(node, "expression", why);
                }
            }
            None => {
                let message = "this expression is not one that asks for signatures or attestations, and is not carried over";
                validation.say(node, "expression", Weight::Weaker, message);
            }
        }
    }
    if let Some(node) = spec.take("variables") {
        spec.say(node, "variables", Weight::Note, "expressions that use them are not carried over");
    }
    for validation in validations {
        validation.finish();
    }
    if draft.signatures.is_empty() && draft.attestations.is_empty() {
        spec.say_here(
            Weight::Refused,
            "no signature and no attestation is asked for in a way that is understood",
        );
    }
    draft.authorities.retain({
        let used: Vec<String> = draft
            .signatures
            .iter()
            .chain(draft.attestations.iter().map(|(_, r)| r))
            .flat_map(|r| r.by.clone())
            .collect();
        move |authority| used.contains(&authority.name)
    });
    spec.finish();
    Piece::new(source, root.line(), draft, findings)
}

fn cosign(attestor: &Fields<'_>, name: &str, draft: &mut Draft, given: &Given) -> Option<Vec<String>> {
    if attestor.take("notary").is_some() {
        attestor.say_here(Weight::Note, "signatures of Notary are not verified here");
        return None;
    }
    let cosign = attestor.map("cosign")?;
    cosign.each_is(&["annotations"], Weight::Weaker, "annotations of a signature are not compared");
    cosign.each_is(&["source"], Weight::Stricter, "signatures are looked for beside the image alone");
    let tuf = cosign.take("tuf").is_some();
    let ctlog = cosign.map("ctlog");
    let (url, ignored, own) = ctlog.as_ref().map_or((None, false, false), |log| {
        let own = ["rekorPubKey", "ctLogPubKey", "tsaCertChain"]
            .iter()
            .filter(|key| log.take(key).is_some())
            .count()
            > 0;
        log.skip(&["insecureIgnoreSCT"]);
        (log.text("url").map(|(_, url)| url), log.flag("insecureIgnoreTlog") == Some(true), own)
    });
    if let Some(log) = ctlog {
        log.finish();
    }
    let root = match (ignored, own || tuf) {
        (_, true) => given.root_instead("the services' own keys").map(Some),
        (true, false) => Ok(None),
        (false, false) => given.root_for(url.as_deref()).map(Some),
    };
    let made = match (cosign.map("key"), cosign.map("keyless")) {
        (Some(key), None) => {
            let data = key.text("data");
            let hash = key.text("hashAlgorithm").filter(|(_, hash)| !hash.eq_ignore_ascii_case("sha256"));
            key.skip(&["kms", "expression"]);
            key.finish();
            let made = match (data, hash) {
                (_, Some((_, hash))) => Err(format!("signatures with {hash} are not verified here")),
                (Some((_, text)), None) => who::keys(&text),
                _ => Err("the key stands elsewhere: write it into the policy".to_owned()),
            };
            made.and_then(|keys| Ok(vec![who::add_keys(draft, name, keys, root?)]))
        }
        (None, Some(keyless)) => {
            let roots = keyless.take("roots").is_some();
            let identities = keyless.maps("identities");
            let root = match (root, roots) {
                (_, true) => given.root_instead("certificates of one's own"),
                (Ok(Some(root)), false) => Ok(root),
                (Ok(None), false) => given.root_for(None),
                (Err(why), false) => Err(why),
            };
            let mut names = Vec::new();
            for identity in &identities {
                match (who::identity(identity, Stars::Literal), &root) {
                    (Some(found), Ok(root)) => {
                        names.push(who::add_keyless(draft, name, found, root.clone(), None))
                    }
                    _ => identity
                        .say_here(Weight::Note, "this identity is left out: one way less to be allowed"),
                }
            }
            for identity in identities {
                identity.finish();
            }
            keyless.finish();
            root.and_then(
                |_| if names.is_empty() { Err("no identity is left".to_owned()) } else { Ok(names) },
            )
        }
        _ => {
            cosign.skip(&["certificate"]);
            Err("a certificate by itself: write its authority and whom it names under certificateAuthorities"
                .to_owned())
        }
    };
    cosign.finish();
    match made {
        Ok(names) => Some(names),
        Err(why) => {
            attestor.say_here(Weight::Note, why);
            None
        }
    }
}

/// What an expression asks for: signatures, or attestations of one name, by so many of these attestors.
struct Asked {
    attestation: Option<String>,
    attestors: Vec<String>,
    count: usize,
}

/// Understands `images.X.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e > 0)` and the same with
/// `verifyAttestationSignatures(image, attestations.t, [attestors.a])`.
fn asked(text: &str) -> Option<Asked> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let (kind, rest) = text.strip_prefix("images.")?.split_once(".map(")?;
    let (variable, rest) = rest.split_once(',')?;
    let call = rest.strip_prefix("verify")?;
    let (attestation, rest) = match call.strip_prefix("ImageSignatures(") {
        Some(rest) => (None, rest.strip_prefix(variable)?.strip_prefix(",[")?),
        None => {
            let rest = call.strip_prefix("AttestationSignatures(")?.strip_prefix(variable)?;
            let (name, rest) = rest.strip_prefix(",attestations.")?.split_once(",[")?;
            (Some(name.to_owned()), rest)
        }
    };
    let (list, rest) = rest.split_once("])).all(")?;
    let attestors: Option<Vec<String>> = list
        .split(',')
        .map(|one| one.strip_prefix("attestors.").filter(|n| word(n)).map(str::to_owned))
        .collect();
    let (e, rest) = rest.split_once(',')?;
    let comparison = rest.strip_prefix(e)?.strip_suffix(')')?;
    let count = match comparison {
        ">0" => 1,
        other => match (other.strip_prefix(">="), other.strip_prefix('>'), other.strip_prefix("==")) {
            (Some(n), _, _) | (None, None, Some(n)) => n.parse::<usize>().ok()?,
            (None, Some(n), _) => n.parse::<usize>().ok()?.checked_add(1)?,
            _ => return None,
        },
    };
    let words = word(kind) && word(variable) && word(e) && attestation.as_deref().is_none_or(word);
    (words && count > 0).then_some(Asked { attestation, attestors: attestors?, count })
}

impl Asked {
    fn apply(
        &self,
        attestors: &[(String, Option<Vec<String>>)],
        types: &[(String, Option<String>)],
        draft: &mut Draft,
    ) -> Result<(), String> {
        let mut by = Vec::new();
        for wanted in &self.attestors {
            let (_, names) = attestors
                .iter()
                .find(|(name, _)| name == wanted)
                .ok_or_else(|| format!("there is no attestor '{wanted}'"))?;
            let names =
                names.as_ref().ok_or_else(|| format!("the attestor '{wanted}' cannot be carried over"))?;
            // Several identities of one attestor count once there, and here each would count.
            if names.len() > 1 && self.count > 1 {
                return Err(format!("'{wanted}' has several identities, of which one counts"));
            }
            by.extend(names.iter().cloned());
        }
        by.sort();
        by.dedup();
        if self.count > by.len() {
            return Err(format!("{} are asked for, and {} are named", self.count, by.len()));
        }
        let rule = Rule { by, threshold: self.count };
        match &self.attestation {
            None if !draft.signatures.contains(&rule) => draft.signatures.push(rule),
            None => {}
            Some(name) => {
                let kind = types.iter().find(|(known, _)| known == name).and_then(|(_, kind)| kind.clone());
                let kind = kind.ok_or_else(|| format!("the attestation '{name}' cannot be carried over"))?;
                let entry = (kind, rule);
                if !draft.attestations.contains(&entry) {
                    draft.attestations.push(entry);
                }
            }
        }
        Ok(())
    }
}

/// Whether `node` is a list of resources.
pub(super) fn items(node: &Node) -> Option<&[Node]> {
    match &node.get("items")?.value {
        Value::List(items) => Some(items),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn expressions_that_ask_for_signatures_are_understood_and_no_others() {
        let signatures = "images.containers.map(image, verifyImageSignatures(image, [attestors.a, attestors.b])).all(e, e > 0)";
        let found = asked(signatures).unwrap();
        assert_eq!((found.attestors.len(), found.count, found.attestation), (2, 1, None));
        let attested = "images.containers.map(i, verifyAttestationSignatures(i, attestations.sbom, [attestors.a])).all(n, n >= 1)";
        assert_eq!(asked(attested).unwrap().attestation.as_deref(), Some("sbom"));
        assert_eq!(asked(&signatures.replace("> 0", "> 1")).unwrap().count, 2);
        for other in [
            "true",
            "!images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e > 0)",
            "images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e > 0) || true",
            "images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e >= 0)",
            "images.containers.map(image, verifyImageSignatures(image, [attestors.a])).exists(e, e > 0)",
            "images.containers.map(image, verifyImageSignatures(other, [attestors.a])).all(e, e > 0)",
            "images.containers.map(image, extractPayload(image, attestations.sbom).x == 1).all(e, e)",
        ] {
            assert!(asked(other).is_none(), "{other}");
        }
    }
}
