//! Verdicts (nf_tables.h, `enum nft_verdicts`; netfilter.h).

use super::super::ast::Verdict;
use super::attribute::{Fields, Odd};

const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;
/// NFTA_VERDICT_CHAIN_ID.
const NFTA_VERDICT_LAST: u16 = 3;

/// A verdict in the attributes of data; none for one that lets the rule go on.
pub(super) fn read(data: &Fields<'_>) -> Result<Option<Verdict>, Odd> {
    let fields = data.nested(NFTA_DATA_VERDICT, NFTA_VERDICT_LAST)?;
    let chain = || fields.text(NFTA_VERDICT_CHAIN);
    let code = i32::from_be_bytes(fields.number(NFTA_VERDICT_CODE)?.to_be_bytes());
    Ok(Some(match code {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        // NF_QUEUE; the queue's number is in the upper half.
        _ if code & 0xff == 3 && code > 0 => Verdict::Queue(format!("queue num {}", code >> 16)),
        // NFT_CONTINUE.
        -1 => return Ok(None),
        // NFT_BREAK: the next rule.
        -2 => Verdict::Continue,
        -3 => Verdict::Jump(chain()?),
        -4 => Verdict::Goto(chain()?),
        -5 => Verdict::Return,
        _ => return Err(Odd::Value(NFTA_VERDICT_CODE)),
    }))
}
