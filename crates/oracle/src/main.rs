//! `fuzz-kernel`: random rulesets and packets before the kernel and the evaluators, for a while.
//! `cargo xtask fuzz-kernel` runs it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: it runs against a kernel and the clock"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use oracle::{Backend, Error, Fixture, Fuzz, generate};

/// Asks the kernel and the evaluators about random packets under random rulesets (as root; in
/// network namespaces of its own).
#[derive(Parser)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Which rulesets: the first one's number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Packets under each ruleset.
    #[arg(long, default_value_t = 2000)]
    packets: usize,
    /// Stop after this many contradictions.
    #[arg(long, default_value_t = 20)]
    most: usize,
    /// Only print the ruleset of this seed for each program.
    #[arg(long)]
    show: bool,
    /// A directory to write contradictions to, one file each.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Ask the kernel about these fixtures, and write its answers into them.
    #[arg(long, num_args = 1..)]
    record: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.show {
        for backend in Backend::ALL {
            println!("# {backend:?}\n{}", generate::ruleset(backend, arguments.seed));
        }
        return ExitCode::SUCCESS;
    }
    let result =
        if arguments.record.is_empty() { run(&arguments) } else { record(&arguments.record) };
    match result {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fuzz-kernel: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The number of contradictions.
fn run(arguments: &Arguments) -> Result<u64, Error> {
    let start = Instant::now();
    let fuzz = Fuzz {
        time: Duration::from_secs(arguments.seconds),
        seed: arguments.seed,
        packets: arguments.packets,
        most: arguments.most,
    };
    let mut contradictions = 0;
    let total = fuzz.run(|seed, fixture| {
        contradictions += 1;
        println!("seed {seed}: {fixture}");
        if let Some(directory) = &arguments.keep {
            let path = directory.join(format!("{seed}-{contradictions}.json"));
            match fixture.write(&path) {
                Ok(()) => println!("kept as {}\n", path.display()),
                Err(error) => eprintln!("{error}"),
            }
        }
    })?;
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for a reader")]
    let rate = total.packets as f64 / seconds;
    println!("{total:#?}\n{contradictions} contradictions, {seconds:.1} s, {rate:.0} packets/s");
    Ok(contradictions)
}

/// The number of fixtures with which the evaluators do not agree.
fn record(paths: &[PathBuf]) -> Result<u64, Error> {
    let mut contradictions = 0;
    for path in paths {
        let fixture = Fixture::read(path)?.recorded()?;
        fixture.write(path)?;
        contradictions += u64::from(tell(path, &fixture));
    }
    Ok(contradictions)
}

fn tell(path: &Path, fixture: &Fixture) -> bool {
    let replayed = fixture.replay();
    let text = replayed.as_ref().map_or_else(|fault| fault.what.clone(), |()| "agreed".to_owned());
    println!("{}: {:?}: {text}", path.display(), fixture.kernel);
    replayed.is_err()
}
