//! Scripts that the host runs on its way up, and what they name.

use facts::{Starter, StarterKind};

use super::super::tree::{EntryKind, Tree};
use super::Words;

/// What runs scripts rather than being one: the name of such a process tells nothing.
const INTERPRETERS: &[&str] = &[
    "ash", "bash", "beam.smp", "bun", "busybox", "csh", "dash", "deno", "dotnet", "env", "fish",
    "java", "ksh", "lua", "mono", "nc", "ncat", "netcat", "node", "nodejs", "perl", "php", "ruby",
    "sh", "socat", "systemd", "tcsh", "zsh",
];

/// Whether a process of this name runs some script, so that its name tells nothing.
pub(in super::super) fn interpreted(comm: &str) -> bool {
    INTERPRETERS.contains(&comm) || comm.starts_with("python") || comm.starts_with("php")
}

/// Folders of scripts that are run when an interface comes up or a lease is got, with the units that
/// do so.
const HOOKS: &[(&str, &[&str])] = &[
    ("/etc/network/if-pre-up.d", &["networking.service"]),
    ("/etc/network/if-up.d", &["networking.service"]),
    ("/etc/NetworkManager/dispatcher.d", &["NetworkManager.service"]),
    ("/usr/lib/NetworkManager/dispatcher.d", &["NetworkManager.service"]),
    ("/etc/networkd-dispatcher/routable.d", &["networkd-dispatcher.service"]),
    ("/etc/networkd-dispatcher/configured.d", &["networkd-dispatcher.service"]),
    ("/etc/dhcp/dhclient-enter-hooks.d", &[]),
    ("/etc/dhcp/dhclient-exit-hooks.d", &[]),
    ("/etc/dhcpcd/hooks", &[]),
    ("/etc/ppp/ip-up.d", &[]),
    ("/etc/profile.d", &["getty.target"]),
];

/// Looks into all of them.
pub(super) fn find(tree: &Tree, words: &Words, found: &mut Vec<Starter>) {
    rc_local(tree, words, found);
    for (folder, through) in HOOKS {
        of_folder(tree, words, StarterKind::Hook, folder, through, found);
    }
    let interfaces = ["/etc/network/interfaces".to_owned()].into_iter();
    let more = tree.list("/etc/network/interfaces.d", "interfaces").unwrap_or_default();
    let more = more.into_iter().map(|entry| format!("/etc/network/interfaces.d/{}", entry.name));
    for path in interfaces.chain(more) {
        look_at_lines(tree, words, StarterKind::Hook, &path, &["networking.service"], found);
    }
    init_scripts(tree, words, found);
}

/// Looks into `/etc/rc.local`.
fn rc_local(tree: &Tree, words: &Words, found: &mut Vec<Starter>) {
    let path = "/etc/rc.local";
    for script in
        look_at_lines(tree, words, StarterKind::RcLocal, path, &["rc-local.service"], found)
    {
        look_into(tree, words, StarterKind::RcLocal, &script, &["rc-local.service"], found);
    }
}

/// Scripts of `/etc/init.d` that a runlevel starts. systemd runs one only where there is no unit of
/// its name; which that is, the units tell.
fn init_scripts(tree: &Tree, words: &Words, found: &mut Vec<Starter>) {
    let mut names: Vec<String> = Vec::new();
    for level in ["2", "3", "4", "5", "S"] {
        let entries = tree.list(&format!("/etc/rc{level}.d"), "scripts of runlevels");
        let starts = entries.unwrap_or_default().into_iter();
        names.extend(starts.filter_map(|entry| {
            let name = entry.name.strip_prefix('S')?;
            Some(name.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned())
        }));
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        let unit = format!("{name}.service");
        let path = format!("/etc/init.d/{name}");
        look_at_lines(tree, words, StarterKind::InitScript, &path, &[&unit], found);
    }
}

/// Looks at every script of a folder.
pub(super) fn of_folder(
    tree: &Tree,
    words: &Words,
    kind: StarterKind,
    folder: &str,
    through: &[&str],
    found: &mut Vec<Starter>,
) {
    for entry in tree.list(folder, "scripts that are run at boot").unwrap_or_default() {
        if entry.kind != EntryKind::Folder {
            look_at_lines(tree, words, kind, &format!("{folder}/{}", entry.name), through, found);
        }
    }
}

/// Looks into a program if it is a script.
pub(super) fn look_into(
    tree: &Tree,
    words: &Words,
    kind: StarterKind,
    path: &str,
    through: &[&str],
    found: &mut Vec<Starter>,
) {
    if tree.starts_with(path, b"#!") {
        look_at_lines(tree, words, kind, path, through, found);
    }
}

/// Looks at the lines of a text, and returns the paths that it names.
fn look_at_lines(
    tree: &Tree,
    words: &Words,
    kind: StarterKind,
    path: &str,
    through: &[&str],
    found: &mut Vec<Starter>,
) -> Vec<String> {
    let Some(bytes) = tree.read(path, "scripts that are run at boot") else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let mut paths = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let source = format!("{path}:{}", at.saturating_add(1));
        words.starters(kind, line, &source, through, found);
        if kind == StarterKind::RcLocal {
            paths.extend(paths_in(line));
        }
    }
    paths
}

/// The absolute paths that a command names.
pub(super) fn paths_in(command: &str) -> Vec<String> {
    let in_path = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '@');
    command
        .split(|c| !in_path(c))
        .filter(|word| word.starts_with('/') && !word.starts_with("/dev/"))
        .map(str::to_owned)
        .collect()
}
