//! Standard output: its width, its colours, and a buffer before it.

use std::env;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock};

use report::text::Screen;

use crate::flags::When;

/// The width where nothing tells it.
const USUAL_WIDTH: usize = 80;

/// Big enough that a usual screen is one write, and 200,000 lines are not 200,000 writes.
const BUFFER: usize = 64 * 1024;

/// Standard output, buffered: flush it before the end.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(BUFFER, io::stdout().lock())
}

/// The width of standard output.
pub(crate) fn width(wanted: Option<usize>) -> usize {
    wanted.or_else(own_width).unwrap_or(USUAL_WIDTH)
}

/// The screen that standard output is.
pub(crate) fn screen(color: When, width: Option<usize>) -> Screen {
    let terminal = io::stdout().is_terminal();
    Screen {
        width: width.or_else(own_width).unwrap_or(USUAL_WIDTH),
        color: use_color(color, terminal),
    }
}

/// The width of the terminal, or else of `COLUMNS`.
fn own_width() -> Option<usize> {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    let terminal = terminal.map(|(width, _)| usize::from(width.0)).filter(|w| *w > 0);
    terminal.or_else(|| env::var("COLUMNS").ok()?.parse().ok().filter(|w| *w > 0))
}

/// Whether to use colour. The flag goes before the environment, and there `NO_COLOR`
/// (<https://no-color.org>) before `CLICOLOR` (<https://bixense.com/clicolors>).
fn use_color(when: When, terminal: bool) -> bool {
    let set = |name| env::var_os(name).is_some_and(|v| !v.is_empty());
    let is = |name, value: &str| env::var_os(name).is_some_and(|v| v == value);
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if set("NO_COLOR") => false,
        When::Auto if set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") => true,
        When::Auto => terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb"),
    }
}
