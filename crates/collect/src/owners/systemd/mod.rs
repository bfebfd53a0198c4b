//! Units, as the running systemd describes them over D-Bus (org.freedesktop.systemd1(5)).
//!
//! Input: unit names from cgroup paths. Output: their descriptions and states. Asking starts
//! nothing: a unit's object is read, which loads its file at most, and no message may activate a
//! service. A user's own manager is not asked.

mod connection;
mod socket;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use facts::{Gap, Part, Pid, Remedy, SystemdUnit};

use zbus::{OwnedObjectPath, OwnedVariant};

use connection::{BusError, Connection, Replies, Reply};

pub use uses::{Uses, uses};

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
    match zbus::block_on(ask(run, &mut names, socket_units, deadline)) {
        Ok(told) => {
            let mut gaps: Vec<Gap> = told.no_sockets.into_iter().collect();
            let is_open = |name: &&String| {
                !told.units.contains_key(*name) && !told.refused.contains_key(*name)
            };
            let open: Vec<&str> = names.iter().filter(is_open).map(String::as_str).collect();
            if !open.is_empty() {
                let error = told.ended.unwrap_or(BusError::TimedOut);
                gaps.push(Gap::new(what(&open), why(&error, limit)));
            }
            let refused = told.refused.into_iter();
            gaps.extend(refused.map(|(name, why)| Gap::new(what(&[&name]), why)));
            Part::with_gaps(told.units.into_values().collect(), gaps)
        }
        Err(error) => {
            let gap = Gap::new(what(wanted), why(&error, limit));
            let is_for_root = matches!(error, BusError::RootOnly(_));
            Part::unreadable(if is_for_root { gap.remedied_by(Remedy::Root) } else { gap })
        }
    }
}

/// What was told about units. One that is neither described nor refused was not answered.
#[derive(Default)]
struct Told {
    units: BTreeMap<String, SystemdUnit>,
    /// Why systemd says nothing of a unit.
    refused: BTreeMap<String, String>,
    /// Why some answers did not come.
    ended: Option<BusError>,
    /// That the names of the socket units were refused.
    no_sockets: Option<Gap>,
}

/// Asks about the units of these names; with `socket_units` adds the active socket units to them.
async fn ask(
    run: &Path,
    names: &mut BTreeSet<String>,
    socket_units: bool,
    deadline: Instant,
) -> Result<Told, BusError> {
    let mut connection = open(run, deadline).await?;
    let mut no_sockets = None;
    if socket_units {
        match active_sockets(&mut connection).await? {
            Ok(sockets) => names.extend(sockets),
            Err(refusal) => no_sockets = Some(Gap::new("active socket units", refusal)),
        }
    }
    let told = describe(&mut connection, names).await?;
    Ok(Told { no_sockets, ..told })
}

/// Connects to systemd itself if we may (root), and else to the system bus: a host need not have a
/// bus, and an answer through it costs a second process the same work again.
async fn open(run: &Path, deadline: Instant) -> Result<Connection, BusError> {
    let bus = async || Connection::open(&run.join("dbus/system_bus_socket"), false, deadline).await;
    match Connection::open(&run.join("systemd/private"), true, deadline).await {
        Err(BusError::TimedOut) => Err(BusError::TimedOut),
        Err(error) if error.is_denied() => {
            bus().await.map_err(|error| BusError::RootOnly(Box::new(error)))
        }
        Err(_) => bus().await,
        opened => opened,
    }
}

/// What `ListUnitsByPatterns` says of a unit (org.freedesktop.systemd1(5), `ListUnits()`): its name,
/// description, three states, the unit that it follows, its object, and its job with type and object.
type Listed =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// The names of all active socket units, or systemd's refusal to tell them.
async fn active_sockets(
    connection: &mut Connection,
) -> Result<Result<Vec<String>, String>, BusError> {
    let (path, interface) = MANAGER;
    let args = (["active"].as_slice(), ["*.socket"].as_slice());
    let call = connection.call(path, interface, "ListUnitsByPatterns", &args)?;
    let Replies { mut replies, ended } = connection.exchange(&[call]).await?;
    let Some(reply) = replies.pop().flatten() else {
        return Err(ended.unwrap_or(BusError::TimedOut));
    };
    let listed = reply.and_then(|message| {
        message.body().deserialize::<Vec<Listed>>().map_err(|error| misunderstood(&error))
    });
    Ok(listed.map(|units| units.into_iter().map(|unit| unit.0).collect()))
}

/// Reads the properties of units.
async fn describe(connection: &mut Connection, names: &BTreeSet<String>) -> Result<Told, BusError> {
    let mut calls = Vec::new();
    for name in names {
        let path = object_path(name);
        let properties = READ.map(|property| (UNIT, property)).into_iter();
        for args in properties.chain(own_property(name)) {
            calls.push(connection.call(&path, PROPERTIES, "Get", &args)?);
        }
    }
    let Replies { replies, ended } = connection.exchange(&calls).await?;
    let mut replies = replies.into_iter();
    let mut told = Told { ended, ..Told::default() };
    for name in names {
        let count = READ.len() + usize::from(own_property(name).is_some());
        let replies: Vec<Option<Reply>> = replies.by_ref().take(count).collect();
        let Some(replies) = replies.into_iter().collect::<Option<Vec<Reply>>>() else { continue };
        match unit(name, replies) {
            Ok(unit) => {
                told.units.insert(name.clone(), unit);
            }
            Err(why) => {
                told.refused.insert(name.clone(), why);
            }
        }
    }
    Ok(told)
}

/// The property that is read of one type of unit only, and its interface.
fn own_property(name: &str) -> Option<(&'static str, &'static str)> {
    match name.rsplit_once('.')?.1 {
        "socket" => Some(("org.freedesktop.systemd1.Socket", "Listen")),
        "service" => Some(("org.freedesktop.systemd1.Service", "MainPID")),
        _ => None,
    }
}

/// The fact that the answers make, in the order in which they were asked for; or why they make none.
fn unit(name: &str, replies: Vec<Reply>) -> Result<SystemdUnit, String> {
    let mut replies = replies.into_iter();
    let replies = &mut replies;
    let mut unit = SystemdUnit {
        name: name.to_owned(),
        description: value(replies)?,
        load_state: value(replies)?,
        active_state: value(replies)?,
        sub_state: value(replies)?,
        file_state: value(replies)?,
        fragment_path: value(replies)?,
        triggers: value(replies)?,
        triggered_by: value(replies)?,
        listen: Vec::new(),
        main_pid: None,
    };
    unit.triggers.sort_unstable();
    unit.triggered_by.sort_unstable();
    match own_property(name) {
        Some((_, "Listen")) => unit.listen = value(replies)?,
        Some((_, "MainPID")) => {
            // 0: it runs no process.
            let pid: u32 = value(replies)?;
            unit.main_pid = (pid != 0).then_some(Pid(pid));
        }
        _ => {}
    }
    Ok(unit)
}

/// The value of the next answer, each that of a property.
fn value<T>(replies: &mut impl Iterator<Item = Reply>) -> Result<T, String>
where
    T: TryFrom<OwnedVariant, Error = zbus::Error>,
{
    let reply = replies.next().unwrap_or_else(|| Err("systemd gave no answer".to_owned()))?;
    let value = reply.body().deserialize::<OwnedVariant>().and_then(T::try_from);
    value.map_err(|error| misunderstood(&error))
}

/// That an answer is not of the type that systemd documents.
fn misunderstood(error: &zbus::Error) -> String {
    BusError::Malformed(error.to_string()).to_string()
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
