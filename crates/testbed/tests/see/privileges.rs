//! Looking without privileges.

use testbed::HostOptions;

use crate::seen::{Seen, WHYOPEN, printed};

#[test]
fn nobody_sees_every_socket_and_its_unit() {
    let options = HostOptions::new()
        .enable("rpcbind.socket")
        .enable("rpcbind.service")
        .enable("nginx.service")
        .enable("ssh.service");
    let seen = Seen::boot("nobody", &options);
    seen.start("listener", &["tcp:[::]:8000", "udp:127.0.0.1:8000", "raw6:58"]);
    let (root, nobody) = (seen.list(), seen.list_as_nobody());
    assert_eq!(nobody.inet_sockets(), root.inet_sockets());

    // The cgroup names the unit that made the socket, or the socket unit it was made for.
    let units: [(&str, &str, u16, &[&str]); 5] = [
        ("tcp", "::", 8000, &["listener.service"]),
        ("udp", "127.0.0.1", 8000, &["listener.service"]),
        ("tcp", "0.0.0.0", 80, &["nginx.service"]),
        ("tcp", "0.0.0.0", 22, &["ssh.service"]),
        ("tcp", "0.0.0.0", 111, &["rpcbind.socket"]),
    ];
    for (protocol, address, port, expect) in units {
        let row = nobody.one(protocol, address, Some(port));
        let holder = row.holder();
        assert!(holder["pid"].is_null(), "nobody cannot know: {:#}", row.0);
        assert!(expect.contains(&holder["unit"].as_str().unwrap_or("-")), "{:#}", row.0);
    }
    // What it cannot know is said, and never reads as "nobody holds it".
    assert!(
        nobody.gaps().contains("holders") || nobody.gaps().contains("process"),
        "{}",
        nobody.gaps()
    );
    nobody.never_says_nobody();
    assert_eq!(root.gaps().lines().filter(|gap| gap.contains("permission")).count(), 0);

    let text = printed(seen.host.run_as_nobody(&[WHYOPEN, "-a"]).unwrap());
    assert!(text.contains("root"), "it says what root would add:\n{text}");
}

#[test]
fn without_bpf_root_sees_the_same() {
    let options = HostOptions::new().enable("rpcbind.socket").enable("nginx.service");
    let seen = Seen::boot("nobpf", &options);
    seen.start("listener", &["--children", "5", "tcp:[::]:8000", "raw6:58", "packet"]);
    // Root without the capabilities that BPF needs.
    let by = "exec setpriv --bounding-set=-bpf,-perfmon,-sys_admin --inh-caps=-all $WHYOPEN";
    let (with, without) = (seen.list(), seen.list_by(by));
    let sockets = |listing: &crate::listing::Listing| listing.json["sockets"].clone();
    assert_eq!(sockets(&with), sockets(&without));
    seen.agrees_with_ss(&with);
}
