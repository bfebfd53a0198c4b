//! Builds a snapshot in few words.

use std::net::IpAddr;

use facts::{
    Address, AddressFilter, Answer, AttachPoint, Attached, Boot, Cgroup, CgroupId, CgroupPoint,
    CgroupProgram, CgroupPrograms, Collector, Container, ContainerEngine, DefaultTarget, Endpoint,
    Evidence, Executable, Family, Gap, Holder, HolderMethod, Host, IfIndex, Inode, IptablesBackend,
    KernelOwner, Kind, Link, NetNamespace, NetnsId, NftablesDump, OtherNetns, Package, Part, Pid,
    Port, Process, Protocol, PublishedPort, Pull, PullKind, Question, Queue, Remedy, RulesetDump,
    RulesetText, Snapshot, Socket, State, SystemdUnit, Uid, UnitFile, UnitLoad, User,
};

use super::routing;

/// The inode of the host's namespace.
const HOST: NetnsId = NetnsId(4_026_531_840);

/// A host in the making.
#[derive(Debug)]
pub struct Sample {
    namespaces: Vec<NetNamespace>,
    sockets: Vec<Socket>,
    holders: Vec<Holder>,
    kernel_owners: Vec<KernelOwner>,
    processes: Vec<Process>,
    cgroups: Vec<Cgroup>,
    cgroup_programs: Vec<CgroupPrograms>,
    units: Vec<SystemdUnit>,
    containers: Vec<Container>,
    packages: Vec<Package>,
    users: Vec<User>,
    evidence: Vec<Evidence>,
    boot: Option<Boot>,
    gaps: Vec<Gap>,
    inode: u64,
    netns: NetnsId,
    root: bool,
    connected: bool,
    iptables: Option<IptablesBackend>,
}

impl Default for Sample {
    fn default() -> Self {
        Self::new()
    }
}

impl Sample {
    /// A host with loopback, one interface with three addresses, and systemd as pid 1.
    pub fn new() -> Self {
        let mut new = Self {
            namespaces: Vec::new(),
            sockets: Vec::new(),
            holders: Vec::new(),
            kernel_owners: Vec::new(),
            processes: Vec::new(),
            cgroups: Vec::new(),
            cgroup_programs: Vec::new(),
            units: Vec::new(),
            containers: Vec::new(),
            packages: Vec::new(),
            users: Vec::new(),
            evidence: Vec::new(),
            boot: None,
            gaps: Vec::new(),
            inode: 10_000,
            netns: HOST,
            root: true,
            connected: false,
            iptables: None,
        };
        new.namespace(HOST.0, &[], Some(1));
        new.link(1, "lo").link(2, "eth0");
        new.address(1, "127.0.0.1", 8, 254).address(1, "::1", 128, 254);
        new.address(2, "192.0.2.10", 24, 0).address(2, "2001:db8:1::10", 64, 0);
        new.address(2, "fe80::5054:ff:fe12:3456", 64, 253);
        new.gateway(2, "192.0.2.1").gateway(2, "fe80::1");
        new.process(1, 0, "systemd", 0, "/init.scope");
        new.user(0, "root");
        new
    }

    /// As an ordinary user sees it: no holders of others.
    pub fn without_root(&mut self) -> &mut Self {
        self.root = false;
        self
    }

    /// With connected sockets asked for.
    pub fn with_connected(&mut self) -> &mut Self {
        self.connected = true;
        self
    }

    /// A network namespace; what follows is in it.
    pub fn namespace(&mut self, id: u32, names: &[&str], leader: Option<u32>) -> &mut Self {
        self.netns = NetnsId(id);
        self.namespaces.push(NetNamespace {
            id: NetnsId(id),
            names: names.iter().map(|n| (*n).to_owned()).collect(),
            host: NetnsId(id) == HOST,
            own: NetnsId(id) == HOST,
            leader: leader.map(Pid),
            links: Part::known(Vec::new()),
            addresses: Part::known(Vec::new()),
            neighbours: Part::known(Vec::new()),
            routes: Part::known(Vec::new()),
            rules: Part::known(routing::usual_rules()),
            settings: Part::known(routing::settings("all")),
            ruleset: Part::known(RulesetDump {
                nftables: Part::known(NftablesDump::default()),
                legacy: Part::known(Vec::new()),
                ipsets: Part::known(Vec::new()),
                ..RulesetDump::default()
            }),
            attached: Part::known(Vec::new()),
            sockets: Part::known(()),
        });
        self
    }

    /// An interface of the namespace.
    pub fn link(&mut self, index: u32, name: &str) -> &mut Self {
        let link = Link {
            index: IfIndex(index),
            name: name.to_owned(),
            kind: String::new(),
            up: true,
            loopback: name == "lo",
            ..Link::default()
        };
        if let Some(namespace) = self.namespaces.last_mut() {
            value(&mut namespace.settings).extend(routing::settings(&link.name));
            value(&mut namespace.links).push(link);
        }
        self
    }

    /// An address of an interface of the namespace.
    pub fn address(&mut self, link: u32, address: &str, prefix_len: u8, scope: u8) -> &mut Self {
        let address = Address {
            link: IfIndex(link),
            address: ip(address),
            prefix_len,
            scope,
            flags: 0,
            preferred_s: None,
            valid_s: None,
        };
        if let Some(namespace) = self.namespaces.last_mut() {
            value(&mut namespace.routes).extend(routing::of_address(&address));
            value(&mut namespace.addresses).push(address);
        }
        self
    }

    /// The last interface is a veth: a port of this one (0: of none), and its other end in a
    /// namespace.
    pub fn veth(&mut self, index: u32, master: u32, netns: u32, lower: u32) -> &mut Self {
        let links = self.namespaces.last_mut().map(|namespace| value(&mut namespace.links));
        for link in links.into_iter().flatten() {
            if link.index == IfIndex(index) {
                link.kind = String::from("veth");
                link.master = Some(IfIndex(master)).filter(|master| master.0 > 0);
                link.lower = Some(IfIndex(lower));
                link.lower_netns = Some(OtherNetns::Found(NetnsId(netns)));
            } else if master > 0 && link.index == IfIndex(master) {
                link.kind = String::from("bridge");
            }
        }
        self
    }

    /// A route to everywhere of the namespace.
    pub fn gateway(&mut self, link: u32, gateway: &str) -> &mut Self {
        if let Some(namespace) = self.namespaces.last_mut() {
            value(&mut namespace.routes).push(routing::gateway(link, ip(gateway)));
        }
        self
    }

    /// Without a route to everywhere in the namespace.
    pub fn without_gateway(&mut self) -> &mut Self {
        if let Some(namespace) = self.namespaces.last_mut() {
            value(&mut namespace.routes).retain(|route| route.destination.len > 0);
        }
        self
    }

    /// A setting of the namespace: `net/ipv4/conf/eth0/rp_filter`.
    pub fn setting(&mut self, key: &str, to: &str) -> &mut Self {
        if let Some(namespace) = self.namespaces.last_mut() {
            value(&mut namespace.settings).insert(key.to_owned(), to.to_owned());
        }
        self
    }

    /// A ruleset of the namespace, in a form that the tools print.
    pub fn ruleset(&mut self, name: &str, text: &str) -> &mut Self {
        if let Some(namespace) = self.namespaces.last_mut() {
            let (name, text) = (name.to_owned(), text.to_owned());
            value(&mut namespace.ruleset).texts.push(RulesetText { name, text });
        }
        self
    }

    /// To which backend the host's commands of iptables speak.
    pub fn iptables(&mut self, backend: IptablesBackend) -> &mut Self {
        self.iptables = Some(backend);
        self
    }

    /// A program beside the packet filter of the namespace.
    pub fn attached(&mut self, point: AttachPoint, link: u32, name: &str) -> &mut Self {
        if let Some(namespace) = self.namespaces.last_mut() {
            value(&mut namespace.attached).push(Attached {
                point,
                link: Some(IfIndex(link)),
                name: name.to_owned(),
                program: Some(7),
            });
        }
        self
    }

    /// The address lists of a cgroup's program; none: a program that is not understood.
    pub fn cgroup_program(&mut self, cgroup: CgroupId, does: Option<AddressFilter>) -> &mut Self {
        let name = if does.is_some() { "sd_fw_ingress" } else { "drop_all" };
        let program =
            CgroupProgram { point: CgroupPoint::Ingress, program: 8, name: name.to_owned(), does };
        self.cgroup_programs.push(CgroupPrograms { cgroup, programs: vec![program] });
        self
    }

    /// A process.
    pub fn process(
        &mut self,
        pid: u32,
        parent: u32,
        comm: &str,
        uid: u32,
        cgroup: &str,
    ) -> &mut Self {
        self.processes.push(Process {
            pid: Pid(pid),
            parent: Pid(parent),
            comm: comm.to_owned(),
            uid: Uid(uid),
            started_ns: u64::from(pid) * 1_000_000,
            netns: Some(self.netns),
            cgroup: None,
            cgroup_path: Some(cgroup.to_owned()),
            executable: None,
            args: None,
        });
        self
    }

    /// The executable of the last process, and the package it is from.
    pub fn executable(&mut self, path: &str, package: Option<(&str, &str)>) -> &mut Self {
        if let Some(process) = self.processes.last_mut() {
            process.executable =
                Some(Executable { path: path.to_owned(), deleted: false, replaced: Some(false) });
        }
        self.packages.push(Package {
            path: path.to_owned(),
            name: package.map(|(name, _)| name.to_owned()),
            version: package.map(|(_, version)| version.to_owned()).unwrap_or_default(),
            manager: "dpkg".to_owned(),
        });
        self
    }

    /// The last process's executable is no longer what it was started from.
    pub fn replaced(&mut self, replaced: bool) -> &mut Self {
        if let Some(exe) = self.processes.last_mut().and_then(|p| p.executable.as_mut()) {
            exe.deleted = true;
            exe.replaced = Some(replaced);
        }
        self
    }

    /// A user.
    pub fn user(&mut self, uid: u32, name: &str) -> &mut Self {
        self.users.push(User { uid: Uid(uid), name: name.to_owned() });
        self
    }

    /// A socket that listens or is bound: `bind("tcp", "[::]:22", &[(612, 3)])`; the holders are
    /// pids with their descriptors. IPv6 sockets are dual-stack unless told otherwise.
    pub fn bind(&mut self, protocol: &str, local: &str, holders: &[(u32, u32)]) -> &mut Socket {
        let (protocol, kind) = match protocol {
            "tcp" => (Protocol::TCP, Kind::Stream),
            "udp" => (Protocol::UDP, Kind::Dgram),
            "icmp" => (Protocol::ICMP, Kind::Raw),
            "icmp6" => (Protocol::ICMPV6, Kind::Raw),
            "ping" => (Protocol::ICMP, Kind::Ping),
            _ => (Protocol::RAW, Kind::Raw),
        };
        let local = endpoint(local);
        let family = if local.address.is_ipv6() { Family::Inet6 } else { Family::Inet };
        let stream = kind == Kind::Stream;
        self.push(
            Socket {
                netns: self.netns,
                family,
                kind,
                protocol,
                state: if stream { State::Listen } else { State::Bound },
                local,
                peer: None,
                device: None,
                v6only: (family == Family::Inet6).then_some(false),
                inode: Inode(0),
                uid: Uid(0),
                cgroup: None,
                queue: Queue { now: 0, max: if stream { 4096 } else { 0 } },
            },
            holders,
        )
    }

    /// A packet socket of an Ethernet protocol.
    pub fn packet(&mut self, ethernet: u16, holders: &[(u32, u32)]) -> &mut Socket {
        let socket = self.bind("raw", "0.0.0.0:0", holders);
        socket.family = Family::Packet;
        socket.kind = Kind::Packet;
        socket.protocol = Protocol(ethernet);
        socket
    }

    /// A connected TCP socket.
    pub fn connect(&mut self, local: &str, peer: &str, holders: &[(u32, u32)]) -> &mut Socket {
        let socket = self.bind("tcp", local, holders);
        socket.state = State::Established;
        socket.peer = Some(endpoint(peer));
        socket.queue = Queue::default();
        socket
    }

    fn push(&mut self, socket: Socket, holders: &[(u32, u32)]) -> &mut Socket {
        self.inode += 1;
        let inode = Inode(self.inode);
        for (pid, fd) in holders {
            self.holders.push(Holder { inode, pid: Pid(*pid), fd: *fd, io_uring: false });
        }
        self.sockets.push(Socket { inode, ..socket });
        // It was just pushed.
        let last = self.sockets.len() - 1;
        &mut self.sockets[last]
    }

    /// The id of a cgroup, for [`Socket::cgroup`].
    pub fn cgroup(&mut self, path: &str) -> CgroupId {
        if let Some(known) = self.cgroups.iter().find(|c| c.path == path) {
            return known.id;
        }
        let id = CgroupId(1000 + self.cgroups.len() as u64);
        self.cgroups.push(Cgroup { id, path: path.to_owned() });
        id
    }

    /// A part of the kernel with a socket of its own.
    pub fn kernel(&mut self, port: u16, subsystem: &str, instance: &str) -> &mut Self {
        self.kernel_owners.push(KernelOwner {
            netns: self.netns,
            protocol: Protocol::UDP,
            port: Port(port),
            subsystem: subsystem.to_owned(),
            instance: instance.to_owned(),
            source: "rtnetlink link dump".to_owned(),
        });
        self
    }

    /// A socket unit with what it listens on and starts.
    pub fn socket_unit(&mut self, name: &str, listen: &[(&str, &str)], starts: &str) -> &mut Self {
        let own = |(kind, address): &(&str, &str)| ((*kind).to_owned(), (*address).to_owned());
        self.units.push(SystemdUnit {
            name: name.to_owned(),
            listen: listen.iter().map(own).collect(),
            triggers: vec![starts.to_owned()],
            ..SystemdUnit::default()
        });
        self
    }

    /// A docker container that publishes a port of the host.
    pub fn container(&mut self, id: &str, name: &str, published: (u16, u16)) -> &mut Self {
        self.containers.push(Container {
            engine: ContainerEngine::Docker,
            id: id.to_owned(),
            name: name.to_owned(),
            image: "postgres:17".to_owned(),
            addresses: vec![ip("172.17.0.2")],
            published: vec![PublishedPort {
                protocol: Protocol::TCP,
                host_address: None,
                host_port: Port(published.0),
                container_port: Port(published.1),
            }],
            source: format!("/var/lib/docker/containers/{id}/config.v2.json"),
        });
        self
    }

    /// What the host answered to a question.
    pub fn answer(&mut self, question: Question, answer: Answer) -> &mut Self {
        self.evidence.push(Evidence { question, answer: Part::known(answer) });
        self
    }

    /// Why the host could not answer a question.
    pub fn no_answer(&mut self, question: Question, why: &str) -> &mut Self {
        let answer = Part::unreadable(Gap::new("an answer", why));
        self.evidence.push(Evidence { question, answer });
        self
    }

    /// What the next boot starts, to be added to: systemd, and nothing but its default target.
    pub fn boot(&mut self) -> &mut Boot {
        self.boot.get_or_insert_with(|| Boot {
            systemd: true,
            default_target: Some(DefaultTarget {
                name: "multi-user.target".to_owned(),
                source: "/etc/systemd/system/default.target".to_owned(),
            }),
            all_units: true,
            chosen_ports: Some((32_768, 60_999)),
            units: vec![UnitFile {
                name: "multi-user.target".to_owned(),
                load: UnitLoad::Loaded,
                fragment: "/usr/lib/systemd/system/multi-user.target".to_owned(),
                ..UnitFile::default()
            }],
            ..Boot::default()
        })
    }

    /// A unit file.
    pub fn unit_file(&mut self, name: &str) -> &mut UnitFile {
        let units = &mut self.boot().units;
        if let Some(at) = units.iter().position(|unit| unit.name == name) {
            return &mut units[at];
        }
        units.push(UnitFile {
            name: name.to_owned(),
            load: UnitLoad::Loaded,
            fragment: format!("/usr/lib/systemd/system/{name}"),
            ..UnitFile::default()
        });
        // It was just pushed.
        let last = units.len() - 1;
        &mut units[last]
    }

    /// That one unit depends on another: by a link in a folder, or by its file.
    pub fn pull(&mut self, from: &str, kind: PullKind, to: &str, by_link: bool) -> &mut Self {
        self.unit_file(to);
        let source = if by_link {
            format!("/etc/systemd/system/{from}.wants/{to}")
        } else {
            format!("/usr/lib/systemd/system/{from}:3")
        };
        self.unit_file(from).pulls.push(Pull { to: to.to_owned(), kind, source });
        self
    }

    /// That a unit is enabled: the default target wants it by a link.
    pub fn enable(&mut self, unit: &str) -> &mut Self {
        self.pull("multi-user.target", PullKind::Wants, unit, true)
    }

    /// Something that could not be read.
    pub fn gap(&mut self, what: &str, why: &str) -> &mut Self {
        self.gaps.push(Gap::new(what, why));
        self
    }

    /// The snapshot.
    pub fn build(mut self) -> Snapshot {
        let collector = Collector {
            version: "0.1.0".to_owned(),
            taken_at_ms: 1_770_000_000_000,
            uid: Uid(if self.root { 0 } else { 1000 }),
            netns: HOST,
            connected: self.connected,
            holders_by: HolderMethod::Bpf,
            ..Collector::default()
        };
        let host = Host {
            name: "web1".to_owned(),
            os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            kernel: "6.1.0-18-amd64".to_owned(),
            machine: "x86_64".to_owned(),
            iptables: self.iptables,
            ip6tables: self.iptables,
        };
        let mut snapshot = Snapshot::new(collector, host);
        let denied = Gap::new(
            "processes that hold sockets of other users",
            "open /proc/1/fd: permission denied",
        )
        .remedied_by(Remedy::Root);
        let gaps = if self.root { Vec::new() } else { vec![denied] };
        for namespace in self.namespaces.iter_mut().filter(|_| !self.root) {
            let gap = Gap::new("the packet filter", "nfnetlink: operation not permitted");
            namespace.ruleset = Part::unreadable(gap.remedied_by(Remedy::Root));
        }
        snapshot.namespaces = Part::known(self.namespaces);
        snapshot.sockets = Part::known(self.sockets);
        snapshot.holders = Part::with_gaps(self.holders, gaps);
        snapshot.kernel_owners = Part::known(self.kernel_owners);
        snapshot.processes = Part::known(self.processes);
        for cgroup in &self.cgroups {
            if !self.cgroup_programs.iter().any(|known| known.cgroup == cgroup.id) {
                let (cgroup, programs) = (cgroup.id, Vec::new());
                self.cgroup_programs.push(CgroupPrograms { cgroup, programs });
            }
        }
        snapshot.cgroups = Part::known(self.cgroups);
        snapshot.cgroup_programs = Part::known(self.cgroup_programs);
        snapshot.units = Part::known(self.units);
        snapshot.containers = Part::known(self.containers);
        snapshot.packages = Part::known(self.packages);
        snapshot.users = Part::known(self.users);
        if !self.evidence.is_empty() {
            snapshot.evidence = Part::known(self.evidence);
        }
        snapshot.boot = self.boot.map_or(Part::NotAsked, Part::known);
        snapshot.gaps = self.gaps;
        snapshot.sort();
        snapshot
    }
}

/// What a part of a sample holds: all are known until the end.
fn value<T: Default>(part: &mut Part<T>) -> &mut T {
    if part.value().is_none() {
        *part = Part::known(T::default());
    }
    match part {
        Part::Known { value } | Part::Partial { value, .. } => value,
        Part::NotAsked | Part::Unreadable { .. } => panic!("a part without a value"),
    }
}

/// An address that the test writer wrote.
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

/// `192.0.2.1:22` or `[::]:22`.
fn endpoint(text: &str) -> Endpoint {
    let endpoint: std::net::SocketAddr =
        text.parse().unwrap_or_else(|_| panic!("{text} is no socket address"));
    Endpoint { address: endpoint.ip(), port: Port(endpoint.port()) }
}
