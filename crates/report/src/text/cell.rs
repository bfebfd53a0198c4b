//! What the columns IPv4 and IPv6 say: who can reach a row, or where reach was not asked for, what it
//! is bound to.

use std::net::IpAddr;

use facts::Family;
use judge::Judgement;
use judge::reach::{Arrival, Because, Reach, Verdict, Wire};
use judge::row::{Row, plain};

use super::lines::device_into;
use super::who;
use crate::escape::Text;

/// What one family's column says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'j> {
    /// That family cannot arrive.
    Nothing,
    /// Who can reach it.
    Reach(&'j Reach),
    /// The kernel did not tell whether that family can arrive.
    Unknown,
    /// Bound to one address.
    One(IpAddr),
    /// Bound to several: the last, and how many.
    Several(IpAddr, usize),
    /// Bound to any address.
    Any,
}

impl<'j> Cell<'j> {
    /// What a row says about a family.
    pub(super) fn of(judgement: &'j Judgement<'_>, row: &Row<'_>, wire: Wire) -> Self {
        if judgement.snapshot.collector.sockets_only || !row.is_open() {
            return Self::bound(row, wire);
        }
        judgement.reach(row, wire).map_or(Self::Nothing, Self::Reach)
    }

    /// What a row is bound to.
    fn bound(row: &Row<'_>, wire: Wire) -> Self {
        let address = plain(row.socket.local.address);
        match row.arrival(wire) {
            Arrival::No if row.is_open() || row.port().is_none() => Self::Nothing,
            // What is bound but not open is shown with its address all the same.
            Arrival::No if address.is_ipv4() != (wire == Wire::Ipv4) => Self::Nothing,
            Arrival::Unknown => Self::Unknown,
            _ if address.is_unspecified() || row.socket.family == Family::Packet => Self::Any,
            _ => Self::One(address),
        }
    }

    /// What two rows of one line say together.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            (Self::Reach(a), Self::Reach(b)) => {
                Self::Reach(if width(b.verdict) < width(a.verdict) { b } else { a })
            }
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Unknown, known) | (known, Self::Unknown) => known,
            // Rows come in order of their addresses, so a new one differs from the last.
            (Self::One(a), Self::One(b)) if a != b => Self::Several(b, 2),
            (Self::Several(a, n), Self::One(b)) if a != b => Self::Several(b, n.saturating_add(1)),
            (first, _) => first,
        }
    }

    /// Whether two rows say the same to a reader of the table.
    pub(super) fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Reach(a), Self::Reach(b)) => {
                let reason = |reach: &Reach| matches!(reach.because, Because::Unread(_));
                (a.verdict, &a.must, &a.may, reason(a)) == (b.verdict, &b.must, &b.may, reason(b))
            }
            _ => self == other,
        }
    }

    /// The verdict, where there is one.
    pub(super) fn verdict(self) -> Option<Verdict> {
        if let Self::Reach(reach) = self { Some(reach.verdict) } else { None }
    }

    /// In words. An address with the interface that the rows are bound to, as `%eth0`.
    pub(super) fn text(self, judgement: &Judgement<'_>, row: &Row<'_>) -> Text {
        let device = row.socket.device.is_some();
        let mut text = Text::default();
        match self {
            Self::Nothing => return Text::fixed("-"),
            Self::Unknown => return Text::fixed("?"),
            Self::Reach(reach) => reach_into(reach, &mut text),
            Self::Any if !device => return Text::fixed("any"),
            Self::Any => {
                text.push("on ");
                device_into(judgement, row, &mut text);
            }
            Self::One(address) => {
                text.push_plain(address);
                if device {
                    text.push("%");
                    device_into(judgement, row, &mut text);
                }
            }
            Self::Several(_, count) => {
                text.push_plain(count).push(" addresses");
            }
        }
        text
    }
}

/// Who can reach something, in a word or two.
pub(super) fn reach_text(reach: &Reach) -> Text {
    let mut text = Text::default();
    reach_into(reach, &mut text);
    text
}

/// How many can reach it, from the most to the fewest.
pub(super) fn width(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Open => 0,
        Verdict::Part => 1,
        Verdict::OnLink => 2,
        Verdict::Unknown => 3,
        Verdict::Blocked => 4,
        Verdict::HostOnly => 5,
    }
}

/// Appends who can reach a row, in a word or two. What is not certain has a question mark.
fn reach_into(reach: &Reach, text: &mut Text) {
    match reach.verdict {
        Verdict::Open => text.push("open"),
        Verdict::OnLink => text.push("on-link"),
        Verdict::HostOnly => text.push("host only"),
        Verdict::Blocked => text.push("blocked"),
        Verdict::Part => who::short_into(&reach.must, text),
        Verdict::Unknown => match &reach.because {
            // Nothing is known at all.
            Because::Unread(_)
            | Because::TooMuch(_)
            | Because::V6OnlyNotTold
            | Because::WayInNotKnown(_) => text.push("?"),
            _ if reach.may.is_everyone() => text.push("open?"),
            _ => who::short_into(&reach.may, text).push("?"),
        },
    };
}
