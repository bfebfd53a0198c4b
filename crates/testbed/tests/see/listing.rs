//! Reading `whyopen -a -o json`.

use std::collections::BTreeSet;

use serde_json::Value;
use testbed::Done;
use testbed::ss::{self, Held};

/// A listing.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) json: Value,
}

/// A row of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a>(pub(crate) &'a Value);

impl Listing {
    /// From the run of a command that printed one.
    #[track_caller]
    pub(crate) fn of(done: &Done) -> Self {
        assert_eq!(done.status, Some(0), "{done:?}");
        let json: Value =
            serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:?}"));
        assert_eq!(json["schema_version"], 1);
        Self { json }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.json["sockets"].as_array().expect("a list of sockets").iter().map(Row)
    }

    /// The rows of a protocol and port (none: without a port), in any namespace.
    pub(crate) fn all(&self, protocol: &str, port: Option<u16>) -> Vec<Row<'_>> {
        let port = port.map_or(Value::Null, Value::from);
        self.rows().filter(|r| r.0["protocol"] == protocol && r.0["port"] == port).collect()
    }

    /// The only row of a protocol, address and port in this host's own namespace.
    #[track_caller]
    pub(crate) fn one(&self, protocol: &str, address: &str, port: Option<u16>) -> Row<'_> {
        let mut rows = self.all(protocol, port);
        rows.retain(|row| row.0["address"] == address && row.0["netns"] == "host");
        assert_eq!(rows.len(), 1, "{protocol} {address} {port:?}: {rows:#?}\nof {:#}", self.json);
        rows[0]
    }

    /// What could not be read, in one text.
    pub(crate) fn gaps(&self) -> String {
        let gaps = self.json["gaps"].as_array().expect("a list of gaps");
        let text = |gap: &Value| {
            let (what, why) = (gap["what"].as_str().unwrap(), gap["why"].as_str().unwrap());
            format!("{what}: {why}\n")
        };
        gaps.iter().map(text).collect()
    }

    /// Protocol, address and port of every row of an IP protocol in the host's own namespace.
    pub(crate) fn inet_sockets(&self) -> BTreeSet<String> {
        let inet = self.rows().filter(|r| r.0["kind"] != "packet" && r.0["netns"] == "host");
        inet.map(Row::name).collect()
    }

    /// Fails if a row says that nobody holds its socket.
    #[track_caller]
    pub(crate) fn never_says_nobody(&self) {
        let nobody: Vec<_> = self.rows().filter(|r| r.0["holders_known"] == "nobody").collect();
        assert!(nobody.is_empty(), "not known, and said to be nobody: {nobody:#?}");
    }

    /// The holders of the rows that `ss -tulw` would show.
    pub(crate) fn holders_that_ss_shows(&self) -> BTreeSet<Held> {
        let mut all = BTreeSet::new();
        for row in self.rows().filter(|row| row.0["netns"] == "host") {
            let Some((protocol, port)) = row.as_ss_shows_it() else { continue };
            let held =
                |holder| Held { protocol: protocol.to_owned(), port, peer_port: None, holder };
            let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
            for holder in row.holders().iter().filter(|holder| !holder["pid"].is_null()) {
                let fds = holder["fds"].as_array().unwrap();
                let pid = number(&holder["pid"]);
                all.extend(fds.iter().map(|fd| held(Some((pid, number(fd))))));
            }
            if row.pids().is_empty() {
                all.insert(held(None));
            }
        }
        all
    }
}

impl<'a> Row<'a> {
    pub(crate) fn holders(self) -> &'a Vec<Value> {
        self.0["holders"].as_array().expect("a list of holders")
    }

    /// `tcp [::]:111`.
    pub(crate) fn name(self) -> String {
        let part = |key: &str| self.0[key].as_str().unwrap_or_default();
        let (protocol, address, kind) = (part("protocol"), part("address"), part("kind"));
        let v6only = &self.0["v6only"];
        format!("{protocol} {kind} [{address}]:{} {v6only} {}", self.0["port"], part("device"))
    }

    /// Process name and unit of each holder, sorted.
    pub(crate) fn held_by(self) -> Vec<(&'a str, &'a str)> {
        let text = |holder: &'a Value, key| holder[key].as_str().unwrap_or("-");
        let mut all: Vec<_> =
            self.holders().iter().map(|h| (text(h, "comm"), text(h, "unit"))).collect();
        all.sort_unstable();
        all
    }

    /// The pids of its holders, sorted.
    pub(crate) fn pids(self) -> Vec<u64> {
        let mut pids: Vec<u64> = self.holders().iter().filter_map(|h| h["pid"].as_u64()).collect();
        pids.sort_unstable();
        pids
    }

    /// The only holder.
    #[track_caller]
    pub(crate) fn holder(self) -> &'a Value {
        assert_eq!(self.holders().len(), 1, "{:#}", self.0);
        &self.holders()[0]
    }

    /// Protocol and port as `ss -tulw` writes them; none for what it does not show: a TCP socket that
    /// does not listen, ping and packet sockets, other protocols.
    fn as_ss_shows_it(self) -> Option<(&'static str, u16)> {
        let text = |key: &str| self.0[key].as_str().unwrap();
        let port = || u16::try_from(self.0["port"].as_u64()?).ok();
        match (text("protocol"), text("kind"), text("state")) {
            ("tcp", _, "listen") => Some(("tcp", port()?)),
            ("udp", _, "bound") => Some(("udp", port()?)),
            (name, "raw", _) => Some(("raw", ss::ip_protocol(name).expect("a known protocol"))),
            _ => None,
        }
    }
}
