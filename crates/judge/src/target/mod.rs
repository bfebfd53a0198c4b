//! Targets: the words by which a user names rows.
//!
//! A target is a port, an address, a process, a unit, a container, a protocol, a service or a
//! network namespace. What it could be is read by [`parse()`] without looking at the host, and what it
//! is on this host is found by [`resolve()`].

mod nearest;
mod parse;
mod resolve;

use std::net::IpAddr;
use std::ops::RangeInclusive;

use facts::{Gap, Pid, Port, Protocol};

use crate::row::Row;

pub use parse::{ParseError, parse};
pub use resolve::resolve;

/// What a user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was written.
    pub text: String,
    /// What it could be.
    pub want: Want,
}

/// What a target could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// A bare number: a port, or else a pid.
    Number(u32),
    /// A port, of one protocol or of any.
    Port(Port, Option<Protocol>),
    /// The ports from one to another, of one protocol or of any.
    Ports(RangeInclusive<Port>, Option<Protocol>),
    /// An address, with a port or without.
    Address(Address),
    /// A process.
    Pid(Pid),
    /// All sockets of an IP protocol.
    Protocol(Protocol),
    /// All sockets of a sort.
    Sort(Sort),
    /// A systemd unit, with its suffix or without.
    Unit(String),
    /// A process by its name.
    Process(String),
    /// A container by its name or the beginning of its id.
    Container(String),
    /// A network namespace by its name or inode.
    Netns(String),
    /// A service by its registered or common name.
    Service(String),
    /// A name of any of these.
    Name(String),
}

/// A socket address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// The interface, from `fe80::1%eth0`.
    pub zone: Option<String>,
    /// The port.
    pub port: Option<Port>,
    /// The protocol.
    pub protocol: Option<Protocol>,
}

/// A sort of sockets without ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Raw IP sockets.
    Raw,
    /// Those of IPv6.
    Raw6,
    /// Packet sockets.
    Packet,
    /// Ping sockets.
    Ping,
}

/// The rows that a target means.
#[derive(Debug)]
pub struct Found<'j, 'a> {
    /// In the order of the judgement; never empty.
    pub rows: Vec<&'j Row<'a>>,
    /// The process that the number would also have meant, when it was read as a port.
    pub also_pid: Option<Pid>,
    /// Whether no row is bound to the address that was asked for, and these are bound to any.
    pub by_wildcard: bool,
}

/// Something that is known and has no open socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idle {
    /// A process.
    Process(Pid, String),
    /// A network namespace.
    Namespace(String),
}

/// Nothing is what the target names. Its strings may hold names that the host chose: escape them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// The target, as it was written.
    pub target: String,
    /// As what it was looked for: "a port", "a unit, process, container ...".
    pub looked_as: &'static str,
    /// How many sockets were looked at.
    pub sockets: usize,
    /// In how many network namespaces.
    pub namespaces: usize,
    /// What has that number or name, but no open socket.
    pub idle: Option<Idle>,
    /// Targets that are nearest to it and would be found.
    pub nearest: Vec<String>,
    /// What could not be read, and so may hide it.
    pub unread: Vec<Gap>,
}
