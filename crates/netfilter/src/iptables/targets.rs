//! The targets of iptables-extensions(8), as steps.

use packet_set::Field;

use super::extension::Extension;
use crate::ir::{Assign, Cond, Family, Nat, NatKind, OWN_ADDRESS, Reject, Step, Verdict};
use crate::syntax::{address, number};

/// The steps of a target that is not a chain.
pub(crate) fn lower(target: &Extension, family: Family) -> Vec<Step> {
    let verdict = match target.name.as_str() {
        "ACCEPT" => Verdict::Accept,
        "DROP" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        "REJECT" => Verdict::Reject(reject(target)),
        "QUEUE" | "NFQUEUE" => Verdict::Queue(target.text()),
        "NOTRACK" => return vec![Step::NoTrack],
        "CT" if target.option("--notrack").is_some() => return vec![Step::NoTrack],
        // Sets can hold marks for packets.
        "SET" if target.option("--map-mark").is_some() => {
            return vec![Step::Set(Field::MARK, Assign::Unknown(target.text()))];
        }
        // They watch, count, or write what no match that we understand reads.
        "LOG" | "NFLOG" | "ULOG" | "TRACE" | "AUDIT" | "CHECKSUM" | "TCPMSS" | "TCPOPTSTRIP"
        | "CLASSIFY" | "RATEEST" | "IDLETIMER" | "LED" | "SECMARK" | "CONNSECMARK" | "TEE"
        | "SET" | "ECN" | "CT" => return Vec::new(),
        "MARK" => return vec![Step::Set(Field::MARK, mark(target))],
        "CONNMARK" => return vec![connmark(target)],
        "HMARK" => return vec![Step::Set(Field::MARK, Assign::Unknown(target.text()))],
        "TTL" | "HL" => return vec![Step::Set(Field::HOP_LIMIT, Assign::Unknown(target.text()))],
        "DSCP" | "TOS" => return vec![Step::Set(Field::DSCP, Assign::Unknown(target.text()))],
        "DNAT" | "REDIRECT" | "SNAT" | "MASQUERADE" | "NETMAP" => {
            return vec![Step::Translate(vec![(Cond::Always, translation(target, family))])];
        }
        _ => Verdict::Unknown(format!("-j {}", target.text())),
    };
    vec![Step::verdict(verdict)]
}

/// net/ipv4/netfilter/ipt_REJECT.c and ip6t_REJECT.c; the default is port unreachable.
fn reject(target: &Extension) -> Reject {
    let with = target.option("--reject-with").and_then(|option| option.value());
    match with.unwrap_or("icmp-port-unreachable") {
        "tcp-reset" | "tcp-rst" => Reject::Reset,
        "icmp-port-unreachable" | "port-unreach" | "icmp6-port-unreachable" => Reject::Port,
        kind if kind.contains("prohib") || kind == "icmp6-policy-fail" => Reject::Prohibited,
        _ => Reject::Unreachable,
    }
}

/// A 32-bit number.
fn word(text: &str) -> Option<u32> {
    number(text).and_then(|value| u32::try_from(value).ok())
}

fn value_and_mask(text: &str) -> Option<(u32, u32)> {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    Some((word(value)?, word(mask)?))
}

/// The options that MARK and CONNMARK share.
fn bits(target: &Extension) -> Option<Assign> {
    let option = target.options.first()?;
    let text = option.value()?;
    let (keep, flip) = match option.name.as_str() {
        "--set-xmark" => value_and_mask(text).map(|(value, mask)| (!mask, value))?,
        // The value is or-ed after the mask and the value's own bits are cleared.
        "--set-mark" => value_and_mask(text).map(|(value, mask)| (!(mask | value), value))?,
        "--and-mark" => (word(text)?, 0),
        "--or-mark" => word(text).map(|value| (!value, value))?,
        "--xor-mark" => (u32::MAX, word(text)?),
        _ => return None,
    };
    Some(Assign::Bits { keep, flip })
}

fn mark(target: &Extension) -> Assign {
    bits(target).unwrap_or_else(|| Assign::Unknown(target.text()))
}

/// net/netfilter/xt_connmark.c, connmark_tg_shift().
fn connmark(target: &Extension) -> Step {
    let shifts = ["--left-shift-mark", "--right-shift-mark"];
    if shifts.iter().any(|name| target.option(name).is_some()) {
        let restores = target.option("--restore-mark").is_some();
        let field = if restores { Field::MARK } else { Field::CT_MARK };
        return Step::Set(field, Assign::Unknown(target.text()));
    }
    let mask_of = |name: &str| match target.option(name).or_else(|| target.option("--mask")) {
        None => Some(u32::MAX),
        Some(option) => option.value().and_then(word),
    };
    let masks = mask_of("--nfmask").zip(mask_of("--ctmask"));
    let (save, restore) = (target.option("--save-mark"), target.option("--restore-mark"));
    match (masks, save.is_some(), restore.is_some()) {
        (Some((packet, connection)), true, false) => Step::Set(
            Field::CT_MARK,
            Assign::Copy { from: Field::MARK, from_mask: packet, to_mask: connection },
        ),
        (Some((packet, connection)), false, true) => Step::Set(
            Field::MARK,
            Assign::Copy { from: Field::CT_MARK, from_mask: connection, to_mask: packet },
        ),
        _ => Step::Set(Field::CT_MARK, mark(target)),
    }
}

fn translation(target: &Extension, family: Family) -> Nat {
    let kind = match target.name.as_str() {
        "SNAT" | "MASQUERADE" => NatKind::Source,
        // NETMAP translates the destination in PREROUTING and the source elsewhere.
        _ => NatKind::Destination,
    };
    let option = ["--to-destination", "--to-source"].iter().find_map(|name| target.option(name));
    let to = option.and_then(|option| option.value());
    let unknown = |why: &str| Nat {
        kind,
        address: Some((0, family.max_address())),
        port: None,
        doubt: Some(format!("-j {}: {why}", target.text())),
    };
    match (target.name.as_str(), to) {
        ("DNAT" | "SNAT", Some(text)) => match endpoint(text, family) {
            Some((address, port)) => Nat { kind, address, port, doubt: None },
            None => unknown("the new address is not understood"),
        },
        ("REDIRECT", _) => {
            let ports = target.option("--to-ports").and_then(|option| option.value());
            match ports.map(port_range) {
                Some(None) => unknown("the new port is not understood"),
                found => Nat { port: found.flatten(), ..unknown(OWN_ADDRESS) },
            }
        }
        ("MASQUERADE", _) => Nat { doubt: None, ..unknown("") },
        _ => unknown("not understood"),
    }
}

/// An address range and a port range, each if given.
type Endpoint = (Option<(u128, u128)>, Option<(u16, u16)>);

/// `1.2.3.4`, `1.2.3.4-1.2.3.9:80-90`, `:80`, `[2001:db8::1]:80`.
fn endpoint(text: &str, family: Family) -> Option<Endpoint> {
    let (addresses, ports) = if let Some(bracketed) = text.strip_prefix('[') {
        let (addresses, rest) = bracketed.split_once(']')?;
        match rest.strip_prefix(':') {
            None if !rest.is_empty() => return None,
            ports => (addresses, ports),
        }
    } else if family == Family::Ipv4 {
        text.split_once(':').map_or((text, None), |(addresses, ports)| (addresses, Some(ports)))
    } else {
        (text, None)
    };
    let port = match ports {
        None => None,
        // `80-90/1000` spreads from a base port; the range is the same.
        Some(text) => Some(port_range(text.split('/').next().unwrap_or(text))?),
    };
    if addresses.is_empty() {
        return port.map(|port| (None, Some(port)));
    }
    let (lo, hi) = addresses.split_once('-').unwrap_or((addresses, addresses));
    let (lo, hi) = (address(lo.trim_end_matches(']'))?, address(hi.trim_start_matches('['))?);
    (lo.0 == family && hi.0 == family && lo.1 <= hi.1).then_some((Some((lo.1, hi.1)), port))
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let (lo, hi) = text.split_once(['-', ':']).unwrap_or((text, text));
    let (lo, hi) = (lo.parse().ok()?, hi.parse().ok()?);
    (lo <= hi).then_some((lo, hi))
}
