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
use crate::ir::{Backend, Note, Place, Ruleset, TableFamily};
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

/// The dump without the tables of nftables and of the older iptables that are gone: by family and
/// name. Sets of ipset(8) stay, whatever asks them.
#[must_use]
pub fn without(
    dump: &RulesetDump,
    is_gone: &dyn Fn(Backend, TableFamily, &str) -> bool,
) -> RulesetDump {
    let mut left = dump.clone();
    if let Part::Known { value } | Part::Partial { value, .. } = &mut left.nftables {
        *value =
            nft::netlink::without(value, &|family, name| is_gone(Backend::Nftables, family, name));
    }
    if let Part::Known { value } | Part::Partial { value, .. } = &mut left.legacy {
        value.retain(|table| {
            let family = if table.ipv6 { TableFamily::Ip6 } else { TableFamily::Ip };
            !is_gone(Backend::Iptables, family, &table.name)
        });
    }
    left
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
