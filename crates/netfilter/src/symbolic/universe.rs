//! Which values each field can have in the question: rules are built over these only.

use std::collections::HashMap;

use packet_set::{Field, RangeSet};

/// The possible values of fields; a field that is not named can have any.
///
/// Restricting before building is what makes a question to a large ruleset cheap: with one
/// protocol and port, most conditions are decided before a node is made.
#[derive(Debug, Clone, Default)]
pub(super) struct Universe {
    values: HashMap<Field, RangeSet>,
}

/// A condition on one field, as far as the universe decides it.
pub(super) enum Seen {
    /// No possible value is in the set.
    Never,
    /// All are.
    Always,
    /// Some are: these.
    Some(RangeSet),
}

impl Universe {
    /// Says which values the field can have.
    pub(super) fn limit(&mut self, field: Field, values: RangeSet) {
        self.values.insert(field, values);
    }

    /// The possible values, if they are limited.
    pub(super) fn of(&self, field: Field) -> Option<&RangeSet> {
        self.values.get(&field)
    }

    /// The fields that are limited to more than one value, in order.
    pub(super) fn open_fields(&self) -> Vec<(Field, RangeSet)> {
        let is_open = |set: &RangeSet| !matches!(set.iter().next(), Some((lo, hi)) if lo == hi && set.len() == 1);
        let mut list: Vec<_> = self
            .values
            .iter()
            .filter(|(_, set)| is_open(set))
            .map(|(field, set)| (*field, set.clone()))
            .collect();
        list.sort_by_key(|(field, _)| *field);
        list
    }

    /// How a set of values looks from within.
    pub(super) fn see(&self, field: Field, set: &RangeSet) -> Seen {
        let Some(possible) = self.values.get(&field) else {
            return if set.is_empty() { Seen::Never } else { Seen::Some(set.clone()) };
        };
        let inside = set.intersection(possible);
        if inside.is_empty() {
            Seen::Never
        } else if inside == *possible {
            Seen::Always
        } else {
            Seen::Some(inside)
        }
    }
}
