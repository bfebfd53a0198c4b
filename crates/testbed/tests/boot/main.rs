//! What `whyopen` predicts for the next boot, compared with what is open after one: each host is
//! really booted again.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests of effects, whose helpers fail the test"
)]
#![allow(dead_code, reason = "the helpers are shared with the tests of what is seen")]

#[path = "../see/listing.rs"]
mod listing;
#[path = "../see/seen.rs"]
mod seen;

mod containers;
mod faults;
mod firewall;
mod predicted;
mod reload;
mod rpcbind;
mod sockets;
mod starters;
