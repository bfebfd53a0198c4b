//! The snapshot: everything that was read from a host in one run.

use serde::{Deserialize, Serialize};

use crate::{
    Answer, Boot, Cgroup, CgroupId, CgroupPrograms, Collector, Configuration, Container, Evidence,
    Gap, Holder, Host, Inode, KernelOwner, KernelState, NetNamespace, NetnsId, Package, Part, Pid,
    Placement, Process, Question, Socket, SystemdUnit, Uid, User,
};

/// The version of the snapshot's format. It grows only when an older reader would misunderstand a
/// newer file; new fields alone do not change it, since unknown fields are skipped.
pub const FORMAT: u32 = 1;

/// What marks a JSON file as a snapshot.
const MARK: &str = "whyopen-snapshot";

/// A host as it was read. Every list is sorted by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Always `whyopen-snapshot`.
    kind: String,
    /// See [`FORMAT`].
    format: u32,
    /// How and when it was read.
    pub collector: Collector,
    /// The host.
    pub host: Host,
    /// Network namespaces, sorted by id. A namespace that is known but could not be entered has an
    /// unreadable [`NetNamespace::sockets`].
    #[serde(default)]
    pub namespaces: Part<Vec<NetNamespace>>,
    /// Sockets of all namespaces that could be entered, sorted.
    #[serde(default)]
    pub sockets: Part<Vec<Socket>>,
    /// Which processes hold them, sorted by inode, pid, fd.
    #[serde(default)]
    pub holders: Part<Vec<Holder>>,
    /// Which parts of the kernel hold sockets of their own.
    #[serde(default)]
    pub kernel_owners: Part<Vec<KernelOwner>>,
    /// The holders' processes and their ancestors, sorted by pid.
    #[serde(default)]
    pub processes: Part<Vec<Process>>,
    /// Cgroups that sockets and processes refer to, sorted by id.
    #[serde(default)]
    pub cgroups: Part<Vec<Cgroup>>,
    /// The programs of cgroups of open sockets, sorted by cgroup. One without any is in the list.
    #[serde(default)]
    pub cgroup_programs: Part<Vec<CgroupPrograms>>,
    /// Units that were asked about, sorted by name.
    #[serde(default)]
    pub units: Part<Vec<SystemdUnit>>,
    /// Containers that hold or publish something, sorted.
    #[serde(default)]
    pub containers: Part<Vec<Container>>,
    /// Packages of the executables that were asked about, sorted by path.
    #[serde(default)]
    pub packages: Part<Vec<Package>>,
    /// Names of users, sorted by uid.
    #[serde(default)]
    pub users: Part<Vec<User>>,
    /// What the host was asked about its services, sorted by question.
    #[serde(default)]
    pub evidence: Part<Vec<Evidence>>,
    /// The files that configure the kernel's settings.
    #[serde(default)]
    pub configuration: Part<Configuration>,
    /// Connection tracking, modules, security modules.
    #[serde(default)]
    pub kernel_state: Part<KernelState>,
    /// What the next boot starts.
    #[serde(default)]
    pub boot: Part<Boot>,
    /// What was missing and belongs to no part above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// Why a file is not a snapshot that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not JSON, or ends too early.
    #[error("not a whole snapshot")]
    Syntax(#[source] serde_json::Error),
    /// It is JSON of another kind.
    #[error("this is JSON, but not a snapshot of whyopen (no \"kind\": \"{MARK}\")")]
    NotASnapshot,
    /// It was written by a version that this one would misunderstand.
    #[error(
        "the snapshot has format {found}, and this whyopen reads up to {FORMAT}: use a newer whyopen"
    )]
    TooNew {
        /// Its format.
        found: u32,
    },
    /// It is marked as a snapshot but a part of it is wrong.
    #[error("a part of the snapshot is wrong")]
    Content(#[source] serde_json::Error),
}

impl Snapshot {
    /// A snapshot in which nothing was asked yet.
    pub fn new(collector: Collector, host: Host) -> Self {
        Self {
            kind: MARK.to_owned(),
            format: FORMAT,
            collector,
            host,
            namespaces: Part::NotAsked,
            sockets: Part::NotAsked,
            holders: Part::NotAsked,
            kernel_owners: Part::NotAsked,
            processes: Part::NotAsked,
            cgroups: Part::NotAsked,
            cgroup_programs: Part::NotAsked,
            units: Part::NotAsked,
            containers: Part::NotAsked,
            packages: Part::NotAsked,
            users: Part::NotAsked,
            evidence: Part::NotAsked,
            configuration: Part::NotAsked,
            kernel_state: Part::NotAsked,
            boot: Part::NotAsked,
            gaps: Vec::new(),
        }
    }

    /// Reads a snapshot from JSON. Unknown fields are skipped and lists are sorted, so that a file
    /// from a newer version or an editor reads like one of our own.
    ///
    /// # Errors
    /// [`LoadError`], one for each way in which the text is not a snapshot.
    pub fn from_json(text: &[u8]) -> Result<Self, LoadError> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            kind: serde_json::Value,
            #[serde(default)]
            format: u32,
        }
        let head: Head = serde_json::from_slice(text).map_err(|error| {
            if error.is_data() { LoadError::NotASnapshot } else { LoadError::Syntax(error) }
        })?;
        if head.kind != MARK {
            return Err(LoadError::NotASnapshot);
        }
        if head.format > FORMAT {
            return Err(LoadError::TooNew { found: head.format });
        }
        let mut snapshot: Self = serde_json::from_slice(text).map_err(LoadError::Content)?;
        snapshot.sort();
        Ok(snapshot)
    }

    /// Sorts every list by its key. The lookups below need it; collectors call it once at the end.
    pub fn sort(&mut self) {
        fn each<T>(part: &mut Part<Vec<T>>, sort: impl FnOnce(&mut Vec<T>)) {
            match part {
                Part::Known { value } | Part::Partial { value, .. } => sort(value),
                Part::NotAsked | Part::Unreadable { .. } => {}
            }
        }
        each(&mut self.namespaces, |list| list.sort_unstable_by_key(|n| n.id));
        each(&mut self.sockets, |list| list.sort_unstable());
        each(&mut self.holders, |list| {
            list.sort_unstable();
            list.dedup();
        });
        each(&mut self.kernel_owners, |list| list.sort_unstable());
        each(&mut self.processes, |list| list.sort_unstable_by_key(|p| p.pid));
        each(&mut self.cgroups, |list| list.sort_unstable_by_key(|c| c.id));
        each(&mut self.cgroup_programs, |list| list.sort_unstable_by_key(|c| c.cgroup));
        each(&mut self.units, |list| list.sort_unstable());
        each(&mut self.containers, |list| list.sort_unstable());
        each(&mut self.packages, |list| list.sort_unstable());
        each(&mut self.users, |list| list.sort_unstable());
        each(&mut self.evidence, |list| list.sort_by(|a, b| a.question.cmp(&b.question)));
        if let Part::Known { value } | Part::Partial { value, .. } = &mut self.boot {
            value.sort();
        }
    }

    /// Forgets every network namespace but this one, and what is in them.
    pub fn keep_namespace(&mut self, id: NetnsId) {
        fn keep<T>(part: &mut Part<Vec<T>>, wanted: impl Fn(&T) -> bool) {
            if let Part::Known { value } | Part::Partial { value, .. } = part {
                value.retain(wanted);
            }
        }
        keep(&mut self.namespaces, |namespace| namespace.id == id);
        keep(&mut self.sockets, |socket| socket.netns == id);
        keep(&mut self.kernel_owners, |owner| owner.netns == id);
    }

    /// The descriptors that refer to a socket.
    pub fn holders_of(&self, inode: Inode) -> &[Holder] {
        let all = self.holders.items();
        let start = all.partition_point(|h| h.inode < inode);
        let end = all.partition_point(|h| h.inode <= inode);
        all.get(start..end).unwrap_or_default()
    }

    /// A process by its pid.
    pub fn process(&self, pid: Pid) -> Option<&Process> {
        find(self.processes.items(), &pid, |p| p.pid)
    }

    /// A namespace by its id.
    pub fn namespace(&self, id: NetnsId) -> Option<&NetNamespace> {
        find(self.namespaces.items(), &id, |n| n.id)
    }

    /// The path of a cgroup by its id.
    pub fn cgroup_path(&self, id: CgroupId) -> Option<&str> {
        find(self.cgroups.items(), &id, |c| c.id).map(|c| c.path.as_str())
    }

    /// The programs of a cgroup by its id; none if they were not read.
    pub fn programs_of(&self, id: CgroupId) -> Option<&CgroupPrograms> {
        find(self.cgroup_programs.items(), &id, |c| c.cgroup)
    }

    /// The path of the cgroup a process is in.
    pub fn cgroup_path_of<'a>(&'a self, process: &'a Process) -> Option<&'a str> {
        let read = process.cgroup_path.as_deref();
        read.or_else(|| process.cgroup.and_then(|id| self.cgroup_path(id)))
    }

    /// Where a process runs, from the path of its cgroup; empty if that is not known.
    pub fn placement_of(&self, process: &Process) -> Placement {
        self.cgroup_path_of(process).map(Placement::of).unwrap_or_default()
    }

    /// A unit by its name.
    pub fn unit(&self, name: &str) -> Option<&SystemdUnit> {
        let all = self.units.items();
        let at = all.binary_search_by(|u| u.name.as_str().cmp(name)).ok()?;
        all.get(at)
    }

    /// A user's name.
    pub fn user(&self, uid: Uid) -> Option<&str> {
        find(self.users.items(), &uid, |u| u.uid).map(|u| u.name.as_str())
    }

    /// What the host answered to a question; `NotAsked` if it was not asked.
    pub fn answer(&self, question: &Question) -> &Part<Answer> {
        const NOT_ASKED: &Part<Answer> = &Part::NotAsked;
        let all = self.evidence.items();
        let at = all.binary_search_by(|known| known.question.cmp(question));
        at.ok().and_then(|at| all.get(at)).map_or(NOT_ASKED, |known| &known.answer)
    }

    /// The gaps that can hide a socket or who holds it.
    pub fn gaps_of_sockets(&self) -> Vec<Gap> {
        let namespaces = self.namespaces.items().iter();
        let mut gaps: Vec<Gap> =
            namespaces.flat_map(|namespace| namespace.sockets.gaps()).cloned().collect();
        for part in [
            self.namespaces.gaps(),
            self.sockets.gaps(),
            self.holders.gaps(),
            self.kernel_owners.gaps(),
            self.processes.gaps(),
            self.cgroups.gaps(),
            self.units.gaps(),
            self.containers.gaps(),
            &self.gaps,
        ] {
            gaps.extend_from_slice(part);
        }
        gaps
    }

    /// Every gap of every part, in the order of the parts.
    pub fn all_gaps(&self) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = Vec::new();
        for namespace in self.namespaces.items() {
            gaps.extend_from_slice(namespace.sockets.gaps());
            gaps.extend_from_slice(namespace.links.gaps());
            gaps.extend_from_slice(namespace.addresses.gaps());
            gaps.extend_from_slice(namespace.routes.gaps());
            gaps.extend_from_slice(namespace.neighbours.gaps());
            gaps.extend_from_slice(namespace.rules.gaps());
            gaps.extend_from_slice(namespace.settings.gaps());
            gaps.extend_from_slice(namespace.attached.gaps());
            gaps.extend_from_slice(namespace.ruleset.gaps());
            if let Some(ruleset) = namespace.ruleset.value() {
                gaps.extend_from_slice(ruleset.nftables.gaps());
                gaps.extend_from_slice(ruleset.legacy.gaps());
                gaps.extend_from_slice(ruleset.ipsets.gaps());
            }
        }
        for part in [
            self.namespaces.gaps(),
            self.sockets.gaps(),
            self.holders.gaps(),
            self.kernel_owners.gaps(),
            self.processes.gaps(),
            self.cgroups.gaps(),
            self.cgroup_programs.gaps(),
            self.units.gaps(),
            self.containers.gaps(),
            self.packages.gaps(),
            self.users.gaps(),
            self.evidence.gaps(),
            self.configuration.gaps(),
            self.kernel_state.gaps(),
            self.boot.gaps(),
            &self.gaps,
        ] {
            gaps.extend_from_slice(part);
        }
        for known in self.evidence.items() {
            gaps.extend_from_slice(known.answer.gaps());
        }
        gaps
    }
}

/// Looks up an item of a sorted list.
fn find<'a, T, K: Ord>(list: &'a [T], key: &K, of: impl Fn(&T) -> K) -> Option<&'a T> {
    let at = list.binary_search_by(|item| of(item).cmp(key)).ok()?;
    list.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Snapshot {
        Snapshot::new(Collector::default(), Host::default())
    }

    #[test]
    fn round_trip() {
        let text = serde_json::to_vec(&empty()).unwrap();
        assert_eq!(Snapshot::from_json(&text).unwrap(), empty());
    }

    #[test]
    fn newer_fields_are_skipped() {
        let mut value = serde_json::to_value(empty()).unwrap();
        value["from_the_future"] = serde_json::json!({"a": [1, 2]});
        let text = serde_json::to_vec(&value).unwrap();
        assert_eq!(Snapshot::from_json(&text).unwrap(), empty());
    }

    #[test]
    fn wrong_files_give_one_clear_error() {
        let whole = serde_json::to_string(&empty()).unwrap();
        let newer = whole.replace("\"format\":1", "\"format\":99");
        let check = |text: &str, expect: &str| {
            let error = Snapshot::from_json(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("", "not a whole snapshot");
        check(&whole[..whole.len() / 2], "not a whole snapshot");
        check("{}", "not a snapshot of whyopen");
        check("[1, 2]", "not a snapshot of whyopen");
        check("{\"kind\": 3}", "not a snapshot of whyopen");
        check(&newer, "format 99");
        check(&whole.replace("\"host\":{", "\"host\":{\"kernel\":3,"), "a part of the snapshot");
    }
}
