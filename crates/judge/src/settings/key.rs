//! Names of settings: as files write them, as the kernel's path, as people read them.

pub use facts::{setting_key as dotted, setting_path as path_of};

/// Whether a key is a pattern (systemd `src/basic/glob-util.c`, `GLOB_CHARS`).
pub(super) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Whether a pattern of glob(7) matches a path; `*` and `?` match no slash.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let (patterns, parts) = (pattern.split('/').count(), path.split('/').count());
    patterns == parts && pattern.split('/').zip(path.split('/')).all(|(p, t)| part_matches(p, t))
}

fn part_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Where to go on after a star: the pattern behind it, and the text it has eaten.
    let (mut p, mut t, mut retry) = (0_usize, 0_usize, None);
    while t < text.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                retry = Some((p.saturating_add(1), t));
                p = p.saturating_add(1);
                continue;
            }
            Some('?') => Some(1),
            Some('[') => text.get(t).and_then(|c| class(pattern.get(p..).unwrap_or_default(), *c)),
            Some(c) => (text.get(t) == Some(c)).then_some(1),
            None => None,
        };
        if let Some(step) = step {
            p = p.saturating_add(step);
            t = t.saturating_add(1);
        } else if let Some((after, eaten)) = retry {
            p = after;
            t = eaten.saturating_add(1);
            retry = Some((after, t));
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

/// The length of a class such as `[a-z]`, if it has the character.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let inside = pattern.get(1..)?;
    let negated = matches!(inside.first(), Some('!' | '^'));
    let from = usize::from(negated);
    // A bracket that comes first is one of the characters.
    let rest = inside.get(from.saturating_add(1)..)?;
    let end = rest.iter().position(|c| *c == ']')?.saturating_add(from).saturating_add(1);
    let members = inside.get(from..end)?;
    let mut has = false;
    let mut at = 0_usize;
    while let Some(first) = members.get(at) {
        let dash = members.get(at.saturating_add(1)) == Some(&'-');
        if let Some(last) = members.get(at.saturating_add(2)).filter(|_| dash) {
            has |= (*first..=*last).contains(&c);
            at = at.saturating_add(3);
        } else {
            has |= *first == c;
            at = at.saturating_add(1);
        }
    }
    (has != negated).then_some(end.saturating_add(2))
}

/// A setting of an interface, of all of them, or of those to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfLink<'k> {
    /// Whether it is of IPv6.
    pub ipv6: bool,
    /// The interface; `all`, `default`.
    pub link: &'k str,
    /// The setting.
    pub name: &'k str,
}

/// The parts of `net/ipv4/conf/LINK/NAME`.
pub fn of_link(path: &str) -> Option<OfLink<'_>> {
    let (ipv6, rest) = match path.strip_prefix("net/ipv4/conf/") {
        Some(rest) => (false, rest),
        None => (true, path.strip_prefix("net/ipv6/conf/")?),
    };
    let (link, name) = rest.split_once('/')?;
    (!name.contains('/')).then_some(OfLink { ipv6, link, name })
}

/// Whether two values mean the same to the kernel: numbers by their value, lists by their parts.
pub(super) fn same_value(a: &str, b: &str) -> bool {
    fn number(text: &str) -> Option<i64> {
        match text.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
    }
    let mut both = (a.split_whitespace(), b.split_whitespace());
    loop {
        match (both.0.next(), both.1.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) if number(a).is_some() && number(a) == number(b) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let check = |key: &str, path: &str, people: &str| {
            assert_eq!(path_of(key), path);
            assert_eq!(dotted(path), people);
        };
        check("net.ipv4.ip_forward", "net/ipv4/ip_forward", "net.ipv4.ip_forward");
        check("net/ipv4/ip_forward", "net/ipv4/ip_forward", "net.ipv4.ip_forward");
        let vlan = "net/ipv4/conf/eth0.100/rp_filter";
        check("net.ipv4.conf.eth0/100.rp_filter", vlan, "net.ipv4.conf.eth0/100.rp_filter");
        check(vlan, vlan, "net.ipv4.conf.eth0/100.rp_filter");
        assert_eq!(path_of("/proc/sys/net/a"), "net/a");
        assert_eq!(path_of("//net//a"), "net/a");
    }

    #[test]
    fn patterns() {
        let check = |pattern: &str, path: &str, expect| {
            assert_eq!(matches(pattern, path), expect, "{pattern} {path}");
        };
        check("net/ipv4/conf/*/rp_filter", "net/ipv4/conf/eth0.1/rp_filter", true);
        check("net/ipv4/conf/*/rp_filter", "net/ipv4/conf/a/b/rp_filter", false);
        check("a/e*0", "a/eth0", true);
        check("a/e*0", "a/eth01", false);
        check("a/eth?", "a/eth1", true);
        check("a/eth[0-3]", "a/eth2", true);
        check("a/eth[!0-3]", "a/eth2", false);
        check("a/eth[", "a/eth[", false);
        check("a/**", "a/", true);
        check("a/*a*b", "a/xaxxb", true);
    }

    #[test]
    fn values() {
        let check = |a, b, expect| assert_eq!(same_value(a, b), expect, "{a} {b}");
        check("32768\t60999", "32768 60999", true);
        check("0x10", "16", true);
        check("1", "01", true);
        check("1", "1 2", false);
        check("", "", true);
        check("a", "b", false);
    }
}
