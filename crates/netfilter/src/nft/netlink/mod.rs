//! Rulesets as nfnetlink tells them: the messages of a live kernel, or of a saved snapshot.
//!
//! Input: bytes, which may be anything. Output: the syntax tree of `nft list ruleset`, so that what a
//! statement means is written down once. A rule is a program for a machine with registers
//! ([`registers`]); its expressions are run in the mind, with names of fields instead of packets
//! ([`reads`], [`compare`], [`actions`]). The rules:
//!
//! * **Nothing is guessed.** An expression, attribute, flag or register that is not understood becomes
//!   an unknown statement or condition of its rule, named.
//! * **The bytes decide, not the types** that programs store beside them: what a key is, the
//!   expressions that load it say.
//!
//! Sources: linux/netfilter/nf_tables.h, net/netfilter/nf_tables_api.c and nft_*.c of Linux 6.18.

mod actions;
mod attribute;
mod calculate;
mod compare;
mod headers;
mod hooked;
mod lookup;
mod object;
mod part;
mod reads;
mod registers;
mod rule;
mod set;
mod verdict;
mod without;
mod xtables;

pub(crate) use hooked::{Hooked, hooked};
pub(super) use object::parse;
pub(super) use reads::ADDRESS_TYPES;
pub(crate) use without::without;
pub(super) use xtables::doubt_sets;
