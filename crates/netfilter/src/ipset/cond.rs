//! What a set asks of a packet.

use std::collections::BTreeMap;

use packet_set::{Field, RangeSet};

use super::content::{Content, Decided, Element, Part};
use super::resolve::on_interfaces;
use crate::ir::{Cond, Doubt, Family, Side};
use crate::xt::Asked;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// TCP, UDP, SCTP and UDP-Lite: those whose ports are looked at (ip_set_getport.c, get_port).
const WITH_PORTS: [u8; 4] = [TCP, UDP, 132, 136];

/// Fields and a range of each.
type Columns = Vec<(Field, (u128, u128))>;

/// Why an element has no such fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    /// No packet has them.
    Packet,
    /// What it asks is not known here.
    Field,
}

fn address(from_source: bool) -> Field {
    if from_source { Field::SOURCE } else { Field::DESTINATION }
}

fn port(from_source: bool) -> Field {
    if from_source { Field::SPORT } else { Field::DPORT }
}

impl Content {
    /// The condition that a packet's values are in the set; none where that cannot be told.
    pub(super) fn cond(&self, asked: &Asked, family: Family) -> Option<Cond> {
        let (set, parts) = match self {
            Self::Unknown | Self::Members(_) => return None,
            Self::Plain(set, ..) => (set, 1),
            Self::Joined(set, parts, _) => (set, parts.len()),
            Self::Interfaces(set, _) => (set, 2),
        };
        // ip_set_core.c, ip_set_test: not in a set of another family, or of more parts.
        if set.family.is_some_and(|of| of != family) || asked.from_source.len() < parts {
            return Some(Cond::Never);
        }
        let mut asked = asked.clone();
        asked.return_nomatch &= set.knows_nomatch;
        match self {
            Self::Plain(_, part, values) => plain(*part, values, &asked),
            Self::Joined(_, parts, elements) => joined(parts, elements, set.mark_mask, &asked),
            Self::Interfaces(_, elements) => {
                let found = on_interfaces(elements, asked.return_nomatch)?;
                Some(interfaces(found, &asked))
            }
            Self::Unknown | Self::Members(_) => None,
        }
    }
}

fn plain(part: Part, values: &Decided, asked: &Asked) -> Option<Cond> {
    let from_source = *asked.from_source.first()?;
    let values = if asked.return_nomatch { &values.nomatch } else { &values.matching };
    match part {
        Part::AnyPort => {
            let protocols = [TCP, UDP].map(|number| (number.into(), number.into()));
            Some(Cond::All(vec![
                Cond::In(Field::PROTOCOL, RangeSet::of(protocols.to_vec())),
                Cond::In(port(from_source), values.clone()),
            ]))
        }
        // The destination's is not looked at here.
        Part::Mac => from_source.then(|| Cond::In(Field::MAC_SOURCE, values.clone())),
        _ => Some(Cond::In(address(from_source), values.clone())),
    }
}

fn interfaces(found: BTreeMap<crate::ir::Pattern, RangeSet>, asked: &Asked) -> Cond {
    let [first, second, ..] = asked.from_source.as_slice() else { return Cond::Never };
    let side = if *second { Side::In } else { Side::Out };
    let one = |(pattern, addresses)| {
        let addresses = Cond::In(address(*first), addresses);
        Cond::All(vec![addresses, Cond::Interface(side, vec![pattern])])
    };
    Cond::Any(found.into_iter().map(one).collect())
}

/// Elements of several parts.
fn joined(parts: &[Part], elements: &[Element], mark_mask: u32, asked: &Asked) -> Option<Cond> {
    if parts.contains(&Part::Mark) && mark_mask != u32::MAX {
        return Some(masked_marks(elements, mark_mask, asked));
    }
    let mut list = Vec::with_capacity(elements.len());
    for element in elements {
        match columns(parts, element, asked) {
            Ok(columns) => list.push((element, columns)),
            Err(Without::Packet) => {}
            Err(Without::Field) => return None,
        }
    }
    // The longest first network decides, then the longest second one.
    if elements.iter().any(|element| element.nomatch) {
        list.sort_by_key(|(element, _)| {
            std::cmp::Reverse((element.first.length, element.second.length))
        });
    }
    let mut tuples: BTreeMap<Vec<Field>, Vec<Vec<(u128, u128)>>> = BTreeMap::new();
    let mut any = Vec::new();
    for (at, (element, columns)) in list.iter().enumerate() {
        if element.nomatch != asked.return_nomatch {
            continue;
        }
        let earlier = list.iter().take(at);
        let others: Vec<Cond> = earlier
            .filter(|(other, of)| other.nomatch != element.nomatch && overlap(of, columns))
            .map(|(_, columns)| all(columns))
            .collect();
        if element.mac.is_none() && parts.contains(&Part::Mac) {
            // Filled in with the next packet's (ip_set_bitmap_ipmac.c, bitmap_ipmac_do_test).
            let text = "an address whose link-layer address is not known yet".to_owned();
            any.push(Cond::All(vec![all(columns), Cond::Unknown(text, Doubt::History)]));
        } else if others.is_empty() {
            let (fields, ranges) = columns.iter().copied().unzip();
            tuples.entry(fields).or_default().push(ranges);
        } else {
            any.push(Cond::All(vec![all(columns), Cond::Not(Box::new(Cond::Any(others)))]));
        }
    }
    any.extend(tuples.into_iter().map(|(fields, entries)| Cond::Tuple(fields, entries)));
    Some(Cond::Any(any))
}

/// The fields of an element.
fn columns(parts: &[Part], element: &Element, asked: &Asked) -> Result<Columns, Without> {
    let mut list = Columns::new();
    for (part, from_source) in parts.iter().zip(&asked.from_source) {
        let one = |value: u128| (value, value);
        match part {
            Part::First => list.push((address(*from_source), (element.first.lo, element.first.hi))),
            Part::Second => {
                list.push((address(*from_source), (element.second.lo, element.second.hi)));
            }
            Part::Mark => list.push((Field::MARK, one(element.mark.into()))),
            Part::Mac => {
                if !from_source {
                    return Err(Without::Field);
                }
                list.extend(element.mac.map(|mac| (Field::MAC_SOURCE, one(mac))));
            }
            Part::Port | Part::AnyPort => {
                list.push((Field::PROTOCOL, one(element.protocol.into())));
                match element.protocol {
                    number if WITH_PORTS.contains(&number) => {
                        list.push((port(*from_source), one(element.port.into())));
                    }
                    // Type and code, whichever side is asked for.
                    ICMP | ICMPV6 => {
                        let [kind, code] = element.port.to_be_bytes();
                        list.push((Field::DPORT, one(kind.into())));
                        list.push((Field::ICMP_CODE, one(code.into())));
                    }
                    // Port 0 stands for any that have none.
                    _ if element.port == 0 => {}
                    _ => return Err(Without::Packet),
                }
            }
        }
    }
    Ok(list)
}

fn all(columns: &Columns) -> Cond {
    let one =
        |(field, (lo, hi)): &(Field, (u128, u128))| Cond::In(*field, RangeSet::from(*lo..=*hi));
    Cond::All(columns.iter().map(one).collect())
}

/// Whether both hold some packet.
fn overlap(one: &Columns, other: &Columns) -> bool {
    one.iter().all(|(field, (lo, hi))| {
        other.iter().all(|(of, (first, last))| of != field || lo <= last && first <= hi)
    })
}

/// `hash:ip,mark` with a mask: the elements hold masked marks.
fn masked_marks(elements: &[Element], mask: u32, asked: &Asked) -> Cond {
    let Some(from_source) = asked.from_source.first() else { return Cond::Never };
    let one = |element: &Element| {
        let network = RangeSet::from(element.first.lo..=element.first.hi);
        Cond::All(vec![
            Cond::In(address(*from_source), network),
            Cond::Masked {
                field: Field::MARK,
                mask: mask.into(),
                values: RangeSet::one(element.mark.into()),
            },
        ])
    };
    Cond::Any(elements.iter().map(one).collect())
}
