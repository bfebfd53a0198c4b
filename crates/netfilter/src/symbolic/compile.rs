//! Conditions as diagrams: leaves `IN` (holds), `NONE` (does not), or both.

use packet_set::{Diagram, Exceeded, Field, Leaf, RangeSet};

use super::chain::{Engine, Phase, REPLY_OIF, REPLY_TYPE};
use super::interfaces::Interfaces;
use super::universe::Seen;
use crate::ir::{Cond, Doubt, Pattern, Side, ct_status};

const ALWAYS: Diagram = Diagram::constant(Leaf::IN);
const NEVER: Diagram = Diagram::constant(Leaf::NONE);
/// Both: we cannot tell.
const PERHAPS: Diagram = Diagram::constant(Leaf::IN.or(Leaf::NONE));

/// Most values or ranges that a masked comparison is written out as.
const MOST_RANGES: u128 = 1 << 12;

impl Engine<'_> {
    /// The condition as a diagram. What was not understood is added to `unknown`, unless the
    /// condition is decided without it.
    pub(super) fn condition(
        &mut self,
        cond: &Cond,
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, Exceeded> {
        if cond.reads_whole_status() {
            unknown.push("the whole status of the connection".to_owned());
            return Ok(PERHAPS);
        }
        match cond {
            Cond::Always => Ok(ALWAYS),
            Cond::Never => Ok(NEVER),
            Cond::In(field, values) => self.values(*field, values),
            Cond::Masked { field, mask, values } => self.masked(*field, *mask, values, unknown),
            Cond::Interface(side, patterns) => self.interface(*side, patterns),
            Cond::Tuple(fields, entries) => self.tuple(fields, entries),
            Cond::All(parts) => self.all(parts, unknown),
            Cond::Any(parts) => self.any(parts, unknown),
            Cond::Not(inner) => {
                let inner = self.condition(inner, unknown)?;
                self.arena.complement(inner)
            }
            Cond::Fib(fib) => match self.world {
                Some(world) => self.fib(fib, world, unknown),
                None => self.doubtful(&fib.text, Doubt::Packet, unknown),
            },
            Cond::Unknown(text, doubt) => self.doubtful(text, *doubt, unknown),
        }
    }

    pub(super) fn doubtful(
        &mut self,
        text: &str,
        doubt: Doubt,
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, Exceeded> {
        unknown.push(text.to_owned());
        match self.doubts.field(text) {
            Some(field) if doubt == Doubt::Packet => {
                self.values(field, &RangeSet::from(1..=u128::MAX))
            }
            _ => Ok(PERHAPS),
        }
    }

    /// Which field of the packet that is replied to is this one of the reply; a packet that is no
    /// reply has its own. `Err` for a value that the reply has whatever is replied to.
    pub(super) fn place(&self, field: Field) -> Result<Field, u128> {
        if !self.phase.is_reply() {
            return Ok(field);
        }
        let has_ports = matches!(self.protocol, 6 | 17 | 33 | 132 | 136);
        let through = !matches!(self.phase, Phase::ReplyRaw | Phase::Reply);
        Ok(match field {
            Field::SOURCE => Field::DESTINATION,
            Field::DESTINATION => Field::SOURCE,
            Field::DPORT if has_ports => Field::SPORT,
            Field::SPORT if has_ports => Field::DPORT,
            Field::DPORT => REPLY_TYPE,
            Field::IIF if through => Field::OIF,
            Field::IIF => return Err(Interfaces::NONE),
            Field::OIF => REPLY_OIF,
            Field::CT_DIRECTION => return Err(1),
            // This host and others answer without.
            Field::EXTENSIONS => return Err(0),
            other => other,
        })
    }

    pub(super) fn values(&mut self, field: Field, values: &RangeSet) -> Result<Diagram, Exceeded> {
        let field = match self.place(field) {
            Ok(field) => field,
            Err(value) => return Ok(if values.contains(value) { ALWAYS } else { NEVER }),
        };
        let arrived;
        let values = if field == Field::HOP_LIMIT && self.is_on_its_way() {
            arrived = values.iter().map(|(lo, hi)| (lo + 1, hi.saturating_add(1))).collect();
            &arrived
        } else {
            values
        };
        match self.universe().see(field, values) {
            Seen::Never => Ok(NEVER),
            Seen::Always => Ok(ALWAYS),
            Seen::Some(inside) => self.arena.field_in(field, &inside, Leaf::IN, Leaf::NONE),
        }
    }

    /// Whether the packet has been routed on, which takes one off its hop limit before the hook is
    /// called (ip_forward.c, ip_forward). The field holds the limit with which it arrived.
    fn is_on_its_way(&self) -> bool {
        matches!(self.phase, Phase::Forward | Phase::Postrouting)
    }

    fn interface(&mut self, side: Side, patterns: &[Pattern]) -> Result<Diagram, Exceeded> {
        let any = patterns
            .iter()
            .flat_map(|one| self.interfaces.matching(one).iter().collect::<Vec<_>>())
            .collect();
        self.values(side.field(), &any)
    }

    fn all(&mut self, parts: &[Cond], unknown: &mut Vec<String>) -> Result<Diagram, Exceeded> {
        let before = unknown.len();
        let mut found = Vec::with_capacity(parts.len());
        for part in parts {
            let diagram = self.condition(part, unknown)?;
            if diagram == NEVER {
                unknown.truncate(before);
                return Ok(NEVER);
            }
            found.push(diagram);
        }
        // From the last field up: each step then makes one node.
        found.sort_by_key(|diagram| std::cmp::Reverse(self.arena.top(*diagram)));
        found.sort_by_key(|diagram| diagram.as_constant().is_none());
        let mut all = ALWAYS;
        for part in found {
            all = self.arena.intersection(part, all)?;
        }
        Ok(all)
    }

    fn any(&mut self, parts: &[Cond], unknown: &mut Vec<String>) -> Result<Diagram, Exceeded> {
        let before = unknown.len();
        let mut found = Vec::with_capacity(parts.len());
        for part in parts {
            let diagram = self.condition(part, unknown)?;
            if diagram == ALWAYS {
                unknown.truncate(before);
                return Ok(ALWAYS);
            }
            found.push(diagram);
        }
        self.arena.first_decided(found)
    }

    /// The entries of a concatenation, with the fields in diagram order.
    fn tuple(
        &mut self,
        fields: &[Field],
        entries: &[Vec<(u128, u128)>],
    ) -> Result<Diagram, Exceeded> {
        let mut list = Vec::with_capacity(entries.len());
        for entry in entries {
            let mut columns: Vec<_> = fields.iter().copied().zip(entry.iter().copied()).collect();
            columns
                .sort_by_key(|(field, _)| std::cmp::Reverse(self.place(*field).unwrap_or(*field)));
            let mut all = ALWAYS;
            for (field, range) in columns {
                let part = self.values(field, &RangeSet::of(vec![range]))?;
                all = self.arena.intersection(part, all)?;
            }
            if all != NEVER {
                list.push(all);
            }
        }
        self.arena.first_decided(list)
    }

    fn masked(
        &mut self,
        field: Field,
        mask: u128,
        values: &RangeSet,
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, Exceeded> {
        // Which bits of the status a reply has depends on more than what it replies to.
        if field == Field::CT_STATUS && self.phase.is_reply() && mask != ct_status::DNAT {
            return Ok(PERHAPS);
        }
        let possible = self.place(field).ok().and_then(|place| self.universe().of(place));
        let few = possible.filter(|set| {
            set.iter().all(|(lo, hi)| hi - lo < MOST_RANGES) && set.len() < MOST_RANGES as usize
        });
        let matching = match few {
            Some(set) => Some(
                set.iter()
                    .flat_map(|(lo, hi)| lo..=hi)
                    .filter(|value| values.contains(value & mask))
                    .map(|value| (value, value))
                    .collect(),
            ),
            None => unmask(mask, values, self.width(field)),
        };
        if let Some(set) = matching {
            return self.values(field, &set);
        }
        unknown.push(format!("a mask of {mask:#x} that leaves too many gaps"));
        Ok(PERHAPS)
    }

    /// Number of bits of a field.
    fn width(&self, field: Field) -> u8 {
        match field {
            Field::SOURCE | Field::DESTINATION | Field::ORIGINAL_DESTINATION => self.family.width(),
            Field::MAC_SOURCE => 48,
            _ => 32,
        }
    }
}

/// The values whose bits under the mask are in the set, as ranges; none if there are too many.
fn unmask(mask: u128, values: &RangeSet, width: u8) -> Option<RangeSet> {
    let top = if width >= 128 { u128::MAX } else { (1 << width) - 1 };
    let mask = mask & top;
    // Free bits below the mask make one range; each free bit above doubles the ranges.
    let low_bits = if mask == 0 { top } else { (1 << mask.trailing_zeros()) - 1 };
    let high: Vec<u128> = (0..u32::from(width))
        .map(|bit| 1_u128 << bit)
        .filter(|bit| bit & (mask | low_bits) == 0)
        .collect();
    let combinations = 1_u128.checked_shl(u32::try_from(high.len()).ok()?)?;
    let bases = values
        .iter()
        .try_fold(0_u128, |sum, (lo, hi)| sum.checked_add((hi - lo).saturating_add(1)))?;
    if combinations.checked_mul(bases)? > MOST_RANGES {
        return None;
    }
    let mut ranges = Vec::new();
    for base in values.iter().flat_map(|(lo, hi)| lo..=hi).filter(|base| base & !mask == 0) {
        for combination in 0..combinations {
            let free = (0..).zip(&high).filter(|(at, _)| combination >> at & 1 == 1);
            let value = free.fold(base, |value, (_, bit)| value | bit);
            ranges.push((value, value | low_bits));
        }
    }
    Some(RangeSet::of(ranges))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_with_gaps_become_ranges() {
        let check = |mask, value, width, expect: Option<&[(u128, u128)]>| {
            let found = unmask(mask, &RangeSet::one(value), width);
            assert_eq!(found.map(|set| set.iter().collect::<Vec<_>>()).as_deref(), expect);
        };
        check(0b1100, 0b0100, 4, Some(&[(4, 7)]));
        check(0b0101, 0b0100, 4, Some(&[(4, 4), (6, 6), (12, 12), (14, 14)]));
        check(0, 0, 4, Some(&[(0, 15)]));
        check(1, 1, 32, None);
    }
}
