//! Reading what `ss -H -n -p` prints (iproute2, misc/ss.c): what the listing is compared with.

use std::collections::BTreeSet;

use crate::Error;

/// One socket in the hands of one process, or of none that `ss` knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// `tcp`, `udp`, `raw`, as `ss` calls it.
    pub protocol: String,
    /// The local port; for raw sockets the number of their protocol.
    pub port: u16,
    /// The port of the other end; none if it is not connected.
    pub peer_port: Option<u16>,
    /// The pid and descriptor.
    pub holder: Option<(u32, u32)>,
}

/// Everything that is held, and by whom.
///
/// # Errors
/// [`Error::NotSs`] with the first line that is not understood.
pub fn read(text: &str) -> Result<BTreeSet<Held>, Error> {
    let mut all = BTreeSet::new();
    for text in text.lines() {
        line(text, &mut all).ok_or_else(|| Error::NotSs { line: text.to_owned() })?;
    }
    Ok(all)
}

/// Reads a line: `Netid State Recv-Q Send-Q Local:Port Peer:Port users:(("name",pid=1,fd=2),...)`.
fn line(line: &str, into: &mut BTreeSet<Held>) -> Option<()> {
    let mut words = line.split_whitespace();
    let protocol = words.next()?.to_owned();
    let port = port(words.nth(3)?)?;
    let peer_port = match words.next()?.rsplit_once(':')?.1 {
        "*" => None,
        port => Some(port.parse().ok()?),
    };
    // A process name may contain anything, also what looks like a holder: only whole ones count.
    let holders = line.split(",pid=").skip(1).filter_map(|part| {
        let (pid, rest) = part.split_once(",fd=")?;
        Some((pid.parse().ok()?, rest.split_once(')')?.0.parse().ok()?))
    });
    let held = |holder| Held { protocol: protocol.clone(), port, peer_port, holder };
    let before = into.len();
    into.extend(holders.map(|holder| held(Some(holder))));
    if into.len() == before {
        into.insert(held(None));
    }
    Some(())
}

/// The port of a local address. Without `-n` on old versions, a raw socket's protocol is a name.
fn port(local: &str) -> Option<u16> {
    let text = local.rsplit_once(':')?.1;
    text.parse().ok().or_else(|| ip_protocol(text))
}

/// The number of an IP protocol by the names that `ss` and `whyopen` give to it, for those that
/// tests open raw sockets of (IANA, "Assigned Internet Protocol Numbers").
pub fn ip_protocol(name: &str) -> Option<u16> {
    match name {
        "icmp" => Some(1),
        "icmp6" | "ipv6-icmp" => Some(58),
        "ospf" => Some(89),
        "raw" => Some(255),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ss_prints() {
        let text = "\
raw   UNCONN 0 0 *:58 *:* users:((\"NetworkManager\",pid=34,fd=18))
udp   UNCONN 0 0 0.0.0.0:111 0.0.0.0:* users:((\"rpcbind\",pid=29,fd=5),(\"systemd\",pid=1,fd=27))
udp   UNCONN 0 0 0.0.0.0%eth0:4789 0.0.0.0:*
tcp   ESTAB 0 0 [::1]:40000 [::1]:80 users:((\"a b\",pid=7,fd=3))
";
        let held = |protocol: &str, port, peer_port, holder| Held {
            protocol: protocol.to_owned(),
            port,
            peer_port,
            holder,
        };
        let expect = [
            held("raw", 58, None, Some((34, 18))),
            held("udp", 111, None, Some((1, 27))),
            held("udp", 111, None, Some((29, 5))),
            held("udp", 4789, None, None),
            held("tcp", 40000, Some(80), Some((7, 3))),
        ];
        assert_eq!(read(text).unwrap(), expect.into());
        assert!(read("Netid State").is_err());
    }
}
