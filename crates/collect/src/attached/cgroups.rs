//! The programs that decide about packets of the sockets of a cgroup.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};

use facts::{
    AddressFilter, Cgroup, CgroupId, CgroupPoint, CgroupProgram, CgroupPrograms, Gap, Part,
};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{denied, systemd};
use crate::bpf::inspect::{self, AttachType, Program, Target};
use crate::cgroups;

/// The type of programs that see a cgroup's packets (`enum bpf_prog_type`). Where none is loaded,
/// no cgroup has any, wherever it is.
const BPF_PROG_TYPE_CGROUP_SKB: u32 = 8;

/// What this is called in gaps.
const WHAT: &str = "BPF programs of cgroups";

/// Reads the programs of these cgroups, with those of the ones above: every packet to a socket
/// passes all of them. A cgroup without programs is in the list with none.
pub(crate) fn read(wanted: &[Cgroup]) -> Part<Vec<CgroupPrograms>> {
    if inspect::is_any_loaded(BPF_PROG_TYPE_CGROUP_SKB) == Ok(false) {
        let none = |cgroup: &Cgroup| CgroupPrograms { cgroup: cgroup.id, programs: Vec::new() };
        return Part::known(wanted.iter().map(none).collect());
    }
    let point = match cgroups::mounted_at() {
        Ok(Some(point)) => point,
        Ok(None) => {
            let why = "no cgroup2 file system is mounted where we can see it";
            return Part::unreadable(Gap::new(WHAT, why));
        }
        Err(error) => return Part::unreadable(Gap::new(WHAT, format!("read mounts: {error}"))),
    };
    let mut known = BTreeMap::new();
    let mut found = Vec::new();
    let mut failed: Option<(usize, String, Errno)> = None;
    for cgroup in wanted {
        match of_one(&point, cgroup, &mut known) {
            Ok(programs) => found.push(programs),
            Err((what, error)) => {
                let (count, ..) = failed.get_or_insert((0, what, error));
                *count = count.saturating_add(1);
            }
        }
    }
    let gaps = failed.map(|(count, what, error)| {
        denied(Gap::new(format!("{WHAT} ({count})"), format!("{what}: {error}")), error)
    });
    match gaps {
        Some(gap) if found.is_empty() => Part::unreadable(gap),
        gaps => Part::with_gaps(found, gaps.into_iter().collect()),
    }
}

/// What failed.
type Failed = (String, Errno);

fn of_one(
    point: &str,
    cgroup: &Cgroup,
    known: &mut BTreeMap<u32, CgroupProgram>,
) -> Result<CgroupPrograms, Failed> {
    let path = format!("{point}{}", cgroup.path);
    let directory = open(&path, cgroup.id).map_err(|error| (format!("open {path}"), error))?;
    let mut programs = Vec::new();
    for (kind, at) in [
        (AttachType::CgroupIngress, CgroupPoint::Ingress),
        (AttachType::CgroupEgress, CgroupPoint::Egress),
    ] {
        let ids = inspect::attached(Target::Cgroup(directory.as_fd()), kind)
            .map_err(|error| ("bpf(BPF_PROG_QUERY)".to_owned(), error))?;
        for id in ids {
            let program = known.entry(id).or_insert_with(|| look(id));
            programs.push(CgroupProgram { point: at, ..program.clone() });
        }
    }
    Ok(CgroupPrograms { cgroup: cgroup.id, programs })
}

/// Opens the directory of a cgroup; that of another by the same path is not the one.
fn open(path: &str, id: CgroupId) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    if rustix::fs::fstat(&directory)?.st_ino == id.0 { Ok(directory) } else { Err(Errno::STALE) }
}

/// Looks at a program: its name, and what it does if it is systemd's.
fn look(id: u32) -> CgroupProgram {
    let unknown = |name| CgroupProgram { point: CgroupPoint::Other, program: id, name, does: None };
    let Ok(program) = Program::open(id) else { return unknown(String::new()) };
    let does = filter(&program);
    CgroupProgram { does, ..unknown(program.name) }
}

/// The most entries of one list of addresses that are read.
const MOST_ENTRIES: usize = 100_000;

/// What an address filter of systemd does; none if it is none, or could not be read in full.
fn filter(program: &Program) -> Option<AddressFilter> {
    if !systemd::is_name(&program.name) {
        return None;
    }
    let lookups = systemd::lookups(&program.instructions().ok()?)?;
    let mut filter = AddressFilter::default();
    for lookup in lookups {
        lookup.add_to(&mut filter, |map| {
            let (fd, shape) = inspect::open_map(map).ok()?;
            if shape.kind != systemd::BPF_MAP_TYPE_LPM_TRIE {
                return None;
            }
            let entries = inspect::entries(&fd, shape, MOST_ENTRIES).ok()?;
            entries.iter().map(|(key, value)| systemd::entry(key, value)).collect()
        })?;
    }
    filter.allow.sort_unstable();
    filter.deny.sort_unstable();
    Some(filter)
}
