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

use facts::{FirewallFile, FirewallLoader, RulesForm, RulesetText};

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

/// Takes arbitrary bytes as a zone of firewalld, and makes the ruleset of it: one that can be read,
/// whatever names stand there.
///
/// # Panics
/// It cannot be read.
pub fn fuzz(bytes: &[u8]) {
    let files = vec![FirewallFile {
        path: "/etc/firewalld/zones/public.xml".to_owned(),
        form: RulesForm::Firewalld,
        text: String::from_utf8_lossy(bytes).into_owned(),
    }];
    let loader =
        FirewallLoader { name: "firewalld".to_owned(), files, ..FirewallLoader::default() };
    let (made, _) = ruleset(&loader);
    let read = netfilter::rules::load(&[(made.name.as_str(), made.text.as_bytes())]);
    assert!(read.is_ok(), "no ruleset was made: {:?}\n{}", read.err(), made.text);
}

#[cfg(test)]
mod tests;
