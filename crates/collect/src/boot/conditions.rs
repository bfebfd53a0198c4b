//! Conditions and assertions of units, as far as they can be tried without the boot.

use facts::Condition;
use rustix::fs::FileType;

use super::syntax::expand;
use super::tree::{Kind, Tree};
use super::units::{is_true, lasts};

/// The conditions of a unit while they are applied.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) list: Vec<Condition>,
}

/// Conditions about the machine and its kernel: what they said at this boot they say at the next,
/// unless the machine is changed.
const OF_MACHINE: [&str; 15] = [
    "Architecture",
    "Virtualization",
    "Host",
    "KernelVersion",
    "CPUFeature",
    "Security",
    "Capability",
    "Memory",
    "CPUs",
    "ControlGroupController",
    "OSRelease",
    "Firmware",
    "User",
    "Group",
    "Environment",
];

impl Conditions {
    /// Applies a `Condition…=` or `Assert…=`.
    pub(super) fn set(&mut self, tree: &Tree, key: &str, value: &str, unit: &str) {
        if value.is_empty() {
            // An empty one takes back all of its sort (systemd.unit(5)).
            let sort = if key.starts_with("Assert") { "Assert" } else { "Condition" };
            self.list.retain(|condition| !condition.text.starts_with(sort));
            return;
        }
        let text = format!("{key}={value}");
        let name = key.strip_prefix("Condition").or_else(|| key.strip_prefix("Assert"));
        let (any, rest) = match value.strip_prefix('|') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, value),
        };
        let (negated, argument) = match rest.strip_prefix('!') {
            Some(argument) => (true, argument.trim_start()),
            None => (false, rest),
        };
        let name = name.unwrap_or_default();
        let holds = expand(argument, unit).and_then(|argument| holds(tree, name, &argument));
        let of_machine = OF_MACHINE.contains(&name);
        self.list.push(Condition { text, any, holds: holds.map(|h| h != negated), of_machine });
    }
}

/// Whether a condition holds, without its negation; none: not to be said before the boot.
fn holds(tree: &Tree, name: &str, argument: &str) -> Option<bool> {
    match name {
        "KernelCommandLine" => return kernel_command_line(tree, argument),
        "User" => {
            return (argument == "root" || argument == "0" || argument == "@system")
                .then_some(true);
        }
        // Only the first boot after installation (machine-id(5)).
        "FirstBoot" => {
            let id = tree.try_read("/etc/machine-id").ok()??;
            let first = id.is_empty() || id.starts_with(b"uninitialized");
            return (!first).then(|| !is_true(argument));
        }
        _ if !name.starts_with("Path") && !name.starts_with("File") && !name.starts_with("Dir") => {
            return None;
        }
        _ => {}
    }
    if !argument.starts_with('/') || !lasts(argument) {
        return None;
    }
    let there = match tree.kind(argument) {
        Kind::Unknown => return None,
        known => known.there(),
    };
    Some(match name {
        "PathExists" => there.is_some(),
        "PathIsDirectory" => there.is_some_and(|(kind, _)| kind == FileType::Directory),
        "PathIsSymbolicLink" => tree.link(argument).is_some(),
        "DirectoryNotEmpty" => {
            there.is_some() && !tree.list(argument, "folders that units ask for")?.is_empty()
        }
        "FileNotEmpty" => {
            there.is_some_and(|(kind, stat)| kind == FileType::RegularFile && stat.st_size > 0)
        }
        "FileIsExecutable" => there
            .is_some_and(|(kind, stat)| kind == FileType::RegularFile && stat.st_mode & 0o111 != 0),
        // Mounts and write protection are not of the disk alone.
        _ => return None,
    })
}

/// Whether the kernel's command line has a word, or one with a value. The next boot's is taken to be
/// the same. In a container systemd asks its own command line instead (systemd
/// `src/basic/proc-cmdline.c`, `proc_cmdline`).
fn kernel_command_line(tree: &Tree, argument: &str) -> Option<bool> {
    let words = super::command_line(tree)?;
    Some(words.iter().any(|word| {
        word == argument
            || (!argument.contains('=')
                && word.strip_prefix(argument).is_some_and(|rest| rest.starts_with('=')))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_disk_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for folder in ["etc/full", "etc/bare", "proc", "run/systemd"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        std::fs::write(at("etc/full/file"), "x").unwrap();
        std::fs::write(at("etc/empty"), "").unwrap();
        std::fs::write(at("etc/machine-id"), "0123\n").unwrap();
        std::fs::write(at("proc/cmdline"), "quiet a=1\n").unwrap();
        let tree = Tree::open(folder.path());
        let check = |key: &str, value: &str, expect: Option<bool>| {
            let mut conditions = Conditions::default();
            conditions.set(&tree, key, value, "a.service");
            assert_eq!(conditions.list.first().unwrap().holds, expect, "{key}={value}");
        };
        check("ConditionPathExists", "/etc/empty", Some(true));
        check("ConditionPathExists", "!/etc/empty", Some(false));
        check("ConditionPathExists", "|!/etc/none", Some(true));
        check("ConditionPathExists", "/run/x", None);
        check("ConditionPathIsDirectory", "/etc/full", Some(true));
        check("ConditionPathIsDirectory", "/etc/empty", Some(false));
        check("AssertFileNotEmpty", "/etc/empty", Some(false));
        check("ConditionDirectoryNotEmpty", "/etc/full", Some(true));
        check("ConditionDirectoryNotEmpty", "/etc/bare", Some(false));
        check("ConditionDirectoryNotEmpty", "/etc/none", Some(false));
        check("ConditionFileIsExecutable", "/etc/full/file", Some(false));
        check("ConditionKernelCommandLine", "a", Some(true));
        check("ConditionKernelCommandLine", "a=1", Some(true));
        check("ConditionKernelCommandLine", "!b", Some(true));
        check("ConditionFirstBoot", "yes", Some(false));
        check("ConditionFirstBoot", "no", Some(true));
        check("ConditionVirtualization", "!container", None);
        check("ConditionPathIsReadWrite", "/sys/", None);
        check("ConditionPathExists", "/etc/%H", None);
    }

    #[test]
    fn an_empty_value_takes_back_its_sort() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::open(folder.path());
        let mut conditions = Conditions::default();
        for (key, value) in
            [("ConditionPathExists", "/a"), ("AssertPathExists", "/b"), ("ConditionHost", "")]
        {
            conditions.set(&tree, key, value, "a.service");
        }
        let left: Vec<&str> = conditions.list.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(left, ["AssertPathExists=/b"]);
    }
}
