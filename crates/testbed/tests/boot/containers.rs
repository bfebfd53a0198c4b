//! Docker's containers with each restart policy.

use testbed::HostOptions;

use crate::predicted::Predicted;
use crate::seen::{Seen, WHYOPEN};

#[test]
fn restart_policies() {
    let options = HostOptions::new().privileged().enable("docker.service").enable("docker.socket");
    let mut seen = Seen::boot("docker", &options);
    seen.run(&[
        "sh",
        "-euc",
        "
        tar -C /bin -c busybox | docker import - box
        port=30080
        for policy in no always unless-stopped on-failure; do
            docker run --detach --name=$policy --restart=$policy --publish=$port:80 box \
                /busybox httpd -f -p 80
            port=$((port + 1))
        done
    ",
    ]);
    // Its rules come back with it, and go with a restart of nftables.
    seen.host.write("/etc/nftables.conf", "flush ruleset\n").unwrap();
    let then = |text: &str| {
        let screen = seen.run(&[WHYOPEN, "30081"]);
        let screen = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(screen.contains(text), "{screen}");
    };
    then("after a boot: Docker makes its rules for the port again when docker.service starts");
    seen.run(&["systemctl", "enable", "--quiet", "nftables.service"]);
    then(
        "after systemctl restart nftables: Docker's rules for the port are gone until docker.service",
    );
    seen.run(&["systemctl", "disable", "--quiet", "nftables.service"]);
    let predicted = Predicted::of(&seen.host);
    predicted.says(30080, "does_not_return", "container no has the restart policy no");
    predicted.says(30081, "returns", "container always has the restart policy always");
    predicted.says(30082, "returns", "container unless-stopped has");
    predicted.says(30083, "maybe", "container on-failure has");
    predicted.holds_after_a_boot(&mut seen.host);
    seen.run(&["systemctl", "--quiet", "disable", "docker.service", "docker.socket"]);
    let predicted = Predicted::of(&seen.host);
    predicted.says(30081, "does_not_return", "docker.service is not started at boot");
    predicted.holds_after_a_boot(&mut seen.host);
}
