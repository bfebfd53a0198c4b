//! What closes a row on this host.

use facts::{Answer, Part, Pid, PublishedPort, Question, UnitUse};

use super::base::{Bind, Close};
use super::{Facts, Verdict};
use crate::holder::{Creator, ProcessHolder};
use crate::row::Row;

/// A way to close a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way<'j> {
    /// What to do.
    pub how: How<'j>,
    /// What breaks, where the base tells it.
    pub breaks: Option<&'static str>,
    /// Units that do not start without what is closed.
    pub needed_by: Vec<&'j str>,
    /// Whether it is still closed after a boot.
    pub after_boot: AfterBoot,
    /// What is to be known of it.
    pub but: Option<&'static str>,
    /// Where this is from.
    pub source: &'static str,
}

/// What to do to close a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How<'j> {
    /// Close units of systemd.
    Units {
        /// Those to stop and mask.
        mask: Vec<String>,
        /// Those to stop and disable: their file is where a mask would have to be.
        disable: Vec<String>,
        /// Those to stop: there is no file of them.
        stop: Vec<String>,
    },
    /// Let a socket unit listen on loopback only.
    SocketUnit {
        /// The unit.
        unit: &'j str,
        /// The lines of a drop-in that does it.
        lines: Vec<String>,
    },
    /// Set what decides where the service is bound: to loopback, or not at all.
    Setting {
        /// The setting.
        bind: &'static Bind,
        /// The file to set it in.
        file: &'j str,
        /// What to set it to.
        change: Change,
    },
    /// Close a user's unit.
    UserUnit {
        /// The unit.
        unit: &'j str,
        /// Whose.
        uid: Option<u32>,
    },
    /// Publish a container's port on loopback, or stop it.
    Container {
        /// Its name.
        name: &'j str,
        /// The port.
        published: Option<&'j PublishedPort>,
    },
    /// End a process that no unit answers for.
    Process {
        /// Its id.
        pid: Pid,
        /// Its name.
        comm: Option<&'j str>,
    },
    /// Delete the interface that the kernel holds it for.
    Link(&'j str),
    /// Remove the package, and those that depend on it.
    Purge {
        /// The package.
        package: &'j str,
        /// What goes with it.
        with: Vec<&'j str>,
    },
    /// As the base tells.
    Told(&'static Close),
}

/// What a setting is changed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The service listens on loopback only.
    Loopback(&'static str),
    /// The port is closed.
    Off(&'static str),
}

/// Whether something is still closed after a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterBoot {
    /// It is.
    Closed,
    /// It is not closed any more.
    Open,
    /// Nothing starts it at boot, as far as it was started by hand.
    NotStarted,
    /// Whoever made it may make it again.
    Unknown,
}

/// systemd's manual page of masks.
const SYSTEMCTL: &str = "systemctl(1), mask and disable";

/// All ways, the surest first.
pub(super) fn all<'j>(facts: &Facts<'j>, row: &'j Row<'_>, in_use: Verdict) -> Vec<Way<'j>> {
    let mut ways: Vec<Way<'j>> = Vec::new();
    ways.extend(containers(facts));
    ways.extend(units(facts));
    ways.extend(user_units(facts));
    ways.extend(socket_units(facts));
    ways.extend(settings(facts, row));
    if let Some(known) = facts.recognised {
        let fitting = known.service.close.iter();
        ways.extend(fitting.filter(|c| c.only.fits(row, facts.is_activated)).map(|close| Way {
            breaks: Some(&close.breaks),
            after_boot: if close.survives_boot { AfterBoot::Closed } else { AfterBoot::Open },
            ..way(How::Told(close), &close.source)
        }));
    }
    ways.extend(links(row));
    if in_use == Verdict::No {
        ways.extend(purge(facts));
    }
    let keep = facts.recognised.is_some_and(|known| known.service.stop.keep);
    if ways.is_empty() && !keep {
        ways.extend(processes(facts));
    }
    ways
}

/// A way of which no more is known.
fn way<'j>(how: How<'j>, source: &'static str) -> Way<'j> {
    let (breaks, needed_by, but) = (None, Vec::new(), None);
    Way { how, breaks, needed_by, after_boot: AfterBoot::Closed, but, source }
}

/// What the base says that breaks.
fn breaks(facts: &Facts<'_>) -> Option<&'static str> {
    facts.recognised.map(|known| known.service.breaks.as_str())
}

/// Stopping the units.
pub(crate) fn units<'j>(facts: &Facts<'j>) -> Option<Way<'j>> {
    let service = facts.recognised.map(|known| known.service);
    // Nobody stops an engine to close one container's port.
    if service.is_some_and(|service| service.stop.keep) || facts.is_of_container() {
        return None;
    }
    let (mut mask, mut disable, mut stop) = (Vec::new(), Vec::new(), Vec::new());
    let mut needed_by: Vec<&str> = Vec::new();
    let all = facts.all_units();
    let held = facts.holding_units();
    for name in &all {
        let usage = unit_use(facts, name);
        let state =
            facts.unit(name).map(|unit| (unit.load_state.as_str(), unit.file_state.as_str()));
        let known = usage.map(|usage| (usage.load_state.as_str(), usage.file_state.as_str()));
        let (load, file) = state.or(known).unwrap_or_default();
        let holds = held.contains(&name.as_str());
        // What the base names only matters where it is there.
        if load == "not-found" || load == "masked" || (load.is_empty() && !holds) {
            continue;
        }
        let in_etc = facts.unit(name).is_some_and(|u| u.fragment_path.starts_with(ETC));
        if file == "transient" {
            stop.push(name.clone());
        } else if in_etc {
            disable.push(name.clone());
        } else {
            mask.push(name.clone());
        }
        let others = usage.into_iter().flat_map(|usage| &usage.required_by);
        needed_by
            .extend(others.map(String::as_str).filter(|other| !all.iter().any(|u| u == other)));
    }
    if mask.is_empty() && disable.is_empty() && stop.is_empty() {
        return None;
    }
    needed_by.sort_unstable();
    needed_by.dedup();
    let transient = mask.is_empty() && disable.is_empty();
    Some(Way {
        breaks: breaks(facts),
        needed_by,
        after_boot: if transient { AfterBoot::NotStarted } else { AfterBoot::Closed },
        but: service.and_then(|service| service.stop.but.as_deref()),
        ..way(How::Units { mask, disable, stop }, SYSTEMCTL)
    })
}

/// Where masks are links, so that a unit file there cannot be masked (systemctl(1)).
const ETC: &str = "/etc/systemd/system/";

/// Who wants a unit.
pub(super) fn unit_use<'j>(facts: &Facts<'j>, name: &str) -> Option<&'j UnitUse> {
    let question = Question::Unit { name: name.to_owned() };
    match facts.judgement.snapshot.answer(&question).value() {
        Some(Answer::Unit(known)) => Some(known),
        _ => None,
    }
}

/// Letting socket units listen on loopback.
fn socket_units<'j>(facts: &Facts<'j>) -> Vec<Way<'j>> {
    let units = facts.socket_units().into_iter().filter_map(|name| facts.unit(name));
    let listening = units.filter(|unit| !unit.listen.is_empty());
    listening
        .map(|unit| {
            let how = How::SocketUnit { unit: &unit.name, lines: on_loopback(&unit.listen) };
            way(how, "systemd.socket(5), ListenStream=: an empty one forgets all others")
        })
        .collect()
}

/// What makes a unit listen on loopback where it listens on any address, and as before elsewhere.
fn on_loopback(listen: &[(String, String)]) -> Vec<String> {
    let mut lines = vec!["ListenStream=".to_owned()];
    for (kind, address) in listen {
        let directive = match kind.as_str() {
            "Stream" => "ListenStream",
            "Datagram" => "ListenDatagram",
            "SequentialPacket" => "ListenSequentialPacket",
            "FIFO" => "ListenFIFO",
            "Netlink" => "ListenNetlink",
            _ => continue,
        };
        let targets = match address.rsplit_once(':') {
            Some(("0.0.0.0", port)) => vec![format!("127.0.0.1:{port}")],
            Some(("[::]", port)) if is_also_ipv4(listen, kind, port) => {
                vec![format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
            }
            Some(("[::]", port)) => vec![format!("[::1]:{port}")],
            _ => vec![address.clone()],
        };
        for target in targets {
            let line = format!("{directive}={target}");
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

/// Whether `[::]` of a port stands for IPv4 too: the unit has no socket of its own for that.
fn is_also_ipv4(listen: &[(String, String)], kind: &str, port: &str) -> bool {
    !listen.iter().any(|(other, address)| {
        other == kind
            && address.rsplit_once(':').is_some_and(|(host, p)| p == port && host == "0.0.0.0")
    })
}

/// Setting what binds the service.
fn settings<'j>(facts: &Facts<'j>, row: &Row<'_>) -> Vec<Way<'j>> {
    let Some(known) = facts.recognised else { return Vec::new() };
    let binds = known.service.bind.iter();
    let fitting =
        binds.filter(|bind| bind.only.fits(row, facts.is_activated) && is_there(facts, bind));
    fitting
        .flat_map(|bind| {
            let loopback = bind.loopback.as_deref().map(Change::Loopback);
            let off = bind.off.as_deref().map(Change::Off);
            let changes = loopback.into_iter().chain(off);
            let file = file_of(facts, bind);
            changes.map(move |change| way(How::Setting { bind, file, change }, &bind.source))
        })
        .collect()
}

/// The file that has a setting, or else one that is there, or else the one that it belongs in.
fn file_of<'j>(facts: &Facts<'j>, bind: &'static Bind) -> &'j str {
    let question = Question::Settings { setting: bind.at.clone() };
    let known = match facts.judgement.snapshot.answer(&question).value() {
        Some(Answer::Settings { found, files }) => {
            found.last().map(|setting| &setting.at.file).or(files.last())
        }
        _ => None,
    };
    let plain = || bind.at.files.iter().find(|file| !file.contains('*'));
    known.or_else(plain).or(bind.at.files.first()).map_or("", String::as_str)
}

/// Whether the files of a setting are on this host, as far as that is known.
fn is_there(facts: &Facts<'_>, bind: &Bind) -> bool {
    let question = Question::Settings { setting: bind.at.clone() };
    match facts.judgement.snapshot.answer(&question) {
        Part::Known { value: Answer::Settings { files, .. } } => !files.is_empty(),
        _ => true,
    }
}

/// Containers that hold it, or whose port is forwarded.
fn containers<'j>(facts: &Facts<'j>) -> Vec<Way<'j>> {
    let mut names: Vec<&str> = facts.holders.iter().filter_map(ProcessHolder::container).collect();
    names.extend(facts.creators.iter().filter_map(Creator::container));
    names.sort_unstable();
    names.dedup();
    let all = facts.judgement.snapshot.containers.items();
    let made = |name: &'j str| {
        let published = all.iter().find(|c| c.name == name).and_then(|c| c.published.first());
        Way {
            after_boot: AfterBoot::Unknown,
            ..way(How::Container { name, published }, "docker-run(1), --publish")
        }
    };
    names.into_iter().map(made).collect()
}

/// Closing units of users.
fn user_units<'j>(facts: &Facts<'j>) -> Vec<Way<'j>> {
    let place = facts.place();
    let of_user = place.filter(|_| !facts.is_of_container());
    let unit = of_user.and_then(|place| Some((place, place.user_unit()?)));
    let made = |(place, unit): (&'j crate::place::Place<'j>, &'j str)| {
        let uid = place.placement.user.map(|uid| uid.0);
        way(How::UserUnit { unit, uid }, SYSTEMCTL)
    };
    unit.into_iter().map(made).collect()
}

/// Deleting the links that the kernel holds it for.
fn links<'j>(row: &'j Row<'_>) -> Vec<Way<'j>> {
    let links = row.kernel.iter().filter(|owner| !owner.instance.is_empty());
    let links = links.filter(|owner| LINKS.contains(&owner.subsystem.as_str()));
    links
        .map(|owner| Way {
            after_boot: AfterBoot::Unknown,
            ..way(How::Link(&owner.instance), "ip-link(8), delete")
        })
        .collect()
}

/// Parts of the kernel that hold sockets for interfaces of theirs.
const LINKS: &[&str] = &["vxlan", "geneve", "wireguard", "bareudp", "gtp"];

/// Removing the package.
fn purge<'j>(facts: &Facts<'j>) -> Option<Way<'j>> {
    let name = facts.packages().next()?;
    let question = Question::Package { name: name.to_owned() };
    let Some(Answer::Package(known)) = facts.judgement.snapshot.answer(&question).value() else {
        return None;
    };
    known.version.as_ref()?;
    let needing = known.wanted_by.iter();
    let needing = needing.filter(|d| d.relation == facts::Relation::Depends && !d.alternative);
    let with = needing.map(|dependent| dependent.name.as_str()).collect();
    let how = How::Purge { package: name, with };
    Some(Way { breaks: breaks(facts), ..way(how, "apt-get(8), purge") })
}

/// Ending the processes.
fn processes<'j>(facts: &Facts<'j>) -> Vec<Way<'j>> {
    let holders = facts.holders.iter().filter(|holder| holder.pid != Pid(1));
    let made = |holder: &ProcessHolder<'j>| Way {
        after_boot: AfterBoot::Unknown,
        ..way(How::Process { pid: holder.pid, comm: holder.comm() }, "kill(1)")
    };
    holders.take(1).map(made).collect()
}
