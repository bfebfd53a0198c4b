//! Network namespaces other than the host's own.

use testbed::HostOptions;

use crate::listing::Listing;
use crate::seen::{AGENT, Seen, WHYOPEN};

#[test]
fn a_named_namespace_labels_its_rows() {
    let seen = Seen::boot("blue", &HostOptions::new());
    seen.run(&["ip", "netns", "add", "blue"]);
    let inside =
        ["ip", "netns", "exec", "blue", AGENT, "hold", "tcp:0.0.0.0:9100", "udp:[::]:9100"];
    seen.host.start_service("inside", &inside).unwrap();
    seen.start("outside", &["tcp:0.0.0.0:9100"]);

    let listing = seen.list();
    let mut rows: Vec<_> = listing
        .all("tcp", Some(9100))
        .iter()
        .map(|row| (row.0["netns"].as_str().unwrap(), row.held_by()))
        .collect();
    rows.sort_unstable();
    let expect = [
        ("blue", vec![("testbed-agent", "inside.service")]),
        ("host", vec![("testbed-agent", "outside.service")]),
    ];
    assert_eq!(rows, expect);
    assert_eq!(listing.all("udp", Some(9100))[0].0["netns"], "blue");
    seen.agrees_with_ss(&listing);

    let here = seen.host.run(&[WHYOPEN, "-a", "-o", "json", "--this-netns"]).unwrap();
    let here = Listing::of(&here);
    assert!(here.rows().all(|row| row.0["netns"] == "host"));
    assert_eq!(here.all("tcp", Some(9100)).len(), 1);
}

#[test]
fn a_namespace_without_a_name_is_found_by_its_process() {
    let seen = Seen::boot("unnamed", &HostOptions::new());
    let inside = ["unshare", "--net", AGENT, "hold", "tcp:0.0.0.0:9200"];
    seen.host.start_service("inside", &inside).unwrap();
    let listing = seen.list();
    let rows = listing.all("tcp", Some(9200));
    assert_eq!(rows.len(), 1, "{:#}", listing.json);
    assert_ne!(rows[0].0["netns"], "host");
    assert_eq!(rows[0].held_by(), [("testbed-agent", "inside.service")]);
}

#[test]
fn a_namespace_with_a_name_and_no_process_is_found() {
    let seen = Seen::boot("named", &HostOptions::new());
    seen.run(&["ip", "netns", "add", "idle"]);
    // A kernel socket needs no process.
    let add = "ip link add vx1 type vxlan id 7 dstport 4790 dev lo; ip link set vx1 up";
    seen.run(&["ip", "netns", "exec", "idle", "sh", "-c", add]);
    let listing = seen.list();
    let rows = listing.all("udp", Some(4790));
    assert!(!rows.is_empty(), "{:#}", listing.json);
    for row in rows {
        assert_eq!(row.0["netns"], "idle", "{:#}", row.0);
        assert_eq!(row.holder()["detail"], "vxlan vx1", "{:#}", row.0);
    }
}
