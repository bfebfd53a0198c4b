//! A small netlink codec (netlink(7), kernel `include/uapi/linux/netlink.h`).
//!
//! Input: a [`Query`] for one of the kernel's netlink families. Output: the [`Message`]s of its
//! reply, handed one by one to a [`Sink`] while they still lie in the receive buffer, so that a dump
//! of 200,000 sockets allocates nothing here. The rules:
//!
//! * **Every byte is suspect.** The iterators over messages and [`Attributes`] never panic and always
//!   end; what they cannot read is a [`Malformed`] with its offset.
//! * **An error is never an empty list.** A dump that fails answers `NLMSG_DONE` with an errno in its
//!   payload, other requests `NLMSG_ERROR`; both become [`Error::Kernel`].
//! * **A torn dump is not a dump.** `NLM_F_DUMP_INTR` starts it over, a few times.
//!
//! Headers and most attributes are in host byte order; those that are not are read with the `be`
//! readers. A channel belongs to the network namespace its thread was in when it was opened.

mod channel;
mod error;
mod message;
mod query;
mod reader;

pub(crate) use channel::parse_datagram;
pub use channel::{Channel, Family, Sink};
pub use error::{Error, Malformed};
pub use message::{Attribute, Attributes, Message, Messages};
pub use query::Query;
pub use reader::Reader;

/// Everything is padded to 4 bytes (`NLMSG_ALIGNTO`, `NLA_ALIGNTO`).
pub(crate) const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// `NLMSG_NOOP`: nothing to see.
const NLMSG_NOOP: u16 = 1;
/// `NLMSG_ERROR`: an errno, or 0 for an acknowledgement.
const NLMSG_ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump, with an errno of 0 or less.
const NLMSG_DONE: u16 = 3;
/// `NLMSG_OVERRUN`: data was lost.
const NLMSG_OVERRUN: u16 = 4;

/// `NLM_F_REQUEST`: every query.
const NLM_F_REQUEST: u16 = 0x01;
/// `NLM_F_ACK`: answer with `NLMSG_ERROR` of 0 at the end.
const NLM_F_ACK: u16 = 0x04;
/// `NLM_F_DUMP_INTR`: the table changed while it was dumped.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// `NLM_F_ROOT | NLM_F_MATCH`: the whole table.
const NLM_F_DUMP: u16 = 0x300;
