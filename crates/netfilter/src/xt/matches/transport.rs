//! Ports, flags and types of transport headers.

use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::xt::options::{Options, names, ports, span};
use crate::xt::reader::Reader;

/// Bits of the TCP header's octet 13, as iptables names them.
const TCP_FLAGS: [(u32, &str); 6] =
    [(0x01, "FIN"), (0x02, "SYN"), (0x04, "RST"), (0x08, "PSH"), (0x10, "ACK"), (0x20, "URG")];

fn flag_names(bits: u8) -> Option<String> {
    if bits == 0 { Some("NONE".to_owned()) } else { names(bits.into(), &TCP_FLAGS) }
}

/// `struct xt_tcp`; XT_TCP_INV_* are the bits of `invflags`.
pub(super) fn tcp(mut reader: Reader<'_>) -> Option<Options> {
    let source = (reader.u16()?, reader.u16()?);
    let destination = (reader.u16()?, reader.u16()?);
    let (option, mask, compare) = (reader.u8()?, reader.u8()?, reader.u8()?);
    let inverse = reader.u8()?;
    if inverse & !0x0f != 0 {
        return None;
    }
    let mut list = ports("--sport", source, inverse & 0x01 != 0)?;
    list.extend(ports("--dport", destination, inverse & 0x02 != 0)?);
    if option != 0 || inverse & 0x08 != 0 {
        list.push(Opt::new("--tcp-option", option).negate_if(inverse & 0x08 != 0));
    }
    if (mask, compare) != (0, 0) || inverse & 0x04 != 0 {
        let mut flags = Opt::bare("--tcp-flags").negate_if(inverse & 0x04 != 0);
        flags.values = vec![flag_names(mask)?, flag_names(compare)?];
        list.push(flags);
    }
    Some(list)
}

/// `struct xt_udp`, also of `udplite`.
pub(super) fn udp(mut reader: Reader<'_>) -> Option<Options> {
    let source = (reader.u16()?, reader.u16()?);
    let destination = (reader.u16()?, reader.u16()?);
    let inverse = reader.u8()?;
    if inverse & !0x03 != 0 {
        return None;
    }
    let mut list = ports("--sport", source, inverse & 0x01 != 0)?;
    list.extend(ports("--dport", destination, inverse & 0x02 != 0)?);
    Some(list)
}

/// `struct xt_sctp_info`: XT_SCTP_SRC_PORTS, _DEST_PORTS, _CHUNK_TYPES in `flags`.
pub(super) fn sctp(mut reader: Reader<'_>) -> Option<Options> {
    let destination = (reader.u16()?, reader.u16()?);
    let source = (reader.u16()?, reader.u16()?);
    // The map of chunks, how it is compared, and four flags of three bytes with their count.
    reader.seek(284);
    let (flags, inverse) = (reader.u32()?, reader.u32()?);
    if (flags | inverse) & !0x07 != 0 || inverse & !flags != 0 {
        return None;
    }
    let mut list = Options::new();
    if flags & 0x01 != 0 {
        list.extend(ports("--sport", source, inverse & 0x01 != 0)?);
    }
    if flags & 0x02 != 0 {
        list.extend(ports("--dport", destination, inverse & 0x02 != 0)?);
    }
    if flags & 0x04 != 0 {
        list.push(Opt::bare("--chunk-types").negate_if(inverse & 0x04 != 0));
    }
    Some(list)
}

/// `struct xt_dccp_info`: XT_DCCP_SRC_PORTS, _DEST_PORTS, _TYPE, _OPTION in `flags`.
pub(super) fn dccp(mut reader: Reader<'_>) -> Option<Options> {
    let destination = (reader.u16()?, reader.u16()?);
    let source = (reader.u16()?, reader.u16()?);
    let (flags, inverse, types) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let option = reader.u8()?;
    if (flags | inverse) & !0x0f != 0 || inverse & !flags != 0 {
        return None;
    }
    let mut list = Options::new();
    if flags & 0x01 != 0 {
        list.extend(ports("--sport", source, inverse & 0x01 != 0)?);
    }
    if flags & 0x02 != 0 {
        list.extend(ports("--dport", destination, inverse & 0x02 != 0)?);
    }
    if flags & 0x04 != 0 {
        let mask = format!("{types:#x}");
        list.push(Opt::new("--dccp-types", mask).negate_if(inverse & 0x04 != 0));
    }
    if flags & 0x08 != 0 {
        list.push(Opt::new("--dccp-option", option).negate_if(inverse & 0x08 != 0));
    }
    Some(list)
}

/// `struct xt_multiport` and `xt_multiport_v1`. In the second, a port with a flag begins a range
/// that the next one ends.
pub(super) fn multiport(mut reader: Reader<'_>, revision: u8) -> Option<Options> {
    let (side, count) = (reader.u8()?, reader.u8()?);
    let mut numbers = [0; 15];
    for number in &mut numbers {
        *number = reader.u16()?;
    }
    let mut begins = [0; 15];
    let mut inverse = 0;
    if revision == 1 {
        for flag in &mut begins {
            *flag = reader.u8()?;
        }
        inverse = reader.u8()?;
    }
    let name = match side {
        0 => "--sports",
        1 => "--dports",
        2 => "--ports",
        _ => return None,
    };
    let count = usize::from(count);
    if count == 0 || count > numbers.len() || inverse > 1 {
        return None;
    }
    let mut parts = Vec::new();
    let mut entries = numbers.iter().zip(begins).take(count);
    while let Some((lo, begins)) = entries.next() {
        if begins == 0 {
            parts.push(lo.to_string());
            continue;
        }
        let (hi, _) = entries.next().filter(|(hi, _)| lo <= hi)?;
        parts.push(format!("{lo}:{hi}"));
    }
    Some(vec![Opt::new(name, parts.join(",")).negate_if(inverse == 1)])
}

/// `struct ipt_icmp` and `ip6t_icmp`. IPv4's type 255 stands for every type
/// (net/netfilter/xt_tcpudp.c, icmp_type_code_match).
pub(super) fn icmp(mut reader: Reader<'_>, family: Family) -> Option<Options> {
    let (kind, low, high, inverse) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
    let name = match family {
        Family::Ipv4 => "--icmp-type",
        Family::Ipv6 => "--icmpv6-type",
    };
    let value = match (family, kind, low, high) {
        (Family::Ipv4, 255, ..) => "any".to_owned(),
        (Family::Ipv6, 255, ..) => return None,
        (_, _, 0, 255) => kind.to_string(),
        (_, _, low, high) if low == high => format!("{kind}/{low}"),
        _ => return None,
    };
    (inverse <= 1).then(|| vec![Opt::new(name, value).negate_if(inverse == 1)])
}

/// `struct xt_esp` and `ipt_ah`.
pub(super) fn security_index(mut reader: Reader<'_>, name: &str) -> Option<Options> {
    let (lo, hi, inverse) = (reader.u32()?, reader.u32()?, reader.u8()?);
    if inverse > 1 {
        return None;
    }
    let asks = (lo, hi) != (0, u32::MAX) || inverse == 1;
    let option = || Opt::new(name, span(lo, hi)).negate_if(inverse == 1);
    Some(asks.then(option).into_iter().collect())
}

/// `struct xt_ipcomp`.
pub(super) fn compression(mut reader: Reader<'_>) -> Option<Options> {
    let mut list = security_index(reader.clone(), "--ipcompspi")?;
    reader.seek(9);
    if reader.u8()? != 0 {
        list.push(Opt::bare("--compres"));
    }
    Some(list)
}
