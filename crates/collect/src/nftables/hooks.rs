//! Which functions the kernel calls for IPv4 and IPv6 packets, whoever hooked them: nftables,
//! iptables, conntrack, modules, BPF programs.

use facts::{Blob, Gap, Part, Remedy};
use rustix::io::Errno;

use super::{LineUp, nfgenmsg};
use crate::netlink::{Channel, Error, Family, Query};

/// `NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET` (linux/netfilter/nfnetlink_hook.h, Linux 5.14), which
/// is the type of answers too.
const NFNL_MSG_HOOK_GET: u16 = 12 << 8;
/// `NFNLA_HOOK_HOOKNUM`.
const NFNLA_HOOK_HOOKNUM: u16 = 1;
/// `NFPROTO_IPV4` and `NFPROTO_IPV6` (linux/netfilter.h). Per-device hooks are left out: nf_tables
/// alone uses them, and tells them itself.
const FAMILIES: [u8; 2] = [2, 10];
/// `NF_INET_NUMHOOKS`: prerouting, input, forward, output, postrouting.
const HOOKS: u32 = 5;

/// Reads them for the calling thread's network namespace; `label` names it in gaps.
pub(crate) fn read(label: &str) -> Part<Blob> {
    match Channel::open(Family::Netfilter).and_then(|mut channel| dump(&mut channel)) {
        Ok(bytes) => Part::known(Blob(bytes)),
        Err(error) => {
            let what = format!("what is hooked into the packet path of {label}");
            let gap = Gap::new(what, format!("nfnetlink: {error}")).minor();
            Part::unreadable(match error {
                _ if error.is_denied() => gap.remedied_by(Remedy::Root),
                Error::Interrupted { .. } => gap.remedied_by(Remedy::Retry),
                // CONFIG_NETFILTER_NETLINK_HOOK is not set, or the kernel is older.
                Error::Kernel(Errno::INVAL) | Error::Open(Errno::PROTONOSUPPORT) => {
                    Gap { why: "this kernel does not tell it (nfnetlink_hook)".to_owned(), ..gap }
                }
                _ => gap,
            })
        }
    }
}

fn dump(channel: &mut Channel) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for family in FAMILIES {
        for hook in 0..HOOKS {
            let query = Query::dump(NFNL_MSG_HOOK_GET, &nfgenmsg(family))
                .with(NFNLA_HOOK_HOOKNUM, &hook.to_be_bytes());
            let start = bytes.len();
            channel
                .run(query, &mut LineUp { kind: NFNL_MSG_HOOK_GET, start, bytes: &mut bytes })?;
        }
    }
    Ok(bytes)
}
