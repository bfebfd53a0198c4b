//! Docker, the real one.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn a_published_port_is_the_containers() {
    let options = HostOptions::new().privileged().enable("docker.service").enable("docker.socket");
    let seen = Seen::boot("docker", &options);
    seen.run(&["sh", "-c", "tar -C /bin -c busybox | docker import - box"]);
    let server = ["/busybox", "httpd", "-f", "-p", "80"];
    let run = ["docker", "run", "--detach", "--name=web", "--publish=30080:80", "box"];
    seen.run(&[&run[..], &server].concat());
    // `docker run --detach` does not wait for the program to listen.
    wait_until(&seen, "docker exec web /busybox netstat -lnt | grep -q ':80 '");

    let listing = seen.list();
    for address in ["0.0.0.0", "::"] {
        let row = listing.one("tcp", address, Some(30080));
        let holder = row.holder();
        assert_eq!(holder["comm"], "docker-proxy", "{:#}", row.0);
        assert_eq!(holder["container"], "web", "{:#}", row.0);
    }
    let inside: Vec<_> = listing.all("tcp", Some(80));
    assert_eq!(inside.len(), 1, "{:#}", listing.json);
    let row = inside[0];
    assert_ne!(row.0["netns"], "host");
    assert_eq!(row.0["netns_container"], "web", "{:#}", row.0);
    assert_eq!(row.holder()["container"], "web");
    assert_eq!(row.holder()["comm"], "busybox");
    seen.agrees_with_ss(&listing);

    // Without privileges the cgroup still tells that it is a container, and of which engine.
    let listing = seen.list_as_nobody();
    assert_eq!(listing.all("tcp", Some(30080)).len(), 2, "{:#}", listing.json);

    // On the host's own network, the container holds the port itself.
    let run = ["docker", "run", "--detach", "--name=direct", "--network=host", "box"];
    seen.run(&[&run[..], &["/busybox", "httpd", "-f", "-p", "8088"]].concat());
    wait_until(&seen, "ss -Hnlt | grep -q ':8088 '");
    let listing = seen.list();
    let rows = listing.all("tcp", Some(8088));
    assert_eq!(rows.len(), 1, "{:#}", listing.json);
    assert_eq!(rows[0].0["netns"], "host");
    assert_eq!(rows[0].holder()["container"], "direct", "{:#}", rows[0].0);
}

/// Waits on the host until a shell command succeeds.
fn wait_until(seen: &Seen, command: &str) {
    let wait = format!("until {command}; do sleep 0.1; done");
    seen.run(&["timeout", "30", "sh", "-c", &wait]);
}
