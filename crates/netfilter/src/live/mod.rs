//! The packet filter of a live network namespace, or of one in a saved snapshot.
//!
//! Input: what the kernel told, as bytes ([`facts::RulesetDump`]), and the interfaces there. Output:
//! the same form that ruleset files have. It never fails: what could not be read, and what is not
//! understood, is a note or an unknown in it, so that nothing is certain that is not known.

mod hooks;
mod order;

use std::sync::Arc;

use facts::{Link, Part, RulesetDump};

use crate::ipset::Ipsets;
use crate::ir::{Note, Place, Ruleset};
use crate::{legacy, nft, templates};

/// Everything that filters or changes packets in a network namespace with these interfaces.
#[must_use]
pub fn ruleset(dump: &RulesetDump, links: &[Link]) -> Ruleset {
    let nftables = dump.nftables.value();
    let mut sets = Ipsets::of(dump.ipsets.items());
    // Rules of either kind write into sets that rules of both ask.
    legacy::doubt_sets(dump.legacy.items(), &mut sets);
    if let Some(nftables) = nftables {
        nft::doubt_sets(nftables, &mut sets);
    }
    let mut all = Ruleset::default();
    if let Some(nftables) = nftables {
        all.join(nft::parse_netlink(nftables, links, &sets));
    }
    all.join(legacy::read(dump.legacy.items(), &sets));
    templates::doubt(&mut all);
    all.notes.extend(order::doubts(&all));
    // A kernel that does not tell what is hooked is no reason to doubt it: few hosts have more.
    all.notes.extend(dump.hooks.value().map(hooks::doubts).unwrap_or_default());
    missing(&mut all, "nftables", &dump.nftables);
    missing(&mut all, "iptables-legacy", &dump.legacy);
    missing(&mut all, "ipset", &dump.ipsets);
    all
}

/// Notes what could not be read.
fn missing<T>(all: &mut Ruleset, what: &str, part: &Part<T>) {
    let place = Place { file: Arc::from(what), line: 0, handle: None };
    if matches!(part, Part::NotAsked) {
        let what = format!("nobody looked at {what}");
        all.notes.push(Note { place: place.clone(), what });
    }
    for gap in part.gaps() {
        let what = format!("{}: {}", gap.what, gap.why);
        all.notes.push(Note { place: place.clone(), what });
    }
}
