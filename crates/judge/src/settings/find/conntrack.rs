//! Connection tracking: a full table, and restarts that forget it.

use super::super::restart::Verdict;
use super::super::subject::Subject;
use super::super::{Settings, key};
use super::{Found, OWN_FILE, Says, line};
use crate::finding::Severity;

pub(super) fn find(_subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    full(settings, found);
    for restart in settings.restarts.iter().filter(|r| r.verdict != Verdict::Survives) {
        let init = restart.service != "firewalld";
        let surely = restart.verdict == Verdict::Resets;
        let count = restart.settings.len();
        if count == 0 && restart.flows.unwrap_or(0) == 0 {
            continue;
        }
        let plural = |n: usize| if n == 1 { "setting" } else { "settings" };
        let flows = restart.flows.filter(|flows| *flows > 0).map(|flows| {
            let word = if surely { "drops" } else { "may drop" };
            format!(" and {word} {flows} tracked flows, yours too")
        });
        let text = format!(
            "a restart of {} {} {count} {} of connection tracking{}: {}",
            restart.service,
            if surely { "resets" } else { "may reset" },
            plural(count),
            flows.unwrap_or_default(),
            restart.because
        );
        let (mut action, mut lines) = (String::new(), Vec::new());
        if let Some((file, number)) = restart.decided_by.as_ref().filter(|_| init) {
            let name = if restart.service == "ip6tables" { "IP6TABLES_" } else { "IPTABLES_" };
            action = format!(
                "keep the modules: {file} line {number}. With {name}SYSCTL_LOAD_LIST=\".nf_conntrack\" the \
                 settings that are written in a file come back, the flows do not"
            );
            lines.push((file.clone(), format!("{name}MODULES_UNLOAD=\"no\"")));
        }
        found.push(
            Says {
                id: "restart-resets-conntrack",
                severity: if surely { Severity::Medium } else { Severity::Low },
                subject: &restart.service,
                text,
                action,
                lines,
                cites: "the init script of iptables: rmmod_r, load_sysctl",
            }
            .into(),
        );
    }
}

/// A table that is full, or nearly.
fn full(settings: &Settings<'_>, found: &mut Vec<Found>) {
    let Some(table) = &settings.conntrack else { return };
    let (Some(count), Some(max)) = (table.count, table.max.filter(|max| *max > 0)) else { return };
    let dropped = table.dropped.unwrap_or(0);
    let nearly = count.saturating_mul(10) >= max.saturating_mul(8);
    if !nearly && dropped == 0 {
        return;
    }
    let path = "net/netfilter/nf_conntrack_max";
    let wanted = max.saturating_mul(2).to_string();
    found.push(
        Says {
            id: "conntrack-full",
            severity: if nearly { Severity::High } else { Severity::Medium },
            subject: &key::dotted(path),
            text: format!(
                "{count} of {max} connections are tracked, {dropped} new ones were dropped since the \
                 boot because the table was full"
            ),
            action: format!("raise it: sysctl -w {}={wanted}", key::dotted(path)),
            lines: vec![(OWN_FILE.to_owned(), line(path, &wanted))],
            cites: "kernel Documentation/networking/nf_conntrack-sysctl.rst",
        }
        .into(),
    );
}
