//! Another packet filter in place of the one in the kernel: which rows it treats otherwise.
//!
//! The same engine evaluates both: a second snapshot has the other ruleset. Rows that a container
//! engine forwards are not compared, since the engine makes their rules.

use facts::{Part, RulesetDump, Snapshot};

use crate::Judgement;
use crate::firewall::Manager;
use crate::reach::{Reach, Verdict as Reached, Wire};
use crate::row::{Row, Scope};

/// The packet filter after something has loaded it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Future {
    /// After what.
    pub event: Event,
    /// What loads it, by name.
    pub loads: Vec<String>,
    /// Why it is not known what is loaded. Empty: it is.
    pub unclear: Vec<String>,
    /// Rows that it treats otherwise, in their order.
    pub changes: Vec<Change>,
    /// How many rules there are now.
    pub rules_now: usize,
    /// Programs with rules in the kernel that are gone then, and whether these make their rules again
    /// by themselves.
    pub takes: Vec<(Manager, Again)>,
}

/// What loads a packet filter anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next boot.
    Boot,
    /// A command: `firewall-cmd --reload`.
    Command(&'static str),
}

/// Whether a program makes its rules again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It does, when this unit starts, which it does at boot.
    WithUnit(&'static str),
    /// It does, because it is told of the event.
    Told,
    /// Only when this unit is started again.
    Restart(&'static str),
}

/// A row that others can reach then, who cannot now, or the other way round; or of which that is not
/// known then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The position of the row in [`Judgement::rows`].
    pub row: usize,
    /// The family.
    pub wire: Wire,
    /// Who can reach it now.
    pub now: Reach,
    /// Who can then.
    pub then: Reach,
}

impl Change {
    /// Whether it is known who can reach the row now, and who then.
    pub fn is_certain(&self) -> bool {
        self.now.verdict != Reached::Unknown && self.then.verdict != Reached::Unknown
    }

    /// Whether more can reach it then.
    pub fn opens(&self) -> bool {
        let (now, then) = (width(self.now.verdict), width(self.then.verdict));
        let more = |set: &crate::reach::Sources| !set.is_within(self.now.may.ranges());
        then > now || (then == now && more(&self.then.may))
    }
}

/// How many can reach a row.
fn width(verdict: Reached) -> u8 {
    match verdict {
        Reached::Open => 4,
        Reached::Part => 3,
        Reached::OnLink => 2,
        Reached::HostOnly => 1,
        Reached::Blocked | Reached::Unknown => 0,
    }
}

/// Compares each row of the host under another packet filter with the same now.
pub(super) fn compare(judgement: &Judgement<'_>, host: usize, other: RulesetDump) -> Vec<Change> {
    let mut changes = Vec::new();
    let Some(then) = snapshot(judgement, host, other) else { return changes };
    let future = crate::judge(&then);
    for row in &future.rows {
        let is_same = |known: &Row<'_>| known.sockets.iter().any(|s| s == row.socket);
        let Some(at) = judgement.rows.iter().position(is_same) else { continue };
        let Some(own) = judgement.rows.get(at) else { continue };
        for wire in Wire::BOTH {
            let (Some(now), Some(then)) = (judgement.reach(own, wire), future.reach(row, wire))
            else {
                continue;
            };
            if (now.verdict, &now.must, &now.may) != (then.verdict, &then.must, &then.may) {
                let (now, then) = (now.clone(), then.clone());
                changes.push(Change { row: at, wire, now, then });
            }
        }
    }
    changes.sort_by_key(|change| (change.row, change.wire == Wire::Ipv6));
    changes
}

/// The host with another packet filter, and of its sockets only those that others may reach.
fn snapshot(judgement: &Judgement<'_>, host: usize, other: RulesetDump) -> Option<Snapshot> {
    let now = judgement.snapshot;
    let mut namespace = judgement.namespaces.get(host)?.fact?.clone();
    let mut then = Snapshot::new(now.collector.clone(), now.host.clone());
    namespace.ruleset = Part::known(other);
    let compared = judgement.rows.iter().filter(|row| is_compared(judgement, host, row));
    let sockets: Vec<_> = compared.filter_map(|row| row.sockets.first().copied()).collect();
    if sockets.is_empty() {
        return None;
    }
    then.namespaces = Part::known(vec![namespace]);
    then.sockets = Part::known(sockets);
    then.cgroups = now.cgroups.clone();
    then.cgroup_programs = now.cgroup_programs.clone();
    then.sort();
    Some(then)
}

/// Whether a row is compared: others could reach it, and no container engine forwards it.
fn is_compared(judgement: &Judgement<'_>, host: usize, row: &Row<'_>) -> bool {
    row.namespace == host
        && row.is_open()
        && row.port().is_some()
        && row.scope != Scope::Loopback
        && judgement.holders(row).all(|holder| holder.forwards_to.is_none())
}
