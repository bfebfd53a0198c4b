//! Matches: from the structure to the options that iptables-save prints.
//!
//! Each function knows one structure of linux/netfilter/xt_*.h (or netfilter_ipv4, netfilter_ipv6),
//! and answers none where a size, a flag or a value is not one that it knows.

mod address;
mod connection;
mod content;
mod header;
mod host;
mod packet;
mod rate;
mod set;
mod transport;

use super::Extension;
use super::options::Options;
use super::reader::Reader;
use crate::ipset::Ipsets;
use crate::ir::Family;

pub(crate) use address::interface;
pub(crate) use set::Asked;
pub(crate) use set::asked;
pub(super) use set::of_target;

/// The options of a match; none if it is not known.
pub(super) fn options(extension: &Extension<'_>, sets: &Ipsets) -> Option<Options> {
    let Extension { family, name, revision, data } = *extension;
    let of = |size| Reader::new(data, size);
    match (name, revision) {
        ("tcp", 0) => transport::tcp(of(12)?),
        ("udp" | "udplite", 0) => transport::udp(of(10)?),
        ("sctp", 0) => transport::sctp(of(292)?),
        ("dccp", 0) => transport::dccp(of(16)?),
        ("multiport", 0) => transport::multiport(of(32)?, 0),
        ("multiport", 1) => transport::multiport(of(48)?, 1),
        ("icmp", 0) => transport::icmp(of(4)?, Family::Ipv4),
        ("icmp6", 0) => transport::icmp(of(4)?, Family::Ipv6),
        ("esp", 0) => transport::security_index(of(9)?, "--espspi"),
        ("ipcomp", 0) => transport::compression(of(10)?),
        ("ah", 0) if family == Family::Ipv4 => transport::security_index(of(9)?, "--ahspi"),
        ("ah", 0) => header::authentication(of(14)?),
        ("conntrack", 1) => connection::conntrack(of(152)?, family, 1),
        ("conntrack", 2) => connection::conntrack(of(156)?, family, 2),
        ("conntrack", 3) => connection::conntrack(of(164)?, family, 3),
        ("state", 0) => connection::state(of(4)?),
        ("connbytes", 0) => connection::bytes(of(18)?),
        ("connlabel", 0) => connection::label(of(4)?),
        ("helper", 0) => connection::helper(of(34)?),
        ("connlimit", 1) => rate::connections(of(32)?, family),
        ("mark" | "connmark", 1) => packet::mark(of(9)?),
        ("mac", 0) => packet::mac(of(12)?),
        ("length", 0) => packet::length(of(5)?),
        ("dscp", 0) => packet::dscp(of(2)?),
        ("tos", 1) => packet::tos(of(3)?),
        ("ttl", 0) => packet::hop_limit(of(2)?, "--ttl"),
        ("hl", 0) => packet::hop_limit(of(2)?, "--hl"),
        ("ecn", 0) => packet::ecn(of(4)?),
        ("pkttype", 0) => packet::kind(of(8)?),
        ("realm", 0) => packet::realm(of(9)?),
        ("tcpmss", 0) => packet::segment_size(of(5)?),
        ("iprange", 1) => address::range(of(65)?, family),
        ("addrtype", 0) => address::kind(of(12)?, 0),
        ("addrtype", 1) => address::kind(of(8)?, 1),
        ("rpfilter", 0) => address::reverse_path(of(1)?),
        ("physdev", 0) => address::bridge_port(of(66)?),
        ("devgroup", 0) => address::device_group(of(20)?),
        ("policy", 0) => address::policy(of(308)?, family),
        ("set", 0..=4) => set::options(data, revision, sets),
        ("limit", 0) => rate::limit(of(40)?),
        ("hashlimit", 1..=3) => rate::hashed(data, revision),
        ("recent", 0) => rate::recent(of(212)?, family, 0),
        ("recent", 1) => rate::recent(of(228)?, family, 1),
        ("quota", 0) => rate::quota(of(24)?),
        ("statistic", 0) => rate::statistic(of(24)?),
        ("time", 0) => rate::time(of(22)?),
        ("rateest", 0) => rate::estimate(of(72)?),
        ("nfacct", 0 | 1) => rate::account(of(40)?),
        ("owner", 1) => host::owner(of(18)?),
        ("socket", 0) => Reader::new(data, 0).map(|_| Options::new()),
        ("socket", 1..=3) => host::socket(of(1)?, revision),
        ("cgroup", 0..=2) => host::cgroup(data, revision),
        ("cpu", 0) => host::cpu(of(8)?),
        ("cluster", 0) => host::cluster(of(16)?),
        ("osf", 0) => host::fingerprint(of(48)?),
        ("ipvs", 0) => host::virtual_server(of(40)?, family),
        ("comment", 0) => content::comment(of(256)?),
        ("string", 1) => content::string(of(160)?),
        ("u32", 0) => content::words(of(1984)?),
        ("bpf", 0 | 1) => content::program(data, revision),
        ("l2tp", 0) => content::l2tp(of(11)?),
        ("frag", 0) => header::fragment(of(14)?),
        ("rt", 0) => header::routing(of(277)?),
        ("hbh" | "dst", 0) => header::options(of(39)?, name),
        ("mh", 0) => header::mobility(of(3)?),
        ("ipv6header", 0) => header::present(of(3)?),
        ("eui64", 0) => Reader::new(data, 4).map(|_| Options::new()),
        ("srh", 0 | 1) => header::segments(data, revision),
        _ => None,
    }
}
