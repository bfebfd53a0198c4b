//! The whole path at a host: the symbolic evaluation against the concrete one, on random namespaces
//! and rulesets, with packets at the boundaries of everything that is named.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod generate;

mod host;
mod worlds;

use std::collections::BTreeSet;

use generate::{NETWORKS, RANGES, Random, Wants, iptables, nft};
use host::namespace;
use netfilter::concrete::{Packet, journeys};
use netfilter::ir::{Cond, Family, Ruleset};
use netfilter::rules::load;
use netfilter::symbolic::{Arrivals, Asked, Outcome, arrivals};
use netfilter::syntax::{address, network};
use netfilter::world::World;
use packet_set::{Budget, Field, Leaf, RangeSet};

/// The first and last address of everything in the pool, and their neighbours.
fn boundaries(world: &World, family: Family) -> Vec<u128> {
    let at = usize::from(family == Family::Ipv6);
    let max = family.max_address();
    let mut found = BTreeSet::from([0, 1, max]);
    let mut add = |lo: u128, hi: u128| {
        found.extend([lo, hi, lo.saturating_sub(1), hi.saturating_add(1).min(max)]);
    };
    for text in NETWORKS[at] {
        if let (_, Cond::In(_, set)) = network(Field::SOURCE, text).unwrap() {
            set.iter().for_each(|(lo, hi)| add(lo, hi));
        }
    }
    for (lo, hi) in RANGES[at] {
        add(address(lo).unwrap().1, address(hi).unwrap().1);
    }
    world.local_addresses(family).iter().for_each(|(lo, hi)| add(lo, hi));
    world.broadcast_addresses(family).iter().for_each(|(lo, hi)| add(lo, hi));
    if family == Family::Ipv6 {
        add(0xfe80 << 112, (0xfec0 << 112) - 1);
        add(0xff << 120, max);
        add(0xff02 << 112 | 1, 0xff02 << 112 | 1);
    }
    found.into_iter().collect()
}

/// What may happen: the outcome, and for packets that get through the interface that they leave by.
type Ends = BTreeSet<(Outcome, Option<String>)>;

fn ends(outcome: Outcome, out: Option<&str>) -> (Outcome, Option<String>) {
    let through = matches!(outcome, Outcome::Accepted | Outcome::Unanswered);
    (outcome, out.filter(|_| through).map(str::to_owned))
}

fn symbolic(found: &Arrivals, packet: &Packet) -> Ends {
    let mut all = Ends::new();
    for (leaf, out) in found.at(packet) {
        for outcome in Outcome::ALL {
            if leaf.meets(outcome.leaf()) {
                all.insert(ends(outcome, out.as_deref()));
            }
        }
    }
    all
}

fn check(spec: &str, text: &str, wants: Wants, seed: u64) -> (u32, u32) {
    let files = [("random", text.as_bytes())];
    let ruleset: Ruleset = load(&files).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let family = if wants.v6 { Family::Ipv6 } else { Family::Ipv4 };
    let mut world = World::of(&namespace(spec));
    // As for sockets that are bound to an interface.
    if seed % 5 == 2 {
        let name = worlds::ARRIVE[usize::try_from(seed % 3).unwrap() % worlds::ARRIVE.len()];
        world = world.bound_to(name).unwrap_or(world);
    }
    let protocol = if seed.is_multiple_of(4) { 17 } else { 6 };
    let asked = Asked {
        family,
        protocol,
        ports: RangeSet::from(0..=0xffff),
        destinations: RangeSet::from(0..=family.max_address()),
    };
    let found = arrivals(&ruleset, &world, &asked, Budget::default()).expect("within the budget");
    let addresses = boundaries(&world, family);
    let sources = world.anyone(family);
    let mut random = Random::new(seed ^ 0xfeed);
    let pick = |random: &mut Random| {
        addresses[usize::try_from(random.below(addresses.len() as u64)).unwrap()]
    };
    let (mut checked, mut exact) = (0, 0);
    for source in addresses.iter().filter(|one| sources.contains(**one)) {
        for _ in 0..4 {
            let destination = pick(&mut random);
            let iif = random.of(&worlds::ARRIVE);
            if !world.ways_in(family).contains(&iif) {
                continue;
            }
            let dport = random.of(&["22", "80", "8080", "2222", "53"]).parse().unwrap();
            let sport = random.of(&["22", "1023", "1024", "65535"]).parse().unwrap();
            let mut packet =
                Packet::arriving(family, protocol, (*source, sport), (destination, dport), iif);
            let many = world.broadcast_addresses(family).contains(destination)
                || destination >> (family.width() - 4) == 0xe
                || destination >> (family.width() - 8) == 0xff;
            packet.packet_type = u8::from(many);
            let walked = journeys(&ruleset, &world, &packet).expect("a walk");
            let expect: Ends =
                walked.list.iter().map(|one| ends(one.outcome, one.out.as_deref())).collect();
            let told = symbolic(&found, &packet);
            let what = || {
                let events: Vec<_> = walked.list.iter().map(|one| &one.events).collect();
                format!(
                    "seed {seed}, {packet:?}\nsymbolic {told:?}\nwalked {expect:?}\n{events:#?}\n{spec}\n{text}"
                )
            };
            assert!(expect.is_subset(&told), "missed an end: {}", what());
            let certain = told.len() == 1;
            if certain {
                assert_eq!(told, expect, "{}", what());
            }
            if walked.asked.is_empty() && walked.complete {
                if found.unknown.is_empty() {
                    assert_eq!(told, expect, "not exact: {}", what());
                }
                exact += 1;
            }
            checked += 1;
        }
    }
    (checked, exact)
}

fn run(make: fn(u64, Wants) -> String, seeds: std::ops::Range<u64>) {
    let (mut checked, mut exact) = (0, 0);
    for seed in seeds {
        for v6 in [false, true] {
            let wants = Wants { v6, unknown: seed % 4 == 3, kernel: true };
            let spec = worlds::lines(seed, v6);
            let counts = check(&spec, &make(seed, wants), wants, seed);
            checked += counts.0;
            exact += counts.1;
        }
    }
    assert!(exact * 2 > checked, "only {exact} of {checked} exact");
}

#[test]
fn iptables_rulesets() {
    run(iptables, 0..40);
}

#[test]
fn nft_rulesets() {
    run(nft, 0..40);
}

#[test]
fn without_rules() {
    run(|_, _| "*filter\nCOMMIT\n".to_owned(), 1000..1150);
}

/// Leaves are told by what they hold.
#[test]
fn leaves_have_names() {
    assert!(Outcome::ALL.iter().all(|one| one.leaf() != Leaf::EMPTY));
}
