//! The table of the first screen: columns that share the width of the terminal.

use std::io::{self, Write};

use super::page::{Page, Style};
use crate::escape::Text;

/// How many columns the table has.
pub(super) const COLUMNS: usize = 6;

/// One line of the table.
pub(super) type Cells<'t> = [&'t Text; COLUMNS];

/// What separates two columns.
const GAP: usize = 2;

/// What stands before the first column.
pub(super) const INDENT: usize = 2;

/// What to do with a cell that is wider than its column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wide {
    /// Break it into lines: ports and addresses, of which no part may be lost.
    Wrap,
    /// Cut it: the detail screen has the whole.
    Cut,
}

/// PORT, WHAT, IPv4, IPv6, HELD BY, AFTER BOOT.
const WIDE: [Wide; COLUMNS] =
    [Wide::Wrap, Wide::Cut, Wide::Wrap, Wide::Wrap, Wide::Cut, Wide::Wrap];

/// The widths below which a column is not made narrower, in this order: each step is done before
/// the next. The last ones add up to the narrowest screen, 60.
const SHRINK: [(usize, usize); 10] =
    [(4, 24), (5, 6), (3, 20), (4, 16), (1, 12), (3, 9), (1, 7), (0, 10), (4, 9), (2, 7)];

/// The widths of the columns.
#[derive(Clone, Debug)]
pub(super) struct Widths([usize; COLUMNS]);

impl Widths {
    /// The widths that fit these lines best.
    pub(super) fn of<'t>(lines: impl Iterator<Item = Cells<'t>>, width: usize) -> Self {
        let mut widths = [0; COLUMNS];
        for cells in lines {
            for (widest, cell) in widths.iter_mut().zip(cells) {
                *widest = cell.width().max(*widest);
            }
        }
        let room = width.saturating_sub(INDENT + GAP * (COLUMNS - 1));
        for (column, least) in SHRINK {
            let total: usize = widths.iter().sum();
            let over = total.saturating_sub(room);
            if let Some(column) = widths.get_mut(column)
                && *column > least
            {
                *column = column.saturating_sub(over).max(least);
            }
        }
        Self(widths)
    }

    /// Writes a line of the table, on as many lines as its cells need, with a mark before the first.
    /// `line` is memory to use again.
    pub(super) fn write<W: Write>(
        &self,
        page: &mut Page<'_, W>,
        cells: Cells<'_>,
        (lead, style): (&'static str, Style),
        line: &mut Text,
    ) -> io::Result<()> {
        line.clear().push(lead).pad(INDENT);
        if cells.iter().zip(self.0).all(|(cell, width)| cell.width() <= width) {
            let mut end = INDENT;
            for (cell, width) in cells.iter().zip(self.0) {
                line.push_text(cell);
                end = end.saturating_add(width + GAP);
                line.pad(end);
            }
            return page.line(line, style);
        }
        let columns: Vec<Vec<Text>> = cells
            .iter()
            .zip(self.0)
            .zip(WIDE)
            .map(|((cell, width), wide)| match wide {
                Wide::Wrap => cell.wrap(width),
                Wide::Cut => vec![cell.cut(width)],
            })
            .collect();
        let height = columns.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..height {
            line.clear().push(if at == 0 { lead } else { "" }).pad(INDENT);
            let mut end = INDENT;
            for (column, width) in columns.iter().zip(self.0) {
                if let Some(cell) = column.get(at) {
                    line.push_text(cell);
                }
                end = end.saturating_add(width + GAP);
                line.pad(end);
            }
            page.line(line, style)?;
        }
        Ok(())
    }
}
