//! Names that rulesets use for numbers: protocols, services, ICMP types.
//!
//! Only what the tools print or administrators write in practice. A name that is not here makes
//! the condition unknown, never false. Sources: IANA's registries of protocol numbers, service
//! names, ICMP and ICMPv6 parameters; linux/in.h.

use crate::ir::Family;

/// Number of a transport protocol (IPPROTO_*).
#[must_use]
pub(crate) fn protocol(name: &str) -> Option<u8> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    Some(match name.to_ascii_lowercase().as_str() {
        "icmp" => 1,
        "igmp" => 2,
        "ipip" | "ipencap" | "ipv4" => 4,
        "tcp" => 6,
        "egp" => 8,
        "udp" => 17,
        "dccp" => 33,
        "ipv6" => 41,
        "rsvp" => 46,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmpv6" | "ipv6-icmp" => 58,
        "ospf" | "ospfigp" => 89,
        "pim" => 103,
        "ipcomp" | "comp" => 108,
        "vrrp" => 112,
        "l2tp" => 115,
        "sctp" => 132,
        "mh" | "mobility-header" | "ipv6-mh" => 135,
        "udplite" => 136,
        _ => return None,
    })
}

/// Number of a port by its service's name.
#[must_use]
pub(crate) fn service(name: &str) -> Option<u16> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    Some(match name {
        "ftp-data" => 20,
        "ftp" => 21,
        "ssh" => 22,
        "telnet" => 23,
        "smtp" | "mail" => 25,
        "domain" => 53,
        "bootps" => 67,
        "bootpc" => 68,
        "tftp" => 69,
        "http" | "www" => 80,
        "kerberos" => 88,
        "pop3" => 110,
        "sunrpc" => 111,
        "auth" | "ident" => 113,
        "ntp" => 123,
        "netbios-ns" => 137,
        "netbios-dgm" => 138,
        "netbios-ssn" => 139,
        "imap" | "imap2" => 143,
        "snmp" => 161,
        "snmp-trap" | "snmptrap" => 162,
        "bgp" => 179,
        "ldap" => 389,
        "https" => 443,
        "microsoft-ds" => 445,
        "isakmp" => 500,
        "syslog" => 514,
        "dhcpv6-client" => 546,
        "dhcpv6-server" => 547,
        "ipp" => 631,
        "ldaps" => 636,
        "submission" => 587,
        "submissions" | "urd" => 465,
        "rsync" => 873,
        "imaps" => 993,
        "pop3s" => 995,
        "openvpn" => 1194,
        "nfs" => 2049,
        "mysql" => 3306,
        "ipsec-nat-t" => 4500,
        "mdns" => 5353,
        "postgresql" => 5432,
        _ => return None,
    })
}

/// Type and code of an ICMP message by the name that iptables and nft use.
#[must_use]
pub(crate) fn icmp(name: &str) -> Option<(u8, Option<u8>)> {
    Some(match name {
        "echo-reply" | "pong" => (0, None),
        "destination-unreachable" => (3, None),
        "network-unreachable" => (3, Some(0)),
        "host-unreachable" => (3, Some(1)),
        "protocol-unreachable" => (3, Some(2)),
        "port-unreachable" => (3, Some(3)),
        "fragmentation-needed" => (3, Some(4)),
        "source-route-failed" => (3, Some(5)),
        "network-unknown" => (3, Some(6)),
        "host-unknown" => (3, Some(7)),
        "network-prohibited" => (3, Some(9)),
        "host-prohibited" => (3, Some(10)),
        "TOS-network-unreachable" => (3, Some(11)),
        "TOS-host-unreachable" => (3, Some(12)),
        "communication-prohibited" => (3, Some(13)),
        "host-precedence-violation" => (3, Some(14)),
        "precedence-cutoff" => (3, Some(15)),
        "source-quench" => (4, None),
        "redirect" => (5, None),
        "network-redirect" => (5, Some(0)),
        "host-redirect" => (5, Some(1)),
        "TOS-network-redirect" => (5, Some(2)),
        "TOS-host-redirect" => (5, Some(3)),
        "echo-request" | "ping" => (8, None),
        "router-advertisement" => (9, None),
        "router-solicitation" => (10, None),
        "time-exceeded" | "ttl-exceeded" => (11, None),
        "ttl-zero-during-transit" => (11, Some(0)),
        "ttl-zero-during-reassembly" => (11, Some(1)),
        "parameter-problem" => (12, None),
        "ip-header-bad" => (12, Some(0)),
        "required-option-missing" => (12, Some(1)),
        "timestamp-request" => (13, None),
        "timestamp-reply" => (14, None),
        "info-request" => (15, None),
        "info-reply" => (16, None),
        "address-mask-request" => (17, None),
        "address-mask-reply" => (18, None),
        _ => return None,
    })
}

/// Type and code of an ICMPv6 message by the name that ip6tables and nft use.
#[must_use]
pub(crate) fn icmpv6(name: &str) -> Option<(u8, Option<u8>)> {
    Some(match name {
        "destination-unreachable" => (1, None),
        "no-route" => (1, Some(0)),
        "communication-prohibited" => (1, Some(1)),
        "beyond-scope" => (1, Some(2)),
        "address-unreachable" => (1, Some(3)),
        "port-unreachable" => (1, Some(4)),
        "failed-policy" => (1, Some(5)),
        "reject-route" => (1, Some(6)),
        "packet-too-big" => (2, None),
        "time-exceeded" | "ttl-exceeded" => (3, None),
        "ttl-zero-during-transit" => (3, Some(0)),
        "ttl-zero-during-reassembly" => (3, Some(1)),
        "parameter-problem" => (4, None),
        "bad-header" => (4, Some(0)),
        "unknown-header-type" => (4, Some(1)),
        "unknown-option" => (4, Some(2)),
        "echo-request" | "ping" => (128, None),
        "echo-reply" | "pong" => (129, None),
        "mld-listener-query" => (130, None),
        "mld-listener-report" => (131, None),
        "mld-listener-done" | "mld-listener-reduction" => (132, None),
        "router-solicitation" | "nd-router-solicit" => (133, None),
        "router-advertisement" | "nd-router-advert" => (134, None),
        "neighbour-solicitation" | "neighbor-solicitation" | "nd-neighbor-solicit" => (135, None),
        "neighbour-advertisement" | "neighbor-advertisement" | "nd-neighbor-advert" => (136, None),
        "redirect" | "nd-redirect" => (137, None),
        "router-renumbering" => (138, None),
        "ind-neighbor-solicit" => (141, None),
        "ind-neighbor-advert" => (142, None),
        "mld2-listener-report" => (143, None),
        _ => return None,
    })
}

/// The name of a transport protocol as iptables prints it, else its number.
#[must_use]
pub(crate) fn protocol_name(number: u16, family: Family) -> String {
    let name = match (number, family) {
        (1, _) => "icmp",
        (2, _) => "igmp",
        (4, _) => "ipencap",
        (6, _) => "tcp",
        (17, _) => "udp",
        (33, _) => "dccp",
        (41, _) => "ipv6",
        (47, _) => "gre",
        (50, _) => "esp",
        (51, _) => "ah",
        (58, _) => "ipv6-icmp",
        (89, _) => "ospf",
        (103, _) => "pim",
        (112, _) => "vrrp",
        (115, _) => "l2tp",
        (132, _) => "sctp",
        (135, Family::Ipv6) => "ipv6-mh",
        (136, _) => "udplite",
        _ => return number.to_string(),
    };
    name.to_owned()
}
