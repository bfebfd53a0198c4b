//! A listener that still runs a program which was deleted or replaced, by an upgrade perhaps: what
//! was fixed on disk is not fixed in memory.

use std::collections::{BTreeMap, BTreeSet};

use facts::Executable;

use super::{Finding, Severity, subject};
use crate::Judgement;
use crate::holder::ProcessHolder;

/// Finds deleted and replaced executables: one finding for each program of each unit, with
/// everything it listens on.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    type Key<'k> = (&'k str, Option<&'k str>, bool);
    let mut programs: BTreeMap<Key<'_>, Program<'_>> = BTreeMap::new();
    for (at, row) in judgement.rows.iter().enumerate().filter(|(_, r)| r.is_open()) {
        for holder in judgement.holders(row) {
            let Some(exe) = holder.process.and_then(|p| p.executable.as_ref()) else { continue };
            if !is_stale(exe) {
                continue;
            }
            let replaced = exe.replaced == Some(true);
            let key = (exe.path.as_str(), holder.unit(), replaced);
            let new = || Program { holder, subjects: BTreeSet::new(), rows: BTreeSet::new() };
            let program = programs.entry(key).or_insert_with(new);
            program.subjects.insert(subject(judgement, row));
            program.rows.insert(at);
        }
    }
    for ((path, unit, replaced), program) in programs {
        found.push(finding(path, unit, replaced, program));
    }
}

/// A program, and what it listens on.
struct Program<'j> {
    holder: ProcessHolder<'j>,
    subjects: BTreeSet<String>,
    rows: BTreeSet<usize>,
}

fn finding(
    path: &str,
    unit: Option<&str>,
    replaced: bool,
    Program { holder, subjects, rows }: Program<'_>,
) -> Finding {
    let program = holder.comm().unwrap_or("a process");
    let what = if replaced { "replaced" } else { "deleted" };
    Finding {
        id: "executable-replaced",
        severity: Severity::Low,
        rows: rows.into_iter().collect(),
        subject: subjects.into_iter().collect::<Vec<_>>().join(", "),
        text: format!(
            "{program} (pid {}) still runs {path}, which was {what} since it started",
            holder.pid
        ),
        action: match unit {
            Some(unit) => format!("systemctl restart {unit}"),
            None => format!("restart {program}"),
        },
    }
}

/// Whether a process's executable is another file than what stands at its path now.
fn is_stale(exe: &Executable) -> bool {
    exe.deleted || exe.replaced == Some(true)
}
