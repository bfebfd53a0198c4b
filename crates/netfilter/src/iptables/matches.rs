//! The matches of iptables-extensions(8), as conditions on the first packet of a connection.

use packet_set::{Field, RangeSet};

use super::extension::{Extension, Opt};
use super::fib;
use crate::ir::{Assign, Cond, Doubt, Family, Step, ct_state, ct_status};
use crate::names;
use crate::syntax::{address, mac, network, number};

/// Options that belong to the protocol (`-p tcp --dport 22`) whatever `-m` stands before them.
pub(super) fn is_of_protocol(option: &str) -> bool {
    matches!(
        option,
        "--sport"
            | "--source-port"
            | "--dport"
            | "--destination-port"
            | "--tcp-flags"
            | "--syn"
            | "--tcp-option"
            | "--icmp-type"
            | "--icmpv6-type"
    )
}

/// Whether a match reads those options itself.
pub(super) fn reads_ports(name: &str) -> bool {
    matches!(
        name,
        "tcp" | "udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmp6" | "icmpv6" | "multiport"
    )
}

/// The condition of a match with its options.
pub(crate) fn lower(extension: &Extension, family: Family) -> Cond {
    match extension.name.as_str() {
        "comment" => Cond::Always,
        "conntrack" => conntrack(extension, family),
        "addrtype" => fib::address_type(extension),
        "rpfilter" => fib::reverse_path(extension, family),
        "tcp" | "udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmp6" | "icmpv6" | "ipv6-icmp"
        | "multiport" | "iprange" | "state" | "mark" | "connmark" | "mac" | "ttl" | "hl"
        | "length" | "dscp" | "pkttype" => all(extension, family),
        // Once an element is in the list, setting it again matches; the list being full is a drop.
        "recent" if is_recent_set(extension) => {
            Cond::Always.negate_if(extension.options.iter().any(|o| o.name == "--set" && o.negated))
        }
        // Without such a header they do not match, inverted or not (ip6t_rt.c, rt_mt6, and so on).
        "rt" | "hbh" | "dst" | "frag" | "srh" => extended(extension),
        "ah" if family == Family::Ipv6 => extended(extension),
        name if depends_on_packet(name) => unknown(extension, Doubt::Packet),
        _ => unknown(extension, Doubt::History),
    }
}

/// What a match does besides matching.
pub(crate) fn effect(extension: &Extension) -> Option<Step> {
    // xt_socket.c, socket_match: the mark of a transparent socket becomes that of the packet.
    let restores = extension.name == "socket" && extension.option("--restore-skmark").is_some();
    let mark = || Assign::Unknown(format!("-m {}", extension.text()));
    restores.then(|| Step::Set(Field::MARK, mark()))
}

/// Matches that ask an extension header of IPv6, of which it is not known what it holds.
fn extended(extension: &Extension) -> Cond {
    Cond::All(vec![Cond::is(Field::EXTENSIONS, 1), unknown(extension, Doubt::Packet)])
}

fn unknown(extension: &Extension, doubt: Doubt) -> Cond {
    Cond::Unknown(format!("-m {}", extension.text()), doubt)
}

/// Matches that are not evaluated, but whose answer depends on the packet and the host's
/// configuration alone. Of all others, also those that nobody here knows, it may depend on earlier
/// packets, the time or chance too.
fn depends_on_packet(name: &str) -> bool {
    matches!(
        name,
        "ah" | "cgroup"
            | "cluster"
            | "devgroup"
            | "ecn"
            | "esp"
            | "eui64"
            | "helper"
            | "ipcomp"
            | "ipv6header"
            | "ipvs"
            | "l2tp"
            | "mh"
            | "osf"
            | "owner"
            | "physdev"
            | "policy"
            | "realm"
            | "set"
            | "socket"
            | "string"
            | "tcpmss"
            | "tos"
            | "u32"
    )
}

fn is_recent_set(extension: &Extension) -> bool {
    extension.option("--set").is_some()
}

/// Each option of the match is a condition of its own.
fn all(extension: &Extension, family: Family) -> Cond {
    Cond::All(options(extension, family, |_| true))
}

fn options(extension: &Extension, family: Family, wanted: impl Fn(&Opt) -> bool) -> Vec<Cond> {
    let cond = |option: &Opt| {
        one(&extension.name, option, family).unwrap_or_else(|| {
            let text = format!("-m {} {}", extension.name, option.text());
            Cond::Unknown(text, Doubt::Packet)
        })
    };
    extension.options.iter().filter(|option| wanted(option)).map(cond).collect()
}

/// net/netfilter/xt_conntrack.c, conntrack_mt: the state is asked first; a packet without a
/// connection then matches if the state was asked at all, and the other options are not.
fn conntrack(extension: &Extension, family: Family) -> Cond {
    let is_state = |option: &Opt| matches!(option.name.as_str(), "--ctstate" | "--state");
    let mut all = options(extension, family, is_state);
    let others = options(extension, family, |option| !is_state(option));
    if !others.is_empty() {
        let tracked = tracked_and(others);
        all.push(if all.is_empty() {
            tracked
        } else {
            Cond::Any(vec![Cond::Not(Box::new(self::tracked())), tracked])
        });
    }
    Cond::All(all)
}

/// One option; none if its value is not understood.
fn one(module: &str, option: &Opt, family: Family) -> Option<Cond> {
    let cond = match option.name.as_str() {
        "--sport" | "--source-port" if module != "multiport" => ports(Field::SPORT, option)?,
        "--dport" | "--destination-port" if module != "multiport" => ports(Field::DPORT, option)?,
        "--tcp-flags" => tcp_flags(option)?,
        // --syn is --tcp-flags SYN,RST,ACK,FIN SYN.
        "--syn" => masked(Field::TCP_FLAGS, 0x17, 0x02),
        "--icmp-type" => icmp(option.value()?, Family::Ipv4)?,
        "--icmpv6-type" => icmp(option.value()?, Family::Ipv6)?,
        "--sports" | "--source-ports" | "--sport" | "--source-port" | "--ctorigsrcport" => {
            ports(Field::SPORT, option)?
        }
        "--dports" | "--destination-ports" | "--dport" | "--destination-port" => {
            ports(Field::DPORT, option)?
        }
        "--ports" | "--port" => {
            Cond::Any(vec![ports(Field::SPORT, option)?, ports(Field::DPORT, option)?])
        }
        "--src-range" => address_range(Field::SOURCE, option, family)?,
        "--dst-range" => address_range(Field::DESTINATION, option, family)?,
        "--mac-source" => Cond::is(Field::MAC_SOURCE, mac(option.value()?)?),
        "--mark" if module == "mark" => mark(Field::MARK, option.value()?)?,
        // xt_connmark.c, connmark_mt: never without a connection, negated or not.
        "--mark" if module == "connmark" => {
            let own = mark(Field::CT_MARK, option.value()?)?.negate_if(option.negated);
            return Some(tracked_and(vec![own]));
        }
        "--state" | "--ctstate" => states(option.value()?)?,
        "--ctproto" => Cond::is(Field::PROTOCOL, names::protocol(option.value()?)?.into()),
        "--ctstatus" => statuses(option.value()?)?,
        // The first packet always goes the original way.
        "--ctdir" if option.value()? == "ORIGINAL" => Cond::Always,
        "--ctdir" if option.value()? == "REPLY" => Cond::Never,
        "--ctorigsrc" => own_network(Field::SOURCE, option, family)?,
        "--ctorigdst" => own_network(Field::ORIGINAL_DESTINATION, option, family)?,
        "--ctreplsrc" => own_network(Field::DESTINATION, option, family)?,
        "--ctorigdstport" => ports(Field::ORIGINAL_DPORT, option)?,
        "--ttl-eq" | "--ttl" | "--hl-eq" | "--hl" => {
            Cond::is(Field::HOP_LIMIT, number(option.value()?)?)
        }
        "--ttl-lt" | "--hl-lt" => below(Field::HOP_LIMIT, number(option.value()?)?),
        "--ttl-gt" | "--hl-gt" => {
            Cond::In(Field::HOP_LIMIT, RangeSet::from(number(option.value()?)? + 1..=255))
        }
        "--length" => Cond::In(Field::LENGTH, span(option.value()?, 0xffff)?),
        "--dscp" => Cond::is(Field::DSCP, number(option.value()?)?),
        "--pkt-type" => Cond::is(Field::PACKET_TYPE, packet_type(option.value()?)?),
        _ => return None,
    };
    Some(cond.negate_if(option.negated))
}

/// A list of ports and ranges `low:high`.
fn ports(field: Field, option: &Opt) -> Option<Cond> {
    let ranges: Option<Vec<_>> =
        option.value()?.split(',').map(|part| port_range(part.trim())).collect();
    Some(Cond::In(field, RangeSet::of(ranges?)))
}

fn port_range(text: &str) -> Option<(u128, u128)> {
    let port = |text: &str, open: u16| {
        if text.is_empty() { Some(open) } else { names::service(text) }
    };
    match text.split_once(':') {
        Some((lo, hi)) => Some((port(lo, 0)?.into(), port(hi, u16::MAX)?.into())),
        None => names::service(text).map(|port| (port.into(), port.into())),
    }
}

/// `low:high` of plain numbers, either side open.
fn span(text: &str, max: u128) -> Option<RangeSet> {
    let (lo, hi) = text.split_once(':').unwrap_or((text, text));
    let lo = if lo.is_empty() { 0 } else { number(lo)? };
    let hi = if hi.is_empty() { max } else { number(hi)? };
    Some(RangeSet::of(vec![(lo, hi)]))
}

fn below(field: Field, limit: u128) -> Cond {
    match limit.checked_sub(1) {
        Some(hi) => Cond::In(field, RangeSet::from(0..=hi)),
        None => Cond::Never,
    }
}

fn masked(field: Field, mask: u128, value: u128) -> Cond {
    // A value outside of the mask can never be.
    if value & !mask != 0 {
        return Cond::Never;
    }
    Cond::Masked { field, mask, values: RangeSet::one(value) }
}

/// `mask set`, both lists of flags. Also the spelling with the negation between option and mask.
fn tcp_flags(option: &Opt) -> Option<Cond> {
    let [mask, set] = option.values.as_slice() else { return None };
    Some(masked(Field::TCP_FLAGS, flags(mask)?, flags(set)?))
}

fn flags(list: &str) -> Option<u128> {
    list.split(',').try_fold(0, |bits, name| {
        let bit = match name {
            "FIN" => 0x01,
            "SYN" => 0x02,
            "RST" => 0x04,
            "PSH" => 0x08,
            "ACK" => 0x10,
            "URG" => 0x20,
            "ALL" => 0x3f,
            "NONE" => 0,
            _ => return None,
        };
        Some(bits | bit)
    })
}

/// `type`, `type/code`, or a name.
fn icmp(text: &str, family: Family) -> Option<Cond> {
    let (kind, code) = match text.split_once('/') {
        // Only IPv4 has a number for all types (xt_tcpudp.c, icmp_type_code_match).
        _ if text == "any" => return Some(Cond::Always),
        _ if text == "255" && family == Family::Ipv4 => return Some(Cond::Always),
        Some((kind, code)) => (kind.parse().ok()?, Some(code.parse::<u8>().ok()?)),
        None => match text.parse() {
            Ok(kind) => (kind, None),
            Err(_) => match family {
                Family::Ipv4 => names::icmp(text)?,
                Family::Ipv6 => names::icmpv6(text)?,
            },
        },
    };
    let kind = Cond::is(Field::DPORT, u8::into(kind));
    Some(match code {
        Some(code) => Cond::All(vec![kind, Cond::is(Field::ICMP_CODE, code.into())]),
        None => kind,
    })
}

fn address_range(field: Field, option: &Opt, of: Family) -> Option<Cond> {
    let text = option.value()?;
    let (lo, hi) = text.split_once('-').unwrap_or((text, text));
    let (lo, hi) = (address(lo)?, address(hi)?);
    (lo.0 == of && hi.0 == of).then(|| Cond::In(field, RangeSet::of(vec![(lo.1, hi.1)])))
}

fn own_network(field: Field, option: &Opt, of: Family) -> Option<Cond> {
    network(field, option.value()?).filter(|(family, _)| *family == of).map(|(_, cond)| cond)
}

/// `value` or `value/mask`.
fn mark(field: Field, text: &str) -> Option<Cond> {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    Some(masked(field, number(mask)?, number(value)?))
}

/// xt_conntrack.c: any of the named states; DNAT and SNAT are bits of the status.
fn states(list: &str) -> Option<Cond> {
    let mut values = Vec::new();
    let mut nat = 0;
    for name in list.split(',') {
        let value = match name {
            "NEW" => ct_state::NEW,
            "ESTABLISHED" => ct_state::ESTABLISHED,
            "RELATED" => ct_state::RELATED,
            "INVALID" => ct_state::INVALID,
            "UNTRACKED" => ct_state::UNTRACKED,
            "DNAT" => {
                nat |= ct_status::DNAT;
                continue;
            }
            "SNAT" => {
                nat |= ct_status::SNAT;
                continue;
            }
            _ => return None,
        };
        values.push((value, value));
    }
    let state = Cond::In(Field::CT_STATE, RangeSet::of(values));
    if nat == 0 {
        return Some(state);
    }
    Some(Cond::Any(vec![state, any_bit(nat)]))
}

/// Whether any of these bits of the status is set.
fn any_bit(bits: u128) -> Cond {
    let none = Cond::Masked { field: Field::CT_STATUS, mask: bits, values: RangeSet::one(0) };
    Cond::Not(Box::new(none))
}

/// Any of the named bits. NONE names no bit, so that nothing matches it, and everything its
/// negation.
fn statuses(list: &str) -> Option<Cond> {
    let mut bits = 0;
    for name in list.split(',') {
        bits |= match name {
            "NONE" => 0,
            "EXPECTED" => ct_status::EXPECTED,
            "SEEN_REPLY" => ct_status::SEEN_REPLY,
            "ASSURED" => ct_status::ASSURED,
            "CONFIRMED" => ct_status::CONFIRMED,
            _ => return None,
        };
    }
    Some(any_bit(bits))
}

/// The packet belongs to a connection, so that conntrack's other questions have an answer.
fn tracked() -> Cond {
    let untracked = [ct_state::INVALID, ct_state::UNTRACKED].map(|value| (value, value));
    Cond::Not(Box::new(Cond::In(Field::CT_STATE, RangeSet::of(untracked.to_vec()))))
}

fn tracked_and(mut conds: Vec<Cond>) -> Cond {
    conds.insert(0, tracked());
    Cond::All(conds)
}

/// PACKET_HOST and so on, linux/if_packet.h.
fn packet_type(name: &str) -> Option<u128> {
    Some(match name.to_ascii_lowercase().as_str() {
        "unicast" => 0,
        "broadcast" => 1,
        "multicast" => 2,
        _ => return None,
    })
}
