//! All tables of one namespace: sock_diag first, `/proc/net` where that has no handler.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use facts::{Gap, NetnsId, Protocol, Socket};
use rustix::io::Errno;

use super::census::Census;
use super::inet_diag::{Ask, MptcpSockets};
use super::transport::{IpFamily, MPTCP, PING, RAW, SCTP, TCP, Transport, UDP, UDPLITE, is_wanted};
use super::{gap, inet_diag, packet_diag, proc_net};
use crate::bpf::Connections;
use crate::netlink::{Channel, Error, Family, Sink};
use crate::netns::Namespace;

/// The tables of the calling thread's network namespace.
const FOLDER: &str = "/proc/thread-self/net";

/// What sock_diag is asked for, in this order: TCP needs MPTCP's inodes.
const TRANSPORTS: [Transport; 6] = [MPTCP, TCP, UDP, UDPLITE, SCTP, RAW];

/// Which handlers this kernel lacks, remembered across namespaces: asking for one may make the
/// kernel run modprobe(8).
#[derive(Debug, Default)]
pub(crate) struct Handlers {
    missing: AtomicU32,
}

impl Handlers {
    fn lacks(&self, bit: usize) -> bool {
        self.missing.load(Ordering::Relaxed) & (1 << bit) != 0
    }

    fn note_missing(&self, bit: usize) {
        self.missing.fetch_or(1 << bit, Ordering::Relaxed);
    }
}

/// What a namespace has.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// The sockets.
    pub(crate) sockets: Vec<Socket>,
    /// What could not be read.
    pub(crate) gaps: Vec<Gap>,
}

/// Lists the sockets of `namespace`, on a thread inside it.
pub(crate) fn list(
    namespace: &Namespace,
    ask: Ask,
    connections: Option<&Connections>,
    handlers: &Handlers,
) -> Listed {
    list_over(Channel::open(Family::SockDiag), namespace, ask, connections, handlers)
}

/// The same over a channel that was opened, or could not be.
pub(super) fn list_over(
    channel: Result<Channel, Error>,
    namespace: &Namespace,
    ask: Ask,
    connections: Option<&Connections>,
    handlers: &Handlers,
) -> Listed {
    let census = Census::take();
    let mut listing = Listing {
        label: namespace.label(),
        netns: namespace.id,
        ask,
        channel,
        mptcp: MptcpSockets::default(),
        found: Listed::default(),
    };
    for (bit, transport) in TRANSPORTS.iter().enumerate() {
        if transport.protocol == Protocol::TCP {
            listing.mptcp = MptcpSockets::take(&mut listing.found.sockets);
            if listing.tcp(connections).is_ok() {
                continue;
            }
        }
        for family in IpFamily::ALL {
            // Asking a kernel without MPTCP would make it run modprobe(8), and the walk over an
            // empty table takes a millisecond.
            if transport.protocol == Protocol::MPTCP && census.lacks_mptcp(family) {
                continue;
            }
            listing.transport(transport, family, handlers, bit);
            listing.ask.subflows |= transport.protocol == Protocol::MPTCP && handlers.lacks(bit);
        }
    }
    for family in IpFamily::ALL {
        listing.read_file(&PING, family);
    }
    listing.packet(handlers, TRANSPORTS.len());
    listing.found
}

/// What a table without a handler answers.
const ABSENT: Error = Error::Kernel(Errno::NOENT);

/// The channel, if there is one. A kernel without sock_diag at all (`CONFIG_INET_DIAG` is not set)
/// lacks every handler.
fn open(channel: &mut Result<Channel, Error>) -> Result<&mut Channel, Error> {
    channel.as_mut().map_err(|error| match *error {
        Error::Open(Errno::PROTONOSUPPORT) => ABSENT,
        error => error,
    })
}

/// A namespace while it is listed.
struct Listing {
    label: String,
    netns: NetnsId,
    ask: Ask,
    channel: Result<Channel, Error>,
    mptcp: MptcpSockets,
    found: Listed,
}

impl Listing {
    /// One table, from sock_diag or else from its file.
    fn transport(
        &mut self,
        transport: &Transport,
        family: IpFamily,
        handlers: &Handlers,
        bit: usize,
    ) {
        let what = format!("{} sockets over {} in {}", transport.name, family.name(), self.label);
        let absent = match self.dump(transport, family, handlers.lacks(bit)) {
            Ok(()) => return,
            Err(error) if error.is_absent() => true,
            Err(error) => {
                self.found.gaps.push(gap(
                    what.clone(),
                    format!("sock_diag: {error}"),
                    error.is_denied(),
                ));
                false
            }
        };
        if absent {
            handlers.note_missing(bit);
        }
        match transport.protocol {
            Protocol::SCTP => self.sctp(family),
            Protocol::TCP if absent => {
                self.found.gaps.push(Gap::new(
                    format!(
                        "bound sockets that do not listen, and limits of accept queues, of {what}"
                    ),
                    "the kernel has no sock_diag handler for tcp; /proc/net does not tell them",
                ));
                self.read_file(transport, family);
            }
            _ => self.read_file(transport, family),
        }
    }

    /// TCP over both families at once. The error does not matter: each family is asked next.
    fn tcp(&mut self, connections: Option<&Connections>) -> Result<(), Error> {
        let channel = open(&mut self.channel)?;
        let (sockets, mptcp) = (&mut self.found.sockets, &self.mptcp);
        let mut sink = inet_diag::Listing::new(self.netns, TCP, self.ask.connected, mptcp, sockets);
        // BPF does not tell what is below MPTCP.
        if let Some(connections) = connections.filter(|_| self.ask.connected && !self.ask.subflows)
        {
            let open = Ask { connected: false, ..self.ask };
            channel.run(inet_diag::tcp_query(open), &mut sink)?;
            if connections.read(|connection| sink.connection(connection)).is_ok() {
                return Ok(());
            }
            sink.restart();
        }
        let answer = channel.run(inet_diag::tcp_query(self.ask), &mut sink);
        if answer.is_err() {
            sink.restart();
        }
        answer
    }

    fn dump(
        &mut self,
        transport: &Transport,
        family: IpFamily,
        is_missing: bool,
    ) -> Result<(), Error> {
        if is_missing {
            return Err(ABSENT);
        }
        let channel = open(&mut self.channel)?;
        let query = inet_diag::query(transport, family, self.ask);
        let (sockets, mptcp) = (&mut self.found.sockets, &self.mptcp);
        let mut sink =
            inet_diag::Listing::new(self.netns, *transport, self.ask.connected, mptcp, sockets);
        let answer = channel.run(query, &mut sink);
        if answer.is_err() {
            // The whole table is read from its file next.
            sink.restart();
        }
        answer
    }

    /// Reads the table's file. A kernel without the protocol has no such file.
    fn read_file(&mut self, transport: &Transport, family: IpFamily) {
        let Some(file) = transport.files.map(|files| family.pick(files)) else { return };
        let (netns, connected) = (self.netns, self.ask.connected);
        let sockets = &mut self.found.sockets;
        let read = read_table(file, |text| {
            proc_net::parse_inet(text, transport, family, netns, |socket| {
                if is_wanted(&socket, connected) {
                    sockets.push(socket);
                }
            })
        });
        self.note(&format!("{} sockets over {}", transport.name, family.name()), file, read);
    }

    /// SCTP's own files: endpoints of both families in one, associations in another.
    fn sctp(&mut self, family: IpFamily) {
        let (netns, file) = (self.netns, "sctp/eps");
        let sockets = &mut self.found.sockets;
        let read = read_table(file, |text| {
            proc_net::parse_sctp(text, family, netns, |socket| sockets.push(socket))
        });
        let has_sctp = matches!(read, Ok(true));
        self.note(&format!("sctp sockets over {}", family.name()), file, read);
        if has_sctp && self.ask.connected {
            self.found.gaps.push(Gap::new(
                format!("sctp associations over {} in {}", family.name(), self.label),
                "the kernel has no sock_diag handler for sctp",
            ));
        }
    }

    fn dump_packet(&mut self, is_missing: bool) -> Result<(), Error> {
        if is_missing {
            return Err(ABSENT);
        }
        let channel = open(&mut self.channel)?;
        let sockets = &mut self.found.sockets;
        let mut sink = packet_diag::Listing::new(self.netns, self.ask.connected, sockets);
        let answer = channel.run(packet_diag::query(), &mut sink);
        if answer.is_err() {
            sink.restart();
        }
        answer
    }

    /// Packet sockets.
    fn packet(&mut self, handlers: &Handlers, bit: usize) {
        match self.dump_packet(handlers.lacks(bit)) {
            Ok(()) => return,
            Err(error) if error.is_absent() => handlers.note_missing(bit),
            Err(error) => {
                let what = format!("packet sockets in {}", self.label);
                self.found.gaps.push(gap(what, format!("sock_diag: {error}"), error.is_denied()));
            }
        }
        let (netns, connected) = (self.netns, self.ask.connected);
        let sockets = &mut self.found.sockets;
        let read = read_table("packet", |text| {
            proc_net::parse_packet(text, netns, |socket| {
                if is_wanted(&socket, connected) {
                    sockets.push(socket);
                }
            })
        });
        self.note("packet sockets", "packet", read);
    }

    /// Records what is missing after a file was read.
    fn note(&mut self, what: &str, file: &str, read: Result<bool, TableError>) {
        if let Err(error) = read {
            let denied = matches!(&error, TableError::Read(e) if e.kind() == io::ErrorKind::PermissionDenied);
            let what = format!("{what} in {}", self.label);
            self.found.gaps.push(gap(what, format!("{FOLDER}/{file}: {error}"), denied));
        }
    }
}

/// Why a table's file has not told all.
#[derive(Debug, thiserror::Error)]
enum TableError {
    #[error("read: {0}")]
    Read(io::Error),
    #[error(transparent)]
    Line(#[from] proc_net::BadLine),
}

/// Reads a file of unknown length: they are mostly empty but for the heading, and one read is enough.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(4096);
    File::open(path)?.read_to_end(&mut text)?;
    Ok(text)
}

/// Reads a table's file; false: the kernel has none.
fn read_table(
    file: &str,
    parse: impl FnOnce(&[u8]) -> Result<(), proc_net::BadLine>,
) -> Result<bool, TableError> {
    match read_file(&Path::new(FOLDER).join(file)) {
        Ok(text) => {
            parse(&text)?;
            Ok(true)
        }
        // Only where the folder itself is there does a missing file mean a missing protocol.
        Err(error) if error.kind() == io::ErrorKind::NotFound && Path::new(FOLDER).is_dir() => {
            Ok(false)
        }
        Err(error) => Err(TableError::Read(error)),
    }
}
