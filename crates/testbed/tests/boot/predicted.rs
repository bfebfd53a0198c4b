//! A prediction, and the boot that proves it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use testbed::{Host, ss};

use crate::listing::Listing;
use crate::seen::WHYOPEN;

/// How long everything that starts late may take after the boot.
const LATE: Duration = Duration::from_secs(30);

/// What was said of each open TCP port of the host: the verdict, and why.
#[derive(Debug)]
pub(crate) struct Predicted(BTreeMap<u16, (String, String)>);

impl Predicted {
    /// Asks whyopen. Where the sockets of a port differ, they must not differ in the verdict.
    #[track_caller]
    pub(crate) fn of(host: &Host) -> Self {
        let listing = Listing::of(&host.run(&[WHYOPEN, "-a", "-o", "json"]).unwrap());
        let mut all: BTreeMap<u16, (String, String)> = BTreeMap::new();
        for row in listing.rows().filter(|r| r.0["protocol"] == "tcp" && r.0["netns"] == "host") {
            let port = u16::try_from(row.0["port"].as_u64().unwrap()).unwrap();
            let text = |key: &str| row.0["after_boot"][key].as_str().unwrap().to_owned();
            let (verdict, because) = (text("verdict"), text("because"));
            let known = all.entry(port).or_insert_with(|| (verdict.clone(), because));
            assert_eq!(known.0, verdict, "{port}: {:#}", row.0);
        }
        Self(all)
    }

    /// Fails unless this was said of a port, for a reason with these words.
    #[track_caller]
    pub(crate) fn says(&self, port: u16, verdict: &str, because: &str) {
        let said = self.0.get(&port).unwrap_or_else(|| panic!("{port} is not open: {self:#?}"));
        assert_eq!(said.0, verdict, "{port}: {said:?}");
        assert!(said.1.contains(because), "{port}: {said:?}");
    }

    /// Boots the host again, and fails unless what is open then is what was said. Everything that
    /// returns is waited for; what does not must then be absent.
    #[track_caller]
    pub(crate) fn holds_after_a_boot(&self, host: &mut Host) {
        host.reboot().unwrap();
        let start = Instant::now();
        let said = |wanted: &str| -> BTreeSet<u16> {
            self.0.iter().filter(|(_, (v, _))| v == wanted).map(|(port, _)| *port).collect()
        };
        let (returns, gone) = (said("returns"), said("does_not_return"));
        loop {
            let open = open_ports(host);
            if returns.is_subset(&open) || start.elapsed() > LATE {
                let missing: Vec<_> = returns.difference(&open).collect();
                let there: Vec<_> = gone.intersection(&open).collect();
                assert!(
                    missing.is_empty() && there.is_empty(),
                    "said to return, and absent: {missing:?}; said not to, and there: {there:?}; \
                     {self:#?}"
                );
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The TCP ports that are open.
pub(crate) fn open_ports(host: &Host) -> BTreeSet<u16> {
    let text = host.run(&["ss", "-H", "-tulpnw"]).unwrap().ok().unwrap();
    let all = ss::read(&text).unwrap().into_iter();
    all.filter(|held| held.protocol == "tcp").map(|held| held.port).collect()
}
