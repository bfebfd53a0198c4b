//! The numbers by which one network namespace knows others.

use std::collections::BTreeSet;
use std::os::fd::AsRawFd;

use facts::NetnsId;

use super::rtnetlink::{NETNSA_FD, RTM_GETNSID, RTM_NEWNSID, parse_nsid};
use crate::netlink::{Channel, Error, Family, Malformed, Message, Query, Sink};
use crate::netns::Namespace;

/// Which namespaces are meant by these numbers, for the calling thread's namespace (`RTM_GETNSID`).
///
/// The kernel tells the number of a namespace and not the other way round, so each is asked about
/// until all are found, the host's first: a container's links lead there. Asking gives no number to
/// one that has none (kernel `net/core/net_namespace.c`, `rtnl_net_getid`).
pub(super) fn resolve(
    wanted: &BTreeSet<i32>,
    all: &[Namespace],
) -> Result<Vec<(i32, NetnsId)>, Error> {
    let mut found: Vec<(i32, NetnsId)> = Vec::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let mut channel = Channel::open(Family::Route)?;
    let (hosts, others): (Vec<_>, Vec<_>) = all.iter().partition(|namespace| namespace.host);
    for namespace in hosts.into_iter().chain(others) {
        // A namespace that cannot be opened has its gap already.
        let Ok(fd) = namespace.open() else { continue };
        let mut sink = NsidSink(None);
        // struct rtgenmsg, padded: AF_UNSPEC.
        let query = Query::get(RTM_GETNSID, &[0; 4]).with(NETNSA_FD, &fd.as_raw_fd().to_ne_bytes());
        channel.run(query, &mut sink)?;
        found.extend(sink.0.filter(|n| wanted.contains(n)).map(|number| (number, namespace.id)));
        if found.len() == wanted.len() {
            break;
        }
    }
    Ok(found)
}

struct NsidSink(Option<i32>);

impl Sink for NsidSink {
    fn restart(&mut self) {
        self.0 = None;
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == RTM_NEWNSID {
            self.0 = parse_nsid(message.body)?;
        }
        Ok(())
    }
}
