//! Netfilter rulesets as programs.

pub mod concrete;
pub mod ir;
pub mod iptables;
mod names;
pub mod nft;
pub mod symbolic;
pub mod syntax;
pub mod rules;
