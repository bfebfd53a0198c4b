//! firewalld's permanent configuration: firewalld.conf(5), and the zones, policies, services and sets
//! that it leads to.
//!
//! What the files say is read in `judge`. Here only names are looked for, so that of 200 services the
//! few are read that a zone lets in; a name that is missed is missed there, and said.

use std::collections::{BTreeMap, BTreeSet};

use facts::{FirewallFile, FirewallLoader, RulesForm};

use super::firewall::{file, loader};
use super::tree::{Entry, EntryKind, Tree};

/// Where it looks: of two files with one name the first counts (firewalld(1), "Directories").
const FOLDERS: [&str; 2] = ["/etc/firewalld", "/usr/lib/firewalld"];

/// The most services and sets that are followed.
const LIMIT: usize = 500;

/// Reads all of it; none where firewalld is not installed.
pub(super) fn find(tree: &Tree) -> Option<FirewallLoader> {
    let settings = "/etc/firewalld/firewalld.conf";
    if tree.exists(settings) == Some(false) {
        return None;
    }
    let mut loader = loader("firewalld", &["firewalld.service"]);
    file(tree, RulesForm::Settings, settings, &mut loader);
    file(tree, RulesForm::Firewalld, "/etc/firewalld/direct.xml", &mut loader);
    for sort in ["zones", "policies"] {
        for path in all(tree, sort, &mut loader.unclear) {
            file(tree, RulesForm::Firewalld, &path, &mut loader);
        }
    }
    let mut known: BTreeSet<(&str, String)> = BTreeSet::new();
    let mut at = 0;
    // Services include others: each file that is added is looked through in its turn.
    while let Some(next) = loader.files.get(at) {
        at = at.saturating_add(1);
        let named: Vec<_> = named(&next.text).into_iter().filter(|n| !known.contains(n)).collect();
        for (sort, name) in named {
            let path = FOLDERS.iter().map(|folder| format!("{folder}/{sort}/{name}.xml"));
            if let Some(path) = path.into_iter().find(|path| tree.exists(path) != Some(false)) {
                file(tree, RulesForm::Firewalld, &path, &mut loader);
            }
            known.insert((sort, name));
        }
        if known.len() > LIMIT {
            loader.unclear.push(format!("{settings}: more than {LIMIT} services and sets"));
            break;
        }
    }
    loader.files.extend(interfaces(tree, &mut loader.unclear));
    Some(loader)
}

/// The files of one sort, each name once.
fn all(tree: &Tree, sort: &str, unclear: &mut Vec<String>) -> Vec<String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for folder in FOLDERS {
        let folder = format!("{folder}/{sort}");
        for entry in entries(tree, &folder, unclear) {
            if entry.name.strip_suffix(".xml").is_some() {
                let path = format!("{folder}/{}", entry.name);
                found.entry(entry.name).or_insert(path);
            } else if sort == "zones" && entry.kind == EntryKind::Folder {
                // Files of one folder are parts of one zone (firewalld `functions.py`, `check_zone`).
                unclear.push(format!("{folder}/{}: a zone of several files", entry.name));
            }
        }
    }
    found.into_values().collect()
}

/// The entries of a folder. One that may not be listed hides rules, and nothing that starts programs.
fn entries(tree: &Tree, folder: &str, unclear: &mut Vec<String>) -> Vec<Entry> {
    if !tree.can_list(folder) {
        unclear.push(format!("list {folder}: not permitted"));
        return Vec::new();
    }
    tree.list(folder, "configuration of firewalld").unwrap_or_default()
}

/// The services and sets that a file names: the folder, and the name. What is not written as
/// firewalld writes it is not found.
fn named(text: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for tag in text.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let element = tag.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
        let value = |key: &str| {
            let (_, rest) = tag.split_once(&format!("{key}="))?;
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            rest.get(1..)?.split(quote).next()
        };
        let is_name = |name: &&str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
            !name.is_empty() && !name.starts_with('.') && name.chars().all(fits)
        };
        let one = match element {
            "service" => value(" name").map(|name| ("services", name)),
            "include" => value(" service").map(|name| ("services", name)),
            "source" | "destination" => value(" ipset")
                .or_else(|| value(" address").and_then(|a| a.strip_prefix("ipset:")))
                .map(|name| ("ipsets", name)),
            _ => None,
        };
        found.extend(one.filter(|(_, n)| is_name(n)).map(|(sort, name)| (sort, name.to_owned())));
    }
    found
}

/// Files of other programs that put interfaces into zones: the keys that say so, and no others, for
/// NetworkManager's hold passwords.
fn interfaces(tree: &Tree, unclear: &mut Vec<String>) -> Vec<FirewallFile> {
    let mut found = Vec::new();
    for (folder, keys) in [
        ("/etc/NetworkManager/system-connections", ["interface-name", "zone"]),
        ("/etc/sysconfig/network-scripts", ["DEVICE", "ZONE"]),
    ] {
        for entry in entries(tree, folder, unclear) {
            let path = format!("{folder}/{}", entry.name);
            match tree.try_read(&path) {
                Ok(Some(bytes)) => {
                    let text = zone_of(&String::from_utf8_lossy(&bytes), keys);
                    let form = RulesForm::Settings;
                    found.extend(text.map(|text| FirewallFile { path, form, text }));
                }
                Ok(None) => {}
                Err(error) => {
                    let reason = crate::owners::files::reason(&std::io::Error::from(error));
                    unclear.push(format!("read {path}: {reason}"));
                }
            }
        }
    }
    found
}

/// `interface-name=` and `zone=` of a profile that names a zone.
fn zone_of(text: &str, [interface, zone]: [&str; 2]) -> Option<String> {
    let value = |key: &str| {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix(key));
        let value = lines.filter_map(|rest| rest.trim_start().strip_prefix('=')).next_back()?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned())
    };
    let zone = value(zone).filter(|zone| !zone.is_empty())?;
    Some(format!("interface={}\nzone={zone}\n", value(interface).unwrap_or_default()))
}

/// Looks at arbitrary bytes.
pub(super) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    named(&text);
    zone_of(&text, ["interface-name", "zone"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_files() {
        let check = |text: &str, expect: &[(&str, &str)]| {
            let found = named(text);
            let found: Vec<_> = found.iter().map(|(sort, name)| (*sort, name.as_str())).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("<zone>\n  <service name=\"ssh\"/>\n</zone>", &[("services", "ssh")]);
        check("<rule><service name='http' /><accept/></rule>", &[("services", "http")]);
        check("<include service=\"b-c\"/>", &[("services", "b-c")]);
        check("<service>\n<port port=\"1\" protocol=\"tcp\"/></service>", &[]);
        check(
            "<source address=\"ipset:x\"/><source ipset=\"y\"/>",
            &[("ipsets", "x"), ("ipsets", "y")],
        );
        check("<source address=\"192.0.2.0/24\"/>", &[]);
        check("<service name=\"../../etc/shadow\"/><service name=\"\"/><service name=", &[]);
    }

    #[test]
    fn zones_of_profiles_without_their_secrets() {
        let keys = ["interface-name", "zone"];
        let text = "[connection]\nid=x\ninterface-name=eth0\nzone=work\n[wifi]\npsk=secret\n";
        assert_eq!(zone_of(text, keys).as_deref(), Some("interface=eth0\nzone=work\n"));
        assert_eq!(zone_of("[connection]\ninterface-name=eth0\nzone=\n", keys), None);
        let text = "DEVICE=\"eth1\"\nZONE=\"dmz\"\n";
        let keys = ["DEVICE", "ZONE"];
        assert_eq!(zone_of(text, keys).as_deref(), Some("interface=eth1\nzone=dmz\n"));
    }

    #[test]
    fn what_the_zones_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(find(&Tree::open(folder.path())), None);
        write("etc/firewalld/firewalld.conf", "DefaultZone=public\n");
        write("etc/firewalld/zones/public.xml", "<zone><service name=\"a\"/></zone>");
        write("usr/lib/firewalld/zones/public.xml", "<zone/>");
        write("usr/lib/firewalld/zones/work.xml", "<zone/>");
        write("usr/lib/firewalld/services/a.xml", "<service><include service=\"b\"/></service>");
        write("usr/lib/firewalld/services/b.xml", "<service><include service=\"a\"/></service>");
        write("usr/lib/firewalld/services/c.xml", "<service/>");
        let found = find(&Tree::open(folder.path())).unwrap();
        let paths: Vec<_> = found.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/etc/firewalld/firewalld.conf",
                "/etc/firewalld/zones/public.xml",
                "/usr/lib/firewalld/zones/work.xml",
                "/usr/lib/firewalld/services/a.xml",
                "/usr/lib/firewalld/services/b.xml",
            ]
        );
        assert_eq!(found.unclear, [""; 0]);
    }
}
