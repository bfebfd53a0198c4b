//! The views for people: the first screen and the detail screen.
//!
//! Data only goes through [`Text`], so nothing of the host's reaches
//! the terminal unescaped. Widths from 60 to 96 columns; below and above, as for these.

mod after_boot;
mod cell;
mod connected;
mod detail;
mod gaps;
mod header;
mod holders;
mod label;
mod lines;
mod missing;
mod overview;
mod page;
mod reach;
mod settings;
mod table;
mod then;
mod who;
mod why;

use crate::escape::Text;

pub use detail::detail;
pub use missing::{not_found, note};
pub use overview::overview;
pub use page::Screen;
pub use settings::{ledgers, settings};
pub use why::why;

/// What to show, and how.
#[derive(Clone, Debug)]
pub struct View {
    /// The screen.
    pub screen: Screen,
    /// List loopback, and what is bound but not open, line by line.
    pub all: bool,
    /// List connected sockets as well.
    pub connected: bool,
    /// What stands at the end of the first line: how long it took, or where it was read from.
    pub note: Text,
}
