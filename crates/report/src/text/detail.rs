//! The detail screen: everything that is known about the rows a target means.

use std::io::{self, Write};

use judge::Judgement;
use judge::row::Row;

use super::View;

/// Writes the detail screen of these rows.
///
/// # Errors
/// Those of the writer.
pub fn detail<W: Write>(
    out: &mut W,
    judgement: &Judgement<'_>,
    rows: &[&Row<'_>],
    view: &View,
) -> io::Result<()> {
    let _ = (out, judgement, rows, view);
    Ok(())
}
