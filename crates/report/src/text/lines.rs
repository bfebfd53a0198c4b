//! The lines of the first screen: rows that belong together become one line.
//!
//! One line for each service and port: its TCP and UDP sockets, and those of both address families,
//! are one line if the same holders hold them and they are bound alike.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use facts::{Family, Kind, Protocol, State};
use judge::Judgement;
use judge::reach::{Verdict, Wire};
use judge::row::{Row, Scope, plain};

use super::after_boot;
use super::cell::{self, Cell};
use super::label::{LabelId, Labels};
use crate::escape::Text;

/// The groups of the first screen, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    /// Everyone can reach it, over one family at least.
    Anywhere,
    /// Some can.
    Part,
    /// It is not known who can.
    Unknown,
    /// Nobody can.
    Nowhere,
    /// Bound to any address. This and those down to `Portless` are where reach was not asked for.
    Any,
    /// Bound to one address.
    Address,
    /// Bound to a multicast group or the broadcast address.
    Multicast,
    /// Bound on one link.
    LinkLocal,
    /// Raw, packet and ping sockets, which have no port.
    Portless,
    /// Bound to loopback.
    Loopback,
    /// Bound, but nothing can arrive.
    NotOpen,
}

impl Group {
    /// Its heading.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Anywhere => "From anywhere",
            Self::Part => "From part of the network",
            Self::Unknown => "From where is not known for certain",
            Self::Nowhere => "From nowhere",
            Self::Any => "On any address",
            Self::Address => "On one address",
            Self::Multicast => "Multicast and broadcast",
            Self::LinkLocal => "Link-local",
            Self::Portless => "Without ports (packet sockets: before the firewall)",
            Self::Loopback => "This host only",
            Self::NotOpen => "Bound, not open",
        }
    }

    /// The group of a row by what it is bound to.
    pub(super) fn of(row: &Row<'_>) -> Self {
        if !row.is_open() {
            return Self::NotOpen;
        }
        match row.scope {
            Scope::Loopback => Self::Loopback,
            _ if row.port().is_none() => Self::Portless,
            Scope::Any => Self::Any,
            Scope::Address => Self::Address,
            Scope::Multicast => Self::Multicast,
            Scope::LinkLocal => Self::LinkLocal,
        }
    }

    /// The group of a line by who can reach it.
    fn by_reach(cells: [Cell<'_>; 2]) -> Option<Self> {
        let widest = cells.into_iter().filter_map(Cell::verdict).min_by_key(|v| cell::width(*v))?;
        Some(match widest {
            Verdict::Open => Self::Anywhere,
            Verdict::Part | Verdict::OnLink => Self::Part,
            Verdict::Unknown => Self::Unknown,
            Verdict::Blocked => Self::Nowhere,
            Verdict::HostOnly => Self::Loopback,
        })
    }
}

/// What makes rows one line, apart from their protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    namespace: usize,
    group: Group,
    /// The port, or for sockets without one what they receive.
    port: (Option<u16>, Kind, Option<u16>),
    label: LabelId,
    device: Option<u32>,
    state: Option<State>,
    /// The address, where each has a line of its own.
    address: Option<IpAddr>,
}

impl Hash for Key {
    /// Mixes in only what tells nearly all lines apart: this is done for each of 8,000 rows.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let port = u64::from(self.port.0.or(self.port.2).unwrap_or(0));
        state.write_u64((self.label.index() << 16) | port);
        if let Some(address) = self.address {
            address.hash(state);
        }
    }
}

/// A line of the first screen.
#[derive(Debug)]
pub(super) struct Line<'r, 'a> {
    key: Key,
    group: Group,
    protocols: Vec<Protocol>,
    ipv4: Cell<'r>,
    ipv6: Cell<'r>,
    /// The rows it stands for.
    pub(super) rows: Vec<&'r Row<'a>>,
}

impl Line<'_, '_> {
    /// The position of its namespace.
    pub(super) fn namespace(&self) -> usize {
        self.key.namespace
    }

    /// Its group.
    pub(super) fn group(&self) -> Group {
        self.group
    }

    /// What it says apart from its holders.
    pub(super) fn texts(&self, judgement: &Judgement<'_>) -> [Text; 5] {
        let Some(row) = self.rows.first() else { return Default::default() };
        let ipv4 = self.ipv4.text(judgement, row);
        let ipv6 = self.ipv6.text(judgement, row);
        let after_boot = Text::fixed(after_boot::cell(judgement, &self.rows));
        [self.port(judgement, row), what(judgement, row), ipv4, ipv6, after_boot]
    }

    /// Who holds it.
    pub(super) fn label(&self) -> LabelId {
        self.key.label
    }

    /// The port with its protocols: `111/tcp,udp`, after the address or interface where it is bound
    /// to one; for sockets without ports what they are.
    fn port(&self, judgement: &Judgement<'_>, row: &Row<'_>) -> Text {
        let mut text = Text::default();
        if let Some(port) = row.port() {
            if self.ipv4.verdict().or(self.ipv6.verdict()).is_some() {
                self.bound_into(judgement, row, &mut text);
            }
            text.push_plain(port).push("/");
            for (at, protocol) in self.protocols.iter().enumerate() {
                if at > 0 {
                    text.push(",");
                }
                text.push_plain(*protocol);
            }
            return text;
        }
        let protocol = row.socket.protocol;
        match row.socket.kind {
            Kind::Packet | Kind::Dgram if row.socket.family == Family::Packet => {
                text.push("packet")
            }
            Kind::Ping => text.push_plain(protocol).push(" ping"),
            Kind::Raw => match row.protocol_name() {
                Some("raw") => text.push("raw"),
                Some("icmp6") => text.push("ICMPv6 raw"),
                Some("icmp") => text.push("ICMP raw"),
                _ => text.push_plain(protocol).push(" raw"),
            },
            _ => text.push("packet"),
        };
        if row.socket.device.is_some() && self.ipv4.verdict().or(self.ipv6.verdict()).is_some() {
            text.push(" ");
            device_into(judgement, row, &mut text);
        }
        text
    }

    /// Appends the one address or interface that all rows are bound to.
    fn bound_into(&self, judgement: &Judgement<'_>, row: &Row<'_>, text: &mut Text) {
        let address = plain(row.socket.local.address);
        let same = self.rows.iter().all(|other| plain(other.socket.local.address) == address);
        let has_device = row.socket.device.is_some();
        match address {
            _ if address.is_unspecified() && !has_device => return,
            _ if address.is_unspecified() => text.push("*"),
            _ if !same => return,
            IpAddr::V6(_) => text.push("[").push_plain(address),
            IpAddr::V4(_) => text.push_plain(address),
        };
        if has_device {
            text.push("%");
            device_into(judgement, row, text);
        }
        text.push(if address.is_ipv6() && !address.is_unspecified() { "]:" } else { ":" });
    }
}

/// Appends the interface that a row is bound to.
pub(super) fn device_into(judgement: &Judgement<'_>, row: &Row<'_>, text: &mut Text) {
    let Some(index) = row.socket.device else { return };
    match judgement.namespace_of(row).and_then(|n| n.link(index)) {
        Some(link) => text.push_host(&link.name),
        None => text.push("interface ").push_plain(index.0),
    };
}

/// What a row is: the name its port is known by, or else of the program that holds it.
pub(super) fn what<'a>(judgement: &Judgement<'a>, row: &Row<'a>) -> Text {
    if let Some(what) = judgement.recognise(row).and_then(|known| known.service.what(row)) {
        return Text::fixed(what);
    }
    payload(judgement, row)
}

/// The same from the port or protocol alone.
pub(super) fn payload(judgement: &Judgement<'_>, row: &Row<'_>) -> Text {
    if let Some(service) = row.service {
        return Text::fixed(service.name);
    }
    let mut text = Text::default();
    match row.socket.kind {
        Kind::Packet | Kind::Dgram if row.socket.family == Family::Packet => {
            frames_into(row.socket.protocol, &mut text);
        }
        Kind::Raw if row.socket.protocol == Protocol::RAW => {
            text.push("mostly sends");
        }
        Kind::Raw => {
            match row.socket.protocol {
                Protocol::ICMPV6 => text.push("ICMPv6 messages"),
                Protocol::ICMP => text.push("ICMP messages"),
                protocol => text.push_plain(protocol).push(" packets"),
            };
        }
        Kind::Ping => {
            text.push("echo replies");
        }
        _ => match judgement.holders(row).find_map(|h| h.comm()) {
            Some(comm) => {
                text.push_host(comm);
            }
            None => {
                text.push("?");
            }
        },
    }
    text
}

/// Appends which frames a packet socket sees.
pub(super) fn frames_into(protocol: Protocol, text: &mut Text) {
    match protocol.ether_name() {
        Some("all") => text.push("all frames"),
        Some(name) => text.push(name).push(" frames"),
        None => text.push("0x").push_hex(protocol.0).push(" frames"),
    };
}

/// Makes the lines of these rows, by namespace and group and then in the order of the rows. With `each_address`, rows that are bound to
/// different addresses are different lines.
pub(super) fn of<'r, 'a>(
    judgement: &'r Judgement<'_>,
    rows: impl Iterator<Item = &'r Row<'a>>,
    labels: &mut Labels,
    each_address: bool,
) -> Vec<Line<'r, 'a>> {
    // Nearly every row is a line, and growing would copy them.
    let most = rows.size_hint().1.unwrap_or_default();
    let mut lines: Vec<Line<'r, 'a>> = Vec::with_capacity(most);
    // The last line of each key. Rows come by port and protocol, so if that line is of another
    // protocol, none of this one was seen yet.
    let mut known: HashMap<Key, usize> = HashMap::with_capacity(most);
    for row in rows {
        let key = key(judgement, row, labels, each_address);
        let [ipv4, ipv6] = Wire::BOTH.map(|wire| Cell::of(judgement, row, wire));
        let protocol = row.socket.protocol;
        let entry = known.entry(key);
        if let Entry::Occupied(at) = &entry
            && let Some(line) = lines.get_mut(*at.get())
            && line.protocols.last() == Some(&protocol)
        {
            line.ipv4 = line.ipv4.and(ipv4);
            line.ipv6 = line.ipv6.and(ipv6);
            line.rows.push(row);
            continue;
        }
        entry.insert_entry(lines.len());
        let (group, protocols) = (key.group, vec![protocol]);
        lines.push(Line { key, group, protocols, ipv4, ipv6, rows: vec![row] });
    }
    drop(known);
    let mut lines = merge_protocols(lines);
    for line in &mut lines {
        let portless = line.rows.iter().all(|row| row.port().is_none());
        let frames =
            if portless && line.key.group == Group::Any { Group::Portless } else { line.key.group };
        line.group = Group::by_reach([line.ipv4, line.ipv6]).unwrap_or(frames);
    }
    lines.sort_by_key(|line| (line.key.namespace, line.group));
    lines
}

fn key(judgement: &Judgement<'_>, row: &Row<'_>, labels: &mut Labels, each_address: bool) -> Key {
    let socket = row.socket;
    // With their reach, rows that are bound to any address and to one are told together.
    let group = match Group::of(row) {
        Group::Address | Group::Multicast | Group::LinkLocal | Group::Portless
            if !judgement.snapshot.collector.sockets_only =>
        {
            Group::Any
        }
        group => group,
    };
    let portless = row.port().is_none();
    let bound_to_one = !socket.local.address.is_unspecified();
    Key {
        namespace: row.namespace,
        group,
        port: (
            row.port().map(|p| p.0),
            // TCP and UDP of one port are one line; raw and packet sockets are not.
            if portless { socket.kind } else { Kind::Other },
            portless.then_some(socket.protocol.0),
        ),
        label: labels.of(judgement, row),
        device: socket.device.map(|d| d.0),
        state: (group == Group::NotOpen).then_some(socket.state),
        address: (each_address && bound_to_one).then_some(socket.local.address),
    }
}

/// Makes one line of those that differ in their protocol only.
fn merge_protocols<'r, 'a>(lines: Vec<Line<'r, 'a>>) -> Vec<Line<'r, 'a>> {
    // Lines of one protocol differ in more than that.
    if lines.iter().all(|line| lines.first().is_some_and(|f| f.protocols == line.protocols)) {
        return lines;
    }
    let mut merged: Vec<Line<'r, 'a>> = Vec::with_capacity(lines.len());
    let mut known: HashMap<Key, usize> = HashMap::with_capacity(lines.len());
    for mut line in lines {
        let entry = known.entry(line.key);
        if let Entry::Occupied(at) = &entry
            && let Some(first) = merged.get_mut(*at.get())
            && first.ipv4.is_like(line.ipv4)
            && first.ipv6.is_like(line.ipv6)
        {
            first.protocols.append(&mut line.protocols);
            first.rows.append(&mut line.rows);
            continue;
        }
        entry.insert_entry(merged.len());
        merged.push(line);
    }
    merged
}
