//! What the packet means to this host: its sockets, processes, processors.

use crate::iptables::extension::Opt;
use crate::ir::Family;
use crate::xt::options::{Options, dashed, network};
use crate::xt::reader::Reader;

/// `struct xt_owner_match_info`: XT_OWNER_UID, _GID, _SOCKET and _SUPPL_GROUPS.
pub(super) fn owner(mut reader: Reader<'_>) -> Option<Options> {
    let (user, group) = ((reader.u32()?, reader.u32()?), (reader.u32()?, reader.u32()?));
    let (wanted, inverse) = (reader.u8()?, reader.u8()?);
    if (wanted | inverse) & !0x0f != 0 || inverse & !wanted != 0 {
        return None;
    }
    let negated = |bit: u8| inverse & bit != 0;
    let mut list = Options::new();
    list.extend((wanted & 4 != 0).then(|| Opt::bare("--socket-exists").negate_if(negated(4))));
    if wanted & 1 != 0 {
        list.push(Opt::new("--uid-owner", dashed(user.0, user.1)).negate_if(negated(1)));
    }
    if wanted & 2 != 0 {
        list.push(Opt::new("--gid-owner", dashed(group.0, group.1)).negate_if(negated(2)));
    }
    list.extend((wanted & 8 != 0).then(|| Opt::bare("--suppl-groups")));
    Some(list)
}

/// `struct xt_socket_mtinfo1`, `2` and `3`: each revision knows one flag more.
pub(super) fn socket(mut reader: Reader<'_>, revision: u8) -> Option<Options> {
    let flags = reader.u8()?;
    let table = [(1, "--transparent"), (2, "--nowildcard"), (4, "--restore-skmark")];
    let known = (1_u8 << revision) - 1;
    let set = |(bit, name): (u8, &str)| (flags & bit != 0).then(|| Opt::bare(name));
    (flags & !known == 0).then(|| table.into_iter().filter_map(set).collect())
}

/// `struct xt_cgroup_info_v0`, `_v1` and `_v2`.
pub(super) fn cgroup(data: &[u8], revision: u8) -> Option<Options> {
    if revision == 0 {
        let mut reader = Reader::new(data, 8)?;
        let (class, inverse) = (reader.u32()?, reader.u32()?);
        return Some(vec![Opt::new("--cgroup", class).negate_if(inverse != 0)]);
    }
    let (size, path_size) = if revision == 1 { (4112, 4096) } else { (528, 512) };
    let mut reader = Reader::new(data, size)?;
    let (has_path, has_class) = (reader.u8()?, reader.u8()?);
    let (not_path, not_class) = (reader.u8()?, reader.u8()?);
    match (has_path != 0, has_class != 0) {
        (true, false) => {
            let path = reader.text(path_size)?;
            Some(vec![Opt::new("--path", path).negate_if(not_path != 0)])
        }
        (false, true) => {
            // The second keeps both in one place.
            reader.seek(if revision == 1 { 4 + path_size } else { 4 });
            Some(vec![Opt::new("--cgroup", reader.u32()?).negate_if(not_class != 0)])
        }
        _ => None,
    }
}

/// `struct xt_cpu_info`.
pub(super) fn cpu(mut reader: Reader<'_>) -> Option<Options> {
    let (cpu, inverse) = (reader.u32()?, reader.u32()?);
    Some(vec![Opt::new("--cpu", cpu).negate_if(inverse != 0)])
}

/// `struct xt_cluster_match_info`: XT_CLUSTER_F_INV.
pub(super) fn cluster(mut reader: Reader<'_>) -> Option<Options> {
    let (total, mask) = (reader.u32()?, reader.u32()?);
    let (seed, flags) = (reader.u32()?, reader.u32()?);
    if flags > 1 {
        return None;
    }
    Some(vec![
        Opt::new("--cluster-local-nodemask", format!("{mask:#010x}")).negate_if(flags == 1),
        Opt::new("--cluster-total-nodes", total),
        Opt::new("--cluster-hash-seed", format!("{seed:#010x}")),
    ])
}

/// `struct nf_osf_info`: NF_OSF_GENRE, _TTL, _LOG and _INVERT.
pub(super) fn fingerprint(mut reader: Reader<'_>) -> Option<Options> {
    let genre = reader.text(32)?;
    let (_length, flags) = (reader.u32()?, reader.u32()?);
    let (level, ttl) = (reader.u32()?, reader.u32()?);
    if flags & !0x0f != 0 {
        return None;
    }
    let mut list = vec![Opt::new("--genre", genre).negate_if(flags & 8 != 0)];
    list.extend((flags & 2 != 0).then(|| Opt::new("--ttl", ttl)));
    list.extend((flags & 4 != 0).then(|| Opt::new("--log", level)));
    Some(list)
}

/// `struct xt_ipvs_mtinfo`: XT_IPVS_*.
pub(super) fn virtual_server(mut reader: Reader<'_>, family: Family) -> Option<Options> {
    let (address, mask) = (reader.address(family)?, reader.address(family)?);
    let (port, protocol) = (reader.be16()?, reader.u8()?);
    let method = match reader.u8()? {
        0 => "MASQ",
        2 => "IPIP",
        3 => "GATE",
        _ => "other",
    };
    let control = reader.be16()?;
    let (inverse, wanted) = (reader.u8()?, reader.u8()?);
    if (inverse | wanted) & !0x7f != 0 {
        return None;
    }
    if wanted & 0x01 != 0 && wanted == 0x01 {
        return Some(vec![Opt::bare("--ipvs").negate_if(inverse & 0x01 != 0)]);
    }
    let direction = if inverse & 0x10 != 0 { "REPLY" } else { "ORIGINAL" };
    let table = [
        (0x02, "--vproto", protocol.to_string()),
        (0x04, "--vaddr", network(family, address, mask)),
        (0x08, "--vport", port.to_string()),
        (0x20, "--vmethod", method.to_owned()),
        (0x40, "--vportctl", control.to_string()),
    ];
    let mut list: Options = table
        .into_iter()
        .filter(|(bit, ..)| wanted & bit != 0)
        .map(|(bit, name, value)| Opt::new(name, value).negate_if(inverse & bit != 0))
        .collect();
    list.extend((wanted & 0x10 != 0).then(|| Opt::new("--vdir", direction)));
    Some(list)
}
