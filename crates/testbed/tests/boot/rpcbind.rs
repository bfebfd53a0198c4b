//! The portmapper, which is closed by fewer commands than one thinks.

use testbed::HostOptions;

use crate::predicted::{Predicted, open_ports};
use crate::seen::Seen;

/// Each state is made while 111 is open, predicted, and tried by a boot of the same host.
#[test]
fn what_closes_the_portmapper_for_good() {
    let options = HostOptions::new().enable("rpcbind.service").enable("rpcbind.socket");
    let mut seen = Seen::boot("rpcbind", &options);
    let mut check = |commands: &str, verdict: &str, because: &str| {
        seen.run(&["sh", "-euc", commands]);
        assert!(open_ports(&seen.host).contains(&111), "{commands}");
        let predicted = Predicted::of(&seen.host);
        predicted.says(111, verdict, because);
        predicted.holds_after_a_boot(&mut seen.host);
        assert_eq!(open_ports(&seen.host).contains(&111), verdict == "returns", "{commands}");
    };
    let both = "rpcbind.service rpcbind.socket";
    check("true", "returns", "which requires rpcbind.socket");
    check("systemctl stop rpcbind.service", "returns", "rpcbind.socket");
    check("systemctl disable rpcbind", "does_not_return", "nothing that starts at boot");
    check(
        &format!("systemctl enable --now {both}; systemctl disable --now rpcbind.service"),
        "does_not_return",
        "would open it again",
    );
    // Both are disabled, and something requires them.
    check(
        "systemctl start rpcbind.socket; systemctl add-wants multi-user.target rpc-statd.service",
        "returns",
        "multi-user.target wants rpc-statd.service",
    );
    seen.run(&["rm", "/etc/systemd/system/multi-user.target.wants/rpc-statd.service"]);
    let mut check = |commands: &str, because: &str| {
        seen.run(&["sh", "-euc", commands]);
        assert!(open_ports(&seen.host).contains(&111), "{commands}");
        let predicted = Predicted::of(&seen.host);
        predicted.says(111, "does_not_return", because);
        predicted.holds_after_a_boot(&mut seen.host);
    };
    check(
        &format!("systemctl enable --now {both}; systemctl mask --now rpcbind.service"),
        "rpcbind.service, which it starts, cannot be loaded",
    );
    // Masking both closes it at once, and rpc-statd does not open it again.
    let masked =
        format!("systemctl mask {both}; systemctl add-wants multi-user.target rpc-statd.service");
    seen.run(&["sh", "-euc", &format!("systemctl unmask {both}; systemctl start rpcbind.socket")]);
    assert!(open_ports(&seen.host).contains(&111));
    seen.run(&["sh", "-euc", &masked]);
    assert!(!open_ports(&seen.host).contains(&111));
    seen.host.reboot().unwrap();
    assert!(!open_ports(&seen.host).contains(&111));

    // And both disabled, which nothing requires: closed now and after a boot.
    let disabled = format!(
        "systemctl unmask {both}; rm -f /etc/systemd/system/multi-user.target.wants/rpc-statd.service
         systemctl enable --quiet --now {both}; systemctl disable --quiet --now {both}"
    );
    seen.run(&["sh", "-euc", &disabled]);
    assert!(!open_ports(&seen.host).contains(&111));
    seen.host.reboot().unwrap();
    assert!(!open_ports(&seen.host).contains(&111));
}
