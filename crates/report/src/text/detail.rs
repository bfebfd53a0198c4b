//! The detail screen: everything that is known about the rows a target means.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use facts::{Family, Kind, Port, Protocol, State};
use judge::Judgement;
use judge::finding::Severity;
use judge::reach::{Arrival, Wire};
use judge::row::{Row, Scope, plain};

use super::connected::{self, endpoint_into, state};
use super::label::{LabelId, Labels};
use super::lines::{device_into, frames_into, payload, what};
use super::page::{Page, Style};
use super::{View, after_boot, holders, reach, then, why};
use crate::escape::Text;

/// How wide the column of the questions is.
const QUESTION: usize = 15;

/// Writes the detail screen of these rows: those of one port with the same holders together.
///
/// # Errors
/// Those of the writer.
pub fn detail<W: Write>(
    out: &mut W,
    judgement: &Judgement<'_>,
    rows: &[&Row<'_>],
    view: &View,
) -> io::Result<()> {
    let mut page = Page::new(out, view.screen);
    for (at, block) in blocks(judgement, rows).iter().enumerate() {
        if at > 0 {
            page.blank()?;
        }
        one(&mut page, judgement, block)?;
    }
    if view.connected {
        page.blank()?;
        connected::write(&mut page, judgement, judgement.connected_to(rows))?;
    }
    Ok(())
}

/// The rows that belong together.
pub(super) fn blocks<'r, 'a>(
    judgement: &Judgement<'_>,
    rows: &[&'r Row<'a>],
) -> Vec<Vec<&'r Row<'a>>> {
    type Key = (usize, Option<Port>, Option<(Kind, Protocol)>, LabelId);
    let mut labels = Labels::default();
    let mut blocks: Vec<Vec<&Row<'_>>> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    for row in rows {
        let portless = row.port().is_none().then_some((row.socket.kind, row.socket.protocol));
        let key = (row.namespace, row.port(), portless, labels.of(judgement, row));
        let at = *known.entry(key).or_insert(blocks.len());
        match blocks.get_mut(at) {
            Some(block) => block.push(row),
            None => blocks.push(vec![row]),
        }
    }
    blocks
}

/// One block: its title, then question by question.
fn one<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    rows: &[&Row<'_>],
) -> io::Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    page.sentence(&title(judgement, first, rows))?;
    findings(page, judgement, rows)?;
    let why = why::short(judgement, rows);
    let what_it_is = meaning(judgement, first).map(Answer::from);
    answer(page, "what it is", what_it_is.into_iter().chain(why.purpose))?;
    answer(page, "held by", holders::describe(judgement, rows))?;
    answer(page, "sockets", sockets(judgement, rows))?;
    answer(page, "why", why.why)?;
    answer(page, "in use?", why.in_use)?;
    answer(page, "who can", reach::describe(judgement, rows))?;
    answer(page, "after boot", after_boot::describe(judgement, rows))?;
    answer(page, "who can then", then::describe(judgement, rows))?;
    answer(page, "to close", why.to_close)?;
    answer(page, "not enough", why.not_enough)
}

/// What is wrong with these rows, each with what to do.
fn findings<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    rows: &[&Row<'_>],
) -> io::Result<()> {
    let is_shown = |at: &usize| rows.iter().any(|shown| shown.at() == *at);
    for finding in judgement.findings().iter().filter(|f| f.rows.iter().any(is_shown)) {
        let mut text = Text::host(&finding.text);
        text.push(". To do: ").push_host(&finding.action);
        let style = if finding.severity >= Severity::Medium { Style::Alert } else { Style::Normal };
        page.paragraph(&Text::fixed("! "), &text, style)?;
    }
    Ok(())
}

/// An answer: a text, and what stands before its first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) lead: Text,
    pub(super) text: Text,
}

impl From<Text> for Answer {
    fn from(text: Text) -> Self {
        Self { lead: Text::default(), text }
    }
}

/// A question with its answers, each on as many lines as it needs.
pub(super) fn answer<W: Write>(
    page: &mut Page<'_, W>,
    question: &'static str,
    answers: impl IntoIterator<Item = Answer>,
) -> io::Result<()> {
    let mut first = Text::fixed("  ");
    first.push(question).pad(QUESTION);
    for Answer { lead, text } in answers {
        // Beside a lead that takes most of the line there is no room for the text.
        if lead.width() > page.width() / 2 {
            page.paragraph(&first, &lead, Style::Normal)?;
            first.clear().pad(QUESTION).push("  ");
        } else {
            first.push_text(&lead);
        }
        page.paragraph(&first, &text, Style::Normal)?;
        first.clear().pad(QUESTION);
    }
    Ok(())
}

/// `111/tcp 111/udp   portmapper   on any address, IPv4 and IPv6`.
pub(super) fn title(judgement: &Judgement<'_>, first: &Row<'_>, rows: &[&Row<'_>]) -> Text {
    let mut text = Text::default();
    if let Some(port) = first.port() {
        let mut protocols: Vec<Protocol> = rows.iter().map(|r| r.socket.protocol).collect();
        protocols.dedup();
        for protocol in protocols {
            text.push_plain(port).push("/").push_plain(protocol).push(" ");
        }
    } else {
        match first.socket.kind {
            _ if first.socket.family == Family::Packet => text.push("packet socket "),
            Kind::Raw if first.socket.protocol == Protocol::RAW => text.push("raw socket "),
            Kind::Ping => text.push_plain(first.socket.protocol).push(" ping socket "),
            _ => text.push_plain(first.socket.protocol).push(" raw socket "),
        };
    }
    text.push("  ").push_text(&what(judgement, first));
    if let Some(namespace) = judgement.namespace_of(first).filter(|n| !n.is_host()) {
        text.push("   in network namespace ").push_host(&namespace.label);
        if let Some(container) = &namespace.container {
            text.push(" (container ").push_host(container).push(")");
        }
    }
    text.push("   ").push(bound_to(rows));
    text
}

/// From where the rows can be spoken to, in words.
fn bound_to(rows: &[&Row<'_>]) -> &'static str {
    if rows.iter().all(|r| !r.is_open()) {
        return "bound, not open to anyone";
    }
    if rows.iter().any(|r| r.socket.family == Family::Packet) {
        return "before the firewall";
    }
    let all = |scope| rows.iter().all(|r| r.scope == scope);
    let addresses: HashSet<_> = rows.iter().map(|r| r.socket.local.address).collect();
    let arrives = |wire| {
        rows.iter().filter(|r| r.scope == Scope::Any).any(|r| r.arrival(wire) == Arrival::Yes)
    };
    match (arrives(Wire::Ipv4), arrives(Wire::Ipv6)) {
        (true, true) => "on any address, IPv4 and IPv6",
        (true, false) => "on any IPv4 address",
        (false, true) => "on any IPv6 address",
        (false, false) if all(Scope::Loopback) => "on loopback",
        (false, false) if all(Scope::Multicast) => "multicast or broadcast",
        (false, false) if all(Scope::LinkLocal) => "link-local",
        (false, false) if rows.iter().any(|r| r.scope == Scope::Any) => "",
        (false, false) if addresses.len() == 1 => "on one address",
        (false, false) => "on certain addresses",
    }
}

/// What a socket without a port is for.
fn meaning(judgement: &Judgement<'_>, row: &Row<'_>) -> Option<Text> {
    let socket = row.socket;
    let mut text = Text::default();
    match socket.kind {
        _ if socket.family == Family::Packet => {
            text.push("a packet socket: sees ");
            frames_into(socket.protocol, &mut text);
            if socket.device.is_some() {
                text.push(" of ");
                device_into(judgement, row, &mut text);
            }
            text.push(" before the firewall, whose input rules do not apply to it");
        }
        Kind::Raw if socket.protocol == Protocol::RAW => {
            text.push(
                "a raw socket of protocol 255, mostly used to send packets with their own IP \
                 headers; receives packets of protocol 255",
            );
        }
        Kind::Raw => {
            text.push("a raw socket: receives all ");
            text.push_text(&payload(judgement, row)).push(" to this host that the firewall's ");
            text.push("input rules let in. ").push_plain(socket.protocol.0);
            text.push(" is the number of the protocol, not a port");
        }
        Kind::Ping => {
            text.push("a ping socket: sends echo requests, and receives the replies to these");
        }
        _ => return None,
    }
    Some(text)
}

/// A row by its protocol and address.
pub(super) fn row_name(row: &Row<'_>) -> Text {
    let mut text = Text::default();
    if row.socket.family == Family::Packet {
        text.push("packet");
        return text;
    }
    text.push_plain(row.socket.protocol).push(" ");
    endpoint_into(row.socket.local, &mut text);
    if row.port() == Some(Port(0)) {
        text.push(":0");
    }
    text
}

/// Each socket with what is known of it alone.
fn sockets(judgement: &Judgement<'_>, rows: &[&Row<'_>]) -> Vec<Answer> {
    let names: Vec<Text> = rows.iter().map(|row| row_name(row)).collect();
    let widest = names.iter().map(Text::width).max().unwrap_or(0);
    let each = names.into_iter().zip(rows);
    each.map(|(mut lead, row)| {
        lead.pad(widest).push("  ");
        let mut text = Text::default();
        socket(judgement, row, &mut text);
        Answer { lead, text }
    })
    .collect()
}

/// Appends what is known of one row's sockets.
fn socket(judgement: &Judgement<'_>, row: &Row<'_>, text: &mut Text) {
    let socket = row.socket;
    text.push(match socket.state {
        _ if socket.family == Family::Packet => "sees frames",
        _ if socket.kind == Kind::Ping => "receives replies only",
        State::Bound if row.is_open() || socket.kind == Kind::Raw => "receives from anyone",
        State::Bound => "bound, does not listen",
        other => state(other),
    });
    families_into(row, text);
    if socket.device.is_some() {
        text.push(", bound to ");
        device_into(judgement, row, text);
    } else if row.scope != Scope::Any && row.scope != Scope::Multicast {
        match row.interface {
            Some(link) => {
                text.push(", an address of ").push_host(&link.name);
            }
            None if row.scope == Scope::Address && addresses_are_known(judgement, row) => {
                text.push(", an address that no interface has now");
            }
            None => {}
        }
    }
    if let Some(queue) = row.accept_queue() {
        text.push(", accept queue ").push_plain(queue.now).push(" of ").push_plain(queue.max);
        text.push(if queue.now > queue.max { ": FULL" } else { "" });
    }
    if row.sockets.len() > 1 {
        text.push(", ").push_plain(row.sockets.len()).push(" sockets share it");
    }
}

/// Appends which families an IPv6 socket serves: it is not told by its address alone.
fn families_into(row: &Row<'_>, text: &mut Text) {
    if row.socket.family != Family::Inet6 || row.port().is_none() || !row.is_open() {
        return;
    }
    text.push(match (row.arrival(Wire::Ipv4), row.arrival(Wire::Ipv6)) {
        (Arrival::Yes, Arrival::Yes) => ", dual-stack: IPv4 too",
        (Arrival::Yes, _) => ", an IPv6 socket that serves IPv4 only",
        (Arrival::Unknown, _) => ", the kernel did not tell whether IPv4 too",
        (Arrival::No, _) if plain(row.socket.local.address).is_unspecified() => ", IPv6 only",
        (Arrival::No, _) => "",
    });
}

/// Whether it is known which addresses the row's namespace has.
fn addresses_are_known(judgement: &Judgement<'_>, row: &Row<'_>) -> bool {
    judgement.namespace_of(row).and_then(|n| n.fact).is_some_and(|f| f.addresses.is_complete())
}
