//! What is shared by the tests of this room: one line of text for each socket.

mod namespaces;
mod replies;

use std::fmt::Write;

use facts::{Endpoint, Socket};

/// `PROTOCOL FAMILY KIND STATE LOCAL [-> PEER] [v6only|dual] [%DEVICE] [NOW/MAX]`.
fn describe(socket: &Socket) -> String {
    let end = |end: Endpoint| match end.address {
        std::net::IpAddr::V4(address) => format!("{address}:{}", end.port),
        std::net::IpAddr::V6(address) => format!("[{address}]:{}", end.port),
    };
    let mut text = format!(
        "{} {:?} {:?} {:?} {}",
        socket.protocol,
        socket.family,
        socket.kind,
        socket.state,
        end(socket.local)
    );
    if let Some(peer) = socket.peer {
        let _ = write!(text, " -> {}", end(peer));
    }
    if let Some(v6only) = socket.v6only {
        text += if v6only { " v6only" } else { " dual" };
    }
    if let Some(device) = socket.device {
        let _ = write!(text, " %{device}");
    }
    if socket.queue.max != 0 {
        let _ = write!(text, " {}/{}", socket.queue.now, socket.queue.max);
    }
    text
}

/// Compares sockets with their descriptions, in any order.
fn check<'a>(sockets: impl IntoIterator<Item = &'a Socket>, expect: &[&str]) {
    let mut got: Vec<_> = sockets.into_iter().map(describe).collect();
    got.sort_unstable();
    let mut expect = expect.to_vec();
    expect.sort_unstable();
    assert_eq!(got, expect, "\ngot {got:#?}\nexpected {expect:#?}");
}
