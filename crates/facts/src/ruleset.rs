//! The packet filter of a network namespace, as the kernel gave it.
//!
//! The bytes are kept as they came: what they mean is read in `netfilter`, so that an attribute that
//! this version does not know is still in a saved snapshot.

use serde::{Deserialize, Serialize};

use crate::{Blob, Part};

/// Everything that filters or changes packets in a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesetDump {
    /// nftables, which holds the rules of `iptables-nft` too.
    #[serde(default)]
    pub nftables: Part<NftablesDump>,
    /// The tables of `iptables-legacy` and `ip6tables-legacy`: family and name in order. A table that
    /// no program has touched does not exist in the kernel and is not listed.
    #[serde(default)]
    pub legacy: Part<Vec<LegacyTable>>,
    /// The sets of ipset(8), sorted by name.
    #[serde(default)]
    pub ipsets: Part<Vec<IpsetDump>>,
    /// Every function that is called for IPv4 and IPv6 packets, as nfnetlink told it
    /// (`NFNL_MSG_HOOK_GET`, Linux 5.14): whole messages like those of nftables, those of one hook in
    /// the order in which it calls them.
    #[serde(default)]
    pub hooks: Part<Blob>,
    /// Rulesets as text, in addition to what the kernel told. The collector reads none; a snapshot
    /// that was made by hand may have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<RulesetText>,
}

/// A ruleset as text, in one of the forms that the tools print.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RulesetText {
    /// What to call it: the name of its file.
    pub name: String,
    /// What `nft list ruleset`, `iptables-save` or `ip6tables-save` printed.
    pub text: String,
}

/// nftables as nfnetlink told it: whole messages with their headers (`struct nlmsghdr`), each
/// aligned to four bytes, in the kernel's order and byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NftablesDump {
    /// The generation of the ruleset (`NFTA_GEN_ID`), the same before and after all was read.
    pub generation: u32,
    /// `NFT_MSG_NEWTABLE`.
    pub tables: Blob,
    /// `NFT_MSG_NEWCHAIN`.
    pub chains: Blob,
    /// `NFT_MSG_NEWRULE`.
    pub rules: Blob,
    /// `NFT_MSG_NEWSET`.
    pub sets: Blob,
    /// `NFT_MSG_NEWSETELEM`, of all sets that were read.
    pub elements: Blob,
}

/// One table of the older iptables, as `getsockopt(IPT_SO_GET_ENTRIES)` tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LegacyTable {
    /// Whether it is one of `ip6tables`.
    pub ipv6: bool,
    /// Its name: `filter`, `nat` …
    pub name: String,
    /// Whether packets pass it before their fragments are put together: the parameter
    /// `raw_before_defrag` of the modules `iptable_raw` and `ip6table_raw`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before_defrag: bool,
    /// `struct ipt_getinfo` or `struct ip6t_getinfo`, without the name: valid hooks, entry points and
    /// underflows.
    pub info: Blob,
    /// Its entries: `struct ipt_entry` or `struct ip6t_entry` one after the other.
    pub entries: Blob,
}

/// One set of ipset(8), as nfnetlink told it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IpsetDump {
    /// Its name.
    pub name: String,
    /// The number by which rules name it (`ip_set_id_t`).
    pub index: u16,
    /// The `IPSET_CMD_LIST` messages that describe it and its entries, with their headers.
    pub messages: Blob,
}
