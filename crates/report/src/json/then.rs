//! The packet filter after a boot, or after it was loaded again, as JSON.

use judge::Judgement;
use judge::boot::{Again, Event, Future};
use judge::reach::Wire;
use judge::row::Row;

use super::convert::bare_reach;
use crate::schema;

/// Every event that loads the packet filter anew: the boot, then the commands.
fn futures<'a>(judgement: &'a Judgement<'_>) -> impl Iterator<Item = &'a Future> {
    judgement.firewall_after_boot().into_iter().chain(judgement.reloads())
}

/// What becomes of it.
pub(super) fn of_host<'a>(
    judgement: &'a Judgement<'_>,
) -> impl Iterator<Item = schema::FirewallThen<'a>> {
    futures(judgement).map(|future| schema::FirewallThen {
        when: when(future),
        loads: future.loads.iter().map(String::as_str).collect(),
        unclear: future.unclear.iter().map(String::as_str).collect(),
        takes: future
            .takes
            .iter()
            .map(|(manager, again)| schema::Taken {
                program: manager.name(),
                again: match again {
                    Again::WithUnit(_) => schema::Again::WithUnit,
                    Again::Told => schema::Again::AtOnce,
                    Again::Restart(_) => schema::Again::Restart,
                },
                unit: match again {
                    Again::WithUnit(unit) | Again::Restart(unit) => Some(unit),
                    Again::Told => None,
                },
            })
            .collect(),
    })
}

/// Who can reach a row then, where that is not who can now.
pub(super) fn of_row<'a>(
    judgement: &'a Judgement<'a>,
    row: &Row<'_>,
) -> Vec<schema::ReachThen<'a>> {
    let mut all = Vec::new();
    for future in futures(judgement) {
        let reach = |wire: Wire| {
            let change = future.changes.iter().find(|c| c.row == row.at() && c.wire == wire)?;
            let because = change.then.because.to_string();
            Some(bare_reach(&change.then, None, because, Vec::new()))
        };
        let (ipv4, ipv6) = (reach(Wire::Ipv4), reach(Wire::Ipv6));
        if ipv4.is_some() || ipv6.is_some() {
            all.push(schema::ReachThen { when: when(future), ipv4, ipv6 });
        }
    }
    all
}

fn when(future: &Future) -> &'static str {
    match future.event {
        Event::Boot => "boot",
        Event::Command(command) => command,
    }
}
