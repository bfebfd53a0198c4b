//! What each kind of opener means for the next boot.

use facts::{Boot, ContainerEngine, KernelOwner, RestartPolicy, Starter, StarterKind, UnitFile};

use super::bound::{self, Bound};
use super::graph::{How, Obstacle};
use super::opener::{Opener, stem};
use super::{AfterBoot, Graph, Hindrance, Link, Outlook, Reason, Runs, Started, Verdict};
use crate::row::Row;

/// What an opener does at the next boot.
pub(crate) fn of(
    outlook: &Outlook<'_>,
    boot: &Boot,
    opener: &Opener<'_>,
    row: &Row<'_>,
) -> AfterBoot {
    match opener {
        Opener::SocketUnit(unit) => system_unit(outlook, boot, unit, None, row),
        Opener::Unit(unit, comm) => system_unit(outlook, boot, unit, *comm, row),
        Opener::UserUnit(uid, unit, comm) => user_unit(outlook, boot, *uid, (unit, *comm), row),
        Opener::ByHand { session, unit, comm } => {
            let reason = Reason::ByHand {
                session: session.map(str::to_owned),
                unit: unit.map(str::to_owned),
            };
            by_hand(outlook, boot, None, *comm, row)
                .unwrap_or_else(|| outlook.does_not_return(reason))
        }
        Opener::Container { .. } => container(outlook, boot, opener, row),
        Opener::Kernel(owner) => kernel(outlook, boot, owner),
        Opener::Manager => AfterBoot::of(Verdict::Unknown, Reason::UnitUnknown),
        Opener::Unknown => AfterBoot::of(Verdict::Unknown, Reason::HolderUnknown),
    }
}

impl Outlook<'_> {
    /// Whether one of the units runs that a starter needs.
    fn acts(&self, starter: &Starter) -> Started {
        let runs = |unit: &String| {
            let at = self.system.find(unit)?;
            match (self.system.started(unit), self.system.runs(at)) {
                (Started::No, _) | (_, Runs::No(_)) => None,
                (started, Runs::Yes) => Some(started),
                (_, Runs::Maybe(_)) => Some(Started::Possibly),
            }
        };
        let none = if starter.through.is_empty() { Started::Surely } else { Started::No };
        starter.through.iter().filter_map(runs).max().unwrap_or(none)
    }

    /// That nothing starts it, if everything was read that could.
    fn does_not_return(&self, reason: Reason) -> AfterBoot {
        match self.unread.first() {
            None => AfterBoot::of(Verdict::DoesNotReturn, reason),
            Some(gap) => AfterBoot {
                verdict: Verdict::Unknown,
                reasons: vec![
                    reason,
                    Reason::Unread { what: gap.what.clone(), why: gap.why.clone() },
                ],
                instead: Vec::new(),
            },
        }
    }
}

/// The way to a unit that is started.
pub(crate) fn started(graph: &Graph<'_>, at: usize, user: Option<&str>) -> Reason {
    let unit = graph.units.get(at).map(|unit| unit.name.clone()).unwrap_or_default();
    Reason::Started { unit, user: user.map(str::to_owned), way: way(graph, at) }
}

fn way(graph: &Graph<'_>, at: usize) -> Vec<Link> {
    let steps = graph.way(at);
    let mut before: Option<&UnitFile> = None;
    let mut links = Vec::new();
    for (unit, how) in steps {
        let from = before.map(|unit| unit.name.clone()).unwrap_or_default();
        let to = unit.name.clone();
        links.push(match how {
            How::Default(target) => Link::Default { target: target.name.clone() },
            How::Pull(pull) => {
                Link::Pull { from, kind: pull.kind, to, source: pull.source.clone() }
            }
            How::Trigger(trigger) => {
                Link::Trigger { from, to, kind: trigger.kind, setting: trigger.value.clone() }
            }
            How::Socket => Link::Socket { from, to },
            How::Starter(starter) => {
                Link::Starter { kind: starter.kind, source: starter.source.clone(), to }
            }
        });
        before = Some(unit);
    }
    links
}

fn hindrance(obstacle: Obstacle<'_>) -> Hindrance {
    match obstacle {
        Obstacle::Masked(unit) => Hindrance::Masked(unit.fragment.clone()),
        Obstacle::NoFile(_) => Hindrance::NoFile,
        Obstacle::Unreadable(unit) => Hindrance::Unreadable(unit.fragment.clone()),
        Obstacle::Broken(why) => Hindrance::Broken(why.to_owned()),
        Obstacle::Circle(other) => Hindrance::Circle(other.to_owned()),
        Obstacle::SourceGone(unit) => {
            Hindrance::SourceGone(unit.source.clone().unwrap_or_default())
        }
        Obstacle::Condition(condition) => Hindrance::Condition(condition.text.clone()),
        Obstacle::Requires(unit) => Hindrance::Requires(unit.to_owned()),
        Obstacle::Starts(unit) => Hindrance::Starts(unit.to_owned()),
    }
}

/// A unit of the system's manager that holds the row now.
fn system_unit(
    outlook: &Outlook<'_>,
    boot: &Boot,
    name: &str,
    comm: Option<&str>,
    row: &Row<'_>,
) -> AfterBoot {
    let graph = &outlook.system;
    if name.strip_suffix(".scope").is_some() {
        let reason = Reason::Transient { unit: name.to_owned(), file: String::new() };
        return by_hand(outlook, boot, Some(name), comm, row)
            .unwrap_or_else(|| outlook.does_not_return(reason));
    }
    let result = unit(outlook, graph, name, None);
    if result.verdict != Verdict::Returns {
        if result.verdict == Verdict::DoesNotReturn
            && let Some(otherwise) = by_hand(outlook, boot, Some(name), comm, row)
        {
            return otherwise;
        }
        return result;
    }
    if let Some(told) = started_for_others(outlook, boot, name, comm, row) {
        return told;
    }
    let at = graph.find(name).and_then(|at| graph.units.get(at));
    bind(boot, at, name, comm, result, row)
}

/// A unit that is started: does it listen here?
fn bind(
    boot: &Boot,
    file: Option<&UnitFile>,
    name: &str,
    comm: Option<&str>,
    mut result: AfterBoot,
    row: &Row<'_>,
) -> AfterBoot {
    let Some(port) = row.port() else { return result };
    let bound = match file {
        Some(unit) if name.ends_with(".socket") => Some(bound::by_socket_unit(unit, row)),
        _ => bound::configuration(boot, Some(name), comm)
            .map(|listener| bound::by_configuration(listener, row)),
    };
    match bound {
        Some(Bound::Here(source)) => {
            result.reasons.push(Reason::Configured { source });
            result
        }
        Some(Bound::Unclear(what)) => {
            result.verdict = Verdict::Maybe;
            result.reasons.push(Reason::ConfigurationUnclear { what });
            result
        }
        Some(Bound::Elsewhere(source, instead)) => AfterBoot {
            verdict: Verdict::DoesNotReturn,
            reasons: vec![Reason::ConfiguredElsewhere { by: name.to_owned(), source }],
            instead,
        },
        None => {
            let named = file.is_some_and(|unit| unit.names_ports.contains(&port.0));
            let chosen =
                boot.chosen_ports.is_some_and(|(low, high)| (low..=high).contains(&port.0));
            if chosen && !named {
                let unit = name.to_owned();
                return AfterBoot::of(Verdict::Maybe, Reason::ChosenPort { unit });
            }
            result
        }
    }
}

/// A unit, whatever it holds.
fn unit(outlook: &Outlook<'_>, graph: &Graph<'_>, name: &str, user: Option<&str>) -> AfterBoot {
    let Some(at) = graph.find(name) else {
        // What holds a socket is read: without a file it is none of this manager's.
        let reason = Reason::Transient { unit: name.to_owned(), file: String::new() };
        return outlook.does_not_return(reason);
    };
    let Some(file) = graph.units.get(at) else {
        return AfterBoot::of(Verdict::Unknown, Reason::UnitUnknown);
    };
    let own = || file.name.clone();
    if let Some(obstacle) = graph.cannot_load(at) {
        let gone = file.runtime.as_ref().filter(|_| matches!(obstacle, Obstacle::NoFile(_)));
        return match (gone, obstacle) {
            (Some(gone), _) => {
                let reason = Reason::Transient { unit: own(), file: gone.path.clone() };
                outlook.does_not_return(reason)
            }
            // Nothing can start what is masked.
            (None, Obstacle::Masked(_)) => AfterBoot::of(
                Verdict::DoesNotReturn,
                Reason::Hindered { unit: own(), by: hindrance(obstacle) },
            ),
            (None, obstacle) => {
                outlook.does_not_return(Reason::Hindered { unit: own(), by: hindrance(obstacle) })
            }
        };
    }
    match (graph.started(name), graph.runs(at)) {
        (Started::No, _) => {
            let would = graph.would_start(at).into_iter().map(str::to_owned).collect();
            let mut result = outlook.does_not_return(Reason::NotStarted { unit: own(), would });
            if let Some(gone) = &file.runtime {
                result.reasons.push(Reason::Transient { unit: own(), file: gone.path.clone() });
            }
            result
        }
        (_, Runs::No(obstacle)) => AfterBoot::of(
            Verdict::DoesNotReturn,
            Reason::Hindered { unit: own(), by: hindrance(obstacle) },
        ),
        (Started::Possibly, _) => {
            let reason = Reason::PossiblyStarted { unit: own(), way: way(graph, at) };
            AfterBoot::of(Verdict::Maybe, reason)
        }
        (Started::Surely, runs) => {
            if let Some(other) = graph.conflict(at) {
                let on = Hindrance::Conflict(other.to_owned());
                return AfterBoot::of(Verdict::Maybe, Reason::Depends { unit: own(), on });
            }
            match runs {
                // It holds a socket now: what the machine is, it was when it was started.
                Runs::Maybe(Obstacle::Condition(condition)) if condition.of_machine => {}
                Runs::Maybe(obstacle) => {
                    let on = hindrance(obstacle);
                    return AfterBoot::of(Verdict::Maybe, Reason::Depends { unit: own(), on });
                }
                _ => {}
            }
            AfterBoot::of(Verdict::Returns, started(graph, at, user))
        }
    }
}

/// Units whose processes, but for these programs, run what their own configuration says.
const STARTERS: &[(&str, &[&str], StarterKind)] = &[
    ("cron", &["cron"], StarterKind::CronReboot),
    ("crond", &["crond"], StarterKind::CronReboot),
    ("cronie", &["crond"], StarterKind::CronReboot),
    ("atd", &["atd"], StarterKind::CronReboot),
    ("rc-local", &[], StarterKind::RcLocal),
    ("supervisor", &["supervisord"], StarterKind::Supervisor),
    ("supervisord", &["supervisord"], StarterKind::Supervisor),
    ("inetd", &["inetd"], StarterKind::Inetd),
    ("openbsd-inetd", &["inetd"], StarterKind::Inetd),
    ("xinetd", &["xinetd"], StarterKind::Inetd),
];

/// A process of a unit that starts what its configuration says: does that name it still?
fn started_for_others(
    outlook: &Outlook<'_>,
    boot: &Boot,
    unit: &str,
    comm: Option<&str>,
    row: &Row<'_>,
) -> Option<AfterBoot> {
    let stem = stem(unit);
    let (programs, kind) = match STARTERS.iter().find(|(of, ..)| *of == stem) {
        Some((_, programs, kind)) => (*programs, *kind),
        None if stem.starts_with("pm2") => (&["PM2"][..], StarterKind::Supervisor),
        None => return None,
    };
    if comm.is_some_and(|comm| programs.contains(&comm)) && kind != StarterKind::Inetd {
        return None;
    }
    let fits = |starter: &&Starter| starter.kind == kind && names(starter, comm, row).is_some();
    let found = boot.starters.iter().find(fits);
    Some(match found {
        Some(starter) if outlook.acts(starter) == Started::Surely => {
            AfterBoot::of(Verdict::Returns, named(starter, true))
        }
        _ => {
            let mut result =
                AfterBoot::of(Verdict::Maybe, Reason::StartsForOthers { unit: unit.to_owned() });
            let regular =
                |s: &&Starter| s.kind == StarterKind::Cron && names(s, comm, row).is_some();
            if let Some(starter) = boot.starters.iter().find(regular) {
                result.reasons = vec![named(starter, true)];
            }
            result
        }
    })
}

fn named(starter: &Starter, own: bool) -> Reason {
    Reason::Named {
        kind: starter.kind,
        source: starter.source.clone(),
        names: starter.names.clone(),
        own,
    }
}

/// How a starter names what holds a row: by its port, or by the program alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Port,
    Program,
}

fn names(starter: &Starter, comm: Option<&str>, row: &Row<'_>) -> Option<Names> {
    let port = row.port().is_some_and(|port| starter.ports.contains(&port.0));
    // Processes' names are cut after 15 bytes.
    let program = comm.is_some_and(|comm| !starter.names.is_empty() && starter.names == comm);
    match (port, program) {
        (true, _) => Some(Names::Port),
        // It names other ports: it is about these.
        (false, true) if starter.ports.is_empty() || row.port().is_none() => Some(Names::Program),
        _ => None,
    }
}

/// What was started by hand, or is gone after a boot: does something else start it as well?
fn by_hand(
    outlook: &Outlook<'_>,
    boot: &Boot,
    own: Option<&str>,
    comm: Option<&str>,
    row: &Row<'_>,
) -> Option<AfterBoot> {
    let mut found: Option<AfterBoot> = None;
    for starter in &boot.starters {
        let Some(how) = names(starter, comm, row) else { continue };
        let through = outlook.acts(starter);
        let is_own = own.is_some_and(|own| starter.through.iter().any(|unit| unit == own));
        // A unit that runs the same program now has sockets of its own, and will have these again.
        let busy = starter.kind == StarterKind::Command
            && starter.through.iter().any(|unit| outlook.holding.contains(unit));
        if through == Started::No || is_own || (busy && how == Names::Program) {
            continue;
        }
        let unit = starter.through.first().map(String::as_str);
        let configured = bound::configuration(boot, unit, comm)
            .map(|listener| bound::by_configuration(listener, row));
        let verdict = match (through, how, starter.kind) {
            (Started::Surely, Names::Port, StarterKind::CronReboot | StarterKind::RcLocal) => {
                Verdict::Returns
            }
            (Started::Surely, _, StarterKind::Command)
                if matches!(configured, Some(Bound::Here(_))) =>
            {
                Verdict::Returns
            }
            (_, _, StarterKind::Command) if matches!(configured, Some(Bound::Elsewhere(..))) => {
                continue;
            }
            _ => Verdict::Maybe,
        };
        if found.as_ref().is_none_or(|best| verdict < best.verdict) {
            found = Some(AfterBoot::of(verdict, named(starter, false)));
        }
    }
    found
}

/// A unit of a user's manager.
fn user_unit(
    outlook: &Outlook<'_>,
    boot: &Boot,
    uid: facts::Uid,
    (name, comm): (&str, Option<&str>),
    row: &Row<'_>,
) -> AfterBoot {
    let manager = boot.user_managers.iter().find(|manager| manager.uid == uid);
    let graph = outlook.users.get(&uid);
    let (Some(manager), Some(graph)) = (manager, graph) else {
        return AfterBoot::of(Verdict::Unknown, Reason::UnitUnknown);
    };
    let user = if manager.name.is_empty() { uid.to_string() } else { manager.name.clone() };
    let own = unit(outlook, graph, name, Some(&user));
    let own = if own.verdict == Verdict::Returns {
        let file = graph.find(name).and_then(|at| graph.units.get(at));
        bind(boot, file, name, comm, own, row)
    } else if own.verdict == Verdict::DoesNotReturn && !manager.complete {
        let what = format!("units of {user}");
        let why = "the folder in their home is not to be read".to_owned();
        AfterBoot::of(Verdict::Unknown, Reason::Unread { what, why })
    } else {
        own
    };
    if own.verdict == Verdict::DoesNotReturn {
        return by_hand(outlook, boot, Some(name), comm, row).unwrap_or(own);
    }
    // The manager itself: started for a user who lingers (loginctl(1)), or by a unit of its own.
    let unit = format!("user@{uid}.service");
    let lingers = manager
        .linger
        .as_ref()
        .filter(|_| outlook.system.started("systemd-logind.service") != Started::No);
    match (lingers, outlook.system.started(&unit)) {
        (Some(file), _) => {
            let mut own = own;
            own.reasons.push(Reason::Lingers { user, file: file.clone() });
            own
        }
        (None, Started::Surely) => own,
        (None, Started::Possibly) => AfterBoot { verdict: own.verdict.max(Verdict::Maybe), ..own },
        (None, Started::No) if manager.linger_known => {
            outlook.does_not_return(Reason::AtLogin { user })
        }
        (None, Started::No) => {
            let what = format!("whether {user} lingers");
            let why = "its file could not be looked for".to_owned();
            AfterBoot::of(Verdict::Unknown, Reason::Unread { what, why })
        }
    }
}

/// The units of docker's daemon.
const DOCKER: [&str; 2] = ["docker.service", "snap.docker.dockerd.service"];

fn container(outlook: &Outlook<'_>, boot: &Boot, opener: &Opener<'_>, row: &Row<'_>) -> AfterBoot {
    let Opener::Container { engine, id, name, unit: of, inner, pod } = *opener else {
        return AfterBoot::of(Verdict::Unknown, Reason::HolderUnknown);
    };
    let policy =
        boot.restarts.iter().find(|policy| id.map_or(policy.name == name, |id| policy.id == id));
    let own = match engine {
        ContainerEngine::Docker if !pod => docker(outlook, boot, name, policy),
        ContainerEngine::Nspawn => match of {
            Some(of) => system_unit(outlook, boot, of, None, row),
            None => AfterBoot::of(Verdict::Unknown, Reason::HolderUnknown),
        },
        ContainerEngine::Podman => podman(outlook, boot, name),
        _ => {
            let why = policy.map_or("it is not read", |policy| &policy.source).to_owned();
            let reason = Reason::EngineUnknown { engine: engine.name(), why };
            AfterBoot::of(Verdict::Unknown, reason)
        }
    };
    let manages_itself = inner || engine == ContainerEngine::Nspawn;
    if manages_itself && own.verdict == Verdict::Returns {
        let mut reasons = own.reasons;
        reasons.push(Reason::InnerManager { container: name.to_owned() });
        return AfterBoot { verdict: Verdict::Maybe, reasons, instead: Vec::new() };
    }
    own
}

/// What names a container in a way that may start it.
fn starts_container<'b>(
    outlook: &Outlook<'_>,
    boot: &'b Boot,
    name: &str,
) -> Option<(&'b Starter, Started)> {
    let named = boot.starters.iter().filter(|starter| starter.names == name);
    let mut all: Vec<_> = named.map(|starter| (starter, outlook.acts(starter))).collect();
    all.retain(|(_, started)| *started != Started::No);
    all.sort_by_key(|(_, started)| std::cmp::Reverse(*started));
    all.into_iter().next()
}

/// Docker (moby `daemon/daemon.go`, `restore`; `restartmanager/restartmanager.go`, `ShouldRestart`).
fn docker(
    outlook: &Outlook<'_>,
    boot: &Boot,
    name: &str,
    policy: Option<&RestartPolicy>,
) -> AfterBoot {
    let engine = ContainerEngine::Docker.name();
    let Some(RestartPolicy { policy: Some(word), stopped_by_hand, removed_at_end, source, .. }) =
        policy
    else {
        let why = policy.map_or("its restart policy was not read", |policy| &policy.source);
        let reason = Reason::EngineUnknown { engine, why: why.to_owned() };
        return AfterBoot::of(Verdict::Unknown, reason);
    };
    let stopped = *stopped_by_hand == Some(true);
    let shown = match (word.as_str(), stopped, removed_at_end) {
        (_, _, true) => format!("{word}, and is removed when it ends"),
        ("unless-stopped", true, _) => format!("{word}, and was stopped by hand"),
        _ => word.clone(),
    };
    let reason = Reason::Container { name: name.to_owned(), policy: shown, source: source.clone() };
    let verdict = match (word.as_str(), stopped, removed_at_end) {
        (_, _, true) | ("no", ..) | ("unless-stopped", true, _) => Verdict::DoesNotReturn,
        ("always", ..) | ("unless-stopped", false, _) => Verdict::Returns,
        // By what it answers when it is told to end.
        ("on-failure", ..) => Verdict::Maybe,
        _ => Verdict::Unknown,
    };
    if verdict == Verdict::DoesNotReturn {
        if let Some((starter, _)) = starts_container(outlook, boot, name) {
            return AfterBoot {
                reasons: vec![reason, named(starter, false)],
                ..AfterBoot::of(Verdict::Maybe, Reason::NotRead)
            };
        }
        return outlook.does_not_return(reason);
    }
    let (unit, daemon) = DOCKER
        .iter()
        // The last of equals is the greatest.
        .rev()
        .map(|unit| (*unit, outlook.system.started(unit)))
        .max_by_key(|(_, started)| *started)
        .unwrap_or(("docker.service", Started::No));
    let of_engine = |possibly| Reason::Engine { unit: unit.to_owned(), possibly };
    let blocked = outlook.system.find(unit).map(|at| outlook.system.runs(at));
    match (daemon, blocked) {
        (Started::Surely, Some(Runs::Yes)) => AfterBoot::of(verdict, reason),
        (Started::No, _) | (_, Some(Runs::No(_))) => outlook.does_not_return(of_engine(false)),
        _ => AfterBoot {
            verdict: verdict.max(Verdict::Maybe),
            reasons: vec![reason, of_engine(true)],
            instead: Vec::new(),
        },
    }
}

/// Podman: a unit of its own that names the container, or podman-restart.service, which starts
/// those with the policy `always` (podman-restart is `podman start --all --filter
/// restart-policy=always`).
fn podman(outlook: &Outlook<'_>, boot: &Boot, name: &str) -> AfterBoot {
    match starts_container(outlook, boot, name) {
        Some((starter, Started::Surely)) if starter.kind == StarterKind::Command => {
            return AfterBoot::of(Verdict::Returns, named(starter, false));
        }
        Some((starter, _)) => return AfterBoot::of(Verdict::Maybe, named(starter, false)),
        None => {}
    }
    let unit = "podman-restart.service";
    if outlook.system.started(unit) == Started::No {
        let reason = Reason::Engine { unit: unit.to_owned(), possibly: false };
        return outlook.does_not_return(reason);
    }
    let engine = ContainerEngine::Podman.name();
    let why = "its restart policies are not read".to_owned();
    AfterBoot::of(Verdict::Unknown, Reason::EngineUnknown { engine, why })
}

/// A socket of the kernel: whoever makes the link, or starts the server, makes it again.
fn kernel(outlook: &Outlook<'_>, boot: &Boot, owner: &KernelOwner) -> AfterBoot {
    let graph = &outlook.system;
    if matches!(owner.subsystem.as_str(), "nfsd" | "lockd") {
        for unit in ["nfs-server.service", "nfs-kernel-server.service"] {
            if let Some(at) = graph.find(unit)
                && graph.started(unit) == Started::Surely
            {
                return AfterBoot::of(Verdict::Returns, started(graph, at, None));
            }
        }
    }
    let made = boot.links.iter().filter(|link| link.name == owner.instance);
    let mut found: Option<AfterBoot> = None;
    for link in made {
        for by in &link.by {
            let verdict = match graph.started(by) {
                Started::Surely => Verdict::Returns,
                _ => Verdict::Maybe,
            };
            let reason = Reason::LinkMade {
                link: link.name.clone(),
                source: link.source.clone(),
                by: by.clone(),
            };
            if found.as_ref().is_none_or(|best| verdict < best.verdict) {
                found = Some(AfterBoot::of(verdict, reason));
            }
        }
    }
    found.unwrap_or_else(|| {
        let link = format!("{} {}", owner.subsystem, owner.instance).trim_end().to_owned();
        AfterBoot::of(Verdict::Unknown, Reason::LinkUnknown { link })
    })
}
