//! The walk of one packet through the hooks.

use std::fmt;

use packet_set::Field;
use thiserror::Error;

use super::condition::{Host, Remembered, holds};
use super::{Oracle, Packet};
use crate::ir::{
    Assign, Base, Chain, ChainKind, Family, Hook, Nat, NatKind, Place, Rule, Ruleset, Step, Table,
    Verdict, ct_state, ct_status,
};
use crate::symbolic::{MOST_JUMPS, Outcome};
use crate::world::World;

/// Who made an end of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decider {
    /// A rule.
    Rule {
        /// Family, table and chain.
        chain: String,
        /// Where the rule is.
        place: Place,
        /// The rule.
        text: String,
    },
    /// The policy of a base chain.
    Policy {
        /// Family, table and chain.
        chain: String,
    },
    /// No base chain is in the way.
    Nobody,
}

impl fmt::Display for Decider {
    /// The chain with the rule's place and text, or with its policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { chain, place, text } => write!(f, "{chain}, {place}: {text}"),
            Self::Policy { chain } => write!(f, "policy of {chain}"),
            Self::Nobody => f.write_str("no chain is in the way"),
        }
    }
}

/// A rule that matched and did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Family, table and chain.
    pub chain: String,
    /// Where the rule is.
    pub place: Place,
    /// The rule.
    pub text: String,
}

/// What happened to the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The end.
    pub outcome: Outcome,
    /// Who decided: for accepted packets, the last rule that accepted it in a chain that filters,
    /// else the policy of the last such chain.
    pub decider: Decider,
    /// The rules that did something, in order.
    pub trace: Vec<Trace>,
    /// The packet as it is at the end, translated and marked.
    pub packet: Packet,
}

/// The ruleset cannot be walked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WalkError {
    /// Jumps are nested too deep, or go round.
    #[error("walk chain {0}: jumps are nested more than {MOST_JUMPS} deep")]
    TooDeep(String),
}

/// How a chain is left.
enum Left {
    /// At its end, or by `return`.
    Returned,
    Accepted,
    Ended(Outcome),
}

pub(super) struct Walker<'a> {
    pub(super) packet: Packet,
    pub(super) oracle: &'a mut dyn Oracle,
    pub(super) world: Option<&'a World>,
    pub(super) remembered: Remembered,
    pub(super) hook: Hook,
    pub(super) tracked: bool,
    pub(super) trace: Vec<Trace>,
    /// Who let the packet pass, so far.
    pub(super) decider: Decider,
}

impl<'a> Walker<'a> {
    pub(super) fn new(
        packet: &Packet,
        world: Option<&'a World>,
        oracle: &'a mut dyn Oracle,
    ) -> Self {
        Self {
            packet: packet.clone(),
            oracle,
            world,
            remembered: Remembered::new(),
            hook: Hook::Prerouting,
            tracked: false,
            trace: Vec::new(),
            decider: Decider::Nobody,
        }
    }
}

/// Walks a packet through prerouting and `hook`, and for forwarded packets postrouting.
pub fn walk(
    ruleset: &Ruleset,
    packet: &Packet,
    hook: Hook,
    oracle: &mut dyn Oracle,
) -> Result<Decision, WalkError> {
    let mut walker = Walker::new(packet, None, oracle);
    let hooks: &[Hook] = if hook == Hook::Forward {
        &[Hook::Prerouting, Hook::Forward, Hook::Postrouting]
    } else {
        &[Hook::Prerouting, hook]
    };
    for here in hooks {
        if let Some((outcome, decider)) = walker.pass(ruleset, *here)? {
            return Ok(walker.decision(outcome, decider));
        }
    }
    let decider = walker.decider.clone();
    Ok(walker.decision(Outcome::Accepted, decider))
}

impl Walker<'_> {
    /// Passes the chains of a hook; the end of the packet and who made it, if one did.
    pub(super) fn pass(
        &mut self,
        ruleset: &Ruleset,
        here: Hook,
    ) -> Result<Option<(Outcome, Decider)>, WalkError> {
        self.hook = here;
        if here == Hook::Forward {
            // Before the hook is called (ip_forward.c, ip_forward; ip6_output.c, ip6_forward).
            self.packet.hop_limit = self.packet.hop_limit.saturating_sub(1);
        }
        let tracks = matches!(here, Hook::Prerouting | Hook::Output);
        for (table, chain) in base_chains(ruleset, &self.packet, here) {
            let Some(base) = &chain.base else { continue };
            if base.priority >= -200 || !tracks {
                self.track();
            }
            if self.skips(base.kind) {
                continue;
            }
            let before = self.trace.len();
            let left = self.chain(table, chain, 0)?;
            let name = table.chain_name(chain);
            let rule = self.trace.last().filter(|_| self.trace.len() > before).cloned();
            let by_rule = |rule: Option<Trace>| match rule {
                Some(Trace { chain, place, text }) => Decider::Rule { chain, place, text },
                None => Decider::Policy { chain: name.clone() },
            };
            match left {
                Left::Ended(outcome) => return Ok(Some((outcome, by_rule(rule)))),
                Left::Returned if base.drops => {
                    return Ok(Some((Outcome::Dropped, Decider::Policy { chain: name })));
                }
                // That a packet was translated, or not, does not let it pass.
                Left::Accepted | Left::Returned if base.kind == ChainKind::Nat => {}
                Left::Accepted => self.decider = by_rule(rule),
                // Where some rule has accepted it, a later policy adds nothing.
                Left::Returned if matches!(self.decider, Decider::Rule { .. }) => {}
                Left::Returned => self.decider = Decider::Policy { chain: name },
            }
        }
        self.track();
        Ok(None)
    }
}

/// The base chains of a hook that see the packet, in the order in which they run.
fn base_chains<'a>(
    ruleset: &'a Ruleset,
    packet: &Packet,
    hook: Hook,
) -> Vec<(&'a Table, &'a Chain)> {
    let mut list: Vec<_> = ruleset
        .tables
        .iter()
        .filter(|table| table.family.sees(packet.family))
        .flat_map(|table| table.chains.iter().map(move |chain| (table, chain)))
        .filter(|(_, chain)| chain.base.as_ref().is_some_and(|base| base.hook == hook))
        .collect();
    // Those with one place run in the reverse order of their registration.
    list.reverse();
    list.sort_by_key(|(_, chain)| chain.base.as_ref().map_or((0, 0), Base::order));
    list
}

impl Walker<'_> {
    fn decision(self, outcome: Outcome, decider: Decider) -> Decision {
        Decision { outcome, decider, trace: self.trace, packet: self.packet }
    }

    /// Connection tracking sees the packet, once.
    fn track(&mut self) {
        if !self.tracked && self.packet.ct_state != ct_state::UNTRACKED {
            self.packet.ct_state = self.packet.tracked_state;
        }
        self.tracked = true;
    }

    /// A nat chain is asked for tracked packets only, and once for each end.
    fn skips(&self, kind: ChainKind) -> bool {
        let done = self.hook == Hook::Prerouting
            && u128::from(self.packet.ct_status) & ct_status::DNAT != 0;
        let is_reply = self.packet.is_reply;
        kind == ChainKind::Nat && (is_reply || self.packet.ct_state == ct_state::UNTRACKED || done)
    }

    fn chain(&mut self, table: &Table, chain: &Chain, depth: usize) -> Result<Left, WalkError> {
        if depth > MOST_JUMPS {
            return Err(WalkError::TooDeep(table.chain_name(chain)));
        }
        for rule in &chain.rules {
            if let Some(left) = self.rule(table, chain, rule, depth)? {
                return Ok(left);
            }
        }
        Ok(Left::Returned)
    }

    fn holds(&mut self, cond: &crate::ir::Cond) -> bool {
        let sees_oif = matches!(self.hook, Hook::Forward | Hook::Output | Hook::Postrouting);
        let host = Host { world: self.world, sees_oif };
        holds(cond, &self.packet, &host, self.oracle, &mut self.remembered)
    }

    /// How the rule leaves its chain; none if the next rule is asked.
    fn rule(
        &mut self,
        table: &Table,
        chain: &Chain,
        rule: &Rule,
        depth: usize,
    ) -> Result<Option<Left>, WalkError> {
        for step in &rule.steps {
            match step {
                Step::If(cond) => {
                    if !self.holds(cond) {
                        return Ok(None);
                    }
                }
                Step::Set(field, assign) => {
                    self.note(table, chain, rule);
                    self.set(*field, assign);
                }
                Step::NoTrack => {
                    if !self.tracked {
                        self.note(table, chain, rule);
                        self.packet.ct_state = ct_state::UNTRACKED;
                    }
                }
                Step::Translate(list) => {
                    for (cond, nat) in list {
                        if self.holds(cond) {
                            self.note(table, chain, rule);
                            let left = if self.translate(nat) {
                                Left::Accepted
                            } else {
                                Left::Ended(Outcome::Dropped)
                            };
                            return Ok(Some(left));
                        }
                    }
                    return Ok(None);
                }
                Step::Select(list) => {
                    for (cond, verdict) in list {
                        if self.holds(cond) {
                            return self.verdict(table, chain, rule, verdict, depth);
                        }
                    }
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn note(&mut self, table: &Table, chain: &Chain, rule: &Rule) {
        self.trace.push(Trace {
            chain: table.chain_name(chain),
            place: rule.place.clone(),
            text: rule.text.clone(),
        });
    }

    fn verdict(
        &mut self,
        table: &Table,
        chain: &Chain,
        rule: &Rule,
        verdict: &Verdict,
        depth: usize,
    ) -> Result<Option<Left>, WalkError> {
        if *verdict != Verdict::Continue {
            self.note(table, chain, rule);
        }
        Ok(match verdict {
            Verdict::Accept => Some(Left::Accepted),
            Verdict::Drop => Some(Left::Ended(Outcome::Dropped)),
            Verdict::Reject(kind) => Some(Left::Ended(Outcome::Rejected(*kind))),
            Verdict::Return => Some(Left::Returned),
            Verdict::Continue => None,
            Verdict::Queue(text) => Some(match self.oracle.choose(text, 2) {
                0 => Left::Accepted,
                _ => Left::Ended(Outcome::Dropped),
            }),
            Verdict::Unknown(text) => match self.oracle.choose(text, 4) {
                0 => Some(Left::Accepted),
                1 => Some(Left::Ended(Outcome::Dropped)),
                2 => Some(Left::Returned),
                _ => None,
            },
            Verdict::Jump(to) | Verdict::Goto(to) => {
                let left = match table.chains.get(*to) {
                    Some(target) => self.chain(table, target, depth + 1)?,
                    None => Left::Returned,
                };
                match (left, verdict) {
                    // After a jump the caller goes on; after a goto it returns itself.
                    (Left::Returned, Verdict::Jump(_)) => None,
                    (left, _) => Some(left),
                }
            }
        })
    }

    fn set(&mut self, field: Field, assign: &Assign) {
        let of_connection =
            field == Field::CT_MARK || matches!(assign, Assign::Copy { from: Field::CT_MARK, .. });
        if of_connection && [ct_state::INVALID, ct_state::UNTRACKED].contains(&self.packet.ct_state)
        {
            return;
        }
        let other = |from: Field| match from {
            Field::MARK => self.packet.mark,
            _ => self.packet.ct_mark,
        };
        let old = match field {
            Field::MARK => self.packet.mark,
            Field::CT_MARK => self.packet.ct_mark,
            _ => 0,
        };
        let new = match assign {
            Assign::Bits { keep, flip } => (old & keep) ^ flip,
            Assign::Copy { from, from_mask, to_mask } => {
                (old & !to_mask) ^ (other(*from) & from_mask)
            }
            Assign::Unknown(_) => {
                let last = match field {
                    Field::MARK | Field::CT_MARK => u32::MAX,
                    Field::DSCP => 63,
                    Field::PACKET_TYPE => 2,
                    _ => 255,
                };
                u32::try_from(self.oracle.pick(0, last.into())).unwrap_or(last)
            }
        };
        match field {
            Field::MARK => self.packet.mark = new,
            Field::CT_MARK => self.packet.ct_mark = new,
            Field::DSCP => self.packet.dscp = u8::try_from(new).unwrap_or(0),
            Field::HOP_LIMIT => self.packet.hop_limit = u8::try_from(new).unwrap_or(0),
            Field::PACKET_TYPE => self.packet.packet_type = u8::try_from(new).unwrap_or(0),
            _ => {}
        }
    }

    /// False where the packet is dropped instead.
    fn translate(&mut self, nat: &Nat) -> bool {
        if let Some(world) = self.world
            && nat.is_redirect()
        {
            return self.redirect(nat, world);
        }
        let max = self.packet.family.max_address();
        let address = nat.address.map(|(lo, hi)| self.oracle.pick(lo.min(max), hi.min(max)));
        let port = nat
            .port
            .map(|(lo, hi)| u16::try_from(self.oracle.pick(lo.into(), hi.into())).unwrap_or(hi));
        match nat.kind {
            NatKind::Destination => {
                self.packet.destination = address.unwrap_or(self.packet.destination);
                self.packet.dport = port.unwrap_or(self.packet.dport);
                self.packet.ct_status |= 1 << ct_status::DNAT.trailing_zeros();
            }
            NatKind::Source => {
                self.packet.source = address.unwrap_or(self.packet.source);
                let any = || u16::try_from(self.oracle.pick(0, 0xffff)).unwrap_or(0);
                self.packet.sport = port.unwrap_or_else(any);
            }
        }
        // Other addresses may get other answers.
        self.remembered.clear();
        true
    }

    /// To the ingress interface's own address (nf_nat_redirect.c); false where there is none, and the
    /// packet is dropped.
    fn redirect(&mut self, nat: &Nat, world: &World) -> bool {
        let family = self.packet.family;
        let is_local = |address: u128| family == Family::Ipv6 && address >> 118 == 0xfe80 >> 6;
        let of_scope = is_local(self.packet.destination);
        let own: Vec<u128> = world
            .link(&self.packet.iif)
            .into_iter()
            .flat_map(|link| &link.addresses)
            .filter(|own| own.family == family && is_local(own.address) == of_scope)
            .map(|own| own.address)
            .collect();
        let last = u128::try_from(own.len()).unwrap_or(0);
        let Some(last) = last.checked_sub(1) else { return false };
        let at = usize::try_from(self.oracle.pick(0, last)).unwrap_or(0);
        self.packet.destination = own.get(at).copied().unwrap_or(self.packet.destination);
        if let Some((lo, hi)) = nat.port {
            let picked = self.oracle.pick(lo.into(), hi.into());
            self.packet.dport = u16::try_from(picked).unwrap_or(hi);
        }
        self.packet.ct_status |= 1 << ct_status::DNAT.trailing_zeros();
        self.remembered.clear();
        true
    }
}
