//! Docker: a published port, and the daemon's own.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn a_published_port_is_the_containers_and_input_rules_do_not_close_it() {
    let options = HostOptions::new()
        .privileged()
        .enable("docker.service")
        .enable("docker.socket")
        .file("/etc/docker/daemon.json", r#"{"hosts": ["tcp://127.0.0.1:2375"]}"#)
        .file(
            "/etc/systemd/system/docker.service.d/lab.conf",
            "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd --containerd=/run/containerd/containerd.sock\n",
        );
    let seen = Seen::boot("docker", &options);
    let api = seen.why("2375");
    assert_eq!(api.service(), "docker");
    api.says("reasons", "bound by hosts tcp://127.0.0.1:2375 (/etc/docker/daemon.json)");
    assert!(api.rows[0]["why"]["purpose"].as_str().unwrap().contains("without TLS"));

    let docker = "DOCKER_HOST=tcp://127.0.0.1:2375; export DOCKER_HOST;";
    let run = "tar -C /bin -c busybox | docker import - box; docker run --detach --name=web \
        --publish=30080:80 box /busybox httpd -f -p 80";
    seen.run(&["sh", "-c", &format!("{docker} {run}")]);
    let why = seen.why("30080");
    why.says("reasons", "container web");
    why.says("to_close", "-p 127.0.0.1:30080:80");
    why.says("not_enough", "is forwarded, not received");
    assert!(!why.rows[0]["why"]["to_close"].to_string().contains("systemctl"), "{:#}", why.rows[0]);
}
