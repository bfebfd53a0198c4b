//! How many sockets there are, from two small files, to spare walks over large or empty tables:
//! `/proc/net/protocols` (kernel `net/core/sock.c`, `proto_seq_show`) and `/proc/net/sockstat`
//! (`net/ipv4/proc.c`, `sockstat_seq_show`).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use facts::{Gap, NetnsId};

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

/// Decides for each namespace whether to look for TCP sockets that are only bound.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    /// Whatever it costs.
    always: bool,
    /// Where processes have such sockets, if that is known.
    idle: Option<&'a BTreeSet<NetnsId>>,
    /// What may still be spent, in µs.
    budget_us: AtomicU64,
    /// In how many namespaces that was not enough.
    left_out: AtomicU64,
}

impl<'a> Search<'a> {
    /// With `always` unset, as long as it is cheap. Even with it, only as long as it is cheap where
    /// no process has such a socket: what is left are those on their way from one to another.
    pub(crate) fn new(always: bool, idle: Option<&'a BTreeSet<NetnsId>>) -> Self {
        let (budget_us, left_out) = (AtomicU64::new(BUDGET_US), AtomicU64::new(0));
        Self { always, idle, budget_us, left_out }
    }

    /// Whether to look in the calling thread's namespace. To be asked before a socket is opened in
    /// it: where there is none at all, none is bound.
    pub(crate) fn is_worth_it(&self, netns: NetnsId) -> bool {
        if self.always && self.idle.is_none_or(|idle| idle.contains(&netns)) {
            return true;
        }
        let text = std::fs::read("/proc/thread-self/net/sockstat");
        text.map_or(true, |text| self.affords(&text))
    }

    /// The same from the text of `/proc/net/sockstat`.
    fn affords(&self, text: &[u8]) -> bool {
        let Some(allocated) = number(text, b"TCP:", b"alloc") else { return true };
        // Those that are only bound are not among the TCP sockets in use, but among all.
        if number(text, b"sockets:", b"used") == Some(0) {
            return false;
        }
        let cost_us = BUCKETS_US.saturating_add(allocated / VISITS_PER_US);
        let spend = |budget: u64| budget.checked_sub(cost_us);
        let affords =
            self.budget_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok();
        if !affords {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        affords
    }

    /// What was not looked for.
    pub(crate) fn gap(&self) -> Option<Gap> {
        let namespaces = self.left_out.load(Ordering::Relaxed);
        let (what, why) = if self.always {
            let what = "TCP sockets that are bound but do not listen, and that no process has open";
            (what, format!("not looked for in {namespaces} network namespaces: too many others"))
        } else {
            let what = "TCP sockets that are bound but do not listen";
            (
                what,
                format!("not looked for in {namespaces} network namespaces; --all looks for them"),
            )
        };
        (namespaces > 0).then(|| Gap::new(what, why).minor())
    }
}

/// A number of a line such as `TCP: inuse N orphan N tw N alloc N mem N`: `alloc` is the number of
/// all namespaces. `sockets: used N` is that of all sockets of programs in this one.
fn number(text: &[u8], line: &[u8], name: &[u8]) -> Option<u64> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let mut fields = fields(lines.find_map(|text| text.strip_prefix(line))?);
    fields.find(|field| *field == name)?;
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
    fn numbers() {
        let text =
            b"sockets: used 17\nTCP: inuse 1 orphan 0 tw 0 alloc 200016 mem 183\nUDP: inuse 0\n";
        assert_eq!(number(text, b"TCP:", b"alloc"), Some(200_016));
        assert_eq!(number(text, b"sockets:", b"used"), Some(17));
        for garbage in ["", "TCP:", "TCP: alloc", "TCP: alloc x", "TCP: inuse 5"] {
            assert_eq!(number(garbage.as_bytes(), b"TCP:", b"alloc"), None, "{garbage}");
        }
    }

    /// Asks for so many namespaces with these numbers, and checks in how many of them to look.
    fn check_search(search: &Search<'_>, namespaces: usize, used: u64, alloc: u64, expect: usize) {
        let text =
            format!("sockets: used {used}\nTCP: inuse 0 orphan 0 tw 0 alloc {alloc} mem 1\n");
        let looked = (0..namespaces).filter(|_| search.affords(text.as_bytes())).count();
        assert_eq!(looked, expect, "{namespaces} {text}");
    }

    #[test]
    fn searches() {
        let search = Search::new(false, None);
        check_search(&search, 1000, 0, 100, 0);
        assert_eq!(search.gap(), None);
        check_search(&search, 40, 3, 100, 31);
        let gap = search.gap().unwrap();
        assert!(gap.minor && gap.why.starts_with("not looked for in 9 network"), "{gap:?}");
        // The walk over a large table is too much at once, and that over a small one then is not.
        let search = Search::new(false, None);
        check_search(&search, 1, 3, 200_000, 0);
        check_search(&search, 1, 3, 100, 1);
        let (here, none) = (NetnsId(7), BTreeSet::new());
        assert!(Search::new(true, None).is_worth_it(here));
        assert!(Search::new(true, Some(&BTreeSet::from([here]))).is_worth_it(here));
        let search = Search::new(true, Some(&none));
        check_search(&search, 1, 3, 200_000, 0);
        let gap = search.gap().unwrap();
        assert!(gap.minor && gap.what.ends_with("no process has open"), "{gap:?}");
    }
}
