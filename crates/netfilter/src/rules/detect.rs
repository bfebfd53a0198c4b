//! Which of the forms a file has, told from its content.

use crate::ir::Ruleset;
use crate::syntax::ParseError;
use crate::{iptables, nft};

/// The forms of rulesets that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `iptables-save`, `ip6tables-save` or `iptables -S`.
    IptablesSave,
    /// `nft list ruleset`.
    NftText,
    /// `nft -j list ruleset`.
    NftJson,
}

/// The form of a file: JSON begins with a brace; iptables' lines with `*`, `:`, `-` or `[`.
#[must_use]
pub fn detect(text: &str) -> Format {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    match lines.next().and_then(|line| line.chars().next()) {
        Some('{') => Format::NftJson,
        Some('*' | ':' | '-' | '[') => Format::IptablesSave,
        _ => Format::NftText,
    }
}

/// Reads a file of any form. Bytes that are not UTF-8 (in comments and log prefixes) are replaced.
pub fn read(name: &str, bytes: &[u8]) -> Result<Ruleset, ParseError> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    match detect(text) {
        Format::IptablesSave => iptables::parse(name, text),
        Format::NftText => nft::parse_text(name, text),
        Format::NftJson => nft::parse_json(name, text),
    }
}
