//! Sets of packets, for both address families: what a list of packet filter rules does to every
//! packet at once.
//!
//! A [`Diagram`] maps each packet to a [`Leaf`], a small **set of outcomes**. It is an *interval
//! decision diagram* (after Christiansen and Fleury, "An Interval Decision Diagram Based Firewall",
//! 2004) with many terminals: each node looks at one [`Field`] and holds a sorted list of intervals
//! with a child each. Nodes are *hash-consed* in an [`Arena`]: the same function is the same node,
//! so equality is a comparison of two numbers.
//!
//! # Leaves are sets of outcomes
//!
//! Where the outcome is certain the set holds one element. A match that cannot be decided from the
//! packet (a rate limit, an unknown module) gives a leaf with several. The outcomes that *may*
//! happen are the elements of the leaf; an outcome *must* happen when it is the only element. The
//! empty leaf means "there is no such packet". Two outcomes have a fixed meaning:
//! [`Leaf::NONE`] "not decided" (or: outside the set) and [`Leaf::IN`] "in the set, matched".
//! All others belong to the caller.
//!
//! # One operation
//!
//! [`Arena::substitute`] replaces one outcome of a diagram by a second diagram. It is enough for
//! everything that rule lists need:
//!
//! * *first decided wins*: replace `NONE` of the first by the second ([`Arena::over`]); a whole
//!   list is folded by halves ([`Arena::first_decided`]);
//! * *and*: replace `IN` of the first by the second; *or*: replace `NONE`;
//! * *a rule*: replace `IN` of its match by its verdict; *a jump*: by the summary of a chain;
//! * *the next base chain*: replace the outcome "accepted here" by its diagram.
//!
//! # Bounded work
//!
//! Every operation is charged to the arena's [`Budget`] and fails with [`Exceeded`] rather than
//! take all memory or never end.
//!
//! # Example: first match of three rules
//!
//! ```
//! use packet_set::{Arena, Budget, Field, Leaf, RangeSet};
//!
//! # fn main() -> Result<(), packet_set::Exceeded> {
//! let (accept, drop) = (Leaf::outcome(1), Leaf::outcome(2));
//! let mut arena = Arena::new(Budget::default());
//! // 10.0.0.0/8 is dropped, port 22 accepted, the rest dropped.
//! let net = RangeSet::from(0x0a00_0000..=0x0aff_ffff);
//! let lan = arena.field_in(Field::SOURCE, &net, drop, Leaf::NONE)?;
//! let ssh = arena.field_in(Field::DPORT, &RangeSet::from(22..=22), accept, Leaf::NONE)?;
//! let rest = arena.leaf(drop);
//! let list = arena.first_decided(vec![lan, ssh, rest])?;
//!
//! let sources = arena.restrict(list, Field::DPORT, 22)?;
//! let open = arena.ranges(sources, Field::SOURCE, u128::from(u32::MAX), |leaf| leaf == accept);
//! let expected = [(0, 0x09ff_ffff), (0x0b00_0000, 0xffff_ffff)];
//! assert_eq!(open.iter().collect::<Vec<_>>(), expected);
//! # Ok(()) }
//! ```
//!
//! What is deliberately absent: rule numbers in the leaves (take a [`Arena::witness`] and ask a
//! concrete evaluator which rule decided), and any knowledge of netfilter.

mod arena;
mod budget;
mod diagram;
mod field;
mod partition;
mod prefix;
mod query;
mod ranges;
mod substitute;
mod unary;

pub use arena::Arena;
pub use budget::{Budget, Exceeded};
pub use diagram::{Diagram, Leaf};
pub use field::Field;
pub use partition::{Partition, by_rights};
pub use prefix::{Prefix, prefixes};
pub use ranges::RangeSet;
