//! Names for user ids, from `/etc/passwd` only.
//!
//! No name service (NSS: LDAP, sssd, systemd-homed) is asked: that would load foreign libraries
//! into this process and may wait for a network that is just what is broken. A uid without a line
//! in the file stays a number.

use std::fs;

use facts::{Gap, Part, Uid, User};

/// The names of these users, sorted by uid. A uid that the file does not know is left out.
pub fn names(wanted: &[Uid]) -> Part<Vec<User>> {
    const PATH: &str = "/etc/passwd";
    match fs::read(PATH) {
        Ok(bytes) => Part::known(parse(&bytes, wanted)),
        Err(error) => Part::unreadable(Gap::new("names of users", format!("read {PATH}: {error}"))),
    }
}

/// Parses passwd(5) and keeps the wanted uids. Of two names for one uid the first counts, as in
/// getpwuid(3).
pub(crate) fn parse(bytes: &[u8], wanted: &[Uid]) -> Vec<User> {
    let mut users: Vec<User> = bytes.split(|byte| *byte == b'\n').filter_map(line).collect();
    users.retain(|user| wanted.contains(&user.uid));
    // A stable sort keeps the first of several names first.
    users.sort_by_key(|user| user.uid);
    users.dedup_by_key(|user| user.uid);
    users
}

/// `name:password:uid:…`
fn line(line: &[u8]) -> Option<User> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
    Some(User { uid: Uid(uid), name: String::from_utf8_lossy(name).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(passwd: &str, wanted: &[u32], expect: &str) {
        let wanted: Vec<Uid> = wanted.iter().copied().map(Uid).collect();
        let got: Vec<String> = parse(passwd.as_bytes(), &wanted)
            .into_iter()
            .map(|user| format!("{}={}", user.uid, user.name))
            .collect();
        assert_eq!(got.join(" "), expect, "{passwd:?}");
    }

    #[test]
    fn passwd() {
        let file = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\nweb:x:33:33::/:\n";
        check(file, &[33, 0], "0=root 33=web");
        check(file, &[1], "");
        check(
            "a:x:4294967295:1\nb:x:4294967296:1\n:x:7:7\nc:x\n#\n\n",
            &[u32::MAX, 7],
            "4294967295=a",
        );
        check("+::::::\n", &[0], "");
    }
}
