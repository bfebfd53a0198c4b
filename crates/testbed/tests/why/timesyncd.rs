//! systemd-timesyncd's port is a client's.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn timesyncd_is_known_whatever_its_port() {
    let options = HostOptions::new()
        .file("/etc/systemd/timesyncd.conf.d/lab.conf", "[Time]\nNTP=192.0.2.77\n")
        // It does not start in containers, which set no clock; without the capability it cannot.
        .file(
            "/etc/systemd/system/systemd-timesyncd.service.d/lab.conf",
            "[Unit]\nConditionVirtualization=\nConditionCapability=\n[Service]\n\
             AmbientCapabilities=\nCapabilityBoundingSet=\n",
        );
    let seen = Seen::boot("timesyncd", &options);
    seen.run(&["sh", "-c", "ip address add 192.0.2.10/24 dev host0; ip link set host0 up"]);
    seen.run(&["systemctl", "start", "systemd-timesyncd.service"]);
    let wait = "until ss -Hanup | grep -q systemd-timesyn; do sleep 0.1; done";
    seen.run(&["timeout", "60", "sh", "-c", wait]);
    let why = seen.why("systemd-timesyncd.service");
    assert_eq!(why.service(), "systemd-timesyncd");
    why.says("not_enough", "a firewall rule for port 123");
}
