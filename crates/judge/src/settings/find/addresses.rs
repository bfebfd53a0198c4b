//! IPv6 addresses: temporary ones on a server, and ones that stay.

use facts::ConfigKind;

use super::super::addresses::Kind;
use super::super::managers::{self, Manager};
use super::super::role::Role;
use super::super::subject::Subject;
use super::super::{Settings, key};
use super::{Found, OWN_FILE, Says, line};
use crate::finding::Severity;

pub(super) fn find(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    published(subject, settings, found);
    stays(subject, settings, found);
    forwards_and_listens(subject, settings, found);
}

/// What publishes an address of this host: file, line, name.
fn dynamic_dns(subject: &Subject<'_>) -> Option<(String, u32, String)> {
    if let Some(file) = subject.files(ConfigKind::DynamicDns).next() {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        return Some((file.path.clone(), 0, name.split('.').next().unwrap_or(name).to_owned()));
    }
    // A unit of a package that is only installed publishes nothing.
    let starts = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        !name.ends_with(".service")
            || subject.is_enabled(name)
            || subject.is_enabled(&name.replace(".service", ".timer"))
            || subject.is_active(name) == Some(true)
            || path.starts_with("/etc/systemd/system/")
    };
    subject.files(ConfigKind::Commands).filter(|file| starts(&file.path)).find_map(|file| {
        let entry = file.entries.iter().find(|entry| entry.section == "ddns")?;
        Some((file.path.clone(), entry.line, entry.key.clone()))
    })
}

/// A host that publishes its address sends from a temporary one: what it publishes is that, or is
/// not what it sends from.
fn published(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    let Some(chosen) = settings.chosen.filter(|c| c.address.kind == Kind::Temporary) else {
        return;
    };
    if settings.role == Role::Desktop {
        return;
    }
    let Some(link) = chosen.address.link else { return };
    let publisher = dynamic_dns(subject);
    let until = chosen.address.address.preferred_s;
    let lasts = until.map(|s| format!(", for {} more", span(s))).unwrap_or_default();
    let text = match &publisher {
        Some((file, _, name)) => format!(
            "{name} ({file}) publishes this host's address, and the host sends from the temporary {} \
             on {}{lasts}: a name that leads there dies with it",
            chosen.address.address.address, link.name
        ),
        None => format!(
            "the {} sends from the temporary address {} on {}{lasts}: others cannot tell it by its \
             address",
            settings.role, chosen.address.address.address, link.name
        ),
    };
    let (action, lines) = turn_off(subject, link);
    found.push(
        Says {
            id: "temporary-source",
            severity: if publisher.is_some() { Severity::Medium } else { Severity::Info },
            subject: &link.name,
            text,
            action,
            lines,
            cites: "RFC 8981, section 4; RFC 6724, section 5, rule 7",
        }
        .into(),
    );
}

/// Where temporary addresses of an interface are turned off.
fn turn_off(subject: &Subject<'_>, link: &facts::Link) -> (String, Vec<(String, String)>) {
    let path = format!("net/ipv6/conf/{}/use_tempaddr", link.name);
    let in_file = |file: &str, text: &str| {
        (
            format!("turn them off where {} is configured: {file}", link.name),
            vec![(file.to_owned(), text.to_owned())],
        )
    };
    match managers::of(subject, link) {
        Manager::NetworkManager(Some(file)) | Manager::Networkd(Some(file))
            if managers::is_made_by_netplan(&file.path) =>
        {
            let (file, text) = in_netplan(subject, &link.name, "ipv6-privacy: false");
            in_file(&file, &text)
        }
        Manager::Netplan(..) => {
            let (file, text) = in_netplan(subject, &link.name, "ipv6-privacy: false");
            in_file(&file, &text)
        }
        Manager::NetworkManager(Some(profile)) => in_file(&profile.path, "[ipv6]\nip6-privacy=0"),
        Manager::NetworkManager(None) => (
            format!(
                "nmcli connection modify NAME ipv6.ip6-privacy 0 (the profile of {})",
                link.name
            ),
            vec![],
        ),
        Manager::Networkd(Some(file)) => in_file(&file.path, "[Network]\nIPv6PrivacyExtensions=no"),
        Manager::Ifupdown(file) => in_file(&file.path, "privext 0"),
        Manager::Ifcfg(file) => in_file(&file.path, "IPV6_PRIVACY=no"),
        Manager::Networkd(None) | Manager::Nobody => in_file(OWN_FILE, &line(&path, "0")),
    }
}

/// The file of netplan that says something of an interface, and the lines that say this: netplan
/// reads what is set there, whatever else the file has (netplan-set(8)).
pub(super) fn in_netplan(subject: &Subject<'_>, link: &str, option: &str) -> (String, String) {
    let (file, kind) = match managers::netplan(subject, link, "id") {
        Some((file, entry)) => {
            (file.path.clone(), entry.value.clone().unwrap_or_else(|| "ethernets".to_owned()))
        }
        None => ("/etc/netplan/99-local.yaml".to_owned(), "ethernets".to_owned()),
    };
    (file, format!("network:\n  {kind}:\n    {link}:\n      {option}"))
}

/// A temporary address is there though no new ones are made: it stays reachable until it ends.
fn stays(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    for judged in settings.addresses.iter().filter(|judged| judged.kind == Kind::Temporary) {
        let Some(link) = judged.link else { continue };
        let path = format!("net/ipv6/conf/{}/use_tempaddr", link.name);
        if subject.number(&path) != Some(0) {
            continue;
        }
        let address = judged.address.address;
        let lasts = judged.address.valid_s.map(|s| format!(" for {} more", span(s)));
        found.push(
            Says {
                id: "temporary-address-stays",
                severity: Severity::Low,
                subject: &link.name,
                text: format!(
                    "{} is 0, but the temporary address {address} is still there and reachable{}",
                    key::dotted(&path),
                    lasts.unwrap_or_default()
                ),
                action: format!(
                    "take it away: ip -6 address del {address}/{} dev {}",
                    judged.address.prefix_len, link.name
                ),
                lines: vec![],
                cites: "kernel net/ipv6/addrconf.c: use_tempaddr is read only when an address is made",
            }
            .into(),
        );
    }
}

/// An interface that forwards does not listen to routers unless it is told to (accept_ra=2): its
/// addresses end.
fn forwards_and_listens(subject: &Subject<'_>, settings: &Settings<'_>, found: &mut Vec<Found>) {
    for link in subject.links().iter().filter(|link| !link.loopback) {
        let number = |name: &str| subject.number(&format!("net/ipv6/conf/{}/{name}", link.name));
        if number("forwarding") != Some(1) || number("accept_ra") != Some(1) {
            continue;
        }
        let learned = settings.addresses.iter().find(|judged| {
            judged.link.is_some_and(|other| other.index == link.index)
                && matches!(judged.kind, Kind::Eui64 | Kind::StablePrivacy)
                && judged.address.valid_s.is_some()
        });
        let Some(learned) = learned else { continue };
        let path = format!("net/ipv6/conf/{}/accept_ra", link.name);
        found.push(
            Says {
                id: "router-ignores-routers",
                severity: Severity::High,
                subject: &link.name,
                text: format!(
                    "{} forwards, so it ignores router advertisements (accept_ra=1): {} and the default \
                     route end{}",
                    link.name,
                    learned.address.address,
                    learned.address.valid_s.map(|s| format!(" in {}", span(s))).unwrap_or_default()
                ),
                action: format!("sysctl -w {}=2", key::dotted(&path)),
                lines: vec![(OWN_FILE.to_owned(), line(&path, "2"))],
                cites: "kernel Documentation/networking/ip-sysctl.rst, accept_ra",
            }
            .into(),
        );
    }
}

/// A time, for people.
pub(super) fn span(seconds: u32) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
