//! Docker's containers with each restart policy.

use testbed::HostOptions;

use crate::predicted::Predicted;
use crate::seen::Seen;

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
