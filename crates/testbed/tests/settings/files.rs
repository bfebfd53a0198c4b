//! Lines of files that do nothing, or not what they seem to: each is named, and the boot is foreseen
//! all the same.

use testbed::HostOptions;

use crate::settled::Settled;

#[test]
fn lines_that_do_nothing_are_named() {
    let unit = "[Unit]\nAfter=systemd-sysctl.service\n[Service]\nType=oneshot\n\
                ExecStart=/usr/sbin/ip link add br9 type bridge\n\
                ExecStart=/usr/sbin/ip link add br8 type bridge\n\
                [Install]\nWantedBy=multi-user.target\n";
    let options = HostOptions::new()
        .file(
            "/etc/sysctl.d/10-a.conf",
            "net.ipv4.conf.all.forwarding = 1\nnet.ipv4.conf.host0.forwarding = 0\n\
             net.netfilter.nf_conntrack_max = 100000\nnet.ipv4.conf.br9.rp_filter = 1\n\
             net.ipv4.conf.default.rp_filter = 2\nno assignment\nnet.ipv4.tcp_syncokies = 1\n\
             -net.ipv4.may_be_missing = 1\nnet.ipv4.tcp_retries2 = 9\n",
        )
        // The same once more: it keeps its place before host0's.
        .file("/etc/sysctl.d/20-b.conf", "net.ipv4.conf.all.forwarding = 1\n")
        .file("/etc/systemd/system/bridges.service", unit);
    let mut host = Settled::boot("nothing", &options);
    host.run(&["systemctl", "enable", "--now", "bridges.service"]);
    let told = host.settings();
    let after = |key: &str| told.setting(key)["after_boot"].clone();
    assert_eq!(after("net.ipv4.conf.host0.forwarding"), "0");
    assert_eq!(after("net.ipv4.conf.br8.rp_filter"), "2");
    // Nothing sets it again when the bridge appears: there is no udev in a container.
    assert_eq!(after("net.ipv4.conf.br9.rp_filter"), serde_json::Value::Null);
    // That of all containers, which only their host can change.
    let max = told.setting("net.netfilter.nf_conntrack_max");
    assert_eq!(max["after_boot"], serde_json::Value::Null, "{max:#}");
    assert_eq!(max["sources"][0]["effect"], "cannot be written here: the key is read-only");
    // A key that is not read otherwise is there all the same.
    assert_eq!(after("net.ipv4.tcp_retries2"), "9");
    assert_eq!(told.setting("net.ipv4.tcp_retries2")["now"], "9");

    let odd = told.findings("not-understood");
    assert_eq!(odd.len(), 1, "{odd:#?}");
    assert!(odd[0]["text"].as_str().unwrap().contains("10-a.conf line 6 is no assignment"));
    let missing = told.findings("no-such-key");
    assert_eq!(missing.len(), 1, "{missing:#?}");
    assert_eq!(missing[0]["lines"][0]["text"], "net.ipv4.tcp_syncookies = 1");
    assert!(host.boots_as_predicted() > 100);
}

#[test]
fn a_name_with_dots() {
    let conf = "/etc/sysctl.d/10-a.conf";
    let options = HostOptions::new().file(conf, "net.ipv4.conf.br.9.rp_filter = 1\n");
    let host = Settled::boot("dots", &options);
    host.run(&["ip", "link", "add", "br.9", "type", "bridge"]);
    host.run(&["/usr/lib/systemd/systemd-sysctl"]);
    assert_eq!(host.value("net/ipv4/conf/br.9/rp_filter"), "0", "it set nothing");
    let told = host.settings();
    let found = told.findings("dots-in-interface-name");
    assert_eq!(found.len(), 1, "{:#}", told.0["findings"]);
    let line = found[0]["lines"][0]["text"].as_str().unwrap();
    host.host.write(conf, &format!("{line}\n")).unwrap();
    host.run(&["/usr/lib/systemd/systemd-sysctl"]);
    assert_eq!(host.value("net/ipv4/conf/br.9/rp_filter"), "1", "{line}");
    let told = host.settings();
    assert!(told.findings("dots-in-interface-name").is_empty());
    assert_eq!(told.setting("net.ipv4.conf.br/9.rp_filter")["now"], "1");
}

#[test]
fn the_old_file_where_nothing_reads_it_at_boot() {
    // As Debian is since its release 13: no link leads to it.
    let mut host = Settled::boot("unread", &HostOptions::new());
    host.run(&["rm", "/etc/sysctl.d/99-sysctl.conf"]);
    let conf = "net.ipv4.ip_default_ttl = 33\nnet.ipv6.bindv6only = 1\n";
    host.host.write("/etc/sysctl.conf", conf).unwrap();
    host.run(&["sh", "-c", "sysctl --system || true"]);
    assert_eq!(host.value("net/ipv4/ip_default_ttl"), "33");
    let told = host.settings();
    let ttl = told.setting("net.ipv4.ip_default_ttl");
    assert_eq!((&ttl["now"], &ttl["after_boot"]), (&"33".into(), &"64".into()), "{ttl:#}");
    let found = told.findings("not-read-at-boot");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(told.findings("setting-does-not-last").is_empty(), "said once");
    host.boots_as_predicted();
    assert_eq!(host.value("net/ipv4/ip_default_ttl"), "64");
}

#[test]
fn drop_ins_of_units_and_keys_of_a_typo() {
    let drop_in = "[Service]\nExecStartPost=/usr/sbin/sysctl -qw net.ipv4.ip_default_ttl=77\n\
                   ExecStopPost=/usr/sbin/sysctl -qw net.ipv4.ip_default_ttl=99\n";
    let options = HostOptions::new()
        .enable("cron.service")
        .file("/etc/systemd/system/cron.service.d/ttl.conf", drop_in);
    let mut host = Settled::boot("dropins", &options);
    let told = host.settings();
    let ttl = told.setting("net.ipv4.ip_default_ttl");
    assert_eq!(ttl["after_boot"], "77", "{ttl:#}");
    let all = ttl["sources"].as_array().unwrap();
    assert_eq!((all.len(), &all[0]["line"]), (1, &2.into()), "{ttl:#}");
    host.boots_as_predicted();
    assert_eq!(host.value("net/ipv4/ip_default_ttl"), "77");

    let script = "whyopen settings ip_defualt_ttl host0.rp_fliter 2>&1; echo $?";
    let said = host.run(&["sh", "-c", script]);
    assert!(said.contains("did you mean net.ipv4.ip_default_ttl?"), "{said}");
    assert!(said.contains("did you mean net.ipv4.conf.host0.rp_filter"), "{said}");
    assert!(said.trim_end().ends_with('4'), "{said}");
}

#[test]
fn a_host_whose_settings_nobody_can_write() {
    let options = HostOptions::new().file("/etc/sysctl.d/1.conf", "net.ipv4.ip_forward = 1\n");
    let host = Settled::boot("read-only", &options);
    // As container engines do it. In a mount namespace of its own: the host's stays as it is.
    let script = "mount --bind -o ro /proc/sys/net /proc/sys/net && mount -o remount,bind,ro \
                  /proc/sys/net && whyopen settings ip_forward -o json";
    let text = host.run(&["unshare", "-m", "sh", "-euc", script]);
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    let forward = &told["settings"][0];
    assert_eq!(forward["sources"][0]["effect"], "cannot be written here: the key is read-only");
    assert_eq!(forward["after_boot"], serde_json::Value::Null, "{forward:#}");
}
