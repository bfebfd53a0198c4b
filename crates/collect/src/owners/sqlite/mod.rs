//! A reader of SQLite databases: a table's row by its number, an index's rows by a key.
//!
//! Input: a database file that another program may be writing. Output: rows. Written here because
//! that is all that is needed, in place of a library in C of a quarter of a million lines, and
//! because a library would write: to read a database in WAL mode it makes or changes the `-shm` file
//! beside it, or, opened as immutable, it leaves out what the log holds. The format is that of
//! "Database File Format" (sqlite.org/fileformat2.html).
//!
//! No lock is taken; instead the files' times are compared before and after, and a database that
//! changed meanwhile is an error. Hostile bytes are errors too: every length is checked, and a
//! search visits no more pages than there are.

mod pager;
mod record;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use facts::{Gap, Remedy};

pub(super) use record::Value;

use super::files::FileError;
use pager::{Pager, be16, be32};
use record::{record, varint};

/// The deepest tree that SQLite itself reads (`BTCURSOR_MAX_DEPTH`).
const DEPTH_LIMIT: u8 = 20;

/// Why a database could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum SqliteError {
    /// A file could not be read, or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// It was written meanwhile.
    #[error("{}: changed while it was read", .0.display())]
    Changing(PathBuf),
}

impl SqliteError {
    fn malformed(path: &Path, what: &str) -> Self {
        Self::File(FileError::malformed(path, what))
    }
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

/// A row: its number (0 in an index) and its values.
type Row = (i64, Vec<Value>);

/// An open database.
pub(super) struct Database {
    pages: Pager,
    /// The pages that the current search may still visit.
    budget: Cell<u32>,
}

impl Database {
    /// Opens a database; none if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, SqliteError> {
        let pages = Pager::open(path)?;
        Ok(pages.map(|pages| Self { pages, budget: Cell::new(0) }))
    }

    /// The root page of a table or an index; none if the database has none of that name.
    pub(super) fn root(&self, name: &str) -> Result<Option<u32>, SqliteError> {
        let mut found = None;
        // The schema is a table at page 1: type, name, tbl_name, rootpage, sql.
        self.search(1, Search::All, &mut |(_, values)| {
            if values.get(1).and_then(Value::bytes) == Some(name.as_bytes()) {
                found = values.get(3).and_then(Value::integer);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found.and_then(|page| u32::try_from(page).ok()))
    }

    /// The row of a table with this number.
    pub(super) fn row(&self, table: u32, number: i64) -> Result<Option<Vec<Value>>, SqliteError> {
        let mut found = None;
        self.search(table, Search::Number(number), &mut |(_, values)| {
            found = Some(values);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// The numbers of the rows whose first indexed column is this key, by an index that compares
    /// bytes (`COLLATE BINARY`, the default).
    pub(super) fn find(&self, index: u32, key: &[u8]) -> Result<Vec<i64>, SqliteError> {
        let mut found = Vec::new();
        self.search(index, Search::Key(key), &mut |(_, values)| {
            // The last column of an index is the number of the row.
            found.extend(values.last().and_then(Value::integer));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Fails if the database was written since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), SqliteError> {
        self.pages.check_unchanged()
    }

    /// Visits the rows of a tree that the search is for.
    fn search(
        &self,
        root: u32,
        search: Search<'_>,
        visit: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), SqliteError> {
        self.budget.set(self.pages.count());
        self.search_page(root, 0, search, visit).map(|_| ())
    }

    /// Visits one page and those below it.
    fn search_page(
        &self,
        number: u32,
        depth: u8,
        search: Search<'_>,
        visit: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, SqliteError> {
        if depth >= DEPTH_LIMIT {
            return Err(self.wrong());
        }
        let bytes = self.page(number)?;
        let page = Page::parse(number, &bytes).ok_or_else(|| self.wrong())?;
        for at in 0..page.cells {
            let mut cell = page.cell(at).ok_or_else(|| self.wrong())?;
            let child = if page.is_leaf {
                None
            } else {
                Some(take32(&mut cell).ok_or_else(|| self.wrong())?)
            };
            if page.is_table {
                let Some(child) = child else {
                    let length = varint(&mut cell).ok_or_else(|| self.wrong())?;
                    let row = varint(&mut cell).ok_or_else(|| self.wrong())?.cast_signed();
                    if search.wants_row(row) {
                        let values = self.payload(cell, length, page.is_table)?;
                        if visit((row, values)).is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                    continue;
                };
                let last = varint(&mut cell).ok_or_else(|| self.wrong())?.cast_signed();
                // One row is in the first child that reaches up to it, or nowhere.
                if search.wants_up_to(last)
                    && (self.search_page(child, depth + 1, search, visit)?.is_break()
                        || matches!(search, Search::Number(_)))
                {
                    return Ok(ControlFlow::Break(()));
                }
                continue;
            }
            let length = varint(&mut cell).ok_or_else(|| self.wrong())?;
            let values = self.payload(cell, length, page.is_table)?;
            let order = search.compare(&values);
            // What is left of an entry is at most as large; equal keys may be on both sides.
            if order.is_ge()
                && let Some(child) = child
                && self.search_page(child, depth + 1, search, visit)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            if order.is_gt() {
                return Ok(ControlFlow::Break(()));
            }
            if order.is_eq() && visit((0, values)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        match page.right {
            Some(child) => self.search_page(child, depth + 1, search, visit),
            None => Ok(ControlFlow::Continue(())),
        }
    }

    /// The values of a record, of which the page has the beginning ("Cell Payload Overflow Pages").
    fn payload(&self, cell: &[u8], length: u64, is_table: bool) -> Result<Vec<Value>, SqliteError> {
        let usable = self.pages.usable();
        let wrong = || self.wrong();
        // Nothing is longer than the file.
        let most = u64::from(self.pages.count()).saturating_mul(usable as u64);
        let length = usize::try_from(length).ok().filter(|length| *length as u64 <= most);
        let length = length.ok_or_else(wrong)?;
        let most_here = if is_table { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
        if length <= most_here {
            return record(cell.get(..length).ok_or_else(wrong)?).ok_or_else(wrong);
        }
        let least_here = (usable - 12) * 32 / 255 - 23;
        let here = least_here + (length - least_here) % (usable - 4);
        let here = if here <= most_here { here } else { least_here };
        let mut bytes = cell.get(..here).ok_or_else(wrong)?.to_vec();
        let mut next = be32(cell, here).ok_or_else(wrong)?;
        while bytes.len() < length {
            let page = self.page(next)?;
            next = be32(&page, 0).ok_or_else(wrong)?;
            let content = page.get(4..).unwrap_or_default();
            let wanted = content.len().min(length - bytes.len());
            bytes.extend_from_slice(content.get(..wanted).unwrap_or_default());
        }
        record(&bytes).ok_or_else(wrong)
    }

    /// Reads a page that the budget allows: a tree has each page once, so that one that needs more
    /// goes in circles.
    fn page(&self, number: u32) -> Result<Vec<u8>, SqliteError> {
        let left = self.budget.get().checked_sub(1).ok_or_else(|| self.wrong())?;
        self.budget.set(left);
        self.pages.page(number)
    }

    /// The error for a page that does not hold together.
    fn wrong(&self) -> SqliteError {
        self.pages.malformed("a malformed SQLite database")
    }
}

/// Which rows of a tree are wanted.
#[derive(Clone, Copy)]
enum Search<'a> {
    /// All rows of a table.
    All,
    /// One row of a table.
    Number(i64),
    /// The rows of an index with this first column.
    Key(&'a [u8]),
}

impl Search<'_> {
    /// Whether a row of a table is wanted.
    fn wants_row(self, row: i64) -> bool {
        match self {
            Self::All => true,
            Self::Number(number) => number == row,
            Self::Key(_) => false,
        }
    }

    /// Whether a child with rows up to this one can hold what is wanted.
    fn wants_up_to(self, last: i64) -> bool {
        !matches!(self, Self::Number(number) if number > last)
    }

    /// How an entry of an index stands to what is wanted. Nulls and numbers sort before text.
    fn compare(self, values: &[Value]) -> std::cmp::Ordering {
        match self {
            Self::Key(key) => values.first().and_then(Value::bytes).cmp(&Some(key)),
            Self::All | Self::Number(_) => std::cmp::Ordering::Equal,
        }
    }
}

/// The parts of a b-tree page ("B-tree Pages").
struct Page<'a> {
    bytes: &'a [u8],
    is_leaf: bool,
    is_table: bool,
    /// The number of cells.
    cells: usize,
    /// Where the array of their offsets begins.
    pointers: usize,
    /// The last child.
    right: Option<u32>,
}

impl<'a> Page<'a> {
    /// Reads the header of a page.
    fn parse(number: u32, bytes: &'a [u8]) -> Option<Self> {
        // The first page begins with the header of the database.
        let start = if number == 1 { 100 } else { 0 };
        let (is_leaf, is_table) = match bytes.get(start)? {
            2 => (false, false),
            5 => (false, true),
            10 => (true, false),
            13 => (true, true),
            _ => return None,
        };
        let cells = usize::from(be16(bytes, start + 3)?);
        let right = if is_leaf { None } else { Some(be32(bytes, start + 8)?) };
        let pointers = start + if is_leaf { 8 } else { 12 };
        Some(Self { bytes, is_leaf, is_table, cells, pointers, right })
    }

    /// The bytes from the start of a cell to the end of the page.
    fn cell(&self, at: usize) -> Option<&'a [u8]> {
        self.bytes.get(usize::from(be16(self.bytes, self.pointers + 2 * at)?)..)
    }
}

/// Reads a big-endian number of 32 bits and moves past it.
fn take32(bytes: &mut &[u8]) -> Option<u32> {
    let value = be32(bytes, 0)?;
    *bytes = bytes.get(4..)?;
    Some(value)
}

/// Parses arbitrary bytes as a database's log, a record and a page.
pub(super) fn fuzz(bytes: &[u8]) {
    pager::Log::parse(bytes, 512);
    record(bytes);
    if let Some(page) = Page::parse(2, bytes) {
        for at in 0..page.cells {
            page.cell(at);
        }
    }
}

#[cfg(test)]
mod tests;
