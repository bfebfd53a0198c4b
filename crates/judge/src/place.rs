//! Where processes run: the unit, session and container behind each cgroup, read once each.

use std::collections::HashMap;

use facts::{CgroupId, Container, ContainerRef, Pid, Placement, Process, Snapshot};

/// What a cgroup says about the processes in it, with the container's own description.
#[derive(Debug)]
pub struct Place<'a> {
    /// What its path says.
    pub placement: Placement,
    /// The container, if its engine's files describe it.
    pub container: Option<&'a Container>,
}

/// Names a [`Place`] within its [`Places`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PlaceId(u32);

/// Every place of a snapshot, and which processes and cgroups are in which.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    snapshot: &'a Snapshot,
    list: Vec<Place<'a>>,
    /// The pids of the snapshot's processes, close together so that searching them is quick.
    pids: Vec<Pid>,
    of_process: Vec<Option<PlaceId>>,
    of_cgroup: Vec<Option<PlaceId>>,
}

impl<'a> Places<'a> {
    /// Reads every cgroup path once.
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        let mut by_path = HashMap::new();
        let mut list = Vec::new();
        let mut add = |path: &'a str| {
            let next = PlaceId(u32::try_from(list.len()).ok()?);
            let id = *by_path.entry(path).or_insert(next);
            if id == next {
                let placement = Placement::of(path);
                let container = placement.container.as_ref().and_then(|c| find(snapshot, c));
                list.push(Place { placement, container });
            }
            Some(id)
        };
        let processes = snapshot.processes.items();
        let of_cgroup = snapshot.cgroups.items().iter().map(|c| add(&c.path)).collect();
        let of_process =
            processes.iter().map(|p| snapshot.cgroup_path_of(p).and_then(&mut add)).collect();
        let pids = processes.iter().map(|p| p.pid).collect();
        Self { snapshot, list, pids, of_process, of_cgroup }
    }

    /// A process, and where it runs.
    pub(crate) fn process(&self, pid: Pid) -> (Option<&'a Process>, Option<&Place<'a>>) {
        let Ok(at) = self.pids.binary_search(&pid) else { return (None, None) };
        let place = self.of_process.get(at).copied().flatten();
        (self.snapshot.processes.items().get(at), place.and_then(|id| self.get(id)))
    }

    /// The place of a cgroup.
    pub(crate) fn cgroup(&self, id: CgroupId) -> Option<&Place<'a>> {
        let at = self.snapshot.cgroups.items().binary_search_by_key(&id, |c| c.id).ok()?;
        self.get(self.of_cgroup.get(at).copied().flatten()?)
    }

    fn get(&self, id: PlaceId) -> Option<&Place<'a>> {
        self.list.get(id.0 as usize)
    }
}

/// The container that a cgroup path names, among those that the engines' files describe. The id
/// alone is enough where it is a long one: the CRI engines share their cgroup names with others.
fn find<'a>(snapshot: &'a Snapshot, named: &ContainerRef) -> Option<&'a Container> {
    let all = snapshot.containers.items();
    let same =
        |c: &&Container| c.engine == named.engine && (c.id == named.id || c.name == named.id);
    let same_id = |c: &&Container| c.id == named.id && named.id.len() == OCI_ID_LEN;
    all.iter().find(same).or_else(|| all.iter().find(same_id))
}

/// The length of the ids of the OCI engines, in hexadecimal digits.
const OCI_ID_LEN: usize = 64;

/// The cgroup that a systemd puts itself in (systemd.special(7)).
const INIT_SCOPE: &str = "init.scope";

impl Place<'_> {
    /// The container's name: as its users know it, or else the id as its engine abbreviates it.
    pub fn container_name(&self) -> Option<&str> {
        if let Some(container) = self.container {
            return Some(&container.name);
        }
        let id = self.placement.container.as_ref()?.id.as_str();
        Some(if id.len() == OCI_ID_LEN { id.get(..12).unwrap_or(id) } else { id })
    }

    /// The unit that answers for what runs here: a service or scope of the system's manager, unless
    /// it is that manager's own.
    pub fn unit(&self) -> Option<&str> {
        self.placement.unit.as_deref().filter(|u| *u != INIT_SCOPE)
    }

    /// The same for a user's manager.
    pub fn user_unit(&self) -> Option<&str> {
        self.placement.user_unit.as_deref().filter(|u| *u != INIT_SCOPE)
    }

    /// The same for a manager inside the container.
    pub fn inner_unit(&self) -> Option<&str> {
        self.placement.inner_unit.as_deref().filter(|u| *u != INIT_SCOPE)
    }

    /// The login session: what runs there was started by hand.
    pub fn session(&self) -> Option<&str> {
        self.placement.session.as_deref()
    }

    /// The innermost slice of the system's manager.
    pub fn slice(&self) -> Option<&str> {
        self.placement.slice.as_deref()
    }

    /// The same where it is not one that systemd chooses by itself: `system.slice`, the slices of
    /// users, and those of a template's instances (systemd.slice(5), systemd.special(7)).
    pub fn chosen_slice(&self) -> Option<&str> {
        self.slice().filter(|slice| {
            let default = ["system.slice", "user.slice", "machine.slice"];
            let of_user = slice.starts_with("user-") && self.placement.user.is_some();
            let usual = default.contains(slice) || of_user || slice.starts_with("system-");
            !usual
        })
    }

    /// The socket unit whose cgroup this is, of whichever manager.
    pub fn socket_unit(&self) -> Option<&str> {
        let p = &self.placement;
        [&p.inner_unit, &p.user_unit, &p.unit]
            .into_iter()
            .filter_map(|u| u.as_deref())
            .find(|u| u.ends_with(".socket"))
    }

    /// Whether the system's own service manager runs here.
    pub fn is_system_manager(&self) -> bool {
        self.placement.container.is_none() && self.placement.unit.as_deref() == Some(INIT_SCOPE)
    }

    /// Whether a service manager itself runs here: pid 1, or a user's or container's systemd. What
    /// it holds belongs to the socket unit it holds it for.
    pub fn is_manager(&self) -> bool {
        let p = &self.placement;
        [&p.unit, &p.user_unit, &p.inner_unit].into_iter().any(|u| u.as_deref() == Some(INIT_SCOPE))
    }
}
