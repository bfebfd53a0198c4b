//! The folders that units are loaded from, and which file of which folder counts.

use std::collections::BTreeMap;

use super::tree::{EntryKind, Tree};

/// How long what is in a folder lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasts {
    /// It is on disk.
    OnDisk,
    /// Generators make it anew at each boot (systemd.generator(7)).
    Generated,
    /// It is gone after a boot.
    Runtime,
    /// The same, for transient units.
    Transient,
}

impl Lasts {
    /// Whether the next boot finds it.
    pub(super) fn is_there_after_boot(self) -> bool {
        matches!(self, Self::OnDisk | Self::Generated)
    }
}

/// The folders of the system's manager, the first counting most (systemd.unit(5), "UNIT FILE LOAD
/// PATH"; systemd `src/libsystemd/sd-path/path-lookup.c`, `lookup_paths_init`).
pub(super) const SYSTEM: &[(&str, Lasts)] = &[
    ("/etc/systemd/system.control", Lasts::OnDisk),
    ("/run/systemd/system.control", Lasts::Runtime),
    ("/run/systemd/transient", Lasts::Transient),
    ("/run/systemd/generator.early", Lasts::Generated),
    ("/etc/systemd/system", Lasts::OnDisk),
    ("/etc/systemd/system.attached", Lasts::OnDisk),
    ("/run/systemd/system", Lasts::Runtime),
    ("/run/systemd/system.attached", Lasts::Runtime),
    ("/run/systemd/generator", Lasts::Generated),
    ("/usr/local/lib/systemd/system", Lasts::OnDisk),
    ("/usr/lib/systemd/system", Lasts::OnDisk),
    ("/lib/systemd/system", Lasts::OnDisk),
    ("/run/systemd/generator.late", Lasts::Generated),
];

/// The folders of a user's manager.
pub(super) fn of_user(home: Option<&str>, uid: u32) -> Vec<(String, Lasts)> {
    let run = |name: &str| format!("/run/user/{uid}/systemd/{name}");
    let mut folders = Vec::new();
    let config = home.map(|home| format!("{home}/.config/systemd"));
    folders.extend(config.iter().map(|c| (format!("{c}/user.control"), Lasts::OnDisk)));
    folders.push((run("user.control"), Lasts::Runtime));
    folders.push((run("transient"), Lasts::Transient));
    folders.push((run("generator.early"), Lasts::Generated));
    folders.extend(config.iter().map(|c| (format!("{c}/user"), Lasts::OnDisk)));
    folders.push(("/etc/systemd/user".to_owned(), Lasts::OnDisk));
    folders.push((run("user"), Lasts::Runtime));
    folders.push(("/run/systemd/user".to_owned(), Lasts::Runtime));
    folders.push((run("generator"), Lasts::Generated));
    folders.extend(home.map(|h| (format!("{h}/.local/share/systemd/user"), Lasts::OnDisk)));
    for shared in ["/usr/local/share", "/usr/share", "/usr/local/lib", "/usr/lib"] {
        folders.push((format!("{shared}/systemd/user"), Lasts::OnDisk));
    }
    folders.push((run("generator.late"), Lasts::Generated));
    folders
}

/// A folder and what is in it.
#[derive(Debug)]
struct Folder {
    path: String,
    lasts: Lasts,
    entries: BTreeMap<String, EntryKind>,
}

/// All folders, each read once.
#[derive(Debug)]
pub(super) struct LoadPath<'t> {
    pub(super) tree: &'t Tree,
    folders: Vec<Folder>,
    /// The other names of units, by link: from name to name.
    aliases: BTreeMap<String, String>,
    /// The same the other way round.
    names: BTreeMap<String, Vec<String>>,
}

/// The file that counts for a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) path: String,
    pub(super) masked: bool,
    pub(super) lasts: Lasts,
}

impl<'t> LoadPath<'t> {
    /// Lists the folders.
    pub(super) fn read(tree: &'t Tree, folders: &[(&str, Lasts)]) -> Self {
        let mut read: Vec<Folder> = Vec::new();
        // Where /lib is a link to /usr/lib, both are one.
        let merged = tree.link("/lib").is_some();
        for (path, lasts) in folders {
            if merged && path.starts_with("/lib/") {
                continue;
            }
            if let Some(entries) = tree.list(path, "unit files") {
                let entries = entries.into_iter().map(|entry| (entry.name, entry.kind)).collect();
                read.push(Folder { path: (*path).to_owned(), lasts: *lasts, entries });
            }
        }
        let mut path =
            Self { tree, folders: read, aliases: BTreeMap::new(), names: BTreeMap::new() };
        path.read_aliases();
        path
    }

    fn read_aliases(&mut self) {
        for folder in self.folders.iter().filter(|f| f.lasts.is_there_after_boot()) {
            for (name, _) in folder.entries.iter().filter(|(_, kind)| **kind == EntryKind::Link) {
                if !is_unit_name(name) {
                    continue;
                }
                // What counts more says what the name means.
                if self.aliases.contains_key(name) || self.is_shadowed(name, &folder.path) {
                    continue;
                }
                let Some(target) = self.tree.link(&format!("{}/{name}", folder.path)) else {
                    continue;
                };
                let target = target.rsplit('/').next().unwrap_or_default();
                if target != name && is_unit_name(target) {
                    self.aliases.insert(name.clone(), target.to_owned());
                }
            }
        }
        for alias in self.aliases.keys() {
            let name = self.canonical(alias);
            self.names.entry(name).or_default().push(alias.clone());
        }
    }

    /// Whether a folder that counts more than this one has the name as well.
    fn is_shadowed(&self, name: &str, folder: &str) -> bool {
        let before = self.folders.iter().take_while(|f| f.path != folder);
        before.filter(|f| f.lasts.is_there_after_boot()).any(|f| f.entries.contains_key(name))
    }

    /// A unit's own name, after following links from other names.
    pub(super) fn canonical(&self, name: &str) -> String {
        let mut at = name;
        // A chain of links is short; one in a circle ends somewhere.
        for _ in 0..8 {
            let Some(next) = self.aliases.get(at) else { break };
            at = next;
        }
        // A link from an instance to its template is no other name.
        if at != name && template(name).as_deref() == Some(at) {
            return name.to_owned();
        }
        // An alias of a template is one of each instance.
        if at == name
            && let (Some(own), Some(instance)) = (template(name), instance(name))
            && self.aliases.contains_key(&own)
        {
            let other = self.canonical(&own);
            return other.replacen('@', &format!("@{instance}"), 1);
        }
        at.to_owned()
    }

    /// The other names of a unit.
    pub(super) fn aliases(&self, name: &str) -> &[String] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// The file that counts at the next boot for a unit of this name, or else for its template.
    pub(super) fn fragment(&self, name: &str) -> Option<Fragment> {
        self.file(name).or_else(|| self.file(&template(name)?))
    }

    fn file(&self, name: &str) -> Option<Fragment> {
        for folder in self.folders.iter().filter(|f| f.lasts.is_there_after_boot()) {
            let Some(kind) = folder.entries.get(name) else { continue };
            let path = format!("{}/{name}", folder.path);
            let link = (*kind == EntryKind::Link).then(|| self.tree.link(&path)).flatten();
            let masked = link.as_deref() == Some("/dev/null");
            return Some(Fragment { path, masked, lasts: folder.lasts });
        }
        None
    }

    /// A file of a unit that is gone after a boot, and whether it is of a transient unit.
    pub(super) fn runtime(&self, name: &str) -> Option<(String, bool)> {
        let gone = self.folders.iter().filter(|f| !f.lasts.is_there_after_boot());
        let drop_ins = format!("{name}.d");
        for folder in gone {
            for entry in [name, &drop_ins] {
                if folder.entries.contains_key(entry) {
                    let transient = folder.lasts == Lasts::Transient && entry == name;
                    return Some((format!("{}/{entry}", folder.path), transient));
                }
            }
        }
        None
    }

    /// A link to a unit in a folder of dependencies that is gone after a boot.
    pub(super) fn runtime_link(&self, name: &str) -> Option<String> {
        for folder in self.folders.iter().filter(|f| !f.lasts.is_there_after_boot()) {
            let kinds = [".wants", ".requires", ".upholds"];
            let of_links = |entry: &&String| kinds.iter().any(|kind| entry.ends_with(kind));
            for of in folder.entries.keys().filter(of_links) {
                let path = format!("{}/{of}/{name}", folder.path);
                if self.tree.link(&path).is_some() {
                    return Some(path);
                }
            }
        }
        None
    }

    /// The files of the folders of these names (`NAME.wants`, `NAME.d`), one of each file name: the
    /// name given first counts most, then the folder. Files that are masked are left out.
    pub(super) fn merged(
        &self,
        names: &[String],
        suffix: &str,
    ) -> BTreeMap<String, (String, Lasts)> {
        let mut files: BTreeMap<String, (String, Lasts)> = BTreeMap::new();
        for name in names {
            for folder in self.folders.iter().filter(|f| f.lasts.is_there_after_boot()) {
                if !folder.entries.contains_key(name) {
                    continue;
                }
                let path = format!("{}/{name}", folder.path);
                for entry in self.tree.list(&path, "unit files").unwrap_or_default() {
                    if entry.name.ends_with(suffix) {
                        let file = format!("{path}/{}", entry.name);
                        files.entry(entry.name).or_insert((file, folder.lasts));
                    }
                }
            }
        }
        files.retain(|_, (file, _)| self.tree.link(file).as_deref() != Some("/dev/null"));
        files
    }

    /// The names of all unit files, without templates.
    pub(super) fn all(&self) -> Vec<String> {
        let there = self.folders.iter().filter(|f| f.lasts.is_there_after_boot());
        let mut names: Vec<String> = there
            .flat_map(|folder| folder.entries.iter())
            .filter(|(_, kind)| !matches!(kind, EntryKind::Folder))
            .map(|(name, _)| name)
            .filter(|name| is_unit_name(name) && !name.contains("@."))
            .cloned()
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Whether a name has the form of a unit's.
pub(super) fn is_unit_name(name: &str) -> bool {
    const TYPES: [&str; 11] = [
        "service",
        "socket",
        "target",
        "device",
        "mount",
        "automount",
        "swap",
        "timer",
        "path",
        "slice",
        "scope",
    ];
    let Some((stem, kind)) = name.rsplit_once('.') else { return false };
    !stem.is_empty() && name.len() < 256 && TYPES.contains(&kind) && !name.contains('/')
}

/// `getty@.service` for `getty@tty1.service`; none for what is no instance.
pub(super) fn template(name: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    let (prefix, instance) = stem.split_once('@')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{kind}"))
}

/// `tty1` for `getty@tty1.service`.
fn instance(name: &str) -> Option<&str> {
    let (_, instance) = name.rsplit_once('.')?.0.split_once('@')?;
    (!instance.is_empty()).then_some(instance)
}

/// The names of the folders of drop-ins of a unit, the most specific first: its own, its template's,
/// those of the beginnings of its name, and that of its type (systemd.unit(5), "DESCRIPTION").
pub(super) fn drop_in_folders(name: &str, aliases: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for name in std::iter::once(name).chain(aliases.iter().map(String::as_str)) {
        names.push(format!("{name}.d"));
        let template = template(name);
        names.extend(template.as_ref().map(|template| format!("{template}.d")));
        let Some((stem, kind)) = template.as_deref().unwrap_or(name).rsplit_once('.') else {
            continue;
        };
        let (prefix, at) = stem.split_once('@').map_or((stem, ""), |(prefix, _)| (prefix, "@"));
        let mut rest = prefix;
        while let Some((shorter, last)) = rest.rsplit_once('-') {
            if !last.is_empty() {
                names.push(format!("{shorter}-{at}.{kind}.d"));
            }
            rest = shorter;
        }
    }
    names.extend(name.rsplit_once('.').map(|(_, kind)| format!("{kind}.d")));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_of_drop_ins() {
        let check = |name: &str, expect: &[&str]| {
            assert_eq!(drop_in_folders(name, &[]), expect, "{name}");
        };
        check(
            "foo-bar-baz.service",
            &["foo-bar-baz.service.d", "foo-bar-.service.d", "foo-.service.d", "service.d"],
        );
        check("a@b-c.socket", &["a@b-c.socket.d", "a@.socket.d", "socket.d"]);
        check("x.target", &["x.target.d", "target.d"]);
    }

    #[test]
    fn names() {
        for (name, expect) in
            [("a.service", true), (".service", false), ("a.conf", false), ("a@.timer", true)]
        {
            assert_eq!(is_unit_name(name), expect, "{name}");
        }
        assert_eq!(template("a@b.service").as_deref(), Some("a@.service"));
        assert_eq!(template("a@.service"), None);
        assert_eq!(template("a.service"), None);
    }
}
