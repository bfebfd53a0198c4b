//! Where the packets of a lab go.

use netfilter::ir::{Cond, Family, Hook};
use netfilter::syntax::network;
use packet_set::Field;
use serde::{Deserialize, Serialize};

/// Which way packets take in a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// Every address is one of the host's own: packets pass INPUT.
    Input,
    /// Hardly any address is: packets pass FORWARD, and leave by the interface that
    /// [`Routes::out`] tells.
    Forward,
}

impl Path {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Input, Self::Forward];

    /// The hook that is asked about.
    #[must_use]
    pub const fn hook(self) -> Hook {
        match self {
            Self::Input => Hook::Input,
            Self::Forward => Hook::Forward,
        }
    }
}

/// The routes of a lab.
#[derive(Debug, Clone)]
pub struct Routes {
    path: Path,
    interfaces: Vec<String>,
    list: Vec<Route>,
}

#[derive(Debug, Clone)]
struct Route {
    family: Family,
    range: (u128, u128),
    text: &'static str,
    /// Its place in the list of interfaces.
    interface: usize,
}

/// The networks that have routes, the longest prefix last. Those of the generator's pool are told
/// apart; together they cover everything.
const NETWORKS: [[&str; 14]; 2] = [
    [
        "0.0.0.0/2",
        "64.0.0.0/2",
        "128.0.0.0/2",
        "192.0.0.0/3",
        "240.0.0.0/4",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "10.1.0.0/16",
        "192.168.7.0/24",
        "10.1.2.0/24",
        "192.168.7.0/28",
        "10.1.2.4/31",
        "10.1.2.3/32",
    ],
    [
        "::/2",
        "4000::/2",
        "8000::/2",
        "c000::/3",
        "e000::/3",
        "fd00::/8",
        "fd01::/16",
        "2001:db8::/32",
        "fd01:2::/32",
        "2001:db8:7::/64",
        "fd01:2::/64",
        "2001:db8:7::/124",
        "fd01:2::4/127",
        "fd01:2::3/128",
    ],
];

impl Routes {
    /// The routes of a lab with these interfaces.
    #[must_use]
    pub fn new(path: Path, interfaces: &[String]) -> Self {
        let mut routes = Vec::new();
        if path == Path::Forward {
            for (family, texts) in Family::BOTH.into_iter().zip(NETWORKS) {
                for (at, text) in texts.into_iter().enumerate() {
                    if let Some((_, Cond::In(_, set))) = network(Field::SOURCE, text)
                        && let Some(range) = set.iter().next()
                    {
                        let interface = at % interfaces.len().max(1);
                        routes.push(Route { family, range, text, interface });
                    }
                }
            }
        }
        Self { path, interfaces: interfaces.to_vec(), list: routes }
    }

    /// Which way packets take.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path
    }

    /// The names of the interfaces.
    #[must_use]
    pub fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    /// Every route: family, network and interface.
    pub(crate) fn list(&self) -> impl Iterator<Item = (Family, &'static str, &str)> {
        self.list.iter().map(|route| (route.family, route.text, self.name(route)))
    }

    fn name(&self, route: &Route) -> &str {
        self.interfaces.get(route.interface).map_or("", String::as_str)
    }

    /// The interface that a packet to this address leaves by; the empty name where it does not.
    #[must_use]
    pub fn out(&self, family: Family, destination: u128) -> &str {
        let matches = |route: &&Route| {
            route.family == family && (route.range.0..=route.range.1).contains(&destination)
        };
        // The longest prefix is the last one.
        self.list.iter().rev().find(matches).map_or("", |route| self.name(route))
    }
}
