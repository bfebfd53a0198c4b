//! Network file systems: `/proc/1/mountinfo` (proc_pid_mountinfo(5)), fstab(5), and mount units
//! (systemd.mount(5)).

use std::path::Path;

use facts::{Answer, Format, Gap, Key, NetworkMount, Part, Place, Remedy};

use super::{below, config, lines, settings, shown};
use crate::mountinfo;

/// The types of file systems that are of a network.
const KINDS: &[&str] = &["nfs", "nfs4", "cifs", "smb3", "smbfs"];

/// The options that name the version of the protocol (nfs(5), mount.cifs(8)).
const VERSION: &[&str] = &["vers", "nfsvers"];

/// Where mount units of the administrator and of generators are.
const UNITS: &[&str] = &["/etc/systemd/system/*.mount", "/run/systemd/system/*.mount"];

/// Reads all of them.
pub(super) fn read(root: &Path) -> Part<Answer> {
    let mut gaps = Vec::new();
    let mut found = mounted(root, &mut gaps);
    let path = below(root, "/etc/fstab");
    match config(&path) {
        Ok(bytes) => found.extend(fstab(&bytes.unwrap_or_default(), "/etc/fstab")),
        Err(error) => gaps.push(error.gap("network file systems in fstab")),
    }
    found.extend(units(root, &mut gaps));
    if below(root, "/etc/auto.master").exists() {
        let why = "/etc/auto.master: the maps of automount are not read";
        gaps.push(Gap::new("network file systems of automount", why));
    }
    Part::with_gaps(Answer::Mounts { found }, gaps)
}

/// What is mounted now: in the mount namespace of pid 1, or else in ours.
fn mounted(root: &Path, gaps: &mut Vec<Gap>) -> Vec<NetworkMount> {
    let first = below(root, "/proc/1/mountinfo");
    let read = std::fs::read(&first).map(|bytes| (bytes, "/proc/1/mountinfo"));
    let own = || std::fs::read(below(root, "/proc/self/mountinfo"));
    match read.or_else(|_| own().map(|bytes| (bytes, "/proc/self/mountinfo"))) {
        Ok((bytes, file)) => of_kernel(&bytes, file),
        Err(error) => {
            let why = format!("read /proc/self/mountinfo: {}", super::files::reason(&error));
            gaps.push(Gap::new("mounted network file systems", why).remedied_by(Remedy::Root));
            Vec::new()
        }
    }
}

/// The network file systems among the kernel's mounts.
fn of_kernel(bytes: &[u8], file: &str) -> Vec<NetworkMount> {
    let numbered = (1_u32..).zip(bytes.split(|byte| *byte == b'\n'));
    let mut found = Vec::new();
    for (line, text) in numbered {
        for mount in mountinfo::parse(text).into_iter().filter(|m| is_network(&m.kind)) {
            let version = VERSION.iter().find_map(|name| mount.option(name)).map(str::to_owned);
            found.push(NetworkMount {
                at: Place { file: file.to_owned(), line },
                what: mount.source,
                version: version.or_else(|| (mount.kind == "nfs4").then(|| "4".to_owned())),
                kind: mount.kind,
                point: mount.point,
                mounted: true,
            });
        }
    }
    found
}

/// What fstab(5) would mount: `what point type options`, blanks written as `\040`.
pub(super) fn fstab(bytes: &[u8], file: &str) -> Vec<NetworkMount> {
    let mut found = Vec::new();
    for (line, text) in lines(bytes) {
        let mut fields = text.split_ascii_whitespace();
        let (Some(what), Some(point), Some(kind)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if what.starts_with('#') || !is_network(kind) {
            continue;
        }
        found.push(NetworkMount {
            at: Place { file: file.to_owned(), line },
            kind: kind.to_owned(),
            what: what.to_owned(),
            point: point.to_owned(),
            version: version(kind, fields.next().unwrap_or_default()),
            mounted: false,
        });
    }
    found
}

/// What mount units would mount.
fn units(root: &Path, gaps: &mut Vec<Gap>) -> Vec<NetworkMount> {
    let mut found = Vec::new();
    for path in settings::expand(root, UNITS) {
        let bytes = match config(&path) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(error) => {
                gaps.push(error.gap("network file systems of mount units"));
                continue;
            }
        };
        let of = |key: &str| {
            let wanted = Key {
                files: Vec::new(),
                format: Format::Ini,
                section: "Mount".to_owned(),
                key: key.to_owned(),
            };
            super::formats::values(&bytes, &wanted).pop()
        };
        let Some(kind) = of("Type").filter(|kind| is_network(&kind.text)) else { continue };
        found.push(NetworkMount {
            at: Place { file: shown(&path), line: kind.line },
            what: of("What").map(|v| v.text).unwrap_or_default(),
            point: of("Where").map(|v| v.text).unwrap_or_default(),
            version: version(&kind.text, &of("Options").map(|v| v.text).unwrap_or_default()),
            kind: kind.text,
            mounted: false,
        });
    }
    found
}

fn is_network(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// The version that options ask for.
fn version(kind: &str, options: &str) -> Option<String> {
    let named = options.split(',').find_map(|option| {
        let (name, value) = option.split_once('=')?;
        VERSION.contains(&name).then(|| value.to_owned())
    });
    named.or_else(|| (kind == "nfs4").then(|| "4".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fstab_lines() {
        let check = |text: &str, expect: &[(u32, &str, Option<&str>)]| {
            let found = fstab(text.as_bytes(), "f");
            let got: Vec<_> =
                found.iter().map(|m| (m.at.line, m.what.as_str(), m.version.as_deref())).collect();
            assert_eq!(got, expect, "{text}");
        };
        check("UUID=1 / ext4 defaults 0 1\n", &[]);
        check("# nas:/x /y nfs\nnas:/x /y nfs\n", &[(2, "nas:/x", None)]);
        check("nas:/x /y nfs ro,vers=3,nolock 0 0", &[(1, "nas:/x", Some("3"))]);
        check("nas:/x\t/y\tnfs4\tdefaults", &[(1, "nas:/x", Some("4"))]);
        check("nas:/x /y nfs nfsvers=4.1", &[(1, "nas:/x", Some("4.1"))]);
        check("nas:/x /y", &[]);
    }

    #[test]
    fn mounted_ones() {
        let text = b"36 35 98:0 / / rw shared:1 - ext4 /dev/sda1 rw\n\
            37 36 0:50 / /srv rw shared:2 - nfs nas:/x rw,vers=3,addr=192.0.2.1\n\
            38 36 0:51 / /home rw - nfs4 nas:/home rw,vers=4.2\n";
        let found = of_kernel(text, "m");
        let got: Vec<_> = found
            .iter()
            .map(|m| (m.at.line, m.what.as_str(), m.point.as_str(), m.version.as_deref()))
            .collect();
        let expect = [(2, "nas:/x", "/srv", Some("3")), (3, "nas:/home", "/home", Some("4.2"))];
        assert_eq!(got, expect);
    }
}
