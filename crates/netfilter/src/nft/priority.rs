//! Names of chain priorities: NF_IP_PRI_* of linux/netfilter_ipv4.h, and for the bridge family
//! NF_BR_PRI_* of linux/netfilter_bridge.h.

use crate::ir::TableFamily;

/// The number of `filter`, `filter + 10`, `dstnat-5`, `-150`.
pub(super) fn priority(family: TableFamily, text: &str) -> Option<i32> {
    let compact: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    if let Ok(number) = compact.parse() {
        return Some(number);
    }
    let split = compact.find(['+', '-']).unwrap_or(compact.len());
    let (name, offset) = compact.split_at_checked(split)?;
    let offset: i32 = if offset.is_empty() { 0 } else { offset.parse().ok()? };
    named(family, name)?.checked_add(offset)
}

fn named(family: TableFamily, name: &str) -> Option<i32> {
    Some(match (family, name) {
        (TableFamily::Bridge, "dstnat") | (_, "raw") => -300,
        (TableFamily::Bridge, "filter") => -200,
        (TableFamily::Bridge, "srcnat") => 300,
        (_, "mangle") => -150,
        (_, "dstnat") => -100,
        (_, "filter") => 0,
        (_, "security") => 50,
        (TableFamily::Bridge, "out") | (_, "srcnat") => 100,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_offsets() {
        let check = |text, expect| assert_eq!(priority(TableFamily::Inet, text), expect, "{text}");
        check("filter", Some(0));
        check("filter + 10", Some(10));
        check("dstnat - 5", Some(-105));
        check("-150", Some(-150));
        check("mangle+10", Some(-140));
        check("nothing", None);
        check("filter + 9999999999", None);
    }
}
