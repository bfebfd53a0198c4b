//! A host with `whyopen` on it, asked about its settings.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::{Host, HostOptions, Lab};

/// Where the program is in the host.
const WHYOPEN: &str = "/usr/local/bin/whyopen";

/// How long after a boot settings may still change.
const LATE: Duration = Duration::from_secs(60);

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
        let message: Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    paths.next_back().expect("cargo names the program it built")
});

/// A test host on a lab of its own.
pub(crate) struct Settled {
    /// The host. Before the lab, so that it ends first.
    pub(crate) host: Host,
    /// Its lab.
    pub(crate) lab: Lab,
}

impl Settled {
    /// Boots a host with the program on it.
    pub(crate) fn boot(name: &str, options: &HostOptions) -> Self {
        let lab = Lab::new().unwrap();
        let host = lab.host(name, options).unwrap();
        host.push(&BINARY, WHYOPEN).unwrap();
        Self { host, lab }
    }

    /// Runs a command in the host and returns what it printed.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.host.run(arguments).unwrap().ok().unwrap_or_else(|error| panic!("{error}"))
    }

    /// A setting as the kernel has it.
    #[track_caller]
    pub(crate) fn value(&self, path: &str) -> String {
        let text = self.run(&["cat", &format!("/proc/sys/{path}")]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What `whyopen settings -o json` says.
    #[track_caller]
    pub(crate) fn settings(&self) -> Told {
        let text = self.run(&[WHYOPEN, "settings", "-o", "json"]);
        Told(serde_json::from_str(&text).unwrap())
    }

    /// Boots the host anew, and fails unless every setting becomes what was predicted: some are
    /// written only after the boot, when a connection is up. How many were predicted.
    #[track_caller]
    pub(crate) fn boots_as_predicted(&mut self) -> usize {
        let told = self.settings();
        self.host.reboot().unwrap();
        let start = Instant::now();
        loop {
            let (predicted, wrong) = self.compare(&told);
            if wrong.is_empty() {
                return predicted;
            }
            assert!(start.elapsed() < LATE, "{wrong:#?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// How many settings were predicted, and those that are not so.
    fn compare(&self, told: &Told) -> (usize, Vec<String>) {
        let (mut predicted, mut wrong) = (0, Vec::new());
        for setting in told.0["settings"].as_array().unwrap() {
            let Some(then) = setting["after_boot"].as_str() else { continue };
            let path = setting["path"].as_str().unwrap();
            let found = self.host.run(&["cat", &format!("/proc/sys/{path}")]).unwrap();
            // An interface that somebody makes later is not there yet.
            let Ok(found) = found.ok() else { continue };
            let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
            predicted += 1;
            if found != then {
                let because = &setting["because"];
                wrong.push(format!("{path}: predicted {then} ({because}), is {found}"));
            }
        }
        (predicted, wrong)
    }
}

/// What was told.
pub(crate) struct Told(pub(crate) Value);

impl Told {
    /// A setting.
    #[track_caller]
    pub(crate) fn setting(&self, key: &str) -> &Value {
        let all = self.0["settings"].as_array().unwrap();
        all.iter().find(|s| s["key"] == key).unwrap_or_else(|| panic!("no setting {key}"))
    }

    /// IPv6 on an interface.
    #[track_caller]
    pub(crate) fn interface(&self, name: &str) -> &Value {
        let all = self.0["interfaces"].as_array().unwrap();
        all.iter().find(|i| i["interface"] == name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// The findings of a kind.
    pub(crate) fn findings(&self, id: &str) -> Vec<&Value> {
        self.0["findings"].as_array().unwrap().iter().filter(|f| f["id"] == id).collect()
    }
}
