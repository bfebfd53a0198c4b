//! What starts programs besides dependencies of units: commands, scripts, crontabs, the message bus,
//! udev, mounts, supervisors. Each is found by what it names, since a script can do anything.

mod bus;
mod cron;
mod scripts;
mod supervisors;

use std::collections::BTreeSet;

use facts::{Starter, StarterKind};

use super::tree::Tree;

pub(super) use scripts::interpreted;

/// What is looked for in commands and scripts: what holds sockets now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Units, with their suffix.
    pub(super) units: BTreeSet<String>,
    /// Programs, by the name of their process.
    pub(super) programs: BTreeSet<String>,
    /// Containers, by name.
    pub(super) containers: BTreeSet<String>,
    /// Ports.
    pub(super) ports: BTreeSet<u16>,
}

/// What makes a line one that starts units.
const STARTS_UNITS: [&[u8]; 7] = [
    b"systemctl",
    b"service ",
    b"invoke-rc.d",
    b"rc-service",
    b"/etc/init.d/",
    b"StartUnit",
    b"systemd-run",
];

/// What makes a line one that starts containers.
const STARTS_CONTAINERS: [&[u8]; 4] = [b"docker", b"podman", b"nerdctl", b"compose"];

impl Words {
    /// Which of them a line of a command or script names, and which ports.
    fn named_in(&self, line: &str) -> (Vec<String>, Vec<u16>) {
        let contains = |parts: &[&[u8]]| {
            parts.iter().any(|p| memchr::memmem::find(line.as_bytes(), p).is_some())
        };
        let words: BTreeSet<&str> = words(line).collect();
        let mut named: Vec<String> = Vec::new();
        named.extend(self.programs.iter().filter(|p| words.contains(p.as_str())).cloned());
        if contains(&STARTS_UNITS) {
            let is_named = |unit: &&String| {
                let stem = unit.strip_suffix(".service");
                words.contains(unit.as_str()) || stem.is_some_and(|stem| words.contains(stem))
            };
            named.extend(self.units.iter().filter(is_named).cloned());
        }
        if contains(&STARTS_CONTAINERS) {
            named.extend(self.containers.iter().filter(|c| words.contains(c.as_str())).cloned());
        }
        named.dedup();
        (named, ports_in(line, &self.ports))
    }

    /// The starters that a line makes.
    pub(super) fn starters(
        &self,
        kind: StarterKind,
        line: &str,
        source: &str,
        through: &[&str],
        found: &mut Vec<Starter>,
    ) {
        let (mut names, mut ports) = self.named_in(line);
        // Numbers of few digits mean many things, but a line that is made to be run at boot is short.
        if !matches!(kind, StarterKind::CronReboot | StarterKind::RcLocal) && names.is_empty() {
            ports.retain(|port| *port >= 1000);
        }
        if names.is_empty() && !ports.is_empty() {
            names.push(String::new());
        }
        let through: Vec<String> = through.iter().map(|unit| (*unit).to_owned()).collect();
        found.extend(names.into_iter().map(|names| Starter {
            kind,
            names,
            ports: ports.clone(),
            source: source.to_owned(),
            through: through.clone(),
        }));
    }
}

/// The words of a line of shell: what is between the characters that are in no unit's, program's or
/// container's name.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '\\');
    line.split(move |c| !in_word(c)).filter(|word| !word.is_empty())
}

/// Which of these ports a text names as a number of its own.
pub(super) fn ports_in(text: &str, ports: &BTreeSet<u16>) -> Vec<u16> {
    if ports.is_empty() {
        return Vec::new();
    }
    let mut named: Vec<u16> = text
        .split(|c: char| !c.is_alphanumeric() && c != '.' && c != '_')
        .filter_map(|word| word.rsplit('.').next()?.parse().ok())
        .filter(|port| ports.contains(port))
        .collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// What the commands of units name.
#[derive(Debug)]
pub(super) struct Commands<'w> {
    pub(super) words: &'w Words,
    /// Whether the scripts that they run are looked into as well.
    pub(super) scripts: bool,
    pub(super) found: Vec<Starter>,
    /// Units that run programs which change the packet filter, each with the place.
    pub(super) firewall: BTreeSet<(String, String)>,
}

impl<'w> Commands<'w> {
    /// None yet.
    pub(super) fn of(words: &'w Words) -> Self {
        Self { words, scripts: false, found: Vec::new(), firewall: BTreeSet::new() }
    }

    /// Looks at a command of a unit.
    pub(super) fn look_at(
        &mut self,
        tree: &Tree,
        unit: &str,
        program: &str,
        value: &str,
        source: impl Fn() -> String,
    ) {
        if super::firewall::is_of_firewall(value) {
            self.firewall.insert((unit.to_owned(), source()));
        }
        // A unit that holds sockets itself names itself.
        let own = self.words.units.contains(unit);
        let start = self.found.len();
        let kind = StarterKind::Command;
        self.words.starters(kind, value, &source(), &[unit], &mut self.found);
        if self.scripts && !own && program.starts_with('/') {
            scripts::look_into(tree, self.words, kind, program, &[unit], &mut self.found);
        }
        let mut at = 0_usize;
        self.found.retain(|starter| {
            at = at.saturating_add(1);
            at <= start || starter.names != unit
        });
    }
}

/// Everything else that names something that holds sockets, or starts units.
pub(super) fn all(tree: &Tree, words: &Words) -> Vec<Starter> {
    let mut found = Vec::new();
    cron::find(tree, words, &mut found);
    scripts::find(tree, words, &mut found);
    bus::find(tree, &mut found);
    supervisors::find(tree, words, &mut found);
    found
}

/// Parses arbitrary bytes as each of the files.
pub(super) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let words = Words {
        units: BTreeSet::from(["a.service".to_owned()]),
        programs: BTreeSet::from(["b".to_owned()]),
        containers: BTreeSet::from(["c".to_owned()]),
        ports: BTreeSet::from([8000]),
    };
    let mut found = Vec::new();
    for line in text.lines() {
        words.starters(StarterKind::Hook, line, "", &[], &mut found);
    }
    cron::table(&text, "", true, &words, &mut found);
    bus::service(&text, "", &mut found);
    bus::rules(&text, "", &mut found);
    bus::mounts(&text, "", &mut found);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_units_programs_containers_and_ports() {
        let words = Words {
            units: BTreeSet::from(["web.service".to_owned(), "a@b.socket".to_owned()]),
            programs: BTreeSet::from(["nginx".to_owned()]),
            containers: BTreeSet::from(["db".to_owned()]),
            ports: BTreeSet::from([80, 8000]),
        };
        let check = |line: &str, names: &[&str], ports: &[u16]| {
            let (named, found) = words.named_in(line);
            assert_eq!(
                (named, found),
                (names.iter().map(|n| (*n).to_owned()).collect(), ports.to_vec()),
                "{line}"
            );
        };
        check("systemctl start web", &["web.service"], &[]);
        check("systemctl start web.service a@b.socket", &["a@b.socket", "web.service"], &[]);
        check("echo web", &[], &[]);
        check("/usr/sbin/nginx -g x", &["nginx"], &[]);
        check("run nginx-light", &[], &[]);
        check("docker start db", &["db"], &[]);
        check("start db", &[], &[]);
        check("python3 -m http.server 8000", &[], &[8000]);
        check("hold tcp:0.0.0.0:8000 80", &[], &[80, 8000]);
        check("x8000 80001 8000x", &[], &[]);
    }
}
