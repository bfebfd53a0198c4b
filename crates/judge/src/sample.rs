//! Hand-made hosts for tests: each is a snapshot as `collect` would take it of such a host.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a wrong sample is a wrong test")]

mod build;
mod hosts;
mod routing;

pub use build::Sample;
pub use hosts::{all, busy};
