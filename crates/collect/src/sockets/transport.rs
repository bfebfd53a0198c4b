//! The transports that are asked for, and what their states mean.

use facts::{
    CgroupId, Endpoint, Family, IfIndex, Inode, Kind, NetnsId, Port, Protocol, Queue, Socket,
    State, Uid,
};

pub(crate) use crate::ip_family::IpFamily;

/// A kind of socket that has a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transport {
    /// What sock_diag is asked for; for ping sockets ICMP.
    pub(crate) protocol: Protocol,
    /// The type of its sockets.
    pub(crate) kind: Kind,
    /// Its name in messages.
    pub(crate) name: &'static str,
    /// The files of `/proc/net` with the same table, of IPv4 and of IPv6.
    pub(crate) files: Option<[&'static str; 2]>,
}

/// Multipath TCP; in `/proc/net/tcp` its sockets look like TCP's.
pub(crate) const MPTCP: Transport =
    Transport { protocol: Protocol::MPTCP, kind: Kind::Stream, name: "mptcp", files: None };
/// TCP.
pub(crate) const TCP: Transport = Transport {
    protocol: Protocol::TCP,
    kind: Kind::Stream,
    name: "tcp",
    files: Some(["tcp", "tcp6"]),
};
/// UDP.
pub(crate) const UDP: Transport = Transport {
    protocol: Protocol::UDP,
    kind: Kind::Dgram,
    name: "udp",
    files: Some(["udp", "udp6"]),
};
/// UDP-Lite.
pub(crate) const UDPLITE: Transport = Transport {
    protocol: Protocol::UDPLITE,
    kind: Kind::Dgram,
    name: "udplite",
    files: Some(["udplite", "udplite6"]),
};
/// SCTP. The kernel does not tell which style a socket is of; both listen alike.
pub(crate) const SCTP: Transport =
    Transport { protocol: Protocol::SCTP, kind: Kind::Stream, name: "sctp", files: None };
/// Raw sockets over IP, of any protocol.
pub(crate) const RAW: Transport = Transport {
    protocol: Protocol::RAW,
    kind: Kind::Raw,
    name: "raw",
    files: Some(["raw", "raw6"]),
};
/// Ping sockets; sock_diag has no handler for them.
pub(crate) const PING: Transport = Transport {
    protocol: Protocol::ICMP,
    kind: Kind::Ping,
    name: "icmp",
    files: Some(["icmp", "icmp6"]),
};

/// A socket as one of the kernel's tables shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its family.
    pub(crate) family: IpFamily,
    /// The kernel's number of its state (`include/net/tcp_states.h`).
    pub(crate) state: u8,
    /// The local end. Raw sockets have their protocol in the place of the port.
    pub(crate) local: Endpoint,
    /// The other end.
    pub(crate) peer: Endpoint,
    /// `sk_bound_dev_if`, 0 for any.
    pub(crate) device: u32,
    /// Its inode.
    pub(crate) inode: u64,
    /// Who made it.
    pub(crate) uid: u32,
    /// Its queues.
    pub(crate) queue: Queue,
    /// The cgroup id, 0 for none.
    pub(crate) cgroup: u64,
    /// `IPV6_V6ONLY`.
    pub(crate) v6only: Option<bool>,
    /// `sk_protocol` of a raw socket, where it is told apart from the port.
    pub(crate) raw_protocol: Option<u8>,
}

impl Transport {
    /// Whether this host's users of the transport have ports.
    fn has_port(&self) -> bool {
        self.kind != Kind::Raw
    }

    /// What a row of this transport's table means.
    #[inline]
    pub(crate) fn socket(&self, netns: NetnsId, row: &Row) -> Socket {
        let state = self.state(row);
        let protocol = match self.kind {
            Kind::Raw => {
                row.raw_protocol.map_or(Protocol(row.local.port.0), |p| Protocol(p.into()))
            }
            Kind::Ping => row.family.pick([Protocol::ICMP, Protocol::ICMPV6]),
            _ => self.protocol,
        };
        let local = if self.has_port() {
            row.local
        } else {
            Endpoint { address: row.local.address, port: Port(0) }
        };
        Socket {
            netns,
            family: row.family.pick([Family::Inet, Family::Inet6]),
            kind: self.kind,
            protocol,
            state,
            local,
            peer: state.is_connected().then_some(row.peer),
            device: (row.device != 0).then_some(IfIndex(row.device)),
            v6only: row.v6only,
            inode: Inode(row.inode),
            uid: Uid(row.uid),
            cgroup: (row.cgroup != 0).then_some(CgroupId(row.cgroup)),
            queue: row.queue,
        }
    }

    /// `include/net/tcp_states.h`; every transport uses these numbers, but SCTP's associations have
    /// their own (`enum sctp_state` in `include/net/sctp/constants.h`).
    fn state(&self, row: &Row) -> State {
        if self.protocol == Protocol::SCTP && row.peer.port != Port(0) {
            return match row.state {
                1 | 2 => State::SynSent, // COOKIE_WAIT, COOKIE_ECHOED
                3 => State::Established,
                4 | 5 => State::FinWait1, // SHUTDOWN_PENDING, SHUTDOWN_SENT
                6 => State::CloseWait,    // SHUTDOWN_RECEIVED
                7 => State::LastAck,      // SHUTDOWN_ACK_SENT
                _ => State::Other,
            };
        }
        match row.state {
            1 => State::Established,
            2 => State::SynSent,
            3 | 12 => State::SynRecv, // TCP_SYN_RECV, TCP_NEW_SYN_RECV
            4 => State::FinWait1,
            5 => State::FinWait2,
            6 => State::TimeWait,
            // TCP_CLOSE: for everything but TCP simply "not connected". A raw socket receives as it
            // is; the others need a port.
            7 if self.has_port() && row.local.port == Port(0) => State::Unbound,
            7 | 13 => State::Bound, // 13: TCP_BOUND_INACTIVE, in sock_diag only
            8 => State::CloseWait,
            9 => State::LastAck,
            10 => State::Listen,
            11 => State::Closing,
            _ => State::Other,
        }
    }
}

/// Whether a listing without connected sockets shows this one: what has no port receives nothing.
#[inline]
pub(crate) fn is_wanted(socket: &Socket, connected: bool) -> bool {
    connected || !(socket.state.is_connected() || socket.state == State::Unbound)
}
