//! Rulesets as nft(8) prints them: `nft list ruleset` as text, and `nft -j list ruleset`
//! (libnftables-json(5)).
//!
//! And as nfnetlink tells them, from which nft(8) makes both. All are parsed into one syntax tree and
//! lowered from there. What is not understood,
//! in an expression, a statement or a set, stays in its rule as unknown.

mod ast;
mod elements;
mod fib;
mod json;
mod keys;
mod lower;
mod nat;
pub(crate) mod netlink;
mod print;
mod priority;
mod statement;
mod text;
mod token;
mod values;

use facts::{Link, NftablesDump};

use crate::ipset::Ipsets;
use crate::ir::Ruleset;
use crate::syntax::ParseError;

/// Parses the text form. `file` names it in places and errors.
pub fn parse_text(file: &str, text: &str) -> Result<Ruleset, ParseError> {
    Ok(lower::lower(text::parse(file, text)?))
}

/// Parses the JSON form. `file` names it in places and errors.
pub fn parse_json(file: &str, text: &str) -> Result<Ruleset, ParseError> {
    Ok(lower::lower(json::parse(file, text)?))
}

/// Reads what the kernel told over nfnetlink. `links` are the interfaces of its network namespace,
/// which rules can name by number, and `ipsets` the sets of ipset(8) there, which rules of iptables
/// ask.
#[must_use]
pub fn parse_netlink(dump: &NftablesDump, links: &[Link], ipsets: &Ipsets) -> Ruleset {
    lower::lower(netlink::parse(dump, links, ipsets))
}

/// Finds the sets of ipset(8) that the rules' targets write into; see [`crate::xt::written_sets`].
pub fn doubt_sets(dump: &NftablesDump, ipsets: &mut Ipsets) {
    netlink::doubt_sets(dump, ipsets);
}
