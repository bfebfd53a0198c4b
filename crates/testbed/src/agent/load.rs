//! A busy host: groups of processes that share listeners, like prefork servers.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write, pipe};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use clap::Args;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, accept, bind, connect, listen, socket_with, sockopt,
};
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};

use crate::{Never, forever, ready};

/// The port of the first listener; the rest follow. Below the ephemeral ports, which the kernel
/// gives to the connections (ip(7), "ip_local_port_range").
const FIRST_PORT: u16 = 10_000;

/// What a process of the load answers.
const DONE: u8 = b'.';
const FAILED: u8 = b'!';

/// The arguments of `load`.
#[derive(Args)]
pub(crate) struct Load {
    /// How many groups.
    #[arg(long)]
    groups: u16,
    /// Processes in each group; all hold all listeners of the group.
    #[arg(long)]
    processes: u16,
    /// Listeners of each group, in turn of IPv4 and IPv6.
    #[arg(long)]
    listeners: u16,
    /// Connections of each process to its group's first listener; both ends are sockets here.
    #[arg(long, default_value_t = 0)]
    connections: u32,
    /// Other open files of each process.
    #[arg(long, default_value_t = 0)]
    files: u32,
    /// Listeners are on any address, not on the loopback's.
    #[arg(long)]
    open: bool,
}

/// The arguments of one process of the load. Its standard input is the group's first listener.
#[derive(Args)]
pub(crate) struct Member {
    /// The listener's address.
    #[arg(long)]
    listener: SocketAddr,
    /// Connections to make.
    #[arg(long)]
    connections: u32,
    /// Other files to open.
    #[arg(long)]
    files: u32,
}

impl Load {
    /// Starts all processes, says when all are ready, and waits.
    pub(crate) fn run(self) -> io::Result<Never> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        more_descriptors()?;
        let (mut reader, writer) = pipe()?;
        let mut members = Vec::new();
        for group in 0..self.groups {
            let first = FIRST_PORT + group * self.listeners;
            let at = address(first, self.open);
            let listener = listener(at, SocketFlags::CLOEXEC)?;
            // Open only while this group's processes start: they inherit it.
            let others = (1..self.listeners)
                .map(|number| {
                    self::listener(address(first + number, self.open), SocketFlags::empty())
                })
                .collect::<io::Result<Vec<OwnedFd>>>()?;
            for _ in 0..self.processes {
                members.push(self.member(at, &listener, writer.try_clone()?.into())?);
            }
            drop(others);
        }
        drop(writer);
        let mut answers = vec![0; members.len()];
        reader.read_exact(&mut answers)?;
        if answers.iter().any(|answer| *answer != DONE) {
            return Err(io::Error::other("a process of the load failed"));
        }
        ready::say()?;
        let never = forever()?;
        drop(members);
        Ok(never)
    }

    fn member(&self, at: SocketAddr, listener: &OwnedFd, answer: OwnedFd) -> io::Result<Child> {
        Command::new(env::current_exe()?)
            .args(["load-member", "--listener", &at.to_string()])
            .args(["--connections", &self.connections.to_string()])
            .args(["--files", &self.files.to_string()])
            .stdin(Stdio::from(listener.try_clone()?))
            .stdout(Stdio::from(answer))
            .spawn()
    }
}

impl Member {
    /// Opens its connections and files, says whether it could, and waits.
    pub(crate) fn run(self) -> io::Result<Never> {
        let open = self.open();
        io::stdout().write_all(&[if open.is_ok() { DONE } else { FAILED }])?;
        io::stdout().flush()?;
        let open = open?;
        let never = forever()?;
        drop(open);
        Ok(never)
    }

    fn open(&self) -> io::Result<(Vec<OwnedFd>, Vec<File>)> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        more_descriptors()?;
        let listener = io::stdin();
        let mut sockets = Vec::new();
        for _ in 0..self.connections {
            let client = socket(self.listener, SocketFlags::CLOEXEC)?;
            connect(&client, &self.listener)?;
            // Perhaps another member's connection; that one takes this member's.
            sockets.push(accept(listener.as_fd())?);
            sockets.push(client);
        }
        let files =
            (0..self.files).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<File>>>()?;
        Ok((sockets, files))
    }
}

fn address(port: u16, open: bool) -> SocketAddr {
    let any: IpAddr = match (port.is_multiple_of(2), open) {
        (true, false) => Ipv4Addr::LOCALHOST.into(),
        (true, true) => Ipv4Addr::UNSPECIFIED.into(),
        (false, false) => Ipv6Addr::LOCALHOST.into(),
        (false, true) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(any, port)
}

fn socket(at: SocketAddr, flags: SocketFlags) -> io::Result<OwnedFd> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    Ok(socket_with(family, SocketType::STREAM, flags, None)?)
}

fn listener(at: SocketAddr, flags: SocketFlags) -> io::Result<OwnedFd> {
    let fd = socket(at, flags)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    bind(&fd, &at)?;
    listen(&fd, 4096)?;
    Ok(fd)
}

/// Raises this process's own limit on open files as far as it goes without privileges.
fn more_descriptors() -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
