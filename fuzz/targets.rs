//! Every parser of bytes that the kernel, a file or a stranger supplies, by name.
//!
//! Shared by the fuzzing program and by the test that replays what once crashed
//! (`fuzz/regressions/TARGET/`).

use collect::boot::fuzzing as boot;
use collect::evidence::fuzzing as evidence;
use collect::holders::fuzzing as holders;
use collect::owners::fuzzing as owners;
use collect::settings::fuzzing as settings;
use collect::sockets::fuzzing as sockets;

/// A parser under test.
pub(crate) struct Target {
    /// Its name: of the directories with its inputs, too.
    pub(crate) name: &'static str,
    /// Takes any bytes and must return: no panic, no endless loop.
    pub(crate) parse: fn(&[u8]),
}

const fn target(name: &'static str, parse: fn(&[u8])) -> Target {
    Target { name, parse }
}

/// All of them, sorted by name.
pub(crate) const ALL: &[Target] = &[
    target("apk_database", owners::apk_database),
    target("attached_message", collect::attached::fuzz),
    target("boot_starters", boot::starters),
    target("bpf_records", holders::bpf_records),
    target("btf", holders::btf),
    target("config_file", evidence::config),
    target("config_tables", evidence::tables),
    target("configuration", settings::configuration),
    target("configured_listeners", boot::listeners),
    target("containers_storage", owners::containers_storage),
    target("docker_config", owners::docker_config),
    target("dpkg_diversions", owners::dpkg_diversions),
    target("dpkg_list", owners::dpkg_list),
    target("dpkg_status", owners::dpkg_status),
    target("firewalld_zone", judge::boot::fuzz_firewalld),
    target("generic_message", sockets::generic_message),
    target("inet_diag_message", sockets::inet_diag_message),
    target("ipset", ipset),
    target("ipset_messages", collect::ipset::fuzz),
    target("kernel_state", settings::kernel_state),
    target("legacy_table", legacy_table),
    target("link_settings", settings::link_settings),
    target("mountinfo", holders::mountinfo),
    target("nftables_dump", nftables_dump),
    target("nftables_references", collect::nftables::fuzz),
    target("oci_bundle", owners::oci_bundle),
    target("package_states", evidence::package_states),
    target("packet_diag_message", sockets::packet_diag_message),
    target("pacman_database", owners::pacman_database),
    target("passwd", holders::passwd),
    target("placement", placement),
    target("podman_json", owners::podman_json),
    target("portmapper", evidence::portmapper),
    target("proc_cgroup", holders::proc_cgroup),
    target("proc_cmdline", holders::proc_cmdline),
    target("proc_link", holders::proc_link),
    target("proc_stat", holders::proc_stat),
    target("proc_table", sockets::proc_table),
    target("profile", evidence::profile),
    target("ring_fdinfo", holders::ring_fdinfo),
    target("route_message", collect::routes::fuzz),
    target("rpm_header", owners::rpm_header),
    target("rtnetlink_message", sockets::rtnetlink_message),
    target("ruleset", ruleset),
    target("snapshot", snapshot),
    target("sock_diag_datagram", sockets::sock_diag_datagram),
    target("unit_file", boot::unit_file),
    target("xt_extension", xt_extension),
];

/// A ruleset as the kernel tells it: five dumps, each with its length in two bytes before it.
fn nftables_dump(bytes: &[u8]) {
    let mut rest = bytes;
    let mut next = || {
        let (length, after) = rest.split_first_chunk().unwrap_or((&[0, 0], &[]));
        let length = usize::from(u16::from_le_bytes(*length)).min(after.len());
        let (dump, after) = after.split_at(length);
        rest = after;
        facts::Blob(dump.to_vec())
    };
    let dump = facts::NftablesDump {
        generation: 1,
        tables: next(),
        chains: next(),
        rules: next(),
        sets: next(),
        elements: next(),
    };
    let nftables = facts::Part::known(dump);
    let dump = facts::RulesetDump { nftables, ..facts::RulesetDump::default() };
    let _ = netfilter::live::ruleset(&dump, &[]);
}

/// A ruleset in any of its forms.
fn ruleset(bytes: &[u8]) {
    let _ = netfilter::rules::load(&[("fuzz", bytes)]);
}

/// A set of ipset(8) as it is listed, and a match that asks it.
fn ipset(bytes: &[u8]) {
    use netfilter::ir::Family;
    let Some((sides, messages)) = bytes.split_first() else { return };
    let messages = facts::Blob(messages.to_vec());
    let set = facts::IpsetDump { name: "set".to_owned(), index: 0, messages };
    let sets = netfilter::ipset::Ipsets::of(&[set]);
    let data = [0, 0, 3, *sides];
    for family in [Family::Ipv4, Family::Ipv6] {
        let extension = netfilter::xt::Extension { family, name: "set", revision: 1, data: &data };
        let _ = netfilter::xt::matching(&extension, &sets);
    }
}

/// A table of iptables-legacy: its family, its hooks, its entries.
fn legacy_table(bytes: &[u8]) {
    let [family, rest @ ..] = bytes else { return };
    let (info, entries) = rest.split_at(rest.len().min(52));
    let table = facts::LegacyTable {
        ipv6: family & 1 != 0,
        name: if family & 2 != 0 { "filter" } else { "raw" }.to_owned(),
        before_defrag: family & 4 != 0,
        info: facts::Blob(info.to_vec()),
        entries: facts::Blob(entries.to_vec()),
    };
    let _ = netfilter::legacy::read(&[table], &netfilter::ipset::Ipsets::default());
}

/// A match or target of x_tables: family, revision, length of the name, name, structure.
fn xt_extension(bytes: &[u8]) {
    let [family, revision, length, rest @ ..] = bytes else { return };
    let Some((name, data)) = rest.split_at_checked(usize::from(*length)) else { return };
    let Ok(name) = std::str::from_utf8(name) else { return };
    let family =
        if family & 1 == 0 { netfilter::ir::Family::Ipv4 } else { netfilter::ir::Family::Ipv6 };
    let extension = netfilter::xt::Extension { family, name, revision: *revision, data };
    let sets = netfilter::ipset::Ipsets::default();
    let _ = netfilter::xt::matching(&extension, &sets);
    let _ = netfilter::xt::match_text(&extension, &sets);
    let _ = netfilter::xt::target(&extension, &sets);
    let _ = netfilter::xt::target_text(&extension, &sets);
}

/// The path of a cgroup.
fn placement(bytes: &[u8]) {
    if let Ok(path) = std::str::from_utf8(bytes) {
        let _ = facts::Placement::of(path);
    }
}

/// A saved snapshot.
fn snapshot(bytes: &[u8]) {
    let _ = facts::Snapshot::from_json(bytes);
}
