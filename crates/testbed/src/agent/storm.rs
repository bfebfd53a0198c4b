//! Processes that come and go while someone looks.

use std::env;
use std::io;
use std::net::TcpListener;
use std::process::{Child, Command};

use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{Never, ready};

/// The arguments of `storm`.
#[derive(Args)]
pub(crate) struct Storm {
    /// How many processes there are at a time.
    #[arg(long, default_value_t = 8)]
    width: usize,
}

impl Storm {
    /// Starts processes that end at once, and new ones in their place.
    pub(crate) fn run(self) -> io::Result<Never> {
        let program = env::current_exe()?;
        let start = || -> io::Result<Child> {
            Command::new(&program).arg("flash").env_remove("NOTIFY_SOCKET").spawn()
        };
        let mut running = (0..self.width).map(|_| start()).collect::<io::Result<Vec<Child>>>()?;
        ready::say()?;
        loop {
            for child in &mut running {
                child.wait()?;
                *child = start()?;
            }
        }
    }
}

/// Opens a listener on any free port and ends.
pub(crate) fn flash() -> io::Result<Never> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    drop(listener);
    std::process::exit(0)
}
