//! Which processes hold which sockets.
//!
//! Input: the host, and the inodes of the sockets that somebody wants to know about. Output: every
//! descriptor of every process that refers to one of them ([`facts::Holder`]), and these processes
//! with their ancestors ([`facts::Process`]).
//!
//! There are two ways, and both find the same:
//!
//! * **BPF** ([`crate::bpf`]): two iterator programs walk over the tasks and their files inside the
//!   kernel, 8 to 10 times cheaper. Needs `CAP_BPF` and `CAP_PERFMON` (or root), kernel 5.11 or newer
//!   with BTF, and the initial pid namespace, since the programs see the pids of that one.
//! * **`/proc`**: reads the link of every descriptor of every process. Works everywhere; an ordinary
//!   user sees the descriptors of its own processes only, and the rest is a gap.
//!
//! What can be in neither, and is not guessed: a socket in flight in an `SCM_RIGHTS` message has no
//! holder at all, sockets of the kernel have none, and those held only as a fixed file of an
//! io_uring are looked for when asked ([`Finder::add_io_uring`]).

mod details;
mod finder;
#[doc(hidden)]
pub mod fuzzing;
mod hidepid;
mod inodes;
mod io_uring;
mod kernel;
mod privilege;
mod procfs;
mod stat;
#[cfg(test)]
mod tests;
mod walk;

pub use finder::{Finder, Found, Method};
