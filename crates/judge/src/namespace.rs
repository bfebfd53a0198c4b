//! Network namespaces with the names that a reader knows them by.

use std::collections::HashMap;
use std::net::IpAddr;

use facts::{Address, IfIndex, Link, NetNamespace, NetnsId, Snapshot};

use crate::place::Places;

/// A namespace that has sockets or was found.
#[derive(Debug)]
pub struct Namespace<'a> {
    /// Its inode.
    pub id: NetnsId,
    /// `host`, its first name, or `net:[INODE]`.
    pub label: String,
    /// Whether it is the one whyopen ran in.
    pub is_own: bool,
    /// The container whose processes run in it.
    pub container: Option<String>,
    /// What was read of it; none if it appears only as the home of sockets.
    pub fact: Option<&'a NetNamespace>,
    /// Which of its interfaces has an address.
    interface_of: HashMap<IpAddr, IfIndex>,
}

impl<'a> Namespace<'a> {
    /// Whether it is the host's own.
    pub fn is_host(&self) -> bool {
        self.fact.is_some_and(|f| f.host)
    }

    /// Whether this is its label, one of its names or its inode.
    pub fn is(&self, name: &str) -> bool {
        let inode = name.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']'));
        self.label == name
            || self.id.to_string() == inode.unwrap_or(name)
            || self.fact.is_some_and(|f| f.names.iter().any(|known| known == name))
    }

    /// Its interfaces, as far as they were read.
    pub fn links(&self) -> &'a [Link] {
        self.fact.map_or(&[], |f| f.links.items())
    }

    /// Its addresses, as far as they were read.
    pub fn addresses(&self) -> &'a [Address] {
        self.fact.map_or(&[], |f| f.addresses.items())
    }

    /// An interface by its index.
    pub fn link(&self, index: IfIndex) -> Option<&'a Link> {
        let links = self.links();
        links.get(links.binary_search_by_key(&index, |l| l.index).ok()?)
    }

    /// The interface that has an address.
    pub fn interface_of(&self, address: IpAddr) -> Option<&'a Link> {
        self.link(*self.interface_of.get(&address)?)
    }
}

/// All namespaces of a snapshot: the host's first, then the one whyopen ran in, then by label.
pub(crate) fn all<'a>(snapshot: &'a Snapshot, places: &Places<'a>) -> Vec<Namespace<'a>> {
    let mut list: Vec<Namespace<'a>> =
        snapshot.namespaces.items().iter().map(|fact| read(places, fact)).collect();
    // A snapshot whose namespaces could not be listed still has sockets.
    for chunk in snapshot.sockets.items().chunk_by(|a, b| a.netns == b.netns) {
        let Some(id) = chunk.first().map(|s| s.netns) else { continue };
        if snapshot.namespace(id).is_none() {
            list.push(unlisted(snapshot, id));
        }
    }
    list.sort_by(|a, b| {
        let rank = |n: &Namespace<'_>| (!n.is_host(), !n.fact.is_some_and(|f| f.own));
        (rank(a), &a.label, a.id).cmp(&(rank(b), &b.label, b.id))
    });
    list
}

/// A namespace from what was read of it.
fn read<'a>(places: &Places<'a>, fact: &'a NetNamespace) -> Namespace<'a> {
    let label = if fact.host {
        "host".to_owned()
    } else {
        fact.names.first().cloned().unwrap_or_else(|| format!("net:[{}]", fact.id))
    };
    let container = (!fact.host)
        .then(|| {
            let place = places.process(fact.leader?).1?;
            place.container_name().map(str::to_owned)
        })
        .flatten();
    let interface_of = fact.addresses.items().iter().map(|a| (a.address, a.link)).collect();
    Namespace { id: fact.id, label, is_own: fact.own, container, fact: Some(fact), interface_of }
}

/// A namespace that is known from its sockets alone.
fn unlisted(snapshot: &Snapshot, id: NetnsId) -> Namespace<'_> {
    // The list of namespaces is missing, so the only one whose name is known is our own.
    let own = snapshot.collector.netns == id;
    let label = if own { "this namespace".to_owned() } else { format!("net:[{id}]") };
    Namespace { id, label, is_own: own, container: None, fact: None, interface_of: HashMap::new() }
}
