//! Sets of ipset(8), from the kernel's own listing.
//!
//! Input: the messages of `IPSET_CMD_LIST` ([`facts::IpsetDump`]). Output: what a rule that asks a
//! set asks of a packet. A type that is not known, or a set that was not read whole, is unknown by
//! its name; so is one that rules write into, and one whose counters are compared.
//!
//! Which element decides is as in net/netfilter/ipset/ip_set_hash_gen.h, mtype_test_cidrs: among
//! networks the longest prefix, of two networks first the first one's.

mod attribute;
mod cond;
mod content;
mod element;
mod resolve;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use facts::IpsetDump;

use crate::ir::{Cond, Doubt, Family};
use crate::xt::Asked;
use content::Content;

/// The sets of one network namespace, by the numbers that rules name them by (`ip_set_id_t`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ipsets {
    sets: BTreeMap<u16, Ipset>,
}

/// One set.
#[derive(Debug, Clone, PartialEq)]
struct Ipset {
    name: String,
    content: Content,
    /// Whether rules write into it.
    written: bool,
}

impl Ipsets {
    /// The sets of a listing.
    #[must_use]
    pub fn of(dumps: &[IpsetDump]) -> Self {
        let set = |dump: &IpsetDump| Ipset {
            name: dump.name.clone(),
            content: Content::read(&dump.messages.0),
            written: false,
        };
        Self { sets: dumps.iter().map(|dump| (dump.index, set(dump))).collect() }
    }

    /// Says that rules write into this set, so that it need not be the same each time it is asked.
    pub fn doubt(&mut self, index: u16) {
        let members = match self.sets.get(&index).map(|set| &set.content) {
            // Added to the first member that takes it (ip_set_list_set.c, list_set_kadd).
            Some(Content::Members(names)) => names.clone(),
            _ => Vec::new(),
        };
        for (number, set) in &mut self.sets {
            set.written |= *number == index || members.contains(&set.name);
        }
    }

    /// What to call a set.
    pub(crate) fn name(&self, index: u16) -> String {
        self.sets.get(&index).map_or_else(|| format!("#{index}"), |set| set.name.clone())
    }

    /// What a match that asks a set asks of a packet; `text` is the match.
    pub(crate) fn cond(&self, asked: &Asked, family: Family, text: &str) -> Cond {
        let inside = match self.sets.get(&asked.index) {
            Some(set) => self.inside(set, asked, family, text),
            None => Cond::Unknown(text.to_owned(), Doubt::History),
        };
        inside.negate_if(asked.negated)
    }

    fn inside(&self, set: &Ipset, asked: &Asked, family: Family, text: &str) -> Cond {
        let unknown = || Cond::Unknown(text.to_owned(), Doubt::History);
        if set.written {
            return unknown();
        }
        let inside = if let Content::Members(names) = &set.content {
            // Each member on its own: their counters are not compared (list_set_ktest).
            let mut alone = asked.clone();
            alone.counters.clear();
            let member = |name: &String| {
                let found = self.sets.values().find(|set| set.name == *name);
                match found.filter(|set| !matches!(set.content, Content::Members(_))) {
                    Some(set) => self.inside(set, &alone, family, text),
                    None => unknown(),
                }
            };
            Cond::Any(names.iter().map(member).collect())
        } else {
            match set.content.cond(asked, family) {
                Some(cond) => cond,
                None => return unknown(),
            }
        };
        if asked.counters.is_empty() { inside } else { Cond::All(vec![inside, unknown()]) }
    }
}

#[cfg(test)]
impl Ipsets {
    /// Sets of which nothing but their names is known, numbered from 0.
    pub(crate) fn named(names: &[&str]) -> Self {
        let set = |name: &&str| Ipset {
            name: (*name).to_owned(),
            content: Content::Unknown,
            written: false,
        };
        Self { sets: (0..).zip(names.iter().map(set)).collect() }
    }
}
