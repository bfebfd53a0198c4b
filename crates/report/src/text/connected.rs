//! Connected sockets, one line each. There may be 200,000 of them: each line is written as it is
//! made, into memory that is used again.

use std::io::{self, Write};
use std::net::IpAddr;

use facts::{Endpoint, Socket, State};
use judge::Judgement;
use judge::row::plain;

use super::label::OfConnections;
use super::page::{Page, Style};
use crate::escape::Text;

/// The width below which the state and holder always go to a second line.
const ONE_LINE_FROM: usize = 80;

/// How wide the column of states is.
const STATE: usize = 13;

/// Writes connected sockets.
pub(super) fn write<'s, W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    sockets: impl Iterator<Item = &'s Socket>,
) -> io::Result<()> {
    page.line(&Text::fixed("Connected"), Style::Heading)?;
    let (mut line, mut labels) = (Text::default(), OfConnections::default());
    let mut count = 0_usize;
    for socket in sockets {
        count = count.saturating_add(1);
        one(page, judgement, socket, &mut labels, &mut line)?;
    }
    if count == 0 {
        let text = if judgement.snapshot.collector.connected {
            "  none"
        } else {
            "  not asked for when this snapshot was taken"
        };
        page.line(&Text::fixed(text), Style::Normal)?;
    }
    Ok(())
}

/// One socket: both ends, state, holder; in several lines where one is too narrow.
fn one<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    socket: &Socket,
    labels: &mut OfConnections,
    line: &mut Text,
) -> io::Result<()> {
    line.clear().push("  ");
    endpoint_into(unmapped(socket.local), line);
    line.push("/").push_plain(socket.protocol);
    if let Some(namespace) = judgement.namespace(socket.netns).filter(|n| !n.is_host()) {
        line.push(" in ").push_host(&namespace.label);
    }
    if let Some(peer) = socket.peer.map(unmapped) {
        // Two long IPv6 addresses do not fit on one line.
        if line.width().saturating_add(LONGEST_END) > page.width() && peer.address.is_ipv6() {
            fitting(page, line)?;
            line.clear().push("   ");
        }
        line.push(" - ");
        endpoint_into(peer, line);
    }
    let column = page.width() * 3 / 5;
    if page.width() < ONE_LINE_FROM || line.width() >= column {
        fitting(page, line)?;
        line.clear().push("      ");
    } else {
        line.pad(column);
    }
    let start = line.width();
    line.push(state(socket.state)).pad(start.saturating_add(STATE));
    labels.append(judgement, socket, line);
    fitting(page, line)
}

/// The width of ` - `, the longest IPv6 address in brackets, and a port.
const LONGEST_END: usize = 50;

/// Writes a line, cut where it is too wide: a namespace or holder may have any name.
fn fitting<W: Write>(page: &mut Page<'_, W>, line: &Text) -> io::Result<()> {
    if line.width() <= page.width() {
        page.line(line, Style::Normal)
    } else {
        let cut = line.cut(page.width());
        page.line(&cut, Style::Normal)
    }
}

/// An IPv4 end of an IPv6 socket as what it is on the wire.
fn unmapped(end: Endpoint) -> Endpoint {
    Endpoint { address: plain(end.address), port: end.port }
}

/// Appends `192.0.2.1:22` or `[2001:db8::1]:22`; without the port where the protocol has none.
pub(super) fn endpoint_into(endpoint: Endpoint, line: &mut Text) {
    match endpoint.address {
        IpAddr::V6(address) => line.push("[").push_plain(IpAddr::V6(address)).push("]"),
        IpAddr::V4(address) => line.push_plain(IpAddr::V4(address)),
    };
    if endpoint.port.0 != 0 {
        line.push(":").push_plain(endpoint.port);
    }
}

/// A state in words.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Listen => "listening",
        State::Bound => "bound",
        State::Unbound => "unbound",
        State::Established => "established",
        State::SynSent => "connecting",
        State::SynRecv => "arriving",
        State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => "closing",
        State::TimeWait => "time-wait",
        State::CloseWait => "close-wait",
        State::Other => "other state",
    }
}
