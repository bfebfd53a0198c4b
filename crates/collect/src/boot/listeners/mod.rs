//! Where programs are configured to listen, by their own files.

mod nginx;
mod postgres;
mod sshd;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use facts::{ConfiguredListener, ConfiguredPort, Port, Protocol, UnitFile};

use super::tree::Tree;

/// How many files one program's configuration may have.
const FILE_LIMIT: usize = 1000;

/// The configurations of those of these programs that hold sockets.
pub(super) fn read(
    tree: &Tree,
    programs: &BTreeSet<String>,
    units: &[UnitFile],
) -> Vec<ConfiguredListener> {
    let mut found = Vec::new();
    let runs = |program: &str| programs.contains(program);
    if runs("sshd") {
        found.extend(sshd::read(tree, units));
    }
    if runs("nginx") {
        found.extend(nginx::read(tree, units));
    }
    if runs("postgres") {
        found.extend(postgres::read(tree));
    }
    found
}

/// A configuration while it is read.
#[derive(Debug, Default)]
struct Reading {
    ports: Vec<ConfiguredPort>,
    unclear: Vec<String>,
    /// How many files were read.
    files: usize,
}

impl Reading {
    /// Reads a file; what cannot be read is unclear.
    fn file(&mut self, tree: &Tree, path: &str) -> Option<String> {
        self.files = self.files.saturating_add(1);
        if self.files > FILE_LIMIT {
            self.unclear.push(format!("{path}: more files than {FILE_LIMIT}"));
            return None;
        }
        match tree.try_read(path) {
            Ok(Some(bytes)) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Ok(None) => None,
            Err(error) => {
                let reason = crate::owners::files::reason(&std::io::Error::from(error));
                self.unclear.push(format!("read {path}: {reason}"));
                None
            }
        }
    }

    /// Adds ports of any address of both families.
    fn any(&mut self, protocol: Protocol, port: u16, source: &str) {
        self.add(protocol, Ipv4Addr::UNSPECIFIED.into(), port, source);
        self.add(protocol, Ipv6Addr::UNSPECIFIED.into(), port, source);
    }

    fn add(&mut self, protocol: Protocol, address: IpAddr, port: u16, source: &str) {
        let (port, source) = (Port(port), source.to_owned());
        self.ports.push(ConfiguredPort { protocol, address, port, source });
    }

    fn finish(mut self, program: &str, unit: &str, source: &str) -> ConfiguredListener {
        self.ports.sort_unstable();
        self.ports.dedup();
        ConfiguredListener {
            program: program.to_owned(),
            unit: unit.to_owned(),
            source: source.to_owned(),
            ports: self.ports,
            unclear: self.unclear,
        }
    }
}

/// The files that a pattern of one folder means (glob(7)), sorted: `*` and `?` in the last part.
pub(super) fn glob(tree: &Tree, pattern: &str) -> Vec<String> {
    if !pattern.contains(['*', '?', '[']) {
        return vec![pattern.to_owned()];
    }
    let Some((folder, name)) = pattern.rsplit_once('/') else { return Vec::new() };
    let entries = tree.list(folder, "configuration of programs that listen").unwrap_or_default();
    entries
        .into_iter()
        .filter(|entry| !entry.name.starts_with('.') && matches(name, &entry.name))
        .map(|entry| format!("{folder}/{}", entry.name))
        .collect()
}

/// Whether this is a pattern that [`glob`] understands.
fn is_plain_pattern(pattern: &str) -> bool {
    let folder = pattern.rsplit_once('/').map_or("", |(folder, _)| folder);
    !folder.contains(['*', '?', '[']) && !pattern.contains('[')
}

/// Whether a name matches a pattern of `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0_usize, 0_usize);
    // Where to go on after the last `*`: behind it, with one more byte of the name taken.
    let mut again: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                again = Some((p.saturating_add(1), n));
                p = p.saturating_add(1);
            }
            Some(c) if *c == b'?' || name.get(n) == Some(c) => {
                p = p.saturating_add(1);
                n = n.saturating_add(1);
            }
            _ => {
                let Some((behind, taken)) = again else { return false };
                n = taken.saturating_add(1);
                again = Some((behind, n));
                p = behind;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == b'*')
}

/// `127.0.0.1`, `::1`, `[::1]`; `localhost` is none.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

/// Parses arbitrary bytes as each of the files.
pub(super) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let tree = Tree::open(std::path::Path::new("/nonexistent"));
    sshd::fuzz(&tree, &text);
    nginx::fuzz(&tree, &text);
    postgres::fuzz(&tree, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, name: &str, expect: bool| {
            assert_eq!(matches(pattern, name), expect, "{pattern} {name}");
        };
        check("*.conf", "a.conf", true);
        check("*.conf", "a.config", false);
        check("*", "", true);
        check("a?c*e", "abcde", true);
        check("a?c*e", "abcd", false);
        check("*a*b", "xaxbxb", true);
        check("", "a", false);
    }
}
