//! The host as it is now: the one place where `whyopen` meets `collect`.

use std::collections::BTreeSet;

use collect::{Details, Method, Request};
use facts::{Pid, Question, Snapshot};

use crate::flags::{ReadFlags, ScopeFlags};

/// Reads the host. What could not be read is in the snapshot, as its gaps.
/// With `all`, sockets that are bound but not open are looked for whatever it costs.
pub(crate) fn snapshot(flags: ScopeFlags, all: bool) -> Snapshot {
    collect::snapshot(Request {
        connected: flags.connected,
        all,
        this_netns_only: flags.how.this_netns,
        sockets_only: flags.sockets_only,
        settings: false,
        method: if flags.how.no_bpf { Method::Proc } else { Method::Fastest },
    })
}

/// Adds what only a closer look shows of these processes: executables, packages, units.
pub(crate) fn details(snapshot: &mut Snapshot, pids: &[Pid], with_args: bool) {
    collect::details(snapshot, &Details { pids: pids.iter().copied().collect(), args: with_args });
}

/// Reads the host with everything that configures its settings.
pub(crate) fn with_settings(flags: ReadFlags) -> Snapshot {
    collect::snapshot(Request {
        connected: false,
        all: false,
        this_netns_only: flags.this_netns,
        sockets_only: false,
        settings: true,
        method: if flags.no_bpf { Method::Proc } else { Method::Fastest },
    })
}

/// Adds what the host answers to questions about its services.
pub(crate) fn evidence(snapshot: &mut Snapshot, questions: &BTreeSet<Question>) {
    collect::evidence(snapshot, questions);
}
