//! The path of a packet through the hooks: which base chains it passes, in which order.

use packet_set::{Budget, Diagram, Field, Leaf, RangeSet};

use super::EvaluateError;
use super::chain::{ChainId, Engine, Follows, Phase};
use super::doubts::Doubts;
use super::outcome::{ACCEPT, DROP};
use super::question::{Evaluation, Packets};
use super::setup::{Scope, conds, engine, steps};
use crate::ir::{ChainKind, Hook, Ruleset, Table, ct_state, ct_status};

/// NF_IP_PRI_CONNTRACK (linux/netfilter_ipv4.h): where connection tracking looks at a packet.
const CONNTRACK_PRIORITY: i32 = -200;

/// A base chain on the path, or connection tracking.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
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
    let doubts = Doubts::new(steps(&tables).flat_map(conds), false);
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
    let mut engine = engine(tables.to_vec(), &Scope::of(packets), budget, doubts);
    let stages = stages(&engine.tables, packets.hook);
    let mut answer = engine.pass(&stages, Diagram::constant(ACCEPT))?;
    answer = engine.before_everything(ruleset, packets.hook == Hook::Forward, answer)?;
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

/// The phases of one hook: before and after connection tracking has looked, and after a translation.
#[derive(Clone, Copy)]
pub(super) struct Phases {
    /// Before; none where it has looked at an earlier hook.
    pub(super) raw: Option<Phase>,
    pub(super) tracked: Phase,
    pub(super) translated: Phase,
}

impl Phases {
    pub(super) const PREROUTING: Self =
        Self { raw: Some(Phase::Raw), tracked: Phase::Prerouting, translated: Phase::Translated };

    /// A hook in which nothing but the verdict changes.
    pub(super) const fn all(phase: Phase) -> Self {
        Self { raw: None, tracked: phase, translated: phase }
    }
}

/// The base chains on the way to the hook and, for forwarded packets, out again.
fn stages(tables: &[&Table], hook: Hook) -> Vec<Stage> {
    let mut list = hook_stages(tables, Hook::Prerouting, Phases::PREROUTING);
    let middle = if hook == Hook::Forward { Phase::Forward } else { Phase::Input };
    list.extend(hook_stages(tables, hook, Phases::all(middle)));
    if hook == Hook::Forward {
        list.extend(hook_stages(tables, Hook::Postrouting, Phases::all(Phase::Postrouting)));
    }
    list
}

/// The base chains of one hook in the order in which they run.
pub(super) fn hook_stages(tables: &[&Table], here: Hook, phases: Phases) -> Vec<Stage> {
    let mut list = Vec::new();
    let mut chains = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        for (number, chain) in table.chains.iter().enumerate() {
            if let Some(base) = chain.base.as_ref().filter(|base| base.hook == here) {
                chains.push((base.order(), base.kind, (at, number)));
            }
        }
    }
    // A stable sort: of chains with one place, the one that was registered last runs first.
    chains.reverse();
    chains.sort_by_key(|(order, _, _)| *order);
    let mut tracked = phases.raw.is_none();
    let mut translated = false;
    for ((priority, _), kind, id) in chains {
        if !tracked && priority >= CONNTRACK_PRIORITY {
            list.push(Stage::ConnectionTracking);
            tracked = true;
        }
        let phase = match phases.raw {
            Some(raw) if !tracked => raw,
            _ if translated => phases.translated,
            _ => phases.tracked,
        };
        // Only the first packet of a connection meets translations.
        if phase.is_reply() && kind == ChainKind::Nat {
            continue;
        }
        list.push(Stage::Chain { id, phase });
        translated |= kind == ChainKind::Nat;
    }
    if !tracked {
        list.push(Stage::ConnectionTracking);
    }
    list
}

impl Engine<'_> {
    /// What happens to packets that pass these stages, given what happens after them.
    pub(super) fn pass(
        &mut self,
        stages: &[Stage],
        after: Diagram,
    ) -> Result<Diagram, EvaluateError> {
        for stage in stages {
            if let Stage::Chain { id, .. } = stage {
                self.changes(*id, &mut Vec::new())?;
            }
        }
        let mut answer = after;
        for stage in stages.iter().rev() {
            answer = match stage {
                Stage::ConnectionTracking => self.track(answer)?,
                Stage::Chain { id, phase } => self.base_chain(*id, *phase, answer)?,
            };
        }
        Ok(answer)
    }

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
