//! Everything else that starts programs at boot, several on one host.

use testbed::HostOptions;

use crate::predicted::Predicted;
use crate::seen::{AGENT, Seen};

/// A unit that holds a port of its own.
fn service(port: u16, more: &str) -> String {
    format!("[Unit]\n{more}\n[Service]\nType=notify\nExecStart={AGENT} hold tcp:0.0.0.0:{port}\n")
}

const WANTED: &str = "\n[Install]\nWantedBy=multi-user.target\n";

#[test]
fn units() {
    let file = |name: &str| format!("/etc/systemd/system/{name}");
    let options = HostOptions::new()
        .file(&file("enabled.service"), &(service(7001, "") + WANTED))
        .file(&file("disabled.service"), &(service(7002, "") + WANTED))
        .file(&file("late.service"), &service(7003, ""))
        .file(
            &file("late.timer"),
            "[Timer]\nOnBootSec=1s\nAccuracySec=1ms\n[Install]\nWantedBy=timers.target\n",
        )
        .file(&file("there.service"), &service(7004, ""))
        .file(
            &file("there.path"),
            "[Path]\nPathExists=/etc/there\n[Install]\nWantedBy=multi-user.target\n",
        )
        .file("/etc/there", "")
        .file(&file("static.service"), &(service(7005, "") + "Restart=always\n"))
        .file(&file("runtime.service"), &(service(7006, "") + WANTED))
        .file(
            &file("conditional.service"),
            &(service(7007, "ConditionPathExists=/etc/go") + WANTED),
        )
        .file("/etc/go", "")
        .file(&file("masked.service"), &(service(7008, "") + WANTED))
        .file(&file("tpl@.service"), &(service(7009, "") + WANTED))
        .file(&file("upheld.service"), &service(7010, ""))
        .file(&file("enabled.service.d/up.conf"), "[Unit]\nUpholds=upheld.service\n")
        .file(&file("needs.service"), &(service(7011, "Requires=gone.service") + WANTED))
        .file(&file("gone.service"), "[Service]\nType=oneshot\nExecStart=/bin/true\n")
        .file(
            &file("moved.socket"),
            "[Socket]\nListenStream=0.0.0.0:7012\nAccept=yes\n[Install]\nWantedBy=sockets.target\n",
        )
        .file(&file("moved@.service"), "[Service]\nExecStart=/bin/true\n");
    let mut seen = Seen::boot("units", &options);
    seen.run(&["sh", "-euc", "
        systemctl enable --quiet --now enabled late.timer there.path conditional masked tpl@x needs moved.socket
        systemctl start disabled late static
        systemctl enable --quiet --runtime --now runtime
        rm /etc/go /etc/systemd/system/masked.service /etc/systemd/system/gone.service
        ln -s /dev/null /etc/systemd/system/masked.service
        mkdir /etc/systemd/system/moved.socket.d
        printf '[Socket]\\nListenStream=\\nListenStream=0.0.0.0:7013\\n' > /etc/systemd/system/moved.socket.d/port.conf
    "]);
    seen.start("transient", &["tcp:0.0.0.0:7014"]);
    seen.run(&["sh", "-c", &format!("{AGENT} hold tcp:0.0.0.0:7015 >/dev/null 2>&1 & sleep 0.3")]);
    let predicted = Predicted::of(&seen.host);
    for (port, verdict, because) in [
        (7001, "returns", "multi-user.target wants enabled.service"),
        (7002, "does_not_return", "nothing that starts at boot starts disabled.service"),
        (7003, "returns", "which starts late.service after the boot (OnBootSec=1s)"),
        (7004, "returns", "which starts there.service if the path is there"),
        (7005, "does_not_return", "nothing that starts at boot starts static.service"),
        (7006, "does_not_return", "/run/systemd/system/multi-user.target.wants/runtime.service"),
        (7007, "does_not_return", "ConditionPathExists=/etc/go does not hold"),
        (7008, "does_not_return", "it is masked (/etc/systemd/system/masked.service)"),
        (7009, "returns", "multi-user.target wants tpl@x.service"),
        (7010, "returns", "upholds upheld.service"),
        (7011, "maybe", "it requires gone.service, which cannot be started"),
        (7012, "does_not_return", "it listens then on 0.0.0.0:7013"),
        (7014, "does_not_return", "/run/systemd/transient/transient.service"),
        (7015, "does_not_return", "it was started by hand"),
    ] {
        predicted.says(port, verdict, because);
    }
    predicted.holds_after_a_boot(&mut seen.host);
    Predicted::of(&seen.host).says(7013, "returns", "configured in");
}

#[test]
fn cron_and_rc_local_and_users() {
    let user_unit = service(7024, "") + "\n[Install]\nWantedBy=default.target\n";
    let script = format!("#!/bin/sh\n{AGENT} hold tcp:0.0.0.0:7022 >/dev/null 2>&1 &\nexit 0\n");
    let options = HostOptions::new()
        .enable("cron.service")
        // Else bob's manager would end soon after his linger.
        .file("/etc/systemd/logind.conf.d/stay.conf", "[Login]\nUserStopDelaySec=infinity\n")
        .file("/etc/cron.d/boot", &format!("@reboot root {AGENT} hold tcp:0.0.0.0:7021\n"))
        .file("/etc/rc.local", &script)
        .file("/home/ann/.config/systemd/user/notes.service", &user_unit)
        .file("/home/bob/.config/systemd/user/notes.service", &user_unit.replace("7024", "7025"));
    let mut seen = Seen::boot("users", &options);
    // The agent was put there after the first boot.
    seen.host.reboot().unwrap();
    seen.run(&[
        "sh",
        "-euc",
        "
        chmod 755 /etc/rc.local
        systemctl daemon-reload
        systemctl start rc-local.service
        for user in ann bob; do
            useradd --home-dir /home/$user $user
            chown -R $user: /home/$user
            loginctl enable-linger $user
            bus=XDG_RUNTIME_DIR=/run/user/$(id -u $user)
            as=\"setpriv --reuid=$user --regid=$user --init-groups env $bus\"
            timeout 20 sh -c \"until [ -S /run/user/$(id -u $user)/bus ]; do sleep 0.05; done\"
            $as systemctl --user enable --quiet --now notes
        done
        rm /var/lib/systemd/linger/bob
    ",
    ]);
    let predicted = Predicted::of(&seen.host);
    predicted.says(
        7021,
        "returns",
        "a crontab with @reboot starts testbed-agent (/etc/cron.d/boot:1)",
    );
    predicted.says(7022, "returns", "/etc/rc.local starts testbed-agent (/etc/rc.local:2)");
    predicted.says(7024, "returns", "/var/lib/systemd/linger/ann");
    predicted.says(7025, "does_not_return", "starts only when bob logs in");
    predicted.holds_after_a_boot(&mut seen.host);
    // Neither is run again.
    seen.run(&["sh", "-euc", "rm /etc/cron.d/boot; chmod 644 /etc/rc.local"]);
    let predicted = Predicted::of(&seen.host);
    predicted.says(7021, "maybe", "cron.service started it");
    predicted.says(7022, "does_not_return", "nothing that starts at boot starts rc-local");
    predicted.holds_after_a_boot(&mut seen.host);
}

#[test]
fn programs_listen_where_their_configuration_says() {
    let options = HostOptions::new().enable("nginx.service").enable("ssh.service");
    let mut seen = Seen::boot("configured", &options);
    let predicted = Predicted::of(&seen.host);
    predicted.says(80, "returns", "configured in /etc/nginx/sites-enabled/default");
    predicted.says(22, "returns", "configured in /etc/ssh/sshd_config (Port is 22 unless set)");
    seen.run(&["sh", "-euc", "
        sed -i 's/listen 80 default_server/listen 127.0.0.1:8080/; /listen \\[/d' /etc/nginx/sites-available/default
        echo 'Port 2222' > /etc/ssh/sshd_config.d/port.conf
    "]);
    let predicted = Predicted::of(&seen.host);
    predicted.says(80, "does_not_return", "it listens then on 127.0.0.1:8080");
    predicted.says(22, "does_not_return", "it listens then on 0.0.0.0:2222");
    predicted.holds_after_a_boot(&mut seen.host);
    let predicted = Predicted::of(&seen.host);
    predicted.says(8080, "returns", "configured in");
    predicted.says(2222, "returns", "configured in /etc/ssh/sshd_config.d/port.conf:1");
    // Started by hand, while nobody starts it at boot; then while something does.
    seen.run(&["sh", "-euc", "systemctl disable --quiet --now nginx; nginx"]);
    let predicted = Predicted::of(&seen.host);
    predicted.says(8080, "does_not_return", "it was started by hand");
    seen.run(&["systemctl", "--quiet", "enable", "nginx"]);
    let predicted = Predicted::of(&seen.host);
    predicted.says(8080, "returns", "a command of a unit names nginx");
    predicted.holds_after_a_boot(&mut seen.host);
}
