//! The links and addresses of one namespace.

use std::collections::BTreeSet;

use facts::{Address, Gap, IfIndex, Link, OtherNetns, Part};

use super::kernel_owners::{OwningLink, owning_link};
use super::rtnetlink::{
    IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS, RTM_GETADDR, RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK,
    Xdp, parse_address, parse_link,
};
use super::{gap, nsid};
use crate::netlink::{Channel, Error, Family, Malformed, Message, Query, Sink};
use crate::netns::Namespace;
use crate::settings::Interfaces;

/// What rtnetlink told.
pub(crate) struct Read {
    /// The links, sorted.
    pub(crate) links: Part<Vec<Link>>,
    /// The addresses, sorted.
    pub(crate) addresses: Part<Vec<Address>>,
    /// Links that have a socket of the kernel.
    pub(crate) owning: Vec<OwningLink>,
    /// The settings that the links carry.
    pub(crate) settings: Interfaces,
    /// Links with XDP programs.
    pub(crate) xdp: Vec<(IfIndex, Xdp)>,
}

/// Reads them, on a thread inside `namespace`. The settings that the links carry and where their
/// other ends are only if that is wanted; `all` are the namespaces in which these may be.
pub(crate) fn read(namespace: &Namespace, all: &[Namespace], reach: bool) -> Read {
    let unread = |what: &str, error: Error| -> Gap {
        let what = format!("{what} of {}", namespace.label());
        gap(what, format!("rtnetlink: {error}"), error.is_denied())
    };
    let mut channel = match Channel::open(Family::Route) {
        Ok(channel) => channel,
        Err(error) => {
            let why = format!("rtnetlink: {error}");
            return Read {
                links: Part::unreadable(unread("interfaces", error)),
                addresses: Part::unreadable(unread("addresses", error)),
                owning: vec![],
                settings: Interfaces { unread: Some(why), ..Interfaces::default() },
                xdp: vec![],
            };
        }
    };
    // struct ifinfomsg of zeroes: all links.
    let mask = RTEXT_FILTER_SKIP_STATS.to_ne_bytes();
    let query = Query::dump(RTM_GETLINK, &[0; 16]).with(IFLA_EXT_MASK, &mask);
    let mut links = LinkSink { with_settings: reach, ..LinkSink::default() };
    let mut link_gaps: Vec<Gap> =
        channel.run(query, &mut links).err().map(|e| unread("interfaces", e)).into_iter().collect();
    if let Some(gap) = link_gaps.first() {
        links.settings.unread = Some(gap.why.clone());
    }
    if reach && let Err(error) = find_other_ends(&mut links.links, all) {
        link_gaps.push(unread("the other ends of interfaces", error));
    }
    // struct ifaddrmsg of zeroes: both families.
    let mut addresses = AddressSink::default();
    let query = Query::dump(RTM_GETADDR, &[0; 8]);
    let address_gap = channel.run(query, &mut addresses).err().map(|e| unread("addresses", e));
    Read {
        links: part(links.links, link_gaps),
        addresses: part(addresses.0, address_gap.into_iter().collect()),
        owning: links.owning,
        settings: links.settings,
        xdp: links.xdp,
    }
}

fn part<T: Ord>(mut list: Vec<T>, mut gaps: Vec<Gap>) -> Part<Vec<T>> {
    list.sort_unstable();
    match gaps.pop() {
        Some(gap) if list.is_empty() => Part::unreadable(gap),
        gap => {
            gaps.extend(gap);
            Part::with_gaps(list, gaps)
        }
    }
}

/// Finds the namespaces of the other ends of links, as far as they are among `all`.
fn find_other_ends(links: &mut [Link], all: &[Namespace]) -> Result<(), Error> {
    let number = |link: &Link| match link.lower_netns {
        Some(OtherNetns::NotFound(number)) if number >= 0 => Some(number),
        _ => None,
    };
    let wanted: BTreeSet<i32> = links.iter().filter_map(number).collect();
    let known = nsid::resolve(&wanted, all)?;
    for link in links {
        let found = number(link).and_then(|number| known.iter().find(|(n, _)| *n == number));
        if let Some((_, id)) = found {
            link.lower_netns = Some(OtherNetns::Found(*id));
        }
    }
    Ok(())
}

#[derive(Default)]
struct LinkSink {
    links: Vec<Link>,
    owning: Vec<OwningLink>,
    settings: Interfaces,
    with_settings: bool,
    xdp: Vec<(IfIndex, Xdp)>,
}

impl Sink for LinkSink {
    fn restart(&mut self) {
        *self = Self { with_settings: self.with_settings, ..Self::default() };
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == RTM_NEWLINK {
            let full = parse_link(message.body)?;
            let owning = owning_link(&full);
            if self.with_settings {
                self.settings.add(&full.link.name, full.af_spec)?;
            }
            if full.xdp.attached {
                self.xdp.push((full.link.index, full.xdp));
            }
            self.links.push(full.link);
            self.owning.extend(owning?);
        }
        Ok(())
    }
}

#[derive(Default)]
struct AddressSink(Vec<Address>);

impl Sink for AddressSink {
    fn restart(&mut self) {
        self.0.clear();
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == RTM_NEWADDR {
            self.0.extend(parse_address(message.body)?);
        }
        Ok(())
    }
}
