//! Ports of socket units, and of a service that a socket, a path and the service itself open.

use testbed::HostOptions;

use crate::predicted::{Predicted, open_ports};
use crate::seen::Seen;

#[test]
fn ssh_socket() {
    let options = HostOptions::new()
        .enable("ssh.socket")
        .file("/etc/ssh/sshd_config.d/lab.conf", "Port 2222\n");
    let mut seen = Seen::boot("ssh-socket", &options);
    // The port is the socket unit's, whatever sshd's configuration says.
    let predicted = Predicted::of(&seen.host);
    predicted.says(22, "returns", "sockets.target wants ssh.socket");
    predicted.holds_after_a_boot(&mut seen.host);
    seen.run(&["systemctl", "--quiet", "disable", "ssh.socket"]);
    let predicted = Predicted::of(&seen.host);
    predicted.says(22, "does_not_return", "nothing that starts at boot starts ssh.socket");
    predicted.holds_after_a_boot(&mut seen.host);
    // In place of the socket, the service: it listens where its own configuration says.
    seen.run(&["systemctl", "--quiet", "enable", "ssh.service"]);
    seen.run(&["systemctl", "start", "ssh.socket"]);
    let predicted = Predicted::of(&seen.host);
    predicted.says(22, "does_not_return", "ssh.socket");
    predicted.holds_after_a_boot(&mut seen.host);
    assert!(open_ports(&seen.host).contains(&2222));
}

#[test]
fn cups_by_its_socket_and_its_path() {
    let mut seen = Seen::boot("cups", &HostOptions::new().services());
    let up = "ip link set lo up; systemctl start cups.service";
    seen.run(&["sh", "-euc", up]);
    let mut check = |commands: &str, verdict: &str, because: &str| {
        seen.run(&["sh", "-euc", commands]);
        assert!(open_ports(&seen.host).contains(&631), "{commands}");
        let predicted = Predicted::of(&seen.host);
        predicted.says(631, verdict, because);
        predicted.holds_after_a_boot(&mut seen.host);
        seen.run(&["sh", "-euc", up]);
    };
    check("true", "does_not_return", "nothing that starts at boot starts cups.service");
    // The path unit starts it while its file of a job that is not done is there.
    let path = "systemctl --quiet enable cups.path; touch /var/cache/cups/org.cups.cupsd";
    check(path, "returns", "which starts cups.service if the path is there");
    check("rm -f /var/cache/cups/org.cups.cupsd", "maybe", "which starts cups.service");
    // The socket unit has no port of its own, and starts the service for whoever prints.
    let socket = "systemctl --quiet disable cups.path; systemctl --quiet enable cups.socket";
    check(socket, "maybe", "starts cups.service when something connects to it");
    check("systemctl --quiet enable cups.service", "returns", "wants cups.service");
}
