//! What makes systemd start a unit because something happens: a name on the message bus, a device, a
//! mount.

use facts::{Starter, StarterKind};

use super::super::tree::Tree;

/// The folders of services that the system bus can start (dbus-daemon(1), `standard_system_servicedirs`).
const SERVICES: [&str; 4] = [
    "/etc/dbus-1/system-services",
    "/run/dbus-1/system-services",
    "/usr/local/share/dbus-1/system-services",
    "/usr/share/dbus-1/system-services",
];

/// The units of the message bus.
const BUSES: &[&str] = &["dbus.service", "dbus-broker.service", "dbus.socket"];

/// Looks at all of them.
pub(super) fn find(tree: &Tree, found: &mut Vec<Starter>) {
    let what = "services of the message bus";
    for folder in SERVICES {
        for entry in tree.list(folder, what).unwrap_or_default() {
            let path = format!("{folder}/{}", entry.name);
            if let Some(bytes) = tree.read(&path, what) {
                service(&String::from_utf8_lossy(&bytes), &path, found);
            }
        }
    }
    for folder in ["/etc/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d"] {
        for entry in tree.list(folder, "rules of udev").unwrap_or_default() {
            let path = format!("{folder}/{}", entry.name);
            let Some(bytes) = tree.read(&path, "rules of udev") else { continue };
            if memchr::memmem::find(&bytes, b"SYSTEMD_WANTS").is_some() {
                rules(&String::from_utf8_lossy(&bytes), &path, found);
            }
        }
    }
    if let Some(bytes) = tree.read("/etc/fstab", "mounts") {
        mounts(&String::from_utf8_lossy(&bytes), "/etc/fstab", found);
    }
}

fn starter(kind: StarterKind, names: &str, source: String, through: &[&str]) -> Starter {
    Starter {
        kind,
        names: names.to_owned(),
        ports: Vec::new(),
        source,
        through: through.iter().map(|unit| (*unit).to_owned()).collect(),
    }
}

/// The unit of a service of the bus.
pub(super) fn service(text: &str, path: &str, found: &mut Vec<Starter>) {
    let unit = text.lines().find_map(|line| line.trim().strip_prefix("SystemdService="));
    if let Some(unit) = unit.map(str::trim).filter(|unit| !unit.is_empty()) {
        found.push(starter(StarterKind::Bus, unit, path.to_owned(), BUSES));
    }
}

/// The units that rules of udev want (`ENV{SYSTEMD_WANTS}+="bluetooth.target"`).
pub(super) fn rules(text: &str, path: &str, found: &mut Vec<Starter>) {
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with('#') {
            continue;
        }
        for part in line.split("SYSTEMD_WANTS}").skip(1) {
            let value = part.trim_start_matches(['+', ':', '=', ' ']);
            let Some(value) = value.strip_prefix('"').and_then(|v| v.split('"').next()) else {
                continue;
            };
            for unit in value.split_whitespace() {
                let source = format!("{path}:{}", at.saturating_add(1));
                found.push(starter(StarterKind::Udev, unit, source, &["systemd-udevd.service"]));
            }
        }
    }
}

/// Mounts of NFS before version 4: their helper starts rpc.statd (nfs-utils
/// `utils/mount/network.c`, `start_statd`).
pub(super) fn mounts(text: &str, path: &str, found: &mut Vec<Starter>) {
    for (at, line) in text.lines().enumerate() {
        let mut fields = line.split_whitespace();
        let (Some(what), _, Some("nfs"), Some(options)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let has = |wanted: &str| options.split(',').any(|option| option == wanted);
        let version = options.split(',').find_map(|option| {
            option.strip_prefix("vers=").or_else(|| option.strip_prefix("nfsvers="))
        });
        let by_hand = has("noauto") && !has("x-systemd.automount");
        if what.starts_with('#') || by_hand || has("nolock") {
            continue;
        }
        if version.is_some_and(|version| version.starts_with('4')) {
            continue;
        }
        let source = format!("{path}:{}", at.saturating_add(1));
        found.push(starter(StarterKind::Mount, "rpc-statd.service", source, &["remote-fs.target"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_they_start() {
        let check = |parse: fn(&str, &str, &mut Vec<Starter>), text: &str, expect: &[&str]| {
            let mut found = Vec::new();
            parse(text, "f", &mut found);
            let got: Vec<String> =
                found.iter().map(|s| format!("{} {}", s.names, s.source)).collect();
            assert_eq!(got, expect, "{text}");
        };
        check(service, "[D-BUS Service]\nName=a.b\nSystemdService=x.service\n", &["x.service f"]);
        check(service, "[D-BUS Service]\nExec=/bin/false\n", &[]);
        check(
            rules,
            "#SYSTEMD_WANTS}=\"a.service\"\nX, ENV{SYSTEMD_WANTS}+=\"b.service c.target\"",
            &["b.service f:2", "c.target f:2"],
        );
        check(rules, "SYSTEMD_WANTS}SYSTEMD_WANTS}=\"", &[]);
        check(
            mounts,
            "# x\nh:/a /a nfs defaults 0 0\nh:/b /b nfs vers=4.2\nh:/c /c nfs4 ro",
            &["rpc-statd.service f:2"],
        );
        check(
            mounts,
            "h:/a /a nfs noauto\nh:/a /a nfs noauto,x-systemd.automount",
            &["rpc-statd.service f:2"],
        );
    }
}
