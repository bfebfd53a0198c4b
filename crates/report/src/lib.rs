//! Judgement -> text and JSON.
//!
//! Input: a [`judge::Judgement`]. Output: bytes on a writer that the caller gives. Pure otherwise:
//! whether there is a terminal, how wide it is and whether it shows colour is passed in.
//!
//! * [`escape`]: the one place where strings that the host chose become safe to print. The text
//!   views take nothing but [`escape::Text`], so that it cannot be forgotten.
//! * [`text`]: the first screen and the detail screen.
//! * [`json`]: one document, or one line for each socket; written socket by socket.
//! * [`schema`]: the types of the JSON and their schema.
//!
//! The order of everything is the judgement's, which is stable: two runs on a quiet host differ in
//! the seconds of the first line only.

pub mod escape;
pub mod explain;
pub mod json;
pub mod schema;
pub mod text;
mod why;
mod words;
