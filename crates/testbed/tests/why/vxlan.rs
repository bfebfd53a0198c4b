//! A tunnel of the kernel, which no process holds.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn a_vxlan_tunnel_is_the_kernels() {
    let seen = Seen::boot("vxlan", &HostOptions::new());
    let add = "ip link add vx0 type vxlan id 7 dstport 4789 local 192.0.2.10; ip link set vx0 up";
    seen.run(&["sh", "-c", add]);
    let why = seen.why("4789");
    assert_eq!(why.service(), "vxlan");
    why.is_in_use("yes");
    why.says("to_close", "ip link delete vx0");
    seen.run(&["ip", "link", "delete", "vx0"]);
    assert!(!seen.run(&["ss", "-Hnlu"]).contains(":4789 "));
}
