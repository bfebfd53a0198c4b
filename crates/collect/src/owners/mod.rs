//! Who is behind a process: the systemd unit, the container, the package.
//!
//! Input: names found elsewhere (units and container ids from cgroup paths, executables from
//! `/proc`). Output: [`facts::Part`]s of what the host's own records say about them.
//!
//! * [`systemd`] asks the running manager over D-Bus. Nothing is started by asking.
//! * [`containers`] reads the files of the engines. Their sockets are not used: whoever may talk to
//!   them is root on the host, and a hung engine would hang us.
//! * [`docker_proxy`] reads a command line, to credit a published port to its container.
//! * [`packages`] reads the databases of the package managers.
//!
//! No program is run, nothing is written, and no file is trusted: what is malformed, too large or
//! not a regular file becomes a [`facts::Gap`] and the rest is read all the same.

pub mod containers;
pub mod docker_proxy;
pub(crate) mod files;
#[doc(hidden)]
pub mod fuzzing;
pub mod packages;
mod sqlite;
pub mod systemd;
