use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// See `fixtures/README.md`.
const FIXTURE: &[u8] = include_bytes!("../packages/fixtures/rpmdb.sqlite");
const LOG: &[u8] = include_bytes!("../packages/fixtures/rpmdb.sqlite-wal");

/// A database with these bytes, in WAL mode if it has a log.
fn database(bytes: &[u8], log: Option<&[u8]>) -> (TempDir, Result<Option<Database>, SqliteError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut bytes = bytes.to_vec();
    if let Some(log) = log {
        bytes[18..20].fill(2);
        std::fs::write(folder.path().join("db-wal"), log).unwrap();
    }
    std::fs::write(&path, bytes).unwrap();
    (folder, Database::open(&path))
}

fn packages_with(database: &Database, basename: &str) -> String {
    let table = database.root("Basenames").unwrap().unwrap();
    let index = database.root("Basenames_key_idx").unwrap().unwrap();
    let mut packages: Vec<i64> = Vec::new();
    for row in database.find(index, basename.as_bytes()).unwrap() {
        let values = database.row(table, row).unwrap().unwrap();
        assert_eq!(values[0].bytes(), Some(basename.as_bytes()));
        packages.push(values[1].integer().unwrap());
    }
    let of = |package| packages.iter().filter(|one| **one == package).count();
    format!("{} {}", of(1), of(2))
}

#[test]
fn rows_by_key_over_many_pages() {
    let (_folder, database) = database(FIXTURE, None);
    let database = database.unwrap().unwrap();
    let check = |name: &str, expect: &str| assert_eq!(packages_with(&database, name), expect);
    check("fixtured", "1 0");
    check("other", "0 2");
    check("same", "90 0");
    check("fixture", "3 1");
    for number in 0..90 {
        check(&format!("file-{number:02}"), "1 0");
    }
    for absent in ["", "a", "file-", "file-90", "same2", "zzz"] {
        check(absent, "0 0");
    }
    let table = database.root("Packages").unwrap().unwrap();
    let length =
        |row| database.row(table, row).unwrap().map(|values| values[1].bytes().unwrap().len());
    assert_eq!([0, 1, 2, 3].map(length), [None, Some(32120), Some(2284), None]);
    assert_eq!(database.root("Nonsense").unwrap(), None);
    database.check_unchanged().unwrap();
}

#[test]
fn the_log_has_the_newer_pages() {
    let check = |log: &[u8], expect: [&str; 3]| {
        let (_folder, database) = database(FIXTURE, Some(log));
        let database = database.unwrap().unwrap();
        assert_eq!(["otherd", "renamed", "same"].map(|n| packages_with(&database, n)), expect);
    };
    check(&[], ["0 1", "0 0", "90 0"]);
    check(LOG, ["0 0", "0 1", "90 0"]);
    // What follows the last whole transaction does not count, nor does a frame that was damaged.
    check(&[LOG, &LOG[32..]].concat(), ["0 0", "0 1", "90 0"]);
    check(&LOG[..LOG.len() - 1], ["0 1", "0 0", "90 0"]);
    for at in [0, 20, 40, 48, 600] {
        let mut damaged = LOG.to_vec();
        damaged[at] ^= 1;
        check(&damaged, ["0 1", "0 0", "90 0"]);
    }
}

#[test]
fn what_is_no_database_is_an_error() {
    let check = |bytes: &[u8], expect: &str| {
        let (folder, database) = database(bytes, None);
        let error = database.err().unwrap().to_string();
        let error = error.replace(folder.path().to_str().unwrap(), "");
        assert_eq!(error, expect);
    };
    let with = |at: usize, byte: u8| {
        let mut bytes = FIXTURE.to_vec();
        bytes[at] = byte;
        bytes
    };
    check(b"", "read /db: failed to fill whole buffer");
    check(&[0; 4096], "/db: not an SQLite 3 database");
    check(&with(19, 3), "/db: an SQLite format of a later version");
    check(&with(16, 3), "/db: an impossible page size");
    check(&with(20, 255), "/db: an impossible page size");
    check(&with(59, 2), "/db: text in another encoding than UTF-8");
}

#[test]
fn a_database_that_is_written_meanwhile() {
    let (folder, database) = database(FIXTURE, None);
    std::fs::write(folder.path().join("db-wal"), LOG).unwrap();
    let error = database.unwrap().unwrap().check_unchanged().unwrap_err();
    assert!(error.to_string().ends_with("/db: changed while it was read"));
    let journal = [b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7".as_slice(), &[0; 504]].concat();
    std::fs::write(folder.path().join("db-journal"), journal).unwrap();
    assert!(matches!(Database::open(&folder.path().join("db")), Err(SqliteError::Changing(_))));
}

/// Reads all that rpm's reader would.
fn read_all(database: &Database) {
    for name in ["Basenames", "Packages", "Basenames_key_idx"] {
        if let Ok(Some(root)) = database.root(name) {
            for key in ["same", "fixture"] {
                for row in database.find(root, key.as_bytes()).unwrap_or_default() {
                    let _ = database.row(root, row);
                }
            }
            let _ = database.row(root, 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A damaged database gives errors or wrong rows, but no panic and no endless search.
    #[test]
    fn damaged(changes in proptest::collection::vec((21..FIXTURE.len(), any::<u8>()), 1..200), cut in 600..FIXTURE.len()) {
        let mut bytes = FIXTURE.to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes[56..60].copy_from_slice(&[0, 0, 0, 1]);
        bytes.truncate(cut);
        let (_folder, database) = database(&bytes, None);
        read_all(&database.unwrap().unwrap());
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        fuzz(&bytes);
    }
}
