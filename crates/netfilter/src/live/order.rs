//! Where it matters which of two base chains runs first, and the kernel does not tell.
//!
//! Of base chains with one place in a hook, the one that was registered last runs first. Tables are
//! listed in the order in which they were made, and chains in their table; but a chain may have been
//! added to an older table, or registered again when its table was dormant for a while. So between
//! two tables the order is likely, not certain. Mostly it does not matter: both chains must let a
//! packet through, and neither changes what the other looks at.

use std::collections::HashSet;

use packet_set::{Field, RangeSet};

use crate::ir::{
    Assign, Base, Chain, ChainKind, Cond, Family, Hook, NatKind, Note, Ruleset, Step, Table,
    Verdict,
};

/// Where connection tracking looks at packets (NF_IP_PRI_CONNTRACK).
const CONNTRACK: i32 = -200;

/// Pairs of chains of which the order matters and is not known.
pub(super) fn doubts(ruleset: &Ruleset) -> Vec<Note> {
    let mut chains = Vec::new();
    for (at, table) in ruleset.tables.iter().enumerate() {
        for (number, chain) in table.chains.iter().enumerate() {
            if let Some(base) = &chain.base
                && Family::BOTH.into_iter().any(|family| table.family.sees(family))
            {
                chains.push(Placed { at, number, table, chain, base });
            }
        }
    }
    let mut notes = Vec::new();
    for (at, one) in chains.iter().enumerate() {
        for other in chains.iter().skip(at + 1).filter(|other| one.meets(other)) {
            if let Some(what) = one.touches().conflict(&other.touches(), one, other) {
                let names = (one.name(), other.name());
                let what = format!("whether {} or {} runs first: {what}", names.0, names.1);
                notes.push(Note { place: one.chain.place.clone(), what });
            }
        }
        let is_tracking = matches!(one.base.hook, Hook::Prerouting | Hook::Output)
            && one.base.order().0 == CONNTRACK;
        if is_tracking && one.touches().asks_for_connections() {
            let what = format!("whether {} runs before connection tracking", one.name());
            notes.push(Note { place: one.chain.place.clone(), what });
        }
    }
    notes
}

/// A base chain.
struct Placed<'a> {
    at: usize,
    number: usize,
    table: &'a Table,
    chain: &'a Chain,
    base: &'a Base,
}

impl Placed<'_> {
    fn name(&self) -> String {
        self.table.chain_name(self.chain)
    }

    /// Whether both are called for the same packets in one place, and are of different tables.
    fn meets(&self, other: &Self) -> bool {
        let see =
            |family: Family| self.table.family.sees(family) && other.table.family.sees(family);
        self.at != other.at
            && self.base.hook == other.base.hook
            && self.base.order() == other.base.order()
            && Family::BOTH.into_iter().any(see)
    }

    /// What the chain and those that it leads to look at and change.
    fn touches(&self) -> Touches {
        let mut found = Touches::default();
        let mut seen = HashSet::from([self.number]);
        let mut open = vec![self.number];
        while let Some(at) = open.pop() {
            let Some(chain) = self.table.chains.get(at) else { continue };
            for rule in &chain.rules {
                found.rule(&rule.steps);
                for step in &rule.steps {
                    let Step::Select(list) = step else { continue };
                    for (_, verdict) in list {
                        if let Verdict::Jump(to) | Verdict::Goto(to) = verdict
                            && seen.insert(*to)
                        {
                            open.push(*to);
                        }
                    }
                }
            }
        }
        found
    }
}

/// What some rules look at and change.
#[derive(Default)]
struct Touches {
    read: HashSet<Field>,
    written: HashSet<Field>,
    untracks: bool,
    /// For each translation of a destination, the ports that it is for.
    translates: Vec<RangeSet>,
}

impl Touches {
    fn rule(&mut self, steps: &[Step]) {
        let mut ports = RangeSet::all();
        for step in steps {
            match step {
                Step::If(cond) => {
                    self.cond(cond);
                    ports = ports.intersection(&ports_of(cond));
                }
                Step::Select(list) => list.iter().for_each(|(cond, _)| self.cond(cond)),
                Step::Set(field, assign) => {
                    self.written.insert(*field);
                    if let Assign::Copy { from, .. } = assign {
                        self.read.insert(*from);
                    }
                }
                Step::NoTrack => self.untracks = true,
                Step::Translate(list) => {
                    for (cond, nat) in list {
                        self.cond(cond);
                        if nat.kind == NatKind::Destination {
                            self.translates.push(ports.intersection(&ports_of(cond)));
                        }
                    }
                }
            }
        }
    }

    fn cond(&mut self, cond: &Cond) {
        cond.visit(&mut |part| match part {
            Cond::In(field, _) | Cond::Masked { field, .. } => {
                self.read.insert(*field);
            }
            Cond::Tuple(fields, _) => self.read.extend(fields.iter().copied()),
            Cond::Fib(fib) => {
                self.read.insert(fib.address);
                if fib.with_mark {
                    self.read.insert(Field::MARK);
                }
            }
            _ => {}
        });
    }

    fn asks_for_connections(&self) -> bool {
        let fields = [Field::CT_STATE, Field::CT_STATUS, Field::CT_MARK];
        self.untracks || fields.iter().any(|field| self.read.contains(field))
    }

    /// What the second reads or writes and the first writes.
    fn changes_for(&self, other: &Self) -> Option<&'static str> {
        let both = |field: &&Field| other.read.contains(field) || other.written.contains(field);
        if self.written.iter().any(|field| both(&field)) {
            return Some("one sets what the other looks at or sets");
        }
        (self.untracks && other.asks_for_connections())
            .then_some("one exempts from connection tracking, and the other asks for it")
    }

    fn conflict(&self, other: &Self, one: &Placed<'_>, two: &Placed<'_>) -> Option<&'static str> {
        if let Some(what) = self.changes_for(other).or_else(|| other.changes_for(self)) {
            return Some(what);
        }
        match (one.base.kind == ChainKind::Nat, two.base.kind == ChainKind::Nat) {
            (true, true) => {
                let meet = |ports: &RangeSet| {
                    let same = |own: &RangeSet| !own.intersection(ports).is_empty();
                    other.translates.iter().any(same)
                };
                self.translates.iter().any(meet).then_some("both translate the same ports")
            }
            (true, false) => self.moves(other),
            (false, true) => other.moves(self),
            (false, false) => None,
        }
    }

    /// Whether translations change what the other looks at.
    fn moves(&self, other: &Self) -> Option<&'static str> {
        let fields = [Field::DESTINATION, Field::DPORT];
        (!self.translates.is_empty() && fields.iter().any(|field| other.read.contains(field)))
            .then_some("one translates what the other looks at")
    }
}

/// The destination ports without which a condition does not hold.
fn ports_of(cond: &Cond) -> RangeSet {
    match cond {
        Cond::In(Field::DPORT, ports) => ports.clone(),
        Cond::All(parts) => {
            parts.iter().fold(RangeSet::all(), |all, part| all.intersection(&ports_of(part)))
        }
        Cond::Tuple(fields, entries) => {
            let Some(at) = fields.iter().position(|field| *field == Field::DPORT) else {
                return RangeSet::all();
            };
            entries.iter().filter_map(|entry| entry.get(at).copied()).collect()
        }
        _ => RangeSet::all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let ruleset = crate::rules::load(&[("t", text.as_bytes())]).unwrap();
        let notes: Vec<String> = doubts(&ruleset).into_iter().map(|note| note.what).collect();
        assert_eq!(notes, expect, "{text}");
    }

    /// Two tables with a base chain each, in one place.
    fn two(kind: &str, hook: &str, priority: i32, first: &str, second: &str) -> String {
        let chain = |rules: &str| {
            format!("chain c {{\n type {kind} hook {hook} priority {priority};\n {rules}\n }}")
        };
        format!("table ip a {{\n{}\n}}\ntable inet b {{\n{}\n}}\n", chain(first), chain(second))
    }

    #[test]
    fn only_what_can_matter() {
        let both = "whether ip a c or inet b c runs first: ";
        check(&two("filter", "input", 0, "tcp dport 22 accept", "tcp dport 80 drop"), &[]);
        check(
            &two("filter", "input", 0, "meta mark set 1", "meta mark 1 drop"),
            &[&format!("{both}one sets what the other looks at or sets")],
        );
        check(
            &two("filter", "prerouting", -300, "notrack", "ct state new drop"),
            &[&format!("{both}one exempts from connection tracking, and the other asks for it")],
        );
        let dnat = |port: u16| format!("tcp dport {port} dnat ip to 10.0.0.1");
        check(&two("nat", "prerouting", -100, &dnat(80), &dnat(81)), &[]);
        check(
            &two("nat", "prerouting", -100, &dnat(80), &dnat(80)),
            &[&format!("{both}both translate the same ports")],
        );
        // One after the other, whatever was first.
        let apart = two("filter", "input", 0, "meta mark set 1", "meta mark 1 drop").replacen(
            "priority 0",
            "priority -1",
            1,
        );
        check(&apart, &[]);
        let tracking = "table ip a {\nchain c {\n type filter hook prerouting priority -200;\n ct state new drop\n }\n}\n";
        check(tracking, &["whether ip a c runs before connection tracking"]);
    }
}
