//! A busy host for measurements: many processes with many sockets, alone in namespaces.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Error, run};

/// How many processes and sockets; see the agent's `load --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadShape {
    /// Groups of processes.
    pub groups: u16,
    /// Processes of each group.
    pub processes: u16,
    /// Listeners of each group, all held by each of its processes.
    pub listeners: u16,
    /// Connections that each process makes to its group: two sockets each.
    pub connections: u32,
    /// Other open files of each process.
    pub files: u32,
    /// The listeners are on any address, and packets from elsewhere can come: there is an interface
    /// `eth0` with addresses and a way out.
    pub open: bool,
}

/// Processes with sockets, in a network namespace of their own: whoever looks from inside sees their
/// sockets and no others. They are ordinary processes of this machine, not of a nested pid
/// namespace, because that is what a host is, and because whyopen does not use BPF in a nested one.
/// They end with the value.
#[derive(Debug)]
pub struct Load {
    supervisor: Child,
    directory: TempDir,
}

/// What a command cost and printed.
#[derive(Debug)]
pub struct Measured {
    /// Processor time, of the program and of the kernel for it.
    pub cpu: Duration,
    /// Time on the wall.
    pub wall: Duration,
    /// The most memory it had at one time, in KiB.
    pub peak_rss_kib: u64,
    /// The file with what it printed, until the next measurement.
    pub stdout: PathBuf,
}

/// Starts the agent, and ends it when the standard input closes. The agent's processes end with it.
const SUPERVISOR: &str = "ip link set lo up; \"$@\" & cat >/dev/null; kill -9 $!";

/// What makes others come.
const LINK: &str = "
    ip link add eth0 type veth peer name peer
    ip link set peer up
    ip link set eth0 up
    ip address add 192.0.2.10/24 dev eth0
    ip address add 2001:db8:1::10/64 dev eth0 nodad
    ip route add default via 192.0.2.1
    ip route add default via 2001:db8:1::1 dev eth0
";

impl Load {
    /// Starts it and waits until every socket is open. `agent` is the program `testbed-agent`.
    pub fn start(agent: &Path, shape: &LoadShape) -> Result<Self, Error> {
        let directory = tempfile::Builder::new()
            .prefix("testbed-load-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .map_err(Error::io("make a temporary directory"))?;
        let agent = copy(agent, directory.path(), "testbed-agent")?;
        let mut supervisor = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", SUPERVISOR, "supervisor"])
            .arg(agent)
            .args(["load", "--groups", &shape.groups.to_string()])
            .args(["--processes", &shape.processes.to_string()])
            .args(["--listeners", &shape.listeners.to_string()])
            .args(["--connections", &shape.connections.to_string()])
            .args(["--files", &shape.files.to_string()])
            .args(shape.open.then_some("--open"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| run::started("unshare", error))?;
        let mut answer = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut answer)
                .map_err(Error::io("read from the load"))?;
        }
        let load = Self { supervisor, directory };
        if answer == "ready\n" {
            if shape.open {
                load.run(&["sh", "-euc", LINK], b"")?;
            }
            return Ok(load);
        }
        Err(Error::Failed {
            command: format!("testbed-agent load ({shape:?})"),
            status: "no answer".to_owned(),
            stdout: answer,
            stderr: String::new(),
        })
    }

    /// Runs a command inside, as root, with this input.
    ///
    /// # Errors
    /// [`Error::Failed`] unless its status is 0.
    pub fn run(&self, command: &[&str], input: &[u8]) -> Result<(), Error> {
        let mut file = tempfile::tempfile().map_err(Error::io("make a temporary file"))?;
        file.write_all(input).and_then(|()| file.rewind()).map_err(Error::io("write the input"))?;
        let output = Command::new("nsenter")
            .arg(format!("--target={}", self.supervisor.id()))
            .args(["--net", "--"])
            .args(command)
            .stdin(file)
            .output()
            .map_err(|error| run::started("nsenter", error))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            command: command.join(" "),
            status: output.status.to_string(),
            stdout: String::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The agent, as a command inside calls it.
    pub fn agent(&self) -> PathBuf {
        self.directory.path().join("testbed-agent")
    }

    /// Copies a program to where also nobody can run it, and returns its path.
    pub fn push(&self, program: &Path) -> Result<PathBuf, Error> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        copy(program, self.directory.path(), &name)
    }

    /// Runs a command inside, as root or as nobody, and measures it.
    ///
    /// # Errors
    /// [`Error::Failed`] unless its status is 0.
    pub fn measure(&self, as_nobody: bool, command: &[&str]) -> Result<Measured, Error> {
        let path = |name: &str| self.directory.path().join(name);
        let (agent, cost, stdout) = (path("testbed-agent"), path("cost"), path("stdout"));
        for file in [&cost, &stdout] {
            fs::write(file, "").map_err(Error::io(format!("write {}", file.display())))?;
        }
        let everyone = Permissions::from_mode(0o666);
        fs::set_permissions(&cost, everyone).map_err(Error::io("let everyone write the cost"))?;
        let output = File::options()
            .write(true)
            .open(&stdout)
            .map_err(Error::io(format!("open {}", stdout.display())))?;

        let mut whole = Command::new("nsenter");
        whole.arg(format!("--target={}", self.supervisor.id())).args(["--net", "--"]);
        if as_nobody {
            whole.args(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
            whole.args(["--inh-caps=-all", "--"]);
        }
        whole.arg(agent).arg("measure").arg("--to").arg(&cost).arg("--").args(command);
        whole.env_clear().env("PATH", run::PATH).env("LC_ALL", "C.UTF-8");
        let output = whole
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| run::started("nsenter", error))?;
        let text = fs::read_to_string(&cost).unwrap_or_default();
        let numbers: Vec<u64> = text.split_whitespace().flat_map(str::parse).collect();
        let ([cpu, wall, peak_rss_kib], true) = (numbers.as_slice(), output.status.success())
        else {
            return Err(Error::Failed {
                command: command.join(" "),
                status: output.status.to_string(),
                stdout: String::new(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        };
        Ok(Measured {
            cpu: Duration::from_micros(*cpu),
            wall: Duration::from_micros(*wall),
            peak_rss_kib: *peak_rss_kib,
            stdout,
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // It ends when its input does; an error here means that it is gone already.
        let _ = self.supervisor.wait();
    }
}

fn copy(program: &Path, directory: &Path, name: &str) -> Result<PathBuf, Error> {
    let target = directory.join(name);
    let what = format!("copy {} to {}", program.display(), target.display());
    fs::copy(program, &target).map_err(Error::io(what))?;
    Ok(target)
}
