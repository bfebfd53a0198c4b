//! What a boot will start, as far as it is written on disk: unit files, and everything else that
//! starts programs.
//!
//! It is read as the next boot will find it: what stands below `/run` is gone by then, except what
//! systemd's generators make anew from files that stay.

mod firewall;
mod listener;
mod starter;
mod unit;

use serde::{Deserialize, Serialize};

use crate::Uid;

pub use firewall::{FirewallFile, FirewallLoader, RulesForm};
pub use listener::{ConfiguredListener, ConfiguredPort};
pub use starter::{ConfiguredLink, RestartPolicy, Starter, StarterKind};
pub use unit::{
    Condition, ListenLine, Pull, PullKind, RuntimeFile, Trigger, TriggerKind, UnitFile, UnitLoad,
};

/// What was read about the next boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Whether pid 1 is systemd: `/run/systemd/system` is there (sd_booted(3)).
    pub systemd: bool,
    /// What pid 1 calls itself, where it is not systemd.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub init: String,
    /// Where a boot begins; none: no default target was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_target: Option<DefaultTarget>,
    /// Unit files of the system's manager, sorted by name: those that the default target leads to
    /// and those that hold sockets, with everything they lead to; or all there are.
    #[serde(default)]
    pub units: Vec<UnitFile>,
    /// Whether these are all unit files that there are.
    #[serde(default)]
    pub all_units: bool,
    /// Managers of users whose units hold sockets, sorted by user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_managers: Vec<UserManager>,
    /// What else may start units or programs that hold sockets now. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starters: Vec<Starter>,
    /// What the engines do with containers when they start, sorted by container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<RestartPolicy>,
    /// Links that configuration makes, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<ConfiguredLink>,
    /// Where programs are configured to listen, sorted by program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ConfiguredListener>,
    /// What may load a firewall, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firewall: Vec<FirewallLoader>,
    /// `net.ipv4.ip_local_port_range`: the ports that the kernel chooses from when a program asks
    /// for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_ports: Option<(u16, u16)>,
}

/// The target that a boot starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultTarget {
    /// Its name, after following links: `graphical.target`.
    pub name: String,
    /// What says so: the link `default.target`, or the kernel's command line.
    pub source: String,
}

/// A user's own service manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserManager {
    /// The user.
    pub uid: Uid,
    /// Its name; empty if there is none for the number.
    #[serde(default)]
    pub name: String,
    /// The file that makes it start at boot (`loginctl enable-linger`), if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linger: Option<String>,
    /// Whether the file that would is known to be absent.
    #[serde(default)]
    pub linger_known: bool,
    /// Where its boot begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_target: Option<DefaultTarget>,
    /// Its unit files, like [`Boot::units`].
    #[serde(default)]
    pub units: Vec<UnitFile>,
    /// Whether its own folder of units could be read.
    #[serde(default)]
    pub complete: bool,
}

impl Boot {
    /// Sorts every list by its key.
    pub fn sort(&mut self) {
        self.units.sort_unstable();
        self.user_managers.sort_unstable_by_key(|manager| manager.uid);
        for manager in &mut self.user_managers {
            manager.units.sort_unstable();
        }
        self.starters.sort_unstable();
        self.starters.dedup();
        self.restarts.sort_unstable();
        self.links.sort_unstable();
        self.listeners.sort_unstable();
        self.firewall.sort_unstable();
    }
}
