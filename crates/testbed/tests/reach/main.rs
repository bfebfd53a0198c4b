//! Who can reach a host, as `whyopen` says, compared with who could connect.
//!
//! Each test boots a host of its own and a client beside it. The program under test is the one that
//! `WHYOPEN_BINARY` names, as in the tests of what is seen.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests of effects, whose helpers fail the test"
)]

mod containers;
mod explain;
mod filters;
mod firewalls;
#[allow(dead_code, reason = "shared with the tests of what is seen")]
#[path = "../see/listing.rs"]
mod listing;
mod rules;
mod scene;
#[allow(dead_code, reason = "shared with the tests of what is seen")]
#[path = "../see/seen.rs"]
mod seen;
mod ways;
