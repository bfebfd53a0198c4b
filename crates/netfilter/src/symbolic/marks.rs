//! The values that a mark can take on the way of a packet.

use std::collections::BTreeSet;

use packet_set::{Field, RangeSet};

use crate::ir::{Assign, Step};

/// Most different values of a mark; beyond, it can be anything.
const MOST_VALUES: usize = 64;

/// The possible values of the packet mark and the connection mark; none: any value.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    packet: Option<BTreeSet<u32>>,
    connection: Option<BTreeSet<u32>>,
}

impl Marks {
    /// Both marks are 0 when the packet arrives; every assignment of the ruleset may be applied,
    /// in any order.
    pub(super) fn new<'a>(steps: impl Iterator<Item = &'a Step>) -> Self {
        let zero = || Some(BTreeSet::from([0]));
        let mut own = Self { packet: zero(), connection: zero() };
        let assigns: Vec<_> = steps
            .filter_map(|step| match step {
                Step::Set(field, assign) => Some((*field, assign)),
                _ => None,
            })
            .collect();
        loop {
            let before = own.clone();
            for (field, assign) in &assigns {
                own.apply(*field, assign);
            }
            if before.packet == own.packet && before.connection == own.connection {
                return own;
            }
        }
    }

    /// The possible values of the field; none: any.
    pub(super) fn values(&self, field: Field) -> Option<&BTreeSet<u32>> {
        match field {
            Field::MARK => self.packet.as_ref(),
            Field::CT_MARK => self.connection.as_ref(),
            _ => None,
        }
    }

    /// The same as ranges.
    pub(super) fn ranges(&self, field: Field) -> RangeSet {
        match self.values(field) {
            Some(values) => values.iter().map(|value| ((*value).into(), (*value).into())).collect(),
            None => RangeSet::from(0..=u128::from(u32::MAX)),
        }
    }

    fn apply(&mut self, field: Field, assign: &Assign) {
        let old = self.values(field).cloned();
        let new: Option<BTreeSet<u32>> = match (assign, old) {
            (Assign::Unknown(_), _) | (_, None) => None,
            (Assign::Bits { .. }, Some(old)) => {
                Some(old.iter().filter_map(|value| result(assign, *value, 0)).collect())
            }
            (Assign::Copy { from, .. }, Some(old)) => self.values(*from).map(|other| {
                old.iter()
                    .flat_map(|value| other.iter().filter_map(|from| result(assign, *value, *from)))
                    .collect()
            }),
        };
        let target = match field {
            Field::MARK => &mut self.packet,
            Field::CT_MARK => &mut self.connection,
            _ => return,
        };
        *target = target.take().zip(new).map(|(mut all, new)| {
            all.extend(new);
            all
        });
        if target.as_ref().is_some_and(|all| all.len() > MOST_VALUES) {
            *target = None;
        }
    }
}

/// The new value from the old one and, for a copy, the other mark.
pub(super) fn result(assign: &Assign, old: u32, other: u32) -> Option<u32> {
    match assign {
        Assign::Bits { keep, flip } => Some((old & keep) ^ flip),
        Assign::Copy { from_mask, to_mask, .. } => Some((old & !to_mask) ^ (other & from_mask)),
        Assign::Unknown(_) => None,
    }
}
