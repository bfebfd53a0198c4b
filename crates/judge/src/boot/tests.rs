use facts::{
    Condition, ConfiguredLink, ConfiguredListener, ConfiguredPort, ListenLine, Port, Protocol,
    PullKind, RestartPolicy, RuntimeFile, Snapshot, Starter, StarterKind, Trigger, TriggerKind,
    UnitLoad, UserManager,
};

use super::*;
use crate::sample::Sample;

const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The verdict on each row of a host, as the table writes it, and the reasons of all.
fn verdicts(snapshot: &Snapshot) -> (Vec<&'static str>, String) {
    let judgement = crate::judge(snapshot);
    let all: Vec<AfterBoot> = judgement.rows.iter().map(|row| judgement.after_boot(row)).collect();
    let words = all.iter().map(|after| after.verdict.word()).collect();
    (words, all.iter().map(|after| after.because() + "\n").collect())
}

/// Checks the only row of a host: its verdict, and that the reason holds these words.
#[track_caller]
fn check(make: impl FnOnce(&mut Sample), verdict: &str, because: &[&str]) {
    let mut host = Sample::new();
    host.boot();
    make(&mut host);
    let snapshot = host.build();
    let (verdicts, reasons) = verdicts(&snapshot);
    assert_eq!(verdicts, [verdict], "{reasons}");
    for words in because {
        assert!(reasons.contains(words), "{words:?} is not in {reasons}");
    }
}

fn listen(port: u16) -> ListenLine {
    ListenLine {
        protocol: Protocol::TCP,
        address: Some(std::net::Ipv4Addr::UNSPECIFIED.into()),
        port: Port(port),
        source: "s:1".to_owned(),
    }
}

/// rpcbind as Debian has it, with what holds 111 now.
fn rpcbind(host: &mut Sample, service_runs: bool) {
    host.process(612, 1, "rpcbind", 103, "/system.slice/rpcbind.service");
    let unit = host.cgroup("/system.slice/rpcbind.socket");
    let holders = [(1, 27), (612, 4)];
    let holders = if service_runs { &holders[..] } else { &holders[..1] };
    host.bind("tcp", "0.0.0.0:111", holders).cgroup = Some(unit);
    host.unit_file("rpcbind.socket").listen = vec![listen(111)];
    host.unit_file("rpcbind.socket").starts = Some("rpcbind.service".to_owned());
    host.pull("rpcbind.service", PullKind::Requires, "rpcbind.socket", false);
    host.pull("rpc-statd.service", PullKind::Requires, "rpcbind.socket", false);
    host.pull("multi-user.target", PullKind::Requires, "basic.target", false);
    host.pull("basic.target", PullKind::Wants, "sockets.target", false);
}

fn enable_rpcbind(host: &mut Sample) {
    host.enable("rpcbind.service");
    host.pull("sockets.target", PullKind::Wants, "rpcbind.socket", true);
}

/// The table that was measured on Debian 12: what was done to rpcbind, and whether 111 was open
/// after a boot.
#[test]
fn the_measured_table_of_rpcbind() {
    let as_installed = |host: &mut Sample| {
        rpcbind(host, true);
        enable_rpcbind(host);
    };
    check(as_installed, "yes", &["multi-user.target wants rpcbind.service"]);
    // disable rpcbind (the socket with it): open now, closed after the boot.
    let disabled = |host: &mut Sample| rpcbind(host, true);
    check(disabled, "no", &["nothing that starts at boot starts rpcbind.socket"]);
    check(disabled, "no", &["a start of rpc-statd.service or rpcbind.service would open it again"]);
    // stop rpcbind: systemd keeps 111.
    let stopped = |host: &mut Sample| {
        rpcbind(host, false);
        enable_rpcbind(host);
    };
    check(stopped, "yes", &["rpcbind.socket"]);
    // disable --now rpcbind: the socket is open until the boot.
    check(|host| rpcbind(host, false), "no", &["nothing that starts at boot"]);
    // disable --now both, and rpc-statd is started: open, though both read "disabled".
    let with_statd = |host: &mut Sample| {
        rpcbind(host, false);
        host.enable("rpc-statd.service");
    };
    check(
        with_statd,
        "yes",
        &["multi-user.target wants rpc-statd.service", "which requires rpcbind.socket"],
    );
    // mask --now the service only: its socket unit refuses to start.
    let service_masked = |host: &mut Sample| {
        rpcbind(host, false);
        enable_rpcbind(host);
        host.unit_file("rpcbind.service").load = UnitLoad::Masked;
    };
    check(service_masked, "no", &["rpcbind.service, which it starts, cannot be loaded"]);
    // mask --now both: rpc-statd fails to start.
    let both_masked = |host: &mut Sample| {
        service_masked(host);
        host.enable("rpc-statd.service");
        host.unit_file("rpcbind.socket").load = UnitLoad::Masked;
    };
    check(both_masked, "no", &["rpcbind.socket does not start: it is masked"]);
}

/// A service that holds 8080.
fn service(host: &mut Sample) {
    host.process(700, 1, "web", 0, "/system.slice/web.service");
    host.bind("tcp", "0.0.0.0:8080", &[(700, 3)]);
    host.unit_file("web.service");
}

#[test]
fn services() {
    let enabled = |host: &mut Sample| {
        service(host);
        host.enable("web.service");
    };
    check(enabled, "yes", &["multi-user.target wants web.service (/etc/"]);
    check(service, "no", &["nothing that starts at boot starts web.service"]);
    check(
        |host| {
            enabled(host);
            host.unit_file("web.service").load = UnitLoad::Masked;
        },
        "no",
        &["it is masked"],
    );
    let requires = |host: &mut Sample| {
        enabled(host);
        host.pull("web.service", PullKind::Requires, "db.service", false);
        host.unit_file("db.service").load = UnitLoad::NotFound;
    };
    check(requires, "maybe", &["it requires db.service, which cannot be started"]);
    let transient = |host: &mut Sample| {
        service(host);
        let unit = host.unit_file("web.service");
        unit.load = UnitLoad::NotFound;
        unit.runtime = Some(RuntimeFile { path: "/run/t".to_owned(), transient: true });
    };
    check(transient, "no", &["web.service is gone after a boot (/run/t)"]);
    let on_failure = |host: &mut Sample| {
        service(host);
        host.enable("main.service").pull("main.service", PullKind::OnFailure, "web.service", false);
    };
    check(on_failure, "maybe", &["starts, if it fails, web.service"]);
    let conflict = |host: &mut Sample| {
        enabled(host);
        host.enable("other.service").pull(
            "other.service",
            PullKind::Conflicts,
            "web.service",
            false,
        );
    };
    check(conflict, "maybe", &["other.service is started too, and both conflict"]);
    let no_target = |host: &mut Sample| {
        enabled(host);
        host.boot().default_target = None;
    };
    check(no_target, "?", &["no default target"]);
    let other_init = |host: &mut Sample| {
        enabled(host);
        host.boot().systemd = false;
        host.boot().init = "runit".to_owned();
    };
    check(other_init, "?", &["pid 1 is runit"]);
}

#[test]
fn conditions() {
    let with = |holds: Option<bool>, any: bool, of_machine: bool| {
        move |host: &mut Sample| {
            service(host);
            host.enable("web.service");
            let text = "ConditionPathExists=/x".to_owned();
            let condition = Condition { text, any, holds, of_machine };
            host.unit_file("web.service").conditions.push(condition);
        }
    };
    check(with(Some(true), false, false), "yes", &[]);
    check(with(Some(false), false, false), "no", &["ConditionPathExists=/x does not hold"]);
    check(with(Some(false), true, false), "no", &["does not hold"]);
    check(with(None, false, false), "maybe", &["if ConditionPathExists=/x holds"]);
    check(with(None, false, true), "yes", &[]);
}

#[test]
fn timers_and_paths() {
    let with = |kind: TriggerKind, holds: bool| {
        move |host: &mut Sample| {
            service(host);
            host.enable("web.timer");
            let unit = host.unit_file("web.timer");
            unit.starts = Some("web.service".to_owned());
            unit.triggers.push(Trigger { kind, value: "X=1".to_owned(), holds });
        }
    };
    check(
        with(TriggerKind::AfterBoot, false),
        "yes",
        &["which starts web.service after the boot (X=1)"],
    );
    check(with(TriggerKind::Calendar, false), "maybe", &["when its time comes (X=1)"]);
    check(with(TriggerKind::Exists, true), "yes", &["if the path is there"]);
    check(with(TriggerKind::Exists, false), "maybe", &["if the path is there"]);
    check(with(TriggerKind::Changed, false), "maybe", &["when the path is changed"]);
}

fn starter(kind: StarterKind, names: &str, ports: &[u16], through: &[&str]) -> Starter {
    Starter {
        kind,
        names: names.to_owned(),
        ports: ports.to_vec(),
        source: "file:3".to_owned(),
        through: through.iter().map(|unit| (*unit).to_owned()).collect(),
    }
}

#[test]
fn what_else_starts_units() {
    let by_bus = |host: &mut Sample| {
        service(host);
        host.enable("dbus.service");
        let bus = starter(StarterKind::Bus, "web.service", &[], &["dbus.service"]);
        host.boot().starters.push(bus);
    };
    check(by_bus, "maybe", &["a service of the message bus names web.service (file:3)"]);
    let without_bus = |host: &mut Sample| {
        by_bus(host);
        host.unit_file("multi-user.target").pulls.clear();
    };
    check(without_bus, "no", &[]);
}

/// A program that holds 8080 in a login session.
fn by_hand(host: &mut Sample) {
    host.process(700, 1, "web", 0, "/user.slice/user-0.slice/session-3.scope");
    host.bind("tcp", "0.0.0.0:8080", &[(700, 3)]);
}

#[test]
fn started_by_hand() {
    check(by_hand, "no", &["started by hand, in login session 3"]);
    let with = |starter: Starter, enabled: &'static str| {
        move |host: &mut Sample| {
            by_hand(host);
            host.enable(enabled);
            host.boot().starters.push(starter);
        }
    };
    let cron = ["cron.service"];
    let reboot = StarterKind::CronReboot;
    check(with(starter(reboot, "web", &[8080], &cron), cron[0]), "yes", &["@reboot names web"]);
    check(with(starter(reboot, "web", &[], &cron), cron[0]), "maybe", &[]);
    check(with(starter(reboot, "web", &[80], &cron), cron[0]), "no", &[]);
    check(with(starter(reboot, "", &[8080], &cron), cron[0]), "yes", &["names the port"]);
    check(with(starter(reboot, "web", &[8080], &cron), "x.service"), "no", &[]);
    let unit = ["srv.service"];
    let command = StarterKind::Command;
    check(with(starter(command, "web", &[], &unit), unit[0]), "maybe", &["a command of a unit"]);
    // A unit whose own processes hold sockets will have these again, and not this one.
    let busy = |host: &mut Sample| {
        with(starter(command, "web", &[], &unit), unit[0])(host);
        host.process(701, 1, "web", 0, "/system.slice/srv.service");
        host.bind("tcp", "0.0.0.0:8080", &[(701, 3)]).device = Some(facts::IfIndex(2));
    };
    let mut host = Sample::new();
    busy(&mut host);
    assert_eq!(verdicts(&host.build()).0, ["no", "yes"]);
    // From ssh without a session of its own.
    let in_ssh = |host: &mut Sample| {
        host.process(700, 1, "web", 0, "/system.slice/ssh.service");
        host.bind("tcp", "0.0.0.0:8080", &[(700, 3)]);
        host.enable("ssh.service");
    };
    check(in_ssh, "no", &["started by hand, in ssh.service"]);
    let outside = |host: &mut Sample| {
        host.process(700, 1, "web", 0, "/");
        host.bind("tcp", "0.0.0.0:8080", &[(700, 3)]);
    };
    check(outside, "no", &["it runs in no unit"]);
}

#[test]
fn what_could_not_be_read_may_start_it() {
    let check = |what: &str, expect: &str| {
        let mut host = Sample::new();
        host.boot();
        by_hand(&mut host);
        let mut snapshot = host.build();
        let boot = snapshot.boot.value().unwrap().clone();
        snapshot.boot = Part::with_gaps(boot, vec![Gap::new(what, "denied")]);
        assert_eq!(verdicts(&snapshot).0, [expect], "{what}");
    };
    check("crontabs", "?");
    check("home folders", "no");
}

#[test]
fn cron_and_others_start_what_they_are_told() {
    let with = |unit: &'static str, starters: Vec<Starter>| {
        move |host: &mut Sample| {
            host.process(700, 1, "web", 0, &format!("/system.slice/{unit}"));
            host.bind("tcp", "0.0.0.0:8080", &[(700, 3)]);
            host.enable(unit);
            host.boot().starters = starters;
        }
    };
    let cron = ["cron.service"];
    let reboot = starter(StarterKind::CronReboot, "web", &[8080], &cron);
    check(with(cron[0], vec![reboot]), "yes", &["a crontab with @reboot starts web (file:3)"]);
    let job = starter(StarterKind::Cron, "web", &[], &cron);
    check(with(cron[0], vec![job]), "maybe", &["a job of cron starts web"]);
    check(with(cron[0], vec![]), "maybe", &["cron.service started it"]);
    let local = starter(StarterKind::RcLocal, "web", &[], &["rc-local.service"]);
    check(with("rc-local.service", vec![local]), "yes", &["/etc/rc.local starts web"]);
    check(with("supervisor.service", vec![]), "maybe", &[]);
}

#[test]
fn users() {
    let with = |linger: bool, enabled: bool| {
        move |host: &mut Sample| {
            host.user(1000, "ann");
            let path = "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service";
            host.process(700, 1, "web", 1000, path);
            host.bind("tcp", "0.0.0.0:8080", &[(700, 3)]);
            // A user's units have the same shape as the system's.
            let mut of_user = Sample::new();
            of_user.unit_file("web.service");
            if enabled {
                of_user.enable("web.service");
            }
            let units = std::mem::take(&mut of_user.boot().units);
            host.enable("systemd-logind.service");
            let default_target = host.boot().default_target.clone();
            host.boot().user_managers.push(UserManager {
                uid: Uid(1000),
                name: "ann".to_owned(),
                linger: linger.then(|| "/var/lib/systemd/linger/ann".to_owned()),
                linger_known: true,
                default_target,
                units,
                complete: true,
            });
        }
    };
    check(with(true, true), "yes", &["in the service manager of ann", "linger/ann"]);
    check(with(false, true), "no", &["starts only when ann logs in"]);
    check(with(true, false), "no", &["nothing that starts at boot starts web.service"]);
}

#[test]
fn containers() {
    let with = |policy: &'static str, stopped: bool, enabled: bool| {
        move |host: &mut Sample| {
            host.process(1201, 1, "docker-proxy", 0, "/system.slice/docker.service");
            host.container(CONTAINER, "db", (5432, 5432));
            host.bind("tcp", "0.0.0.0:5432", &[(1201, 4)]);
            host.unit_file("docker.service");
            if enabled {
                host.enable("docker.service");
            }
            host.boot().restarts.push(RestartPolicy {
                engine: facts::ContainerEngine::Docker,
                id: CONTAINER.to_owned(),
                name: "db".to_owned(),
                policy: Some(policy.to_owned()),
                stopped_by_hand: Some(stopped),
                removed_at_end: false,
                source: "/var/lib/docker".to_owned(),
            });
        }
    };
    check(with("always", false, true), "yes", &["container db has the restart policy always"]);
    check(with("always", false, false), "no", &["docker.service is not started at boot"]);
    check(with("unless-stopped", false, true), "yes", &[]);
    check(with("unless-stopped", true, true), "no", &["was stopped by hand"]);
    check(with("on-failure", false, true), "maybe", &[]);
    check(with("no", false, true), "no", &["policy no"]);
    let by_a_unit = |host: &mut Sample| {
        with("no", false, true)(host);
        host.enable("db.service");
        host.boot().starters.push(starter(StarterKind::Command, "db", &[], &["db.service"]));
    };
    check(by_a_unit, "maybe", &["a command of a unit names db"]);
}

#[test]
fn the_kernel() {
    let vxlan = |host: &mut Sample| {
        host.kernel(4789, "vxlan", "vx0");
        host.bind("udp", "0.0.0.0:4789", &[]);
    };
    check(vxlan, "?", &["no file that was read makes vxlan vx0"]);
    let configured = |host: &mut Sample| {
        vxlan(host);
        host.boot().links.push(ConfiguredLink {
            name: "vx0".to_owned(),
            by: vec!["systemd-networkd.service".to_owned()],
            source: "/etc/systemd/network/vx0.netdev".to_owned(),
        });
    };
    check(configured, "maybe", &[]);
    let enabled = |host: &mut Sample| {
        configured(host);
        host.enable("systemd-networkd.service");
    };
    check(enabled, "yes", &["vx0.netdev makes vx0, read by systemd-networkd.service"]);
}

#[test]
fn addresses() {
    let unit_listens = |port: u16| {
        move |host: &mut Sample| {
            let unit = host.cgroup("/system.slice/web.socket");
            host.bind("tcp", "0.0.0.0:8080", &[(1, 27)]).cgroup = Some(unit);
            host.enable("web.socket");
            host.unit_file("web.socket").listen = vec![listen(port)];
        }
    };
    check(unit_listens(8080), "yes", &["configured in s:1"]);
    check(unit_listens(81), "no", &["configured to listen elsewhere only", "on 0.0.0.0:81"]);

    let postgres = |address: &'static str, unclear: &'static [&'static str]| {
        move |host: &mut Sample| {
            host.process(700, 1, "postgres", 0, "/system.slice/postgresql@15-main.service");
            host.bind("tcp", "0.0.0.0:5432", &[(700, 3)]);
            host.enable("postgresql@15-main.service");
            host.boot().listeners.push(ConfiguredListener {
                program: "postgres".to_owned(),
                unit: "postgresql@15-main.service".to_owned(),
                source: "/etc/p.conf".to_owned(),
                ports: vec![ConfiguredPort {
                    protocol: Protocol::TCP,
                    address: address.parse().unwrap(),
                    port: Port(5432),
                    source: "/etc/p.conf:4".to_owned(),
                }],
                unclear: unclear.iter().map(|text| (*text).to_owned()).collect(),
            });
        }
    };
    check(postgres("0.0.0.0", &[]), "yes", &["/etc/p.conf:4"]);
    check(postgres("127.0.0.1", &[]), "no", &["it listens then on 127.0.0.1:5432"]);
    check(postgres("127.0.0.1", &["x is a name"]), "maybe", &["x is a name"]);

    let chosen = |named: bool| {
        move |host: &mut Sample| {
            host.process(700, 1, "web", 0, "/system.slice/web.service");
            host.bind("udp", "0.0.0.0:40000", &[(700, 3)]);
            host.enable("web.service");
            if named {
                host.unit_file("web.service").names_ports = vec![40000];
            }
        }
    };
    check(chosen(false), "maybe", &["one that the kernel chooses from"]);
    check(chosen(true), "yes", &[]);

    // sshd runs from a login's socket unit that is disabled, and ssh.service is enabled.
    let other_unit = |host: &mut Sample| {
        by_hand(host);
        host.enable("front.socket");
        host.unit_file("front.socket").listen = vec![listen(8080)];
    };
    check(other_unit, "yes", &["multi-user.target wants front.socket"]);
}

#[test]
fn a_circle_ends() {
    check(
        |host| {
            service(host);
            host.pull("a.service", PullKind::Requires, "b.service", false);
            host.pull("b.service", PullKind::Requires, "a.service", false);
            host.pull("b.service", PullKind::BindsTo, "b.service", false);
            host.pull("b.service", PullKind::Wants, "web.service", false);
            host.enable("a.service");
        },
        "yes",
        &["b.service"],
    );
}

#[test]
fn units_that_wait_for_each_other_or_are_refused() {
    let circle = |host: &mut Sample| {
        service(host);
        host.enable("web.service");
        host.enable("a.service");
        host.unit_file("web.service").after = vec!["a.service".to_owned()];
        host.unit_file("a.service").after = vec!["web.service".to_owned()];
    };
    check(circle, "maybe", &["web.service is started, but it and a.service are each"]);
    // One of them is not started.
    let half = |host: &mut Sample| {
        service(host);
        host.enable("web.service");
        host.unit_file("web.service").after = vec!["a.service".to_owned()];
        host.unit_file("a.service").after = vec!["web.service".to_owned()];
    };
    check(half, "yes", &["multi-user.target wants web.service"]);
    // Wanted by the basis that it waits for by default: the target does not wait for it then.
    let early = |host: &mut Sample| {
        service(host);
        host.unit_file("sysinit.target");
        host.pull("multi-user.target", PullKind::Requires, "sysinit.target", false);
        host.pull("sysinit.target", PullKind::Wants, "web.service", false);
    };
    check(early, "yes", &["sysinit.target wants web.service"]);
    // But what the basis waits for, and is ordered behind it all the same.
    let early = |host: &mut Sample| {
        early(host);
        host.unit_file("sysinit.target").after = vec!["web.service".to_owned()];
    };
    check(early, "maybe", &["it and sysinit.target are each"]);
    let refused = |host: &mut Sample| {
        service(host);
        host.enable("web.service");
        host.unit_file("web.service").broken = Some("it has no ExecStart=".to_owned());
    };
    check(refused, "no", &["web.service does not start: systemd refuses its file: it has no Exec"]);
}
