//! apk: `/lib/apk/db/installed` (and `/usr/lib/apk/db/installed`, where newer releases keep it).
//!
//! Paragraphs of `LETTER:VALUE` lines (apk-tools `src/database.c`, `apk_db_fdb_read`): `P` the
//! name, `V` the version, `F` a folder without its leading slash, `R` a file in that folder.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::files;
use super::paths::Wanted;
use super::{Answer, FILE_LIMIT, Owner};

/// Answers from apk's database; none if the host has none.
pub(super) fn owning(root: &Path, wanted: &Wanted) -> Option<Answer> {
    for place in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        let mut answer = Answer { manager: "apk", owners: BTreeMap::new(), gaps: Vec::new() };
        match files::read(&root.join(place), FILE_LIMIT) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                answer.owners = owners(&bytes, wanted);
                return Some(answer);
            }
            Err(error) => {
                answer.gaps.push(error.gap("packages by apk"));
                return Some(answer);
            }
        }
    }
    None
}

/// The owner of each wanted path.
fn owners(text: &[u8], wanted: &Wanted) -> BTreeMap<String, Owner> {
    let mut owners = BTreeMap::new();
    let (mut name, mut version, mut folder): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
    let mut path = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        match line {
            [] => (name, version, folder) = (b"", b"", b""),
            [b'P', b':', value @ ..] => name = value,
            [b'V', b':', value @ ..] => version = value,
            [b'F', b':', value @ ..] => folder = value,
            [b'R', b':', value @ ..] => {
                path.clear();
                path.push(b'/');
                if !folder.is_empty() {
                    path.extend_from_slice(folder);
                    path.push(b'/');
                }
                path.extend_from_slice(value);
                for asked in wanted.of(&path) {
                    owners.entry(asked.clone()).or_insert_with(|| Owner {
                        name: String::from_utf8_lossy(name).into_owned(),
                        version: String::from_utf8_lossy(version).into_owned(),
                    });
                }
            }
            _ => {}
        }
    }
    owners
}

/// Parses arbitrary bytes as the database.
pub(in super::super) fn fuzz(bytes: &[u8]) {
    owners(bytes, &Wanted::new(Path::new("/nonexistent"), &["/a", "/a/b"]));
}
