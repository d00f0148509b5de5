//! How far a question may reach whose URL a stranger chose.
//!
//! A stranger must not make us knock at doors that only we can reach: our own, those of our network, a
//! cloud's metadata service (MCP security best practices, SSRF). A name is judged by the addresses it
//! has when the connection is made, so that it can't mean one thing when asked about and another when
//! connected to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Which addresses may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those that everybody can reach.
    Public,
    /// And this machine's own, for development. Not its network's.
    PublicOrLoopback,
}

/// No address of a host may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has no public address")]
pub(super) struct OutOfReach;

impl Reach {
    /// Whether this address may be asked.
    #[must_use]
    pub fn admits(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::PublicOrLoopback if address.is_loopback() => true,
            Self::Public | Self::PublicOrLoopback => is_public(address),
        }
    }

    /// Judges a host that is an address: no name is looked up for it.
    pub(super) fn check(self, url: &Url) -> Result<(), OutOfReach> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(OutOfReach),
        };
        self.admits(address).then_some(()).ok_or(OutOfReach)
    }

    /// Looks names up, and gives the addresses that may be asked.
    pub(super) fn resolver(self) -> Arc<impl Resolve> {
        Arc::new(Resolver(self))
    }
}

struct Resolver(Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self(reach) = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<SocketAddr> =
                found.filter(|address| reach.admits(address.ip())).collect();
            if admitted.is_empty() {
                return Err(OutOfReach.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one that everybody reaches (IANA special-purpose address registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|&(network, bits)| {
            address.to_bits() >> (32 - bits) == network.to_bits() >> (32 - bits)
        }),
        IpAddr::V6(address) => {
            let within = |&(network, bits): &(Ipv6Addr, u32)| {
                address.to_bits() >> (128 - bits) == network.to_bits() >> (128 - bits)
            };
            within(&GLOBAL_UNICAST) && !NOT_PUBLIC_V6.iter().any(within)
        }
    }
}

/// Network and length of its prefix, in bits.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 14] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, reserved and broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    // Protocols' own, tunnels among them that lead to any IPv4 address.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(reach: Reach, address: &str) -> bool {
        reach.admits(address.parse().unwrap())
    }

    #[test]
    fn only_addresses_that_everybody_reaches_are_public() {
        for address in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
        ] {
            assert!(admits(Reach::Public, address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.7",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.170",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            // The same doors by another name.
            "::ffff:10.0.0.7",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:7",
            "2002:a00:7::",
            "2001::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(!admits(Reach::Public, address), "{address}");
        }
    }

    #[test]
    fn loopback_is_this_machine_and_not_its_network() {
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "1.1.1.1"] {
            assert!(admits(Reach::PublicOrLoopback, address), "{address}");
        }
        for address in ["0.0.0.0", "::", "192.168.1.1", "169.254.169.254"] {
            assert!(!admits(Reach::PublicOrLoopback, address), "{address}");
        }
    }

    #[test]
    fn an_address_in_whatever_spelling_is_judged_without_a_name() {
        for url in [
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::ffff:7f00:1]/",
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(Reach::Public.check(&url), Err(OutOfReach), "{url}");
        }
    }
}
