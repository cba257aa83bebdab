//! Kyverno: `ImageValidatingPolicy`.
//!
//! Of its CEL expressions, those are understood that ask for signatures or attestations of attestors of the policy; every
//! other one is said to be lost. As in [`super::kyverno`], a pattern that is wider here only asks more.

use super::Piece;
use super::draft::{Draft, Fields, Findings, Rule, Weight};
use super::names::Dialect;
use super::who::{self, Given, Stars};
use crate::tree::Node;

/// `ImageValidatingPolicy` of policies.kyverno.io.
pub(super) fn import(root: &Fields<'_>, kind: &str, findings: Findings, given: &Given) -> Piece {
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
