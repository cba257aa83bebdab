//! What a run tells to whom, said before it is done.

use super::config::Services;
use std::collections::BTreeSet;
use url::Url;

/// Domains whose services anybody may read: what is logged there cannot be taken back.
const PUBLIC: [&str; 2] = ["sigstore.dev", "sigstage.dev"];

/// Whether `url` is one of the public services.
pub fn is_public(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    PUBLIC
        .iter()
        .any(|domain| host == *domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

/// The hosts of public services among `services` that may be told about this run, sorted.
pub fn public_services(services: &Services) -> Vec<String> {
    let hosts: BTreeSet<String> = services
        .endpoints()
        .map(|e| &e.url)
        .filter(|url| is_public(url))
        .filter_map(|url| url.host_str().map(str::to_owned))
        .collect();
    hosts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyless::Selection;

    #[test]
    fn public_hosts_are_told_from_hosts_that_look_like_them() {
        let public = |url: &str| is_public(&url.parse().unwrap());
        assert!(public("https://rekor.sigstore.dev/x"));
        assert!(public("https://fulcio.sigstore.dev."));
        assert!(public("https://log2025-1.rekor.sigstore.dev"));
        assert!(public("https://fulcio.sigstage.dev"));
        assert!(!public("https://rekor.sigstore.dev.example"));
        assert!(!public("https://notsigstore.dev"));
        assert!(!public("https://rekor.internal/sigstore.dev"));
    }

    #[test]
    fn every_kind_of_service_is_listed_once() {
        let one = |url: &str| Selection::one(url.parse().unwrap(), 1);
        let services = Services {
            authorities: one("https://fulcio.sigstore.dev"),
            issuers: Vec::new(),
            logs: one("https://rekor.internal"),
            timestamps: one("https://timestamp.sigstore.dev/api/v1/timestamp"),
        };
        assert_eq!(public_services(&services), ["fulcio.sigstore.dev", "timestamp.sigstore.dev"]);
    }
}
