//! Ports that are open through a translation of the destination: `DNAT`, `redirect`, and what
//! container engines and Kubernetes make of them.

use std::collections::BTreeSet;

use facts::{Port, Protocol};
use netfilter::ir::{Nat, NatKind, Step};
use netfilter::symbolic::{Asked, EvaluateError};
use packet_set::{Budget, RangeSet};

use super::answers::{Set, joined};
use super::home::Home;
use super::leads::Behind;
use super::{Because, ClientSees, Reach, Verdict, Wire, combine, inner};
use crate::Judgement;
use crate::row::{Row, Scope};

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
pub(super) struct At<'j, 'a> {
    pub(super) judgement: &'j Judgement<'a>,
    pub(super) namespace: usize,
    pub(super) home: &'j Home,
    pub(super) wire: Wire,
    pub(super) protocol: Protocol,
}

/// One translation of some ports, while its ways are gathered.
pub(super) struct Found {
    pub(super) ports: (u16, u16),
    pub(super) nat: Nat,
    pub(super) out: Option<String>,
    pub(super) sets: Vec<Set>,
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

    /// Adds the ports of a translation, one by one where they are few, or where each leads to itself:
    /// then those that someone listens on.
    fn add(&self, found: &Found, list: &mut Vec<Entry>) {
        let (first, last) = found.ports;
        if last.saturating_sub(first) < LONG_RUN {
            for port in first..=last {
                self.add_ports(found, (port, port), list);
            }
            return;
        }
        let places = self.places(found);
        if found.nat.port.is_none() && (found.out.is_none() || !places.is_empty()) {
            let rows = self.judgement.rows.iter().filter(|row| places.contains(&row.namespace));
            let ports = rows.filter(|row| self.is_served(row)).filter_map(Row::port);
            let ports: BTreeSet<u16> = ports.map(|port| port.0).collect();
            for port in ports.range(first..=last) {
                self.add_ports(found, (*port, *port), list);
            }
            if places.iter().all(|place| self.is_listed(*place)) {
                return;
            }
        }
        self.add_ports(found, (first, last), list);
    }

    fn add_ports(&self, found: &Found, (port, last): (u16, u16), list: &mut Vec<Entry>) {
        let sides = self.home.sides(self.wire);
        let target = self.target(found, port, last);
        let (must, may, doubt) = joined(&found.sets, sides);
        let connects = self.protocol != Protocol::UDP;
        let sees = if connects { ClientSees::Connected } else { ClientSees::Answered };
        let mut reach = combine::reach(self.wire, sides, (must, may), doubt, Some(sees));
        let mut leads = Vec::new();
        match &target.behind {
            Behind::Nothing => return,
            Behind::Sockets(receivers) => {
                let wire = self.wire;
                for receiver in receivers {
                    let reach = mixed(self.received(&reach, receiver));
                    leads.push(Lead { row: receiver.row, wire, reach });
                }
                let all = leads.iter().map(|lead| lead.reach.clone());
                let all = all.reduce(|a, b| combine::either(wire, sides, &a, &b));
                reach = all.unwrap_or(reach);
            }
            Behind::Closed => {
                reach = Reach::nobody(self.wire, Verdict::Blocked, Because::NothingListens);
                reach.client_sees = Some(ClientSees::Refused);
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
}

/// What clients see differs where not all of them get in.
fn mixed(reach: Reach) -> Reach {
    let differs = reach.verdict != Verdict::Open && !reach.may.is_empty();
    Reach {
        client_sees: if differs { Some(ClientSees::Mixed) } else { reach.client_sees },
        ..reach
    }
}
