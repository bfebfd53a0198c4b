//! Addresses and interfaces beyond what every rule can compare.

use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::syntax::address_text;
use crate::xt::options::{Options, masked, names, network};
use crate::xt::reader::Reader;

/// `struct xt_iprange_mtinfo`: IPRANGE_SRC, _DST, _SRC_INV and _DST_INV.
pub(super) fn range(mut reader: Reader<'_>, family: Family) -> Option<Options> {
    let mut address = || reader.address(family);
    let source = (address()?, address()?);
    let destination = (address()?, address()?);
    let flags = reader.u8()?;
    if flags & !0x33 != 0 {
        return None;
    }
    let mut list = Options::new();
    let sides = [("--src-range", source, 0x01), ("--dst-range", destination, 0x02)];
    for (name, (lo, hi), bit) in sides {
        if flags & bit == 0 {
            continue;
        }
        if lo > hi {
            return None;
        }
        let text = format!("{}-{}", address_text(family, lo), address_text(family, hi));
        list.push(Opt::new(name, text).negate_if(flags & bit << 4 != 0));
    }
    Some(list)
}

/// XT_ADDRTYPE_*: RTN_* of linux/rtnetlink.h as bits.
const KINDS: [(u32, &str); 12] = [
    (1 << 0, "UNSPEC"),
    (1 << 1, "UNICAST"),
    (1 << 2, "LOCAL"),
    (1 << 3, "BROADCAST"),
    (1 << 4, "ANYCAST"),
    (1 << 5, "MULTICAST"),
    (1 << 6, "BLACKHOLE"),
    (1 << 7, "UNREACHABLE"),
    (1 << 8, "PROHIBIT"),
    (1 << 9, "THROW"),
    (1 << 10, "NAT"),
    (1 << 11, "XRESOLVE"),
];

/// `struct xt_addrtype_info` and `xt_addrtype_info_v1`; a side without types is not asked about.
pub(super) fn kind(mut reader: Reader<'_>, revision: u8) -> Option<Options> {
    let (source, destination) = (u32::from(reader.u16()?), u32::from(reader.u16()?));
    let flags = if revision == 0 {
        u32::from(reader.u32()? != 0) | u32::from(reader.u32()? != 0) << 1
    } else {
        reader.u32()?
    };
    if flags & !0x0f != 0 {
        return None;
    }
    let mut list = Options::new();
    for (name, kinds, bit) in [("--src-type", source, 0x1), ("--dst-type", destination, 0x2)] {
        if kinds != 0 {
            list.push(Opt::new(name, names(kinds, &KINDS)?).negate_if(flags & bit != 0));
        }
    }
    for (name, bit) in [("--limit-iface-in", 0x4), ("--limit-iface-out", 0x8)] {
        list.extend((flags & bit != 0).then(|| Opt::bare(name)));
    }
    Some(list)
}

/// `struct xt_rpfilter_info`.
pub(super) fn reverse_path(mut reader: Reader<'_>) -> Option<Options> {
    let flags = reader.u8()?;
    let table = ["--loose", "--validmark", "--accept-local", "--invert"];
    let set = |(at, name): (u32, &&str)| (flags & 1 << at != 0).then(|| Opt::bare(name));
    (flags & !0x0f == 0).then(|| (0..).zip(&table).filter_map(set).collect())
}

/// A name of an interface by its mask, which says how many of the 16 bytes count: `eth+` where the
/// closing zero does not. Empty for any; none for a mask that is not the beginning of the array.
pub(crate) fn interface(name: &[u8], mask: &[u8]) -> Option<String> {
    let counted = mask.iter().take_while(|byte| **byte == 0xff).count();
    if mask.iter().skip(counted).any(|byte| *byte != 0) {
        return None;
    }
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    let text = |length| name.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match counted {
        0 => Some(String::new()),
        _ if counted > end => text(end).map(str::to_owned),
        _ => text(counted).map(|text| format!("{text}+")),
    }
}

/// `struct xt_physdev_info`: XT_PHYSDEV_OP_IN, _OUT, _BRIDGED, _ISIN and _ISOUT.
pub(super) fn bridge_port(mut reader: Reader<'_>) -> Option<Options> {
    let mut array = || reader.slice(16);
    let (into, into_mask, out, out_mask) = (array()?, array()?, array()?, array()?);
    let (inverse, wanted) = (reader.u8()?, reader.u8()?);
    if (inverse | wanted) & !0x1f != 0 || inverse & !wanted != 0 {
        return None;
    }
    let negated = |bit: u8| inverse & bit != 0;
    let mut list = Options::new();
    if wanted & 0x01 != 0 {
        let name = interface(into, into_mask)?;
        list.push(Opt::new("--physdev-in", name).negate_if(negated(0x01)));
    }
    if wanted & 0x02 != 0 {
        let name = interface(out, out_mask)?;
        list.push(Opt::new("--physdev-out", name).negate_if(negated(0x02)));
    }
    let flags =
        [(0x08, "--physdev-is-in"), (0x10, "--physdev-is-out"), (0x04, "--physdev-is-bridged")];
    for (bit, name) in flags {
        list.extend((wanted & bit != 0).then(|| Opt::bare(name).negate_if(negated(bit))));
    }
    Some(list)
}

/// `struct xt_devgroup_info`: XT_DEVGROUP_MATCH_SRC, _INVERT_SRC, _MATCH_DST and _INVERT_DST.
pub(super) fn device_group(mut reader: Reader<'_>) -> Option<Options> {
    let flags = reader.u32()?;
    let source = (reader.u32()?, reader.u32()?);
    let destination = (reader.u32()?, reader.u32()?);
    if flags & !0x0f != 0 {
        return None;
    }
    let mut list = Options::new();
    for (name, (group, mask), bit) in
        [("--src-group", source, 0x1), ("--dst-group", destination, 0x4)]
    {
        if flags & bit != 0 {
            list.push(Opt::new(name, masked(group, mask)).negate_if(flags & bit << 1 != 0));
        }
    }
    Some(list)
}

/// `struct xt_policy_info`: up to four `struct xt_policy_elem` of 76 bytes, then XT_POLICY_MATCH_*
/// and their number.
pub(super) fn policy(mut reader: Reader<'_>, family: Family) -> Option<Options> {
    let mut elements = reader.clone();
    reader.seek(304);
    let (flags, count) = (reader.u16()?, reader.u16()?);
    let direction = match flags & 0x3 {
        0x1 => "in",
        0x2 => "out",
        _ => return None,
    };
    if flags & !0x0f != 0 || count > 4 {
        return None;
    }
    let none = flags & 0x4 != 0;
    let mut list =
        vec![Opt::new("--dir", direction), Opt::new("--pol", if none { "none" } else { "ipsec" })];
    list.extend((flags & 0x8 != 0).then(|| Opt::bare("--strict")));
    for at in 0..usize::from(count) {
        elements.seek(at * 76);
        list.extend((at > 0).then(|| Opt::bare("--next")));
        list.extend(policy_element(&mut elements, family)?);
    }
    Some(list)
}

fn policy_element(reader: &mut Reader<'_>, family: Family) -> Option<Options> {
    let mut address = || reader.address(family);
    let (source, source_mask) = (address()?, address()?);
    let (destination, destination_mask) = (address()?, address()?);
    let (index, request) = (reader.u32()?, reader.u32()?);
    let (protocol, mode) = (reader.u8()?, reader.u8()?);
    let (wanted, inverse) = (reader.u8()?, reader.u8()?);
    if (wanted | inverse) & !0x3f != 0 {
        return None;
    }
    let protocol = match protocol {
        50 => "esp".to_owned(),
        51 => "ah".to_owned(),
        108 => "ipcomp".to_owned(),
        other => other.to_string(),
    };
    let mode = match mode {
        0 => "transport",
        1 => "tunnel",
        _ => return None,
    };
    let table = [
        (0x20, "--reqid", request.to_string()),
        (0x10, "--spi", format!("{index:#x}")),
        (0x04, "--proto", protocol),
        (0x08, "--mode", mode.to_owned()),
        (0x02, "--tunnel-dst", network(family, destination, destination_mask)),
        (0x01, "--tunnel-src", network(family, source, source_mask)),
    ];
    let wanted = table.into_iter().filter(|(bit, ..)| wanted & bit != 0);
    Some(
        wanted
            .map(|(bit, name, value)| Opt::new(name, value).negate_if(inverse & bit != 0))
            .collect(),
    )
}
