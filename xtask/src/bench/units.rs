//! What it costs to know what a boot does and why things are open: the first screen of a host with 300
//! units of its own, beside the same list of sockets alone.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{Host, HostOptions, Lab};

/// The name of this load.
pub(super) const NAME: &str = "units";

/// How many units the host has besides Debian's, and how many of them listen.
const UNITS: u16 = 300;
const LISTENING: u16 = 50;

/// What everything but sockets and holders may add.
const GOAL: Duration = Duration::from_millis(60);

const AGENT: &str = "/usr/local/bin/testbed-agent";
const WHYOPEN: &str = "/usr/local/bin/whyopen";

/// Measures and prints it; returns whether the goal is met.
pub(super) fn check(agent: &Path, whyopen: &Path, runs: usize) -> Result<bool> {
    println!(
        "\nLoad {NAME}: a booted host with {UNITS} enabled units, {LISTENING} of them listening"
    );
    let mut options = HostOptions::new();
    for number in 0..UNITS {
        let command = if number < LISTENING {
            format!("{AGENT} hold tcp:0.0.0.0:{}", number.saturating_add(7000))
        } else {
            "/bin/sleep infinity".to_owned()
        };
        let before = number.saturating_sub(1);
        let text = format!(
            "[Unit]\nDescription=Unit {number}\nDocumentation=man:unit(8)\nAfter=network.target \
             bench-{before}.service\nConditionPathExists=/etc/passwd\n\n[Service]\nType=exec\n\
             User=nobody\nExecStart={command}\nExecReload=/bin/kill -HUP $MAINPID\n\
             Restart=on-failure\nLimitNOFILE=65536\nProtectSystem=full\n\n[Install]\n\
             WantedBy=multi-user.target\n"
        );
        options = options.file(&format!("/etc/systemd/system/bench-{number}.service"), &text);
    }
    let lab = Lab::new()?;
    let host = lab.host("bench", &options)?;
    host.push(agent, AGENT)?;
    host.push(whyopen, WHYOPEN)?;
    host.join(10)?;
    let last = LISTENING.saturating_sub(1);
    let script = format!(
        "systemctl --quiet enable /etc/systemd/system/bench-*.service
         systemctl start $(for n in $(seq 0 {last}); do echo bench-$n.service; done)
         timeout 60 sh -c 'until [ $(ss -Hnlt | grep -c :70) = {LISTENING} ]; do sleep 0.1; done'"
    );
    host.run(&["sh", "-euc", &script])?.ok()?;
    let whole = median(&host, runs, &[])?;
    let sockets = median(&host, runs, &["--sockets-only"])?;
    let ms = |cost: Duration| cost.as_secs_f64() * 1e3;
    println!("  {:<30} {:>10}", "", "CPU ms");
    println!("  {:<30} {:>10.1}", "whyopen, whole screen", ms(whole));
    println!("  {:<30} {:>10.1}", "whyopen --sockets-only", ms(sockets));
    let added = whole.saturating_sub(sockets);
    let met = added <= GOAL;
    let word = if met { "met   " } else { "MISSED" };
    println!(
        "  {word} firewall, boot, why and settings add {:.1} ms CPU, wanted at most {}",
        ms(added),
        GOAL.as_millis()
    );
    Ok(met)
}

/// The median processor time of some runs.
fn median(host: &Host, runs: usize, arguments: &[&str]) -> Result<Duration> {
    let mut all = Vec::new();
    for _ in 0..runs.max(1) {
        let measure = [AGENT, "measure", "--to", "/run/cost", "--", WHYOPEN];
        host.run(&[&measure[..], arguments].concat())?.ok()?;
        let text = host.run(&["cat", "/run/cost"])?.ok()?;
        let cpu = text.split_whitespace().next().context("the agent wrote no cost")?;
        all.push(Duration::from_micros(cpu.parse().context("the agent's cost")?));
    }
    all.sort_unstable();
    all.get(all.len() / 2).copied().context("no run")
}
