//! The types of the JSON, and their schema. Version 1.
//!
//! Names and meanings here are an interface: they change only with [`SCHEMA_VERSION`]. New fields
//! may be added without that, so readers must skip what they do not know. Fields that say nothing
//! about most sockets are left out where they would be null: the schema does not require them.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema};
use serde::Serialize;

mod why;

pub use why::{
    AfterClosing, InUse, InUseVerdict, NameKind, NotEnough, RecognisedBy, Seen, Statement, ToClose,
    Why,
};

/// The version of this interface.
pub const SCHEMA_VERSION: u32 = 1;

/// What `whyopen -o json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "whyopen")]
pub struct Document<'a> {
    /// The version of this interface.
    #[schemars(range(min = 1, max = 1))]
    pub schema_version: u32,
    /// The host.
    pub host: Host<'a>,
    /// What could not be read or judged.
    pub gaps: Vec<Gap<'a>>,
    /// The network namespaces that were found.
    pub namespaces: Vec<Namespace<'a>>,
    /// Every socket that something new can arrive at, and those that are bound but not open; with
    /// `--connected` the connected ones as well.
    pub sockets: Vec<Socket<'a>>,
    /// What is open without a socket of its own. Empty in this version, which does not evaluate
    /// the firewall; `gaps` says so.
    pub entries: Vec<Entry<'a>>,
    /// What becomes of the packet filter at the next boot, and by each command that loads it again.
    /// Which sockets that matters to, `reach_then` says there.
    pub firewall_then: Vec<FirewallThen<'a>>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding<'a>>,
}

/// A line of `whyopen -o ndjson`: a socket, or the summary, which comes last.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Line<'a> {
    /// A socket.
    Socket(Box<Socket<'a>>),
    /// The rest of the document.
    Summary(SummaryLine<'a>),
}

/// The last line of `whyopen -o ndjson`: the document without its sockets.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SummaryLine<'a> {
    /// The document without its sockets.
    pub summary: Summary<'a>,
}

/// The document without its sockets.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Summary<'a> {
    /// The version of this interface.
    pub schema_version: u32,
    /// The host.
    pub host: Host<'a>,
    /// What could not be read or judged.
    pub gaps: Vec<Gap<'a>>,
    /// The network namespaces that were found.
    pub namespaces: Vec<Namespace<'a>>,
    /// How many sockets came before this line.
    pub sockets: usize,
    /// What is open without a socket of its own.
    pub entries: Vec<Entry<'a>>,
    /// What becomes of the packet filter at the next boot, and by each command that loads it again.
    /// Which sockets that matters to, `reach_then` says there.
    pub firewall_then: Vec<FirewallThen<'a>>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding<'a>>,
}

/// The host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Host<'a> {
    /// `uname -n`.
    pub name: &'a str,
    /// `PRETTY_NAME` of os-release; empty where there is none.
    pub os: &'a str,
    /// `uname -r`.
    pub kernel: &'a str,
    /// `uname -m`.
    pub machine: &'a str,
}

/// Something that could not be read or judged.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Gap<'a> {
    /// What is missing.
    pub what: &'a str,
    /// Why.
    pub why: &'a str,
    /// Whether root, or its capabilities, would close it.
    pub root_would_help: bool,
}

/// A network namespace.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Namespace<'a> {
    /// `host`, its first name, or `net:[INODE]`: what [`Socket::netns`] says.
    pub netns: &'a str,
    /// Its inode.
    pub inode: u32,
    /// The container whose processes run in it.
    pub container: Option<&'a str>,
    /// Its addresses, as `ADDRESS/PREFIX` with the interface.
    pub addresses: Vec<Address<'a>>,
}

/// An address of an interface.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Address<'a> {
    /// The interface.
    pub interface: Option<&'a str>,
    /// The address.
    pub address: IpAddr,
    /// The prefix length in bits.
    pub prefix_len: u8,
}

/// A socket, or several that share everything but their holders.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Socket<'a> {
    /// The network namespace: `host`, its name, or `net:[INODE]`.
    pub netns: &'a str,
    /// The container whose processes run in that namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns_container: Option<&'a str>,
    /// `tcp`, `udp`, `udplite`, `mptcp`, `sctp`, `icmp6` …, `ip-proto-N` for IP protocols without a
    /// name, or `packet`.
    pub protocol: Cow<'a, str>,
    /// How data flows through it.
    pub kind: Kind,
    /// The address it is bound to: `0.0.0.0` or `::` for any, `*` for packet sockets.
    pub address: LocalAddress,
    /// The port; null where the protocol has none.
    pub port: Option<u16>,
    /// `IPV6_V6ONLY`: true, false, or null where the kernel does not tell it (IPv4 sockets, and
    /// sockets read from `/proc/net`).
    pub v6only: Option<bool>,
    /// The interface it is bound to.
    pub device: Option<Cow<'a, str>>,
    /// Its state.
    pub state: State,
    /// Whether anything new can arrive at it.
    pub open: bool,
    /// From where its address can be spoken to, before any firewall.
    pub scope: Option<Scope>,
    /// What its port is registered for with IANA.
    pub service: Option<&'a str>,
    /// The Ethernet protocol of a packet socket: `all`, `arp`, `0x88cc` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethernet: Option<Cow<'a, str>>,
    /// The other end of a connected socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// How many sockets share this line.
    pub sockets: usize,
    /// The accept queue of a TCP listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_queue: Option<AcceptQueue>,
    /// Who holds it. Empty only if it is known that nobody does. Where the holders of some of its
    /// sockets could not be read, whoever made these is among them (`kind` process, `pid` null).
    pub holders: Holders<'a>,
    /// How the holders are known; of several sockets, the least that is known of any.
    pub holders_known: HoldersKnown,
    /// Who made those of its sockets that nobody holds, one for each user and cgroup.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub made_by: Vec<Maker<'a>>,
    /// Who can reach it over IPv4; null where IPv4 cannot arrive.
    pub ipv4: Option<Reach<'a>>,
    /// Who can reach it over IPv6; null where IPv6 cannot arrive.
    pub ipv6: Option<Reach<'a>>,
    /// Whether it is there again after a boot; null for connected sockets.
    pub after_boot: Option<AfterBoot>,
    /// Who can reach it once the packet filter was loaded anew, where that is not who can now; see
    /// `firewall_then`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reach_then: Vec<ReachThen<'a>>,
    /// The service of the knowledge base that holds it, if it is in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recognised: Option<&'a str>,
    /// Why it is open; only where a target was given, or the host was read from a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why<'a>>,
}

/// How data flows through a socket.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `SOCK_STREAM`.
    Stream,
    /// `SOCK_DGRAM`.
    Dgram,
    /// `SOCK_RAW` over IP.
    Raw,
    /// `SOCK_DGRAM` of ICMP.
    Ping,
    /// `SOCK_SEQPACKET`.
    Seqpacket,
    /// A packet socket.
    Packet,
    /// A type this version does not know.
    Other,
}

/// The state of a socket.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepts connections.
    Listen,
    /// Bound; receives from anyone, unless it is a stream that does not listen.
    Bound,
    /// Not bound to a port, not connected.
    Unbound,
    /// Connected.
    Established,
    /// Connecting.
    SynSent,
    /// Being connected.
    SynRecv,
    /// Closed on this side, not acknowledged.
    FinWait1,
    /// Closed on this side.
    FinWait2,
    /// Closed; kept for late packets. No process holds it.
    TimeWait,
    /// Closed by the other side.
    CloseWait,
    /// Closed by both, this side last.
    LastAck,
    /// Closed by both at once.
    Closing,
    /// A state this version does not know.
    Other,
}

/// From where a bound address can be spoken to.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Any address.
    Any,
    /// One address.
    Address,
    /// A multicast group, or the broadcast address.
    Multicast,
    /// One link only.
    LinkLocal,
    /// Loopback.
    Loopback,
}

/// The local address of a socket.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum LocalAddress {
    /// An IP address.
    Ip(IpAddr),
    /// A packet socket has none: `*`.
    None(&'static str),
}

impl JsonSchema for LocalAddress {
    fn schema_name() -> Cow<'static, str> {
        "LocalAddress".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An IP address, or `*` for packet sockets.",
        })
    }
}

/// The other end of a connected socket.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Its port; null where the protocol has none.
    pub port: Option<u16>,
}

/// An accept queue.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct AcceptQueue {
    /// Connections that wait to be accepted.
    pub now: u32,
    /// The limit; a connection that arrives while `now` is above it is dropped.
    pub max: u32,
}

/// How the holders of a socket are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldersKnown {
    /// From the descriptors of processes.
    Descriptors,
    /// From what the kernel says of itself.
    Kernel,
    /// They could not be read in full; a holder without `pid` is where the process ran that made a
    /// socket.
    Creator,
    /// They could not be read in full, and a socket tells no more of who made it than the user.
    Unknown,
    /// All were read and no process holds it: the kernel itself, a descriptor in flight between
    /// processes, or an io_uring fixed file.
    Nobody,
}

/// A process or part of the kernel that holds a socket.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Holder<'a> {
    /// Whether it is a process or the kernel.
    pub kind: HolderKind,
    /// The process; null for the kernel, and for whoever made the socket if no more is known.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<&'a str>,
    /// Its descriptors.
    pub fds: Fds<'a>,
    /// The unit of the system's systemd: the socket unit for what a service manager holds.
    pub unit: Option<&'a str>,
    /// The unit of a user's own systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_unit: Option<&'a str>,
    /// The unit of a systemd inside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_unit: Option<&'a str>,
    /// The login session it was started from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// The innermost slice of the system's systemd that it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<&'a str>,
    /// The container it runs in, or forwards to.
    pub container: Option<&'a str>,
    /// Its user: the name, or the number.
    pub user: Option<Cow<'a, str>>,
    /// Its executable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable: Option<&'a str>,
    /// Whether that executable was deleted or replaced since it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable_replaced: Option<bool>,
    /// Which part of the kernel and which instance of it: `vxlan vx0`.
    pub detail: Option<Cow<'a, str>>,
}

/// Whoever made a socket that nobody holds, as far as the socket itself tells.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Maker<'a> {
    /// Its user: the name, or the number.
    pub user: Cow<'a, str>,
    /// The unit of the system's systemd, or the socket unit it was made for.
    pub unit: Option<&'a str>,
    /// The unit of a user's own systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_unit: Option<&'a str>,
    /// The unit of a systemd inside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_unit: Option<&'a str>,
    /// The login session it was made in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// The innermost slice of the system's systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<&'a str>,
    /// The container.
    pub container: Option<&'a str>,
}

/// What holds a socket.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// A process.
    Process,
    /// The kernel.
    Kernel,
}

/// Who can reach a socket over one address family, as seen from outside this host's loopback.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reach<'a> {
    /// The verdict.
    pub verdict: Verdict,
    /// Source prefixes that are certainly let in: the smallest cover, sorted.
    pub must: Prefixes<'a>,
    /// Source prefixes that are not certainly kept out, likewise.
    pub may: Prefixes<'a>,
    /// What a client sees; null where that is not known.
    pub client_sees: Option<ClientSees>,
    /// The rule or policy that decides; null where none is known to.
    pub decided_by: Option<String>,
    /// Why.
    pub because: String,
    /// The same by the interface that packets arrive on, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Way<'a>>,
}

/// Who can reach a socket by one interface.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Way<'a> {
    /// The interface.
    pub interface: String,
    /// Source prefixes that are certainly let in.
    pub must: Prefixes<'a>,
    /// Source prefixes that are not certainly kept out.
    pub may: Prefixes<'a>,
    /// The rule or policy that decides; null where none is known to.
    pub decided_by: Option<String>,
    /// How the destination is translated on the way; null if it is not.
    pub translated: Option<String>,
    /// A packet for which this holds.
    pub witness: Option<String>,
}

/// Prefixes, written one by one.
#[derive(Debug)]
pub struct Prefixes<'a>(pub Cow<'a, judge::reach::Sources>);

impl Serialize for Prefixes<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.prefixes().map(Shown))
    }
}

/// A prefix as text.
struct Shown(facts::Prefix);

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Prefixes<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Prefixes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> Schema {
        Vec::<String>::json_schema(generator)
    }
}

/// A verdict on who can reach a socket.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Any source.
    Open,
    /// Part of the network.
    Part,
    /// Only what is on the link.
    OnLink,
    /// Only this host.
    HostOnly,
    /// Nobody.
    Blocked,
    /// Not known: `because` says why.
    Unknown,
}

/// What a client sees that tries.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientSees {
    /// A connection.
    Connected,
    /// An answer.
    Answered,
    /// A refusal.
    Refused,
    /// Nothing, until it gives up.
    TimedOut,
    /// ICMP unreachable.
    Unreachable,
    /// ICMP prohibited.
    Prohibited,
    /// It depends on the source.
    Mixed,
}

/// Who can reach a socket after a boot, or after a command.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReachThen<'a> {
    /// `boot`, or the command: `firewall-cmd --reload`.
    pub when: &'a str,
    /// Over IPv4; null where it is the same as now.
    pub ipv4: Option<Reach<'a>>,
    /// Over IPv6; null where it is the same as now.
    pub ipv6: Option<Reach<'a>>,
}

/// What becomes of the packet filter.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FirewallThen<'a> {
    /// `boot`, or the command: `firewall-cmd --reload`.
    pub when: &'a str,
    /// What loads it.
    pub loads: Vec<&'a str>,
    /// Why it is not known what it will be; then it was compared with no socket.
    pub unclear: Vec<&'a str>,
    /// Programs with rules of their own in the kernel, which are gone then until these make them again.
    pub takes: Vec<Taken<'a>>,
}

/// A program whose rules are gone.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Taken<'a> {
    /// Which.
    pub program: &'a str,
    /// When it makes them again.
    pub again: Again,
    /// The unit that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'a str>,
}

/// When a program makes its rules again.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// When its unit starts, which it does then.
    WithUnit,
    /// At once: it is told.
    AtOnce,
    /// Only when its unit is started again.
    Restart,
}

/// Whether a socket is there again after a boot.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AfterBoot {
    /// The verdict.
    pub verdict: AfterBootVerdict,
    /// Why.
    pub because: String,
    /// Where the same program is configured to listen instead, if that is elsewhere only:
    /// `127.0.0.1:5432`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead: Vec<String>,
}

/// Whether a socket is there again after a boot.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterBootVerdict {
    /// It is.
    Returns,
    /// It is not.
    DoesNotReturn,
    /// That depends on something that is not known before.
    Maybe,
    /// Not known: `because` says why.
    Unknown,
}

/// Something open without a socket of its own: a port that the firewall forwards elsewhere.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Entry<'a> {
    /// The protocol.
    pub protocol: &'a str,
    /// The port.
    pub port: u16,
    /// The last port, where many in a row lead to one place; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_port: Option<u16>,
    /// The network namespace that it is a port of.
    pub netns: &'a str,
    /// Where it leads.
    pub leads_to: &'a str,
    /// The container there.
    pub container: Option<&'a str>,
    /// Who can reach it over IPv4.
    pub ipv4: Option<Reach<'a>>,
    /// Who can reach it over IPv6.
    pub ipv6: Option<Reach<'a>>,
}

/// Something wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Finding<'a> {
    /// Which kind of finding.
    pub id: &'a str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about: `tcp/8080`.
    pub subject: &'a str,
    /// What is wrong.
    pub text: &'a str,
    /// What to do.
    pub action: &'a str,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Should be put right now.
    High,
    /// Should be put right soon.
    Medium,
    /// Should be put right some day.
    Low,
    /// Worth knowing.
    Info,
}

/// The schema of the document. Lines of ndjson are `#/$defs/Line`, the answer of
/// `explain` is `#/$defs/ExplainDocument`.
pub fn schema() -> Schema {
    let mut generator =
        schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    generator.subschema_for::<Line<'_>>();
    generator.subschema_for::<crate::explain::ExplainDocument>();
    generator.into_root_schema_for::<Document<'_>>()
}

/// Writes the schema, as it is published.
///
/// # Errors
/// Those of the writer.
pub fn write<W: io::Write>(out: &mut W) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &schema())?;
    out.write_all(b"\n")
}

/// Writes the schema of `whyopen settings -o json`, as it is published.
///
/// # Errors
/// Those of the writer.
pub fn write_settings<W: io::Write>(out: &mut W) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &settings_schema())?;
    out.write_all(b"\n")
}

/// The schema of `whyopen settings -o json`.
pub fn settings_schema() -> Schema {
    schemars::schema_for!(crate::json::settings::Document<'_>)
}

pub use crate::json::{Fds, Holders};
