//! Why a socket is there after a boot or not, as data.

use std::net::IpAddr;

use facts::{Port, Protocol, StarterKind, TriggerKind};

/// Whether a socket is there again after a boot. In the order in which one of several holders
/// decides: whoever opens it again settles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is.
    Returns,
    /// That depends on something that is not known before.
    Maybe,
    /// Not known.
    Unknown,
    /// It is not.
    DoesNotReturn,
}

/// The verdict on a socket, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfterBoot {
    /// The verdict.
    pub verdict: Verdict,
    /// What it follows from: first what decides, then what else was found. Never empty.
    pub reasons: Vec<Reason>,
    /// Where the same program will listen instead, if that is known to be elsewhere.
    pub instead: Vec<Place>,
}

/// An address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The protocol.
    pub protocol: Protocol,
    /// The address; none: any.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: Port,
}

/// Why. Its strings are the host's: escape them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A unit is started at boot, by this way.
    Started {
        /// The unit.
        unit: String,
        /// Whose units they are, if they are a user's.
        user: Option<String>,
        /// From the target to the unit.
        way: Vec<Link>,
    },
    /// A unit may be started, by this way.
    PossiblyStarted {
        /// The unit.
        unit: String,
        /// From what starts it to the unit.
        way: Vec<Link>,
    },
    /// A unit is started, but whether it runs is not known.
    Depends {
        /// The unit.
        unit: String,
        /// On what.
        on: Hindrance,
    },
    /// A unit does not run.
    Hindered {
        /// The unit.
        unit: String,
        /// By what.
        by: Hindrance,
    },
    /// Nothing that starts at boot starts a unit.
    NotStarted {
        /// The unit.
        unit: String,
        /// Units that would start it if they were started.
        would: Vec<String>,
    },
    /// A unit exists in memory only, or by a file that is gone after a boot.
    Transient {
        /// The unit.
        unit: String,
        /// The file.
        file: String,
    },
    /// It was started by hand: in a login session, or in no unit.
    ByHand {
        /// The login session.
        session: Option<String>,
        /// The scope or service in which logins of its kind run.
        unit: Option<String>,
    },
    /// Something that is run at boot, or later, names the program or port.
    Named {
        /// What it is.
        kind: StarterKind,
        /// Where it does.
        source: String,
        /// What it names.
        names: String,
        /// Whether the same unit runs it that holds the socket now.
        own: bool,
    },
    /// A unit is started, but starts what others tell it, and nothing says that it is told this.
    StartsForOthers {
        /// The unit.
        unit: String,
    },
    /// The manager of a user is started at boot, because of this file.
    Lingers {
        /// The user.
        user: String,
        /// The file.
        file: String,
    },
    /// The manager of a user starts when the user logs in.
    AtLogin {
        /// The user.
        user: String,
    },
    /// Configuration says that the program listens here.
    Configured {
        /// Where.
        source: String,
    },
    /// Configuration says that the program listens elsewhere only.
    ConfiguredElsewhere {
        /// The unit or program.
        by: String,
        /// The file.
        source: String,
    },
    /// The configuration was not understood in full.
    ConfigurationUnclear {
        /// What and where.
        what: String,
    },
    /// The port is one that the kernel chose, as it seems: it will choose another.
    ChosenPort {
        /// The unit.
        unit: String,
    },
    /// The engine starts the container again, or not.
    Container {
        /// Its name.
        name: String,
        /// The policy, and whether it was stopped by hand.
        policy: String,
        /// The file that says so.
        source: String,
    },
    /// The engine's own unit is not surely started.
    Engine {
        /// The unit.
        unit: String,
        /// Whether something may start it.
        possibly: bool,
    },
    /// What the engine does is not known.
    EngineUnknown {
        /// The engine.
        engine: &'static str,
        /// Why.
        why: String,
    },
    /// A service manager inside a container decides.
    InnerManager {
        /// The container.
        container: String,
    },
    /// A file of configuration makes the link that the kernel holds the socket for.
    LinkMade {
        /// The link.
        link: String,
        /// The file.
        source: String,
        /// The unit that reads it.
        by: String,
    },
    /// The link is named by no file that was read.
    LinkUnknown {
        /// The part of the kernel and the link.
        link: String,
    },
    /// Who holds it is not known.
    HolderUnknown,
    /// systemd holds it, and for which of its units is not known.
    UnitUnknown,
    /// Not everything could be read that might start it.
    Unread {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// Pid 1 is not systemd.
    OtherInit {
        /// What it calls itself.
        name: String,
    },
    /// systemd has no default target.
    NoTarget,
    /// What starts at boot was not read.
    NotRead,
    /// Nobody asked what starts at boot.
    NotAsked,
}

/// A step of the way to a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The default target.
    Default {
        /// Its name.
        target: String,
    },
    /// One unit pulls in another.
    Pull {
        /// This.
        from: String,
        /// In which words: `wants`.
        kind: facts::PullKind,
        /// That.
        to: String,
        /// What says so.
        source: String,
    },
    /// A timer or path unit starts its unit.
    Trigger {
        /// The timer or path unit.
        from: String,
        /// Its unit.
        to: String,
        /// When.
        kind: TriggerKind,
        /// The setting.
        setting: String,
    },
    /// A socket unit starts its service when something arrives.
    Socket {
        /// The socket unit.
        from: String,
        /// The service.
        to: String,
    },
    /// Something else names the unit.
    Starter {
        /// What.
        kind: StarterKind,
        /// Where.
        source: String,
        /// The unit.
        to: String,
    },
}

/// What keeps a unit from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// It is masked, by this file.
    Masked(String),
    /// It has no unit file.
    NoFile,
    /// Its file could not be read.
    Unreadable(String),
    /// systemd refuses its file, for this.
    Broken(String),
    /// It is started after this unit, which is started after it, by others or directly.
    Circle(String),
    /// What it is generated from is gone.
    SourceGone(String),
    /// A condition does not hold, or may not.
    Condition(String),
    /// It requires a unit that cannot be started.
    Requires(String),
    /// The unit that it starts cannot be started, so that it refuses to start.
    Starts(String),
    /// Another unit is started that conflicts with it.
    Conflict(String),
}
