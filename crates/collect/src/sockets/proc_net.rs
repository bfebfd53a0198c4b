//! Sockets from `/proc/net` (proc(5)), for what sock_diag has no handler.
//!
//! The kernel writes these tables in `net/ipv4/{tcp_ipv4,udp,raw,ping}.c`, `net/ipv6/…` and
//! `net/packet/af_packet.c`. They tell neither `IPV6_V6ONLY`, nor the bound device, nor the cgroup.

use std::net::IpAddr;

use facts::{Endpoint, Kind, NetnsId, Port, Queue, Socket};

use super::packet_diag;
use super::transport::{IpFamily, Row, SCTP, Transport};

/// A line that is not what the kernel writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not a socket's")]
pub(crate) struct BadLine {
    /// Its number; the heading is line 1.
    pub(crate) line: usize,
}

/// Reads `/proc/net/{tcp,udp,udplite,raw,icmp}` or their IPv6 twins. Lines that cannot be read are
/// left out; the first of them is the error.
pub(crate) fn parse_inet(
    text: &[u8],
    transport: &Transport,
    family: IpFamily,
    netns: NetnsId,
    mut each: impl FnMut(Socket),
) -> Result<(), BadLine> {
    lines(text, |line| {
        each(transport.socket(netns, &inet_row(line, family)?));
        Some(())
    })
}

/// Reads `/proc/net/packet`, likewise.
pub(crate) fn parse_packet(
    text: &[u8],
    netns: NetnsId,
    mut each: impl FnMut(Socket),
) -> Result<(), BadLine> {
    lines(text, |line| {
        each(packet_row(line)?.socket(netns));
        Some(())
    })
}

/// Gives every line after the heading to `read`.
fn lines(text: &[u8], mut read: impl FnMut(&[u8]) -> Option<()>) -> Result<(), BadLine> {
    let mut bad = Ok(());
    for (line, bytes) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        if line > 1 && !bytes.trim_ascii().is_empty() && read(bytes).is_none() && bad.is_ok() {
            bad = Err(BadLine { line });
        }
    }
    bad
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`
fn inet_row(line: &[u8], family: IpFamily) -> Option<Row> {
    let mut fields = fields(line).skip(1);
    let local = endpoint(fields.next()?, family)?;
    let peer = endpoint(fields.next()?, family)?;
    let state = u8::try_from(hex(fields.next()?)?).ok()?;
    let (sent, unread) = pair(fields.next()?)?;
    let (uid, inode) = (fields.nth(2)?, fields.nth(1)?);
    Some(Row {
        family,
        state,
        local,
        peer,
        device: 0,
        inode: decimal(inode)?,
        uid: u32::try_from(decimal(uid)?).ok()?,
        queue: Queue { now: hex(unread)?, max: hex(sent)? },
        cgroup: 0,
        v6only: None,
        raw_protocol: None,
    })
}

/// `sk RefCnt Type Proto Iface R Rmem User Inode`, protocol in hexadecimal.
fn packet_row(line: &[u8]) -> Option<packet_diag::Row> {
    let mut fields = fields(line).skip(2);
    Some(packet_diag::Row {
        kind: u8::try_from(decimal(fields.next()?)?).ok()?,
        protocol: u16::try_from(hex(fields.next()?)?).ok()?,
        device: u32::try_from(decimal(fields.next()?)?).ok()?,
        unread: u32::try_from(decimal(fields.nth(1)?)?).ok()?,
        uid: u32::try_from(decimal(fields.next()?)?).ok()?,
        inode: decimal(fields.next()?)?,
    })
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

fn pair(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = field.iter().position(|&byte| byte == b':')?;
    Some((field.get(..at)?, field.get(at + 1..)?))
}

/// `ADDRESS:PORT`: each 32-bit word of the address as a number in host byte order, although it lies
/// in memory in network byte order; the port as itself.
fn endpoint(field: &[u8], family: IpFamily) -> Option<Endpoint> {
    let (address, port) = pair(field)?;
    let mut words = [0_u8; 16];
    if address.len() != family.pick([8, 32]) {
        return None;
    }
    for (word, digits) in words.chunks_exact_mut(4).zip(address.chunks_exact(8)) {
        word.copy_from_slice(&hex(digits)?.to_ne_bytes());
    }
    let port = Port(u16::try_from(hex(port)?).ok()?);
    Some(Endpoint { address: family.address(words), port })
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Reads `/proc/net/sctp/eps` (`net/sctp/proc.c`, `sctp_eps_seq_show`), which lists the endpoints
/// of both families: `ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS`, the addresses separated by
/// blanks, the primary one marked with `*`. Only those of `family` are given, one socket for each
/// address.
pub(crate) fn parse_sctp(
    text: &[u8],
    family: IpFamily,
    netns: NetnsId,
    mut each: impl FnMut(Socket),
) -> Result<(), BadLine> {
    lines(text, |line| {
        let mut fields = fields(line).skip(2);
        let style = decimal(fields.next()?)?;
        let state = u8::try_from(decimal(fields.next()?)?).ok()?;
        let port = Port(u16::try_from(decimal(fields.nth(1)?)?).ok()?);
        let uid = u32::try_from(decimal(fields.next()?)?).ok()?;
        let inode = decimal(fields.next()?)?;
        for field in fields {
            let field = std::str::from_utf8(field).ok()?;
            let address: IpAddr = field.trim_start_matches('*').parse().ok()?;
            if address.is_ipv4() != (family == IpFamily::V4) {
                continue;
            }
            let row = Row {
                family,
                state,
                local: Endpoint { address, port },
                peer: Endpoint { address, port: Port(0) },
                device: 0,
                inode,
                uid,
                queue: Queue::default(),
                cgroup: 0,
                v6only: None,
                raw_protocol: None,
            };
            // SCTP_SOCKET_TCP (include/net/sctp/structs.h) is the one-to-one style.
            let kind = if style == 2 { Kind::Stream } else { Kind::Seqpacket };
            each(Transport { kind, ..SCTP }.socket(netns, &row));
        }
        Some(())
    })
}
