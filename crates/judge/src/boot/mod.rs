//! Whether each socket is there again after a boot, from what is on disk.
//!
//! Input: [`facts::Boot`] and who holds the socket. Output: an [`AfterBoot`] with its reasons. "Does
//! not return" is said only where everything that might start it was read and names it nowhere.
//!
//! * `graph`: which units the next boot starts; `circle`: which of them wait for each other.
//! * `opener`: what opened a socket, of each of its holders.
//! * `outcome`: what each kind of opener means for the next boot.
//! * `firewall`: the packet filter then, and what of it others can reach; `firewalld`, `ufw`: what these
//!   load. `reload`: the same for the commands that load it again while the host runs.
//! * `bound`: where units and programs are configured to listen.

mod bound;
mod circle;
pub(crate) mod firewall;
mod firewalld;
pub(crate) mod future;
mod graph;
mod opener;
mod outcome;
mod prose;
mod reason;
pub(crate) mod reload;
mod ufw;

use std::collections::{BTreeMap, HashSet};

use facts::{Boot, Gap, Part, Snapshot, Uid};

use crate::Judgement;
use crate::row::Row;
use graph::{Graph, Runs, Started};

pub use firewalld::fuzz as fuzz_firewalld;
pub use future::{Again, Change, Event, Future};
pub use reason::{AfterBoot, Hindrance, Link, Place, Reason, Verdict};

/// What the next boot starts, ready to be asked for each row.
#[derive(Debug)]
pub(crate) struct Outlook<'a> {
    boot: Option<&'a Boot>,
    /// Why there is none, or what else is missing and may start something.
    unread: Vec<&'a Gap>,
    system: Graph<'a>,
    users: BTreeMap<Uid, Graph<'a>>,
    /// The positions of the system's socket units that listen on ports.
    listening: Vec<usize>,
    /// The units that have processes which hold sockets now.
    holding: HashSet<String>,
}

impl<'a> Outlook<'a> {
    /// Follows the unit files of a snapshot.
    /// `holding` is asked for the units that have processes which hold sockets now.
    pub(crate) fn of(snapshot: &'a Snapshot, holding: impl FnOnce() -> HashSet<String>) -> Self {
        let boot = snapshot.boot.value();
        let matters = |gap: &&Gap| !IRRELEVANT.contains(&gap.what.as_str());
        let managers = boot.map_or(&[][..], |boot| &boot.user_managers);
        let units = boot.map_or(&[][..], |boot| &boot.units);
        let listening = units.iter().enumerate().filter(|(_, unit)| !unit.listen.is_empty());
        Self {
            boot,
            listening: listening.map(|(at, _)| at).collect(),
            unread: snapshot.boot.gaps().iter().filter(matters).collect(),
            system: boot.map(Graph::of_system).unwrap_or_default(),
            users: managers.iter().map(|m| (m.uid, Graph::of_user(m))).collect(),
            holding: if boot.is_some_and(|boot| boot.starters.is_empty()) {
                HashSet::new()
            } else {
                holding()
            },
        }
    }
}

/// Gaps that hide nothing which starts programs.
const IRRELEVANT: [&str; 4] = [
    "configuration of network links",
    "configuration of programs that listen",
    "configuration of PostgreSQL",
    "home folders",
];

/// Whether a row is there again after a boot.
pub(crate) fn after_boot(judgement: &Judgement<'_>, row: &Row<'_>) -> AfterBoot {
    if judgement.snapshot.collector.sockets_only {
        return AfterBoot::of(Verdict::Unknown, Reason::NotAsked);
    }
    let outlook = judgement.outlook();
    let Some(boot) = outlook.boot else {
        let reason = match &judgement.snapshot.boot {
            Part::Unreadable { gap } => {
                Reason::Unread { what: gap.what.clone(), why: gap.why.clone() }
            }
            _ => Reason::NotRead,
        };
        return AfterBoot::of(Verdict::Unknown, reason);
    };
    if !boot.systemd {
        let reason = Reason::OtherInit { name: boot.init.clone() };
        return AfterBoot::of(Verdict::Unknown, reason);
    }
    let target = boot.default_target.as_ref().map(|target| target.name.as_str());
    if target.is_none_or(|target| outlook.system.started(target) == Started::No) {
        return AfterBoot::of(Verdict::Unknown, Reason::NoTarget);
    }
    let openers = opener::of(judgement, row);
    let mut all: Vec<AfterBoot> =
        openers.iter().map(|opener| outcome::of(outlook, boot, opener, row)).collect();
    all.extend(bound::other_socket_units(judgement, outlook, row, &openers));
    all.sort_by_key(|outcome| outcome.verdict);
    let mut all = all.into_iter();
    let Some(mut first) = all.next() else {
        return AfterBoot::of(Verdict::Unknown, Reason::HolderUnknown);
    };
    // What says the same is told too; what says less adds nothing.
    for other in all.filter(|other| other.verdict == first.verdict).take(SHOWN_REASONS) {
        for reason in other.reasons {
            if !first.reasons.iter().any(|known| known.says(&reason)) {
                first.reasons.push(reason);
            }
        }
        for place in other.instead {
            if !first.instead.contains(&place) {
                first.instead.push(place);
            }
        }
    }
    first
}

/// How many holders' reasons one socket has at most, after the first.
const SHOWN_REASONS: usize = 3;

impl Reason {
    /// Whether another reason adds nothing to this one: it is the same, or a part of its way.
    fn says(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Started { way, .. }, Self::Started { way: part, .. }) => way.starts_with(part),
            _ => self == other,
        }
    }
}

impl AfterBoot {
    /// One verdict for one reason.
    pub(crate) fn of(verdict: Verdict, reason: Reason) -> Self {
        Self { verdict, reasons: vec![reason], instead: Vec::new() }
    }
}

#[cfg(all(test, feature = "sample"))]
mod tests;
