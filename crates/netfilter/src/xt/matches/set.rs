//! The match `set`: which set, and what of the packet is looked up in it.

use crate::ipset::Ipsets;
use crate::iptables::extension::Opt;
use crate::xt::options::Options;
use crate::xt::reader::Reader;

/// What a match asks of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The set's number.
    pub(crate) index: u16,
    /// For each part of an element, whether it is taken from the source.
    pub(crate) from_source: Vec<bool>,
    /// Matches what is not in the set.
    pub(crate) negated: bool,
    /// Of the elements with `nomatch` and those without, the former count.
    pub(crate) return_nomatch: bool,
    /// Comparisons of an element's counters: name and operator (IPSET_COUNTER_*) and value.
    pub(crate) counters: Vec<(&'static str, u8, u64)>,
    flags: u32,
}

/// IPSET_FLAG_* of `enum ipset_cmd_flags` that the match takes.
const SKIP_COUNTER_UPDATE: u32 = 1 << 3;
const SKIP_SUBCOUNTER_UPDATE: u32 = 1 << 4;
const MATCH_COUNTERS: u32 = 1 << 5;
const RETURN_NOMATCH: u32 = 1 << 7;

/// `struct xt_set_info`: the number, how many parts, and their directions as bits from 1 on
/// (`enum ip_set_kopt`). Bit 0 inverts; bit 7 is `--return-nomatch`, until revision 2.
pub(crate) fn info(reader: &mut Reader<'_>, with_nomatch: bool) -> Option<Asked> {
    let (index, count, bits) = (reader.u16()?, reader.u8()?, reader.u8()?);
    if count == 0 || count > 6 {
        return None;
    }
    let known = ((2_u32 << count) - 1) | u32::from(with_nomatch) << 7;
    if u32::from(bits) & !known != 0 {
        return None;
    }
    Some(Asked {
        index,
        from_source: (1..=count).map(|part| bits & 1 << part != 0).collect(),
        negated: bits & 1 != 0,
        return_nomatch: with_nomatch && bits & 0x80 != 0,
        counters: Vec::new(),
        flags: 0,
    })
}

/// `struct xt_set_info_match_v0` (revision 0), `_v1` (1 and 2), `_v3` and `_v4`.
pub(crate) fn asked(data: &[u8], revision: u8) -> Option<Asked> {
    match revision {
        0 => oldest(&mut Reader::new(data, 32)?),
        1 | 2 => info(&mut Reader::new(data, 4)?, true),
        3 | 4 => with_counters(Reader::new(data, 48)?, revision),
        _ => None,
    }
}

/// `struct xt_set_info_v0`, whose last word the kernel fills in with the number of parts and the
/// bits of the later revisions (net/netfilter/xt_set.c, compat_flags).
pub(crate) fn oldest(reader: &mut Reader<'_>) -> Option<Asked> {
    let mut later = reader.clone();
    later.skip(28);
    let index = reader.u16()?;
    let (count, bits) = (later.u8()?, later.u8()?);
    reader.skip(30);
    let [low, high] = index.to_ne_bytes();
    info(&mut Reader::new(&[low, high, count, bits], 4)?, false)
}

/// Packets and bytes, each with an operator and a value; the third has them in that order.
fn with_counters(mut reader: Reader<'_>, revision: u8) -> Option<Asked> {
    let mut asked = info(&mut reader, false)?;
    for (name, at) in [("packets", 8), ("bytes", 24)] {
        let (operator_at, value_at) = if revision == 3 { (at, at + 8) } else { (at + 8, at) };
        reader.seek(operator_at);
        let operator = reader.u8()?;
        reader.seek(value_at);
        let value = reader.u64()?;
        match operator {
            0 => {}
            1..=4 => asked.counters.push((name, operator, value)),
            _ => return None,
        }
    }
    reader.seek(40);
    asked.flags = reader.u32()?;
    let known = SKIP_COUNTER_UPDATE | SKIP_SUBCOUNTER_UPDATE | MATCH_COUNTERS | RETURN_NOMATCH;
    asked.return_nomatch = asked.flags & RETURN_NOMATCH != 0;
    (asked.flags & !known == 0).then_some(asked)
}

/// A set's name, and the sides of the packet.
pub(crate) fn named(option: &str, asked: &Asked, sets: &Ipsets) -> Opt {
    let sides: Vec<&str> =
        asked.from_source.iter().map(|source| if *source { "src" } else { "dst" }).collect();
    let mut set = Opt::bare(option).negate_if(asked.negated);
    set.values = vec![sets.name(asked.index), sides.join(",")];
    set
}

/// The options, with the set's name where it is known.
pub(super) fn options(data: &[u8], revision: u8, sets: &Ipsets) -> Option<Options> {
    let asked = asked(data, revision)?;
    let mut list = vec![named("--match-set", &asked, sets)];
    list.extend(asked.return_nomatch.then(|| Opt::bare("--return-nomatch")));
    for (bit, name) in [
        (SKIP_COUNTER_UPDATE, "--update-counters"),
        (SKIP_SUBCOUNTER_UPDATE, "--update-subcounters"),
    ] {
        list.extend((asked.flags & bit != 0).then(|| Opt::bare(name).negate_if(true)));
    }
    for (name, operator, value) in asked.counters {
        let suffix = match operator {
            1 | 2 => "eq",
            3 => "lt",
            _ => "gt",
        };
        list.push(Opt::new(&format!("--{name}-{suffix}"), value).negate_if(operator == 2));
    }
    Some(list)
}

/// One of the sets of the target `SET`: no option where none is meant.
pub(crate) fn of_target(
    reader: &mut Reader<'_>,
    revision: u8,
    option: &str,
    sets: &Ipsets,
) -> Option<Options> {
    let mut ahead = reader.clone();
    if ahead.u16()? == u16::MAX {
        reader.skip(if revision == 0 { 32 } else { 4 });
        return Some(Options::new());
    }
    let asked = if revision == 0 { oldest(reader)? } else { info(reader, false)? };
    Some(vec![named(option, &asked, sets)])
}
