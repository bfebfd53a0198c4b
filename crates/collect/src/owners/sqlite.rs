//! SQLite databases of other programs, read without leaving a trace on the host.
//!
//! Input: a database file that another program may be writing. Output: rows of queries. The library
//! reads it in one of two ways ("Uniform Resource Identifiers", sqlite.org/uri.html):
//!
//! * Without a log or a journal beside it, as `immutable`: no lock is taken and no other file is
//!   looked at; the files' times before and after tell whether it was written meanwhile.
//! * With one, as `mode=ro` and `readonly_shm`: SQLite takes its read locks, reads what the
//!   write-ahead log holds, and fails where it would have to make the log's index (`-shm`) or to
//!   roll a journal back.
//!
//! An ordinary user may have written the file: a query is stopped after [`STEPS_LIMIT`], no function
//! that the schema names runs unless it is known to be harmless, and values are limited in length.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use facts::{Gap, Remedy};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, Row};

use super::files::{self, FileError};

/// The most steps of SQLite's virtual machine for all queries of one database: some hundred
/// thousand rows, where our largest query visits some thousand.
const STEPS_LIMIT: u32 = 20_000_000;
/// How often the steps are counted.
const STEPS: u16 = 10_000;
/// The longest value that is read, in bytes. A header of rpm has some megabytes at most.
const VALUE_LIMIT: i32 = 256 << 20;

/// Why a database could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum SqliteError {
    /// A file could not be read, or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is being written, or was meanwhile.
    #[error("{}: changed while it was read", .0.display())]
    Changing(PathBuf),
}

impl SqliteError {
    /// The gap that this error leaves.
    pub(super) fn gap(&self, what: impl Into<String>) -> Gap {
        match self {
            Self::File(error) => error.gap(what),
            Self::Changing(_) => Gap::new(what, self.to_string()).remedied_by(Remedy::Retry),
        }
    }
}

/// An open database.
pub(super) struct Database {
    path: PathBuf,
    connection: Connection,
    /// The state of the files, if it is read without locks.
    stamps: Option<Stamps>,
}

/// What changes when a file does: modification time in seconds and nanoseconds, length in bytes,
/// inode.
type Stamp = (i64, i64, u64, u64);

/// The state of the database, of its write-ahead log, and of its rollback journal.
type Stamps = [Option<Stamp>; 3];

impl Database {
    /// Opens a database; none if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, SqliteError> {
        let Some(stamps) = stamps(path)? else { return Ok(None) };
        if stamps[0].is_some_and(|(_, _, length, _)| length == 0) {
            // SQLite would delete a log beside it.
            return Err(FileError::malformed(path, "an empty file").into());
        }
        let [_, log, journal] = stamps;
        let is_quiet = [log, journal].iter().flatten().all(|(_, _, length, _)| *length == 0);
        if log.is_none_or(|(_, _, length, _)| length == 0) && !is_quiet && has_log_mode(path)? {
            // SQLite would make a log beside it; and no journal should be there.
            return Err(SqliteError::Changing(path.to_owned()));
        }
        let connection = connect(path, is_quiet).map_err(|error| wrong(path, &error))?;
        let stamps = is_quiet.then_some(stamps);
        let database = Self { path: path.to_owned(), connection, stamps };
        let encoding: Vec<String> = database.rows("PRAGMA encoding", [], |row| row.get(0))?;
        if encoding != ["UTF-8"] {
            let what = "text in another encoding than UTF-8";
            return Err(FileError::malformed(path, what).into());
        }
        Ok(Some(database))
    }

    /// The rows of a query.
    pub(super) fn rows<T>(
        &self,
        query: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, SqliteError> {
        let rows = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare(query)?.query_map(params, read)?.collect()
        };
        rows().map_err(|error| match self.check_unchanged() {
            // Pages of two states do not fit.
            Err(changing @ SqliteError::Changing(_)) => changing,
            _ => wrong(&self.path, &error),
        })
    }

    /// Fails if the database was written since it was opened, and nothing kept the two apart.
    pub(super) fn check_unchanged(&self) -> Result<(), SqliteError> {
        match self.stamps {
            Some(before) if stamps(&self.path)? != Some(before) => {
                Err(SqliteError::Changing(self.path.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// Opens a connection, and in it a read transaction, so that all queries see one state.
fn connect(path: &Path, is_quiet: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(uri(path, is_quiet), flags)?;
    // A look does not wait for others.
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_LIMIT)?;
    let mut left = STEPS_LIMIT / u32::from(STEPS);
    let count = move || {
        left = left.saturating_sub(1);
        left == 0
    };
    connection.progress_handler(i32::from(STEPS), Some(count))?;
    connection.execute_batch("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; BEGIN")?;
    Ok(connection)
}

/// Whether a database is in the mode that writes to a log: "The Database Header", version at 19.
fn has_log_mode(path: &Path) -> Result<bool, FileError> {
    let Some(file) = files::open(path)? else { return Ok(false) };
    let mut version = [0];
    file.read_exact_at(&mut version, 19).map_err(|error| FileError::io("read", path, error))?;
    Ok(version == [2])
}

/// The name of the database with the way in which it is read; bytes that have a meaning there are
/// escaped, as are those that are not ASCII.
fn uri(path: &Path, is_quiet: bool) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str(if is_quiet { "?mode=ro&immutable=1" } else { "?mode=ro&readonly_shm=1" });
    uri
}

/// An error of SQLite about this database.
fn wrong(path: &Path, error: &rusqlite::Error) -> SqliteError {
    use rusqlite::ffi::{
        SQLITE_READONLY_CANTINIT, SQLITE_READONLY_RECOVERY, SQLITE_READONLY_ROLLBACK,
    };
    let code = error.sqlite_error();
    let is_changing = code.is_some_and(|error| {
        matches!(error.code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            || [SQLITE_READONLY_CANTINIT, SQLITE_READONLY_RECOVERY, SQLITE_READONLY_ROLLBACK]
                .contains(&error.extended_code)
    });
    if is_changing {
        return SqliteError::Changing(path.to_owned());
    }
    let what = match error {
        rusqlite::Error::SqliteFailure(_, Some(what)) => what.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..) => {
            "a row of another shape than expected".to_owned()
        }
        error => error.to_string(),
    };
    FileError::malformed(path, what).into()
}

/// The state of the database's files; none if there is no database. Fails if one that SQLite may
/// open is not a regular file: to open a FIFO would be to wait.
fn stamps(path: &Path) -> Result<Option<Stamps>, FileError> {
    let mut stamps = [None; 3];
    for (suffix, place) in ["", "-wal", "-journal"].into_iter().zip(&mut stamps) {
        *place = stamp(&beside(path, suffix))?;
    }
    stamp(&beside(path, "-shm"))?;
    Ok(stamps[0].is_some().then_some(stamps))
}

/// The state of a regular file; none if there is none.
fn stamp(path: &Path) -> Result<Option<Stamp>, FileError> {
    let Some(file) = files::open(path)? else { return Ok(None) };
    let file = file.metadata().map_err(|error| FileError::io("stat", path, error))?;
    Ok(Some((file.mtime(), file.mtime_nsec(), file.len(), file.ino())))
}

/// The file whose name has this suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
