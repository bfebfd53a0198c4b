//! A listener on any address that was started by hand, from a login session: nobody stops it when
//! its user forgets it, and it does not return after a boot.

use super::{Finding, Severity, subject};
use crate::Judgement;
use crate::place::Place;
use crate::row::{Row, Scope};

/// Finds a listener of a login session.
pub(super) fn find(
    judgement: &Judgement<'_>,
    (at, row): (usize, &Row<'_>),
    found: &mut Vec<Finding>,
) {
    if row.scope != Scope::Any || row.socket.state != facts::State::Listen {
        return;
    }
    for holder in judgement.holders(row) {
        let Some(session) = holder.place.and_then(Place::session) else { continue };
        let program = holder.comm().unwrap_or("a process");
        found.push(Finding {
            id: "started-by-hand",
            severity: Severity::Info,
            rows: vec![at],
            subject: subject(judgement, row),
            text: format!(
                "{program} (pid {}) listens on every address and runs in login session {session}, \
                 in no service",
                holder.pid
            ),
            action: format!(
                "make it a service if it is meant to stay, bind it to one address, or end it: \
                 kill {}",
                holder.pid
            ),
        });
        // Its workers were started by hand as well, and one of them is enough to say so.
        return;
    }
}
