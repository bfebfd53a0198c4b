//! A bare dump, as a process whose cost can be held against that of others.

use std::process::ExitCode;

use clap::Args;
use testbed::{DumpedSet, bare_dump};

/// The arguments of `dump`.
#[derive(Args)]
pub(crate) struct Dump {
    /// Sets of tables of the family `inet` whose elements are read: `TABLE:SET`.
    sets: Vec<String>,
}

impl Dump {
    /// Reads everything once.
    pub(crate) fn run(self) -> ExitCode {
        let sets = self.sets.iter().filter_map(|set| set.split_once(':'));
        // NFPROTO_INET.
        let sets = sets.map(|(table, name)| DumpedSet { family: 1, table, name });
        match bare_dump(&sets.collect::<Vec<_>>()) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("testbed-agent: dump: {error}");
                ExitCode::FAILURE
            }
        }
    }
}
