//! Values on the right side, by what kind of value the left side has.

use packet_set::RangeSet;

use super::ast::{Expr, Operator};
use crate::ir::{Family, ct_state, ct_status};
use crate::names;
use crate::syntax::{address, mac, netmask, number};

/// A kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Address(Family),
    Port,
    Protocol,
    /// IPv4 or IPv6, by any of its names (`meta nfproto`, `meta protocol`, `ether type`).
    Layer3,
    /// A plain number of up to this many bits.
    Number(u8),
    IcmpType,
    Icmpv6Type,
    IcmpCode,
    Icmpv6Code,
    Mac,
    PacketType,
    Dscp,
    CtState,
    CtStatus,
    CtDirection,
    TcpFlags,
}

impl Kind {
    /// The largest value.
    pub(super) fn max(self) -> u128 {
        match self {
            Self::Address(family) => family.max_address(),
            Self::Port => 0xffff,
            Self::Number(bits) => 1_u128.checked_shl(bits.into()).map_or(u128::MAX, |bit| bit - 1),
            Self::Mac => (1 << 48) - 1,
            Self::Dscp => 63,
            Self::CtStatus => u128::from(u32::MAX),
            _ => 255,
        }
    }

    /// Whether values are sets of bits, which a bare list means any of.
    pub(super) const fn is_flags(self) -> bool {
        matches!(self, Self::CtState | Self::CtStatus | Self::TcpFlags)
    }

    /// One value by its text.
    pub(super) fn word(self, text: &str) -> Option<u128> {
        let named = match self {
            Self::Address(family) => {
                return address(text).filter(|(of, _)| *of == family).map(|(_, value)| value);
            }
            Self::Mac => return mac(text),
            Self::Port => names::service(text).map(u128::from),
            Self::Protocol => names::protocol(text).map(u128::from),
            Self::Layer3 => match text {
                "ipv4" | "ip" | "0x0800" | "2" => Some(0),
                "ipv6" | "ip6" | "0x86dd" | "10" => Some(1),
                // Address resolution and others: no IP packet has it.
                "arp" | "vlan" | "8021q" | "8021ad" | "bridge" | "0x0806" => Some(2),
                _ => None,
            },
            Self::IcmpType => names::icmp(text).filter(|(_, code)| code.is_none()).map(kind_of),
            Self::Icmpv6Type => names::icmpv6(text).filter(|(_, code)| code.is_none()).map(kind_of),
            Self::IcmpCode => names::icmp(text).and_then(code_of),
            Self::Icmpv6Code => names::icmpv6(text).and_then(code_of),
            Self::PacketType => match text {
                "host" | "unicast" => Some(0),
                "broadcast" => Some(1),
                "multicast" => Some(2),
                "other" => Some(3),
                _ => None,
            },
            Self::Dscp => dscp(text),
            Self::CtState => state_bit(text),
            Self::CtStatus => status_bits(text),
            Self::CtDirection => match text {
                "original" => Some(0),
                "reply" => Some(1),
                _ => None,
            },
            Self::TcpFlags => tcp_flag(text),
            Self::Number(_) => None,
        };
        if self == Self::Layer3 {
            return named;
        }
        named.or_else(|| number(text)).filter(|value| *value <= self.max())
    }

    /// The values of an expression that is plainly one range: most elements of a large set are, and
    /// no set need be made of each.
    pub(super) fn range(self, expr: &Expr) -> Option<(u128, u128)> {
        match expr {
            _ if self == Self::Layer3 => None,
            Expr::Number(value) => (*value <= self.max()).then_some((*value, *value)),
            Expr::Span(lo, hi) => (*hi <= self.max()).then_some((*lo, *hi)),
            _ => None,
        }
    }

    /// One or more values of an expression; lists of flags are their union.
    pub(super) fn values(self, expr: &Expr) -> Option<RangeSet> {
        match expr {
            Expr::Number(value) if self == Self::Layer3 => {
                self.word(&format!("{value}")).map(RangeSet::one)
            }
            Expr::Number(value) => (*value <= self.max()).then(|| RangeSet::one(*value)),
            Expr::Word(text) => self.text(text),
            Expr::Prefix(base, length) => self.prefix(self.value(base)?, *length),
            Expr::Span(lo, hi) => {
                (*hi <= self.max() && self != Self::Layer3).then(|| RangeSet::of(vec![(*lo, *hi)]))
            }
            Expr::Address(family, lo, hi) => {
                (self == Self::Address(*family)).then(|| RangeSet::of(vec![(*lo, *hi)]))
            }
            Expr::Range(lo, hi) => Some(RangeSet::of(vec![(self.value(lo)?, self.value(hi)?)])),
            Expr::List(_) | Expr::Binary(..) => self.value(expr).map(RangeSet::one),
            _ => None,
        }
    }

    /// One value of an expression.
    pub(super) fn value(self, expr: &Expr) -> Option<u128> {
        match expr {
            Expr::Number(value) => Some(*value),
            Expr::Word(text) => self.word(text),
            Expr::List(parts) => {
                parts.iter().try_fold(0, |bits, part| Some(bits | self.value(part)?))
            }
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                Some(match operator {
                    Operator::And => left & right,
                    Operator::Or => left | right,
                    Operator::Xor => left ^ right,
                    Operator::Left => left.checked_shl(u32::try_from(right).ok()?)?,
                    Operator::Right => left.checked_shr(u32::try_from(right).ok()?)?,
                })
            }
            _ => None,
        }
    }

    /// A word of the text form: a value, a prefix `a/24`, or a range `a-b`.
    fn text(self, text: &str) -> Option<RangeSet> {
        if let Some(value) = self.word(text) {
            return Some(RangeSet::one(value));
        }
        if let Some((base, length)) = text.split_once('/') {
            return self.prefix(self.word(base)?, length.parse().ok()?);
        }
        // Names hold hyphens, too: any place may be the one between the bounds.
        text.match_indices('-').find_map(|(at, _)| {
            let (lo, rest) = text.split_at_checked(at)?;
            let (lo, hi) = (self.word(lo)?, self.word(rest.strip_prefix('-')?)?);
            Some(RangeSet::of(vec![(lo, hi)]))
        })
    }

    fn prefix(self, base: u128, length: u8) -> Option<RangeSet> {
        let Self::Address(family) = self else { return None };
        let mask = netmask(family, length)?;
        Some(RangeSet::from(base & mask..=base & mask | (family.max_address() & !mask)))
    }
}

fn kind_of((kind, _): (u8, Option<u8>)) -> u128 {
    kind.into()
}

fn code_of((_, code): (u8, Option<u8>)) -> Option<u128> {
    code.map(u128::from)
}

/// NF_CT_STATE_BIT and so on (linux/netfilter/nf_conntrack_common.h).
fn state_bit(name: &str) -> Option<u128> {
    Some(match name {
        "invalid" => 1,
        "established" => 1 << 1,
        "related" => 1 << 2,
        "new" => 1 << 3,
        "untracked" => 1 << 6,
        _ => return None,
    })
}

/// Our numbers of the states with the bit that nft compares.
pub(super) const STATES: [(u128, u128); 5] = [
    (ct_state::INVALID, 1),
    (ct_state::ESTABLISHED, 1 << 1),
    (ct_state::RELATED, 1 << 2),
    (ct_state::NEW, 1 << 3),
    (ct_state::UNTRACKED, 1 << 6),
];

fn status_bits(name: &str) -> Option<u128> {
    Some(match name {
        "expected" => ct_status::EXPECTED,
        "seen-reply" => ct_status::SEEN_REPLY,
        "assured" => ct_status::ASSURED,
        "confirmed" => ct_status::CONFIRMED,
        "snat" => ct_status::SNAT,
        "dnat" => ct_status::DNAT,
        "dying" => ct_status::DYING,
        _ => return None,
    })
}

fn tcp_flag(name: &str) -> Option<u128> {
    Some(match name {
        "fin" => 0x01,
        "syn" => 0x02,
        "rst" => 0x04,
        "psh" => 0x08,
        "ack" => 0x10,
        "urg" => 0x20,
        "ecn" => 0x40,
        "cwr" => 0x80,
        _ => return None,
    })
}

/// Names of code points (RFC 2474, 2597, 3246, 8622).
fn dscp(name: &str) -> Option<u128> {
    Some(match name {
        "cs0" | "df" => 0,
        "lephb" => 1,
        "cs1" => 8,
        "af11" => 10,
        "af12" => 12,
        "af13" => 14,
        "cs2" => 16,
        "af21" => 18,
        "af22" => 20,
        "af23" => 22,
        "cs3" => 24,
        "af31" => 26,
        "af32" => 28,
        "af33" => 30,
        "cs4" => 32,
        "af41" => 34,
        "af42" => 36,
        "af43" => 38,
        "cs5" => 40,
        "va" => 44,
        "ef" => 46,
        "cs6" => 48,
        "cs7" => 56,
        _ => return None,
    })
}
