//! Which element decides where several hold a value.

use std::collections::BTreeMap;

use packet_set::RangeSet;

use super::content::Decided;
use super::element::Network;
use crate::ir::Pattern;

/// Values decided by the longest of the networks that hold them.
pub(super) fn longest(list: &[(Network, bool)]) -> Decided {
    let range = |(network, _): &&(Network, bool)| (network.lo, network.hi);
    if list.iter().all(|(_, nomatch)| !nomatch) {
        let matching = RangeSet::of(list.iter().map(|one| range(&one)).collect());
        return Decided { matching, nomatch: RangeSet::default() };
    }
    let mut by_length: BTreeMap<u8, [Vec<(u128, u128)>; 2]> = BTreeMap::new();
    for one in list {
        let [matching, nomatch] = by_length.entry(one.0.length).or_default();
        if one.1 { nomatch } else { matching }.push(range(&one));
    }
    let mut decided = Decided::default();
    // The shortest first, so that longer ones take away from them.
    for [matching, nomatch] in by_length.into_values() {
        let (matching, nomatch) = (RangeSet::of(matching), RangeSet::of(nomatch));
        decided.matching = without(&decided.matching, &nomatch).union(&matching);
        decided.nomatch = without(&decided.nomatch, &matching).union(&nomatch);
    }
    decided
}

fn without(set: &RangeSet, less: &RangeSet) -> RangeSet {
    set.intersection(&less.complement(u128::MAX))
}

/// An element of `hash:net,iface`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OnInterface {
    pub(super) network: Network,
    pub(super) pattern: Pattern,
    /// Of a bridge's port, for which rules of iptables never ask.
    pub(super) physical: bool,
    pub(super) nomatch: bool,
}

/// The addresses that match on interfaces of each name; none where elements of one network
/// contradict each other.
///
/// The longest network that holds the address decides, whatever interfaces it is for: a shorter one
/// is not asked any more (ip_set_hash_netiface.c, hash_netiface4_data_equal, which counts in `multi`;
/// ip_set_hash_gen.h, mtype_test_cidrs, which then ends).
pub(super) fn on_interfaces(
    elements: &[OnInterface],
    return_nomatch: bool,
) -> Option<BTreeMap<Pattern, RangeSet>> {
    let mut by_length: BTreeMap<u8, Vec<&OnInterface>> = BTreeMap::new();
    for element in elements {
        by_length.entry(element.network.length).or_default().push(element);
    }
    let mut found: BTreeMap<Pattern, RangeSet> = BTreeMap::new();
    for list in by_length.into_values() {
        if contradicts(&list) {
            return None;
        }
        let range = |one: &&OnInterface| (one.network.lo, one.network.hi);
        let all = RangeSet::of(list.iter().map(range).collect());
        for addresses in found.values_mut() {
            *addresses = without(addresses, &all);
        }
        let mut fresh: BTreeMap<&Pattern, Vec<(u128, u128)>> = BTreeMap::new();
        for one in list.iter().filter(|one| !one.physical && one.nomatch == return_nomatch) {
            fresh.entry(&one.pattern).or_default().push(range(one));
        }
        for (pattern, ranges) in fresh {
            let addresses = found.entry(pattern.clone()).or_default();
            *addresses = addresses.union(&RangeSet::of(ranges));
        }
    }
    Some(found)
}

/// Whether two elements of one network are for the same interface, one with `nomatch` and one
/// without: which of them is met first is not listed.
fn contradicts(list: &[&OnInterface]) -> bool {
    let mut by_network: BTreeMap<u128, Vec<&OnInterface>> = BTreeMap::new();
    for one in list.iter().filter(|one| !one.physical) {
        by_network.entry(one.network.lo).or_default().push(one);
    }
    by_network.values().any(|list| {
        let wildcard = list.iter().any(|one| matches!(one.pattern, Pattern::Begins(_)));
        let (some, none) = (list.iter().any(|one| one.nomatch), list.iter().all(|one| one.nomatch));
        wildcard && some && !none
    })
}
