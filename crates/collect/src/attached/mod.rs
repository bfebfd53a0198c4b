//! Programs and filters beside netfilter that can drop, change or divert packets.
//!
//! Input: the namespace that the calling thread is in, with its links; the cgroups of sockets.
//! Output: what is attached where, by name. What one does is known of the address filter of systemd
//! alone (`systemd`); any other is for the judge to call unknown.
//!
//! * XDP programs come with the links, filters of the traffic control over rtnetlink, and what the
//!   kernel calls tcx, netkit, `sk_lookup` and cgroup programs over bpf(2), which needs
//!   `CAP_NET_ADMIN` and `CAP_BPF`, for names `CAP_SYS_ADMIN`.
//! * BPF programs within netfilter are among its hooks, and not told here.
//! * Queues that only delay or share out the rate are no filters.

mod cgroups;
mod systemd;
mod tc;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;

use facts::{AttachPoint, Attached, Gap, IfIndex, Link, Part, Remedy};
use rustix::io::Errno;

pub(crate) use cgroups::read as of_cgroups;

use crate::bpf::inspect::{self, AttachType, Program, Target};
use crate::sockets::Xdp;

/// The calling thread's network namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// Reads what is attached to these links and to the namespace of this label, on a thread inside it.
pub(crate) fn read(label: &str, links: &[Link], xdp: &[(IfIndex, Xdp)]) -> Part<Vec<Attached>> {
    let mut found = Vec::new();
    let mut gaps = Vec::new();
    let mut names = Names::default();
    for (link, xdp) in xdp {
        let attached = |program: Option<u32>, name| Attached {
            point: AttachPoint::Xdp,
            link: Some(*link),
            name,
            program,
        };
        found.extend(xdp.programs.iter().map(|id| attached(Some(*id), names.of(*id))));
        if xdp.programs.is_empty() {
            found.push(attached(None, String::new()));
        }
    }
    tc::read(label, &mut found, &mut gaps);
    let queried = query_links(links, &mut names, &mut found)
        .and_then(|()| query_namespace(&mut names, &mut found));
    if let Err(error) = queried {
        let why = format!("bpf(BPF_PROG_QUERY): {error}");
        gaps.push(denied(Gap::new(format!("BPF programs attached in {label}"), why), error));
    }
    found.sort_unstable();
    found.dedup();
    Part::with_gaps(found, gaps)
}

/// What tcx and netkit run for each link.
fn query_links(links: &[Link], names: &mut Names, found: &mut Vec<Attached>) -> Result<(), Errno> {
    const TCX: [(AttachType, AttachPoint); 2] = [
        (AttachType::TcxIngress, AttachPoint::TcxIngress),
        (AttachType::TcxEgress, AttachPoint::TcxEgress),
    ];
    const NETKIT: [(AttachType, AttachPoint); 2] = [
        (AttachType::NetkitPrimary, AttachPoint::Netkit),
        (AttachType::NetkitPeer, AttachPoint::Netkit),
    ];
    for link in links.iter().filter(|link| !link.loopback) {
        let netkit = NETKIT.iter().filter(|_| link.kind == "netkit");
        for (kind, point) in TCX.iter().chain(netkit) {
            let programs = match inspect::attached(Target::Link(link.index.0), *kind) {
                // Removed since it was listed, or without such a place.
                Err(Errno::NODEV | Errno::NOENT | Errno::XDEV | Errno::OPNOTSUPP) => continue,
                programs => programs?,
            };
            found.extend(programs.into_iter().map(|id| Attached {
                point: *point,
                link: Some(link.index),
                name: names.of(id),
                program: Some(id),
            }));
        }
    }
    Ok(())
}

/// What chooses sockets in the namespace.
fn query_namespace(names: &mut Names, found: &mut Vec<Attached>) -> Result<(), Errno> {
    let namespace = File::open(OWN)
        .map_err(|error| error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))?;
    let programs = inspect::attached(Target::Netns(namespace.as_fd()), AttachType::SocketLookup)?;
    found.extend(programs.into_iter().map(|id| Attached {
        point: AttachPoint::SocketLookup,
        link: None,
        name: names.of(id),
        program: Some(id),
    }));
    Ok(())
}

/// The names of programs, each asked once; empty where the kernel does not tell one.
#[derive(Debug, Default)]
struct Names(HashMap<u32, String>);

impl Names {
    fn of(&mut self, id: u32) -> String {
        let ask = || Program::open(id).map(|program| program.name).unwrap_or_default();
        self.0.entry(id).or_insert_with(ask).clone()
    }
}

/// The same gap, with root as its remedy if that is what is missing.
fn denied(gap: Gap, error: Errno) -> Gap {
    if matches!(error, Errno::PERM | Errno::ACCESS) { gap.remedied_by(Remedy::Root) } else { gap }
}

/// Entry point for fuzzing: messages about queues and filters, and programs of any bytes.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let _ = std::hint::black_box(tc::parse_queue(bytes));
    let _ = std::hint::black_box(tc::parse_filter(bytes));
    let _ = std::hint::black_box(systemd::lookups(bytes));
    let half = bytes.len() / 2;
    let (key, value) = bytes.split_at_checked(half).unwrap_or_default();
    let _ = std::hint::black_box(systemd::entry(key, value));
}
