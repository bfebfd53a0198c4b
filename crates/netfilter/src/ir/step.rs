//! What a rule does.

use packet_set::Field;

use super::cond::Cond;

/// How a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// ICMP port unreachable: the client sees "refused".
    Port,
    /// TCP reset: the client sees "refused".
    Reset,
    /// ICMP host, network, address or protocol unreachable.
    Unreachable,
    /// ICMP administratively prohibited.
    Prohibited,
}

/// Where a rule leaves its chain for. Chains are places in the table's list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Accepted by this base chain; later ones may still drop.
    Accept,
    /// Dropped for good.
    Drop,
    /// Refused for good.
    Reject(Reject),
    /// Back to the calling chain; from a base chain, its policy.
    Return,
    /// To another chain, and back at its end.
    Jump(usize),
    /// To another chain, and at its end back to where this chain would return.
    Goto(usize),
    /// To the next rule.
    Continue,
    /// Left to a program, which accepts or drops.
    Queue(String),
    /// Not understood: accepted, dropped, returned or continued.
    Unknown(String),
}

/// A new value of a mark or another field that a rule can write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Assign {
    /// `(old & keep) ^ flip`.
    Bits {
        /// The bits that are kept.
        keep: u32,
        /// The bits that are then inverted.
        flip: u32,
    },
    /// `(old & !to_mask) ^ (other & from_mask)`, as `CONNMARK --save-mark` and `--restore-mark`.
    Copy {
        /// The other field.
        from: Field,
        /// The bits of the other field that are taken.
        from_mask: u32,
        /// The bits of this field that are cleared first.
        to_mask: u32,
    },
    /// Any value; the text says why.
    Unknown(String),
}

/// Kinds of address translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NatKind {
    /// To another destination.
    Destination,
    /// From another source.
    Source,
}

/// An address translation; ends its base chain, accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nat {
    /// Which end.
    pub kind: NatKind,
    /// The new address, one of a range; none: unchanged.
    pub address: Option<(u128, u128)>,
    /// The new port, one of a range; none: unchanged.
    pub port: Option<(u16, u16)>,
    /// Set where the translation depends on what the ruleset does not say.
    pub doubt: Option<String>,
}

/// How [`Nat::doubt`] ends where the new destination is an address of the ingress interface
/// (`redirect`): a host knows which.
pub const OWN_ADDRESS: &str = "the interface's own address";

impl Nat {
    /// Whether the destination becomes an address of the ingress interface.
    #[must_use]
    pub fn is_redirect(&self) -> bool {
        self.kind == NatKind::Destination
            && self.doubt.as_ref().is_some_and(|doubt| doubt.ends_with(OWN_ADDRESS))
    }
}

/// One step of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The rule ends here unless this holds.
    If(Cond),
    /// The field gets a new value. A packet without a connection has no connection mark: writing
    /// or copying it then does nothing (nft_ct.c, nft_ct_set_eval; xt_connmark.c,
    /// connmark_tg_shift).
    Set(Field, Assign),
    /// The packet is exempt from connection tracking, unless it has passed it already.
    NoTrack,
    /// The first alternative that holds translates; if none holds, the rule ends.
    Translate(Vec<(Cond, Nat)>),
    /// The first alternative that holds gives the verdict; if none holds, the rule ends.
    Select(Vec<(Cond, Verdict)>),
}

impl Step {
    /// A step that always gives this verdict.
    #[must_use]
    pub fn verdict(verdict: Verdict) -> Self {
        Self::Select(vec![(Cond::Always, verdict)])
    }
}
