//! The IPv6 addresses of the host: their kinds, how long they last, and which of them it sends from.
//!
//! Sources: RFC 8981 (temporary addresses), RFC 7217 (stable, opaque identifiers), RFC 4291
//! appendix A (EUI-64); kernel `include/uapi/linux/if_addr.h`.

use std::net::{IpAddr, Ipv6Addr};

use facts::{Address, Link};

use super::subject::Subject;

/// How an address came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A privacy address, which changes.
    Temporary,
    /// Made from the prefix and an identifier that stays and tells nothing.
    StablePrivacy,
    /// Made from the prefix and the hardware's address, which it tells to everyone.
    Eui64,
    /// Given by DHCP.
    Dhcp,
    /// Given by hand or a file.
    Static,
    /// Of the link.
    LinkLocal,
}

/// How far an address is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// Within the site (RFC 4193).
    Ula,
    /// On the link.
    LinkLocal,
    /// In the host.
    Host,
}

/// An address.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The address.
    pub address: &'a Address,
    /// Its interface.
    pub link: Option<&'a Link>,
    /// How it came about.
    pub kind: Kind,
    /// How far it is valid.
    pub scope: Scope,
}

/// `IFA_F_*`.
const PERMANENT: u32 = 0x80;
const MANAGETEMPADDR: u32 = 0x100;
const STABLE_PRIVACY: u32 = 0x800;

/// The addresses of the host but those of loopback.
pub(super) fn addresses<'a>(subject: &Subject<'a>) -> Vec<Judged<'a>> {
    let Some(namespace) = subject.namespace else { return Vec::new() };
    let links = namespace.links.items();
    let all = namespace.addresses.items().iter().filter(|a| !a.address.is_loopback());
    all.map(|address| {
        let link = links.iter().find(|link| link.index == address.link);
        Judged { address, link, kind: kind(address), scope: scope(address.address) }
    })
    .collect()
}

fn kind(address: &Address) -> Kind {
    let IpAddr::V6(ip) = address.address else {
        return match (address.address, address.flags & PERMANENT) {
            (IpAddr::V4(v4), _) if v4.is_link_local() => Kind::LinkLocal,
            (_, 0) => Kind::Dhcp,
            _ => Kind::Static,
        };
    };
    let lasts = address.flags & PERMANENT != 0 || address.valid_s.is_none();
    if ip.is_unicast_link_local() {
        Kind::LinkLocal
    } else if address.is_temporary() {
        Kind::Temporary
    } else if address.flags & STABLE_PRIVACY != 0 {
        Kind::StablePrivacy
    } else if is_eui64(ip) && (!lasts || address.flags & MANAGETEMPADDR != 0) {
        Kind::Eui64
    } else if lasts {
        Kind::Static
    } else if address.prefix_len == 128 {
        // A server gives one address, not a prefix (RFC 8415, section 21.6).
        Kind::Dhcp
    } else {
        // Autoconfigured by a program, which chose the identifier: NetworkManager's default.
        Kind::StablePrivacy
    }
}

/// Whether the identifier holds a hardware address: `ff:fe` in its middle.
pub(super) fn is_eui64(ip: Ipv6Addr) -> bool {
    matches!(ip.octets(), [_, _, _, _, _, _, _, _, _, _, _, 0xff, 0xfe, _, _, _])
}

fn scope(address: IpAddr) -> Scope {
    match address {
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Scope::LinkLocal,
        IpAddr::V6(ip) if ip.is_unique_local() => Scope::Ula,
        IpAddr::V4(ip) if ip.is_link_local() => Scope::LinkLocal,
        ip if ip.is_loopback() => Scope::Host,
        _ => Scope::Global,
    }
}

#[cfg(test)]
mod tests {
    use facts::IfIndex;

    use super::*;

    #[test]
    fn kinds() {
        let check = |text: &str, prefix_len, flags, valid_s, expect| {
            let address = Address {
                link: IfIndex(2),
                address: text.parse().unwrap(),
                prefix_len,
                scope: 0,
                flags,
                preferred_s: valid_s,
                valid_s,
            };
            assert_eq!(kind(&address), expect, "{text}");
        };
        check("2001:db8::1", 64, PERMANENT, None, Kind::Static);
        check("2001:db8::5054:ff:fe12:3456", 64, MANAGETEMPADDR, Some(3600), Kind::Eui64);
        check("2001:db8::5054:ff:fe12:3456", 64, PERMANENT, None, Kind::Static);
        check("2001:db8::abcd", 64, 0x01, Some(60), Kind::Temporary);
        check("2001:db8::abcd", 64, STABLE_PRIVACY, Some(60), Kind::StablePrivacy);
        check("2001:db8::abcd", 64, 0x200, Some(60), Kind::StablePrivacy);
        check("2001:db8::abcd", 128, 0, Some(60), Kind::Dhcp);
        check("fe80::5054:ff:fe12:3456", 64, PERMANENT, None, Kind::LinkLocal);
        check("192.0.2.1", 24, PERMANENT, None, Kind::Static);
        check("192.0.2.1", 24, 0, Some(60), Kind::Dhcp);
        assert_eq!(scope("fd00::1".parse().unwrap()), Scope::Ula);
    }
}
