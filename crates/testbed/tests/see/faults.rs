//! Hosts on which something is broken or missing: the list stays complete, and what is missing is
//! named.

use std::time::{Duration, Instant};

use testbed::HostOptions;

use crate::listing::Listing;
use crate::seen::{Seen, WHYOPEN};

fn portmapper(name: &str) -> Seen {
    let options = HostOptions::new().enable("rpcbind.socket").enable("rpcbind.service");
    let seen = Seen::boot(name, &options);
    seen.start("listener", &["tcp:[::]:8000", "udp:0.0.0.0:8000"]);
    seen
}

/// Protocol, address, port and process of everything.
fn holders(listing: &Listing) -> Vec<(String, Vec<u64>)> {
    let mut all: Vec<_> = listing.rows().map(|row| (row.name(), row.pids())).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_systemd_that_hangs_costs_two_seconds_and_only_details() {
    let seen = portmapper("hung");
    let before = seen.list();
    let bus = seen.run(&["systemctl", "show", "--value", "--property=MainPID", "dbus.service"]);
    seen.run(&["systemctl", "start", "dbus.service"]);
    let bus = if bus.trim() == "0" {
        seen.run(&["systemctl", "show", "--value", "--property=MainPID", "dbus.service"])
    } else {
        bus
    };
    let leader = seen.host.leader_pid().unwrap().to_string();
    // From outside: in its own pid namespace nothing can stop pid 1 (pid_namespaces(7)).
    let signal = |name: &str| {
        seen.run(&["kill", "-s", name, bus.trim()]);
        let done = std::process::Command::new("kill").args(["-s", name, &leader]).status();
        assert!(done.unwrap().success());
    };
    signal("STOP");
    let start = Instant::now();
    let during = seen.host.run(&[WHYOPEN, "-a", "-o", "json"]);
    let took = start.elapsed();
    signal("CONT");
    let during = Listing::of(&during.unwrap());
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(took > Duration::from_secs(1), "it did not wait for an answer: {took:?}");
    assert_eq!(holders(&during), holders(&before));
    assert!(during.gaps().contains("did not answer within"), "{}", during.gaps());
    // The cgroup still names the service.
    let row = during.one("tcp", "::", Some(8000));
    assert_eq!(row.held_by(), [("testbed-agent", "listener.service")]);
    assert_eq!(seen.list().gaps(), before.gaps());
}

#[test]
fn without_systemds_socket_and_bus_the_cgroups_name_the_units() {
    let seen = portmapper("nobus");
    let before = seen.list();
    let by = "unshare --mount sh -euc 'mount -t tmpfs tmpfs /run/dbus; \
        mount --bind /dev/null /run/systemd/private; exec \"$@\"' - $WHYOPEN";
    let without = seen.list_by(by);
    assert_eq!(holders(&without), holders(&before));
    assert!(without.gaps().contains("socket units"), "{}", without.gaps());
    let row = without.one("tcp", "::", Some(8000));
    assert_eq!(row.held_by(), [("testbed-agent", "listener.service")]);
}

#[test]
fn hidepid_is_named() {
    let seen = portmapper("hidepid");
    let before = seen.list();
    seen.run(&["mount", "-o", "remount,hidepid=invisible", "/proc"]);
    let nobody = seen.list_as_nobody();
    assert_eq!(nobody.inet_sockets(), before.inet_sockets());
    assert!(nobody.gaps().contains("hidepid"), "{}", nobody.gaps());
    nobody.never_says_nobody();
    assert_eq!(holders(&seen.list()), holders(&before), "root is not affected");
}

#[test]
fn without_cgroups_the_list_is_complete() {
    let seen = portmapper("nocgroup");
    let before = seen.list();
    let by = "unshare --mount sh -euc 'umount --recursive /sys/fs/cgroup; exec \"$@\"' - $WHYOPEN";
    let without = seen.list_by(by);
    assert_eq!(holders(&without), holders(&before));
    // /proc/PID/cgroup still tells root where a process is.
    let row = without.one("tcp", "::", Some(8000));
    assert_eq!(row.held_by(), [("testbed-agent", "listener.service")], "{:#}", row.0);

    let by = by.replace("exec ", "exec setpriv --reuid=nobody --clear-groups --inh-caps=-all -- ");
    let nobody = seen.list_by(&by);
    assert_eq!(nobody.inet_sockets(), before.inet_sockets());
    assert!(nobody.gaps().contains("cgroup"), "{}", nobody.gaps());
}

#[test]
fn without_proc_there_is_a_clear_answer() {
    let seen = portmapper("noproc");
    let by = ["sh", "-euc", "umount --recursive --lazy /proc; exec \"$@\"", "-"];
    let command = [&["unshare", "--mount"], &by[..], &[WHYOPEN, "-a", "-o", "json"]].concat();
    let done = seen.host.run(&command).unwrap();
    // The sockets come from netlink; who holds them cannot be known, and that is said.
    let listing = Listing::of(&done);
    assert_eq!(listing.all("tcp", Some(8000)).len(), 1, "{:#}", listing.json);
    assert!(listing.gaps().contains("/proc"), "{}", listing.gaps());
    listing.never_says_nobody();
}
