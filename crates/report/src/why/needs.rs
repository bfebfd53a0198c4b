//! Whether anything needs a row.

use facts::{Connections, NetworkMount};
use judge::why::{Because, InUse, Outcome, Trace, Unknown, Verdict};

use super::Words;
use super::reasons::place;

/// How many of the things that were found are named.
const SHOWN: usize = 3;

/// The verdict with all that tells it, in one sentence.
pub(crate) fn in_use<W: Words>(in_use: &InUse<'_>, words: &mut W) {
    let shown: Vec<&Because<'_>> = match in_use.verdict {
        // What is not there, or not known, matters no more once something needs it.
        Verdict::Yes => in_use.because.iter().filter(|b| is_found(b)).collect(),
        Verdict::No | Verdict::Unknown => in_use.because.iter().collect(),
    };
    words.ours(match in_use.verdict {
        Verdict::Yes => "yes: ",
        Verdict::No => "no: ",
        Verdict::Unknown => "not known: ",
    });
    for (at, one) in shown.into_iter().enumerate() {
        words.ours(if at == 0 { "" } else { "; " });
        because(one, words);
    }
}

fn is_found(because: &Because<'_>) -> bool {
    matches!(because, Because::Need(_, Outcome::Found(_)) | Because::Connected(_))
}

/// One thing that tells it.
pub(crate) fn because<W: Words>(because: &Because<'_>, words: &mut W) {
    match because {
        Because::Need(need, Outcome::Found(traces)) => {
            words.ours(&need.what).ours(": ");
            for (at, trace) in traces.iter().take(SHOWN).enumerate() {
                words.ours(if at == 0 { "" } else { ", " });
                self::trace(trace, words);
            }
            if traces.len() > SHOWN {
                words.ours(" and ").plain(traces.len().saturating_sub(SHOWN)).ours(" more");
            }
        }
        Because::Need(need, Outcome::Absent) => {
            words.ours("no ").ours(&need.what);
        }
        Because::Need(need, Outcome::Unknown(unknown)) => {
            words.ours("whether there are ").ours(&need.what).ours(" is not known");
            match unknown {
                // Said once for all of them.
                Unknown::NotAsked => {}
                Unknown::Unread(why) => {
                    words.ours(" (").host(why).ours(")");
                }
                Unknown::Unclear(trace) => {
                    words.ours(" (");
                    self::trace(trace, words);
                    words.ours(" does not tell)");
                }
            }
        }
        Because::Connected(connections) => connected(connections, words),
        Because::NotConnected => {
            words.ours("no connection now");
        }
        Because::ConnectionsUnread(why) => {
            words.ours("connections could not be read (").host(why).ours(")");
        }
        Because::Others => {
            words.ours("who else uses it leaves no trace on this host");
        }
        Because::Unrecognised => {
            words.ours("this service is not in the knowledge base");
        }
        Because::NotAsked => {
            words.ours("the host was not asked");
        }
    }
}

/// `2 connections now, from 198.51.100.7 and others`.
fn connected<W: Words>(connections: &Connections, words: &mut W) {
    words.plain(connections.count);
    words.ours(if connections.count == 1 { " connection now" } else { " connections now" });
    if connections.local == connections.count {
        words.ours(", from this host itself");
        return;
    }
    for (at, peer) in connections.peers.iter().enumerate() {
        words.ours(if at == 0 { ", from " } else { ", " }).plain(*peer);
    }
}

/// Where something was seen.
pub(super) fn trace<W: Words>(trace: &Trace<'_>, words: &mut W) {
    match trace {
        Trace::Mount(mount) => self::mount(mount, words),
        Trace::Export(export) => {
            words.host(&export.path);
            place(&export.at, words);
        }
        Trace::Program(program) => {
            words.ours("program ").plain(program.program);
            if let Some(name) = program_name(program.program) {
                words.ours(" (").ours(name).ours(")");
            }
            words.ours(" version ").plain(program.version).ours(" over ").host(&program.netid);
        }
        Trace::Profile(profile) => {
            words.host(&profile.id);
            for (at, interface) in profile.active_on.iter().enumerate() {
                words.ours(if at == 0 { " on " } else { ", " }).host(interface);
            }
            for (name, method) in
                [(", ipv4.method ", &profile.ipv4), (", ipv6.method ", &profile.ipv6)]
            {
                words.ours(name).host(if method.is_empty() { "auto" } else { method });
            }
            place(&profile.at, words);
        }
        Trace::Setting(setting) => {
            words.host(&setting.key).ours(" ").host(&setting.value);
            place(&setting.at, words);
        }
        Trace::Path(path) => {
            words.ours(path);
        }
        Trace::Package(usage) => {
            words.ours("package ").host(&usage.name);
            words.ours(" ").host(usage.version.as_deref().unwrap_or_default());
        }
        Trace::Link(link) => {
            words.host(&link.name);
        }
        Trace::Kernel(owner) => {
            words.host(&owner.subsystem).ours(" ").host(&owner.instance);
        }
        Trace::Container(container) => {
            words.host(&container.name);
        }
    }
}

/// `nas:/home on /home, version 3 (/etc/fstab line 4)`.
fn mount<W: Words>(mount: &NetworkMount, words: &mut W) {
    words.host(&mount.what).ours(" on ").host(&mount.point);
    if let Some(version) = &mount.version {
        words.ours(", version ").host(version);
    }
    if mount.mounted {
        words.ours(", mounted now");
    } else {
        place(&mount.at, words);
    }
}

/// What a program number of Sun RPC is (IANA, "RPC program numbers").
fn program_name(number: u32) -> Option<&'static str> {
    Some(match number {
        100_000 => "portmapper",
        100_003 => "nfs",
        100_004 => "ypserv",
        100_005 => "mountd",
        100_007 => "ypbind",
        100_009 => "yppasswdd",
        100_011 => "rquotad",
        100_021 => "lockd",
        100_024 => "statd",
        100_227 => "nfs_acl",
        _ => return None,
    })
}
