//! Where the members of kernel structures are that the programs read.

use super::btf::{Btf, BtfError};

/// Offsets in bytes, and the ids of the functions that the programs attach to. Each field is called
/// as the structure and the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the kernel")]
pub(super) struct Layout {
    pub(super) task_pid: i16,
    pub(super) task_tgid: i16,
    pub(super) task_real_parent: i16,
    pub(super) task_real_cred: i16,
    pub(super) task_start_boottime: i16,
    pub(super) task_comm: i16,
    pub(super) task_nsproxy: i16,
    pub(super) task_cgroups: i16,
    pub(super) cred_euid: i16,
    pub(super) nsproxy_net_ns: i16,
    pub(super) net_ns_inum: i16,
    pub(super) css_set_dfl_cgrp: i16,
    pub(super) cgroup_kn: i16,
    pub(super) kernfs_node_id: i16,
    pub(super) file_f_inode: i16,
    pub(super) inode_i_ino: i16,
    pub(super) socket_state: i16,
    pub(super) socket_type: i16,
    pub(super) socket_sk: i16,
    pub(super) sock_family: i16,
    pub(super) sock_state: i16,
    pub(super) sock_net: i16,
    /// The id of the function `bpf_iter_task`, which stands for the iterator.
    pub(super) bpf_iter_task: u32,
    /// The id of `bpf_iter_task_file`.
    pub(super) bpf_iter_task_file: u32,
    /// The id of the structure `task_struct`.
    pub(super) task_struct: u32,
    /// The id of `bpf_rdonly_cast` (kernel 6.2), where there is one.
    pub(super) bpf_rdonly_cast: Option<u32>,
}

impl Layout {
    /// Looks everything up in the kernel's BTF.
    pub(super) fn of(btf: Btf<'_>) -> Result<Self, BtfError> {
        const STRUCTS: &[&str] = &[
            "task_struct",
            "cred",
            "nsproxy",
            "net",
            "ns_common",
            "css_set",
            "cgroup",
            "kernfs_node",
            "file",
            "inode",
            "socket",
            "sock",
            "sock_common",
        ];
        let found =
            btf.search(STRUCTS, &["bpf_iter_task", "bpf_iter_task_file", "bpf_rdonly_cast"]);
        let at = |structure, member| found.offset(structure, member);
        let common = at("sock", "__sk_common")?;
        let in_common =
            |member| at("sock_common", member).map(|offset| common.saturating_add(offset));
        Ok(Self {
            task_pid: at("task_struct", "pid")?,
            task_tgid: at("task_struct", "tgid")?,
            task_real_parent: at("task_struct", "real_parent")?,
            task_real_cred: at("task_struct", "real_cred")?,
            task_start_boottime: at("task_struct", "start_boottime")?,
            task_comm: at("task_struct", "comm")?,
            task_nsproxy: at("task_struct", "nsproxy")?,
            task_cgroups: at("task_struct", "cgroups")?,
            cred_euid: at("cred", "euid")?,
            nsproxy_net_ns: at("nsproxy", "net_ns")?,
            net_ns_inum: at("net", "ns")?.saturating_add(at("ns_common", "inum")?),
            css_set_dfl_cgrp: at("css_set", "dfl_cgrp")?,
            cgroup_kn: at("cgroup", "kn")?,
            kernfs_node_id: at("kernfs_node", "id")?,
            file_f_inode: at("file", "f_inode")?,
            inode_i_ino: at("inode", "i_ino")?,
            socket_state: at("socket", "state")?,
            socket_type: at("socket", "type")?,
            socket_sk: at("socket", "sk")?,
            sock_family: in_common("skc_family")?,
            sock_state: in_common("skc_state")?,
            // possible_net_t: a structure with the pointer as its only member.
            sock_net: in_common("skc_net")?,
            bpf_iter_task: found.function("bpf_iter_task")?,
            bpf_iter_task_file: found.function("bpf_iter_task_file")?,
            task_struct: found.structure("task_struct")?,
            bpf_rdonly_cast: found.function("bpf_rdonly_cast").ok(),
        })
    }

    /// A made-up layout in which every offset is another, for the listing that stands beside the
    /// source.
    pub(super) const REFERENCE: Self = Self {
        task_pid: 0x100,
        task_tgid: 0x104,
        task_real_parent: 0x110,
        task_real_cred: 0x118,
        task_start_boottime: 0x120,
        task_comm: 0x130,
        task_nsproxy: 0x140,
        task_cgroups: 0x148,
        cred_euid: 0x18,
        nsproxy_net_ns: 0x28,
        net_ns_inum: 0x90,
        css_set_dfl_cgrp: 0x70,
        cgroup_kn: 0x78,
        kernfs_node_id: 0x60,
        file_f_inode: 0x20,
        inode_i_ino: 0x40,
        socket_state: 0x54,
        socket_type: 0x58,
        socket_sk: 0x50,
        sock_family: 0x10,
        sock_state: 0x12,
        sock_net: 0x30,
        bpf_iter_task: 1,
        bpf_iter_task_file: 2,
        task_struct: 3,
        bpf_rdonly_cast: Some(4),
    };
}
