//! The pages of an SQLite database, with what its write-ahead log has made of them.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::SqliteError;
use crate::owners::files::{self, FileError};

/// The length of the file's header, in bytes.
const HEADER: usize = 100;
/// The length of the write-ahead log's header, in bytes.
const LOG_HEADER: u64 = 32;
/// The length of the header of each of its frames, in bytes.
const FRAME_HEADER: usize = 24;
/// The largest write-ahead log that is read, in bytes. SQLite begins it anew after 4 MiB; only a
/// single huge transaction makes it longer.
const LOG_LIMIT: u64 = 256 << 20;

/// The pages of one database.
pub(super) struct Pager {
    path: PathBuf,
    file: File,
    /// The size of a page, in bytes: a power of two from 512 to 65536.
    page_size: usize,
    /// The bytes at the end of each page that are not SQLite's.
    reserved: usize,
    /// The number of pages.
    count: u32,
    log: Option<(File, HashMap<u32, u64>)>,
    stamp: Vec<Option<Stamp>>,
}

/// What changes when a file does: modification time in seconds and nanoseconds, length, inode.
type Stamp = (i64, i64, u64, u64);

impl Pager {
    /// Opens a database; none if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, SqliteError> {
        let Some(file) = files::open(path)? else { return Ok(None) };
        let stamp = stamp(path);
        let mut header = [0; HEADER];
        let io = |error| SqliteError::File(FileError::io("read", path, error));
        file.read_exact_at(&mut header, 0).map_err(io)?;
        if !header.starts_with(b"SQLite format 3\0") {
            return Err(SqliteError::malformed(path, "not an SQLite 3 database"));
        }
        // "The Database Header": page size at 16 (1 means 65536), read version at 19, reserved bytes
        // at 20, text encoding at 56.
        let page_size = match be16(&header, 16).unwrap_or_default() {
            1 => 65536,
            size => usize::from(size),
        };
        let (version, reserved) = match header.get(19..21) {
            Some([version @ (1 | 2), reserved]) => (*version, usize::from(*reserved)),
            _ => return Err(SqliteError::malformed(path, "an SQLite format of a later version")),
        };
        if !page_size.is_power_of_two() || page_size < 512 || page_size - reserved < 480 {
            return Err(SqliteError::malformed(path, "an impossible page size"));
        }
        if be32(&header, 56) != Some(1) {
            return Err(SqliteError::malformed(path, "text in another encoding than UTF-8"));
        }
        let length = file.metadata().map_err(io)?.len();
        let mut pager = Self {
            path: path.to_owned(),
            file,
            page_size,
            reserved,
            count: u32::try_from(length / page_size as u64).unwrap_or(u32::MAX),
            log: None,
            stamp,
        };
        if version == 2 {
            pager.read_log()?;
        } else if is_half_written(path)? {
            return Err(SqliteError::Changing(path.to_owned()));
        }
        Ok(Some(pager))
    }

    /// The bytes of a page that are SQLite's.
    pub(super) fn usable(&self) -> usize {
        self.page_size - self.reserved
    }

    /// The number of pages.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// An error about the content.
    pub(super) fn malformed(&self, what: &str) -> SqliteError {
        SqliteError::malformed(&self.path, what)
    }

    /// Reads a page; the first has number 1.
    pub(super) fn page(&self, number: u32) -> Result<Vec<u8>, SqliteError> {
        if number == 0 || number > self.count {
            return Err(self.malformed("a page number past the end"));
        }
        let in_log =
            self.log.as_ref().and_then(|(file, frames)| Some((file, frames.get(&number)?)));
        let (file, at) = match in_log {
            Some((file, at)) => (file, *at),
            None => (&self.file, u64::from(number - 1) * self.page_size as u64),
        };
        let mut bytes = vec![0; self.page_size];
        file.read_exact_at(&mut bytes, at)
            .map_err(|error| FileError::io("read", &self.path, error))?;
        bytes.truncate(self.usable());
        Ok(bytes)
    }

    /// Fails if the database was written since it was opened: pages of two states do not fit.
    pub(super) fn check_unchanged(&self) -> Result<(), SqliteError> {
        if self.stamp == stamp(&self.path) {
            Ok(())
        } else {
            Err(SqliteError::Changing(self.path.clone()))
        }
    }

    /// Reads where the write-ahead log has newer pages ("WAL File Format"): frames up to the last
    /// one that ends a transaction, as far as salts and checksums are right.
    fn read_log(&mut self) -> Result<(), SqliteError> {
        let path = beside(&self.path, "-wal");
        let Some(bytes) = files::read(&path, LOG_LIMIT)? else { return Ok(()) };
        let Some(log) = Log::parse(&bytes, self.page_size) else { return Ok(()) };
        if let Some(count) = log.count {
            self.count = count;
        }
        if let Some(file) = files::open(&path)? {
            self.log = Some((file, log.frames));
        }
        Ok(())
    }
}

/// What a write-ahead log says.
pub(super) struct Log {
    /// The offset of the newest content of each page.
    pub(super) frames: HashMap<u32, u64>,
    /// The number of pages after the last transaction; none if there is none in the log.
    pub(super) count: Option<u32>,
}

impl Log {
    /// Reads a log; none if it has no right header, which is how SQLite leaves an unused one.
    pub(super) fn parse(bytes: &[u8], page_size: usize) -> Option<Self> {
        let (head, mut rest) = bytes.split_at_checked(usize::try_from(LOG_HEADER).ok()?)?;
        let big_endian = match be32(head, 0)? {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        if usize::try_from(be32(head, 8)?).ok()? != page_size {
            return None;
        }
        let salts = head.get(16..24)?;
        let mut sum = checksum((0, 0), head.get(..24)?, big_endian);
        if sum != (be32(head, 24)?, be32(head, 28)?) {
            return None;
        }
        let mut log = Self { frames: HashMap::new(), count: None };
        let mut pending = Vec::new();
        let mut at = LOG_HEADER;
        while let Some((frame, tail)) = rest.split_at_checked(FRAME_HEADER + page_size) {
            let (header, content) = frame.split_at_checked(FRAME_HEADER)?;
            sum = checksum(sum, header.get(..8)?, big_endian);
            sum = checksum(sum, content, big_endian);
            if header.get(8..16)? != salts || sum != (be32(header, 16)?, be32(header, 20)?) {
                break;
            }
            pending.push((be32(header, 0)?, at + FRAME_HEADER as u64));
            let count = be32(header, 4)?;
            if count != 0 {
                log.frames.extend(pending.drain(..));
                log.count = Some(count);
            }
            at += frame.len() as u64;
            rest = tail;
        }
        Some(log)
    }
}

/// The checksum of the log ("Checksum Algorithm"), over pairs of 32-bit words.
fn checksum(start: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let word = |bytes: &[u8; 4]| {
        if big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) }
    };
    let (mut a, mut b) = start;
    for pair in bytes.as_chunks::<4>().0.chunks_exact(2) {
        if let [first, second] = pair {
            a = a.wrapping_add(word(first)).wrapping_add(b);
            b = b.wrapping_add(word(second)).wrapping_add(a);
        }
    }
    (a, b)
}

/// Whether a rollback journal stands beside the database: a transaction is being written, or was
/// when the host stopped. Its header is zeroed once it is done ("The Rollback Journal").
fn is_half_written(path: &Path) -> Result<bool, SqliteError> {
    let journal = beside(path, "-journal");
    let Some(file) = files::open(&journal)? else { return Ok(false) };
    let mut magic = [0; 8];
    let is_there = file.read_exact_at(&mut magic, 0).is_ok();
    Ok(is_there && magic == [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7])
}

/// The state of the database's files.
fn stamp(path: &Path) -> Vec<Option<Stamp>> {
    ["", "-wal", "-journal"]
        .into_iter()
        .map(|suffix| {
            let file = std::fs::symlink_metadata(beside(path, suffix)).ok()?;
            Some((file.mtime(), file.mtime_nsec(), file.len(), file.ino()))
        })
        .collect()
}

/// The file whose name has this suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A big-endian number of 16 bits.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A big-endian number of 32 bits.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
