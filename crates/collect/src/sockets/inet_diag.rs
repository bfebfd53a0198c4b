//! Internet sockets over sock_diag(7): kernel `net/ipv4/inet_diag.c`,
//! `include/uapi/linux/inet_diag.h`.

use std::collections::BTreeSet;

use facts::{Endpoint, Inode, NetnsId, Port, Protocol, Queue, Socket, State};

use super::transport::{IpFamily, Row, TCP, Transport, is_wanted};
use crate::bpf::Connection;
use crate::netlink::{Attribute, Attributes, Malformed, Message, Query, Reader, Sink};

/// `SOCK_DIAG_BY_FAMILY` (`include/uapi/linux/sock_diag.h`).
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// `TCPDIAG_GETSOCK`: the older request, for TCP only.
const TCPDIAG_GETSOCK: u16 = 18;

/// `INET_DIAG_REQ_PROTOCOL`: a protocol above 255, in a request.
const INET_DIAG_REQ_PROTOCOL: u16 = 3;

/// `INET_DIAG_INFO` as a bit of `idiag_ext`: the kernel adds `struct tcp_info`, and with it
/// `INET_DIAG_ULP_INFO`.
const INET_DIAG_INFO: u8 = 1 << 1;

/// Attributes of a reply.
const INET_DIAG_PROTOCOL: u16 = 10;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_LOCALS: u16 = 12;
const INET_DIAG_ULP_INFO: u16 = 19;
const INET_DIAG_CGROUP_ID: u16 = 21;

/// Nested in `INET_DIAG_ULP_INFO`.
const INET_ULP_INFO_NAME: u16 = 1;

/// `sizeof(struct inet_diag_sockid)` in bytes.
const SOCKID: usize = 48;

/// `sizeof(struct inet_diag_msg)` in bytes.
const INET_DIAG_MSG: usize = 72;

/// `sizeof(struct sockaddr_storage)` in bytes: the step within `INET_DIAG_LOCALS`.
const SOCKADDR_STORAGE: usize = 128;

/// `IPPROTO_RAW`'s place for protocols above 255. Kernels before 5.9 do not know the attribute and
/// go by this number: 254 ("use for experimentation", RFC 3692) has no handler anywhere, where the
/// low byte of MPTCP's would list every TCP socket as MPTCP.
const BY_ATTRIBUTE: u8 = 254;

/// Bits of `idiag_states`, by the numbers of `include/net/tcp_states.h`.
const TCPF_CLOSE: u32 = 1 << 7;
const TCPF_LISTEN: u32 = 1 << 10;
/// Bound, but neither listening nor connected; kernels before 6.8 ignore it.
const TCPF_BOUND_INACTIVE: u32 = 1 << 13;

/// What to ask about the sockets of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Those that have a peer as well.
    pub(crate) connected: bool,
    /// TCP sockets that are bound, but neither listen nor have a peer.
    pub(crate) inactive: bool,
    /// Which TCP sockets are below an MPTCP socket. The kernel locks every socket for that, so it is
    /// asked only where MPTCP has no handler of its own.
    pub(crate) subflows: bool,
}

impl Ask {
    /// `idiag_states`. TCP is not asked for `TCPF_CLOSE`, in which it has nothing: the kernel would
    /// walk over every connection for it.
    fn states(self, transport: &Transport) -> u32 {
        match (self.connected, transport.protocol) {
            (true, _) if self.inactive => u32::MAX,
            (true, _) => !TCPF_BOUND_INACTIVE,
            (false, Protocol::TCP) if self.inactive => TCPF_LISTEN | TCPF_BOUND_INACTIVE,
            (false, Protocol::TCP | Protocol::MPTCP) => TCPF_LISTEN,
            (false, _) => TCPF_CLOSE | TCPF_LISTEN,
        }
    }

    /// `idiag_ext`.
    fn extensions(self) -> u8 {
        if self.subflows { INET_DIAG_INFO } else { 0 }
    }
}

/// The query for the sockets of a transport over one family.
pub(crate) fn query(transport: &Transport, family: IpFamily, ask: Ask) -> Query {
    let protocol = u8::try_from(transport.protocol.0);
    // struct inet_diag_req_v2: sdiag_family, sdiag_protocol, idiag_ext, pad; idiag_states; then an
    // inet_diag_sockid of zeroes, which matches everything.
    let head = [family.number(), protocol.unwrap_or(BY_ATTRIBUTE), ask.extensions(), 0];
    let request = [&head[..], &ask.states(transport).to_ne_bytes(), &[0; SOCKID]].concat();
    let query = Query::dump(SOCK_DIAG_BY_FAMILY, &request);
    if protocol.is_ok() {
        return query;
    }
    query.with(INET_DIAG_REQ_PROTOCOL, &u32::from(transport.protocol.0).to_ne_bytes())
}

/// The query for the TCP sockets of both families in one walk over the kernel's tables: only the
/// older request can leave the family open (`inet_diag_dump_compat`), and the walk is most of the
/// cost on a host with many connections.
pub(crate) fn tcp_query(ask: Ask) -> Query {
    // struct inet_diag_req: idiag_family (not read), idiag_src_len, idiag_dst_len, idiag_ext; an
    // inet_diag_sockid of zeroes; idiag_states, idiag_dbs.
    let head = [0, 0, 0, ask.extensions()];
    let request = [&head[..], &[0; SOCKID], &ask.states(&TCP).to_ne_bytes(), &[0; 4]].concat();
    Query::dump(TCPDIAG_GETSOCK, &request)
}

/// One socket of a reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// What it shows.
    pub(crate) row: Row,
    /// Whether it is a TCP socket below an MPTCP socket.
    pub(crate) is_subflow: bool,
    /// Every local address of an SCTP socket, as `sockaddr_storage`s.
    locals: &'a [u8],
}

/// Reads the body of one message.
#[inline]
pub(crate) fn parse(body: &[u8]) -> Result<Entry<'_>, Malformed> {
    let Some((fixed, attributes)) = body.split_first_chunk::<INET_DIAG_MSG>() else {
        let (structure, length) = ("inet_diag_msg", body.len());
        return Err(Malformed::Short { structure, offset: length, length });
    };
    let mut entry = Entry { row: parse_fixed(fixed)?, is_subflow: false, locals: &[] };
    for attribute in Attributes::new(attributes) {
        entry.note(attribute?)?;
    }
    Ok(entry)
}

/// Reads `struct inet_diag_msg`.
#[inline]
fn parse_fixed(bytes: &[u8; INET_DIAG_MSG]) -> Result<Row, Malformed> {
    let structure = "inet_diag_msg";
    let mut fields = Reader::new(structure, bytes);
    let number = fields.u8()?;
    let state = fields.u8()?;
    let [_timer, _retrans] = fields.take()?;
    let (local_port, peer_port) = (Port(fields.be16()?), Port(fields.be16()?));
    let (local, peer) = (fields.take()?, fields.take()?);
    let device = fields.u32()?;
    let _cookie: [u8; 8] = fields.take()?;
    let _expires = fields.u32()?;
    let queue = Queue { now: fields.u32()?, max: fields.u32()? };
    let (uid, inode) = (fields.u32()?, fields.u32()?);
    let Some(family) = IpFamily::of(number) else {
        return Err(Malformed::Value { structure, field: "idiag_family", value: number.into() });
    };
    Ok(Row {
        family,
        state,
        local: Endpoint { address: family.address(local), port: local_port },
        peer: Endpoint { address: family.address(peer), port: peer_port },
        device,
        inode: inode.into(),
        uid,
        queue,
        cgroup: 0,
        v6only: None,
        raw_protocol: None,
    })
}

impl<'a> Entry<'a> {
    #[inline]
    fn note(&mut self, attribute: Attribute<'a>) -> Result<(), Malformed> {
        match attribute.kind {
            INET_DIAG_CGROUP_ID => {
                self.row.cgroup = attribute.fields("INET_DIAG_CGROUP_ID").u64()?;
            }
            INET_DIAG_SKV6ONLY => {
                self.row.v6only = Some(attribute.fields("INET_DIAG_SKV6ONLY").u8()? != 0);
            }
            INET_DIAG_PROTOCOL => {
                self.row.raw_protocol = Some(attribute.fields("INET_DIAG_PROTOCOL").u8()?);
            }
            INET_DIAG_ULP_INFO => {
                for nested in attribute.nested() {
                    let nested = nested?;
                    if nested.kind == INET_ULP_INFO_NAME && nested.value.starts_with(b"mptcp") {
                        self.is_subflow = true;
                    }
                }
            }
            INET_DIAG_LOCALS => self.locals = attribute.value,
            _ => {}
        }
        Ok(())
    }

    /// The local addresses beyond the first: an SCTP socket may be bound to several.
    fn other_locals(&self) -> impl Iterator<Item = Endpoint> + 'a {
        let (first, port) = (self.row.local.address, self.row.local.port);
        self.locals
            .chunks_exact(SOCKADDR_STORAGE)
            .filter_map(sockaddr)
            .filter(move |address| *address != first)
            .map(move |address| Endpoint { address, port })
    }
}

/// The address in a `struct sockaddr_in` or `sockaddr_in6`.
fn sockaddr(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let mut fields = Reader::new("sockaddr", bytes);
    let family = IpFamily::of(u8::try_from(fields.u16().ok()?).ok()?)?;
    let _port = fields.u16().ok()?;
    if family == IpFamily::V6 {
        let _flow = fields.u32().ok()?;
    }
    let words = fields.take().ok()?;
    Some(family.address(words))
}

/// The MPTCP sockets of a namespace. The TCP sockets below one show as well, with its inode: one
/// socket, two rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct MptcpSockets {
    inodes: BTreeSet<Inode>,
    /// Where those listen that do. Connections need none: the TCP sockets below one are its paths.
    listeners: BTreeSet<(Inode, Endpoint)>,
    /// The ends of those without an inode: connections that were not accepted yet.
    nameless: BTreeSet<(Endpoint, Option<Endpoint>)>,
}

/// What is known of a TCP socket from the MPTCP sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    /// It is below none of them.
    None,
    /// It is below one that shows the same.
    Same,
    /// It is below one that listens somewhere else.
    Elsewhere,
}

impl MptcpSockets {
    /// Takes them from a listing of MPTCP, and removes what says less than the TCP sockets below.
    ///
    /// The kernel's own listener for an endpoint that has a port (`ip mptcp endpoint add … port`)
    /// is bound below only: its own row has no address and port 0, where nothing can listen
    /// (`net/mptcp/pm_kernel.c`, `mptcp_pm_nl_create_listen_socket`).
    pub(crate) fn take(sockets: &mut Vec<Socket>) -> Self {
        let mut known = Self::default();
        for socket in &*sockets {
            if socket.inode == Inode(0) {
                known.nameless.insert((socket.local, socket.peer));
            } else {
                known.inodes.insert(socket.inode);
                if socket.state == State::Listen {
                    known.listeners.insert((socket.inode, socket.local));
                }
            }
        }
        sockets.retain(|socket| socket.state != State::Listen || socket.local.port != Port(0));
        known
    }

    /// Whether a TCP socket is below one of them.
    #[inline]
    fn below(&self, socket: &Socket) -> Below {
        let covers = if socket.inode == Inode(0) {
            self.nameless.contains(&(socket.local, socket.peer))
        } else {
            self.inodes.contains(&socket.inode)
        };
        let listens = socket.state == State::Listen;
        if !covers {
            Below::None
        } else if listens && !self.listeners.contains(&(socket.inode, socket.local)) {
            Below::Elsewhere
        } else {
            Below::Same
        }
    }
}

/// Turns the replies for one transport and family into sockets.
pub(crate) struct Listing<'a> {
    /// The namespace.
    pub(crate) netns: NetnsId,
    /// What was asked for.
    pub(crate) transport: Transport,
    /// Whether connected sockets are wanted.
    pub(crate) connected: bool,
    /// The MPTCP sockets of this namespace.
    pub(crate) mptcp: &'a MptcpSockets,
    /// Where the sockets go.
    pub(crate) sockets: &'a mut Vec<Socket>,
    /// How many were there before.
    start: usize,
}

impl<'a> Listing<'a> {
    /// Appends to `sockets`.
    pub(crate) fn new(
        netns: NetnsId,
        transport: Transport,
        connected: bool,
        mptcp: &'a MptcpSockets,
        sockets: &'a mut Vec<Socket>,
    ) -> Self {
        let start = sockets.len();
        Self { netns, transport, connected, mptcp, sockets, start }
    }

    /// Takes the body of one message.
    #[inline]
    pub(crate) fn take(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let entry = parse(body)?;
        if let Some(socket) = self.put(&entry.row, entry.is_subflow) {
            for local in entry.other_locals() {
                self.sockets.push(Socket { local, ..socket });
            }
        }
        Ok(())
    }

    /// Takes a connection that BPF told.
    #[inline]
    pub(crate) fn connection(&mut self, told: &Connection) {
        let Some(family) = IpFamily::of(told.family) else { return };
        let end = |address, port| Endpoint { address: family.address(address), port: Port(port) };
        let row = Row {
            family,
            state: told.state,
            local: end(told.local, told.local_port),
            peer: end(told.peer, told.peer_port),
            device: told.device,
            inode: told.inode,
            uid: told.uid,
            queue: Queue { now: told.unread, max: told.unsent },
            cgroup: told.cgroup,
            v6only: None,
            raw_protocol: None,
        };
        self.put(&row, false);
    }

    /// Puts a socket to the others, unless it is not wanted or shows otherwise already.
    #[inline]
    fn put(&mut self, row: &Row, is_subflow: bool) -> Option<Socket> {
        let mut socket = self.transport.socket(self.netns, row);
        if !is_wanted(&socket, self.connected) {
            return None;
        }
        if self.transport.protocol == Protocol::TCP {
            match self.mptcp.below(&socket) {
                Below::Same => return None,
                Below::Elsewhere => socket.protocol = Protocol::MPTCP,
                Below::None if is_subflow => socket.protocol = Protocol::MPTCP,
                Below::None => {}
            }
        }
        self.sockets.push(socket);
        Some(socket)
    }
}

impl Sink for Listing<'_> {
    fn restart(&mut self) {
        self.sockets.truncate(self.start);
    }

    #[inline]
    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        match message.kind {
            SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK => self.take(message.body),
            _ => Ok(()),
        }
    }
}
