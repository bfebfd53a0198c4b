//! Crontabs (crontab(5)) and the folders of scripts that cron runs.

use facts::{Starter, StarterKind};

use super::super::tree::{EntryKind, Tree};
use super::{Words, scripts};

/// The units of the cron daemons, by distribution.
const DAEMONS: &[&str] =
    &["cron.service", "crond.service", "cronie.service", "dcron.service", "fcron.service"];

/// The folders of users' crontabs.
const SPOOLS: [&str; 3] = ["/var/spool/cron/crontabs", "/var/spool/cron", "/var/spool/cron/tabs"];

/// Looks into all crontabs.
pub(super) fn find(tree: &Tree, words: &Words, found: &mut Vec<Starter>) {
    let look = |path: &str, has_user: bool, found: &mut Vec<Starter>| {
        if let Some(bytes) = tree.read(path, "crontabs") {
            let text = String::from_utf8_lossy(&bytes);
            for script in table(&text, path, has_user, words, found) {
                let kind = StarterKind::CronReboot;
                scripts::look_into(tree, words, kind, &script, DAEMONS, found);
            }
        }
    };
    look("/etc/crontab", true, found);
    for entry in tree.list("/etc/cron.d", "crontabs").unwrap_or_default() {
        if entry.kind != EntryKind::Folder && !entry.name.starts_with('.') {
            look(&format!("/etc/cron.d/{}", entry.name), true, found);
        }
    }
    for spool in SPOOLS {
        for entry in tree.list(spool, "crontabs").unwrap_or_default() {
            if entry.kind == EntryKind::File {
                look(&format!("{spool}/{}", entry.name), false, found);
            }
        }
    }
    for folder in ["hourly", "daily", "weekly", "monthly"] {
        scripts::of_folder(
            tree,
            words,
            StarterKind::Cron,
            &format!("/etc/cron.{folder}"),
            DAEMONS,
            found,
        );
    }
}

/// Looks at the lines of a crontab, and returns the scripts that it runs at boot.
pub(super) fn table(
    text: &str,
    path: &str,
    has_user: bool,
    words: &Words,
    found: &mut Vec<Starter>,
) -> Vec<String> {
    let mut at_boot = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let reboot = line.strip_prefix("@reboot").filter(|rest| rest.starts_with([' ', '\t']));
        let kind = if reboot.is_some() { StarterKind::CronReboot } else { StarterKind::Cron };
        let command = match reboot {
            Some(rest) if has_user => {
                rest.trim_start().split_once([' ', '\t']).map_or("", |(_, command)| command)
            }
            Some(rest) => rest,
            // Five fields of numbers come before the command: they are no ports.
            None if line.starts_with('@') => {
                line.split_once([' ', '\t']).map_or("", |(_, command)| command)
            }
            None => line
                .match_indices([' ', '\t'])
                .nth(4)
                .and_then(|(end, _)| line.get(end..))
                .unwrap_or_default(),
        };
        let source = format!("{path}:{}", at.saturating_add(1));
        words.starters(kind, command, &source, DAEMONS, found);
        if reboot.is_some() {
            at_boot.extend(scripts::paths_in(command));
        }
    }
    at_boot
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn lines() {
        let words = Words {
            programs: BTreeSet::from(["agent".to_owned()]),
            ports: BTreeSet::from([30, 7001]),
            ..Words::default()
        };
        let check = |text: &str, has_user: bool, expect: &[&str]| {
            let mut found = Vec::new();
            let scripts = table(text, "t", has_user, &words, &mut found);
            let mut got: Vec<String> = found
                .iter()
                .map(|s| format!("{:?} {} {:?} {}", s.kind, s.names, s.ports, s.source))
                .collect();
            got.extend(scripts);
            assert_eq!(got, expect, "{text}");
        };
        check(
            "#x\n@reboot /opt/agent hold 7001",
            false,
            &["CronReboot agent [7001] t:2", "/opt/agent"],
        );
        check("@reboot root /a/b.sh", true, &["/a/b.sh"]);
        check("30 6 * * * agent", false, &["Cron agent [] t:1"]);
        check("30 6 * * * root x", true, &[]);
        check("@daily agent", false, &["Cron agent [] t:1"]);
        check("@reboot", false, &[]);
        check("MAILTO=agent", false, &[]);
    }
}
