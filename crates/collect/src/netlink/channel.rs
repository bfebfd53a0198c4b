//! Sending a query and receiving its reply.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recvfrom, send,
    socket_with, sockopt,
};

use super::{
    Error, Malformed, Message, Messages, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
    NLMSG_OVERRUN, Query, Reader,
};

/// The kernel fills datagrams of up to 32 KiB in a dump (`netlink_dump` in
/// `net/netlink/af_netlink.c`), but a single message may be longer. The buffer is never zeroed, so
/// pages that no reply reaches cost nothing.
const BUFFER_BYTES: usize = 1 << 20;

/// How long the kernel may take for one datagram. It waits for locks (RTNL) that a busy host holds.
const LIMIT_S: u64 = 5;

/// How often a dump is started over when its table keeps changing.
const TRIES: u32 = 5;

/// A netlink family (`include/uapi/linux/netlink.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `NETLINK_ROUTE`: links, addresses, routes.
    Route,
    /// `NETLINK_SOCK_DIAG`: sockets.
    SockDiag,
    /// `NETLINK_NETFILTER`: nf_tables, conntrack, ipset.
    Netfilter,
    /// `NETLINK_GENERIC`: families known by name.
    Generic,
}

/// What a reply is poured into.
pub trait Sink {
    /// The dump starts over: forget what it brought so far.
    fn restart(&mut self);

    /// Takes one message. An error is kept and reported after the rest of the reply was read.
    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed>;
}

/// A netlink socket of the namespace that its thread was in when it was opened.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

/// How a reply went on after a datagram.
enum Progress {
    More,
    Ended,
}

impl Channel {
    /// Opens a socket.
    pub fn open(family: Family) -> Result<Self, Error> {
        let protocol = match family {
            Family::Route => None, // NETLINK_ROUTE is 0.
            Family::SockDiag => Some(netlink::SOCK_DIAG),
            Family::Netfilter => Some(netlink::NETFILTER),
            Family::Generic => Some(netlink::GENERIC),
        };
        let kind = SocketType::RAW;
        let socket = socket_with(AddressFamily::NETLINK, kind, SocketFlags::CLOEXEC, protocol)
            .map_err(Error::Open)?;
        let limit = Some(Duration::from_secs(LIMIT_S));
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, limit).map_err(Error::Open)?;
        Ok(Self { socket, buffer: Vec::with_capacity(BUFFER_BYTES), sequence: 0 })
    }

    /// Sends a query and pours the whole reply into `sink`.
    pub fn run(&mut self, mut query: Query, sink: &mut impl Sink) -> Result<(), Error> {
        for _ in 0..TRIES {
            if self.attempt(&mut query, sink)? {
                return Ok(());
            }
            sink.restart();
        }
        Err(Error::Interrupted { tries: TRIES })
    }

    /// Whether the reply came in one piece; false: the table changed meanwhile.
    fn attempt(&mut self, query: &mut Query, sink: &mut impl Sink) -> Result<bool, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = query.numbered(self.sequence);
        // An unconnected netlink socket sends to the kernel.
        send(&self.socket, bytes, SendFlags::empty()).map_err(Error::Send)?;
        let mut reply = Reply { sequence: self.sequence, whole: true, malformed: None };
        loop {
            receive(&self.socket, &mut self.buffer)?;
            if let Progress::Ended = reply.datagram(&self.buffer, sink)? {
                break;
            }
        }
        match reply.malformed {
            Some(malformed) if reply.whole => Err(malformed.into()),
            _ => Ok(reply.whole),
        }
    }
}

/// Receives the next datagram of the kernel; the buffer then holds that alone.
fn receive(socket: &OwnedFd, buffer: &mut Vec<u8>) -> Result<(), Error> {
    let room = buffer.capacity();
    loop {
        buffer.clear();
        let (_, length, sender) = match recvfrom(socket, spare_capacity(buffer), RecvFlags::TRUNC) {
            Ok(received) => received,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => return Err(Error::TimedOut { limit_s: LIMIT_S }),
            Err(errno) => return Err(Error::Receive(errno)),
        };
        // Privileged processes may send to any netlink socket; only the kernel has port 0.
        let sender = sender.and_then(|s| netlink::SocketAddrNetlink::try_from(s).ok());
        if sender.is_some_and(|s| s.pid() != 0) {
            continue;
        }
        if length > room {
            return Err(Error::Truncated { length, room });
        }
        return Ok(());
    }
}

/// A reply while it is received.
struct Reply {
    sequence: u32,
    whole: bool,
    malformed: Option<Malformed>,
}

impl Reply {
    fn datagram(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<Progress, Error> {
        for message in Messages::new(bytes) {
            let message = message?;
            // What a query that was given up left behind.
            if message.sequence != self.sequence {
                continue;
            }
            if message.flags & NLM_F_DUMP_INTR != 0 {
                self.whole = false;
            }
            match message.kind {
                NLMSG_NOOP => {}
                NLMSG_OVERRUN => return Err(Error::Overrun),
                NLMSG_ERROR => return status("nlmsgerr", &message),
                NLMSG_DONE => return status("NLMSG_DONE", &message),
                _ => {
                    if let Err(malformed) = sink.message(&message) {
                        self.malformed.get_or_insert(malformed);
                    }
                }
            }
        }
        Ok(Progress::More)
    }
}

/// The end of a reply: both closing messages begin with 0, a negative errno, or (for a dump) a
/// length.
fn status(structure: &'static str, message: &Message<'_>) -> Result<Progress, Error> {
    let code = i32::from_ne_bytes(Reader::new(structure, message.body).take()?);
    if code >= 0 {
        return Ok(Progress::Ended);
    }
    // `Errno` takes only what a system call can return (MAX_ERRNO in include/linux/err.h).
    if code < -4095 {
        let value = u64::from(code.unsigned_abs());
        return Err(Malformed::Value { structure, field: "error", value }.into());
    }
    Err(Error::Kernel(Errno::from_raw_os_error(-code)))
}

/// Reads a received datagram as the reply to query 1: the entry point of the fuzz target.
pub(crate) fn parse_datagram(bytes: &[u8], sink: &mut impl Sink) -> Result<bool, Error> {
    let mut reply = Reply { sequence: 1, whole: true, malformed: None };
    let progress = reply.datagram(bytes, sink)?;
    reply.malformed.map_or(Ok(()), Err)?;
    Ok(matches!(progress, Progress::Ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kinds(Vec<u16>);

    impl Sink for Kinds {
        fn restart(&mut self) {
            self.0.clear();
        }

        fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
            self.0.push(message.kind);
            Ok(())
        }
    }

    /// A header and a body of one 32-bit number.
    fn message(kind: u16, sequence: u32, code: i32) -> Vec<u8> {
        let mut bytes = 20_u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(0_u16.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes
    }

    fn check(messages: &[Vec<u8>], expect: Result<bool, Error>, kinds: &[u16]) {
        let mut sink = Kinds::default();
        assert_eq!(parse_datagram(&messages.concat(), &mut sink), expect);
        assert_eq!(sink.0, kinds);
    }

    #[test]
    fn ends_of_replies() {
        check(&[message(20, 1, 0), message(NLMSG_DONE, 1, 0)], Ok(true), &[20]);
        check(&[message(20, 1, 0), message(20, 1, 0)], Ok(false), &[20, 20]);
        check(&[message(NLMSG_ERROR, 1, 0)], Ok(true), &[]);
        check(&[message(NLMSG_ERROR, 1, -1)], Err(Error::Kernel(Errno::PERM)), &[]);
        check(&[message(NLMSG_OVERRUN, 1, 0)], Err(Error::Overrun), &[]);
        // A missing diag handler: not the same as a table without entries.
        check(&[message(NLMSG_DONE, 1, -2)], Err(Error::Kernel(Errno::NOENT)), &[]);
        // Leftovers of another query.
        check(&[message(20, 9, 0), message(NLMSG_DONE, 9, 0)], Ok(false), &[]);
        let value = Malformed::Value { structure: "nlmsgerr", field: "error", value: 1 << 31 };
        check(&[message(NLMSG_ERROR, 1, i32::MIN)], Err(Error::Malformed(value)), &[]);
    }

    #[test]
    fn a_torn_dump_is_told_apart() {
        // The flag may come with any message, and even the last.
        for at in [0, 20] {
            let mut bytes = [message(20, 1, 0), message(NLMSG_DONE, 1, 0)].concat();
            bytes[at + 6..at + 8].copy_from_slice(&NLM_F_DUMP_INTR.to_ne_bytes());
            let mut reply = Reply { sequence: 1, whole: true, malformed: None };
            let progress = reply.datagram(&bytes, &mut Kinds::default());
            assert!(matches!(progress, Ok(Progress::Ended)) && !reply.whole);
        }
    }

    #[test]
    fn done_without_a_status() {
        let mut done = message(NLMSG_DONE, 1, 0);
        done.truncate(16);
        done[0] = 16;
        let short = Malformed::Short { structure: "NLMSG_DONE", offset: 0, length: 0 };
        check(&[done], Err(Error::Malformed(short)), &[]);
    }

    #[test]
    fn a_missing_handler_is_an_error() {
        // No kernel has an inet_diag handler for protocol 254 ("use for experimentation").
        let mut request = [0_u8; 56];
        request[0] = 2; // AF_INET
        request[1] = 254;
        let mut channel = Channel::open(Family::SockDiag).unwrap();
        let error = channel.run(Query::dump(20, &request), &mut Kinds::default()).unwrap_err();
        assert!(error.is_absent(), "{error}");
    }
}
