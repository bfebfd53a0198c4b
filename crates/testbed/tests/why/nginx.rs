//! nginx, and a service that the base does not know.

use testbed::HostOptions;

use crate::seen::Seen;

#[test]
fn nginx_is_bound_by_its_sites() {
    let site = "server {\n  listen 8081;\n  root /var/www/html;\n}\n";
    let options =
        HostOptions::new().enable("nginx.service").file("/etc/nginx/sites-enabled/lab", site);
    let seen = Seen::boot("nginx", &options);
    let why = seen.why("8081");
    assert_eq!(why.service(), "nginx");
    why.says("reasons", "bound by listen 8081 (/etc/nginx/sites-enabled/lab line 2)");
    why.says("not_enough", "deny all");
}

#[test]
fn what_the_base_does_not_know_gets_generic_reasons() {
    let unit = "[Unit]\nDescription=Our own thing\n[Service]\nType=notify\n\
        ExecStart=/usr/local/bin/testbed-agent hold tcp:0.0.0.0:7070\n";
    let options = HostOptions::new()
        .file("/etc/systemd/system/thing.service", unit)
        .file("/etc/thing/thing.conf", "# x\nname = y\nport = 7070\n");
    let seen = Seen::boot("generic", &options);
    seen.run(&["systemctl", "start", "thing.service"]);
    let why = seen.why("7070");
    assert_eq!(why.service(), "unknown");
    why.is_in_use("unknown");
    why.says("reasons", "Our own thing");
    why.says("reasons", "/usr/local/bin/testbed-agent is of no package");
    let named = why.says("reasons", "its port is named in /etc/thing/thing.conf line 3");
    assert_eq!(named["evidence"][0]["line"], 3);
    // Its file is where a mask would have to be.
    why.says("to_close", "systemctl disable --now thing.service");
}
