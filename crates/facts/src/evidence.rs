//! What the host answered when it was asked whether something is needed, and who set it up.
//!
//! Nobody reads all of this for every look: the judgement says which [`Question`]s matter for the
//! sockets at hand, the collector answers these, and the answers are facts like all others. A
//! question that was not asked has no [`Evidence`]; one that could not be answered has a gap.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{NetnsId, Part, Port, Protocol};

/// A question with its answer. Sorted by question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was asked.
    pub question: Question,
    /// What the host said.
    pub answer: Part<Answer>,
}

/// What a host can be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// Network file systems: what is mounted, and what fstab(5) and mount units would mount.
    NetworkMounts,
    /// What exports(5) gives to others.
    Exports,
    /// Which programs are registered with the portmapper (RFC 1833).
    RpcPrograms,
    /// The profiles of NetworkManager, and where they are active.
    Profiles,
    /// Why a package is installed.
    Package {
        /// Its name.
        name: String,
    },
    /// Which other units want a unit, and whether systemd starts it again when it ends.
    Unit {
        /// Its name, with its suffix.
        name: String,
    },
    /// The values of a key in configuration files.
    Settings {
        /// Where to look.
        setting: Key,
    },
    /// Whether there is something at a path.
    Path {
        /// The path.
        path: String,
    },
    /// Connections that are accepted now, by the port they came to.
    Connections,
    /// Files below `/etc` that belong to a program or package by their name, and hold a number.
    Mentions {
        /// The program or package.
        name: String,
        /// The number: a port.
        port: Port,
    },
    /// A question of a newer version.
    #[serde(other)]
    Other,
}

/// A key in configuration files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The files, in the order in which the program reads them. `*` stands for any part of a name.
    pub files: Vec<String>,
    /// How they are written.
    pub format: Format,
    /// The section, in formats that have any; empty: outside of all sections.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub section: String,
    /// The key; `*` for every key. In JSON and YAML a path: `net.bindIp`.
    pub key: String,
}

/// How a configuration file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `Key value` on each line, `#` before comments, case of keys ignored: sshd_config(5),
    /// redis.conf, chrony.conf(5), Apache, exports(5).
    Words,
    /// `key = value` below `[section]`: systemd, samba, my.cnf; without sections: PostgreSQL,
    /// `/etc/default`. Case of keys and sections ignored.
    Ini,
    /// The same with spaces in keys: smb.conf(5).
    Samba,
    /// `key: value`, deeper keys indented.
    Yaml,
    /// JSON.
    Json,
    /// `key value;` in braces: nginx, named.conf.
    Braces,
    /// A format that this version does not know.
    #[serde(other)]
    Other,
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1; 0: the file as a whole.
    #[serde(default)]
    pub line: u32,
}

/// What a host answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::NetworkMounts`].
    Mounts {
        /// All of them.
        found: Vec<NetworkMount>,
    },
    /// To [`Question::Exports`].
    Exports {
        /// All of them.
        found: Vec<Export>,
    },
    /// To [`Question::RpcPrograms`].
    Programs {
        /// All of them.
        found: Vec<RpcProgram>,
    },
    /// To [`Question::Profiles`].
    Profiles {
        /// All of them.
        found: Vec<Profile>,
    },
    /// To [`Question::Package`].
    Package(PackageUse),
    /// To [`Question::Unit`].
    Unit(UnitUse),
    /// To [`Question::Settings`].
    Settings {
        /// The values, in the order of the files and lines.
        found: Vec<Setting>,
        /// The files that are there.
        files: Vec<String>,
    },
    /// To [`Question::Path`].
    Path {
        /// Whether something is there.
        exists: bool,
    },
    /// To [`Question::Connections`].
    Connections {
        /// Ports that have any, sorted.
        found: Vec<Connections>,
    },
    /// To [`Question::Mentions`].
    Mentions {
        /// Where.
        found: Vec<Place>,
    },
    /// An answer of a newer version.
    #[serde(other)]
    Other,
}

/// A network file system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetworkMount {
    /// Where this was read.
    pub at: Place,
    /// Its type: `nfs`, `nfs4`, `cifs`.
    pub kind: String,
    /// What is mounted: `nas:/home`.
    pub what: String,
    /// Where it is mounted.
    pub point: String,
    /// The version of the protocol; none if the place does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it is mounted now, rather than configured.
    pub mounted: bool,
}

/// A folder that is exported over NFS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Export {
    /// Where this was read.
    pub at: Place,
    /// The folder.
    pub path: String,
}

/// A program that is registered with the portmapper.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RpcProgram {
    /// Its number: 100000 is the portmapper itself (IANA, "RPC program numbers").
    pub program: u32,
    /// The version of its protocol.
    pub version: u32,
    /// The transport: `tcp`, `udp6`, `local`.
    pub netid: String,
    /// Its universal address (RFC 5665): `0.0.0.0.0.111`.
    pub address: String,
    /// Who registered it, as the portmapper tells it.
    pub owner: String,
}

/// A connection profile of NetworkManager.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Profile {
    /// The file it was read from.
    pub at: Place,
    /// `connection.id`: its name.
    pub id: String,
    /// `connection.uuid`.
    pub uuid: String,
    /// `connection.interface-name`; empty for any.
    #[serde(default)]
    pub interface: String,
    /// `ipv4.method`; empty for the default.
    #[serde(default)]
    pub ipv4: String,
    /// `ipv6.method`; empty for the default, which is `auto` (nm-settings-nmcli(5)).
    #[serde(default)]
    pub ipv6: String,
    /// The interfaces on which it is active now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active_on: Vec<String>,
}

/// Why a package is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackageUse {
    /// Its name.
    pub name: String,
    /// Its version; none: it is not installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether somebody asked for it, rather than for a package that needs it; none: not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<bool>,
    /// Installed packages that name it, sorted: those that depend on it before those that only
    /// recommend it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted_by: Vec<Dependent>,
    /// The database that says so.
    pub source: String,
}

/// A package that needs or recommends another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependent {
    /// How much.
    pub relation: Relation,
    /// Its name.
    pub name: String,
    /// Whether somebody asked for it; none: not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<bool>,
    /// Whether another package would do as well, and is installed too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alternative: bool,
}

/// How much a package needs another (deb-control(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It does not work without (`Depends`, `Pre-Depends`).
    Depends,
    /// It is usually used with it (`Recommends`).
    Recommends,
    /// A relation that this version does not know.
    #[serde(other)]
    Other,
}

/// Who wants a unit, among the units that systemd has loaded (org.freedesktop.systemd1(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnitUse {
    /// Units that do not start without it (`RequiredBy`, `BoundBy`), sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_by: Vec<String>,
    /// Units that start it with them (`WantedBy`, `UpheldBy`), sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted_by: Vec<String>,
    /// `LoadState`: `loaded`, `not-found`, `masked` …
    #[serde(default)]
    pub load_state: String,
    /// `ActiveState`: `active`, `inactive`, `failed` …
    #[serde(default)]
    pub active_state: String,
    /// `UnitFileState`: `enabled`, `static`, `transient` …; empty where systemd knows none.
    #[serde(default)]
    pub file_state: String,
    /// `Restart=` of a service: `no`, `always`, `on-failure` …; empty for other units.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub restart: String,
}

/// A value in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Setting {
    /// Where.
    pub at: Place,
    /// The key as it is written there.
    pub key: String,
    /// The value, without quotes around it.
    pub value: String,
}

/// Connections that came to a port of this host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Connections {
    /// In which namespace.
    pub netns: NetnsId,
    /// Over what.
    pub protocol: Protocol,
    /// The local port.
    pub port: Port,
    /// How many.
    pub count: u32,
    /// How many of them come from this host itself.
    pub local: u32,
    /// A few of the peers, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<IpAddr>,
}
