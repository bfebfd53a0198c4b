//! Which address the kernel sends from, compared with what follows from RFC 6724: random addresses
//! in a network namespace, the same question to both.

use std::fmt::Write as _;

use serde_json::Value;
use testbed::Netns;

use crate::random::Random;
use crate::settled::BINARY;

/// Beginnings of addresses with different labels, and of different likeness to the destination.
const PREFIXES: [&str; 9] = [
    "2620:fe:1:",
    "2620:1:1:",
    "2001:db8:1:",
    "2a00:1:1:",
    "fd00:1:1:",
    "2002:c000:201:",
    "2001:0:1:",
    "2001:10:1:",
    "3fff:1:1:",
];

/// A script that makes two interfaces with random addresses; the first has the default route.
fn script(random: &mut Random) -> String {
    let mut script = "ip link set lo up\n".to_owned();
    for link in ["a0", "b0"] {
        let temporary = random.below(3);
        write!(
            script,
            "ip link add {link} type veth peer name {link}p\nip link set {link}p up\nsysctl -qw net.ipv6.conf.{link}.accept_dad=0 \
             net.ipv6.conf.{link}.dad_transmits=0 net.ipv6.conf.{link}.use_tempaddr={temporary}\n\
             ip link set {link} up\n"
        )
        .unwrap();
        for number in 0..random.below(4) {
            let prefix = PREFIXES[random.below(PREFIXES.len())];
            let length = [64, 128][random.below(2)];
            // Preferred for ever, for some time, or no longer.
            let preferred = ["forever", "1000", "0"][random.below(3)];
            let managed = if length == 64 && preferred == "1000" && random.below(2) == 1 {
                "mngtmpaddr"
            } else {
                ""
            };
            let valid = if managed.is_empty() { "forever" } else { "2000" };
            writeln!(
                script,
                "ip -6 address replace {prefix}{number}::{number}:1/{length} dev {link} {managed} \
                 valid_lft {valid} preferred_lft {preferred}"
            )
            .unwrap();
        }
    }
    if random.below(6) == 0 {
        script.push_str("sysctl -qw net.ipv6.conf.a0.use_oif_addrs_only=1\n");
    }
    script.push_str("ip -6 route add default dev a0 metric 100\n");
    script.push_str("ip -6 route add default dev b0 metric 200\n");
    script
}

fn run(netns: &Netns, script: &str) -> String {
    netns.run(&["sh", "-euc", script]).unwrap().ok().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_kernel_and_rfc_6724_choose_the_same() {
    let seed = std::env::var("WHYOPEN_SEED").ok().and_then(|s| s.parse().ok());
    let mut random = Random(seed.unwrap_or(0x9e37_79b9_7f4a_7c15));
    let whyopen = BINARY.display();
    let (mut compared, mut equals) = (0, 0);
    for round in 0..40 {
        let netns = Netns::new().unwrap();
        let made = script(&mut random);
        run(&netns, &made);
        let text = run(&netns, &format!("{whyopen} snapshot --this-netns"));
        let mut snapshot: Value = serde_json::from_str(&text).unwrap();
        let state = &mut snapshot["kernel_state"];
        let sources = state.pointer_mut("/value/sources").expect("what the kernel said").take();
        let asked = sources.as_array().unwrap();
        let kernel = asked.iter().find(|s| s["destination"] == "2620:fe::fe").unwrap();
        *state.pointer_mut("/value/sources").unwrap() = Value::Array(vec![]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("host.json");
        std::fs::write(&file, snapshot.to_string()).unwrap();
        let view = format!("{whyopen} settings -o json --from {}", file.display());
        let told: Value = serde_json::from_str(&run(&netns, &view)).unwrap();
        let chosen = &told["chosen"];
        assert_ne!(chosen["by_kernel"], true, "{chosen:#}");
        if chosen["of_equals"] == true {
            equals += 1;
            continue;
        }
        compared += 1;
        assert_eq!(
            chosen["address"], kernel["source"],
            "round {round}:\n{made}\n{:#}",
            told["addresses"]
        );
    }
    assert!(compared > 20, "{compared} compared, {equals} with equals");
}
