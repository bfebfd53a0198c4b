//! rpcbind: whether something needs it, and what closes it.

use testbed::HostOptions;

use crate::seen::{Seen, WHYOPEN};

fn portmapper() -> HostOptions {
    HostOptions::new().enable("rpcbind.socket").enable("rpcbind.service")
}

/// Prints the pid of rpcbind.
const MAIN_PID: &str = "systemctl show --value --property=MainPID rpcbind.service";

/// Whether 111 listens on the host.
fn is_open(seen: &Seen) -> bool {
    seen.run(&["ss", "-Hnltu"]).contains(":111 ")
}

#[test]
fn rpcbind_that_nothing_needs() {
    let seen = Seen::boot("rpcbind", &portmapper());
    let why = seen.why("111");
    assert_eq!(why.service(), "rpcbind");
    why.is_in_use("no");
    why.says("reasons", "required by nfs-common");
    why.says("reasons", "rpcbind.socket line");
    why.says("because", "no NFSv3 mounts");
    why.says("because", "no RPC programs that registered with it");
    let way = why.says("to_close", "systemctl mask --now rpcbind.socket rpcbind.service");
    assert_eq!(way["after_boot"], "closed");
    why.says("not_enough", "systemctl stop rpcbind.service");
    why.says("not_enough", "masking rpcbind.service alone");

    // The first screen says so without being asked about the port.
    let screen = || {
        let text = seen.run(&[WHYOPEN]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let finding = "nothing here needs it: no NFSv3 mounts";
    // Without an address nobody reaches it, and it is no matter.
    assert!(!screen().contains(finding), "{}", screen());
    seen.host.join(10).unwrap();
    assert!(screen().contains(finding), "{}", screen());
}

#[test]
fn what_would_need_rpcbind_is_found() {
    let fstab = "nas:/home /home nfs4 noauto 0 0\nnas:/srv /srv nfs vers=3,noauto 0 0\n";
    let seen = Seen::boot("nfs3", &portmapper().file("/etc/fstab", fstab));
    let why = seen.why("111/tcp");
    why.is_in_use("yes");
    let found = why.says("because", "NFSv3 mounts: nas:/srv on /srv");
    assert_eq!(found["evidence"][0]["at"], "/etc/fstab");
    assert_eq!(found["evidence"][0]["line"], 2);

    // NFSv4 alone does not; a mount that does not say its version may.
    seen.host.write("/etc/fstab", "nas:/home /home nfs4 defaults 0 0\n").unwrap();
    seen.why("111/tcp").is_in_use("no");
    seen.host.write("/etc/fstab", "nas:/home /home nfs defaults 0 0\n").unwrap();
    let why = seen.why("111/tcp");
    why.is_in_use("unknown");
    why.says("because", "does not tell");
    seen.host.write("/etc/fstab", "").unwrap();

    seen.host.write("/etc/exports", "# none\n/srv 192.0.2.0/24(ro)\n").unwrap();
    let why = seen.why("111/tcp");
    why.is_in_use("yes");
    assert_eq!(why.says("because", "NFS exports: /srv")["evidence"][0]["line"], 2);
    seen.host.write("/etc/exports", "").unwrap();
    seen.why("111/tcp").is_in_use("no");
}

#[test]
fn a_program_that_registered_is_asked_from_the_portmapper() {
    let seen = Seen::boot("statd", &portmapper());
    seen.run(&["systemctl", "start", "rpc-statd.service"]);
    let why = seen.why("111/tcp");
    why.is_in_use("yes");
    why.says("because", "100024 (statd)");
    let statd = seen.why("rpc-statd.service");
    assert_eq!(statd.service(), "rpc-statd");
    statd.is_in_use("no");
    statd.says("because", "no NFS exports");
}

/// What closes it and what does not, done on the host as it is said.
#[test]
fn what_closes_rpcbind_and_what_does_not() {
    let seen = Seen::boot("closing", &portmapper());
    let stops = |command: &str| {
        seen.host.run(&["sh", "-c", command]).unwrap();
        is_open(&seen)
    };
    assert!(stops("systemctl stop rpcbind.service"), "systemd should keep the socket");
    // whyopen does not start it by looking.
    let why = seen.why("111");
    why.is_in_use("no");
    assert_eq!(seen.run(&["sh", "-c", "pgrep -x rpcbind || true"]), "");
    assert!(stops("systemctl start rpcbind.service; systemctl disable rpcbind.service"));
    assert!(stops(&format!("kill -9 $({MAIN_PID}); sleep 1")), "systemd should start it again");
    let why = seen.why("111/tcp");
    let way = why.says("to_close", "systemctl mask --now");
    let order = way["how"].as_str().unwrap();
    assert!(!stops(order), "{order} should close it");
}

#[test]
fn a_portmapper_that_hangs_costs_half_a_second() {
    let seen = Seen::boot("hung", &portmapper());
    seen.run(&["sh", "-c", &format!("kill -STOP $({MAIN_PID})")]);
    let start = std::time::Instant::now();
    let why = seen.why("111/tcp");
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    seen.run(&["sh", "-c", &format!("kill -CONT $({MAIN_PID})")]);
    why.is_in_use("unknown");
    why.says("because", "did not answer within 0.5 s");
}
