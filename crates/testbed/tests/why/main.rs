//! Why something is open: what `whyopen` says of services on hosts that were made so that the answer
//! is known.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests of effects, whose helpers fail the test"
)]
#![allow(dead_code, reason = "the helpers are shared with the tests of the list")]

#[path = "../see/listing.rs"]
mod listing;
#[path = "../see/seen.rs"]
mod seen;

mod dhclient;
mod docker;
mod explained;
mod networkd;
mod networkmanager;
mod nginx;
mod portmapper;
mod resolved;
mod services;
mod ssh;
mod timesyncd;
mod vxlan;
mod wrong_ways;
