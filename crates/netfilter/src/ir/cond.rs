//! What a rule asks of a packet.

use packet_set::{Field, RangeSet};

use super::ct_status;
use super::fib::Fib;

/// Which interface is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Ingress.
    In,
    /// Egress.
    Out,
}

impl Side {
    /// The field that holds the interface's number.
    #[must_use]
    pub const fn field(self) -> Field {
        match self {
            Self::In => Field::IIF,
            Self::Out => Field::OIF,
        }
    }
}

/// A name of an interface, or how it begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// This name.
    Exact(String),
    /// Every name that begins so (`eth+` of iptables, `eth*` of nft).
    Begins(String),
}

impl Pattern {
    /// Whether an interface of this name is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Begins(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}

/// What the truth of an unknown condition depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// The packet and the host's state at that moment: the same text is equally true for the same
    /// packet, wherever it is asked.
    Packet,
    /// Also earlier packets, the time or chance: each time it is asked, the answer may differ.
    History,
}

/// A condition. Values are in host byte order, as [`Field`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Cond {
    /// Holds.
    Always,
    /// Does not hold.
    Never,
    /// The field has one of the values.
    In(Field, RangeSet),
    /// The bits of the field under the mask, as a number, are one of the values.
    Masked {
        /// The field.
        field: Field,
        /// The bits that count.
        mask: u128,
        /// The values, all of them without bits outside of the mask.
        values: RangeSet,
    },
    /// The interface has one of the names. A packet without such an interface has the empty name.
    Interface(Side, Vec<Pattern>),
    /// The fields together are one of the entries, each a range (first, last) for each field.
    Tuple(Vec<Field>, Vec<Vec<(u128, u128)>>),
    /// All hold.
    All(Vec<Cond>),
    /// At least one holds.
    Any(Vec<Cond>),
    /// Does not hold.
    Not(Box<Cond>),
    /// What the host's routing says of an address.
    Fib(Box<Fib>),
    /// We cannot tell.
    Unknown(String, Doubt),
}

impl Cond {
    /// The field has this value.
    #[must_use]
    pub fn is(field: Field, value: u128) -> Self {
        Self::In(field, RangeSet::one(value))
    }

    /// The opposite, if asked for.
    #[must_use]
    pub fn negate_if(self, negate: bool) -> Self {
        match self {
            cond if !negate => cond,
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            cond => Self::Not(Box::new(cond)),
        }
    }

    /// Whether it asks of a connection's status more than what is known of it: a comparison of the
    /// whole (`ct status != dnat`) reads also the bits that say that translations are done with the
    /// packet, which come with the hooks that other tables use (nf_nat_core.c, nf_nat_inet_fn).
    pub(crate) fn reads_whole_status(&self) -> bool {
        match self {
            Self::In(field, _) => *field == Field::CT_STATUS,
            Self::Masked { field, mask, .. } => {
                *field == Field::CT_STATUS && mask & ct_status::NAT_DONE != 0
            }
            Self::Tuple(fields, _) => fields.contains(&Field::CT_STATUS),
            _ => false,
        }
    }

    /// Calls the function with this condition and each one inside, to change them.
    pub(crate) fn visit_mut(&mut self, seen: &mut impl FnMut(&mut Self)) {
        seen(self);
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.visit_mut(seen);
                }
            }
            Self::Not(inner) => inner.visit_mut(seen),
            _ => {}
        }
    }

    /// Calls the function with this condition and each one inside.
    pub fn visit<'a>(&'a self, seen: &mut impl FnMut(&'a Self)) {
        seen(self);
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.visit(seen);
                }
            }
            Self::Not(inner) => inner.visit(seen),
            _ => {}
        }
    }
}
