//! Choosing packets: at the ends of everything that a ruleset names, and beside them.
//!
//! Random packets hit nothing. So most packets are made for one rule: its conditions are taken one
//! by one, and the packet gets a value from the ends of what the condition names.

use std::collections::BTreeMap;

use netfilter::ir::{Cond, Rule, Ruleset, Side, Step};
use netfilter::syntax::{address, network, number};
use packet_set::{Field, RangeSet};

use crate::probe::{ICMP, ICMPV6, MAC, Probe, TCP, UDP, text};
use crate::random::Random;

/// What a ruleset tells apart.
pub(crate) struct Aim<'a> {
    rules: Vec<&'a Rule>,
    /// Values at the ends of what the ruleset names, and beside them.
    values: BTreeMap<Field, Vec<u128>>,
    addresses: [Vec<u128>; 2],
    families: Vec<bool>,
    interfaces: &'a [String],
}

/// Most values of one field that are taken from a ruleset with very many.
const MOST_VALUES: usize = 4096;

/// Values that no ruleset needs to name.
const PORTS: [u128; 6] = [0, 1, 22, 1023, 1024, 65535];

impl<'a> Aim<'a> {
    /// For packets of these families, on these interfaces. The text is looked through for whatever
    /// looks like an address or a number, so that a value that the parser misread is met as well.
    pub(crate) fn new(
        ruleset: &'a Ruleset,
        source: &str,
        v6: Option<bool>,
        interfaces: &'a [String],
    ) -> Self {
        let rules: Vec<&Rule> = ruleset
            .tables
            .iter()
            .flat_map(|table| table.chains.iter().flat_map(|chain| &chain.rules))
            .collect();
        let families = v6.map_or_else(|| vec![false, true], |one| vec![one]);
        let mut own = Self {
            rules,
            values: BTreeMap::new(),
            addresses: [vec![0x0a01_0203, 0xc0a8_0709], vec![0xfd01_0002 << 96 | 3, 1 << 125]],
            families,
            interfaces,
        };
        own.values.insert(Field::DPORT, PORTS.to_vec());
        own.values.insert(Field::SPORT, PORTS.to_vec());
        for rule in own.rules.clone() {
            for cond in rule.steps.iter().flat_map(conditions) {
                cond.visit(&mut |part| own.learn(part));
            }
            for step in &rule.steps {
                own.translations(step);
            }
        }
        own.scan(source);
        for list in own.values.values_mut().chain(&mut own.addresses) {
            list.sort_unstable();
            list.dedup();
        }
        own
    }

    fn add(&mut self, field: Field, ranges: impl Iterator<Item = (u128, u128)>) {
        let is_address =
            matches!(field, Field::SOURCE | Field::DESTINATION | Field::ORIGINAL_DESTINATION);
        for (lo, hi) in ranges {
            for value in ends(lo, hi) {
                let list = if is_address {
                    let [four, six] = &mut self.addresses;
                    if value <= u32::MAX.into() { four } else { six }
                } else {
                    self.values.entry(field).or_default()
                };
                if list.len() < MOST_VALUES {
                    list.push(value);
                }
            }
        }
    }

    fn learn(&mut self, cond: &Cond) {
        match cond {
            Cond::In(field, values) | Cond::Masked { field, values, .. } => {
                self.add(*field, values.iter());
            }
            Cond::Tuple(fields, entries) => {
                for entry in entries {
                    for (field, range) in fields.iter().zip(entry) {
                        self.add(*field, std::iter::once(*range));
                    }
                }
            }
            _ => {}
        }
    }

    fn translations(&mut self, step: &Step) {
        let Step::Translate(list) = step else { return };
        for (_, nat) in list {
            self.add(Field::DESTINATION, nat.address.into_iter());
            self.add(Field::DPORT, nat.port.map(|(lo, hi)| (lo.into(), hi.into())).into_iter());
        }
    }

    /// Whatever looks like an address, a prefix, a range or a port.
    fn scan(&mut self, source: &str) {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/');
        for word in source.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()) {
            if let Some((_, Cond::In(field, set))) = network(Field::SOURCE, word) {
                self.add(field, set.iter());
            } else if let Some((_, value)) = address(word) {
                self.add(Field::SOURCE, std::iter::once((value, value)));
            }
            for port in word.split(':').filter_map(number).filter(|port| *port <= 0xffff) {
                self.add(Field::DPORT, std::iter::once((port, port)));
            }
        }
    }

    /// A packet that some rule is likely to be about.
    pub(crate) fn probe(&self, random: &mut Random) -> Probe {
        let v6 = *random.maybe(&self.families).unwrap_or(&false);
        let mut draft = Draft { v6, values: BTreeMap::new(), iif: None };
        if !random.one_in(4) {
            for _ in 0..=random.below(2) {
                if let Some(rule) = random.maybe(&self.rules).copied() {
                    for cond in rule.steps.iter().flat_map(conditions) {
                        self.satisfy(&mut draft, cond, false, random);
                    }
                }
            }
        }
        self.finish(&draft, random)
    }

    fn satisfy(&self, draft: &mut Draft, cond: &Cond, negated: bool, random: &mut Random) {
        match cond {
            Cond::In(field, values) => {
                let wanted = if negated { values.complement(u128::MAX) } else { values.clone() };
                draft.set(*field, pick(&wanted, random));
            }
            Cond::Masked { field, mask, values } => {
                let noise = u128::from(random.bits()) & !mask;
                draft.set(*field, pick(values, random).map(|value| value | noise));
            }
            Cond::Tuple(fields, entries) if !negated => {
                if let Some(entry) = random.maybe(entries) {
                    for (field, (lo, hi)) in fields.iter().zip(entry) {
                        draft.set(*field, pick(&RangeSet::of(vec![(*lo, *hi)]), random));
                    }
                }
            }
            Cond::Interface(Side::In, patterns) => {
                let fits = |name: &&String| patterns.iter().any(|one| one.matches(name)) != negated;
                let fitting: Vec<_> = self.interfaces.iter().filter(fits).collect();
                draft.iif = random.maybe(&fitting).map(|name| (*name).clone()).or(draft.iif.take());
            }
            Cond::All(parts) if !negated => {
                for part in parts {
                    self.satisfy(draft, part, false, random);
                }
            }
            Cond::Any(parts) | Cond::All(parts) => {
                if let Some(part) = random.maybe(parts) {
                    self.satisfy(draft, part, negated, random);
                }
            }
            Cond::Not(inner) => self.satisfy(draft, inner, !negated, random),
            _ => {}
        }
    }

    /// Fills in what no condition gave, and now and then something else than it gave.
    fn finish(&self, draft: &Draft, random: &mut Random) -> Probe {
        let v6 = draft.v6;
        let given = |field: Field, random: &mut Random| {
            draft.values.get(&field).copied().filter(|_| !random.one_in(8))
        };
        let at_end = |field: Field, random: &mut Random| {
            self.values.get(&field).and_then(|list| random.maybe(list)).copied()
        };
        let number = |found: Option<u128>, otherwise: u16| {
            found.and_then(|value| u16::try_from(value).ok()).unwrap_or(otherwise)
        };
        let address = |field: Field, random: &mut Random| {
            let fits = |value: &u128| v6 || *value <= u32::MAX.into();
            let [four, six] = &self.addresses;
            let list = if v6 { six } else { four };
            let value = given(field, random).filter(fits);
            let value = value.or_else(|| random.maybe(list).copied()).unwrap_or(1);
            text(v6, if random.one_in(16) { value ^ 1 << random.below(32) } else { value })
        };
        let protocol =
            u8::try_from(given(Field::PROTOCOL, random).unwrap_or(256)).unwrap_or_else(|_| {
                match random.below(16) {
                    0..10 => TCP,
                    10..13 => UDP,
                    13..15 => {
                        if v6 {
                            ICMPV6
                        } else {
                            ICMP
                        }
                    }
                    _ => 50,
                }
            });
        let protocol = allowed(protocol, v6);
        let is_icmp = matches!(protocol, ICMP | ICMPV6);
        let has_ports = matches!(protocol, TCP | UDP);
        let port = |field: Field, otherwise: u16, random: &mut Random| {
            let found = given(field, random).or_else(|| at_end(field, random));
            number(found, otherwise)
        };
        let (mut sport, mut dport) = (0, 0);
        if has_ports {
            dport = port(Field::DPORT, 22, random);
            sport = if random.one_in(3) { 40000 } else { port(Field::SPORT, 40000, random) };
        } else if is_icmp {
            dport = icmp_type(number(given(Field::DPORT, random), 0), v6, random);
        }
        let small = |field: Field, otherwise: u8, random: &mut Random| {
            let found =
                given(field, random).or_else(|| at_end(field, random).filter(|_| random.one_in(3)));
            found.and_then(|value| u8::try_from(value).ok()).unwrap_or(otherwise)
        };
        let hop_limit = small(Field::HOP_LIMIT, 64, random).max(2);
        let mac = given(Field::MAC_SOURCE, random)
            .and_then(|value| u64::try_from(value).ok())
            // Individual addresses only (IEEE 802, the lowest bit of the first octet).
            .filter(|value| *value < 1 << 48 && value >> 40 & 1 == 0);
        let iif = draft.iif.clone().filter(|_| !random.one_in(8));
        Probe {
            v6,
            iif: iif.or_else(|| random.maybe(self.interfaces).cloned()).unwrap_or_default(),
            source: address(Field::SOURCE, random),
            destination: address(Field::DESTINATION, random),
            protocol,
            sport,
            dport,
            icmp_code: if is_icmp { small(Field::ICMP_CODE, 0, random) } else { 0 },
            hop_limit,
            dscp: small(Field::DSCP, 0, random) & 63,
            mac: mac.unwrap_or(MAC),
        }
    }
}

/// The first packets of connections that we can write: TCP and UDP with ports, ICMP requests, and
/// the encrypted protocol 50 for "something else".
fn allowed(protocol: u8, v6: bool) -> u8 {
    match protocol {
        TCP | UDP | 50 => protocol,
        ICMP | ICMPV6 => {
            if v6 {
                ICMPV6
            } else {
                ICMP
            }
        }
        _ => 50,
    }
}

/// The wanted type if it opens a connection, or one that does: echo and timestamp requests
/// (nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c, icmp_new).
fn icmp_type(wanted: u16, v6: bool, random: &mut Random) -> u16 {
    let requests: &[u16] = if v6 { &[128] } else { &[8, 13] };
    if requests.contains(&wanted) {
        return wanted;
    }
    random.maybe(requests).copied().unwrap_or(8)
}

#[derive(Debug)]
struct Draft {
    v6: bool,
    values: BTreeMap<Field, u128>,
    iif: Option<String>,
}

impl Draft {
    fn set(&mut self, field: Field, value: Option<u128>) {
        let Some(value) = value else { return };
        // A condition of the other family cannot be met.
        if field == Field::FAMILY {
            return;
        }
        self.values.insert(field, value);
    }
}

/// Every condition of a step.
fn conditions(step: &Step) -> Vec<&Cond> {
    match step {
        Step::If(cond) => vec![cond],
        Step::Select(list) => list.iter().map(|(cond, _)| cond).collect(),
        Step::Translate(list) => list.iter().map(|(cond, _)| cond).collect(),
        _ => Vec::new(),
    }
}

/// The ends of a range and what lies beside them.
fn ends(lo: u128, hi: u128) -> impl Iterator<Item = u128> {
    [Some(lo), Some(hi), lo.checked_sub(1), hi.checked_add(1)].into_iter().flatten()
}

/// Mostly an end of one of the ranges; sometimes what lies beside it, or in the middle.
fn pick(values: &RangeSet, random: &mut Random) -> Option<u128> {
    let at = random.below(values.len());
    let (lo, hi) = values.iter().nth(at)?;
    Some(match random.below(8) {
        0 => lo.saturating_sub(1),
        1 => hi.saturating_add(1),
        2 => lo + (hi - lo) / 2,
        3..6 => lo,
        _ => hi,
    })
}
