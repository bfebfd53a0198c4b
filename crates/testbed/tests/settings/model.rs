//! The model of the kernel in `judge`, compared with the kernel: random writes to both.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use judge::settings::Kernel;
use testbed::Netns;

use crate::random::Random;

/// Settings whose writes change others, and some of each way of joining.
const NAMES_V4: [&str; 8] = [
    "forwarding",
    "rp_filter",
    "accept_redirects",
    "send_redirects",
    "arp_ignore",
    "log_martians",
    "route_localnet",
    "accept_source_route",
];
const NAMES_V6: [&str; 8] = [
    "forwarding",
    "disable_ipv6",
    "accept_ra",
    "use_tempaddr",
    "accept_redirects",
    "autoconf",
    "addr_gen_mode",
    "ignore_routes_with_linkdown",
];

/// Every setting of the interfaces of a namespace.
fn read(netns: &Netns) -> BTreeMap<String, String> {
    let script = "cd /proc/sys; for f in net/ipv4/ip_forward net/ipv4/conf/*/* net/ipv6/conf/*/*; do \
                  case $f in */stable_secret|*/tag|*/mtu|*/hop_limit) continue;; esac; \
                  printf '%s ' $f; cat $f; done";
    let text = netns.run(&["sh", "-euc", script]).unwrap().ok().unwrap();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(path, value)| (path.to_owned(), value.trim().to_owned()))
        .collect()
}

#[test]
fn a_write_changes_what_the_model_says() {
    let netns = Netns::new().unwrap();
    let run = |words: &[&str]| netns.run(words).unwrap().ok().unwrap();
    run(&["ip", "link", "add", "eth0.7", "type", "veth", "peer", "name", "peer"]);
    let links = ["lo", "eth0.7", "peer"];
    let places = ["all", "default", "lo", "eth0.7", "peer"];
    let mut random = Random(0x5eed);
    for round in 0..25 {
        let before = read(&netns);
        let mut model = Kernel::running(
            before.into_iter(),
            links.iter().map(|link| (*link).to_owned()).collect(),
        );
        let mut script = String::new();
        for at in 0..12 {
            let value = random.below(2).to_string();
            let path = match random.below(9) {
                0 => "net/ipv4/ip_forward".to_owned(),
                n if n % 2 == 0 => {
                    let place = places[random.below(places.len())];
                    format!("net/ipv4/conf/{place}/{}", NAMES_V4[random.below(NAMES_V4.len())])
                }
                _ => {
                    let place = places[random.below(places.len())];
                    format!("net/ipv6/conf/{place}/{}", NAMES_V6[random.below(NAMES_V6.len())])
                }
            };
            writeln!(script, "echo {value} > /proc/sys/{path}").unwrap();
            assert!(model.write(&path, &value, at), "{path}");
        }
        run(&["sh", "-euc", &script]);
        let wrong: Vec<String> = read(&netns)
            .into_iter()
            .filter(|(path, value)| model.value(path) != Some(value))
            .map(|(path, value)| format!("{path}: is {value}, model {:?}", model.get(&path)))
            .collect();
        // `default` of IPv4 passes by what was written in an earlier round, which a model of a
        // running kernel does not know.
        let wrong: Vec<&String> =
            wrong.iter().filter(|line| round == 0 || !line.starts_with("net/ipv4/conf/")).collect();
        assert!(wrong.is_empty(), "round {round}\n{script}\n{wrong:#?}");
    }
}
