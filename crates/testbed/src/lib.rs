//! Real test hosts for the tests: development only, never part of the program.
//!
//! * [`Image`]: a Debian with systemd, made once by debootstrap and cached outside the repository.
//! * [`Lab`]: a router with a bridge, in a network namespace of its own.
//! * [`Host`]: the image booted by systemd-nspawn on the lab's bridge: its own pid 1, D-Bus,
//!   cgroups, network and pids, in half a second. It can reboot and lose its power.
//! * [`Client`]: a plain network namespace on the bridge, whose `connect` is the truth for a verdict.
//! * [`Netns`]: a plain network namespace alone, for cheap tests.
//! * [`emulate`]: Debian's kernel under qemu, which has modules, for one script.
//! * [`ss`]: reading what `ss` prints, for comparison.
//! * [`Load`]: thousands of processes and sockets, to measure on.
//! * `testbed-agent`: a program to run on them that opens the sockets a test asks for.
//!
//! Input: root on Linux, and the tools that `cargo xtask test` installs. Invariants:
//!
//! * **The machine's own network is not touched**: no link, address, route, rule or sysctl of the
//!   namespace that the tests run in. `tests/bed.rs` compares them.
//! * **Nothing stays.** Everything lives in processes that end when their standard input closes, so
//!   that even `kill -9` of the test ends them; mounts and network namespaces end with them. Only
//!   empty cgroup directories can be left over, and the next start removes those.
//! * **Tests do not skip.** What is missing is an [`Error`] that names it.
//!
//! Deliberately absent: any way to run something on the machine itself.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test bed is made of effects: it starts processes, writes files and waits"
)]

mod client;
mod dump;
mod emulated;
mod error;
mod host;
mod image;
mod lab;
mod leftovers;
mod load;
mod netns;
mod run;
pub mod ss;

pub use client::{Client, Reply};
pub use dump::{DumpedSet, bare_dump};
pub use emulated::{Printed, emulate};
pub use error::Error;
pub use host::{Host, HostOptions};
pub use image::{Contents, Image};
pub use lab::Lab;
pub use load::{Load, LoadShape, Measured};
pub use netns::Netns;
pub use run::Done;
