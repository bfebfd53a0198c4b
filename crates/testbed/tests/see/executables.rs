//! Programs that are no longer what is on the disk.

use testbed::HostOptions;

use crate::listing::Listing;
use crate::seen::{AGENT, Seen, WHYOPEN};

#[test]
fn a_deleted_or_replaced_executable_is_told() {
    let seen = Seen::boot("deleted", &HostOptions::new());
    for name in ["deleted", "replaced", "same"] {
        seen.run(&["cp", AGENT, &format!("/opt/{name}")]);
    }
    for (name, port) in [("deleted", 7301), ("replaced", 7302), ("same", 7303)] {
        let program = format!("/opt/{name}");
        let socket = format!("tcp:0.0.0.0:{port}");
        seen.host.start_service(name, &[&program, "hold", &socket]).unwrap();
    }
    seen.run(&["rm", "/opt/deleted"]);
    // As a package manager does: a new file takes the name.
    seen.run(&["sh", "-c", "cp /opt/same /opt/new && mv /opt/new /opt/replaced"]);

    // Executables belong to the closer look that a target asks for.
    let look = [WHYOPEN, "-o", "json", "7301", "7302", "7303"];
    let listing = Listing::of(&seen.host.run(&look).unwrap());
    for (name, port, replaced) in
        [("deleted", 7301, true), ("replaced", 7302, true), ("same", 7303, false)]
    {
        let row = listing.one("tcp", "0.0.0.0", Some(port));
        let holder = row.holder();
        assert_eq!(holder["executable"], format!("/opt/{name}"), "{:#}", row.0);
        assert_eq!(holder["executable_replaced"], replaced, "{:#}", row.0);
        assert_eq!(holder["unit"], format!("{name}.service"));
    }
    let findings = listing.json["findings"].as_array().unwrap();
    let subjects: Vec<_> = findings
        .iter()
        .filter(|finding| finding["id"] == "executable-replaced")
        .map(|finding| finding["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, ["tcp/7301", "tcp/7302"], "{findings:#?}");
}
