//! Tables as Linux 6.18 tells them, beside what iptables-legacy-save 1.8.9 prints of them; and ones
//! that no kernel tells.

use facts::{Blob, LegacyTable};
use serde::Deserialize;

use super::*;
use crate::iptables;
use crate::ir::{Hook, Step, Verdict};

#[derive(Deserialize)]
struct Case {
    tables: Vec<LegacyTable>,
    save: Vec<String>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../tests/fixtures/legacy.json")).unwrap()
}

#[test]
fn the_same_as_iptables_save() {
    for case in cases() {
        let text = case.save.join("\n") + "\n";
        let mut expect = iptables::parse("save", &text).unwrap();
        let mut found = read(&case.tables, &Ipsets::default());
        assert_eq!(found.notes, []);
        expect.tables.sort_by(|a, b| a.name.cmp(&b.name));
        found.tables.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(found.tables.len(), expect.tables.len());
        for (read, expect) in found.tables.iter().zip(&expect.tables) {
            assert_eq!((read.family, &read.name), (expect.family, &expect.name));
            // The text has the user's chains sorted by name, as the kernel has them.
            assert_eq!(read.chains.len(), expect.chains.len(), "{}", read.name);
            for (read, expect) in read.chains.iter().zip(&expect.chains) {
                assert_eq!((&read.name, &read.base), (&expect.name, &expect.base));
                for (rule, expect) in read.rules.iter().zip(&expect.rules) {
                    assert_eq!(rule.text, expect.text);
                    assert_eq!(rule.steps, expect.steps, "{}", rule.text);
                }
                assert_eq!(read.rules.len(), expect.rules.len(), "{}", read.name);
            }
        }
    }
}

#[test]
fn rules_are_numbered_in_their_chains() {
    let found = read(&cases()[1].tables, &Ipsets::default());
    let filter = &found.tables[0];
    let chain = filter.chains.iter().find(|chain| chain.name == "icmp").unwrap();
    assert_eq!(chain.rules[1].place.to_string(), "ip6tables-legacy:2");
}

#[test]
fn before_defragmentation() {
    let mut tables = cases().remove(0).tables;
    for table in &mut tables {
        table.before_defrag = true;
    }
    let found = read(&tables, &Ipsets::default());
    let priority = |name: &str| {
        let table = found.tables.iter().find(|table| table.name == name).unwrap();
        let base = table.chains[0].base.as_ref().unwrap();
        (base.hook, base.priority)
    };
    assert_eq!(priority("raw"), (Hook::Prerouting, -450));
    assert_eq!(priority("filter"), (Hook::Input, 0));
}

/// A table of one chain, INPUT, whose only rule is the entry, with the policy after it.
fn table(change: impl FnOnce(&mut Vec<u8>)) -> LegacyTable {
    let entry = |verdict: i32| {
        let mut bytes = vec![0; 112];
        bytes[88..90].copy_from_slice(&112_u16.to_ne_bytes());
        bytes[90..92].copy_from_slice(&152_u16.to_ne_bytes());
        bytes.extend(40_u16.to_ne_bytes());
        bytes.resize(112 + 32, 0);
        bytes.extend(verdict.to_ne_bytes());
        bytes.resize(152, 0);
        bytes
    };
    let mut entries = [entry(-2), entry(-1)].concat();
    change(&mut entries);
    let words = [2_u32, 0, 0, 0, 0, 0, 0, 152, 0, 0, 0];
    let info = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    LegacyTable {
        ipv6: false,
        name: "filter".to_owned(),
        before_defrag: false,
        info: Blob(info),
        entries: Blob(entries),
    }
}

#[test]
fn what_is_not_known_is_said() {
    let check = |at: usize, value: &[u8], expect: &str| {
        let table = table(|entries| entries[at..at + value.len()].copy_from_slice(value));
        let found = read(&[table], &Ipsets::default());
        let text = match (found.tables.as_slice(), found.notes.as_slice()) {
            ([table], []) => format!("{:?}", table.chains[0].rules[0].steps),
            ([], [note]) => note.what.clone(),
            other => panic!("{other:?}"),
        };
        assert!(text.contains(expect), "{text}");
    };
    check(0, &[], "Accept");
    // A verdict that is neither known nor the beginning of a chain.
    check(144, &(-9_i32).to_ne_bytes(), "Unknown(\"a verdict of -9\")");
    check(144, &7_i32.to_ne_bytes(), "Unknown(\"a verdict of 7\")");
    check(144, &(-4_i32).to_ne_bytes(), "Queue");
    check(144, &(-5_i32).to_ne_bytes(), "Return");
    // Flags of the entry.
    check(82, &[0x80], "a flag of the entry that is not known");
    check(83, &[0x84], "a flag of the entry that is not known");
    // Sizes that lead elsewhere.
    check(88, &[0xff, 0xff], "table filter: the entry at byte 0 cannot be read");
    check(90, &[0, 0], "table filter: the entry at byte 0 cannot be read");
    check(90, &[151, 0], "table filter: the entry at byte 0 cannot be read");
    check(112, &[0, 0], "table filter: the entry at byte 0 cannot be read");
    // A policy that is none.
    check(152 + 144, &(-5_i32).to_ne_bytes(), "table filter: chain INPUT has no policy");
    check(152, &[1], "table filter: chain INPUT has no policy");
    // A target that is not known.
    check(114, b"GEOIP", "Unknown(\"-j GEOIP (revision 0, 8 bytes)\")");
}

#[test]
fn tables_that_are_not_known() {
    let check = |change: fn(&mut LegacyTable), expect: &str| {
        let mut table = table(|_| ());
        change(&mut table);
        let found = read(&[table], &Ipsets::default());
        assert_eq!((found.tables.len(), found.notes[0].what.as_str()), (0, expect));
    };
    check(
        |table| table.name = "rawpost".to_owned(),
        "table rawpost: when chain INPUT is called is not known",
    );
    check(|table| table.info.0.truncate(43), "table filter: its hooks cannot be read");
    check(|table| table.info.0[0] = 0x22, "table filter: it is called at a hook that is not known");
    check(|table| table.info.0[8] = 9, "table filter: chain INPUT has no place");
    check(
        |table| table.entries.0.truncate(200),
        "table filter: the entry at byte 152 cannot be read",
    );
}

#[test]
fn any_byte_may_be_another() {
    for case in cases() {
        for table in &case.tables {
            for at in (0..table.entries.0.len()).step_by(3) {
                let mut changed = table.clone();
                changed.entries.0[at] ^= 0xff;
                let _ = read(&[changed], &Ipsets::default());
            }
        }
    }
}

#[test]
fn a_rule_without_target_goes_on() {
    let at_next = table(|entries| entries[144..148].copy_from_slice(&152_i32.to_ne_bytes()));
    let found = read(&[at_next], &Ipsets::default());
    let rule = &found.tables[0].chains[0].rules[0];
    assert_eq!((rule.steps.as_slice(), rule.text.as_str()), (&[][..], "-A INPUT"));
    let accepts = read(&[table(|_| ())], &Ipsets::default());
    let rule = &accepts.tables[0].chains[0].rules[0];
    assert_eq!(rule.steps, [Step::verdict(Verdict::Accept)]);
}
