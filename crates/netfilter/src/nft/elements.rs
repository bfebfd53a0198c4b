//! Sets and maps: what it means for a packet to be in one.

use std::collections::{HashMap, HashSet};

use packet_set::{Field, RangeSet};

use super::ast::{Compare, Element, Expr, Set};
use super::fib;
use super::keys::{Key, Read, other_header, read};
use super::values::{Kind, STATES};
use crate::ir::{Cond, Doubt, Pattern};

/// The named sets of a table.
pub(super) struct Sets<'a> {
    pub(super) named: &'a HashMap<String, Set>,
    /// Those that some rule writes.
    pub(super) written: HashSet<String>,
}

/// The elements of a set, as far as they are known.
pub(super) struct Members<'a> {
    pub(super) elements: &'a [Element],
    /// Elements may have come or gone since.
    pub(super) uncertain: bool,
}

impl<'a> Sets<'a> {
    /// The elements of an anonymous or named set; none if there is no such set.
    pub(super) fn members(&self, set: &'a Expr) -> Option<Members<'a>> {
        match set {
            Expr::Set(elements) => Some(Members { elements, uncertain: false }),
            Expr::SetRef(name) => {
                let set = self.named.get(name)?;
                let uncertain = set.dynamic || self.written.contains(name);
                Some(Members { elements: &set.elements, uncertain })
            }
            _ => None,
        }
    }

    /// `left op right`, as a condition; `text` is used where it is not understood.
    pub(super) fn matching(&self, op: Compare, left: &Expr, right: &'a Expr, text: &str) -> Cond {
        let parts = match left {
            Expr::Concat(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let keys: Vec<Key> = parts.iter().map(read).collect();
        let mut all: Vec<Cond> = keys.iter().flat_map(|key| key.needs.clone()).collect();
        all.push(self.compare(&keys, op, right).unwrap_or_else(|| unknown(&keys, right, text)));
        let with_ports = Cond::All(all);
        match other_header(parts, text) {
            Some(other) => Cond::Any(vec![with_ports, other]),
            None => with_ports,
        }
    }

    /// None where it is not understood.
    fn compare(&self, keys: &[Key], op: Compare, right: &'a Expr) -> Option<Cond> {
        let negate = matches!(op, Compare::Different | Compare::NoneOf);
        if matches!(right, Expr::Set(_) | Expr::SetRef(_)) {
            let members = self.members(right)?;
            if members.uncertain {
                let name = if let Expr::SetRef(name) = right { name } else { "" };
                let what = format!("set @{name} is written by rules or timeouts");
                return Some(Cond::Unknown(what, Doubt::History));
            }
            return Some(membership(keys, members.elements)?.negate_if(negate));
        }
        let [Key { read, .. }] = keys else {
            let element = Element { key: right.clone(), data: None, expires: false };
            return Some(membership(keys, &[element])?.negate_if(negate));
        };
        match read {
            Read::Interface(side) => {
                Some(Cond::Interface(*side, vec![pattern(right)?]).negate_if(negate))
            }
            Read::Field(field, kind) => scalar(*field, *kind, None, op, right),
            Read::Masked(field, kind, mask) => scalar(*field, *kind, Some(*mask), op, right),
            Read::Constant(value) => constant(*value, op, right),
            Read::Fib(fib) => fib::asks(fib, right).map(|cond| cond.negate_if(negate)),
            Read::Unknown(_) => None,
        }
    }
}

/// A condition that is not understood, at least as doubtful as what it reads. What is in a named set
/// its text does not tell: another table may have another set of that name.
fn unknown(keys: &[Key], right: &Expr, text: &str) -> Cond {
    let history = keys.iter().any(|key| key.read == Read::Unknown(Doubt::History))
        || matches!(right, Expr::SetRef(_));
    Cond::Unknown(text.to_owned(), if history { Doubt::History } else { Doubt::Packet })
}

/// Whether the packet's fields are one of the elements.
pub(super) fn membership(keys: &[Key], elements: &[Element]) -> Option<Cond> {
    if elements.iter().any(|element| element.key == Expr::Any && !element.expires) {
        return Some(Cond::Always);
    }
    let that = |expires: bool| elements.iter().filter(move |element| element.expires == expires);
    let lasting = any_of(keys, that(false))?;
    if that(true).next().is_none() {
        return Some(lasting);
    }
    let expired = Cond::Unknown("an element that expires".to_owned(), Doubt::History);
    Some(Cond::Any(vec![lasting, Cond::All(vec![any_of(keys, that(true))?, expired])]))
}

fn any_of<'e>(keys: &[Key], elements: impl Iterator<Item = &'e Element> + Clone) -> Option<Cond> {
    if let [Key { read: Read::Field(field, kind), .. }] = keys
        && *kind != Kind::CtState
    {
        let mut ranges = Vec::with_capacity(elements.size_hint().1.unwrap_or(0));
        for element in elements {
            match &element.key {
                Expr::Any => return Some(Cond::Always),
                key => match kind.range(key) {
                    Some(range) => ranges.push(range),
                    None => ranges.extend(kind.values(key)?.iter()),
                },
            }
        }
        return Some(Cond::In(*field, RangeSet::of(ranges)));
    }
    if let Some(tuple) = tuple(keys, elements.clone()) {
        return Some(tuple);
    }
    elements.map(|element| one_of(keys, &element.key)).collect::<Option<_>>().map(Cond::Any)
}

/// Concatenations of plain fields.
fn tuple<'e>(keys: &[Key], elements: impl Iterator<Item = &'e Element>) -> Option<Cond> {
    let fields: Option<Vec<(Field, Kind)>> = keys
        .iter()
        .map(|key| match key.read {
            Read::Field(field, kind) if kind != Kind::CtState => Some((field, kind)),
            _ => None,
        })
        .collect();
    let fields = fields.filter(|fields| fields.len() > 1)?;
    let mut entries = Vec::with_capacity(elements.size_hint().1.unwrap_or(0));
    for element in elements {
        let Expr::Concat(parts) = &element.key else { return None };
        if parts.len() != fields.len() {
            return None;
        }
        let mut entry = Vec::with_capacity(parts.len());
        for (part, (_, kind)) in parts.iter().zip(&fields) {
            let values = kind.values(part)?;
            let (only, rest) = (values.iter().next()?, values.len());
            if rest != 1 {
                return None;
            }
            entry.push(only);
        }
        entries.push(entry);
    }
    Some(Cond::Tuple(fields.into_iter().map(|(field, _)| field).collect(), entries))
}

/// Whether the packet's fields are this one element.
fn one_of(keys: &[Key], element: &Expr) -> Option<Cond> {
    let parts = match element {
        Expr::Any => return Some(Cond::Always),
        Expr::Concat(parts) => parts.as_slice(),
        single => std::slice::from_ref(single),
    };
    if parts.len() != keys.len() {
        return None;
    }
    let mut all = Vec::with_capacity(parts.len());
    for (key, part) in keys.iter().zip(parts) {
        all.push(match &key.read {
            _ if *part == Expr::Any => Cond::Always,
            Read::Interface(side) => Cond::Interface(*side, vec![pattern(part)?]),
            Read::Field(field, kind) => scalar(*field, *kind, None, Compare::Equal, part)?,
            Read::Masked(field, kind, mask) => {
                scalar(*field, *kind, Some(*mask), Compare::Equal, part)?
            }
            Read::Constant(value) => constant(*value, Compare::Equal, part)?,
            Read::Fib(fib) => fib::asks(fib, part)?,
            Read::Unknown(_) => return None,
        });
    }
    Some(Cond::All(all))
}

/// `eth0` or `eth*`.
pub(super) fn pattern(expr: &Expr) -> Option<Pattern> {
    let name = match expr {
        Expr::Word(name) => name,
        Expr::Interface(pattern) => return Some(pattern.clone()),
        _ => return None,
    };
    Some(match name.strip_suffix('*') {
        Some(prefix) => Pattern::Begins(prefix.to_owned()),
        None => Pattern::Exact(name.clone()),
    })
}

/// A comparison with one value, range, prefix, or list of flags.
fn scalar(field: Field, kind: Kind, mask: Option<u128>, op: Compare, right: &Expr) -> Option<Cond> {
    if kind == Kind::CtState {
        return state(mask, op, right);
    }
    let values = kind.values(right)?;
    let first = values.iter().next().map(|(lo, _)| lo);
    let wanted = match op {
        Compare::Implicit | Compare::NoneOf if kind.is_flags() && mask.is_none() => {
            // A bare flag or list of flags: any of them is set.
            let none = Cond::Masked { field, mask: first?, values: RangeSet::one(0) };
            return Some(none.negate_if(op == Compare::Implicit));
        }
        Compare::NoneOf => return None,
        Compare::Implicit | Compare::Equal | Compare::Different => values,
        Compare::Less => first?.checked_sub(1).map_or_else(RangeSet::empty, |hi| (0..=hi).into()),
        Compare::LessOrEqual => RangeSet::from(0..=first?),
        Compare::Greater => RangeSet::of(vec![(first?.checked_add(1)?, kind.max())]),
        Compare::GreaterOrEqual => RangeSet::of(vec![(first?, kind.max())]),
    };
    let cond = match mask {
        None => Cond::In(field, wanted),
        // Bits outside of the mask can never be there.
        Some(mask) => {
            let possible = wanted.iter().all(|(lo, hi)| lo != hi || lo & !mask == 0);
            if possible { Cond::Masked { field, mask, values: wanted } } else { Cond::Never }
        }
    };
    Some(cond.negate_if(op == Compare::Different))
}

/// Our states are numbered; nft compares bits.
fn state(mask: Option<u128>, op: Compare, right: &Expr) -> Option<Cond> {
    let bits = Kind::CtState.value(right)?;
    let holds = |bit: u128| {
        let bit = bit & mask.unwrap_or(u128::MAX);
        match op {
            Compare::Implicit if mask.is_none() => bit & bits != 0,
            Compare::NoneOf => bit & bits == 0,
            Compare::Implicit | Compare::Equal => bit == bits,
            Compare::Different => bit != bits,
            Compare::Less => bit < bits,
            Compare::LessOrEqual => bit <= bits,
            Compare::Greater => bit > bits,
            Compare::GreaterOrEqual => bit >= bits,
        }
    };
    let matching =
        STATES.iter().filter(|(_, bit)| holds(*bit)).map(|(number, _)| (*number, *number));
    Some(Cond::In(Field::CT_STATE, matching.collect()))
}

fn constant(value: u128, op: Compare, right: &Expr) -> Option<Cond> {
    let values = Kind::Number(32).values(right).or_else(|| Kind::CtDirection.values(right))?;
    let (lo, hi) = values.iter().next()?;
    let holds = match op {
        Compare::Implicit | Compare::Equal => values.contains(value),
        Compare::Different | Compare::NoneOf => !values.contains(value),
        Compare::Less => value < lo,
        Compare::LessOrEqual => value <= lo,
        Compare::Greater => value > hi,
        Compare::GreaterOrEqual => value >= hi,
    };
    Some(if holds { Cond::Always } else { Cond::Never })
}
