//! Packet sockets over sock_diag(7): kernel `net/packet/diag.c`,
//! `include/uapi/linux/packet_diag.h`.

use std::net::{IpAddr, Ipv4Addr};

use facts::{
    Endpoint, Family, IfIndex, Inode, Kind, NetnsId, Port, Protocol, Queue, Socket, State, Uid,
};

use super::inet_diag::SOCK_DIAG_BY_FAMILY;
use super::transport::is_wanted;
use crate::netlink::{Attributes, Malformed, Message, Query, Reader, Sink};

/// `AF_PACKET` (`include/linux/socket.h`).
const AF_PACKET: u8 = 17;

/// `PACKET_SHOW_INFO` of a request: the interface and the owner.
const PACKET_SHOW_INFO: u32 = 1;

/// Attributes of a reply.
const PACKET_DIAG_INFO: u16 = 0;
const PACKET_DIAG_UID: u16 = 5;

/// The query for every packet socket.
pub(crate) fn query() -> Query {
    // struct packet_diag_req: sdiag_family, sdiag_protocol, pad; pdiag_ino, pdiag_show,
    // pdiag_cookie.
    let mut request = [0_u8; 20];
    let show = PACKET_SHOW_INFO.to_ne_bytes();
    for (byte, value) in
        request.iter_mut().zip([AF_PACKET, 0, 0, 0, 0, 0, 0, 0].iter().chain(&show))
    {
        *byte = *value;
    }
    Query::dump(SOCK_DIAG_BY_FAMILY, &request)
}

/// A packet socket, however it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    /// `sk_type`: 2 (`SOCK_DGRAM`) comes without the link header.
    pub(crate) kind: u8,
    /// The Ethernet protocol, host byte order. 0: it receives nothing.
    pub(crate) protocol: u16,
    /// `sll_ifindex`, 0 for any.
    pub(crate) device: u32,
    /// Its inode.
    pub(crate) inode: u64,
    /// Who made it.
    pub(crate) uid: u32,
    /// Unread bytes.
    pub(crate) unread: u32,
}

impl Row {
    /// What it means.
    pub(crate) fn socket(self, netns: NetnsId) -> Socket {
        Socket {
            netns,
            family: Family::Packet,
            kind: if self.kind == 2 { Kind::Dgram } else { Kind::Packet },
            protocol: Protocol(self.protocol),
            state: if self.protocol == 0 { State::Unbound } else { State::Bound },
            local: Endpoint { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: Port(0) },
            peer: None,
            device: (self.device != 0).then_some(IfIndex(self.device)),
            v6only: None,
            inode: Inode(self.inode),
            uid: Uid(self.uid),
            cgroup: None,
            queue: Queue { now: self.unread, max: 0 },
        }
    }
}

/// Reads the body of one message.
pub(crate) fn parse(body: &[u8]) -> Result<Row, Malformed> {
    let structure = "packet_diag_msg";
    let mut fields = Reader::new(structure, body);
    let (family, kind) = (fields.u8()?, fields.u8()?);
    if family != AF_PACKET {
        return Err(Malformed::Value { structure, field: "pdiag_family", value: family.into() });
    }
    let (protocol, inode) = (fields.u16()?, fields.u32()?);
    let _cookie: [u8; 8] = fields.take()?;
    let mut row = Row { kind, protocol, inode: inode.into(), ..Row::default() };
    for attribute in Attributes::new(fields.rest()) {
        let attribute = attribute?;
        match attribute.kind {
            PACKET_DIAG_INFO => row.device = attribute.fields("packet_diag_info").u32()?,
            PACKET_DIAG_UID => row.uid = attribute.fields("PACKET_DIAG_UID").u32()?,
            _ => {}
        }
    }
    Ok(row)
}

/// Turns the reply into sockets.
pub(crate) struct Listing<'a> {
    netns: NetnsId,
    connected: bool,
    sockets: &'a mut Vec<Socket>,
    start: usize,
}

impl<'a> Listing<'a> {
    /// Appends to `sockets`.
    pub(crate) fn new(netns: NetnsId, connected: bool, sockets: &'a mut Vec<Socket>) -> Self {
        let start = sockets.len();
        Self { netns, connected, sockets, start }
    }
}

impl Sink for Listing<'_> {
    fn restart(&mut self) {
        self.sockets.truncate(self.start);
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == SOCK_DIAG_BY_FAMILY {
            let socket = parse(message.body)?.socket(self.netns);
            if is_wanted(&socket, self.connected) {
                self.sockets.push(socket);
            }
        }
        Ok(())
    }
}
