//! The state of what settings are about: connection tracking, modules, memory, the choice of source
//! addresses, security modules.

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};

use facts::{
    ChosenSource, Configuration, Conntrack, Denial, Gap, KernelState, Module, Part, Profiles,
    Remedy,
};
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags, openat, stat, statvfs};
use rustix::io::{Errno, read as read_fd};

use super::config::{Depth, Tree, named_paths};

/// Destinations to ask the kernel about: public resolvers. A UDP socket that is connected to them
/// sends nothing (udp(7)).
const DESTINATIONS: [&str; 2] = ["9.9.9.9", "2620:fe::fe"];

/// How many denials are kept.
const MOST_DENIALS: usize = 20;

/// Modules whose being built in matters.
const MODULES: [&str; 3] = ["nf_conntrack", "br_netfilter", "ipv6"];

/// Reads the state of what is configured like this.
pub(super) fn read(
    tree: &Tree,
    depth: Depth,
    configuration: Option<&Configuration>,
) -> Part<KernelState> {
    let mut gaps = Vec::new();
    let text = |path: &str| tree.text(path).ok();
    let mut state = KernelState {
        conntrack: text("/proc/net/stat/nf_conntrack").map(|text| statistics(&text)),
        modules: loaded(tree),
        builtin: builtin(tree),
        memory_kib: text("/proc/meminfo").and_then(|text| memory_kib(&text)),
        selinux: text("/sys/fs/selinux/enforce")
            .map(|text| if text.trim() == "0" { "permissive" } else { "enforcing" }.to_owned()),
        apparmor: text("/sys/module/apparmor/parameters/enabled").map(|t| t.trim() == "Y"),
        arp_table_full: text("/proc/net/stat/arp_cache").and_then(|text| table_full(&text)),
        nd_table_full: text("/proc/net/stat/ndisc_cache").and_then(|text| table_full(&text)),
        ..KernelState::default()
    };
    if let Some(conntrack) = &mut state.conntrack {
        conntrack.count = text("/proc/sys/net/netfilter/nf_conntrack_count")
            .and_then(|text| text.trim().parse().ok());
        conntrack.entry_bytes = text("/proc/slabinfo").and_then(|text| entry_bytes(&text));
    }
    if tree.is_own() {
        state.processors =
            u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).ok();
        state.page_bytes = u64::try_from(rustix::param::page_size()).ok();
        state.sources = DESTINATIONS.iter().filter_map(|text| source_for(text)).collect();
        state.read_only = configuration.map(read_only).unwrap_or_default();
    }
    if depth == Depth::All {
        state.apparmor_profiles =
            text("/sys/kernel/security/apparmor/profiles").map(|text| profiles(&text));
        recorded(tree, &mut state, &mut gaps);
    }
    Part::with_gaps(state, gaps)
}

/// The audit daemon's log, which exists where it runs.
const AUDIT_LOG: &str = "/var/log/audit/audit.log";

/// Denials, of a host that has something that denies.
fn recorded(tree: &Tree, state: &mut KernelState, gaps: &mut Vec<Gap>) {
    if tree.is_own() && state.selinux.is_none() && state.apparmor != Some(true) {
        return;
    }
    let mut gap = |log: &str, error: Errno| {
        let gap = Gap::new("recorded denials", format!("read {log}: {error}"));
        gaps.push(gap.remedied_by(Remedy::Root).minor());
    };
    match tree.text(AUDIT_LOG) {
        Ok(text) => {
            state.denials = denials(&text);
            state.denial_logs.push(AUDIT_LOG.to_owned());
        }
        Err(Errno::NOENT) => {}
        Err(error) => gap(AUDIT_LOG, error),
    }
    if tree.is_own() {
        match kernel_log() {
            Ok(text) => {
                state.denials.extend(denials(&text));
                state.denial_logs.push("the kernel's log".to_owned());
            }
            Err(error) => gap("/dev/kmsg", error),
        }
    }
    state.denials.dedup();
    let surplus = state.denials.len().saturating_sub(MOST_DENIALS);
    state.denials.drain(..surplus);
}

/// Where the settings of a network namespace are.
const SETTINGS: &str = "/proc/sys/net";

/// What files name and nobody can write: container engines mount `/proc/sys` to be read only, and
/// the kernel itself lets only its first network namespace write some (`net/netfilter/
/// nf_conntrack_standalone.c`, `nf_conntrack_standalone_init_sysctl`).
fn read_only(configuration: &Configuration) -> Vec<String> {
    let mounted = statvfs(SETTINGS).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY));
    if mounted {
        return vec!["net".to_owned()];
    }
    let mut paths = named_paths(configuration);
    paths.retain(|path| stat(format!("/proc/sys/{path}")).is_ok_and(|s| s.st_mode & 0o222 == 0));
    paths
}

/// `NAME (MODE)` (kernel `security/apparmor/apparmorfs.c`, `seq_show_profile`).
pub(super) fn profiles(text: &str) -> Profiles {
    let mut profiles = Profiles::default();
    for line in text.lines() {
        let count = match line.rsplit_once(" (").map(|(_, mode)| mode) {
            Some("enforce)" | "kill)") => &mut profiles.enforced,
            Some("complain)" | "user)") => &mut profiles.complaining,
            _ => continue,
        };
        *count = count.saturating_add(1);
    }
    profiles
}

/// The last column of the table of neighbours' statistics, which has one line for each processor
/// (kernel `net/core/neighbour.c`, `neigh_stat_seq_show`).
pub(super) fn table_full(text: &str) -> Option<u64> {
    sums(text).get("table_fulls").copied()
}

/// The modules that are loaded. The file is empty in a kernel that has modules and has loaded none,
/// and absent in one that has no modules at all.
fn loaded(tree: &Tree) -> Option<Vec<Module>> {
    match tree.text("/proc/modules") {
        Ok(text) => Some(modules(&text)),
        Err(Errno::NOENT) if tree.is_own() && tree.exists("/proc/self/stat") => Some(Vec::new()),
        Err(_) => None,
    }
}

/// `NAME SIZE USES USER,USER, STATE ADDRESS` (kernel `kernel/module/procfs.c`, `m_show`).
pub(super) fn modules(text: &str) -> Vec<Module> {
    let mut modules: Vec<Module> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let name = fields.next()?.to_owned();
            let (_size, uses, users) = (fields.next()?, fields.next()?, fields.next()?);
            let used_by =
                users.split(',').filter(|user| !matches!(*user, "" | "-" | "[permanent]"));
            Some(Module {
                name,
                uses: uses.parse().ok(),
                used_by: used_by.map(str::to_owned).collect(),
            })
        })
        .collect();
    modules.sort_unstable();
    modules
}

/// The modules of interest that the running kernel has built in.
fn builtin(tree: &Tree) -> Vec<String> {
    let release = tree.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    if release.is_empty() || release.contains('/') {
        return Vec::new();
    }
    let text = ["/lib/modules", "/usr/lib/modules"]
        .iter()
        .find_map(|folder| tree.text(&format!("{folder}/{release}/modules.builtin")).ok());
    let text = text.unwrap_or_default();
    let is_builtin = |module: &&&str| {
        text.lines().any(|line| {
            let file = line.rsplit('/').next().unwrap_or_default();
            file.split('.').next().is_some_and(|name| name.replace('-', "_") == ***module)
        })
    };
    MODULES.iter().filter(is_builtin).map(|name| (*name).to_owned()).collect()
}

/// A line of names, and one of hexadecimal numbers for each processor: the sum of each.
fn sums(text: &str) -> BTreeMap<&str, u64> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines {
        for (name, number) in names.iter().zip(line.split_ascii_whitespace()) {
            let Ok(number) = u64::from_str_radix(number, 16) else { continue };
            let sum = sums.entry(name).or_default();
            *sum = sum.saturating_add(number);
        }
    }
    sums
}

/// That of connection tracking (kernel `net/netfilter/nf_conntrack_standalone.c`, `ct_cpu_seq_show`).
pub(super) fn statistics(text: &str) -> Conntrack {
    let sums = sums(text);
    let of = |name: &str| sums.get(name).copied();
    Conntrack {
        dropped: of("drop"),
        early_dropped: of("early_drop"),
        insert_failed: of("insert_failed"),
        ..Conntrack::default()
    }
}

/// `MemTotal:  N kB`.
pub(super) fn memory_kib(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// `nf_conntrack ACTIVE ALL SIZE OBJECTS_PER_SLAB PAGES_PER_SLAB …` (kernel `mm/slab_common.c`,
/// `cache_show`).
pub(super) fn entry_bytes(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("nf_conntrack "))?;
    let mut numbers = line.split_ascii_whitespace().skip(1).map(|n| n.parse::<u64>().ok());
    let (_active, _all) = (numbers.next()??, numbers.next()??);
    numbers.next()?
}

/// The source address that the kernel chooses for a destination.
fn source_for(text: &str) -> Option<ChosenSource> {
    let destination: IpAddr = text.parse().ok()?;
    let any = if destination.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).ok()?;
    let chosen = socket.connect((destination, 53)).and_then(|()| socket.local_addr());
    let source = chosen.ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
    Some(ChosenSource { destination, source })
}

/// What the kernel's log holds now (kernel `Documentation/ABI/testing/dev-kmsg`).
fn kernel_log() -> Result<String, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = openat(CWD, "/dev/kmsg", flags, Mode::empty())?;
    let mut text = String::new();
    let mut record = [0_u8; 8192];
    loop {
        match read_fd(&fd, &mut record) {
            Ok(0) | Err(Errno::AGAIN) => return Ok(text),
            Ok(length) => {
                let bytes = record.get(..length).unwrap_or_default();
                let line = String::from_utf8_lossy(bytes);
                if is_denial(&line) {
                    text.push_str(line.lines().next().unwrap_or_default());
                    text.push('\n');
                }
            }
            // Overwritten while it was read.
            Err(Errno::PIPE) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_denial(line: &str) -> bool {
    line.contains("avc:  denied")
        || line.contains("apparmor=\"DENIED\"")
        || line.contains("apparmor=\"ALLOWED\"")
}

/// Denials that bear on sockets, from lines of the kernel's or the audit daemon's log.
pub(super) fn denials(text: &str) -> Vec<Denial> {
    text.lines().filter(|line| is_denial(line)).filter_map(denial).collect()
}

fn denial(line: &str) -> Option<Denial> {
    let field = |name: &str| {
        let start = format!(" {name}=");
        let (_, rest) = line.split_once(start.as_str())?;
        let quoted = rest.strip_prefix('"').and_then(|rest| rest.split('"').next());
        quoted.or_else(|| rest.split_ascii_whitespace().next())
    };
    let program = field("comm").unwrap_or_default().to_owned();
    if let Some((_, rest)) = line.split_once("avc:  denied  { ") {
        let operation = rest.split(" }").next()?.to_owned();
        let class = field("tclass")?;
        let about = class.ends_with("_socket") || class == "capability";
        let network = matches!(operation.as_str(), "name_bind" | "node_bind" | "net_bind_service")
            || (class.ends_with("_socket") && class != "unix_stream_socket");
        return (about && network).then(|| Denial {
            module: "selinux".to_owned(),
            program,
            operation,
            port: field("src").and_then(|port| port.parse().ok()),
            only_recorded: field("permissive") == Some("1"),
        });
    }
    let only_recorded = line.contains("apparmor=\"ALLOWED\"");
    let operation = field("operation")?;
    let net = field("class") == Some("net") || matches!(operation, "bind" | "listen");
    let capability = field("capname").filter(|name| name.starts_with("net_"));
    (net || capability.is_some()).then(|| Denial {
        module: "apparmor".to_owned(),
        program,
        operation: capability.unwrap_or(operation).to_owned(),
        port: field("port").or_else(|| field("lport")).and_then(|port| port.parse().ok()),
        only_recorded,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_modules() {
        let text = "nf_conntrack 188416 3 nf_nat,xt_conntrack,nf_conntrack_netlink, Live 0x0\n\
                    ext4 1 2 - Live 0x0\nodd\nx 1 - [permanent], Live 0\n";
        let found = modules(text);
        let names: Vec<&str> = found.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["ext4", "nf_conntrack", "x"]);
        assert_eq!(found[1].uses, Some(3));
        assert_eq!(found[1].used_by, ["nf_nat", "xt_conntrack", "nf_conntrack_netlink"]);
        assert_eq!((found[2].uses, found[2].used_by.len()), (None, 0));
    }

    #[test]
    fn statistics_of_all_processors() {
        let text =
            "entries  found insert_failed drop early_drop\n00000010 1 0 a 1\n00000010 1 2 6 0\n";
        let found = statistics(text);
        assert_eq!((found.dropped, found.early_dropped), (Some(16), Some(1)));
        assert_eq!(found.insert_failed, Some(2));
        assert_eq!(statistics("").dropped, None);
    }

    #[test]
    fn sizes() {
        let text =
            "slabinfo - version: 2.1\nnf_conntrack        17     48    256   16    1 : tunables\n";
        assert_eq!(entry_bytes(text), Some(256));
        assert_eq!(entry_bytes("nf_conntrack 1\n"), None);
        assert_eq!(memory_kib("MemFree: 1\nMemTotal:   2048 kB\n"), Some(2048));
        assert_eq!(table_full("entries table_fulls\n4 a\n4 1\n"), Some(11));
        let found = profiles("/usr/bin/man (enforce)\nx (y) (complain)\nodd\nz (unconfined)\n");
        assert_eq!((found.enforced, found.complaining), (1, 1));
    }

    #[test]
    fn recorded_denials() {
        let check = |line: &str, expect: Option<(&str, &str, Option<u16>, bool)>| {
            let found = denials(line);
            let found = found
                .first()
                .map(|d| (d.program.as_str(), d.operation.as_str(), d.port, d.only_recorded));
            assert_eq!(found, expect, "{line}");
        };
        check(
            "type=AVC msg=audit(1:2): avc:  denied  { name_bind } for  pid=9 comm=\"nginx\" src=8081 \
             scontext=a tcontext=b tclass=tcp_socket permissive=0",
            Some(("nginx", "name_bind", Some(8081), false)),
        );
        check(
            "audit: type=1400 apparmor=\"DENIED\" operation=\"create\" class=\"net\" profile=\"x\" \
             pid=1 comm=\"named\" family=\"inet\"",
            Some(("named", "create", None, false)),
        );
        check("avc:  denied  { read } for pid=1 comm=\"x\" tclass=file permissive=0", None);
        check("apparmor=\"DENIED\" operation=\"open\" comm=\"x\"", None);
        check("avc:  denied  { name_bind", None);
    }
}
