//! Snapshot -> Judgement: which sockets are open, who holds each, where it is bound, what is wrong.
//!
//! Input: a [`facts::Snapshot`], sorted (as `collect` and [`facts::Snapshot::from_json`] leave it).
//! Output: a [`Judgement`], which borrows the snapshot. Pure: no files, clock or environment.
//!
//! * [`row`]: one row for each thing that can be reached (SO_REUSEPORT groups and prefork workers
//!   are one row with all holders). Connected sockets are not rows, since a busy host has 200,000
//!   of them; [`Judgement::connected`] walks them.
//! * [`holder`]: who holds a row: processes with their units and containers, or the kernel.
//! * [`boot`]: whether a row is there again after a boot.
//! * [`target`]: which rows a word of the user means.
//! * [`why`]: why a row is there, whether it is needed, what closes it.
//! * [`explain`]: one packet from a client to this host, step by step.
//! * [`finding`]: what is wrong, each with what to do about it.
//! * [`settings`]: what the kernel's settings are, who set them, and what will become of them.
//! * [`reach`]: who can reach a row: the packet filter and routing of its namespace, evaluated for
//!   all sources at once.
//! * [`firewall`]: who manages the packet filter, and how much of it is understood.
//!
//! Deliberately absent: prose for the screen and escaping, which are `report`'s.

mod activation;
pub mod boot;
pub mod explain;
pub mod finding;
pub mod firewall;
pub mod holder;
mod join;
mod judgement;
mod namespace;
pub mod place;
pub mod reach;
pub mod row;
#[cfg(feature = "sample")]
pub mod sample;
pub mod service;
pub mod settings;
pub mod target;
pub mod why;

pub use judgement::{Judgement, judge};
pub use namespace::Namespace;
