//! Fields of the packet, and marks.

use crate::iptables::extension::Opt;
use crate::xt::options::{Options, hex, masked, span};
use crate::xt::reader::Reader;

/// `struct xt_mark_mtinfo1` and `xt_connmark_mtinfo1`.
pub(super) fn mark(mut reader: Reader<'_>) -> Option<Options> {
    let (value, mask, inverse) = (reader.u32()?, reader.u32()?, reader.u8()?);
    Some(vec![Opt::new("--mark", masked(value, mask)).negate_if(inverse != 0)])
}

/// `struct xt_mac_info`.
pub(super) fn mac(mut reader: Reader<'_>) -> Option<Options> {
    let address = reader.mac()?.map(|byte| hex(&[byte])).join(":");
    reader.seek(8);
    Some(vec![Opt::new("--mac-source", address).negate_if(reader.i32()? != 0)])
}

/// `struct xt_length_info`.
pub(super) fn length(mut reader: Reader<'_>) -> Option<Options> {
    let (lo, hi, inverse) = (reader.u16()?, reader.u16()?, reader.u8()?);
    (lo <= hi).then(|| vec![Opt::new("--length", span(lo, hi)).negate_if(inverse != 0)])
}

/// `struct xt_dscp_info`.
pub(super) fn dscp(mut reader: Reader<'_>) -> Option<Options> {
    let (value, inverse) = (reader.u8()?, reader.u8()?);
    Some(vec![Opt::new("--dscp", format!("{value:#04x}")).negate_if(inverse != 0)])
}

/// `struct xt_tos_match_info`.
pub(super) fn tos(mut reader: Reader<'_>) -> Option<Options> {
    let (mask, value, inverse) = (reader.u8()?, reader.u8()?, reader.u8()?);
    let text = format!("{value:#04x}/{mask:#04x}");
    Some(vec![Opt::new("--tos", text).negate_if(inverse != 0)])
}

/// `struct ipt_ttl_info` and `ip6t_hl_info`.
pub(super) fn hop_limit(mut reader: Reader<'_>, name: &str) -> Option<Options> {
    let (mode, value) = (reader.u8()?, reader.u8()?);
    let (suffix, negated) = match mode {
        0 => ("eq", false),
        1 => ("eq", true),
        2 => ("lt", false),
        3 => ("gt", false),
        _ => return None,
    };
    Some(vec![Opt::new(&format!("{name}-{suffix}"), value).negate_if(negated)])
}

/// `struct xt_ecn_info`: XT_ECN_OP_MATCH_IP, _ECE and _CWR, which have the same bits in `invert`.
pub(super) fn ecn(mut reader: Reader<'_>) -> Option<Options> {
    let (operation, inverse, codepoint) = (reader.u8()?, reader.u8()?, reader.u8()?);
    if (operation | inverse) & !0x31 != 0 || inverse & !operation != 0 {
        return None;
    }
    let mut list = Options::new();
    let negated = |bit: u8| inverse & bit != 0;
    list.extend(
        (operation & 0x10 != 0).then(|| Opt::bare("--ecn-tcp-ece").negate_if(negated(0x10))),
    );
    list.extend(
        (operation & 0x20 != 0).then(|| Opt::bare("--ecn-tcp-cwr").negate_if(negated(0x20))),
    );
    if operation & 0x01 != 0 {
        list.push(Opt::new("--ecn-ip-ect", codepoint).negate_if(negated(0x01)));
    }
    Some(list)
}

/// `struct xt_pkttype_info`: PACKET_* of linux/if_packet.h.
pub(super) fn kind(mut reader: Reader<'_>) -> Option<Options> {
    let (kind, inverse) = (reader.i32()?, reader.i32()?);
    let name = match kind {
        0 => "unicast",
        1 => "broadcast",
        2 => "multicast",
        _ => return None,
    };
    Some(vec![Opt::new("--pkt-type", name).negate_if(inverse != 0)])
}

/// `struct xt_realm_info`.
pub(super) fn realm(mut reader: Reader<'_>) -> Option<Options> {
    let (value, mask, inverse) = (reader.u32()?, reader.u32()?, reader.u8()?);
    Some(vec![Opt::new("--realm", masked(value, mask)).negate_if(inverse != 0)])
}

/// `struct xt_tcpmss_match_info`.
pub(super) fn segment_size(mut reader: Reader<'_>) -> Option<Options> {
    let (lo, hi, inverse) = (reader.u16()?, reader.u16()?, reader.u8()?);
    Some(vec![Opt::new("--mss", span(lo, hi)).negate_if(inverse != 0)])
}
