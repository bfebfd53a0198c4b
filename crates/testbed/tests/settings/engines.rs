//! What container engines set when they start.

use testbed::HostOptions;

use crate::settled::Settled;

#[test]
fn docker_forwards() {
    let options = HostOptions::new()
        .privileged()
        .enable("docker.service")
        .enable("containerd.service")
        .file("/etc/docker/daemon.json", "{\n \"userland-proxy\": false\n}\n");
    let mut host = Settled::boot("docker", &options);
    assert_eq!(host.value("net/ipv4/ip_forward"), "1");
    let told = host.settings();
    assert_eq!(told.0["role"], "container host");
    let forward = told.setting("net.ipv4.ip_forward");
    assert_eq!((&forward["owner"], &forward["after_boot"]), (&"Docker".into(), &"1".into()));
    let localnet = told.setting("net.ipv4.conf.docker0.route_localnet");
    assert_eq!(localnet["after_boot"], "1", "{localnet:#}");
    assert_eq!(localnet["sources"][0]["file"], "/etc/docker/daemon.json");
    assert_eq!(localnet["sources"][0]["line"], 2);
    assert!(host.boots_as_predicted() > 100);
}
