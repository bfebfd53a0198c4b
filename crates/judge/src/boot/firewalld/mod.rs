//! What firewalld loads at boot, and again when it is told to reload: its permanent configuration, as
//! one table of nftables.
//!
//! * `config`: the files, as data. What is not known in them is named.
//! * `print`: the table, as firewalld makes it (firewalld `core/nftables.py`), of those chains that
//!   decide what comes in; `conditions` and `address` of single rules. With its iptables backend the
//!   same is let in.
//!
//! What only exists until the daemon ends (`firewall-cmd` without `--permanent`) is in no file.

mod address;
mod conditions;
mod config;
mod print;

use facts::{FirewallLoader, RulesetText};

use config::Config;

/// The ruleset of both families, and why it is not known in full.
pub(super) fn ruleset(loader: &FirewallLoader) -> (RulesetText, Vec<String>) {
    let mut config = Config::of(loader);
    let text = print::table(&mut config);
    (RulesetText { name: "firewalld".to_owned(), text }, config.unclear)
}

/// Whether a reload forgets in which zones interfaces were put at runtime, which is the default
/// (firewalld.conf(5), `FlushAllOnReload`).
pub(super) fn forgets_interfaces(loader: &FirewallLoader) -> bool {
    let said = config::setting(loader, "FlushAllOnReload");
    !said.is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "no" | "false"))
}

#[cfg(test)]
mod tests;
