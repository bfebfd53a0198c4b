//! Where packets come from: what may stand before the first hook, and how packets arrive.

use packet_set::{Diagram, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::chain::{Engine, Phase};
use super::outcome::{ACCEPT, DROP, UNANSWERED};
use super::question::Packets;
use crate::ir::{Hook, Note, Pattern, Ruleset, TableFamily, ct_state};

/// Whether a chain is not evaluated and can stand in the way all the same: on a device, or on a
/// bridge that a packet comes in or goes out by.
fn is_outside(family: TableFamily, hook: Hook, forwarded: bool) -> bool {
    match (family, hook) {
        (_, Hook::Ingress) | (TableFamily::Bridge, Hook::Prerouting | Hook::Input) => true,
        (_, Hook::Egress) | (TableFamily::Bridge, Hook::Output | Hook::Postrouting) => forwarded,
        _ => false,
    }
}

impl Engine<'_> {
    /// What runs before the first hook, and what was not understood outside of rules.
    pub(super) fn before_everything(
        &mut self,
        ruleset: &Ruleset,
        forwarded: bool,
        answer: Diagram,
    ) -> Result<Diagram, EvaluateError> {
        let perhaps_dropped =
            |engine: &mut Self, answer| engine.arena.either(answer, Diagram::constant(DROP));
        let mut answer = answer;
        for table in &ruleset.tables {
            for chain in &table.chains {
                let is_outside = chain
                    .base
                    .as_ref()
                    .is_some_and(|base| is_outside(table.family, base.hook, forwarded));
                let idle = chain.rules.is_empty() && chain.base.as_ref().is_none_or(|b| !b.drops);
                if is_outside && !idle {
                    answer = perhaps_dropped(self, answer)?;
                    let name = table.chain_name(chain);
                    let what = format!("{name}: a chain of a device or bridge");
                    self.unknown.insert(Note { place: chain.place.clone(), what });
                }
            }
        }
        for note in &ruleset.notes {
            // Anything may be missing: nothing is certain.
            let any = Diagram::constant(ACCEPT.or(DROP));
            answer = self.arena.either(answer, any)?;
            self.unknown.insert(note.clone());
        }
        Ok(answer)
    }

    /// Fixes how the packets arrive, and leaves out those that there cannot be.
    pub(super) fn ask(
        &mut self,
        packets: &Packets,
        answer: Diagram,
    ) -> Result<Diagram, EvaluateError> {
        let mut answer = self.arrive(answer)?;
        answer = self.with_or_without_extensions(answer)?;
        for (field, value) in [
            (Field::MARK, 0),
            (Field::CT_MARK, 0),
            (Field::CT_STATE, ct_state::INVALID),
            (Field::CT_STATUS, 0),
            (Field::DPORT, packets.port.into()),
        ] {
            answer = self.arena.restrict(answer, field, value)?;
        }
        self.phase = if packets.hook == Hook::Forward { Phase::Postrouting } else { Phase::Raw };
        for (field, values) in self.universe().open_fields() {
            if field > Field::DESTINATION && self.read.contains(&field) {
                let guard = self.arena.field_in(field, &values, Leaf::IN, Leaf::EMPTY)?;
                answer = self.arena.intersection(guard, answer)?;
            }
        }
        answer = self.on_loopback(answer, Field::IIF, Field::SOURCE)?;
        if packets.hook == Hook::Forward {
            answer = self.on_loopback(answer, Field::OIF, Field::DESTINATION)?;
        }
        Ok(answer)
    }

    /// Whether a packet has extension headers is its sender's choice, and usual packets have none:
    /// those decide. That one with such headers would be accepted is possible besides.
    pub(super) fn with_or_without_extensions(
        &mut self,
        answer: Diagram,
    ) -> Result<Diagram, EvaluateError> {
        if !self.read.remove(&Field::EXTENSIONS) {
            return Ok(answer);
        }
        let without = self.arena.restrict(answer, Field::EXTENSIONS, 0)?;
        let with = self.arena.restrict(answer, Field::EXTENSIONS, 1)?;
        let with = self.arena.map_leaves(with, |leaf| {
            let only = |one: Leaf| if leaf.meets(one) { one } else { Leaf::EMPTY };
            only(ACCEPT).or(only(UNANSWERED))
        })?;
        Ok(self.arena.either(without, with)?)
    }

    /// Leaves out packets on `lo` with other than loopback addresses: those come from this host,
    /// and which addresses it has a ruleset does not say.
    fn on_loopback(
        &mut self,
        answer: Diagram,
        interface: Field,
        address: Field,
    ) -> Result<Diagram, EvaluateError> {
        if !self.read.contains(&interface) {
            return Ok(answer);
        }
        let lo = self.interfaces.matching(&Pattern::Exact("lo".to_owned()));
        let (first, last) = self.family.loopback();
        let elsewhere = self.arena.field_in(interface, &lo, Leaf::EMPTY, Leaf::IN)?;
        let own = RangeSet::from(first..=last);
        let own = self.arena.field_in(address, &own, Leaf::IN, Leaf::NONE)?;
        let possible = self.arena.over(own, elsewhere)?;
        Ok(self.arena.intersection(possible, answer)?)
    }
}
