//! What people do to close a row that does not close it on this host.

use facts::{Answer, Family, Kind, Part, Protocol, Question};

use super::Facts;
use super::ask::SELINUX;
use super::base::NotEnough;
use super::ways::unit_use;
use crate::row::{Row, Scope};

/// What does not close a row, with the reason in its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Futile<'j> {
    /// Stopping the service: systemd keeps the socket, and the next packet starts the service.
    StopService {
        /// The service.
        service: &'j str,
        /// The socket unit.
        socket: &'j str,
    },
    /// Disabling without stopping: nothing is closed now.
    Disable {
        /// The unit.
        unit: &'j str,
    },
    /// Masking the service alone: the socket stays until it fails.
    MaskService {
        /// The service.
        service: &'j str,
        /// The socket unit.
        socket: &'j str,
    },
    /// Ending the process: systemd starts it again.
    Kill {
        /// The unit.
        unit: &'j str,
        /// Its `Restart=`.
        restart: &'j str,
    },
    /// A firewall rule for a port of the number: it is a protocol.
    PortOfProtocol {
        /// The protocol.
        protocol: Protocol,
    },
    /// Dropping ICMPv6 as a whole: IPv6 does not work without.
    DropIcmp6,
    /// Rules of the firewall's input: a packet socket sees frames before.
    InputRules,
    /// Rules of the firewall's input: what is published is forwarded before they are asked.
    InputRulesOfPublished {
        /// The container.
        container: &'j str,
    },
    /// Ending docker-proxy: the forwarding rules stay.
    KillProxy,
    /// Turning SELinux off: it closes nothing, and permits more; or there is none to turn off.
    Selinux {
        /// Whether the kernel runs it.
        runs: bool,
    },
    /// Trying it over loopback: what is let in there says nothing of others.
    Loopback,
    /// As the base tells.
    Told(&'static NotEnough),
}

/// All of them that fit.
pub(super) fn all<'j>(facts: &Facts<'j>, row: &'j Row<'_>) -> Vec<Futile<'j>> {
    let mut all = Vec::new();
    let sockets = facts.socket_units();
    for socket in &sockets {
        let known = facts.unit(socket).filter(|unit| !unit.triggers.is_empty());
        for service in known.into_iter().flat_map(|unit| &unit.triggers) {
            all.push(Futile::StopService { service, socket });
            all.push(Futile::MaskService { service, socket });
        }
    }
    if let Some(known) = facts.recognised {
        let told = known.service.not_enough.iter();
        all.extend(told.filter(|n| n.only.fits(row, facts.is_activated)).map(Futile::Told));
    }
    if row.socket.kind == Kind::Raw && row.socket.family != Family::Packet {
        all.push(Futile::PortOfProtocol { protocol: row.socket.protocol });
        if row.socket.protocol == Protocol::ICMPV6 {
            all.push(Futile::DropIcmp6);
        }
    }
    if row.socket.family == Family::Packet {
        all.push(Futile::InputRules);
    }
    let forwarded = facts.holders.iter().filter_map(|holder| holder.forwards_to);
    for container in forwarded {
        all.push(Futile::InputRulesOfPublished { container });
    }
    if facts.holders.iter().any(|holder| holder.comm() == Some("docker-proxy")) {
        all.push(Futile::KillProxy);
    }
    // Of what holds a port for another program, the unit starts no new one, and nobody disables it.
    let own = facts.holders.iter().all(|holder| holder.forwards_to.is_none());
    for unit in facts.units().into_iter().filter(|_| own) {
        if let Some(usage) = unit_use(facts, unit)
            && RESTARTING.contains(&usage.restart.as_str())
        {
            all.push(Futile::Kill { unit, restart: &usage.restart });
        }
    }
    if own
        && sockets.is_empty()
        && let Some(unit) = facts.units().first().filter(|unit| unit.ends_with(".service"))
        && facts.unit(unit).is_some_and(|known| known.file_state == "enabled")
    {
        all.push(Futile::Disable { unit });
    }
    let selinux = Question::Path { path: SELINUX.to_owned() };
    if let Part::Known { value: Answer::Path { exists } } =
        facts.judgement.snapshot.answer(&selinux)
    {
        all.push(Futile::Selinux { runs: *exists });
    }
    if row.is_open() && matches!(row.scope, Scope::Any | Scope::Address) && row.port().is_some() {
        all.push(Futile::Loopback);
    }
    all
}

/// Values of `Restart=` under which a killed service returns (systemd.service(5), table 1): a kill
/// is an unclean signal, unless it is SIGTERM, which only `always` answers.
const RESTARTING: &[&str] = &["always", "on-failure", "on-abnormal", "on-abort"];
