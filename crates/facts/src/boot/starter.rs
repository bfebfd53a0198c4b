//! What starts programs besides dependencies of units.

use serde::{Deserialize, Serialize};

use crate::ContainerEngine;

/// Something that may start a unit or program at boot, because it names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Starter {
    /// What it is.
    pub kind: StarterKind,
    /// The unit, program or container that it names; empty if it names ports alone.
    pub names: String,
    /// Those ports of open sockets that it names in the same place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Where: a file, with its line where there is one.
    pub source: String,
    /// The units, one of which must run for it to do anything. Empty: it needs none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<String>,
}

/// What may start something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StarterKind {
    /// A line of a crontab with `@reboot`.
    CronReboot,
    /// Another line of a crontab, or a script that cron runs regularly.
    Cron,
    /// `/etc/rc.local`.
    RcLocal,
    /// A script of `/etc/init.d` that a runlevel starts.
    InitScript,
    /// A script that is run when an interface comes up, or the like.
    Hook,
    /// The command of a unit, or a script that it runs.
    Command,
    /// A file that makes the message bus start a unit when somebody asks for a name.
    Bus,
    /// A rule of udev (`SYSTEMD_WANTS`).
    Udev,
    /// A mount of fstab(5) whose helper starts a unit.
    Mount,
    /// inetd or xinetd.
    Inetd,
    /// A supervisor of its own: supervisord, pm2, runit, s6.
    Supervisor,
    /// One that this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}

/// What an engine does with a container when it starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// The engine.
    pub engine: ContainerEngine,
    /// The container's full id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The policy: `no`, `always`, `unless-stopped`, `on-failure`; none: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Whether somebody stopped it by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by_hand: Option<bool>,
    /// Whether the engine removes it when it ends (`--rm`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed_at_end: bool,
    /// The file that says so, or why it is not known.
    pub source: String,
}

/// A network link that a file of configuration makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfiguredLink {
    /// Its name.
    pub name: String,
    /// The units, one of which makes it.
    pub by: Vec<String>,
    /// The file.
    pub source: String,
}
