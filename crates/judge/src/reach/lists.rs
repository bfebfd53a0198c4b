//! The programs of a socket's cgroup: the address lists of systemd, and others.

use facts::{CgroupId, CgroupPrograms, Part, Prefix, Socket};
use packet_set::RangeSet;

use super::{Because, Wire};
use crate::Judgement;
use crate::row::Row;

/// What the programs of the cgroups of a row's sockets let through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lists {
    /// The sources that may pass; none: all.
    pub(crate) passes: Option<RangeSet>,
    /// Whose address lists they are.
    pub(crate) unit: String,
    /// A program that is not understood, or what could not be read.
    pub(crate) doubt: Option<Because>,
}

/// Reads the programs of a row's sockets. Where the sockets differ, what none of them lets through
/// is kept out, and what one keeps out is not certain.
pub(super) fn of(judgement: &Judgement<'_>, row: &Row<'_>, wire: Wire) -> Lists {
    let mut all = Lists::default();
    if matches!(judgement.snapshot.cgroup_programs, Part::NotAsked) {
        return all;
    }
    let mut first = true;
    for socket in row.sockets {
        let own = of_socket(judgement, socket, wire);
        if first {
            all = own;
            first = false;
        } else if all.passes != own.passes {
            let union = |a: RangeSet, b: &RangeSet| a.union(b);
            all.passes = all.passes.zip(own.passes.as_ref()).map(|(a, b)| union(a, b));
            all.doubt = Some(Because::Doubts(vec![DIFFER.to_owned()]));
        } else {
            all.doubt = all.doubt.or(own.doubt);
        }
    }
    all
}

/// What is said of sockets that share a port and have different lists.
const DIFFER: &str = "sockets that share the port have different address lists";

/// The same for one socket.
pub(crate) fn of_socket(judgement: &Judgement<'_>, socket: &Socket, wire: Wire) -> Lists {
    let mut lists = Lists::default();
    let programs = match cgroups(judgement, socket) {
        Ok(programs) => programs,
        Err(doubt) => return Lists { doubt: Some(doubt), ..lists },
    };
    for of_cgroup in programs {
        for program in &of_cgroup.programs {
            let Some(filter) = &program.does else {
                let name = if program.name.is_empty() { "a BPF program" } else { &program.name };
                let label = format!("{name} of its cgroup");
                lists.doubt = Some(Because::Program(label));
                continue;
            };
            let denied = ranges(&filter.deny, wire);
            let allowed = ranges(&filter.allow, wire);
            let passes = denied.complement(wire.max()).union(&allowed);
            let passes = passes.intersection(&RangeSet::from(0..=wire.max()));
            if passes.complement(wire.max()).is_empty() {
                continue;
            }
            lists.passes = Some(match lists.passes {
                Some(known) => known.intersection(&passes),
                None => passes,
            });
            lists.unit = unit(judgement, of_cgroup.cgroup);
        }
    }
    lists
}

/// The programs that packets to a socket meet: those of its cgroup; where that is not known, those
/// of the cgroups of its holders.
fn cgroups<'j>(
    judgement: &'j Judgement<'_>,
    socket: &Socket,
) -> Result<Vec<&'j CgroupPrograms>, Because> {
    let snapshot = judgement.snapshot;
    if let Part::Unreadable { gap } = &snapshot.cgroup_programs {
        return Err(Because::Unread(vec![(gap.what.clone(), gap.why.clone())]));
    }
    if let Some(own) = socket.cgroup.and_then(|id| snapshot.programs_of(id)) {
        return Ok(vec![own]);
    }
    let of_holders: Option<Vec<&CgroupPrograms>> = snapshot
        .holders_of(socket.inode)
        .iter()
        .map(|holder| snapshot.programs_of(snapshot.process(holder.pid)?.cgroup?))
        .collect();
    match of_holders {
        Some(found) if !found.is_empty() => Ok(found),
        _ if nowhere(snapshot.cgroup_programs.items()) => Ok(Vec::new()),
        _ => {
            let what = "the BPF programs of its cgroup".to_owned();
            Err(Because::Unread(vec![(what, "its cgroup is not known".to_owned())]))
        }
    }
}

/// Whether no cgroup that was looked at has any program: then nobody uses them on this host, as far
/// as one can see.
fn nowhere(all: &[CgroupPrograms]) -> bool {
    all.iter().all(|cgroup| cgroup.programs.is_empty())
}

fn ranges(prefixes: &[Prefix], wire: Wire) -> RangeSet {
    let of = |prefix: &Prefix| {
        let number = wire.number(prefix.address)?;
        let free = u32::from(wire.bits().saturating_sub(prefix.len));
        let low = 1_u128.checked_shl(free).map_or(u128::MAX, |bit| bit - 1);
        Some((number & !low, (number | low).min(wire.max())))
    };
    prefixes.iter().filter_map(of).collect()
}

/// The unit of a cgroup, or its path.
fn unit(judgement: &Judgement<'_>, cgroup: CgroupId) -> String {
    let unit = judgement.unit_of_cgroup(cgroup).map(ToOwned::to_owned);
    let path = || judgement.snapshot.cgroup_path(cgroup).unwrap_or("its cgroup").to_owned();
    unit.unwrap_or_else(path)
}
