//! Who holds a row, in the few words of a table.

use std::collections::HashMap;

use facts::{ContainerEngine, KernelOwner, Pid, Snapshot, Uid};
use judge::Judgement;
use judge::holder::{Creator, Held, ProcessHolder};
use judge::place::Place;
use judge::row::Row;

use crate::escape::Text;

/// Names a label in its [`Labels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LabelId(usize);

impl LabelId {
    /// Its number, for hashing.
    pub(super) fn index(self) -> u64 {
        self.0 as u64
    }
}

/// Every label that was made, each once: most rows of a busy host share theirs with others.
#[derive(Debug, Default)]
pub(super) struct Labels {
    list: Vec<Text>,
    ids: HashMap<Text, LabelId>,
    /// The label of a row while it is looked up.
    scratch: Text,
}

impl Labels {
    /// The label of a row's holders.
    pub(super) fn of(&mut self, judgement: &Judgement<'_>, row: &Row<'_>) -> LabelId {
        self.scratch.clear();
        let held = judgement.held(row);
        owners_into(judgement.snapshot, held, judgement.holders(row), &mut self.scratch);
        if let Some(id) = self.ids.get(&self.scratch) {
            return *id;
        }
        let id = LabelId(self.list.len());
        self.list.push(self.scratch.clone());
        self.ids.insert(self.scratch.clone(), id);
        id
    }

    /// A label by its id.
    pub(super) fn get(&self, id: LabelId) -> &Text {
        const NONE: &Text = &Text::fixed("");
        self.list.get(id.0).unwrap_or(NONE)
    }
}

/// What answers for a hold, as a reader thinks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner<'j> {
    /// A socket unit, through its service manager.
    SocketUnit(&'j str),
    /// The container that a port forwarder forwards to.
    ForwardsTo(&'j str),
    /// A program in a container.
    Container(&'j str, Option<&'j str>),
    /// A unit of the system.
    Unit(&'j str),
    /// A unit of a user.
    UserUnit(&'j str, Option<u32>),
    /// A program of a login session.
    Session(Option<&'j str>, &'j str),
    /// A program of which no more is known.
    Program(Option<&'j str>),
    /// Parts of the kernel.
    Kernel(&'j [&'j KernelOwner]),
    /// A user, who made a socket of which no more is known.
    User(Uid),
    /// Nobody.
    Nobody,
}

/// The labels of connected sockets that were made for one process: all of these are the same.
#[derive(Debug, Default)]
pub(super) struct OfConnections {
    by_pid: HashMap<Pid, Text>,
}

impl OfConnections {
    /// Appends the label of a connected socket.
    pub(super) fn append(
        &mut self,
        judgement: &Judgement<'_>,
        socket: &facts::Socket,
        text: &mut Text,
    ) {
        let only = judgement.only_holder_of_connection(socket);
        if let Some(label) = only.and_then(|pid| self.by_pid.get(&pid)) {
            text.push_text(label);
            return;
        }
        let mut label = Text::default();
        let held = only.is_none().then(|| judgement.held_connection(socket));
        let holders = judgement.holders_of_connection(socket);
        owners_into(judgement.snapshot, held.into_iter(), holders, &mut label);
        text.push_text(&label);
        if let Some(pid) = only {
            self.by_pid.insert(pid, label);
        }
    }
}

/// An owner, how many processes it has and the first of them.
type Counted<'j> = (Owner<'j>, usize, Option<Pid>);

/// Everybody who answers for a hold, each once: processes first, then the others.
fn owners<'j>(
    held: impl Iterator<Item = Held<'j>>,
    holders: impl Iterator<Item = ProcessHolder<'j>>,
) -> Vec<Counted<'j>> {
    let mut owners: Vec<Counted<'j>> = Vec::new();
    let mut add = |owner: Owner<'j>, pid| match owners.iter_mut().find(|(o, ..)| *o == owner) {
        Some((_, count, _)) => *count = count.saturating_add(1),
        None => owners.push((owner, 1, pid)),
    };
    for holder in holders {
        add(owner(&holder), Some(holder.pid));
    }
    for held in held {
        match held {
            Held::Processes => {}
            Held::Kernel(kernel) => add(Owner::Kernel(kernel), None),
            Held::Nobody(_) => add(Owner::Nobody, None),
            Held::Creator(creator) => add(made(creator), None),
        }
    }
    owners
}

/// Who made a socket.
fn made(creator: Creator<'_>) -> Owner<'_> {
    let placed = creator.place.and_then(|place| placed(place, None));
    creator.socket_unit.map(Owner::SocketUnit).or(placed).unwrap_or(Owner::User(creator.uid))
}

/// Appends the parts of the kernel: `vxlan vx0, vx1`.
pub(super) fn kernel_into(owners: &[&KernelOwner], text: &mut Text) {
    for (at, of) in owners.chunk_by(|a, b| a.subsystem == b.subsystem).enumerate() {
        let Some(first) = of.first() else { continue };
        text.push(if at > 0 { ", " } else { "" }).push_host(&first.subsystem);
        let instances = of.iter().map(|o| o.instance.as_str()).filter(|i| !i.is_empty());
        for (at, instance) in instances.enumerate() {
            text.push(if at > 0 { ", " } else { " " }).push_host(instance);
        }
    }
}

/// Appends the label of owners: socket units first, and without the services that those start.
fn owners_into<'j>(
    snapshot: &Snapshot,
    held: impl Iterator<Item = Held<'j>>,
    holders: impl Iterator<Item = ProcessHolder<'j>>,
    text: &mut Text,
) {
    let mut owners = owners(held, holders);
    let sockets: Vec<&str> = owners
        .iter()
        .filter_map(|(o, ..)| if let Owner::SocketUnit(unit) = o { Some(*unit) } else { None })
        .collect();
    owners.retain(|(o, ..)| match o {
        Owner::Unit(unit) => !sockets.iter().any(|socket| starts(snapshot, socket, unit)),
        _ => true,
    });
    let is_service = |o: &Owner<'_>| !matches!(o, Owner::SocketUnit(_));
    owners.sort_by_key(|(o, ..)| is_service(o));
    for (at, (owner, count, pid)) in owners.iter().enumerate() {
        if at == SHOWN_OWNERS {
            text.push(" +").push_plain(owners.len().saturating_sub(at));
            break;
        }
        if at > 0 {
            text.push(", ");
        }
        owner.name_into(snapshot, *count, *pid, text);
    }
}

/// How many owners of one row the table names.
const SHOWN_OWNERS: usize = 2;

/// Whether a socket unit starts a service: the one systemd says, or else the one of its name, which
/// is systemd's default (systemd.socket(5)).
fn starts(snapshot: &Snapshot, socket: &str, service: &str) -> bool {
    let stem = |unit: &str| unit.rsplit_once('.').map(|(stem, _)| stem.to_owned());
    match snapshot.unit(socket) {
        Some(unit) if !unit.triggers.is_empty() => unit.triggers.iter().any(|t| t == service),
        _ => stem(socket) == stem(service),
    }
}

/// Who answers for a process's hold.
fn owner<'j>(holder: &ProcessHolder<'j>) -> Owner<'j> {
    if let Some(name) = holder.forwards_to {
        return Owner::ForwardsTo(name);
    }
    if let Some(unit) = holder.socket_unit {
        return Owner::SocketUnit(unit);
    }
    let comm = holder.comm();
    holder.place.and_then(|place| placed(place, comm)).unwrap_or(Owner::Program(comm))
}

/// Who answers for what runs at a place.
fn placed<'j>(place: &'j Place<'_>, comm: Option<&'j str>) -> Option<Owner<'j>> {
    let placement = &place.placement;
    let engine = placement.container.as_ref().map(|c| c.engine);
    // Snaps run as units of the host, and are known by these.
    if let Some(name) = place.container_name()
        && engine != Some(ContainerEngine::Snap)
    {
        return Some(Owner::Container(name, comm));
    }
    if let Some(session) = place.session() {
        return Some(Owner::Session(comm, session));
    }
    if let Some(unit) = place.user_unit() {
        return Some(Owner::UserUnit(unit, placement.user.map(|u| u.0)));
    }
    place.unit().map(Owner::Unit)
}

impl Owner<'_> {
    /// Appends its name.
    fn name_into(self, snapshot: &Snapshot, count: usize, pid: Option<Pid>, text: &mut Text) {
        match self {
            Self::SocketUnit(unit) | Self::Unit(unit) => {
                text.push_host(unit);
            }
            Self::ForwardsTo(name) => {
                text.push("container ").push_host(name);
            }
            Self::Container(name, comm) => {
                text.push("container ").push_host(name);
                if let Some(comm) = comm {
                    text.push(": ").push_host(comm);
                }
            }
            Self::UserUnit(unit, uid) => {
                text.push_host(unit).push(" (user ");
                match uid.map(|uid| (uid, snapshot.user(Uid(uid)))) {
                    Some((_, Some(name))) => text.push_host(name),
                    Some((uid, None)) => text.push_plain(uid),
                    None => text.push("unit"),
                };
                text.push(")");
            }
            Self::Session(comm, session) => {
                text.push_host(comm.unwrap_or("?")).push(" (session ").push_host(session).push(")");
            }
            Self::Program(comm) => {
                text.push_host(comm.unwrap_or("?"));
                match pid {
                    _ if count > 1 => {
                        text.push(" (").push_plain(count).push(" processes)");
                    }
                    Some(pid) => {
                        text.push(" (pid ").push_plain(pid).push(")");
                    }
                    None => {}
                }
            }
            Self::Kernel(owners) => {
                text.push("kernel: ");
                kernel_into(owners, text);
            }
            Self::User(uid) => {
                text.push("? (user ");
                match snapshot.user(uid) {
                    Some(name) => text.push_host(name),
                    None => text.push_plain(uid),
                };
                text.push(")");
            }
            Self::Nobody => {
                text.push("no process");
            }
        }
    }
}

/// The shortest name of who holds a row, for lists: a unit without its suffix, or a program.
pub(super) fn short(judgement: &Judgement<'_>, row: &Row<'_>) -> Text {
    let first = owners(judgement.held(row), judgement.holders(row)).into_iter().next();
    match first.map(|(owner, ..)| owner) {
        Some(Owner::Kernel(owners)) => {
            owners.first().map_or_else(Text::default, |o| Text::host(&o.subsystem))
        }
        Some(Owner::SocketUnit(u) | Owner::Unit(u) | Owner::UserUnit(u, _)) => {
            let stem = u.rsplit_once('.').map_or(u, |(stem, _)| stem);
            // The instances of a template are told apart by their ports already.
            let template = stem.find('@').and_then(|at| stem.get(..=at));
            Text::host(template.unwrap_or(stem))
        }
        Some(Owner::ForwardsTo(name) | Owner::Container(name, _)) => Text::host(name),
        Some(Owner::Session(Some(comm), _) | Owner::Program(Some(comm))) => Text::host(comm),
        Some(Owner::Nobody) => Text::fixed("no process"),
        _ => Text::fixed("?"),
    }
}
