//! pacman: `/var/lib/pacman/local/NAME-VERSION/{desc,files}`.
//!
//! Both are paragraphs: a line `%KEY%`, then one value a line, then an empty line (libalpm
//! `lib/libalpm/be_local.c`). `%FILES%` lists paths without their leading slash.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::files;
use super::paths::Wanted;
use super::{Answer, FILE_LIMIT, Owner};

/// Answers from pacman's database; none if the host has none.
pub(super) fn owning(root: &Path, wanted: &Wanted) -> Option<Answer> {
    const WHAT: &str = "packages by pacman";
    let folder = root.join("var/lib/pacman/local");
    let mut answer = Answer { manager: "pacman", owners: BTreeMap::new(), gaps: Vec::new() };
    let packages = match files::list(&folder) {
        Ok(packages) => packages?,
        Err(error) => {
            answer.gaps.push(error.gap(WHAT));
            return Some(answer);
        }
    };
    let mut bytes = Vec::new();
    for package in packages {
        let folder = folder.join(package);
        match files::read_into(&folder.join("files"), FILE_LIMIT, &mut bytes) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(error) => {
                answer.gaps.push(error.gap(WHAT));
                continue;
            }
        }
        let paths: Vec<String> = owned(&bytes, wanted);
        if paths.is_empty() {
            continue;
        }
        let desc = folder.join("desc");
        match files::read(&desc, FILE_LIMIT).map(|desc| desc.as_deref().and_then(owner)) {
            Ok(Some(owner)) => {
                answer.owners.extend(paths.into_iter().map(|path| (path, owner.clone())));
            }
            Ok(None) => {
                let error = files::FileError::malformed(&desc, "names no package");
                answer.gaps.push(error.gap(WHAT));
            }
            Err(error) => answer.gaps.push(error.gap(WHAT)),
        }
    }
    Some(answer)
}

/// The values below a key.
fn values<'a>(text: &'a [u8], key: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    text.split(|byte| *byte == b'\n')
        .skip_while(move |line| *line != key)
        .skip(1)
        .take_while(|line| !line.is_empty())
}

/// The wanted paths that a package owns, by its `files`.
fn owned(text: &[u8], wanted: &Wanted) -> Vec<String> {
    let mut path = vec![b'/'];
    let mut found = Vec::new();
    for value in values(text, b"%FILES%") {
        path.truncate(1);
        path.extend_from_slice(value);
        found.extend_from_slice(wanted.of(&path));
    }
    found
}

/// The package, by its `desc`.
fn owner(text: &[u8]) -> Option<Owner> {
    let value = |key| values(text, key).next().map(|v| String::from_utf8_lossy(v).into_owned());
    Some(Owner { name: value(b"%NAME%")?, version: value(b"%VERSION%").unwrap_or_default() })
}

/// Parses arbitrary bytes as each of the files.
pub(in super::super) fn fuzz(bytes: &[u8]) {
    owned(bytes, &Wanted::new(Path::new("/nonexistent"), &["/a", "/a/b"]));
    owner(bytes);
}
