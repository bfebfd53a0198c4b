//! The kernel's settings of one network namespace that bear on who can reach what.
//!
//! Input: the calling thread's namespace, through `/proc/sys/net`, which shows that of whoever looks
//! (kernel `net/sysctl_net.c`, `net_ctl_header_lookup`); and what the links of the namespace carry
//! of their own settings, so that a host with hundreds of interfaces is not read file by file.
//! Output: path below `/proc/sys` -> value. The rules:
//!
//! * **A key that is not there is not in the kernel**: the module is not loaded, or the kernel does
//!   not know it. A file that is there and cannot be read is a gap.
//! * **No secret is read**: not `stable_secret`, not the keys of TCP fast open.
//! * **Nothing is written**, and no module is loaded by looking.

mod config;
mod devconf;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use facts::{
    Collector, ConfigKind, Configuration, Gap, Host, KernelState, Link, NetNamespace, NetnsId,
    Part, Pid, Remedy, Snapshot, Uid,
};
use rustix::io::Errno;

use crate::host;
use crate::netns::Namespace;
pub use config::Depth;
use config::Tree;
pub(crate) use devconf::Interfaces;

/// Where the kernel shows its settings.
const PROC_SYS: &str = "/proc/sys";

/// Reads the settings, on a thread inside `namespace`; `interfaces` are those that its links told.
pub(crate) fn read(
    namespace: &Namespace,
    interfaces: Interfaces,
) -> Part<BTreeMap<String, String>> {
    let mut gaps: Vec<Gap> = Vec::new();
    if let Some(why) = &interfaces.unread {
        let what = format!("settings of some interfaces of {}", namespace.label());
        gaps.push(Gap::new(what, why.clone()));
    }
    let read = match files::read(Path::new(PROC_SYS)) {
        Ok(read) => read,
        Err(error) => {
            let what = format!("kernel settings of {}", namespace.label());
            let gap = Gap::new(what, format!("open {PROC_SYS}/net: {error}"));
            return Part::unreadable(gap);
        }
    };
    for (path, error) in read.unread {
        let what = format!("the setting {path} of {}", namespace.label());
        let gap = Gap::new(what, format!("read {PROC_SYS}/{path}: {error}"));
        gaps.push(match error {
            Errno::ACCESS | Errno::PERM => gap.remedied_by(Remedy::Root),
            _ => gap,
        });
    }
    let mut values = interfaces.values;
    values.extend(read.values);
    Part::with_gaps(values.into_iter().collect(), gaps)
}

/// Reads what configures this host's settings, and the state of what they are about.
pub fn surroundings(depth: Depth) -> (Part<Configuration>, Part<KernelState>) {
    match Tree::open(Path::new("/")) {
        Ok(tree) => {
            let configuration = config::read(&tree, depth);
            let state = state::read(&tree, depth, configuration.value());
            (configuration, state)
        }
        Err(error) => {
            let gap = Gap::new("the configuration of kernel settings", format!("open /: {error}"));
            (Part::unreadable(gap.clone()), Part::unreadable(gap))
        }
    }
}

/// Adds to the settings of the own namespace those that files name and that are not read otherwise,
/// so that a key that is there is told from one that is not.
pub(crate) fn add_named(snapshot: &mut Snapshot) {
    let Some(configuration) = snapshot.configuration.value() else { return };
    let paths = config::named_paths(configuration);
    let (Part::Known { value: all } | Part::Partial { value: all, .. }) = &mut snapshot.namespaces
    else {
        return;
    };
    let Some(own) = all.iter_mut().find(|namespace| namespace.own) else { return };
    let (Part::Known { value: settings } | Part::Partial { value: settings, .. }) =
        &mut own.settings
    else {
        return;
    };
    for path in paths {
        // A value that is not there, or is no text, or is too long to be a setting's, is no setting.
        if !settings.contains_key(&path)
            && let Some(value) = files::one(&Path::new(PROC_SYS).join(&path))
        {
            settings.insert(path, value);
        }
    }
}

/// Reads another host from its files below `base`: what configures its settings, and as far as they
/// are there the settings themselves (`base/proc/sys`).
///
/// # Errors
/// That of opening the folder.
pub fn other_host(base: &Path) -> std::io::Result<Snapshot> {
    let tree = Tree::open(base)?;
    let text = |path: &str| tree.text(path).unwrap_or_default();
    let os = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| host::pretty_name(&text(path)))
        // Before os-release(5) there was this.
        .unwrap_or_else(|| text("/etc/redhat-release").trim().to_owned());
    let host = Host {
        name: text("/etc/hostname").trim().to_owned(),
        os,
        kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
        ..Host::default()
    };
    let collector = Collector {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uid: Uid(rustix::process::geteuid().as_raw()),
        pid: Pid(0),
        netns: OTHER,
        ..Collector::default()
    };
    let mut snapshot = Snapshot::new(collector, host);
    snapshot.configuration = config::read(&tree, Depth::All);
    snapshot.kernel_state = state::read(&tree, Depth::All, snapshot.configuration.value());
    let mut namespace = NetNamespace { id: OTHER, host: true, ..NetNamespace::default() };
    if let Ok(read) = files::read_all(&base.join("proc/sys")) {
        namespace.settings = Part::known(read.values.into_iter().collect());
    }
    let mut names: BTreeSet<String> = snapshot.configuration.value().map(named).unwrap_or_default();
    names.extend(files::links(&base.join("proc/sys")));
    let link = |name: String| Link { loopback: name == "lo", name, ..Link::default() };
    namespace.links = Part::known(names.into_iter().map(link).collect());
    snapshot.namespaces = Part::known(vec![namespace]);
    Ok(snapshot)
}

/// The interfaces that files configure.
fn named(configuration: &Configuration) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in &configuration.files {
        let of = |key: &'static str| file.entries.iter().filter(move |entry| entry.key == key);
        match file.kind {
            ConfigKind::Shell => {
                let name = file.path.strip_prefix("/etc/sysconfig/network-scripts/ifcfg-");
                names.extend(name.map(str::to_owned));
            }
            ConfigKind::Ifupdown => {
                let stanzas = of("iface").filter_map(|entry| entry.section.split(' ').next());
                names.extend(stanzas.map(str::to_owned));
            }
            ConfigKind::Netplan => names.extend(of("id").map(|entry| entry.section.clone())),
            ConfigKind::NetworkManagerProfile => {
                names.extend(of("interface-name").filter_map(|entry| entry.value.clone()));
            }
            _ => {}
        }
    }
    names
}

/// The namespace of another host, whose number is not known.
const OTHER: NetnsId = NetnsId(0);
