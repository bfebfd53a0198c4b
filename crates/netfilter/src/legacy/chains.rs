//! Where the chains of a table begin and end.

use std::collections::HashMap;
use std::ops::Range;

use facts::LegacyTable;

use super::entry::{Entry, Target};
use super::{Odd, family, place, rule};
use crate::ipset::Ipsets;
use crate::iptables;
use crate::ir::{Base, Chain, Rule};

/// The chains of NF_INET_PRE_ROUTING to NF_INET_POST_ROUTING (linux/netfilter.h).
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// NF_IP_PRI_RAW_BEFORE_DEFRAG (linux/netfilter_ipv4.h, and the same for IPv6).
const RAW_BEFORE_DEFRAG: i32 = -450;

/// XT_RETURN (linux/netfilter/x_tables.h).
pub(super) const RETURN: i32 = -5;
/// NF_ACCEPT and NF_DROP as verdicts of a standard target.
pub(super) const ACCEPT: i32 = -2;
pub(super) const DROP: i32 = -1;

/// One chain: its rules are a range of entries.
struct Place {
    name: String,
    base: Option<Base>,
    rules: Range<usize>,
}

/// How a table is divided into chains.
pub(super) struct Layout<'a> {
    table: &'a LegacyTable,
    entries: &'a [Entry<'a>],
    chains: Vec<Place>,
    /// The chains by the offset that a jump to them has.
    by_offset: HashMap<usize, usize>,
}

/// `struct ipt_getinfo` after the name: valid hooks, where each begins, where its policy is.
struct Hooks {
    valid: u32,
    begin: [usize; 5],
    policy: [usize; 5],
}

impl Hooks {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes
            .chunks_exact(4)
            .map(|word| word.first_chunk().map(|word| u32::from_ne_bytes(*word)));
        let mut next = || words.next().flatten();
        let mut own = Self { valid: next()?, begin: [0; 5], policy: [0; 5] };
        for place in own.begin.iter_mut().chain(&mut own.policy) {
            *place = usize::try_from(next()?).ok()?;
        }
        Some(own)
    }
}

impl<'a> Layout<'a> {
    pub(super) fn new(table: &'a LegacyTable, entries: &'a [Entry<'a>]) -> Result<Self, Odd> {
        let hooks = Hooks::read(&table.info.0).ok_or("its hooks cannot be read")?;
        let places: HashMap<usize, usize> =
            entries.iter().enumerate().map(|(number, entry)| (entry.at, number)).collect();
        let mut chains = Vec::new();
        for (hook, name) in BUILT_IN.into_iter().enumerate() {
            if hooks.valid & 1 << hook == 0 {
                continue;
            }
            let find = |list: &[usize; 5]| list.get(hook).and_then(|at| places.get(at)).copied();
            let (begin, end) = (find(&hooks.begin), find(&hooks.policy));
            let range = begin.zip(end).filter(|(begin, end)| begin <= end);
            let (begin, end) = range.ok_or_else(|| format!("chain {name} has no place"))?;
            let drops =
                policy(entries.get(end)).ok_or_else(|| format!("chain {name} has no policy"))?;
            let mut base = iptables::base(&table.name, name, drops)
                .ok_or_else(|| format!("when chain {name} is called is not known"))?;
            if table.name == "raw" && table.before_defrag {
                base.priority = RAW_BEFORE_DEFRAG;
            }
            chains.push(Place { name: name.to_owned(), base: Some(base), rules: begin..end });
        }
        if hooks.valid >> BUILT_IN.len() != 0 {
            return Err("it is called at a hook that is not known".to_owned());
        }
        let mut by_offset = HashMap::new();
        for (name, rules) in user_chains(entries) {
            if let Some(first) = entries.get(rules.start) {
                by_offset.insert(first.at, chains.len());
            }
            // The last one is the return to the caller, which the text does not show.
            let last = rules.end.checked_sub(1).filter(|last| rules.contains(last));
            let closes = last.and_then(|last| entries.get(last)).is_some_and(is_return);
            let end = if closes { rules.end - 1 } else { rules.end };
            chains.push(Place { name: name.to_owned(), base: None, rules: rules.start..end });
        }
        Ok(Self { table, entries, chains, by_offset })
    }

    /// The chains with their rules, those of hooks first.
    pub(super) fn chains(&self, sets: &Ipsets) -> Vec<Chain> {
        self.chains.iter().map(|chain| self.chain(chain, sets)).collect()
    }

    fn chain(&self, chain: &Place, sets: &Ipsets) -> Chain {
        let entries = self.entries.get(chain.rules.clone()).unwrap_or_default();
        let rules = (1..).zip(entries).map(|(number, entry)| {
            let read = rule::read(entry, family(self.table), self, sets);
            let text = format!("-A {}{}", chain.name, read.text);
            Rule { steps: read.steps, place: place(self.table, number), text }
        });
        Chain {
            name: chain.name.clone(),
            base: chain.base.clone(),
            rules: rules.collect(),
            place: place(self.table, 0),
        }
    }

    /// The chain that a verdict of this offset jumps to: its number and its name.
    pub(super) fn jump(&self, offset: usize) -> Option<(usize, &str)> {
        let number = *self.by_offset.get(&offset)?;
        self.chains.get(number).map(|chain| (number, chain.name.as_str()))
    }
}

/// Whether a chain's last entry, its policy, drops.
fn policy(entry: Option<&Entry<'_>>) -> Option<bool> {
    match entry.filter(|entry| entry.is_unconditional())?.target {
        Target::Standard(ACCEPT) => Some(false),
        Target::Standard(DROP) => Some(true),
        _ => None,
    }
}

fn is_return(entry: &Entry<'_>) -> bool {
    entry.is_unconditional() && matches!(entry.target, Target::Standard(RETURN))
}

/// The chains of the user: the entries between one `ERROR` target and the next.
fn user_chains<'a>(entries: &'a [Entry<'a>]) -> Vec<(&'a str, Range<usize>)> {
    let heads: Vec<(usize, &str)> = entries
        .iter()
        .enumerate()
        .filter_map(|(number, entry)| match &entry.target {
            Target::Error(name) => Some((number, &**name)),
            _ => None,
        })
        .collect();
    // The last one closes the table.
    let pairs = heads.iter().zip(heads.iter().skip(1));
    pairs.map(|((number, name), (next, _))| (*name, number + 1..*next)).collect()
}
