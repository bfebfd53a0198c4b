//! A machine that tries to connect: the truth for a verdict.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{Error, Lab, Netns};

/// What a client sees when it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The listener's host completed the connection.
    Connected,
    /// Something answered a datagram.
    Answered,
    /// The host answered with a reset, or an ICMP "port unreachable".
    Refused,
    /// Nothing came back.
    TimedOut,
    /// There is no way to it, or an ICMP message said so.
    Unreachable,
    /// An ICMPv6 message said that a rule forbids it. Over IPv4 the kernel reports the same as
    /// [`Reply::Unreachable`] (net/ipv4/icmp.c, `icmp_err_convert`).
    Prohibited,
}

/// A network namespace on the lab's bridge.
#[derive(Debug)]
pub struct Client {
    netns: Netns,
    number: u8,
}

impl Client {
    /// Adds one. Its interface `eth0` has the addresses 192.0.2.N and 2001:db8:1::N.
    pub fn new(lab: &Lab) -> Result<Self, Error> {
        let netns = Netns::new()?;
        let number = lab.number();
        let (port, pid) = (format!("client{number}"), netns.pid().to_string());
        for arguments in [
            &["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &pid][..],
            &["link", "set", &port, "master", "br0", "up"],
        ] {
            lab.router().run(&[&["ip"], arguments].concat())?.ok()?;
        }
        let (four, six) = (format!("192.0.2.{number}/24"), format!("2001:db8:1::{number}/64"));
        for arguments in [
            &["link", "set", "eth0", "up"][..],
            &["address", "add", &four, "dev", "eth0"],
            &["address", "add", &six, "dev", "eth0", "nodad"],
            &["route", "add", "default", "via", "192.0.2.1"],
            &["-6", "route", "add", "default", "via", "2001:db8:1::1", "dev", "eth0"],
        ] {
            netns.run(&[&["ip"], arguments].concat())?.ok()?;
        }
        Ok(Self { netns, number })
    }

    /// Its namespace.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// The last part of its addresses.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Opens a TCP connection and closes it again. The listener must accept: a full accept queue
    /// looks like a rule that drops.
    ///
    /// # Errors
    /// [`Error::Io`] for an answer that is none of [`Reply`].
    pub fn connect(&self, to: SocketAddr, limit: Duration) -> Result<Reply, Error> {
        let result = self.inside(move || TcpStream::connect_timeout(&to, limit).map(drop));
        told(result, Reply::Connected, &format!("connect to {to}"))
    }

    /// Sends a datagram, and waits for one that comes back.
    ///
    /// # Errors
    /// [`Error::Io`] for an answer that is none of [`Reply`].
    pub fn ask(&self, to: SocketAddr, limit: Duration) -> Result<Reply, Error> {
        let from: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let result = self.inside(move || {
            let socket = UdpSocket::bind(from)?;
            socket.set_read_timeout(Some(limit))?;
            // Errors of ICMP are told to connected sockets only.
            socket.connect(to)?;
            socket.send(b"is anyone there?")?;
            socket.recv(&mut [0; 64]).map(drop)
        });
        told(result, Reply::Answered, &format!("send a datagram to {to}"))
    }

    /// Runs something in its namespace. Only a thread of its own can enter it without taking the
    /// whole test there.
    fn inside(&self, run: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let netns = File::open(self.netns.path())?;
        thread::spawn(move || {
            move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))?;
            run()
        })
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the client's thread panicked")))
    }
}

/// What a client sees, where it succeeds with `good`.
fn told(result: io::Result<()>, good: Reply, what: &str) -> Result<Reply, Error> {
    let Err(error) = result else { return Ok(good) };
    match error.kind() {
        ErrorKind::ConnectionRefused => Ok(Reply::Refused),
        // A read that comes to its limit would block.
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Ok(Reply::TimedOut),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Ok(Reply::Unreachable),
        ErrorKind::PermissionDenied => Ok(Reply::Prohibited),
        _ => Err(Error::io(what)(error)),
    }
}
