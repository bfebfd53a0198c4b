//! The IPv6 addresses of the host: their kinds, how long they last, and which of them it sends from.
//!
//! Sources: RFC 6724 (choice of the source), RFC 8981 (temporary addresses), RFC 7217 (stable,
//! opaque identifiers), RFC 4291 appendix A (EUI-64); kernel `include/uapi/linux/if_addr.h`.

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
const DADFAILED: u32 = 0x08;
const TENTATIVE: u32 = 0x40;
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

/// The address that the host sends from to a destination far away.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    /// The address.
    pub address: Judged<'a>,
    /// Whether the kernel said so; else it follows from RFC 6724 and what is known.
    pub by_kernel: bool,
}

/// Which address the host sends from over IPv6.
pub(super) fn chosen<'a>(subject: &Subject<'a>, all: &[Judged<'a>]) -> Option<Chosen<'a>> {
    let asked = subject.state.sources.iter().find(|chosen| chosen.destination.is_ipv6());
    let own = subject.namespace.is_some_and(|n| n.own);
    if let Some(asked) = asked.filter(|_| own) {
        let source = asked.source?;
        let address = *all.iter().find(|judged| judged.address.address == source)?;
        return Some(Chosen { address, by_kernel: true });
    }
    computed(subject, all).map(|address| Chosen { address, by_kernel: false })
}

/// RFC 6724, section 5, for a destination of global scope outside of the host's prefixes. Among
/// addresses of the interface that the default route leads through, where that is known.
pub(super) fn computed<'a>(subject: &Subject<'a>, all: &[Judged<'a>]) -> Option<Judged<'a>> {
    let routes = subject.namespace.map_or(&[][..], |n| n.routes.items());
    let default = routes.iter().find(|route| {
        route.destination.len == 0 && route.destination.address.is_ipv6() && route.table == 254
    });
    let out = default.and_then(|route| route.hops.first()?.link);
    let usable = |judged: &&Judged<'_>| {
        judged.address.address.is_ipv6()
            && matches!(judged.scope, Scope::Global | Scope::Ula)
            && judged.address.flags & (DADFAILED | TENTATIVE) == 0
    };
    let prefers_temporary = |judged: &Judged<'_>| {
        let link = judged.link.map_or("", |link| link.name.as_str());
        subject.number(&format!("net/ipv6/conf/{link}/use_tempaddr")) >= Some(2)
    };
    all.iter().filter(usable).copied().max_by_key(|judged| {
        (
            // Rule 3: avoid deprecated addresses. Linux puts the scope before it, and both are global.
            !judged.address.is_deprecated(),
            // Rule 5: prefer the outgoing interface.
            out.is_none_or(|out| judged.address.link == out),
            // Rule 6: prefer a matching label; that of ULA is not that of the Internet.
            judged.scope == Scope::Global,
            // Rule 7: prefer temporary addresses, where use_tempaddr says so; else public ones.
            (judged.kind == Kind::Temporary) == prefers_temporary(judged),
            // Of equals the one that lasts longest, as the kernel lists the newest first.
            judged.address.preferred_s.unwrap_or(u32::MAX),
        )
    })
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
