//! Conditions that are not understood but depend on the packet alone.

use std::collections::HashMap;

use packet_set::Field;

use crate::ir::{Cond, Doubt};

/// Most unknown conditions that get a field of their own. Each can double the work; the others
/// are taken as independent wherever they are asked, which is less exact and still right.
const MOST_FIELDS: u8 = 12;

/// Gives a field to each unknown condition that is asked more than once.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    fields: HashMap<String, Field>,
}

impl Doubts {
    /// Looks through the conditions of all rules. The default has no fields.
    pub(super) fn new<'a>(conds: impl Iterator<Item = &'a Cond>, knows_host: bool) -> Self {
        let mut count: HashMap<&str, (usize, usize)> = HashMap::new();
        let mut order = 0;
        for cond in conds {
            cond.visit(&mut |part| {
                let text = match part {
                    Cond::Unknown(text, Doubt::Packet) => Some(text),
                    Cond::Fib(fib) if !knows_host => Some(&fib.text),
                    _ => None,
                };
                if let Some(text) = text {
                    let entry = count.entry(text).or_insert((order, 0));
                    entry.1 += 1;
                    order += 1;
                }
            });
        }
        let mut repeated: Vec<_> = count.into_iter().filter(|(_, (_, times))| *times > 1).collect();
        // The most asked first, in a stable order.
        repeated.sort_by_key(|(_, (first, times))| (std::cmp::Reverse(*times), *first));
        let fields = (Field::FREE..Field::FREE + MOST_FIELDS)
            .zip(repeated)
            .map(|(place, (text, _))| (text.to_owned(), Field::at(place)))
            .collect();
        Self { fields }
    }

    /// The field of an unknown condition, if it has one; its value 0 means "does not hold".
    pub(super) fn field(&self, text: &str) -> Option<Field> {
        self.fields.get(text).copied()
    }

    /// All such fields.
    pub(super) fn fields(&self) -> Vec<Field> {
        let mut list: Vec<_> = self.fields.values().copied().collect();
        list.sort_unstable();
        list
    }
}
