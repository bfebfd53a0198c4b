//! Files that are broken, wait for each other or may not be read: each is named, and the rest is told.

use testbed::HostOptions;

use crate::listing::Listing;
use crate::predicted::Predicted;
use crate::seen::{AGENT, Seen, WHYOPEN};

/// A unit that holds a port and is started at boot.
fn service(port: u16, more: &str) -> String {
    format!(
        "[Unit]\n{more}\n[Service]\nType=notify\nExecStart={AGENT} hold tcp:0.0.0.0:{port}\n\
         [Install]\nWantedBy=multi-user.target\n"
    )
}

fn file(name: &str) -> String {
    format!("/etc/systemd/system/{name}")
}

#[test]
fn broken_files_and_circles() {
    let mut options = HostOptions::new();
    let orders = ["", "", "", "After=d.service", "After=c.service", "Requires=f.service"];
    for (at, more) in (7041..).zip(orders) {
        let name = ["rest", "broken", "binary", "c", "d", "e"][usize::from(at - 7041_u16)];
        options = options.file(&file(&format!("{name}.service")), &service(at, more));
    }
    options = options.file(&file("f.service"), &service(7047, "Requires=e.service"));
    let mut seen = Seen::boot("broken", &options);
    let all = "rest broken binary c d e f";
    // One after the other: of a circle, systemd starts what it was asked for.
    let start = format!("for u in {all}; do systemctl start $u; systemctl -q enable $u; done");
    seen.run(&["sh", "-euc", &start]);
    seen.host.write(&file("broken.service"), "[Unit]\n[Service\nExecStart=\n= =\nx\n").unwrap();
    seen.host.write(&file("binary.service"), "\u{1}\u{0}\u{fffd}[Service]\n\u{7f}").unwrap();
    let predicted = Predicted::of(&seen.host);
    predicted.says(7041, "returns", "multi-user.target wants rest.service");
    predicted.says(7042, "does_not_return", "systemd refuses its file: it has no ExecStart=");
    predicted.says(7043, "does_not_return", "systemd refuses its file");
    predicted.says(7044, "maybe", "it and d.service are each to be started after the other");
    predicted.says(7045, "maybe", "it and c.service are each to be started after the other");
    // These require each other and are in no order: both are started.
    predicted.says(7046, "returns", "wants e.service");
    predicted.says(7047, "returns", "wants f.service");
    predicted.holds_after_a_boot(&mut seen.host);
    let open = crate::predicted::open_ports(&seen.host);
    let of_circle = [7044, 7045].into_iter().filter(|port| open.contains(port)).count();
    assert_eq!(of_circle, 1, "systemd leaves out one of the two: {open:?}");
}

#[test]
fn files_that_may_not_be_read() {
    let options = HostOptions::new()
        .file(&file("rest.service"), &service(7051, ""))
        .file(&file("hidden.service"), &service(7052, ""));
    let seen = Seen::boot("unread", &options);
    seen.run(&["systemctl", "enable", "--quiet", "--now", "rest", "hidden"]);
    seen.run(&["chmod", "600", "/etc/systemd/system/hidden.service"]);
    let listing = Listing::of(&seen.host.run_as_nobody(&[WHYOPEN, "-a", "-o", "json"]).unwrap());
    let said = |port: u16| {
        let row = listing.rows().find(|row| row.0["port"] == port).unwrap();
        row.0["after_boot"].to_string()
    };
    assert!(said(7051).contains("\"returns\""), "{}", said(7051));
    assert!(said(7052).contains("hidden.service could not be read"), "{}", said(7052));
    let path = "/etc/systemd/system/hidden.service";
    assert!(listing.gaps().contains(path), "{}", listing.gaps());
}

/// A configuration that is too long to be read, even for root.
#[test]
fn a_configuration_that_cannot_be_read() {
    let long = "# nothing\n".repeat(200_000);
    let options = HostOptions::new()
        .enable("ssh.service")
        .enable("nginx.service")
        .file("/etc/ssh/sshd_config.d/long.conf", &long);
    let mut seen = Seen::boot("long", &options);
    let predicted = Predicted::of(&seen.host);
    predicted.says(22, "maybe", "/etc/ssh/sshd_config.d/long.conf");
    predicted.says(80, "returns", "configured in /etc/nginx/sites-enabled/default");
    predicted.holds_after_a_boot(&mut seen.host);
}
