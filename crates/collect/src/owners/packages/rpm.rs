//! rpm's database: `rpmdb.sqlite`, the format of all distributions in support but SUSE's older ones
//! (rpm `lib/backend/sqlite.c`).
//!
//! Its table `Basenames` (key, hnum, idx) leads from a file's name to a package's header in
//! `Packages` (hnum, blob) and the file's place in it.

use std::collections::BTreeMap;
use std::path::Path;

use facts::Gap;

use super::super::files;
use super::super::sqlite::{Database, SqliteError, Value};
use super::paths::Wanted;
use super::rpm_header::Header;
use super::{Answer, Owner};

/// What a gap is about.
const WHAT: &str = "packages by rpm";

/// Where the database may be: Red Hat's, SUSE's and newer Fedora's, and that of image-based systems.
/// One is often a link to another.
const PLACES: [&str; 3] = ["usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"];

/// Older formats, which are not read.
const OLDER: [(&str, &str); 2] = [("Packages.db", "ndb"), ("Packages", "Berkeley DB")];

/// Answers from rpm's database; none if the host has none.
pub(super) fn owning(root: &Path, wanted: &Wanted) -> Option<Answer> {
    let mut answer = Answer { manager: "rpm", owners: BTreeMap::new(), gaps: Vec::new() };
    for place in PLACES.map(|place| root.join(place)) {
        match read(&place.join("rpmdb.sqlite"), wanted) {
            Ok(None) => {}
            Ok(Some(owners)) => {
                answer.owners = owners;
                return Some(answer);
            }
            Err(error) => {
                answer.gaps.push(error.gap(WHAT));
                return Some(answer);
            }
        }
        for (name, format) in OLDER {
            let path = place.join(name);
            match files::open(&path) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    let why = format!(
                        "{}: a database of the format {format}, which is not read",
                        path.display()
                    );
                    answer.gaps.push(Gap::new(WHAT, why));
                    return Some(answer);
                }
                Err(error) => {
                    answer.gaps.push(error.gap(WHAT));
                    return Some(answer);
                }
            }
        }
    }
    None
}

/// The owners by one database; none if it is not there.
fn read(path: &Path, wanted: &Wanted) -> Result<Option<BTreeMap<String, Owner>>, SqliteError> {
    let Some(database) = Database::open(path)? else { return Ok(None) };
    let lacks = |name: &str| {
        let what = format!("a database of rpm without {name}");
        SqliteError::File(files::FileError::malformed(path, what))
    };
    let root = |name: &str| database.root(name)?.ok_or_else(|| lacks(name));
    let packages: u32 = root("Packages")?;
    let basenames: u32 = root("Basenames")?;
    let by_key: u32 = root("Basenames_key_idx")?;

    let mut owners = BTreeMap::new();
    for name in wanted.names() {
        let basename = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
        for row in database.find(by_key, basename)? {
            let entry = database.row(basenames, row)?.unwrap_or_default();
            let number = |at: usize| entry.get(at).and_then(Value::integer);
            let (Some(package), Some(at)) = (number(1), number(2)) else {
                return Err(lacks("whole rows"));
            };
            let row = database.row(packages, package)?.unwrap_or_default();
            let blob = row.get(1).and_then(Value::bytes);
            let header = blob.and_then(Header::parse).ok_or_else(|| lacks("whole headers"))?;
            let file = usize::try_from(at).ok().and_then(|at| header.file(at));
            if file.is_some_and(|parts| parts.concat() == name)
                && let Some(owner) = header.owner()
            {
                for asked in wanted.of(name) {
                    owners.entry(asked.clone()).or_insert_with(|| owner.clone());
                }
            }
        }
    }
    database.check_unchanged()?;
    Ok(Some(owners))
}

/// Parses arbitrary bytes as a package's header.
pub(in super::super) fn fuzz(bytes: &[u8]) {
    if let Some(header) = Header::parse(bytes) {
        header.owner();
        for at in [0, 1, 7, usize::MAX] {
            header.file(at);
        }
    }
}
