//! The host -> [`facts::Snapshot`].
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this room reads the host")]

pub mod holders;
pub mod netlink;
pub mod netns;
pub mod owners;
pub mod sockets;
