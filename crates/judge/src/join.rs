//! Joins sockets with the descriptors that refer to them, and with the kernel's own sockets.

use std::collections::HashMap;
use std::net::IpAddr;

use facts::{
    Container, Inode, KernelOwner, NetnsId, Pid, Port, Process, Protocol, PublishedPort, Snapshot,
    Socket,
};

use crate::activation::Listens;
use crate::holder::Holding;
use crate::namespace::Namespace;
use crate::place::Places;
use crate::row::{self, Row, plain};

/// Every row with its holders.
#[derive(Debug)]
pub(crate) struct Joined<'a> {
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) holdings: Vec<Holding<'a>>,
}

/// Makes the rows of a snapshot and finds who holds each.
pub(crate) fn join<'a>(
    snapshot: &'a Snapshot,
    namespaces: &[Namespace<'a>],
    places: &Places<'a>,
) -> Joined<'a> {
    let owners = snapshot.kernel_owners.items().iter();
    let kernel: HashMap<(NetnsId, Protocol, Port), &KernelOwner> =
        owners.map(|o| ((o.netns, o.protocol, o.port), o)).collect();
    let listens = Listens::of(snapshot.units.items());
    let at: HashMap<NetnsId, usize> =
        namespaces.iter().enumerate().map(|(at, n)| (n.id, at)).collect();
    let mut rows = Vec::new();
    let mut holdings = Vec::new();
    for sockets in snapshot.sockets.items().chunk_by(row::same) {
        let Some(socket) = sockets.first().filter(|s| !s.state.is_connected()) else { continue };
        let Some(&at) = at.get(&socket.netns) else { continue };
        let Some(mut row) = row::of(sockets, at, namespaces.get(at)) else { continue };
        let start = holdings.len();
        hold(snapshot, places, sockets, &mut holdings);
        if is_own(snapshot, holdings.get(start..).unwrap_or_default()) {
            holdings.truncate(start);
            continue;
        }
        row.holdings = start..holdings.len();
        row.listen_unit = listens.unit(socket);
        row.kernel = socket
            .port()
            .and_then(|port| kernel.get(&(socket.netns, socket.protocol, port)).copied());
        rows.push(row);
    }
    rows.sort_by(row::order);
    Joined { rows, holdings }
}

/// Appends the holders of a row's sockets, by pid.
fn hold<'a>(
    snapshot: &'a Snapshot,
    places: &Places<'a>,
    sockets: &'a [Socket],
    holdings: &mut Vec<Holding<'a>>,
) {
    let start = holdings.len();
    for socket in sockets {
        for descriptors in by_process(holders_of(snapshot, socket.inode)) {
            let Some(pid) = descriptors.first().map(|h| h.pid) else { continue };
            let process = places.process(pid).0;
            let forwards_to = process.and_then(|p| forwards_to(snapshot, p, socket));
            holdings.push(Holding { pid, forwards_to, descriptors });
        }
    }
    if let Some(held) = holdings.get_mut(start..)
        && sockets.len() > 1
    {
        held.sort_by_key(|h| h.pid);
    }
}

/// The descriptors of each process.
pub(crate) fn by_process(
    descriptors: &[facts::Holder],
) -> impl Iterator<Item = &[facts::Holder]> + use<'_> {
    descriptors.chunk_by(|a, b| a.pid == b.pid)
}

/// The descriptors of a socket. The same as [`Snapshot::holders_of`], but with one search instead
/// of two: descriptors of one socket are few.
pub(crate) fn holders_of(snapshot: &Snapshot, inode: Inode) -> &[facts::Holder] {
    if inode == Inode(0) {
        return &[];
    }
    let holders = snapshot.holders.items();
    let start = holders.partition_point(|h| h.inode < inode);
    let rest = holders.get(start..).unwrap_or_default();
    let count = rest.iter().take_while(|h| h.inode == inode).count();
    rest.get(..count).unwrap_or_default()
}

/// Whether whyopen itself holds a row, and nobody else.
fn is_own(snapshot: &Snapshot, holdings: &[Holding<'_>]) -> bool {
    let own = snapshot.collector.pid;
    own != Pid(0) && !holdings.is_empty() && holdings.iter().all(|h| h.pid == own)
}

/// Programs of container engines that hold a published port for a container: docker-proxy,
/// rootless Docker's and Podman's forwarders, and conmon for a rootful Podman.
const FORWARDERS: [&str; 6] =
    ["docker-proxy", "rootlessport", "rootlesskit", "conmon", "slirp4netns", "pasta"];

/// The container that a port forwarder forwards to: the one that publishes this port, or whose
/// address its command line names.
fn forwards_to<'a>(snapshot: &'a Snapshot, process: &Process, socket: &Socket) -> Option<&'a str> {
    if !FORWARDERS.contains(&process.comm.as_str()) {
        return None;
    }
    let containers = snapshot.containers.items();
    let publishing = |c: &&Container| c.published.iter().any(|p| publishes(p, socket));
    let named = |c: &&Container| {
        let to = argument(process.args.as_deref().unwrap_or_default(), "-container-ip");
        to.and_then(|to| to.parse().ok()).is_some_and(|to: IpAddr| c.addresses.contains(&to))
    };
    let found = containers.iter().find(publishing).or_else(|| containers.iter().find(named));
    found.map(|c| c.name.as_str())
}

/// Whether a published port is the one this socket listens on.
fn publishes(port: &PublishedPort, socket: &Socket) -> bool {
    let local = plain(socket.local.address);
    let same = |a: IpAddr| a == local || (a.is_unspecified() && local.is_unspecified());
    port.protocol == socket.protocol
        && Some(port.host_port) == socket.port()
        && port.host_address.is_none_or(same)
}

/// The value that follows a flag of a command line.
fn argument<'p>(args: &'p [String], flag: &str) -> Option<&'p str> {
    let at = args.iter().position(|a| a == flag)?;
    args.get(at.checked_add(1)?).map(String::as_str)
}
