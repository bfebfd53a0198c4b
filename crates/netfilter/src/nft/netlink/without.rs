//! A dump without some of its tables.

use facts::{Blob, NftablesDump};

use super::attribute::{Attributes, Messages, Order, text};
use super::object::family;
use crate::ir::TableFamily;

/// The name of the table: attribute 1 of tables, chains, rules, sets and lists of elements
/// (linux/netfilter/nf_tables.h: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE,
/// NFTA_SET_ELEM_LIST_TABLE).
const TABLE: u16 = 1;

/// The dump, and of it no tables that are gone. What is torn, or of a family that is not known, stays.
pub(crate) fn without(
    dump: &NftablesDump,
    is_gone: &dyn Fn(TableFamily, &str) -> bool,
) -> NftablesDump {
    let order = Order::of(&dump.tables.0);
    let kept = |blob: &Blob| Blob(kept(&blob.0, order, is_gone));
    NftablesDump {
        generation: dump.generation,
        tables: kept(&dump.tables),
        chains: kept(&dump.chains),
        rules: kept(&dump.rules),
        sets: kept(&dump.sets),
        elements: kept(&dump.elements),
    }
}

fn kept(bytes: &[u8], order: Order, is_gone: &dyn Fn(TableFamily, &str) -> bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut messages = Messages::new(rest, order);
        let Some(Ok(message)) = messages.next() else {
            kept.extend_from_slice(rest);
            break;
        };
        let length = rest.len().saturating_sub(messages.rest().len());
        let (whole, after) = rest.split_at(length);
        rest = after;
        let attributes = Attributes::new(message.attributes, order);
        let name = attributes.flatten().find(|(kind, _)| *kind == TABLE);
        let gone = name
            .and_then(|(_, name)| Some(is_gone(family(message.family)?, &text(name))))
            .unwrap_or(false);
        if !gone {
            kept.extend_from_slice(whole);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of a family with the name of a table.
    fn message(family: u8, name: &str) -> Vec<u8> {
        let mut attribute = vec![0; 4];
        attribute[0] = u8::try_from(4 + name.len() + 1).unwrap();
        attribute[2] = 1;
        attribute.extend(name.bytes());
        attribute.push(0);
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        let mut whole = vec![0; 20];
        whole[0] = u8::try_from(20 + attribute.len()).unwrap();
        whole[16] = family;
        whole.extend(attribute);
        whole
    }

    #[test]
    fn tables_by_family_and_name() {
        let all = [message(1, "firewalld"), message(2, "filter"), message(10, "filter")].concat();
        let check = |is_gone: &dyn Fn(TableFamily, &str) -> bool, expect: &[u8]| {
            let blob = Blob(all.clone());
            let dump = NftablesDump { tables: blob.clone(), rules: blob, ..Default::default() };
            let left = without(&dump, is_gone);
            assert_eq!((left.tables.0.as_slice(), left.rules.0.as_slice()), (expect, expect));
            assert!(left.chains.0.is_empty());
        };
        check(&|_, _| false, &all);
        check(&|_, _| true, &[]);
        check(
            &|family, name| family == TableFamily::Ip && name == "filter",
            &[message(1, "firewalld"), message(10, "filter")].concat(),
        );
        check(
            &|_, name| name == "firewalld",
            &[message(2, "filter"), message(10, "filter")].concat(),
        );
    }

    #[test]
    fn torn_bytes_stay() {
        let mut bytes = message(2, "filter");
        bytes.extend([9, 9, 9]);
        let dump = NftablesDump { tables: Blob(bytes), ..NftablesDump::default() };
        assert_eq!(without(&dump, &|_, _| true).tables.0, [9, 9, 9]);
    }
}
