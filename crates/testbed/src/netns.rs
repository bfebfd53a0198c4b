//! A network namespace of its own, alive as long as the value.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::{Done, Error, run};

/// A new network namespace, with only its loopback device, up.
///
/// A process holds it that ends when its standard input closes. So the namespace ends with this
/// value, and also when the test is killed; no name in /run/netns stays behind.
#[derive(Debug)]
pub struct Netns {
    keeper: Child,
}

/// What the keeper does. It answers once the namespace exists.
const KEEPER: &str = "ip link set lo up && echo ready && exec cat";

impl Netns {
    /// Makes one.
    pub fn new() -> Result<Self, Error> {
        let mut keeper = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", KEEPER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| run::started("unshare", error))?;
        let mut answer = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut answer)
                .map_err(Error::io("read from the keeper of a network namespace"))?;
        }
        let netns = Self { keeper };
        if answer != "ready\n" {
            return Err(Error::Failed {
                command: format!("unshare --net sh -c '{KEEPER}'"),
                status: "no answer; root is needed".to_owned(),
                stdout: answer,
                stderr: String::new(),
            });
        }
        Ok(netns)
    }

    /// The file that names the namespace, for nsenter(1) and setns(2).
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.keeper.id()))
    }

    /// A process inside it, for `ip link set DEV netns PID`.
    pub(crate) fn pid(&self) -> u32 {
        self.keeper.id()
    }

    /// What to put before a command so that it runs inside. `ip netns exec` would also hide the
    /// cgroup mounts (iproute2, lib/namespace.c: it mounts a new sysfs), so it is not used.
    pub(crate) fn prefix(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net={}", self.path().display()), "--".to_owned()]
    }

    /// Runs a command inside, to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Done, Error> {
        run::run(&self.prefix(), arguments)
    }

    /// A command that will run inside, for a caller that wants its streams or its process.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // The keeper only waits for its input; an error here means that it is gone already.
        let _ = self.keeper.wait();
    }
}
