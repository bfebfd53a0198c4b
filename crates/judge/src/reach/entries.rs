//! Ports that are open through a translation of the destination: `DNAT`, `redirect`, and what
//! container engines and Kubernetes make of them.

use std::net::{IpAddr, SocketAddr};

use facts::{Port, Protocol};
use netfilter::ir::{Nat, NatKind, Step};
use netfilter::symbolic::{Asked, EvaluateError};
use packet_set::{Budget, RangeSet};

use super::all::on_the_wire;
use super::answers::{Set, joined};
use super::home::Home;
use super::{Arrival, Because, ClientSees, Reach, Verdict, Wire, combine, inner, lists};
use crate::Judgement;
use crate::row::{Row, Scope, plain};

/// A port of this host that leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The position of the namespace.
    pub namespace: usize,
    /// The protocol.
    pub protocol: Protocol,
    /// The port, as clients use it.
    pub port: Port,
    /// The last port, where many in a row lead to one place; else the same.
    pub last_port: Port,
    /// Where it leads: `172.17.0.2:80`, or `:22` for a port of this host itself.
    pub leads_to: String,
    /// The container there.
    pub container: Option<String>,
    /// Who can use it over IPv4 and IPv6; none where it is no entry of that family.
    pub reach: [Option<Reach>; 2],
    /// The rows that it leads to, where they are known.
    pub(crate) leads: Vec<Lead>,
}

/// A row that an entry leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    /// Its position.
    pub(crate) row: usize,
    /// Over which family.
    pub(crate) wire: Wire,
    /// Who reaches it so. What comes to its own port is another matter.
    pub(crate) reach: Reach,
}

impl Entry {
    /// Who reaches a row by it.
    pub(crate) fn to(&self, row: &Row<'_>, wire: Wire) -> impl Iterator<Item = &Reach> {
        let at = row.at;
        let its = move |lead: &&Lead| lead.row == at && lead.wire == wire;
        self.leads.iter().filter(its).map(|lead| &lead.reach)
    }

    /// Whether it takes what is sent to the port of a row: the row's own socket then gets nothing.
    pub(crate) fn takes(&self, row: &Row<'_>) -> bool {
        // Nobody elsewhere writes to loopback.
        if row.scope == Scope::Loopback {
            return false;
        }
        let protocol = match row.socket.protocol {
            Protocol::MPTCP => Protocol::TCP,
            protocol => protocol,
        };
        self.namespace == row.namespace
            && self.protocol == protocol
            && row.port().is_some_and(|port| (self.port..=self.last_port).contains(&port))
    }
}

/// A longer run of ports that lead to one place is told as one.
const LONG_RUN: u16 = 16;

/// All entries of the namespaces that packets from elsewhere arrive in; what failed is in the second
/// list.
pub(crate) fn all(judgement: &Judgement<'_>) -> (Vec<Entry>, Vec<String>) {
    let mut list: Vec<Entry> = Vec::new();
    let mut failed = Vec::new();
    for (namespace, of) in judgement.namespaces.iter().enumerate() {
        if inner::is_inner(judgement, of) {
            continue;
        }
        let Some(home) = judgement.home(namespace).filter(|home| home.unread.is_empty()) else {
            continue;
        };
        for wire in Wire::BOTH.into_iter().filter(|wire| translates(home, *wire)) {
            for protocol in [Protocol::TCP, Protocol::UDP, Protocol::SCTP] {
                let at = At { judgement, namespace, home, wire, protocol };
                if let Err(error) = at.find(&mut list) {
                    failed.push(error.to_string());
                }
            }
        }
    }
    list.sort_by(|a, b| {
        let key = |e: &Entry| (e.namespace, e.port, e.protocol, e.leads_to.clone());
        key(a).cmp(&key(b))
    });
    (list, failed)
}

/// Whether a ruleset translates the destination of packets of a family anywhere.
fn translates(home: &Home, wire: Wire) -> bool {
    let to = |step: &Step| match step {
        Step::Translate(list) => list.iter().any(|(_, nat)| nat.kind == NatKind::Destination),
        _ => false,
    };
    let tables = home.ruleset.tables.iter().filter(|table| table.family.sees(wire.family()));
    let mut rules = tables.flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    rules.any(|rule| rule.steps.iter().any(to))
}

/// What is looked at.
struct At<'j, 'a> {
    judgement: &'j Judgement<'a>,
    namespace: usize,
    home: &'j Home,
    wire: Wire,
    protocol: Protocol,
}

/// One translation of some ports, while its ways are gathered.
struct Found {
    ports: (u16, u16),
    nat: Nat,
    out: Option<String>,
    sets: Vec<Set>,
}

impl At<'_, '_> {
    fn find(&self, list: &mut Vec<Entry>) -> Result<(), EvaluateError> {
        let family = self.wire.family();
        let asked = Asked {
            family,
            protocol: u8::try_from(self.protocol.0).unwrap_or(u8::MAX),
            ports: RangeSet::from(1..=0xffff),
            destinations: self.home.world.reachable_addresses(family),
        };
        let (ruleset, world) = (&self.home.ruleset, &self.home.world);
        let mut arrivals =
            netfilter::symbolic::arrivals(ruleset, world, &asked, Budget::default())?;
        let mut found: Vec<Found> = Vec::new();
        for (way, name) in self.home.sides(self.wire).ways.iter().enumerate() {
            for entry in arrivals.entries_by(Some(name))? {
                let set = Set::of(self.home, self.wire, &arrivals, (way, entry.sources));
                let same = |f: &&mut Found| {
                    (f.ports, &f.nat, &f.out) == (entry.ports, &entry.nat, &entry.out)
                };
                match found.iter_mut().find(same) {
                    Some(known) => known.sets.push(set),
                    None => found.push(Found {
                        ports: entry.ports,
                        nat: entry.nat,
                        out: entry.out,
                        sets: vec![set],
                    }),
                }
            }
        }
        for one in found {
            self.add(&one, list);
        }
        Ok(())
    }

    /// Adds the ports of a translation, one by one where they are few.
    fn add(&self, found: &Found, list: &mut Vec<Entry>) {
        let (first, last) = found.ports;
        if last.saturating_sub(first) >= LONG_RUN {
            return self.add_ports(found, (first, last), list);
        }
        for port in first..=last {
            self.add_ports(found, (port, port), list);
        }
    }

    fn add_ports(&self, found: &Found, (port, last): (u16, u16), list: &mut Vec<Entry>) {
        let sides = self.home.sides(self.wire);
        let target = self.target(found, port);
        let (must, may, doubt) = joined(&found.sets, sides);
        let connects = self.protocol != Protocol::UDP;
        let sees = if connects { ClientSees::Connected } else { ClientSees::Answered };
        let mut reach = combine::reach(self.wire, sides, (must, may), doubt, Some(sees));
        let mut leads = Vec::new();
        match &target.behind {
            Behind::Here(receivers) => {
                let wire = self.wire;
                for receiver in receivers {
                    let reach = self.received(&reach, receiver);
                    leads.push(Lead { row: receiver.row, wire, reach });
                }
                let all = leads.iter().map(|lead| lead.reach.clone());
                let all = all.reduce(|a, b| combine::either(wire, sides, &a, &b));
                let Some(all) = all else { return };
                reach = all;
            }
            Behind::Closed => {
                reach = Reach::nobody(self.wire, Verdict::Blocked, Because::NothingListens);
                reach.client_sees = Some(ClientSees::Refused);
            }
            Behind::Row(row) => {
                let own = self.judgement.reach_within(*row, self.wire);
                if let Some(own) = own {
                    reach = combine::both(self.wire, sides, &reach, own);
                    reach.client_sees = Some(sees);
                }
                leads.push(Lead { row: *row, wire: self.wire, reach: mixed(reach.clone()) });
            }
            Behind::Unknown => {}
        }
        let reach = mixed(reach);
        let same = |entry: &&mut Entry| {
            (entry.namespace, entry.protocol, entry.port, entry.last_port)
                == (self.namespace, self.protocol, Port(port), Port(last))
                && (entry.reach.get(self.wire.position()).is_some_and(Option::is_none)
                    && entry.container == target.container
                    && target.container.is_some()
                    || entry.leads_to == target.leads_to)
        };
        let place = self.wire.position();
        if let Some(known) = list.iter_mut().find(same) {
            known.leads.append(&mut leads);
            if let Some(slot) = known.reach.get_mut(place) {
                *slot = Some(match slot.take() {
                    Some(before) => combine::either(self.wire, sides, &before, &reach),
                    None => reach,
                });
            }
            return;
        }
        let mut both = [None, None];
        if let Some(slot) = both.get_mut(place) {
            *slot = Some(reach);
        }
        list.push(Entry {
            namespace: self.namespace,
            protocol: self.protocol,
            port: Port(port),
            last_port: Port(last),
            leads_to: target.leads_to,
            container: target.container,
            reach: both,
            leads,
        });
    }

    /// Where a translation leads.
    fn target(&self, found: &Found, port: u16) -> Target {
        let to_port = found.nat.port.map_or(port, |(first, _)| first);
        let several = found.nat.port.is_some_and(|(first, last)| first != last)
            || found.nat.address.is_some_and(|(first, last)| first != last);
        if found.out.is_none() {
            let leads_to = format!(":{to_port}");
            let behind = Behind::Here(self.receivers(&found.nat, port));
            return Target { leads_to, container: None, behind };
        }
        let Some((address, _)) = found.nat.address else {
            let leads_to = format!("its own address, port {to_port}");
            return Target { leads_to, container: None, behind: Behind::Unknown };
        };
        let address = self.wire.address(address);
        let more = if several { " and others" } else { "" };
        let leads_to = format!("{}{more}", SocketAddr::new(address, to_port));
        let home = self.judgement.namespaces.iter().position(|namespace| {
            inner::is_inner(self.judgement, namespace) && namespace.interface_of(address).is_some()
        });
        let container = home
            .and_then(|at| self.judgement.namespaces.get(at)?.container.clone())
            .or_else(|| self.container_at(address));
        let behind = match home {
            Some(at) if !several => match self.row(at, to_port, Some(address)) {
                Some(row) => Behind::Row(row),
                None if self.is_listed(at) => Behind::Closed,
                None => Behind::Unknown,
            },
            _ => Behind::Unknown,
        };
        Target { leads_to, container, behind }
    }

    /// The sockets of this namespace that may get what is translated so and delivered here.
    fn receivers(&self, nat: &Nat, port: u16) -> Vec<Receiver> {
        let (first, last) = nat.port.unwrap_or((port, port));
        // `redirect` takes an address of the interface.
        let address = nat.address.filter(|(first, last)| first == last);
        let address = address.map(|(address, _)| self.wire.address(address));
        let of_range = nat.address.is_some() && address.is_none();
        let receiver = |row: &Row<'_>| {
            let bound = plain(row.socket.local.address);
            let protocol = on_the_wire(row, self.wire);
            let fits = row.namespace == self.namespace
                && row.port().is_some_and(|port| (first..=last).contains(&port.0))
                && protocol == Some(self.protocol)
                && row.arrival(self.wire) != Arrival::No
                && match address {
                    Some(address) => bound.is_unspecified() || bound == address,
                    None => of_range || !bound.is_loopback(),
                };
            let certain = first == last
                && row.arrival(self.wire) == Arrival::Yes
                && row.socket.device.is_none()
                && (bound.is_unspecified() || Some(bound) == address);
            fits.then_some(Receiver { row: row.at, certain })
        };
        self.judgement.rows.iter().filter(|row| row.is_open()).filter_map(receiver).collect()
    }

    /// Who of those that are translated reaches one of these sockets: as far as its own lists and
    /// queue let them.
    fn received(&self, reach: &Reach, receiver: &Receiver) -> Reach {
        let Some(row) = self.judgement.rows.get(receiver.row) else { return reach.clone() };
        let sides = self.home.sides(self.wire);
        let lists = lists::of(self.judgement, row, self.wire);
        let mut doubt = lists.doubt;
        if row.accept_queue().is_some_and(|queue| queue.now > queue.max) {
            doubt = Some(Because::QueueFull);
        } else if !receiver.certain {
            doubt = doubt.or_else(|| Some(Because::Doubts(vec![WHICH.to_owned()])));
        }
        let all = || RangeSet::from(0..=self.wire.max());
        let may = lists.passes.unwrap_or_else(all);
        let must = if doubt.is_some() { RangeSet::empty() } else { may.clone() };
        let gate = combine::reach(self.wire, sides, (must, may), doubt, None);
        let sees = reach.client_sees;
        mixed(Reach { client_sees: sees, ..combine::both(self.wire, sides, reach, &gate) })
    }

    /// The row that receives packets to a port, and to this address.
    fn row(&self, namespace: usize, port: u16, address: Option<IpAddr>) -> Option<usize> {
        let fits = |row: &&Row<'_>| {
            let bound = plain(row.socket.local.address);
            let protocol = row.socket.protocol;
            let same = protocol == self.protocol
                || protocol == Protocol::MPTCP && self.protocol == Protocol::TCP;
            row.namespace == namespace
                && row.port() == Some(Port(port))
                && same
                && row.arrival(self.wire) == Arrival::Yes
                && !bound.is_loopback()
                && (bound.is_unspecified() || address.is_none_or(|address| address == bound))
        };
        self.judgement.rows.iter().find(fits).map(|row| row.at)
    }

    /// Whether all sockets of a namespace were listed.
    fn is_listed(&self, namespace: usize) -> bool {
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
struct Target {
    leads_to: String,
    container: Option<String>,
    behind: Behind,
}

/// What clients see differs where not all of them get in.
fn mixed(reach: Reach) -> Reach {
    let differs = reach.verdict != Verdict::Open && !reach.may.is_empty();
    Reach {
        client_sees: if differs { Some(ClientSees::Mixed) } else { reach.client_sees },
        ..reach
    }
}

/// What is said of a socket that may be the one that a translation leads to.
const WHICH: &str = "which address or port the translation takes";

/// A socket that may get what is translated.
struct Receiver {
    /// Its row.
    row: usize,
    /// Whether it certainly gets it.
    certain: bool,
}

/// What is there.
enum Behind {
    /// Sockets of this namespace. None: nothing that would make this host's port an open one.
    Here(Vec<Receiver>),
    /// A socket of a container: its row.
    Row(usize),
    /// A container in which nothing listens there.
    Closed,
    /// Another host, or what could not be read.
    Unknown,
}
