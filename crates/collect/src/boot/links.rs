//! Network links that files of configuration make: for the sockets that the kernel holds for them.

use std::collections::BTreeSet;

use facts::ConfiguredLink;

use super::tree::Tree;

/// What the files of a folder name, and who reads them.
const FOLDERS: &[(&str, &[&str])] = &[
    ("/etc/systemd/network", &["systemd-networkd.service"]),
    ("/usr/lib/systemd/network", &["systemd-networkd.service"]),
    ("/etc/NetworkManager/system-connections", &["NetworkManager.service"]),
    ("/usr/lib/NetworkManager/system-connections", &["NetworkManager.service"]),
    ("/etc/netplan", &["systemd-networkd.service", "NetworkManager.service"]),
    ("/usr/lib/netplan", &["systemd-networkd.service", "NetworkManager.service"]),
    ("/etc/network/interfaces.d", &["networking.service"]),
    ("/etc/sysconfig/network-scripts", &["NetworkManager.service", "network.service"]),
];

/// The files that name one of these links.
pub(super) fn find(tree: &Tree, names: &BTreeSet<String>) -> Vec<ConfiguredLink> {
    let mut found = Vec::new();
    if names.is_empty() {
        return found;
    }
    let what = "configuration of network links";
    let mut look = |path: &str, by: &[&str]| {
        let Some(bytes) = tree.read(path, what) else { return };
        let text = String::from_utf8_lossy(&bytes);
        for name in names.iter().filter(|name| makes(&text, name)) {
            found.push(ConfiguredLink {
                name: name.clone(),
                by: by.iter().map(|unit| (*unit).to_owned()).collect(),
                source: path.to_owned(),
            });
        }
    };
    for (folder, by) in FOLDERS {
        for entry in tree.list(folder, what).unwrap_or_default() {
            look(&format!("{folder}/{}", entry.name), by);
        }
    }
    look("/etc/network/interfaces", &["networking.service"]);
    for name in names {
        let path = format!("/etc/wireguard/{name}.conf");
        if tree.exists(&path) == Some(true) {
            let by = vec![format!("wg-quick@{name}.service")];
            found.push(ConfiguredLink { name: name.clone(), by, source: path });
        }
    }
    found
}

/// Whether a file makes a link of this name, rather than only naming it: `Name=` of a `[NetDev]`,
/// `interface-name=` of a connection, `auto` or `iface` of ifupdown, a key of netplan, `DEVICE=`.
fn makes(text: &str, name: &str) -> bool {
    let mut section = "";
    text.lines().map(str::trim).filter(|line| !line.starts_with('#')).any(|line| {
        if line.starts_with('[') {
            section = line;
            return false;
        }
        let value = |key: &str| line.strip_prefix(key).is_some_and(|v| v.trim_matches('"') == name);
        let mut words = line.split_whitespace();
        let first = words.next();
        (section == "[NetDev]" && value("Name="))
            || value("interface-name=")
            || value("DEVICE=")
            || line.strip_suffix(':') == Some(name)
            || (matches!(first, Some("auto" | "allow-hotplug")) && words.any(|word| word == name))
    })
}

/// Parses arbitrary bytes.
pub(super) fn fuzz(bytes: &[u8]) {
    makes(&String::from_utf8_lossy(bytes), "eth0");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_make_a_link() {
        let check = |text: &str, expect: bool| assert_eq!(makes(text, "vx0"), expect, "{text}");
        check("[NetDev]\nName=vx0\nKind=vxlan", true);
        check("[Match]\nName=vx0", false);
        check("[connection]\ninterface-name=vx0", true);
        check("auto lo vx0", true);
        check("iface vx0 inet static", false);
        check("  tunnels:\n    vx0:\n      mode: vxlan", true);
        check("DEVICE=\"vx0\"", true);
        check("#auto vx0\nvx01:", false);
    }
}
