//! Sets of ipset(8), from the kernel's own listing.

use std::collections::BTreeMap;

use facts::IpsetDump;

use crate::ir::{Cond, Doubt};
use crate::xt::Asked;

/// The sets of one network namespace, by the numbers that rules name them by (`ip_set_id_t`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ipsets {
    sets: BTreeMap<u16, Ipset>,
}

/// One set.
#[derive(Debug, Clone, PartialEq)]
struct Ipset {
    name: String,
}

impl Ipsets {
    /// The sets of a listing.
    #[must_use]
    pub fn of(dumps: &[IpsetDump]) -> Self {
        let one = |dump: &IpsetDump| (dump.index, Ipset { name: dump.name.clone() });
        Self { sets: dumps.iter().map(one).collect() }
    }

    /// What to call a set.
    pub(crate) fn name(&self, index: u16) -> String {
        self.sets.get(&index).map_or_else(|| format!("#{index}"), |set| set.name.clone())
    }

    /// What a match that asks a set asks of a packet; `text` is the match.
    pub(crate) fn cond(&self, asked: &Asked, text: &str) -> Cond {
        let doubt =
            if self.sets.contains_key(&asked.index) { Doubt::Packet } else { Doubt::History };
        Cond::Unknown(text.to_owned(), doubt)
    }
}

#[cfg(test)]
impl Ipsets {
    /// Sets of which nothing but their names is known, numbered from 0.
    pub(crate) fn named(names: &[&str]) -> Self {
        let one = |name: &&str| Ipset { name: (*name).to_owned() };
        Self { sets: (0..).zip(names.iter().map(one)).collect() }
    }
}
