//! Unit files (systemd.unit(5)), with their drop-ins applied.

use serde::{Deserialize, Serialize};

/// A unit as its files describe it. Sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnitFile {
    /// Its name with its suffix.
    pub name: String,
    /// Its other names. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Whether a boot can load it.
    pub load: UnitLoad,
    /// The file with its settings, or that masks it; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fragment: String,
    /// Its drop-ins, in the order in which they apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_ins: Vec<String>,
    /// A file of this unit below `/run` that counts now and is gone after a boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimeFile>,
    /// For a generated unit: what it was generated from (`SourcePath=`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether that file is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_exists: Option<bool>,
    /// The units that its start concerns. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pulls: Vec<Pull>,
    /// The units that it is started after, if these are started too: `After=`. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// The units that it is started before: `Before=`. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Whether it is not ordered by what it is: `DefaultDependencies=no`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_defaults: bool,
    /// Why systemd refuses to load it, though it has a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// What must hold for it to start, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// For a socket, timer or path unit: the unit that it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<String>,
    /// When a timer or path unit does so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// For a socket unit: what it listens on, of the Internet protocols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<ListenLine>,
    /// The programs that it runs: the first words of its `Exec…=` lines. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// Those ports of open sockets that its `Exec…=`, `Environment=` and `Listen…=` lines name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names_ports: Vec<u16>,
    /// Settings that could not be read as systemd would, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unclear: Vec<String>,
}

/// Whether a boot can load a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitLoad {
    /// It has a file with settings.
    Loaded,
    /// Its file is empty or a link to `/dev/null`.
    Masked,
    /// It has no file.
    NotFound,
    /// It has one that could not be read.
    #[default]
    #[serde(other)]
    Unreadable,
}

/// A file below `/run`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuntimeFile {
    /// Its path.
    pub path: String,
    /// Whether it was made for a transient unit (systemd-run(1)); else somebody put it there
    /// (`systemctl enable --runtime`, `systemctl edit --runtime`).
    pub transient: bool,
}

/// A dependency: what the start of one unit means for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pull {
    /// The other unit.
    pub to: String,
    /// Which dependency.
    pub kind: PullKind,
    /// What says so: a link in a `.wants` folder, or `FILE:LINE`.
    pub source: String,
}

/// The dependencies that decide what starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullKind {
    /// `Requires=`.
    Requires,
    /// `BindsTo=`.
    BindsTo,
    /// `Wants=`, and `Sockets=` of a service.
    Wants,
    /// `Upholds=`.
    Upholds,
    /// `Requisite=`: it must be started already.
    Requisite,
    /// `Conflicts=`: only one of both can be.
    Conflicts,
    /// `OnFailure=`.
    OnFailure,
    /// `OnSuccess=`.
    OnSuccess,
    /// One that this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}

impl PullKind {
    /// Its name in unit files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requires => "Requires",
            Self::BindsTo => "BindsTo",
            Self::Wants => "Wants",
            Self::Upholds => "Upholds",
            Self::Requisite => "Requisite",
            Self::Conflicts => "Conflicts",
            Self::OnFailure => "OnFailure",
            Self::OnSuccess => "OnSuccess",
            Self::Other => "depends on",
        }
    }
}

/// A `Condition…=` or `Assert…=`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Condition {
    /// The setting with its value: `ConditionPathExists=!/etc/x`.
    pub text: String,
    /// Whether it is one of those of which one suffices (`|`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any: bool,
    /// Whether it holds by what is on disk; none: that is not known before the boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    /// Whether it is about the machine, and so holds again if it held when the unit was started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_machine: bool,
}

/// When a timer or path unit starts its unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trigger {
    /// Which setting.
    pub kind: TriggerKind,
    /// Its value.
    pub value: String,
    /// For [`TriggerKind::Exists`]: whether that is so now and on disk.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holds: bool,
}

/// What makes a timer or path unit start its unit (systemd.timer(5), systemd.path(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// A time after the boot, the start of systemd or of the timer: `OnBootSec=`, `OnStartupSec=`,
    /// `OnActiveSec=`.
    AfterBoot,
    /// `OnCalendar=`.
    Calendar,
    /// A time after its unit was started or ended: `OnUnitActiveSec=`, `OnUnitInactiveSec=`; or a
    /// change of the clock or time zone.
    Repeat,
    /// A file or folder is there: `PathExists=`, `PathExistsGlob=`, `DirectoryNotEmpty=`.
    Exists,
    /// A file is changed: `PathChanged=`, `PathModified=`.
    Changed,
    /// One that this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}

/// A `ListenStream=`, `ListenDatagram=` or `ListenSequentialPacket=` with a port, or a raw one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListenLine {
    /// The protocol.
    pub protocol: crate::Protocol,
    /// The address; none: any, of both families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<std::net::IpAddr>,
    /// The port.
    pub port: crate::Port,
    /// `FILE:LINE`.
    pub source: String,
}
