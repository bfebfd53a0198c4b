//! The composition: one look at the host, and a closer one at some of its processes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use facts::{
    Cgroup, CgroupId, Collector, ContainerEngine, ContainerRef, Gap, Holder, Inode, NetnsId, Part,
    Pid, Placement, Process, Snapshot, Socket, Uid,
};

use crate::holders::{Finder, Found as Held, Method};
use crate::netns::Leads;
use crate::owners::{containers, packages, systemd};
use crate::settings::{self, Depth};
use crate::{attached, boot, cgroups, host, sockets, users};

/// The cgroup of systemd itself (`SPECIAL_INIT_SCOPE` in systemd's src/basic/special.h).
const INIT_CGROUP: &str = "/init.scope";

/// How long systemd may take to answer, all questions together.
const SYSTEMD_LIMIT: Duration = Duration::from_secs(2);

/// What to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Connected and unbound sockets too.
    pub connected: bool,
    /// Sockets that are bound but not open as well, even where looking for them takes long.
    pub all: bool,
    /// Only the network namespace that whyopen runs in.
    pub this_netns_only: bool,
    /// Sockets and their holders only. Everything that is not needed for that list and costs
    /// anything (routes, rulesets, settings, what starts at boot …) is not read then.
    pub sockets_only: bool,
    /// For the view of settings: everything that may set one, not what starts at boot.
    pub settings: bool,
    /// How to find holders.
    pub method: Method,
}

/// Which processes to look at more closely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// These.
    pub pids: BTreeSet<Pid>,
    /// Their command lines too, which may hold secrets.
    pub args: bool,
}

/// Reads the host. Cannot fail as a whole: what could not be read is a gap of its part.
pub fn snapshot(request: Request) -> Snapshot {
    let mut finder = Finder::open(request.method, request.connected);
    let (leads, lead_gaps) = leads(&mut finder, request);
    let asked = sockets::Request {
        connected: request.connected,
        inactive: request.all || request.connected,
        reach: !request.sockets_only,
        this_netns_only: request.this_netns_only,
    };
    let connections = if request.connected { finder.connections() } else { None };
    let found = sockets::collect_with(&asked, &leads, connections.as_ref());
    let held = finder.holders(&inodes(found.sockets.items()));

    let mut snapshot = Snapshot::new(collector(request, &held), host::read());
    snapshot.namespaces = found.namespaces;
    snapshot.sockets = found.sockets;
    snapshot.kernel_owners = found.kernel_owners;
    snapshot.holders = held.holders;
    snapshot.processes = held.processes;
    snapshot.gaps.extend(lead_gaps);
    snapshot.gaps.extend(found.left_out);
    snapshot.sort();
    look_again(&mut snapshot, asked, &leads);
    weigh_gaps(&mut snapshot);
    place(&mut snapshot, &finder);
    if asked.reach {
        snapshot.cgroup_programs = attached::of_cgroups(&cgroups_of_open_sockets(&snapshot));
    }
    stale_executables(&mut snapshot, &finder);
    snapshot.units = socket_units(&snapshot);
    snapshot.containers = containers(&snapshot);
    snapshot.users = users::names(&uids(&snapshot));
    if !request.sockets_only {
        let depth = if request.all || request.settings { Depth::All } else { Depth::Usual };
        (snapshot.configuration, snapshot.kernel_state) = settings::surroundings(depth);
        settings::add_named(&mut snapshot);
    }
    snapshot.sort();
    if !request.sockets_only && !request.settings {
        snapshot.boot = boot::collect(Path::new("/"), &snapshot, false);
    }
    snapshot
}

/// Reads more about some processes and everything that stands behind them: their executables, the
/// packages of these, their units, and on request their command lines.
pub fn details(snapshot: &mut Snapshot, wanted: &Details) {
    let finder = Finder::open(Method::Proc, false);
    let mut pids: BTreeSet<Pid> = wanted.pids.clone();
    for pid in &wanted.pids {
        pids.extend(ancestors(snapshot, *pid));
    }
    let pids: Vec<Pid> = pids.into_iter().collect();
    let mut gaps = Vec::new();
    if let Part::Known { value } | Part::Partial { value, .. } = &mut snapshot.processes {
        gaps.extend(finder.executables(value, &pids));
        if wanted.args {
            gaps.extend(finder.args(value, &pids));
        }
    }
    snapshot.gaps.extend(gaps);

    let paths: BTreeSet<&str> = wanted
        .pids
        .iter()
        .filter(|pid| shares_our_files(**pid))
        .filter_map(|pid| snapshot.process(*pid)?.executable.as_ref())
        .map(|executable| executable.path.as_str())
        .collect();
    snapshot.packages = packages::owning(Path::new("/"), &paths.into_iter().collect::<Vec<_>>());
    let units = units_of(snapshot, &wanted.pids);
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    snapshot.units = systemd::units(&units, holds_for_systemd(snapshot), SYSTEMD_LIMIT);
    if !wanted.args {
        forget_commands(&mut snapshot.units);
    }
    snapshot.sort();
    if !snapshot.collector.sockets_only {
        snapshot.boot = boot::collect(Path::new("/"), snapshot, true);
    }
}

/// What leads to the network namespaces of the host.
fn leads(finder: &mut Finder, request: Request) -> (Leads, Vec<Gap>) {
    let idle = finder.idle_streams();
    if request.this_netns_only {
        return (Leads { idle, ..Leads::default() }, Vec::new());
    }
    let processes = finder.namespaces();
    let sockets = finder.socket_namespaces();
    let gaps = [processes.gaps(), sockets.gaps()].concat();
    let leads = Leads {
        processes: processes.value().cloned().unwrap_or_default(),
        threads: finder.thread_namespaces().clone(),
        sockets: sockets.value().cloned().unwrap_or_default(),
        idle,
    };
    (leads, gaps)
}

/// How this snapshot was taken.
fn collector(request: Request, held: &Held) -> Collector {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Collector {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        uid: Uid(rustix::process::geteuid().as_raw()),
        pid: Pid(std::process::id()),
        netns: sockets::own_netns().unwrap_or_default(),
        this_netns_only: request.this_netns_only,
        connected: request.connected,
        sockets_only: request.sockets_only,
        holders_by: held.method,
    }
}

/// The inodes of the sockets, sorted, without the 0 of those that have none.
fn inodes(sockets: &[Socket]) -> Vec<Inode> {
    let mut inodes: Vec<Inode> =
        sockets.iter().map(|socket| socket.inode).filter(|inode| inode.0 != 0).collect();
    inodes.sort_unstable();
    inodes.dedup();
    inodes
}

/// Open sockets that have an inode, but neither a holder nor a part of the kernel behind them.
fn nobodys(snapshot: &Snapshot) -> impl Iterator<Item = &Socket> {
    let of_kernel = |socket: &Socket| {
        snapshot.kernel_owners.items().iter().any(|owner| {
            owner.netns == socket.netns
                && owner.protocol == socket.protocol
                && Some(owner.port) == socket.port()
        })
    };
    snapshot.sockets.items().iter().filter(move |socket| {
        socket.is_open()
            && socket.inode.0 != 0
            && snapshot.holders_of(socket.inode).is_empty()
            && !of_kernel(socket)
    })
}

/// The inodes of those of [`nobodys`] whose holders we would see if there were any.
fn unheld(snapshot: &Snapshot) -> Vec<Inode> {
    // Where not all holders could be read, others' sockets have one that we may not see.
    let all_read = snapshot.holders.is_complete();
    let ours = nobodys(snapshot).filter(|s| all_read || s.uid == snapshot.collector.uid);
    let mut inodes: Vec<Inode> = ours.map(|socket| socket.inode).collect();
    inodes.sort_unstable();
    inodes.dedup();
    inodes
}

/// Holders that are missing matter to few where every open socket has one that is known.
fn weigh_gaps(snapshot: &mut Snapshot) {
    if nobodys(snapshot).next().is_none()
        && let Part::Partial { gaps, .. } = &mut snapshot.holders
    {
        for gap in gaps {
            gap.minor = true;
        }
    }
}

/// Looks a second time at open sockets without a holder: since sockets and holders are read one
/// after the other, one that was closed or handed over in between would else seem to be nobody's.
/// What is still there and still nobody's is then looked for in the tables of io_uring.
fn look_again(snapshot: &mut Snapshot, asked: sockets::Request, leads: &Leads) {
    let before = unheld(snapshot);
    if before.is_empty() || snapshot.holders.value().is_none() {
        return;
    }
    let asked = sockets::Request { connected: false, reach: false, ..asked };
    let again = sockets::collect(&asked, leads);
    let still = inodes(again.sockets.items());
    // Where the second listing is incomplete, absence from it proves nothing.
    let listed: BTreeSet<NetnsId> =
        again.namespaces.items().iter().filter(|n| n.sockets.is_complete()).map(|n| n.id).collect();
    let gone = |socket: &Socket| {
        before.binary_search(&socket.inode).is_ok()
            && still.binary_search(&socket.inode).is_err()
            && listed.contains(&socket.netns)
    };
    if let Part::Known { value } | Part::Partial { value, .. } = &mut snapshot.sockets {
        value.retain(|socket| !gone(socket));
    }
    let there = unheld(snapshot);
    if there.is_empty() {
        return;
    }
    // By /proc, whatever way was taken before: what one way misses the other may know, and one that
    // is refused says so.
    let mut finder = Finder::open(Method::Proc, false);
    let mut held = finder.holders(&there);
    let nobodys: Vec<Inode> = there
        .into_iter()
        .filter(|inode| !held.holders.items().iter().any(|holder| holder.inode == *inode))
        .collect();
    finder.add_io_uring(&nobodys, &mut held);
    if let Part::Known { value } | Part::Partial { value, .. } = &mut held.processes {
        value.retain(|process| snapshot.process(process.pid).is_none());
    }
    snapshot.holders.add(held.holders);
    snapshot.processes.add(held.processes);
    snapshot.sort();
}

/// Finds the paths of the cgroups that sockets and processes refer to.
fn place(snapshot: &mut Snapshot, finder: &Finder) {
    let sockets = snapshot.sockets.items().iter().filter_map(|socket| socket.cgroup);
    let processes = snapshot.processes.items().iter().filter_map(|process| process.cgroup);
    let mut wanted: Vec<CgroupId> = sockets.chain(processes).collect();
    wanted.sort_unstable();
    wanted.dedup();
    snapshot.cgroups = cgroups::paths(&wanted);
    let cgroups = snapshot.cgroups.items().to_vec();
    if let Part::Known { value } | Part::Partial { value, .. } = &mut snapshot.processes {
        finder.cgroup_paths(value, &cgroups);
    }
    if let Part::Unreadable { gap } = &snapshot.cgroups
        && !lacks_paths(snapshot)
    {
        snapshot.cgroups = Part::unreadable(gap.clone().minor());
    }
}

/// Whether the path of a cgroup is missed: of a process, or of a socket that nobody holds, or that
/// pid 1 holds for one of systemd's socket units. Who holds any other tells where it belongs.
fn lacks_paths(snapshot: &Snapshot) -> bool {
    let unknown = |cgroup: Option<CgroupId>| {
        cgroup.is_some_and(|id| id.0 != 0 && snapshot.cgroup_path(id).is_none())
    };
    let processes = snapshot.processes.items().iter();
    let sockets = snapshot.sockets.items().iter();
    processes.clone().any(|p| p.cgroup_path.is_none() && unknown(p.cgroup))
        || sockets.filter(|socket| unknown(socket.cgroup)).any(|socket| {
            let holders = snapshot.holders_of(socket.inode);
            socket.inode.0 != 0
                && (holders.is_empty() || holders.iter().any(|holder| holder.pid == Pid(1)))
        })
}

/// The cgroups of sockets that something can arrive at. Where the kernel did not tell that of a
/// socket, those of its holders.
fn cgroups_of_open_sockets(snapshot: &Snapshot) -> Vec<Cgroup> {
    let mut wanted: Vec<CgroupId> = Vec::new();
    for socket in snapshot.sockets.items().iter().filter(|socket| socket.is_open()) {
        match socket.cgroup {
            Some(id) => wanted.push(id),
            None => wanted.extend(
                snapshot
                    .holders_of(socket.inode)
                    .iter()
                    .filter_map(|holder| snapshot.process(holder.pid)?.cgroup),
            ),
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    let all = snapshot.cgroups.items().iter();
    all.filter(|cgroup| wanted.binary_search(&cgroup.id).is_ok()).cloned().collect()
}

/// Forgets the descriptions of transient units: for these systemd-run(1) takes the command line,
/// which may hold secrets.
fn forget_commands(units: &mut Part<Vec<facts::SystemdUnit>>) {
    if let Part::Known { value } | Part::Partial { value, .. } = units {
        for unit in value.iter_mut().filter(|unit| unit.file_state == "transient") {
            unit.description.clear();
        }
    }
}

/// Reads the executables of holders that run a file which was deleted or replaced. That those of
/// other users cannot be read is no gap here: nobody asked for them.
fn stale_executables(snapshot: &mut Snapshot, finder: &Finder) {
    if let Part::Known { value } | Part::Partial { value, .. } = &mut snapshot.processes {
        let stale = finder.stale(value);
        finder.executables(value, &stale);
    }
}

/// Whether systemd itself holds a socket whose cgroup does not name its socket unit. Where holders
/// are not known, it may be what systemd made: such sockets belong to its own cgroup.
fn holds_for_systemd(snapshot: &Snapshot) -> bool {
    let held_by_init: BTreeSet<Inode> = snapshot
        .holders
        .items()
        .iter()
        .filter(|holder| holder.pid == Pid(1))
        .map(|holder| holder.inode)
        .collect();
    let unknown = !matches!(snapshot.holders, Part::Known { .. });
    snapshot.sockets.items().iter().any(|socket| {
        let path = socket.cgroup.and_then(|id| snapshot.cgroup_path(id));
        let unit = path.and_then(|path| Placement::of(path).unit);
        if held_by_init.contains(&socket.inode) {
            !unit.is_some_and(|unit| unit.ends_with(".socket"))
        } else {
            unknown && path == Some(INIT_CGROUP)
        }
    })
}

/// The active socket units, where they are needed to tell which of them a socket of pid 1 is.
fn socket_units(snapshot: &Snapshot) -> Part<Vec<facts::SystemdUnit>> {
    if holds_for_systemd(snapshot) {
        systemd::units(&[], true, SYSTEMD_LIMIT)
    } else {
        Part::NotAsked
    }
}

/// The units of these processes, and those of the sockets they hold.
fn units_of(snapshot: &Snapshot, pids: &BTreeSet<Pid>) -> BTreeSet<String> {
    let processes = pids.iter().filter_map(|pid| snapshot.process(*pid));
    let mut units: BTreeSet<String> =
        processes.filter_map(|process| snapshot.placement_of(process).unit).collect();
    let held: BTreeSet<Inode> = snapshot
        .holders
        .items()
        .iter()
        .filter(|holder| pids.contains(&holder.pid))
        .map(|holder: &Holder| holder.inode)
        .collect();
    let sockets = snapshot.sockets.items().iter().filter(|socket| held.contains(&socket.inode));
    units.extend(
        sockets
            .filter_map(|socket| snapshot.cgroup_path(socket.cgroup?))
            .filter_map(|path| Placement::of(path).unit),
    );
    units
}

/// Whether a process has the same root directory as we have, so that the host's package managers
/// speak of its executable: not in a container, nor in a chroot.
fn shares_our_files(pid: Pid) -> bool {
    let root = |path: &str| rustix::fs::stat(path).map(|stat| (stat.st_dev, stat.st_ino));
    matches!((root(&format!("/proc/{pid}/root/")), root("/")), (Ok(its), Ok(ours)) if its == ours)
}

/// The containers that hold a socket or that docker-proxy holds one for.
fn containers(snapshot: &Snapshot) -> Part<Vec<facts::Container>> {
    let paths = snapshot.cgroups.items().iter().map(|cgroup| cgroup.path.as_str());
    let read = snapshot.processes.items().iter().filter_map(|p| p.cgroup_path.as_deref());
    let wanted: BTreeSet<ContainerRef> =
        paths.chain(read).filter_map(|path| Placement::of(path).container).collect();
    let published = snapshot.processes.items().iter().any(|p| p.comm == "docker-proxy")
        || wanted.iter().any(|container| container.engine == ContainerEngine::Docker);
    if wanted.is_empty() && !published {
        return Part::NotAsked;
    }
    containers::collect(Path::new("/"), &wanted.into_iter().collect::<Vec<_>>(), published)
}

/// The users of sockets and processes.
fn uids(snapshot: &Snapshot) -> Vec<Uid> {
    let sockets = snapshot.sockets.items().iter().map(|socket| socket.uid);
    let processes = snapshot.processes.items().iter().map(|process: &Process| process.uid);
    let mut uids: Vec<Uid> = sockets.chain(processes).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

/// The parents of a process, up to the first.
fn ancestors(snapshot: &Snapshot, pid: Pid) -> Vec<Pid> {
    let mut chain: Vec<Pid> = Vec::new();
    let mut at = snapshot.process(pid);
    while let Some(process) = at {
        let parent = process.parent;
        if parent == Pid(0) || parent == pid || chain.contains(&parent) {
            break;
        }
        chain.push(parent);
        at = snapshot.process(parent);
    }
    chain
}

#[cfg(test)]
mod tests {
    use facts::{Cgroup, HolderMethod, NetnsId};

    use super::*;

    /// One process in cgroup 7, whose path is this one, that holds a socket if `holder` says so.
    fn check(path: Option<&str>, holder: Option<u32>, known: &[Cgroup], expect: bool) {
        let request = Request::default();
        let held = Held { method: HolderMethod::Proc, ..Held::default() };
        let mut snapshot = Snapshot::new(collector(request, &held), host::read());
        snapshot.processes = Part::known(vec![Process {
            pid: Pid(5),
            parent: Pid(1),
            comm: "x".to_owned(),
            uid: Uid(0),
            started_ns: 0,
            netns: Some(NetnsId(1)),
            cgroup: Some(CgroupId(7)),
            cgroup_path: path.map(ToOwned::to_owned),
            executable: None,
            args: None,
        }]);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = Inode(rustix::fs::fstat(&listener).unwrap().st_ino);
        let found = sockets::collect(
            &sockets::Request { this_netns_only: true, ..sockets::Request::default() },
            &Leads::default(),
        );
        let mut socket = *found.sockets.items().iter().find(|s| s.inode == inode).unwrap();
        socket.cgroup = Some(CgroupId(7));
        snapshot.sockets = Part::known(vec![socket]);
        let holders = holder.map(|pid| Holder { inode, pid: Pid(pid), fd: 3, io_uring: false });
        snapshot.holders = Part::known(holders.into_iter().collect());
        snapshot.cgroups = Part::known(known.to_vec());
        assert_eq!(lacks_paths(&snapshot), expect, "{path:?} {holder:?} {known:?}");
    }

    #[test]
    fn paths_that_are_missed() {
        let known = [Cgroup { id: CgroupId(7), path: "/a".to_owned() }];
        check(Some("/a"), Some(5), &[], false);
        check(None, Some(5), &[], true);
        check(None, Some(5), &known, false);
        check(Some("/a"), None, &[], true);
        check(Some("/a"), None, &known, false);
        check(Some("/a"), Some(1), &[], true);
        check(Some("/a"), Some(1), &known, false);
    }
}
