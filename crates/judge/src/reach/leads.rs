//! Where translations of the destination lead: to sockets of this host, or of namespaces behind it.

use std::net::{IpAddr, SocketAddr};

use facts::Address;
use netfilter::ir::Nat;
use packet_set::RangeSet;

use super::all::on_the_wire;
use super::entries::{At, Found};
use super::{Arrival, Because, Reach, combine, inner, lists};
use crate::Namespace;
use crate::row::{Row, plain};

impl At<'_, '_> {
    /// Where a translation leads.
    pub(super) fn target(&self, found: &Found, port: u16, last: u16) -> Target {
        let Nat { address, port: to, .. } = &found.nat;
        let to_port = to.map_or(port, |(first, _)| first);
        let several = to.is_some_and(|(first, last)| first != last)
            || address.is_some_and(|(first, last)| first != last);
        let places = self.places(found);
        // Each of many ports leads to itself, and who listens there is not all known.
        let each = to.is_none() && port != last;
        let receivers = if each { Vec::new() } else { self.receivers(&found.nat, port, &places) };
        if found.out.is_none() {
            let leads_to = format!(":{to_port}");
            let behind = match receivers.is_empty() {
                true if each => Behind::Unknown,
                true => Behind::Nothing,
                false => Behind::Sockets(receivers),
            };
            return Target { leads_to, container: None, behind };
        }
        let Some((address, _)) = *address else {
            let leads_to = format!("its own address, port {to_port}");
            return Target { leads_to, container: None, behind: Behind::Unknown };
        };
        let address = self.wire.address(address);
        let more = if several { " and others" } else { "" };
        let leads_to = if each {
            format!("{address}{more}")
        } else {
            format!("{}{more}", SocketAddr::new(address, to_port))
        };
        let named =
            places.iter().find_map(|at| self.judgement.namespaces.get(*at)?.container.clone());
        let container = named.or_else(|| self.container_at(address));
        let one = !several && port == last && !places.is_empty();
        let behind = if !receivers.is_empty() {
            Behind::Sockets(receivers)
        } else if one && places.iter().all(|at| self.is_listed(*at)) {
            Behind::Closed
        } else {
            Behind::Unknown
        };
        Target { leads_to, container, behind }
    }

    /// The namespaces that a translation leads to: this one, or those behind it that have its address.
    pub(super) fn places(&self, found: &Found) -> Vec<usize> {
        if found.out.is_none() {
            return vec![self.namespace];
        }
        let Some((first, last)) = found.nat.address else { return Vec::new() };
        let has = |namespace: &Namespace<'_>| {
            let mut own = namespace.addresses().iter();
            let number = |one: &Address| self.wire.number(one.address);
            own.any(|one| number(one).is_some_and(|one| (first..=last).contains(&one)))
        };
        let all = self.judgement.namespaces.iter().enumerate();
        let behind = all.filter(|(_, one)| inner::is_inner(self.judgement, one) && has(one));
        behind.map(|(at, _)| at).collect()
    }

    /// Whether a row can take packets of this family and protocol.
    pub(super) fn is_served(&self, row: &Row<'_>) -> bool {
        row.is_open()
            && on_the_wire(row, self.wire) == Some(self.protocol)
            && row.arrival(self.wire) != Arrival::No
    }

    /// The sockets of these namespaces that may get what is translated so.
    fn receivers(&self, nat: &Nat, port: u16, places: &[usize]) -> Vec<Receiver> {
        let (first, last) = nat.port.unwrap_or((port, port));
        // `redirect` takes an address of the interface.
        let address = nat.address.filter(|(first, last)| first == last);
        let address = address.map(|(address, _)| self.wire.address(address));
        let of_range = nat.address.is_some() && address.is_none();
        let receiver = |row: &Row<'_>| {
            let bound = plain(row.socket.local.address);
            let fits = places.contains(&row.namespace)
                && row.port().is_some_and(|port| (first..=last).contains(&port.0))
                && self.is_served(row)
                && match address {
                    Some(address) => bound.is_unspecified() || bound == address,
                    None => of_range || !bound.is_loopback(),
                };
            let certain = first == last
                && (!of_range || row.namespace == self.namespace)
                && places.len() == 1
                && row.arrival(self.wire) == Arrival::Yes
                && row.socket.device.is_none()
                && (bound.is_unspecified() || Some(bound) == address);
            fits.then_some(Receiver { row: row.at, certain })
        };
        self.judgement.rows.iter().filter_map(receiver).collect()
    }

    /// Who of those that are translated reaches one of these sockets: as far as its own lists and
    /// queue let them, and in a namespace behind this one the packet filter there.
    pub(super) fn received(&self, reach: &Reach, receiver: &Receiver) -> Reach {
        let Some(row) = self.judgement.rows.get(receiver.row) else { return reach.clone() };
        let sides = self.home.sides(self.wire);
        let which = || (!receiver.certain).then(|| Because::Doubts(vec![WHICH.to_owned()]));
        let all = || RangeSet::from(0..=self.wire.max());
        let is_here = row.namespace == self.namespace;
        let (may, doubt) = if is_here {
            let lists = lists::of(self.judgement, row, self.wire);
            let is_full = row.accept_queue().is_some_and(|queue| queue.now > queue.max);
            let doubt = if is_full { Some(Because::QueueFull) } else { lists.doubt };
            (lists.passes.unwrap_or_else(all), doubt.or_else(which))
        } else {
            (all(), which())
        };
        let must = if doubt.is_some() { RangeSet::empty() } else { may.clone() };
        let gate = combine::reach(self.wire, sides, (must, may), doubt, None);
        let mut both = combine::both(self.wire, sides, reach, &gate);
        if let Some(own) = self.judgement.reach_within(receiver.row, self.wire).filter(|_| !is_here)
        {
            both = combine::both(self.wire, sides, &both, own);
        }
        Reach { client_sees: reach.client_sees, ..both }
    }

    /// Whether all sockets of a namespace were listed.
    pub(super) fn is_listed(&self, namespace: usize) -> bool {
        let fact = self.judgement.namespaces.get(namespace).and_then(|n| n.fact);
        fact.is_some_and(|fact| fact.sockets.is_complete())
    }

    /// The container that has an address, as its engine's files tell.
    fn container_at(&self, address: IpAddr) -> Option<String> {
        let all = self.judgement.snapshot.containers.items().iter();
        let mut with = all.filter(|container| container.addresses.contains(&address));
        with.next().map(|container| container.name.clone())
    }
}

/// Where a translation leads.
pub(super) struct Target {
    pub(super) leads_to: String,
    pub(super) container: Option<String>,
    pub(super) behind: Behind,
}

/// What is said of a socket that may be the one that a translation leads to.
const WHICH: &str = "which address or port the translation takes";

/// A socket that may get what is translated.
pub(super) struct Receiver {
    /// Its row.
    pub(super) row: usize,
    /// Whether it certainly gets it.
    certain: bool,
}

/// What is there.
pub(super) enum Behind {
    /// Sockets of this host or of containers.
    Sockets(Vec<Receiver>),
    /// Nothing that would make this host's port an open one.
    Nothing,
    /// A container in which nothing listens there.
    Closed,
    /// Another host, or what could not be read.
    Unknown,
}
