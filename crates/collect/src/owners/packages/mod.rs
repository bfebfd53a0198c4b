//! Which package brought a file, from the package managers' own databases.
//!
//! Input: paths of executables. Output: for each the owning package, or that no package owns it;
//! the latter only if every package database of the host was read in full.

mod apk;
mod dpkg;
mod pacman;
mod paths;
mod rpm;
mod rpm_header;

use std::collections::BTreeMap;
use std::path::Path;

use facts::{Gap, Package, Part};

pub(super) use apk::fuzz as fuzz_apk;
pub(super) use dpkg::{fuzz_diversions, fuzz_list, fuzz_status};
pub(super) use pacman::fuzz as fuzz_pacman;
pub(super) use rpm::fuzz as fuzz_rpm;

use paths::Wanted;

/// The largest database file that is read whole, in bytes.
const FILE_LIMIT: u64 = 256 << 20;

/// What one package manager said.
struct Answer {
    /// Its name.
    manager: &'static str,
    /// The owner of each path that has one, by the path as it was asked.
    owners: BTreeMap<String, Owner>,
    /// What could not be read. Unless empty, absence from `owners` proves nothing.
    gaps: Vec<Gap>,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    name: String,
    version: String,
}

/// Tells for each path which package owns it. The list is sorted by path; a path is left out if
/// nothing is known of it, and a gap says why.
///
/// `root` is `/`, or a folder that is laid out like it.
pub fn owning(root: &Path, paths: &[&str]) -> Part<Vec<Package>> {
    if paths.is_empty() {
        return Part::known(Vec::new());
    }
    let wanted = Wanted::new(root, paths);
    let readers: [fn(&Path, &Wanted) -> Option<Answer>; 4] =
        [dpkg::owning, rpm::owning, apk::owning, pacman::owning];
    let answers: Vec<Answer> = readers.iter().filter_map(|read| read(root, &wanted)).collect();
    if answers.is_empty() {
        return Part::unreadable(Gap::new(
            "packages of executables",
            "no database of dpkg, rpm, apk or pacman is on this host",
        ));
    }
    let all_read = answers.iter().all(|answer| answer.gaps.is_empty());
    let managers = answers.iter().map(|answer| answer.manager).collect::<Vec<_>>().join(", ");

    let mut packages = Vec::new();
    for path in wanted.asked() {
        let owner = answers
            .iter()
            .find_map(|answer| Some((answer.manager, answer.owners.get(path)?.clone())));
        match owner {
            Some((manager, Owner { name, version })) => packages.push(Package {
                path: path.to_owned(),
                name: Some(name),
                version,
                manager: manager.to_owned(),
            }),
            None if all_read => packages.push(Package {
                path: path.to_owned(),
                name: None,
                version: String::new(),
                manager: managers.clone(),
            }),
            None => {}
        }
    }
    // A gap is worth telling only if it leaves a question open.
    let open = packages.len() < wanted.asked().count();
    let gaps: Vec<Gap> = answers.into_iter().flat_map(|answer| answer.gaps).collect();
    match <[Gap; 1]>::try_from(if open { gaps } else { Vec::new() }) {
        Ok([gap]) if packages.is_empty() => Part::unreadable(gap),
        Ok([gap]) => Part::with_gaps(packages, vec![gap]),
        Err(gaps) => Part::with_gaps(packages, gaps),
    }
}

#[cfg(test)]
mod tests;
