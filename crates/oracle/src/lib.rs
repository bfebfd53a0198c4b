//! The running kernel as the judge of the `netfilter` crate: development only.
//!
//! * [`generate`]: random rulesets for nft, iptables and ip6tables, both of their backends.
//! * [`Bench`]: network namespaces into which they are loaded. Their interfaces are tap devices: a
//!   packet that is written to one has passed every hook when `write` returns, and a chain of our
//!   own at the end has logged it, so each question is answered exactly, by itself.
//! * [`Trial`]: one ruleset, packets at the ends of all that it names, and whether the kernel's
//!   answer is among those that both evaluators allow, for the ruleset as it was written and as
//!   every tool lists it. A contradiction is made small by leaving lines out.
//! * [`Fixture`]: a contradiction as a file, to be compared again without a kernel.
//! * [`Fuzz`]: trials, until the time is over.
//!
//! What is compared: accepted by the kernel means in `may`, and dropped means not in `must`; the
//! concrete evaluator's outcomes hold the kernel's; and where nothing was uncertain, the
//! destination and the mark at the end are the same.
//!
//! Input: root, nft and iptables. The machine's own network namespace is not touched.
//!
//! Deliberately absent: packets other than the first of a connection, fragments, extension headers
//! of IPv6, and anything that depends on what this host is connected to.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "the oracle is made of effects: it asks a kernel. It writes rulesets as text, and waits \
              for the programs that read them"
)]

mod aim;
mod answer;
mod backend;
mod bench;
mod error;
mod fixture;
mod frame;
mod fuzz;
pub mod generate;
mod lab;
mod minimise;
mod probe;
mod random;
mod record;
mod routes;
mod tap;
mod trial;

pub use answer::{Answer, Expectation, Fault, Kind};
pub use backend::{Backend, Form};
pub use bench::Bench;
pub use error::Error;
pub use fixture::Fixture;
pub use fuzz::Fuzz;
pub use probe::Probe;
pub use random::Random;
pub use routes::{Path, Routes};
pub use trial::{Count, Trial, Verdict};
