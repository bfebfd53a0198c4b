//! What was read from a host, as plain data: the [`Snapshot`] and its parts.
//!
//! Input: nothing; `collect` fills these types from a live host, and [`Snapshot::from_json`] from a
//! file that it saved. Output: the same, to every other room. The rules:
//!
//! * **No I/O and no judgement.** A fact is what the kernel, a file or a daemon said. What it means
//!   is decided in `judge`.
//! * **What is not known is said.** A part that was not asked for, could not be read, or could be
//!   read only in part is a [`Part`] other than [`Part::Known`], with a [`Gap`] that says why. An
//!   empty list means "read, and there is none".
//! * **Stable order.** Lists are sorted by their key, so that two snapshots of a quiet host are
//!   equal but for the time.
//! * **Safe to share.** Command lines are absent unless they were asked for; environments are never
//!   read.
//!
//! Numbers are in host byte order throughout: the collector converts at the edge.

mod attached;
mod blob;
mod boot;
mod cgroup;
mod evidence;
mod host;
mod ids;
mod network;
mod owner;
mod part;
mod process;
mod routing;
mod ruleset;
mod settings;
mod snapshot;
mod socket;

pub use attached::{
    AddressFilter, AttachPoint, Attached, CgroupPoint, CgroupProgram, CgroupPrograms,
};
pub use blob::Blob;
pub use boot::{
    Boot, Condition, ConfiguredLink, ConfiguredListener, ConfiguredPort, DefaultTarget,
    FirewallFile, FirewallLoader, ListenLine, Pull, PullKind, RestartPolicy, RulesForm,
    RuntimeFile, Starter, StarterKind, Trigger, TriggerKind, UnitFile, UnitLoad, UserManager,
};
pub use cgroup::{Cgroup, ContainerEngine, ContainerRef, Placement};
pub use evidence::{
    Answer, Connections, Dependent, Evidence, Export, Format, Key, NetworkMount, PackageUse, Place,
    Profile, Question, Relation, RpcProgram, Setting, UnitUse,
};
pub use host::{Collector, HolderMethod, Host, IptablesBackend};
pub use ids::{CgroupId, IfIndex, Inode, NetnsId, Pid, Port, Uid};
pub use network::{Address, Link, NetNamespace, OtherNetns};
pub use owner::{Container, Package, PublishedPort, SystemdUnit, User};
pub use part::{Gap, Part, Remedy};
pub use process::{Executable, Holder, Process};
pub use routing::{Neighbour, NextHop, Prefix, Route, RouteKind, RoutingRule, RuleAction};
pub use ruleset::{IpsetDump, LegacyTable, NftablesDump, RulesetDump, RulesetText};
pub use settings::{
    ChosenSource, ConfigEntry, ConfigFile, ConfigKind, Configuration, Conntrack, Denial, Init,
    KernelState, Module, Profiles, setting_key, setting_path,
};
pub use snapshot::{FORMAT, LoadError, Snapshot};
pub use socket::{Endpoint, Family, KernelOwner, Kind, Protocol, Queue, Socket, State};
