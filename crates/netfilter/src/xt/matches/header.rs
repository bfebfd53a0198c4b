//! Extension headers of IPv6.

use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::syntax::address_text;
use crate::xt::options::{Options, names, network, span};
use crate::xt::reader::Reader;

fn counted(lo: u32, hi: u32) -> Option<String> {
    ((lo, hi) != (0, u32::MAX)).then(|| span(lo, hi))
}

/// `struct ip6t_ah`: IP6T_AH_INV_SPI and _LEN.
pub(super) fn authentication(mut reader: Reader<'_>) -> Option<Options> {
    let (lo, hi, length) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (reserved, inverse) = (reader.u8()?, reader.u8()?);
    if inverse & !0x03 != 0 {
        return None;
    }
    let mut list = Options::new();
    if counted(lo, hi).is_some() || inverse & 1 != 0 {
        list.push(Opt::new("--ahspi", span(lo, hi)).negate_if(inverse & 1 != 0));
    }
    if length != 0 || inverse & 2 != 0 {
        list.push(Opt::new("--ahlen", length).negate_if(inverse & 2 != 0));
    }
    list.extend((reserved != 0).then(|| Opt::bare("--ahres")));
    Some(list)
}

/// `struct ip6t_frag`: IP6T_FRAG_*.
pub(super) fn fragment(mut reader: Reader<'_>) -> Option<Options> {
    let (lo, hi, length) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (flags, inverse) = (reader.u8()?, reader.u8()?);
    if flags & !0x3f != 0 || inverse & !0x03 != 0 {
        return None;
    }
    let mut list = Options::new();
    if counted(lo, hi).is_some() || inverse & 1 != 0 {
        list.push(Opt::new("--fragid", span(lo, hi)).negate_if(inverse & 1 != 0));
    }
    if flags & 0x02 != 0 {
        list.push(Opt::new("--fraglen", length).negate_if(inverse & 2 != 0));
    }
    let table =
        [(0x04, "--fragres"), (0x08, "--fragfirst"), (0x10, "--fragmore"), (0x20, "--fraglast")];
    list.extend(
        table.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| Opt::bare(name)),
    );
    Some(list)
}

/// `struct ip6t_rt`: IP6T_RT_*.
pub(super) fn routing(mut reader: Reader<'_>) -> Option<Options> {
    let (kind, lo, hi) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (length, flags, inverse) = (reader.u32()?, reader.u8()?, reader.u8()?);
    if flags & !0x3f != 0 || inverse & !0x07 != 0 {
        return None;
    }
    let mut addresses = reader.clone();
    addresses.seek(20);
    reader.seek(276);
    let count = usize::from(reader.u8()?);
    if count > 16 {
        return None;
    }
    let mut list = Options::new();
    let negated = |bit: u8| inverse & bit != 0;
    if flags & 0x01 != 0 {
        list.push(Opt::new("--rt-type", kind).negate_if(negated(0x01)));
    }
    if flags & 0x02 != 0 || counted(lo, hi).is_some() {
        list.push(Opt::new("--rt-segsleft", span(lo, hi)).negate_if(negated(0x02)));
    }
    if flags & 0x04 != 0 {
        list.push(Opt::new("--rt-len", length).negate_if(negated(0x04)));
    }
    list.extend((flags & 0x08 != 0).then(|| Opt::bare("--rt-0-res")));
    if flags & 0x10 != 0 && count > 0 {
        let hops: Option<Vec<String>> = (0..count)
            .map(|_| addresses.address(Family::Ipv6).map(|hop| address_text(Family::Ipv6, hop)))
            .collect();
        list.push(Opt::new("--rt-0-addrs", hops?.join(",")));
    }
    list.extend((flags & 0x20 != 0).then(|| Opt::bare("--rt-0-not-strict")));
    Some(list)
}

/// `struct ip6t_opts` of `hbh` and `dst`: IP6T_OPTS_*. An option is its type and its length.
pub(super) fn options(mut reader: Reader<'_>, name: &str) -> Option<Options> {
    let (length, flags, inverse) = (reader.u32()?, reader.u8()?, reader.u8()?);
    let mut types = [0; 16];
    for kind in &mut types {
        *kind = reader.u16()?;
    }
    let count = usize::from(reader.u8()?);
    if flags & !0x07 != 0 || inverse & !0x01 != 0 || count > types.len() {
        return None;
    }
    let mut list = Options::new();
    if flags & 0x01 != 0 {
        list.push(Opt::new(&format!("--{name}-len"), length).negate_if(inverse & 1 != 0));
    }
    if flags & 0x02 != 0 {
        let one = |kind: &u16| match kind & 0xff {
            0xff => (kind >> 8).to_string(),
            length => format!("{}:{length}", kind >> 8),
        };
        let text = types.iter().take(count).map(one).collect::<Vec<_>>().join(",");
        list.push(Opt::new(&format!("--{name}-opts"), text));
    }
    list.extend((flags & 0x04 != 0).then(|| Opt::bare(&format!("--{name}-not-strict"))));
    Some(list)
}

/// `struct ip6t_mh`.
pub(super) fn mobility(mut reader: Reader<'_>) -> Option<Options> {
    let (lo, hi, inverse) = (reader.u8()?, reader.u8()?, reader.u8()?);
    if inverse > 1 {
        return None;
    }
    let asks = (lo, hi) != (0, u8::MAX) || inverse == 1;
    let option = || Opt::new("--mh-type", span(lo, hi)).negate_if(inverse == 1);
    Some(asks.then(option).into_iter().collect())
}

/// MASK_* of linux/netfilter_ipv6/ip6t_ipv6header.h.
const HEADERS: [(u32, &str); 8] = [
    (128, "hop-by-hop"),
    (64, "ipv6-opts"),
    (32, "ipv6-route"),
    (16, "ipv6-frag"),
    (8, "ah"),
    (4, "esp"),
    (2, "ipv6-nonxt"),
    (1, "protocol"),
];

/// `struct ip6t_ipv6header_info`.
pub(super) fn present(mut reader: Reader<'_>) -> Option<Options> {
    let (wanted, inverse, soft) = (reader.u8()?, reader.u8()?, reader.u8()?);
    if inverse != 0 && inverse != 0xff {
        return None;
    }
    let value = names(wanted.into(), &HEADERS)?;
    let mut list = vec![Opt::new("--header", value).negate_if(inverse != 0)];
    list.extend((soft != 0).then(|| Opt::bare("--soft")));
    Some(list)
}

/// IP6T_SRH_*: names of the comparisons by their bits, in the order of the bits.
const SEGMENTS: [&str; 14] = [
    "--srh-next-hdr",
    "--srh-hdr-len-eq",
    "--srh-hdr-len-gt",
    "--srh-hdr-len-lt",
    "--srh-segs-left-eq",
    "--srh-segs-left-gt",
    "--srh-segs-left-lt",
    "--srh-last-entry-eq",
    "--srh-last-entry-gt",
    "--srh-last-entry-lt",
    "--srh-tag",
    "--srh-psid",
    "--srh-nsid",
    "--srh-lsid",
];

/// `struct ip6t_srh` and `ip6t_srh1`.
pub(super) fn segments(data: &[u8], revision: u8) -> Option<Options> {
    let mut reader = Reader::new(data, if revision == 0 { 10 } else { 108 })?;
    let (next, length) = (reader.u8()?, reader.u8()?);
    let (left, last, tag) = (reader.u8()?, reader.u8()?, reader.u16()?);
    let mut addresses = [(0, 0); 3];
    if revision == 1 {
        reader.seek(8);
        for (address, _) in &mut addresses {
            *address = reader.address(Family::Ipv6)?;
        }
        for (_, mask) in &mut addresses {
            *mask = reader.address(Family::Ipv6)?;
        }
    }
    let (flags, inverse) = (reader.u16()?, reader.u16()?);
    if (flags | inverse) & !0x3fff != 0 || inverse & !flags != 0 {
        return None;
    }
    let value = |at: u32| match at {
        0 => next.to_string(),
        1..=3 => length.to_string(),
        4..=6 => left.to_string(),
        7..=9 => last.to_string(),
        10 => tag.to_string(),
        _ => {
            let found = usize::try_from(at - 11).ok().and_then(|place| addresses.get(place));
            let (address, mask) = found.copied().unwrap_or_default();
            let text = network(Family::Ipv6, address, mask);
            if text.contains('/') { text } else { text + "/128" }
        }
    };
    let wanted = (0..).zip(SEGMENTS).filter(|(at, _)| flags & 1 << at != 0);
    Some(
        wanted
            .map(|(at, name)| Opt::new(name, value(at)).negate_if(inverse & 1 << at != 0))
            .collect(),
    )
}
