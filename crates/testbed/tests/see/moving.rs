//! A host on which processes come and go.

use testbed::HostOptions;

use crate::seen::{AGENT, Seen, WHYOPEN};

/// How often to look. Hundreds of processes end during each look.
const LOOKS: usize = 15;

#[test]
fn what_stays_is_listed_while_processes_vanish() {
    let seen = Seen::boot("storm", &HostOptions::new());
    let sockets: Vec<String> = (0..20).map(|n| format!("tcp:127.0.0.1:{}", 7500 + n)).collect();
    let sockets: Vec<&str> = sockets.iter().map(String::as_str).collect();
    seen.start("stable", &[&["--children", "3"], &sockets[..]].concat());
    seen.host.start_service("storm", &[AGENT, "storm"]).unwrap();
    let main = seen.run(&["systemctl", "show", "--value", "--property=MainPID", "stable"]);
    let children = seen.run(&["pgrep", "--parent", main.trim()]);
    let mut expect: Vec<u64> = children.lines().map(|line| line.parse().unwrap()).collect();
    expect.push(main.trim().parse().unwrap());
    expect.sort_unstable();
    assert_eq!(expect.len(), 4);

    let drop = "exec setpriv --bounding-set=-bpf,-perfmon,-sys_admin --inh-caps=-all $WHYOPEN";
    for look in 0..LOOKS {
        // Both ways to find holders.
        let listing = if look % 2 == 0 { seen.list() } else { seen.list_by(drop) };
        for port in 7500..7520 {
            let row = listing.one("tcp", "127.0.0.1", Some(port));
            assert_eq!(row.pids(), expect, "{:#}", row.0);
            assert!(row.held_by().iter().all(|h| *h == ("testbed-agent", "stable.service")));
        }
        let text = seen.host.run(&[WHYOPEN]).unwrap();
        assert_eq!(text.status, Some(0), "{text:?}");
    }
}
