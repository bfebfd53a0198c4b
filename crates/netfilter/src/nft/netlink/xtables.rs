//! Matches and targets of x_tables within rules of nftables (nft_compat.c), as iptables-nft makes
//! them.

use facts::NftablesDump;

use super::super::ast::Statement;
use super::attribute::{Attributes, Fields, Messages, Odd, Order, text};
use super::rule::Decoder;
use crate::ipset::Ipsets;
use crate::ir::Family;
use crate::xt::{self, Extension};

/// NFTA_MATCH_NAME and NFTA_TARGET_NAME, _REV, _INFO.
const NAME: u16 = 1;
const REVISION: u16 = 2;
const INFO: u16 = 3;
/// NFTA_RULE_EXPRESSIONS, NFTA_EXPR_NAME, NFTA_EXPR_DATA.
const RULE_EXPRESSIONS: u16 = 4;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;

/// A match or target in the attributes of its expression.
fn extension<'a>(
    fields: &Fields<'a>,
    family: Family,
    name: &'a mut String,
) -> Result<Extension<'a>, Odd> {
    *name = fields.text(NAME)?;
    let revision = u8::try_from(fields.number(REVISION)?).map_err(|_| Odd::Value(REVISION))?;
    let data = fields.get(INFO).unwrap_or_default();
    Ok(Extension { family, name, revision, data })
}

/// The family whose structures a table's extensions have.
fn family(table: u8) -> Option<Family> {
    match table {
        2 => Some(Family::Ipv4),
        10 => Some(Family::Ipv6),
        _ => None,
    }
}

impl Decoder<'_, '_> {
    pub(super) fn xt_match(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let (mut name, ipsets) = (String::new(), self.around.ipsets);
        let Some(family) = family(self.around.family) else {
            self.unknown(format!("match {}", fields.text(NAME)?));
            return Ok(());
        };
        let extension = extension(fields, family, &mut name)?;
        let statement = Statement::Steps(xt::matching(&extension, ipsets));
        self.show(statement, xt::match_text(&extension, ipsets));
        Ok(())
    }

    pub(super) fn xt_target(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let (mut name, ipsets) = (String::new(), self.around.ipsets);
        let Some(family) = family(self.around.family) else {
            self.unknown(format!("target {}", fields.text(NAME)?));
            return Ok(());
        };
        let extension = extension(fields, family, &mut name)?;
        let statement = Statement::Steps(xt::target(&extension, ipsets));
        self.show(statement, xt::target_text(&extension, ipsets));
        Ok(())
    }
}

/// Finds the sets of ipset(8) that targets write into.
pub(crate) fn doubt_sets(dump: &NftablesDump, ipsets: &mut Ipsets) {
    let order = Order::of(&dump.tables.0);
    for message in Messages::new(&dump.rules.0, order).flatten() {
        let Some(family) = family(message.family) else { continue };
        let attributes = Attributes::new(message.attributes, order).flatten();
        for (_, list) in attributes.filter(|(kind, _)| *kind == RULE_EXPRESSIONS) {
            for (_, expression) in Attributes::new(list, order).flatten() {
                for index in written(expression, order, family).unwrap_or_default() {
                    ipsets.doubt(index);
                }
            }
        }
    }
}

/// The sets that an expression writes into. What cannot be read is unknown where rules are read.
fn written(expression: &[u8], order: Order, family: Family) -> Result<Vec<u16>, Odd> {
    let fields = Fields::read(expression, order, EXPR_DATA)?;
    if text(fields.need(EXPR_NAME)?) != "target" {
        return Ok(Vec::new());
    }
    let mut name = String::new();
    let target = fields.nested(EXPR_DATA, INFO)?;
    Ok(xt::written_sets(&extension(&target, family, &mut name)?))
}
