//! The host -> [`facts::Snapshot`].
//!
//! Input: this host, through sock_diag and rtnetlink, `/proc`, BPF iterators, cgroups, D-Bus, and
//! the files of container engines and package managers. Output: plain data. The rules:
//!
//! * **It cannot fail as a whole.** What could not be read is a [`facts::Gap`] in the part where it
//!   is missing, with the failed operation in it.
//! * **Nothing is shelled out to**, nothing is written, nothing is started by asking.
//! * **Nothing that is read is trusted.** Every parser takes arbitrary bytes; each has a fuzz target.
//! * **The only home of `unsafe`** and of kernel constants, which keep the kernel's names.
//! * **No judgement.** What a socket means is decided in `judge`.
//!
//! [`snapshot()`] looks at the whole host once, as cheaply as it can; [`details()`] looks closer at
//! some processes; [`evidence()`] answers the questions of the judgement.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this room reads the host")]

pub mod attached;
pub mod boot;
pub mod bpf;
pub mod cgroups;
pub mod evidence;
pub mod holders;
mod host;
mod ip_family;
pub mod ipset;
mod iptables;
pub mod legacy;
mod mountinfo;
pub mod netlink;
pub mod netns;
pub mod nftables;
pub mod owners;
pub mod routes;
pub mod ruleset;
pub mod settings;
mod snapshot;
pub mod sockets;
mod sockopt;
pub mod users;

pub use evidence::evidence;
pub use holders::Method;
pub use snapshot::{Details, Request, details, snapshot};
