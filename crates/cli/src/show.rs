//! What each invocation shows.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, Instant};

use facts::{Pid, Question, Snapshot};
use judge::row::Row;
use judge::target::{self, Target};
use judge::{Judgement, judge, why};
use report::escape::Text;
use report::json::{self, Selection};
use report::text::{self, View};

use crate::exit::{self, Outcome};
use crate::flags::{self, FailOn, Format, SnapshotFlags, ViewFlags};
use crate::{host, load, output};

/// Shows sockets: the first screen, or the targets in detail; with `long`, why they are open with
/// everything that was found about that.
pub(crate) fn sockets(flags: &ViewFlags, long: bool) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let targets = parse(&flags.targets)?;
    // The first screen alone does not show sockets that are bound but not open.
    let close = long || !targets.is_empty();
    let all = flags.all || flags.output != Format::Text || close;
    let mut snapshot = match &flags.from {
        Some(path) => load::snapshot(path, flags.read)?,
        None => host::snapshot(flags.read, all),
    };
    if flags.from.is_none() && (close || flags.with_args) {
        let pids = holders(&judge(&snapshot), &targets);
        host::details(&mut snapshot, &pids, flags.with_args);
    }
    if flags.from.is_none() && !flags.read.sockets_only {
        let asked = questions(&judge(&snapshot), &targets, close);
        host::evidence(&mut snapshot, &asked);
    }
    let judgement = judge(&snapshot);
    let (rows, all_found) = resolve(&judgement, &targets);
    if !targets.is_empty() && rows.is_empty() && flags.output == Format::Text {
        return Ok(Outcome::NotFound);
    }
    let took = flags.from.is_none().then(|| started.elapsed());
    write(&judgement, &rows, (flags, long), took)?;
    Ok(if all_found { outcome(&judgement, flags) } else { Outcome::NotFound })
}

/// Reads all targets before the host is read.
fn parse(words: &[String]) -> anyhow::Result<Vec<Target>> {
    Ok(words.iter().map(|word| target::parse(word)).collect::<Result<_, _>>()?)
}

/// The rows of all targets, each once, and whether every target was found, after saying which was
/// not.
fn resolve<'j, 'a>(judgement: &'j Judgement<'a>, targets: &[Target]) -> (Vec<&'j Row<'a>>, bool) {
    let mut rows: Vec<&Row<'_>> = Vec::new();
    let mut all_found = true;
    for target in targets {
        match target::resolve(judgement, target) {
            Ok(found) => {
                if let Some(note) = text::note(judgement, target, &found) {
                    exit::complain(&note);
                }
                rows.extend(found.rows);
            }
            Err(missing) => {
                all_found = false;
                text::not_found(&missing).iter().for_each(exit::complain);
            }
        }
    }
    // In the order of the judgement, which is the order in memory.
    rows.sort_by_key(|row| std::ptr::from_ref(*row));
    rows.dedup_by(|a, b| std::ptr::eq(*a, *b));
    (rows, all_found)
}

/// The processes that hold what the targets mean; without targets, what holds anything.
fn holders(judgement: &Judgement<'_>, targets: &[Target]) -> Vec<Pid> {
    let found = |t| target::resolve(judgement, t).map(|found| found.rows).unwrap_or_default();
    let rows: Vec<&Row<'_>> = if targets.is_empty() {
        judgement.rows.iter().collect()
    } else {
        targets.iter().flat_map(found).collect()
    };
    let pids: BTreeSet<Pid> =
        rows.into_iter().flat_map(|row| judgement.holders(row)).map(|h| h.pid).collect();
    pids.into_iter().collect()
}

/// What the host has to be asked: to explain the targets, or everything if there are none; else what
/// tells of services that nothing needs.
fn questions(judgement: &Judgement<'_>, targets: &[Target], close: bool) -> BTreeSet<Question> {
    if !close {
        return why::findings_need(judgement);
    }
    let found = |t| target::resolve(judgement, t).map(|found| found.rows).unwrap_or_default();
    let rows: Vec<&Row<'_>> = if targets.is_empty() {
        judgement.rows.iter().collect()
    } else {
        targets.iter().flat_map(found).collect()
    };
    why::questions(judgement, &rows)
}

/// Writes the rows, or everything if there were no targets.
fn write(
    judgement: &Judgement<'_>,
    rows: &[&Row<'_>],
    (flags, long): (&ViewFlags, bool),
    took: Option<Duration>,
) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let chosen = !flags.targets.is_empty();
    let selection = Selection {
        rows: chosen.then_some(rows),
        connected: flags.read.connected,
        why: long || chosen || flags.from.is_some(),
    };
    match flags.output {
        Format::Json => json::document(&mut out, judgement, selection)?,
        Format::Ndjson => json::lines(&mut out, judgement, selection)?,
        Format::Text => {
            let view = View {
                screen: output::screen(flags.color, flags.width),
                all: flags.all,
                connected: flags.read.connected,
                note: took.map_or(Text::fixed("saved snapshot"), Text::seconds),
            };
            if long {
                let open: Vec<&Row<'_>> = judgement.rows.iter().filter(|r| r.is_open()).collect();
                text::why(&mut out, judgement, if chosen { rows } else { &open }, &view)?;
            } else if flags.targets.is_empty() {
                text::overview(&mut out, judgement, &view)?;
            } else {
                text::detail(&mut out, judgement, rows, &view)?;
            }
        }
    }
    Ok(out.flush()?)
}

/// How the run ends.
fn outcome(judgement: &Judgement<'_>, flags: &ViewFlags) -> Outcome {
    let least = flags.fail_on.map(FailOn::severity);
    if least.is_some_and(|least| judgement.findings().iter().any(|f| f.severity >= least)) {
        Outcome::Finding
    } else if flags.strict && judgement.is_incomplete() {
        Outcome::Incomplete
    } else {
        Outcome::Done
    }
}

/// Prints a snapshot of the host, with all that any view needs.
pub(crate) fn snapshot(flags: SnapshotFlags) -> anyhow::Result<Outcome> {
    let mut snapshot: Snapshot = host::snapshot(flags.read, true);
    let pids = holders(&judge(&snapshot), &[]);
    host::details(&mut snapshot, &pids, flags.with_args);
    if !flags.read.sockets_only {
        let asked = questions(&judge(&snapshot), &[], true);
        host::evidence(&mut snapshot, &asked);
    }
    let mut out = output::stdout();
    json::write(&mut out, &snapshot)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// Prints the schema of the JSON.
pub(crate) fn schema(settings: bool) -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    if settings {
        report::schema::write_settings(&mut out)?;
    } else {
        report::schema::write(&mut out)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Prints completions.
pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Outcome> {
    // Into memory first: the generator panics when it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut flags::definition(), "whyopen", &mut text);
    let mut out = output::stdout();
    out.write_all(&text)?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// Prints the manual page.
pub(crate) fn man() -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    clap_mangen::Man::new(flags::definition()).render(&mut out)?;
    out.flush()?;
    Ok(Outcome::Done)
}
