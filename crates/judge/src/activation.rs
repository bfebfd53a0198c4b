//! Which socket unit a listening socket belongs to, from what systemd says its units listen on.
//!
//! Needed because an activated socket's own cgroup names its `.socket` unit only under some builds
//! of systemd; under others it names `init.scope`.

use std::collections::HashMap;
use std::net::IpAddr;

use facts::{Kind, Port, Socket, SystemdUnit};

/// What identifies a listening socket to systemd.
type Key = (Kind, IpAddr, Port);

/// Socket units by what they listen on.
#[derive(Debug, Default)]
pub(crate) struct Listens<'a> {
    by_address: HashMap<Key, &'a SystemdUnit>,
}

impl<'a> Listens<'a> {
    /// Reads the `Listen` property of every socket unit.
    pub(crate) fn of(units: &'a [SystemdUnit]) -> Self {
        let mut by_address = HashMap::new();
        for unit in units.iter().filter(|u| u.name.ends_with(".socket")) {
            for (kind, address) in &unit.listen {
                if let Some(key) = key(kind, address) {
                    by_address.insert(key, unit);
                }
            }
        }
        Self { by_address }
    }

    /// The unit that listens where this socket does.
    pub(crate) fn unit(&self, socket: &Socket) -> Option<&'a SystemdUnit> {
        let key = (socket.kind, socket.local.address, socket.port()?);
        self.by_address.get(&key).copied()
    }
}

/// Reads one entry of `Listen`: `("Stream", "[::]:111")`. None for sockets that are not of IP.
fn key(kind: &str, address: &str) -> Option<Key> {
    let kind = match kind {
        "Stream" => Kind::Stream,
        "Datagram" => Kind::Dgram,
        "SequentialPacket" => Kind::Seqpacket,
        _ => return None,
    };
    let (host, port) = address.rsplit_once(':')?;
    let port = Port(port.parse().ok()?);
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    // `fe80::1%eth0`: the zone is the socket's device, not part of its address.
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    Some((kind, host.parse().ok()?, port))
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
