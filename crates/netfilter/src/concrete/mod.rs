//! What a ruleset does to one packet, rule by rule, with the trace.
//!
//! Written from the kernel's semantics and from nothing of [`crate::symbolic`]: it walks forward
//! where that one substitutes backward, keeps a packet where that one keeps diagrams. So it serves
//! as an oracle for it in tests, and it tells which rule decided.
//!
//! [`walk()`] is for a ruleset alone, [`journey()`] for a known host: with routing and the way of the
//! reply. What cannot be decided from the packet is asked of an [`Oracle`].

mod condition;
mod fib;
mod journey;
mod packet;
mod possible;
mod reply;
mod route;
mod source;
mod walk;

pub use journey::{Event, Journey, Journeys, Routed, Why, journey, journeys, not_walked};
pub use packet::Packet;
pub use possible::{Possible, possible};
pub use reply::interface_towards;
pub use walk::{Decider, Decision, Trace, WalkError, walk};

use crate::ir::Doubt;

/// Answers what the packet and the ruleset leave open.
pub trait Oracle {
    /// Whether an unknown condition holds. Asked once for each text and packet where the doubt is
    /// [`Doubt::Packet`], and each time where it is [`Doubt::History`].
    fn holds(&mut self, text: &str, doubt: Doubt) -> bool;

    /// One of `0..options`: which way an unknown verdict goes.
    fn choose(&mut self, text: &str, options: u32) -> u32;

    /// A number of the range: the address or port that a translation takes.
    fn pick(&mut self, first: u128, last: u128) -> u128;
}
