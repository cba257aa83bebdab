//! containers' `policy.json` (containers-policy.json(5)).
//!
//! There, the most specific scope alone decides, and all its requirements must be met. Here every policy that matches
//! must be met: so a scope within another one is stricter here, and one that is looser than what is around it cannot be
//! said.

use super::Piece;
use super::draft::Name;
use super::draft::{Draft, Fields, Findings, Key, Rule, Weight, sanitized};
use super::names::EVERYTHING;
use super::who::{self, Given, Identity};
use crate::tree::{Node, Value};
use seaworthy_verifier::ImageName;

pub(super) fn import(root: &Node, given: &Given) -> Vec<Piece> {
    let own = Findings::default();
    let mut pieces = Vec::new();
    if let Some(fields) = Fields::of(root, "", &own) {
        let default = fields.take("default");
        let transports = fields.take("transports");
        fields.finish();
        let mut scopes: Vec<(String, String, &Node)> = Vec::new();
        if let Some(Node { value: Value::Map(transports), .. }) = transports {
            for (transport, node) in transports {
                let Value::Map(entries) = &node.value else { continue };
                if transport != "docker" {
                    let message = format!(
                        "images of '{transport}:' are judged by their own names here (oci:, \
                                           oci-archive:, docker-archive:), or not at all: what no policy speaks about is denied"
                    );
                    own.say(node.line, &format!("transports.{transport}"), Weight::Stricter, message);
                    continue;
                }
                for (scope, node) in entries {
                    scopes.push((
                        scope.clone(),
                        format!("transports.docker[{}]", crate::yaml::quoted(scope)),
                        node,
                    ));
                }
            }
        }
        let whole = scopes.iter().any(|(scope, _, _)| scope.is_empty());
        match default {
            Some(node) if !whole => scopes.push((String::new(), "default".into(), node)),
            Some(node) => own.say(
                node.line,
                "default",
                Weight::Stricter,
                "it is for transports other than docker alone: what no policy speaks about is denied",
            ),
            None => {}
        }
        let names: Vec<(String, Sort)> =
            scopes.iter().map(|(scope, _, node)| (scope.clone(), sort(node))).collect();
        for (scope, path, node) in &scopes {
            pieces.extend(one(scope, path, node, &names, given));
        }
    }
    let rest = Piece::new("the file as a whole".into(), root.line, Draft::default(), own);
    if !rest.findings.is_empty() {
        pieces.insert(0, Piece { draft: None, ..rest });
    }
    pieces
}

/// The patterns of a scope: itself and what is below it.
fn patterns(scope: &str) -> Result<Vec<String>, String> {
    if scope.is_empty() {
        return Ok(vec![EVERYTHING.to_owned()]);
    }
    let (host, path) = match scope.split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (scope, None),
    };
    let Some(path) = path else {
        let pattern = format!("{host}/**");
        ImageName::check_pattern(&pattern)?;
        return Ok(vec![pattern]);
    };
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.contains(':') || last.contains('@') {
        return Err("it is for one tag or digest; ours speak of repositories, which would be more".to_owned());
    }
    let below = format!("{host}/{path}/**");
    let itself = format!("{host}/{path}");
    ImageName::check_pattern(&below)?;
    // `docker.io/library` is a namespace there, and would be short for `library/library` here.
    if host == "docker.io" && !path.contains('/') {
        return Ok(vec![below]);
    }
    ImageName::check_pattern(&itself)?;
    Ok(vec![itself, below])
}

fn one(scope: &str, path: &str, node: &Node, scopes: &[(String, Sort)], given: &Given) -> Vec<Piece> {
    let findings = Findings::default();
    let shown = if scope.is_empty() { "every image" } else { scope };
    let mut draft = Draft { mode: "enforce", ..Draft::default() };
    draft.name = if scope.is_empty() { "default".to_owned() } else { sanitized(scope) };
    let source = format!("the rule for {shown}");
    let Value::List(requirements) = &node.value else {
        findings.say(
            node.line,
            path,
            Weight::Refused,
            format!("a list is expected, and there is {}", node.kind()),
        );
        return vec![Piece::new(source, node.line, draft, findings)];
    };
    match patterns(scope) {
        Ok(found) => draft.images = found,
        Err(why) => findings.say(node.line, path, Weight::Refused, format!("the scope '{scope}': {why}")),
    }
    let within = |wanted: &[Sort]| {
        scopes.iter().any(|(other, sort)| other != scope && wanted.contains(sort) && covers(other, scope))
    };
    let around = within(&[Sort::Asks]);
    match sort(node) {
        Sort::Denies => {
            let (weight, message) = match within(&[Sort::Asks, Sort::Allows]) {
                false => {
                    (Weight::Note, "what no policy speaks about is denied here: nothing need be written")
                }
                true => (
                    Weight::Weaker,
                    "images of this scope are denied there; here the rule around it allows those that meet it",
                ),
            };
            findings.say(node.line, path, weight, message);
            return vec![Piece::without(source, node.line, findings)];
        }
        Sort::Allows if around || scope.is_empty() => {
            let message = match around {
                true => {
                    "every image of this scope is allowed there; here the rule around it holds for them too"
                }
                false => "every image is allowed there; here, what no other policy speaks about is denied",
            };
            findings.say(node.line, path, Weight::Stricter, message);
            return vec![Piece::without(source, node.line, findings)];
        }
        Sort::Allows => {
            draft.nothing = true;
            return vec![Piece::new(source, node.line, draft, findings)];
        }
        Sort::Asks => {}
    }
    if around {
        let message = "the rules of the scopes around this one hold for its images too";
        findings.say(node.line, path, Weight::Stricter, message);
    }
    for (at, requirement) in requirements.iter().enumerate() {
        let path = format!("{path}[{at}]");
        if let Some(fields) = Fields::of(requirement, path.as_str(), &findings) {
            self::requirement(&fields, &mut draft, given);
            fields.finish();
        }
    }
    if requirements.is_empty() {
        findings.say(node.line, path, Weight::Refused, "an empty list of requirements is refused there, too");
    }
    vec![Piece::new(source, node.line, draft, findings)]
}

/// What a scope comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Denies,
    Allows,
    Asks,
}

fn sort(node: &Node) -> Sort {
    let Value::List(requirements) = &node.value else { return Sort::Asks };
    let kinds = || requirements.iter().map(|r| r.get("type").and_then(Node::text).unwrap_or_default());
    if kinds().any(|kind| kind == "reject") {
        Sort::Denies
    } else if !requirements.is_empty() && kinds().all(|kind| kind == "insecureAcceptAnything") {
        Sort::Allows
    } else {
        Sort::Asks
    }
}

/// Whether everything in `inner` is in `outer`.
fn covers(outer: &str, inner: &str) -> bool {
    let host = |scope: &str| scope.split('/').next().unwrap_or_default().to_owned();
    match outer.strip_prefix("*.") {
        _ if outer.is_empty() => true,
        Some(domain) => host(inner).ends_with(&format!(".{domain}")),
        None => inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['/', ':', '@'])),
    }
}

fn requirement(fields: &Fields<'_>, draft: &mut Draft, given: &Given) {
    let kind = fields.text("type").map(|(_, kind)| kind).unwrap_or_default();
    match kind.as_str() {
        // Beside others it asks for nothing.
        "insecureAcceptAnything" => {}
        "sigstoreSigned" => sigstore(fields, draft, given),
        "signedBy" => {
            fields.skip(&["keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"]);
            fields.say_here(Weight::Refused, "signatures by GPG are not verified here");
        }
        other => fields.say_here(Weight::Refused, format!("the requirement '{other}' is not known")),
    }
}

fn sigstore(fields: &Fields<'_>, draft: &mut Draft, given: &Given) {
    identity(fields);
    let rekor = ["rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas"];
    let logged = rekor.iter().find_map(|key| fields.take(key));
    fields.skip(&rekor);
    let mut keys: Vec<Key> = Vec::new();
    let paths = fields.take("keyPath").into_iter().chain(fields.list("keyPaths"));
    keys.extend(paths.filter_map(Node::text).map(Key::Path));
    for node in fields.take("keyData").into_iter().chain(fields.list("keyDatas")) {
        let text = node.text().unwrap_or_default();
        match decoded(&text).and_then(|pem| who::keys(&pem)) {
            Ok(more) => keys.extend(more),
            Err(why) => fields.say(node, "keyData", Weight::Refused, why),
        }
    }
    let root = logged.map(|_| given.root_instead("the key of the log"));
    if let Some(fulcio) = fields.map("fulcio") {
        let (issuer, mail) = (fulcio.text("oidcIssuer"), fulcio.text("subjectEmail"));
        fulcio.skip(&["caPath", "caData"]);
        fulcio.finish();
        let (Some((_, issuer)), Some((_, mail))) = (issuer, mail) else {
            return fields.say_here(Weight::Refused, "fulcio without oidcIssuer or subjectEmail");
        };
        match given.root_instead("the certificate of Fulcio") {
            Ok(root) => {
                let identity = Identity { issuer: Name::Exact(issuer), subject: Name::Exact(mail) };
                let name = who::add_keyless(draft, "fulcio", identity, root, None);
                draft.signatures.push(Rule { by: vec![name], threshold: 1 });
            }
            Err(why) => fields.say_here(Weight::Refused, why),
        }
        return;
    }
    if let Some(node) = fields.take("pki") {
        fields.say(node, "pki", Weight::Refused, "write it by hand, as certificateAuthorities");
        return;
    }
    match (keys.is_empty(), root.transpose()) {
        (true, _) => fields.say_here(Weight::Refused, "no key that could be carried over"),
        (false, Err(why)) => fields.say_here(Weight::Refused, why),
        (false, Ok(root)) => {
            let name = who::add_keys(draft, "keys", keys, root);
            let rule = Rule { by: vec![name], threshold: 1 };
            if !draft.signatures.contains(&rule) {
                draft.signatures.push(rule);
            }
        }
    }
}

/// The name in the signature is compared there, and here the digest alone.
fn identity(fields: &Fields<'_>) {
    let kind = fields.take("signedIdentity").and_then(|node| node.get("type")).and_then(Node::text);
    let message = "the image's name within the signature is not compared here, only its digest: a signature for the \
                   same image under another name counts";
    fields.say_here(
        Weight::Weaker,
        format!("{message} ({})", kind.as_deref().unwrap_or("matchRepoDigestOrExact")),
    );
}

fn decoded(text: &str) -> Result<String, String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .map_err(|e| format!("no base64: {e}"))?;
    String::from_utf8(bytes).map_err(|_| "no PEM".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{covers, patterns};

    #[test]
    fn a_scope_is_itself_and_what_is_below_it() {
        assert_eq!(patterns("r.example").unwrap(), ["r.example/**"]);
        assert_eq!(patterns("r.example/team").unwrap(), ["r.example/team", "r.example/team/**"]);
        assert_eq!(patterns("docker.io/library").unwrap(), ["docker.io/library/**"]);
        assert_eq!(patterns("*.example.com").unwrap(), ["*.example.com/**"]);
        assert!(patterns("r.example/team/app:1.0").is_err());
        assert!(patterns("r.example/team@sha256:00").is_err());
    }

    #[test]
    fn the_scope_around_another_is_found() {
        for (outer, inner, is) in [
            ("", "r.example", true),
            ("r.example", "r.example/team", true),
            ("r.example/team", "r.example/team:1", true),
            ("r.example/te", "r.example/team", false),
            ("*.example", "r.example/team", true),
            ("r.example/team", "r.example", false),
        ] {
            assert_eq!(covers(outer, inner), is, "{outer} {inner}");
        }
    }
}
