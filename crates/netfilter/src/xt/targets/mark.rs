//! Targets that write: marks, fields of the packet, what connection tracking shall do.

use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::syntax::address_text;
use crate::xt::options::{Options, masked, names};
use crate::xt::reader::Reader;

/// `struct xt_mark_target_info` and `_v1` of old kernels: a word, and what to do with it.
pub(super) fn word(mut reader: Reader<'_>, revision: u8) -> Option<Options> {
    let value = u32::try_from(reader.u64()?).ok()?;
    let mode = if revision == 0 { 0 } else { reader.u8()? };
    let name = match mode {
        0 => "--set-mark",
        1 => "--and-mark",
        2 => "--or-mark",
        _ => return None,
    };
    Some(vec![Opt::new(name, format!("{value:#x}"))])
}

/// `struct xt_mark_tginfo2`.
pub(super) fn mark(mut reader: Reader<'_>) -> Option<Options> {
    Some(vec![set_xmark(reader.u32()?, reader.u32()?)])
}

fn set_xmark(value: u32, mask: u32) -> Opt {
    Opt::new("--set-xmark", format!("{value:#x}/{mask:#x}"))
}

/// `struct xt_connmark_tginfo1` and `2`: XT_CONNMARK_SET, _SAVE and _RESTORE; the second also
/// shifts.
pub(super) fn connection(mut reader: Reader<'_>, revision: u8) -> Option<Options> {
    let (value, mask, packet_mask) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (direction, shift) = if revision == 2 { (reader.u8()?, reader.u8()?) } else { (0, 0) };
    let name = match reader.u8()? {
        0 => "",
        1 => "--save-mark",
        2 => "--restore-mark",
        _ => return None,
    };
    let mut list = match name {
        "" => vec![set_xmark(value, mask)],
        _ => vec![
            Opt::bare(name),
            Opt::new("--nfmask", format!("{packet_mask:#x}")),
            Opt::new("--ctmask", format!("{mask:#x}")),
        ],
    };
    if shift != 0 {
        let side = match direction {
            0 => "--left-shift-mark",
            1 => "--right-shift-mark",
            _ => return None,
        };
        list.push(Opt::new(side, shift));
    }
    Some(list)
}

/// `struct xt_hmark_info`, by its flags and result alone: what it hashes is not told.
pub(super) fn hashed(mut reader: Reader<'_>, _family: Family) -> Option<Options> {
    reader.seek(40);
    let flags = reader.u32()?;
    reader.seek(48);
    let (_seed, modulus, offset) = (reader.u32()?, reader.u32()?, reader.u32()?);
    if flags & !0x7fff != 0 {
        return None;
    }
    Some(vec![Opt::new("--hmark-mod", modulus), Opt::new("--hmark-offset", offset)])
}

/// `struct xt_classify_target_info`.
pub(super) fn class(mut reader: Reader<'_>) -> Option<Options> {
    let class = reader.u32()?;
    Some(vec![Opt::new("--set-class", format!("{:04x}:{:04x}", class >> 16, class & 0xffff))])
}

/// `struct xt_secmark_target_info` and `_v1`: SECMARK_MODE_SEL.
pub(super) fn security(mut reader: Reader<'_>, revision: u8) -> Option<Options> {
    let mode = reader.u8()?;
    reader.seek(if revision == 0 { 8 } else { 1 });
    let context = reader.text(256)?;
    (mode == 1).then(|| vec![Opt::new("--selctx", context)])
}

/// `struct xt_connsecmark_target_info`: CONNSECMARK_SAVE and _RESTORE.
pub(super) fn connection_security(mut reader: Reader<'_>) -> Option<Options> {
    match reader.u8()? {
        1 => Some(vec![Opt::bare("--save")]),
        2 => Some(vec![Opt::bare("--restore")]),
        _ => None,
    }
}

/// IPCT_* of `enum ip_conntrack_events`.
const EVENTS: [(u32, &str); 12] = [
    (1 << 0, "new"),
    (1 << 1, "related"),
    (1 << 2, "destroy"),
    (1 << 3, "reply"),
    (1 << 4, "assured"),
    (1 << 5, "protoinfo"),
    (1 << 6, "helper"),
    (1 << 7, "mark"),
    (1 << 8, "natseqinfo"),
    (1 << 9, "secmark"),
    (1 << 10, "label"),
    (1 << 11, "synproxy"),
];

/// `struct xt_ct_target_info` and `_v1`, XT_CT_* of which are the flags.
pub(super) fn tracking(mut reader: Reader<'_>, revision: u8) -> Option<Options> {
    const NOTRACK: u16 = 1 << 0;
    const NOTRACK_ALIAS: u16 = 1 << 1;
    const ZONE_DIR_ORIG: u16 = 1 << 2;
    const ZONE_DIR_REPL: u16 = 1 << 3;
    const ZONE_MARK: u16 = 1 << 4;
    let (flags, zone) = (reader.u16()?, reader.u16()?);
    let (events, expected) = (reader.u32()?, reader.u32()?);
    let helper = reader.text(16)?;
    let timeout = if revision == 0 { "" } else { reader.text(32)? };
    let known = match revision {
        0 => NOTRACK,
        1 => NOTRACK | NOTRACK_ALIAS,
        _ => NOTRACK | NOTRACK_ALIAS | ZONE_DIR_ORIG | ZONE_DIR_REPL | ZONE_MARK,
    };
    if flags & !known != 0 {
        return None;
    }
    if flags & NOTRACK != 0 {
        // Written as the target NOTRACK.
        let alias = flags & NOTRACK_ALIAS != 0;
        return Some(if alias { Vec::new() } else { vec![Opt::bare("--notrack")] });
    }
    let mut list = Options::new();
    list.extend((!helper.is_empty()).then(|| Opt::new("--helper", helper)));
    list.extend((!timeout.is_empty()).then(|| Opt::new("--timeout", timeout)));
    if events != 0 {
        list.push(Opt::new("--ctevents", names(events, &EVENTS)?));
    }
    list.extend((expected != 0).then(|| Opt::new("--expevents", "new")));
    let zone_option = match flags & (ZONE_DIR_ORIG | ZONE_DIR_REPL) {
        ZONE_DIR_ORIG => "--zone-orig",
        ZONE_DIR_REPL => "--zone-reply",
        _ => "--zone",
    };
    if flags & ZONE_MARK != 0 {
        list.push(Opt::new(zone_option, "mark"));
    } else if zone != 0 {
        list.push(Opt::new(zone_option, zone));
    }
    Some(list)
}

/// `struct xt_tproxy_target_info` and `_v1`.
pub(super) fn proxy(mut reader: Reader<'_>, family: Family, revision: u8) -> Option<Options> {
    let (mask, value) = (reader.u32()?, reader.u32()?);
    let address = match revision {
        0 => u128::from(reader.be32()?),
        _ => reader.address(family)?,
    };
    Some(vec![
        Opt::new("--on-port", reader.be16()?),
        Opt::new("--on-ip", address_text(family, address)),
        Opt::new("--tproxy-mark", masked(value, mask)),
    ])
}

/// `struct xt_DSCP_info`.
pub(super) fn dscp(mut reader: Reader<'_>) -> Option<Options> {
    Some(vec![Opt::new("--set-dscp", format!("{:#04x}", reader.u8()?))])
}

/// `struct xt_tos_target_info`.
pub(super) fn tos(mut reader: Reader<'_>) -> Option<Options> {
    let (value, mask) = (reader.u8()?, reader.u8()?);
    Some(vec![Opt::new("--set-tos", format!("{value:#04x}/{mask:#04x}"))])
}

/// `struct ipt_TTL_info` and `ip6t_HL_info`: IPT_TTL_SET, _INC and _DEC.
pub(super) fn hop_limit(mut reader: Reader<'_>, name: &str) -> Option<Options> {
    let suffix = match reader.u8()? {
        0 => "set",
        1 => "inc",
        2 => "dec",
        _ => return None,
    };
    Some(vec![Opt::new(&format!("{name}-{suffix}"), reader.u8()?)])
}

/// `struct ipt_ECN_info`: IPT_ECN_OP_SET_IP, _ECE and _CWR.
pub(super) fn ecn(mut reader: Reader<'_>) -> Option<Options> {
    let (operation, codepoint, bits) = (reader.u8()?, reader.u8()?, reader.u8()?);
    match operation {
        0x30 if bits == 0 => Some(vec![Opt::bare("--ecn-tcp-remove")]),
        0x01 => Some(vec![Opt::new("--ecn-ip-ect", codepoint)]),
        _ if operation & !0x31 == 0 => Some(vec![Opt::new("--ecn-operation", operation)]),
        _ => None,
    }
}

/// `struct xt_tcpmss_info`: XT_TCPMSS_CLAMP_PMTU.
pub(super) fn segment_size(mut reader: Reader<'_>) -> Option<Options> {
    match reader.u16()? {
        0xffff => Some(vec![Opt::bare("--clamp-mss-to-pmtu")]),
        size => Some(vec![Opt::new("--set-mss", size)]),
    }
}

/// `struct xt_tcpoptstrip_target_info`: a bit for each option.
pub(super) fn options(mut reader: Reader<'_>) -> Option<Options> {
    let mut list = Vec::new();
    for word in 0..8_u32 {
        let bits = reader.u32()?;
        let set = (0..32).filter(|bit| bits & 1 << bit != 0);
        list.extend(set.map(|bit| (word * 32 + bit).to_string()));
    }
    Some(vec![Opt::new("--strip-options", list.join(","))])
}

/// `struct xt_CHECKSUM_info`: XT_CHECKSUM_OP_FILL.
pub(super) fn checksum(mut reader: Reader<'_>) -> Option<Options> {
    (reader.u8()? == 1).then(|| vec![Opt::bare("--checksum-fill")])
}
