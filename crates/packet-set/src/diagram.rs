//! The two small values that users of an arena hold: a diagram's handle and a leaf.

use std::fmt;

/// A set of outcomes, at most 16 different ones; see the [crate] documentation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf(pub(crate) u16);

impl Leaf {
    /// No outcome at all: there is no such packet.
    pub const EMPTY: Self = Self(0);
    /// Not decided; as a set: outside.
    pub const NONE: Self = Self(1);
    /// Matched; as a set: inside.
    pub const IN: Self = Self(1 << 15);

    /// The caller's outcome number `n` (1 to 14) alone. Other numbers are taken modulo 16, and 0
    /// and 15 are [`Leaf::NONE`] and [`Leaf::IN`].
    #[must_use]
    pub const fn outcome(n: u8) -> Self {
        Self(1 << (n % 16))
    }

    /// The set with these bits; bit `n` is the outcome `n`.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The set as bits; bit `n` is the outcome `n`.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the elements of the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the two have an element in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is no element.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaf({:#018b})", self.0)
    }
}

/// A function from packets to leaves: a handle into the [`Arena`](crate::Arena) that made it.
///
/// Two diagrams of one arena are equal exactly if they are the same function. A handle used with
/// another arena gives a wrong answer, never a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diagram(pub(crate) u32);

/// Set in the handle of a leaf; the low 16 bits are then the leaf itself.
const LEAF: u32 = 1 << 31;

impl Diagram {
    /// The diagram that gives every packet this leaf. Needs no arena.
    #[must_use]
    pub const fn constant(leaf: Leaf) -> Self {
        Self(LEAF | leaf.0 as u32)
    }

    /// The leaf, where every packet has the same.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a leaf is the low 16 bits")]
    pub const fn as_constant(self) -> Option<Leaf> {
        if self.0 & LEAF == 0 { None } else { Some(Leaf(self.0 as u16)) }
    }
}
