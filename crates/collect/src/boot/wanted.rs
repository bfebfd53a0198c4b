//! What holds sockets now, and so what is to be asked about the next boot.

use std::collections::{BTreeMap, BTreeSet};

use facts::{
    CgroupId, ContainerEngine, ContainerRef, Pid, Placement, Protocol, Snapshot, Socket, Uid,
};

use super::starters::{Words, interpreted};

/// What holds open sockets.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Units of the system, programs, containers, ports.
    pub(super) words: Words,
    /// Units of users.
    pub(super) users: BTreeMap<Uid, BTreeSet<String>>,
    /// Names of processes, whatever they are.
    pub(super) programs: BTreeSet<String>,
    /// Containers.
    pub(super) containers: BTreeSet<ContainerRef>,
    /// Links whose sockets the kernel holds.
    pub(super) links: BTreeSet<String>,
    /// Whether something holds a socket that runs in no unit, or in one that starts others for
    /// somebody (a login, cron).
    pub(super) by_hand: bool,
}

/// The manager of a user, with its number.
fn user_of(unit: &str) -> Option<Uid> {
    let uid = unit.strip_prefix("user@")?.strip_suffix(".service")?;
    uid.parse().ok().map(Uid)
}

impl Wanted {
    /// From the open sockets of a snapshot and their holders.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut wanted = Self::default();
        let mut pids: BTreeSet<Pid> = BTreeSet::new();
        let mut cgroups: BTreeSet<CgroupId> = BTreeSet::new();
        for socket in snapshot.sockets.items().iter().filter(|socket| is_asked_about(socket)) {
            pids.extend(snapshot.holders_of(socket.inode).iter().map(|holder| holder.pid));
            cgroups.extend(socket.cgroup);
            if let Some(port) = socket.port().filter(|port| port.0 != 0)
                && matches!(
                    socket.protocol,
                    Protocol::TCP | Protocol::UDP | Protocol::MPTCP | Protocol::SCTP
                )
            {
                wanted.words.ports.insert(port.0);
            }
        }
        let mut paths: BTreeSet<&str> = BTreeSet::new();
        for process in pids.iter().filter_map(|pid| snapshot.process(*pid)) {
            wanted.programs.insert(process.comm.clone());
            match snapshot.cgroup_path_of(process) {
                Some(path) => {
                    paths.insert(path);
                }
                None => wanted.by_hand = true,
            }
        }
        paths.extend(cgroups.into_iter().filter_map(|id| snapshot.cgroup_path(id)));
        for path in paths {
            wanted.place(Placement::of(path));
        }
        for unit in snapshot.units.items().iter().filter(|unit| !unit.listen.is_empty()) {
            wanted.words.units.insert(unit.name.clone());
        }
        for container in snapshot.containers.items() {
            wanted.words.containers.insert(container.name.clone());
            wanted.containers.insert(ContainerRef {
                engine: container.engine,
                id: container.id.clone(),
                pod: None,
            });
        }
        if !wanted.containers.is_empty() {
            let daemons = ["docker.service", "podman-restart.service", "systemd-logind.service"];
            wanted.words.units.extend(daemons.map(str::to_owned));
        }
        let named = snapshot.kernel_owners.items().iter().map(|owner| owner.instance.clone());
        wanted.links = named.filter(|name| !name.is_empty()).collect();
        let programs = wanted.programs.iter().filter(|comm| !interpreted(comm));
        wanted.words.programs = programs.cloned().collect();
        wanted
    }

    fn place(&mut self, placement: Placement) {
        let is_sandbox =
            |engine| matches!(engine, ContainerEngine::Snap | ContainerEngine::Flatpak);
        if let Some(container) = placement.container.filter(|c| !is_sandbox(c.engine)) {
            self.containers.insert(container);
            return;
        }
        let Some(unit) = placement.unit else {
            self.by_hand = true;
            return;
        };
        match (user_of(&unit), placement.user_unit) {
            (Some(uid), user_unit) => {
                self.users.entry(uid).or_default().extend(user_unit);
                self.words.units.insert(unit);
            }
            (None, _) if unit.strip_suffix(".scope").is_some() => {
                self.by_hand |= unit != "init.scope";
            }
            (None, _) => {
                self.words.units.insert(unit);
            }
        }
    }
}

/// Whether anybody asks whether this socket is there after a boot.
fn is_asked_about(socket: &Socket) -> bool {
    !socket.is_connected()
}
