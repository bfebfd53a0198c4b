//! What is said of the effect of rules, against walks of packets of every state: with the rule and
//! without it.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod generate;

use std::collections::BTreeSet;

use generate::{INTERFACES, NETWORKS, Random, Wants, iptables, nft};
use netfilter::concrete::{Packet, Possible, possible};
use netfilter::ir::{Cond, Family, Hook, Ruleset, Step, Verdict, ct_state};
use netfilter::rules::load;
use netfilter::symbolic::{AskedRules, Effect, Outcome, RuleAt, effects};
use netfilter::syntax::network;
use packet_set::{Budget, Field, RangeSet};

/// The rules that end with one verdict.
fn rules(ruleset: &Ruleset) -> Vec<RuleAt> {
    let mut found = Vec::new();
    for (table, of) in ruleset.tables.iter().enumerate() {
        for (chain, of) in of.chains.iter().enumerate() {
            for (rule, of) in of.rules.iter().enumerate() {
                let Some((Step::Select(list), others)) = of.steps.split_last() else { continue };
                let ends = matches!(
                    list.as_slice(),
                    [(Cond::Always, Verdict::Accept | Verdict::Drop | Verdict::Reject(_))]
                );
                if ends && others.iter().all(|step| matches!(step, Step::If(_))) {
                    found.push(RuleAt { table, chain, rule });
                }
            }
        }
    }
    found
}

/// Packets at the ends of networks, of all states.
fn packets(family: Family, random: &mut Random) -> Vec<Packet> {
    let mut addresses = BTreeSet::from([1]);
    for text in NETWORKS[usize::from(family == Family::Ipv6)] {
        if let (_, Cond::In(_, set)) = network(Field::SOURCE, text).unwrap() {
            set.iter().for_each(|(lo, hi)| addresses.extend([lo, hi, hi.saturating_add(1)]));
        }
    }
    addresses.retain(|address| *address <= family.max_address());
    let addresses: Vec<u128> = addresses.into_iter().collect();
    let mut pick = |list: usize| usize::try_from(random.below(list as u64)).unwrap();
    let mut all = Vec::new();
    for source in &addresses {
        for _ in 0..6 {
            let destination = addresses[pick(addresses.len())];
            let (port, sport) =
                ([22, 80, 2222, 8080, 53][pick(5)], [22, 1023, 1024, 65535][pick(4)]);
            let iif = INTERFACES[pick(INTERFACES.len())];
            let ends = ((*source, sport), (destination, port));
            let mut packet = Packet::arriving(family, 6, ends.0, ends.1, iif);
            let states =
                [ct_state::NEW, ct_state::ESTABLISHED, ct_state::RELATED, ct_state::INVALID];
            packet.tracked_state = states[[0, 0, 1, 2, 3][pick(5)]];
            packet.tcp_flags = [0x02, 0x02, 0x10, 0x12, 0x04][pick(5)];
            all.push(packet);
        }
    }
    all
}

/// Whether the packet begins a connection from elsewhere.
fn is_new(packet: &Packet) -> bool {
    packet.tracked_state == ct_state::NEW && packet.tcp_flags == 0x02 && packet.iif != "lo"
}

fn outcomes(found: &Possible) -> BTreeSet<Outcome> {
    found.decisions.iter().map(|decision| decision.outcome).collect()
}

/// How often something was proven: that a rule is not reached, not needed, lets nobody in.
type Proven = [u32; 3];

fn check(text: &str, family: Family, seed: u64, proven: &mut Proven) {
    let mut ruleset = load(&[("random", text.as_bytes())]).unwrap();
    // The walk begins at the hook.
    for chain in ruleset.tables.iter_mut().flat_map(|table| &mut table.chains) {
        chain.base = chain.base.take().filter(|base| base.hook == Hook::Input);
    }
    let rules = rules(&ruleset);
    let ports = RangeSet::from(0..=0xffff);
    let sources = RangeSet::all();
    let asked = AskedRules { family, protocol: 6, ports, sources, rules: rules.clone() };
    let effects = effects(&ruleset, &asked, Budget::default()).unwrap();
    let packets = packets(family, &mut Random::new(seed));
    let walks: Vec<Possible> =
        packets.iter().map(|packet| possible(&ruleset, packet, Hook::Input).unwrap()).collect();
    for (at, effect) in rules.iter().zip(&effects) {
        let rule = at.of(&ruleset).unwrap();
        let about = || format!("seed {seed}: {rule:?}\n{effect:?}\n{text}");
        for (packet, walk) in packets.iter().zip(&walks) {
            for decision in &walk.decisions {
                if decision.trace.iter().any(|trace| trace.place == rule.place) {
                    assert!(effect.is_reached, "{packet:?} comes to it: {}", about());
                    if is_new(packet) {
                        assert!(effect.meets_new, "{packet:?} comes to it: {}", about());
                        let accepted = decision.outcome == Outcome::Accepted;
                        assert!(effect.lets_in || !accepted, "{packet:?} gets in: {}", about());
                    }
                }
            }
        }
        proven[0] += u32::from(!effect.is_reached);
        proven[2] += u32::from(effect.meets_new && !effect.lets_in);
        shows(&ruleset, effect, &about);
        if !effect.is_needed {
            proven[1] += u32::from(effect.is_reached);
            let mut without = ruleset.clone();
            without.tables[at.table].chains[at.chain].rules.remove(at.rule);
            for (packet, walk) in packets.iter().zip(&walks) {
                let other = possible(&without, packet, Hook::Input).unwrap();
                assert_eq!(outcomes(&other), outcomes(walk), "{packet:?}: {}", about());
            }
        }
    }
}

/// What its packets show is so.
fn shows(ruleset: &Ruleset, effect: &Effect, about: &dyn Fn() -> String) {
    for (packet, accepted) in [(&effect.let_in, true), (&effect.kept_out, false)] {
        let Some(packet) = packet else { continue };
        let found = possible(ruleset, packet, Hook::Input).unwrap();
        let as_said = |outcome: &Outcome| (*outcome == Outcome::Accepted) == accepted;
        assert!(outcomes(&found).iter().all(as_said), "{packet:?}: {}", about());
    }
}

fn run(make: fn(u64, Wants) -> String) {
    let mut proven = [0; 3];
    for seed in 0..60 {
        for v6 in [false, true] {
            let wants = Wants { v6, unknown: seed % 3 == 2, kernel: false };
            let family = if v6 { Family::Ipv6 } else { Family::Ipv4 };
            check(&make(seed, wants), family, seed, &mut proven);
        }
    }
    assert!(proven.iter().all(|times| *times > 3), "next to nothing was proven: {proven:?}");
}

#[test]
fn iptables_rulesets() {
    run(iptables);
}

#[test]
fn nft_rulesets() {
    run(nft);
}
