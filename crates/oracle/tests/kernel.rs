//! The kernel of this machine against the evaluators, for as long as a test may take. As root, in
//! network namespaces of its own. `cargo xtask fuzz-kernel` takes longer.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test reads its data and asks a kernel"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netfilter::ir::{Cond, Pattern, Ruleset, Step, TableFamily};
use oracle::{Backend, Bench, Count, Fixture, Fuzz, Trial};

fn tell(count: &Count) {
    eprintln!("{count:?}");
}

#[test]
fn random_rulesets() {
    let mut found = Vec::new();
    let fuzz = Fuzz { time: Duration::from_secs(15), seed: 1, packets: 300, most: 5 };
    let count = fuzz.run(|seed, fixture| found.push(format!("seed {seed}: {fixture}"))).unwrap();
    tell(&count);
    assert!(found.is_empty(), "{}", found.join("\n"));
    // Something was asked, of every kind, and was not decided by chance or by routing.
    assert!(count.rulesets >= 5 && count.packets >= 1000, "{count:?}");
    assert!(count.refused * 4 < count.rulesets, "{count:?}");
    assert!(count.unroutable < count.packets, "{count:?}");
    assert!(count.accepted * 10 > count.packets, "{count:?}");
    assert!(count.accepted * 10 < count.packets * 9, "{count:?}");
    assert!(count.exact > count.packets && count.symbolic > count.packets, "{count:?}");
}

/// The kernel still answers what the fixtures say.
#[test]
fn fixtures_hold_what_the_kernel_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let fixture = Fixture::read(&path).unwrap();
        let recorded =
            fixture.recorded().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if recorded.kernel != fixture.kernel {
            faults.push(format!("{}: {:?}", path.display(), recorded.kernel));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Chains of one priority, of which the one that was registered last runs first; and chains that
/// translate, which all run in one place whatever their priority.
#[test]
fn chains_of_one_place() {
    let text = "table ip a {
    chain c { type filter hook input priority 0; meta mark 0x2 drop; meta mark set 0x1; }
    chain d { type filter hook input priority 0; meta mark set 0x2; }
}
table inet b {
    chain c { type filter hook input priority 0; meta mark 0x0 tcp dport 1-9999 drop; meta mark 0x1 drop; }
    chain early { type filter hook prerouting priority -95; tcp dport 80 drop; }
    chain nat { type nat hook prerouting priority -50; tcp dport 8000-9000 dnat to :80; }
}
table ip6 e {
    chain c { type filter hook input priority 0; tcp dport 1-99 meta mark set 0x3; }
    chain other { type filter hook input priority 0; meta mark set 0x1; }
}
";
    check(text);
}

/// Masks of an address that a translation may have changed: a prefix, and bits in the middle.
#[test]
fn masks_of_original_addresses() {
    check(
        "table inet t {
    chain nat { type nat hook prerouting priority dstnat; tcp dport 80 dnat ip6 to fd01::5; }
    chain c {
        type filter hook input priority 0;
        ct original ip6 daddr & fe00:: == fc00:: drop
        ct original ip daddr & 255.0.0.0 == 10.0.0.0 drop
        ct original ip daddr & 0.0.255.0 == 0.0.1.0 drop
        ct original ip6 daddr & ::ff == ::5 drop
    }
}
",
    );
}

fn check(text: &str) {
    let mut bench = Bench::new(&["eth0".to_owned()]).unwrap();
    let trial =
        Trial { backend: Backend::Nft, text, packets: 400, seed: 1, listed: true, evaluations: 40 };
    let verdict = trial.run(&mut bench).unwrap();
    let found: Vec<_> = verdict.found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(verdict.count.exact > 100, "{:?}", verdict.count);
}

/// The directory of the real rulesets; none, and a word about it, in a checkout without it.
fn data() -> Option<PathBuf> {
    let path = std::env::var_os("WHYOPEN_RULESETS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/rulesets"),
        PathBuf::from,
    );
    if path.join("expected").is_dir() {
        return Some(path);
    }
    let missing = format!("the real rulesets are not at {}", path.display());
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("{missing}: they are NOT compared in this checkout");
    None
}

/// Names of interfaces that the rules tell apart, fit for real ones.
fn interfaces(ruleset: &Ruleset, names: &mut BTreeSet<String>) {
    let steps = ruleset.tables.iter().flat_map(|table| &table.chains);
    let steps = steps.flat_map(|chain| &chain.rules).flat_map(|rule| &rule.steps);
    for step in steps {
        let conds: Vec<&Cond> = match step {
            Step::If(cond) => vec![cond],
            Step::Select(list) => list.iter().map(|(cond, _)| cond).collect(),
            _ => Vec::new(),
        };
        for cond in conds {
            cond.visit(&mut |part| {
                if let Cond::Interface(_, patterns) = part {
                    names.extend(patterns.iter().map(|pattern| match pattern {
                        Pattern::Exact(name) => name.clone(),
                        Pattern::Begins(prefix) => format!("{prefix}9"),
                    }));
                }
            });
        }
    }
}

#[test]
fn real_rulesets() {
    let Some(data) = data() else { return };
    let mut files = Vec::new();
    let mut names = BTreeSet::from(["other9".to_owned()]);
    let mut paths: Vec<_> = std::fs::read_dir(&data).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() || name == "README.md" {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let ruleset = netfilter::rules::read(&name, text.as_bytes()).unwrap();
        interfaces(&ruleset, &mut names);
        let v6 = ruleset.tables.iter().any(|table| table.family == TableFamily::Ip6);
        files.push((name, text, v6));
    }
    let fit = |name: &String| (1..=15).contains(&name.len()) && name != "lo" && !name.contains('/');
    let names: Vec<_> = names.into_iter().filter(fit).collect();
    let mut bench = Bench::new(&names).unwrap();
    let mut total = Count::default();
    let mut found = Vec::new();
    for (name, text, v6) in &files {
        let is_big = text.len() > 100_000;
        let backends = if *v6 {
            [Backend::Ip6tablesLegacy, Backend::Ip6tablesNft]
        } else {
            [Backend::IptablesLegacy, Backend::IptablesNft]
        };
        // nft takes minutes to list some thousand rules of iptables.
        for backend in if is_big { &backends[..1] } else { &backends[..] } {
            let trial = Trial {
                backend: *backend,
                text,
                packets: if is_big { 60 } else { 150 },
                seed: 1,
                listed: !is_big,
                evaluations: if is_big { 0 } else { 8 },
            };
            let verdict = trial.run(&mut bench).unwrap_or_else(|error| panic!("{name}: {error}"));
            let count = verdict.count;
            if count.refused + count.lines_refused > 0 {
                eprintln!("{name} {backend:?}: refused {} {}", count.refused, count.lines_refused);
            }
            total.add(count);
            found.extend(verdict.found.iter().map(|fixture| format!("{name}: {fixture}")));
        }
    }
    tell(&total);
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(total.rulesets >= 50 && total.refused <= 4, "{total:?}");
    assert!(total.packets >= 3000, "{total:?}");
}
