//! How many sockets there are, from two small files, to spare walks over large or empty tables:
//! `/proc/net/protocols` (kernel `net/core/sock.c`, `proto_seq_show`) and `/proc/net/sockstat`
//! (`net/ipv4/proc.c`, `sockstat_seq_show`).

use super::transport::IpFamily;

/// What the search for TCP sockets that are only bound may cost, in µs.
const BUDGET_US: u64 = 10_000;

/// What it costs in each namespace: the kernel's table of bound sockets has up to 65,536 buckets.
const BUCKETS_US: u64 = 300;

/// The table is shared by all namespaces, and each search visits every socket in it: this many in
/// a µs.
const VISITS_PER_US: u64 = 5;

/// The first kernel that counts the MPTCP sockets in use.
const COUNTS_MPTCP: (u32, u32) = (6, 3);

/// How many TCP sockets there are on the host, if a search through all of them for each of these
/// namespaces costs too much.
pub(crate) fn too_many_tcp(namespaces: usize) -> Option<u64> {
    let text = std::fs::read("/proc/thread-self/net/sockstat").ok()?;
    let allocated = allocated(&text)?;
    let namespaces = u64::try_from(namespaces).ok()?;
    let cost_us = namespaces.saturating_mul(BUCKETS_US + allocated / VISITS_PER_US);
    (cost_us > BUDGET_US).then_some(allocated)
}

/// `TCP: inuse N orphan N tw N alloc N mem N`: `alloc` is the number of all namespaces.
fn allocated(text: &[u8]) -> Option<u64> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let mut fields = fields(lines.find_map(|line| line.strip_prefix(b"TCP:"))?);
    fields.find(|field| field == b"alloc")?;
    std::str::from_utf8(fields.next()?).ok()?.parse().ok()
}

/// The MPTCP sockets of a namespace, of IPv4 and of IPv6; none where the kernel does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
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

    /// Reads the text of `/proc/net/protocols`; `release` is the kernel's.
    pub(crate) fn of(text: &[u8], release: &str) -> Self {
        let mptcp = match (count(text, "MPTCP"), count(text, "MPTCPv6")) {
            // The protocol is not there at all, in any version.
            (None, None) if !text.is_empty() => Some([0, 0]),
            (v4, v6) if version(release) >= Some(COUNTS_MPTCP) => {
                Some([v4.unwrap_or(0), v6.unwrap_or(0)])
            }
            _ => None,
        };
        Self { mptcp }
    }

    /// Whether it is known that there are no MPTCP sockets of this family.
    pub(crate) fn lacks_mptcp(&self, family: IpFamily) -> bool {
        self.mptcp.is_some_and(|counts| family.pick(counts) == 0)
    }
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

/// `NAME SIZE SOCKETS …`; the count is negative for protocols that are not counted.
fn count(text: &[u8], name: &str) -> Option<u64> {
    let mut rows = text.split(|&byte| byte == b'\n').skip(1).map(fields);
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

    fn check(rows: &str, release: &str, lacks: [bool; 2]) {
        let text = format!("protocol  size sockets  memory press maxhdr\n{rows}");
        let census = Census::of(text.as_bytes(), release);
        assert_eq!(IpFamily::ALL.map(|f| census.lacks_mptcp(f)), lacks, "{rows} {release}");
    }

    #[test]
    fn mptcp() {
        let both =
            "MPTCPv6   2064      0     158   no\nTCP 2304 7 9\nMPTCP     1936      3     158\n";
        check(both, "6.18.44-x", [false, true]);
        check(both, "6.3", [false, true]);
        // Kernels that do not count MPTCP show 0 for it.
        check(both, "6.2.0", [false, false]);
        check(both, "what", [false, false]);
        check("TCP 1 30000\nTCPv6 1 30000\n", "5.4", [true, true]);
        check("TCP 1 -1\nTCPv6\n\nMPTCP\n", "6.18", [true, true]);
    }

    #[test]
    fn an_unreadable_file_spares_nothing() {
        assert!(IpFamily::ALL.iter().all(|f| !Census::default().lacks_mptcp(*f)));
    }

    #[test]
    fn tcp() {
        let text =
            b"sockets: used 17\nTCP: inuse 1 orphan 0 tw 0 alloc 200016 mem 183\nUDP: inuse 0\n";
        assert_eq!(allocated(text), Some(200_016));
        for garbage in ["", "TCP:", "TCP: alloc", "TCP: alloc x", "TCP: inuse 5"] {
            assert_eq!(allocated(garbage.as_bytes()), None, "{garbage}");
        }
        // More namespaces than any budget allows, however few sockets there are.
        assert!(too_many_tcp(1_000_000).is_some());
    }
}
