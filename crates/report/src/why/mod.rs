//! Why a row is open, in words: the same for the screen and for JSON.
//!
//! Statements are typed in `judge::why`; here each becomes a sentence. They are written into a
//! [`Words`], which is either a [`Text`], where strings of the host are escaped, or a plain string
//! for JSON, where they are kept.

mod evidence;
mod needs;
mod reasons;
mod ways;

use std::fmt::Write as _;

use judge::why::Meaning;

use crate::escape::{Plain, Text};

pub(crate) use evidence::{Seen, of_because, of_reason};
pub(crate) use needs::{because, in_use};
pub(crate) use reasons::{reason, recognised};
pub(crate) use ways::{after_boot, breaks, futile, how};

/// What sentences are written into.
pub(crate) trait Words: Default {
    /// Words of ours.
    fn ours(&mut self, words: &'static str) -> &mut Self;
    /// A string that the host chose.
    fn host(&mut self, string: &str) -> &mut Self;
    /// A number or an address.
    fn plain(&mut self, value: impl Plain) -> &mut Self;
}

impl Words for Text {
    fn ours(&mut self, words: &'static str) -> &mut Self {
        self.push(words)
    }

    fn host(&mut self, string: &str) -> &mut Self {
        self.push_host(string)
    }

    fn plain(&mut self, value: impl Plain) -> &mut Self {
        self.push_plain(value)
    }
}

impl Words for String {
    fn ours(&mut self, words: &'static str) -> &mut Self {
        self.push_str(words);
        self
    }

    fn host(&mut self, string: &str) -> &mut Self {
        self.push_str(string);
        self
    }

    fn plain(&mut self, value: impl Plain) -> &mut Self {
        // Writing to a string does not fail.
        let _ = write!(self, "{value}");
        self
    }
}

/// Writes a list with commas.
fn list<W: Words>(items: &[&str], words: &mut W) {
    for (at, item) in items.iter().enumerate() {
        words.ours(if at == 0 { "" } else { ", " }).host(item);
    }
}

/// What can be sent to a socket without a port.
pub(crate) fn meaning<W: Words>(meaning: Meaning, words: &mut W) {
    match meaning {
        Meaning::Raw { protocol, ipv6 } => {
            words.ours("anyone whose packets of IP protocol ").plain(protocol.0);
            words
                .ours(" reach this host is heard, in copy: the kernel handles them all the same. ");
            words.ours("A program narrows that by a filter of its own, which the kernel does not ");
            words.ours("tell. ");
            if ipv6 && protocol == facts::Protocol::ICMPV6 {
                words.ours(
                    "Router and neighbour discovery (RFC 4861) are such packets, and answers ",
                );
                words.ours("to pings");
            } else {
                words.ours("It has no port, so no port can be closed");
            }
        }
        Meaning::Sender => {
            words.ours("nothing is sent to it in practice: protocol 255 is reserved (IANA)");
        }
        Meaning::Ping => {
            words.ours("only replies to its own echo requests, by their identifier");
        }
        Meaning::Packet { .. } => {
            words.ours("copies of whatever frames its interface receives, also those that the ");
            words.ours("firewall drops later. The program's own filter is not told by the kernel");
        }
    }
}
