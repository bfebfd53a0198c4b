//! The host as it is now: the one place where `whyopen` meets `collect`.

use facts::{Pid, Snapshot};

use crate::flags::ReadFlags;

/// Reads the host.
///
/// # Errors
/// When nothing of it could be read. What could be read in part is in the snapshot, with its gaps.
pub(crate) fn snapshot(flags: ReadFlags) -> anyhow::Result<Snapshot> {
    anyhow::bail!("this build reads saved snapshots only: give one with --from FILE ({flags:?})")
}

/// Adds what only a closer look shows of these processes: executables, packages, units.
pub(crate) fn details(snapshot: &mut Snapshot, pids: &[Pid], with_args: bool) {
    let _ = (snapshot, pids, with_args);
}
