//! Whether a module is there when settings are set at boot.

use facts::{ConfigKind, Init};

use super::boot::Effect;
use super::key;
use super::subject::Subject;

/// Units that load rules, and the connection tracking with them, and are not ordered after
/// systemd-sysctl.service: they have `DefaultDependencies=no`.
const EARLY_FIREWALLS: [&str; 4] =
    ["nftables.service", "netfilter-persistent.service", "ufw.service", "ferm.service"];

/// Whether a part of the kernel is no module on this host.
pub(super) fn is_builtin(subject: &Subject<'_>, module: &str) -> bool {
    if subject.state.builtin.iter().any(|name| name == module) {
        return true;
    }
    // It is there and is no module.
    let of = |path: &String| match module {
        "ipv6" => path.starts_with("net/ipv6/"),
        _ => super::kernel::module_of(path) == Some(module),
    };
    let there = subject.now.keys().any(of);
    let loaded = subject.state.modules.as_ref().map(|all| all.iter().any(|m| m.name == module));
    there && loaded == Some(false)
}

/// The file that has a module loaded before settings are set.
pub(super) fn loaded_early(subject: &Subject<'_>, module: &str) -> Option<String> {
    let pulls = |name: &str| {
        name == module
            // These need it.
            || (module == "nf_conntrack"
                && (name.starts_with("nf_conntrack_") || name.starts_with("nf_nat") || name == "ip_conntrack"))
    };
    for file in subject.files(ConfigKind::ModulesLoad) {
        if file.entries.iter().any(|entry| pulls(&entry.key)) {
            return Some(file.path.clone());
        }
    }
    let mut parameters = subject.files(ConfigKind::CommandLine).flat_map(|file| &file.entries);
    let named = parameters.any(|entry| {
        let names = entry.value.as_deref().filter(|_| entry.key == "modules_load");
        names.is_some_and(|names| names.split(',').any(pulls))
    });
    named.then(|| "the kernel's command line".to_owned())
}

/// The rule of udev that sets the module's settings when it appears.
pub(super) fn set_by_udev(subject: &Subject<'_>, module: &str, path: &str) -> bool {
    subject.files(ConfigKind::Udev).flat_map(|file| &file.entries).any(|entry| {
        let prefixes = entry.value.as_deref().unwrap_or_default();
        let covers = prefixes.is_empty()
            || prefixes.split(' ').any(|prefix| path.starts_with(prefix.trim_start_matches('/')));
        entry.section == "module" && key::matches(&entry.key, module) && covers
    })
}

/// What a line of sysctl.d does at boot whose key comes with a module.
pub(super) fn at_boot(subject: &Subject<'_>, module: &'static str, path: &str) -> Effect {
    let early = is_builtin(subject, module)
        || loaded_early(subject, module).is_some()
        || set_by_udev(subject, module, path);
    if early {
        return Effect::Applies;
    }
    if subject.state.modules.is_none() && subject.now.is_empty() {
        return Effect::Perhaps(format!("whether {module} is a module on that host is not known"));
    }
    let firewall = EARLY_FIREWALLS.iter().find(|unit| subject.is_enabled(unit));
    match (subject.configuration.init, firewall) {
        (Init::Systemd, Some(unit)) if module == "nf_conntrack" => Effect::Perhaps(format!(
            "{unit} loads {module}, and may do so before or after systemd-sysctl.service"
        )),
        (Init::Systemd, _) => Effect::BeforeModule(module),
        (Init::RcSysinit, _) => Effect::Perhaps(format!(
            "rc.sysinit sets it before {module} is loaded; the init script of the network sets it \
             again where it calls apply_sysctl"
        )),
        (Init::Unknown, _) => Effect::Perhaps("how this host starts is not known".to_owned()),
    }
}
