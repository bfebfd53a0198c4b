//! What reading a live ruleset costs: against a bare dump of the same messages, and against `nft -j
//! list ruleset`, in one run. As root: `cargo bench -p oracle --bench live`.
//!
//! Costs are processor time (user and system) and peak memory, as the kernel accounts them. The
//! ruleset has 50,000 rules and a set of 100,000 prefixes, in a network namespace of its own.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints figures, and stops where something fails"
)]

use std::fmt::Write as _;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use facts::{NftablesDump, Part, RulesetDump};
use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use testbed::{DumpedSet, Netns};

const RULES: u32 = 50_000;
const ELEMENTS: u32 = 100_000;
/// How often each is measured; the median counts.
const RUNS: usize = 7;

fn main() {
    let netns = Netns::new().unwrap();
    load(&netns);
    let file = rustix::fs::open(netns.path(), OFlags::RDONLY, Mode::empty()).unwrap();
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();

    let dump = read();
    let bytes = size(&dump);
    let bare = median(|| thread_ms(bare_dump));
    let own = median(|| thread_ms(|| drop(read())));
    let own_mib = peak_mib(|| drop(read()));
    let namespace = RulesetDump {
        nftables: Part::known(dump),
        legacy: Part::known(Vec::new()),
        ipsets: Part::known(Vec::new()),
        ..RulesetDump::default()
    };
    let lowered = median(|| thread_ms(|| drop(netfilter::live::ruleset(&namespace, &[]))));
    let lowered_mib = peak_mib(|| drop(netfilter::live::ruleset(&namespace, &[])));
    let (nft, nft_mib) = nft();

    println!("{RULES} rules, a set of {ELEMENTS} prefixes, {:.1} MiB of messages", mib(bytes));
    println!("bare dump                {bare:8.1} ms");
    println!("collect::nftables        {own:8.1} ms {own_mib:8.1} MiB");
    println!("netfilter::live          {lowered:8.1} ms {lowered_mib:8.1} MiB more");
    println!("nft -j list ruleset      {nft:8.1} ms {nft_mib:8.1} MiB");
    goal("reading, in bare dumps", own / bare, 1.3);
    goal("reading, in thirds of nft -j", own * 3.0 / nft, 1.0);
    goal("its memory, in twentieths of nft -j", own_mib * 20.0 / nft_mib, 1.0);
}

fn goal(what: &str, found: f64, most: f64) {
    let met = if found <= most { "met" } else { "MISSED" };
    println!("{what}: {found:.2}, at most {most}: {met}");
}

/// Loads the ruleset: rules as hosts have them, each another.
fn load(netns: &Netns) {
    let mut text =
        String::from("table inet t {\nset s { type ipv4_addr; flags interval; elements = {");
    for at in 0..ELEMENTS {
        // Never adjacent, so that they stay apart.
        let number = 0x0100_0000 + at * 512;
        let [a, b, c, _] = number.to_be_bytes();
        writeln!(text, "{a}.{b}.{c}.0/24,").unwrap();
    }
    text.push_str("} }\nchain c { type filter hook input priority 0; policy drop;\n");
    text.push_str("ct state established,related accept\nip saddr @s drop\n");
    for at in 2..RULES {
        let [_, b, c, d] = at.to_be_bytes();
        match at % 3 {
            0 => writeln!(text, "ip saddr 10.{b}.{c}.{d} tcp dport {} accept", at % 60_000 + 1),
            1 => writeln!(text, "iifname \"eth{}\" udp dport {} drop", at % 9, at % 60_000 + 1),
            _ => writeln!(text, "ip6 saddr 2001:db8:{at:x}::/48 counter accept"),
        }
        .unwrap();
    }
    text.push_str("}\n}\n");
    let mut child = netns.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn read() -> NftablesDump {
    match collect::nftables::read("here") {
        Part::Known { value } => value,
        other => panic!("{other:?}"),
    }
}

fn size(dump: &NftablesDump) -> usize {
    [&dump.tables, &dump.chains, &dump.rules, &dump.sets, &dump.elements]
        .iter()
        .map(|blob| blob.0.len())
        .sum()
}

fn bare_dump() {
    testbed::bare_dump(&[DumpedSet { family: 1, table: "t", name: "s" }]).unwrap();
}

/// `nft -j list ruleset` in the namespace of this thread: processor time, and peak memory.
fn nft() -> (f64, f64) {
    let mut costs: Vec<(f64, f64)> = (0..3).map(|_| nft_once()).collect();
    costs.sort_by(|a, b| a.0.total_cmp(&b.0));
    costs.get(costs.len() / 2).copied().unwrap()
}

fn nft_once() -> (f64, f64) {
    let mut child =
        Command::new("nft").args(["-j", "list", "ruleset"]).stdout(Stdio::null()).spawn().unwrap();
    let folder = format!("/proc/{}", child.id());
    let mut peak = 0.0;
    let mut ticks = 0.0;
    // What the process used is told until it ends; the last look comes close to it.
    while child.try_wait().unwrap().is_none() {
        if let Ok(status) = std::fs::read_to_string(format!("{folder}/status")) {
            peak = field(&status, "VmHWM:").unwrap_or(peak);
        }
        if let Ok(stat) = std::fs::read_to_string(format!("{folder}/schedstat")) {
            let on_cpu = stat.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok());
            ticks = on_cpu.unwrap_or(ticks);
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    (ticks / 1e6, peak)
}

/// A line of proc_pid_status(5) in MiB.
fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

fn median(mut run: impl FnMut() -> f64) -> f64 {
    let mut list: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap()
}

fn thread_ms(run: impl FnOnce()) -> f64 {
    let now = || {
        // Time on the processor in nanoseconds (proc_pid_schedstat).
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e6
    };
    let before = now();
    run();
    now() - before
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// How much the peak of this process's memory grows (proc(5): clear_refs resets VmHWM).
fn peak_mib(run: impl FnOnce()) -> f64 {
    let now =
        |name: &str| field(&std::fs::read_to_string("/proc/self/status").unwrap(), name).unwrap();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = now("VmRSS:");
    run();
    now("VmHWM:") - before
}
