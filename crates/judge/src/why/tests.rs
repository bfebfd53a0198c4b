//! The base as a whole, and what is said of hand-made hosts.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests; and the base is compared with its folder"
)]

use std::collections::BTreeSet;
use std::path::Path;

use facts::{Answer, NetworkMount, Place, Question, RpcProgram};

use super::base::{self, Check, FILES, Needs};
use super::index::{self, Sort};
use super::*;
use crate::judge;
use crate::sample::Sample;

/// The folder of the project.
fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap()
}

#[test]
fn every_file_is_read_and_parses() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/services");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let stem = |name: std::ffi::OsString| {
        let name = name.into_string().unwrap();
        name.strip_suffix(".toml").unwrap_or_else(|| panic!("{name} is no .toml")).to_owned()
    };
    let mut names: Vec<String> = names.map(stem).collect();
    names.sort_unstable();
    let known: Vec<&str> = FILES.iter().map(|file| file.id).collect();
    assert_eq!(known, names, "the list in base.rs and the folder differ");
    for file in &FILES {
        file.parse().unwrap_or_else(|error| panic!("{}: {error}", file.id));
    }
}

#[test]
fn the_quick_index_finds_what_the_parser_finds() {
    for file in &FILES {
        let mut quick: Vec<(Sort, &str)> = index::names(file.text).collect();
        let service = file.parse().unwrap();
        let known = &service.recognise;
        let mut parsed: Vec<(Sort, &str)> = Vec::new();
        for (sort, names) in [
            (Sort::Kernel, &known.kernel),
            (Sort::Unit, &known.units),
            (Sort::Package, &known.packages),
            (Sort::Executable, &known.executables),
            (Sort::Comm, &known.comms),
        ] {
            parsed.extend(names.iter().map(|name| (sort, name.as_str())));
        }
        quick.sort_unstable();
        parsed.sort_unstable();
        assert_eq!(quick, parsed, "{}", file.id);
        assert!(!parsed.is_empty(), "{} is not recognised by anything", file.id);
    }
}

#[test]
fn no_name_is_of_two_services() {
    let mut seen = std::collections::BTreeMap::new();
    for file in &FILES {
        for name in index::names(file.text) {
            let before = seen.insert(name, file.id);
            assert_eq!(before, None, "{name:?} is in {} too", file.id);
        }
    }
}

#[test]
fn names_are_as_the_kernel_and_systemd_have_them() {
    let suffixes = [".service", ".socket", ".path", ".timer"];
    for service in base::all() {
        for comm in &service.recognise.comms {
            // TASK_COMM_LEN, include/linux/sched.h.
            assert!(comm.len() <= 15, "{}: {comm} is longer than the kernel keeps", service.id);
        }
        for unit in service.recognise.units.iter().chain(&service.stop.with) {
            assert!(suffixes.iter().any(|s| unit.ends_with(s)), "{}: {unit}", service.id);
        }
        assert!(service.what.len() <= 18, "{}: {} is too wide", service.id, service.what);
    }
}

#[test]
fn every_fact_has_a_source_and_every_file_a_test() {
    for service in base::all() {
        let id = service.id;
        assert!(!service.sources.is_empty(), "{id} names no source");
        let mut sources: Vec<&String> = service.sources.iter().collect();
        sources.extend(service.socket.iter().map(|one| &one.source));
        sources.extend(service.need.iter().map(|one| &one.source));
        sources.extend(service.bind.iter().map(|one| &one.source));
        sources.extend(service.close.iter().map(|one| &one.source));
        sources.extend(service.not_enough.iter().map(|one| &one.source));
        sources.extend(&service.stop.source);
        assert!(sources.iter().all(|source| source.len() > 4), "{id}: {sources:?}");
        let told = !service.stop.with.is_empty() || service.stop.but.is_some();
        assert!(!told || service.stop.source.is_some(), "{id}: [stop] has no source");
        if let Some(("scenario", name)) = service.tested.split_once(' ') {
            let path = format!("crates/testbed/tests/why/{name}.rs");
            assert!(project().join(&path).is_file(), "{id}: there is no {path}");
        } else {
            assert_eq!(service.tested, "sample", "{id}");
            assert!(RECOGNISED.iter().any(|one| one.0 == id), "{id} is not in RECOGNISED");
        }
        if service.needs == Needs::Known {
            assert!(!service.need.is_empty(), "{id}: what could need it is known, and not told");
        }
        for need in &service.need {
            if let Check::Setting { at, .. } = &need.check {
                assert!(!at.files.is_empty(), "{id}");
            }
        }
    }
}

/// Service; unit or `kernel`, process or part of the kernel, protocol and address of a socket of it;
/// its name on the first screen.
type Seen = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

/// A listener of each service that no scenario runs, and more of what is told apart.
const RECOGNISED: &[Seen] = &[
    ("rpc-mountd", "nfs-mountd.service", "rpc.mountd", "tcp", "0.0.0.0:35001", "nfs mountd"),
    ("nfsd", "kernel", "nfsd", "udp", "0.0.0.0:2049", "nfs"),
    ("lockd", "kernel", "lockd", "udp", "0.0.0.0:40123", "nfs lockd"),
    ("ntpsec", "ntpsec.service", "ntpd", "udp", "0.0.0.0:123", "ntp"),
    ("postfix", "postfix@-.service", "master", "tcp", "0.0.0.0:25", "smtp"),
    ("containerd", "containerd.service", "containerd", "tcp", "127.0.0.1:41000", "containerd"),
    ("podman", "podman.service", "podman", "tcp", "0.0.0.0:8888", "podman"),
    ("kubelet", "kubelet.service", "kubelet", "tcp", "[::]:10250", "kubelet api"),
    ("mongodb", "mongod.service", "mongod", "tcp", "127.0.0.1:27017", "mongodb"),
    ("elasticsearch", "elasticsearch.service", "java", "tcp", "[::]:9200", "elasticsearch"),
    ("rabbitmq", "rabbitmq-server.service", "beam.smp", "tcp", "[::]:25672", "erlang nodes"),
    ("epmd", "epmd.socket", "epmd", "tcp", "[::]:4369", "epmd"),
    ("node", "app.service", "node", "tcp", "[::]:3210", "node program"),
    ("java", "app.service", "java", "tcp", "[::]:3211", "java program"),
    ("prometheus", "prometheus.service", "prometheus", "tcp", "[::]:9090", "prometheus"),
    ("grafana", "grafana-server.service", "grafana", "tcp", "[::]:3000", "grafana"),
    ("wireguard", "kernel", "wireguard", "udp", "0.0.0.0:51820", "wireguard"),
    ("tailscale", "tailscaled.service", "tailscaled", "udp", "0.0.0.0:41641", "tailscale"),
    ("x11", "display.service", "Xorg", "tcp", "0.0.0.0:6000", "x11"),
    ("vnc", "tigervncserver@:1.service", "Xtigervnc", "tcp", "0.0.0.0:5991", "vnc"),
    ("xrdp", "xrdp.service", "xrdp", "tcp", "[::]:3389", "rdp"),
    ("xinetd", "xinetd.service", "xinetd", "tcp", "[::]:10013", "xinetd"),
    ("telnet", "telnet.socket", "systemd", "tcp", "[::]:23", "telnet"),
    ("mcsmanager-panel", "mcsm-web.service", "node", "tcp", "[::]:23333", "mcsm panel"),
    ("mcsmanager-daemon", "mcsm-daemon.service", "node", "tcp", "[::]:24444", "mcsm daemon"),
    ("dnsmasq", "libvirtd.service", "dnsmasq", "udp", "192.0.2.10:53", "dns"),
    // Recognised by what runs, wherever it listens.
    ("sshd", "ssh.service", "sshd", "tcp", "[::]:443", "ssh"),
    ("nginx", "nginx.service", "nginx", "tcp", "[::]:25", "http"),
];

#[test]
fn services_are_recognised_by_who_holds_them() {
    for (id, unit, comm, protocol, address, what) in RECOGNISED {
        let mut host = Sample::new();
        if *unit == "kernel" {
            let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
            host.kernel(port, comm, "");
            host.bind(protocol, address, &[]);
        } else {
            host.process(800, 1, comm, 0, &format!("/system.slice/{unit}"));
            host.bind(protocol, address, &[(800, 3)]);
        }
        let snapshot = host.build();
        let judgement = judge(&snapshot);
        let row = &judgement.rows[0];
        let known = judgement.recognise(row).unwrap_or_else(|| panic!("{id} is not recognised"));
        assert_eq!(known.service.id, *id);
        let shown = known.service.what(row).or(row.service.map(|service| service.name));
        assert_eq!(shown, Some(*what), "{id}");
        // A port alone tells nothing.
        let mut host = Sample::new();
        host.process(800, 1, "x", 0, "/system.slice/x.service");
        host.bind(protocol, address, &[(800, 3)]);
        let snapshot = host.build();
        let judgement = judge(&snapshot);
        assert!(judgement.recognise(&judgement.rows[0]).is_none(), "{id} by its port");
    }
}

/// rpcbind on a host that gave these answers.
fn rpcbind(answers: &[(Question, Answer)]) -> Sample {
    let mut host = Sample::new();
    host.process(612, 1, "rpcbind", 0, "/system.slice/rpcbind.service");
    host.bind("udp", "0.0.0.0:111", &[(612, 4)]);
    for (question, answer) in answers {
        host.answer(question.clone(), answer.clone());
    }
    host
}

/// The answers of a host on which nothing needs rpcbind.
fn nothing() -> Vec<(Question, Answer)> {
    let service = base::all().find(|service| service.id == "rpcbind").unwrap();
    let mut all = Vec::new();
    for need in &service.need {
        let question = need::question(&need.check).unwrap();
        let answer = match &question {
            Question::NetworkMounts => Answer::Mounts { found: vec![] },
            Question::Exports => Answer::Exports { found: vec![] },
            Question::RpcPrograms => Answer::Programs { found: vec![] },
            Question::Settings { .. } => Answer::Settings { found: vec![], files: vec![] },
            _ => Answer::Path { exists: false },
        };
        all.push((question, answer));
    }
    all
}

fn verdict(host: Sample) -> Verdict {
    let snapshot = host.build();
    let judgement = judge(&snapshot);
    judgement.why(&judgement.rows[0]).in_use.verdict
}

fn mount(version: Option<&str>, mounted: bool) -> NetworkMount {
    NetworkMount {
        at: Place { file: "/etc/fstab".to_owned(), line: 4 },
        kind: "nfs".to_owned(),
        what: "nas:/srv".to_owned(),
        point: "/srv".to_owned(),
        version: version.map(str::to_owned),
        mounted,
    }
}

#[test]
fn whether_rpcbind_is_needed() {
    let with = |question: Question, answer: Answer| {
        let mut answers = nothing();
        answers.retain(|(known, _)| *known != question);
        answers.push((question, answer));
        verdict(rpcbind(&answers))
    };
    let mounts = |found: Vec<NetworkMount>| with(Question::NetworkMounts, Answer::Mounts { found });
    assert_eq!(verdict(rpcbind(&nothing())), Verdict::No);
    assert_eq!(mounts(vec![mount(Some("3"), false)]), Verdict::Yes);
    assert_eq!(mounts(vec![mount(Some("4.2"), false)]), Verdict::No);
    // nfs(5) tries the highest version first; which it was, only the mount tells.
    assert_eq!(mounts(vec![mount(None, false)]), Verdict::Unknown);
    assert_eq!(mounts(vec![mount(None, false), mount(Some("4.2"), true)]), Verdict::No);
    let program = |program| RpcProgram {
        program,
        version: 1,
        netid: "udp".to_owned(),
        address: "0.0.0.0.3.21".to_owned(),
        owner: "superuser".to_owned(),
    };
    let programs = |found| with(Question::RpcPrograms, Answer::Programs { found });
    assert_eq!(programs(vec![program(100_000)]), Verdict::No);
    assert_eq!(programs(vec![program(100_000), program(100_024)]), Verdict::Yes);
    // What was not read, or not asked, proves nothing.
    let mut host = rpcbind(&nothing()[1..]);
    host.no_answer(Question::NetworkMounts, "permission denied");
    assert_eq!(verdict(host), Verdict::Unknown);
    assert_eq!(verdict(rpcbind(&nothing()[1..])), Verdict::Unknown);
    assert_eq!(verdict(rpcbind(&[])), Verdict::Unknown);
}

#[test]
fn what_is_unknown_to_the_base_is_never_unused() {
    let mut host = Sample::new();
    host.process(800, 1, "x", 0, "/system.slice/x.service");
    host.bind("tcp", "0.0.0.0:7000", &[(800, 3)]);
    host.answer(Question::Connections, Answer::Connections { found: vec![] });
    assert_eq!(verdict(host), Verdict::Unknown);
}

#[test]
fn a_hold_for_a_socket_unit_is_closed_with_its_service() {
    let mut host = Sample::new();
    host.process(612, 1, "rpcbind", 0, "/system.slice/rpcbind.service");
    host.socket_unit(
        "rpcbind.socket",
        &[("Stream", "/run/rpcbind.sock"), ("Stream", "0.0.0.0:111"), ("Stream", "[::]:111")],
        "rpcbind.service",
    );
    host.bind("tcp", "0.0.0.0:111", &[(1, 27), (612, 4)]);
    let snapshot = host.build();
    let judgement = judge(&snapshot);
    let why = judgement.why(&judgement.rows[0]);
    let How::Units { mask, .. } = &why.ways[0].how else { panic!("{:?}", why.ways) };
    assert_eq!(mask, &["rpcbind.socket", "rpcbind.service"]);
    let How::SocketUnit { lines, .. } = &why.ways[1].how else { panic!("{:?}", why.ways) };
    let expect = [
        "ListenStream=",
        "ListenStream=/run/rpcbind.sock",
        "ListenStream=127.0.0.1:111",
        "ListenStream=[::1]:111",
    ];
    assert_eq!(lines, &expect);
    assert!(
        why.futile.contains(&Futile::StopService {
            service: "rpcbind.service",
            socket: "rpcbind.socket"
        })
    );
}

#[test]
fn a_raw_socket_has_no_port_to_close() {
    let mut host = Sample::new();
    host.process(500, 1, "NetworkManager", 0, "/system.slice/NetworkManager.service");
    host.bind("icmp6", "[::]:0", &[(500, 24)]);
    let snapshot = host.build();
    let judgement = judge(&snapshot);
    let row = &judgement.rows[0];
    let why = judgement.why(row);
    assert_eq!(why.socket.map(|socket| socket.what.as_str()), Some("router adverts"));
    let protocol = facts::Protocol::ICMPV6;
    assert_eq!(why.meaning, Some(Meaning::Raw { protocol, ipv6: true }));
    assert!(why.futile.contains(&Futile::PortOfProtocol { protocol }), "{:?}", why.futile);
    assert!(why.futile.contains(&Futile::DropIcmp6), "{:?}", why.futile);
    // Nobody stops the whole network for it.
    assert!(!why.ways.iter().any(|way| matches!(way.how, How::Units { .. })), "{:?}", why.ways);
    assert_eq!(
        questions(&judgement, &[row]).iter().filter(|q| **q == Question::Profiles).count(),
        1
    );
}

#[test]
fn the_first_screen_asks_little() {
    let snapshot = rpcbind(&[]).build();
    let asked = findings_need(&judge(&snapshot));
    let kinds: BTreeSet<&str> = asked
        .iter()
        .map(|question| match question {
            Question::NetworkMounts => "mounts",
            Question::Exports => "exports",
            Question::RpcPrograms => "programs",
            Question::Path { .. } => "path",
            Question::Settings { .. } => "settings",
            _ => "more",
        })
        .collect();
    assert_eq!(kinds, BTreeSet::from(["exports", "mounts", "path", "programs", "settings"]));
    let mut host = Sample::new();
    host.process(700, 1, "sshd", 0, "/system.slice/ssh.service");
    host.bind("tcp", "0.0.0.0:22", &[(700, 3)]);
    assert_eq!(findings_need(&judge(&host.build())), BTreeSet::new());
}
