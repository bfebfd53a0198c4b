//! Running a command to its end.

use std::io;
use std::process::{Command, Output, Stdio};

use crate::Error;

/// The longest that any command of a test may take. It exists so that a hang ends as a failure with
/// a name; no test comes near it.
const LIMIT_S: &str = "120";

/// A command that ended, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The command with its arguments.
    pub command: String,
    /// Its exit status; absent when a signal ended it.
    pub status: Option<i32>,
    /// What it printed; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Done {
    /// What it printed.
    ///
    /// # Errors
    /// [`Error::Failed`] unless its status is 0.
    pub fn ok(self) -> Result<String, Error> {
        if self.status == Some(0) {
            return Ok(self.stdout);
        }
        let status = match self.status {
            Some(124 | 137) => "no answer within the time limit".to_owned(),
            Some(status) => format!("status {status}"),
            None => "a signal".to_owned(),
        };
        Err(Error::Failed {
            command: self.command,
            status,
            stdout: self.stdout,
            stderr: self.stderr,
        })
    }
}

/// Where the programs of a Debian are. Tests get this and no other part of their environment, so that
/// they do not depend on who runs them.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs `arguments` behind `prefix` (the program that enters a namespace; may be empty), with an
/// environment of its own.
pub(crate) fn run(prefix: &[String], arguments: &[&str]) -> Result<Done, Error> {
    let mut command = limited(LIMIT_S);
    command.args(prefix).args(arguments).env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8");
    to_end(command, arguments)
}

/// A command that is killed if it takes longer.
pub(crate) fn limited(limit_s: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=2", limit_s]);
    command
}

/// Runs a command of [`limited`] to its end; errors show it as `arguments`.
pub(crate) fn to_end(mut command: Command, arguments: &[&str]) -> Result<Done, Error> {
    let output = command.stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } = output.map_err(|error| started("timeout", error))?;
    Ok(Done {
        command: arguments.join(" "),
        status: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

/// Why a program could not be started.
pub(crate) fn started(program: &str, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::Missing { program: program.to_owned() };
    }
    Error::Io { what: format!("start {program}"), source: error }
}
