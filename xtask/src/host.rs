//! `cargo xtask host`: a test host to look around on.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use clap::Args;
use testbed::{HostOptions, Lab};

use crate::command::{cargo, run, target_directory};
use crate::tools;

/// Where programs of one's own belong (hier(7)).
const PROGRAMS: &str = "/usr/local/bin";

/// The address of the host on its lab, and of the client beside it.
const NUMBER: u8 = 7;

/// The arguments of `host`.
#[derive(Args)]
pub(crate) struct Host {
    /// Units to be started with the host.
    #[arg(long, value_name = "UNIT", num_args = 1..)]
    enable: Vec<String>,
    /// With many services installed, none of them enabled.
    #[arg(long)]
    services: bool,
    /// Let it run containers of its own, as `docker.service` needs.
    #[arg(long)]
    privileged: bool,
    /// Put this program there as `whyopen` instead of building one.
    #[arg(long, value_name = "FILE")]
    whyopen: Option<PathBuf>,
}

impl Host {
    /// Boots it, with `whyopen` and `testbed-agent` on it, and runs a shell there: what comes from
    /// standard input, line by line, if that is not a terminal. The host ends with the shell.
    pub(crate) fn run(self) -> Result<()> {
        tools::ready()?;
        run(&mut cargo(&["build", "--locked", "--package", "testbed", "--package", "whyopen"]))?;
        let built = target_directory().join("debug");
        let mut options = HostOptions::new();
        for unit in &self.enable {
            options = options.enable(unit);
        }
        if self.services {
            options = options.services();
        }
        if self.privileged {
            options = options.privileged();
        }
        let lab = Lab::new()?;
        let host = lab.host("look", &options)?;
        host.join(NUMBER)?;
        for (name, file) in [
            ("whyopen", self.whyopen.unwrap_or_else(|| built.join("whyopen"))),
            ("testbed-agent", built.join("testbed-agent")),
        ] {
            host.push(&file, &format!("{PROGRAMS}/{name}"))?;
        }
        let client = lab.client()?;
        let address = format!("192.0.2.{NUMBER}, 2001:db8:1::{NUMBER}");
        eprintln!(
            "{} is up: {address}; a client on its link is 192.0.2.{}",
            host.name(),
            client.number()
        );
        let mut shell = host.command("bash")?;
        shell.stdin(Stdio::inherit());
        let status = shell.status().context("start a shell in the host")?;
        eprintln!("the shell ended: {status}");
        Ok(())
    }
}
