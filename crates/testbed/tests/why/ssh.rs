//! sshd by itself, and for a socket unit, which has the port.

use testbed::HostOptions;

use crate::seen::{Seen, WHYOPEN};

#[test]
fn sshd_is_bound_by_its_configuration() {
    let options = HostOptions::new()
        .enable("ssh.service")
        .file("/etc/ssh/sshd_config.d/lab.conf", "# ours\nPort 2222\n");
    let seen = Seen::boot("sshd", &options);
    let why = seen.why("2222");
    assert_eq!(why.service(), "sshd");
    let bound = why.says("reasons", "bound by Port 2222");
    assert_eq!(bound["evidence"][0]["at"], "/etc/ssh/sshd_config.d/lab.conf");
    assert_eq!(bound["evidence"][0]["line"], 2);
    why.says("reasons", "package openssh-server");
    why.is_in_use("unknown");
    let screen = seen.run(&[WHYOPEN]);
    assert!(screen.contains("2222/tcp  ssh "), "{screen}");

    // Somebody who is connected uses it.
    let peer = "exec 3<>/dev/tcp/127.0.0.1/2222; sleep 60";
    seen.run(&["systemd-run", "--quiet", "--unit=peer", "bash", "-c", peer]);
    let wait =
        "until ss -Hnt state established '( sport = :2222 )' | grep -q .; do sleep 0.1; done";
    seen.run(&["timeout", "30", "sh", "-c", wait]);
    let why = seen.why("2222");
    why.is_in_use("yes");
    why.says("because", "1 connection now, from this host itself");
}

#[test]
fn with_ssh_socket_the_port_is_the_units() {
    let options = HostOptions::new()
        .enable("ssh.socket")
        .file("/etc/ssh/sshd_config.d/lab.conf", "Port 2222\n");
    let seen = Seen::boot("socket", &options);
    let why = seen.why("22");
    assert_eq!(why.service(), "sshd");
    why.says("reasons", "the port stands in the socket unit ssh.socket");
    why.says("not_enough", "Port or ListenAddress in /etc/ssh/sshd_config");
    let all = why.rows[0]["why"]["reasons"].to_string();
    assert!(!all.contains("Port 2222"), "{all}");
    let way = why.says("to_close", "systemctl edit ssh.socket");
    assert!(way["how"].as_str().unwrap().contains("ListenStream=127.0.0.1:22"), "{way:#}");
}
