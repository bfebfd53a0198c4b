//! Which sets the rules refer to.

use std::collections::HashSet;

use super::attributes;
use crate::netlink::{Attribute, Error, Malformed, Messages};

const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
/// `NFT_SET_ANONYMOUS`: it lives and dies with its rule.
const NFT_SET_ANONYMOUS: u32 = 1;

/// The attribute that names a set, in each expression that has one: NFTA_LOOKUP_SET,
/// NFTA_DYNSET_SET_NAME, NFTA_OBJREF_SET_NAME.
const REFERENCES: [(&[u8], u16); 3] = [(b"lookup\0", 1), (b"dynset\0", 1), (b"objref\0", 4)];

/// A set, by the names as they are in attributes, with their NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SetId<'a> {
    pub(super) family: u8,
    pub(super) table: &'a [u8],
    pub(super) name: &'a [u8],
}

/// The sets whose elements matter, in the kernel's order: anonymous ones, and those that some rule
/// names. An element refers to no other set.
pub(super) fn wanted<'a>(sets: &'a [u8], rules: &'a [u8]) -> Result<Vec<SetId<'a>>, Error> {
    let list = sets_of(sets)?;
    let has_named = list.iter().any(|(_, anonymous)| !anonymous);
    let used = if has_named { used(rules)? } else { HashSet::new() };
    Ok(list
        .into_iter()
        .filter(|(id, anonymous)| *anonymous || used.contains(id))
        .map(|(id, _)| id)
        .collect())
}

/// Every set, and whether it is anonymous.
fn sets_of(bytes: &[u8]) -> Result<Vec<(SetId<'_>, bool)>, Malformed> {
    let mut list = Vec::new();
    for message in Messages::new(bytes) {
        let body = message?.body;
        let family = body.first().copied().unwrap_or(0);
        let (mut table, mut name, mut flags) = (None, None, 0);
        for attribute in attributes(body)? {
            let attribute = attribute?;
            match attribute.kind {
                NFTA_SET_TABLE => table = Some(attribute.value),
                NFTA_SET_NAME => name = Some(attribute.value),
                NFTA_SET_FLAGS => {
                    flags = u32::from_be_bytes(attribute.fields("NFTA_SET_FLAGS").take()?);
                }
                _ => {}
            }
        }
        if let (Some(table), Some(name)) = (table, name) {
            list.push((SetId { family, table, name }, flags & NFT_SET_ANONYMOUS != 0));
        }
    }
    Ok(list)
}

/// The sets that some rule names.
fn used(rules: &[u8]) -> Result<HashSet<SetId<'_>>, Malformed> {
    let mut found = HashSet::new();
    for message in Messages::new(rules) {
        let body = message?.body;
        let family = body.first().copied().unwrap_or(0);
        let mut table: &[u8] = &[];
        for attribute in attributes(body)? {
            let attribute = attribute?;
            match attribute.kind {
                NFTA_RULE_TABLE => table = attribute.value,
                NFTA_RULE_EXPRESSIONS => {
                    for expression in attribute.nested() {
                        if let Some(name) = set_of(&expression?)? {
                            found.insert(SetId { family, table, name });
                        }
                    }
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The set that an expression names.
fn set_of<'a>(expression: &Attribute<'a>) -> Result<Option<&'a [u8]>, Malformed> {
    let mut wanted = None;
    for attribute in expression.nested() {
        let attribute = attribute?;
        match (attribute.kind, wanted) {
            (NFTA_EXPR_NAME, _) => {
                let found = REFERENCES.iter().find(|(name, _)| *name == attribute.value);
                let Some((_, kind)) = found else { return Ok(None) };
                wanted = Some(*kind);
            }
            (NFTA_EXPR_DATA, Some(kind)) => {
                for part in attribute.nested() {
                    let part = part?;
                    if part.kind == kind {
                        return Ok(Some(part.value));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(None)
}
