//! Who wants a unit: the reverse of its dependencies, among the units that systemd has loaded.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use facts::{Answer, Gap, Part, UnitUse};

use super::connection::{BusError, Replies, Reply};
use super::{PROPERTIES, UNIT, object_path, open, value, why};

/// The properties that name units which do not start without it, and those which start it.
const REQUIRED: [&str; 2] = ["RequiredBy", "BoundBy"];
const WANTED: [&str; 2] = ["WantedBy", "UpheldBy"];

/// Its states.
const STATES: [&str; 3] = ["LoadState", "ActiveState", "UnitFileState"];

/// What systemd said about some units.
#[derive(Debug, Default)]
pub struct Uses {
    found: BTreeMap<String, Result<UnitUse, String>>,
    /// Why the others are not known.
    why: String,
}

impl Uses {
    /// The answer about one.
    pub fn of(&self, name: &str) -> Part<Answer> {
        let gap = |why: &str| {
            let what = format!("units that want {name}");
            Part::unreadable(Gap::new(what, why).minor())
        };
        match self.found.get(name) {
            Some(Ok(known)) => Part::known(Answer::Unit(known.clone())),
            Some(Err(why)) => gap(why),
            None => gap(&self.why),
        }
    }
}

/// Asks who wants these units. `limit` is for all of it together.
pub fn uses(names: &[&str], limit: Duration) -> Uses {
    if names.is_empty() {
        return Uses::default();
    }
    let run = Path::new("/run");
    if !run.join("systemd/system").is_dir() {
        return Uses { why: "systemd does not run here".to_owned(), ..Uses::default() };
    }
    match zbus::block_on(ask(run, names, Instant::now() + limit)) {
        Ok(found) => Uses { found, why: why(&BusError::TimedOut, limit) },
        Err(error) => Uses { why: why(&error, limit), ..Uses::default() },
    }
}

/// The properties of a unit that are asked for.
fn properties(name: &str) -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> =
        REQUIRED.iter().chain(&WANTED).chain(&STATES).map(|p| (UNIT, *p)).collect();
    if name.ends_with(".service") {
        all.push(("org.freedesktop.systemd1.Service", "Restart"));
    }
    all
}

async fn ask(
    run: &Path,
    names: &[&str],
    deadline: Instant,
) -> Result<BTreeMap<String, Result<UnitUse, String>>, BusError> {
    let mut connection = open(run, deadline).await?;
    let mut calls = Vec::new();
    for name in names {
        let path = object_path(name);
        for args in properties(name) {
            calls.push(connection.call(&path, PROPERTIES, "Get", &args)?);
        }
    }
    let Replies { replies, .. } = connection.exchange(&calls).await?;
    let mut replies = replies.into_iter();
    let mut found = BTreeMap::new();
    for name in names {
        let own: Vec<Option<Reply>> = replies.by_ref().take(properties(name).len()).collect();
        let Some(own) = own.into_iter().collect::<Option<Vec<Reply>>>() else { continue };
        found.insert((*name).to_owned(), read(name, own));
    }
    Ok(found)
}

/// The answers, in the order in which they were asked for.
fn read(name: &str, replies: Vec<Reply>) -> Result<UnitUse, String> {
    let mut replies = replies.into_iter();
    let mut lists = |count: usize| -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        for _ in 0..count {
            let units: Vec<String> = value(&mut replies)?;
            all.extend(units);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    };
    let (required_by, wanted_by) = (lists(REQUIRED.len())?, lists(WANTED.len())?);
    let (load_state, active_state, file_state) =
        (value(&mut replies)?, value(&mut replies)?, value(&mut replies)?);
    let restart = if name.ends_with(".service") { value(&mut replies)? } else { String::new() };
    Ok(UnitUse { required_by, wanted_by, load_state, active_state, file_state, restart })
}
