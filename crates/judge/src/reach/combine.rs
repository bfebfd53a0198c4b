//! Reaches that are joined: by one way or another, or by one gate after another.

use std::rc::Rc;

use packet_set::RangeSet;

use super::home::Sides;
use super::{Because, ClientSees, Reach, Sources, Verdict, Wire};

/// The reach that these sets of sources come to.
pub(super) fn reach(
    wire: Wire,
    sides: &Sides,
    (must, may): (RangeSet, RangeSet),
    doubt: Option<Because>,
    client_sees: Option<ClientSees>,
) -> Reach {
    let sources = |set: RangeSet| Sources::of(wire, Rc::new(set), sides.not_guests.clone());
    let (must, may) = (sources(must), sources(may));
    let mut because = Because::Filter;
    let verdict = if may.is_empty() {
        Verdict::Blocked
    } else if must.is_everyone() {
        Verdict::Open
    } else if let Some(doubt) = doubt {
        because = doubt;
        Verdict::Unknown
    } else if must.is_empty() {
        because = Because::ElsewhereOnly;
        Verdict::Unknown
    } else if must.is_within(&sides.on_link) {
        Verdict::OnLink
    } else {
        Verdict::Part
    };
    Reach { verdict, must, may, client_sees, because }
}

/// Why a reach is not certain, if it is not.
fn doubt(reach: &Reach) -> Option<Because> {
    (reach.verdict == Verdict::Unknown).then(|| reach.because.clone())
}

/// What both let in: one stands behind the other.
pub(super) fn both(wire: Wire, sides: &Sides, a: &Reach, b: &Reach) -> Reach {
    let must = a.must.ranges().intersection(b.must.ranges());
    let may = a.may.ranges().intersection(b.may.ranges());
    let sees = if a.client_sees == b.client_sees { a.client_sees } else { None };
    let both = reach(wire, sides, (must, may), doubt(a).or_else(|| doubt(b)), sees);
    as_open(both, [a, b])
}

/// What one or the other lets in: there are two ways.
pub(super) fn either(wire: Wire, sides: &Sides, a: &Reach, b: &Reach) -> Reach {
    let must = a.must.ranges().union(b.must.ranges());
    let may = a.may.ranges().union(b.may.ranges());
    let sees = if a.may.is_empty() {
        b.client_sees
    } else if b.may.is_empty() || a.client_sees == b.client_sees {
        a.client_sees
    } else {
        Some(ClientSees::Mixed)
    };
    let either = reach(wire, sides, (must, may), doubt(a).or_else(|| doubt(b)), sees);
    as_open(either, [a, b])
}

/// What everyone sees who gets in, where everyone does.
fn as_open(reach: Reach, parts: [&Reach; 2]) -> Reach {
    let inside = |sees: &ClientSees| matches!(sees, ClientSees::Connected | ClientSees::Answered);
    let seen = parts.iter().filter_map(|part| part.client_sees).find(inside);
    match reach.verdict {
        Verdict::Open => Reach { client_sees: seen.or(reach.client_sees), ..reach },
        _ => reach,
    }
}
