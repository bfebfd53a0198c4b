//! Joins sockets with the descriptors that refer to them, and with the kernel's own sockets.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use facts::{
    Container, Inode, KernelOwner, NetnsId, Port, Process, Protocol, PublishedPort, Snapshot,
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
    all: &Holders<'a>,
) -> Joined<'a> {
    let mut kernel: KernelOwners<'_> = HashMap::new();
    for owner in snapshot.kernel_owners.items() {
        kernel.entry((owner.netns, owner.protocol, owner.port)).or_default().push(owner);
    }
    let listens = Listens::of(snapshot);
    let at: HashMap<NetnsId, usize> =
        namespaces.iter().enumerate().map(|(at, n)| (n.id, at)).collect();
    // Room that is not used is no memory, and growing copies.
    let unconnected = snapshot.sockets.items().iter().filter(|s| !s.is_connected()).count();
    let mut rows = Vec::with_capacity(unconnected);
    let mut holdings = Vec::with_capacity(unconnected);
    for sockets in snapshot.sockets.items().chunk_by(row::same) {
        let Some(socket) = sockets.first().filter(|s| !s.is_connected()) else { continue };
        let Some(&at) = at.get(&socket.netns) else { continue };
        let Some(mut row) = row::of(sockets, at, namespaces.get(at)) else { continue };
        let start = holdings.len();
        hold(snapshot, places, sockets, all, &mut holdings);
        row.unheld = unheld(sockets, all, start == holdings.len());
        row.holdings = start..holdings.len();
        row.listen_unit = listens.unit(socket);
        if !row.unheld.is_empty() {
            row.kernel = kernel_owners(&kernel, socket, namespaces.get(at));
        }
        rows.push(row);
    }
    rows.sort_by(row::order);
    for (at, row) in rows.iter_mut().enumerate() {
        row.at = at;
    }
    Joined { rows, holdings }
}

/// The kernel's own sockets by what identifies them in a dump.
type KernelOwners<'a> = HashMap<(NetnsId, Protocol, Port), Vec<&'a KernelOwner>>;

/// The parts of the kernel that hold a socket which no process holds. They bind any address, or
/// that of the link they serve; a socket on another address of the port is somebody else's.
fn kernel_owners<'a>(
    all: &KernelOwners<'a>,
    socket: &Socket,
    home: Option<&Namespace<'a>>,
) -> Vec<&'a KernelOwner> {
    let Some(port) = socket.port() else { return Vec::new() };
    let Some(owners) = all.get(&(socket.netns, socket.protocol, port)) else { return Vec::new() };
    let address = plain(socket.local.address);
    let of_link = |owner: &KernelOwner| {
        let link = home.and_then(|n| n.interface_of(address));
        link.is_some_and(|link| link.name == owner.instance)
    };
    owners.iter().copied().filter(|o| address.is_unspecified() || of_link(o)).collect()
}

/// The sockets of a row without a known holder, one for each that made some.
fn unheld<'a>(sockets: &'a [Socket], all: &Holders<'_>, none_held: bool) -> Vec<&'a Socket> {
    if sockets.len() == 1 && !none_held {
        return Vec::new();
    }
    let mut makers: Vec<&Socket> = Vec::new();
    let mut seen = HashSet::new();
    for socket in sockets {
        if all.of_socket(socket.inode).is_empty() && seen.insert((socket.uid, socket.cgroup)) {
            makers.push(socket);
        }
    }
    makers
}

/// Appends the holders of a row's sockets, by pid.
fn hold<'a>(
    snapshot: &'a Snapshot,
    places: &Places<'a>,
    sockets: &'a [Socket],
    all: &Holders<'a>,
    holdings: &mut Vec<Holding<'a>>,
) {
    let start = holdings.len();
    for socket in sockets {
        for descriptors in by_process(all.of_socket(socket.inode)) {
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

/// The descriptors of all sockets, to be asked for those of one. The same as
/// [`Snapshot::holders_of`], but quicker: it is asked for each of 200,000 sockets.
///
/// Inodes are given out one after the other, so that where in the list one stands can nearly be
/// told from its number: the range of all numbers is cut into stretches of one length, about as many
/// as there are descriptors, and it is known where in the list each begins.
#[derive(Debug)]
pub(crate) struct Holders<'a> {
    all: &'a [facts::Holder],
    /// The lowest inode.
    first: u64,
    /// The length of a stretch as a power of two.
    shift: u32,
    /// Where each stretch begins in the list, and the end of the list.
    starts: Vec<u32>,
}

impl<'a> Holders<'a> {
    /// The descriptors of a snapshot.
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        Self::new(snapshot.holders.items())
    }

    /// Sorted descriptors.
    fn new(all: &'a [facts::Holder]) -> Self {
        let first = all.first().map_or(0, |h| h.inode.0);
        let range = all.last().map_or(0, |h| h.inode.0).saturating_sub(first);
        let mut shift = 0;
        while range >> shift > all.len() as u64 {
            shift += 1;
        }
        let mut starts = Vec::new();
        // A list that is too long for these numbers is searched as a whole.
        if let Ok(length) = u32::try_from(all.len()) {
            let stretches = usize::try_from(range >> shift).unwrap_or_default();
            starts.reserve_exact(stretches.saturating_add(2));
            for (at, holder) in (0..length).zip(all) {
                let stretch = usize::try_from((holder.inode.0 - first) >> shift);
                starts.resize(stretch.unwrap_or_default().saturating_add(1).max(starts.len()), at);
            }
            starts.push(length);
        }
        Self { all, first, shift, starts }
    }

    /// Those of one socket.
    pub(crate) fn of_socket(&self, inode: Inode) -> &'a [facts::Holder] {
        if inode == Inode(0) {
            return &[];
        }
        let Some(stretch) = inode.0.checked_sub(self.first).map(|above| above >> self.shift) else {
            return &[];
        };
        let bound = |stretch: Option<u64>| {
            let at = stretch.and_then(|stretch| usize::try_from(stretch).ok());
            at.and_then(|at| self.starts.get(at)).map(|start| *start as usize)
        };
        let from = bound(Some(stretch)).unwrap_or_default();
        let to = bound(stretch.checked_add(1)).unwrap_or(self.all.len());
        let among = self.all.get(from..to).unwrap_or_default();
        let start = among.partition_point(|h| h.inode < inode);
        let rest = among.get(start..).unwrap_or_default();
        let count = rest.iter().take_while(|h| h.inode == inode).count();
        rest.get(..count).unwrap_or_default()
    }
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

#[cfg(test)]
mod tests {
    use facts::{Holder, Pid};

    use super::*;

    /// Asks for every inode of these holders, and for those beside them.
    fn check(inodes: impl IntoIterator<Item = u64>) {
        let all: Vec<Holder> = inodes
            .into_iter()
            .map(|inode| Holder { inode: Inode(inode), pid: Pid(1), fd: 3, io_uring: false })
            .collect();
        let holders = Holders::new(&all);
        let around = all.iter().flat_map(|h| [h.inode.0 - 1, h.inode.0, h.inode.0 + 1]);
        for inode in around.chain([0, 1, u64::MAX]).map(Inode) {
            let expect = all.iter().filter(|h| h.inode == inode && inode != Inode(0)).count();
            let found = holders.of_socket(inode);
            assert!(found.iter().all(|h| h.inode == inode), "{inode}");
            assert_eq!(found.len(), expect, "{inode} in {} holders", all.len());
        }
    }

    #[test]
    fn every_socket_is_found_with_all_its_descriptors() {
        for length in [0, 1, 2, 63, 64, 65, 127, 128, 129, 1000] {
            // Each once, several of each, and all of one.
            check((0..length).map(|at| 10 + at * 3));
            check((0..length).map(|at| 10 + at / 5));
            check((0..length).map(|at| 10 + at / 100 * 2));
            check((0..length).map(|_| 10));
            // Far from each other, and from the others.
            check((0..length).map(|at| 10 + at * at * at * 1_000_003));
            check((0..length).map(|at| 10 + at + if at > length / 2 { 1 << 40 } else { 0 }));
        }
    }
}
