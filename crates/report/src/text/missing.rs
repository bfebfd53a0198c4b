//! What to say about a target that was not found, or that could mean something else as well.

use facts::Remedy;
use judge::Judgement;
use judge::target::{Found, Idle, NotFound, Target};

use crate::escape::Text;

/// Why a target was not found: what was looked at, what is near, what could not be read.
pub fn not_found(missing: &NotFound) -> Vec<Text> {
    let mut first = Text::default();
    first.push_host(&missing.target).push(": not found as ").push(missing.looked_as);
    first.push(" among ").push_plain(missing.sockets).push(if missing.sockets == 1 {
        " socket in "
    } else {
        " sockets in "
    });
    first.push_plain(missing.namespaces).push(if missing.namespaces == 1 {
        " network namespace"
    } else {
        " network namespaces"
    });
    let mut lines = vec![first];
    match &missing.idle {
        Some(Idle::Process(pid, comm)) => {
            let mut line = Text::default();
            line.push_host(comm).push(" (pid ").push_plain(*pid).push(") holds no open socket");
            lines.push(line);
        }
        Some(Idle::Namespace(label)) => {
            let mut line = Text::fixed("network namespace ");
            line.push_host(label).push(" has no open socket");
            lines.push(line);
        }
        None => {}
    }
    if !missing.nearest.is_empty() {
        let mut line = Text::fixed("nearest: ");
        for (at, near) in missing.nearest.iter().enumerate() {
            line.push(if at > 0 { ", " } else { "" }).push_host(near);
        }
        lines.push(line);
    }
    for gap in missing.unread.iter().filter(|gap| !gap.minor).take(SHOWN_GAPS) {
        let mut line = Text::fixed("not read: ");
        line.push_host(&gap.what).push(": ").push_host(&gap.why);
        if gap.remedy == Some(Remedy::Root) {
            line.push(" (root can)");
        }
        lines.push(line);
    }
    lines
}

/// How many gaps are named.
const SHOWN_GAPS: usize = 3;

/// What else a target could mean, or how it was taken.
pub fn note(judgement: &Judgement<'_>, target: &Target, found: &Found<'_, '_>) -> Option<Text> {
    let mut text = Text::default();
    if let Some(pid) = found.also_pid {
        text.push_host(&target.text).push(" is taken as a port; there is also a process ");
        text.push_plain(pid);
        if let Some(process) = judgement.snapshot.process(pid) {
            text.push(" (").push_host(&process.comm).push(")");
        }
        text.push(": whyopen pid:").push_plain(pid);
        return Some(text);
    }
    if found.by_wildcard {
        text.push("nothing is bound to ").push_host(&target.text);
        text.push(" alone; this serves it too, bound to any address");
        return Some(text);
    }
    None
}
