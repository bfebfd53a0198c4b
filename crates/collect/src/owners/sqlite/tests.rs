use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// See `fixtures/README.md` of `packages`.
const FIXTURE: &[u8] = include_bytes!("../packages/fixtures/rpmdb.sqlite");

/// A folder with a database of this name and content.
fn folder(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// What the program that owns a database does with it.
fn owner(path: &Path, statements: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(statements).unwrap();
    connection
}

/// How many files of these names rpm knows, or why that is not known.
fn count(path: &Path, names: &[&str]) -> String {
    let count = || -> Result<Option<Vec<i64>>, SqliteError> {
        let Some(database) = Database::open(path)? else { return Ok(None) };
        let query = "SELECT count(*) FROM Basenames WHERE key = ?";
        let mut counts = Vec::new();
        for name in names {
            counts.extend(database.rows(query, [name], |row| row.get::<_, i64>(0))?);
        }
        database.check_unchanged()?;
        Ok(Some(counts))
    };
    match count() {
        Ok(counts) => format!("{counts:?}"),
        Err(error) => {
            let gap = error.gap("");
            let folder = format!("{}/", path.parent().unwrap().display());
            let remedy = gap.remedy.map(|remedy| format!(" ({remedy:?})")).unwrap_or_default();
            format!("{}{remedy}", gap.why.replace(&folder, "/"))
        }
    }
}

/// The files in a folder with their content and times.
fn state(folder: &TempDir) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            (path.clone(), fs::read(path).unwrap(), modified)
        })
        .collect();
    files.sort();
    files
}

/// Counts, and checks that this leaves no trace.
fn check(folder: &TempDir, path: &Path, expect: &str) {
    let before = state(folder);
    assert_eq!(count(path, &["otherd", "renamed", "same"]), expect);
    for (before, after) in before.iter().zip(state(folder)) {
        assert!(*before == after, "reading leaves {} as it is", before.0.display());
    }
    assert_eq!(state(folder).len(), before.len(), "reading makes no file");
}

const RENAME: &str = "UPDATE Basenames SET key = 'renamed' WHERE key = 'otherd'";

#[test]
fn any_name_of_a_file() {
    for name in ["db", "a b", "a?mode=rwc", "a#b", "100%41", "\u{f6}", "file:x", "a&b=c"] {
        let (folder, path) = folder(name, FIXTURE);
        check(&folder, &path, "Some([1, 0, 90])");
    }
    let (folder, _) = folder("db", FIXTURE);
    check(&folder, &folder.path().join("other"), "None");
    check(&folder, &folder.path().join("db/other"), "None");
}

#[test]
fn a_log_has_the_newer_pages() {
    let (folder, path) = folder("db", FIXTURE);
    // Written, not yet in the database itself, and its owner still there.
    // (SQLite shares its memory with it here, as both are this process: only the answer counts.)
    let writer = owner(&path, &format!("PRAGMA journal_mode=WAL; {RENAME}"));
    let names = ["otherd", "renamed", "same"];
    assert_eq!(count(&path, &names), "Some([0, 1, 90])");
    // A transaction that has not ended does not count.
    writer.execute_batch("BEGIN; DELETE FROM Basenames").unwrap();
    assert_eq!(count(&path, &names), "Some([0, 1, 90])");
    // The owner was killed: nobody will tidy up for it.
    let (killed, files) = (tempfile::tempdir().unwrap(), ["db", "db-wal", "db-shm"]);
    for file in files {
        fs::copy(folder.path().join(file), killed.path().join(file)).unwrap();
    }
    check(&killed, &killed.path().join("db"), "Some([0, 1, 90])");
    // There is a log and no index of it: SQLite would have to make one.
    fs::remove_file(killed.path().join("db-shm")).unwrap();
    let expect = "/db: unable to open database file";
    check(&killed, &killed.path().join("db"), expect);
    // The log is empty and the database whole: what rpm leaves behind.
    fs::write(killed.path().join("db-wal"), "").unwrap();
    check(&killed, &killed.path().join("db"), "Some([1, 0, 90])");
}

#[test]
fn a_database_that_is_being_written() {
    let (folder, path) = folder("db", FIXTURE);
    let changing = "/db: changed while it was read (Retry)";
    // Its journal is there, its pages are not written: what was is still true.
    let writer = owner(&path, &format!("BEGIN; {RENAME}"));
    check(&folder, &path, "Some([1, 0, 90])");
    // Its pages are being written.
    writer.execute_batch("ROLLBACK; BEGIN EXCLUSIVE").unwrap();
    writer.execute_batch(RENAME).unwrap();
    check(&folder, &path, changing);
    // It was killed in the middle: the journal would have to be rolled back.
    let killed = tempfile::tempdir().unwrap();
    for file in ["db", "db-journal"] {
        fs::copy(folder.path().join(file), killed.path().join(file)).unwrap();
    }
    let journal = killed.path().join("db-journal");
    let mut bytes = fs::read(&journal).unwrap();
    // "The Rollback Journal": the header is written at the end of a transaction.
    bytes[..8].copy_from_slice(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7");
    fs::write(&journal, bytes).unwrap();
    check(&killed, &killed.path().join("db"), changing);
    // In the mode that has a log SQLite would make one.
    let mut bytes = FIXTURE.to_vec();
    bytes[18..20].fill(2);
    fs::write(killed.path().join("db"), bytes).unwrap();
    check(&killed, &killed.path().join("db"), changing);
}

#[test]
fn a_database_that_is_written_meanwhile() {
    let (_folder, path) = folder("db", FIXTURE);
    let database = Database::open(&path).unwrap().unwrap();
    database.check_unchanged().unwrap();
    drop(owner(&path, RENAME));
    let error = database.check_unchanged().unwrap_err();
    assert!(matches!(error, SqliteError::Changing(_)), "{error}");
    let error = database.rows("SELECT nonsense", [], |_| Ok(())).unwrap_err();
    assert!(matches!(error, SqliteError::Changing(_)), "{error}");
}

#[test]
fn what_is_no_database_is_an_error() {
    let refuses = |bytes: &[u8], expect: &str| {
        let (folder, path) = folder("db", bytes);
        check(&folder, &path, expect);
    };
    let with = |at: usize, byte: u8| {
        let mut bytes = FIXTURE.to_vec();
        bytes[at] = byte;
        bytes
    };
    refuses(b"", "/db: an empty file");
    refuses(b"SQLite", "/db: file is not a database");
    refuses(&[0; 4096], "/db: file is not a database");
    refuses(&with(19, 3), "/db: file is not a database");
    refuses(&with(16, 3), "/db: file is not a database");
    refuses(&with(20, 255), "/db: file is not a database");
    // UTF-16, of which the schema makes no sense.
    refuses(&with(59, 2), "/db: malformed database schema (慐正条獥)");
    refuses(&FIXTURE[..1024], "/db: database disk image is malformed");
}

/// To open a FIFO would be to wait for its other end.
#[test]
fn what_is_not_a_plain_file_is_refused_at_once() {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let (folder, path) = folder("db", FIXTURE);
        let odd = folder.path().join(format!("db{suffix}"));
        let _ = fs::remove_file(&odd);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &odd, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(count(&path, &[]), format!("/db{suffix}: not a regular file"));
        fs::remove_file(&odd).unwrap();
        symlink("/dev/null", &odd).unwrap();
        assert_eq!(count(&path, &[]), format!("/db{suffix}: not a regular file"));
    }
}

/// A database whose query would never end, or would fill the memory.
#[test]
fn a_hostile_schema() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    let check = |key: &str, expect: &str| {
        let (_folder, path) = folder("db", b"");
        drop(owner(&path, &format!("CREATE VIEW Basenames AS {key}")));
        assert_eq!(count(&path, &["x"]), expect);
    };
    check(&format!("{endless} SELECT i AS key FROM n"), "/db: interrupted");
    check("SELECT hex(zeroblob(200000000)) AS key", "/db: string or blob too big");
    check("SELECT load_extension('x') AS key", "/db: unsafe use of load_extension()");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A damaged database gives errors or wrong rows, but no end of the program, and in time.
    #[test]
    fn damaged(changes in proptest::collection::vec((21..FIXTURE.len(), any::<u8>()), 1..200), cut in 600..FIXTURE.len()) {
        let mut bytes = FIXTURE.to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes[56..60].copy_from_slice(&[0, 0, 0, 1]);
        bytes.truncate(cut);
        let (_folder, path) = folder("db", &bytes);
        count(&path, &["same", "fixture"]);
    }
}
