//! Reading `ss -H -tulpnw`.

use std::collections::BTreeSet;

/// Protocol, port (for raw sockets the protocol's number), and the holder's pid and descriptor; none
/// for a socket of which `ss` knows no holder.
pub(crate) type Holding = (String, u64, Option<(u64, u64)>);

/// All holders in the output.
pub(crate) fn holders_in(text: &str) -> BTreeSet<Holding> {
    let mut all = BTreeSet::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Netid State Recv-Q Send-Q Local:Port Peer:Port users:(("name",pid=1,fd=2),...)
        let (protocol, local) = (words[0], words[4]);
        let port = local.rsplit_once(':').unwrap().1;
        let port = port.parse().unwrap_or_else(|_| number_of_ip_protocol(port));
        let mut holders = line.split("pid=").skip(1).map(|part| {
            let (pid, rest) = part.split_once(",fd=").unwrap();
            let fd = rest.split(')').next().unwrap();
            (pid.parse().unwrap(), fd.parse().unwrap())
        });
        let first = holders.next();
        all.insert((protocol.to_owned(), port, first));
        all.extend(holders.map(|holder| (protocol.to_owned(), port, Some(holder))));
    }
    all
}

/// The number of an IP protocol that tests open raw sockets of (IANA, "Protocol Numbers").
pub(crate) fn number_of_ip_protocol(name: &str) -> u64 {
    match name {
        "icmp" => 1,
        "icmp6" | "ipv6-icmp" => 58,
        "ospf" => 89,
        "raw" => 255,
        other => other.parse().unwrap_or_else(|_| panic!("which protocol is {other:?}?")),
    }
}

#[test]
fn output_of_ss() {
    let text = "\
raw   UNCONN 0 0 *:58 *:* users:((\"NetworkManager\",pid=34,fd=18))
udp   UNCONN 0 0 0.0.0.0:111 0.0.0.0:* users:((\"rpcbind\",pid=29,fd=5),(\"systemd\",pid=1,fd=27))
udp   UNCONN 0 0 0.0.0.0%eth0:4789 0.0.0.0:*
";
    let holding = |protocol: &str, port, holder| (protocol.to_owned(), port, holder);
    let expect = [
        holding("raw", 58, Some((34, 18))),
        holding("udp", 111, Some((1, 27))),
        holding("udp", 111, Some((29, 5))),
        holding("udp", 4789, None),
    ];
    assert_eq!(holders_in(text), expect.into());
}
