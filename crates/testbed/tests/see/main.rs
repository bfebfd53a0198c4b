//! What `whyopen` says of a host, compared with what the host was made to be, and with `ss` where
//! `ss` can know.
//!
//! Each test boots a host of its own (half a second), so that they do not disturb each other. The
//! program under test is the one that `WHYOPEN_BINARY` names, as `cargo xtask test` does; without it
//! the tests build one first.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests of effects, whose helpers fail the test"
)]

mod containers;
mod executables;
mod faults;
mod hostile;
mod kernel;
mod listing;
mod moving;
mod namespaces;
mod packets;
mod privileges;
mod same;
mod seen;
mod sockets;
mod systemd;
