//! What would load a firewall at boot or on a reload.

use serde::{Deserialize, Serialize};

/// Something that loads packet filter rules. Sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirewallLoader {
    /// What it is: `nftables`, `netfilter-persistent`, `ufw`, `firewalld`, `docker` …
    pub name: String,
    /// The units, one of which must be started at boot for it to do so.
    pub units: Vec<String>,
    /// Whether its own configuration says that it is to do so (`ENABLED=yes` of ufw); none: it has
    /// no such setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Where that is said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub enabled_source: String,
    /// The files with the rules that it loads, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FirewallFile>,
    /// Why these are not all of what it loads, or not in a form that is read here. Empty: they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unclear: Vec<String>,
}

/// A file with rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirewallFile {
    /// Its path.
    pub path: String,
    /// Its form.
    pub form: RulesForm,
    /// Its content, with what it includes in place.
    pub text: String,
}

/// How rules are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulesForm {
    /// nft(8).
    Nft,
    /// iptables-restore(8).
    Iptables,
    /// ip6tables-restore(8).
    Ip6tables,
    /// Assignments of shell, which say how the others are used.
    Settings,
    /// firewalld's zones, policies, services and sets (firewalld.zone(5)).
    Firewalld,
    /// One that this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}
