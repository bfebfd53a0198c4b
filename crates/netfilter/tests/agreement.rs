//! The symbolic evaluation against the concrete one, on random rulesets and packets at the
//! boundaries of everything that the rules name.

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

use generate::{INTERFACES, NETWORKS, RANGES, Wants, iptables, nft};
use netfilter::concrete::{Packet, possible};
use netfilter::ir::{Family, Hook, Ruleset};
use netfilter::rules::load;
use netfilter::symbolic::{Outcome, Packets, evaluate};
use netfilter::syntax::{address, network};
use packet_set::{Budget, Field, Leaf};

/// The first and last address of everything in the pool, and their neighbours.
fn boundaries(v6: bool) -> Vec<u128> {
    let at = usize::from(v6);
    let max = if v6 { u128::MAX } else { u128::from(u32::MAX) };
    let mut found = BTreeSet::from([0, max]);
    let mut add = |lo: u128, hi: u128| {
        found.extend([lo, hi, lo.saturating_sub(1), hi.saturating_add(1).min(max)]);
    };
    for text in NETWORKS[at] {
        if let (_, netfilter::ir::Cond::In(_, set)) = network(Field::SOURCE, text).unwrap() {
            set.iter().for_each(|(lo, hi)| add(lo, hi));
        }
    }
    for (lo, hi) in RANGES[at] {
        add(address(lo).unwrap().1, address(hi).unwrap().1);
    }
    found.into_iter().collect()
}

/// Whether a packet on `lo` with this address is left out of the question.
fn is_left_out(family: Family, interface: &str, address: u128) -> bool {
    let (lo, hi) = family.loopback();
    interface == "lo" && !(lo..=hi).contains(&address)
}

/// All outcomes of the packets with these addresses: every interface, source port and so on.
fn concrete(ruleset: &Ruleset, asked: &Packets, source: u128, destination: u128) -> (Leaf, bool) {
    let mut all = Leaf::EMPTY;
    let mut complete = true;
    let outs: &[&str] = if asked.hook == Hook::Forward { &INTERFACES } else { &[""] };
    for iif in INTERFACES {
        for oif in outs {
            if is_left_out(asked.family, iif, source) || is_left_out(asked.family, oif, destination)
            {
                continue;
            }
            for sport in [0, 22, 1023, 1024, 65535] {
                for mac in [1, 0x0200_0000_0002] {
                    let mut packet = Packet::arriving(
                        asked.family,
                        asked.protocol,
                        (source, sport),
                        (destination, asked.port),
                        iif,
                    );
                    (*oif).clone_into(&mut packet.oif);
                    packet.mac_source = mac;
                    let found = possible(ruleset, &packet, asked.hook).expect("a walk");
                    complete &= found.complete;
                    for decision in found.decisions {
                        all = all.or(decision.outcome.leaf());
                    }
                }
            }
        }
    }
    (all, complete)
}

fn check(name: &str, text: &str, wants: Wants, seed: u64) -> (u32, u32) {
    let files = [(name, text.as_bytes())];
    let ruleset = load(&files).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let family = if wants.v6 { Family::Ipv6 } else { Family::Ipv4 };
    let hook = if seed.is_multiple_of(2) { Hook::Input } else { Hook::Forward };
    let port = [22, 80, 2222][usize::try_from(seed % 3).unwrap()];
    let asked = Packets { family, hook, protocol: 6, port, source_port: None };
    let answer = evaluate(&ruleset, &asked, Budget::default()).expect("within the budget");
    for outcome in Outcome::ALL {
        let Some(packet) = answer.witness(outcome) else {
            assert!(answer.arena.is_empty(answer.details, outcome.leaf()), "seed {seed}\n{text}");
            continue;
        };
        let found = possible(&ruleset, &packet, hook).expect("a walk");
        let has = found.decisions.iter().any(|decision| decision.outcome == outcome);
        let exact = found.asked.is_empty() && found.complete;
        assert!(has || !exact, "seed {seed}: {packet:?} is not {outcome:?}\n{text}");
    }
    let addresses = boundaries(wants.v6);
    let mut random = generate::Random::new(seed ^ 0xfeed);
    let (mut checked, mut exact) = (0, 0);
    for source in &addresses {
        let at = usize::try_from(random.below(addresses.len() as u64)).unwrap();
        let destination = addresses[at];
        let symbolic = answer.arena.at(answer.rights, |field| match field {
            Field::SOURCE => *source,
            _ => destination,
        });
        let (walked, complete) = concrete(&ruleset, &asked, *source, destination);
        let what = || {
            format!(
                "seed {seed}, {hook:?} port {port}, {source:#x} -> {destination:#x}: symbolic \
                 {symbolic:?}, walked {walked:?}\n{text}"
            )
        };
        assert!(walked.without(symbolic).is_empty(), "missed an outcome: {}", what());
        if Outcome::must_accept(symbolic) {
            assert_eq!(walked, symbolic, "{}", what());
        }
        if answer.unknown.is_empty() && complete {
            assert_eq!(walked, symbolic, "not exact: {}", what());
            exact += 1;
        }
        checked += 1;
    }
    (checked, exact)
}

fn run(make: fn(u64, Wants) -> String, seeds: std::ops::Range<u64>) {
    let (mut checked, mut exact) = (0, 0);
    for seed in seeds {
        for v6 in [false, true] {
            let wants = Wants { v6, unknown: seed % 4 == 3, kernel: false };
            let counts = check("random", &make(seed, wants), wants, seed);
            checked += counts.0;
            exact += counts.1;
        }
    }
    assert!(exact * 3 > checked, "only {exact} of {checked} exact");
}

#[test]
fn iptables_rulesets() {
    run(iptables, 0..80);
}

#[test]
fn nft_rulesets() {
    run(nft, 0..80);
}
