//! Fuzzing on the stable toolchain: LLVM's coverage pass and libFuzzer, without cargo-fuzz, which
//! wants a nightly compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::command::{cargo, command, output, root, run};

#[path = "../../fuzz/targets.rs"]
mod targets;

/// The counters and the table of code addresses that libFuzzer reads (LLVM's SanitizerCoverage;
/// level 4 counts edges and the calls through pointers).
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table --cfg fuzzing";

/// The arguments of `fuzz`.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// The parser; without one, all of them.
    #[arg(value_parser = targets::ALL.iter().map(|target| target.name).collect::<Vec<_>>())]
    target: Option<String>,
    /// How long to fuzz each.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only parse this file once, in a program without libFuzzer: for a debugger.
    #[arg(long, requires = "target")]
    replay: Option<PathBuf>,
}

impl Fuzz {
    /// Fuzzes, and shows what libFuzzer has to say.
    pub(crate) fn run(self) -> Result<()> {
        let Some(target) = self.target else { return all(self.seconds) };
        if let Some(file) = self.replay {
            let input = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            let found = targets::ALL.iter().find(|found| found.name == target);
            (found.context("no such target")?.parse)(&input);
            return Ok(());
        }
        let program = build()?;
        let arguments = Arguments::of(&target, self.seconds)?;
        run(&mut arguments.command(&program, &target))
    }
}

/// Fuzzes every target, as many at a time as there are processors.
pub(crate) fn all(seconds: u32) -> Result<()> {
    let program = build()?;
    let width = std::thread::available_parallelism()?.get();
    eprintln!("\nfuzzing {} parsers, {seconds} s each", targets::ALL.len());
    for group in targets::ALL.chunks(width) {
        let mut running: Vec<(&str, Child)> = Vec::new();
        for targets::Target { name: target, .. } in group {
            let arguments = Arguments::of(target, seconds)?;
            let mut fuzzer = arguments.command(&program, target);
            let child = fuzzer.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
            running.push((target, child.with_context(|| format!("start fuzzing {target}"))?));
        }
        for (target, child) in running {
            let output = child.wait_with_output()?;
            let text = String::from_utf8_lossy(&output.stderr);
            if !output.status.success() {
                bail!(
                    "{target} fails: {}\n{text}\nkeep the input that libFuzzer wrote: move it to \
                     fuzz/regressions/{target}/, where a test replays it",
                    output.status
                );
            }
            let runs = text.lines().rev().find(|line| line.starts_with("Done"));
            eprintln!("  {target}: {}", runs.unwrap_or("done"));
        }
    }
    Ok(())
}

/// Where a target's files are.
struct Arguments {
    corpus: PathBuf,
    regressions: PathBuf,
    artifacts: PathBuf,
    seconds: u32,
}

impl Arguments {
    fn of(target: &str, seconds: u32) -> Result<Self> {
        let directory = |name: &str| root().join("fuzz").join(name).join(target);
        let arguments = Self {
            corpus: directory("corpus"),
            regressions: directory("regressions"),
            artifacts: directory("artifacts"),
            seconds,
        };
        for directory in [&arguments.corpus, &arguments.artifacts] {
            fs::create_dir_all(directory)
                .with_context(|| format!("create {}", directory.display()))?;
        }
        Ok(arguments)
    }

    fn command(&self, program: &Path, target: &str) -> Command {
        let mut fuzzer = command(&program.to_string_lossy());
        fuzzer
            .env("WHYOPEN_FUZZ_TARGET", target)
            .arg(format!("-max_total_time={}", self.seconds))
            .arg(format!("-artifact_prefix={}/", self.artifacts.display()))
            // A parser that takes 5 s for at most 64 KiB hangs; 512 MiB are out of proportion.
            .args(["-timeout=5", "-max_len=65536", "-rss_limit_mb=512", "-print_final_stats=0"])
            .arg(&self.corpus);
        if self.regressions.is_dir() {
            fuzzer.arg(&self.regressions);
        }
        fuzzer
    }
}

/// Builds the fuzzing program and returns its path.
fn build() -> Result<PathBuf> {
    let version = output(command("rustc").arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc -vV names no host")?;
    // With --target the flags are for the program only, not for build scripts and macros, which
    // could not be linked with them.
    let arguments = ["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"];
    let target_directory = root().join("fuzz/target");
    run(cargo(&arguments)
        .args(["--target", host])
        .env("CARGO_TARGET_DIR", &target_directory)
        .env("RUSTFLAGS", FLAGS))?;
    Ok(target_directory.join(host).join("release/fuzz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What once crashed a parser does not crash it again.
    #[test]
    fn regressions_stay_fixed() {
        let directory = root().join("fuzz/regressions");
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if !entry.file_type().unwrap().is_dir() {
                continue;
            }
            let name = entry.file_name().into_string().unwrap();
            let target = targets::ALL.iter().find(|target| target.name == name);
            let target = target.unwrap_or_else(|| panic!("no target is called {name}"));
            for input in fs::read_dir(entry.path()).unwrap() {
                (target.parse)(&fs::read(input.unwrap().path()).unwrap());
            }
        }
    }

    /// Every entry point of the rooms is a target, so that a new one is not forgotten here.
    #[test]
    fn every_entry_point_is_a_target() {
        for room in ["holders", "owners", "sockets"] {
            let path = root().join(format!("crates/collect/src/{room}/fuzzing.rs"));
            let text = fs::read_to_string(path).unwrap();
            let functions = text.lines().filter_map(|line| line.strip_prefix("pub fn "));
            let names: Vec<&str> = functions.filter_map(|f| Some(f.split_once('(')?.0)).collect();
            assert_ne!(names.len(), 0, "{room}");
            for name in names {
                assert!(targets::ALL.iter().any(|t| t.name == name), "{room}::fuzzing::{name}");
            }
        }
    }

    #[test]
    fn targets_are_sorted_and_named_once() {
        let names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }
}
