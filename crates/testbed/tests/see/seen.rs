//! A host with `whyopen` and the agent on it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use testbed::{Done, Host, HostOptions, Lab, ss};

use crate::listing::Listing;

/// Where the programs are in the host.
pub(crate) const AGENT: &str = "/usr/local/bin/testbed-agent";
pub(crate) const WHYOPEN: &str = "/usr/local/bin/whyopen";

/// The program under test.
pub(crate) static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(path) = std::env::var_os("WHYOPEN_BINARY") {
        return path.into();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--package", "whyopen", "--message-format", "json-render-diagnostics"];
    let output = Command::new(cargo).args(build).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut paths = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    paths.next_back().expect("cargo names the program it built")
});

/// A test host on a lab of its own.
pub(crate) struct Seen {
    /// The host. Before the lab, so that it ends first.
    pub(crate) host: Host,
    /// The lab that it is on.
    #[allow(dead_code, reason = "the tests of reach put clients on it")]
    pub(crate) lab: Lab,
}

impl Seen {
    /// Boots a host and puts both programs on it. Its interface has no address.
    pub(crate) fn boot(name: &str, options: &HostOptions) -> Self {
        Self::boot_on(Lab::new().unwrap(), name, options)
    }

    /// The same on a lab that others are on, too.
    pub(crate) fn boot_on(lab: Lab, name: &str, options: &HostOptions) -> Self {
        let host = lab.host(name, options).unwrap();
        host.push(Path::new(env!("CARGO_BIN_EXE_testbed-agent")), AGENT).unwrap();
        host.push(&BINARY, WHYOPEN).unwrap();
        Self { host, lab }
    }

    /// A quiet host with one service, `listener.service`, that holds these sockets.
    pub(crate) fn with_sockets(name: &str, sockets: &[&str]) -> Self {
        let seen = Self::boot(name, &HostOptions::new());
        seen.start("listener", sockets);
        seen
    }

    /// Starts a service of the agent that holds these sockets (or other arguments of `hold`).
    pub(crate) fn start(&self, unit: &str, sockets: &[&str]) {
        self.host.start_service(unit, &[&[AGENT, "hold"], sockets].concat()).unwrap();
    }

    /// Runs a command in the host and returns what it printed.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.host.run(arguments).unwrap().ok().unwrap_or_else(|error| panic!("{error}"))
    }

    /// What `whyopen -a -o json` says as root.
    #[track_caller]
    pub(crate) fn list(&self) -> Listing {
        Listing::of(&self.host.run(&[WHYOPEN, "-a", "-o", "json"]).unwrap())
    }

    /// The same as the user nobody.
    #[track_caller]
    pub(crate) fn list_as_nobody(&self) -> Listing {
        Listing::of(&self.host.run_as_nobody(&[WHYOPEN, "-a", "-o", "json"]).unwrap())
    }

    /// The same as root, by a shell command that runs `$WHYOPEN` somehow.
    #[track_caller]
    pub(crate) fn list_by(&self, shell: &str) -> Listing {
        let whyopen = format!("WHYOPEN='{WHYOPEN} -a -o json'; {shell}");
        Listing::of(&self.host.run(&["sh", "-euc", &whyopen]).unwrap())
    }

    /// Fails unless every socket, process and descriptor that `ss` shows is in the listing, and the
    /// other way round.
    #[track_caller]
    pub(crate) fn agrees_with_ss(&self, listing: &Listing) {
        let text = self.run(&["ss", "-H", "-tulpnw"]);
        let (expected, found) = (ss::read(&text).unwrap(), listing.holders_that_ss_shows());
        assert!(!expected.is_empty(), "ss shows nothing");
        let missing: Vec<_> = expected.difference(&found).collect();
        let more: Vec<_> = found.difference(&expected).collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "only in ss: {missing:#?}\nonly in whyopen: {more:#?}\n{text}"
        );
    }

    /// The pids of all processes with this name.
    pub(crate) fn pids_of(&self, comm: &str) -> Vec<u64> {
        let text = self.run(&["pgrep", "--exact", comm]);
        let mut pids: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        pids.sort_unstable();
        pids
    }
}

/// What was printed, if all went well.
#[track_caller]
pub(crate) fn printed(done: Done) -> String {
    done.ok().unwrap_or_else(|error| panic!("{error}"))
}
