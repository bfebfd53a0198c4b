//! What a ruleset does to every packet at once: the ruleset as a [`packet_set::Diagram`].
//!
//! The evaluation runs **backward**: a base chain is asked "what happens to the packet", given the
//! answer of everything that comes after it. So a step that changes the packet (a mark, a
//! translation, `notrack`) is a substitution into the answer of what follows, and no history of a
//! packet needs to be kept.
//!
//! A chain that changes nothing is summed up once, whoever jumps to it.
//!
//! What cannot be decided leaves several outcomes in a leaf. A condition that depends on the packet
//! alone is a field of its own when the ruleset asks it more than once, so that it is equally true
//! everywhere.

mod answer;
mod arrival;
mod chain;
mod compile;
mod doubts;
mod effect;
mod fib;
mod host;
mod interfaces;
mod marks;
mod neighbours;
mod outcome;
mod path;
mod question;
mod reply;
mod rewrite;
mod route;
mod setup;
mod source;
mod universe;

pub use answer::{Arrivals, Classes, Entry, Listener, Passage, Sources, Sure, WayIn};
pub use effect::{AskedRules, Effect, RuleAt, effects};
pub use host::{Asked, arrivals};
pub use neighbours::silences;
pub use outcome::Outcome;
pub use path::evaluate;
pub use question::{Evaluation, Packets};

use packet_set::Exceeded;
use thiserror::Error;

/// Deepest nesting of jumps. The kernel allows 16 in nftables (NFT_JUMP_STACK_SIZE); iptables has
/// no limit of its own.
pub const MOST_JUMPS: usize = 512;

/// Why a ruleset could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvaluateError {
    /// The rules need more than the budget.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// A chain that comes back to itself; the kernel refuses such a ruleset.
    #[error("evaluate chain {chain}: it jumps back to itself")]
    Loop {
        /// Family, table and chain.
        chain: String,
    },
    /// See [`MOST_JUMPS`].
    #[error("evaluate chain {chain}: jumps are nested more than {MOST_JUMPS} deep")]
    TooDeep {
        /// Family, table and chain.
        chain: String,
    },
}
