//! What else is hooked into the path of packets: BPF programs, modules.
//!
//! nfnetlink_hook.c tells every function that is called for IPv4 and IPv6 packets. Those of nftables,
//! iptables, connection tracking and translation are what the rest of this crate is about; some do
//! nothing to a packet's fate. Any other may do anything, and is named.

use std::sync::Arc;

use facts::Blob;

use crate::ir::{Note, Place};
use crate::nft::netlink::{Hooked, hooked};

/// Functions that are evaluated, or that never drop a packet that is whole, by how their names begin.
/// Sources: nf_tables' nft_chain_*.c; ip_tables.c, iptable_*.c and those of IPv6; nf_conntrack_proto.c;
/// nf_defrag_ipv4.c, nf_defrag_ipv6_hooks.c; nf_nat_proto.c; br_netfilter_hooks.c (lets bridged packets
/// pass only once); selinux/hooks.c, smack_netfilter.c and apparmor/lsm.c (act on labelled packets).
const KNOWN: [&str; 17] = [
    "nft_do_chain",
    "nft_nat_do_chain",
    "ipt_do_table",
    "ip6t_do_table",
    "iptable_",
    "ip6table_",
    "ipv4_conntrack_",
    "ipv6_conntrack_",
    "ipv4_confirm",
    "ipv6_confirm",
    "nf_confirm",
    "ipv6_defrag",
    "nf_nat_",
    "ip_sabotage_in",
    "selinux_ip",
    "smack_ip",
    "apparmor_ip",
];

/// What is hooked and not known.
pub(super) fn doubts(dump: &Blob) -> Vec<Note> {
    let place = || Place { file: Arc::from("netfilter hooks"), line: 0, handle: None };
    let mut notes = Vec::new();
    for found in hooked(&dump.0) {
        let what = match found {
            Ok(Hooked { function, .. }) if is_known(&function) => continue,
            Ok(Hooked { function, module, hook }) => {
                let of = module.map_or_else(String::new, |module| format!(" of module {module}"));
                let what = match function.as_str() {
                    "nf_hook_run_bpf" => "a BPF program".to_owned(),
                    "" => "a function without a name".to_owned(),
                    other => format!("the function {other}"),
                };
                format!("{what}{of} is hooked at {hook}")
            }
            Err(odd) => format!("what is hooked cannot be read: {odd}"),
        };
        let note = Note { place: place(), what };
        // Mostly the same for both families.
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

fn is_known(function: &str) -> bool {
    KNOWN.iter().any(|begin| function.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [length.to_le_bytes(), kind.to_le_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// A message as nfnl_hook_dump_one() writes it, on a little-endian machine.
    fn message(family: u8, hook: u32, function: &str, module: &str) -> Vec<u8> {
        let mut body = vec![family, 0, 0, 0];
        body.extend(attribute(1, &hook.to_be_bytes()));
        body.extend(attribute(2, &0_i32.to_be_bytes()));
        body.extend(attribute(4, format!("{function}\0").as_bytes()));
        if !module.is_empty() {
            body.extend(attribute(5, format!("{module}\0").as_bytes()));
        }
        let mut bytes = u32::try_from(body.len() + 16).unwrap().to_le_bytes().to_vec();
        bytes.extend((12_u16 << 8).to_le_bytes());
        bytes.extend([2, 0]);
        bytes.extend([0; 8]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn strangers_are_named() {
        let dump = [
            message(2, 0, "ipv4_conntrack_in", "nf_conntrack"),
            message(2, 1, "nft_do_chain_inet", "nf_tables"),
            message(2, 1, "nf_hook_run_bpf", ""),
            message(10, 1, "nf_hook_run_bpf", ""),
            message(2, 2, "ip_vs_in_hook", "ip_vs"),
        ]
        .concat();
        let notes: Vec<String> =
            doubts(&Blob(dump.clone())).into_iter().map(|note| note.what).collect();
        assert_eq!(
            notes,
            [
                "a BPF program is hooked at ipv4 input",
                "a BPF program is hooked at ipv6 input",
                "the function ip_vs_in_hook of module ip_vs is hooked at ipv4 forward",
            ]
        );
        for cut in 0..dump.len() {
            // Cut anywhere, it is not taken for less than it was.
            let _ = doubts(&Blob(dump[..cut].to_vec()));
        }
        assert_eq!(doubts(&Blob(dump[..90].to_vec())).len(), 1);
    }
}
