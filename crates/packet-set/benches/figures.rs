//! CPU time of the operations that a host's ruleset needs, and how it grows.
//!
//! Prints a table; the last column is the time divided by that of the line before, to be held
//! against the growth of the input (2 to 2.2 for n log n when the input doubles).

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark reads its clock and prints"
)]

use packet_set::{Arena, Budget, Diagram, Exceeded, Field, Leaf, RangeSet};

const ACCEPT: Leaf = Leaf::outcome(1);
const DROP: Leaf = Leaf::outcome(2);

/// CPU time of this thread in milliseconds (proc_pid_schedstat: time on the CPU in ns).
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let on_cpu = stat.split_whitespace().next().expect("time on the CPU");
    on_cpu.parse::<f64>().expect("a number") / 1e6
}

/// Resident memory in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("kB") / 1024
}

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    /// A prefix of at least the given length.
    fn prefix(&mut self, v6: bool, shortest: u64) -> (u128, u128) {
        let width = if v6 { 128 } else { 32 };
        let length = shortest + self.below(width + 1 - shortest);
        let random = u128::from(self.next()) << 64 | u128::from(self.next());
        let address = if v6 { random >> 3 | 1 << 125 } else { random >> 96 };
        let free = (1_u128 << (width - length)) - 1;
        (address & !free, address | free)
    }
}

/// One rule: values of fields from the last field to the first, and the verdict.
fn rule(
    arena: &mut Arena,
    fields: &[(Field, RangeSet)],
    verdict: Leaf,
) -> Result<Diagram, Exceeded> {
    let mut rule = arena.leaf(verdict);
    for (field, values) in fields {
        let guard = arena.field_in(*field, values, Leaf::IN, Leaf::NONE)?;
        rule = arena.intersection(guard, rule)?;
    }
    Ok(rule)
}

/// A host's list: 15% IPv6; 60% blocklist drops, the others open services, some to ranges.
fn host_rules(arena: &mut Arena, count: u64) -> Result<Diagram, Exceeded> {
    let mut random = Random(0x5eed);
    let mut list = Vec::new();
    for _ in 0..count {
        let v6 = random.below(100) < 15;
        let family = (Field::FAMILY, RangeSet::one(u128::from(v6)));
        let source =
            (Field::SOURCE, RangeSet::of(vec![random.prefix(v6, if v6 { 32 } else { 12 })]));
        if random.below(100) < 60 {
            list.push(rule(arena, &[source, family], DROP)?);
            continue;
        }
        let port = u128::from(random.below(2000));
        let last = if random.below(10) == 0 { port + 100 } else { port };
        let ports = (Field::DPORT, RangeSet::from(port..=last));
        let protocol = if random.below(3) == 0 { 17 } else { 6 };
        let protocol = (Field::PROTOCOL, RangeSet::one(protocol));
        list.push(rule(arena, &[ports, protocol, source, family], ACCEPT)?);
    }
    let policy = arena.leaf(DROP);
    list.push(policy);
    arena.first_decided(list)
}

fn address_set(count: u64, v6: bool) -> RangeSet {
    let mut random = Random(0xadd5);
    (0..count).map(|_| random.prefix(v6, if v6 { 48 } else { 26 })).collect()
}

fn report(what: &str, before: &mut f64, build_ms: f64, query_ms: f64, arena: &Arena) {
    let growth = if *before > 0.0 { build_ms / *before } else { 0.0 };
    println!(
        "{what:<28} {build_ms:>9.1} {query_ms:>9.2} {:>9} {:>10} {:>6} {growth:>7.2}",
        arena.node_count(),
        arena.edge_count(),
        resident_mib(),
    );
    *before = build_ms;
}

fn sources_of_port(arena: &mut Arena, list: Diagram, port: u128) -> Result<usize, Exceeded> {
    let of_family = arena.restrict(list, Field::FAMILY, 0)?;
    let of_protocol = arena.restrict(of_family, Field::PROTOCOL, 6)?;
    let of_port = arena.restrict(of_protocol, Field::DPORT, port)?;
    Ok(arena.ranges(of_port, Field::SOURCE, u128::from(u32::MAX), |leaf| leaf == ACCEPT).len())
}

fn main() -> Result<(), Exceeded> {
    println!(
        "{:<28} {:>9} {:>9} {:>9} {:>10} {:>6} {:>7}",
        "input", "build ms", "query ms", "nodes", "edges", "MiB", "growth"
    );
    let mut before = 0.0;
    for count in [12_500, 25_000, 50_000, 100_000] {
        let start = cpu_ms();
        let mut arena = Arena::new(Budget::default());
        let list = host_rules(&mut arena, count)?;
        let built = cpu_ms();
        let ranges = sources_of_port(&mut arena, list, 22)?;
        assert!(ranges > 0, "port 22 is open to someone");
        report(
            &format!("{count} host rules"),
            &mut before,
            built - start,
            cpu_ms() - built,
            &arena,
        );
    }
    for v6 in [false, true] {
        let mut before = 0.0;
        for count in [250_000, 500_000, 1_000_000] {
            let elements: Vec<_> = address_set(count, v6).iter().collect();
            let start = cpu_ms();
            let mut arena = Arena::new(Budget::default());
            let values = RangeSet::of(elements);
            let set = arena.field_in(Field::SOURCE, &values, DROP, Leaf::NONE)?;
            let built = cpu_ms();
            assert!(arena.outcomes(set) == DROP.or(Leaf::NONE), "some addresses are in no prefix");
            let family = if v6 { "IPv6" } else { "IPv4" };
            report(
                &format!("set of {count} {family}"),
                &mut before,
                built - start,
                cpu_ms() - built,
                &arena,
            );
        }
    }
    let start = cpu_ms();
    let mut arena = Arena::new(Budget::default());
    let mut both = Vec::new();
    for v6 in [false, true] {
        let source = (Field::SOURCE, address_set(1_000_000, v6));
        let family = (Field::FAMILY, RangeSet::one(u128::from(v6)));
        both.push(rule(&mut arena, &[source, family], DROP)?);
    }
    both.push(host_rules(&mut arena, 100_000)?);
    let list = arena.first_decided(both)?;
    let built = cpu_ms();
    sources_of_port(&mut arena, list, 22)?;
    report("both sets, 100000 rules", &mut 0.0, built - start, cpu_ms() - built, &arena);
    Ok(())
}
