//! What can go wrong while test hosts are made.

use std::io;
use std::time::Duration;

/// Why something of the test bed could not be made or done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused an operation of ours.
    #[error("{what}: {source}")]
    Io {
        /// The operation and its object.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A program is not installed.
    #[error("{program} is not installed: `cargo xtask test` installs it")]
    Missing {
        /// Its name.
        program: String,
    },
    /// A command ended with another status than 0.
    #[error("`{command}` ended with {status}\nstdout: {stdout}\nstderr: {stderr}")]
    Failed {
        /// The command with its arguments.
        command: String,
        /// Its status, in words.
        status: String,
        /// What it printed.
        stdout: String,
        /// What it complained about.
        stderr: String,
    },
    /// Something did not happen in time.
    #[error("waited {waited:?} for {what}{detail}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// What is known of the reason, on lines of its own; may be empty.
        detail: String,
    },
    /// A line that `ss` printed is not understood.
    #[error("not a line of ss: {line:?}")]
    NotSs {
        /// The line.
        line: String,
    },
    /// The package sources of the machine name no Debian mirror of the image's release.
    #[error("no source of {release} in /etc/apt/sources.list or /etc/apt/sources.list.d")]
    NoMirror {
        /// The release.
        release: &'static str,
    },
}

impl Error {
    /// For `map_err`: names the operation that the system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
