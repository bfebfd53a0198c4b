//! The host's own name and versions.

use std::fs;

use facts::Host;

use crate::iptables;

/// Reads `uname(2)` and os-release(5). Cannot fail: what is absent is left empty.
pub(crate) fn read() -> Host {
    let uname = rustix::system::uname();
    let os = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .and_then(|text| pretty_name(&text))
        .unwrap_or_default();
    Host {
        name: uname.nodename().to_string_lossy().into_owned(),
        os,
        kernel: uname.release().to_string_lossy().into_owned(),
        machine: uname.machine().to_string_lossy().into_owned(),
        iptables: iptables::backend("iptables"),
        ip6tables: iptables::backend("ip6tables"),
    }
}

/// `PRETTY_NAME` of an os-release file, which is shell syntax reduced to assignments with optional
/// quotes and backslash escapes (os-release(5)).
pub(crate) fn pretty_name(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?;
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    let mut name = String::with_capacity(unquoted.len());
    let mut chars = unquoted.chars();
    while let Some(c) = chars.next() {
        name.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretty_names() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(pretty_name(text).as_deref(), expect, "{text}");
        };
        check(
            "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
            Some("Debian GNU/Linux 12 (bookworm)"),
        );
        check("PRETTY_NAME='A \\\"B\\\"'", Some("A \"B\""));
        check("PRETTY_NAME=Plain", Some("Plain"));
        check("PRETTY_NAME=\"", Some("\""));
        check("NAME=x", None);
        check("", None);
    }
}
