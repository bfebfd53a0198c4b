//! What is done to this repository: test it, measure it, fuzz it, rebuild what was generated.
//!
//! `cargo xtask test` is the whole check, from a fresh machine to the summary of the tests.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: it runs cargo and other programs and reports what they did"
)]

mod bench;
mod bpf;
mod command;
mod fuzz;
mod fuzz_kernel;
mod host;
mod test;
mod tools;

use std::process::ExitCode;

use clap::Parser;

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Install what the tests need (Debian, as root), then check and test everything.
    Test,
    /// Fuzz one parser, or all of them one after the other.
    Fuzz(fuzz::Fuzz),
    /// Compare the evaluation of random firewall rules with what the kernel does (as root).
    FuzzKernel(fuzz_kernel::FuzzKernel),
    /// Measure the cost of a look at busy hosts, next to ss, netstat and lsof (as root).
    Bench(bench::Bench),
    /// Boot a test host and look around on it (as root).
    Host(host::Host),
    /// Write the BPF programs as text again, after a change of what assembles them.
    Bpf,
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Test => test::all(),
        Task::Fuzz(fuzz) => fuzz.run(),
        Task::FuzzKernel(fuzz) => fuzz.run(),
        Task::Bench(bench) => bench.run(),
        Task::Host(host) => host.run(),
        Task::Bpf => bpf::write(),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("xtask: {error:#}");
    ExitCode::FAILURE
}
