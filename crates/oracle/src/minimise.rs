//! Making a contradiction small: lines are left out as long as it persists.

use crate::Error;
use crate::answer::Fault;
use crate::backend::WRITTEN;
use crate::bench::Bench;
use crate::fixture::Fixture;
use crate::probe::Probe;
use crate::routes::Path;
use crate::trial::Trial;

/// The contradiction with as few lines as it takes. One that does not come again (a rate limit
/// that has filled up meanwhile) is told as it was.
pub(crate) fn minimise(
    trial: &Trial<'_>,
    bench: &mut Bench,
    form: &str,
    fault: &Fault,
    path: Path,
    probe: &Probe,
) -> Result<Fixture, Error> {
    let mut lines: Vec<String> = trial.text.lines().map(str::to_owned).collect();
    let mut again = |lines: &[String]| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        trial.again(bench, &text, form, fault.kind, path, probe)
    };
    let Some(mut smallest) = again(&lines)? else {
        return Ok(Fixture {
            about: format!("not seen again: {:?}: {}", fault.kind, fault.what),
            backend: trial.backend,
            form: WRITTEN.to_owned(),
            ruleset: lines,
            loaded: None,
            path,
            interfaces: bench.routes(path)?.interfaces().to_vec(),
            probe: probe.clone(),
            kernel: bench.ask(trial.backend, path, probe)?,
        });
    };
    let mut piece = (lines.len() / 2).max(1);
    loop {
        let mut at = 0;
        let mut removed = false;
        while at < lines.len() {
            let end = (at + piece).min(lines.len());
            // A dump's first comment tells which program it is for.
            let told = |(place, line): &(usize, &String)| {
                !(at..end).contains(place) || line.starts_with("# ")
            };
            let fewer: Vec<String> =
                lines.iter().enumerate().filter(told).map(|(_, line)| line.clone()).collect();
            if fewer.len() == lines.len() {
                at += piece;
                continue;
            }
            match again(&fewer)? {
                Some(smaller) => {
                    (lines, smallest, removed) = (fewer, smaller, true);
                }
                None => at += piece,
            }
        }
        if piece == 1 && !removed {
            return Ok(smallest);
        }
        piece = (piece / 2).max(1);
    }
}
