//! The links and addresses of one namespace.

use facts::{Address, Gap, Link, Part};

use super::gap;
use super::kernel_owners::{OwningLink, owning_link};
use super::rtnetlink::{
    IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS, RTM_GETADDR, RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK,
    parse_address, parse_link,
};
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
}

/// Reads them, on a thread inside `namespace`; the settings that the links carry only if wanted.
pub(crate) fn read(namespace: &Namespace, with_settings: bool) -> Read {
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
            };
        }
    };
    // struct ifinfomsg of zeroes: all links.
    let mask = RTEXT_FILTER_SKIP_STATS.to_ne_bytes();
    let query = Query::dump(RTM_GETLINK, &[0; 16]).with(IFLA_EXT_MASK, &mask);
    let mut links = LinkSink { with_settings, ..LinkSink::default() };
    let link_gap = channel.run(query, &mut links).err().map(|e| unread("interfaces", e));
    if let Some(gap) = &link_gap {
        links.settings.unread = Some(gap.why.clone());
    }
    // struct ifaddrmsg of zeroes: both families.
    let mut addresses = AddressSink::default();
    let query = Query::dump(RTM_GETADDR, &[0; 8]);
    let address_gap = channel.run(query, &mut addresses).err().map(|e| unread("addresses", e));
    Read {
        links: part(links.links, link_gap),
        addresses: part(addresses.0, address_gap),
        owning: links.owning,
        settings: links.settings,
    }
}

fn part<T: Ord>(mut list: Vec<T>, gap: Option<Gap>) -> Part<Vec<T>> {
    list.sort_unstable();
    match gap {
        Some(gap) if list.is_empty() => Part::unreadable(gap),
        gap => Part::with_gaps(list, gap.into_iter().collect()),
    }
}

#[derive(Default)]
struct LinkSink {
    links: Vec<Link>,
    owning: Vec<OwningLink>,
    settings: Interfaces,
    with_settings: bool,
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
