//! What closes a row, and what does not.

use judge::why::{AfterBoot, Change, Futile, How, Way};

use super::{Words, list};

/// What to do.
pub(crate) fn how<W: Words>(way: &Way<'_>, words: &mut W) {
    match &way.how {
        How::Units { mask, disable, stop } => {
            let all = [
                ("systemctl mask --now", mask),
                ("systemctl disable --now", disable),
                ("systemctl stop", stop),
            ];
            let mut first = true;
            for (order, units) in all.into_iter().filter(|(_, units)| !units.is_empty()) {
                words.ours(if first { "" } else { "; " }).ours(order);
                first = false;
                for unit in units {
                    words.ours(" ").host(unit);
                }
            }
        }
        How::SocketUnit { unit, lines } => {
            words.ours("on loopback only: systemctl edit ").host(unit).ours(" with [Socket]");
            for line in lines {
                words.ours(" ").host(line);
            }
            words.ours("; systemctl restart ").host(unit);
        }
        How::Setting { file, change, .. } => {
            match change {
                Change::Loopback(setting) => words.ours("on loopback only: ").ours(setting),
                Change::Off(setting) => words.ours("this port alone: ").ours(setting),
            };
            words.ours(" in ").host(file).ours("; then restart the service");
        }
        How::UserUnit { unit, uid } => {
            words.ours("systemctl --user disable --now ").host(unit).ours(", as user ");
            match uid {
                Some(uid) => words.plain(*uid),
                None => words.ours("it belongs to"),
            };
        }
        How::Container { name, published } => {
            words.ours("stop container ").host(name).ours(", or make it again with the port ");
            words.ours("published on loopback");
            if let Some(port) = published {
                words.ours(": -p 127.0.0.1:").plain(port.host_port);
                words.ours(":").plain(port.container_port);
            }
        }
        How::Process { pid, comm } => {
            words.ours("kill ").plain(*pid).ours(" (").host(comm.unwrap_or("?")).ours(")");
        }
        How::Link(name) => {
            words.ours("ip link delete ").host(name);
        }
        How::Purge { package, with } => {
            words.ours("apt-get purge ").host(package);
            if !with.is_empty() {
                words.ours(", which removes ");
                list(with, words);
                words.ours(" too");
            }
        }
        How::Told(close) => {
            words.ours(&close.how);
        }
    }
}

/// What breaks; nothing is written if that is not known.
pub(crate) fn breaks<W: Words>(way: &Way<'_>, words: &mut W) {
    if let Some(breaks) = way.breaks {
        words.ours(breaks);
    }
    if !way.needed_by.is_empty() {
        words.ours(if way.breaks.is_some() { ". These " } else { "these " });
        words.ours("would not start: ");
        list(&way.needed_by, words);
    }
}

/// Whether it is still closed after a boot.
pub(crate) fn after_boot(way: &Way<'_>) -> &'static str {
    match way.after_boot {
        AfterBoot::Closed => "closed after a boot too",
        AfterBoot::Open => "open again after a boot",
        AfterBoot::NotStarted => "nothing starts it at boot",
        AfterBoot::Unknown => "whoever made it may make it again",
    }
}

/// What does not close it, and why.
pub(crate) fn futile<W: Words>(futile: &Futile<'_>, what: &mut W, because: &mut W) {
    match futile {
        Futile::StopService { service, socket } => {
            what.ours("systemctl stop ").host(service);
            because.ours("systemd keeps the socket of ").host(socket);
            because.ours(", and whoever speaks to it starts the service again");
        }
        Futile::Disable { unit } => {
            what.ours("systemctl disable ").host(unit).ours(" without --now");
            because.ours("it stays open until it is stopped");
        }
        Futile::MaskService { service, socket } => {
            what.ours("masking ").host(service).ours(" alone");
            because.ours("the socket of ").host(socket);
            because.ours(" stays open, until the first that speaks to it makes it fail");
        }
        Futile::Kill { unit, restart } => {
            what.ours("killing the process");
            because.ours("systemd starts ").host(unit).ours(" again (Restart=").host(restart);
            because.ours(")");
        }
        Futile::PortOfProtocol { protocol } => {
            what.ours("a firewall rule for tcp or udp port ").plain(protocol.0);
            because.plain(protocol.0).ours(" is the number of the protocol in the IP header; a ");
            because.ours("raw socket has no port");
        }
        Futile::DropIcmp6 => {
            what.ours("dropping all of ICMPv6");
            because
                .ours("IPv6 finds its neighbours and routers by it (RFC 4861), so that nothing ");
            because.ours("else gets through either (RFC 4890)");
        }
        Futile::InputRules => {
            what.ours("rules of the firewall's input");
            because.ours("a packet socket gets its copy before they are asked");
        }
        Futile::InputRulesOfPublished { container } => {
            what.ours("rules of the firewall's input, such as ufw's");
            because.ours("what comes to container ").host(container);
            because.ours(" is forwarded, not received");
        }
        Futile::KillProxy => {
            what.ours("ending docker-proxy");
            because.ours("Docker's rules still forward the port to the container");
        }
        Futile::Selinux { runs } => {
            what.ours("setenforce 0");
            because.ours(if *runs {
                "SELinux opens no port; without it the service may do more, not less"
            } else {
                "SELinux does not run here (no /sys/fs/selinux/enforce): there is nothing to turn off"
            });
        }
        Futile::Loopback => {
            what.ours("trying it from this host");
            because
                .ours("what comes over loopback passes other rules than what comes from outside");
        }
        Futile::Told(told) => {
            what.ours(&told.what);
            because.ours(&told.because);
        }
    }
}
