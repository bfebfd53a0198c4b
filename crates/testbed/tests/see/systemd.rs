//! Services and sockets of systemd.

use testbed::HostOptions;

use crate::seen::Seen;

/// What rpcbind.socket of Debian listens on.
const PORTMAPPER: &[(&str, &str)] =
    &[("tcp", "0.0.0.0"), ("tcp", "::"), ("udp", "0.0.0.0"), ("udp", "::")];

fn portmapper() -> HostOptions {
    HostOptions::new().enable("rpcbind.socket").enable("rpcbind.service")
}

#[test]
fn an_activated_service_and_systemd_both_hold_the_socket() {
    let seen = Seen::boot("rpcbind", &portmapper());
    let listing = seen.list();
    for (protocol, address) in PORTMAPPER {
        let row = listing.one(protocol, address, Some(111));
        let expect = [("rpcbind", "rpcbind.service"), ("systemd", "rpcbind.socket")];
        assert_eq!(row.held_by(), expect, "{:#}", row.0);
        assert_eq!(row.pids(), [vec![1], seen.pids_of("rpcbind")].concat());
        let v6only = (*address == "::").then_some(true);
        assert_eq!(row.0["v6only"].as_bool(), v6only, "{:#}", row.0);
    }
    seen.agrees_with_ss(&listing);
}

#[test]
fn stopping_the_service_leaves_the_socket_with_systemd() {
    let seen = Seen::boot("rpcbind", &portmapper());
    seen.run(&["systemctl", "stop", "rpcbind.service"]);
    let listing = seen.list();
    for (protocol, address) in PORTMAPPER {
        let row = listing.one(protocol, address, Some(111));
        assert_eq!(row.held_by(), [("systemd", "rpcbind.socket")], "{:#}", row.0);
    }
    seen.agrees_with_ss(&listing);

    seen.run(&["systemctl", "stop", "rpcbind.socket"]);
    let listing = seen.list();
    assert!(listing.all("tcp", Some(111)).is_empty() && listing.all("udp", Some(111)).is_empty());
}

#[test]
fn all_processes_of_a_prefork_server_hold_its_socket() {
    let seen = Seen::boot("nginx", &HostOptions::new().enable("nginx.service"));
    let listing = seen.list();
    let processes = seen.pids_of("nginx");
    assert!(processes.len() >= 2, "a master and at least one worker: {processes:?}");
    for address in ["0.0.0.0", "::"] {
        let row = listing.one("tcp", address, Some(80));
        assert_eq!(row.pids(), processes);
        assert!(row.held_by().iter().all(|h| *h == ("nginx", "nginx.service")), "{:#}", row.0);
        let users: Vec<_> = row.holders().iter().map(|h| h["user"].as_str().unwrap()).collect();
        assert!(users.contains(&"root") && users.contains(&"www-data"), "{users:?}");
    }
    seen.agrees_with_ss(&listing);
}

#[test]
fn a_user_service_is_named_with_its_user_manager() {
    let seen = Seen::boot("user", &HostOptions::new());
    seen.run(&["useradd", "--create-home", "ann"]);
    seen.run(&["loginctl", "enable-linger", "ann"]);
    let bus = "XDG_RUNTIME_DIR=/run/user/$(id -u ann)";
    let wait = format!("{bus}; until [ -S $XDG_RUNTIME_DIR/bus ]; do sleep 0.05; done");
    seen.run(&["timeout", "20", "sh", "-c", &wait]);
    let start = format!(
        "exec setpriv --reuid=ann --regid=ann --init-groups env {bus} systemd-run --user --quiet \
         --unit=notes --service-type=notify {} hold tcp:127.0.0.1:7000",
        crate::seen::AGENT
    );
    seen.run(&["sh", "-c", &start]);
    let listing = seen.list();
    let holder = listing.one("tcp", "127.0.0.1", Some(7000)).holder();
    assert_eq!(holder["user_unit"], "notes.service", "{holder:#}");
    assert_eq!(holder["user"], "ann", "{holder:#}");
    seen.agrees_with_ss(&listing);
}
