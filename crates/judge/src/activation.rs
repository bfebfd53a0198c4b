//! Which socket unit a listening socket belongs to, from what systemd says its units listen on.
//!
//! Needed because an activated socket's own cgroup names its `.socket` unit only under some builds
//! of systemd; under others it names `init.scope`.

use std::collections::HashMap;
use std::net::IpAddr;

use facts::{NetnsId, Pid, Port, Protocol, Snapshot, Socket, SystemdUnit};

/// What identifies a listening socket to systemd.
type Key = (Protocol, IpAddr, Port);

/// Socket units by what they listen on, in the namespace of the manager that has them.
#[derive(Debug, Default)]
pub(crate) struct Listens<'a> {
    netns: Option<NetnsId>,
    by_address: HashMap<Key, Vec<&'a SystemdUnit>>,
}

impl<'a> Listens<'a> {
    /// Reads the `Listen` property of every socket unit.
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        let mut by_address: HashMap<Key, Vec<&SystemdUnit>> = HashMap::new();
        let units = snapshot.units.items().iter();
        for unit in units.filter(|u| u.name.ends_with(".socket")) {
            for (kind, address) in &unit.listen {
                if let Some(key) = key(kind, address) {
                    by_address.entry(key).or_default().push(unit);
                }
            }
        }
        // The units are those of pid 1, whose namespace is the host's.
        let host = snapshot.namespaces.items().iter().find(|n| n.host).map(|n| n.id);
        let netns = host.or_else(|| snapshot.process(Pid(1))?.netns);
        Self { netns, by_address }
    }

    /// The unit that listens where this socket does; none if there are several, of which not just
    /// one is active: the socket could be of each.
    pub(crate) fn unit(&self, socket: &Socket) -> Option<&'a SystemdUnit> {
        if self.netns != Some(socket.netns) {
            return None;
        }
        let protocol = match socket.protocol {
            Protocol::MPTCP => Protocol::TCP,
            other => other,
        };
        let units = self.by_address.get(&(protocol, socket.local.address, socket.port()?))?;
        if let [only] = units.as_slice() {
            return Some(only);
        }
        let mut active = units.iter().filter(|u| u.active_state == "active");
        active.next().filter(|_| active.next().is_none()).copied()
    }
}

/// Reads one entry of `Listen`: `("Stream", "[::]:111")`. None for sockets that are not of IP.
/// Streams are of TCP: of `SocketProtocol=sctp` (systemd.socket(5)) the property tells nothing.
fn key(kind: &str, address: &str) -> Option<Key> {
    let protocol = match kind {
        "Stream" => Protocol::TCP,
        "Datagram" => Protocol::UDP,
        "SequentialPacket" => Protocol::SCTP,
        _ => return None,
    };
    let (host, port) = address.rsplit_once(':')?;
    let port = Port(port.parse().ok()?);
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    // `fe80::1%eth0`: the zone is the socket's device, not part of its address.
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    Some((protocol, host.parse().ok()?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_entries() {
        let check = |kind: &str, text: &str, expect: Option<(&str, u16)>| {
            let got = key(kind, text).map(|(_, a, p)| (a.to_string(), p.0));
            assert_eq!(got, expect.map(|(a, p)| (a.to_owned(), p)), "{kind} {text}");
        };
        check("Stream", "[::]:111", Some(("::", 111)));
        check("Datagram", "0.0.0.0:111", Some(("0.0.0.0", 111)));
        check("Stream", "[fe80::1%eth0]:80", Some(("fe80::1", 80)));
        check("Stream", "/run/dbus/socket", None);
        check("Stream", "@abstract:1", None);
        check("Netlink", "kobject-uevent 1", None);
        check("Stream", "vsock:2:22", None);
        check("Stream", "[::]:99999", None);
    }
}
