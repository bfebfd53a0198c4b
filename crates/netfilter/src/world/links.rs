//! Interfaces with their addresses and settings.

use std::collections::BTreeMap;

use facts::{NetNamespace, Part};

use super::number;
use crate::ir::Family;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) up: bool,
    pub(crate) loopback: bool,
    /// What arrives on it arrives on the bridge or bond that it is a port of.
    pub(crate) is_port: bool,
    /// Neighbours on it have link-layer addresses, which neighbour discovery finds.
    pub(crate) has_neighbours: bool,
    /// Whether the link-layer address of some IPv6 neighbour is known; none if that is not known.
    pub(crate) knows_neighbours: Option<bool>,
    pub(crate) conf: Conf,
    pub(crate) addresses: Vec<Own>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) family: Family,
    pub(crate) address: u128,
    pub(crate) scope: u8,
    pub(crate) flags: u32,
}

/// The settings of an interface, joined with those of `all` as the kernel joins them
/// (linux/inetdevice.h, `IN_DEV_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "settings are bools")]
pub(crate) struct Conf {
    /// `IN_DEV_RPFILTER`: the larger of both.
    pub(crate) rp_filter: u32,
    /// `IN_DEV_FORWARD`: the interface's own.
    pub(crate) forwarding: bool,
    /// Either.
    pub(crate) route_localnet: bool,
    /// Either.
    pub(crate) accept_local: bool,
    /// Either.
    pub(crate) src_valid_mark: bool,
    /// The interface's own.
    pub(crate) disable_ipv6: bool,
}

/// The interfaces of a namespace, in the order of their numbers.
pub(super) fn links(namespace: &NetNamespace) -> Vec<Link> {
    let empty = BTreeMap::new();
    let settings = namespace.settings.value().unwrap_or(&empty);
    let mut list: Vec<Link> = namespace
        .links
        .items()
        .iter()
        .map(|link| Link {
            index: link.index.0,
            name: link.name.clone(),
            kind: link.kind.clone(),
            up: link.up,
            loopback: link.loopback,
            is_port: link.master.is_some_and(|master| {
                let of = |index| namespace.links.items().iter().find(|one| one.index == index);
                of(master).is_none_or(|master| master.kind != "vrf")
            }),
            has_neighbours: !link.no_arp && !link.point_to_point,
            knows_neighbours: match &namespace.neighbours {
                Part::Known { value } => Some(value.iter().any(|one| one.link == link.index)),
                _ => None,
            },
            conf: conf(settings, &link.name),
            addresses: Vec::new(),
        })
        .collect();
    for address in namespace.addresses.items() {
        let (family, value) = number(address.address);
        let own = Own { family, address: value, scope: address.scope, flags: address.flags };
        if let Some(link) = list.iter_mut().find(|link| link.index == address.link.0) {
            link.addresses.push(own);
        }
    }
    list.sort_by_key(|link| link.index);
    list
}

fn conf(settings: &BTreeMap<String, String>, name: &str) -> Conf {
    let number = |family: &str, link: &str, key: &str| {
        let path = format!("net/{family}/conf/{link}/{key}");
        settings.get(&path).and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0)
    };
    let larger = |key: &str| number("ipv4", "all", key).max(number("ipv4", name, key));
    Conf {
        rp_filter: larger("rp_filter"),
        forwarding: number("ipv4", name, "forwarding") != 0,
        route_localnet: larger("route_localnet") != 0,
        accept_local: larger("accept_local") != 0,
        src_valid_mark: larger("src_valid_mark") != 0,
        disable_ipv6: number("ipv6", name, "disable_ipv6") != 0,
    }
}
