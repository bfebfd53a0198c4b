//! What a look at a busy host costs, whyopen's and its peers', in one run on the same host. The peer
//! of the view of settings is `sysctl -a`, which knows their values and nothing else of them.
//!
//! Costs are processor time (user and system) and peak memory, as the kernel accounts them to the
//! process. Ratios between programs of one run are what counts: the numbers themselves are of one
//! machine on one day. Each look is also compared with `ss`: a fast answer that is wrong is none.

mod agreement;
mod goals;
mod loads;
mod rules;
mod table;
mod units;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use testbed::Load;

use crate::command::{cargo, run, target_directory};
use crate::tools;

use loads::{LOADS, Scene};

/// A look that takes more processor time than this is not repeated.
const SLOW: Duration = Duration::from_secs(3);

/// The arguments of `bench`.
#[derive(Args)]
pub(crate) struct Bench {
    /// The loads to measure; all if none is given.
    #[arg(value_parser = names())]
    loads: Vec<String>,
    /// How often each program runs; the median counts.
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Measure this program instead of building one.
    #[arg(long)]
    whyopen: Option<PathBuf>,
}

/// A way to look.
pub(crate) struct Look {
    /// Its name in tables and goals.
    pub(crate) name: &'static str,
    /// The program and its arguments; `whyopen` stands for the one that was built.
    command: &'static [&'static str],
    /// As nobody instead of root.
    as_nobody: bool,
}

const fn look(name: &'static str, command: &'static [&'static str]) -> Look {
    Look { name, command, as_nobody: false }
}

/// All of them. `--this-netns` asks what the peers answer; without it whyopen also looks into every
/// other namespace of the machine that measures. So does `--sockets-only`: the peers know nothing of
/// firewalls and boots. The whole first screen stands beside it.
const LOOKS: &[Look] = &[
    look("ss -tulpnw", &["ss", "-tulpnw"]),
    look("netstat -tulpnw", &["netstat", "-tulpnw"]),
    look("lsof -nP -i", &["lsof", "-nP", "-i"]),
    look("whyopen", &["whyopen", "-a", "--sockets-only", "--this-netns"]),
    look("whyopen, whole screen", &["whyopen", "--this-netns"]),
    look("sysctl -a", &["sysctl", "-a"]),
    look("whyopen settings", &["whyopen", "settings", "--this-netns"]),
    look("whyopen, JSON", &["whyopen", "-a", "-o", "json", "--sockets-only", "--this-netns"]),
    look("whyopen, no BPF", &["whyopen", "-a", "--no-bpf", "--sockets-only", "--this-netns"]),
    Look {
        name: "whyopen, as nobody",
        command: &["whyopen", "-a", "--sockets-only", "--this-netns"],
        as_nobody: true,
    },
    look("ss -tuapnw", &["ss", "-tuapnw"]),
    look("whyopen, connected", &["whyopen", "-a", "-c", "--sockets-only", "--this-netns"]),
];

/// Those at a host with a packet filter. The bare dump asks for the same messages and does nothing
/// with them.
const LOOKS_AT_RULES: &[Look] = &[
    look("ss -tulpnw", &["ss", "-tulpnw"]),
    look("bare dump", &["testbed-agent", "dump", "f:s"]),
    look("nft -j list ruleset", &["nft", "-j", "list", "ruleset"]),
    look("whyopen, whole screen", &["whyopen", "--this-netns"]),
    look("whyopen, one port", &["whyopen", "--this-netns", "10003"]),
];

/// What a look cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) look: &'static str,
    pub(crate) cpu: Duration,
    pub(crate) peak_rss_kib: u64,
}

/// The names of all loads.
fn names() -> Vec<&'static str> {
    LOADS.iter().map(|scene: &Scene| scene.name).chain([units::NAME]).collect()
}

impl Bench {
    /// Measures and prints a table for each load, then the goals.
    pub(crate) fn run(self) -> Result<()> {
        tools::ready()?;
        run(&mut cargo(&["build", "--release", "--locked", "--package", "testbed"]))?;
        let whyopen = if let Some(program) = self.whyopen {
            program
        } else {
            run(&mut cargo(&["build", "--release", "--locked", "--package", "whyopen"]))?;
            target_directory().join("release/whyopen")
        };
        let agent = target_directory().join("release/testbed-agent");
        let wanted = |name: &str| self.loads.is_empty() || self.loads.iter().any(|n| n == name);
        let mut met = true;
        if wanted(units::NAME) {
            met &= units::check(&agent, &whyopen, self.runs)?;
        }
        for scene in LOADS.iter().filter(|scene| wanted(scene.name)) {
            println!("\nLoad {}: {}", scene.name, scene.what);
            let load = Load::start(&agent, &scene.shape)?;
            let whyopen = load.push(&whyopen)?;
            let looks = if let Some(rules) = scene.rules {
                load.run(&["nft", "-f", "-"], rules().as_bytes())?;
                LOOKS_AT_RULES
            } else {
                LOOKS
            };
            let costs = measure(&load, &whyopen, looks, self.runs)?;
            table::print(&costs);
            met &= agreement::check(&load, &whyopen)?;
            met &= goals::check(scene, &costs);
        }
        if met { Ok(()) } else { bail!("a goal is missed, or an answer is wrong") }
    }
}

/// The median cost of some runs of every look. They take turns, so that whatever else the machine
/// does meanwhile is borne by all alike.
fn measure(load: &Load, whyopen: &Path, looks: &[Look], runs: usize) -> Result<Vec<Cost>> {
    let mut all: Vec<Vec<(Duration, u64)>> = vec![Vec::new(); looks.len()];
    for _ in 0..runs.max(1) {
        for (look, costs) in looks.iter().zip(&mut all) {
            if costs.first().is_some_and(|(cpu, _)| *cpu > SLOW) {
                continue;
            }
            let command = with_path(look.command, whyopen, &load.agent())?;
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let measured = load.measure(look.as_nobody, &command)?;
            costs.push((measured.cpu, measured.peak_rss_kib));
        }
    }
    let median = |(look, mut costs): (&Look, Vec<(Duration, u64)>)| {
        costs.sort_unstable();
        let (cpu, _) = *costs.get(costs.len() / 2).context("no run")?;
        let peak_rss_kib = costs.iter().map(|run| run.1).max().unwrap_or_default();
        Ok(Cost { look: look.name, cpu, peak_rss_kib })
    };
    looks.iter().zip(all).map(median).collect()
}

/// The command with the programs in the places of their names.
fn with_path(command: &[&str], whyopen: &Path, agent: &Path) -> Result<Vec<String>> {
    let text = |path: &Path| -> Result<String> {
        Ok(path.to_str().context("a program's path is not UTF-8")?.to_owned())
    };
    let (whyopen, agent) = (text(whyopen)?, text(agent)?);
    let word = |word: &&str| match *word {
        "whyopen" => whyopen.clone(),
        "testbed-agent" => agent.clone(),
        other => other.to_owned(),
    };
    Ok(command.iter().map(word).collect())
}
