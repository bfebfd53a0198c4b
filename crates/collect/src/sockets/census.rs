//! How many sockets a namespace has of each protocol: `/proc/net/protocols` (kernel
//! `net/core/sock.c`, `proto_seq_show`). One small file that spares walks over large tables.

use super::transport::IpFamily;

/// Above this many TCP sockets, the search for those that are only bound is left out unless all
/// sockets are asked for. The kernel visits every connection for it, at 0.2 µs each.
const MANY: u64 = 50_000;

/// The first kernel that counts the MPTCP sockets in use.
const COUNTS_MPTCP: (u32, u32) = (6, 3);

/// What the file tells; nothing of it where it cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// TCP sockets of both families, without the time-wait ones.
    tcp: u64,
    /// MPTCP sockets of IPv4 and of IPv6; none where the kernel does not tell.
    mptcp: Option<[u64; 2]>,
}

impl Census {
    /// Reads that of the calling thread's namespace.
    pub(crate) fn take() -> Self {
        let Ok(text) = std::fs::read("/proc/thread-self/net/protocols") else {
            return Self::default();
        };
        let release = rustix::system::uname();
        Self::of(&text, &release.release().to_string_lossy())
    }

    /// Reads the file's text; `release` is the kernel's.
    pub(crate) fn of(text: &[u8], release: &str) -> Self {
        let tcp = count(text, "TCP").unwrap_or(0) + count(text, "TCPv6").unwrap_or(0);
        let mptcp = match (count(text, "MPTCP"), count(text, "MPTCPv6")) {
            // The protocol is not there at all, in any version.
            (None, None) if !text.is_empty() => Some([0, 0]),
            (v4, v6) if version(release) >= Some(COUNTS_MPTCP) => {
                Some([v4.unwrap_or(0), v6.unwrap_or(0)])
            }
            _ => None,
        };
        Self { tcp, mptcp }
    }

    /// Whether it is known that there are no MPTCP sockets of this family.
    pub(crate) fn lacks_mptcp(&self, family: IpFamily) -> bool {
        self.mptcp.is_some_and(|counts| family.pick(counts) == 0)
    }

    /// How many TCP sockets a walk over all of them visits, if that is too many.
    pub(crate) fn many_tcp(&self) -> Option<u64> {
        Some(self.tcp).filter(|&count| count > MANY)
    }
}

/// `NAME SIZE SOCKETS …`; the count is negative for protocols that are not counted.
fn count(text: &[u8], name: &str) -> Option<u64> {
    let lines = text.split(|&byte| byte == b'\n').skip(1);
    let mut rows =
        lines.map(|line| line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()));
    let mut row = rows.find_map(|mut row| (row.next()? == name.as_bytes()).then_some(row))?;
    std::str::from_utf8(row.nth(1)?).ok()?.parse().ok()
}

/// The first two numbers of a kernel release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &str, release: &str, many: Option<u64>, lacks: [bool; 2]) {
        let text = format!("protocol  size sockets  memory press maxhdr\n{rows}");
        let census = Census::of(text.as_bytes(), release);
        assert_eq!(census.many_tcp(), many, "{rows}");
        assert_eq!(IpFamily::ALL.map(|f| census.lacks_mptcp(f)), lacks, "{rows} {release}");
    }

    #[test]
    fn counts() {
        let both =
            "MPTCPv6   2064      0     158   no\nTCP 2304 60000 9\nMPTCP     1936      3     158\n";
        check(both, "6.18.44-x", Some(60_000), [false, true]);
        check(both, "6.3", Some(60_000), [false, true]);
        // Kernels that do not count MPTCP show 0 for it.
        check(both, "6.2.0", Some(60_000), [false, false]);
        check(both, "what", Some(60_000), [false, false]);
        check("TCP 1 30000\nTCPv6 1 30000\n", "5.4", Some(60_000), [true, true]);
        check("TCP 1 30000\n", "5.4", None, [true, true]);
        check("TCP 1 -1\nTCPv6\n\nMPTCP\n", "6.18", None, [true, true]);
    }

    #[test]
    fn an_unreadable_file_spares_nothing() {
        assert_eq!(Census::default().many_tcp(), None);
        assert!(IpFamily::ALL.iter().all(|f| !Census::default().lacks_mptcp(*f)));
    }
}
