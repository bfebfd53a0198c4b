//! The judgement: every row with its holders.

use std::cell::OnceCell;
use std::collections::HashSet;

use facts::{CgroupId, Gap, Inode, NetnsId, Part, Pid, Snapshot, Socket, State};

use crate::boot::{self, AfterBoot, Future, Outlook};
use crate::finding::{self, Finding};
use crate::firewall::Firewall;
use crate::holder::{Creator, Held, Holding, ProcessHolder};
use crate::join::{self, Holders, Joined};
use crate::namespace::{self, Namespace};
use crate::place::{Place, Places};
use crate::reach::{self, Because, Entry, Home, Reach, Reaches, Reason, SOCKETS_ONLY, Wire};
use crate::row::{Row, Scope};

/// What a snapshot means.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// What it was made from.
    pub snapshot: &'a Snapshot,
    /// All namespaces, the host's first.
    pub namespaces: Vec<Namespace<'a>>,
    /// Every row, in the order of the screen.
    pub rows: Vec<Row<'a>>,
    /// What could not be read or judged.
    pub gaps: Vec<Gap>,
    holdings: Vec<Holding<'a>>,
    descriptors: Holders<'a>,
    places: Places<'a>,
    outlook: Outlook<'a>,
    reaches: Reaches,
    findings: OnceCell<Vec<Finding>>,
    entries: OnceCell<(Vec<Entry>, Vec<String>)>,
    boot_firewall: OnceCell<Option<Future>>,
    reloads: OnceCell<Vec<Future>>,
}

/// Judges a snapshot.
pub fn judge(snapshot: &Snapshot) -> Judgement<'_> {
    let places = Places::of(snapshot);
    let namespaces = namespace::all(snapshot, &places);
    let descriptors = Holders::of(snapshot);
    let Joined { rows, holdings } = join::join(snapshot, &namespaces, &places, &descriptors);
    let gaps = gaps(snapshot);
    let reaches = Reaches::of(&rows, namespaces.len());
    let outlook = Outlook::of(snapshot, || {
        let pids: HashSet<Pid> = holdings.iter().map(|holding| holding.pid).collect();
        let units = pids.into_iter().filter_map(|pid| places.process(pid).1?.unit());
        units.map(str::to_owned).collect()
    });
    Judgement {
        snapshot,
        namespaces,
        rows,
        gaps,
        holdings,
        descriptors,
        places,
        outlook,
        reaches,
        findings: OnceCell::new(),
        entries: OnceCell::new(),
        boot_firewall: OnceCell::new(),
        reloads: OnceCell::new(),
    }
}

/// What was not read, and what this version does not judge yet.
fn gaps(snapshot: &Snapshot) -> Vec<Gap> {
    let mut gaps = snapshot.all_gaps();
    if snapshot.collector.sockets_only {
        gaps.push(Gap::new("who can reach each socket", SOCKETS_ONLY));
        gaps.push(Gap::new("what is open after a boot", SOCKETS_ONLY));
    }
    let mut seen = HashSet::new();
    gaps.retain(|gap| seen.insert(gap.clone()));
    gaps
}

impl<'a> Judgement<'a> {
    /// What is wrong, the worst first. Found when it is first asked for, since much has to be judged
    /// for it.
    pub fn findings(&self) -> &[Finding] {
        self.findings.get_or_init(|| finding::all(self))
    }

    /// Who can reach a row over a family; none where that family cannot arrive. Rows that have much
    /// in common are evaluated together, when the first of them is asked about.
    pub fn reach(&self, row: &Row<'_>, wire: Wire) -> Option<&Reach> {
        self.reaches.get(self, row.at, wire)
    }

    /// What there is to say of the packet filter of a namespace, by its position; none where it was
    /// not read.
    pub fn firewall(&self, namespace: usize) -> Option<Firewall> {
        let home = self.home(namespace)?;
        home.unread.is_empty().then(|| Firewall::of(&home.ruleset))
    }

    /// Whether a row is bound to loopback, and nothing from elsewhere gets there: no translation leads
    /// to it, and no interface takes packets to loopback.
    pub fn is_inside(&self, row: &Row<'_>) -> bool {
        let reached = |wire| {
            let reach = self.reach(row, wire);
            reach.is_some_and(|r| r.because != Because::NotAsked && !r.may.is_empty())
        };
        row.scope == Scope::Loopback && !Wire::BOTH.into_iter().any(reached)
    }

    /// The packet filter and routes of a namespace, by its position.
    pub(crate) fn home(&self, namespace: usize) -> Option<&Home> {
        self.reaches.home(self, namespace)
    }

    /// What the packet filter of a row's own namespace leaves of its reach.
    pub(crate) fn reach_within(&self, row: usize, wire: Wire) -> Option<&Reach> {
        self.reaches.within(self, row, wire)
    }

    /// Ports that lead elsewhere: translations of the destination.
    pub fn entries(&self) -> &[Entry] {
        &self.found_entries().0
    }

    /// Ports that are open without a socket of their own here.
    pub fn open_entries(&self) -> impl Iterator<Item = &Entry> {
        let has_socket = |entry: &Entry| self.rows.iter().any(|r| r.is_open() && entry.takes(r));
        self.entries().iter().filter(move |entry| !has_socket(entry))
    }

    /// Why entries could not be looked for, where they could not.
    pub fn entries_unknown(&self) -> &[String] {
        &self.found_entries().1
    }

    fn found_entries(&self) -> &(Vec<Entry>, Vec<String>) {
        self.entries.get_or_init(|| {
            let unasked = self.snapshot.collector.sockets_only;
            if unasked { Default::default() } else { reach::entries(self) }
        })
    }

    /// Why a row's reach over a family is what it is, in full.
    pub fn reason(&self, row: &Row<'_>, wire: Wire) -> Option<Reason> {
        let (evaluated, place) = self.reaches.evaluated(self, row.at, wire)?;
        let reach = self.reach(row, wire)?;
        reach::reason(self, row, (wire, reach), (evaluated, place))
    }

    /// The unit of a cgroup, as its path tells.
    pub(crate) fn unit_of_cgroup(&self, id: CgroupId) -> Option<&str> {
        self.places.cgroup(id)?.unit()
    }

    /// The namespace of a row.
    pub fn namespace_of(&self, row: &Row<'_>) -> Option<&Namespace<'a>> {
        self.namespaces.get(row.namespace)
    }

    /// A namespace by its id.
    pub fn namespace(&self, id: NetnsId) -> Option<&Namespace<'a>> {
        self.namespaces.iter().find(|n| n.id == id)
    }

    /// Who holds the sockets of a row: the processes, and then whoever holds or made those that no
    /// process is known to hold, one for each user and cgroup. Never empty.
    pub fn held<'j>(&'j self, row: &'j Row<'j>) -> impl Iterator<Item = Held<'j>> + 'j {
        let processes = (!row.holdings.is_empty()).then_some(Held::Processes);
        let kernel = (!row.kernel.is_empty()).then_some(Held::Kernel(&row.kernel));
        let makers = row.unheld.iter().filter(|_| row.kernel.is_empty());
        let makers = makers.map(|socket| self.unheld(self.creator_for(row, socket)));
        processes.into_iter().chain(kernel).chain(makers)
    }

    /// The processes that hold a row, by pid.
    pub fn holders<'j>(&'j self, row: &Row<'j>) -> impl Iterator<Item = ProcessHolder<'j>> + 'j {
        let named = self.socket_unit_of_cgroup(row);
        let listen_unit = row.listen_unit.map(|u| u.name.as_str());
        let holdings = self.holdings.get(row.holdings.clone()).unwrap_or_default();
        holdings.chunk_by(|a, b| a.pid == b.pid).filter_map(move |holdings| {
            let first = holdings.first()?;
            let (process, place) = self.places.process(first.pid);
            let of_system = first.pid == Pid(1) || place.is_some_and(Place::is_system_manager);
            let manager = of_system || place.is_some_and(Place::is_manager);
            let socket_unit = named.filter(|_| manager).or(listen_unit.filter(|_| of_system));
            Some(ProcessHolder {
                pid: first.pid,
                process,
                place,
                socket_unit,
                forwards_to: first.forwards_to,
                holdings,
                single: &[],
            })
        })
    }

    /// The processes that made those sockets of a row that no process is known to hold.
    pub fn creators<'j>(&'j self, row: &'j Row<'j>) -> impl Iterator<Item = Creator<'j>> + 'j {
        row.unheld.iter().map(|socket| self.creator_for(row, socket))
    }

    /// The process that made a socket of a row, with the socket unit it was made for: the one its
    /// cgroup names, or else the one that listens here if the system's manager made it.
    fn creator_for<'j>(&'j self, row: &Row<'j>, socket: &Socket) -> Creator<'j> {
        let creator = self.creator_of(socket);
        let named = creator.place.and_then(Place::socket_unit);
        let by_manager = creator.place.is_some_and(Place::is_system_manager);
        let listening = row.listen_unit.filter(|_| by_manager).map(|u| u.name.as_str());
        Creator { socket_unit: named.or(listening), ..creator }
    }

    /// The connected sockets, in the snapshot's order.
    pub fn connected(&self) -> impl Iterator<Item = &'a Socket> + use<'a> {
        self.snapshot.sockets.items().iter().filter(|s| s.is_connected())
    }

    /// The connected sockets whose local port is that of one of these rows.
    pub fn connected_to<'j>(
        &'j self,
        rows: &[&Row<'_>],
    ) -> impl Iterator<Item = &'a Socket> + use<'j, 'a> {
        let key = |s: &Socket| (s.netns, s.protocol, s.local.port);
        let ports = rows.iter().filter(|r| r.port().is_some());
        let ports: HashSet<_> = ports.map(|r| key(r.socket)).collect();
        self.connected().filter(move |s| ports.contains(&key(s)))
    }

    /// Who holds a connected socket.
    ///
    /// Connections are looked at once. One with an inode was somebody's when it was listed, and may
    /// have been closed or handed over before holders were read: then nobody is not proven. One
    /// without an inode (waiting to be accepted) or in time-wait belongs to no process.
    pub fn held_connection(&self, socket: &Socket) -> Held<'_> {
        if !self.descriptors.of_socket(socket.inode).is_empty() {
            Held::Processes
        } else if socket.inode == Inode(0) || socket.state == State::TimeWait {
            self.unheld(self.creator_of(socket))
        } else {
            Held::Creator(self.creator_of(socket))
        }
    }

    /// The process that holds a connected socket, if there is just one.
    pub fn only_holder_of_connection(&self, socket: &Socket) -> Option<Pid> {
        let descriptors = self.descriptors.of_socket(socket.inode);
        let pid = descriptors.first()?.pid;
        descriptors.iter().all(|holder| holder.pid == pid).then_some(pid)
    }

    /// The processes that hold a connected socket, by pid.
    pub fn holders_of_connection(
        &self,
        socket: &Socket,
    ) -> impl Iterator<Item = ProcessHolder<'_>> + '_ {
        let descriptors = self.descriptors.of_socket(socket.inode);
        join::by_process(descriptors).filter_map(|single| {
            let pid = single.first()?.pid;
            let (process, place) = self.places.process(pid);
            let (socket_unit, forwards_to) = (None, None);
            Some(ProcessHolder {
                pid,
                process,
                place,
                socket_unit,
                forwards_to,
                holdings: &[],
                single,
            })
        })
    }

    /// Whether a row is there again after a boot.
    pub fn after_boot(&self, row: &Row<'_>) -> AfterBoot {
        boot::after_boot(self, row)
    }

    /// Whether something could not be read, or judged of a row.
    pub fn is_incomplete(&self) -> bool {
        let unknown = |row: &Row<'_>, wire| {
            self.reach(row, wire).is_some_and(|reach| reach.verdict == reach::Verdict::Unknown)
        };
        let unjudged = |row: &Row<'_>| {
            unknown(row, Wire::Ipv4)
                || unknown(row, Wire::Ipv6)
                || self.after_boot(row).verdict == boot::Verdict::Unknown
        };
        !self.gaps.is_empty() || self.rows.iter().filter(|row| row.is_open()).any(unjudged)
    }

    /// What the packet filter is after a boot, and which rows it treats otherwise than now; none where
    /// one of the two could not be read. Found when it is first asked for.
    pub fn firewall_after_boot(&self) -> Option<&Future> {
        self.boot_firewall.get_or_init(|| boot::firewall::of(self)).as_ref()
    }

    /// The same after each command that loads the packet filter again. Found when it is first asked
    /// for.
    pub fn reloads(&self) -> &[Future] {
        self.reloads.get_or_init(|| {
            let unasked = self.snapshot.collector.sockets_only;
            if unasked { Vec::new() } else { boot::reload::all(self) }
        })
    }

    /// What the next boot starts.
    pub(crate) fn outlook(&self) -> &Outlook<'a> {
        &self.outlook
    }

    /// Where a process runs.
    pub fn place_of(&self, pid: Pid) -> Option<&Place<'a>> {
        self.places.process(pid).1
    }

    /// Whether absence of a holder proves that no process holds a socket.
    fn unheld<'j>(&self, creator: Creator<'j>) -> Held<'j> {
        match self.snapshot.holders {
            Part::Known { .. } => Held::Nobody(creator),
            _ => Held::Creator(creator),
        }
    }

    fn creator_of(&self, socket: &Socket) -> Creator<'_> {
        Creator {
            uid: socket.uid,
            user: self.snapshot.user(socket.uid),
            place: socket.cgroup.and_then(|id| self.places.cgroup(id)),
            socket_unit: None,
        }
    }

    /// The socket unit that the cgroup of a row's sockets names.
    fn socket_unit_of_cgroup(&self, row: &Row<'_>) -> Option<&str> {
        row.sockets.iter().find_map(|s| self.places.cgroup(s.cgroup?)?.socket_unit())
    }
}

#[cfg(all(test, feature = "sample"))]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[test]
    fn a_connection_is_nobodys_only_where_that_is_proven() {
        let check = |change: fn(&mut Socket), nobody: bool| {
            let mut host = Sample::new();
            change(host.connect("192.0.2.10:22", "198.51.100.7:51234", &[]));
            let snapshot = host.build();
            let judgement = judge(&snapshot);
            let socket = snapshot.sockets.items().iter().find(|s| s.is_connected()).unwrap();
            let held = judgement.held_connection(socket);
            assert_eq!(matches!(held, Held::Nobody(_)), nobody, "{held:?}");
        };
        // Closed or handed over since it was listed, as far as we know.
        check(|_| {}, false);
        check(|socket| socket.state = State::CloseWait, false);
        // Waiting to be accepted.
        check(|socket| socket.inode = Inode(0), true);
        check(|socket| socket.state = State::TimeWait, true);
    }
}
