//! What can go wrong with a query.

use rustix::io::Errno;

/// Bytes that are not what the kernel's headers say they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer bytes than a message header.
    #[error("netlink reply, byte {offset}: {left} bytes where a message header has 16")]
    ShortHeader {
        /// Where the header begins, in bytes from the start of the reply.
        offset: usize,
        /// What is there.
        left: usize,
    },
    /// `nlmsg_len` below the header's own size, or past the end.
    #[error("netlink reply, byte {offset}: message length {length}, of {left} bytes left")]
    MessageLength {
        /// Where the message begins, in bytes from the start of the reply.
        offset: usize,
        /// What its header says.
        length: usize,
        /// What is there.
        left: usize,
    },
    /// `nla_len` below the header's own size, or past the end; or fewer bytes than a header.
    #[error("netlink attribute, byte {offset}: length {length}, of {left} bytes left")]
    AttributeLength {
        /// Where the attribute begins, in bytes from the start of the attributes.
        offset: usize,
        /// What its header says; 0 if there is no whole header.
        length: usize,
        /// What is there.
        left: usize,
    },
    /// A fixed structure or attribute that ends too early.
    #[error("{structure}: {length} bytes, it ends within the field at byte {offset}")]
    Short {
        /// The kernel's name of the structure.
        structure: &'static str,
        /// Where the missing field begins, in bytes from the start of the structure.
        offset: usize,
        /// How long the structure is.
        length: usize,
    },
    /// A value that this structure cannot have.
    #[error("{structure}: {field} is {value}")]
    Value {
        /// The kernel's name of the structure.
        structure: &'static str,
        /// The kernel's name of the field.
        field: &'static str,
        /// What it holds.
        value: u64,
    },
}

/// Why a query has no (whole) answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No socket of this family.
    #[error("open a netlink socket: {0}")]
    Open(Errno),
    /// The query could not be sent.
    #[error("send a netlink request: {0}")]
    Send(Errno),
    /// The answer could not be received.
    #[error("receive a netlink reply: {0}")]
    Receive(Errno),
    /// No answer within the time limit.
    #[error("no netlink reply within {limit_s} s")]
    TimedOut {
        /// The limit in seconds.
        limit_s: u64,
    },
    /// The kernel refused: with `NLMSG_ERROR`, or with an errno in `NLMSG_DONE`.
    #[error("netlink request refused: {0}")]
    Kernel(Errno),
    /// A reply longer than the receive buffer.
    #[error("netlink reply of {length} bytes, longer than the buffer of {room}")]
    Truncated {
        /// Its length in bytes.
        length: usize,
        /// The buffer's in bytes.
        room: usize,
    },
    /// The kernel lost part of the answer (`NLMSG_OVERRUN`).
    #[error("netlink reply overrun: the kernel lost part of it")]
    Overrun,
    /// The table changed during each of several dumps (`NLM_F_DUMP_INTR`).
    #[error("the table changed during each of {tries} netlink dumps")]
    Interrupted {
        /// How often it was tried.
        tries: u32,
    },
    /// The reply cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Error {
    /// The errno behind it, if there is one.
    pub fn errno(&self) -> Option<Errno> {
        match *self {
            Self::Open(errno) | Self::Send(errno) | Self::Receive(errno) | Self::Kernel(errno) => {
                Some(errno)
            }
            _ => None,
        }
    }

    /// Whether the kernel knows no such handler, table or object (`ENOENT`): compiled out, or its
    /// module is not loaded. Not the same as a table without entries.
    pub fn is_absent(&self) -> bool {
        matches!(*self, Self::Kernel(Errno::NOENT))
    }

    /// Whether more privilege would help.
    pub fn is_denied(&self) -> bool {
        matches!(self.errno(), Some(Errno::PERM | Errno::ACCESS))
    }
}
