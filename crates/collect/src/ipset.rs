//! The sets of ipset(8), over nfnetlink.
//!
//! Input: the network namespace of the calling thread. Output: for each set the kernel's messages
//! as they came, which `netfilter` reads. The rules:
//!
//! * **Looking changes nothing.** A question would make the kernel load its module (nfnetlink.c,
//!   nfnetlink_rcv_msg); it is asked only where `/sys/module` has it, or cannot tell.
//! * **No element is read that nothing asks for**: of a set that neither a rule nor another set
//!   refers to, there is only the head.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use facts::{Blob, Gap, IpsetDump, Part, Remedy};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::netlink::{
    Attributes, Channel, Error, Family, Malformed, Message, Query, Reader, Sink, align,
};
use crate::sockopt;

/// `NFNL_SUBSYS_IPSET` (linux/netfilter/nfnetlink.h), the upper half of a message's type.
const NFNL_SUBSYS_IPSET: u16 = 6;

/// A message type of ipset (linux/netfilter/ipset/ip_set.h, `enum ipset_cmd`).
const fn kind(command: u16) -> u16 {
    NFNL_SUBSYS_IPSET << 8 | command
}

const IPSET_CMD_PROTOCOL: u16 = kind(1);
const IPSET_CMD_LIST: u16 = kind(7);

const IPSET_ATTR_PROTOCOL: u16 = 1;
const IPSET_ATTR_SETNAME: u16 = 2;
const IPSET_ATTR_FLAGS: u16 = 6;
const IPSET_ATTR_DATA: u16 = 7;
const IPSET_ATTR_PROTOCOL_MIN: u16 = 10;
const IPSET_ATTR_INDEX: u16 = 11;
/// Within `IPSET_ATTR_DATA` of a head.
const IPSET_ATTR_REFERENCES: u16 = 25;

/// `IPSET_FLAG_LIST_HEADER`: the heads alone.
const IPSET_FLAG_LIST_HEADER: u32 = 1 << 2;
/// `NLA_F_NET_BYTEORDER` (linux/netlink.h).
const NLA_F_NET_BYTEORDER: u16 = 1 << 14;

/// `IPSET_PROTOCOL` that is spoken here; the kernel's may be lower.
const PROTOCOL: u8 = 7;
/// `IPSET_PROTOCOL_MIN`: the first that lists sets in this way.
const PROTOCOL_MIN: u8 = 6;

/// `struct nfgenmsg` for no family in particular.
const NFGENMSG: [u8; 4] = [0; 4];

/// Reads the sets of the network namespace that the calling thread is in; `label` names it in gaps.
pub fn read(label: &str) -> Part<Vec<IpsetDump>> {
    if is_absent() {
        return Part::known(Vec::new());
    }
    let gap = |error: &Error| {
        let gap = Gap::new(format!("sets of ipset in {label}"), format!("nfnetlink: {error}"));
        match error {
            error if error.is_denied() => gap.remedied_by(Remedy::Root),
            Error::Kernel(Errno::NOENT) => gap.remedied_by(Remedy::Retry),
            _ => gap,
        }
    };
    let mut channel = match Channel::open(Family::Netfilter) {
        Ok(channel) => channel,
        // A kernel without nfnetlink has no sets.
        Err(Error::Open(Errno::PROTONOSUPPORT)) => return Part::known(Vec::new()),
        Err(error) => return Part::unreadable(gap(&error)),
    };
    let protocol = match protocol(&mut channel) {
        Ok(protocol) => protocol,
        // The module is not there after all (nfnetlink.c, nfnetlink_rcv_msg).
        Err(Error::Kernel(Errno::INVAL)) => return Part::known(Vec::new()),
        Err(error) => return Part::unreadable(gap(&error)),
    };
    let mut lister = Lister { channel, protocol };
    let heads = match lister.list(None) {
        Ok(heads) => heads,
        Err(error) => return Part::unreadable(gap(&error)),
    };
    let mut sets = Vec::new();
    let mut gaps = Vec::new();
    for head in heads {
        match lister.whole(&head) {
            Ok(set) => sets.push(set),
            Err(error) => gaps.push(gap(&error)),
        }
    }
    sets.sort_unstable();
    gaps.dedup();
    Part::with_gaps(sets, gaps)
}

/// Whether the kernel has no ipset: its core has a parameter, so that it is in this folder also
/// where it is built in.
fn is_absent() -> bool {
    let modules = Path::new("/sys/module");
    let listed = |name: &str| fs::exists(modules.join(name));
    // The kernel itself is always there, where there is a list at all.
    matches!((listed("kernel"), listed("ip_set")), (Ok(true), Ok(false)))
}

/// The protocol that both sides speak.
fn protocol(channel: &mut Channel) -> Result<u8, Error> {
    let query = Query::get(IPSET_CMD_PROTOCOL, &NFGENMSG).with(IPSET_ATTR_PROTOCOL, &[PROTOCOL]);
    let mut spoken = Spoken::default();
    channel.run(query, &mut spoken)?;
    let most = spoken.most.min(PROTOCOL);
    if most < spoken.least.max(PROTOCOL_MIN) {
        let (structure, field) = ("IPSET_CMD_PROTOCOL", "IPSET_ATTR_PROTOCOL");
        return Err(Malformed::Value { structure, field, value: spoken.most.into() }.into());
    }
    Ok(most)
}

/// What the kernel speaks.
#[derive(Default)]
struct Spoken {
    most: u8,
    least: u8,
}

impl Sink for Spoken {
    fn restart(&mut self) {}

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        for attribute in attributes(message.body)? {
            let attribute = attribute?;
            match attribute.kind {
                IPSET_ATTR_PROTOCOL => self.most = attribute.fields("IPSET_ATTR_PROTOCOL").u8()?,
                IPSET_ATTR_PROTOCOL_MIN => {
                    self.least = attribute.fields("IPSET_ATTR_PROTOCOL_MIN").u8()?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Asks for lists.
struct Lister {
    channel: Channel,
    protocol: u8,
}

impl Lister {
    /// One set with its elements, or the heads of all.
    fn list(&mut self, name: Option<&str>) -> Result<Vec<Listed>, Error> {
        let mut query =
            Query::dump(IPSET_CMD_LIST, &NFGENMSG).with(IPSET_ATTR_PROTOCOL, &[self.protocol]);
        query = match name {
            Some(name) => query.with(IPSET_ATTR_SETNAME, &[name.as_bytes(), &[0]].concat()),
            None => query.with(
                IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER,
                &IPSET_FLAG_LIST_HEADER.to_be_bytes(),
            ),
        };
        let mut found = Lists::default();
        self.channel.run(query, &mut found)?;
        Ok(found.0)
    }

    /// The set of this head, with its elements if anything refers to it.
    fn whole(&mut self, head: &Listed) -> Result<IpsetDump, Error> {
        let read =
            if head.references == Some(0) { None } else { Some(self.list(Some(&head.name))?) };
        let set = read.as_ref().and_then(|sets| sets.first()).unwrap_or(head);
        let index = match set.index {
            Some(index) => index,
            None => index_of(&head.name, self.protocol).map_err(Error::Kernel)?,
        };
        Ok(IpsetDump { name: set.name.clone(), index, messages: Blob(set.messages.clone()) })
    }
}

/// A set while it is listed.
#[derive(Clone, Debug, Default)]
struct Listed {
    name: String,
    /// Protocol 7 tells it.
    index: Option<u16>,
    references: Option<u32>,
    messages: Vec<u8>,
}

/// The sets of a list, in the kernel's order: the messages of one follow each other.
#[derive(Default)]
struct Lists(Vec<Listed>);

impl Sink for Lists {
    fn restart(&mut self) {
        self.0.clear();
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind != IPSET_CMD_LIST {
            return Ok(());
        }
        let head = head(message.body)?;
        match self.0.last_mut().filter(|last| last.name == head.name) {
            Some(last) => {
                last.index = last.index.or(head.index);
                last.references = last.references.or(head.references);
            }
            None => self.0.push(head),
        }
        if let Some(last) = self.0.last_mut() {
            last.messages.extend_from_slice(message.whole);
            last.messages.resize(align(last.messages.len()), 0);
        }
        Ok(())
    }
}

/// What one message says of its set.
fn head(body: &[u8]) -> Result<Listed, Malformed> {
    let mut found = Listed::default();
    for attribute in attributes(body)? {
        let attribute = attribute?;
        match attribute.kind {
            IPSET_ATTR_SETNAME => found.name = attribute.text(),
            IPSET_ATTR_INDEX => found.index = Some(attribute.fields("IPSET_ATTR_INDEX").be16()?),
            IPSET_ATTR_DATA => {
                for inner in attribute.nested() {
                    let inner = inner?;
                    if inner.kind == IPSET_ATTR_REFERENCES {
                        let count = inner.fields("IPSET_ATTR_REFERENCES").take()?;
                        found.references = Some(u32::from_be_bytes(count));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The attributes after `struct nfgenmsg`.
fn attributes(body: &[u8]) -> Result<Attributes<'_>, Malformed> {
    let mut reader = Reader::new("nfgenmsg", body);
    let _: [u8; 4] = reader.take()?;
    Ok(Attributes::new(reader.rest()))
}

/// `SO_IP_SET` and `IP_SET_OP_GET_BYNAME` (linux/netfilter/ipset/ip_set.h).
const SO_IP_SET: i32 = 83;
const IP_SET_OP_GET_BYNAME: u32 = 6;
/// `IPSET_MAXNAMELEN`.
const NAME: usize = 32;

/// The number of a set by its name, as iptables asks for it: protocol 6 does not tell it in lists.
fn index_of(name: &str, protocol: u8) -> Result<u16, Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // struct ip_set_req_get_set: operation, version, and the name in whose place the number comes.
    let mut request = IP_SET_OP_GET_BYNAME.to_ne_bytes().to_vec();
    request.extend(u32::from(protocol).to_ne_bytes());
    request.extend(name.bytes().take(NAME - 1));
    request.resize(8 + NAME, 0);
    sockopt::get(socket.as_fd(), libc::SOL_IP, SO_IP_SET, &mut request)?;
    let number =
        request.get(8..).and_then(|rest| rest.first_chunk()).map(|n| u16::from_ne_bytes(*n));
    // IPSET_INVALID_ID: there is no such set.
    number.filter(|number| *number != u16::MAX).ok_or(Errno::NOENT)
}

/// Reads the messages of a list: the entry point of the fuzz target.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let _ = head(bytes);
    let _ = crate::netlink::parse_datagram(bytes, &mut Lists::default());
    let _ = crate::netlink::parse_datagram(bytes, &mut Spoken::default());
}

#[cfg(test)]
mod tests;
