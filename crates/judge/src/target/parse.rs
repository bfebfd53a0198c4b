//! Reads a target, without looking at the host.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;

use facts::{Pid, Port, Protocol};

use super::{Address, Sort, Target, Want};

/// Why a word is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Nothing between the quotes.
    #[error("an empty target names nothing")]
    Empty,
    /// A port above 65535.
    #[error("port {0} does not exist: ports are 0 to 65535")]
    PortRange(String),
    /// A protocol that has no ports, or that is none.
    #[error("'{0}' is no protocol with ports: tcp, udp, udplite, sctp, mptcp or dccp")]
    Protocol(String),
    /// Nothing where a port belongs.
    #[error("'{0}' has no port after '{1}': 22/tcp, [::1]:631")]
    NoPort(String, char),
    /// Nothing where a protocol belongs.
    #[error("'{0}' has no protocol after '/': tcp, udp, udplite, sctp, mptcp or dccp")]
    NoProtocol(String),
    /// A sign before a number.
    #[error("'{0}' is no port: a port is written without a sign")]
    Sign(String),
    /// A range of ports that ends before it begins.
    #[error("the range of ports {0} ends before it begins")]
    Backwards(String),
    /// Something in brackets that is no address.
    #[error("'{0}' is no address and port: [::1]:631")]
    Brackets(String),
    /// A pid that is no number.
    #[error("'{0}' is no process id")]
    Pid(String),
}

/// Reads a target: `111`, `:111`, `111/udp`, `tcp/111`, `[::1]:631`, `127.0.0.1:631/tcp`, `::1`,
/// `icmp6`, `raw`, `packet`, `pid:612`, `unit:ssh`, `process:sshd`, `container:web`, `netns:blue`,
/// `service:ssh`, or a bare name of any of these.
///
/// # Errors
/// [`ParseError`] where the word can mean nothing on any host.
pub fn parse(text: &str) -> Result<Target, ParseError> {
    let want = want(text.trim())?;
    Ok(Target { text: text.to_owned(), want })
}

fn want(text: &str) -> Result<Want, ParseError> {
    if text.is_empty() {
        return Err(ParseError::Empty);
    }
    if let Some(explicit) = prefixed(text)? {
        return Ok(explicit);
    }
    if is_number(text) {
        let number = text.parse().map_err(|_| ParseError::PortRange(text.to_owned()))?;
        return Ok(Want::Number(number));
    }
    if text.strip_prefix(['+', '-']).is_some_and(|rest| rest.starts_with(is_digit)) {
        return Err(ParseError::Sign(text.to_owned()));
    }
    if let Some(range) = range(text)? {
        return Ok(Want::Ports(range, None));
    }
    if is_inode_name(text) {
        return Ok(Want::Netns(text.to_owned()));
    }
    if let Some(address) = address(text, None)? {
        return Ok(Want::Address(address));
    }
    if let Some(sort) = sort(text) {
        return Ok(sort);
    }
    if let Some((first, second)) = text.rsplit_once('/') {
        return with_protocol(text, first, second);
    }
    match text.strip_prefix("*:").or_else(|| text.strip_prefix(':')) {
        Some("") => Err(ParseError::NoPort(text.to_owned(), ':')),
        Some(rest) if is_number(rest) => Ok(Want::Port(port(rest)?, None)),
        Some(rest) => match range(rest)? {
            Some(range) => Ok(Want::Ports(range, None)),
            None => Ok(Want::Name(text.to_owned())),
        },
        None => Ok(Want::Name(text.to_owned())),
    }
}

/// `pid:612` and its like.
fn prefixed(text: &str) -> Result<Option<Want>, ParseError> {
    let Some((key, value)) = text.split_once(':').filter(|(_, v)| !v.is_empty()) else {
        return Ok(None);
    };
    let name = || value.to_owned();
    Ok(Some(match key {
        "pid" => Want::Pid(Pid(value.parse().map_err(|_| ParseError::Pid(value.to_owned()))?)),
        "port" => return want(&format!(":{value}")).map(Some),
        "unit" => Want::Unit(name()),
        "process" => Want::Process(name()),
        "container" => Want::Container(name()),
        "netns" => Want::Netns(name()),
        "service" => Want::Service(name()),
        _ => return Ok(None),
    }))
}

/// `111/udp`, `tcp/111`, `:111/udp`, `127.0.0.1:631/tcp`; else a name with a slash.
fn with_protocol(text: &str, first: &str, second: &str) -> Result<Want, ParseError> {
    let bare = first.strip_prefix("*:").or_else(|| first.strip_prefix(':')).unwrap_or(first);
    let is_address = || address(first, None).is_ok_and(|found| found.is_some());
    if second.is_empty() && (bare.starts_with(is_digit) || is_address()) {
        return Err(ParseError::NoProtocol(text.to_owned()));
    }
    if second.is_empty() && protocol(first).is_ok() {
        return Err(ParseError::NoPort(text.to_owned(), '/'));
    }
    if let Some(range) = range(bare)? {
        return Ok(Want::Ports(range, Some(protocol(second)?)));
    }
    if let Some(range) = range(second)?.filter(|_| protocol(first).is_ok()) {
        return Ok(Want::Ports(range, Some(protocol(first)?)));
    }
    if is_number(bare) {
        return Ok(Want::Port(port(bare)?, Some(protocol(second)?)));
    }
    if is_number(second) && protocol(first).is_ok() {
        return Ok(Want::Port(port(second)?, Some(protocol(first)?)));
    }
    if let Some(found) = address(first, None)? {
        return Ok(Want::Address(Address { protocol: Some(protocol(second)?), ..found }));
    }
    Ok(Want::Name(text.to_owned()))
}

/// `127.0.0.1`, `127.0.0.1:631`, `::1`, `[::1]`, `[::1]:631`, `fe80::1%eth0`.
fn address(text: &str, protocol: Option<Protocol>) -> Result<Option<Address>, ParseError> {
    let made = |host: &str, port| {
        let (host, zone) = match host.split_once('%') {
            Some((host, zone)) => (host, Some(zone.to_owned())),
            None => (host, None),
        };
        host.parse().ok().map(|address: IpAddr| Address { address, zone, port, protocol })
    };
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, rest)) = rest.split_once(']') else { return Ok(None) };
        if host.split('%').next().is_none_or(|h| h.parse::<Ipv6Addr>().is_err()) {
            // `net:[4026531840]` begins otherwise; anything else in brackets is no address.
            return Ok(None);
        }
        return match rest.strip_prefix(':') {
            Some(number) if is_number(number) => Ok(made(host, Some(port(number)?))),
            Some("") => Err(ParseError::NoPort(text.to_owned(), ':')),
            None if rest.is_empty() => Ok(made(host, None)),
            // A protocol may follow: that is read without it.
            _ if rest.contains('/') => Ok(None),
            _ => Err(ParseError::Brackets(text.to_owned())),
        };
    }
    if let Some(whole) = made(text, None) {
        return Ok(Some(whole));
    }
    match text.rsplit_once(':') {
        Some((host, "")) if host.parse::<IpAddr>().is_ok() => {
            Err(ParseError::NoPort(text.to_owned(), ':'))
        }
        // More colons would be an IPv6 address without its brackets.
        Some((host, number)) if !host.contains(':') && is_number(number) => {
            if host.parse::<IpAddr>().is_err() {
                return Ok(None);
            }
            Ok(made(host, Some(port(number)?)))
        }
        _ => Ok(None),
    }
}

/// A word for all sockets of a sort or protocol.
fn sort(text: &str) -> Option<Want> {
    Some(match text.to_ascii_lowercase().as_str() {
        "raw" => Want::Sort(Sort::Raw),
        "raw6" => Want::Sort(Sort::Raw6),
        "packet" => Want::Sort(Sort::Packet),
        "ping" => Want::Sort(Sort::Ping),
        "icmpv6" | "ipv6-icmp" => Want::Protocol(Protocol::ICMPV6),
        word => Want::Protocol(ip_protocol(word)?),
    })
}

/// An IP protocol by the name that [`Protocol::ip_name`] gives it.
fn ip_protocol(name: &str) -> Option<Protocol> {
    // Above 255 is MPTCP only.
    (1..=255).chain([Protocol::MPTCP.0]).map(Protocol).find(|p| p.ip_name() == Some(name))
}

/// A protocol that has ports.
fn protocol(name: &str) -> Result<Protocol, ParseError> {
    let lower = name.to_ascii_lowercase();
    let with_ports = ["tcp", "udp", "udplite", "sctp", "mptcp", "dccp"].contains(&lower.as_str());
    let found = ip_protocol(&lower).filter(|_| with_ports);
    found.ok_or_else(|| ParseError::Protocol(name.to_owned()))
}

/// `8001-8010`; none for other words with a dash.
fn range(text: &str) -> Result<Option<RangeInclusive<Port>>, ParseError> {
    let Some((first, last)) = text.split_once('-') else { return Ok(None) };
    if !is_number(first) || !is_number(last) {
        return Ok(None);
    }
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(ParseError::Backwards(text.to_owned()));
    }
    Ok(Some(first..=last))
}

/// Whether this is how the kernel names a namespace: `net:[4026531840]` (proc_pid_ns(5)).
fn is_inode_name(text: &str) -> bool {
    let inode = text.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']'));
    inode.is_some_and(is_number)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn port(text: &str) -> Result<Port, ParseError> {
    text.parse().map(Port).map_err(|_| ParseError::PortRange(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let check = |text: &str, expect: &str| {
            let got = match parse(text) {
                Ok(target) => format!("{:?}", target.want),
                Err(error) => format!("error: {error}"),
            };
            assert_eq!(got, expect, "{text}");
        };
        check("111", "Number(111)");
        check(":111", "Port(Port(111), None)");
        check("*:111", "Port(Port(111), None)");
        check("port:111", "Port(Port(111), None)");
        check("port:111/udp", "Port(Port(111), Some(Protocol(17)))");
        check("111/udp", "Port(Port(111), Some(Protocol(17)))");
        check(":111/UDP", "Port(Port(111), Some(Protocol(17)))");
        check("tcp/111", "Port(Port(111), Some(Protocol(6)))");
        check("70000", "Number(70000)");
        check(":70000", "error: port 70000 does not exist: ports are 0 to 65535");
        check("99999999999", "error: port 99999999999 does not exist: ports are 0 to 65535");
        check(
            "22/tpc",
            "error: 'tpc' is no protocol with ports: tcp, udp, udplite, sctp, mptcp or dccp",
        );
        check("pid:612", "Pid(Pid(612))");
        check("pid:x", "error: 'x' is no process id");
        check("", "error: an empty target names nothing");
        check("icmp6", "Protocol(Protocol(58))");
        check("raw", "Sort(Raw)");
        check("tcp", "Protocol(Protocol(6))");
        check("rpcbind.socket", "Name(\"rpcbind.socket\")");
        check("container:web", "Container(\"web\")");
        check("net:[4026531840]", "Netns(\"net:[4026531840]\")");
        check("netns:net:[4026531840]", "Netns(\"net:[4026531840]\")");
        check("raw6", "Sort(Raw6)");
        check("8001-8002", "Ports(Port(8001)..=Port(8002), None)");
        check(":8001-8002", "Ports(Port(8001)..=Port(8002), None)");
        check("8001-8002/udp", "Ports(Port(8001)..=Port(8002), Some(Protocol(17)))");
        check("udp/8001-8002", "Ports(Port(8001)..=Port(8002), Some(Protocol(17)))");
        check("8002-8001", "error: the range of ports 8002-8001 ends before it begins");
        check("8002-70000", "error: port 70000 does not exist: ports are 0 to 65535");
        check("docker-proxy", "Name(\"docker-proxy\")");
        check("+8002", "error: '+8002' is no port: a port is written without a sign");
        check(
            "8001/",
            "error: '8001/' has no protocol after '/': tcp, udp, udplite, sctp, mptcp or dccp",
        );
        check(
            "[::1]:80/",
            "error: '[::1]:80/' has no protocol after '/': tcp, udp, udplite, sctp, mptcp or dccp",
        );
        check("tcp/", "error: 'tcp/' has no port after '/': 22/tcp, [::1]:631");
        check("[::]:", "error: '[::]:' has no port after ':': 22/tcp, [::1]:631");
        check("127.0.0.1:", "error: '127.0.0.1:' has no port after ':': 22/tcp, [::1]:631");
        check(":", "error: ':' has no port after ':': 22/tcp, [::1]:631");
        check("[::1]:http", "error: '[::1]:http' is no address and port: [::1]:631");
        check("default/pod/web", "Name(\"default/pod/web\")");
        check("unit:", "Name(\"unit:\")");
    }

    #[test]
    fn addresses() {
        let check = |text: &str, expect: &str| {
            let Ok(Target { want: Want::Address(a), .. }) = parse(text) else {
                panic!("{text} is no address");
            };
            let port = a.port.map_or("-".to_owned(), |p| p.to_string());
            let protocol = a.protocol.map_or("-".to_owned(), |p| p.to_string());
            let zone = a.zone.unwrap_or_else(|| "-".to_owned());
            assert_eq!(format!("{} {zone} {port} {protocol}", a.address), expect, "{text}");
        };
        check("127.0.0.1", "127.0.0.1 - - -");
        check("127.0.0.1:631", "127.0.0.1 - 631 -");
        check("127.0.0.1:631/tcp", "127.0.0.1 - 631 tcp");
        check("::1", "::1 - - -");
        check("::", ":: - - -");
        check("[::1]", "::1 - - -");
        check("[::1]:631", "::1 - 631 -");
        check("[::1]:631/udp", "::1 - 631 udp");
        check("fe80::1%eth0", "fe80::1 eth0 - -");
        check("[fe80::1%eth0]:546", "fe80::1 eth0 546 -");
    }
}
