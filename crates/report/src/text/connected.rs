//! Connected sockets, one line each. There may be 200,000 of them: each line is written as it is
//! made, into memory that is used again.

use std::io::{self, Write};

use facts::{Endpoint, Socket, State};
use judge::Judgement;

use super::label;
use super::page::{Page, Style};
use crate::escape::Text;

/// Where the second, third and fourth column begin on a wide screen.
const WIDE: (usize, usize, usize) = (26, 52, 66);

/// The same on one narrower than [`WIDE_FROM`].
const NARROW: (usize, usize, usize) = (2, 20, 42);

/// The width from which a screen is a wide one.
const WIDE_FROM: usize = 90;

/// Writes the connected sockets.
pub(super) fn write<W: Write>(page: &mut Page<'_, W>, judgement: &Judgement<'_>) -> io::Result<()> {
    page.line(&Text::fixed("Connected"), Style::Heading)?;
    let mut line = Text::default();
    let mut count = 0_usize;
    for socket in judgement.connected() {
        count = count.saturating_add(1);
        one(page, judgement, socket, &mut line)?;
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

/// One socket: local and other end, state, holder; in two lines where one is too narrow.
fn one<W: Write>(
    page: &mut Page<'_, W>,
    judgement: &Judgement<'_>,
    socket: &Socket,
    line: &mut Text,
) -> io::Result<()> {
    let wide = page.width() >= WIDE_FROM;
    let (peer_at, state_at, held_at) = if wide { WIDE } else { NARROW };
    line.clear().push("  ");
    endpoint_into(socket.local, line);
    line.push("/").push_plain(socket.protocol);
    if socket.netns != judgement.snapshot.collector.netns
        && let Some(namespace) = judgement.namespace(socket.netns).filter(|n| !n.is_host())
    {
        line.push(" in ").push_host(&namespace.label);
    }
    if wide {
        column(page, line, peer_at)?;
    } else {
        line.push(" - ");
    }
    if let Some(peer) = socket.peer {
        endpoint_into(peer, line);
    }
    if line.width() > page.width() {
        let (cut, _) = (line.cut(page.width()), line.clear());
        page.line(&cut, Style::Normal)?;
    } else if !wide {
        page.line(line, Style::Normal)?;
        line.clear();
    }
    column(page, line, state_at)?;
    line.push(state(socket.state));
    column(page, line, held_at)?;
    line.push_text(&label::of_connection(judgement, socket));
    if line.width() > page.width() {
        let cut = line.cut(page.width());
        return page.line(&cut, Style::Normal);
    }
    page.line(line, Style::Normal)
}

/// Goes to a column: on a line of its own if this one is already too long.
fn column<W: Write>(page: &mut Page<'_, W>, line: &mut Text, at: usize) -> io::Result<()> {
    if line.width() >= at {
        page.line(line, Style::Normal)?;
        line.clear();
    }
    line.pad(at);
    Ok(())
}

/// Appends `192.0.2.1:22` or `[2001:db8::1]:22`; without the port where the protocol has none.
pub(super) fn endpoint_into(endpoint: Endpoint, line: &mut Text) {
    if endpoint.address.is_ipv6() {
        line.push("[").push_plain(endpoint.address).push("]");
    } else {
        line.push_plain(endpoint.address);
    }
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
