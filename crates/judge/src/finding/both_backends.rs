//! Rules of iptables-legacy beside rules of nftables: a packet must pass both, and `iptables -S` shows
//! one of them.

use netfilter::ir::{Backend, Table};

use super::{Finding, Severity};
use crate::Judgement;

/// Finds namespaces that have both.
pub(super) fn find(judgement: &Judgement<'_>, found: &mut Vec<Finding>) {
    for (at, namespace) in judgement.namespaces.iter().enumerate() {
        let Some(home) = judgement.home(at).filter(|home| home.unread.is_empty()) else { continue };
        let does_something = |table: &&Table| {
            table.chains.iter().any(|chain| {
                !chain.rules.is_empty() || chain.base.as_ref().is_some_and(|base| base.drops)
            })
        };
        let of = |backend| {
            let tables = home.ruleset.tables.iter().filter(|table| table.backend == backend);
            let tables = tables.filter(does_something);
            tables.map(|table| format!("{} {}", table.family.name(), table.name)).collect()
        };
        let (legacy, nftables): (Vec<String>, Vec<String>) =
            (of(Backend::Iptables), of(Backend::Nftables));
        if legacy.is_empty() || nftables.is_empty() {
            continue;
        }
        found.push(Finding {
            id: "both-backends",
            severity: Severity::Low,
            rows: Vec::new(),
            subject: if namespace.is_host() {
                "packet filter".to_owned()
            } else {
                format!("{} packet filter", namespace.label)
            },
            text: format!(
                "the older iptables ({}) and nftables ({}) both have rules: a packet must pass \
                 both, and iptables -S shows only one",
                legacy.join(", "),
                nftables.join(", ")
            ),
            action: "look at both (iptables-legacy-save, nft list ruleset), move the rules into \
                     one, and empty the other"
                .to_owned(),
        });
    }
}
