//! The hosts.

use facts::{
    Answer, ConfiguredListener, ConfiguredPort, Gap, IfIndex, IptablesBackend, ListenLine,
    PackageUse, Part, Place, Port, Profile, Protocol, PullKind, Question, Queue, Remedy,
    RestartPolicy, Snapshot, State, Trigger, TriggerKind, Uid,
};

use super::Sample;

/// The id of the container of the samples.
const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Every host by its name.
pub fn all() -> Vec<(&'static str, Snapshot)> {
    vec![
        ("rpcbind", rpcbind()),
        ("stacks", stacks()),
        ("prefork", prefork()),
        ("raw", raw()),
        ("kernel", kernel()),
        ("namespaces", namespaces()),
        ("docker", docker()),
        ("replaced", replaced()),
        ("no_root", no_root()),
        ("shared", shared()),
        ("activated", activated()),
        ("enclosed", enclosed()),
        ("hostile", hostile()),
        ("loopback", loopback()),
        ("connected", connected()),
        ("by_hand", by_hand()),
        ("moving", moving()),
        ("in_vain", in_vain()),
        ("empty", Sample::new().build()),
    ]
}

/// rpcbind, socket-activated: pid 1 and rpcbind both hold 111. The TCP sockets' cgroup names the
/// socket unit; that of the UDP sockets is systemd's own.
fn rpcbind() -> Snapshot {
    let mut host = Sample::new();
    host.user(103, "_rpc");
    host.process(612, 1, "rpcbind", 103, "/system.slice/rpcbind.service")
        .executable("/usr/sbin/rpcbind", Some(("rpcbind", "1.2.6-6+b1")));
    host.process(700, 1, "sshd", 0, "/system.slice/ssh.service")
        .executable("/usr/sbin/sshd", Some(("openssh-server", "1:9.2p1-2")));
    host.socket_unit(
        "rpcbind.socket",
        &[
            ("Stream", "/run/rpcbind.sock"),
            ("Stream", "0.0.0.0:111"),
            ("Datagram", "0.0.0.0:111"),
            ("Stream", "[::]:111"),
            ("Datagram", "[::]:111"),
        ],
        "rpcbind.service",
    );
    let (unit, init) = (host.cgroup("/system.slice/rpcbind.socket"), host.cgroup("/init.scope"));
    let four = [
        ("tcp", "0.0.0.0:111", unit),
        ("udp", "0.0.0.0:111", init),
        ("tcp", "[::]:111", unit),
        ("udp", "[::]:111", init),
    ];
    for (at, (protocol, local, cgroup)) in (0..).zip(four) {
        let socket = host.bind(protocol, local, &[(1, 27 + at), (612, 4 + at)]);
        socket.cgroup = Some(cgroup);
        socket.v6only = socket.v6only.map(|_| true);
    }
    host.bind("tcp", "0.0.0.0:22", &[(700, 3)]).queue = Queue { now: 0, max: 128 };
    host.bind("tcp", "[::]:22", &[(700, 4)]).v6only = Some(true);
    needs_of_rpcbind(&mut host);
    host.enable("ssh.service");
    host.pull("multi-user.target", PullKind::Requires, "basic.target", false);
    host.pull("basic.target", PullKind::Wants, "sockets.target", false);
    host.pull("sockets.target", PullKind::Wants, "rpcbind.socket", true);
    for (line, (protocol, address)) in [
        (Protocol::TCP, "0.0.0.0"),
        (Protocol::UDP, "0.0.0.0"),
        (Protocol::TCP, "::"),
        (Protocol::UDP, "::"),
    ]
    .into_iter()
    .enumerate()
    {
        host.unit_file("rpcbind.socket").listen.push(ListenLine {
            protocol,
            address: address.parse().ok(),
            port: Port(111),
            source: format!("/usr/lib/systemd/system/rpcbind.socket:{}", line + 10),
        });
    }
    host.build()
}

/// The answers to what rpcbind is asked about: nothing needs it.
fn needs_of_rpcbind(host: &mut Sample) {
    host.answer(Question::NetworkMounts, Answer::Mounts { found: Vec::new() });
    host.answer(Question::Exports, Answer::Exports { found: Vec::new() });
    host.answer(Question::RpcPrograms, Answer::Programs { found: Vec::new() });
    host.answer(Question::Connections, Answer::Connections { found: Vec::new() });
    for service in crate::why::base::all().filter(|service| service.id == "rpcbind") {
        for need in &service.need {
            match &need.check {
                crate::why::base::Check::Setting { at, .. } => {
                    let files = at.files.clone();
                    let answer = Answer::Settings { found: Vec::new(), files };
                    host.answer(Question::Settings { setting: at.clone() }, answer);
                }
                crate::why::base::Check::Path(path) => {
                    let question = Question::Path { path: path.clone() };
                    host.answer(question, Answer::Path { exists: false });
                }
                _ => {}
            }
        }
    }
    let usage = PackageUse {
        name: "rpcbind".to_owned(),
        version: Some("1.2.6-6+b1".to_owned()),
        by_hand: Some(false),
        wanted_by: vec![facts::Dependent {
            relation: facts::Relation::Depends,
            name: "nfs-common".to_owned(),
            by_hand: Some(true),
            alternative: false,
        }],
        source: "/var/lib/dpkg/status".to_owned(),
    };
    host.answer(Question::Package { name: "rpcbind".to_owned() }, Answer::Package(usage));
}

/// Dual-stack, IPv6 only, mapped, untold; one address, a link-local one, a multicast group, a
/// device, and bound without listening.
fn stacks() -> Snapshot {
    let mut host = Sample::new();
    host.process(800, 1, "demo", 0, "/system.slice/demo.service");
    host.bind("tcp", "[::]:7001", &[(800, 3)]);
    host.bind("tcp", "[::]:7002", &[(800, 4)]).v6only = Some(true);
    host.bind("tcp", "[::ffff:192.0.2.10]:7003", &[(800, 5)]);
    host.bind("udp", "[::]:7004", &[(800, 6)]).v6only = None;
    host.bind("tcp", "192.0.2.10:7005", &[(800, 7)]);
    host.bind("tcp", "[2001:db8:1::10]:7005", &[(800, 8)]);
    host.bind("udp", "[fe80::5054:ff:fe12:3456]:546", &[(800, 9)]).device = Some(IfIndex(2));
    host.bind("udp", "224.0.0.251:5353", &[(800, 10)]);
    host.bind("tcp", "0.0.0.0:7006", &[(800, 11)]).device = Some(IfIndex(2));
    host.bind("tcp", "0.0.0.0:7007", &[(800, 12)]).state = State::Bound;
    host.bind("tcp", "[::ffff:0.0.0.0]:7008", &[(800, 13)]);
    host.build()
}

/// nginx with a master and four workers, and a SO_REUSEPORT group of three DNS servers on two
/// addresses, one of which has a full accept queue.
fn prefork() -> Snapshot {
    let mut host = Sample::new();
    host.user(33, "www-data");
    host.process(900, 1, "nginx", 0, "/system.slice/nginx.service");
    for pid in 901..905 {
        host.process(pid, 900, "nginx", 33, "/system.slice/nginx.service");
    }
    let held = [(900, 6), (901, 6), (902, 6), (903, 6), (904, 6)];
    host.bind("tcp", "0.0.0.0:80", &held).queue = Queue { now: 512, max: 511 };
    host.bind("tcp", "[::]:80", &held).v6only = Some(true);
    for pid in 910..913 {
        host.process(pid, 1, "dnsd", 0, "/");
        for address in ["192.0.2.10:53", "[2001:db8:1::10]:53"] {
            host.bind("udp", address, &[(pid, 5)]);
        }
    }
    host.build()
}

/// NetworkManager's raw ICMPv6 socket, a DHCP client's packet socket, a sniffer, a send-only raw
/// socket and a ping.
fn raw() -> Snapshot {
    let mut host = Sample::new();
    host.user(1000, "ann");
    host.process(500, 1, "NetworkManager", 0, "/system.slice/NetworkManager.service");
    host.process(510, 1, "dhclient", 0, "/system.slice/ifup@eth0.service");
    host.process(520, 1, "ping", 1000, "/user.slice/user-1000.slice/session-3.scope");
    host.bind("icmp6", "[::]:0", &[(500, 24)]).device = Some(IfIndex(2));
    host.bind("icmp", "0.0.0.0:0", &[(500, 25)]);
    host.bind("raw", "0.0.0.0:0", &[(510, 4)]);
    host.bind("ping", "0.0.0.0:9", &[(520, 3)]);
    host.packet(0x0800, &[(510, 5)]).device = Some(IfIndex(2));
    host.packet(0x0003, &[(510, 6)]);
    host.packet(0x0806, &[(510, 7)]);
    host.packet(0x1234, &[(510, 8)]);
    host.bind("udp", "0.0.0.0:68", &[(510, 9)]);
    let profile = Profile {
        at: Place { file: "/etc/NetworkManager/system-connections/lab".to_owned(), line: 0 },
        id: "lab".to_owned(),
        uuid: "1-2-3".to_owned(),
        active_on: vec!["eth0".to_owned()],
        ..Profile::default()
    };
    host.answer(Question::Profiles, Answer::Profiles { found: vec![profile] });
    host.build()
}

/// The socket of two vxlan links, others on its port, and one that nobody holds.
fn kernel() -> Snapshot {
    let mut host = Sample::new();
    host.kernel(4789, "vxlan", "vx0").kernel(4789, "vxlan", "vx1");
    host.kernel(51820, "wireguard", "wg0");
    host.process(800, 1, "python3", 0, "/");
    host.bind("udp", "0.0.0.0:4789", &[]);
    host.bind("udp", "[::]:4789", &[]).v6only = Some(true);
    host.bind("udp", "[::1]:4789", &[(800, 3)]);
    host.bind("udp", "192.0.2.10:4789", &[]);
    host.bind("udp", "0.0.0.0:51820", &[]);
    host.bind("tcp", "0.0.0.0:2049", &[]).uid = Uid(0);
    host.build()
}

/// A named namespace and a container's, and one that could not be entered.
fn namespaces() -> Snapshot {
    let mut host = Sample::new();
    host.process(700, 1, "sshd", 0, "/system.slice/ssh.service");
    host.bind("tcp", "0.0.0.0:22", &[(700, 3)]);
    host.process(1500, 1, "httpd", 0, &format!("/system.slice/docker-{CONTAINER}.scope"));
    host.container(CONTAINER, "web", (8080, 80));
    host.namespace(4_026_532_100, &["blue"], Some(1400));
    host.link(1, "lo").link(5, "veth1").address(5, "10.9.0.2", 24, 0);
    host.process(1400, 1, "dnsmasq", 0, "/system.slice/blue-dns.service");
    host.bind("udp", "10.9.0.2:53", &[(1400, 4)]);
    host.bind("tcp", "127.0.0.1:953", &[(1400, 5)]);
    host.namespace(4_026_532_200, &[], Some(1500));
    host.bind("tcp", "[::]:80", &[(1500, 4)]);
    host.gap("sockets of network namespace net:[4026532300]", "setns: operation not permitted");
    host.build()
}

/// A container's published port, held by docker-proxy.
fn docker() -> Snapshot {
    let mut host = Sample::new();
    host.process(1200, 1, "dockerd", 0, "/system.slice/docker.service");
    host.process(1201, 1200, "docker-proxy", 0, "/system.slice/docker.service");
    host.process(1202, 1200, "docker-proxy", 0, "/system.slice/docker.service");
    host.container(CONTAINER, "db", (5432, 5432));
    host.bind("tcp", "0.0.0.0:5432", &[(1201, 4)]);
    host.bind("tcp", "[::]:5432", &[(1202, 4)]).v6only = Some(true);
    host.build()
}

/// A service whose executable was replaced, and a process whose executable was deleted.
fn replaced() -> Snapshot {
    let mut host = Sample::new();
    host.process(700, 1, "sshd", 0, "/system.slice/ssh.service")
        .executable("/usr/sbin/sshd", Some(("openssh-server", "1:9.2p1-2")))
        .replaced(true);
    host.bind("tcp", "0.0.0.0:22", &[(700, 3)]);
    host.bind("tcp", "[::]:22", &[(700, 4)]).v6only = Some(true);
    host.process(666, 1, "x", 0, "/").executable("/tmp/x", None).replaced(false);
    host.bind("tcp", "0.0.0.0:31337", &[(666, 3)]);
    host.build()
}

/// What an ordinary user sees: holders by the cgroup of who made the socket.
fn no_root() -> Snapshot {
    let mut host = Sample::new();
    host.without_root().user(1000, "ann");
    let ssh = host.cgroup("/system.slice/ssh.service");
    let container = host.cgroup(&format!("/system.slice/docker-{CONTAINER}.scope"));
    let own = "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service";
    host.process(2000, 1, "node", 1000, own);
    host.bind("tcp", "0.0.0.0:22", &[]).cgroup = Some(ssh);
    host.bind("tcp", "[::]:22", &[]).cgroup = Some(ssh);
    host.bind("tcp", "0.0.0.0:7100", &[]).cgroup = Some(container);
    host.bind("udp", "0.0.0.0:7200", &[]).uid = Uid(999);
    host.bind("tcp", "0.0.0.0:7300", &[(2000, 18)]).uid = Uid(1000);
    host.build()
}

/// Rows of several sockets, of which an ordinary user sees the holders of his own only.
fn shared() -> Snapshot {
    let mut host = Sample::new();
    host.without_root().user(33, "www-data").user(65_534, "nobody").user(1000, "ann");
    host.process(2000, 1, "node", 1000, "/");
    let unit = host.cgroup("/payments.slice/web.service");
    for uid in [33, 65_534, 33] {
        host.bind("udp", "0.0.0.0:5353", &[]).uid = Uid(uid);
    }
    host.bind("tcp", "0.0.0.0:8080", &[(2000, 3)]).uid = Uid(1000);
    host.bind("tcp", "0.0.0.0:8080", &[]).cgroup = Some(unit);
    host.build()
}

/// Sockets where socket units listen: the units' own, and others that only look alike.
fn activated() -> Snapshot {
    let mut host = Sample::new();
    host.socket_unit("web.socket", &[("Stream", "0.0.0.0:80")], "web.service");
    host.socket_unit("one.socket", &[("Stream", "0.0.0.0:90")], "one.service");
    host.socket_unit("two.socket", &[("Stream", "0.0.0.0:90")], "two.service");
    host.process(600, 1, "httpd", 0, "/fast.slice/httpd.service");
    let service = host.cgroup("/system.slice/old.service");
    host.bind("tcp", "0.0.0.0:80", &[(1, 20)]);
    host.bind("tcp", "0.0.0.0:80", &[]).cgroup = Some(service);
    host.bind("tcp", "0.0.0.0:80", &[(1, 22)]).protocol = Protocol::SCTP;
    host.bind("tcp", "0.0.0.0:90", &[(1, 21)]);
    host.bind("tcp", "0.0.0.0:91", &[(600, 3)]);
    host.namespace(4_026_532_500, &["box"], Some(1600));
    let inner = format!("/system.slice/docker-{CONTAINER}.scope/init.scope");
    host.process(1600, 1, "systemd", 0, &inner);
    host.bind("tcp", "0.0.0.0:80", &[(1600, 20)]);
    host.build()
}

/// Seen from a namespace that is not the host's, by a user who may enter no other.
fn enclosed() -> Snapshot {
    let mut host = Sample::new();
    host.without_root();
    host.process(40, 1, "node", 0, "/");
    host.bind("tcp", "0.0.0.0:8080", &[(40, 3)]);
    for id in 4_026_532_600..4_026_532_604 {
        host.namespace(id, &[], None);
    }
    let mut snapshot = host.build();
    if let Part::Known { value } = &mut snapshot.namespaces {
        for namespace in value {
            namespace.host = false;
            if !namespace.own {
                let gap = |what: &str| {
                    let what = format!("{what} of network namespace net:[{}]", namespace.id);
                    Gap::new(what, "setns: operation not permitted").remedied_by(Remedy::Root)
                };
                namespace.links = Part::unreadable(gap("interfaces"));
                namespace.addresses = Part::unreadable(gap("addresses"));
                namespace.sockets = Part::unreadable(gap("sockets"));
            }
        }
    }
    snapshot
}

/// Names that try to forge the screen.
fn hostile() -> Snapshot {
    let mut host = Sample::new();
    host.process(
        1300,
        1,
        "\u{1b}[2Jx\n22/tcp",
        0,
        "/system.slice/a\u{202e}b\u{1b}]0;c\u{7}.service",
    );
    host.process(1301, 1, "日本語のサーバ", 0, "/");
    host.bind("tcp", "0.0.0.0:7400", &[(1300, 3)]);
    host.bind("tcp", "0.0.0.0:7401", &[(1301, 3)]);
    host.bind("tcp", "0.0.0.0:7402", &[(1300, 4)]).queue = Queue { now: 2, max: 1 };
    host.namespace(4_026_532_400, &["n\u{9b}31m\r\ns"], None);
    host.bind("tcp", "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:7403", &[(1301, 4)]);
    host.build()
}

/// Rules that do nothing of what they were written for, and some that iptables does not show.
fn in_vain() -> Snapshot {
    let mut host = Sample::new();
    host.process(500, 1, "NetworkManager", 0, "/system.slice/NetworkManager.service");
    host.process(700, 1, "sshd", 0, "/system.slice/ssh.service");
    host.process(800, 1, "exporter", 0, "/system.slice/node-exporter.service");
    host.process(900, 1, "nginx", 0, "/system.slice/nginx.service");
    host.bind("icmp6", "[::]:0", &[(500, 24)]);
    host.bind("tcp", "[::]:22", &[(700, 3)]);
    host.bind("tcp", "[::]:80", &[(900, 6)]);
    host.bind("tcp", "[::]:9100", &[(800, 3)]);
    host.iptables(IptablesBackend::Nft);
    host.ruleset(
        "early",
        "table inet early {\nchain input {\ntype filter hook input priority -10; policy accept;\n\
         tcp dport 80 accept\n}\n}\n",
    );
    host.ruleset(
        "main",
        "table inet main {\nchain input {\ntype filter hook input priority 0; policy drop;\n\
         ct state established,related accept\niif lo accept\ntcp dport 58 drop\n\
         meta l4proto ipv6-icmp accept\ntcp dport 22 accept\ntcp dport 22 drop\n\
         ip saddr 10.0.0.0/8 tcp dport 9100 accept\ntcp dport 9100 accept\n\
         tcp dport 8080 accept\n}\n}\n",
    );
    host.ruleset(
        "iptables-legacy",
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 23 -j DROP\nCOMMIT\n",
    );
    host.build()
}

/// Many services on loopback.
fn loopback() -> Snapshot {
    let mut host = Sample::new();
    for (pid, port, comm) in [
        (300, 25, "exim4"),
        (301, 323, "chronyd"),
        (302, 631, "cupsd"),
        (303, 6379, "redis-server"),
    ] {
        host.process(pid, 1, comm, 0, &format!("/system.slice/{comm}.service"));
        let protocol = if port == 323 { "udp" } else { "tcp" };
        host.bind(protocol, &format!("127.0.0.1:{port}"), &[(pid, 3)]);
        host.bind(protocol, &format!("[::1]:{port}"), &[(pid, 4)]);
    }
    for (port, pid) in (8000..8050).zip(3000..) {
        host.process(pid, 1, "worker", 0, &format!("/system.slice/worker@{port}.service"));
        host.bind("tcp", &format!("127.0.0.1:{port}"), &[(pid, 3)]);
    }
    host.build()
}

/// Connected sockets: an inherited one, one of each family, and one that nobody holds any more.
fn connected() -> Snapshot {
    let mut host = Sample::new();
    host.with_connected();
    host.process(700, 1, "sshd", 0, "/system.slice/ssh.service");
    host.process(750, 700, "sshd", 0, "/user.slice/user-1000.slice/session-3.scope");
    host.bind("tcp", "[::]:22", &[(700, 3)]);
    host.connect("[::ffff:192.0.2.10]:22", "[::ffff:198.51.100.7]:51234", &[(700, 5), (750, 4)]);
    host.connect(
        "[2001:db8:1::10]:22",
        "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:51235",
        &[(750, 6)],
    );
    host.connect("192.0.2.10:40000", "203.0.113.5:443", &[]).state = State::TimeWait;
    host.build()
}

/// A web server that somebody started from a shell.
fn by_hand() -> Snapshot {
    let mut host = Sample::new();
    host.user(1000, "ann");
    let session = "/user.slice/user-1000.slice/session-3.scope";
    host.process(9, 1, "sshd", 0, "/system.slice/ssh.service");
    host.process(12, 9, "bash", 1000, session);
    host.process(40, 12, "python3", 1000, session).executable("/usr/bin/python3.11", None);
    host.bind("tcp", "0.0.0.0:8000", &[(40, 3)]).uid = Uid(1000);
    host.boot();
    host.build()
}

/// What the next boot changes: a database that will listen on loopback only, a container that its
/// engine does not start again, a service whose start depends on something.
fn moving() -> Snapshot {
    let mut host = Sample::new();
    host.process(700, 1, "postgres", 0, "/system.slice/postgresql@15-main.service");
    host.process(1201, 1, "docker-proxy", 0, "/system.slice/docker.service");
    host.process(1300, 1, "httpd", 0, "/system.slice/web.service");
    host.container(CONTAINER, "db", (5433, 5432));
    for address in ["0.0.0.0", "[::]"] {
        host.bind("tcp", &format!("{address}:5432"), &[(700, 3)]).v6only = Some(true);
        host.bind("tcp", &format!("{address}:5433"), &[(1201, 4)]).v6only = Some(true);
    }
    host.bind("tcp", "0.0.0.0:80", &[(1300, 3)]);
    host.enable("postgresql@15-main.service").enable("docker.service").enable("web.path");
    host.unit_file("web.service");
    let path = host.unit_file("web.path");
    path.starts = Some("web.service".to_owned());
    let value = "PathChanged=/srv/web".to_owned();
    path.triggers.push(Trigger { kind: TriggerKind::Changed, value, holds: false });
    let listens = |address: &str| ConfiguredPort {
        protocol: Protocol::TCP,
        address: address.parse().unwrap_or_else(|_| panic!("{address} is no address")),
        port: Port(5432),
        source: "/etc/postgresql/15/main/postgresql.conf:60".to_owned(),
    };
    host.boot().listeners.push(ConfiguredListener {
        program: "postgres".to_owned(),
        unit: "postgresql@15-main.service".to_owned(),
        source: "/etc/postgresql/15/main/postgresql.conf".to_owned(),
        ports: vec![listens("127.0.0.1"), listens("::1")],
        unclear: Vec::new(),
    });
    host.boot().restarts.push(RestartPolicy {
        engine: facts::ContainerEngine::Docker,
        id: CONTAINER.to_owned(),
        name: "db".to_owned(),
        policy: Some("no".to_owned()),
        stopped_by_hand: Some(false),
        removed_at_end: false,
        source: format!("/var/lib/docker/containers/{CONTAINER}/hostconfig.json"),
    });
    host.build()
}

/// A busy host, for speed: `listeners` sockets, each held by five workers.
pub fn busy(listeners: u16) -> Snapshot {
    let mut host = Sample::new();
    for group in 0..u32::from(listeners / 20).max(1) {
        for worker in 0..5 {
            let unit = format!("/system.slice/app@{group}.service");
            host.process(10_000 + group * 5 + worker, 1, "app", 33, &unit);
        }
    }
    for at in 0..u32::from(listeners) {
        let first = 10_000 + (at % u32::from(listeners / 20).max(1)) * 5;
        let held: Vec<(u32, u32)> = (first..first + 5).map(|pid| (pid, 3 + at % 900)).collect();
        let port = 10_000 + at;
        host.bind("tcp", &format!("0.0.0.0:{port}"), &held);
    }
    host.build()
}
