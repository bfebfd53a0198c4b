//! Everything that filters or changes packets in one network namespace.

use facts::RulesetDump;

use crate::{ipset, legacy, nftables};

/// Reads it for the network namespace that the calling thread is in; `label` names it in gaps.
pub fn read(label: &str) -> RulesetDump {
    RulesetDump {
        nftables: nftables::read(label),
        legacy: legacy::read(label),
        ipsets: ipset::read(label),
        hooks: nftables::hooks::read(label),
        texts: Vec::new(),
    }
}
