//! The record of the packets that every chain let through: NFLOG, read over netlink.
//!
//! A table of our own has the last base chain of the path, just before connection tracking confirms:
//! that is at INT_MAX (NF_IP_PRI_CONNTRACK_CONFIRM, linux/netfilter_ipv4.h), but for IPv6 input at
//! INT_MAX - 1 (ipv6_conntrack_ops, net/netfilter/nf_conntrack_proto.c). It logs each packet to a
//! group and drops it: no answer is sent, and no connection becomes known.

use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::Error;
use crate::frame::{Seen, read};

/// The table that records; it is no part of any ruleset that is tested.
pub(crate) const TABLE: &str = "whyopen_oracle";

/// The group of the records.
const GROUP: u16 = 7;

/// The table as nft reads it, in place of every other. `queue-threshold 1` sends each record at once.
pub(crate) const RULESET: &str = "flush ruleset
table inet whyopen_oracle {
\tchain input {
\t\ttype filter hook input priority 2147483645; policy accept;
\t\tlog group 7 queue-threshold 1 drop
\t}
\tchain postrouting {
\t\ttype filter hook postrouting priority 2147483645; policy accept;
\t\tlog group 7 queue-threshold 1 drop
\t}
}
";

/// A packet at the end of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Whether it was delivered to this host, rather than sent on.
    pub(crate) local: bool,
    /// Its mark.
    pub(crate) mark: u32,
    /// What its headers say.
    pub(crate) seen: Seen,
}

/// A netlink socket that is bound to the group.
#[derive(Debug)]
pub(crate) struct Recorder {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

// Message types: NFNL_SUBSYS_ULOG (linux/netfilter/nfnetlink.h) in the high byte, then
// NFULNL_MSG_* (linux/netfilter/nfnetlink_log.h).
const NFULNL_MSG_PACKET: u16 = 4 << 8;
const NFULNL_MSG_CONFIG: u16 = 4 << 8 | 1;
const NLMSG_ERROR: u16 = 2;
// Attributes of the configuration: enum nfulnl_attr_config.
const NFULA_CFG_CMD: u16 = 1;
const NFULA_CFG_MODE: u16 = 2;
const NFULA_CFG_QTHRESH: u16 = 5;
const NFULNL_CFG_CMD_BIND: u8 = 1;
const NFULNL_COPY_PACKET: u8 = 2;
// Attributes of a packet: enum nfulnl_attr_type.
const NFULA_PACKET_HDR: u16 = 1;
const NFULA_MARK: u16 = 2;
const NFULA_PAYLOAD: u16 = 9;
/// NF_INET_LOCAL_IN (linux/netfilter.h).
const NF_INET_LOCAL_IN: u8 = 1;

impl Recorder {
    /// Binds to the group, in the namespace of this thread.
    pub(crate) fn bind() -> Result<Self, Error> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(rustix::net::netlink::NETFILTER),
        )
        .map_err(Error::io("open a netfilter netlink socket"))?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))
            .map_err(Error::io("bind a netfilter netlink socket"))?;
        let mut own = Self { socket, buffer: vec![0; 64 * 1024] };
        own.configure(&attribute(NFULA_CFG_CMD, &[NFULNL_CFG_CMD_BIND]))?;
        // The first 128 bytes of each packet.
        let mut settings = attribute(NFULA_CFG_MODE, &[0, 0, 0, 128, NFULNL_COPY_PACKET, 0]);
        settings.extend(attribute(NFULA_CFG_QTHRESH, &1_u32.to_be_bytes()));
        own.configure(&settings)?;
        Ok(own)
    }

    fn configure(&mut self, attributes: &[u8]) -> Result<(), Error> {
        let mut message = Vec::with_capacity(64);
        let length = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
        message.extend(length.to_ne_bytes());
        message.extend(NFULNL_MSG_CONFIG.to_ne_bytes());
        // NLM_F_REQUEST | NLM_F_ACK (linux/netlink.h), a sequence number, no port.
        message.extend(5_u16.to_ne_bytes());
        message.extend([0; 8]);
        // struct nfgenmsg: any family, version 0, the group.
        message.extend([0, 0]);
        message.extend(GROUP.to_be_bytes());
        message.extend(attributes);
        rustix::net::send(&self.socket, &message, SendFlags::empty())
            .map_err(Error::io("configure the log group"))?;
        let bytes = self.receive(RecvFlags::empty())?.unwrap_or(0);
        let code = self.buffer.get(16..20).and_then(|code| code.try_into().ok());
        match (bytes, u16_at(&self.buffer, 4), code.map(i32::from_ne_bytes)) {
            (20.., Some(NLMSG_ERROR), Some(0)) => Ok(()),
            answer => Err(Error::Confused(format!("configure the log group: {answer:?}"))),
        }
    }

    fn receive(&mut self, flags: RecvFlags) -> Result<Option<usize>, Error> {
        match rustix::net::recv(&self.socket, self.buffer.as_mut_slice(), flags) {
            Ok((bytes, _)) => Ok(Some(bytes)),
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(error) => Err(Error::io("read records of packets")(error)),
        }
    }

    /// The next record of an IP packet that is there; does not wait.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Error> {
        while let Some(bytes) = self.receive(RecvFlags::DONTWAIT)? {
            let datagram = self.buffer.get(..bytes).unwrap_or_default();
            if let Some(record) = record(datagram) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// `struct nlattr` (linux/netlink.h), padded to 4 bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + value.len());
    bytes.extend(u16::try_from(4 + value.len()).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|pair| pair.try_into().ok()).map(u16::from_ne_bytes)
}

/// Reads one message with one packet.
fn record(datagram: &[u8]) -> Option<Record> {
    if u16_at(datagram, 4)? != NFULNL_MSG_PACKET {
        return None;
    }
    let (mut local, mut mark, mut seen) = (false, 0, None);
    let mut rest = datagram.get(20..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let value = rest.get(4..length)?;
        // The two highest bits are flags (NLA_TYPE_MASK).
        match kind & 0x3fff {
            NFULA_PACKET_HDR => local = *value.get(2)? == NF_INET_LOCAL_IN,
            NFULA_MARK => mark = u32::from_be_bytes(value.try_into().ok()?),
            NFULA_PAYLOAD => seen = read(value),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(Record { local, mark, seen: seen? })
}
