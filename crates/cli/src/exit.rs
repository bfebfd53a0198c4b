//! Exit codes, and the last words of a run that failed.

use std::io::{self, Write as _};
use std::process::ExitCode;

use report::escape::Text;

/// What the exit codes mean, for `--help` and the manual page.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done, and nothing was found that --fail-on asks about
  1  a finding is at or above the severity of --fail-on
  2  something could not be read or judged, and --strict was given
  3  an error: wrong flags, an unreadable file, a host that could not be read
  4  a target was not found
Where several apply: 3, then 4, then 1, then 2.";

/// How a run ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to report.
    Done,
    /// A finding is at or above the severity that was asked about.
    Finding,
    /// Something could not be judged.
    Incomplete,
    /// A target was not found; the reason was printed.
    NotFound,
}

/// The exit code of an error.
pub(crate) const ERROR: u8 = 3;

/// The exit code of a run. An error is printed on standard error in one line, with its cause. That
/// nobody reads our output any more (`whyopen | head -1`) is no error.
pub(crate) fn code(result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Finding) => ExitCode::from(1),
        Ok(Outcome::Incomplete) => ExitCode::from(2),
        Ok(Outcome::NotFound) => ExitCode::from(4),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&Text::host(&format!("{error:#}")));
            ExitCode::from(ERROR)
        }
    }
}

/// Prints a line on standard error.
pub(crate) fn complain(text: &Text) {
    // If standard error is closed there is nowhere left to say so.
    let _ = writeln!(io::stderr(), "whyopen: {text}");
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    })
}
