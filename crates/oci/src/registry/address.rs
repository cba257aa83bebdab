//! Which addresses a name may lead to.
//!
//! A name says nothing about where it leads: its owner can point it at the machine that asks (DNS rebinding), or at
//! the address where a cloud serves credentials. The check is made on the very addresses that are connected to, so
//! nothing can change between the check and the use.
//!
//! Addresses of private networks are no concern here: registries stand in them.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses, routed like others, at which clouds serve credentials to their machines.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Whether `address` is this machine, its link, everybody, or where a cloud serves credentials.
pub fn is_local(address: IpAddr) -> bool {
    let special = match address {
        IpAddr::V4(v4) => {
            v4.is_loopback()
                || v4.is_link_local()
                // All of 0.0.0.0/8 is "this network" (RFC 791), and leads to this machine.
                || v4.octets().starts_with(&[0])
                || v4.is_multicast()
                || v4.is_broadcast()
        }
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => return is_local(IpAddr::V4(v4)),
            None => {
                v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local()
            }
        },
    };
    special || METADATA.contains(&address)
}

/// The IPv4 address inside: mapped (RFC 4291), or behind the well-known prefix of NAT64 (RFC 6052).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = v6.octets();
    let last = || octets.last_chunk::<4>().map(|four| Ipv4Addr::from(*four));
    match octets.starts_with(&[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]) {
        true => last(),
        false => v6.to_ipv4_mapped(),
    }
}

/// Resolves names, and refuses those that lead to a local address.
#[derive(Debug)]
pub(super) struct Guard;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is set by the client.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(checked(name.as_str(), found)?)
        })
    }
}

/// One bad address is enough: which of them is connected to would be chance.
fn checked(name: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Addrs, std::io::Error> {
    let all: Vec<SocketAddr> = found.collect();
    match all.iter().find(|a| is_local(a.ip())) {
        Some(bad) => Err(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            format!("{name} leads to {}, which is this machine or its link", bad.ip()),
        )),
        None => Ok(Box::new(all.into_iter())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(addresses: &[&str]) -> Result<usize, String> {
        let all = addresses.iter().map(|a| SocketAddr::new(a.parse().unwrap(), 0)).collect::<Vec<_>>();
        checked("r.example", all.into_iter()).map(Iterator::count).map_err(|e| e.to_string())
    }

    #[test]
    fn one_local_address_is_enough() {
        assert_eq!(leads(&["192.0.2.1", "10.0.0.1", "2001:db8::1", "fd00::1"]), Ok(4));
        for bad in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
        ] {
            let why = leads(&["192.0.2.1", bad]).unwrap_err();
            assert!(why.contains("r.example leads to"), "{why}");
        }
    }
}
