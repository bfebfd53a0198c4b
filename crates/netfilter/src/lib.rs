//! Netfilter rulesets as programs.

pub mod concrete;
pub mod iptables;
pub mod ir;
mod names;
pub mod nft;
pub mod rules;
pub mod symbolic;
pub mod syntax;
