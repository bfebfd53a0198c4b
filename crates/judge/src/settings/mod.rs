//! Settings: what the kernel does now, who set it, what a boot or a restart of the firewall makes of
//! it, and what is wrong with that.
//!
//! Input: a [`Snapshot`]. Output: [`Settings`]. The rules:
//!
//! * **A boot is played.** Every line that sets something is written to a model of the kernel
//!   (`kernel`) in the order in which the host applies it (`boot`); the model changes what the
//!   kernel would change. What cannot be told is no value, with the reason.
//! * **A finding needs an action and a reason on this host**, with the exact lines and the place that
//!   owns the setting; what a checklist would say about any host is none.

mod addresses;
mod boot;
mod chosen;
mod conntrack;
mod discovery;
mod early;
mod engines;
mod find;
mod kernel;
mod key;
mod ledger;
mod managers;
mod modules;
mod nearest;
mod order;
mod restart;
mod role;
mod subject;

use facts::{ChosenSource, Denial, Profiles, Snapshot};

use crate::finding::Severity;
pub use addresses::{Judged, Kind, Scope};
pub use boot::{Effect, Source, Stage};
pub use chosen::Chosen;
pub use conntrack::{Sizes, Table};
pub use discovery::{Discovery, Interface};
pub use find::Found;
pub use kernel::{Held, Joined, Kernel};
pub use key::{OfLink, dotted, of_link, path_of};
pub use ledger::{Because, Ledger, Owner};
pub use managers::{Manager, Renderer};
pub use restart::{Restart, Verdict};
pub use role::Role;

/// What the settings of a host mean.
#[derive(Debug)]
pub struct Settings<'a> {
    /// What it was made from.
    pub snapshot: &'a Snapshot,
    /// What the host is for.
    pub role: Role,
    /// What tells so.
    pub role_by: String,
    /// Every setting, sorted by path.
    pub ledgers: Vec<Ledger>,
    /// The table of connection tracking.
    pub conntrack: Option<Table>,
    /// What restarts of firewalls do.
    pub restarts: Vec<Restart>,
    /// The addresses.
    pub addresses: Vec<Judged<'a>>,
    /// Which of them the host sends from over IPv6.
    pub chosen: Option<Chosen<'a>>,
    /// IPv6 on the interfaces: who looks for routers, and makes temporary addresses.
    pub interfaces: Vec<Interface<'a>>,
    /// What the kernel was asked about sources.
    pub asked: &'a [ChosenSource],
    /// SELinux's mode, and whether AppArmor is on.
    pub security: (Option<&'a str>, Option<bool>),
    /// The profiles of AppArmor by their mode; none where that was not read.
    pub profiles: Option<Profiles>,
    /// Recorded denials that bear on sockets.
    pub denials: &'a [Denial],
    /// The logs that were searched for them; empty: none was.
    pub denial_logs: &'a [String],
    /// What is wrong, the worst first.
    pub findings: Vec<Found>,
}

/// Judges the settings of a host, as what it is for: told here, or else from evidence.
pub fn settings(snapshot: &Snapshot, told: Option<Role>) -> Settings<'_> {
    let subject = subject::Subject::of(snapshot);
    let boot = boot::boot(&subject);
    let (role, role_by) = match told {
        Some(role) => (role, "told".to_owned()),
        None => role::role(&subject),
    };
    let addresses = addresses::addresses(&subject);
    let mut settings = Settings {
        snapshot,
        role,
        role_by,
        ledgers: ledger::all(&subject, &boot),
        conntrack: conntrack::table(&subject),
        restarts: restart::restarts(&subject),
        chosen: chosen::chosen(&subject, &addresses),
        interfaces: discovery::interfaces(&subject),
        addresses,
        asked: &subject.state.sources,
        security: (subject.state.selinux.as_deref(), subject.state.apparmor),
        profiles: subject.state.apparmor_profiles,
        denials: &subject.state.denials,
        denial_logs: &subject.state.denial_logs,
        findings: Vec::new(),
    };
    settings.findings = find::all(&subject, &settings);
    settings
}

/// The findings that are for the first screen.
pub(crate) fn worst(snapshot: &Snapshot) -> Vec<crate::finding::Finding> {
    if snapshot.configuration.value().is_none() {
        return Vec::new();
    }
    let found = settings(snapshot, None).findings.into_iter();
    found.map(|found| found.finding).filter(|f| f.severity >= Severity::Medium).collect()
}

impl Settings<'_> {
    /// The ledger of a setting by its path.
    pub fn ledger(&self, path: &str) -> Option<&Ledger> {
        let at = self.ledgers.binary_search_by(|ledger| ledger.path.as_str().cmp(path)).ok()?;
        self.ledgers.get(at)
    }

    /// The settings that a word means: a key, a path, or the last part of one.
    pub fn named(&self, word: &str) -> Vec<&Ledger> {
        let path = path_of(word);
        if let Some(ledger) = self.ledger(&path) {
            return vec![ledger];
        }
        let ending = format!("/{path}");
        let all = self.ledgers.iter();
        let exact: Vec<&Ledger> = all.clone().filter(|l| l.path.ends_with(&ending)).collect();
        if !exact.is_empty() {
            return exact;
        }
        all.filter(|ledger| ledger.path.contains(&path)).collect()
    }

    /// What on this host a setting bears on, where that can be told: sockets.
    pub fn bears_on(&self, path: &str) -> Option<String> {
        find::sockets::bears_on(&subject::Subject::of(self.snapshot), path)
    }

    /// The line that sets a setting at a boot, through another setting too.
    pub fn set_by(&self, ledger: &Ledger) -> Option<Source> {
        match &ledger.because {
            Because::Through(other) => self.ledger(other)?.winner().cloned(),
            _ => ledger.winner().cloned(),
        }
    }

    /// The keys that somebody may have meant by a word that means none.
    pub fn nearest(&self, word: &str) -> Vec<String> {
        nearest::of(&dotted(&path_of(word)), self.ledgers.iter())
    }
}

/// Plays a boot of the host of a snapshot.
#[doc(hidden)]
pub fn after_boot(snapshot: &Snapshot) -> Kernel {
    boot::boot(&subject::Subject::of(snapshot)).kernel
}
