//! Rules of both backends of iptables: a packet must pass all of them, and `iptables -S` shows those
//! of one.

use facts::IptablesBackend;
use netfilter::ir::{Backend, Table, TableFamily};

use super::{Finding, Severity};
use crate::Judgement;

/// Finds namespaces that have both, or rules that the command of this host does not show.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    for (at, namespace) in judgement.namespaces.iter().enumerate() {
        let Some(home) = judgement.home(at).filter(|home| home.unread.is_empty()) else { continue };
        let of = |backend| -> Vec<&Table> {
            let tables = home.ruleset.tables.iter().filter(|table| table.backend == backend);
            tables.filter(|table| does_something(table)).collect()
        };
        let (legacy, nftables) = (of(Backend::Iptables), of(Backend::Nftables));
        let hidden: Vec<&Table> = legacy
            .iter()
            .chain(&nftables)
            .copied()
            .filter(|table| is_hidden(judgement, table))
            .collect();
        let finding = if hidden.is_empty() {
            if legacy.is_empty() || nftables.is_empty() {
                continue;
            }
            both(&legacy, &nftables)
        } else {
            not_shown(&hidden, legacy.len() + nftables.len() > hidden.len())
        };
        let (id, severity, text, action) = finding;
        found.push(Finding {
            id,
            severity,
            rows: Vec::new(),
            subject: if namespace.is_host() {
                "packet filter".to_owned()
            } else {
                format!("{} packet filter", namespace.label)
            },
            text,
            action,
        });
    }
}

/// Id, severity, text and action.
type Told = (&'static str, Severity, String, String);

/// Rules that `iptables -S` of this host does not show.
fn not_shown(hidden: &[&Table], others: bool) -> Told {
    let rules: usize =
        hidden.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum();
    let (rules, verb, them) = match rules {
        1 => ("1 rule".to_owned(), "is", "it"),
        many => (format!("{many} rules"), "are", "them"),
    };
    let is_legacy = hidden.iter().any(|table| table.backend == Backend::Iptables);
    let (whose, of_command, show) = if is_legacy {
        ("the older iptables", "nftables", "iptables-legacy-save and ip6tables-legacy-save")
    } else {
        ("iptables-nft", "the older iptables", "iptables-nft-save and ip6tables-nft-save")
    };
    let besides = if others { "; a packet must pass these and those that it shows" } else { "" };
    (
        "hidden-rules",
        Severity::Medium,
        format!(
            "{rules} of {whose} ({}) {verb} in force, and iptables -S does not show {them}, since that \
             command is the one for {of_command} here{besides}",
            names(hidden)
        ),
        format!(
            "look at them ({show}), move what is needed into the other backend, and empty this one"
        ),
    )
}

fn both(legacy: &[&Table], nftables: &[&Table]) -> Told {
    (
        "both-backends",
        Severity::Low,
        format!(
            "the older iptables ({}) and nftables ({}) both have rules: a packet must pass both, and \
             iptables -S shows only one",
            names(legacy),
            names(nftables)
        ),
        "look at both (iptables-legacy-save, nft list ruleset), move the rules into one, and empty \
         the other"
            .to_owned(),
    )
}

/// Whether the command that would show a table shows those of the other backend.
fn is_hidden(judgement: &Judgement<'_>, table: &Table) -> bool {
    let host = &judgement.snapshot.host;
    let command = match table.family {
        TableFamily::Ip => host.iptables,
        TableFamily::Ip6 => host.ip6tables,
        _ => return false,
    };
    match command {
        Some(IptablesBackend::Nft) => table.backend == Backend::Iptables,
        Some(IptablesBackend::Legacy) => {
            table.backend == Backend::Nftables && is_of_iptables(table)
        }
        None => false,
    }
}

/// Whether a table of nftables is one that `iptables-nft` makes and shows.
fn is_of_iptables(table: &Table) -> bool {
    const TABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];
    const CHAINS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
    TABLES.contains(&table.name.as_str())
        && table
            .chains
            .iter()
            .filter(|chain| chain.base.is_some())
            .all(|chain| CHAINS.contains(&chain.name.as_str()))
}

fn does_something(table: &Table) -> bool {
    table
        .chains
        .iter()
        .any(|chain| !chain.rules.is_empty() || chain.base.as_ref().is_some_and(|base| base.drops))
}

fn names(tables: &[&Table]) -> String {
    let names = tables.iter().map(|table| format!("{} {}", table.family.name(), table.name));
    names.collect::<Vec<_>>().join(", ")
}
