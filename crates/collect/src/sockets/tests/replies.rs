//! The parsers over bytes: replies that a Linux 6.18 gave, and broken ones.

use facts::{Address, CgroupId, Inode, NetnsId, Port, Protocol, Socket};
use rustix::io::Errno;

use super::super::inet_diag::{Listing, MptcpSockets};
use super::super::kernel_owners::{
    Numbers, owning_link, parse_families, parse_fou, parse_l2tp, parse_wireguard,
};
use super::super::transport::{IpFamily, MPTCP, PING, RAW, SCTP, TCP, Transport, UDP};
use super::super::{packet_diag, proc_net, rtnetlink};
use super::{check, describe};
use crate::netlink::{Error, Malformed, Message, Messages, Sink, parse_datagram};

const NETNS: NetnsId = NetnsId(1);

macro_rules! fixture {
    ($name:literal) => {
        bytes(include_str!(concat!("../fixtures/", $name, ".hex")))
    };
}

/// The bytes of a file of hexadecimal digits.
fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Reads a reply as that for `transport`.
fn list(
    reply: &[u8],
    transport: Transport,
    connected: bool,
    mptcp: &MptcpSockets,
) -> (Vec<Socket>, Result<bool, Error>) {
    let mut sockets = Vec::new();
    let mut sink = Listing::new(NETNS, transport, connected, mptcp, &mut sockets);
    let ended = parse_datagram(reply, &mut sink);
    (sockets, ended)
}

fn check_reply(reply: &[u8], transport: Transport, expect: &[&str]) -> Vec<Socket> {
    let (sockets, ended) = list(reply, transport, false, &MptcpSockets::default());
    assert_eq!(ended, Ok(true));
    check(&sockets, expect);
    sockets
}

#[test]
#[cfg(target_endian = "little")]
fn tcp() {
    let sockets = check_reply(
        &fixture!("tcp"),
        TCP,
        &[
            "tcp Inet6 Stream Listen [::]:80 dual 0/7",
            "tcp Inet6 Stream Listen [::]:443 v6only 0/7",
            "tcp Inet6 Stream Listen [::ffff:127.0.0.1]:8080 dual 0/7",
            "tcp Inet Stream Listen 127.0.0.1:631 %1 0/7",
            "tcp Inet Stream Listen 0.0.0.0:22 0/7",
            "tcp Inet Stream Bound 0.0.0.0:7",
        ],
    );
    assert!(sockets.iter().all(|s| s.inode.0 > 0 && s.cgroup == Some(CgroupId(1))), "{sockets:?}");
}

#[test]
#[cfg(target_endian = "little")]
fn an_mptcp_listener_is_one_row() {
    let (mut mptcp, ended) = list(&fixture!("mptcp"), MPTCP, false, &MptcpSockets::default());
    assert_eq!(ended, Ok(true));
    check(&mptcp, &["mptcp Inet Stream Listen 0.0.0.0:22 0/7"]);
    // TCP shows it with the same inode; there it is left out.
    let (tcp, _) = list(&fixture!("tcp"), TCP, false, &MptcpSockets::take(&mut mptcp));
    assert_eq!(tcp.len(), 5);
    assert!(tcp.iter().all(|s| s.local.port != Port(22) && s.protocol == Protocol::TCP));
    // Where MPTCP has no handler, TCP tells what is below it.
    let (tcp, _) = list(&fixture!("tcp-with-info"), TCP, false, &MptcpSockets::default());
    let mptcp: Vec<_> = tcp.iter().filter(|s| s.protocol == Protocol::MPTCP).collect();
    check(mptcp, &["mptcp Inet Stream Listen 0.0.0.0:22 0/7"]);
    assert_eq!(tcp.len(), 5);
}

#[test]
#[cfg(target_endian = "little")]
fn udp_and_packet() {
    // Beside the test's own, the socket of the vxlan link.
    check_reply(&fixture!("udp6"), UDP, &["udp Inet6 Dgram Bound [::]:53 dual"]);
    let mut sockets = Vec::new();
    let mut sink = packet_diag::Listing::new(NETNS, false, &mut sockets);
    assert_eq!(parse_datagram(&fixture!("packet"), &mut sink), Ok(true));
    check(
        &sockets,
        &[
            "ip-proto-2054 Packet Packet Bound 0.0.0.0:0 %1",
            "ip-proto-3 Packet Dgram Bound 0.0.0.0:0",
        ],
    );
}

#[test]
#[cfg(target_endian = "little")]
fn a_missing_handler_is_not_an_empty_table() {
    let (sockets, ended) =
        list(&fixture!("raw-without-handler"), RAW, false, &MptcpSockets::default());
    assert_eq!(ended, Err(Error::Kernel(Errno::NOENT)));
    assert!(ended.unwrap_err().is_absent());
    check(&sockets, &[]);
}

#[test]
#[cfg(target_endian = "little")]
fn a_reply_cut_anywhere_names_its_offset() {
    let whole = fixture!("tcp");
    let mut boundaries = 0;
    for length in 0..whole.len() {
        match list(&whole[..length], TCP, true, &MptcpSockets::default()).1 {
            Ok(ended) => {
                assert!(!ended, "ended at {length}");
                boundaries += 1;
            }
            Err(Error::Malformed(error)) => {
                assert!(error.to_string().contains("byte"), "{error}");
            }
            Err(error) => panic!("cut at {length}: {error}"),
        }
    }
    // The empty reply, and one end before each of seven messages' headers but the first.
    assert_eq!(boundaries, 7);
}

#[test]
#[cfg(target_endian = "little")]
fn broken_messages_do_not_hide_the_others() {
    // The first message claims a family that inet_diag does not have.
    let mut reply = fixture!("tcp");
    reply[16] = 99;
    let (sockets, ended) = list(&reply, TCP, false, &MptcpSockets::default());
    let value = Malformed::Value { structure: "inet_diag_msg", field: "idiag_family", value: 99 };
    assert_eq!(ended, Err(Error::Malformed(value)));
    assert_eq!(sockets.len(), 5);
    // Its first attribute has length 0.
    let mut reply = fixture!("tcp");
    reply[16 + 72] = 0;
    let (sockets, ended) = list(&reply, TCP, false, &MptcpSockets::default());
    let length = Malformed::AttributeLength { offset: 0, length: 0, left: 44 };
    assert_eq!(ended, Err(Error::Malformed(length)));
    assert_eq!(sockets.len(), 5);
}

/// A `struct inet_diag_msg` and its attributes.
fn message(family: u8, state: u8, ports: [u16; 2], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![family, state, 0, 0];
    body.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    body.extend([0; 16 + 16 + 4 + 8 + 4 + 8 + 4]);
    body.extend(9_u32.to_ne_bytes());
    body.extend(pack(attributes));
    body
}

fn pack(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in attributes {
        bytes.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn check_message(transport: Transport, connected: bool, body: &[u8], expect: &[&str]) {
    let (mptcp, mut sockets) = (MptcpSockets::default(), Vec::new());
    Listing::new(NETNS, transport, connected, &mptcp, &mut sockets).take(body).unwrap();
    check(&sockets, expect);
}

#[test]
fn states() {
    // Raw sockets have their protocol in the place of the port; `sk_protocol` goes first.
    check_message(
        RAW,
        false,
        &message(10, 7, [58, 0], &[(10, &[58])]),
        &["icmp6 Inet6 Raw Bound [::]:0"],
    );
    check_message(RAW, false, &message(2, 7, [47, 0], &[]), &["gre Inet Raw Bound 0.0.0.0:0"]);
    // Without `connected`, what has a peer or no port is left out, whatever the kernel sends.
    check_message(UDP, false, &message(2, 7, [0, 0], &[]), &[]);
    check_message(UDP, false, &message(2, 1, [5, 6], &[]), &[]);
    check_message(UDP, true, &message(2, 7, [0, 0], &[]), &["udp Inet Dgram Unbound 0.0.0.0:0"]);
    check_message(
        UDP,
        true,
        &message(2, 1, [5, 6], &[]),
        &["udp Inet Dgram Established 0.0.0.0:5 -> 0.0.0.0:6"],
    );
    check_message(TCP, false, &message(2, 13, [5, 0], &[]), &["tcp Inet Stream Bound 0.0.0.0:5"]);
    check_message(
        TCP,
        true,
        &message(2, 6, [5, 6], &[]),
        &["tcp Inet Stream TimeWait 0.0.0.0:5 -> 0.0.0.0:6"],
    );
    check_message(
        TCP,
        true,
        &message(2, 77, [5, 6], &[]),
        &["tcp Inet Stream Other 0.0.0.0:5 -> 0.0.0.0:6"],
    );
    // 3 is COOKIE-ECHOED's successor in SCTP and a half-open connection in TCP.
    check_message(
        SCTP,
        true,
        &message(2, 3, [5, 6], &[]),
        &["sctp Inet Stream Established 0.0.0.0:5 -> 0.0.0.0:6"],
    );
}

#[test]
fn an_sctp_socket_has_every_address_it_is_bound_to() {
    let mut locals = [[0_u8; 128]; 3];
    for (storage, last) in locals.iter_mut().zip([0, 1, 2]) {
        storage[..2].copy_from_slice(&2_u16.to_ne_bytes());
        storage[4..8].copy_from_slice(&if last == 0 { [0; 4] } else { [127, 0, 0, last] });
    }
    check_message(
        SCTP,
        false,
        &message(2, 10, [132, 0], &[(12, &locals.concat())]),
        &[
            "sctp Inet Stream Listen 0.0.0.0:132",
            "sctp Inet Stream Listen 127.0.0.1:132",
            "sctp Inet Stream Listen 127.0.0.2:132",
        ],
    );
}

/// The bodies of a reply's messages but the last.
fn bodies(reply: &[u8]) -> Vec<&[u8]> {
    let messages: Vec<_> = Messages::new(reply).map(Result::unwrap).collect();
    messages[..messages.len() - 1].iter().map(|m: &Message<'_>| m.body).collect()
}

#[test]
#[cfg(target_endian = "little")]
fn links_and_what_they_own() {
    let reply = fixture!("links");
    let links: Vec<_> =
        bodies(&reply).into_iter().map(|body| rtnetlink::parse_link(body).unwrap()).collect();
    let text: Vec<_> = links
        .iter()
        .map(|l| {
            format!(
                "{} {} {:?} {} {}",
                l.link.index, l.link.name, l.link.kind, l.link.up, l.link.loopback
            )
        })
        .collect();
    assert_eq!(text, ["1 lo \"\" true true", "2 vx0 \"vxlan\" true false"]);
    let owning: Vec<_> = links.iter().filter_map(|l| owning_link(l).unwrap()).collect();
    assert_eq!(owning.len(), 1);
    assert_eq!((owning[0].subsystem, &owning[0].udp_ports[..]), ("vxlan", &[Port(4790)][..]));
    assert_eq!(owning[0].made_in, None);
}

#[test]
#[cfg(target_endian = "little")]
fn addresses() {
    let reply = fixture!("addresses");
    let text: Vec<_> = bodies(&reply)
        .into_iter()
        .filter_map(|body| rtnetlink::parse_address(body).unwrap())
        .map(|a: Address| {
            format!(
                "{} {}/{} {} {:?} {:?}",
                a.link, a.address, a.prefix_len, a.scope, a.preferred_s, a.valid_s
            )
        })
        .collect();
    assert_eq!(
        text,
        [
            "1 127.0.0.1/8 254 None None",
            "2 192.0.2.7/24 0 Some(1800) Some(3600)",
            // Point to point: its own address, not the peer's.
            "2 198.51.100.1/32 0 None None",
            "1 ::1/128 254 None None",
            "2 2001:db8::7/64 0 None None",
            "2 fe80::c8e9:2aff:fe96:f0bc/64 253 None None",
        ]
    );
}

#[test]
fn generic_netlink() {
    let header = [0, 1, 0, 0];
    let body = |attributes: &[(u16, &[u8])]| [&header[..], &pack(attributes)].concat();

    let mut numbers = Numbers::default();
    for (id, name) in [(16_u16, "nlctrl\0"), (30, "wireguard\0"), (31, "l2tp\0"), (32, "fou\0")] {
        let family = body(&[(1, &id.to_ne_bytes()), (2, name.as_bytes())]);
        parse_families(&family, &mut numbers).unwrap();
    }
    assert_eq!(numbers, Numbers { wireguard: Some(30), l2tp: Some(31), fou: Some(32) });

    let mut port = None;
    let key = [7; 32];
    parse_wireguard(&body(&[(3, &key), (6, &51820_u16.to_ne_bytes())]), &mut port).unwrap();
    assert_eq!(port, Some(Port(51820)));

    let mut owned = vec![];
    let tunnel = |kind: u16| {
        let port = 1701_u16.to_ne_bytes();
        body(&[(2, &kind.to_ne_bytes()), (9, &5_u32.to_ne_bytes()), (26, &port)])
    };
    parse_l2tp(&tunnel(0), &mut owned).unwrap();
    // Straight over IP: no port.
    parse_l2tp(&tunnel(1), &mut owned).unwrap();
    parse_fou(&body(&[(1, &5555_u16.to_be_bytes())]), &mut owned).unwrap();
    let text: Vec<_> =
        owned.iter().map(|o| format!("{} {} {}", o.subsystem, o.port, o.instance)).collect();
    assert_eq!(text, ["l2tp 1701 tunnel 5", "fou 5555 "]);
    assert!(parse_fou(&[0; 3], &mut owned).is_err());
}

#[test]
#[cfg(target_endian = "little")]
fn families_of_a_kernel_without_tunnels() {
    let reply = fixture!("families");
    let mut numbers = Numbers::default();
    let bodies = bodies(&reply);
    assert!(bodies.len() > 3);
    for body in bodies {
        parse_families(body, &mut numbers).unwrap();
    }
    assert_eq!(numbers, Numbers::default());
}

fn check_table(
    transport: Transport,
    family: IpFamily,
    rows: &str,
    expect: &[&str],
    bad: Option<usize>,
) {
    let text = format!("  sl  local_address rem_address   st tx_queue rx_queue …\n{rows}");
    let mut sockets = Vec::new();
    let read =
        proc_net::parse_inet(text.as_bytes(), &transport, family, NETNS, |s| sockets.push(s));
    check(&sockets, expect);
    assert_eq!(read.err().map(|error| error.line), bad, "{rows}");
}

#[test]
#[cfg(target_endian = "little")]
fn tables_of_proc() {
    let raw6 = "  58: 00000000000000000000000000000000:003A 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 114352 2 00000000c49cc981 0\n";
    check_table(RAW, IpFamily::V6, raw6, &["icmp6 Inet6 Raw Bound [::]:0"], None);
    let ping = "   77: 0100007F:004D 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 5 2 0 0\n";
    check_table(PING, IpFamily::V4, ping, &["icmp Inet Ping Bound 127.0.0.1:77"], None);
    let listen = "   0: B80D0120000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 7 1 0\n";
    check_table(TCP, IpFamily::V6, listen, &["tcp Inet6 Stream Listen [2001:db8::1]:22"], None);
    check_table(TCP, IpFamily::V4, "", &[], None);
    for garbage in [
        "x",
        "0: 1 2 3",
        "\u{1b}[31m",
        "0: 0100007F:0016 00000000:0000 0A 0:0 00:0 0 4294967296 0 7",
        "0: 0100007F:10016 00000000:0000 0A 0:0 00:0 0 0 0 7",
        "0: 0100007F 00000000:0000 0A 0:0 00:0 0 0 0 7",
        // An address of the other family.
        raw6.trim(),
    ] {
        // The lines after it are still read.
        let text = format!("{garbage}\n{ping}");
        check_table(PING, IpFamily::V4, &text, &["icmp Inet Ping Bound 127.0.0.1:77"], Some(2));
    }
}

#[test]
fn other_tables_of_proc() {
    let packet = b"sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n\
        00000000b168717a 3      3    0800   1     1 3332   33     114357\n\
        00000000b168717a 3      2    0003   0     1 0      0      2\nx\n";
    let mut sockets = Vec::new();
    let read = proc_net::parse_packet(packet, NETNS, |s| sockets.push(s));
    assert_eq!(read.unwrap_err().to_string(), "line 4 is not a socket's");
    assert_eq!(
        sockets.iter().map(describe).collect::<Vec<_>>(),
        [
            "ip-proto-2048 Packet Packet Bound 0.0.0.0:0 %1",
            "ip-proto-3 Packet Dgram Bound 0.0.0.0:0"
        ]
    );
    assert_eq!(
        (sockets[0].inode, sockets[0].uid.0, sockets[0].queue.now),
        (Inode(114_357), 33, 3332)
    );

    let sctp = b" ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n\
        ffff88017e0a0200 ffff880299f7fa00 2   10  29   11165   200 299689357 *127.0.0.1 10.0.0.1 ::1 \n\
        ffff88017e0a0200 ffff880299f7fa00 0   10  29   5       0 7 0.0.0.0 \n";
    let mut sockets = Vec::new();
    proc_net::parse_sctp(sctp, IpFamily::V4, NETNS, |s| sockets.push(s)).unwrap();
    check(
        &sockets,
        &[
            "sctp Inet Stream Listen 127.0.0.1:11165",
            "sctp Inet Stream Listen 10.0.0.1:11165",
            "sctp Inet Seqpacket Listen 0.0.0.0:5",
        ],
    );
}

#[test]
fn a_dump_that_starts_over_forgets_its_own_sockets_only() {
    let (mptcp, mut sockets) = (MptcpSockets::default(), Vec::new());
    Listing::new(NETNS, TCP, true, &mptcp, &mut sockets)
        .take(&message(2, 10, [1, 0], &[]))
        .unwrap();
    let mut sink = Listing::new(NETNS, UDP, true, &mptcp, &mut sockets);
    sink.take(&message(2, 7, [2, 0], &[])).unwrap();
    sink.restart();
    check(&sockets, &["tcp Inet Stream Listen 0.0.0.0:1"]);
}

/// Whoever adds a field to `Socket` meets this: 200,000 of them are kept.
#[test]
fn a_socket_is_small() {
    assert!(size_of::<Socket>() <= 96, "{}", size_of::<Socket>());
}
