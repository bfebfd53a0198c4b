//! Services that are not in the usual image: each is started on a host that has them all, and has to
//! be recognised, with what binds it.

use testbed::HostOptions;

use crate::seen::Seen;

/// A service: its unit, one of its ports, its id in the base, a reason that has to be told, and how
/// it is in the column of the first screen.
struct Case {
    unit: &'static str,
    target: &'static str,
    id: &'static str,
    says: &'static str,
    what: &'static str,
}

/// What stands before the listeners of a host: files that make the quiet ones listen.
const FILES: &[(&str, &str)] = &[
    ("/etc/inetd.conf", "# none\ndaytime stream tcp nowait root internal\n"),
    (
        "/etc/default/tftpd-hpa",
        "TFTP_USERNAME=\"tftp\"\nTFTP_DIRECTORY=\"/srv/tftp\"\nTFTP_ADDRESS=\":69\"\nTFTP_OPTIONS=\"--secure\"\n",
    ),
    (
        "/etc/haproxy/haproxy.cfg",
        "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nlisten lab\n  bind 127.0.0.1:8441\n  server a 127.0.0.1:1\n",
    ),
    ("/etc/chrony/conf.d/lab.conf", "allow 192.0.2.0/24\n"),
    // It must not touch the clock, and could not.
    ("/etc/default/chrony", "DAEMON_OPTS=\"-x\"\n"),
    ("/etc/systemd/system/chrony.service.d/lab.conf", "[Unit]\nConditionCapability=\n"),
    ("/etc/dhcpcd.conf", "duid\nnoipv4\n"),
];

const CASES: &[Case] = &[
    case(
        "apache2.service",
        "80",
        "apache",
        "bound by Listen 80 (/etc/apache2/ports.conf line 5)",
        "http",
    ),
    case("avahi-daemon.service", "5353/udp", "avahi", "allow-interfaces is not set", "mdns"),
    case("chrony.service", "123/udp", "chrony", "bound by allow 192.0.2.0/24", "ntp"),
    case(
        "cockpit.socket",
        "9090",
        "cockpit",
        "the port stands in the socket unit cockpit.socket",
        "cockpit",
    ),
    case("epmd.socket", "4369", "epmd", "the port stands in the socket unit epmd.socket", "epmd"),
    case("prometheus.service", "9090", "prometheus", "package prometheus", "prometheus"),
    case("rabbitmq-server.service", "5672", "rabbitmq", "unit rabbitmq-server.service", "amqp"),
    case("xrdp.service", "3389", "xrdp", "package xrdp", "rdp"),
    case("cups.service", "631/tcp", "cups", "bound by Listen localhost:631", "ipp"),
    case("exim4.service", "25", "exim", "bound by dc_local_interfaces", "smtp"),
    case("haproxy.service", "8441", "haproxy", "bound by bind 127.0.0.1:8441", "proxy"),
    case("inetd.service", "13", "inetd", "bound by daytime stream tcp", "inetd"),
    case("iperf3.service", "5201", "iperf", "package iperf3", "iperf"),
    case("mariadb.service", "3306", "mariadb", "bound by bind-address 127.0.0.1", "mysql"),
    case("memcached.service", "11211", "memcached", "bound by -l 127.0.0.1", "memcached"),
    case("nmbd.service", "137/udp", "nmbd", "disable netbios is not set", "netbios names"),
    case("postgresql.service", "5432", "postgresql", "bound by port 5432", "postgres"),
    case(
        "prometheus-node-exporter.service",
        "9100",
        "node-exporter",
        "bound by ARGS",
        "node exporter",
    ),
    case("redis-server.service", "6379", "redis", "bound by bind 127.0.0.1 -::1", "redis"),
    case("smbd.service", "445", "samba", "bind interfaces only is not set", "smb"),
    case("snmpd.service", "161/udp", "snmpd", "bound by agentaddress 127.0.0.1,[::1]", "snmp"),
    case("tftpd-hpa.service", "69/udp", "tftp", "bound by TFTP_ADDRESS :69", "tftp"),
    case("vsftpd.service", "21", "ftp", "bound by listen_ipv6 YES", "ftp"),
];

const fn case(
    unit: &'static str,
    target: &'static str,
    id: &'static str,
    says: &'static str,
    what: &'static str,
) -> Case {
    Case { unit, target, id, says, what }
}

#[test]
fn each_service_is_recognised_and_told_where_it_is_bound() {
    let options = FILES
        .iter()
        .fold(HostOptions::new().services(), |options, (path, text)| options.file(path, text));
    let seen = Seen::boot("services", &options);
    let up = "ip address add 192.0.2.10/24 dev host0; ip link set host0 up; ip link set lo up";
    seen.run(&["sh", "-c", up]);
    let mut wrong = Vec::new();
    for case in CASES {
        if let Err(error) = seen.host.run(&["systemctl", "start", case.unit]).unwrap().ok() {
            wrong.push(format!("{}: does not start: {error}", case.unit));
            continue;
        }
        let (port, protocol) = case.target.split_once('/').unwrap_or((case.target, "tcp"));
        let list = if protocol == "udp" { "-Hnlu" } else { "-Hnlt" };
        let wait = format!("until ss {list} | grep -q ':{port} '; do sleep 0.1; done");
        if seen.host.run(&["timeout", "30", "sh", "-c", &wait]).unwrap().status != Some(0) {
            wrong.push(format!("{}: does not listen on {}", case.unit, case.target));
            continue;
        }
        let why = seen.why(&format!("{port}/{protocol}"));
        let row = &why.rows[0]["why"];
        if row["service"] != case.id {
            wrong.push(format!("{} is taken for {}", case.id, row["service"]));
        }
        let reasons = row["reasons"].as_array().unwrap();
        let told =
            reasons.iter().any(|reason| reason["text"].as_str().unwrap().contains(case.says));
        if !told {
            wrong.push(format!("{}: nothing says {:?}: {reasons:#?}", case.id, case.says));
        }
        if row["to_close"].as_array().unwrap().is_empty() {
            wrong.push(format!("{}: nothing closes it", case.id));
        }
        let screen = seen.run(&[crate::seen::WHYOPEN, "-a"]);
        let line = screen.lines().find(|line| {
            let first = line.split_whitespace().find(|word| *word != "!").unwrap_or_default();
            let name = format!("{port}/");
            first.starts_with(&name) || first.contains(&format!(":{name}"))
        });
        if !line.is_some_and(|line| line.contains(case.what)) {
            wrong.push(format!("{}: on the screen as {line:?}\n{screen}", case.id));
        }
        seen.run(&["systemctl", "stop", case.unit]);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is started by a command: the command, its port, its id in the base and its package.
const COMMANDS: &[(&str, &str, &str, &str)] = &[
    ("dnsmasq --keep-in-foreground --port=5300", "5300/tcp", "dnsmasq", "package dnsmasq-base"),
    ("node -e require('net').createServer().listen(3210,'::')", "3210", "node", "package nodejs"),
    ("Xvfb :5 -listen tcp", "6005", "x11", "package xvfb"),
    (
        "Xtigervnc :1 -SecurityTypes None -rfbport 5991",
        "5991",
        "vnc",
        "package tigervnc-standalone-server",
    ),
];

#[test]
fn programs_without_a_unit_of_their_own_are_recognised() {
    let seen = Seen::boot("commands", &HostOptions::new().services());
    seen.run(&["ip", "link", "set", "lo", "up"]);
    for (at, (command, target, id, says)) in COMMANDS.iter().enumerate() {
        let unit = format!("--unit=command-{at}");
        let words: Vec<&str> = command.split(' ').collect();
        seen.run(&[&["systemd-run", "--quiet", &unit, "--"], words.as_slice()].concat());
        let port = target.split('/').next().unwrap();
        let wait = format!("until ss -Hnlt | grep -q ':{port} '; do sleep 0.1; done");
        seen.run(&["timeout", "60", "sh", "-c", &wait]);
        let why = seen.why(target);
        assert_eq!(why.service(), *id, "{command}");
        why.says("reasons", says);
    }
}

#[test]
fn dhcpcd_hears_routers_in_place_of_the_kernel() {
    let options = HostOptions::new().services().file("/etc/dhcpcd.conf", "duid\nnoipv4\n");
    let seen = Seen::boot("dhcpcd", &options);
    seen.run(&["systemd-run", "--quiet", "--unit=dhcp", "dhcpcd", "-B", "host0"]);
    let wait = "until ss -Hnlwp | grep -q dhcpcd; do sleep 0.1; done";
    seen.run(&["timeout", "60", "sh", "-c", wait]);
    let why = seen.why("icmp6");
    assert_eq!(why.service(), "dhcpcd");
    why.says("to_close", "noipv6rs in /etc/dhcpcd.conf");
}

#[test]
fn cups_is_started_again_by_its_socket_and_path() {
    let seen = Seen::boot("cups", &HostOptions::new().services());
    seen.run(&["systemctl", "start", "cups.socket", "cups.path", "cups.service"]);
    let why = seen.why("631/tcp");
    assert_eq!(why.service(), "cups");
    let way = why.says("to_close", "cups.socket");
    assert!(way["how"].as_str().unwrap().contains("cups.path"), "{way:#}");
    why.says("not_enough", "systemctl stop cups.service");
}
