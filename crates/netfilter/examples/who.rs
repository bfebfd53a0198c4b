//! Asks a ruleset file who can open a connection: `who FILE input|forward PORT [matrix]`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "an example reads a file and prints"
)]

use netfilter::ir::Hook;
use netfilter::rules::{Question, ask, matrix};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, hook, port, rest @ ..] = arguments.as_slice() else {
        return Err("who FILE input|forward PORT [matrix]".into());
    };
    let hook = Hook::by_name(hook).ok_or("no such hook")?;
    let question =
        Question { hook, protocol: 6, port: port.parse()?, source_port: None, family: None };
    let bytes = std::fs::read(file)?;
    let files = [(file.as_str(), bytes.as_slice())];
    let json = if rest.is_empty() {
        serde_json::to_string_pretty(&ask(&files, &question)?)?
    } else {
        serde_json::to_string(&matrix(&files, &question)?)?
    };
    println!("{json}");
    Ok(())
}
