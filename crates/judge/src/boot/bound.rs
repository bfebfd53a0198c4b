//! Where units and programs are configured to listen, compared with where they do.

use std::net::IpAddr;

use facts::{Boot, ConfiguredListener, Port, Protocol, UnitFile};

use super::opener::Opener;
use super::{AfterBoot, Outlook, Place, Runs, Started, Verdict, outcome};
use crate::Judgement;
use crate::row::{Row, plain};

/// What configuration says about a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It listens here again.
    Here(String),
    /// It listens elsewhere only.
    Elsewhere(String, Vec<Place>),
    /// That was not understood in full.
    Unclear(String),
}

/// Whether an address of the configuration, none for any, is the one a row is bound to.
fn is_at(row: &Row<'_>, protocol: Protocol, address: Option<IpAddr>, port: Port) -> bool {
    let own = match row.socket.protocol {
        Protocol::MPTCP => Protocol::TCP,
        other => other,
    };
    let protocol = if protocol == Protocol::MPTCP { Protocol::TCP } else { protocol };
    let local = plain(row.socket.local.address);
    let same = match address {
        None => local.is_unspecified(),
        Some(address) => plain(address) == local,
    };
    own == protocol && row.port() == Some(port) && same
}

/// What a socket unit says.
pub(crate) fn by_socket_unit(unit: &UnitFile, row: &Row<'_>) -> Bound {
    let mut lines = unit.listen.iter();
    if let Some(line) = lines.find(|l| is_at(row, l.protocol, l.address, l.port)) {
        return Bound::Here(line.source.clone());
    }
    if let Some(unclear) = unit.unclear.first() {
        return Bound::Unclear(unclear.clone());
    }
    let places = unit.listen.iter();
    let places =
        places.map(|l| Place { protocol: l.protocol, address: l.address, port: l.port }).collect();
    let source = unit.drop_ins.last().unwrap_or(&unit.fragment).clone();
    Bound::Elsewhere(source, places)
}

/// The configuration of a program, of this unit if it is of one.
pub(crate) fn configuration<'b>(
    boot: &'b Boot,
    unit: Option<&str>,
    comm: Option<&str>,
) -> Option<&'b ConfiguredListener> {
    let mut listeners = boot.listeners.iter().filter(|l| {
        let program = comm.is_none_or(|comm| comm == l.program);
        let of_unit = unit.is_some_and(|unit| unit == l.unit);
        // Without the program's name, the unit alone tells whose configuration it is.
        program && (of_unit || (comm.is_some() && (l.unit.is_empty() || unit.is_none())))
    });
    listeners.next()
}

/// What a program's own configuration says.
pub(crate) fn by_configuration(listener: &ConfiguredListener, row: &Row<'_>) -> Bound {
    let mut ports = listener.ports.iter();
    let local = plain(row.socket.local.address);
    let dual = row.socket.v6only == Some(false) && local.is_unspecified();
    if let Some(port) = ports.find(|p| {
        is_at(row, p.protocol, Some(p.address), p.port)
            // One socket for both families, and configured as two.
            || (dual && p.address.is_unspecified() && is_at(row, p.protocol, None, p.port))
    }) {
        return Bound::Here(port.source.clone());
    }
    if let Some(unclear) = listener.unclear.first() {
        return Bound::Unclear(unclear.clone());
    }
    let places = listener.ports.iter();
    let places = places
        .map(|p| Place { protocol: p.protocol, address: Some(p.address), port: p.port })
        .collect();
    Bound::Elsewhere(listener.source.clone(), places)
}

/// Socket units that a boot surely starts and that listen where this row is, whoever holds it now.
pub(crate) fn other_socket_units(
    judgement: &Judgement<'_>,
    outlook: &Outlook<'_>,
    row: &Row<'_>,
    openers: &[Opener<'_>],
) -> Option<AfterBoot> {
    if !judgement.namespace_of(row).is_some_and(crate::Namespace::is_host) {
        return None;
    }
    let port = row.port()?;
    let graph = &outlook.system;
    let mut of_row = outlook.listening.iter().filter_map(|at| Some((*at, graph.units.get(*at)?)));
    of_row.find_map(|(at, unit)| {
        let listens = unit.listen.iter().any(|l| l.port == port)
            && matches!(by_socket_unit(unit, row), Bound::Here(_));
        let known = openers.contains(&Opener::SocketUnit(&unit.name));
        let surely = graph.started(&unit.name) == Started::Surely && graph.runs(at) == Runs::Yes;
        (listens && !known && surely)
            .then(|| AfterBoot::of(Verdict::Returns, outcome::started(graph, at, None)))
    })
}
