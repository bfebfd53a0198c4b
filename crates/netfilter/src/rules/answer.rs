//! The answers, as they are printed for machines.

use packet_set::{Leaf, Partition, RangeSet, prefixes};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::concrete::{Decider, Packet};
use crate::ir::{Family, Note, Reject};
use crate::symbolic::Outcome;
use crate::syntax::{address, address_text};

/// First and last address of a range, as text.
pub type Range = [String; 2];

/// The sources of every family asked. Serialises as the first family's answer, with all of them
/// in `families`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// IPv4 before IPv6; at least one.
    pub families: Vec<SourceAnswer>,
}

/// The sources of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAnswer {
    /// Family.
    pub family: Family,
    /// Sources whose connection is certainly accepted: to every destination, on every interface,
    /// whatever was not understood.
    pub must: Vec<Range>,
    /// Sources whose connection is accepted in some case.
    pub may: Vec<Range>,
    /// What was not understood and can matter, with its place.
    pub unknown: Vec<Note>,
    /// For each outcome that is possible, one packet that has it, and who decides.
    pub examples: Vec<Example>,
}

/// A packet, what happens to it, and who decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The packet as it arrives.
    pub packet: Packet,
    /// What happens to it, or may happen.
    pub outcome: Outcome,
    /// Who decides: the rule or policy.
    pub decider: Decider,
    /// Whether nothing that is unknown was asked on its way.
    pub certain: bool,
}

/// The ranges as the smallest list of prefixes, for people: `10.0.0.0/8`, single addresses bare.
#[must_use]
pub fn prefixes_of(family: Family, ranges: &[Range]) -> Vec<String> {
    let set = ranges
        .iter()
        .filter_map(|[lo, hi]| Some((address(lo)?.1, address(hi)?.1)))
        .collect::<RangeSet>();
    prefixes(&set, family.width())
        .into_iter()
        .map(|prefix| {
            let base = address_text(family, prefix.address);
            if prefix.length == family.width() { base } else { format!("{base}/{}", prefix.length) }
        })
        .collect()
}

/// The matrices of every family asked. Serialises like [`Answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixAnswer {
    /// IPv4 before IPv6; at least one.
    pub families: Vec<Matrix>,
}

/// A class of addresses with the same rights.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Class {
    /// a, b, ... z, aa, ...: in the order of the smallest address.
    pub name: String,
    /// Its addresses.
    pub ranges: Vec<Range>,
}

/// Who may open a connection to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// Family.
    pub family: Family,
    /// The coarsest partition of all addresses.
    pub classes: Vec<Class>,
    /// Source class and destination class where a connection is accepted in some case.
    pub may_edges: Vec<Range>,
    /// Where it is certainly accepted.
    pub must_edges: Vec<Range>,
    /// What was not understood and can matter, with its place.
    pub unknown: Vec<Note>,
}

/// The ranges as text.
pub(super) fn ranges(family: Family, set: &RangeSet) -> Vec<Range> {
    set.iter().map(|(lo, hi)| [address_text(family, lo), address_text(family, hi)]).collect()
}

const MAY: Leaf = Leaf::outcome(1);
const MUST: Leaf = Leaf::outcome(2);

/// What of a leaf is a right.
pub(super) fn right(leaf: Leaf) -> Leaf {
    if Outcome::must_accept(leaf) {
        MUST.or(MAY)
    } else if Outcome::may_accept(leaf) {
        MAY
    } else {
        Leaf::NONE
    }
}

/// The matrix of a partition by [`right`]s.
pub(super) fn matrix(family: Family, partition: &Partition, unknown: Vec<Note>) -> Matrix {
    let classes: Vec<Class> = (0..)
        .zip(&partition.classes)
        .map(|(number, set)| Class { name: class_name(number), ranges: ranges(family, set) })
        .collect();
    let edges = |wanted: Leaf| {
        let mut list = Vec::new();
        for (source, row) in classes.iter().zip(&partition.rights) {
            for (destination, leaf) in classes.iter().zip(row) {
                if leaf.meets(wanted) {
                    list.push([source.name.clone(), destination.name.clone()]);
                }
            }
        }
        list
    };
    let (may_edges, must_edges) = (edges(MAY), edges(MUST));
    Matrix { family, classes, may_edges, must_edges, unknown }
}

/// a to z, then aa, ab, ...
fn class_name(number: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = Some(number);
    while let Some(number) = rest {
        let letter = u8::try_from(number % 26).unwrap_or(0);
        letters.push(char::from(b'a' + letter));
        rest = (number / 26).checked_sub(1);
    }
    letters.iter().rev().collect()
}

fn texts(notes: &[Note]) -> Vec<String> {
    notes.iter().map(|note| format!("{}: {}", note.place, note.what)).collect()
}

impl SourceAnswer {
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("family", &self.family)?;
        map.serialize_entry("must", &self.must)?;
        map.serialize_entry("may", &self.may)?;
        map.serialize_entry("unknown", &texts(&self.unknown))?;
        map.serialize_entry("examples", &self.examples)
    }
}

/// What becomes of a packet, in one word.
#[must_use]
pub const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Dropped => "dropped",
        Outcome::Rejected(Reject::Port | Reject::Reset) => "refused",
        Outcome::Rejected(Reject::Unreachable) => "unreachable",
        Outcome::Rejected(Reject::Prohibited) => "prohibited",
        Outcome::NoRoute => "no route",
        Outcome::Martian => "not from there",
        Outcome::Unanswered => "unanswered",
    }
}

impl Serialize for Example {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let packet = &self.packet;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("outcome", outcome_word(self.outcome))?;
        map.serialize_entry("certain", &self.certain)?;
        map.serialize_entry("source", &address_text(packet.family, packet.source))?;
        map.serialize_entry("destination", &address_text(packet.family, packet.destination))?;
        map.serialize_entry("source_port", &packet.sport)?;
        map.serialize_entry("interface", &packet.iif)?;
        if !packet.oif.is_empty() {
            map.serialize_entry("to_interface", &packet.oif)?;
        }
        map.serialize_entry("decided_by", &self.decider.to_string())?;
        map.end()
    }
}

impl Matrix {
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("family", &self.family)?;
        map.serialize_entry("classes", &self.classes)?;
        map.serialize_entry("may_edges", &self.may_edges)?;
        map.serialize_entry("must_edges", &self.must_edges)?;
        map.serialize_entry("unknown", &texts(&self.unknown))
    }
}

macro_rules! serialize_entries {
    ($one:ty, $all:ty) => {
        impl Serialize for $one {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                self.entries(&mut map)?;
                map.end()
            }
        }

        impl Serialize for $all {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                if let Some(first) = self.families.first() {
                    first.entries(&mut map)?;
                }
                if self.families.len() > 1 {
                    map.serialize_entry("families", &self.families)?;
                }
                map.end()
            }
        }
    };
}

serialize_entries!(SourceAnswer, Answer);
serialize_entries!(Matrix, MatrixAnswer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_on_after_z() {
        let check = |number, expect| assert_eq!(class_name(number), expect);
        check(0, "a");
        check(25, "z");
        check(26, "aa");
        check(51, "az");
        check(52, "ba");
        check(701, "zz");
        check(702, "aaa");
    }
}
