//! Every parser of bytes that the kernel, a file or a stranger supplies, by name.
//!
//! Shared by the fuzzing program and by the test that replays what once crashed
//! (`fuzz/regressions/TARGET/`).

/// A parser under test.
pub(crate) struct Target {
    /// Its name: of the directories with its inputs, too.
    pub(crate) name: &'static str,
    /// Takes any bytes and must return: no panic, no endless loop.
    pub(crate) parse: fn(&[u8]),
}

const fn target(name: &'static str, parse: fn(&[u8])) -> Target {
    Target { name, parse }
}

/// All of them, sorted by name.
pub(crate) const ALL: &[Target] = &[target("placement", placement), target("snapshot", snapshot)];

/// The path of a cgroup.
fn placement(bytes: &[u8]) {
    if let Ok(path) = std::str::from_utf8(bytes) {
        let _ = facts::Placement::of(path);
    }
}

/// A saved snapshot.
fn snapshot(bytes: &[u8]) {
    let _ = facts::Snapshot::from_json(bytes);
}
