//! Every contradiction that was ever found, with the kernel's answer: needs no kernel and no root.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test reads its data"
)]

use std::path::Path;

use oracle::Fixture;

#[test]
fn none_comes_again() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut replayed = 0;
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let fixture = Fixture::read(&path).unwrap_or_else(|error| panic!("{error}"));
        if let Err(fault) = fixture.replay() {
            faults.push(format!("{}: {:?}: {}", path.display(), fault.kind, fault.what));
        }
        replayed += 1;
    }
    assert!(replayed >= 10, "only {replayed} fixtures");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
