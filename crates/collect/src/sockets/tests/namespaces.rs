//! Real sockets in namespaces that the tests make: what is listed is what was opened. Needs root
//! and iproute2.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

use facts::{Inode, NetnsId, Part, Pid, Port, Protocol, Queue, Remedy, Socket, State};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, eth, ipproto, listen, socket_with, sockopt,
};

use super::super::inet_diag::Ask;
use super::super::listing::{Handlers, Listed, list_over};
use super::super::{Found, Request, collect, collect_with, own_netns};
use super::check;
use crate::bpf::{Connections, Iterators};
use crate::netlink::Error;
use crate::netns::{Leads, enter, find, made};

/// Runs `work` on a thread inside a new namespace.
fn inside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    enter(made().as_fd(), work).expect("enter the namespace that was made")
}

/// Runs ip(8) in the calling thread's namespace.
fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.expect("run ip(8)").success(), "ip {arguments}");
}

/// A socket, not bound.
fn open(
    family: AddressFamily,
    kind: SocketType,
    protocol: Option<rustix::net::Protocol>,
) -> OwnedFd {
    socket_with(family, kind, SocketFlags::CLOEXEC, protocol).unwrap()
}

/// A stream or datagram socket, bound.
fn bound(address: &str, kind: SocketType, protocol: Option<rustix::net::Protocol>) -> OwnedFd {
    let address: SocketAddr = address.parse().unwrap();
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = open(family, kind, protocol);
    sockopt::set_socket_reuseport(&socket, true).unwrap();
    bind(&socket, &address).unwrap();
    socket
}

fn listener(address: &str, protocol: Option<rustix::net::Protocol>) -> OwnedFd {
    let socket = bound(address, SocketType::STREAM, protocol);
    listen(&socket, 7).unwrap();
    socket
}

fn v6_listener(address: &str, v6only: bool) -> OwnedFd {
    let socket = open(AddressFamily::INET6, SocketType::STREAM, None);
    sockopt::set_ipv6_v6only(&socket, v6only).unwrap();
    bind(&socket, &address.parse::<SocketAddr>().unwrap()).unwrap();
    listen(&socket, 7).unwrap();
    socket
}

/// `SO_BINDTODEVICE` to lo.
fn on_loopback_device(socket: OwnedFd) -> OwnedFd {
    #[allow(unsafe_code, reason = "rustix has no SO_BINDTODEVICE")]
    // SAFETY: the option's value is a NUL-terminated name of the length given, and outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            c"lo".as_ptr().cast(),
            3,
        )
    };
    assert_eq!(result, 0, "SO_BINDTODEVICE: {}", std::io::Error::last_os_error());
    socket
}

/// One process for each namespace.
fn processes<const N: usize>(leaders: [(NetnsId, Pid); N]) -> Leads {
    Leads { processes: leaders.into(), ..Leads::default() }
}

/// What is in the calling thread's namespace. Connections are listed over sock_diag and by BPF: both
/// must tell the same.
fn look(connected: bool) -> Found {
    let request = Request { connected, this_netns_only: true, ..Request::default() };
    let look = |connections: Option<&Connections>| {
        let found = collect_with(&request, &Leads::default(), connections);
        assert!(found.sockets.is_complete(), "{:?}", found.namespaces);
        assert_eq!(found.namespaces.items().len(), 1);
        found
    };
    let found = look(None);
    if connected {
        let bpf =
            Iterators::load(true).unwrap().connections().expect("the iterator of TCP sockets");
        let sorted = |found: &Found| {
            let mut sockets = found.sockets.items().to_vec();
            sockets.sort_unstable();
            sockets
        };
        assert_eq!(sorted(&look(Some(&bpf))), sorted(&found));
    }
    found
}

fn inodes<'a>(sockets: impl IntoIterator<Item = &'a OwnedFd>) -> Vec<Inode> {
    let inode = |fd: &OwnedFd| Inode(rustix::fs::fstat(fd).unwrap().st_ino);
    let mut inodes: Vec<_> = sockets.into_iter().map(inode).collect();
    inodes.sort_unstable();
    inodes
}

/// Every socket of `found` is one of `opened`, and the other way round.
fn check_inodes(found: &Found, opened: &[OwnedFd]) {
    let mut got: Vec<_> = found.sockets.items().iter().map(|s| s.inode).collect();
    got.sort_unstable();
    assert_eq!(got, inodes(opened));
}

#[test]
fn nothing_open() {
    inside(|| {
        let found = look(true);
        check(found.sockets.items(), &[]);
        assert_eq!(found.kernel_owners, Part::known(vec![]));
    });
}

#[test]
fn tcp_listeners() {
    inside(|| {
        let opened = [
            listener("0.0.0.0:1001", None),
            v6_listener("[::]:1002", false),
            v6_listener("[::]:1003", true),
            v6_listener("[::ffff:127.0.0.1]:1004", false),
            listener("0.0.0.0:1005", None),
            listener("0.0.0.0:1005", None),
            bound("0.0.0.0:1006", SocketType::STREAM, None),
            on_loopback_device(listener("0.0.0.0:1007", None)),
        ];
        // Whether bound sockets are looked for otherwise depends on how many TCP sockets the whole
        // machine has.
        let found = look(true);
        check(
            found.sockets.items(),
            &[
                "tcp Inet Stream Listen 0.0.0.0:1001 0/7",
                "tcp Inet6 Stream Listen [::]:1002 dual 0/7",
                "tcp Inet6 Stream Listen [::]:1003 v6only 0/7",
                "tcp Inet6 Stream Listen [::ffff:127.0.0.1]:1004 dual 0/7",
                "tcp Inet Stream Listen 0.0.0.0:1005 0/7",
                "tcp Inet Stream Listen 0.0.0.0:1005 0/7",
                "tcp Inet Stream Bound 0.0.0.0:1006",
                "tcp Inet Stream Listen 0.0.0.0:1007 %1 0/7",
            ],
        );
        check_inodes(&found, &opened);
    });
}

/// Every kind of structure that the kernel keeps for a connection.
#[test]
fn connections_in_every_state() {
    use std::io::Write as _;

    inside(|| {
        ip("link set lo up");
        let v4 = TcpListener::bind("127.0.0.1:1001").unwrap();
        let v6 = TcpListener::bind("[::1]:1002").unwrap();
        let dual = TcpListener::bind("[::]:1003").unwrap();
        let pair = |listener: &TcpListener, to: &str| {
            let client = TcpStream::connect(to).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let mut unread = pair(&v4, "127.0.0.1:1001");
        unread.0.write_all(b"five!").unwrap();
        let mut unsent = pair(&v6, "[::1]:1002");
        let never_closed = pair(&v4, "127.0.0.1:1001");
        let mapped = pair(&dual, "127.0.0.1:1003");
        let not_accepted = TcpStream::connect("127.0.0.1:1001").unwrap();
        // The client waits: first for our end (FIN_WAIT2, and CLOSE_WAIT here), then it is over.
        let (half, closing) = pair(&v4, "127.0.0.1:1001");
        half.shutdown(std::net::Shutdown::Write).unwrap();
        let (over, too) = pair(&v6, "[::1]:1002");
        drop(over);
        drop(too);
        let (orphan, kept) = pair(&v4, "127.0.0.1:1001");
        drop(orphan);
        let on_device = on_loopback_device(open(AddressFamily::INET, SocketType::STREAM, None));
        rustix::net::connect(&on_device, &"127.0.0.1:1001".parse::<SocketAddr>().unwrap()).unwrap();
        // What was closed is acknowledged after a while (state 4 is FIN_WAIT1).
        let read = |file| std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap();
        let waits = |file| read(file).lines().any(|l| l.split_whitespace().nth(3) == Some("04"));
        while waits("tcp") || waits("tcp6") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // And from now on nothing arrives any more, so that what is sent stays unsent.
        ip("link set lo down");
        unsent.0.write_all(b"seven!!").unwrap();
        let (unanswered, end) = never_closed;
        drop(unanswered);

        let found = look(true);
        let states: Vec<_> = found.sockets.items().iter().map(|s| s.state).collect();
        for state in [
            State::Established,
            State::TimeWait,
            State::CloseWait,
            State::FinWait1,
            State::FinWait2,
        ] {
            assert!(states.contains(&state), "{state:?} is not in {states:?}");
        }
        let waits = |of: fn(Queue) -> u32| {
            found.sockets.items().iter().any(|s| s.is_connected() && of(s.queue) > 0)
        };
        assert!(waits(|queue| queue.now) && waits(|queue| queue.max));
        drop((unread, unsent, mapped, not_accepted, half, closing, kept, end));
    });
}

#[test]
fn mptcp() {
    inside(|| {
        let opened = [
            listener("0.0.0.0:1008", Some(ipproto::MPTCP)),
            listener("[::]:1009", Some(ipproto::MPTCP)),
        ];
        let found = look(false);
        check(
            found.sockets.items(),
            &[
                "mptcp Inet Stream Listen 0.0.0.0:1008 0/7",
                "mptcp Inet6 Stream Listen [::]:1009 dual 0/7",
            ],
        );
        check_inodes(&found, &opened);

        // A connection that nobody accepted yet has no inode, and still is one row at each end.
        ip("link set lo up");
        let client = bound("127.0.0.1:4000", SocketType::STREAM, Some(ipproto::MPTCP));
        rustix::net::connect(&client, &"127.0.0.1:1008".parse::<SocketAddr>().unwrap()).unwrap();
        check(
            look(true).sockets.items(),
            &[
                "mptcp Inet Stream Listen 0.0.0.0:1008 1/7",
                "mptcp Inet6 Stream Listen [::]:1009 dual 0/7",
                "mptcp Inet Stream Established 127.0.0.1:1008 -> 127.0.0.1:4000",
                "mptcp Inet Stream Established 127.0.0.1:4000 -> 127.0.0.1:1008",
            ],
        );
    });
}

/// The kernel listens for an endpoint by itself: its MPTCP socket does not say where.
#[test]
fn mptcp_endpoints_with_a_port() {
    inside(|| {
        ip("link set lo up");
        ip("addr add 10.9.9.1/24 dev lo");
        ip("mptcp endpoint add 10.9.9.1 port 8200 signal");
        let _opened = listener("0.0.0.0:1008", Some(ipproto::MPTCP));
        for connected in [false, true] {
            check(
                look(connected).sockets.items(),
                &[
                    "mptcp Inet Stream Listen 0.0.0.0:1008 0/7",
                    "mptcp Inet Stream Listen 10.9.9.1:8200 0/1024",
                ],
            );
        }
    });
}

/// Whoever asks for them gets them, however many namespaces there are.
#[test]
fn bound_tcp_sockets_among_many_namespaces() {
    let others: Vec<Resident> = (0..40).map(|_| inside(Resident::new)).collect();
    let (resident, _bound) = inside(|| {
        let socket = bound("0.0.0.0:1006", SocketType::STREAM, None);
        (Resident::new(), socket)
    });
    let leads: Vec<_> = others.iter().chain([&resident]).map(Resident::leader).collect();
    let leads = Leads { processes: leads.into_iter().collect(), ..Leads::default() };
    let (id, _) = resident.leader();
    let found = collect(&Request { inactive: true, ..Request::default() }, &leads);
    let there = found.sockets.items().iter().filter(|socket| socket.netns == id);
    check(there, &["tcp Inet Stream Bound 0.0.0.0:1006"]);
    assert_eq!(found.left_out, []);
}

#[test]
fn datagrams() {
    inside(|| {
        ip("link set lo up");
        let udplite = Some(ipproto::UDPLITE);
        let opened = [
            bound("0.0.0.0:2001", SocketType::DGRAM, None),
            bound("[::1]:2002", SocketType::DGRAM, None),
            bound("127.0.0.1:2003", SocketType::DGRAM, udplite),
        ];
        let to_one = UdpSocket::bind("127.0.0.1:2004").unwrap();
        to_one.connect("127.0.0.1:9").unwrap();
        let _unbound = open(AddressFamily::INET, SocketType::DGRAM, None);
        let expect = [
            "udp Inet Dgram Bound 0.0.0.0:2001",
            // Bound to one address, the kernel makes it so (`__inet6_bind`).
            "udp Inet6 Dgram Bound [::1]:2002 v6only",
            "udplite Inet Dgram Bound 127.0.0.1:2003",
        ];
        let found = look(false);
        check(found.sockets.items(), &expect);
        check_inodes(&found, &opened);
        let connected = "udp Inet Dgram Established 127.0.0.1:2004 -> 127.0.0.1:9";
        check(look(true).sockets.items(), &[&expect[..], &[connected]].concat());
    });
}

#[test]
fn raw_ping_and_packet() {
    inside(|| {
        ip("link set lo up");
        // Of this namespace only: the kernel goes by the thread that writes.
        std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 1000").unwrap();
        let (v4, v6) = (AddressFamily::INET, AddressFamily::INET6);
        let opened = [
            open(v6, SocketType::RAW, Some(ipproto::ICMPV6)),
            open(v4, SocketType::RAW, Some(ipproto::GRE)),
            bound("127.0.0.1:77", SocketType::DGRAM, Some(ipproto::ICMP)),
            bound("[::1]:78", SocketType::DGRAM, Some(ipproto::ICMPV6)),
            open(AddressFamily::PACKET, SocketType::RAW, Some(eth::ARP)),
            open(AddressFamily::PACKET, SocketType::DGRAM, Some(eth::ALL)),
        ];
        // It receives nothing.
        let sender = open(AddressFamily::PACKET, SocketType::RAW, None);
        let expect = [
            "icmp6 Inet6 Raw Bound [::]:0",
            "gre Inet Raw Bound 0.0.0.0:0",
            "icmp Inet Ping Bound 127.0.0.1:77",
            "icmp6 Inet6 Ping Bound [::1]:78",
            "ip-proto-2054 Packet Packet Bound 0.0.0.0:0",
            "ip-proto-3 Packet Dgram Bound 0.0.0.0:0",
        ];
        let found = look(false);
        // Whether raw sockets tell v6only depends on the kernel's having a handler for them.
        let sockets: Vec<_> =
            found.sockets.items().iter().map(|s| Socket { v6only: None, ..*s }).collect();
        check(&sockets, &expect);
        check_inodes(&found, &opened);
        assert_eq!(look(true).sockets.items().len(), expect.len() + 1);
        drop(sender);
    });
}

/// Lists the calling thread's namespace as on a kernel whose sock_diag answers with this error.
fn list_without_sock_diag(errno: Errno) -> Listed {
    let (namespaces, gaps) = find(&Leads::default(), true);
    assert_eq!(gaps, []);
    let ask = Ask { connected: true, inactive: true, subflows: false };
    list_over(Err(Error::Open(errno)), &namespaces[0], ask, None, &Handlers::default())
}

#[test]
fn a_kernel_without_sock_diag() {
    inside(|| {
        ip("link set lo up");
        let _opened = [
            listener("127.0.0.1:1001", None),
            v6_listener("[::]:1002", true),
            bound("[::]:2001", SocketType::DGRAM, None),
            open(AddressFamily::INET6, SocketType::RAW, Some(ipproto::ICMPV6)),
            open(AddressFamily::PACKET, SocketType::RAW, Some(eth::ARP)),
        ];
        let client = bound("127.0.0.1:4001", SocketType::STREAM, None);
        rustix::net::connect(&client, &"127.0.0.1:1001".parse::<SocketAddr>().unwrap()).unwrap();
        // The limit of the accept queue and v6only are not told there.
        let expect = [
            "tcp Inet Stream Listen 127.0.0.1:1001",
            "tcp Inet6 Stream Listen [::]:1002",
            "tcp Inet Stream Established 127.0.0.1:1001 -> 127.0.0.1:4001",
            "tcp Inet Stream Established 127.0.0.1:4001 -> 127.0.0.1:1001",
            "udp Inet6 Dgram Bound [::]:2001",
            "icmp6 Inet6 Raw Bound [::]:0",
            "ip-proto-2054 Packet Packet Bound 0.0.0.0:0",
        ];
        let listed = list_without_sock_diag(Errno::PROTONOSUPPORT);
        check(&listed.sockets, &expect);
        let whats: Vec<_> = listed.gaps.iter().map(|gap| gap.what.as_str()).collect();
        assert_eq!(whats.len(), 2, "{whats:?}");
        assert!(whats[0].starts_with("bound sockets that do not listen, and limits"), "{whats:?}");

        // Refused is not absent: every table is a gap with its reason, and still read.
        let listed = list_without_sock_diag(Errno::PERM);
        check(&listed.sockets, &expect);
        let of = |what: &str| listed.gaps.iter().find(|gap| gap.what.starts_with(what)).unwrap();
        for what in ["tcp sockets over IPv6 in ", "raw sockets over IPv4 in ", "packet sockets in "]
        {
            let gap = of(what);
            assert_eq!(
                gap.why,
                "sock_diag: open a netlink socket: Operation not permitted (os error 1)"
            );
            assert_eq!(gap.remedy, Some(Remedy::Root));
        }
    });
}

#[test]
fn a_connection_and_a_full_queue() {
    inside(|| {
        ip("link set lo up");
        let listener = TcpListener::bind("127.0.0.1:3001").unwrap();
        listen(&listener, 2).unwrap();
        let client = bound("127.0.0.1:4001", SocketType::STREAM, None);
        rustix::net::connect(&client, &listener.local_addr().unwrap()).unwrap();
        let (_accepted, _) = listener.accept().unwrap();
        let _waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        check(look(false).sockets.items(), &["tcp Inet Stream Listen 127.0.0.1:3001 1/2"]);
        let found = look(true);
        let of_client: Vec<_> = found
            .sockets
            .items()
            .iter()
            .filter(|s| s.local.port == Port(4001) || s.peer.is_some_and(|p| p.port == Port(4001)))
            .collect();
        check(
            of_client,
            &[
                "tcp Inet Stream Established 127.0.0.1:4001 -> 127.0.0.1:3001",
                "tcp Inet Stream Established 127.0.0.1:3001 -> 127.0.0.1:4001",
            ],
        );
        // Both ends of both connections, and the listener.
        assert_eq!(found.sockets.items().len(), 5);
    });
}

#[test]
fn the_socket_of_a_vxlan_link() {
    inside(|| {
        ip("link set lo up");
        ip("link add vx0 type vxlan id 42 dstport 4790 local 127.0.0.1 dev lo");
        ip("link set vx0 up");
        let found = look(false);
        check(found.sockets.items(), &["udp Inet Dgram Bound 0.0.0.0:4790"]);
        let owners = found.kernel_owners.items();
        assert_eq!(owners.len(), 1);
        assert_eq!((owners[0].protocol, owners[0].port), (Protocol::UDP, Port(4790)));
        assert_eq!((owners[0].subsystem.as_str(), owners[0].instance.as_str()), ("vxlan", "vx0"));
        let namespace = &found.namespaces.items()[0];
        assert_eq!(owners[0].netns, namespace.id);
        let link = namespace.links.items().iter().find(|l| l.name == "vx0").unwrap();
        assert_eq!((link.kind.as_str(), link.up), ("vxlan", true));
        assert!(namespace.addresses.items().iter().any(|a| a.address.is_loopback()));
    });
}

/// A process in the calling thread's namespace, killed at the end.
struct Resident(Child);

impl Resident {
    fn new() -> Self {
        let child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn();
        Self(child.expect("run sleep(1)"))
    }

    fn leader(&self) -> (NetnsId, Pid) {
        let pid = self.0.id();
        let inode = std::fs::metadata(format!("/proc/{pid}/ns/net")).unwrap().ino();
        (NetnsId(u32::try_from(inode).unwrap()), Pid(pid))
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn sockets_of_another_namespace() {
    let before = own_netns().unwrap();
    let (resident, _listener) = inside(|| {
        ip("link set lo up");
        (Resident::new(), listener("127.0.0.1:1001", None))
    });
    let (id, pid) = resident.leader();
    assert_ne!(id, before);
    let found = collect(&Request::default(), &processes([(id, pid)]));
    assert_eq!(own_netns().unwrap(), before);
    let namespace = found.namespaces.items().iter().find(|n| n.id == id).unwrap();
    assert_eq!((namespace.leader, namespace.own), (Some(pid), false));
    assert!(namespace.sockets.is_complete());
    let there = found.sockets.items().iter().filter(|s| s.netns == id);
    check(there, &["tcp Inet Stream Listen 127.0.0.1:1001 0/7"]);
}

#[test]
fn a_link_that_was_moved_keeps_its_socket_where_it_was_made() {
    let (maker, taker) = (inside(Resident::new), inside(Resident::new));
    let enter_maker = std::fs::File::open(format!("/proc/{}/ns/net", maker.0.id())).unwrap();
    enter(enter_maker.as_fd(), || {
        ip("link set lo up");
        ip("link add vx1 type vxlan id 43 dstport 4791 local 127.0.0.1");
        ip(&format!("link set vx1 netns {}", taker.0.id()));
    })
    .unwrap();
    let enter_taker = std::fs::File::open(format!("/proc/{}/ns/net", taker.0.id())).unwrap();
    enter(enter_taker.as_fd(), || ip("link set vx1 up")).unwrap();

    let found = collect(&Request::default(), &processes([maker.leader(), taker.leader()]));
    let socket = found.sockets.items().iter().find(|s| s.local.port == Port(4791)).unwrap();
    assert_eq!(socket.netns, maker.leader().0);
    let owner = found.kernel_owners.items().iter().find(|o| o.port == Port(4791)).unwrap();
    assert_eq!((owner.netns, owner.instance.as_str()), (maker.leader().0, "vx1"));
}

#[test]
fn a_namespace_that_is_gone_is_a_gap_of_its_own() {
    let resident = inside(Resident::new);
    let (id, pid) = resident.leader();
    drop(resident);
    let found = collect(&Request::default(), &processes([(id, pid)]));
    let namespace = found.namespaces.items().iter().find(|n| n.id == id).unwrap();
    let gap = &namespace.sockets.gaps()[0];
    assert_eq!(gap.what, format!("sockets of network namespace net:[{id}]"));
    assert!(gap.why.starts_with(&format!("open /proc/{pid}/ns/net: ")), "{gap:?}");
    assert!(!found.sockets.is_complete());
    // The others are there.
    assert!(found.namespaces.items().iter().any(|n| n.own && n.sockets.is_complete()));
}
