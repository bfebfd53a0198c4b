//! What the host is for: what is right for a router is wrong for a desktop.

use std::fmt;

use super::subject::Subject;

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It serves.
    Server,
    /// Somebody sits before it.
    Desktop,
    /// It forwards for others.
    Router,
    /// It forwards for its own containers.
    ContainerHost,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Desktop => "desktop",
            Self::Router => "router",
            Self::ContainerHost => "container host",
        })
    }
}

const ENGINES: [&str; 6] = [
    "docker.service",
    "containerd.service",
    "kubelet.service",
    "k3s.service",
    "crio.service",
    "lxd.service",
];
const ROUTERS: [&str; 6] = [
    "radvd.service",
    "hostapd.service",
    "dnsmasq.service",
    "isc-dhcp-server.service",
    "bird.service",
    "frr.service",
];
const DESKTOPS: [&str; 5] =
    ["display-manager.service", "gdm.service", "gdm3.service", "sddm.service", "lightdm.service"];

/// The role of a host and what tells it.
pub(super) fn role(subject: &Subject<'_>) -> (Role, String) {
    let has = |unit: &&&str| subject.is_enabled(unit) || subject.is_active(unit) == Some(true);
    if let Some(unit) = ENGINES.iter().find(has) {
        return (Role::ContainerHost, format!("{unit} is here"));
    }
    let forwards = subject.number("net/ipv4/ip_forward") == Some(1)
        || subject.number("net/ipv6/conf/all/forwarding") == Some(1);
    if let Some(unit) = ROUTERS.iter().find(has).filter(|_| forwards) {
        return (Role::Router, format!("it forwards, and {unit} runs"));
    }
    if let Some(unit) = DESKTOPS.iter().find(has) {
        return (Role::Desktop, format!("{unit} is here"));
    }
    (Role::Server, "no desktop, container engine or router runs here".to_owned())
}
