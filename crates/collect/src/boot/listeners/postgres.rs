//! postgresql.conf: `listen_addresses`, `port`, with its includes and `ALTER SYSTEM`'s file.

use facts::{ConfiguredListener, Protocol};

use super::{Reading, address};
use crate::boot::tree::Tree;

/// How deep files may include each other (PostgreSQL `guc-file.l`, `CONF_FILE_MAX_DEPTH`).
const DEPTH: usize = 10;

/// Where distributions other than Debian keep the only cluster.
const DATA: [&str; 3] =
    ["/var/lib/pgsql/data", "/var/lib/postgres/data", "/var/lib/postgresql/data"];

/// Reads the configuration of every cluster.
pub(super) fn read(tree: &Tree) -> Vec<ConfiguredListener> {
    let mut found = Vec::new();
    let what = "configuration of PostgreSQL";
    for version in tree.list("/etc/postgresql", what).unwrap_or_default() {
        let folder = format!("/etc/postgresql/{}", version.name);
        for cluster in tree.list(&folder, what).unwrap_or_default() {
            let unit = format!("postgresql@{}-{}.service", version.name, cluster.name);
            let data = format!("/var/lib/postgresql/{}/{}", version.name, cluster.name);
            found.extend(cluster_at(tree, &format!("{folder}/{}", cluster.name), &data, &unit));
        }
    }
    for data in DATA {
        found.extend(cluster_at(tree, data, data, ""));
    }
    found
}

fn cluster_at(tree: &Tree, folder: &str, data: &str, unit: &str) -> Option<ConfiguredListener> {
    let file = format!("{folder}/postgresql.conf");
    if tree.exists(&file) != Some(true) {
        return None;
    }
    let mut cluster = Cluster::default();
    cluster.file(tree, &file, 0);
    let data = cluster.data.clone().unwrap_or_else(|| data.to_owned());
    cluster.file(tree, &format!("{data}/postgresql.auto.conf"), 0);
    Some(cluster.finish(unit, &file))
}

/// The settings; the last of each counts.
#[derive(Debug, Default)]
struct Cluster {
    listen: Option<(String, String)>,
    port: Option<(String, String)>,
    data: Option<String>,
    reading: Reading,
}

impl Cluster {
    fn file(&mut self, tree: &Tree, path: &str, depth: usize) {
        if let Some(text) = self.reading.file(tree, path) {
            self.text(tree, &text, path, depth);
        }
    }

    fn text(&mut self, tree: &Tree, text: &str, path: &str, depth: usize) {
        for (at, line) in text.lines().enumerate() {
            let Some((key, value)) = setting(line) else { continue };
            let source = format!("{path}:{}", at.saturating_add(1));
            match key.as_str() {
                "listen_addresses" => self.listen = Some((value, source)),
                "port" => self.port = Some((value, source)),
                "data_directory" => self.data = Some(value),
                "include" | "include_if_exists" | "include_dir" => {
                    self.include(tree, &key, &value, &source, depth);
                }
                _ => {}
            }
        }
    }

    fn include(&mut self, tree: &Tree, key: &str, value: &str, source: &str, depth: usize) {
        if depth >= DEPTH {
            self.reading.unclear.push(format!("{source}: {key} {value}"));
            return;
        }
        let here = source.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path =
            if value.starts_with('/') { value.to_owned() } else { format!("{here}/{value}") };
        let deeper = depth.saturating_add(1);
        if key != "include_dir" {
            self.file(tree, &path, deeper);
            return;
        }
        for entry in tree.list(&path, "configuration of PostgreSQL").unwrap_or_default() {
            if entry.name.strip_suffix(".conf").is_some() && !entry.name.starts_with('.') {
                self.file(tree, &format!("{path}/{}", entry.name), deeper);
            }
        }
    }

    fn finish(self, unit: &str, file: &str) -> ConfiguredListener {
        let mut reading = self.reading;
        let default = |what: &str| format!("{file} ({what} unless set)");
        let (listen, source) = self
            .listen
            .unwrap_or_else(|| ("localhost".to_owned(), default("listen_addresses is localhost")));
        let (port, _) = self.port.unwrap_or_else(|| ("5432".to_owned(), String::new()));
        let Ok(port) = port.parse::<u16>() else {
            reading.unclear.push(format!("{file}: port {port}"));
            return reading.finish("postgres", unit, file);
        };
        for host in listen.split(',').map(str::trim).filter(|host| !host.is_empty()) {
            match (host, address(host)) {
                ("*", _) => reading.any(Protocol::TCP, port, &source),
                ("localhost", _) => {
                    for loopback in ["127.0.0.1", "::1"].into_iter().filter_map(address) {
                        reading.add(Protocol::TCP, loopback, port, &source);
                    }
                }
                (_, Some(address)) => reading.add(Protocol::TCP, address, port, &source),
                _ => reading.unclear.push(format!("{source}: {host} is a name")),
            }
        }
        reading.finish("postgres", unit, file)
    }
}

/// `key = value`, `key value`, `key = 'it''s'`, with a comment behind it.
fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')?;
    let (key, rest) = line.split_at_checked(end)?;
    if key.is_empty() {
        return None;
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let value = match rest.strip_prefix('\'') {
        Some(quoted) => {
            let mut value = String::new();
            let mut chars = quoted.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '\'' if chars.peek() == Some(&'\'') => value.extend(chars.next()),
                    '\'' => break,
                    '\\' => value.extend(chars.next()),
                    c => value.push(c),
                }
            }
            value
        }
        None => rest.split(['#', ' ', '\t']).next().unwrap_or_default().to_owned(),
    };
    Some((key.to_ascii_lowercase(), value))
}

/// Parses arbitrary text.
pub(super) fn fuzz(tree: &Tree, text: &str) {
    let mut cluster = Cluster::default();
    cluster.text(tree, text, "/f", DEPTH);
    cluster.finish("", "/f");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("etc/postgresql/15/main/conf.d")).unwrap();
        std::fs::create_dir_all(at("srv/data")).unwrap();
        let check = |main: &str, more: &str, auto: &str, expect: &[&str]| {
            std::fs::write(at("etc/postgresql/15/main/postgresql.conf"), main).unwrap();
            std::fs::write(at("etc/postgresql/15/main/conf.d/a.conf"), more).unwrap();
            std::fs::write(at("srv/data/postgresql.auto.conf"), auto).unwrap();
            let found = read(&Tree::open(folder.path()));
            let [found] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(found.unit, "postgresql@15-main.service");
            let mut got: Vec<String> =
                found.ports.iter().map(|p| format!("{}:{}", p.address, p.port)).collect();
            got.extend(found.unclear.iter().cloned());
            assert_eq!(got, expect, "{main} {more} {auto}");
        };
        check("#port = 1\n", "", "", &["127.0.0.1:5432", "::1:5432"]);
        check("listen_addresses = '*' # all\nport = 5433", "", "", &["0.0.0.0:5433", ":::5433"]);
        check(
            "data_directory = '/srv/data'\nlisten_addresses = '*'\ninclude_dir 'conf.d'",
            "listen_addresses='192.0.2.1, ::1'",
            "port = '6000'",
            &["192.0.2.1:6000", "::1:6000"],
        );
        check("listen_addresses = ''", "", "", &[]);
        check(
            "listen_addresses = 'db.example'",
            "",
            "",
            &["/etc/postgresql/15/main/postgresql.conf:1: db.example is a name"],
        );
    }
}
