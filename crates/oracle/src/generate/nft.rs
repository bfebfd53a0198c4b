//! Rulesets of nft.

mod rule;
mod sets;

use rule::Rule;

use crate::random::Random;

/// Chains of each table that rules jump to; each only to later ones.
const USERS: usize = 4;

/// What a table has.
struct Table {
    /// `inet`, `ip` or `ip6`.
    family: &'static str,
    /// Whether rules may redirect; then packets that are forwarded are not compared.
    redirects: bool,
}

impl Table {
    /// One of the families that it sees: IPv6?
    fn v6(&self, random: &mut Random) -> bool {
        match self.family {
            "ip" => false,
            "ip6" => true,
            _ => random.one_in(2),
        }
    }
}

/// A base chain: type, hook, priority, and one in how many tables has it.
const BASES: [(&str, &str, &str, usize); 15] = [
    ("filter", "prerouting", "raw", 4),
    ("filter", "prerouting", "-250", 8),
    ("filter", "prerouting", "mangle", 4),
    ("nat", "prerouting", "dstnat", 4),
    ("filter", "prerouting", "-90", 8),
    ("filter", "prerouting", "filter", 6),
    ("filter", "input", "filter - 10", 6),
    ("filter", "input", "filter", 1),
    ("filter", "input", "filter", 6),
    ("filter", "input", "filter + 10", 4),
    ("nat", "input", "100", 10),
    ("filter", "forward", "filter", 1),
    ("filter", "forward", "security", 6),
    ("filter", "postrouting", "mangle", 6),
    ("nat", "postrouting", "srcnat", 4),
];

/// A ruleset of one to three tables.
pub(super) fn ruleset(random: &mut Random) -> String {
    let mut text = String::new();
    for number in 0..=random.below(3) {
        let family = match random.below(5) {
            0 => "ip",
            1 => "ip6",
            _ => "inet",
        };
        let table = Table { family, redirects: random.one_in(6) };
        text.push_str(&format!("table {family} t{number} {{\n"));
        text.push_str(&sets::plain(random));
        for user in (0..USERS).rev() {
            text.push_str(&format!("\tchain u{user} {{\n"));
            for _ in 0..random.below(6) {
                let mut rule = Rule::new(random, &table, "user", user + 1);
                text.push_str(&format!("\t\t{}\n", rule.text()));
            }
            text.push_str("\t}\n");
        }
        text.push_str(&sets::with_verdicts(random));
        for (at, (kind, hook, priority, rarity)) in BASES.into_iter().enumerate() {
            if !random.one_in(rarity) {
                continue;
            }
            let policy = match kind {
                "filter" if hook == "prerouting" && !random.one_in(6) => "accept",
                "filter" => random.of(&["accept", "accept", "drop"]),
                _ => "accept",
            };
            text.push_str(&format!(
                "\tchain b{at} {{\n\t\ttype {kind} hook {hook} priority {priority}; policy \
                 {policy};\n"
            ));
            let place = if kind == "nat" { "nat" } else { "filter" };
            let place = format!("{place} {hook} {priority}");
            for _ in 0..=random.below(9) {
                let mut rule = Rule::new(random, &table, &place, 0);
                text.push_str(&format!("\t\t{}\n", rule.text()));
            }
            text.push_str("\t}\n");
        }
        text.push_str("}\n");
    }
    text
}
