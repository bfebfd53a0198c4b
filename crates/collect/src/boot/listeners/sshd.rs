//! sshd_config(5): `Port`, `ListenAddress`, `AddressFamily`, `Include`.

use facts::{ConfiguredListener, Protocol, UnitFile};

use super::{Reading, address, glob, is_plain_pattern};
use crate::boot::tree::Tree;

const FILE: &str = "/etc/ssh/sshd_config";

/// How deep files may include each other (openssh `servconf.c`, `SERVCONF_MAX_DEPTH`).
const DEPTH: usize = 16;

/// What the files say, before defaults.
#[derive(Debug, Default)]
struct Server {
    ports: Vec<(u16, String)>,
    /// Address, port if it has one, and place.
    addresses: Vec<(String, Option<u16>, String)>,
    family: Option<String>,
    reading: Reading,
}

/// Reads the configuration, if there is one.
pub(super) fn read(tree: &Tree, units: &[UnitFile]) -> Option<ConfiguredListener> {
    if tree.exists(FILE) != Some(true) {
        return None;
    }
    let mut server = Server::default();
    server.file(tree, FILE, 0);
    // The command line counts more than the file, and Debian's takes options from there.
    let unit = units.iter().find(|u| u.name == "ssh.service" || u.name == "sshd.service");
    for file in ["/etc/default/ssh", "/etc/sysconfig/sshd"] {
        let text = server.reading.file(tree, file).unwrap_or_default();
        let options = text.lines().filter_map(|line| line.trim().split_once('='));
        for (key, value) in options.filter(|(key, _)| matches!(*key, "SSHD_OPTS" | "OPTIONS")) {
            if !value.trim_matches(['"', '\'', ' ']).is_empty() {
                server.reading.unclear.push(format!("{file}: {key} has options"));
            }
        }
    }
    Some(server.finish(unit.map_or("", |unit| &unit.name)))
}

impl Server {
    fn file(&mut self, tree: &Tree, path: &str, depth: usize) {
        if let Some(text) = self.reading.file(tree, path) {
            self.text(tree, &text, path, depth);
        }
    }

    fn text(&mut self, tree: &Tree, text: &str, path: &str, depth: usize) {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, rest) = line.split_once([' ', '\t', '=']).unwrap_or((line, ""));
            let rest = rest.trim_start_matches([' ', '\t', '=']);
            let value = rest.split('#').next().unwrap_or_default().trim().trim_matches('"');
            let source = format!("{path}:{}", at.saturating_add(1));
            match key.to_ascii_lowercase().as_str() {
                // What follows holds for some clients only, and none of these settings may.
                "match" => return,
                "port" => match value.parse() {
                    Ok(port) => self.ports.push((port, source)),
                    Err(_) => self.reading.unclear.push(source),
                },
                "addressfamily" => {
                    self.family.get_or_insert_with(|| value.to_ascii_lowercase());
                }
                "listenaddress" => self.listen(value, source),
                "include" => {
                    for pattern in value.split_whitespace() {
                        self.include(tree, pattern, &source, depth);
                    }
                }
                _ => {}
            }
        }
    }

    fn include(&mut self, tree: &Tree, pattern: &str, source: &str, depth: usize) {
        let pattern = if pattern.starts_with('/') {
            pattern.to_owned()
        } else {
            format!("/etc/ssh/{pattern}")
        };
        if !is_plain_pattern(&pattern) || depth >= DEPTH {
            self.reading.unclear.push(format!("{source}: Include {pattern}"));
            return;
        }
        for file in glob(tree, &pattern) {
            self.file(tree, &file, depth.saturating_add(1));
        }
    }

    /// `host`, `host:port`, `[host]:port`, with `rdomain` behind it.
    fn listen(&mut self, value: &str, source: String) {
        let mut words = value.split_whitespace();
        let target = words.next().unwrap_or_default();
        if words.next().is_some() {
            self.reading.unclear.push(format!("{source}: rdomain"));
            return;
        }
        let (host, port) = match target.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            // More than one colon: an address of IPv6 without a port.
            None if target.matches(':').count() > 1 => (target, None),
            None => {
                target.split_once(':').map_or((target, None), |(host, port)| (host, Some(port)))
            }
        };
        match port.map(str::parse) {
            None => self.addresses.push((host.to_owned(), None, source)),
            Some(Ok(port)) => self.addresses.push((host.to_owned(), Some(port), source)),
            Some(Err(_)) => self.reading.unclear.push(source),
        }
    }

    fn finish(mut self, unit: &str) -> ConfiguredListener {
        // What was not read may set it.
        if self.ports.is_empty() && self.reading.unclear.is_empty() {
            self.ports.push((22, format!("{FILE} (Port is 22 unless set)")));
        }
        let family = self.family.as_deref().unwrap_or("any");
        let (four, six) = (family != "inet6", family != "inet");
        let mut reading = std::mem::take(&mut self.reading);
        if self.addresses.is_empty() {
            for (port, source) in &self.ports {
                reading.any(Protocol::TCP, *port, source);
            }
        }
        for (host, port, source) in &self.addresses {
            let ports = match port {
                Some(port) => vec![*port],
                None => self.ports.iter().map(|(port, _)| *port).collect(),
            };
            for port in ports {
                match (host.as_str(), address(host)) {
                    ("*", _) => reading.any(Protocol::TCP, port, source),
                    (_, Some(address)) => reading.add(Protocol::TCP, address, port, source),
                    _ => reading.unclear.push(format!("{source}: ListenAddress {host} is a name")),
                }
            }
        }
        reading.ports.retain(|p| if p.address.is_ipv4() { four } else { six });
        reading.finish("sshd", unit, FILE)
    }
}

/// Parses arbitrary text.
pub(super) fn fuzz(tree: &Tree, text: &str) {
    let mut server = Server::default();
    server.text(tree, text, FILE, DEPTH);
    server.finish("");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("etc/ssh/conf.d")).unwrap();
        let check = |main: &str, included: &str, expect: &[&str]| {
            std::fs::write(root.join("etc/ssh/sshd_config"), main).unwrap();
            std::fs::write(root.join("etc/ssh/conf.d/a.conf"), included).unwrap();
            let found = read(&Tree::open(root), &[]).unwrap();
            let mut got: Vec<String> =
                found.ports.iter().map(|p| format!("{}:{}", p.address, p.port)).collect();
            got.extend(found.unclear);
            assert_eq!(got, expect, "{main} {included}");
        };
        check("", "", &["0.0.0.0:22", ":::22"]);
        check("Port 2222\nAddressFamily inet\nMatch User x\nPort 1", "", &["0.0.0.0:2222"]);
        check("Include conf.d/*.conf\n", "port=2022\nListenAddress 127.0.0.1", &["127.0.0.1:2022"]);
        check(
            "ListenAddress 0.0.0.0:23\nListenAddress [::1]:24\nListenAddress ::",
            "",
            &["0.0.0.0:23", ":::22", "::1:24"],
        );
        check(
            "ListenAddress myhost",
            "",
            &["/etc/ssh/sshd_config:1: ListenAddress myhost is a name"],
        );
        check("Port x # y", "", &["/etc/ssh/sshd_config:1"]);
        check("Include */x", "", &["/etc/ssh/sshd_config:1: Include /etc/ssh/*/x"]);
    }
}
