//! Names of well-known ports.

use std::sync::LazyLock;

use facts::{Port, Protocol};

/// The table; see its head for the source.
static TABLE: &str = include_str!("../data/services.tsv");

/// The table in order of ports.
static SERVICES: LazyLock<Vec<Service>> =
    LazyLock::new(|| TABLE.lines().filter_map(read).collect());

/// A registered service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its port.
    pub port: Port,
    /// The transports it is registered for, as the table spells them: `tcp,udp`.
    transports: &'static str,
    /// Its name in IANA's registry: `sunrpc`.
    pub registered: &'static str,
    /// What people call it: `portmapper`.
    pub name: &'static str,
}

/// Reads one line of the table; none for its comments.
fn read(line: &'static str) -> Option<Service> {
    let mut fields = line.split('\t');
    let port = Port(fields.next()?.parse().ok()?);
    let transports = fields.next()?;
    Some(Service { port, transports, registered: fields.next()?, name: fields.next()? })
}

/// The service registered for a port of a transport. MPTCP is TCP on the wire.
pub fn of(protocol: Protocol, port: Port) -> Option<&'static Service> {
    let protocol = if protocol == Protocol::MPTCP { Protocol::TCP } else { protocol };
    let transport = protocol.ip_name()?;
    let at = SERVICES.binary_search_by_key(&port, |s| s.port).ok()?;
    SERVICES.get(at).filter(|s| s.transports.split(',').any(|t| t == transport))
}

/// The services of a name, registered or common, whatever the case.
pub fn by_name(name: &str) -> impl Iterator<Item = &'static Service> {
    SERVICES.iter().filter(move |s| {
        s.name.eq_ignore_ascii_case(name) || s.registered.eq_ignore_ascii_case(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let lines = TABLE.lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(SERVICES.len(), lines, "a line of the table was not understood");
        assert!(SERVICES.windows(2).all(|w| w[0].port < w[1].port), "not sorted by port");
        for service in SERVICES.iter() {
            let known = |t| ["tcp", "udp", "sctp"].contains(&t);
            assert!(service.transports.split(',').all(known), "{service:?}");
            assert!(!service.name.is_empty() && !service.registered.is_empty());
        }
    }

    #[test]
    fn lookups() {
        let name = |protocol, port| of(protocol, Port(port)).map(|s| s.name);
        assert_eq!(name(Protocol::TCP, 111), Some("portmapper"));
        assert_eq!(name(Protocol::MPTCP, 22), Some("ssh"));
        assert_eq!(name(Protocol::UDP, 22), None);
        assert_eq!(name(Protocol::ICMPV6, 53), None);
        assert_eq!(by_name("SunRPC").next().map(|s| s.port), Some(Port(111)));
    }
}
