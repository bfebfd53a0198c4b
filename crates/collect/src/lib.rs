//! The host -> [`facts::Snapshot`].
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this room reads the host")]

pub mod bpf;
pub mod cgroups;
pub mod holders;
mod mountinfo;
pub mod netlink;
pub mod netns;
pub mod owners;
pub mod sockets;
pub mod users;
