//! What a socket unit listens on (systemd.socket(5)).

use std::net::IpAddr;

use facts::{ListenLine, Port, Protocol};

/// The `Listen…=` settings of a socket unit while they are applied.
#[derive(Debug, Default)]
pub(super) struct Listen {
    lines: Vec<ListenLine>,
    /// `SocketProtocol=`.
    protocol: Option<Protocol>,
}

impl Listen {
    /// Applies a setting; one that is about something else is passed over.
    ///
    /// # Errors
    /// The setting with its place, if it is an address that is not understood.
    pub(super) fn set(&mut self, key: &str, value: &str, source: &str) -> Result<(), String> {
        let protocol = match key {
            "ListenStream" => Protocol::TCP,
            "ListenDatagram" => Protocol::UDP,
            "ListenSequentialPacket" => Protocol::SCTP,
            "ListenFIFO" | "ListenSpecial" | "ListenNetlink" | "ListenMessageQueue"
            | "ListenUSBFunction" => {
                if value.is_empty() {
                    self.lines.clear();
                }
                return Ok(());
            }
            "SocketProtocol" => {
                self.protocol = match value {
                    "udplite" => Some(Protocol::UDPLITE),
                    "sctp" => Some(Protocol::SCTP),
                    "mptcp" => Some(Protocol::MPTCP),
                    _ => None,
                };
                return Ok(());
            }
            _ => return Ok(()),
        };
        if value.is_empty() {
            // Any of these takes back all.
            self.lines.clear();
            return Ok(());
        }
        if value.starts_with(['/', '@']) || value.starts_with("vsock:") {
            return Ok(());
        }
        let (address, port) = parse(value).ok_or_else(|| format!("{key}={value} ({source})"))?;
        self.lines.push(ListenLine { protocol, address, port, source: source.to_owned() });
        Ok(())
    }

    /// All of them.
    pub(super) fn finish(self) -> Vec<ListenLine> {
        let mut lines = self.lines;
        if let Some(protocol) = self.protocol {
            for line in &mut lines {
                line.protocol = protocol;
            }
        }
        lines
    }
}

/// `111`, `0.0.0.0:111`, `[::]:111`, `[fe80::1%eth0]:111`, `[::1]:111%lo`.
fn parse(value: &str) -> Option<(Option<IpAddr>, Port)> {
    if let Ok(port) = value.parse() {
        return Some((None, Port(port)));
    }
    let (host, port) = value.rsplit_once(':')?;
    let port = port.split_once('%').map_or(port, |(port, _)| port);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    Some((Some(bare.parse().ok()?), Port(port.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let check = |settings: &[(&str, &str)], expect: &[&str]| {
            let mut listen = Listen::default();
            let unclear: Vec<String> = settings
                .iter()
                .filter_map(|(key, value)| listen.set(key, value, "f:1").err())
                .collect();
            let mut got: Vec<String> = listen
                .finish()
                .iter()
                .map(|l| {
                    let address = l.address.map_or("*".to_owned(), |a| a.to_string());
                    format!("{} {address} {}", l.protocol.ip_name().unwrap_or("?"), l.port)
                })
                .collect();
            got.extend(unclear);
            assert_eq!(got, expect, "{settings:?}");
        };
        check(&[("ListenStream", "22"), ("ListenDatagram", "[::]:53")], &["tcp * 22", "udp :: 53"]);
        check(
            &[("ListenStream", "22"), ("ListenStream", ""), ("ListenStream", "127.0.0.1:23")],
            &["tcp 127.0.0.1 23"],
        );
        check(&[("ListenDatagram", ""), ("ListenStream", "/run/x"), ("ListenStream", "@y")], &[]);
        check(
            &[("ListenStream", "[fe80::1%eth0]:80"), ("ListenStream", "[::1]:81%lo")],
            &["tcp fe80::1 80", "tcp ::1 81"],
        );
        check(&[("SocketProtocol", "sctp"), ("ListenStream", "9")], &["sctp * 9"]);
        check(&[("ListenStream", "99999")], &["ListenStream=99999 (f:1)"]);
        check(&[("Backlog", "5")], &[]);
    }
}
