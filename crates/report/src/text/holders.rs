//! Who holds some rows, in full: for the detail screen.

use std::collections::BTreeSet;

use facts::{Executable, Pid, Process};
use judge::Judgement;
use judge::holder::{Creator, Held, NOBODY, ProcessHolder};
use judge::place::Place;
use judge::row::Row;

use super::connected::endpoint_into;
use super::detail::Answer;
use super::label::kernel_into;
use crate::escape::Text;

/// How many numbers, or ranges of them, are listed.
const SHOWN_NUMBERS: usize = 12;

/// Processes that are alike: the workers of a server.
#[derive(Debug)]
struct Alike<'j> {
    first: ProcessHolder<'j>,
    pids: BTreeSet<u32>,
    fds: BTreeSet<u32>,
    io_uring: bool,
    /// Which of the rows they hold.
    rows: BTreeSet<usize>,
}

/// Describes the holders of these rows, each in one or more paragraphs.
pub(super) fn describe(judgement: &Judgement<'_>, rows: &[&Row<'_>]) -> Vec<Answer> {
    let mut lines: Vec<Answer> = Vec::new();
    let groups = alike(judgement, rows);
    for group in &groups {
        lines.push(process(judgement, group, rows).into());
        let more = program(judgement, group.first.process);
        let more = more.into_iter().chain(started_by(judgement, &group.first));
        lines.extend(more.map(|text| Answer { lead: Text::fixed("  "), text }));
    }
    for held in rows.iter().flat_map(|row| judgement.held(row)) {
        let line = match held {
            Held::Processes => continue,
            Held::Kernel(owners) => {
                let mut text = Text::fixed("the kernel: ");
                kernel_into(owners, &mut text);
                let sources: BTreeSet<&str> = owners.iter().map(|o| o.source.as_str()).collect();
                for (at, source) in sources.into_iter().enumerate() {
                    text.push(if at > 0 { ", " } else { " (from " }).push_host(source);
                }
                text.push(")");
                text
            }
            Held::Nobody(maker) => {
                let mut text = Text::fixed(NOBODY);
                text.push(". ").push_text(&creator(maker));
                text
            }
            Held::Creator(maker) => {
                let mut text = Text::fixed("not read. ");
                text.push_text(&creator(maker)).push(" (from the socket itself)");
                text
            }
        };
        let line = Answer::from(line);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Groups the holders of the rows.
fn alike<'j>(judgement: &'j Judgement<'_>, rows: &[&'j Row<'_>]) -> Vec<Alike<'j>> {
    let mut groups: Vec<Alike<'j>> = Vec::new();
    // The same pid may hold several rows; workers hold the same rows by the same descriptors.
    let mut by_pid: Vec<Alike<'j>> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        for holder in judgement.holders(row) {
            let fds = holder.descriptors().map(|d| d.fd);
            let io_uring = holder.descriptors().any(|d| d.io_uring);
            if let Some(known) = by_pid
                .iter_mut()
                .find(|a| a.first.pid == holder.pid && a.first.socket_unit == holder.socket_unit)
            {
                known.fds.extend(fds);
                known.rows.insert(at);
                known.io_uring |= io_uring;
                continue;
            }
            by_pid.push(Alike {
                first: holder,
                pids: BTreeSet::from([holder.pid.0]),
                fds: fds.collect(),
                io_uring,
                rows: BTreeSet::from([at]),
            });
        }
    }
    for one in by_pid {
        match groups.iter_mut().find(|g| is_alike(g, &one)) {
            Some(group) => group.pids.extend(one.pids),
            None => groups.push(one),
        }
    }
    groups
}

fn is_alike(a: &Alike<'_>, b: &Alike<'_>) -> bool {
    let exe = |h: &ProcessHolder<'_>| h.process.and_then(|p| p.executable.clone());
    let who = |h: &ProcessHolder<'_>| h.process.map(|p| (p.comm.clone(), p.uid));
    (who(&a.first), exe(&a.first)) == (who(&b.first), exe(&b.first))
        && (a.first.unit(), a.first.container()) == (b.first.unit(), b.first.container())
        && (&a.fds, &a.rows, a.io_uring) == (&b.fds, &b.rows, b.io_uring)
}

/// `rpcbind (pid 612, user _rpc), unit rpcbind.service, fds 4-7`.
fn process(judgement: &Judgement<'_>, group: &Alike<'_>, rows: &[&Row<'_>]) -> Text {
    let holder = &group.first;
    let mut text = Text::default();
    text.push_host(holder.comm().unwrap_or("a process that ended meanwhile"));
    text.push(if group.pids.len() > 1 { " (pids " } else { " (pid " });
    numbers_into(&group.pids, &mut text);
    if let Some(process) = holder.process {
        text.push(", user ");
        match judgement.snapshot.user(process.uid) {
            Some(name) => text.push_host(name),
            None => text.push_plain(process.uid),
        };
    }
    text.push(")");
    placed_into(holder, &mut text);
    text.push(if group.io_uring {
        ", an io_uring fixed file of fd "
    } else if group.fds.len() > 1 {
        ", fds "
    } else {
        ", fd "
    });
    numbers_into(&group.fds, &mut text);
    if group.rows.len() < rows.len() {
        text.push(": ");
        let held = group.rows.iter().filter_map(|at| rows.get(*at));
        for (at, row) in held.enumerate() {
            text.push(if at > 0 { ", " } else { "" });
            text.push_plain(row.socket.protocol).push(" ");
            endpoint_into(row.socket.local, &mut text);
        }
    }
    text
}

/// Appends the unit, session and container of a process.
fn placed_into(holder: &ProcessHolder<'_>, text: &mut Text) {
    if let Some(name) = holder.container() {
        text.push(if holder.forwards_to.is_some() {
            ", forwards to container "
        } else {
            ", container "
        });
        text.push_host(name);
        if let Some(container) = holder.place.and_then(|p| p.placement.container.as_ref()) {
            text.push(" (").push(container.engine.name()).push(")");
        }
    }
    let place = holder.place;
    let in_container = place.is_some_and(|p| p.placement.container.is_some());
    if let Some(session) = place.and_then(Place::session) {
        text.push(", login session ").push_host(session);
    } else if let Some(unit) = place.and_then(Place::user_unit) {
        text.push(", user unit ").push_host(unit);
    } else if let Some(unit) = place.and_then(Place::inner_unit) {
        text.push(", unit ").push_host(unit).push(" in it");
    } else if let Some(unit) = holder.unit().filter(|_| !in_container) {
        // A container's own unit is named after its id, and says nothing more.
        text.push(", unit ").push_host(unit);
    }
    if let Some(slice) = place.and_then(Place::chosen_slice).filter(|_| !in_container) {
        text.push(", slice ").push_host(slice);
    }
}

/// The executable with its package.
fn program(judgement: &Judgement<'_>, process: Option<&Process>) -> Option<Text> {
    let exe = process?.executable.as_ref()?;
    let mut text = Text::fixed("runs ");
    text.push_host(&exe.path);
    text.push(stale(exe));
    let packages = judgement.snapshot.packages.items();
    if let Some(package) = packages.iter().find(|p| p.path == exe.path) {
        match &package.name {
            Some(name) => {
                text.push(", package ").push_host(name).push(" ").push_host(&package.version)
            }
            None => text.push(", which no package owns (").push_host(&package.manager).push(")"),
        };
    }
    Some(text)
}

/// What became of an executable since it was started.
fn stale(exe: &Executable) -> &'static str {
    match (exe.deleted, exe.replaced) {
        (_, Some(true)) => ", REPLACED since it started: a restart would run other code",
        (true, _) => ", DELETED since it started",
        (false, _) => "",
    }
}

/// Who started a process that no service manager did: its parent, that one's parent, and so on.
fn started_by(judgement: &Judgement<'_>, holder: &ProcessHolder<'_>) -> Option<Text> {
    let in_unit = holder.unit().is_some() || holder.container().is_some();
    let by_hand = holder.place.and_then(Place::session).is_some();
    if holder.pid == Pid(1) || (in_unit && !by_hand) {
        return None;
    }
    let mut text = Text::default();
    let mut pid = holder.process?.parent;
    // Parents have no cycles, but a file may say anything.
    for _ in 0..LONGEST_CHAIN {
        let Some(parent) = judgement.snapshot.process(pid).filter(|p| p.pid != Pid(0)) else {
            break;
        };
        text.push(if text.is_empty() { "started by " } else { " <- " });
        text.push_host(&parent.comm).push(" (pid ").push_plain(parent.pid).push(")");
        pid = parent.parent;
    }
    (!text.is_empty()).then_some(text)
}

/// How many ancestors are named.
const LONGEST_CHAIN: usize = 16;

/// Who made a socket.
fn creator(maker: Creator<'_>) -> Text {
    let mut text = Text::fixed("Made by ");
    match (maker.unit(), maker.container()) {
        (_, Some(container)) => text.push("container ").push_host(container).push(", "),
        (Some(unit), None) => text.push("unit ").push_host(unit).push(", "),
        (None, None) => text.push(""),
    };
    if let Some(unit) = maker.place.and_then(Place::user_unit) {
        text.push("user unit ").push_host(unit).push(", ");
    }
    if let Some(slice) = maker.place.and_then(Place::chosen_slice) {
        text.push("slice ").push_host(slice).push(", ");
    }
    text.push("user ");
    match maker.user {
        Some(name) => text.push_host(name),
        None => text.push_plain(maker.uid),
    };
    text
}

/// Appends numbers in order, neighbours as ranges: `4-7, 9`.
fn numbers_into(numbers: &BTreeSet<u32>, text: &mut Text) {
    let sorted: Vec<u32> = numbers.iter().copied().collect();
    let ranges: Vec<&[u32]> = sorted.chunk_by(|a, b| a.checked_add(1) == Some(*b)).collect();
    for (at, range) in ranges.iter().enumerate() {
        if at == SHOWN_NUMBERS {
            text.push(" and ").push_plain(ranges.len().saturating_sub(at)).push(" more");
            return;
        }
        let (Some(first), Some(last)) = (range.first(), range.last()) else { continue };
        text.push(if at > 0 { ", " } else { "" }).push_plain(*first);
        match range.len() {
            1 => {}
            2 => {
                text.push(", ").push_plain(*last);
            }
            _ => {
                text.push("-").push_plain(*last);
            }
        }
    }
}
