//! Every socket of every network namespace that can be entered.
//!
//! Input: a [`Request`], and one process per network namespace, found by whoever walks over
//! processes. Output: [`Found`]. The kernel's tables are read over sock_diag(7), inside each
//! namespace, on a thread that enters it; where the kernel has no handler for a protocol, from
//! `/proc/net`. Links, addresses and the kernel's own sockets come along. The rules:
//!
//! * **Nothing fails as a whole.** What could not be read is a [`Gap`] that names the namespace, the
//!   protocol, the operation and its error; the rest is there.
//! * **A missing handler is not an empty table.** It is read elsewhere, or the kernel lacks the
//!   protocol.
//! * **Looking changes nothing.** The kernel may load its own `*_diag` modules, as it does for
//!   `ss`; it is not asked in ways that would load a protocol (`sctp`, `l2tp`).
//! * **No allocation per socket.** A busy host has 200,000 of them.
//!
//! A namespace without any process and name (kept alive by a descriptor alone) is not found.

mod census;
mod inet_diag;
mod kernel_owners;
mod links;
mod listing;
mod nsid;
mod packet_diag;
mod proc_net;
mod rtnetlink;
mod transport;

#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::{io, mem};

use facts::{Attached, Gap, KernelOwner, NetNamespace, NetnsId, Part, Remedy, RulesetDump, Socket};

pub(crate) use rtnetlink::Xdp;

use crate::bpf::Connections;
use crate::netns::{self, Leads, Namespace};
use crate::{attached, routes, ruleset, settings};
use census::Search;
use inet_diag::Ask;
use kernel_owners::{Families, Owners};
use listing::{Handlers, Listed};

/// What is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Sockets that have a peer too, and those that are not bound; otherwise only what listens,
    /// receives from anyone, or is bound.
    pub connected: bool,
    /// TCP sockets that are bound but do not listen, whatever it costs to look for them; otherwise
    /// only where it is cheap. Part of `connected`. Where it is known that no process has one, it is
    /// not worth more than a little.
    pub inactive: bool,
    /// What bears on who can reach them as well, such as the kernel's settings.
    pub reach: bool,
    /// Only the network namespace of the calling thread.
    pub this_netns_only: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The namespaces, sorted by id. Each says whether all its sockets are in `sockets`.
    pub namespaces: Part<Vec<NetNamespace>>,
    /// Their sockets, in the kernel's order within each table. Known if every namespace is; else
    /// `Partial`, with the gaps in the namespaces rather than here.
    pub sockets: Part<Vec<Socket>>,
    /// The parts of the kernel that hold sockets of their own, sorted.
    pub kernel_owners: Part<Vec<KernelOwner>>,
    /// What was not looked for because it costs too much, and cannot be reached by anyone.
    pub left_out: Vec<Gap>,
}

/// The network namespace of the calling thread.
pub fn own_netns() -> io::Result<NetnsId> {
    netns::own()
}

/// Lists the sockets. `leads` tells what leads to each namespace; the
/// caller's own and pid 1's are found without it.
pub fn collect(request: &Request, leads: &Leads) -> Found {
    collect_with(request, leads, None)
}

/// The same, with what lists TCP connections quicker than sock_diag, if there is such a thing.
pub fn collect_with(request: &Request, leads: &Leads, connections: Option<&Connections>) -> Found {
    let (namespaces, gaps) = netns::find(leads, request.this_netns_only);
    let kernel = Kernel {
        connected: request.connected,
        reach: request.reach,
        connections,
        search: Search::new(request.connected || request.inactive, leads.idle.as_ref()),
        handlers: Handlers::default(),
        families: Families::default(),
    };
    let mut found = Collection::default();
    for namespace in &namespaces {
        let looked = namespace.enter(|| Looked::at(namespace, &kernel, &namespaces));
        found.add(namespace, looked, kernel.reach);
    }
    Found { left_out: kernel.search.gap().into_iter().collect(), ..found.finish(&namespaces, gaps) }
}

/// What is the same in every namespace, and so asked once.
#[derive(Debug)]
struct Kernel<'a> {
    connected: bool,
    reach: bool,
    connections: Option<&'a Connections>,
    search: Search<'a>,
    handlers: Handlers,
    families: Families,
}

/// What was seen inside one namespace.
struct Looked {
    listed: Listed,
    links: links::Read,
    owners: Owners,
    settings: Part<BTreeMap<String, String>>,
    routing: routes::Read,
    attached: Part<Vec<Attached>>,
    ruleset: Part<RulesetDump>,
}

impl Looked {
    /// Reads everything, on a thread that is inside `namespace`.
    fn at(namespace: &Namespace, kernel: &Kernel<'_>, all: &[Namespace]) -> Self {
        let inactive = kernel.search.is_worth_it(namespace.id);
        let ask = Ask { connected: kernel.connected, inactive, subflows: false };
        let listed = listing::list(namespace, ask, kernel.connections, &kernel.handlers);
        let links = links::read(namespace, all, kernel.reach);
        let owners = kernel_owners::read(namespace, &links.owning, all, &kernel.families);
        let mut looked = Self {
            listed,
            links,
            owners,
            settings: Part::NotAsked,
            routing: routes::Read::default(),
            attached: Part::NotAsked,
            ruleset: Part::NotAsked,
        };
        if kernel.reach {
            looked.look_around(namespace);
        }
        looked
    }

    /// Reads what bears on who can reach the sockets.
    fn look_around(&mut self, namespace: &Namespace) {
        let label = namespace.label();
        self.settings = settings::read(namespace, mem::take(&mut self.links.settings));
        self.routing = routes::read(&label);
        self.attached = attached::read(&label, self.links.links.items(), &self.links.xdp);
        self.ruleset = Part::known(ruleset::read(&label));
    }
}

/// What was seen so far.
#[derive(Default)]
struct Collection {
    namespaces: Vec<NetNamespace>,
    sockets: Vec<Socket>,
    owners: Vec<KernelOwner>,
    owner_gaps: Vec<Gap>,
}

impl Collection {
    fn add(
        &mut self,
        namespace: &Namespace,
        looked: Result<Looked, netns::EnterError>,
        reach: bool,
    ) {
        let mut described = NetNamespace {
            id: namespace.id,
            names: namespace.names.clone(),
            host: namespace.host,
            own: namespace.own,
            leader: namespace.leader,
            ..NetNamespace::default()
        };
        match looked {
            Ok(looked) => {
                described.links = looked.links.links;
                described.addresses = looked.links.addresses;
                described.settings = looked.settings;
                described.routes = looked.routing.routes;
                described.neighbours = looked.routing.neighbours;
                described.rules = looked.routing.rules;
                described.attached = looked.attached;
                described.ruleset = looked.ruleset;
                described.sockets = Part::with_gaps((), looked.listed.gaps);
                // The first namespace's list is taken as it is: it is the big one.
                if self.sockets.is_empty() {
                    self.sockets = looked.listed.sockets;
                } else {
                    self.sockets.extend(looked.listed.sockets);
                }
                self.owners.extend(looked.owners.owners);
                self.owner_gaps.extend(looked.owners.gaps);
            }
            Err(error) => {
                let gap = |what: &str| {
                    let what = format!("{what} of {}", namespace.label());
                    Gap { remedy: error.remedy(), ..Gap::new(what, error.to_string()) }
                };
                described.links = Part::unreadable(gap("interfaces"));
                described.addresses = Part::unreadable(gap("addresses"));
                if reach {
                    described.settings = Part::unreadable(gap("kernel settings"));
                    described.routes = Part::unreadable(gap("routes"));
                    described.rules = Part::unreadable(gap("routing rules"));
                    described.attached = Part::unreadable(gap("attached programs"));
                    described.ruleset = Part::unreadable(gap("packet filter"));
                }
                described.sockets = Part::unreadable(gap("sockets"));
            }
        }
        self.namespaces.push(described);
    }

    fn finish(mut self, namespaces: &[Namespace], gaps: Vec<Gap>) -> Found {
        let files = kernel_owners::from_files(namespaces);
        self.owners.extend(files.owners);
        self.owner_gaps.extend(files.gaps);
        self.owners.sort_unstable();
        self.owners.dedup();
        self.owner_gaps.sort_unstable();
        self.owner_gaps.dedup();
        let whole = gaps.is_empty() && self.namespaces.iter().all(|n| n.sockets.is_complete());
        let sockets = match gaps.first() {
            Some(gap) if self.namespaces.is_empty() => Part::unreadable(gap.clone()),
            _ if whole => Part::known(self.sockets),
            _ => Part::Partial { value: self.sockets, gaps: vec![] },
        };
        Found {
            namespaces: Part::with_gaps(self.namespaces, gaps),
            sockets,
            kernel_owners: Part::with_gaps(self.owners, self.owner_gaps),
            left_out: vec![],
        }
    }
}

/// A gap, with root as its remedy if that is what is missing.
fn gap(what: String, why: String, denied: bool) -> Gap {
    let gap = Gap::new(what, why);
    if denied { gap.remedied_by(Remedy::Root) } else { gap }
}
