//! What the host answers to the questions of the judgement: is something needed, who set it up?
//!
//! Input: [`Question`]s. Output: [`Evidence`], one for each. The rules:
//!
//! * **Only what is asked is read**, and of a configuration file only the values of the asked keys
//!   are kept: such files hold secrets.
//! * **An answer that is not whole says so.** A file that could not be read is a gap of the answer,
//!   and then absence proves nothing.
//! * **Nothing is started by asking.** The portmapper is asked only where it runs, since a connection
//!   to its socket would start it.
//! * **Time is bounded**: daemons are asked under a limit, folders are read up to a number of files.

mod connections;
mod exports;
mod formats;
#[doc(hidden)]
pub mod fuzzing;
mod mentions;
mod mounts;
mod packages;
mod portmapper;
mod profiles;
mod settings;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use facts::{Answer, Evidence, Gap, Part, Question, Remedy, Snapshot};

use crate::owners::files::{self, FileError};
use crate::owners::systemd;

/// The largest configuration file that is read, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// How long the portmapper may take to answer.
const PORTMAPPER_LIMIT: Duration = Duration::from_millis(500);

/// How long systemd may take to answer, all questions together.
const SYSTEMD_LIMIT: Duration = Duration::from_secs(1);

/// Asks the host, and adds what it answers to the snapshot.
pub fn evidence(snapshot: &mut Snapshot, questions: &BTreeSet<Question>) {
    let root = Path::new("/");
    let known = snapshot.evidence.items().iter().map(|known| &known.question);
    let known: BTreeSet<&Question> = known.collect();
    let open: Vec<&Question> = questions.iter().filter(|q| !known.contains(q)).collect();

    let packages = packages::why(
        root,
        &names(&open, |q| match q {
            Question::Package { name } => Some(name),
            _ => None,
        }),
    );
    let units = systemd::uses(
        &names(&open, |q| match q {
            Question::Unit { name } => Some(name),
            _ => None,
        }),
        SYSTEMD_LIMIT,
    );

    let mut found = Vec::new();
    for question in open {
        let answer = match question {
            Question::NetworkMounts => mounts::read(root),
            Question::Exports => exports::read(root),
            Question::RpcPrograms => programs(snapshot, root),
            Question::Profiles => profiles::read(root, snapshot),
            Question::Package { name } => packages.of(name),
            Question::Unit { name } => units.of(name),
            Question::Settings { setting } => settings::read(root, setting),
            Question::Path { path } => exists(root, path),
            Question::Connections => connections::count(snapshot),
            Question::Mentions { name, port } => mentions::find(root, name, *port),
            Question::Other => continue,
        };
        found.push(Evidence { question: question.clone(), answer });
    }
    match &mut snapshot.evidence {
        Part::Known { value } | Part::Partial { value, .. } => value.extend(found),
        part => *part = Part::known(found),
    }
    snapshot.sort();
}

/// The names that some questions are about.
fn names<'q>(
    questions: &[&'q Question],
    of: impl Fn(&'q Question) -> Option<&'q String>,
) -> Vec<&'q str> {
    questions.iter().filter_map(|q| of(q)).map(String::as_str).collect()
}

/// The registered programs: none if the portmapper does not run. Asking would start it then, where
/// systemd has its socket.
fn programs(snapshot: &Snapshot, root: &Path) -> Part<Answer> {
    let runs = snapshot.processes.items().iter().any(|process| is_portmapper(&process.comm));
    match if runs { Some(true) } else { portmapper_runs(root) } {
        Some(true) => portmapper::programs(root, PORTMAPPER_LIMIT),
        Some(false) => Part::known(Answer::Programs { found: Vec::new() }),
        None => {
            let why = "not all processes are shown, so that the portmapper may run or not";
            Part::unreadable(Gap::new("registered RPC programs", why).remedied_by(Remedy::Root))
        }
    }
}

/// Whether a process has the name of a portmapper.
fn is_portmapper(comm: &str) -> bool {
    matches!(comm, "rpcbind" | "portmap")
}

/// Whether one runs; none if `/proc` does not show all processes (proc(5), hidepid).
fn portmapper_runs(root: &Path) -> Option<bool> {
    let proc = below(root, "/proc");
    let comm = |folder: &std::ffi::OsStr| std::fs::read_to_string(proc.join(folder).join("comm"));
    comm("1".as_ref()).ok()?;
    let names = files::list(&proc).ok().flatten()?;
    let is_pid = |name: &&std::ffi::OsString| {
        name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    // One that ended meanwhile does not run.
    let mut comms = names.iter().filter(is_pid).filter_map(|name| comm(name).ok());
    Some(comms.any(|comm| is_portmapper(comm.trim_end())))
}

/// Whether something is at a path.
fn exists(root: &Path, path: &str) -> Part<Answer> {
    match std::fs::metadata(below(root, path)) {
        Ok(_) => Part::known(Answer::Path { exists: true }),
        Err(error) if files::is_absent(&error) => Part::known(Answer::Path { exists: false }),
        Err(error) => Part::unreadable(FileError::io("stat", Path::new(path), error).gap(path)),
    }
}

/// A path of the host below this root.
fn below(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Reads a file of the administrator's, who may have put a symbolic link in its place; none if there
/// is none.
fn config(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match std::fs::canonicalize(path) {
        Ok(real) => files::read(&real, FILE_LIMIT),
        Err(error) if files::is_absent(&error) => Ok(None),
        Err(error) => Err(FileError::io("open", path, error)),
    }
}

/// The lines of a file, numbered from 1, as text.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (u32, std::borrow::Cow<'_, str>)> {
    let lines = bytes.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    (1_u32..).zip(lines)
}

/// A path as a string, for facts.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
