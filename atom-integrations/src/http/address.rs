//! Which addresses are on the public internet, and a resolver that yields no others.
//!
//! The ranges are those of the IANA special-purpose registries (RFC 6890), plus the address at which Azure
//! serves instance metadata, which is outside of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use atom_core::{Error, ErrorCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether the address is on the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const AZURE_METADATA: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    let is_special = match address.octets() {
        [0 | 10 | 127, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [192, 168, ..]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => true,
        [first, ..] => first >= 224,
    };
    !is_special && address != AZURE_METADATA
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // An IPv4 address in another dress (mapped, translated by NAT64, or 6to4) is judged as IPv4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, benchmarking and ORCHID live in 2001::/23, documentation in 2001:db8::/32 and 3fff::/20.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Only 2000::/3 is assigned to the public internet.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The refusal to call a host at a private address.
pub(super) fn refusal(host: &str) -> Error {
    Error::new(
        ErrorCode::PermissionDenied,
        format!(
            "'{host}' is at a private address, which the setting http.private_addresses denies; set it to \"allow\" \
             or name the host in http.hosts"
        ),
    )
    .with_context("host", host)
}

/// Resolves names as the system does and yields public addresses only. The connection is made to exactly
/// these addresses, so a name cannot change its mind between check and use.
#[derive(Debug)]
pub(super) struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(public_only(name.as_str(), addresses)?)
        })
    }
}

fn public_only(host: &str, addresses: impl Iterator<Item = SocketAddr>) -> Result<Addrs, Error> {
    let public: Vec<_> = addresses.filter(|address| is_public(address.ip())).collect();
    if public.is_empty() {
        Err(refusal(host))
    } else {
        Ok(Box::new(public.into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_ranges_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_rest_is_public() {
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2002:808:808::",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_name_keeps_its_public_addresses_only() {
        let public: SocketAddr = "1.1.1.1:0".parse().unwrap();
        let private: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let kept: Vec<_> = public_only("x.test", [private, public].into_iter())
            .unwrap()
            .collect();
        assert_eq!(kept, [public]);
        let Err(error) = public_only("x.test", [private].into_iter()) else {
            panic!("a private address was kept")
        };
        assert_eq!(error.code(), ErrorCode::PermissionDenied);
        assert!(error.message().contains("http.private_addresses"), "{error}");
    }

    proptest! {
        #[test]
        fn an_address_in_another_dress_is_judged_the_same(bits in any::<u32>()) {
            let address = Ipv4Addr::from(bits);
            let mapped = address.to_ipv6_mapped();
            let [a, b, c, d] = address.octets().map(u16::from);
            let translated = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
            prop_assert_eq!(is_public(mapped.into()), is_public(address.into()));
            prop_assert_eq!(is_public(translated.into()), is_public(address.into()));
        }
    }
}
