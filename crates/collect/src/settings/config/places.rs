//! Where configuration of kernel settings is found, and how it is written there.

use facts::ConfigKind;

use super::syntax::{self, Parsed};

/// A file, or the files of a folder.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) kind: ConfigKind,
    pub(super) path: &'static str,
    /// Whether it is a folder, whose files count.
    pub(super) folder: bool,
    /// What the names of the folder's files end with.
    pub(super) suffix: &'static str,
    /// Whether a file tells something by being there.
    pub(super) presence: bool,
    /// Whether there may be hundreds of files.
    pub(super) costly: bool,
    pub(super) parse: fn(&str) -> Parsed,
}

impl Place {
    /// Whether it takes a file of this name.
    pub(super) fn takes(&self, name: &str) -> bool {
        let editors = name.ends_with('~') || name.starts_with('.') || name.contains(".dpkg-");
        !editors && name.ends_with(self.suffix)
    }
}

const fn file(kind: ConfigKind, path: &'static str, parse: fn(&str) -> Parsed) -> Place {
    Place { kind, path, folder: false, suffix: "", presence: false, costly: false, parse }
}

const fn folder(
    kind: ConfigKind,
    path: &'static str,
    suffix: &'static str,
    parse: fn(&str) -> Parsed,
) -> Place {
    Place { kind, path, folder: true, suffix, presence: false, costly: false, parse }
}

/// The same place, whose files tell something by being there.
const fn there(place: Place) -> Place {
    Place { presence: true, ..place }
}

/// The same place, which costs much to read.
const fn costly(place: Place) -> Place {
    Place { costly: true, ..place }
}

/// The file of ufw, wherever it is.
pub(super) const UFW_SYSCTL: Place = file(ConfigKind::UfwSysctl, "", syntax::sysctl);

use ConfigKind::{
    CommandLine, Commands, Docker, DynamicDns, FirewallInit, Ifupdown, KubeProxy, Modprobe,
    ModulesLoad, Netplan, NetworkManagerConf, NetworkManagerDevice, NetworkManagerProfile,
    NetworkdConf, NetworkdLink, NetworkdNetwork, Shell, Sysctl, Udev,
};

/// The configuration of kube-proxy in a pod's volumes.
pub(super) const KUBE_PROXY: Place = there(file(KubeProxy, "", syntax::kube_proxy));

/// A unit's drop-ins.
pub(super) const DROP_IN: Place = folder(Commands, "", ".conf", syntax::commands);

/// All places. sysctl.d(5), sysctl.conf(5), NetworkManager.conf(5), systemd.network(5),
/// networkd.conf(5), netplan(5), interfaces(5), modprobe.d(5), modules-load.d(5), udev(7),
/// Red Hat's `sysconfig.txt` of initscripts, ufw-framework(8).
pub(super) const ALL: &[Place] = &[
    folder(Sysctl, "/etc/sysctl.d", ".conf", syntax::sysctl),
    folder(Sysctl, "/run/sysctl.d", ".conf", syntax::sysctl),
    folder(Sysctl, "/usr/local/lib/sysctl.d", ".conf", syntax::sysctl),
    folder(Sysctl, "/usr/lib/sysctl.d", ".conf", syntax::sysctl),
    there(file(Sysctl, "/etc/sysctl.conf", syntax::sysctl)),
    file(Shell, "/etc/default/ufw", syntax::shell),
    file(Shell, "/etc/ufw/ufw.conf", syntax::shell),
    there(file(Shell, "/etc/sysconfig/iptables-config", syntax::shell)),
    there(file(Shell, "/etc/sysconfig/ip6tables-config", syntax::shell)),
    file(Shell, "/etc/firewalld/firewalld.conf", syntax::shell),
    file(Shell, "/etc/sysconfig/network", syntax::shell),
    folder(Shell, "/etc/sysconfig/network-scripts", "", syntax::ifcfg),
    folder(NetworkManagerProfile, "/etc/NetworkManager/system-connections", "", syntax::profile),
    folder(NetworkManagerProfile, "/run/NetworkManager/system-connections", "", syntax::profile),
    folder(
        NetworkManagerProfile,
        "/usr/lib/NetworkManager/system-connections",
        "",
        syntax::profile,
    ),
    file(NetworkManagerConf, "/etc/NetworkManager/NetworkManager.conf", syntax::manager),
    folder(NetworkManagerConf, "/etc/NetworkManager/conf.d", ".conf", syntax::manager),
    folder(NetworkManagerConf, "/run/NetworkManager/conf.d", ".conf", syntax::manager),
    folder(NetworkManagerConf, "/usr/lib/NetworkManager/conf.d", ".conf", syntax::manager),
    folder(NetworkManagerDevice, "/run/NetworkManager/devices", "", syntax::device),
    there(folder(NetworkdNetwork, "/etc/systemd/network", ".network", syntax::network)),
    there(folder(NetworkdNetwork, "/run/systemd/network", ".network", syntax::network)),
    there(folder(NetworkdNetwork, "/usr/lib/systemd/network", ".network", syntax::network)),
    file(NetworkdConf, "/etc/systemd/networkd.conf", syntax::network),
    folder(NetworkdConf, "/etc/systemd/networkd.conf.d", ".conf", syntax::network),
    folder(NetworkdConf, "/run/systemd/networkd.conf.d", ".conf", syntax::network),
    folder(NetworkdConf, "/usr/lib/systemd/networkd.conf.d", ".conf", syntax::network),
    folder(NetworkdLink, "/run/systemd/netif/links", "", syntax::link_state),
    folder(Netplan, "/etc/netplan", ".yaml", syntax::netplan),
    folder(Netplan, "/run/netplan", ".yaml", syntax::netplan),
    folder(Netplan, "/usr/lib/netplan", ".yaml", syntax::netplan),
    file(Ifupdown, "/etc/network/interfaces", syntax::ifupdown),
    folder(Ifupdown, "/etc/network/interfaces.d", "", syntax::ifupdown),
    folder(Modprobe, "/etc/modprobe.d", ".conf", syntax::modprobe),
    folder(Modprobe, "/run/modprobe.d", ".conf", syntax::modprobe),
    folder(Modprobe, "/usr/lib/modprobe.d", ".conf", syntax::modprobe),
    file(ModulesLoad, "/etc/modules", syntax::modules),
    folder(ModulesLoad, "/etc/modules-load.d", ".conf", syntax::modules),
    folder(ModulesLoad, "/run/modules-load.d", ".conf", syntax::modules),
    folder(ModulesLoad, "/usr/lib/modules-load.d", ".conf", syntax::modules),
    file(CommandLine, "/proc/cmdline", syntax::command_line),
    folder(Udev, "/etc/udev/rules.d", ".rules", syntax::udev),
    folder(Udev, "/run/udev/rules.d", ".rules", syntax::udev),
    file(Udev, "/usr/lib/udev/rules.d/99-systemd.rules", syntax::udev),
    file(Udev, "/lib/udev/rules.d/99-systemd.rules", syntax::udev),
    file(Docker, "/etc/docker/daemon.json", syntax::docker),
    there(file(KubeProxy, "/var/lib/kube-proxy/config.conf", syntax::kube_proxy)),
    there(file(KubeProxy, "/var/lib/kube-proxy/kube-proxy-config.yaml", syntax::kube_proxy)),
    there(file(FirewallInit, "/etc/init.d/iptables", syntax::shell)),
    there(file(FirewallInit, "/etc/init.d/ip6tables", syntax::shell)),
    there(file(FirewallInit, "/etc/rc.d/init.d/iptables", syntax::shell)),
    there(file(FirewallInit, "/etc/rc.d/init.d/ip6tables", syntax::shell)),
    there(file(FirewallInit, "/usr/libexec/iptables/iptables.init", syntax::shell)),
    there(file(FirewallInit, "/usr/libexec/iptables/ip6tables.init", syntax::shell)),
    there(file(DynamicDns, "/etc/ddclient.conf", syntax::nothing)),
    there(file(DynamicDns, "/etc/ddclient/ddclient.conf", syntax::nothing)),
    there(file(DynamicDns, "/etc/inadyn.conf", syntax::nothing)),
    there(file(DynamicDns, "/etc/inadyn/inadyn.conf", syntax::nothing)),
    there(file(DynamicDns, "/etc/ddns-route53/ddns-route53.yml", syntax::nothing)),
    there(file(DynamicDns, "/etc/ddns-route53.yml", syntax::nothing)),
    file(Commands, "/etc/rc.local", syntax::commands),
    file(Commands, "/etc/rc.d/rc.local", syntax::commands),
    file(Commands, "/etc/crontab", syntax::commands),
    folder(Commands, "/etc/cron.d", "", syntax::commands),
    folder(Commands, "/etc/cron.hourly", "", syntax::commands),
    folder(Commands, "/etc/cron.daily", "", syntax::commands),
    folder(Commands, "/var/spool/cron", "", syntax::commands),
    folder(Commands, "/var/spool/cron/crontabs", "", syntax::commands),
    folder(Commands, "/etc/NetworkManager/dispatcher.d", "", syntax::commands),
    folder(Commands, "/etc/network/if-up.d", "", syntax::commands),
    folder(Commands, "/etc/network/if-pre-up.d", "", syntax::commands),
    folder(Commands, "/etc/dhcp/dhclient-exit-hooks.d", "", syntax::commands),
    folder(Commands, "/etc/systemd/system", ".service", syntax::commands),
    folder(Commands, "/etc/local.d", ".start", syntax::commands),
    costly(folder(Commands, "/etc/init.d", "", syntax::commands)),
    costly(folder(Commands, "/usr/lib/systemd/system", ".service", syntax::commands)),
    costly(folder(Commands, "/lib/systemd/system", ".service", syntax::commands)),
];
