//! Tables that iptables-legacy makes in a namespace of the test. Needs root.

use std::os::fd::AsFd;
use std::process::Command;

use super::*;
use crate::netns::{enter, made};

fn run(line: &str) {
    let mut words = line.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status();
    assert!(status.unwrap().success(), "{line}");
}

/// Runs the lines in a new namespace, then `look`.
fn after<T: Send>(lines: &[&str], look: impl FnOnce() -> T + Send) -> T {
    enter(made().as_fd(), || {
        for line in lines {
            run(line);
        }
        look()
    })
    .unwrap()
}

fn names(tables: &[LegacyTable]) -> Vec<(bool, &str)> {
    tables.iter().map(|table| (table.ipv6, table.name.as_str())).collect()
}

#[test]
fn looking_makes_no_table() {
    let (first, second, listed) = after(&[], || {
        let list = || FAMILIES.map(|family| fs::read_to_string(family.names).unwrap());
        (read("here"), read("here"), list())
    });
    assert_eq!((&first, &second), (&Part::known(vec![]), &Part::known(vec![])));
    assert_eq!(listed, ["", ""]);
}

#[test]
fn tables_are_those_that_are_there() {
    let lines = [
        "iptables-legacy -w -A INPUT -p tcp --dport 22 -j ACCEPT",
        "iptables-legacy -w -t nat -N DOCKER",
        "ip6tables-legacy -w -t mangle -P INPUT DROP",
    ];
    let found = after(&lines, || read("here"));
    let tables = found.value().unwrap();
    assert!(found.is_complete(), "{found:?}");
    assert_eq!(names(tables), [(false, "filter"), (false, "nat"), (true, "mangle")]);
    for table in tables {
        let words: Vec<u32> = table
            .info
            .0
            .chunks(4)
            .map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words.len(), 13);
        assert_eq!(words[12] as usize, table.entries.0.len(), "{}", table.name);
        assert!(!table.before_defrag);
    }
    // The match of the first rule.
    assert!(tables[0].entries.0.windows(4).any(|bytes| bytes == b"tcp\0"));
    assert!(tables[1].entries.0.windows(7).any(|bytes| bytes == b"DOCKER\0"));
}

#[test]
fn questions_are_as_long_as_the_kernel_wants() {
    let check = |name: &str, rest, expect: (usize, &str)| {
        let bytes = question(name, rest);
        let end = bytes.iter().position(|byte| *byte == 0).unwrap();
        assert_eq!((bytes.len(), std::str::from_utf8(&bytes[..end]).unwrap()), expect);
    };
    check("filter", INFO, (84, "filter"));
    check(&"x".repeat(40), 0, (32, &"x".repeat(31)));
}

#[test]
fn refusals_are_told() {
    let socket =
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
    // An option that nobody has.
    let error = sockopt::get(socket.as_fd(), libc::SOL_IP, 63, &mut [0; 84]).unwrap_err();
    assert_eq!(error, Errno::NOPROTOOPT);
}
