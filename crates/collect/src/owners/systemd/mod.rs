//! Units, as the running systemd describes them over D-Bus (org.freedesktop.systemd1(5)).
//!
//! Input: unit names from cgroup paths. Output: their descriptions and states. Asking starts
//! nothing: a unit's object is read, which loads its file at most, and no message may activate a
//! service. A user's own manager is not asked.

mod connection;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use facts::{Gap, Part, Pid, Remedy, SystemdUnit};

pub(super) use wire::fuzz as fuzz_message;

use connection::{BusError, Connection, Reply};
use wire::{Arg, Value};

/// systemd's manager object.
const MANAGER: (&str, &str) = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");

/// The interface of all units.
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// The interface that reads properties, of every object.
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The properties of a unit that are read, in this order.
const READ: [&str; 8] = [
    "Description",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "FragmentPath",
    "Triggers",
    "TriggeredBy",
];

/// Describes the wanted units, and with `socket_units` also every active socket unit. The list is
/// sorted by name.
///
/// `limit` is for all of it together: a bus that accepts and never answers costs no more.
pub fn units(wanted: &[&str], socket_units: bool, limit: Duration) -> Part<Vec<SystemdUnit>> {
    units_at(Path::new("/run"), wanted, socket_units, limit)
}

/// The same, with the folder that has the sockets.
fn units_at(
    run: &Path,
    wanted: &[&str],
    socket_units: bool,
    limit: Duration,
) -> Part<Vec<SystemdUnit>> {
    if wanted.is_empty() && !socket_units {
        return Part::known(Vec::new());
    }
    // sd_booted(3)
    if !run.join("systemd/system").is_dir() {
        if wanted.is_empty() {
            return Part::known(Vec::new());
        }
        return Part::unreadable(Gap::new(what(wanted), "systemd does not run here"));
    }
    let mut names: BTreeSet<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    let deadline = Instant::now() + limit;
    let unreadable = |error: &BusError| {
        let gap = Gap::new(what(wanted), why(error, limit));
        let is_for_root = matches!(error, BusError::RootOnly(_));
        Part::unreadable(if is_for_root { gap.remedied_by(Remedy::Root) } else { gap })
    };

    let mut connection = match open(run, deadline) {
        Ok(connection) => connection,
        Err(error) => return unreadable(&error),
    };
    let mut gaps = Vec::new();
    if socket_units {
        match active_sockets(&mut connection) {
            Ok(Ok(sockets)) => names.extend(sockets),
            Ok(Err(refusal)) => gaps.push(Gap::new("active socket units", refusal)),
            Err(error) => return unreadable(&error),
        }
    }
    match describe(&mut connection, &names) {
        Ok((units, refused)) => {
            let missing =
                |name: &&String| !units.contains_key(*name) && !refused.contains_key(*name);
            let unanswered: Vec<&str> = names.iter().filter(missing).map(String::as_str).collect();
            if !unanswered.is_empty() {
                gaps.push(Gap::new(what(&unanswered), why(&BusError::TimedOut, limit)));
            }
            gaps.extend(refused.into_iter().map(|(name, why)| Gap::new(what(&[&name]), why)));
            Part::with_gaps(units.into_values().collect(), gaps)
        }
        Err(error) => unreadable(&error),
    }
}

/// Connects to systemd itself if we may (root), and else to the system bus: a host need not have a
/// bus, and an answer through it costs a second process the same work again.
fn open(run: &Path, deadline: Instant) -> Result<Connection, BusError> {
    let bus = || Connection::open(&run.join("dbus/system_bus_socket"), false, deadline);
    match Connection::open(&run.join("systemd/private"), true, deadline) {
        Err(BusError::TimedOut) => Err(BusError::TimedOut),
        Err(error) if error.is_denied() => {
            bus().map_err(|error| BusError::RootOnly(Box::new(error)))
        }
        Err(_) => bus(),
        opened => opened,
    }
}

/// The names of all active socket units, or systemd's refusal to tell them.
fn active_sockets(connection: &mut Connection) -> Result<Result<Vec<String>, String>, BusError> {
    let (path, interface) = MANAGER;
    let args = vec![Arg::Texts(&["active"]), Arg::Texts(&["*.socket"])];
    let call = connection.call(path, interface, "ListUnitsByPatterns", args);
    let reply = connection.exchange(&[call])?.into_iter().next().flatten();
    Ok(reply.ok_or(BusError::TimedOut)?.map(|body| {
        let units = body.first().and_then(Value::list).unwrap_or_default();
        let name = |unit: &Value| Some(unit.list()?.first()?.text()?.to_owned());
        units.iter().filter_map(name).collect()
    }))
}

/// What was told about units, and why others were refused. A unit that is in neither was not
/// answered in time.
type Described = (BTreeMap<String, SystemdUnit>, BTreeMap<String, String>);

/// Reads the properties of units.
fn describe(connection: &mut Connection, names: &BTreeSet<String>) -> Result<Described, BusError> {
    let units: Vec<(&str, String)> =
        names.iter().map(|name| (name.as_str(), object_path(name))).collect();
    let mut calls = Vec::new();
    for (name, path) in &units {
        let mut get = |interface, property| {
            let args = vec![Arg::Text(interface), Arg::Text(property)];
            calls.push(connection.call(path, PROPERTIES, "Get", args));
        };
        for property in READ {
            get(UNIT, property);
        }
        if let Some((interface, property)) = own_property(name) {
            get(interface, property);
        }
    }
    let mut replies = connection.exchange(&calls)?.into_iter();
    let mut described = BTreeMap::new();
    let mut refused = BTreeMap::new();
    for (name, _) in units {
        let count = READ.len() + usize::from(own_property(name).is_some());
        let replies: Vec<Option<Reply>> = replies.by_ref().take(count).collect();
        let Some(replies) = replies.into_iter().collect::<Option<Vec<Reply>>>() else { continue };
        match replies.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(values) => {
                described.insert(name.to_owned(), unit(name, &values));
            }
            Err(why) => {
                refused.insert(name.to_owned(), why);
            }
        }
    }
    Ok((described, refused))
}

/// The property that is read of one type of unit only, and its interface.
fn own_property(name: &str) -> Option<(&'static str, &'static str)> {
    match name.rsplit_once('.')?.1 {
        "socket" => Some(("org.freedesktop.systemd1.Socket", "Listen")),
        "service" => Some(("org.freedesktop.systemd1.Service", "MainPID")),
        _ => None,
    }
}

/// The fact that the values make, in the order in which they were asked for.
fn unit(name: &str, values: &[Vec<Value>]) -> SystemdUnit {
    let value = |at: usize| values.get(at)?.first().map(Value::inner);
    let text = |at| value(at).and_then(Value::text).unwrap_or_default().to_owned();
    let texts = |at| {
        let items = value(at).and_then(Value::list).unwrap_or_default();
        let mut texts: Vec<String> =
            items.iter().filter_map(|item| Some(item.text()?.to_owned())).collect();
        texts.sort_unstable();
        texts
    };
    let own = value(READ.len());
    let listen = own.and_then(Value::list).unwrap_or_default().iter().filter_map(|one| {
        let [kind, address] = one.list()? else { return None };
        Some((kind.text()?.to_owned(), address.text()?.to_owned()))
    });
    // 0: it runs no process.
    let main_pid = own.and_then(Value::number).and_then(|pid| u32::try_from(pid).ok());
    SystemdUnit {
        name: name.to_owned(),
        description: text(0),
        load_state: text(1),
        active_state: text(2),
        sub_state: text(3),
        file_state: text(4),
        fragment_path: text(5),
        triggers: texts(6),
        triggered_by: texts(7),
        listen: listen.collect(),
        main_pid: main_pid.filter(|pid| *pid != 0).map(Pid),
    }
}

/// The object of a unit: what is not a letter or a digit is escaped, as is a digit in the first
/// place (systemd `src/shared/bus-label.c`, `bus_label_escape`).
fn object_path(name: &str) -> String {
    let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

/// What a gap about these units is about.
fn what(names: &[&str]) -> String {
    match names {
        [] => "active socket units".to_owned(),
        [name] => format!("unit {name}"),
        [first, second] => format!("units {first} and {second}"),
        [first, second, rest @ ..] => format!("units {first}, {second} and {} more", rest.len()),
    }
}

/// Why they are not known.
fn why(error: &BusError, limit: Duration) -> String {
    match error {
        BusError::RootOnly(inner) if matches!(**inner, BusError::TimedOut) => why(inner, limit),
        BusError::TimedOut => format!("systemd did not answer within {} s", limit.as_secs_f64()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
