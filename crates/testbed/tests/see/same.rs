//! The same host gives the same output: twice, and from a snapshot.

use serde_json::{Deserializer, Value};
use testbed::HostOptions;

use crate::seen::{Seen, WHYOPEN, printed};

fn busy() -> Seen {
    let options = HostOptions::new()
        .enable("rpcbind.socket")
        .enable("rpcbind.service")
        .enable("nginx.service")
        .enable("ssh.service");
    let seen = Seen::boot("same", &options);
    seen.host.join(10).unwrap();
    seen.run(&["ip", "netns", "add", "blue"]);
    let inside = ["ip", "netns", "exec", "blue", crate::seen::AGENT, "hold", "tcp:[::]:9100"];
    seen.host.start_service("inside", &inside).unwrap();
    seen.start("listener", &["--children", "4", "tcp:[::]:8000", "raw6:58", "packet"]);
    seen
}

/// The first line ends with how long it took: that may differ.
fn without_time(text: &str) -> String {
    let Some((first, rest)) = text.split_once('\n') else { return text.to_owned() };
    let words: Vec<&str> = first.split_whitespace().collect();
    let timed = words.ends_with(&["s"]) || words.ends_with(&["ms"]);
    let words = if timed { &words[..words.len() - 2] } else { &words[..] };
    format!("{}\n{rest}", words.join(" "))
}

/// JSON values, one after the other, without what only a closer look reads: the executables of
/// holders, and why a socket is open.
fn without_details(text: &str) -> Vec<Value> {
    let values = Deserializer::from_str(text).into_iter::<Value>();
    let mut values: Vec<Value> = values.map(Result::unwrap).collect();
    for value in &mut values {
        let sockets = match value.get_mut("sockets").and_then(Value::as_array_mut) {
            Some(sockets) => sockets.iter_mut().collect(),
            None => vec![value],
        };
        for socket in sockets {
            if let Some(socket) = socket.as_object_mut() {
                socket.remove("why");
            }
            let Some(holders) = socket["holders"].as_array_mut() else { continue };
            for holder in holders.iter_mut().filter_map(Value::as_object_mut) {
                holder.remove("executable");
                holder.remove("executable_replaced");
            }
        }
    }
    values
}

#[test]
fn two_runs_and_a_snapshot_agree() {
    let seen = busy();
    let run =
        |arguments: &[&str]| printed(seen.host.run(&[&[WHYOPEN], arguments].concat()).unwrap());
    seen.host.write("/tmp/snapshot.json", &run(&["snapshot"])).unwrap();
    for view in [
        &[][..],
        &["-a"],
        &["8000"],
        &["nginx.service"],
        &["-a", "-o", "json"],
        &["-a", "-o", "ndjson"],
    ] {
        let first = without_time(&run(view));
        assert_eq!(first, without_time(&run(view)), "{view:?}");
        // Anyone can read a snapshot, and it says the same as the host. What only a closer look
        // shows is always in it, and in JSON nowhere else.
        let from = [&[WHYOPEN, "--from", "/tmp/snapshot.json"], view].concat();
        let from = without_time(&printed(seen.host.run_as_nobody(&from).unwrap()));
        if view.contains(&"-o") {
            assert_eq!(without_details(&first), without_details(&from), "{view:?}");
        } else {
            let lines = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(lines(&first), lines(&from), "{view:?}");
        }
    }
}

#[test]
fn a_truncated_snapshot_gives_one_clear_error() {
    let seen = Seen::with_sockets("broken", &["tcp:[::]:8000"]);
    let whole = printed(seen.host.run(&[WHYOPEN, "snapshot"]).unwrap());
    seen.host.write("/tmp/half.json", &whole[..whole.len() / 2]).unwrap();
    let done = seen.host.run(&[WHYOPEN, "--from", "/tmp/half.json"]).unwrap();
    assert_eq!(done.status, Some(3), "{done:?}");
    assert!(done.stderr.contains("/tmp/half.json"), "{done:?}");
    assert_eq!(done.stdout, "");
}

#[test]
fn a_snapshot_keeps_arguments_only_on_request() {
    let seen = Seen::with_sockets("secret", &["--comm", "hunter2", "tcp:[::]:8000"]);
    let secret = "backlog=77";
    seen.start("secretive", &[&format!("tcp:[::]:8001,{secret}")]);
    let plain = printed(seen.host.run(&[WHYOPEN, "snapshot"]).unwrap());
    assert!(!plain.contains(secret));
    let with = printed(seen.host.run(&[WHYOPEN, "snapshot", "--with-args"]).unwrap());
    assert!(with.contains(secret));
}
