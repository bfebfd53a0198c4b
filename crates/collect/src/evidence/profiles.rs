//! NetworkManager's profiles: keyfiles (nm-settings-keyfile(5)), and where they are active.

use std::path::Path;

use facts::{Answer, Format, IfIndex, Key, Part, Place, Profile, Snapshot};

use super::{below, config, formats, settings, shown};
use crate::owners::files;

/// Where NetworkManager reads them (NetworkManager.conf(5), `path` of `[keyfile]`); of two with one
/// uuid the first counts.
const FILES: &[&str] = &[
    "/etc/NetworkManager/system-connections/*",
    "/run/NetworkManager/system-connections/*",
    "/usr/lib/NetworkManager/system-connections/*",
];

/// One file for each interface it knows, by index (NetworkManager `src/core/nm-config.c`,
/// `nm_config_device_state_write`).
const DEVICES: &str = "/run/NetworkManager/devices";

/// Reads all of them. Of each file only a few keys are kept: others are passwords.
pub(super) fn read(root: &Path, snapshot: &Snapshot) -> Part<Answer> {
    let (mut found, mut gaps) = (Vec::<Profile>::new(), Vec::new());
    for path in settings::expand(root, FILES) {
        match config(&path) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let profile = parse(&bytes, &shown(&path));
                if !found.iter().any(|known| known.uuid == profile.uuid) {
                    found.push(profile);
                }
            }
            Err(error) => gaps.push(error.gap("profiles of NetworkManager")),
        }
    }
    for (index, uuid) in active(root, &mut gaps) {
        let name = snapshot.namespaces.items().iter().filter(|n| n.host || n.own).find_map(|n| {
            Some(n.links.items().iter().find(|link| link.index == index)?.name.clone())
        });
        let name = name.unwrap_or_else(|| format!("if{index}"));
        if let Some(profile) = found.iter_mut().find(|profile| profile.uuid == uuid) {
            profile.active_on.push(name);
        }
    }
    gaps.dedup();
    Part::with_gaps(Answer::Profiles { found }, gaps)
}

/// What a keyfile says.
pub(super) fn parse(bytes: &[u8], file: &str) -> Profile {
    let value = |section: &str, key: &str| value(bytes, section, key);
    Profile {
        at: Place { file: file.to_owned(), line: 0 },
        id: value("connection", "id"),
        uuid: value("connection", "uuid"),
        interface: value("connection", "interface-name"),
        ipv4: value("ipv4", "method"),
        ipv6: value("ipv6", "method"),
        active_on: Vec::new(),
    }
}

/// The last value of a key; empty if there is none.
fn value(bytes: &[u8], section: &str, key: &str) -> String {
    let wanted = Key {
        files: Vec::new(),
        format: Format::Ini,
        section: section.to_owned(),
        key: key.to_owned(),
    };
    formats::values(bytes, &wanted).pop().map(|value| value.text).unwrap_or_default()
}

/// Which profile is active on which interface.
fn active(root: &Path, gaps: &mut Vec<facts::Gap>) -> Vec<(IfIndex, String)> {
    let folder = below(root, DEVICES);
    let names = match files::list(&folder) {
        Ok(names) => names.unwrap_or_default(),
        Err(error) => {
            gaps.push(error.gap("active profiles of NetworkManager"));
            Vec::new()
        }
    };
    let mut found = Vec::new();
    for name in names {
        let Some(index) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        match config(&folder.join(&name)) {
            Ok(bytes) => {
                let uuid = value(&bytes.unwrap_or_default(), "device", "connection-uuid");
                found.extend((!uuid.is_empty()).then_some((IfIndex(index), uuid)));
            }
            Err(error) => gaps.push(error.gap("active profiles of NetworkManager")),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_its_secrets() {
        let text = b"[connection]\nid=Home\nuuid=1-2\ntype=wifi\ninterface-name=wlan0\n\
            [wifi-security]\npsk=secret\n[ipv4]\nmethod=auto\n[ipv6]\naddr-gen-mode=default\n\
            method=auto\n";
        let profile = parse(text, "f");
        assert_eq!((profile.id.as_str(), profile.ipv6.as_str()), ("Home", "auto"));
        assert_eq!((profile.uuid.as_str(), profile.interface.as_str()), ("1-2", "wlan0"));
        assert!(!format!("{profile:?}").contains("secret"));
    }
}
