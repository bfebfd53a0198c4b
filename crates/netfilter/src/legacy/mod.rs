//! The tables of iptables-legacy and ip6tables-legacy, from the kernel's own entries.
//!
//! Input: what `getsockopt(IPT_SO_GET_INFO)` and `getsockopt(IPT_SO_GET_ENTRIES)` tell of each table
//! ([`facts::LegacyTable`]). Output: the same tables as [`crate::iptables`] reads from
//! `iptables-save`. Rules are numbered in their chain from 1, as `iptables -L --line-numbers` does,
//! and have the text of `iptables -S`.
//!
//! A table is one run of entries (net/ipv4/netfilter/ip_tables.c, ipt_do_table). Built-in chains
//! begin and end where the table's hooks say; a chain of the user begins after an entry whose target
//! is `ERROR` with its name, and ends with a `RETURN`. A jump is the offset of an entry.
//!
//! A table that cannot be read becomes a note: then nothing is certain.

mod chains;
mod entry;
mod rule;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use facts::LegacyTable;

use crate::ipset::Ipsets;
use crate::ir::{Backend, Family, Note, Place, Ruleset, Table, TableFamily};
use crate::{templates, xt};
use chains::Layout;
use entry::{Entry, Target};

/// What cannot be read of a table.
type Odd = String;

/// The tables as a ruleset. `sets` are those of the same network namespace.
#[must_use]
pub fn read(tables: &[LegacyTable], sets: &Ipsets) -> Ruleset {
    let mut ruleset = Ruleset::default();
    for table in tables {
        match one(table, sets) {
            Ok(read) => ruleset.tables.push(read),
            Err(odd) => {
                let what = format!("table {}: {odd}", table.name);
                ruleset.notes.push(Note { place: place(table, 0), what });
            }
        }
    }
    templates::doubt(&mut ruleset);
    ruleset
}

/// Finds the sets that the tables' targets write into; see [`xt::written_sets`].
pub fn doubt_sets(tables: &[LegacyTable], sets: &mut Ipsets) {
    for table in tables {
        // What cannot be read is a note of `read`.
        let entries = Entry::all(&table.entries.0, family(table)).unwrap_or_default();
        for entry in entries {
            if let Target::Other(target) = entry.target {
                for index in xt::written_sets(&target) {
                    sets.doubt(index);
                }
            }
        }
    }
}

fn family(table: &LegacyTable) -> Family {
    if table.ipv6 { Family::Ipv6 } else { Family::Ipv4 }
}

/// A rule by its number in the chain; 0 for the chain or table.
fn place(table: &LegacyTable, line: u32) -> Place {
    let file = if table.ipv6 { "ip6tables-legacy" } else { "iptables-legacy" };
    Place { file: Arc::from(file), line, handle: None }
}

fn one(table: &LegacyTable, sets: &Ipsets) -> Result<Table, Odd> {
    let entries = Entry::all(&table.entries.0, family(table))?;
    let layout = Layout::new(table, &entries)?;
    Ok(Table {
        backend: Backend::Iptables,
        family: if table.ipv6 { TableFamily::Ip6 } else { TableFamily::Ip },
        name: table.name.clone(),
        chains: layout.chains(sets),
    })
}
