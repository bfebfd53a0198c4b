//! Entry points for fuzzing: each takes any bytes, and must neither panic nor run for ever.

use std::hint::black_box;

use super::devconf::Interfaces;

/// The `IFLA_AF_SPEC` of a link.
pub fn link_settings(bytes: &[u8]) {
    let mut interfaces = Interfaces::default();
    let _ = black_box(interfaces.add("eth0", bytes));
    black_box(interfaces);
}
