//! What the host has to be asked before rows can be explained.

use std::collections::BTreeSet;

use facts::{Format, Key, Question};

use super::base::{Needs, Service};
use super::{Facts, need};
use crate::Judgement;
use crate::row::{Row, Scope};

/// Everything that explains these rows.
pub fn questions(judgement: &Judgement<'_>, rows: &[&Row<'_>]) -> BTreeSet<Question> {
    let mut asked = BTreeSet::new();
    for row in rows {
        let facts = Facts::of(judgement, row);
        match facts.recognised {
            Some(known) => of_service(known.service, row, facts.is_activated, &mut asked),
            None => asked.extend(mentions(&facts, row)),
        }
        asked.extend(facts.packages().map(|name| Question::Package { name: name.to_owned() }));
        asked.extend(facts.all_units().into_iter().map(|name| Question::Unit { name }));
        asked.extend(facts.socket_files().map(listen_key));
        if row.socket.state == facts::State::Listen {
            asked.insert(Question::Connections);
        }
        if row.is_open() {
            asked.insert(Question::Path { path: SELINUX.to_owned() });
        }
    }
    asked
}

/// What tells whether those services are needed that answer others and leave a trace of all that
/// needs them: little enough for every look at a host.
pub fn findings_need(judgement: &Judgement<'_>) -> BTreeSet<Question> {
    let mut asked = BTreeSet::new();
    for row in judgement.rows.iter().filter(|row| may_be_unneeded(row)) {
        let known = Facts::of(judgement, row).recognised;
        let service = known.map(|k| k.service).filter(|s| s.needs == Needs::Known);
        let needs = service.into_iter().flat_map(|service| &service.need);
        asked.extend(needs.filter_map(|need| need::question(&need.check)));
    }
    asked
}

/// Whether it matters that nothing needs a row: others may speak to it, as far as its address tells.
pub(crate) fn may_be_unneeded(row: &Row<'_>) -> bool {
    row.is_open() && matches!(row.scope, Scope::Any | Scope::Address)
}

/// Where the kernel tells whether SELinux enforces (selinux(8)).
pub(super) const SELINUX: &str = "/sys/fs/selinux/enforce";

/// What the base wants to know of a service.
fn of_service(
    service: &'static Service,
    row: &Row<'_>,
    activated: bool,
    asked: &mut BTreeSet<Question>,
) {
    asked.extend(service.need.iter().filter_map(|need| need::question(&need.check)));
    let binds = service.bind.iter().filter(|bind| bind.only.fits(row, activated));
    asked.extend(binds.map(|bind| Question::Settings { setting: bind.at.clone() }));
}

/// Which configuration may name the port of a service that nobody knows: that of its program, its
/// package and its unit.
fn mentions(facts: &Facts<'_>, row: &Row<'_>) -> BTreeSet<Question> {
    let Some(port) = row.port().filter(|port| port.0 != 0) else { return BTreeSet::new() };
    let ask = |name: String| Question::Mentions { name, port };
    facts.names().into_iter().map(ask).collect()
}

/// What a socket unit listens on, as its file says.
pub(super) fn listen_key(file: &str) -> Question {
    let drop_ins = file.rsplit('/').next().unwrap_or_default();
    let files = vec![
        file.to_owned(),
        format!("/etc/systemd/system/{drop_ins}.d/*.conf"),
        format!("/run/systemd/system/{drop_ins}.d/*.conf"),
    ];
    Question::Settings {
        setting: Key {
            files,
            format: Format::Ini,
            section: "Socket".to_owned(),
            key: "ListenStream".to_owned(),
        },
    }
}
