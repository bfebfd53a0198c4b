//! Reads a target, without looking at the host.

use std::net::{IpAddr, Ipv6Addr};

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
    if let Ok(number) = text.parse::<u32>() {
        return Ok(Want::Number(number));
    }
    if is_number(text) {
        return Err(ParseError::PortRange(text.to_owned()));
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
        Some(rest) if is_number(rest) => Ok(Want::Port(port(rest)?, None)),
        _ => Ok(Want::Name(text.to_owned())),
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
            None if rest.is_empty() => Ok(made(host, None)),
            _ => Ok(None),
        };
    }
    if let Some(whole) = made(text, None) {
        return Ok(Some(whole));
    }
    match text.rsplit_once(':') {
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
        check("net:[4026531840]", "Name(\"net:[4026531840]\")");
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
