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
    /// Whether rules write into it.
    written: bool,
}

impl Ipsets {
    /// The sets of a listing.
    #[must_use]
    pub fn of(dumps: &[IpsetDump]) -> Self {
        let set = |dump: &IpsetDump| Ipset { name: dump.name.clone(), written: false };
        Self { sets: dumps.iter().map(|dump| (dump.index, set(dump))).collect() }
    }

    /// Says that rules write into this set, so that it need not be the same each time it is asked.
    pub fn doubt(&mut self, index: u16) {
        if let Some(set) = self.sets.get_mut(&index) {
            set.written = true;
        }
    }

    /// What to call a set.
    pub(crate) fn name(&self, index: u16) -> String {
        self.sets.get(&index).map_or_else(|| format!("#{index}"), |set| set.name.clone())
    }

    /// What a match that asks a set asks of a packet; `text` is the match.
    pub(crate) fn cond(&self, asked: &Asked, text: &str) -> Cond {
        let steady = self.sets.get(&asked.index).is_some_and(|set| !set.written);
        Cond::Unknown(text.to_owned(), if steady { Doubt::Packet } else { Doubt::History })
    }
}

#[cfg(test)]
impl Ipsets {
    /// Sets of which nothing but their names is known, numbered from 0.
    pub(crate) fn named(names: &[&str]) -> Self {
        let set = |name: &&str| Ipset { name: (*name).to_owned(), written: false };
        Self { sets: (0..).zip(names.iter().map(set)).collect() }
    }
}
