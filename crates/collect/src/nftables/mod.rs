//! The nftables ruleset of one network namespace, over nfnetlink, as the kernel tells it.
//!
//! Input: the network namespace of the calling thread. Output: the messages themselves, which
//! `netfilter` reads; here they are only lined up. The rules:
//!
//! * **One ruleset, not parts of two.** The generation is asked for before and after, and all is read
//!   again if it changed, a few times.
//! * **No element is read that nothing asks for**: only those of sets that a rule refers to.
//! * **An empty ruleset is one that the kernel said is empty**, or a kernel without nf_tables.
//!   Without the right to ask it is unreadable.

pub(crate) mod hooks;
mod presence;
mod references;

use facts::{Blob, Gap, NftablesDump, Part, Remedy};
use rustix::io::Errno;

use crate::netlink::{
    Attributes, Channel, Error, Family, Malformed, Message, Query, Reader, Sink, align,
};
use presence::Presence;

/// `NFNL_SUBSYS_NFTABLES` (linux/netfilter/nfnetlink.h), which is the upper half of a message's type.
const NFNL_SUBSYS_NFTABLES: u16 = 10;

/// A message type of nf_tables (linux/netfilter/nf_tables.h, `enum nf_tables_msg_types`).
const fn kind(message: u16) -> u16 {
    NFNL_SUBSYS_NFTABLES << 8 | message
}

const NFT_MSG_NEWTABLE: u16 = kind(0);
const NFT_MSG_GETTABLE: u16 = kind(1);
const NFT_MSG_NEWCHAIN: u16 = kind(3);
const NFT_MSG_GETCHAIN: u16 = kind(4);
const NFT_MSG_NEWRULE: u16 = kind(6);
const NFT_MSG_GETRULE: u16 = kind(7);
const NFT_MSG_NEWSET: u16 = kind(9);
const NFT_MSG_GETSET: u16 = kind(10);
const NFT_MSG_NEWSETELEM: u16 = kind(12);
const NFT_MSG_GETSETELEM: u16 = kind(13);
const NFT_MSG_NEWGEN: u16 = kind(15);
const NFT_MSG_GETGEN: u16 = kind(16);

const NFTA_GEN_ID: u16 = 1;
const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;

/// How often the ruleset is read when it keeps changing.
const TRIES: u32 = 5;

/// `struct nfgenmsg`: an address family, a version, and a number that requests leave 0.
const fn nfgenmsg(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

/// Reads the ruleset of the network namespace that the calling thread is in; `label` names it in
/// gaps.
pub fn read(label: &str) -> Part<NftablesDump> {
    read_over(Channel::open(Family::Netfilter), label, Presence::look())
}

/// The same over a channel that was opened, or could not be.
fn read_over(
    channel: Result<Channel, Error>,
    label: &str,
    presence: Presence,
) -> Part<NftablesDump> {
    if presence.is_absent() {
        return Part::known(NftablesDump::default());
    }
    let found = channel.and_then(|mut channel| dump(&mut channel));
    let gap = |why: String| Gap::new(format!("nftables rules of {label}"), why);
    match found {
        Ok(Some(dump)) => Part::known(dump),
        Ok(None) => {
            let why = format!("the ruleset changed during each of {TRIES} reads");
            Part::unreadable(gap(why).remedied_by(Remedy::Retry))
        }
        Err(error) if is_absent(&error) => Part::known(NftablesDump::default()),
        Err(error) => {
            let gap = gap(format!("nfnetlink: {error}"));
            Part::unreadable(match error {
                _ if error.is_denied() => gap.remedied_by(Remedy::Root),
                Error::Interrupted { .. } => gap.remedied_by(Remedy::Retry),
                _ => gap,
            })
        }
    }
}

/// Whether the kernel has no nf_tables: there is no nfnetlink at all, or it knows no such part
/// (nfnetlink.c, nfnetlink_rcv_msg). Nothing else answers `EINVAL` to a question for the generation,
/// which is the first one, and has no attributes.
fn is_absent(error: &Error) -> bool {
    matches!(error, Error::Open(Errno::PROTONOSUPPORT) | Error::Kernel(Errno::INVAL))
}

/// The whole ruleset; none if it changed each time.
fn dump(channel: &mut Channel) -> Result<Option<NftablesDump>, Error> {
    let mut before = generation(channel)?;
    for _ in 0..TRIES {
        let dump = attempt(channel, before);
        let after = generation(channel)?;
        if before == after {
            return dump.map(Some).map_err(not_absent);
        }
        before = after;
    }
    Ok(None)
}

/// The kernel has nf_tables: a later refusal is an error like any other.
fn not_absent(error: Error) -> Error {
    match error {
        Error::Kernel(Errno::INVAL) => {
            let value = u64::from(Errno::INVAL.raw_os_error().unsigned_abs());
            Malformed::Value { structure: "nfnetlink reply", field: "error", value }.into()
        }
        error => error,
    }
}

/// The number of the ruleset's current state.
fn generation(channel: &mut Channel) -> Result<u32, Error> {
    let mut found = Generation(None);
    channel.run(Query::get(NFT_MSG_GETGEN, &nfgenmsg(0)), &mut found)?;
    found.0.ok_or_else(|| {
        Malformed::Value { structure: "NFT_MSG_NEWGEN", field: "NFTA_GEN_ID", value: 0 }.into()
    })
}

/// Everything once.
fn attempt(channel: &mut Channel, generation: u32) -> Result<NftablesDump, Error> {
    let mut list = |ask: u16, kind: u16| {
        let mut lined_up = Vec::new();
        let query = Query::dump(ask, &nfgenmsg(0));
        channel.run(query, &mut LineUp { kind, start: 0, bytes: &mut lined_up })?;
        Ok::<_, Error>(lined_up)
    };
    let tables = list(NFT_MSG_GETTABLE, NFT_MSG_NEWTABLE)?;
    let chains = list(NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN)?;
    let rules = list(NFT_MSG_GETRULE, NFT_MSG_NEWRULE)?;
    let sets = list(NFT_MSG_GETSET, NFT_MSG_NEWSET)?;
    let mut elements = Vec::new();
    for set in references::wanted(&sets, &rules)? {
        let query = Query::dump(NFT_MSG_GETSETELEM, &nfgenmsg(set.family))
            .with(NFTA_SET_ELEM_LIST_TABLE, set.table)
            .with(NFTA_SET_ELEM_LIST_SET, set.name);
        let start = elements.len();
        let kind = NFT_MSG_NEWSETELEM;
        channel.run(query, &mut LineUp { kind, start, bytes: &mut elements })?;
    }
    Ok(NftablesDump {
        generation,
        tables: Blob(tables),
        chains: Blob(chains),
        rules: Blob(rules),
        sets: Blob(sets),
        elements: Blob(elements),
    })
}

/// Lines messages of one kind up, as they are.
struct LineUp<'a> {
    kind: u16,
    /// Where the reply begins.
    start: usize,
    bytes: &'a mut Vec<u8>,
}

impl Sink for LineUp<'_> {
    fn restart(&mut self) {
        self.bytes.truncate(self.start);
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == self.kind {
            self.bytes.extend_from_slice(message.whole);
            self.bytes.resize(align(self.bytes.len()), 0);
        }
        Ok(())
    }
}

struct Generation(Option<u32>);

impl Sink for Generation {
    fn restart(&mut self) {
        self.0 = None;
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == NFT_MSG_NEWGEN {
            for attribute in attributes(message.body)? {
                let attribute = attribute?;
                if attribute.kind == NFTA_GEN_ID {
                    let id: [u8; 4] = attribute.fields("NFTA_GEN_ID").take()?;
                    self.0 = Some(u32::from_be_bytes(id));
                }
            }
        }
        Ok(())
    }
}

/// The attributes of a message of nfnetlink, which follow its `struct nfgenmsg`.
fn attributes(body: &[u8]) -> Result<Attributes<'_>, Malformed> {
    let mut reader = Reader::new("nfgenmsg", body);
    let _: [u8; 4] = reader.take()?;
    Ok(Attributes::new(reader.rest()))
}

/// Finds the sets whose elements are wanted: the entry point of the fuzz target.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let (sets, rules) = bytes.split_at(bytes.len() / 2);
    let _ = references::wanted(sets, rules);
    let _ = references::wanted(bytes, bytes);
}

#[cfg(test)]
mod tests;
