//! The parts of the kernel that hold sockets of their own, so that a socket without a process is
//! named, not unknown.
//!
//! Links tell most of it ([`links`]); WireGuard, L2TP and FOU answer over generic netlink
//! ([`generic`]); NFS and the block targets have files ([`files`]). The sockets of a link stay in
//! the namespace that the link was made in, when the link is moved to another.

mod files;
mod generic;
mod links;

use std::collections::BTreeSet;

use facts::{Gap, KernelOwner, NetnsId, Port, Protocol};

pub(crate) use files::{parse_portlist, read as from_files};
pub(crate) use generic::Families;
pub(crate) use generic::{Numbers, parse_families, parse_fou, parse_l2tp, parse_wireguard};
pub(crate) use links::{OwningLink, owning_link};

use super::{gap, nsid};
use crate::netns::Namespace;

/// What was found, and what could not be looked for.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// The owners.
    pub(crate) owners: Vec<KernelOwner>,
    /// What could not be read.
    pub(crate) gaps: Vec<Gap>,
}

impl Owners {
    fn add(&mut self, netns: NetnsId, owned: Owned, source: &str) {
        self.owners.push(KernelOwner {
            netns,
            protocol: owned.protocol,
            port: owned.port,
            subsystem: owned.subsystem.to_owned(),
            instance: owned.instance,
            source: source.to_owned(),
        });
    }
}

/// A socket of the kernel, before its namespace is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    /// UDP or TCP.
    pub(crate) protocol: Protocol,
    /// The local port.
    pub(crate) port: Port,
    /// The module.
    pub(crate) subsystem: &'static str,
    /// The link, tunnel or target.
    pub(crate) instance: String,
}

/// Asks for everything that lives in `namespace`, on a thread inside it. `owning` are its links;
/// `all` the namespaces in which such links may have been made.
pub(crate) fn read(
    namespace: &Namespace,
    owning: &[OwningLink],
    all: &[Namespace],
    families: &Families,
) -> Owners {
    let mut owners = Owners::default();
    let wanted = owning.iter().filter_map(|link| link.made_in).collect();
    let mut makers = Makers { namespace, all, wanted, numbers: None };
    for link in owning {
        // Of a listing that is limited to this namespace, the sockets of such links are no part.
        let Some(netns) = makers.find(link, &mut owners.gaps) else { continue };
        for port in &link.udp_ports {
            let owned = Owned {
                protocol: Protocol::UDP,
                port: *port,
                subsystem: link.subsystem,
                instance: link.name.clone(),
            };
            owners.add(netns, owned, "rtnetlink link dump");
        }
        if link.is_wireguard() {
            generic::wireguard(namespace, netns, link, families, &mut owners);
        }
    }
    generic::tunnels(namespace, families, &mut owners);
    owners
}

/// Finds the namespaces that links were made in.
struct Makers<'a> {
    namespace: &'a Namespace,
    all: &'a [Namespace],
    /// The numbers that are asked for.
    wanted: BTreeSet<i32>,
    /// The numbers by which `namespace` knows the others, once they were needed.
    numbers: Option<Vec<(i32, NetnsId)>>,
}

impl Makers<'_> {
    fn find(&mut self, link: &OwningLink, gaps: &mut Vec<Gap>) -> Option<NetnsId> {
        let Some(number) = link.made_in else { return Some(self.namespace.id) };
        let (namespace, all, wanted) = (self.namespace, self.all, &self.wanted);
        let numbers = self.numbers.get_or_insert_with(|| match nsid::resolve(wanted, all) {
            Ok(numbers) => numbers,
            Err(error) => {
                let what = format!("namespaces that links of {} were made in", namespace.label());
                gaps.push(gap(what, format!("rtnetlink: {error}"), error.is_denied()));
                vec![]
            }
        });
        let found = numbers.iter().find(|(n, _)| *n == number).map(|(_, id)| *id);
        if found.is_none() && all.len() > 1 {
            gaps.push(Gap::new(
                format!("the socket of link {} of {}", link.name, namespace.label()),
                format!("it is in a network namespace (number {number}) that was not found"),
            ));
        }
        found
    }
}
