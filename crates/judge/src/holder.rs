//! Who holds a socket, and who made it.

use facts::{KernelOwner, Pid, Process, Uid};

use crate::place::Place;

/// One process's descriptors of one socket of a row, as the judgement keeps it. A process that
/// holds several sockets of a row has several, next to each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding<'a> {
    pub(crate) pid: Pid,
    pub(crate) forwards_to: Option<&'a str>,
    pub(crate) descriptors: &'a [facts::Holder],
}

/// Who holds a socket, or some of the sockets of a row.
#[derive(Clone, Copy, Debug)]
pub enum Held<'j> {
    /// Processes: see [`Judgement::holders`](crate::Judgement::holders).
    Processes,
    /// Parts of the kernel; never empty. Several where the sockets do not tell which is whose.
    Kernel(&'j [&'j KernelOwner]),
    /// The holders could not be read; this is who made the socket.
    Creator(Creator<'j>),
    /// All holders were read and none holds it; this is who made the socket.
    Nobody(Creator<'j>),
}

/// What a socket itself says about the process that made it.
#[derive(Clone, Copy, Debug)]
pub struct Creator<'j> {
    /// Its user.
    pub uid: Uid,
    /// That user's name.
    pub user: Option<&'j str>,
    /// Where it ran.
    pub place: Option<&'j Place<'j>>,
    /// The socket unit it was made for.
    pub socket_unit: Option<&'j str>,
}

impl<'j> Creator<'j> {
    /// The unit of the process that made the socket, or the socket unit it was made for.
    pub fn unit(&self) -> Option<&'j str> {
        self.socket_unit.or_else(|| self.place.and_then(Place::unit))
    }

    /// The container it ran in.
    pub fn container(&self) -> Option<&'j str> {
        self.place.and_then(Place::container_name)
    }
}

/// A process that holds a socket or row.
#[derive(Clone, Copy, Debug)]
pub struct ProcessHolder<'j> {
    /// Its id.
    pub pid: Pid,
    /// What was read of it; none if it vanished meanwhile.
    pub process: Option<&'j Process>,
    /// Where it runs.
    pub place: Option<&'j Place<'j>>,
    /// The socket unit that it holds the socket for, if it is a service manager.
    pub socket_unit: Option<&'j str>,
    /// The container that it forwards to, if it is a container engine's port forwarder.
    pub forwards_to: Option<&'j str>,
    /// Its descriptors of several sockets, or else of one.
    pub(crate) holdings: &'j [Holding<'j>],
    pub(crate) single: &'j [facts::Holder],
}

impl<'j> ProcessHolder<'j> {
    /// Its name.
    pub fn comm(&self) -> Option<&'j str> {
        self.process.map(|p| p.comm.as_str())
    }

    /// The system's unit that answers for its hold: the socket unit if it is a service manager,
    /// else the unit it runs in.
    pub fn unit(&self) -> Option<&'j str> {
        self.socket_unit.or_else(|| self.place.and_then(Place::unit))
    }

    /// The container it runs in or forwards to.
    pub fn container(&self) -> Option<&'j str> {
        self.forwards_to.or_else(|| self.place.and_then(Place::container_name))
    }

    /// Its descriptors of the socket, or of all sockets of the row.
    pub fn descriptors(&self) -> impl Iterator<Item = &'j facts::Holder> + use<'j> {
        self.holdings.iter().flat_map(|h| h.descriptors).chain(self.single)
    }
}

/// What is known of a socket that no process holds although all holders were read.
pub const NOBODY: &str = "no process holds it: the kernel itself, a descriptor in flight between \
                          processes, or an io_uring fixed file";
