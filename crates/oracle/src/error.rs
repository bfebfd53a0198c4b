//! What can go wrong with the kernel, as opposed to what it disagrees with.

use std::io;

use thiserror::Error;

/// Why the kernel could not be asked.
#[derive(Debug, Error)]
pub enum Error {
    /// A network namespace could not be made, or a command in it not be run.
    #[error(transparent)]
    Bed(#[from] testbed::Error),
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with what.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program refused what it was given.
    #[error("{program}: {stderr}")]
    Refused {
        /// The program.
        program: &'static str,
        /// What it printed.
        stderr: String,
    },
    /// The kernel did something that makes the comparison worthless.
    #[error("{0}")]
    Confused(String),
    /// A fixture cannot be read.
    #[error("fixture {path}: {what}")]
    Fixture {
        /// Its file.
        path: String,
        /// Why.
        what: String,
    },
}

impl Error {
    /// An error of the standard library or of rustix, with what was tried.
    pub(crate) fn io<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        |source| Self::Io { what: what.into(), source: source.into() }
    }
}
