//! What `whyopen settings` predicts, compared with what then happens: after a real boot of a host,
//! after NetworkManager activates a connection, after a firewall starts anew. And the model of the
//! kernel in `judge`, compared with the kernel.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests of effects, whose helpers fail the test"
)]

mod addresses;
mod boot;
mod chosen;
mod engines;
mod files;
mod findings;
mod firewalls;
mod manager;
mod managers;
mod model;
mod modules;
mod random;
mod settled;
