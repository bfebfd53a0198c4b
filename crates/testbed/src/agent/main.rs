//! The program that tests run on test hosts: it opens what a test asks for and then waits.
//!
//! It is started by hand, by systemd (it tells systemd when it is ready) or in a container, and ends
//! when it is killed.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for tests, made of effects"
)]

mod dump;
mod hold;
mod load;
mod measure;
mod ready;
mod spec;
mod storm;

use std::io;
use std::process::ExitCode;

use clap::Parser;

/// What to do.
#[derive(Parser)]
#[command(name = "testbed-agent", about = "Opens sockets for tests of whyopen")]
enum Task {
    /// Open sockets and hold them.
    Hold(hold::Hold),
    /// Hold what was inherited: the child processes of `hold`.
    Idle,
    /// Start processes that open a listener and end at once, forever.
    Storm(storm::Storm),
    /// One process of the storm.
    #[command(hide = true)]
    Flash,
    /// Make many processes with many sockets.
    Load(load::Load),
    /// One process of the load.
    #[command(hide = true)]
    LoadMember(load::Member),
    /// Read a packet filter over netlink, and no more than that.
    Dump(dump::Dump),
    /// Run a command and write what it cost to a file.
    Measure(measure::Measure),
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Hold(hold) => hold.run(),
        Task::Idle => hold::idle(),
        Task::Storm(storm) => storm.run(),
        Task::Flash => storm::flash(),
        Task::Load(load) => load.run(),
        Task::LoadMember(member) => member.run(),
        Task::Dump(dump) => return dump.run(),
        Task::Measure(measure) => return measure.run(),
    };
    let Err(error) = result.map(|never: Never| match never {});
    eprintln!("testbed-agent: {error}");
    ExitCode::FAILURE
}

/// The value of a function that only ends with an error.
enum Never {}

/// Waits until the process is killed.
fn forever() -> io::Result<Never> {
    loop {
        std::thread::park();
    }
}
