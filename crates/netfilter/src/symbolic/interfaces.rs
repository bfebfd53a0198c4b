//! Interfaces as numbers: the names and beginnings of names that a ruleset tells apart.

use std::collections::{BTreeSet, HashMap};

use packet_set::RangeSet;

use crate::ir::Pattern;

/// One kind of interface that no rule tells apart further.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The packet has none at this place.
    None,
    /// This one.
    Exact(String),
    /// Any other whose name begins so, and with no longer beginning that is in the list.
    Begins(String),
    /// Any other.
    Other,
}

/// The kinds, in order; a kind's place is its value in a diagram. The last one is `Other`, so that
/// larger values mean nothing new.
#[derive(Debug)]
pub(super) struct Interfaces {
    kinds: Vec<Kind>,
    /// Answers for lists of one pattern, which is nearly all of them.
    known: HashMap<Pattern, RangeSet>,
}

impl Interfaces {
    /// The number of "no interface".
    pub(super) const NONE: u128 = 0;

    /// Numbers for what these patterns tell apart.
    pub(super) fn new(patterns: &BTreeSet<Pattern>) -> Self {
        let mut kinds = vec![Kind::None];
        kinds.extend(patterns.iter().map(|pattern| match pattern {
            Pattern::Exact(name) => Kind::Exact(name.clone()),
            Pattern::Begins(prefix) => Kind::Begins(prefix.clone()),
        }));
        kinds.push(Kind::Other);
        let mut own = Self { kinds, known: HashMap::new() };
        own.known = patterns.iter().map(|one| (one.clone(), own.compute(one))).collect();
        own
    }

    /// Numbers for the interfaces of a host: their places in this order, from 1.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut kinds = vec![Kind::None];
        kinds.extend(names.map(|name| Kind::Exact(name.to_owned())));
        kinds.push(Kind::Other);
        Self { kinds, known: HashMap::new() }
    }

    /// The interfaces that match the pattern; those of packets without one are not among them,
    /// unless the pattern is the empty name.
    pub(super) fn matching(&self, pattern: &Pattern) -> RangeSet {
        self.known.get(pattern).cloned().unwrap_or_else(|| self.compute(pattern))
    }

    fn compute(&self, pattern: &Pattern) -> RangeSet {
        let last = self.kinds.len() - 1;
        (0..)
            .zip(&self.kinds)
            .filter(|(_, kind)| is_matched(pattern, kind))
            .map(|(at, kind)| {
                let is_last = usize::try_from(at) == Ok(last) && *kind == Kind::Other;
                (at, if is_last { u128::MAX } else { at })
            })
            .collect()
    }

    /// All but "no interface".
    pub(super) fn present() -> RangeSet {
        RangeSet::from(Self::NONE + 1..=u128::MAX)
    }

    /// A name that an interface with this number can have; none for "no interface".
    pub(super) fn name(&self, number: u128) -> Option<String> {
        let last = self.kinds.len() - 1;
        let at = usize::try_from(number).unwrap_or(last).min(last);
        match self.kinds.get(at)? {
            Kind::None => None,
            Kind::Exact(name) => Some(name.clone()),
            Kind::Begins(prefix) => self.unlike_others(prefix, at),
            Kind::Other => self.unlike_others("if", at),
        }
    }

    /// A name with this beginning that is of no kind but the one at this place.
    fn unlike_others(&self, prefix: &str, at: usize) -> Option<String> {
        let is_other = |name: &str| {
            self.kinds.iter().enumerate().any(|(place, kind)| match kind {
                Kind::Exact(own) => own == name,
                // A shorter beginning than the own one is the same kind's.
                Kind::Begins(own) => {
                    place != at && !prefix.starts_with(own.as_str()) && name.starts_with(own)
                        || self.kinds.get(at) == Some(&Kind::Other) && name.starts_with(own)
                }
                Kind::None | Kind::Other => false,
            })
        };
        let plain = (0..100).map(|number| format!("{prefix}{number}"));
        // Every beginning of letters may be taken: a few more.
        let rare = ["~", "_", "zz", "9", "Q"].iter().map(|more| format!("{more}{prefix}"));
        plain.chain(rare).find(|name| !is_other(name))
    }
}

fn is_matched(pattern: &Pattern, kind: &Kind) -> bool {
    match (pattern, kind) {
        (Pattern::Exact(name), Kind::None) => name.is_empty(),
        (Pattern::Exact(name), Kind::Exact(own)) => name == own,
        (Pattern::Begins(prefix), Kind::Exact(own) | Kind::Begins(own)) => {
            own.starts_with(prefix.as_str())
        }
        (Pattern::Begins(prefix), Kind::None | Kind::Other) => prefix.is_empty(),
        (Pattern::Exact(_), Kind::Begins(_) | Kind::Other) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_hold_names_and_longer_beginnings() {
        let exact = |name: &str| Pattern::Exact(name.to_owned());
        let begins = |name: &str| Pattern::Begins(name.to_owned());
        let patterns = [exact("eth0"), exact("lo"), begins("et"), begins("eth")];
        let interfaces = Interfaces::new(&patterns.into_iter().collect());
        let check = |pattern: Pattern, expect: &[&str]| {
            let names: Vec<_> = interfaces
                .matching(&pattern)
                .iter()
                .flat_map(|(lo, hi)| lo..=hi.min(9))
                .map(|number| interfaces.name(number).unwrap_or_default())
                .collect();
            assert_eq!(names, expect, "{pattern:?}");
        };
        check(exact("eth0"), &["eth0"]);
        check(begins("eth"), &["eth0", "eth1"]);
        check(begins("et"), &["eth0", "et0", "eth1"]);
        check(exact("lo"), &["lo"]);
    }
}
