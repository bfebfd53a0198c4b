//! `/proc/thread-self/mountinfo` (proc_pid_mountinfo(5)): what is mounted where, in our mount namespace.

use std::fs;
use std::io;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The directory of the file system that is mounted: `/`, or a part of it in a container.
    pub(crate) root: String,
    /// Where it is mounted.
    pub(crate) point: String,
    /// The type of the file system: `proc`, `cgroup2`.
    pub(crate) kind: String,
    /// What is mounted: a device, or `nas:/home`.
    pub(crate) source: String,
    /// The options of the file system (not of the mount), as `name` or `name=value`.
    pub(crate) options: Vec<String>,
}

impl Mount {
    /// The value of an option; empty for an option without one.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find_map(|option| match option.split_once('=') {
            Some((key, value)) => (key == name).then_some(value),
            None => (option == name).then_some(""),
        })
    }
}

/// The file. Not `/proc/self`: that is the first thread, which may be in another mount namespace.
pub(crate) const PATH: &str = "/proc/thread-self/mountinfo";

/// Reads the mounts of our own mount namespace, in the order in which they were made.
///
/// # Errors
/// What reading the file gives.
pub(crate) fn read() -> io::Result<Vec<Mount>> {
    fs::read(PATH).map(|bytes| parse(&bytes))
}

/// The mount that is seen at exactly this path: the last one made there hides the others.
pub(crate) fn at<'a>(mounts: &'a [Mount], point: &str) -> Option<&'a Mount> {
    mounts.iter().rev().find(|mount| mount.point == point)
}

/// Parses the file. Lines that are not mounts are skipped: the kernel writes none.
pub(crate) fn parse(bytes: &[u8]) -> Vec<Mount> {
    bytes.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue`. The optional
/// fields before the dash may be none or several.
fn line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    fields.find(|field| *field == b"-")?;
    let kind = fields.next()?;
    let source = fields.next().unwrap_or_default();
    let options = fields.next().unwrap_or_default();
    Some(Mount {
        root: unescape(root),
        point: unescape(point),
        kind: unescape(kind),
        source: unescape(source),
        options: options.split(|byte| *byte == b',').map(unescape).collect(),
    })
}

/// Undoes `\NNN`, by which the kernel writes space, tab, newline and backslash
/// (`fs/proc_namespace.c`, `mangle`).
fn unescape(field: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        match tail.split_first_chunk::<3>() {
            Some((digits, after)) if first == b'\\' && octal(*digits).is_some() => {
                bytes.extend(octal(*digits));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Three octal digits as a byte.
fn octal(digits: [u8; 3]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value.checked_mul(8)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a line against `root point kind option,option`, or `-` for a line that is no mount.
    fn check(line: &str, expect: &str) {
        let got = match parse(line.as_bytes()).as_slice() {
            [] => "-".to_owned(),
            [m] => format!("{} {} {} {}", m.root, m.point, m.kind, m.options.join(",")),
            more => panic!("{more:?}"),
        };
        assert_eq!(got, expect, "{line:?}");
    }

    #[test]
    fn lines() {
        check(
            "22 27 0:21 / /proc rw,relatime - proc proc rw,hidepid=invisible",
            "/ /proc proc rw,hidepid=invisible",
        );
        check("41 31 0:38 / /a\\040b rw - cgroup2 cgroup2 rw", "/ /a b cgroup2 rw");
        check("1 2 0:3 /x\\134y /p rw shared:1 master:2 - ext4 /dev/a rw", "/x\\y /p ext4 rw");
        check("1 2 0:3 / /p rw - tmpfs none", "/ /p tmpfs ");
        check("1 2 0:3 / /p\\9 rw - t n o", "/ /p\\9 t o");
        check("", "-");
        check("1 2 3", "-");
        check("1 2 0:3 / /p rw no dash", "-");
    }

    #[test]
    fn options_and_hidden_mounts() {
        let mounts = parse(
            b"1 0 0:1 / /proc rw - proc proc rw,gid=5,hidepid=2\n2 0 0:2 / /proc rw - tmpfs t rw\n",
        );
        assert_eq!(mounts[0].option("hidepid"), Some("2"));
        assert_eq!(mounts[0].option("rw"), Some(""));
        assert_eq!(mounts[0].option("hide"), None);
        assert_eq!(at(&mounts, "/proc").map(|m| m.kind.as_str()), Some("tmpfs"));
        assert_eq!(at(&mounts, "/sys"), None);
    }
}
