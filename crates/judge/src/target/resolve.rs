//! Finds the rows that a target means on this host.

use facts::{Family, Kind, Pid, Port, Protocol, Uid};

use super::nearest::{nearest_names, nearest_ports};
use super::{Address, Found, Idle, NotFound, Sort, Target, Want};
use crate::holder::Held;
use crate::place::Place;
use crate::reach::{Arrival, Wire};
use crate::row::{Row, plain};
use crate::{Judgement, Namespace, service};

/// Finds the rows of a target.
///
/// # Errors
/// [`NotFound`], with what was looked at and what is near.
pub fn resolve<'j, 'a>(
    judgement: &'j Judgement<'a>,
    target: &Target,
) -> Result<Found<'j, 'a>, Box<NotFound>> {
    let mut found = Found { rows: Vec::new(), also_pid: None, by_wildcard: false };
    let select = |test: &dyn Fn(&Row<'a>) -> bool| -> Vec<&'j Row<'a>> {
        judgement.rows.iter().filter(|r| test(r)).collect()
    };
    let look = Look { judgement };
    match &target.want {
        Want::Number(number) => {
            let port = u16::try_from(*number).ok().map(Port);
            found.rows = select(&|r| port.is_some() && r.port() == port);
            let held = select(&|r| look.pid(r, Pid(*number)));
            if found.rows.is_empty() {
                found.rows = held;
            } else {
                let known = judgement.snapshot.process(Pid(*number)).is_some();
                found.also_pid = (known && !held.is_empty()).then_some(Pid(*number));
            }
        }
        Want::Port(port, protocol) => {
            found.rows = select(&|r| r.port() == Some(*port) && carries(r, *protocol));
        }
        Want::Ports(ports, protocol) => {
            let within = |r: &Row<'_>| r.port().is_some_and(|p| ports.contains(&p));
            found.rows = select(&|r| within(r) && carries(r, *protocol));
        }
        Want::Address(address) => {
            found.rows = select(&|r| bound_to(r, address));
            if found.rows.is_empty() {
                found.rows = select(&|r| look.serves(r, address));
                found.by_wildcard = true;
            }
        }
        Want::Pid(pid) => found.rows = select(&|r| look.pid(r, *pid)),
        Want::Protocol(protocol) => {
            found.rows =
                select(&|r| r.socket.family != Family::Packet && r.socket.protocol == *protocol);
        }
        Want::Sort(sort) => found.rows = select(&|r| is_of(r, *sort)),
        Want::Unit(name) => found.rows = select(&|r| look.unit(r, name)),
        Want::Process(name) => found.rows = select(&|r| look.process(r, name)),
        Want::Container(name) => found.rows = select(&|r| look.container(r, name)),
        Want::Netns(name) => found.rows = select(&|r| look.netns(r, name)),
        Want::Service(name) => found.rows = select(&|r| is_service(r, name)),
        Want::Name(name) => {
            found.rows = select(&|r| look.name(r, name));
            if found.rows.is_empty() {
                found.rows = select(&|r| is_service(r, name));
            }
        }
    }
    if found.rows.is_empty() { Err(Box::new(not_found(judgement, target))) } else { Ok(found) }
}

/// Asks what a row is.
struct Look<'j, 'a> {
    judgement: &'j Judgement<'a>,
}

impl<'a> Look<'_, 'a> {
    fn pid(&self, row: &Row<'a>, pid: Pid) -> bool {
        self.judgement.holders(row).any(|h| h.pid == pid)
    }

    /// Whether a row is bound to any address and so serves this one.
    fn serves(&self, row: &Row<'a>, want: &Address) -> bool {
        let wire = if plain(want.address).is_ipv4() { Wire::Ipv4 } else { Wire::Ipv6 };
        let has = |n: &Namespace<'_>| {
            want.address.is_loopback() || n.interface_of(plain(want.address)).is_some()
        };
        row.socket.family != Family::Packet
            && row.is_open()
            && plain(row.socket.local.address).is_unspecified()
            && row.arrival(wire) != Arrival::No
            && want.port.is_none_or(|p| row.port() == Some(p))
            && carries(row, want.protocol)
            && in_zone(row, want)
            && self.judgement.namespace_of(row).is_some_and(has)
    }

    fn unit(&self, row: &Row<'a>, name: &str) -> bool {
        let same = |unit: &str| {
            unit == name || unit.rsplit_once('.').is_some_and(|(stem, _)| stem == name)
        };
        let placed = |place: Option<&Place<'_>>| {
            place.is_some_and(|p| {
                [p.unit(), p.user_unit(), p.inner_unit()].into_iter().flatten().any(same)
            })
        };
        let held =
            self.judgement.holders(row).any(|h| h.socket_unit.is_some_and(same) || placed(h.place));
        let made = |held| match held {
            Held::Creator(c) | Held::Nobody(c) => {
                c.socket_unit.is_some_and(same) || placed(c.place)
            }
            Held::Processes | Held::Kernel(_) => false,
        };
        held || self.judgement.held(row).any(made)
    }

    /// Whether a process of this name holds a row, or the part of the kernel of this name. The
    /// kernel keeps 15 bytes of a name (`TASK_COMM_LEN`, `include/linux/sched.h`).
    fn process(&self, row: &Row<'a>, name: &str) -> bool {
        let short = name.get(..15).unwrap_or(name);
        self.judgement.holders(row).any(|h| h.comm() == Some(short))
            || self.judgement.held(row).any(|held| match held {
                Held::Kernel(owners) => {
                    owners.iter().any(|o| o.subsystem == name || o.instance == name)
                }
                _ => false,
            })
    }

    fn container(&self, row: &Row<'a>, name: &str) -> bool {
        let by_id = |place: &Place<'_>| {
            let id = place.placement.container.as_ref().map(|c| c.id.as_str());
            name.len() >= SHORTEST_ID && id.is_some_and(|id| id.starts_with(name))
        };
        let created = |held| match held {
            Held::Creator(c) | Held::Nobody(c) => {
                c.container() == Some(name) || c.place.is_some_and(by_id)
            }
            Held::Processes | Held::Kernel(_) => false,
        };
        self.judgement.held(row).any(created)
            || self
                .judgement
                .holders(row)
                .any(|h| h.container() == Some(name) || h.place.is_some_and(by_id))
    }

    fn netns(&self, row: &Row<'a>, name: &str) -> bool {
        self.judgement.namespace_of(row).is_some_and(|n| n.is(name))
    }

    fn name(&self, row: &Row<'a>, name: &str) -> bool {
        self.unit(row, name)
            || self.process(row, name)
            || self.container(row, name)
            || self.netns(row, name)
    }
}

/// Whether a row is bound to exactly this address.
fn bound_to(row: &Row<'_>, want: &Address) -> bool {
    let local = row.socket.local.address;
    row.socket.family != Family::Packet
        && (local == want.address || plain(local) == want.address)
        && want.port.is_none_or(|p| row.port() == Some(p))
        && carries(row, want.protocol)
        && in_zone(row, want)
}

/// Whether a row's interface is the one that was asked for, if one was.
fn in_zone(row: &Row<'_>, want: &Address) -> bool {
    want.zone.as_ref().is_none_or(|zone| row.interface.is_some_and(|l| l.name == *zone))
}

/// The shortest beginning of a container's id that is taken for one.
const SHORTEST_ID: usize = 4;

/// Whether a row is of this protocol, if one was asked for.
fn carries(row: &Row<'_>, protocol: Option<Protocol>) -> bool {
    protocol.is_none_or(|p| {
        row.socket.protocol == p || (p == Protocol::TCP && row.socket.protocol == Protocol::MPTCP)
    })
}

fn is_of(row: &Row<'_>, sort: Sort) -> bool {
    match sort {
        Sort::Raw => row.socket.kind == Kind::Raw,
        Sort::Raw6 => row.socket.kind == Kind::Raw && row.socket.family == Family::Inet6,
        Sort::Packet => row.socket.family == Family::Packet,
        Sort::Ping => row.socket.kind == Kind::Ping,
    }
}

fn is_service(row: &Row<'_>, name: &str) -> bool {
    service::by_name(name).any(|s| row.service == Some(s))
}

/// What was looked at in vain, and what is near.
fn not_found(judgement: &Judgement<'_>, target: &Target) -> NotFound {
    let snapshot = judgement.snapshot;
    let (looked_as, nearest) = match &target.want {
        Want::Number(n) => ("a port or a process id", nearest_ports(judgement, *n)),
        Want::Port(port, _) => ("a port", nearest_ports(judgement, u32::from(port.0))),
        Want::Ports(ports, _) => ("a port", nearest_ports(judgement, u32::from(ports.start().0))),
        Want::Address(a) => (
            "a bound address",
            a.port.map_or_else(Vec::new, |p| nearest_ports(judgement, u32::from(p.0))),
        ),
        Want::Pid(_) => ("a process id", Vec::new()),
        Want::Protocol(_) | Want::Sort(_) => ("a protocol", Vec::new()),
        Want::Unit(name) => ("a unit", nearest_names(judgement, name)),
        Want::Process(name) => ("a process name", nearest_names(judgement, name)),
        Want::Container(name) => ("a container", nearest_names(judgement, name)),
        Want::Netns(name) => ("a network namespace", nearest_names(judgement, name)),
        Want::Service(name) => ("a service", nearest_names(judgement, name)),
        Want::Name(name) => (
            "a unit, process, container, network namespace or service",
            nearest_names(judgement, name),
        ),
    };
    let known = |p: &&facts::Process| match &target.want {
        Want::Number(n) => p.pid == Pid(*n),
        Want::Pid(pid) => p.pid == *pid,
        Want::Process(name) | Want::Name(name) => p.comm == *name,
        _ => false,
    };
    let process = snapshot.processes.items().iter().find(known);
    let process = process.map(|p| Idle::Process(p.pid, p.comm.clone()));
    let namespace = match &target.want {
        Want::Netns(name) | Want::Name(name) => judgement.namespaces.iter().find(|n| n.is(name)),
        _ => None,
    };
    let namespace = namespace.map(|n| Idle::Namespace(n.label.clone()));
    let mut unread = snapshot.gaps_of_sockets();
    if snapshot.collector.uid == Uid(0) {
        // This root lacks capabilities: being root does not help.
        for gap in &mut unread {
            gap.remedy = None;
        }
    }
    NotFound {
        target: target.text.clone(),
        looked_as,
        sockets: judgement.rows.iter().map(|r| r.sockets.len()).sum(),
        namespaces: judgement.namespaces.iter().filter(|n| is_listed(n)).count(),
        idle: process.or(namespace),
        nearest,
        unread,
    }
}

/// Whether the sockets of a namespace were listed.
fn is_listed(namespace: &Namespace<'_>) -> bool {
    namespace.fact.is_none_or(|f| f.sockets.value().is_some())
}
