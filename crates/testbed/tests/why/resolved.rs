//! systemd-resolved: the stub, LLMNR and mDNS.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn each_port_of_resolved_is_told_apart() {
    let options = HostOptions::new()
        .enable("systemd-resolved.service")
        .file("/etc/systemd/resolved.conf.d/lab.conf", "[Resolve]\nLLMNR=yes\n")
        .file("/etc/resolv.conf", "nameserver 127.0.0.53\n");
    let seen = Seen::boot("resolved", &options);
    let stub = seen.why("53/udp");
    assert_eq!(stub.service(), "systemd-resolved");
    stub.is_in_use("yes");
    stub.says("because", "nameserver 127.0.0.53");
    let llmnr = seen.why("5355/udp");
    assert_eq!(llmnr.service(), "systemd-resolved");
    llmnr.is_in_use("unknown");
    llmnr.says("reasons", "LLMNR yes (/etc/systemd/resolved.conf.d/lab.conf line 2)");
    llmnr.says("to_close", "LLMNR=no below [Resolve] in /etc/systemd/resolved.conf.d/lab.conf");
    assert!(llmnr.rows[0]["why"]["purpose"].as_str().unwrap().contains("RFC 4795"));

    // As it says.
    seen.host.write("/etc/systemd/resolved.conf.d/lab.conf", "[Resolve]\nLLMNR=no\n").unwrap();
    seen.run(&["systemctl", "restart", "systemd-resolved.service"]);
    assert!(!seen.run(&["ss", "-Hnlu"]).contains(":5355 "));
}
