//! Matches and targets of x_tables from the kernel's own structures: as they stand in the tables of
//! iptables-legacy, and within nftables rules that iptables-nft made (nft_compat).
//!
//! Input: name, revision and bytes. Each structure is read to the options that iptables-save would
//! print of it, and what those mean is said once for both ([`crate::iptables`]). The layouts are
//! those of linux/netfilter/xt_*.h, linux/netfilter_ipv4/ipt_*.h and linux/netfilter_ipv6/ip6t_*.h
//! on 64-bit machines.
//!
//! A name, revision, size, flag or value that is not known makes the whole match or target unknown,
//! with its name.

mod matches;
mod options;
mod reader;
mod targets;
#[cfg(test)]
mod tests;

pub(crate) use matches::{Asked, asked, interface};

use crate::ipset::Ipsets;
use crate::iptables;
use crate::iptables::extension::Extension as Written;
use crate::ir::{Cond, Doubt, Family, Step, Verdict};

/// A match or target as the kernel keeps it: `struct xt_entry_match`, `struct xt_entry_target`, or
/// the attributes of nft_compat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Of the table.
    pub family: Family,
    /// Name: small letters for matches, capitals for targets.
    pub name: &'a str,
    /// Which of its structures.
    pub revision: u8,
    /// The structure.
    pub data: &'a [u8],
}

impl Extension<'_> {
    /// With the name that it has in text, where several share a structure.
    fn written(&self, options: Option<options::Options>) -> Option<Written> {
        let options = options?;
        let name = match (self.name, options.as_slice()) {
            ("conntrack", [only]) if only.name == "--state" => "state",
            ("CT", []) if targets::is_notrack(self) => "NOTRACK",
            (name, _) => name,
        };
        Some(Written { name: name.to_owned(), options })
    }

    fn as_match(&self, sets: &Ipsets) -> Option<Written> {
        self.written(matches::options(self, sets))
    }

    fn as_target(&self, sets: &Ipsets) -> Option<Written> {
        self.written(targets::options(self, sets))
    }

    /// What can be said of it where the structure is not known.
    fn unknown(&self) -> String {
        format!("{} (revision {}, {} bytes)", self.name, self.revision, self.data.len())
    }
}

/// What a match asks of a packet, and what else it does. `sets` are those of the same network
/// namespace.
#[must_use]
pub fn matching(extension: &Extension<'_>, sets: &Ipsets) -> Vec<Step> {
    let written = extension.as_match(sets);
    let mut steps = match cond(extension, written.as_ref(), sets) {
        Cond::Always => Vec::new(),
        cond => vec![Step::If(cond)],
    };
    steps.extend(written.as_ref().and_then(iptables::matches::effect));
    steps
}

fn cond(extension: &Extension<'_>, written: Option<&Written>, sets: &Ipsets) -> Cond {
    let Some(written) = written else {
        return Cond::Unknown(format!("-m {}", extension.unknown()), Doubt::History);
    };
    if extension.name == "set"
        && let Some(asked) = asked(extension.data, extension.revision)
    {
        return sets.cond(&asked, extension.family, &format!("-m {}", written.text()));
    }
    iptables::matches::lower(written, extension.family)
}

/// What a target does. Standard verdicts are not targets with a structure: they are numbers.
#[must_use]
pub fn target(extension: &Extension<'_>, sets: &Ipsets) -> Vec<Step> {
    match extension.as_target(sets) {
        Some(written) => iptables::targets::lower(&written, extension.family),
        None => vec![Step::verdict(Verdict::Unknown(format!("-j {}", extension.unknown())))],
    }
}

/// The sets that a target adds to or deletes from: [`Ipsets::doubt`] is for these, before anything
/// is read that asks them.
#[must_use]
pub fn written_sets(target: &Extension<'_>) -> Vec<u16> {
    if target.name == "SET" { targets::written_sets(target) } else { Vec::new() }
}

/// A match as iptables-save prints it: `-m tcp --dport 22`.
#[must_use]
pub fn match_text(extension: &Extension<'_>, sets: &Ipsets) -> String {
    let written = extension.as_match(sets);
    format!("-m {}", written.map_or_else(|| extension.unknown(), |written| written.text()))
}

/// A target as iptables-save prints it: `-j REJECT --reject-with tcp-reset`.
#[must_use]
pub fn target_text(extension: &Extension<'_>, sets: &Ipsets) -> String {
    let written = extension.as_target(sets);
    format!("-j {}", written.map_or_else(|| extension.unknown(), |written| written.text()))
}
