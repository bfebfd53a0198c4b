//! Runs the binary over saved snapshots: exit codes, errors, flags.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "it makes files and runs the binary")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder with every sample host as a saved snapshot.
struct Saved(tempfile::TempDir);

impl Saved {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, snapshot) in judge::sample::all() {
            let text = serde_json::to_vec(&snapshot).unwrap();
            std::fs::write(folder.path().join(format!("{name}.json")), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, host: &str) -> PathBuf {
        self.0.path().join(format!("{host}.json"))
    }

    /// Runs `whyopen --from HOST.json ARGS`.
    fn run(&self, host: &str, args: &[&str]) -> Output {
        let path = self.path(host);
        let mut all = vec!["--from", path.to_str().unwrap()];
        all.extend(args);
        whyopen(&all)
    }
}

fn whyopen(args: &[&str]) -> Output {
    command().args(args).output().unwrap()
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whyopen"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn exit_codes() {
    let saved = Saved::new();
    let check = |host: &str, args: &[&str], expect: i32| {
        let output = saved.run(host, args);
        assert_eq!(output.status.code(), Some(expect), "{host} {args:?}: {}", stderr(&output));
    };
    check("rpcbind", &[], 0);
    check("rpcbind", &["--strict"], 0);
    check("rpcbind", &["--strict", "--sockets-only"], 2);
    check("stacks", &["--fail-on", "info"], 0);
    check("rpcbind", &["--fail-on", "low"], 1);
    check("rpcbind", &["--fail-on", "medium"], 0);
    check("prefork", &["--fail-on", "medium"], 1);
    check("prefork", &["--fail-on", "medium", "--strict"], 1);
    check("prefork", &["--fail-on", "high"], 0);
    check("prefork", &["--fail-on", "high", "--strict"], 2);
    check("rpcbind", &["111"], 0);
    check("rpcbind", &["4444"], 4);
    check("rpcbind", &["111", "4444", "--strict"], 4);
    check("rpcbind", &["22/tpc"], 3);
    for wrong in ["22/", "tcp/", "[::]:", "+22"] {
        check("rpcbind", &[wrong], 3);
    }
    check("rpcbind", &["--no-such-flag"], 3);
    check("no_such_host", &[], 3);
    check("empty", &[], 0);
    assert_eq!(whyopen(&["--help"]).status.code(), Some(0));
}

#[test]
fn sockets_only_says_what_was_not_asked() {
    let saved = Saved::new();
    let flag = "--sockets-only";
    let screen = stdout(&saved.run("rpcbind", &[flag]));
    assert!(screen.contains("Firewall: not looked at (--sockets-only)."), "{screen}");
    let detail = stdout(&saved.run("rpcbind", &["111", flag]));
    assert_eq!(detail.matches("not looked at (--sockets-only)").count(), 2, "{detail}");
    let json = stdout(&saved.run("rpcbind", &["-o", "json", flag]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let sockets = json["sockets"].as_array().unwrap();
    assert!(!sockets.is_empty());
    for socket in sockets {
        for unknown in [&socket["ipv4"], &socket["ipv6"], &socket["after_boot"]] {
            if !unknown.is_null() {
                assert_eq!(unknown["verdict"], "unknown", "{socket}");
                assert!(unknown["because"].as_str().unwrap().contains(flag), "{socket}");
            }
        }
    }
    let whys: Vec<_> = json["gaps"].as_array().unwrap().iter().map(|gap| &gap["why"]).collect();
    assert!(whys.iter().any(|why| why.as_str().unwrap().contains(flag)), "{whys:?}");
}

#[test]
fn targets() {
    let saved = Saved::new();
    let check = |host: &str, target: &str, expect: &[&str]| {
        let output = saved.run(host, &[target, "-o", "ndjson"]);
        let mut found: Vec<String> = stdout(&output)
            .lines()
            .filter_map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let address = value.get("address")?.as_str()?.to_owned();
                Some(format!("{} {address} {}", value["protocol"].as_str()?, value["port"]))
            })
            .collect();
        found.sort();
        assert_eq!(found, expect, "{host} {target}: {}", stderr(&output));
    };
    let all = ["tcp 0.0.0.0 111", "tcp :: 111", "udp 0.0.0.0 111", "udp :: 111"];
    for target in [
        "111",
        ":111",
        "*:111",
        "port:111",
        "rpcbind",
        "rpcbind.socket",
        "rpcbind.service",
        "612",
        "pid:612",
        "pid:1",
        "process:systemd",
        "unit:rpcbind",
        "portmapper",
        "sunrpc",
    ] {
        check("rpcbind", target, &all);
    }
    check("rpcbind", "111/udp", &["udp 0.0.0.0 111", "udp :: 111"]);
    check("rpcbind", "tcp/111", &["tcp 0.0.0.0 111", "tcp :: 111"]);
    check("rpcbind", "[::]:111/tcp", &["tcp :: 111"]);
    check("rpcbind", "192.0.2.10:22", &["tcp 0.0.0.0 22"]);
    check("rpcbind", "127.0.0.1:22", &["tcp 0.0.0.0 22"]);
    check("rpcbind", "ssh", &["tcp 0.0.0.0 22", "tcp :: 22"]);
    check("loopback", "[::1]:631", &["tcp ::1 631"]);
    check("loopback", "127.0.0.1:631/tcp", &["tcp 127.0.0.1 631"]);
    check("stacks", "192.0.2.10:7001", &["tcp :: 7001"]);
    check("stacks", "192.0.2.10:7002", &[]);
    check("stacks", "192.0.2.10:7003", &["tcp ::ffff:192.0.2.10 7003"]);
    check("stacks", "fe80::5054:ff:fe12:3456%eth0", &["udp fe80::5054:ff:fe12:3456 546"]);
    check("stacks", "fe80::5054:ff:fe12:3456%eth1", &[]);
    check("raw", "icmp6", &["icmp6 :: null"]);
    check("raw", "raw6", &["icmp6 :: null"]);
    check("raw", "raw", &["icmp 0.0.0.0 null", "icmp6 :: null", "raw 0.0.0.0 null"]);
    check("loopback", "24-26/tcp", &["tcp 127.0.0.1 25", "tcp ::1 25"]);
    check("namespaces", "net:[4026532100]", &["tcp 127.0.0.1 953", "udp 10.9.0.2 53"]);
    check("namespaces", "net:[4026531840]", &["tcp 0.0.0.0 22"]);
    check("raw", "58", &[]);
    check("raw", "packet", &["packet * null"; 4]);
    check("raw", "ping", &["icmp 0.0.0.0 null"]);
    check("kernel", "vxlan", &["udp 0.0.0.0 4789", "udp :: 4789"]);
    check("kernel", "vx1", &["udp 0.0.0.0 4789", "udp :: 4789"]);
    check("kernel", "vx0", &["udp 0.0.0.0 4789", "udp :: 4789"]);
    check("docker", "db", &["tcp 0.0.0.0 5432", "tcp :: 5432"]);
    check("namespaces", "blue", &["tcp 127.0.0.1 953", "udp 10.9.0.2 53"]);
    check("namespaces", "container:0123456", &["tcp :: 80"]);
    check("namespaces", "web", &["tcp :: 80"]);
    check("no_root", "ssh", &["tcp 0.0.0.0 22", "tcp :: 22"]);
    check("no_root", "web.service", &["tcp 0.0.0.0 7300"]);
}

#[test]
fn holders_are_those_of_every_socket() {
    let saved = Saved::new();
    let check = |host: &str, target: &str, known: &str, expect: &[&str]| {
        let output = stdout(&saved.run(host, &[target, "-o", "ndjson"]));
        let row: serde_json::Value = serde_json::from_str(output.lines().next().unwrap()).unwrap();
        let word = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let one = |sort: &str, h: &serde_json::Value| {
            let who = ["comm", "unit", "user", "detail"].map(|key| word(&h[key]));
            format!("{sort} {} {}", h["pid"].as_u64().unwrap_or(0), who.join(" "))
        };
        let empty = Vec::new();
        let holders = row["holders"].as_array().unwrap().iter().map(|h| one("holder", h));
        let made = row["made_by"].as_array().unwrap_or(&empty).iter().map(|m| one("made_by", m));
        let all: Vec<String> = holders.chain(made).collect();
        assert_eq!(all, expect, "{host} {target}");
        assert_eq!(row["holders_known"], known, "{host} {target}");
    };
    check("shared", "5353", "unknown", &["holder 0 - - www-data -", "holder 0 - - nobody -"]);
    check(
        "shared",
        "8080",
        "creator",
        &["holder 2000 node - ann -", "holder 0 - web.service root -"],
    );
    check(
        "kernel",
        "0.0.0.0:4789",
        "kernel",
        &["holder 0 - - - vxlan vx0", "holder 0 - - - vxlan vx1"],
    );
    check("kernel", "[::1]:4789", "descriptors", &["holder 800 python3 - root -"]);
    check("kernel", "192.0.2.10:4789", "nobody", &["made_by 0 - - root -"]);
    check(
        "activated",
        "80/tcp",
        "descriptors",
        &["holder 1 systemd web.socket root -", "made_by 0 - old.service root -"],
    );
    check("activated", "80/sctp", "descriptors", &["holder 1 systemd - root -"]);
    check("activated", "90", "descriptors", &["holder 1 systemd - root -"]);
    check(
        "activated",
        "box",
        "descriptors",
        &[
            "holder 1600 systemd docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope root -",
        ],
    );
}

#[test]
fn a_number_is_a_port_first() {
    // The pid of sshd is the port of nobody; 53 is both on this host.
    let mut host = judge::sample::Sample::new();
    host.process(53, 1, "pid53", 0, "/system.slice/pid53.service");
    host.process(54, 1, "named", 0, "/system.slice/named.service");
    host.bind("udp", "0.0.0.0:53", &[(54, 3)]);
    host.bind("tcp", "0.0.0.0:99", &[(53, 3)]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.json");
    std::fs::write(&path, serde_json::to_vec(&host.build()).unwrap()).unwrap();
    let output = whyopen(&["--from", path.to_str().unwrap(), "53"]);
    assert!(stdout(&output).starts_with("53/udp"), "{}", stdout(&output));
    assert_eq!(
        stderr(&output),
        "whyopen: 53 is taken as a port; there is also a process 53 (pid53): whyopen pid:53\n"
    );
}

#[test]
fn unknown_targets_say_what_was_looked_at() {
    let saved = Saved::new();
    let check = |host: &str, target: &str, expect: &str| {
        let output = saved.run(host, &[target]);
        assert_eq!(stdout(&output), "");
        assert_eq!(stderr(&output).replace("whyopen: ", ""), expect, "{host} {target}");
    };
    check(
        "rpcbind",
        "110",
        "110: not found as a port or a process id among 6 sockets in 1 network namespace\n\
         nearest: 111/tcp, 111/udp, 22/tcp\n",
    );
    check(
        "rpcbind",
        "rpcbnd",
        "rpcbnd: not found as a unit, process, container, network namespace or service among 6 \
         sockets in 1 network namespace\nnearest: rpcbind, rpcbind.service, rpcbind.socket\n",
    );
    check(
        "by_hand",
        "pid:12",
        "pid:12: not found as a process id among 1 socket in 1 network namespace\n\
         bash (pid 12) holds no open socket\n",
    );
    check(
        "no_root",
        "postgres",
        "postgres: not found as a unit, process, container, network namespace or service among 5 \
         sockets in 1 network namespace\nnot read: processes that hold sockets of other users: \
         open /proc/1/fd: permission denied (root can)\n",
    );
    check(
        "rpcbind",
        "\u{1b}[2J",
        "\\x1b[2J: not found as a unit, process, container, network namespace or service among 6 \
         sockets in 1 network namespace\n",
    );
}

#[test]
fn one_wrong_target_does_not_hide_the_others() {
    let saved = Saved::new();
    let check = |format: &str, expect: &str| {
        let output = saved.run("rpcbind", &["4444", "22", "-o", format]);
        assert_eq!(output.status.code(), Some(4), "{format}");
        assert!(stdout(&output).contains(expect), "{format}: {}", stdout(&output));
        assert!(stderr(&output).starts_with("whyopen: 4444: not found"), "{}", stderr(&output));
    };
    check("text", "22/tcp   ssh ");
    check("json", "\"port\":22,");
    check("ndjson", "\"port\":22,");
    let nothing = saved.run("rpcbind", &["4444", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&stdout(&nothing)).unwrap();
    assert_eq!((nothing.status.code(), &document["sockets"]), (Some(4), &serde_json::json!([])));
}

#[test]
fn wrong_files_give_one_clear_error() {
    let saved = Saved::new();
    let whole = std::fs::read(saved.path("rpcbind")).unwrap();
    let check = |text: &[u8], expect: &str| {
        let path = saved.path("wrong");
        std::fs::write(&path, text).unwrap();
        let output = whyopen(&["--from", path.to_str().unwrap()]);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(stdout(&output), "");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains("wrong.json") && error.contains(expect), "{error}");
    };
    check(&whole[..whole.len() / 2], "not a whole snapshot");
    check(b"", "is empty");
    check(b"{}", "not a snapshot of whyopen");
    check(b"PNG\x00\x1b[2J", "not a whole snapshot");
    let missing = saved.run("missing", &[]);
    assert!(stderr(&missing).starts_with("whyopen: open "), "{}", stderr(&missing));
    assert!(stderr(&missing).contains("No such file"), "{}", stderr(&missing));
    let folder = whyopen(&["--from", saved.0.path().to_str().unwrap()]);
    assert!(stderr(&folder).contains("Is a directory"), "{}", stderr(&folder));
}

#[test]
fn standard_input_is_read() {
    let saved = Saved::new();
    let text = std::fs::read(saved.path("rpcbind")).unwrap();
    let mut child = command()
        .args(["--from", "-", "111"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(stdout(&output).starts_with("111/tcp 111/udp"), "{}", stdout(&output));
}

#[test]
fn nobody_reading_is_no_error() {
    let saved = Saved::new();
    let path = saved.0.path().join("busy.json");
    std::fs::write(&path, serde_json::to_vec(&judge::sample::busy(4000)).unwrap()).unwrap();
    for format in ["text", "json", "ndjson"] {
        let mut child = command()
            .args(["--from", path.to_str().unwrap(), "-o", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{format}");
    }
}

#[test]
fn colour_only_where_it_is_wanted() {
    let saved = Saved::new();
    let path = saved.path("rpcbind");
    let has_colour = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = command();
        command.args(["--from", path.to_str().unwrap()]).args(args);
        command.envs(env.iter().copied());
        stdout(&command.output().unwrap()).contains('\u{1b}')
    };
    assert!(!has_colour(&[], &[]), "colour in a pipe");
    assert!(has_colour(&["--color", "always"], &[]));
    assert!(has_colour(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(has_colour(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!has_colour(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!has_colour(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn the_width_is_that_of_the_flag_or_of_columns() {
    let saved = Saved::new();
    let path = saved.path("by_hand");
    let widest = |args: &[&str], columns: Option<&str>| {
        let mut command = command();
        command.args(["--from", path.to_str().unwrap()]).args(args);
        if let Some(columns) = columns {
            command.env("COLUMNS", columns);
        }
        let text = stdout(&command.output().unwrap());
        text.lines().map(|line| line.chars().count()).max().unwrap()
    };
    assert_eq!(widest(&[], None), 80);
    assert_eq!(widest(&[], Some("70")), 70);
    assert_eq!(widest(&["--width", "96"], Some("70")), 96);
    assert_eq!(widest(&["--width", "10"], None), 60);
}

#[test]
fn two_runs_are_identical() {
    let saved = Saved::new();
    for (name, _) in judge::sample::all() {
        for format in ["text", "json", "ndjson"] {
            let run = || saved.run(name, &["-a", "-o", format]).stdout;
            assert_eq!(run(), run(), "{name} {format}");
        }
    }
}

#[test]
fn the_definition_of_the_flags_makes_completions_and_the_manual() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = stdout(&whyopen(&["completions", shell]));
        assert!(text.contains("--fail-on") || text.contains("fail-on"), "{shell}: {text}");
    }
    let man = stdout(&whyopen(&["man"]));
    assert!(man.starts_with(".ie") || man.contains(".TH whyopen"), "{man}");
    for word in ["Exit codes", "fail\\-on", "a target was not found"] {
        assert!(man.contains(word), "the manual page lacks {word}: {man}");
    }
}

#[test]
fn the_schema_is_the_published_one() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/whyopen-1.json");
    assert_eq!(whyopen(&["schema"]).stdout, std::fs::read(published).unwrap());
}

#[test]
fn rules_of_files_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let save = file(
        "save",
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n-A INPUT -s 10.0.0.0/8 -p tcp --dport 22 \
         -j ACCEPT\n-A INPUT -m limit --limit 3/min -p tcp --dport 22 -j ACCEPT\nCOMMIT\n",
    );
    let cut = file("cut", "*filter\n:INPUT DROP [0:0]\n");
    let base = ["rules", &save, "--hook", "input", "--port", "22/tcp"];
    let output = whyopen(&[base.as_slice(), &["-o", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(answer["family"], "ipv4");
    assert_eq!(answer["must"], serde_json::json!([["10.0.0.0", "10.255.255.255"]]));
    assert_eq!(answer["may"], serde_json::json!([["0.0.0.0", "255.255.255.255"]]));
    assert_eq!(answer["unknown"], serde_json::json!([format!("{save}:5: -m limit --limit 3/min")]));
    let output = whyopen(&[base.as_slice(), &["--matrix", "-o", "json"]].concat());
    let answer: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(answer["classes"].as_array().unwrap().len(), 2);
    assert_eq!(answer["must_edges"].as_array().unwrap().len(), 2);
    assert_eq!(answer["may_edges"].as_array().unwrap().len(), 4);
    let text = stdout(&whyopen(&base));
    assert!(text.contains("perhaps from   everyone\n  surely from    10.0.0.0/8\n"), "{text}");
    let failed = |args: &[&str], expect: &str| {
        let output = whyopen(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert!(stderr(&output).contains(expect), "{args:?}: {}", stderr(&output));
    };
    failed(&["rules", &cut, "--hook", "input", "--port", "22"], "cut:2:1: table filter is not");
    failed(&["rules", &save, "--hook", "input", "--port", "22/ip"], "the protocol is none of");
    failed(&["rules", &save, "--hook", "output", "--port", "22"], "possible values");
    failed(&["rules", "/no/such", "--hook", "input", "--port", "22"], "open /no/such");
    failed(&["rules", "--hook", "input", "--port", "22"], "FILE");
}

#[test]
fn explanations_of_saved_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = judge::sample::Sample::new();
    let rules = "table inet f {\nchain in {\ntype filter hook input priority 0; policy drop;\nip saddr \
                 10.0.0.0/8 tcp dport 22 accept\n}\n}\n";
    host.ruleset("nftables.conf", rules);
    host.bind("tcp", "0.0.0.0:22", &[]);
    let path = dir.path().join("host.json");
    std::fs::write(&path, serde_json::to_vec(&host.build()).unwrap()).unwrap();
    let snapshot = path.display().to_string();
    let ask = |from: &str, more: &[&str]| {
        let base = ["explain", "--snapshot", &snapshot, "--from", from, "--to", ":22"];
        whyopen(&[base.as_slice(), more].concat())
    };
    let open = ask("10.1.2.3", &[]);
    assert_eq!(open.status.code(), Some(0), "{}", stderr(&open));
    assert!(stdout(&open).contains("OPEN, the client is connected"), "{}", stdout(&open));
    let blocked = stdout(&ask("198.51.100.7", &["-o", "json"]));
    let value: serde_json::Value = serde_json::from_str(&blocked).unwrap();
    assert_eq!(value["verdict"], "blocked");
    assert_eq!(value["client_sees"], "timed_out");
    assert_eq!(value["decided_by"], "policy of inet f in");
    assert!(value["steps"].as_array().unwrap().len() >= 3, "{blocked}");
    let nowhere = ask("10.1.2.3", &["--in", "eth9"]);
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(stderr(&nowhere).contains("nothing arrives on an interface eth9"));
}
