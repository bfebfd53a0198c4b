//! rpm's database: `rpmdb.sqlite`, the format of all distributions in support but SUSE's older ones
//! (rpm `lib/backend/sqlite.c`).
//!
//! Its table `Basenames` (key, hnum, idx) leads from a file's name to a package's header in
//! `Packages` (hnum, blob) and the file's place in it.

use std::collections::BTreeMap;
use std::path::Path;

use facts::Gap;

use super::super::files;
use super::super::sqlite::{Database, SqliteError};
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

/// The files with a basename, which may be any bytes: each one's place in its package's header, and
/// the header; null if the package is missing.
const WITH_BASENAME: &str = "SELECT idx, blob FROM Basenames \
     LEFT JOIN Packages ON Packages.hnum = Basenames.hnum WHERE key = CAST(? AS TEXT)";

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
    let mut owners = BTreeMap::new();
    for name in wanted.names() {
        let basename = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
        // Of each header only the answer is kept: thousands of files may have one name.
        let found = database.rows(WITH_BASENAME, [basename], |row| {
            let at = usize::try_from(row.get::<_, i64>(0)?).ok();
            let Some(header) = row.get_ref(1)?.as_blob().ok().and_then(Header::parse) else {
                return Ok(Err(lacks("whole headers")));
            };
            let file = at.and_then(|at| header.file(at));
            Ok(Ok(file.filter(|parts| parts.concat() == name).and_then(|_| header.owner())))
        })?;
        for owner in found {
            let Some(owner) = owner? else { continue };
            for asked in wanted.of(name) {
                owners.entry(asked.clone()).or_insert_with(|| owner.clone());
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
