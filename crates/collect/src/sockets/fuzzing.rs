//! Entry points for fuzzing: each takes any bytes, and must neither panic nor run for ever.

use std::hint::black_box;

use facts::NetnsId;

use super::inet_diag::{Listing, MptcpSockets};
use super::kernel_owners::{
    Numbers, owning_link, parse_families, parse_fou, parse_l2tp, parse_portlist, parse_wireguard,
};
use super::transport::{IpFamily, PING, RAW, SCTP, TCP, UDP};
use super::{packet_diag, proc_net, rtnetlink};
use crate::netlink;

/// A received netlink datagram, read as the reply of sock_diag for TCP.
pub fn sock_diag_datagram(bytes: &[u8]) {
    let (mptcp, mut sockets) = (MptcpSockets::default(), Vec::new());
    let mut sink = Listing::new(NetnsId(1), TCP, true, &mptcp, &mut sockets);
    let _ = black_box(netlink::parse_datagram(bytes, &mut sink));
}

/// The body of a sock_diag message for an internet socket.
pub fn inet_diag_message(bytes: &[u8]) {
    let mptcp = MptcpSockets::default();
    for transport in [TCP, SCTP, RAW] {
        let mut sockets = Vec::new();
        let _ =
            black_box(Listing::new(NetnsId(1), transport, true, &mptcp, &mut sockets).take(bytes));
        black_box(sockets);
    }
}

/// The body of a sock_diag message for a packet socket.
pub fn packet_diag_message(bytes: &[u8]) {
    let _ = black_box(packet_diag::parse(bytes).map(|row| row.socket(NetnsId(1))));
}

/// The body of an rtnetlink message for a link, an address or a namespace's number.
pub fn rtnetlink_message(bytes: &[u8]) {
    let _ = black_box(rtnetlink::parse_link(bytes).and_then(|link| owning_link(&link)));
    let _ = black_box(rtnetlink::parse_address(bytes));
    let _ = black_box(rtnetlink::parse_nsid(bytes));
}

/// The body of a generic netlink message.
pub fn generic_message(bytes: &[u8]) {
    let (mut numbers, mut port, mut owned) = (Numbers::default(), None, vec![]);
    let _ = black_box(parse_families(bytes, &mut numbers));
    let _ = black_box(parse_wireguard(bytes, &mut port));
    let _ = black_box(parse_l2tp(bytes, &mut owned));
    let _ = black_box(parse_fou(bytes, &mut owned));
}

/// A table of `/proc/net`, or `/proc/fs/nfsd/portlist`.
pub fn proc_table(bytes: &[u8]) {
    let netns = NetnsId(1);
    let mut sockets = Vec::new();
    for family in IpFamily::ALL {
        for transport in [TCP, UDP, RAW, PING] {
            let each = |socket| sockets.push(socket);
            let _ = black_box(proc_net::parse_inet(bytes, &transport, family, netns, each));
        }
        let _ = black_box(proc_net::parse_sctp(bytes, family, netns, |s| sockets.push(s)));
    }
    let _ = black_box(proc_net::parse_packet(bytes, netns, |s| sockets.push(s)));
    black_box(sockets);
    black_box(parse_portlist(&String::from_utf8_lossy(bytes)).count());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TARGETS: [fn(&[u8]); 6] = [
        sock_diag_datagram,
        inet_diag_message,
        packet_diag_message,
        rtnetlink_message,
        generic_message,
        proc_table,
    ];

    fn all(bytes: &[u8]) {
        for target in TARGETS {
            target(bytes);
        }
    }

    /// Attributes whose lengths are mostly right, so that the fields behind them are reached.
    fn attributes() -> impl Strategy<Value = Vec<u8>> {
        let attribute = (0_u16..40, proptest::collection::vec(any::<u8>(), 0..20), 0_u16..2);
        proptest::collection::vec(attribute, 0..8).prop_map(|list| {
            let mut bytes = Vec::new();
            for (kind, value, wrong) in list {
                let length = u16::try_from(value.len()).unwrap() + 4 + wrong;
                bytes.extend(length.to_ne_bytes());
                bytes.extend(kind.to_ne_bytes());
                bytes.extend(&value);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            all(&bytes);
        }

        #[test]
        fn any_attributes(
            head in proptest::collection::vec(any::<u8>(), 72),
            family in prop::sample::select(vec![2_u8, 10, 17]),
            attributes in attributes(),
        ) {
            for length in [4, 8, 16, 72] {
                let mut bytes = head[..length].to_vec();
                bytes[0] = family;
                bytes.extend(&attributes);
                all(&bytes);
            }
        }

        #[test]
        fn any_text(text in "sl\n([ 0-9A-F:x*.-]{0,60}[\n ]){0,6}") {
            proc_table(text.as_bytes());
        }
    }
}
