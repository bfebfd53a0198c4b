//! Whether the kernel has nf_tables, told without asking it.
//!
//! A question over nfnetlink makes the kernel load the module (nfnetlink.c, nfnetlink_rcv_msg).
//! Looking changes nothing where that can be helped.

use std::fs;
use std::io;

/// Whether the module is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is not loaded, and not a part of the kernel itself: there are no rules.
    Absent,
    /// It may be there.
    Perhaps,
}

impl Presence {
    /// Looks at the lists of modules.
    pub(super) fn look() -> Self {
        // Without this file the kernel knows no modules.
        let Ok(loaded) = fs::read("/proc/modules") else { return Self::Perhaps };
        if is_loaded(&loaded) {
            return Self::Perhaps;
        }
        let release = rustix::system::uname();
        let release = release.release().to_string_lossy();
        Self::of(&loaded, fs::read(format!("/lib/modules/{release}/modules.builtin")))
    }

    /// What the lists say: of loaded modules, and of those that are built in (kbuild's
    /// modules.builtin).
    fn of(loaded: &[u8], built_in: io::Result<Vec<u8>>) -> Self {
        match built_in {
            Ok(list) if !is_loaded(loaded) && !is_built_in(&list) => Self::Absent,
            // A container sees the host's kernel, and perhaps no list of what is built into it.
            _ => Self::Perhaps,
        }
    }

    pub(super) fn is_absent(self) -> bool {
        self == Self::Absent
    }
}

/// `name size uses ...` (kernel/module/procfs.c, m_show).
fn is_loaded(list: &[u8]) -> bool {
    list.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"nf_tables "))
}

/// `kernel/net/netfilter/nf_tables.ko`.
fn is_built_in(list: &[u8]) -> bool {
    list.split(|byte| *byte == b'\n').any(|line| line.ends_with(b"/nf_tables.ko"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_lists_without_it_prove_absence() {
        let check = |loaded: &str, built_in: Option<&str>, expect: Presence| {
            let built_in = built_in.map(|text| text.as_bytes().to_vec());
            let built_in = built_in.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
            assert_eq!(Presence::of(loaded.as_bytes(), built_in), expect, "{loaded}");
        };
        let others = "ip_tables 36864 0 - Live 0x0\nnf_tables_set 1 0 - Live 0x0\n";
        check(others, Some("kernel/net/netfilter/x_tables.ko\n"), Presence::Absent);
        check(others, Some("kernel/net/netfilter/nf_tables.ko\n"), Presence::Perhaps);
        check(others, None, Presence::Perhaps);
        check("nf_tables 300000 10 nft_ct, Live 0x0\n", Some(""), Presence::Perhaps);
    }
}
