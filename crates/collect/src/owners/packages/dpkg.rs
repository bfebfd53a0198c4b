//! dpkg: `/var/lib/dpkg/info/PACKAGE[:ARCH].list`, `diversions` and `status` (dpkg(1), "FILES";
//! dpkg-divert(1); deb-control(5)).

use std::collections::BTreeMap;
use std::path::Path;

use facts::Gap;

use super::super::files;
use super::paths::{Filter, Wanted};
use super::{Answer, FILE_LIMIT, Owner};

/// A package installed for an architecture, as the name of its list has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Installed {
    name: String,
    /// Only for packages that can be installed for several (`Multi-Arch: same`).
    architecture: Option<String>,
}

/// One diversion: other packages' `from` is kept as `to`.
#[derive(Debug, PartialEq, Eq)]
struct Diversion<'a> {
    from: &'a [u8],
    to: &'a [u8],
    /// Whose `from` it is; none: made by the administrator, and no package's.
    by: Option<&'a [u8]>,
}

/// Answers from dpkg's database; none if the host has none.
pub(super) fn owning(root: &Path, wanted: &Wanted) -> Option<Answer> {
    let folder = root.join("var/lib/dpkg");
    let info = folder.join("info");
    let mut gaps = Vec::new();
    let mut gap = |error: &files::FileError| gaps.push(error.gap("packages by dpkg"));

    let names = match files::list(&info) {
        Ok(names) => names?,
        Err(error) => {
            gap(&error);
            Vec::new()
        }
    };
    let diversions = files::read(&folder.join("diversions"), FILE_LIMIT);
    let diversions = diversions.inspect_err(&mut gap).ok().flatten().unwrap_or_default();
    let diversions = parse_diversions(&diversions);

    let filter = Filter::new(lines_that_matter(wanted, &diversions));

    // A diverted path is in the lists under the name that it had before.
    let mut owners: BTreeMap<String, Installed> = BTreeMap::new();
    let mut bytes = Vec::new();
    let mut lists = 0_usize;
    for name in names {
        let Some(package) = name.to_str().and_then(|name| name.strip_suffix(".list")) else {
            continue;
        };
        lists += 1;
        match files::read_into(&info.join(&name), FILE_LIMIT, &mut bytes) {
            Err(error) => gap(&error),
            // A list that vanished is that of a package that was just removed.
            Ok(false) => {}
            Ok(true) => {
                let package = installed(package);
                for path in owned(&bytes, &package, wanted, &diversions, &filter) {
                    let owner = owners.entry(path).or_insert_with(|| package.clone());
                    if package < *owner {
                        *owner = package.clone();
                    }
                }
            }
        }
    }
    // An empty folder is what a host of another package manager has that once unpacked a .deb.
    if lists == 0 && gaps.is_empty() {
        return None;
    }
    let versions = versions(&folder.join("status"), &owners, &mut gaps);
    let owners = owners
        .into_iter()
        .map(|(path, package)| {
            let version = versions.get(&package).cloned().unwrap_or_default();
            (path, Owner { name: package.name, version })
        })
        .collect();
    Some(Answer { manager: "dpkg", owners, gaps })
}

/// The versions of the packages that own something.
fn versions(
    path: &Path,
    owners: &BTreeMap<String, Installed>,
    gaps: &mut Vec<Gap>,
) -> BTreeMap<Installed, String> {
    if owners.is_empty() {
        return BTreeMap::new();
    }
    match files::read(path, FILE_LIMIT) {
        Ok(status) => {
            let status = status.unwrap_or_default();
            owners
                .values()
                .filter_map(|package| Some((package.clone(), version(&status, package)?)))
                .collect()
        }
        Err(error) => {
            gaps.push(error.gap("versions of packages"));
            BTreeMap::new()
        }
    }
}

/// The lines of a list that can be about a wanted path: its names, and what is diverted to them.
fn lines_that_matter<'a>(
    wanted: &'a Wanted,
    diversions: &'a [Diversion<'a>],
) -> impl Iterator<Item = &'a [u8]> {
    let diverted = diversions.iter().filter(|one| !wanted.of(one.to).is_empty());
    wanted.names().into_iter().chain(diverted.map(|one| one.from))
}

/// Splits `NAME` or `NAME:ARCH`.
fn installed(list: &str) -> Installed {
    match list.split_once(':') {
        Some((name, architecture)) => {
            Installed { name: name.to_owned(), architecture: Some(architecture.to_owned()) }
        }
        None => Installed { name: list.to_owned(), architecture: None },
    }
}

/// The wanted paths that a package owns by its list, one path a line.
fn owned(
    list: &[u8],
    package: &Installed,
    wanted: &Wanted,
    diversions: &[Diversion<'_>],
    filter: &Filter<'_>,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', list).chain([list.len()]) {
        let line = list.get(start..end).unwrap_or_default();
        start = end + 1;
        if !filter.passes(line) {
            continue;
        }
        // Where the package's file is now.
        let diverted = diversions
            .iter()
            .find(|one| one.from == line && one.by != Some(package.name.as_bytes()));
        let place = diverted.map_or(line, |one| one.to);
        found.extend_from_slice(wanted.of(place));
    }
    found
}

/// Reads `diversions`: three lines each, from, to and package, the last `:` for a local one.
fn parse_diversions(text: &[u8]) -> Vec<Diversion<'_>> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut found = Vec::new();
    while let (Some(from), Some(to), Some(by)) = (lines.next(), lines.next(), lines.next()) {
        if !from.is_empty() && !to.is_empty() {
            found.push(Diversion { from, to, by: (by != b":").then_some(by) });
        }
    }
    found
}

/// The version of an installed package, from `status`: paragraphs of `Field: value`, with an empty
/// line between them.
fn version(status: &[u8], package: &Installed) -> Option<String> {
    let head = format!("Package: {}\n", package.name);
    memchr::memmem::find_iter(status, head.as_bytes())
        .filter(|at| *at == 0 || status.get(at - 1) == Some(&b'\n'))
        .find_map(|at| {
            let rest = status.get(at..)?;
            let end = memchr::memmem::find(rest, b"\n\n").unwrap_or(rest.len());
            let paragraph = rest.get(..end)?;
            let is_it = package
                .architecture
                .as_ref()
                .is_none_or(|wanted| field(paragraph, "Architecture") == Some(wanted.as_bytes()));
            let version = field(paragraph, "Version").filter(|_| is_it)?;
            Some(String::from_utf8_lossy(version).into_owned())
        })
}

/// The value of a field of a paragraph.
fn field<'a>(paragraph: &'a [u8], name: &str) -> Option<&'a [u8]> {
    paragraph.split(|byte| *byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        Some(value.trim_ascii())
    })
}

/// Parses arbitrary bytes as a package's list.
pub(in super::super) fn fuzz_list(bytes: &[u8]) {
    let wanted = Wanted::new(Path::new("/nonexistent"), &["/a", "a", ""]);
    let diversions = parse_diversions(b"/a\n/b\n:\n/c\n/a\np\n");
    let filter = Filter::new(lines_that_matter(&wanted, &diversions));
    owned(bytes, &installed("a:b"), &wanted, &diversions, &filter);
}

/// Parses arbitrary bytes as the list of diversions.
pub(in super::super) fn fuzz_diversions(bytes: &[u8]) {
    parse_diversions(bytes);
}

/// Parses arbitrary bytes as the status file.
pub(in super::super) fn fuzz_status(bytes: &[u8]) {
    for name in ["a", "a:b", ""] {
        version(bytes, &installed(name));
    }
}
