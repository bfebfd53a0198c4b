//! One file under several paths: hosts whose `/bin` is a link to `/usr/bin`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

/// Folders that distributions have merged into others, as paths below the root.
const MERGED: [&str; 10] = [
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "libo32",
    "usr/sbin",
    "usr/lib64",
    "usr/bin",
];

/// The paths that are asked about, under every name that a package database may know them by.
pub(super) struct Wanted {
    /// The paths as asked.
    asked: BTreeSet<String>,
    /// Every name, to the paths as asked that it stands for.
    names: HashMap<Vec<u8>, Vec<String>>,
}

impl Wanted {
    /// Finds the other names of each path by the links that the host has.
    pub(super) fn new(root: &Path, paths: &[&str]) -> Self {
        let links = links(root);
        let mut wanted = Self {
            asked: paths.iter().map(|path| (*path).to_owned()).collect(),
            names: HashMap::new(),
        };
        for path in &wanted.asked {
            for name in names(path, &links) {
                wanted.names.entry(name.into_bytes()).or_default().push(path.clone());
            }
        }
        wanted
    }

    /// The paths as asked, sorted.
    pub(super) fn asked(&self) -> impl Iterator<Item = &str> {
        self.asked.iter().map(String::as_str)
    }

    /// The asked paths that a name from a database stands for; empty for almost every name.
    pub(super) fn of(&self, name: &[u8]) -> &[String] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every name of every path, sorted.
    pub(super) fn names(&self) -> BTreeSet<&[u8]> {
        self.names.keys().map(Vec::as_slice).collect()
    }
}

/// Tells at little cost whether a line can be one of a few: nearly none of the hundreds of thousands
/// of paths in a database is.
pub(super) struct Filter<'a> {
    lines: HashSet<&'a [u8]>,
    /// Indexed by [`shape`].
    shapes: [bool; 256],
}

impl<'a> Filter<'a> {
    /// Lets these lines pass.
    pub(super) fn new(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let lines: HashSet<&[u8]> = lines.into_iter().collect();
        let mut shapes = [false; 256];
        for line in &lines {
            if let Some(passes) = shapes.get_mut(usize::from(shape(line))) {
                *passes = true;
            }
        }
        Self { lines, shapes }
    }

    /// Whether it is one of the lines.
    pub(super) fn passes(&self, line: &[u8]) -> bool {
        self.shapes.get(usize::from(shape(line))) == Some(&true) && self.lines.contains(line)
    }
}

/// The length of a line and its last byte, mixed into one byte.
fn shape(line: &[u8]) -> u8 {
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
    let length = line.len() as u8;
    length.wrapping_mul(29) ^ line.last().copied().unwrap_or_default()
}

/// The merged folders of a host: from the link to where it leads, both absolute and with a slash at
/// the end.
fn links(root: &Path) -> BTreeMap<String, String> {
    let mut links = BTreeMap::new();
    for link in MERGED {
        let Ok(target) = std::fs::read_link(root.join(link)) else { continue };
        let Some(target) = target.to_str() else { continue };
        let parent = link.rsplit_once('/').map_or("", |(parent, _)| parent);
        let target = match target.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None if parent.is_empty() => target.to_owned(),
            None => format!("{parent}/{target}"),
        };
        links.insert(format!("/{link}/"), format!("/{}/", target.trim_end_matches('/')));
    }
    links
}

/// A path and its other names.
fn names(path: &str, links: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut names = BTreeSet::from([path.to_owned()]);
    // A link may lead to a link (`/sbin` to `/usr/sbin` to `/usr/bin`): twice, in both directions.
    for _ in 0..2 {
        for (link, target) in links {
            let more: Vec<String> = names
                .iter()
                .flat_map(|name| {
                    [
                        name.strip_prefix(link.as_str()).map(|rest| format!("{target}{rest}")),
                        name.strip_prefix(target.as_str()).map(|rest| format!("{link}{rest}")),
                    ]
                })
                .flatten()
                .collect();
            names.extend(more);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_folders() {
        let check = |links: &[(&str, &str)], path: &str, expect: &str| {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("usr")).unwrap();
            for (link, target) in links {
                std::os::unix::fs::symlink(target, root.path().join(link)).unwrap();
            }
            let wanted = Wanted::new(root.path(), &[path]);
            let names: Vec<_> =
                wanted.names().into_iter().map(|name| str::from_utf8(name).unwrap()).collect();
            assert_eq!(names.join(" "), expect);
            assert_eq!(wanted.of(path.as_bytes()), [path]);
        };
        let merged = [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "/usr/lib/")];
        check(&[], "/usr/bin/x", "/usr/bin/x");
        check(&merged, "/usr/bin/x", "/bin/x /usr/bin/x");
        check(&merged, "/bin/x", "/bin/x /usr/bin/x");
        check(&merged, "/usr/lib/a/x", "/lib/a/x /usr/lib/a/x");
        check(&merged, "/opt/x", "/opt/x");
        check(&merged, "", "");
        // Fedora 42: one folder under four names.
        let one = [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("usr/sbin", "bin")];
        check(&one, "/usr/bin/x", "/bin/x /sbin/x /usr/bin/x /usr/sbin/x");
        check(&one, "/sbin/x", "/bin/x /sbin/x /usr/bin/x /usr/sbin/x");
    }
}
