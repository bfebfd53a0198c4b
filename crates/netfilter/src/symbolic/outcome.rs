//! The outcomes that the leaves of an evaluation are made of.

use packet_set::Leaf;

use crate::ir::Reject;

/// What finally happens to a packet at the end of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Every base chain accepted it.
    Accepted,
    /// Dropped without a word.
    Dropped,
    /// Refused, and the sender is told.
    Rejected(Reject),
    /// Dropped because the host has no way for it, or is no router.
    NoRoute,
    /// Dropped because a packet with these addresses cannot come in there (martian, reverse path).
    Martian,
    /// Accepted, and the reply to it does not get out: nothing that needs one comes about.
    Unanswered,
}

/// Accepted by this base chain; replaced by what the next one says.
pub(super) const NEXT: Leaf = Leaf::outcome(1);
/// Back to the caller; replaced by what the caller says.
pub(super) const RETURN: Leaf = Leaf::outcome(2);
/// Accepted by all.
pub(super) const ACCEPT: Leaf = Leaf::outcome(3);
/// Dropped.
pub(super) const DROP: Leaf = Leaf::outcome(4);
const REJECT_PORT: Leaf = Leaf::outcome(5);
const REJECT_RESET: Leaf = Leaf::outcome(6);
const REJECT_UNREACHABLE: Leaf = Leaf::outcome(7);
const REJECT_PROHIBITED: Leaf = Leaf::outcome(8);
/// The packet does not come out at the interface, or by the translation, that is asked about.
pub(super) const ELSEWHERE: Leaf = Leaf::outcome(9);
/// See [`Outcome::NoRoute`].
pub(super) const NO_ROUTE: Leaf = Leaf::outcome(10);
/// See [`Outcome::Martian`].
pub(super) const MARTIAN: Leaf = Leaf::outcome(11);
/// See [`Outcome::Unanswered`].
pub(super) const UNANSWERED: Leaf = Leaf::outcome(12);

/// The leaf of a kind of refusal.
pub(super) const fn rejected(kind: Reject) -> Leaf {
    match kind {
        Reject::Port => REJECT_PORT,
        Reject::Reset => REJECT_RESET,
        Reject::Unreachable => REJECT_UNREACHABLE,
        Reject::Prohibited => REJECT_PROHIBITED,
    }
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Dropped,
        Self::Rejected(Reject::Port),
        Self::Rejected(Reject::Reset),
        Self::Rejected(Reject::Unreachable),
        Self::Rejected(Reject::Prohibited),
        Self::NoRoute,
        Self::Martian,
        Self::Unanswered,
    ];

    /// The leaf that holds this outcome alone.
    #[must_use]
    pub const fn leaf(self) -> Leaf {
        match self {
            Self::Accepted => ACCEPT,
            Self::Dropped => DROP,
            Self::Rejected(kind) => rejected(kind),
            Self::NoRoute => NO_ROUTE,
            Self::Martian => MARTIAN,
            Self::Unanswered => UNANSWERED,
        }
    }

    /// Whether a packet with this leaf may be accepted.
    #[must_use]
    pub const fn may_accept(leaf: Leaf) -> bool {
        leaf.meets(ACCEPT)
    }

    /// Whether a packet with this leaf is certainly accepted.
    #[must_use]
    pub fn must_accept(leaf: Leaf) -> bool {
        leaf == ACCEPT
    }
}
