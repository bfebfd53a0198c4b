//! Entry points for fuzzing: each takes any bytes, and must neither panic nor run for ever.

use std::hint::black_box;

use super::config::syntax;
use super::devconf::Interfaces;
use super::state;

/// The `IFLA_AF_SPEC` of a link.
pub fn link_settings(bytes: &[u8]) {
    let mut interfaces = Interfaces::default();
    let _ = black_box(interfaces.add("eth0", bytes));
    black_box(interfaces);
}

/// A file of configuration, read in every syntax.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for parse in [
        syntax::sysctl,
        syntax::profile,
        syntax::manager,
        syntax::device,
        syntax::network,
        syntax::link_state,
        syntax::shell,
        syntax::ifcfg,
        syntax::netplan,
        syntax::ifupdown,
        syntax::modprobe,
        syntax::modules,
        syntax::command_line,
        syntax::udev,
        syntax::docker,
        syntax::kube_proxy,
        syntax::commands,
    ] {
        black_box(parse(&text));
    }
}

/// A file of the kernel about its state.
pub fn kernel_state(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    black_box(state::modules(&text));
    black_box(state::statistics(&text));
    black_box(state::memory_kib(&text));
    black_box(state::denials(&text));
    black_box(state::entry_bytes(&text));
    black_box(state::profiles(&text));
    black_box(state::table_full(&text));
}
