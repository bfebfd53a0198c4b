//! What the next boot starts: unit files and everything else on disk that starts programs.
//!
//! Input: a folder that is laid out like the root of a host, and the snapshot so far, which says
//! what holds sockets. Output: [`facts::Boot`]. Most of it needs no privilege; what does leaves a
//! gap.
//!
//! * `load_path`, `syntax`, `units`, `conditions`, `listen`: systemd's own files. They are
//!   read as the next boot will find them: what is below `/run` counts only where a generator makes
//!   it anew.
//! * `starters`: what starts programs besides: crontabs, scripts, the message bus …
//! * `listeners`: where sshd, nginx and PostgreSQL are configured to listen.
//! * `links`: files that make network links.
//! * `firewall`: what loads a packet filter.
//!
//! Only what is needed is read: the units that the default target leads to and those that hold
//! sockets. If one of these is not among what the target leads to, everything else is looked
//! through as well, for what might start it.

mod conditions;
mod firewall;
mod firewalld;
mod links;
mod listen;
mod listeners;
mod load_path;
mod refused;
mod starters;
mod syntax;
mod tree;
mod units;
mod wanted;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use facts::{Boot, DefaultTarget, Part, Pull, PullKind, Snapshot, Uid, UnitFile, UserManager};

use crate::owners::containers;
use load_path::{LoadPath, SYSTEM};
use starters::Commands;
use tree::Tree;
use wanted::Wanted;

/// The most units that are read: ten times what a large host has.
const UNIT_LIMIT: usize = 20_000;

/// Reads what the next boot starts. `thorough`: everything that might start something, also where
/// all that holds sockets is known to be started.
pub fn collect(root: &Path, snapshot: &Snapshot, thorough: bool) -> Part<Boot> {
    let tree = Tree::open(root);
    let wanted = Wanted::of(snapshot);
    let mut boot = Boot {
        systemd: tree.exists("/run/systemd/system") == Some(true),
        chosen_ports: chosen_ports(&tree),
        links: links::find(&tree, &wanted.links),
        ..Boot::default()
    };
    let engines: Vec<_> = wanted.containers.iter().cloned().collect();
    boot.restarts = containers::restart_policies(root, &engines);
    if boot.systemd {
        system(&tree, &wanted, thorough, &mut boot);
    } else {
        let name = tree.try_read("/proc/1/comm").ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&name).trim().clone_into(&mut boot.init);
    }
    boot.listeners = listeners::read(&tree, &wanted.programs, &boot.units);
    boot.sort();
    Part::with_gaps(boot, tree.gaps())
}

/// Reads the unit files of the system's manager and of users'.
fn system(tree: &Tree, wanted: &Wanted, thorough: bool, boot: &mut Boot) {
    let path = LoadPath::read(tree, SYSTEM);
    let ports = &wanted.words.ports;
    boot.default_target = default_target(tree, &path);
    let mut commands = Commands::of(&wanted.words);
    let mut graph = Graph::new(&path, ports);
    let first: Vec<String> = boot.default_target.iter().map(|t| t.name.clone()).collect();
    graph.follow(first, &mut commands);
    let holders = &wanted.words.units;
    let covered = holders.iter().all(|unit| graph.has(unit) && !starts_for_others(unit));
    boot.all_units = thorough || !covered || wanted.by_hand;
    graph.follow(holders.iter().cloned().collect(), &mut commands);
    if boot.all_units {
        // Once more, now looking into the scripts as well.
        commands = Commands { scripts: true, ..Commands::of(&wanted.words) };
        let known: Vec<String> = graph.units.keys().cloned().collect();
        graph = Graph::new(&path, ports);
        graph.follow(known, &mut commands);
        graph.follow(path.all(), &mut commands);
        boot.starters = starters::all(tree, &wanted.words);
        // What the bus, udev and mounts may start, where it is an instance of a template.
        let named = boot.starters.iter().map(|starter| starter.names.clone());
        let named = named.filter(|name| load_path::is_unit_name(name)).collect();
        graph.follow(named, &mut commands);
    }
    boot.starters.append(&mut commands.found);
    boot.firewall = firewall::find(tree, &commands.firewall);
    rc_local(tree, &mut graph);
    boot.units = graph.units.into_values().collect();
    for (uid, units) in &wanted.users {
        boot.user_managers.push(user_manager(tree, *uid, units, ports));
    }
}

/// Units whose processes are not only their own: what they run was started by somebody else's word.
fn starts_for_others(unit: &str) -> bool {
    let stem = unit.strip_suffix(".service").unwrap_or(unit);
    let stem = stem.split('@').next().unwrap_or(stem);
    matches!(
        stem,
        "cron"
            | "crond"
            | "cronie"
            | "atd"
            | "ssh"
            | "sshd"
            | "rc-local"
            | "getty"
            | "serial-getty"
            | "console-getty"
            | "container-getty"
            | "supervisor"
            | "supervisord"
            | "inetd"
            | "openbsd-inetd"
            | "xinetd"
    ) || stem.starts_with("pm2")
}

/// Unit files that are being read, each once.
struct Graph<'g, 't> {
    path: &'g LoadPath<'t>,
    ports: &'g BTreeSet<u16>,
    /// By their own names.
    units: BTreeMap<String, UnitFile>,
}

impl<'g, 't> Graph<'g, 't> {
    fn new(path: &'g LoadPath<'t>, ports: &'g BTreeSet<u16>) -> Self {
        Self { path, ports, units: BTreeMap::new() }
    }

    fn has(&self, name: &str) -> bool {
        self.units.contains_key(&self.path.canonical(name))
    }

    /// Reads these units and everything that they lead to.
    fn follow(&mut self, names: Vec<String>, commands: &mut Commands<'_>) {
        let mut queue: VecDeque<String> = names.into();
        while let Some(name) = queue.pop_front() {
            let name = self.path.canonical(&name);
            if self.units.contains_key(&name) || self.units.len() >= UNIT_LIMIT {
                continue;
            }
            let unit = units::read(self.path, &name, self.ports, commands);
            let leads = unit.pulls.iter().filter(|pull| pull.kind != PullKind::Conflicts);
            queue.extend(leads.map(|pull| pull.to.clone()));
            queue.extend(unit.starts.clone());
            self.units.insert(name, unit);
        }
    }
}

/// Where the boot begins: what the kernel's command line says, or else the link `default.target`
/// (systemd(1), "KERNEL COMMAND LINE"; systemd.special(7)).
fn default_target(tree: &Tree, path: &LoadPath<'_>) -> Option<DefaultTarget> {
    let said = command_line(tree).unwrap_or_default().into_iter().rev().find_map(|word| {
        let name = match word.as_str() {
            "emergency" | "-b" => "emergency.target",
            "rescue" | "single" | "s" | "S" | "1" => "rescue.target",
            "2" | "3" | "4" => "multi-user.target",
            "5" => "graphical.target",
            _ => word.strip_prefix("systemd.unit=")?,
        };
        Some(name.to_owned())
    });
    if let Some(name) = said {
        let source = "the kernel's command line".to_owned();
        return Some(DefaultTarget { name: path.canonical(&name), source });
    }
    let fragment = path.fragment("default.target").filter(|fragment| !fragment.masked)?;
    Some(DefaultTarget { name: path.canonical("default.target"), source: fragment.path })
}

/// The words of the kernel's command line, or in a container of systemd's own.
fn command_line(tree: &Tree) -> Option<Vec<String>> {
    let in_container = tree.exists("/run/systemd/container") == Some(true);
    let file = if in_container { "/proc/1/cmdline" } else { "/proc/cmdline" };
    let bytes = tree.try_read(file).ok()??;
    let text = String::from_utf8_lossy(&bytes);
    let words = text.split([' ', '\n', '\0']).filter(|word| !word.is_empty());
    // The first of systemd's own is its program.
    Some(words.skip(usize::from(in_container)).map(str::to_owned).collect())
}

/// Adds what systemd's generator for `/etc/rc.local` does at each boot: it is started if it is
/// executable (systemd-rc-local-generator(8)). The generator's last run may be out of date.
fn rc_local(tree: &Tree, graph: &mut Graph<'_, '_>) {
    let executable =
        tree.kind("/etc/rc.local").there().is_some_and(|(_, s)| s.st_mode & 0o111 != 0);
    let generator = "/usr/lib/systemd/system-generators/systemd-rc-local-generator";
    let name = "rc-local.service";
    let starts = executable && tree.exists(generator) == Some(true) && graph.has(name);
    if let Some(target) = graph.units.get_mut("multi-user.target") {
        target.pulls.retain(|pull| pull.to != name || !pull.source.starts_with("/run/"));
        if starts {
            let source = format!("/etc/rc.local is executable ({generator})");
            target.pulls.push(Pull { to: name.to_owned(), kind: PullKind::Wants, source });
        }
    }
}

/// Reads the unit files of a user's manager.
fn user_manager(
    tree: &Tree,
    uid: Uid,
    units: &BTreeSet<String>,
    ports: &BTreeSet<u16>,
) -> UserManager {
    let account = account(tree, uid);
    let (name, home) = account.unwrap_or_default();
    let linger = format!("/var/lib/systemd/linger/{name}");
    let there = if name.is_empty() { None } else { tree.exists(&linger) };
    let home = Some(home).filter(|home| home.starts_with('/'));
    let own = home.as_ref().map(|home| format!("{home}/.config/systemd/user"));
    let folders = load_path::of_user(home.as_deref(), uid.0);
    let folders: Vec<_> = folders.iter().map(|(path, lasts)| (path.as_str(), *lasts)).collect();
    let path = LoadPath::read(tree, &folders);
    let words = starters::Words::default();
    let mut commands = Commands::of(&words);
    let mut graph = Graph::new(&path, ports);
    let target = path.fragment("default.target").map(|fragment| DefaultTarget {
        name: path.canonical("default.target"),
        source: fragment.path,
    });
    graph.follow(target.iter().map(|target| target.name.clone()).collect(), &mut commands);
    graph.follow(units.iter().cloned().collect(), &mut commands);
    UserManager {
        uid,
        name,
        linger: (there == Some(true)).then_some(linger),
        linger_known: there.is_some(),
        default_target: target,
        units: graph.units.into_values().collect(),
        // A folder that is there and may not be listed hides what starts.
        complete: own.is_some_and(|own| tree.can_list(&own)),
    }
}

/// A user's name and home (passwd(5)); users of other databases are not known here.
fn account(tree: &Tree, uid: Uid) -> Option<(String, String)> {
    let bytes = tree.read("/etc/passwd", "home folders")?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, number, _, _, home, ..] = fields.as_slice() else { return None };
        (number.parse() == Ok(uid.0)).then(|| ((*name).to_owned(), (*home).to_owned()))
    })
}

/// The ports that the kernel chooses from.
fn chosen_ports(tree: &Tree) -> Option<(u16, u16)> {
    let bytes = tree.try_read("/proc/sys/net/ipv4/ip_local_port_range").ok()??;
    let text = String::from_utf8_lossy(&bytes);
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Entry points for fuzzing.
#[doc(hidden)]
pub mod fuzzing {
    /// A unit file.
    pub fn unit_file(bytes: &[u8]) {
        for setting in super::syntax::parse(bytes) {
            let _ = super::syntax::words(&setting.value);
            let _ = super::syntax::expand(&setting.value, "a-b@c.service");
            let _ = super::listen::Listen::default().set(&setting.key, &setting.value, "");
        }
        let text = String::from_utf8_lossy(bytes);
        let _ = super::syntax::unescape(&text);
        let _ = super::load_path::drop_in_folders(&text, &[]);
    }

    /// Crontabs, scripts, services of the bus, rules of udev, fstab.
    pub fn starters(bytes: &[u8]) {
        super::starters::fuzz(bytes);
        super::links::fuzz(bytes);
        super::firewall::fuzz(bytes);
        super::firewalld::fuzz(bytes);
    }

    /// The configuration of sshd, nginx and PostgreSQL.
    pub fn listeners(bytes: &[u8]) {
        super::listeners::fuzz(bytes);
    }
}

#[cfg(test)]
mod tests;
