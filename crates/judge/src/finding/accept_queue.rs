//! A listener whose accept queue is full: new clients time out.

use super::{Finding, Severity, subject};
use crate::Judgement;
use crate::row::Row;

/// Finds a full accept queue. Full means above the limit (kernel `include/net/sock.h`,
/// `sk_acceptq_is_full`).
pub(super) fn find(judgement: &Judgement<'_>, row: &Row<'_>, found: &mut Vec<Finding>) {
    let Some(queue) = row.accept_queue().filter(|q| q.now > q.max) else { return };
    let holder = judgement.holders(row).next();
    let program = holder.and_then(|h| h.comm()).unwrap_or("its program");
    found.push(Finding {
        id: "accept-queue-full",
        severity: Severity::Medium,
        subject: subject(judgement, row),
        text: format!(
            "{} {} to be accepted and {} may: {program} does not accept them, and \
             new clients time out",
            queue.now,
            if queue.now == 1 { "connection waits" } else { "connections wait" },
            queue.max
        ),
        action: match holder.and_then(|h| h.unit()) {
            Some(unit) => format!("see why {program} is stuck (its log), or restart {unit}"),
            None => format!("see why {program} is stuck (its log), or restart it"),
        },
    });
}
