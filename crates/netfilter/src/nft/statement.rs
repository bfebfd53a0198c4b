//! Statements, as steps.

use std::collections::HashMap;

use packet_set::Field;

use super::ast::{Compare, Element, Expr, Operator, Statement, Verdict};
use super::elements::{Sets, membership};
use super::keys::{Key, other_header, read, tracked};
use super::nat::{self, Translation};
use crate::ir::{self, Assign, Cond, Doubt, Reject, Step};

/// What statements of one table refer to.
pub(super) struct Context<'a> {
    pub(super) sets: Sets<'a>,
    pub(super) chains: HashMap<&'a str, usize>,
    /// iptables-nft wrote the table.
    pub(super) of_iptables: bool,
}

/// What a statement becomes.
pub(super) enum Lowered {
    /// These steps; none for a statement without meaning to a verdict.
    Steps(Vec<Step>),
    /// It may do anything, and the rule may go on.
    Unknown(String),
}

fn one(step: Step) -> Lowered {
    Lowered::Steps(vec![step])
}

impl<'a> Context<'a> {
    /// The steps of a statement; `text` is its rule.
    pub(super) fn lower(&self, statement: &'a Statement, text: &str) -> Lowered {
        match statement {
            // nft lists `-m conntrack ! --ctstate NEW,DNAT` as `ct status dnat`: neither the
            // negation nor the other states are told (libxt_conntrack.c, conntrack3_mt_xlate).
            // And `-m multiport ! --ports 22` as one of both ports being 22.
            Statement::Match(_, left, _) if self.of_iptables && tells_less(left) => {
                one(Step::If(Cond::Unknown(text.to_owned(), Doubt::Packet)))
            }
            Statement::Match(op, left, right) => {
                one(Step::If(self.sets.matching(*op, left, right, text)))
            }
            Statement::Verdict(verdict) => one(Step::verdict(self.verdict(verdict))),
            Statement::Vmap(key, map) => match self.vmap(key, map, text) {
                Some(list) => one(Step::Select(list)),
                None => Lowered::Unknown(text.to_owned()),
            },
            Statement::Mangle(key, value) => self.mangle(key, value, text),
            Statement::Nat { word, address, port, text } => {
                let (address, port) = (address.as_ref(), port.as_ref());
                let translation = Translation { word: *word, address, port, text };
                one(Step::Translate(nat::lower(&self.sets, &translation)))
            }
            Statement::Reject(with) => {
                let mut steps: Vec<Step> = reject_needs(with).map(Step::If).into_iter().collect();
                steps.push(Step::verdict(ir::Verdict::Reject(reject(with))));
                Lowered::Steps(steps)
            }
            Statement::NoTrack => one(Step::NoTrack),
            Statement::Idle => Lowered::Steps(Vec::new()),
            // When the set is full the rule ends (nft_dynset.c, nft_dynset_eval).
            Statement::Update(set) => {
                let full = format!("whether set @{set} is full");
                one(Step::If(Cond::Unknown(full, Doubt::History)))
            }
            Statement::History(text) => one(Step::If(Cond::Unknown(text.clone(), Doubt::History))),
            Statement::Takes(text) => one(Step::verdict(ir::Verdict::Queue(text.clone()))),
            Statement::Steps(steps) => Lowered::Steps(steps.clone()),
            Statement::Unknown(text) => Lowered::Unknown(text.clone()),
        }
    }

    fn verdict(&self, verdict: &Verdict) -> ir::Verdict {
        let chain = |name: &str| self.chains.get(name).copied();
        let missing = |name: &str| ir::Verdict::Unknown(format!("there is no chain {name}"));
        match verdict {
            Verdict::Accept => ir::Verdict::Accept,
            Verdict::Drop => ir::Verdict::Drop,
            Verdict::Return => ir::Verdict::Return,
            Verdict::Continue => ir::Verdict::Continue,
            Verdict::Jump(name) => chain(name).map_or_else(|| missing(name), ir::Verdict::Jump),
            Verdict::Goto(name) => chain(name).map_or_else(|| missing(name), ir::Verdict::Goto),
            Verdict::Queue(text) => ir::Verdict::Queue(text.clone()),
        }
    }

    /// The alternatives of a verdict map; elements with one verdict are one alternative.
    fn vmap(&self, key: &Expr, map: &'a Expr, text: &str) -> Option<Vec<(Cond, ir::Verdict)>> {
        let members = self.sets.members(map)?;
        let parts = match key {
            Expr::Concat(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let keys: Vec<Key> = parts.iter().map(read).collect();
        let needs: Vec<Cond> = keys.iter().flat_map(|key| key.needs.clone()).collect();
        let mut groups: Vec<(ir::Verdict, Vec<Element>)> = Vec::new();
        let mut places: HashMap<ir::Verdict, usize> = HashMap::new();
        let mut others = Vec::new();
        for element in members.elements {
            let Some(Expr::Verdict(verdict)) = &element.data else { return None };
            let verdict = self.verdict(verdict);
            if element.key == Expr::Any {
                others.push((Cond::All(needs.clone()), verdict));
                continue;
            }
            let place = *places.entry(verdict.clone()).or_insert_with(|| {
                groups.push((verdict, Vec::new()));
                groups.len() - 1
            });
            let own = Element { key: element.key.clone(), data: None, expires: element.expires };
            if let Some((_, list)) = groups.get_mut(place) {
                list.push(own);
            }
        }
        let mut list = Vec::with_capacity(groups.len());
        for (verdict, elements) in groups {
            let mut all = needs.clone();
            all.push(membership(&keys, &elements)?);
            if members.uncertain {
                let what = "a map that is written by rules".to_owned();
                all.push(Cond::Unknown(what, Doubt::History));
            }
            list.push((Cond::All(all), verdict));
        }
        list.extend(others);
        if let Some(other) = other_header(parts, text) {
            list.push((other, ir::Verdict::Unknown(text.to_owned())));
        }
        if members.uncertain {
            // An element that is not listed may be there by now.
            let what = "a map that is written by rules".to_owned();
            list.push((Cond::Unknown(what.clone(), Doubt::History), ir::Verdict::Unknown(what)));
        }
        Some(list)
    }

    /// Where the map that a value comes from has no such key, the rule ends (nft_lookup.c,
    /// nft_lookup_eval).
    fn needs_of(&self, value: &'a Expr, text: &str) -> Vec<Step> {
        let Expr::Map(key, map) = value else { return Vec::new() };
        vec![Step::If(self.sets.matching(Compare::Implicit, key, map, text))]
    }

    /// `meta mark set value` and the like.
    fn mangle(&self, key: &Expr, value: &'a Expr, text: &str) -> Lowered {
        let field = match key {
            Expr::Meta(name) if name == "mark" => Field::MARK,
            Expr::Ct(name, _) if name == "mark" => Field::CT_MARK,
            Expr::Meta(name) if name == "pkttype" => Field::PACKET_TYPE,
            Expr::Payload(protocol, name) if protocol.starts_with("ip") => match name.as_str() {
                "dscp" => Field::DSCP,
                "ttl" | "hoplimit" => Field::HOP_LIMIT,
                // Not a connection's translation, but one packet's.
                _ => return Lowered::Unknown(text.to_owned()),
            },
            // Fields that no condition that we understand reads.
            Expr::Meta(_) | Expr::Ct(..) | Expr::Other(..) => {
                return Lowered::Steps(self.needs_of(value, text));
            }
            _ => return Lowered::Unknown(text.to_owned()),
        };
        let assign = assignment(field, value).unwrap_or_else(|| Assign::Unknown(text.to_owned()));
        // Of `CONNMARK --restore-mark --nfmask 1 --ctmask 1`, nft lists one of the masks only.
        let assign = match assign {
            Assign::Copy { .. } if self.of_iptables => Assign::Unknown(text.to_owned()),
            assign => assign,
        };
        let mut steps = Vec::new();
        if matches!(key, Expr::Payload(..)) {
            // `ip ttl set 10` in a table for both families is for packets of its own only.
            steps.extend(read(key).needs.into_iter().map(Step::If));
        }
        steps.extend(self.needs_of(value, text));
        if matches!(assign, Assign::Copy { from: Field::CT_MARK, .. }) {
            // Without a connection there is nothing to read, and the rule ends (nft_ct.c,
            // nft_ct_get_eval).
            steps.push(Step::If(tracked()));
        }
        steps.push(Step::Set(field, assign));
        Lowered::Steps(steps)
    }
}

/// Whether nft lists matches of iptables so in which not everything is told.
fn tells_less(left: &Expr) -> bool {
    match left {
        Expr::Ct(key, _) => key == "status",
        // `addrtype` is listed as `fib`, which asks another question over IPv6.
        Expr::Concat(_) | Expr::Fib(_) => true,
        _ => false,
    }
}

/// A value as a function of one mark: `(mark & keep) ^ flip`; no mark for a constant.
struct Bits {
    of: Option<Field>,
    keep: u32,
    flip: u32,
}

fn assignment(field: Field, value: &Expr) -> Option<Assign> {
    let bits = bits(value)?;
    match bits.of {
        None => Some(Assign::Bits { keep: 0, flip: bits.flip }),
        Some(own) if own == field => Some(Assign::Bits { keep: bits.keep, flip: bits.flip }),
        Some(from) if bits.flip == 0 => {
            Some(Assign::Copy { from, from_mask: bits.keep, to_mask: u32::MAX })
        }
        Some(_) => None,
    }
}

fn bits(value: &Expr) -> Option<Bits> {
    match value {
        Expr::Meta(name) if name == "mark" => {
            Some(Bits { of: Some(Field::MARK), keep: u32::MAX, flip: 0 })
        }
        Expr::Ct(name, _) if name == "mark" => {
            Some(Bits { of: Some(Field::CT_MARK), keep: u32::MAX, flip: 0 })
        }
        Expr::Binary(operator, left, right) => {
            let left = bits(left)?;
            let right = bits(right).filter(|right| right.of.is_none())?.flip;
            let Bits { of, keep, flip } = left;
            match operator {
                Operator::And => Some(Bits { of, keep: keep & right, flip: flip & right }),
                Operator::Or => Some(Bits { of, keep: keep & !right, flip: flip | right }),
                Operator::Xor => Some(Bits { of, keep, flip: flip ^ right }),
                Operator::Left | Operator::Right => None,
            }
        }
        constant => {
            let value = super::values::Kind::Number(32).value(constant)?;
            Some(Bits { of: None, keep: 0, flip: u32::try_from(value).ok()? })
        }
    }
}

/// The condition that nft leaves out of its listing because the kind of refusal implies it: `meta
/// nfproto ipv4 reject` is listed as `reject with icmp port-unreachable`.
fn reject_needs(with: &str) -> Option<Cond> {
    match with.split_whitespace().next()? {
        "icmp" => Some(Cond::is(Field::FAMILY, ir::Family::Ipv4.value())),
        "icmpv6" => Some(Cond::is(Field::FAMILY, ir::Family::Ipv6.value())),
        "tcp" => Some(Cond::is(Field::PROTOCOL, 6)),
        _ => None,
    }
}

/// `reject` without more is port unreachable (nft_reject.c).
fn reject(with: &str) -> Reject {
    if with.contains("tcp reset") {
        Reject::Reset
    } else if with.contains("prohibited") || with.contains("policy-fail") {
        Reject::Prohibited
    } else if with.is_empty() || with.contains("port-unreachable") {
        Reject::Port
    } else {
        Reject::Unreachable
    }
}
