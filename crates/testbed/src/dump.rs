//! A bare dump of a packet filter over netlink: the floor for whoever reads one.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// A set whose elements are asked for.
#[derive(Clone, Copy, Debug)]
pub struct DumpedSet<'a> {
    /// `NFPROTO_*`: 1 for `inet`.
    pub family: u8,
    /// The table.
    pub table: &'a str,
    /// The set.
    pub name: &'a str,
}

/// `NFT_MSG_GETTABLE`, `_GETCHAIN`, `_GETRULE`, `_GETSET` and `_GETSETELEM`
/// (linux/netfilter/nf_tables.h).
const LISTS: [u16; 4] = [1, 4, 7, 10];
const ELEMENTS: u16 = 13;

/// Asks for everything of the nftables of this thread's network namespace, and for the elements of
/// these sets, and looks at the answers no more than to find their end. Returns their bytes.
///
/// # Errors
/// What the socket says.
pub fn bare_dump(sets: &[DumpedSet<'_>]) -> Result<usize, Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::NETFILTER),
    )?;
    let mut buffer = vec![0_u8; 1 << 20];
    let mut bytes = 0;
    for kind in LISTS {
        bytes += ask(&socket, &mut buffer, kind, 0, &[])?;
    }
    for set in sets {
        let mut names = attribute(1, set.table);
        names.extend(attribute(2, set.name));
        bytes += ask(&socket, &mut buffer, ELEMENTS, set.family, &names)?;
    }
    Ok(bytes)
}

/// An attribute that is a string, with its NUL and padded.
fn attribute(kind: u16, value: &str) -> Vec<u8> {
    let length = u16::try_from(value.len() + 5).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn ask(
    socket: &OwnedFd,
    buffer: &mut [u8],
    kind: u16,
    family: u8,
    attributes: &[u8],
) -> Result<usize, Errno> {
    let length = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
    let mut query = length.to_ne_bytes().to_vec();
    // NFNL_SUBSYS_NFTABLES; NLM_F_REQUEST | NLM_F_DUMP.
    query.extend((10_u16 << 8 | kind).to_ne_bytes());
    query.extend(0x301_u16.to_ne_bytes());
    query.extend([0; 8]);
    query.extend([family, 0, 0, 0]);
    query.extend(attributes);
    send(socket, &query, SendFlags::empty())?;
    let mut bytes = 0;
    loop {
        let (_, length) = recv(socket, &mut *buffer, RecvFlags::empty())?;
        bytes += length;
        if last_kind(buffer.get(..length).unwrap_or_default()) == NLMSG_DONE {
            return Ok(bytes);
        }
    }
}

/// Comes in a datagram of its own, or at the end of the last one.
const NLMSG_DONE: u16 = 3;

/// The type of the last message of a datagram.
fn last_kind(mut rest: &[u8]) -> u16 {
    let mut last = 0;
    while let (Some(size), Some([a, b])) = (rest.first_chunk::<4>(), rest.get(4..6)) {
        last = u16::from_ne_bytes([*a, *b]);
        let size = usize::try_from(u32::from_ne_bytes(*size)).unwrap_or(usize::MAX);
        rest = rest.get(size.max(16).next_multiple_of(4)..).unwrap_or_default();
    }
    last
}
