//! What a ruleset is written for, and how it is loaded into a lab and listed again.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::lab::Lab;

/// The program that loads a ruleset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// nft.
    Nft,
    /// iptables, the kernel's own tables.
    IptablesLegacy,
    /// ip6tables, the kernel's own tables.
    Ip6tablesLegacy,
    /// iptables in nftables.
    IptablesNft,
    /// ip6tables in nftables.
    Ip6tablesNft,
}

/// A ruleset in one of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What printed it.
    pub name: String,
    /// As it is printed.
    pub text: String,
}

/// The name of the form in which a ruleset is loaded.
pub(crate) const WRITTEN: &str = "as written";

/// The name of the form in which the kernel itself tells the ruleset, as a snapshot keeps it.
pub(crate) const LIVE: &str = "live";

/// How a line begins that is for ipset(8), in a dump for iptables.
pub(crate) const IPSET: &str = "#ipset ";

/// The tables of iptables and their base chains.
const TABLES: [(&str, &[&str]); 5] = [
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
    ("security", &["INPUT", "FORWARD", "OUTPUT"]),
];

impl Backend {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Nft,
        Self::IptablesLegacy,
        Self::Ip6tablesLegacy,
        Self::IptablesNft,
        Self::Ip6tablesNft,
    ];

    /// Whether its rules are in the kernel's own tables of iptables.
    pub(crate) fn is_legacy(self) -> bool {
        matches!(self, Self::IptablesLegacy | Self::Ip6tablesLegacy)
    }

    /// Whether its rules are for IPv6; none for both.
    #[must_use]
    pub fn v6(self) -> Option<bool> {
        match self {
            Self::Nft => None,
            Self::IptablesLegacy | Self::IptablesNft => Some(false),
            Self::Ip6tablesLegacy | Self::Ip6tablesNft => Some(true),
        }
    }

    fn restore(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::IptablesLegacy => "iptables-legacy-restore",
            Self::Ip6tablesLegacy => "ip6tables-legacy-restore",
            Self::IptablesNft => "iptables-nft-restore",
            Self::Ip6tablesNft => "ip6tables-nft-restore",
        }
    }

    fn save(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::IptablesLegacy => "iptables-legacy-save",
            Self::Ip6tablesLegacy => "ip6tables-legacy-save",
            Self::IptablesNft => "iptables-nft-save",
            Self::Ip6tablesNft => "ip6tables-nft-save",
        }
    }

    /// Loads a ruleset in place of the one before.
    pub(crate) fn load(self, lab: &Lab, text: &str) -> Result<(), Error> {
        match self {
            Self::Nft => lab.feed("nft", &["-f", "-"], &format!("{}{text}", Lab::EMPTY)),
            Self::IptablesLegacy | Self::Ip6tablesLegacy => {
                if lab.has_sets() || text.contains(IPSET) {
                    // Both families' rules may ask them.
                    for other in [Self::IptablesLegacy, Self::Ip6tablesLegacy] {
                        lab.feed(other.restore(), &[], &after_emptying(""))?;
                    }
                    make_sets(lab, text)?;
                }
                lab.feed(self.restore(), &[], &after_emptying(text))
            }
            Self::IptablesNft | Self::Ip6tablesNft => {
                lab.feed("nft", &["-f", "-"], Lab::EMPTY)?;
                if lab.has_sets() || text.contains(IPSET) {
                    make_sets(lab, text)?;
                }
                lab.feed(self.restore(), &[], text)
            }
        }
    }

    /// The lines (from 1) that the program complains of.
    pub(crate) fn refused_lines(self, stderr: &str) -> Vec<usize> {
        // nft: "/dev/stdin:3:1-4: Error: ..."; the others: "line 3 failed", "line 3: ...".
        let (mark, before) = match self {
            Self::Nft => ("/dev/stdin:", Lab::EMPTY.lines().count()),
            Self::IptablesLegacy | Self::Ip6tablesLegacy => {
                ("line ", after_emptying("").lines().count())
            }
            _ => ("line ", 0),
        };
        let number = |rest: &str| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.get(..end)?.parse::<usize>().ok()?.checked_sub(before)
        };
        stderr
            .match_indices(mark)
            .filter_map(|(at, _)| number(stderr.get(at + mark.len()..)?))
            .collect()
    }

    /// The ruleset that is loaded, as every program that can list it prints it.
    pub(crate) fn list(self, lab: &Lab) -> Result<Vec<Form>, Error> {
        let form = |arguments: &[&str]| -> Result<Form, Error> {
            let text = lab.print(arguments)?;
            Ok(Form { name: arguments.join(" "), text })
        };
        let mut forms = Vec::new();
        if self != Self::Nft {
            forms.push(form(&[self.save()])?);
        }
        if !self.is_legacy() {
            forms.push(form(&["nft", "list", "ruleset"])?);
            forms.push(form(&["nft", "-j", "list", "ruleset"])?);
        }
        forms.push(Form { name: LIVE.to_owned(), text: lab.look()? });
        Ok(forms)
    }
}

/// Most times that we wait for sets to be free.
const MOST_WAITS: u32 = 200;

/// The sets that a dump's lines make, in place of those before.
fn make_sets(lab: &Lab, text: &str) -> Result<(), Error> {
    // Lists keep their members.
    lab.feed("ipset", &["flush"], "")?;
    // nftables lets go of rules, and of the sets that they ask, some time after they are gone
    // (nf_tables_api.c, nf_tables_commit_release).
    let mut tries = 0;
    while let Err(error) = lab.feed("ipset", &["destroy"], "") {
        tries += 1;
        if tries > MOST_WAITS {
            return Err(error);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut lines = String::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(IPSET)) {
        lines.push_str(line);
        lines.push('\n');
    }
    lab.feed("ipset", &["-exist", "restore"], &lines)?;
    lab.note_sets();
    Ok(())
}

/// Every table emptied, and then the dump: a chain that it does not name would keep its policy.
fn after_emptying(text: &str) -> String {
    let mut all = String::new();
    for (table, chains) in TABLES {
        all.push_str(&format!("*{table}\n"));
        for chain in chains {
            all.push_str(&format!(":{chain} ACCEPT [0:0]\n"));
        }
        all.push_str("COMMIT\n");
    }
    all.push_str(text);
    if !all.ends_with('\n') {
        all.push('\n');
    }
    all
}
