//! Which hosts are asked at all.
//!
//! An image reference is a way to make this program connect to a host of a tenant's choice. With a list,
//! every other host is refused before its name is resolved. Without one, this machine itself and link-local
//! addresses, where clouds serve credentials, are refused.
//!
//! What an allowed *name* leads to is checked where it is resolved ([`seaworthy_oci::registry::address`]): never to
//! this machine or its link, also if its owner points it there later.

use seaworthy_oci::Repository;
use seaworthy_oci::registry::address::is_local;
use std::net::IpAddr;
use std::str::FromStr;

/// A registry that may be asked: `registry.example`, `localhost:5000`, or `*.registry.example` for all names
/// below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryName {
    text: String,
    below: bool,
}

impl FromStr for RegistryName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, below) = text.strip_prefix("*.").map_or((text, false), |host| (host, true));
        if host.contains(['/', '*', '@']) {
            return Err("write a host, host:port, or *.domain".into());
        }
        let repository = Repository::new(host, "x/x").map_err(|e| e.kind.to_string())?;
        if below && (repository.host().parse::<IpAddr>().is_ok() || !repository.host().contains('.')) {
            return Err("'*.' stands before a domain of two names at least".into());
        }
        Ok(Self { text: repository.registry().to_owned(), below })
    }
}

impl RegistryName {
    fn covers(&self, repository: &Repository) -> bool {
        let registry = repository.registry();
        if !self.below {
            return registry == self.text;
        }
        registry.strip_suffix(self.text.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

/// Whether `repository` may be asked.
///
/// # Errors
/// Why not, for people.
pub fn check(repository: &Repository, allowed: &[RegistryName]) -> Result<(), String> {
    if allowed.iter().any(|name| name.covers(repository)) {
        return Ok(());
    }
    let host = repository.registry();
    if !allowed.is_empty() {
        return Err(format!("the registry {host} is not among those that may be asked"));
    }
    if repository.is_loopback() || repository.host().parse::<IpAddr>().is_ok_and(is_local) {
        return Err(format!("{host} is this machine or a link-local address; it must be allowed by name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<RegistryName> = allowed.iter().map(|a| a.parse().unwrap()).collect();
        check(&Repository::new(host, "a/b").unwrap(), &allowed).is_ok()
    }

    #[test]
    fn without_a_list_the_machine_itself_is_out_of_reach() {
        for host in [
            "169.254.169.254",
            "localhost",
            "localhost:2379",
            "x.localhost",
            "127.0.0.1:5000",
            "[::1]",
            "[fe80::1]:80",
            "0.0.0.0",
            "[::]",
            "[::ffff:169.254.169.254]",
            "[::ffff:127.0.0.1]:443",
            "224.0.0.1",
        ] {
            assert!(!asked(host, &[]), "{host}");
        }
        for host in ["registry.example", "docker.io", "10.0.0.1:5000", "[2001:db8::1]"] {
            assert!(asked(host, &[]), "{host}");
        }
    }

    #[test]
    fn a_list_is_the_whole_list() {
        let list = ["registry.example", "*.acme.example", "127.0.0.1:5000", "docker.io"];
        for host in [
            "REGISTRY.example:443",
            "a.acme.example",
            "a.b.acme.example",
            "127.0.0.1:5000",
            "index.docker.io",
        ] {
            assert!(asked(host, &list), "{host}");
        }
        for host in
            ["acme.example", "evilacme.example", "registry.example:5000", "127.0.0.1", "other.example"]
        {
            assert!(!asked(host, &list), "{host}");
        }
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for text in ["", "*", "*.com", "*.10.0.0.1", "a/b", "https://registry.example", "*.*.example"] {
            assert!(text.parse::<RegistryName>().is_err(), "{text}");
        }
    }
}
