//! From the judgement's types to those of the JSON.

use std::borrow::Cow;

use facts::{Family, Inode, Snapshot, Socket, State};
use judge::boot;
use judge::finding;
use judge::holder::{Creator, Held, ProcessHolder};
use judge::place::Place;
use judge::reach::{ClientSees, Entry, Reach, Verdict, Way, Wire};
use judge::row::{self, Row};
use judge::{Judgement, Namespace};

use super::{Fds, Holders, Of};
use crate::schema;

/// A row.
pub(super) fn socket<'a>(judgement: &'a Judgement<'a>, row: &'a Row<'a>) -> schema::Socket<'a> {
    schema::Socket {
        scope: Some(scope(row.scope)),
        service: row.service.map(|s| s.registered),
        sockets: row.sockets.len(),
        accept_queue: row.accept_queue().map(|q| schema::AcceptQueue { now: q.now, max: q.max }),
        ipv4: reach(judgement, row, Wire::Ipv4),
        ipv6: reach(judgement, row, Wire::Ipv6),
        recognised: judgement.recognise(row).map(|known| known.service.id),
        after_boot: Some(after_boot(&judgement.after_boot(row))),
        reach_then: super::then::of_row(judgement, row),
        ..common(judgement, Of::Row(row), judgement.namespace_of(row))
    }
}

/// A connected socket.
pub(super) fn connection<'a>(
    judgement: &'a Judgement<'a>,
    socket: &'a Socket,
) -> schema::Socket<'a> {
    common(judgement, Of::Connection(socket), judgement.namespace(socket.netns))
}

/// What rows and connected sockets have in common; the rest as for a connected socket.
fn common<'a>(
    judgement: &'a Judgement<'a>,
    of: Of<'a>,
    namespace: Option<&'a Namespace<'a>>,
) -> schema::Socket<'a> {
    let socket = match of {
        Of::Row(row) => row.socket,
        Of::Connection(socket) => socket,
    };
    let (holders_known, made_by) = match of {
        Of::Row(row) => {
            let held: Vec<_> = judgement.held(row).collect();
            (holders_known(&held), makers(&held))
        }
        Of::Connection(socket) => {
            let held = [judgement.held_connection(socket)];
            // Of what is closed or not accepted yet, the kernel no longer or not yet tells the user.
            let has_maker = socket.inode != Inode(0) && socket.state != State::TimeWait;
            (holders_known(&held), if has_maker { makers(&held) } else { Vec::new() })
        }
    };
    let packet = socket.family == Family::Packet;
    let port = socket.port().map(|p| p.0);
    schema::Socket {
        netns: namespace.map_or("", |n| &n.label),
        netns_container: namespace.and_then(|n| n.container.as_deref()),
        protocol: row::protocol_name(socket)
            .map_or_else(|| socket.protocol.to_string().into(), Cow::Borrowed),
        kind: kind(socket.kind),
        address: if packet {
            schema::LocalAddress::None("*")
        } else {
            schema::LocalAddress::Ip(socket.local.address)
        },
        port,
        v6only: socket.v6only,
        device: socket.device.map(|index| match namespace.and_then(|n| n.link(index)) {
            Some(link) => Cow::Borrowed(link.name.as_str()),
            None => Cow::Owned(format!("if{index}")),
        }),
        state: state(socket.state),
        open: socket.is_open(),
        scope: None,
        service: None,
        ethernet: packet.then(|| {
            let number = || Cow::Owned(format!("{:#06x}", socket.protocol.0));
            socket.protocol.ether_name().map_or_else(number, Cow::Borrowed)
        }),
        peer: socket
            .peer
            .map(|p| schema::Peer { address: p.address, port: port.map(|_| p.port.0) }),
        sockets: 1,
        accept_queue: None,
        holders: Holders { judgement, of },
        holders_known,
        made_by,
        ipv4: None,
        ipv6: None,
        after_boot: None,
        reach_then: Vec::new(),
        recognised: None,
        why: None,
    }
}

/// The holders of what no process is known to hold; empty if nobody holds it.
pub(super) fn holders_without_process<'a>(
    judgement: &'a Judgement<'a>,
    of: Of<'a>,
) -> Vec<schema::Holder<'a>> {
    let mut holders = Vec::new();
    match of {
        Of::Row(row) => judgement.held(row).for_each(|held| add_holders(held, &mut holders)),
        Of::Connection(socket) => add_holders(judgement.held_connection(socket), &mut holders),
    }
    holders
}

fn add_holders<'a>(held: Held<'a>, holders: &mut Vec<schema::Holder<'a>>) {
    match held {
        Held::Processes | Held::Nobody(_) => {}
        Held::Kernel(owners) => holders.extend(owners.iter().map(|owner| schema::Holder {
            kind: schema::HolderKind::Kernel,
            detail: Some(if owner.instance.is_empty() {
                Cow::Borrowed(&owner.subsystem)
            } else {
                Cow::Owned(format!("{} {}", owner.subsystem, owner.instance))
            }),
            ..NO_HOLDER
        })),
        Held::Creator(creator) => holders.push(self::creator(creator)),
    }
}

/// Whoever made what nobody holds.
fn makers<'a>(held: &[Held<'a>]) -> Vec<schema::Maker<'a>> {
    let made = |held: &Held<'a>| if let Held::Nobody(c) = held { Some(maker(*c)) } else { None };
    held.iter().filter_map(made).collect()
}

/// A holder of which nothing is known.
const NO_HOLDER: schema::Holder<'static> = schema::Holder {
    kind: schema::HolderKind::Process,
    pid: None,
    comm: None,
    fds: Fds(None),
    unit: None,
    user_unit: None,
    inner_unit: None,
    session: None,
    slice: None,
    container: None,
    user: None,
    executable: None,
    executable_replaced: None,
    detail: None,
};

/// Whoever made a socket.
fn creator(creator: Creator<'_>) -> schema::Holder<'_> {
    schema::Holder {
        unit: creator.unit(),
        container: creator.container(),
        user: Some(user(creator.user, creator.uid)),
        ..placed(creator.place)
    }
}

/// Whoever made a socket that nobody holds.
fn maker(creator: Creator<'_>) -> schema::Maker<'_> {
    schema::Maker {
        user: user(creator.user, creator.uid),
        unit: creator.unit(),
        user_unit: creator.place.and_then(Place::user_unit),
        inner_unit: creator.place.and_then(Place::inner_unit),
        session: creator.place.and_then(Place::session),
        slice: creator.place.and_then(Place::slice),
        container: creator.container(),
    }
}

/// A process.
pub(super) fn process<'a>(snapshot: &'a Snapshot, holder: ProcessHolder<'a>) -> schema::Holder<'a> {
    let executable = holder.process.and_then(|p| p.executable.as_ref());
    schema::Holder {
        pid: Some(holder.pid.0),
        comm: holder.comm(),
        fds: Fds(Some(holder)),
        unit: holder.unit(),
        container: holder.container(),
        user: holder.process.map(|p| user(snapshot.user(p.uid), p.uid)),
        executable: executable.map(|e| e.path.as_str()),
        executable_replaced: executable.map(|e| e.deleted || e.replaced == Some(true)),
        ..placed(holder.place)
    }
}

/// A holder of which only the place is known.
fn placed<'a>(place: Option<&'a Place<'a>>) -> schema::Holder<'a> {
    schema::Holder {
        user_unit: place.and_then(Place::user_unit),
        inner_unit: place.and_then(Place::inner_unit),
        session: place.and_then(Place::session),
        slice: place.and_then(Place::slice),
        ..NO_HOLDER
    }
}

fn user(name: Option<&str>, uid: facts::Uid) -> Cow<'_, str> {
    name.map_or_else(|| uid.to_string().into(), Cow::Borrowed)
}

/// The least that is known of any of a row's sockets.
fn holders_known(held: &[Held<'_>]) -> schema::HoldersKnown {
    use schema::HoldersKnown::{Creator, Descriptors, Kernel, Nobody, Unknown};
    let of_one = |held: &Held<'_>| match held {
        Held::Processes => Descriptors,
        Held::Kernel(_) => Kernel,
        Held::Creator(c) if c.place.is_some() || c.socket_unit.is_some() => Creator,
        Held::Creator(_) => Unknown,
        Held::Nobody(_) => Nobody,
    };
    let worst = [Unknown, Creator, Descriptors, Kernel, Nobody];
    worst.into_iter().find(|known| held.iter().any(|h| of_one(h) == *known)).unwrap_or(Unknown)
}

/// A port that is open without a socket of its own.
pub(super) fn entry<'a>(judgement: &'a Judgement<'_>, entry: &'a Entry) -> schema::Entry<'a> {
    let [ipv4, ipv6] = entry.reach.each_ref().map(|reach| {
        let reach = reach.as_ref()?;
        Some(bare_reach(reach, None, reach.because.to_string(), Vec::new()))
    });
    schema::Entry {
        protocol: entry.protocol.ip_name().unwrap_or("ip"),
        port: entry.port.0,
        last_port: (entry.last_port != entry.port).then_some(entry.last_port.0),
        netns: judgement.namespaces.get(entry.namespace).map_or("", |n| &n.label),
        leads_to: &entry.leads_to,
        container: entry.container.as_deref(),
        ipv4,
        ipv6,
    }
}

/// Who can reach a row over a family; none where that cannot arrive.
fn reach<'a>(
    judgement: &'a Judgement<'a>,
    row: &'a Row<'a>,
    wire: Wire,
) -> Option<schema::Reach<'a>> {
    let reach = judgement.reach(row, wire)?;
    let reason = judgement.reason(row, wire)?;
    let several = reason.ways.len() > 1;
    let ways = reason.ways.into_iter().filter(|_| several).map(way).collect();
    Some(bare_reach(reach, reason.decided_by, reason.because.to_string(), ways))
}

pub(super) fn bare_reach<'a>(
    reach: &'a Reach,
    decided_by: Option<String>,
    because: String,
    ways: Vec<schema::Way<'a>>,
) -> schema::Reach<'a> {
    schema::Reach {
        verdict: match reach.verdict {
            Verdict::Open => schema::Verdict::Open,
            Verdict::Part => schema::Verdict::Part,
            Verdict::OnLink => schema::Verdict::OnLink,
            Verdict::HostOnly => schema::Verdict::HostOnly,
            Verdict::Blocked => schema::Verdict::Blocked,
            Verdict::Unknown => schema::Verdict::Unknown,
        },
        must: schema::Prefixes(Cow::Borrowed(&reach.must)),
        may: schema::Prefixes(Cow::Borrowed(&reach.may)),
        client_sees: reach.client_sees.map(Into::into),
        decided_by,
        because,
        ways,
    }
}

fn way<'a>(way: Way) -> schema::Way<'a> {
    schema::Way {
        interface: way.interface,
        must: schema::Prefixes(Cow::Owned(way.must)),
        may: schema::Prefixes(Cow::Owned(way.may)),
        decided_by: way.decided_by,
        translated: way.translated,
        witness: way.witness,
    }
}

impl From<ClientSees> for schema::ClientSees {
    fn from(sees: ClientSees) -> Self {
        match sees {
            ClientSees::Connected => Self::Connected,
            ClientSees::Answered => Self::Answered,
            ClientSees::Refused => Self::Refused,
            ClientSees::TimedOut => Self::TimedOut,
            ClientSees::Unreachable => Self::Unreachable,
            ClientSees::Prohibited => Self::Prohibited,
            ClientSees::Mixed => Self::Mixed,
        }
    }
}

fn after_boot(after: &boot::AfterBoot) -> schema::AfterBoot {
    schema::AfterBoot {
        verdict: match after.verdict {
            boot::Verdict::Returns => schema::AfterBootVerdict::Returns,
            boot::Verdict::Maybe => schema::AfterBootVerdict::Maybe,
            boot::Verdict::Unknown => schema::AfterBootVerdict::Unknown,
            boot::Verdict::DoesNotReturn => schema::AfterBootVerdict::DoesNotReturn,
        },
        because: after.because(),
        instead: after.instead.iter().map(ToString::to_string).collect(),
    }
}

fn kind(kind: facts::Kind) -> schema::Kind {
    match kind {
        facts::Kind::Stream => schema::Kind::Stream,
        facts::Kind::Dgram => schema::Kind::Dgram,
        facts::Kind::Raw => schema::Kind::Raw,
        facts::Kind::Ping => schema::Kind::Ping,
        facts::Kind::Seqpacket => schema::Kind::Seqpacket,
        facts::Kind::Packet => schema::Kind::Packet,
        facts::Kind::Other => schema::Kind::Other,
    }
}

fn state(state: State) -> schema::State {
    match state {
        State::Listen => schema::State::Listen,
        State::Bound => schema::State::Bound,
        State::Unbound => schema::State::Unbound,
        State::Established => schema::State::Established,
        State::SynSent => schema::State::SynSent,
        State::SynRecv => schema::State::SynRecv,
        State::FinWait1 => schema::State::FinWait1,
        State::FinWait2 => schema::State::FinWait2,
        State::TimeWait => schema::State::TimeWait,
        State::CloseWait => schema::State::CloseWait,
        State::LastAck => schema::State::LastAck,
        State::Closing => schema::State::Closing,
        State::Other => schema::State::Other,
    }
}

fn scope(scope: row::Scope) -> schema::Scope {
    match scope {
        row::Scope::Any => schema::Scope::Any,
        row::Scope::Address => schema::Scope::Address,
        row::Scope::Multicast => schema::Scope::Multicast,
        row::Scope::LinkLocal => schema::Scope::LinkLocal,
        row::Scope::Loopback => schema::Scope::Loopback,
    }
}

/// A severity.
pub(super) fn severity(severity: finding::Severity) -> schema::Severity {
    match severity {
        finding::Severity::High => schema::Severity::High,
        finding::Severity::Medium => schema::Severity::Medium,
        finding::Severity::Low => schema::Severity::Low,
        finding::Severity::Info => schema::Severity::Info,
    }
}
