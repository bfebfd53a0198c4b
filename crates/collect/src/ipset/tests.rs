//! Sets that ipset(8) makes in a namespace of the test. Needs root.

use std::os::fd::AsFd;
use std::process::Command;

use proptest::prelude::*;

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

#[test]
fn a_new_namespace_has_none() {
    assert_eq!(after(&[], || read("here")), Part::known(vec![]));
}

#[test]
fn sets_with_their_numbers_and_elements() {
    let lines = [
        "ipset create web hash:ip,port",
        "ipset add web 192.0.2.1,tcp:80",
        "ipset create idle hash:ip",
        "ipset add idle 198.51.100.7",
        "ipset create all list:set",
        "ipset add all web",
        "iptables-legacy -w -A INPUT -m set --match-set all src -j DROP",
    ];
    let (found, asked) = after(&lines, || {
        let asked = ["web", "idle", "all"].map(|name| index_of(name, PROTOCOL).unwrap());
        (read("here"), asked)
    });
    assert!(found.is_complete(), "{found:?}");
    let sets = found.items();
    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["all", "idle", "web"]);
    // The older way to a number tells the same.
    let [web, idle, all] = asked;
    assert_eq!(sets.iter().map(|set| set.index).collect::<Vec<_>>(), [all, idle, web]);
    let holds = |set: &IpsetDump, bytes: &[u8]| {
        set.messages.0.windows(bytes.len()).any(|window| window == bytes)
    };
    assert!(holds(&sets[0], b"web\0"));
    assert!(holds(&sets[2], &[192, 0, 2, 1]));
    // Nothing refers to it, so that its elements are not read.
    assert!(!holds(&sets[1], &[198, 51, 100, 7]) && holds(&sets[1], b"hash:ip\0"));
}

#[test]
fn a_set_of_several_messages_stays_one() {
    let mut elements = String::new();
    for number in 0..5000 {
        elements.push_str("add big 10.0.");
        elements.push_str(&format_args!("{}.{}\n", number / 256, number % 256).to_string());
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), elements).unwrap();
    let restore = format!("ipset restore -file {}", file.path().display());
    let lines = [
        "ipset create big hash:ip",
        &restore,
        "iptables-legacy -w -A INPUT -m set --match-set big src -j DROP",
    ];
    let found = after(&lines, || read("here"));
    let [big] = found.items() else { panic!("{found:?}") };
    let last = [10, 0, 5000_u16.to_be_bytes()[0], 0];
    assert!(big.messages.0.len() > 5000 * 16, "{}", big.messages.0.len());
    assert!(big.messages.0.windows(4).any(|window| window == last));
}

#[test]
fn a_set_that_is_not_there_has_no_number() {
    assert_eq!(after(&[], || index_of("nosuch", PROTOCOL)), Err(Errno::NOENT));
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }
}
