//! The socket that a packet is delivered to.

use std::net::IpAddr;

use facts::{CgroupPoint, IfIndex, Kind, Part, Protocol, Snapshot, Socket};
use netfilter::concrete::Packet;
use netfilter::ir::Family;
use netfilter::syntax::address_text;

use crate::Judgement;
use crate::reach::{Arrival, Wire, arrival, lists};

/// What a packet that passed every rule meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A socket: where it is bound, and who holds it.
    Socket(Bound),
    /// A socket whose accept queue is full: what arrives is dropped.
    QueueFull(Bound),
    /// A socket of a unit whose address lists keep the source out.
    KeptOut(Bound, String),
    /// The kernel itself answers (echo requests).
    Kernel,
    /// No socket: refused.
    Nobody,
    /// We cannot tell; why.
    Unknown(String),
}

/// Where a socket is bound, and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Whether it is bound to the interface that the packet arrived on.
    pub has_device: bool,
    /// Names of the processes that hold it.
    pub holders: Vec<String>,
}

/// Looks for the socket in a namespace, by its position.
pub(super) fn deliver(judgement: &Judgement<'_>, place: usize, packet: &Packet) -> Delivery {
    let Some(namespace) = judgement.namespaces.get(place) else {
        return Delivery::Unknown("the namespace was not read".to_owned());
    };
    if matches!((packet.protocol, packet.dport), (1, 8) | (58, 128)) {
        return Delivery::Kernel;
    }
    let wire = if packet.family == Family::Ipv4 { Wire::Ipv4 } else { Wire::Ipv6 };
    let text = address_text(packet.family, packet.destination);
    let Ok(to) = text.parse::<IpAddr>() else { return Delivery::Unknown(text) };
    let arrived = namespace.links().iter().find(|link| link.name == packet.iif);
    let arrived = arrived.map(|link| link.index);
    let mut found: Vec<&Socket> = Vec::new();
    let mut unsure = false;
    for socket in judgement.snapshot.sockets.items() {
        if socket.netns != namespace.id || !fits(socket, packet, to, arrived) {
            continue;
        }
        match arrival(socket, wire) {
            Arrival::Yes => found.push(socket),
            Arrival::Unknown => unsure = true,
            Arrival::No => {}
        }
    }
    // The most closely bound gets it: those on the address are looked at first, and among them one on
    // the interface counts more (inet_hashtables.c, __inet_lookup_listener, compute_score).
    let closest = found
        .into_iter()
        .max_by_key(|socket| (!socket.local.address.is_unspecified(), socket.device.is_some()));
    let Some(socket) = closest else {
        let complete = namespace.fact.is_some_and(|fact| fact.sockets.is_complete())
            && matches!(judgement.snapshot.sockets, Part::Known { .. });
        return match (unsure, complete) {
            (false, true) => Delivery::Nobody,
            (true, _) => Delivery::Unknown("whether the socket serves IPv4 too".to_owned()),
            (_, false) => {
                Delivery::Unknown("not all sockets of the namespace were read".to_owned())
            }
        };
    };
    let snapshot = judgement.snapshot;
    let mut holders: Vec<String> = snapshot
        .holders_of(socket.inode)
        .iter()
        .filter_map(|holder| snapshot.process(holder.pid))
        .map(|process| process.comm.clone())
        .collect();
    holders.sort();
    holders.dedup();
    let bound = Bound {
        address: socket.local.address,
        port: socket.local.port.0,
        has_device: socket.device.is_some(),
        holders,
    };
    let lists = lists::of_socket(judgement, socket, wire);
    if lists.doubt.is_some() {
        let label = program_of(snapshot, socket);
        return Delivery::Unknown(label.unwrap_or_else(|| "the programs of its cgroup".to_owned()));
    }
    if lists.passes.is_some_and(|passes| !passes.contains(packet.source)) {
        return Delivery::KeptOut(bound, lists.unit);
    }
    let is_full = socket.kind == Kind::Stream && socket.queue.now > socket.queue.max;
    if is_full { Delivery::QueueFull(bound) } else { Delivery::Socket(bound) }
}

/// The first program of the socket's cgroup, or of one above, that decides about packets to it.
fn program_of(snapshot: &Snapshot, socket: &Socket) -> Option<String> {
    let path = snapshot.cgroup_path(socket.cgroup?)?;
    snapshot.cgroup_programs.items().iter().find_map(|list| {
        let above = snapshot.cgroup_path(list.cgroup)?;
        let holds = above == "/" || path == above || path.starts_with(&format!("{above}/"));
        let program = list.programs.iter().find(|one| one.point == CgroupPoint::Ingress)?;
        holds.then(|| format!("program {} of the cgroup {above}", program.name))
    })
}

/// Whether the socket takes packets to this address and port.
fn fits(socket: &Socket, packet: &Packet, to: IpAddr, arrived: Option<IfIndex>) -> bool {
    let protocol = match socket.protocol {
        Protocol::MPTCP => Protocol::TCP,
        other => other,
    };
    let port = match socket.kind {
        Kind::Raw => true,
        _ => socket.port().is_some_and(|port| port.0 == packet.dport),
    };
    let mapped = match socket.local.address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        IpAddr::V4(v4) => IpAddr::V4(v4),
    };
    socket.is_open()
        && protocol.0 == u16::from(packet.protocol)
        && port
        && (mapped.is_unspecified() || mapped == to)
        && socket.device.is_none_or(|device| Some(device) == arrived)
}
