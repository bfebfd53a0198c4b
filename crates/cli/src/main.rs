//! The command line: reads a host or a saved snapshot, judges it, and shows what was asked for.
//!
//! Everything with an effect is called from here: flags are parsed without effects ([`flags`]),
//! facts come from the host ([`host`]) or a file ([`load`]), and the views write to a buffered
//! standard output ([`output`]). Exit codes: [`exit`].

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "effects belong here")]

mod exit;
mod explain;
mod flags;
mod host;
mod load;
mod output;
mod rules;
mod settings;
mod show;

use std::process::ExitCode;

use flags::{Command, Invocation};

fn main() -> ExitCode {
    let invocation = match flags::parse() {
        Ok(invocation) => invocation,
        Err(done) => return done,
    };
    exit::code(run(&invocation))
}

/// Does what was asked.
fn run(invocation: &Invocation) -> anyhow::Result<exit::Outcome> {
    match &invocation.command {
        Some(Command::Why(view)) => show::sockets(view, true),
        Some(Command::Snapshot(options)) => show::snapshot(*options),
        Some(Command::Rules(flags)) => rules::rules(flags),
        Some(Command::Settings(flags)) => settings::settings(flags),
        Some(Command::Schema { settings }) => show::schema(*settings),
        Some(Command::Explain(flags)) => explain::explain(flags),
        Some(Command::Completions { shell }) => show::completions(*shell),
        Some(Command::Man) => show::man(),
        None => show::sockets(&invocation.view, false),
    }
}
