//! Steps that change a packet, as substitutions into the answer of what follows.

use packet_set::{Diagram, Exceeded, Field, Leaf, RangeSet};

use super::chain::{Engine, TARGET};
use super::marks::result;
use super::universe::Seen;
use crate::ir::{Assign, Nat, NatKind, ct_state, ct_status};

impl Engine<'_> {
    /// The answer for a packet whose field gets a new value first, unless that is about the mark of
    /// a connection and the packet has none.
    pub(super) fn assign(
        &mut self,
        field: Field,
        assign: &Assign,
        answer: Diagram,
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, Exceeded> {
        let of_connection =
            field == Field::CT_MARK || matches!(assign, Assign::Copy { from: Field::CT_MARK, .. });
        if !of_connection {
            return self.assign_always(field, assign, answer, unknown);
        }
        let without = [ct_state::INVALID, ct_state::UNTRACKED].map(|state| (state, state));
        let without = RangeSet::of(without.to_vec());
        match self.universe().see(Field::CT_STATE, &without) {
            Seen::Always => Ok(answer),
            Seen::Never => self.assign_always(field, assign, answer, unknown),
            Seen::Some(states) => {
                let assigned = self.assign_always(field, assign, answer, unknown)?;
                let guard = self.arena.field_in(Field::CT_STATE, &states, Leaf::IN, Leaf::NONE)?;
                self.where_holds(guard, answer, assigned)
            }
        }
    }

    fn assign_always(
        &mut self,
        field: Field,
        assign: &Assign,
        answer: Diagram,
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, Exceeded> {
        if !self.read.contains(&field) {
            return Ok(answer);
        }
        if let Assign::Unknown(text) = assign {
            unknown.push(text.clone());
            return self.arena.project(answer, field);
        }
        let Some(values) = self.marks.values(field).cloned() else {
            return self.arena.project(answer, field);
        };
        let others = match assign {
            Assign::Copy { from, .. } => match self.marks.values(*from).cloned() {
                Some(others) => others.into_iter().collect(),
                None => return self.arena.project(answer, field),
            },
            _ => vec![0],
        };
        let mut all = answer;
        for old in values {
            for other in &others {
                let Some(new) = result(assign, old, *other) else { continue };
                let changed = self.arena.restrict(answer, field, new.into())?;
                let mut guard = self.holds(field, old.into())?;
                if let Assign::Copy { from, .. } = assign {
                    let same = self.holds(*from, (*other).into())?;
                    guard = self.arena.intersection(guard, same)?;
                }
                all = self.where_holds(guard, changed, all)?;
            }
        }
        Ok(all)
    }

    fn holds(&mut self, field: Field, value: u128) -> Result<Diagram, Exceeded> {
        self.arena.field_in(field, &RangeSet::one(value), Leaf::IN, Leaf::NONE)
    }

    /// `notrack`: only before connection tracking does it have an effect (nft_ct.c,
    /// nft_notrack_eval; xt_CT.c).
    pub(super) fn untrack(&mut self, answer: Diagram) -> Result<Diagram, Exceeded> {
        match self.phase {
            phase if phase.is_raw() => {
                self.arena.restrict(answer, Field::CT_STATE, ct_state::UNTRACKED)
            }
            _ => Ok(answer),
        }
    }

    /// Connection tracking: what is not exempt is the first packet of a connection, or its reply.
    pub(super) fn track(&mut self, answer: Diagram) -> Result<Diagram, Exceeded> {
        let new = match ct_state::of_icmp_types(self.family, self.protocol) {
            Some(types) if self.tracked_state == ct_state::NEW => {
                let mut all = self.arena.restrict(answer, Field::CT_STATE, ct_state::INVALID)?;
                for (first, last, state) in types {
                    let of_type = self.arena.restrict(answer, Field::CT_STATE, *state)?;
                    let types = RangeSet::from(u128::from(*first)..=u128::from(*last));
                    let guard = self.arena.field_in(Field::DPORT, &types, Leaf::IN, Leaf::NONE)?;
                    all = self.where_holds(guard, of_type, all)?;
                }
                all
            }
            _ => self.arena.restrict(answer, Field::CT_STATE, self.tracked_state)?,
        };
        if new == answer {
            return Ok(answer);
        }
        let exempt = self.holds(Field::CT_STATE, ct_state::UNTRACKED)?;
        self.where_holds(exempt, answer, new)
    }

    /// The answer for the packet after a translation.
    pub(super) fn translate(
        &mut self,
        nat: &Nat,
        answer: Diagram,
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, Exceeded> {
        let (address, port) = match nat.kind {
            NatKind::Destination => (Field::DESTINATION, Field::DPORT),
            NatKind::Source => (Field::SOURCE, Field::SPORT),
        };
        let mut answer = answer;
        let mut open = false;
        let own = self.world.filter(|_| nat.is_redirect());
        if let Some(world) = own {
            answer = self.redirect(world, answer)?;
        } else if let Some((lo, hi)) = nat.address {
            let chosen = self.arena.choose(answer, address, lo, hi)?;
            open |= chosen != answer;
            answer = chosen;
        }
        let ports = match (nat.port, nat.kind) {
            (Some((lo, hi)), _) => Some((lo, hi)),
            // The kernel takes another source port where two connections would be the same.
            (None, NatKind::Source) => Some((0, u16::MAX)),
            (None, NatKind::Destination) => None,
        };
        if let Some((lo, hi)) = ports {
            let chosen = self.arena.choose(answer, port, lo.into(), hi.into())?;
            open |= lo != hi && chosen != answer;
            answer = chosen;
        }
        // To where does not matter if nobody looks.
        if open {
            unknown.extend(nat.doubt.clone());
        }
        if nat.kind == NatKind::Destination {
            answer = self.arena.restrict(answer, Field::CT_STATUS, ct_status::DNAT)?;
            answer = self.take_target(nat, answer)?;
        }
        // What was true of the old addresses need not be of the new ones.
        for field in self.doubts.fields() {
            answer = self.arena.project(answer, field)?;
        }
        Ok(answer)
    }

    /// The packet arrives: what its original destination and port are, are its own.
    pub(super) fn arrive(&mut self, answer: Diagram) -> Result<Diagram, Exceeded> {
        let answer = self.equate(answer, Field::ORIGINAL_DPORT, Field::DPORT, 0xffff)?;
        let max = self.family.max_address();
        self.equate(answer, Field::ORIGINAL_DESTINATION, Field::DESTINATION, max)
    }

    /// The answer for packets in which both fields have the same value.
    fn equate(
        &mut self,
        answer: Diagram,
        original: Field,
        field: Field,
        max: u128,
    ) -> Result<Diagram, Exceeded> {
        if !self.read.contains(&original) {
            return Ok(answer);
        }
        let Some(bounds) = self.bounds(original, max) else {
            // Bits in the middle: which values go together is not looked for.
            return self.arena.project(answer, original);
        };
        let mut parts = Vec::new();
        for (lo, hi) in bounds {
            let within = self.arena.restrict(answer, original, lo)?;
            let guard =
                self.arena.field_in(field, &RangeSet::from(lo..=hi), Leaf::IN, Leaf::NONE)?;
            parts.push(self.arena.intersection(guard, within)?);
        }
        self.arena.first_decided(parts)
    }

    /// The ranges of an original value that no condition tells apart. None where one looks at bits
    /// that are not the first ones.
    fn bounds(&self, original: Field, max: u128) -> Option<Vec<(u128, u128)>> {
        let mut starts = std::collections::BTreeSet::from([0]);
        for (mask, set) in self.originals.get(&original).into_iter().flatten() {
            // The bits that do not count must be the last ones.
            let free = !mask & max;
            if free & free.wrapping_add(1) != 0 {
                return None;
            }
            for (lo, hi) in set.iter() {
                starts.insert(lo & !free);
                starts.extend((hi | free).checked_add(1));
            }
        }
        let list: Vec<u128> = starts.into_iter().filter(|start| *start <= max).collect();
        let ends = list.iter().skip(1).map(|next| next - 1).chain([u128::MAX]);
        Some(list.iter().copied().zip(ends).collect())
    }

    /// The answer for packets that are asked to take this translation; others are not there.
    fn take_target(&mut self, nat: &Nat, answer: Diagram) -> Result<Diagram, Exceeded> {
        let Some(targets) = &mut self.targets else { return Ok(answer) };
        let at = targets.iter().position(|known| known == nat).unwrap_or_else(|| {
            targets.push(nat.clone());
            targets.len() - 1
        });
        let number = u128::try_from(at).unwrap_or(0) + 1;
        let guard = self.arena.field_in(
            TARGET,
            &RangeSet::one(number),
            Leaf::IN,
            super::outcome::ELSEWHERE,
        )?;
        self.arena.intersection(guard, answer)
    }
}
