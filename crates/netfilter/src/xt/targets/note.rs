//! Targets that refuse, hand on, or only take note.

use crate::ipset::Ipsets;
use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::syntax::address_text;
use crate::xt::matches::of_target;
use crate::xt::options::Options;
use crate::xt::reader::Reader;

/// `struct ipt_reject_info` and `ip6t_reject_info`: `enum ipt_reject_with`, `ip6t_reject_with`.
pub(super) fn reject(mut reader: Reader<'_>, family: Family) -> Option<Options> {
    let with = reader.u32()?;
    let name = match (family, with) {
        (Family::Ipv4, 0) => "icmp-net-unreachable",
        (Family::Ipv4, 1) => "icmp-host-unreachable",
        (Family::Ipv4, 2) => "icmp-proto-unreachable",
        (Family::Ipv4, 3) => "icmp-port-unreachable",
        (Family::Ipv4, 5) => "icmp-net-prohibited",
        (Family::Ipv4, 6) => "icmp-host-prohibited",
        (Family::Ipv4, 7) | (Family::Ipv6, 6) => "tcp-reset",
        (Family::Ipv4, 8) => "icmp-admin-prohibited",
        (Family::Ipv6, 0) => "icmp6-no-route",
        (Family::Ipv6, 1) => "icmp6-adm-prohibited",
        (Family::Ipv6, 2 | 3) => "icmp6-addr-unreachable",
        (Family::Ipv6, 4) => "icmp6-port-unreachable",
        (Family::Ipv6, 7) => "icmp6-policy-fail",
        (Family::Ipv6, 8) => "icmp6-reject-route",
        _ => return None,
    };
    Some(vec![Opt::new("--reject-with", name)])
}

/// `struct xt_log_info`: XT_LOG_*.
pub(super) fn log(mut reader: Reader<'_>) -> Option<Options> {
    let (level, flags) = (reader.u8()?, reader.u8()?);
    let prefix = reader.text(30)?;
    if flags & !0x2f != 0 {
        return None;
    }
    let mut list = Options::new();
    list.extend((!prefix.is_empty()).then(|| Opt::new("--log-prefix", prefix)));
    list.extend((level != 4).then(|| Opt::new("--log-level", level)));
    let table = [
        (0x01, "--log-tcp-sequence"),
        (0x02, "--log-tcp-options"),
        (0x04, "--log-ip-options"),
        (0x08, "--log-uid"),
        (0x20, "--log-macdecode"),
    ];
    list.extend(
        table.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| Opt::bare(name)),
    );
    Some(list)
}

/// `struct xt_nflog_info`: XT_NFLOG_F_COPY_LEN.
pub(super) fn group_log(mut reader: Reader<'_>) -> Option<Options> {
    let length = reader.u32()?;
    let (group, threshold) = (reader.u16()?, reader.u16()?);
    let flags = reader.u16()?;
    reader.skip(2);
    let prefix = reader.text(64)?;
    if flags > 1 {
        return None;
    }
    let mut list = Options::new();
    list.extend((!prefix.is_empty()).then(|| Opt::new("--nflog-prefix", prefix)));
    list.extend((group != 0).then(|| Opt::new("--nflog-group", group)));
    list.extend((flags == 1).then(|| Opt::new("--nflog-size", length)));
    list.extend((threshold != 0).then(|| Opt::new("--nflog-threshold", threshold)));
    Some(list)
}

/// `struct xt_NFQ_info` to `_v3`: NFQ_FLAG_BYPASS and NFQ_FLAG_CPU_FANOUT.
pub(super) fn queue(data: &[u8], revision: u8) -> Option<Options> {
    let mut reader = Reader::new(data, [2, 4, 6, 6].get(usize::from(revision)).copied()?)?;
    let first = reader.u16()?;
    let count = if revision == 0 { 1 } else { reader.u16()? };
    let flags = if revision < 2 { 0 } else { reader.u16()? };
    let known = if revision == 2 { 1 } else { 3 };
    if flags & !known != 0 || count == 0 {
        return None;
    }
    let last = u32::from(first) + u32::from(count) - 1;
    let mut list = vec![match count {
        1 => Opt::new("--queue-num", first),
        _ => Opt::new("--queue-balance", format!("{first}:{last}")),
    }];
    list.extend((flags & 1 != 0).then(|| Opt::bare("--queue-bypass")));
    list.extend((flags & 2 != 0).then(|| Opt::bare("--queue-cpu-fanout")));
    Some(list)
}

/// `struct xt_audit_info`.
pub(super) fn audit(mut reader: Reader<'_>) -> Option<Options> {
    let kind = match reader.u8()? {
        0 => "accept",
        1 => "drop",
        2 => "reject",
        _ => return None,
    };
    Some(vec![Opt::new("--type", kind)])
}

/// `struct xt_tee_tginfo`.
pub(super) fn copy(mut reader: Reader<'_>, family: Family) -> Option<Options> {
    let gateway = reader.address(family)?;
    let interface = reader.text(16)?;
    let mut list = vec![Opt::new("--gateway", address_text(family, gateway))];
    list.extend((!interface.is_empty()).then(|| Opt::new("--oif", interface)));
    Some(list)
}

/// `struct xt_led_info`.
pub(super) fn light(mut reader: Reader<'_>) -> Option<Options> {
    let id = reader.text(27)?;
    let (always, delay) = (reader.u8()?, reader.u32()?);
    let id = id.strip_prefix("netfilter-").unwrap_or(id);
    let mut list = vec![Opt::new("--led-trigger-id", id)];
    list.extend((delay != 0).then(|| match delay {
        u32::MAX => Opt::new("--led-delay", "inf"),
        delay => Opt::new("--led-delay", delay),
    }));
    list.extend((always != 0).then(|| Opt::bare("--led-always-blink")));
    Some(list)
}

/// `struct idletimer_tg_info` and `_v1`.
pub(super) fn timer(mut reader: Reader<'_>, revision: u8) -> Option<Options> {
    let (timeout, label) = (reader.u32()?, reader.text(28)?);
    let mut list = vec![Opt::new("--timeout", timeout), Opt::new("--label", label)];
    if revision == 1 {
        reader.skip(1);
        match reader.u8()? {
            0 => {}
            1 => list.push(Opt::bare("--alarm")),
            _ => return None,
        }
    }
    Some(list)
}

/// `struct xt_rateest_target_info`.
pub(super) fn estimate(mut reader: Reader<'_>) -> Option<Options> {
    Some(vec![Opt::new("--rateest-name", reader.text(16)?)])
}

/// `struct xt_set_info_target_v0` to `_v3`: what is added, deleted and mapped. No set has the
/// number IPSET_INVALID_ID.
pub(super) fn set(data: &[u8], revision: u8, sets: &Ipsets) -> Option<Options> {
    let mut reader = Reader::new(data, [64, 8, 16, 20].get(usize::from(revision)).copied()?)?;
    let mut options = vec!["--add-set", "--del-set"];
    options.extend((revision == 3).then_some("--map-set"));
    let mut list = Options::new();
    for option in options {
        list.extend(of_target(&mut reader, revision, option, sets)?);
    }
    if revision < 2 {
        return Some(list);
    }
    let (flags, timeout) = (reader.u32()?, reader.u32()?);
    // IPSET_FLAG_EXIST, _MAP_SKBMARK, _MAP_SKBPRIO and _MAP_SKBQUEUE.
    if flags & !0x701 != 0 {
        return None;
    }
    list.extend((flags & 0x01 != 0).then(|| Opt::bare("--exist")));
    list.extend((timeout != u32::MAX).then(|| Opt::new("--timeout", timeout)));
    let maps = [(0x100, "--map-mark"), (0x200, "--map-prio"), (0x400, "--map-queue")];
    list.extend(
        maps.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| Opt::bare(name)),
    );
    Some(list)
}

/// `struct nf_synproxy_info`: NF_SYNPROXY_OPT_*.
pub(super) fn handshake(mut reader: Reader<'_>) -> Option<Options> {
    let (flags, scale, size) = (reader.u8()?, reader.u8()?, reader.u16()?);
    if flags & !0x1f != 0 {
        return None;
    }
    let mut list = Options::new();
    list.extend((flags & 0x04 != 0).then(|| Opt::bare("--sack-perm")));
    list.extend((flags & 0x08 != 0).then(|| Opt::bare("--timestamp")));
    list.extend((flags & 0x02 != 0).then(|| Opt::new("--wscale", scale)));
    list.extend((flags & 0x01 != 0).then(|| Opt::new("--mss", size)));
    list.extend((flags & 0x10 != 0).then(|| Opt::bare("--ecn")));
    Some(list)
}
