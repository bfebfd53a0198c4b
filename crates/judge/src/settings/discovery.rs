//! Who looks for routers on an interface, and how it makes temporary addresses.
//!
//! Sources: kernel `net/ipv6/ndisc.c` (`ipv6_accept_ra`: 2, or 1 where the interface does not
//! forward), Documentation/networking/ip-sysctl.rst; NetworkManager and systemd-networkd turn the
//! kernel's own off and listen themselves (nm-settings-nmcli(5), systemd.network(5)).

use facts::{ConfigKind, Link};

use super::managers::{self, Manager};
use super::subject::{Subject, last};

/// Who looks for routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// The kernel.
    Kernel,
    /// A program.
    Program(&'static str),
    /// Nobody, for this reason.
    Nobody(&'static str),
    /// It is not known.
    Unknown,
}

/// IPv6 on an interface.
#[derive(Clone, Debug)]
pub struct Interface<'a> {
    /// It.
    pub link: &'a Link,
    /// Who configures it; none: nobody that is known.
    pub manager: Option<&'static str>,
    /// Who looks for routers there.
    pub discovery: Discovery,
    /// `accept_ra`.
    pub accept_ra: Option<i64>,
    /// `forwarding`.
    pub forwarding: Option<i64>,
    /// `use_tempaddr`.
    pub use_tempaddr: Option<i64>,
    /// How long temporary addresses are valid, and preferred, in seconds.
    pub temporary_s: Option<(i64, i64)>,
}

/// IPv6 on the interfaces but loopback.
pub(super) fn interfaces<'a>(subject: &Subject<'a>) -> Vec<Interface<'a>> {
    let links = subject.links().iter().filter(|link| !link.loopback);
    let has =
        |link: &&Link| subject.value(&format!("net/ipv6/conf/{}/accept_ra", link.name)).is_some();
    links.filter(has).map(|link| interface(subject, link)).collect()
}

fn interface<'a>(subject: &Subject<'a>, link: &'a Link) -> Interface<'a> {
    let number = |name: &str| subject.number(&format!("net/ipv6/conf/{}/{name}", link.name));
    let manager = managers::of(subject, link);
    let lifetimes = number("temp_valid_lft").zip(number("temp_prefered_lft"));
    Interface {
        link,
        manager: manager.name(),
        discovery: discovery(subject, &manager, number),
        accept_ra: number("accept_ra"),
        forwarding: number("forwarding"),
        use_tempaddr: number("use_tempaddr"),
        temporary_s: lifetimes,
    }
}

fn discovery(
    subject: &Subject<'_>,
    manager: &Manager<'_>,
    number: impl Fn(&str) -> Option<i64>,
) -> Discovery {
    if number("disable_ipv6") == Some(1) {
        return Discovery::Nobody("IPv6 is off there");
    }
    let (accepts, forwards) = (number("accept_ra"), number("forwarding") == Some(1));
    match (accepts, forwards) {
        (Some(2), _) | (Some(1), false) => return Discovery::Kernel,
        (None, _) => return Discovery::Unknown,
        _ => {}
    }
    match manager {
        Manager::NetworkManager(Some(profile)) => {
            let method = last(profile, Some("ipv6"), "method").and_then(|e| e.value.as_deref());
            match method.unwrap_or("auto") {
                "auto" | "dhcp" => Discovery::Program("NetworkManager"),
                _ => Discovery::Nobody("the profile of NetworkManager asks for none"),
            }
        }
        Manager::Networkd(Some(file)) => {
            let accepts = last(file, Some("Network"), "IPv6AcceptRA");
            match accepts.and_then(|e| e.value.as_deref()) {
                Some("no" | "false" | "0" | "off" | "n" | "f") => {
                    Discovery::Nobody("systemd-networkd's file says IPv6AcceptRA=no")
                }
                None if forwards => Discovery::Nobody("it forwards, and nothing asks for it"),
                _ => Discovery::Program("systemd-networkd"),
            }
        }
        Manager::NetworkManager(None) | Manager::Networkd(None) | Manager::Netplan(..) => {
            Discovery::Unknown
        }
        _ if subject.is_active("dhcpcd.service") == Some(true) => Discovery::Program("dhcpcd"),
        _ if subject.files(ConfigKind::NetworkManagerDevice).next().is_some()
            && subject.is_active("NetworkManager.service") == Some(true)
            && accepts == Some(0)
            && matches!(manager, Manager::Nobody) =>
        {
            Discovery::Unknown
        }
        _ if accepts == Some(1) => Discovery::Nobody("it forwards, and accept_ra is 1"),
        _ => Discovery::Nobody("accept_ra is 0"),
    }
}
