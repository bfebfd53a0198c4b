//! Supervisors with a configuration of their own: inetd and xinetd, supervisord, pm2.

use facts::{Starter, StarterKind};

use super::super::tree::{EntryKind, Tree};
use super::Words;

/// Files and folders of their configuration, with the units that run them.
const FILES: &[(StarterKind, &str, &[&str])] = &[
    (StarterKind::Inetd, "/etc/inetd.conf", &["inetd.service", "openbsd-inetd.service"]),
    (StarterKind::Inetd, "/etc/inetd.d", &["inetd.service", "openbsd-inetd.service"]),
    (StarterKind::Inetd, "/etc/xinetd.conf", &["xinetd.service"]),
    (StarterKind::Inetd, "/etc/xinetd.d", &["xinetd.service"]),
    (StarterKind::Supervisor, "/etc/supervisord.conf", SUPERVISORD),
    (StarterKind::Supervisor, "/etc/supervisord.d", SUPERVISORD),
    (StarterKind::Supervisor, "/etc/supervisor/supervisord.conf", SUPERVISORD),
    (StarterKind::Supervisor, "/etc/supervisor/conf.d", SUPERVISORD),
    (StarterKind::Supervisor, "/etc/pm2/dump.pm2", &["pm2-root.service", "pm2.service"]),
    (StarterKind::Supervisor, "/root/.pm2/dump.pm2", &["pm2-root.service", "pm2.service"]),
];

const SUPERVISORD: &[&str] = &["supervisor.service", "supervisord.service"];

/// Looks at all of them.
pub(super) fn find(tree: &Tree, words: &Words, found: &mut Vec<Starter>) {
    for (kind, path, through) in FILES {
        match tree.list(path, "configuration of supervisors") {
            Some(entries) => {
                for entry in entries.iter().filter(|entry| entry.kind != EntryKind::Folder) {
                    look(tree, words, (*kind, &format!("{path}/{}", entry.name), through), found);
                }
            }
            None => look(tree, words, (*kind, path, through), found),
        }
    }
    // pm2 of other users: `pm2 startup` makes pm2-USER.service.
    for home in tree.list("/home", "home folders").unwrap_or_default() {
        let path = format!("/home/{}/.pm2/dump.pm2", home.name);
        let unit = format!("pm2-{}.service", home.name);
        if tree.exists(&path) == Some(true) {
            look(tree, words, (StarterKind::Supervisor, &path, &[&unit]), found);
        }
    }
}

fn look(
    tree: &Tree,
    words: &Words,
    (kind, path, through): (StarterKind, &str, &[&str]),
    found: &mut Vec<Starter>,
) {
    let Some(bytes) = tree.read(path, "configuration of supervisors") else { return };
    let text = String::from_utf8_lossy(&bytes);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with(['#', ';']) {
            let source = format!("{path}:{}", at.saturating_add(1));
            words.starters(kind, line, &source, through, found);
        }
    }
}
