//! Connections that came to ports that listen here, counted.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use facts::{
    Answer, Connections, Gap, Kind, NetnsId, Part, Port, Protocol, Snapshot, Socket, State,
};

use crate::netns::Leads;
use crate::sockets;

/// How many peers of a port are told.
const PEERS: usize = 3;

/// What a connection came to.
type Key = (NetnsId, Protocol, Port);

/// Counts them: in the snapshot if it has connections, or else by looking again.
pub(super) fn count(snapshot: &Snapshot) -> Part<Answer> {
    let own: HashSet<IpAddr> = snapshot
        .namespaces
        .items()
        .iter()
        .flat_map(|namespace| namespace.addresses.items())
        .map(|address| address.address)
        .collect();
    let listening: HashSet<Key> = snapshot
        .sockets
        .items()
        .iter()
        .filter(|socket| socket.state == State::Listen)
        .map(key)
        .collect();
    if snapshot.collector.connected {
        let found = group(snapshot.sockets.items(), &listening, &own);
        return Part::with_gaps(Answer::Connections { found }, gaps_of(&snapshot.namespaces));
    }
    let leaders = snapshot.namespaces.items().iter();
    let leads = Leads {
        processes: leaders.filter_map(|n| Some((n.id, n.leader?))).collect(),
        ..Leads::default()
    };
    let asked = sockets::Request {
        connected: true,
        inactive: false,
        reach: false,
        this_netns_only: snapshot.collector.this_netns_only,
    };
    let listed = sockets::collect(&asked, &leads);
    let found = group(listed.sockets.items(), &listening, &own);
    let mut gaps = gaps_of(&listed.namespaces);
    gaps.extend(listed.sockets.gaps().iter().cloned());
    Part::with_gaps(Answer::Connections { found }, gaps)
}

/// What is missing of the sockets, in words about connections.
fn gaps_of(namespaces: &Part<Vec<facts::NetNamespace>>) -> Vec<Gap> {
    let items = namespaces.items().iter().flat_map(|n| n.sockets.gaps());
    items.chain(namespaces.gaps()).cloned().collect()
}

fn key(socket: &Socket) -> Key {
    (socket.netns, socket.protocol, socket.local.port)
}

/// The connections of each port that listens.
fn group(sockets: &[Socket], listening: &HashSet<Key>, own: &HashSet<IpAddr>) -> Vec<Connections> {
    let mut all: BTreeMap<Key, (u32, u32, BTreeSet<IpAddr>)> = BTreeMap::new();
    for socket in sockets {
        let open = matches!(socket.state, State::Established | State::CloseWait | State::SynRecv);
        let Some(peer) = socket.peer.filter(|_| open && socket.kind == Kind::Stream) else {
            continue;
        };
        if !listening.contains(&key(socket)) {
            continue;
        }
        let address = plain(peer.address);
        let (count, local, peers) = all.entry(key(socket)).or_default();
        *count = count.saturating_add(1);
        if address.is_loopback() || own.contains(&address) {
            *local = local.saturating_add(1);
        }
        // The lowest of them, in the same order each time.
        peers.insert(address);
        if peers.len() > PEERS {
            peers.pop_last();
        }
    }
    let made =
        |((netns, protocol, port), (count, local, peers)): (Key, (u32, u32, BTreeSet<_>))| {
            Connections { netns, protocol, port, count, local, peers: peers.into_iter().collect() }
        };
    all.into_iter().map(made).collect()
}

/// `::ffff:192.0.2.1` is 192.0.2.1.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}
