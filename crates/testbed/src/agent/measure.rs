//! What a command costs, from the kernel's own account of the process.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};
use std::time::Instant;

use clap::Args;

/// The arguments of `measure`.
#[derive(Args)]
pub(crate) struct Measure {
    /// Where to write the cost: `CPU_US WALL_US PEAK_RSS_KIB`.
    #[arg(long)]
    to: PathBuf,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true)]
    command: Vec<String>,
}

impl Measure {
    /// Runs the command with this process's own streams, and ends with its status.
    pub(crate) fn run(self) -> ExitCode {
        match self.measured() {
            Ok(status) => ExitCode::from(status),
            Err(error) => {
                eprintln!("testbed-agent: measure {:?}: {error}", self.command);
                ExitCode::FAILURE
            }
        }
    }

    fn measured(&self) -> io::Result<u8> {
        let (program, arguments) = self.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let start = Instant::now();
        let child = Command::new(program).args(arguments).spawn()?;
        let (status, usage) = wait(&child)?;
        let wall_us = start.elapsed().as_micros();
        let cpu_us = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
        fs::write(&self.to, format!("{cpu_us} {wall_us} {}\n", usage.ru_maxrss))?;
        if libc::WIFEXITED(status) {
            return Ok(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX));
        }
        Err(io::Error::other(format!("signal {}", libc::WTERMSIG(status))))
    }
}

/// Waits for the end of a process and returns its status and what it used (wait4(2)).
#[allow(unsafe_code, reason = "neither std nor rustix returns the resources of a child")]
fn wait(child: &Child) -> io::Result<(i32, libc::rusage)> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::zeroed();
    // SAFETY: both pointers are valid for writes of their types during the call, and `rusage` is a
    // struct of integers, for which all zeroes are a value, should the kernel write nothing.
    let (waited, usage) =
        unsafe { (libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()), usage.assume_init()) };
    if waited == pid { Ok((status, usage)) } else { Err(io::Error::last_os_error()) }
}

fn microseconds(time: libc::timeval) -> i64 {
    time.tv_sec * 1_000_000 + time.tv_usec
}
