//! The path of a packet through the hooks: which base chains it passes, in which order.

use packet_set::{Budget, Diagram, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::chain::{ChainId, Engine, Follows, Phase};
use super::doubts::Doubts;
use super::outcome::{ACCEPT, DROP};
use super::question::{Evaluation, Packets};
use super::setup::{conds, engine, steps};
use crate::ir::{ChainKind, Hook, Ruleset, Table, ct_state, ct_status};

/// NF_IP_PRI_CONNTRACK (linux/netfilter_ipv4.h): where connection tracking looks at a packet.
const CONNTRACK_PRIORITY: i32 = -200;

/// A base chain on the path, or connection tracking.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Chain { id: ChainId, phase: Phase },
    ConnectionTracking,
}

/// Evaluates the path of these packets, each base chain of every table of the family.
///
/// What is assumed of the packets: they arrive with marks 0, are whole and well-formed, for TCP a
/// SYN, the first of a connection that nothing expected; and they reach the hook (no routing).
pub fn evaluate(
    ruleset: &Ruleset,
    packets: &Packets,
    budget: Budget,
) -> Result<Evaluation, EvaluateError> {
    let tables: Vec<&Table> =
        ruleset.tables.iter().filter(|table| table.family.sees(packets.family)).collect();
    let doubts = Doubts::new(steps(&tables).flat_map(conds));
    let is_related = !doubts.fields().is_empty();
    match evaluate_with(ruleset, &tables, packets, budget, doubts) {
        // Taking unknown conditions as unrelated is less exact, and cheaper.
        Err(EvaluateError::Exceeded(_)) if is_related => {
            evaluate_with(ruleset, &tables, packets, budget, Doubts::default())
        }
        result => result,
    }
}

fn evaluate_with(
    ruleset: &Ruleset,
    tables: &[&Table],
    packets: &Packets,
    budget: Budget,
    doubts: Doubts,
) -> Result<Evaluation, EvaluateError> {
    let mut engine = engine(tables.to_vec(), packets, budget, doubts);
    let stages = stages(&engine.tables, packets.hook);
    for stage in &stages {
        if let Stage::Chain { id, .. } = stage {
            engine.changes(*id, &mut Vec::new())?;
        }
    }
    let mut answer = Diagram::constant(ACCEPT);
    for stage in stages.iter().rev() {
        answer = match stage {
            Stage::ConnectionTracking => engine.track(answer)?,
            Stage::Chain { id, phase } => engine.base_chain(*id, *phase, answer)?,
        };
    }
    answer = engine.before_everything(ruleset, packets, answer)?;
    let details = engine.ask(packets, answer)?;
    let rights = engine.arena.project_after(details, Field::DESTINATION)?;
    Ok(Evaluation {
        arena: engine.arena,
        rights,
        details,
        unknown: engine.unknown.into_iter().collect(),
        interfaces: engine.interfaces,
        packets: packets.clone(),
    })
}

/// The base chains on the way to the hook and, for forwarded packets, out again.
fn stages(tables: &[&Table], hook: Hook) -> Vec<Stage> {
    let mut hooks = vec![Hook::Prerouting, hook];
    if hook == Hook::Forward {
        hooks.push(Hook::Postrouting);
    }
    let mut list = Vec::new();
    for here in hooks {
        let mut chains = Vec::new();
        for (at, table) in tables.iter().enumerate() {
            for (number, chain) in table.chains.iter().enumerate() {
                if let Some(base) = chain.base.as_ref().filter(|base| base.hook == here) {
                    chains.push((base.priority, (at, number)));
                }
            }
        }
        // A stable sort: chains of one priority run in the order of their registration.
        chains.sort_by_key(|(priority, _)| *priority);
        let mut tracked = here != Hook::Prerouting;
        let mut translated = false;
        for (priority, id) in chains {
            if !tracked && priority >= CONNTRACK_PRIORITY {
                list.push(Stage::ConnectionTracking);
                tracked = true;
            }
            let phase = match here {
                Hook::Prerouting if !tracked => Phase::Raw,
                Hook::Prerouting if translated => Phase::Translated,
                Hook::Prerouting => Phase::Prerouting,
                Hook::Postrouting => Phase::Postrouting,
                _ => Phase::Middle,
            };
            list.push(Stage::Chain { id, phase });
            let chain = tables.get(id.0).and_then(|table| table.chains.get(id.1));
            let base = chain.and_then(|chain| chain.base.as_ref());
            translated |= base.is_some_and(|base| base.kind == ChainKind::Nat);
        }
        if !tracked {
            list.push(Stage::ConnectionTracking);
        }
    }
    list
}

impl Engine<'_> {
    fn base_chain(
        &mut self,
        id: ChainId,
        phase: Phase,
        next: Diagram,
    ) -> Result<Diagram, EvaluateError> {
        self.phase = phase;
        let chain = self.tables.get(id.0).and_then(|table| table.chains.get(id.1));
        let Some(base) = chain.and_then(|chain| chain.base.as_ref()) else { return Ok(next) };
        let (drops, kind, hook) = (base.drops, base.kind, base.hook);
        let returned = if drops { Diagram::constant(DROP) } else { next };
        let answer = self.enter(id, Follows { accepted: next, returned })?;
        if kind != ChainKind::Nat {
            return Ok(answer);
        }
        // Translations see tracked packets only (nf_nat_core.c, nf_nat_inet_fn), and once the
        // destination is translated no second nat chain is asked.
        let mut passes = vec![(Field::CT_STATE, ct_state::UNTRACKED)];
        if hook == Hook::Prerouting {
            passes.push((Field::CT_STATUS, ct_status::DNAT));
        }
        let mut all = answer;
        for (field, value) in passes {
            if self.universe().of(field).is_some_and(|set| set.contains(value) && set.len() > 1) {
                let guard =
                    self.arena.field_in(field, &RangeSet::one(value), Leaf::IN, Leaf::NONE)?;
                all = self.where_holds(guard, next, all)?;
            }
        }
        Ok(all)
    }
}
