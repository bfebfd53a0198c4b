//! Chains: summed up once where they change nothing, else asked backward.

use std::collections::{BTreeSet, HashMap, HashSet};

use packet_set::{Arena, Diagram, Exceeded, Field, Leaf, RangeSet};

use super::doubts::Doubts;
use super::interfaces::Interfaces;
use super::marks::Marks;
use super::outcome::{DROP, NEXT, RETURN, rejected};
use super::universe::Universe;
use super::{EvaluateError, MOST_JUMPS};
use crate::ir::{Cond, Family, Nat, Note, Rule, Step, Table, Verdict};
use crate::world::World;

/// Parts of the path in which a condition can have different meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Prerouting, before connection tracking.
    Raw,
    /// Prerouting after it, and before any translation.
    Prerouting,
    /// Prerouting after a translation.
    Translated,
    /// To this host.
    Input,
    /// Through this host.
    Forward,
    /// Postrouting.
    Postrouting,
    /// Of the reply of this host, before connection tracking.
    ReplyRaw,
    /// Of the reply of this host, output and postrouting.
    Reply,
    /// Of a reply that comes back through this host, before connection tracking.
    BackRaw,
    /// The same after it, and before it is routed.
    Back,
    /// The same after it is routed.
    BackForward,
}

impl Phase {
    /// All of them.
    pub(super) const ALL: [Self; 11] = [
        Self::Raw,
        Self::Prerouting,
        Self::Translated,
        Self::Input,
        Self::Forward,
        Self::Postrouting,
        Self::ReplyRaw,
        Self::Reply,
        Self::BackRaw,
        Self::Back,
        Self::BackForward,
    ];

    /// Whether the packet is a reply. Diagrams then still look at the packet that is replied to:
    /// see [`Engine::place`].
    pub(super) const fn is_reply(self) -> bool {
        matches!(
            self,
            Self::ReplyRaw | Self::Reply | Self::BackRaw | Self::Back | Self::BackForward
        )
    }

    /// Whether connection tracking has not looked yet.
    pub(super) const fn is_raw(self) -> bool {
        matches!(self, Self::Raw | Self::ReplyRaw | Self::BackRaw)
    }
}

/// The interface that a reply leaves by.
pub(super) const REPLY_OIF: Field = Field::at(Field::FREE + 13);
/// Which translation of the destination the packet is asked to take; see [`Engine::targets`].
pub(super) const TARGET: Field = Field::at(Field::FREE + 14);
/// The type of an ICMP reply.
pub(super) const REPLY_TYPE: Field = Field::at(Field::FREE + 15);

/// A chain: the table's place in the path's list, and the chain's in the table.
pub(super) type ChainId = (usize, usize);

/// One evaluation of one path for one family.
pub(super) struct Engine<'a> {
    pub(super) arena: Arena,
    pub(super) tables: Vec<&'a Table>,
    pub(super) family: Family,
    /// Transport protocol.
    pub(super) protocol: u8,
    /// The host, where it is known.
    pub(super) world: Option<&'a World>,
    /// The different translations of the destination, where the packets are asked about one by one:
    /// [`TARGET`] is 0 for packets that are not translated, else a place in this list and one.
    pub(super) targets: Option<Vec<Nat>>,
    pub(super) interfaces: Interfaces,
    pub(super) doubts: Doubts,
    pub(super) marks: Marks,
    /// The fields that some condition looks at.
    pub(super) read: HashSet<Field>,
    pub(super) phase: Phase,
    /// The state that connection tracking gives to packets.
    pub(super) tracked_state: u128,
    pub(super) universes: HashMap<Phase, Universe>,
    pub(super) anywhere: Universe,
    pub(super) unknown: BTreeSet<Note>,
    /// The values of the original destination and port that conditions ask for, and under which mask.
    pub(super) originals: HashMap<Field, Vec<(u128, RangeSet)>>,
    pub(super) summaries: HashMap<(ChainId, Phase), Diagram>,
    pub(super) changes: HashMap<ChainId, bool>,
    /// Rules that are asked about, by their place in memory, with a number: see
    /// [`effects`](super::effects).
    pub(super) probes: HashMap<*const Rule, u128>,
}

/// What follows a chain: the answer when it accepts, and when it returns.
#[derive(Clone, Copy)]
pub(super) struct Follows {
    pub(super) accepted: Diagram,
    pub(super) returned: Diagram,
}

impl<'a> Engine<'a> {
    pub(super) fn universe(&self) -> &Universe {
        self.universes.get(&self.phase).unwrap_or(&self.anywhere)
    }

    fn rules(&self, (table, chain): ChainId) -> &'a [Rule] {
        self.tables.get(table).and_then(|table| table.chains.get(chain)).map_or(&[], |c| &c.rules)
    }

    fn chain_name(&self, (table, chain): ChainId) -> String {
        self.tables
            .get(table)
            .and_then(|table| table.chains.get(chain).map(|chain| table.chain_name(chain)))
            .unwrap_or_default()
    }

    /// Whether the chain, or one it leads to, changes what a later condition looks at. Also finds
    /// loops, so that the other walks need not.
    pub(super) fn changes(
        &mut self,
        id: ChainId,
        above: &mut Vec<ChainId>,
    ) -> Result<bool, EvaluateError> {
        if let Some(known) = self.changes.get(&id) {
            return Ok(*known);
        }
        if above.contains(&id) {
            return Err(EvaluateError::Loop { chain: self.chain_name(id) });
        }
        if above.len() >= MOST_JUMPS {
            return Err(EvaluateError::TooDeep { chain: self.chain_name(id) });
        }
        above.push(id);
        let mut found = false;
        for rule in self.rules(id) {
            found |= self.rule_changes(id.0, rule, above)?;
        }
        above.pop();
        self.changes.insert(id, found);
        Ok(found)
    }

    fn rule_changes(
        &mut self,
        table: usize,
        rule: &Rule,
        above: &mut Vec<ChainId>,
    ) -> Result<bool, EvaluateError> {
        let mut found = false;
        for step in &rule.steps {
            match step {
                Step::If(_) => {}
                Step::Set(field, _) => found |= self.read.contains(field),
                Step::NoTrack => found |= self.read.contains(&Field::CT_STATE),
                Step::Translate(_) => found = true,
                Step::Select(list) => {
                    for (_, verdict) in list {
                        if let Verdict::Jump(chain) | Verdict::Goto(chain) = verdict {
                            found |= self.changes((table, *chain), above)?;
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// What the chain says, with `NONE` where it returns to its caller. For chains without changes.
    fn summary(&mut self, id: ChainId) -> Result<Diagram, EvaluateError> {
        if let Some(known) = self.summaries.get(&(id, self.phase)) {
            return Ok(*known);
        }
        let mut list = Vec::new();
        for rule in self.rules(id) {
            list.push(self.rule(id.0, rule)?);
        }
        let all = self.arena.first_decided(list)?;
        let all = self.arena.substitute(all, RETURN, Diagram::constant(Leaf::NONE))?;
        self.summaries.insert((id, self.phase), all);
        Ok(all)
    }

    /// What one rule without changes says, with `NONE` where the next rule is asked.
    fn rule(&mut self, table: usize, rule: &Rule) -> Result<Diagram, EvaluateError> {
        let mut unknown = Vec::new();
        let mut guards = Vec::new();
        let mut says = Diagram::constant(Leaf::NONE);
        for step in &rule.steps {
            match step {
                Step::If(cond) => {
                    let guard = self.condition(cond, &mut unknown)?;
                    if guard == Diagram::constant(Leaf::NONE) {
                        return Ok(guard);
                    }
                    guards.push(guard);
                }
                Step::Select(list) => {
                    says = self.select(table, list, &mut unknown)?;
                    break;
                }
                // Nobody looks at what it changes.
                Step::Set(..) | Step::NoTrack | Step::Translate(_) => {}
            }
        }
        says = self.probed(rule, says)?;
        for guard in guards.into_iter().rev() {
            says = self.arena.intersection(guard, says)?;
        }
        if says != Diagram::constant(Leaf::NONE) {
            self.note(rule, unknown);
        }
        Ok(says)
    }

    /// Records what was not understood in a rule.
    pub(super) fn note(&mut self, rule: &Rule, unknown: Vec<String>) {
        self.unknown
            .extend(unknown.into_iter().map(|what| Note { place: rule.place.clone(), what }));
    }

    /// The verdict of the first alternative that holds; `NONE` if none does.
    fn select(
        &mut self,
        table: usize,
        list: &[(Cond, Verdict)],
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, EvaluateError> {
        let mut alternatives = Vec::with_capacity(list.len());
        let mut fallen = Vec::new();
        for (cond, verdict) in list {
            let guard = self.condition(cond, unknown)?;
            if guard == Diagram::constant(Leaf::NONE) {
                continue;
            }
            // A verdict of "next rule" must not be taken for "no alternative holds".
            let says = self.verdict(table, verdict, unknown)?;
            if self.arena.outcomes(says).meets(Leaf::NONE) {
                fallen.push(alternatives.len());
            }
            alternatives.push((guard, says));
        }
        self.combine(alternatives, !fallen.is_empty())
    }

    fn combine(
        &mut self,
        alternatives: Vec<(Diagram, Diagram)>,
        has_none: bool,
    ) -> Result<Diagram, EvaluateError> {
        if let [(guard, says)] = alternatives.as_slice() {
            return Ok(self.arena.intersection(*guard, *says)?);
        }
        let mut list = Vec::with_capacity(alternatives.len());
        for (guard, says) in alternatives {
            // Stand in for NONE until all alternatives are joined.
            let says =
                if has_none { self.arena.over(says, Diagram::constant(HELD))? } else { says };
            list.push(self.arena.intersection(guard, says)?);
        }
        let joined = self.arena.first_decided(list)?;
        Ok(self.arena.substitute(joined, HELD, Diagram::constant(Leaf::NONE))?)
    }

    /// What a verdict means within its chain.
    pub(super) fn verdict(
        &mut self,
        table: usize,
        verdict: &Verdict,
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, EvaluateError> {
        let leaf = match verdict {
            Verdict::Accept => NEXT,
            Verdict::Drop => DROP,
            Verdict::Reject(kind) => rejected(*kind),
            Verdict::Return => RETURN,
            Verdict::Continue => Leaf::NONE,
            Verdict::Queue(text) => {
                unknown.push(format!("{text}: left to a program"));
                NEXT.or(DROP)
            }
            Verdict::Unknown(text) => {
                unknown.push(text.clone());
                NEXT.or(DROP).or(RETURN).or(Leaf::NONE)
            }
            Verdict::Jump(chain) => return self.summary((table, *chain)),
            Verdict::Goto(chain) => {
                let summary = self.summary((table, *chain))?;
                return Ok(self.arena.over(summary, Diagram::constant(RETURN))?);
            }
        };
        Ok(Diagram::constant(leaf))
    }

    /// What happens to a packet that enters the chain, given what follows it.
    pub(super) fn enter(
        &mut self,
        id: ChainId,
        follows: Follows,
    ) -> Result<Diagram, EvaluateError> {
        // A chain that many jumps lead to is asked anew for each of them.
        self.arena.charge(RULE_STEPS * self.rules(id).len() as u64)?;
        let mut answer = follows.returned;
        let mut run = Vec::new();
        for rule in self.rules(id).iter().rev() {
            if self.rule_changes(id.0, rule, &mut Vec::new())? {
                answer = self.finish_run(&mut run, answer, follows)?;
                answer = self.changing_rule(id.0, rule, answer, follows)?;
            } else {
                run.push(self.rule(id.0, rule)?);
            }
        }
        self.finish_run(&mut run, answer, follows)
    }

    /// Puts the rules gathered (last first) before the answer of what comes after them.
    fn finish_run(
        &mut self,
        run: &mut Vec<Diagram>,
        answer: Diagram,
        follows: Follows,
    ) -> Result<Diagram, EvaluateError> {
        run.reverse();
        let rules = self.arena.first_decided(std::mem::take(run))?;
        let rules = self.arena.substitute(rules, NEXT, follows.accepted)?;
        let rules = self.arena.substitute(rules, RETURN, follows.returned)?;
        Ok(self.arena.over(rules, answer)?)
    }

    /// A rule that changes the packet, given the answer `rest` of the rules after it.
    fn changing_rule(
        &mut self,
        table: usize,
        rule: &Rule,
        rest: Diagram,
        follows: Follows,
    ) -> Result<Diagram, EvaluateError> {
        let mut unknown = Vec::new();
        // A rule that none of the packets matches leads nowhere: do not follow it.
        for step in &rule.steps {
            if let Step::If(cond) = step
                && self.condition(cond, &mut Vec::new())? == NEVER
            {
                return Ok(rest);
            }
        }
        let mut answer = rest;
        for step in rule.steps.iter().rev() {
            answer = match step {
                Step::If(cond) => {
                    let guard = self.condition(cond, &mut unknown)?;
                    self.where_holds(guard, answer, rest)?
                }
                Step::Set(field, assign) => self.assign(*field, assign, answer, &mut unknown)?,
                Step::NoTrack => self.untrack(answer)?,
                Step::Translate(list) => {
                    let mut all = rest;
                    for (cond, nat) in list.iter().rev() {
                        let guard = self.condition(cond, &mut unknown)?;
                        if guard == NEVER {
                            continue;
                        }
                        let there = self.translate(nat, follows.accepted, &mut unknown)?;
                        all = self.where_holds(guard, there, all)?;
                    }
                    all
                }
                Step::Select(list) => {
                    let mut all = rest;
                    for (cond, verdict) in list.iter().rev() {
                        let guard = self.condition(cond, &mut unknown)?;
                        if guard == NEVER {
                            continue;
                        }
                        let there =
                            self.changing_verdict(table, verdict, rest, follows, &mut unknown)?;
                        all = self.where_holds(guard, there, all)?;
                    }
                    all
                }
            };
        }
        if answer != rest {
            self.note(rule, unknown);
        }
        Ok(answer)
    }

    fn changing_verdict(
        &mut self,
        table: usize,
        verdict: &Verdict,
        rest: Diagram,
        follows: Follows,
        unknown: &mut Vec<String>,
    ) -> Result<Diagram, EvaluateError> {
        let (chain, returned) = match verdict {
            Verdict::Jump(chain) => ((table, *chain), rest),
            Verdict::Goto(chain) => ((table, *chain), follows.returned),
            other => {
                let says = self.verdict(table, other, unknown)?;
                let says = self.arena.substitute(says, NEXT, follows.accepted)?;
                let says = self.arena.substitute(says, RETURN, follows.returned)?;
                return Ok(self.arena.over(says, rest)?);
            }
        };
        self.enter(chain, Follows { accepted: follows.accepted, returned })
    }

    /// `there` where the guard holds, `elsewhere` where it does not.
    pub(super) fn where_holds(
        &mut self,
        guard: Diagram,
        there: Diagram,
        elsewhere: Diagram,
    ) -> Result<Diagram, Exceeded> {
        // Neither answer holds NONE: both are final.
        let guarded = self.arena.intersection(guard, there)?;
        self.arena.over(guarded, elsewhere)
    }
}

/// A condition that does not hold.
const NEVER: Diagram = Diagram::constant(Leaf::NONE);

/// What looking at a rule again costs, in steps of the budget.
const RULE_STEPS: u64 = 1000;

/// Stands in for `NONE`; see [`Engine::combine`].
const HELD: Leaf = Leaf::outcome(14);
