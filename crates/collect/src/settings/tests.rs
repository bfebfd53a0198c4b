//! The arrays of the links against the files of a namespace that the test makes. Needs root and
//! iproute2.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::{devconf, files, fuzzing};
use crate::netns::{Leads, enter, made};
use crate::sockets::{Request, collect};

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.expect("run ip(8)").success(), "ip {arguments}");
}

/// The settings of a new namespace, after `change`, with every file of its interfaces.
fn settings(change: fn()) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let namespace = made();
    enter(namespace.as_fd(), || {
        change();
        let asked = Request { reach: true, this_netns_only: true, ..Request::default() };
        let found = collect(&asked, &Leads::default());
        let [own] = found.namespaces.items() else { panic!("one namespace: {found:?}") };
        assert!(own.settings.is_complete(), "{:?}", own.settings.gaps());
        (own.settings.value().unwrap().clone(), files_of_interfaces())
    })
    .expect("enter the namespace that was made")
}

/// What the files say.
fn files_of_interfaces() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for folder in ["net/ipv4/conf", "net/ipv6/conf"] {
        for link in fs::read_dir(Path::new("/proc/sys").join(folder)).unwrap() {
            for file in fs::read_dir(link.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let Ok(value) = fs::read_to_string(&path) else { continue };
                let key = path.strip_prefix("/proc/sys").unwrap().display().to_string();
                all.insert(key, value.trim_end().to_owned());
            }
        }
    }
    all
}

#[test]
fn links_carry_what_the_files_say() {
    let (settings, files) = settings(|| {
        ip("link add eth0.7 type veth peer name peer");
        // A value of its own for as many as take one, so that a wrong position shows.
        for (at, family) in ["ipv4", "ipv6"].into_iter().enumerate() {
            for (number, name) in devconf::names(at == 1).enumerate() {
                let path = format!("/proc/sys/net/{family}/conf/eth0.7/{name}");
                let tries = [number + 1, 2, 1, 3];
                if !tries.iter().any(|value| fs::write(&path, value.to_string()).is_ok()) {
                    println!("{path} takes none of {tries:?}");
                }
            }
        }
    });
    let mut compared = 0;
    for (family, names) in [("ipv4", false), ("ipv6", true)] {
        for link in ["all", "default", "lo", "eth0.7"] {
            for name in devconf::names(names) {
                let key = format!("net/{family}/conf/{link}/{name}");
                assert_eq!(settings.get(&key), files.get(&key), "{key}");
                compared += usize::from(files.contains_key(&key));
            }
        }
    }
    assert!(compared > 200, "{compared}");
    for key in ["net/ipv4/ip_forward", "net/ipv6/bindv6only", "net/core/somaxconn"] {
        assert!(settings.contains_key(key), "{key}");
    }
    assert!(!settings.keys().any(|key| key.ends_with("stable_secret")));
}

#[test]
fn a_folder_stands_for_proc_sys() {
    let base = tempfile::tempdir().unwrap();
    let write = |path: &str, value: &[u8]| {
        let path = base.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value).unwrap();
    };
    assert!(files::read(base.path()).is_err());
    write("net/ipv4/ip_forward", b"1\n");
    write("net/ipv4/ip_local_reserved_ports", "8080,".repeat(900).as_bytes());
    write("net/ipv4/conf/all/rp_filter", b"2\n");
    write("net/netfilter/nf_conntrack_max", b"262144\n");
    write("net/netfilter/nf_log/2", b"NONE\n");
    write("net/core/somaxconn", b"\xff\x00");
    let read = files::read(base.path()).unwrap();
    assert!(read.unread.is_empty(), "{:?}", read.unread);
    let keys: Vec<&str> = read.values.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "net/ipv4/ip_forward",
            "net/ipv4/ip_local_reserved_ports",
            "net/core/somaxconn",
            "net/ipv4/conf/all/rp_filter",
            "net/netfilter/nf_conntrack_max"
        ]
    );
    assert_eq!(read.values[1].1.len(), 4500);
}

#[test]
fn what_cannot_be_read_is_named() {
    let base = tempfile::tempdir().unwrap();
    // A folder where a file should be cannot be read by anyone, root neither.
    fs::create_dir_all(base.path().join("net/ipv4/ip_forward")).unwrap();
    fs::write(base.path().join("net/ipv6"), b"").unwrap();
    let read = files::read(base.path()).unwrap();
    let unread: Vec<&str> = read.unread.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(unread[0], "net/ipv4/ip_forward");
    assert!(unread.contains(&"net/ipv6"), "{unread:?}");
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::link_settings(&bytes);
    }
}
