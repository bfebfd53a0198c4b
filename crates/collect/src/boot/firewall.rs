//! What would load a packet filter at boot: the services of the front-ends with the files that they
//! read, and commands elsewhere that may.

use std::collections::BTreeSet;

use facts::{FirewallFile, FirewallLoader, RulesForm};

use super::tree::Tree;

/// How deep files of nft may include each other, and how many there may be.
const DEPTH: usize = 16;
const FILES: usize = 200;

/// Programs that change a packet filter.
const PROGRAMS: [&str; 15] = [
    "nft",
    "iptables",
    "iptables-restore",
    "iptables-apply",
    "ip6tables",
    "ip6tables-restore",
    "iptables-nft-restore",
    "iptables-legacy-restore",
    "ipset",
    "ferm",
    "firehol",
    "shorewall",
    "shorewall6",
    "csf",
    "apf",
];

/// Front-ends of which no more is read than that they are there: name and units.
const UNREAD: &[(&str, &[&str])] = &[
    ("shorewall", &["shorewall.service", "shorewall6.service", "shorewall-lite.service"]),
    ("ferm", &["ferm.service"]),
    ("firehol", &["firehol.service"]),
    ("csf", &["csf.service"]),
    ("arno-iptables-firewall", &["arno-iptables-firewall.service"]),
];

/// A front-end whose files hold its rules as they are: name, units and files.
type Plain = (&'static str, &'static [&'static str], &'static [(RulesForm, &'static str)]);

/// Those that can be read.
const PLAIN: &[Plain] = &[
    (
        "netfilter-persistent",
        &["netfilter-persistent.service", "iptables-persistent.service"],
        &[
            (RulesForm::Iptables, "/etc/iptables/rules.v4"),
            (RulesForm::Ip6tables, "/etc/iptables/rules.v6"),
        ],
    ),
    (
        "iptables",
        &["iptables.service"],
        &[
            (RulesForm::Iptables, "/etc/sysconfig/iptables"),
            (RulesForm::Iptables, "/etc/iptables/iptables.rules"),
        ],
    ),
    (
        "ip6tables",
        &["ip6tables.service"],
        &[
            (RulesForm::Ip6tables, "/etc/sysconfig/ip6tables"),
            (RulesForm::Ip6tables, "/etc/iptables/ip6tables.rules"),
        ],
    ),
];

/// Units of front-ends and engines whose commands are known: what they run is no surprise.
const KNOWN: [&str; 8] = [
    "nftables.service",
    "netfilter-persistent.service",
    "iptables.service",
    "ip6tables.service",
    "ufw.service",
    "firewalld.service",
    "fail2ban.service",
    "docker.service",
];

/// Whether a command changes a packet filter.
pub(super) fn is_of_firewall(line: &str) -> bool {
    line.split(|c: char| c.is_whitespace() || matches!(c, '/' | ';' | '|' | '&' | '"' | '\'' | '('))
        .any(|word| PROGRAMS.contains(&word))
}

/// All of them. `commands` are units that run such programs, with the place.
pub(super) fn find(tree: &Tree, commands: &BTreeSet<(String, String)>) -> Vec<FirewallLoader> {
    let mut found = Vec::new();
    found.extend(nftables(tree));
    for (name, units, files) in PLAIN {
        let mut loader = loader(name, units);
        for (form, path) in *files {
            file(tree, *form, path, &mut loader);
        }
        if !(loader.files.is_empty() && loader.unclear.is_empty()) {
            found.push(loader);
        }
    }
    found.extend(ufw(tree));
    found.extend(super::firewalld::find(tree));
    for (name, units) in UNREAD {
        let mut loader = loader(name, units);
        loader.unclear.push(format!("what {name} loads is not evaluated"));
        found.push(loader);
    }
    for (unit, source) in commands.iter().filter(|(unit, _)| !KNOWN.contains(&unit.as_str())) {
        let mut loader = loader(unit, &[unit]);
        loader.unclear.push(format!("{unit} runs a program that changes the firewall ({source})"));
        found.push(loader);
    }
    found.extend(scripts(tree));
    found
}

pub(super) fn loader(name: &str, units: &[&str]) -> FirewallLoader {
    FirewallLoader {
        name: name.to_owned(),
        units: units.iter().map(|unit| (*unit).to_owned()).collect(),
        enabled: None,
        enabled_source: String::new(),
        files: Vec::new(),
        unclear: Vec::new(),
    }
}

/// Adds a file, if it is there.
pub(super) fn file(tree: &Tree, form: RulesForm, path: &str, loader: &mut FirewallLoader) {
    match tree.try_read(path) {
        Ok(Some(bytes)) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            loader.files.push(FirewallFile { path: path.to_owned(), form, text });
        }
        Ok(None) => {}
        Err(error) => {
            let reason = crate::owners::files::reason(&std::io::Error::from(error));
            loader.unclear.push(format!("read {path}: {reason}"));
        }
    }
}

/// nftables.service: one file, with what it includes.
fn nftables(tree: &Tree) -> Option<FirewallLoader> {
    let mut loader = loader("nftables", &["nftables.service"]);
    let main = ["/etc/nftables.conf", "/etc/sysconfig/nftables.conf"];
    let path = main.into_iter().find(|path| tree.exists(path) != Some(false))?;
    let mut text = String::new();
    let mut count = 0;
    include(tree, path, 0, &mut count, &mut text, &mut loader.unclear);
    loader.files.push(FirewallFile { path: path.to_owned(), form: RulesForm::Nft, text });
    Some(loader)
}

/// Appends a file of nft, with those that it includes in their places.
fn include(
    tree: &Tree,
    path: &str,
    depth: usize,
    count: &mut usize,
    text: &mut String,
    unclear: &mut Vec<String>,
) {
    *count = count.saturating_add(1);
    if depth > DEPTH || *count > FILES {
        unclear.push(format!("{path}: too many files include each other"));
        return;
    }
    let bytes = match tree.try_read(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            unclear.push(format!("{path}: there is no such file"));
            return;
        }
        Err(error) => {
            let reason = crate::owners::files::reason(&std::io::Error::from(error));
            unclear.push(format!("read {path}: {reason}"));
            return;
        }
    };
    for line in String::from_utf8_lossy(&bytes).lines() {
        match line.trim().strip_prefix("include") {
            Some(rest) if rest.starts_with([' ', '\t', '"', '\'']) => {
                let named = rest.trim().trim_matches(['"', '\'', ';']);
                // Relative ones are looked for where nft was built to (nft(8), `-I`).
                let named = named.strip_prefix("./").unwrap_or(named);
                let pattern =
                    if named.starts_with('/') { named.to_owned() } else { format!("/etc/{named}") };
                for file in super::listeners::glob(tree, &pattern) {
                    include(tree, &file, depth.saturating_add(1), count, text, unclear);
                }
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
}

/// ufw: its own setting decides whether its service does anything (ufw(8), `ENABLED` of ufw.conf).
fn ufw(tree: &Tree) -> Option<FirewallLoader> {
    let path = "/etc/ufw/ufw.conf";
    let bytes = tree.read(path, "ufw")?;
    let text = String::from_utf8_lossy(&bytes);
    let value = text.lines().find_map(|line| line.trim().strip_prefix("ENABLED="));
    let value = value.unwrap_or_default().trim_matches(['"', '\'']);
    let mut loader = loader("ufw", &["ufw.service"]);
    loader.enabled = Some(value.eq_ignore_ascii_case("yes"));
    path.clone_into(&mut loader.enabled_source);
    if loader.enabled == Some(true) {
        file(tree, RulesForm::Settings, "/etc/default/ufw", &mut loader);
        for (form, six) in [(RulesForm::Iptables, ""), (RulesForm::Ip6tables, "6")] {
            for name in ["before", "after", "user"] {
                file(tree, form, &format!("/etc/ufw/{name}{six}.rules"), &mut loader);
            }
        }
        for script in ["/etc/ufw/before.init", "/etc/ufw/after.init"] {
            let executable = |(_, stat): (_, rustix::fs::Stat)| stat.st_mode & 0o111 != 0;
            if tree.kind(script).there().is_some_and(executable) {
                loader.unclear.push(format!("{script} may add rules"));
            }
        }
    }
    Some(loader)
}

/// Scripts that are run on the way up.
fn scripts(tree: &Tree) -> Vec<FirewallLoader> {
    let mut paths: Vec<(String, &str)> = vec![
        ("/etc/rc.local".to_owned(), "rc-local.service"),
        ("/etc/network/interfaces".to_owned(), "networking.service"),
    ];
    for (folder, unit) in [
        ("/etc/network/interfaces.d", "networking.service"),
        ("/etc/network/if-pre-up.d", "networking.service"),
        ("/etc/network/if-up.d", "networking.service"),
        ("/etc/NetworkManager/dispatcher.d", "NetworkManager.service"),
    ] {
        let entries = tree.list(folder, "scripts that are run at boot").unwrap_or_default();
        paths.extend(entries.into_iter().map(|entry| (format!("{folder}/{}", entry.name), unit)));
    }
    let mut found = Vec::new();
    for (path, unit) in paths {
        let Ok(Some(bytes)) = tree.try_read(&path) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().enumerate().find(|(_, line)| {
            let line = line.trim();
            !line.starts_with('#') && is_of_firewall(line)
        });
        if let Some((at, _)) = line {
            let mut loader = loader(&path, &[unit]);
            let at = at.saturating_add(1);
            loader.unclear.push(format!("{path}:{at} runs a program that changes the firewall"));
            found.push(loader);
        }
    }
    found
}

/// Looks at arbitrary bytes.
pub(super) fn fuzz(bytes: &[u8]) {
    is_of_firewall(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let check = |line: &str, expect: bool| assert_eq!(is_of_firewall(line), expect, "{line}");
        check("/usr/sbin/nft -f /etc/my.nft", true);
        check("pre-up iptables-restore < /etc/rules", true);
        check("test -x /sbin/ip6tables && ip6tables -F", true);
        check("/usr/bin/nftables-exporter", false);
        check("echo iptablesx", false);
    }

    #[test]
    fn files_of_nft_with_what_they_include() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("etc/nftables.d")).unwrap();
        std::fs::write(at("etc/nftables.d/a.nft"), "table ip a {\n}\n").unwrap();
        let check = |main: &str, expect: &str, unclear: &[&str]| {
            std::fs::write(at("etc/nftables.conf"), main).unwrap();
            let found = nftables(&Tree::open(folder.path())).unwrap();
            assert_eq!(found.files[0].text, expect, "{main}");
            assert_eq!(found.unclear, unclear, "{main}");
        };
        let included = "flush ruleset\ntable ip a {\n}\n";
        check("flush ruleset\ninclude \"/etc/nftables.d/*.nft\"\n", included, &[]);
        check("flush ruleset\ninclude './nftables.d/a.nft'\n", included, &[]);
        check("include \"/etc/none\"\n", "", &["/etc/none: there is no such file"]);
        let circle = nftables(&{
            std::fs::write(at("etc/nftables.conf"), "include \"/etc/nftables.conf\"\n").unwrap();
            Tree::open(folder.path())
        });
        assert_eq!(circle.unwrap().unclear.len(), 1);
    }
}
