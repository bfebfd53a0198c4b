//! The loads that measurements are made on have the shape that was asked for.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test of effects; its helpers fail the test"
)]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use testbed::{Load, LoadShape};

#[test]
fn a_load_has_its_shape_and_can_be_measured() {
    let shape =
        LoadShape { groups: 3, processes: 4, listeners: 5, connections: 6, files: 7, open: false };
    let load = Load::start(Path::new(env!("CARGO_BIN_EXE_testbed-agent")), &shape).unwrap();
    let run = |as_nobody, command: &[&str]| {
        let measured = load.measure(as_nobody, command).unwrap();
        assert!(measured.cpu > Duration::ZERO && measured.cpu < Duration::from_secs(5));
        assert!(measured.wall > Duration::ZERO && measured.peak_rss_kib > 500, "{measured:?}");
        fs::read_to_string(measured.stdout).unwrap()
    };
    let listeners = run(false, &["ss", "-H", "-tlnp"]);
    assert_eq!(listeners.lines().count(), 3 * 5, "{listeners}");
    // 15 listeners, each held by the 4 processes of its group.
    assert_eq!(listeners.matches("pid=").count(), 15 * 4, "{listeners}");
    let connections = run(false, &["ss", "-H", "-tn", "state", "established"]);
    assert_eq!(connections.lines().count(), 3 * 4 * 6 * 2, "{connections}");
    assert_eq!(run(true, &["id", "-un"]), "nobody\n");
    assert!(load.measure(false, &["false"]).is_err());

    // All processes end with the load, those of its groups too. They run from a directory of its own.
    let pushed = load.push(Path::new("/bin/true")).unwrap();
    let directory = pushed.parent().unwrap().display().to_string();
    let processes = || {
        let agents = |process: &fs::DirEntry| {
            let command = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            command.contains("load-member") && command.contains(&directory)
        };
        fs::read_dir("/proc").unwrap().flatten().filter(agents).count()
    };
    assert_eq!(processes(), 3 * 4);
    drop(load);
    let deadline = Instant::now() + Duration::from_secs(10);
    while processes() > 0 {
        assert!(Instant::now() < deadline, "processes of the load go on");
        thread::sleep(Duration::from_millis(10));
    }
}
