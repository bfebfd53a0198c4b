//! What firewalls do to settings when they start.

use testbed::HostOptions;

use crate::settled::Settled;

#[test]
fn ufw_sets_its_own_file_when_it_starts() {
    let options = HostOptions::new()
        .enable("ufw.service")
        .file("/etc/sysctl.d/50-test.conf", "net.ipv4.conf.all.log_martians = 1\n");
    let mut host = Settled::boot("ufw", &options);
    let key = "net.ipv4.conf.all.accept_redirects";
    let told = host.settings();
    let found = told.setting(key);
    let effects = |found: &serde_json::Value| found["sources"][0]["effect"].clone();
    assert_eq!(effects(found), "ufw does not start at boot", "{found:#}");
    assert_eq!(host.value("net/ipv4/conf/all/log_martians"), "1");

    host.run(&["ufw", "--force", "enable"]);
    assert_eq!(host.value("net/ipv4/conf/all/accept_redirects"), "0");
    assert_eq!(host.value("net/ipv4/conf/all/log_martians"), "0", "ufw's file says so");
    let told = host.settings();
    let found = told.setting(key);
    assert_eq!((&found["owner"], &found["after_boot"]), (&"ufw".into(), &"0".into()), "{found:#}");
    let martians = told.setting("net.ipv4.conf.all.log_martians");
    assert_eq!(martians["after_boot"], "0", "{martians:#}");
    host.boots_as_predicted();
}

#[test]
fn a_restart_of_nftables_resets_nothing() {
    let rules = "#!/usr/sbin/nft -f\nflush ruleset\ntable inet f {\n chain i {\n  type filter hook input \
                 priority 0;\n  ct state invalid drop\n }\n}\n";
    let options = HostOptions::new().file("/etc/nftables.conf", rules).enable("nftables.service");
    let host = Settled::boot("nft-restart", &options);
    let timeout = "net/netfilter/nf_conntrack_udp_timeout";
    host.run(&["sysctl", "-w", "net.netfilter.nf_conntrack_udp_timeout=77"]);
    let told = host.settings();
    let all = told.0["restarts"].as_array().unwrap();
    let nft = all.iter().find(|r| r["service"] == "nftables").unwrap();
    assert_eq!(nft["verdict"], "survives", "{nft:#}");
    host.run(&["systemctl", "restart", "nftables"]);
    assert_eq!(host.value(timeout), "77");
}
