//! All tables of one namespace: sock_diag first, `/proc/net` where that has no handler.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use facts::{Gap, Inode, NetnsId, Protocol, Socket};

use super::transport::{IpFamily, MPTCP, PING, RAW, SCTP, TCP, Transport, UDP, UDPLITE, is_wanted};
use super::{gap, inet_diag, packet_diag, proc_net};
use crate::netlink::{Channel, Error, Family};
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

/// Lists the sockets of `namespace`, on a thread inside it.
pub(crate) fn list(
    namespace: &Namespace,
    connected: bool,
    handlers: &Handlers,
) -> (Vec<Socket>, Vec<Gap>) {
    let mut listing = Listing {
        label: namespace.label(),
        netns: namespace.id,
        connected,
        channel: Channel::open(Family::SockDiag),
        mptcp: vec![],
        sockets: vec![],
        gaps: vec![],
    };
    for (bit, transport) in TRANSPORTS.iter().enumerate() {
        for family in IpFamily::ALL {
            listing.transport(transport, family, handlers, bit);
        }
        if transport.protocol == Protocol::MPTCP {
            listing.mptcp = listing.sockets.iter().map(|s| s.inode).collect();
            listing.mptcp.sort_unstable();
        }
    }
    for family in IpFamily::ALL {
        listing.read_file(&PING, family);
    }
    listing.packet(handlers, TRANSPORTS.len());
    (listing.sockets, listing.gaps)
}

/// A namespace while it is listed.
struct Listing {
    label: String,
    netns: NetnsId,
    connected: bool,
    channel: Result<Channel, Error>,
    mptcp: Vec<Inode>,
    sockets: Vec<Socket>,
    gaps: Vec<Gap>,
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
                self.gaps.push(gap(what.clone(), format!("sock_diag: {error}"), error.is_denied()));
                false
            }
        };
        if absent {
            handlers.note_missing(bit);
        }
        match transport.protocol {
            Protocol::SCTP => self.sctp(family),
            Protocol::TCP if absent => {
                self.gaps.push(Gap::new(
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

    fn dump(
        &mut self,
        transport: &Transport,
        family: IpFamily,
        is_missing: bool,
    ) -> Result<(), Error> {
        let absent = Error::Kernel(rustix::io::Errno::NOENT);
        if is_missing || (transport.protocol == Protocol::MPTCP && !has_mptcp()) {
            return Err(absent);
        }
        let channel = match &mut self.channel {
            Ok(channel) => channel,
            // No sock_diag at all (CONFIG_INET_DIAG is not set).
            Err(Error::Open(rustix::io::Errno::PROTONOSUPPORT)) => return Err(absent),
            Err(error) => return Err(*error),
        };
        let query = inet_diag::query(transport, family, self.connected);
        let (sockets, mptcp) = (&mut self.sockets, self.mptcp.as_slice());
        let mut sink =
            inet_diag::Listing::new(self.netns, *transport, self.connected, mptcp, sockets);
        channel.run(query, &mut sink)
    }

    /// Reads the table's file. A kernel without the protocol has no such file.
    fn read_file(&mut self, transport: &Transport, family: IpFamily) {
        let Some(file) = transport.files.map(|files| family.pick(files)) else { return };
        let (netns, connected) = (self.netns, self.connected);
        let sockets = &mut self.sockets;
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
        let sockets = &mut self.sockets;
        let read = read_table(file, |text| {
            proc_net::parse_sctp(text, family, netns, |socket| sockets.push(socket))
        });
        let has_sctp = matches!(read, Ok(true));
        self.note(&format!("sctp sockets over {}", family.name()), file, read);
        if has_sctp && self.connected {
            self.gaps.push(Gap::new(
                format!("sctp associations over {} in {}", family.name(), self.label),
                "the kernel has no sock_diag handler for sctp",
            ));
        }
    }

    /// Packet sockets.
    fn packet(&mut self, handlers: &Handlers, bit: usize) {
        if let Ok(channel) = &mut self.channel
            && !handlers.lacks(bit)
        {
            let mut sink = packet_diag::Listing::new(self.netns, self.connected, &mut self.sockets);
            match channel.run(packet_diag::query(), &mut sink) {
                Ok(()) => return,
                Err(error) if error.is_absent() => handlers.note_missing(bit),
                Err(error) => self.gaps.push(gap(
                    format!("packet sockets in {}", self.label),
                    format!("sock_diag: {error}"),
                    error.is_denied(),
                )),
            }
        }
        let (netns, connected) = (self.netns, self.connected);
        let sockets = &mut self.sockets;
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
            self.gaps.push(gap(what, format!("{FOLDER}/{file}: {error}"), denied));
        }
    }
}

/// Whether the kernel has MPTCP; asking sock_diag would make a kernel without it run modprobe(8).
fn has_mptcp() -> bool {
    Path::new("/proc/sys/net/mptcp").exists() || !Path::new("/proc/sys/net/ipv4").exists()
}

/// Why a table's file has not told all.
#[derive(Debug, thiserror::Error)]
enum TableError {
    #[error("read: {0}")]
    Read(io::Error),
    #[error(transparent)]
    Line(#[from] proc_net::BadLine),
}

/// Reads a table's file; false: the kernel has none.
fn read_table(
    file: &str,
    parse: impl FnOnce(&[u8]) -> Result<(), proc_net::BadLine>,
) -> Result<bool, TableError> {
    match std::fs::read(Path::new(FOLDER).join(file)) {
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
