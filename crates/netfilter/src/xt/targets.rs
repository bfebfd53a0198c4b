//! Targets: from the structure to the options that iptables-save prints, as [`super::matches`] does.

mod mark;
mod nat;
mod note;

use super::Extension;
use super::options::Options;
use super::reader::Reader;
use crate::ipset::Ipsets;
use crate::ir::Family;

/// The options of a target; none if it is not known.
pub(super) fn options(extension: &Extension<'_>, sets: &Ipsets) -> Option<Options> {
    let Extension { family, name, revision, data } = *extension;
    let of = |size| Reader::new(data, size);
    let v4 = family == Family::Ipv4;
    match (name, revision) {
        ("NOTRACK" | "TRACE", 0) => of(0).map(|_| Options::new()),
        ("REJECT", 0) => note::reject(of(4)?, family),
        ("LOG", 0) => note::log(of(32)?),
        ("NFLOG", 0) => note::group_log(of(76)?),
        ("NFQUEUE", 0..=3) => note::queue(data, revision),
        ("AUDIT", 0) => note::audit(of(1)?),
        ("TEE", 1) => note::copy(of(40)?, family),
        ("LED", 0) => note::light(of(40)?),
        ("IDLETIMER", 0) => note::timer(of(40)?, 0),
        ("IDLETIMER", 1) => note::timer(of(48)?, 1),
        ("RATEEST", 0) => note::estimate(of(32)?),
        ("SET", 0..=3) => note::set(data, revision, sets),
        ("SYNPROXY", 0) => note::handshake(of(4)?),
        ("MARK", 0) => mark::word(of(8)?, 0),
        ("MARK", 1) => mark::word(of(16)?, 1),
        ("MARK", 2) => mark::mark(of(8)?),
        ("CONNMARK", 1) => mark::connection(of(13)?, 1),
        ("CONNMARK", 2) => mark::connection(of(15)?, 2),
        ("HMARK", 0) => mark::hashed(of(60)?, family),
        ("CLASSIFY", 0) => mark::class(of(4)?),
        ("SECMARK", 0) => mark::security(of(264)?, 0),
        ("SECMARK", 1) => mark::security(of(264)?, 1),
        ("CONNSECMARK", 0) => mark::connection_security(of(1)?),
        ("CT", 0) => mark::tracking(of(40)?, 0),
        ("CT", 1 | 2) => mark::tracking(of(72)?, revision),
        ("TPROXY", 0) => mark::proxy(of(14)?, Family::Ipv4, 0),
        ("TPROXY", 1) => mark::proxy(of(26)?, family, 1),
        ("DSCP", 0) => mark::dscp(of(1)?),
        ("TOS", 1) => mark::tos(of(2)?),
        ("TTL", 0) => mark::hop_limit(of(2)?, "--ttl"),
        ("HL", 0) => mark::hop_limit(of(2)?, "--hl"),
        ("ECN", 0) => mark::ecn(of(3)?),
        ("TCPMSS", 0) => mark::segment_size(of(2)?),
        ("TCPOPTSTRIP", 0) => mark::options(of(32)?),
        ("CHECKSUM", 0) => mark::checksum(of(1)?),
        ("DNAT" | "SNAT", 0) if v4 => nat::translation(&nat::compatible(of(20)?)?, name, family),
        ("DNAT" | "SNAT", 1) => nat::translation(&nat::range(of(40)?, family)?, name, family),
        ("DNAT" | "SNAT", 2) => nat::translation(&nat::range2(of(42)?, family)?, name, family),
        ("REDIRECT" | "MASQUERADE", 0) if v4 => nat::ports(&nat::compatible(of(20)?)?),
        ("REDIRECT" | "MASQUERADE", 0) => nat::ports(&nat::range(of(40)?, family)?),
        ("NETMAP", 0) if v4 => nat::network(&nat::compatible(of(20)?)?, family),
        ("NETMAP", 0) => nat::network(&nat::range(of(40)?, family)?, family),
        ("SNPT" | "DNPT", 0) => nat::prefix(of(36)?),
        _ => None,
    }
}

/// The numbers of the sets that a target `SET` writes into; one that is not understood names none,
/// and is unknown as a target.
pub(super) fn written_sets(extension: &Extension<'_>) -> Vec<u16> {
    let size = if extension.revision == 0 { 32 } else { 4 };
    let places = extension.data.chunks(size).take(2);
    let numbers = places.filter_map(|place| place.first_chunk().copied().map(u16::from_ne_bytes));
    numbers.filter(|number| *number != u16::MAX).collect()
}

/// Whether a target `CT` exempts packets from connection tracking.
pub(super) fn is_notrack(extension: &Extension<'_>) -> bool {
    // XT_CT_NOTRACK in the first field of every revision.
    extension.data.first_chunk().is_some_and(|flags| u16::from_ne_bytes(*flags) & 1 != 0)
}
