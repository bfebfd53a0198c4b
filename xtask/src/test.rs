//! `cargo xtask test`: everything that must hold before a change is taken.

use anyhow::Result;

use crate::command::{cargo, run, target_directory};
use crate::{fuzz, tools};

/// How long each fuzz target runs, in seconds: enough to find a parser that fails at once. Longer
/// runs are for `cargo xtask fuzz`.
const FUZZ_S: u32 = 3;

/// Runs everything, the quickest first. The tests come last, so that their own summary ends the
/// output.
pub(crate) fn all() -> Result<()> {
    tools::ready()?;
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    run(&mut cargo(&clippy))?;
    let documentation = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
    run(cargo(&documentation).env("RUSTDOCFLAGS", "-D warnings"))?;
    fuzz::all(FUZZ_S)?;
    // The scenario tests look at test hosts with the program as it is shipped.
    run(&mut cargo(&["build", "--release", "--locked"]))?;
    let binary = target_directory().join("release/whyopen");
    let tests = ["test", "--workspace", "--locked", "--no-fail-fast"];
    run(cargo(&tests).env("WHYOPEN_BINARY", binary))
}
