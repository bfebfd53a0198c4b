//! Rulesets as a kernel told them over netlink: what is read from the bytes, and from bytes that are
//! broken in any way.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test reads its data"
)]

use std::path::Path;

use facts::{Blob, Link, NftablesDump, Part, RulesetDump};
use netfilter::ir::Ruleset;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    nftables: NftablesDump,
    links: Vec<Link>,
}

fn fixture(name: &str) -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/netlink").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn live(nftables: NftablesDump, links: &[Link]) -> Ruleset {
    let dump = RulesetDump {
        nftables: Part::known(nftables),
        legacy: Part::known(Vec::new()),
        ipsets: Part::known(Vec::new()),
        ..RulesetDump::default()
    };
    netfilter::live::ruleset(&dump, links)
}

/// Chains and rules as people read them.
fn shown(ruleset: &Ruleset) -> String {
    let mut text = String::new();
    for table in &ruleset.tables {
        for chain in &table.chains {
            let base = chain.base.as_ref().map_or_else(String::new, |base| {
                let policy = if base.drops { "drop" } else { "accept" };
                let devices = base.devices.join(" ");
                format!(", {:?} {:?} {} {policy} {devices}", base.kind, base.hook, base.priority)
            });
            text.push_str(&format!("{}{}\n", table.chain_name(chain), base.trim_end()));
            for rule in &chain.rules {
                text.push_str(&format!("  {}\n", rule.text));
            }
        }
    }
    for note in &ruleset.notes {
        text.push_str(&format!("note: {}\n", note.what));
    }
    text
}

/// Linux 6.18, nft 1.0.6 and iptables-nft 1.8.9.
#[test]
fn what_a_kernel_told() {
    let Fixture { nftables, links } = fixture("rich.json");
    let found = shown(&live(nftables, &links));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/netlink/rich.txt");
    let expect = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expect, "{found}");
}

/// The parts of a dump.
fn parts(dump: &mut NftablesDump) -> [&mut Vec<u8>; 5] {
    [
        &mut dump.tables.0,
        &mut dump.chains.0,
        &mut dump.rules.0,
        &mut dump.sets.0,
        &mut dump.elements.0,
    ]
}

#[test]
fn what_is_cut_off_is_told() {
    let Fixture { nftables, links } = fixture("rich.json");
    for part in 0..5 {
        let length = parts(&mut nftables.clone())[part].len();
        for cut in (1..length).step_by(7) {
            let mut broken = nftables.clone();
            parts(&mut broken)[part].truncate(cut);
            let ruleset = live(broken, &links);
            // Only where a message ends is nothing missed.
            let whole = ends(parts(&mut nftables.clone())[part]).contains(&cut);
            assert!(whole || !ruleset.notes.is_empty(), "part {part} cut at {cut}");
        }
    }
}

/// Where messages end, with their padding and without.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut list = Vec::new();
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 4) {
        let length = u32::from_le_bytes(head.try_into().unwrap()) as usize;
        list.extend(at + length..=at + length.next_multiple_of(4));
        at += length.next_multiple_of(4);
    }
    list
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn broken_bytes_never_panic(part in 0..5_usize, places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let Fixture { mut nftables, links } = fixture("rich.json");
        let bytes: &mut Vec<u8> = &mut *parts(&mut nftables)[part];
        for (place, value) in places {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        let _ = shown(&live(nftables, &links));
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let blob = || Blob(bytes.clone());
        let dump = NftablesDump {
            generation: 0,
            tables: blob(),
            chains: blob(),
            rules: blob(),
            sets: blob(),
            elements: blob(),
        };
        let _ = live(dump, &[]);
    }
}
