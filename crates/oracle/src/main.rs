//! `fuzz-kernel`: random rulesets and packets before the kernel and the evaluators, for a while.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: it runs against a kernel and the clock"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use oracle::{Backend, Bench, Count, Error, Fixture, Trial, generate};

/// Asks the kernel and the evaluators about random packets under random rulesets.
#[derive(Parser)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Which rulesets: the first one's number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Packets under each ruleset.
    #[arg(long, default_value_t = 500)]
    packets: usize,
    /// Only print the ruleset of this seed for each program.
    #[arg(long)]
    show: bool,
    /// Stop after this many contradictions.
    #[arg(long, default_value_t = 20)]
    most: usize,
    /// A directory to write contradictions to, one file each.
    #[arg(long)]
    keep: Option<std::path::PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.show {
        for backend in Backend::ALL {
            println!("# {backend:?}\n{}", generate::ruleset(backend, arguments.seed));
        }
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fuzz-kernel: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<usize, Error> {
    let mut bench = Bench::new(&generate::INTERFACES.map(str::to_owned))?;
    let start = Instant::now();
    let mut total = Count::default();
    let mut contradictions = 0;
    let mut seed = arguments.seed;
    while start.elapsed() < Duration::from_secs(arguments.seconds)
        && contradictions < arguments.most
    {
        for backend in Backend::ALL {
            let text = generate::ruleset(backend, seed);
            let trial =
                Trial { backend, text: &text, packets: arguments.packets, seed, listed: true };
            let verdict = trial.run(&mut bench)?;
            total.add(verdict.count);
            for fixture in verdict.found {
                contradictions += 1;
                tell(arguments, seed, contradictions, &fixture);
            }
        }
        seed += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for a reader")]
    let rate = total.packets as f64 / seconds;
    println!("{total:#?}\n{contradictions} contradictions, {seconds:.1} s, {rate:.0} packets/s");
    Ok(contradictions)
}

fn tell(arguments: &Arguments, seed: u64, number: usize, fixture: &Fixture) {
    println!(
        "seed {seed}, {:?}, {}, {:?}\n{}\n{}\n{}",
        fixture.backend,
        fixture.form,
        fixture.path,
        fixture.about,
        fixture.probe,
        fixture.loaded_text()
    );
    let Some(directory) = &arguments.keep else { return };
    let path = directory.join(format!("{seed}-{number}.json"));
    let written = serde_json::to_string_pretty(fixture).map(|text| std::fs::write(&path, text));
    match written {
        Ok(Ok(())) => println!("kept as {}\n", path.display()),
        failed => eprintln!("write {}: {failed:?}", path.display()),
    }
}
