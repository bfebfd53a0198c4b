//! A host with systemd as its pid 1.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Contents, Done, Error, Image, Lab, leftovers, run};

mod leader;

/// What a host consists of, in `sh`.
const SUPERVISOR: &str = include_str!("host/supervisor.sh");

/// Where the supervisor keeps a host's file system, in its own mount namespace.
const STATE: &str = "run/systemd/testbed";

/// How long a boot may take before it counts as failed. It takes 0.5 s on two idle processors, but
/// other tests may keep them busy.
const BOOT_LIMIT: Duration = Duration::from_secs(90);

/// How long a host may take to power off. systemd itself gives a service 90 s, but none of the tests'
/// services needs them.
const OFF_LIMIT: Duration = Duration::from_secs(30);

/// What distinguishes one host from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostOptions {
    enable: Vec<String>,
    files: Vec<(String, String)>,
    nspawn: Vec<String>,
    contents: Contents,
}

impl HostOptions {
    /// A quiet host: systemd with its journal and D-Bus; nothing listens.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enables a unit of the image before the first boot.
    #[must_use]
    pub fn enable(mut self, unit: &str) -> Self {
        self.enable.push(unit.to_owned());
        self
    }

    /// Writes a file before the first boot.
    #[must_use]
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), content.to_owned()));
        self
    }

    /// Many services are installed, none of them started ([`Contents::Services`]).
    #[must_use]
    pub fn services(mut self) -> Self {
        self.contents = Contents::Services;
        self
    }

    /// Lets the host's own services use every capability and the BPF and keyring calls: Docker, and
    /// systemd's IPAddressDeny=. (What [`Host::run`] starts has them always.)
    #[must_use]
    pub fn privileged(mut self) -> Self {
        self.nspawn.push("--capability=all".to_owned());
        self.nspawn.push("--system-call-filter=add_key keyctl bpf @keyring".to_owned());
        self
    }
}

/// A running host. It ends, with everything in it, when the value is dropped.
#[derive(Debug)]
pub struct Host {
    name: String,
    supervisor: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
    leader: Option<Pid>,
}

impl Host {
    /// Boots a host on the lab's bridge and waits until systemd has started everything. Its
    /// interface `host0` is up and has no address yet ([`Host::join`]).
    ///
    /// # Errors
    /// [`Error`], with the end of the host's console where it booted and did not get far.
    pub fn boot(lab: &Lab, name: &str, options: &HostOptions) -> Result<Self, Error> {
        leftovers::remove();
        let image = Image::with(options.contents)?;
        let name = leftovers::unique_name(name);
        let mut command = lab.router().command("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--"])
            .args(["sh", "-c", SUPERVISOR, "supervisor", &name])
            .arg(image.directory())
            .arg(options.enable.join(" "))
            .args(&options.nspawn);
        let mut host = Self::supervise(name, command)?;
        host.expect("ready", "the supervisor", BOOT_LIMIT)?;
        let root = host.file_system()?;
        for (path, content) in &options.files {
            write(&root, path, content.as_bytes())?;
        }
        host.power_on()?;
        Ok(host)
    }

    /// Starts the supervisor and listens to its answers.
    fn supervise(name: String, mut command: Command) -> Result<Self, Error> {
        let mut supervisor = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| run::started("nsenter", error))?;
        let orders = supervisor.stdin.take();
        let (sender, answers) = channel();
        if let Some(stdout) = supervisor.stdout.take() {
            // It ends with the supervisor, whose end closes the pipe.
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self { name, supervisor, orders, answers, leader: None })
    }

    /// Its name, unique on this machine; its hostname, too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Switches it on, after [`Host::power_off`] or [`Host::power_cut`], and waits until it has
    /// booted.
    pub fn power_on(&mut self) -> Result<(), Error> {
        let orders = self.orders.as_mut().ok_or_else(|| self_ended("switch on"))?;
        orders.write_all(b"on\n").map_err(Error::io("give an order to the supervisor"))?;
        self.wait_until_booted(None)
    }

    /// Boots it again, and waits until it has.
    pub fn reboot(&mut self) -> Result<(), Error> {
        let before = self.leader;
        self.run(&["systemctl", "reboot"])?.ok()?;
        self.wait_until_booted(before)
    }

    /// Asks it to power off, and waits until it has.
    pub fn power_off(&mut self) -> Result<(), Error> {
        // systemd(1), "SIGNALS": SIGRTMIN+4 powers off. glibc's and the kernel's SIGRTMIN differ by
        // the two that glibc keeps for itself, and systemd counts from glibc's.
        const POWER_OFF: &str = "RTMIN+4";
        let leader = self.leader_pid()?.to_string();
        run::run(&[], &["kill", "-s", POWER_OFF, &leader])?.ok()?;
        self.leader = None;
        self.expect("off 0", "power-off", OFF_LIMIT)
    }

    /// Cuts its power: everything ends at once, and nothing is written.
    pub fn power_cut(&mut self) -> Result<(), Error> {
        let leader = self.leader()?;
        kill_process(leader, Signal::KILL)
            .map_err(|error| Error::io("kill the host's pid 1")(error.into()))?;
        self.leader = None;
        self.expect("off ", "the power cut", OFF_LIMIT)
    }

    /// Gives it the lab's addresses number `number`: 192.0.2.N/24 and 2001:db8:1::N/64 (N in
    /// decimal digits), and the router as its gateway.
    pub fn join(&self, number: u8) -> Result<(), Error> {
        let four = format!("192.0.2.{number}/24");
        let six = format!("2001:db8:1::{number}/64");
        for arguments in [
            &["link", "set", "host0", "up"][..],
            &["address", "add", &four, "dev", "host0"],
            &["address", "add", &six, "dev", "host0", "nodad"],
            &["route", "add", "default", "via", "192.0.2.1"],
            &["-6", "route", "add", "default", "via", "2001:db8:1::1", "dev", "host0"],
        ] {
            self.run(&[&["ip"], arguments].concat())?.ok()?;
        }
        Ok(())
    }

    /// Runs a command in it as root, to its end: in all of its namespaces, with every capability and
    /// without a system call filter, like root of a host that is no container. The process is in
    /// none of the host's cgroups; what should belong to a unit is started by systemd-run(1).
    pub fn run(&self, arguments: &[&str]) -> Result<Done, Error> {
        run::run(&self.prefix()?, arguments)
    }

    /// Runs a command as the user nobody, without any privilege.
    pub fn run_as_nobody(&self, arguments: &[&str]) -> Result<Done, Error> {
        let drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
        self.run(&[&drop[..], &["--inh-caps=-all", "--no-new-privs", "--"], arguments].concat())
    }

    /// A command that will run in it, for a caller that wants its streams or its process.
    pub fn command(&self, program: &str) -> Result<Command, Error> {
        let prefix = self.prefix()?;
        let (enter, arguments) = prefix.split_first().ok_or_else(|| self_ended("enter"))?;
        let mut command = Command::new(enter);
        command.args(arguments).arg(program);
        Ok(command)
    }

    /// Copies a file of this machine into it, with the same permissions.
    pub fn push(&self, from: &Path, to: &str) -> Result<(), Error> {
        let target = self.inside(to)?;
        fs::copy(from, &target).map_err(Error::io(format!(
            "copy {} to {}",
            from.display(),
            target.display()
        )))?;
        Ok(())
    }

    /// Writes a file in it.
    pub fn write(&self, path: &str, content: &str) -> Result<(), Error> {
        write(&self.inside("/")?, path, content.as_bytes())
    }

    /// Starts a transient service whose main process is `arguments`, and waits until it tells
    /// systemd that it is ready (`testbed-agent` does).
    pub fn start_service(&self, unit: &str, arguments: &[&str]) -> Result<(), Error> {
        let unit = format!("--unit={unit}");
        let how = ["systemd-run", "--quiet", "--service-type=notify", &unit, "--"];
        self.run(&[&how[..], arguments].concat())?.ok()?;
        Ok(())
    }

    /// The pid of its pid 1 on this machine.
    pub fn leader_pid(&self) -> Result<i32, Error> {
        Ok(self.leader()?.as_raw_nonzero().get())
    }

    fn leader(&self) -> Result<Pid, Error> {
        self.leader.ok_or_else(|| self_ended("enter"))
    }

    fn prefix(&self) -> Result<Vec<String>, Error> {
        let leader = self.leader_pid()?.to_string();
        Ok(["nsenter", "--target", &leader, "--all", "--"].map(str::to_owned).to_vec())
    }

    /// A path in it, seen from this machine.
    fn inside(&self, path: &str) -> Result<PathBuf, Error> {
        let leader = self.leader_pid()?;
        Ok(PathBuf::from(format!("/proc/{leader}/root")).join(path.trim_start_matches('/')))
    }

    /// Its file system, seen from this machine, also while it is off.
    fn file_system(&self) -> Result<PathBuf, Error> {
        let init = leader::child_of(self.supervisor.id()).ok_or_else(|| self_ended("write to"))?;
        let init = init.as_raw_nonzero();
        Ok(PathBuf::from(format!("/proc/{init}/root")).join(STATE).join("root"))
    }

    /// Waits for a pid 1 other than `before`, and then for systemd to have started everything.
    fn wait_until_booted(&mut self, before: Option<Pid>) -> Result<(), Error> {
        let start = Instant::now();
        self.leader = None;
        loop {
            if self.leader.is_none() {
                self.leader = leader::of(self.supervisor.id()).filter(|pid| Some(*pid) != before);
            }
            // systemd makes this socket as soon as it can answer systemctl(1).
            if self.leader.is_some() && self.inside("/run/systemd/private")?.exists() {
                break;
            }
            if start.elapsed() > BOOT_LIMIT {
                let what = format!("systemd on {}", self.name);
                return Err(Error::TimedOut { what, waited: BOOT_LIMIT, detail: self.console() });
            }
            thread::sleep(Duration::from_millis(20));
        }
        let state = self.run(&["systemctl", "is-system-running", "--wait"])?;
        // "degraded" is a host with a failed unit: a test may want that.
        if matches!(state.stdout.trim(), "running" | "degraded") {
            return Ok(());
        }
        let what = format!("{} to have booted (systemd says {:?})", self.name, state.stdout.trim());
        Err(Error::TimedOut { what, waited: start.elapsed(), detail: self.console() })
    }

    /// Waits for an answer of the supervisor.
    fn expect(&self, answer: &str, what: &str, limit: Duration) -> Result<(), Error> {
        let timed_out = |detail| {
            let what = format!("{what} of {}", self.name);
            Error::TimedOut { what, waited: limit, detail }
        };
        match self.answers.recv_timeout(limit) {
            Ok(line) if line.starts_with(answer) => Ok(()),
            Ok(line) => Err(timed_out(format!("\nit said {line:?}{}", self.console()))),
            Err(_) => Err(timed_out(self.console())),
        }
    }

    /// The end of what the host wrote to its console, for an error.
    fn console(&self) -> String {
        let Ok(root) = self.file_system() else { return String::new() };
        let Ok(text) = fs::read_to_string(root.with_file_name("console")) else {
            return String::new();
        };
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
        format!("\nits console ends with:\n{}", end.join("\n"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.orders.take());
        // The supervisor ends when its orders end; an error here means that it is gone already.
        let _ = self.supervisor.wait();
        leftovers::remove_cgroups_of(&self.name);
    }
}

fn write(root: &Path, path: &str, content: &[u8]) -> Result<(), Error> {
    let target = root.join(path.trim_start_matches('/'));
    let what = || format!("write {}", target.display());
    if let Some(directory) = target.parent() {
        fs::create_dir_all(directory).map_err(Error::io(what()))?;
    }
    fs::write(&target, content).map_err(Error::io(what()))
}

/// The host is off, or its supervisor is gone.
fn self_ended(verb: &str) -> Error {
    let source = std::io::Error::from(std::io::ErrorKind::NotConnected);
    Error::Io { what: format!("{verb} a test host that is off"), source }
}
