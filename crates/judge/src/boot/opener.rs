//! What opened a socket: for each holder the unit, container or person that will do so again or not.

use facts::{ContainerEngine, KernelOwner, Pid, Uid};

use crate::Judgement;
use crate::holder::{Creator, Held, ProcessHolder};
use crate::place::Place;
use crate::row::Row;

/// What opened a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opener<'j> {
    /// A socket unit of the system's manager.
    SocketUnit(&'j str),
    /// A service or the like of the system's manager, and the program.
    Unit(&'j str, Option<&'j str>),
    /// A unit of a user's manager, or a socket unit of it.
    UserUnit(Uid, &'j str, Option<&'j str>),
    /// A login session, or no unit at all.
    ByHand {
        /// The session.
        session: Option<&'j str>,
        /// The unit that logins of this kind run in.
        unit: Option<&'j str>,
        /// The program.
        comm: Option<&'j str>,
    },
    /// A container.
    Container {
        /// Its engine.
        engine: ContainerEngine,
        /// Its id, where it is known.
        id: Option<&'j str>,
        /// Its name.
        name: &'j str,
        /// The unit of the system that it runs in.
        unit: Option<&'j str>,
        /// Whether a service manager in it started the program.
        inner: bool,
        /// Whether it is of a pod.
        pod: bool,
    },
    /// The kernel.
    Kernel(&'j KernelOwner),
    /// systemd, for a unit that is not known.
    Manager,
    /// Nothing is known.
    Unknown,
}

/// The openers of a row, each once.
pub(crate) fn of<'j>(judgement: &'j Judgement<'_>, row: &'j Row<'_>) -> Vec<Opener<'j>> {
    let mut openers: Vec<Opener<'_>> = Vec::new();
    let mut add = |opener| {
        if !openers.contains(&opener) {
            openers.push(opener);
        }
    };
    for holder in judgement.holders(row) {
        add(process(judgement, &holder));
    }
    for held in judgement.held(row) {
        match held {
            Held::Processes => {}
            Held::Kernel(owners) => owners.iter().for_each(|owner| add(Opener::Kernel(owner))),
            Held::Creator(creator) | Held::Nobody(creator) => add(made(creator)),
        }
    }
    openers
}

/// Units whose processes, but for these programs, were started by somebody's word.
const LOGINS: &[(&str, &[&str])] = &[
    ("ssh", &["sshd", "sshd-session"]),
    ("sshd", &["sshd", "sshd-session"]),
    ("getty", &["agetty", "login"]),
    ("serial-getty", &["agetty", "login"]),
    ("console-getty", &["agetty", "login"]),
    ("container-getty", &["agetty", "login"]),
    ("dropbear", &["dropbear"]),
];

/// The name of a unit without its type and instance.
pub(crate) fn stem(unit: &str) -> &str {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    stem.split_once('@').map_or(stem, |(prefix, _)| prefix)
}

fn process<'j>(judgement: &'j Judgement<'_>, holder: &ProcessHolder<'j>) -> Opener<'j> {
    let comm = holder.comm();
    if let Some(name) = holder.forwards_to {
        let container = judgement.snapshot.containers.items().iter().find(|c| c.name == name);
        return Opener::Container {
            engine: container.map_or(ContainerEngine::Other, |c| c.engine),
            id: container.map(|c| c.id.as_str()),
            name,
            unit: holder.place.and_then(Place::unit),
            inner: false,
            pod: false,
        };
    }
    let Some(place) = holder.place else { return Opener::Unknown };
    if let Some(unit) = holder.socket_unit {
        return match place.placement.user.filter(|_| place.placement.user_unit.is_some()) {
            Some(uid) => Opener::UserUnit(uid, unit, None),
            None if place.placement.container.is_some() => placed(place, comm),
            None => Opener::SocketUnit(unit),
        };
    }
    if holder.pid == Pid(1) || place.is_system_manager() {
        return Opener::Manager;
    }
    placed(place, comm)
}

/// Who made a socket that no process is known to hold.
fn made(creator: Creator<'_>) -> Opener<'_> {
    let Some(place) = creator.place else { return Opener::Unknown };
    match creator.socket_unit {
        Some(unit) if place.placement.container.is_none() => match place.placement.user {
            Some(uid) if place.placement.user_unit.is_some() => Opener::UserUnit(uid, unit, None),
            _ => Opener::SocketUnit(unit),
        },
        _ if place.is_system_manager() => Opener::Manager,
        _ => placed(place, None),
    }
}

fn placed<'j>(place: &'j Place<'_>, comm: Option<&'j str>) -> Opener<'j> {
    use ContainerEngine::{Flatpak, Snap};
    let placement = &place.placement;
    if let Some(container) =
        placement.container.as_ref().filter(|c| !matches!(c.engine, Snap | Flatpak))
    {
        return Opener::Container {
            engine: container.engine,
            id: Some(&container.id),
            name: place.container_name().unwrap_or(&container.id),
            unit: place.unit(),
            inner: place.inner_unit().is_some() || placement.inner_unit.is_some(),
            pod: container.pod.is_some(),
        };
    }
    if let Some(session) = place.session() {
        return Opener::ByHand { session: Some(session), unit: None, comm };
    }
    if let (Some(unit), Some(uid)) = (place.user_unit(), placement.user) {
        return Opener::UserUnit(uid, unit, comm);
    }
    let Some(unit) = place.unit() else {
        return Opener::ByHand { session: None, unit: None, comm };
    };
    let login = LOGINS.iter().find(|(of, _)| *of == stem(unit));
    let is_daemon = |programs: &[&str]| comm.is_none_or(|comm| programs.contains(&comm));
    if login.is_some_and(|(_, programs)| !is_daemon(programs)) {
        return Opener::ByHand { session: None, unit: Some(unit), comm };
    }
    Opener::Unit(unit, comm)
}
