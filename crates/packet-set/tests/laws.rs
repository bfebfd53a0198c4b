//! The operations against their meaning, packet by packet, on random diagrams.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use packet_set::{Arena, Budget, Diagram, Exceeded, Field, Leaf, RangeSet, by_rights};
use proptest::prelude::*;

const FIELDS: [Field; 3] = [Field::SOURCE, Field::DESTINATION, Field::DPORT];
const MAX: u128 = 9;

/// A rule: for each field the values, and the outcomes.
type Rule = ([Vec<(u128, u128)>; 3], u16);

fn rule() -> impl Strategy<Value = Rule> {
    let values = || proptest::collection::vec((0..=MAX, 0..=MAX), 1..3);
    ([values(), values(), values()], 1_u16..16)
}

fn build(arena: &mut Arena, rules: &[Rule]) -> Result<Diagram, Exceeded> {
    let mut list = Vec::new();
    for (values, outcomes) in rules {
        let mut node = arena.leaf(Leaf::from_bits(*outcomes));
        for (field, ranges) in FIELDS.iter().zip(values).rev() {
            let values = RangeSet::of(ranges.clone());
            let guard = arena.field_in(*field, &values, Leaf::IN, Leaf::NONE)?;
            node = arena.intersection(guard, node)?;
        }
        list.push(node);
    }
    arena.first_decided(list)
}

/// The same by reading the list: each rule replaces the `NONE` that is left.
fn concrete(rules: &[Rule], packet: [u128; 3]) -> Leaf {
    let mut state = Leaf::NONE;
    for (values, outcomes) in rules {
        let matches = values
            .iter()
            .zip(packet)
            .all(|(ranges, x)| ranges.iter().any(|(lo, hi)| (*lo..=*hi).contains(&x)));
        if matches && state.meets(Leaf::NONE) {
            state = state.without(Leaf::NONE).or(Leaf::from_bits(*outcomes));
        }
    }
    state
}

fn ask(arena: &Arena, diagram: Diagram, packet: [u128; 3]) -> Leaf {
    arena.at(diagram, |field| {
        let at = FIELDS.iter().position(|known| *known == field).expect("a known field");
        packet[at]
    })
}

fn packets() -> impl Iterator<Item = [u128; 3]> {
    (0..1000).map(|n| [n % 10, n / 10 % 10, n / 100])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn passes_over_many_fields_or_values_are_those_over_each(
        rules in proptest::collection::vec(rule(), 0..6)
    ) {
        let mut arena = Arena::new(Budget::default());
        let list = build(&mut arena, &rules).expect("within the budget");
        for field in FIELDS {
            let values: Vec<u128> = (0..=MAX).collect();
            let all = arena.restrict_each(list, field, &values).expect("within the budget");
            for (value, found) in values.iter().zip(all) {
                prop_assert_eq!(arena.restrict(list, field, *value), Ok(found));
            }
            let kept = arena.keep(list, |other| other == field).expect("within the budget");
            let mut one_by_one = list;
            for other in FIELDS.into_iter().filter(|other| *other != field) {
                one_by_one = arena.project(one_by_one, other).expect("within the budget");
            }
            prop_assert_eq!(kept, one_by_one);
        }
    }


    #[test]
    fn folding_is_first_match(rules in proptest::collection::vec(rule(), 0..8)) {
        let mut arena = Arena::new(Budget::default());
        let list = build(&mut arena, &rules)?;
        for packet in packets() {
            prop_assert_eq!(ask(&arena, list, packet), concrete(&rules, packet));
        }
    }

    #[test]
    fn equal_functions_are_equal_handles(
        a in proptest::collection::vec(rule(), 0..5),
        b in proptest::collection::vec(rule(), 0..5),
    ) {
        let mut arena = Arena::new(Budget::default());
        let (left, right) = (build(&mut arena, &a)?, build(&mut arena, &b)?);
        let same = packets().all(|p| ask(&arena, left, p) == ask(&arena, right, p));
        // Values above MAX are in no rule, so the ten values of each field decide.
        prop_assert_eq!(left == right, same);
        let (ab, ba) = (arena.either(left, right)?, arena.either(right, left)?);
        prop_assert_eq!(ab, ba);
        for packet in packets() {
            let both = ask(&arena, left, packet).or(ask(&arena, right, packet));
            prop_assert_eq!(ask(&arena, ab, packet), both);
        }
    }

    #[test]
    fn fields_are_fixed_and_forgotten(
        rules in proptest::collection::vec(rule(), 0..6),
        which in 0_usize..3,
        lo in 0..=MAX,
        more in 0..=MAX,
    ) {
        let mut arena = Arena::new(Budget::default());
        let list = build(&mut arena, &rules)?;
        let fixed = arena.restrict(list, FIELDS[which], lo)?;
        let chosen = arena.choose(list, FIELDS[which], lo, lo + more)?;
        for packet in packets() {
            let at = |value| {
                let mut changed = packet;
                changed[which] = value;
                concrete(&rules, changed)
            };
            prop_assert_eq!(ask(&arena, fixed, packet), at(lo));
            let any = (lo..=lo + more).map(at).fold(Leaf::EMPTY, Leaf::or);
            prop_assert_eq!(ask(&arena, chosen, packet), any);
        }
    }

    #[test]
    fn complement_twice_is_the_set(rules in proptest::collection::vec(rule(), 0..6)) {
        let mut arena = Arena::new(Budget::default());
        let list = build(&mut arena, &rules)?;
        let set = arena.map_leaves(list, |leaf| if leaf.bits() & 2 == 0 { Leaf::NONE } else { Leaf::IN })?;
        let other = arena.complement(set)?;
        prop_assert_eq!(arena.complement(other)?, set);
        let both = arena.intersection(set, other)?;
        prop_assert!(arena.is_empty(both, Leaf::IN));
        let whole = arena.over(set, other)?;
        prop_assert_eq!(whole, arena.leaf(Leaf::IN));
    }

    #[test]
    fn a_witness_is_one(rules in proptest::collection::vec(rule(), 0..6), bit in 0_u8..4) {
        let mut arena = Arena::new(Budget::default());
        let list = build(&mut arena, &rules)?;
        let outcome = Leaf::outcome(bit);
        let exists = packets().any(|p| concrete(&rules, p).meets(outcome));
        match arena.witness(list, |leaf| leaf.meets(outcome)) {
            Some(path) => {
                let leaf = arena.at(list, |f| {
                    path.iter().find(|(field, _)| *field == f).map_or(0, |(_, value)| *value)
                });
                prop_assert!(leaf.meets(outcome));
            }
            None => prop_assert!(!exists),
        }
    }

    #[test]
    fn partition_is_the_coarsest(rules in proptest::collection::vec(rule(), 0..6)) {
        let mut arena = Arena::new(Budget::default());
        let list = build(&mut arena, &rules)?;
        let plane = arena.restrict(list, Field::DPORT, 3)?;
        let partition = by_rights(&arena, plane, MAX);
        let leaf = |s, d| concrete(&rules, [s, d, 3]);
        let class = |x| partition.classes.iter().position(|set| set.contains(x)).expect("a class");
        for x in 0..=MAX {
            for y in 0..=MAX {
                prop_assert_eq!(partition.rights[class(x)][class(y)], leaf(x, y));
                let same = (0..=MAX).all(|z| leaf(x, z) == leaf(y, z) && leaf(z, x) == leaf(z, y));
                prop_assert_eq!(same, class(x) == class(y));
            }
        }
    }
}

#[test]
fn the_budget_is_a_named_error() {
    let mut arena = Arena::new(Budget { nodes: 3, ..Budget::default() });
    let rules: Vec<Rule> =
        (0..4).map(|n| ([vec![(n, n)], vec![(n, n)], vec![(n, n)]], 2)).collect();
    let error = build(&mut arena, &rules).expect_err("more than three nodes");
    assert_eq!(error.to_string(), "evaluate the rules: more than 3 diagram nodes are needed");
}
