//! libFuzzer around one of the [`targets`], which an environment variable names: one program for
//! all of them, because linking one for each takes longer than running it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

mod targets;

/// The function under test.
static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("WHYOPEN_FUZZ_TARGET").unwrap_or_default();
    let target = targets::ALL.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("WHYOPEN_FUZZ_TARGET names no target: {name:?}")).parse
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
