//! Who is behind a process: systemd units, containers, packages, users.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{ContainerEngine, Pid, Port, Protocol};

/// A unit as systemd itself describes it over D-Bus. Sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SystemdUnit {
    /// Its name with its suffix: `rpcbind.socket`.
    pub name: String,
    /// Its `Description=`.
    #[serde(default)]
    pub description: String,
    /// `LoadState`: `loaded`, `not-found`, `masked` …
    #[serde(default)]
    pub load_state: String,
    /// `ActiveState`: `active`, `inactive`, `failed` …
    #[serde(default)]
    pub active_state: String,
    /// `SubState`: `running`, `listening` …
    #[serde(default)]
    pub sub_state: String,
    /// `UnitFileState`: `enabled`, `static`, `transient` …; empty where systemd knows none.
    #[serde(default)]
    pub file_state: String,
    /// The unit file, empty where there is none.
    #[serde(default)]
    pub fragment_path: String,
    /// Units that this one starts (`Triggers`, for sockets, timers and paths).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
    /// Units that start this one (`TriggeredBy`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggered_by: Vec<String>,
    /// For a socket unit, what it listens on as systemd prints it: `("Stream", "[::]:111")`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<(String, String)>,
    /// `MainPID` of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_pid: Option<Pid>,
}

/// A container as its engine's own files describe it. Sorted by engine and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Container {
    /// Who runs it.
    pub engine: ContainerEngine,
    /// Its full id as the engine gives it.
    pub id: String,
    /// Its name as its users know it; for Kubernetes `namespace/pod/container`.
    pub name: String,
    /// Its image, where known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Its addresses on the engine's networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The ports it publishes on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedPort>,
    /// The file this was read from.
    pub source: String,
}

/// A port of the host that an engine forwards into a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    /// `tcp`, `udp` or `sctp`.
    pub protocol: Protocol,
    /// The address of the host it is published on; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_address: Option<IpAddr>,
    /// The port of the host.
    pub host_port: Port,
    /// The port in the container.
    pub container_port: Port,
}

/// Which package brought a file. Sorted by path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// The file that was asked about.
    pub path: String,
    /// The package that owns it; none: the package manager was read and no package does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version, where it is owned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Which package manager says so: `dpkg`, `rpm`.
    pub manager: String,
}

/// A name for a uid, from `/etc/passwd` of the host. Sorted by uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct User {
    /// The number.
    pub uid: crate::Uid,
    /// The name; escape it.
    pub name: String,
}
