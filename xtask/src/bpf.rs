//! The BPF programs as text, beside the code that assembles them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::command::root;

/// Where the text stands.
fn path() -> PathBuf {
    root().join("crates/collect/src/bpf/programs.lst")
}

/// Writes the programs as they are assembled now. A test of `collect` compares them, so that no
/// byte that the kernel runs changes without being seen in review.
pub(crate) fn write() -> Result<()> {
    let path = path();
    fs::write(&path, collect::bpf::listing()).with_context(|| format!("write {}", path.display()))
}
