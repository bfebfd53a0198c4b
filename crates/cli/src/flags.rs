//! The flags, parsed without effects: no file is opened and no host is read here.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use judge::finding::Severity;

use crate::exit;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "whyopen",
    version,
    about = "Says for every open socket of this host what it is, who holds it and who can reach it",
    after_help = exit::HELP,
    after_long_help = LONG_HELP,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(crate) struct Invocation {
    /// What to do instead of showing sockets.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What to show.
    #[command(flatten)]
    pub(crate) view: ViewFlags,
}

/// What stands at the end of `--help` and in the manual page.
const LONG_HELP: &str = "\
Targets:
  111  :111            a port; a number that is no open port is a process id
  111/udp  tcp/111     a port of one protocol
  8001-8010            ports from one to another; 8001-8010/tcp
  [::1]:631            an address and port; 127.0.0.1:631/tcp; an address alone
  pid:612              a process
  rpcbind.socket       a systemd unit, with or without its suffix
  sshd                 a process name
  web  0a1b2c          a container, by name or the beginning of its id
  icmp6  raw  packet   sockets without ports; raw6: the raw ones of IPv6
  ssh  portmapper      a registered service
  blue  net:[INODE]    a network namespace
A bare name is looked for as a unit, process, container and namespace, then as a service. To say
which is meant: unit:NAME process:NAME container:NAME netns:NAME service:NAME port:N pid:N.
A target that has the name of a subcommand is written after two dashes: whyopen -- snapshot.

Exit codes:
  0  done, and nothing was found that --fail-on asks about
  1  a finding is at or above the severity of --fail-on
  2  something could not be read or judged, and --strict was given
  3  an error: wrong flags, an unreadable file, a host that could not be read
  4  a target was not found
Where several apply: 3, then 4, then 1, then 2.

Environment:
  NO_COLOR, CLICOLOR=0, CLICOLOR_FORCE=1 and TERM=dumb are respected; COLUMNS is the width where
  the output is no terminal.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say in full why something is open, what needs it and what closes it, with all evidence
    Why(ViewFlags),
    /// Print everything that was read as JSON, for --from on any machine
    Snapshot(SnapshotFlags),
    /// Say who can open a connection through ruleset files alone, whatever the interfaces
    Rules(RulesFlags),
    /// Say what the kernel's settings are, who set them, and what a boot makes of them
    Settings(SettingsFlags),
    /// Say step by step what becomes of a packet from a client to this host
    Explain(ExplainFlags),
    /// Print the JSON schema of -o json
    Schema {
        /// That of `settings -o json`
        #[arg(long)]
        settings: bool,
    },
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

/// Flags of `snapshot`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct SnapshotFlags {
    /// Keep command lines; they may hold secrets
    #[arg(long)]
    pub(crate) with_args: bool,
    /// How much of the host is read.
    #[command(flatten)]
    pub(crate) read: ScopeFlags,
}

/// Flags of `rules`.
#[derive(Debug, Args)]
pub(crate) struct RulesFlags {
    /// Rulesets as iptables-save, ip6tables-save, nft list ruleset or nft -j list ruleset print
    /// them; a packet passes them all; - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// To this host, or through it
    #[arg(long, value_enum)]
    pub(crate) hook: Hook,
    /// The destination port that the client uses: 22/tcp, 53/udp; tcp if not said
    #[arg(long, value_name = "PORT/PROTOCOL", value_parser = port)]
    pub(crate) port: RulesPort,
    /// The source port; any if not given
    #[arg(long, value_name = "PORT")]
    pub(crate) sport: Option<u16>,
    /// Only this family; those that the files have tables for if not given
    #[arg(long, value_enum)]
    pub(crate) family: Option<RulesFamily>,
    /// Show which class of addresses may open the connection to which
    #[arg(long)]
    pub(crate) matrix: bool,
    /// The form of the output
    #[arg(short, long, value_enum, default_value_t = RulesFormat::Text)]
    pub(crate) output: RulesFormat,
}

/// Flags of `settings`.
#[derive(Debug, Args)]
pub(crate) struct SettingsFlags {
    /// Settings to tell all about: net.ipv4.ip_forward, or the end of a key: nf_conntrack_max
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Those as well that nothing sets
    #[arg(short, long)]
    pub(crate) all: bool,
    /// The form of the output
    #[arg(short, long, value_enum, default_value_t = RulesFormat::Text)]
    pub(crate) output: RulesFormat,
    /// Judge a saved snapshot instead of this host; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Judge the files of another host below a folder
    #[arg(long, value_name = "DIR", conflicts_with = "from")]
    pub(crate) root: Option<PathBuf>,
    /// What the host is for; told from evidence if not given
    #[arg(long, value_enum)]
    pub(crate) role: Option<HostRole>,
    /// How the host is read.
    #[command(flatten)]
    pub(crate) read: ReadFlags,
    /// Exit with 1 if there is a finding of this severity or a higher one
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<FailOn>,
    /// Exit with 2 if something could not be read
    #[arg(long)]
    pub(crate) strict: bool,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(crate) color: When,
    /// The width in columns, 60 to 96; that of the terminal if not given
    #[arg(long, value_name = "N")]
    pub(crate) width: Option<usize>,
}

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HostRole {
    /// It serves.
    Server,
    /// Somebody sits before it.
    Desktop,
    /// It forwards for others.
    Router,
    /// It forwards for its own containers.
    ContainerHost,
}

/// Flags of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainFlags {
    /// The address of the client
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: IpAddr,
    /// The destination that it uses. Its help stands apart, since rustdoc would take an address of
    /// IPv6 for a link.
    #[arg(
        long,
        value_name = "ADDRESS:PORT/PROTOCOL",
        value_parser = destination,
        help = "The destination that it uses: :9100, 192.0.2.1:22, [2001:db8::1]:443/tcp, :53/udp, \
                or for protocols without ports 192.0.2.1/icmp; an address of this host if it has \
                none"
    )]
    pub(crate) to: Destination,
    /// The interface that the packet arrives on; where the route back leads if not given
    #[arg(long = "in", value_name = "INTERFACE")]
    pub(crate) interface: Option<String>,
    /// Ask a saved snapshot instead of this host; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// The form of the output
    #[arg(short, long, value_enum, default_value_t = RulesFormat::Text)]
    pub(crate) output: RulesFormat,
    /// The width in columns; that of the terminal if not given
    #[arg(long, value_name = "N")]
    pub(crate) width: Option<usize>,
    /// How the host is read.
    #[command(flatten)]
    pub(crate) read: ReadFlags,
}

/// Where a packet goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The address; none: one of this host.
    pub(crate) address: Option<IpAddr>,
    /// The port; 0 for protocols without ports.
    pub(crate) port: u16,
    /// IPPROTO_*.
    pub(crate) protocol: u8,
}

/// `:9100`, `192.0.2.1:22`, `[2001:db8::1]:443/tcp`, `192.0.2.1/icmp`, `9100`.
fn destination(text: &str) -> Result<Destination, String> {
    let (place, name) = text.rsplit_once('/').unwrap_or((text, ""));
    let (address, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':').unwrap_or(rest)),
        // An IPv6 address without brackets has no port.
        None if place.matches(':').count() > 1 => (place, ""),
        None => match place.rsplit_once(':') {
            Some((address, port)) => (address, port),
            None if place.parse::<u16>().is_ok() => ("", place),
            None => (place, ""),
        },
    };
    let address = match address {
        "" => None,
        some => Some(some.parse::<IpAddr>().map_err(|_| format!("{some} is no address"))?),
    };
    let protocol = match name {
        "" if port.is_empty() => return Err("there is no port: write :22, or /icmp".to_owned()),
        "" | "tcp" => 6,
        "udp" => 17,
        "sctp" => 132,
        "dccp" => 33,
        "udplite" => 136,
        "icmp" => 1,
        "icmp6" | "icmpv6" => 58,
        other => other.parse().map_err(|_| format!("{other} is no protocol"))?,
    };
    let has_ports = matches!(protocol, 6 | 17 | 33 | 132 | 136);
    if has_ports == port.is_empty() {
        return Err(if has_ports { "there is no port" } else { "it has no ports" }.to_owned());
    }
    let port = match port {
        "" => 0,
        port => port.parse().map_err(|_| format!("{port} is no port"))?,
    };
    Ok(Destination { address, port, protocol })
}

/// A hook that files can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hook {
    /// To this host.
    Input,
    /// Through this host.
    Forward,
}

impl From<Hook> for netfilter::ir::Hook {
    fn from(hook: Hook) -> Self {
        match hook {
            Hook::Input => Self::Input,
            Hook::Forward => Self::Forward,
        }
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RulesFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl From<RulesFamily> for netfilter::ir::Family {
    fn from(family: RulesFamily) -> Self {
        match family {
            RulesFamily::Ipv4 => Self::Ipv4,
            RulesFamily::Ipv6 => Self::Ipv6,
        }
    }
}

/// A port of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RulesPort {
    /// The port.
    pub(crate) number: u16,
    /// IPPROTO_*.
    pub(crate) protocol: u8,
}

/// `22/tcp` or `22`.
fn port(text: &str) -> Result<RulesPort, String> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let number = number.parse().map_err(|_| "the port is no number up to 65535".to_owned())?;
    let protocol = match protocol {
        "tcp" => 6,
        "udp" => 17,
        "dccp" => 33,
        "sctp" => 132,
        "udplite" => 136,
        _ => return Err("the protocol is none of tcp, udp, sctp, dccp, udplite".to_owned()),
    };
    Ok(RulesPort { number, protocol })
}

/// How the host is read.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ReadFlags {
    /// Only the network namespace this runs in
    #[arg(long)]
    pub(crate) this_netns: bool,
    /// Find holders by walking /proc, without BPF
    #[arg(long)]
    pub(crate) no_bpf: bool,
}

/// How much of the host is read.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ScopeFlags {
    /// Connected sockets as well
    #[arg(short, long)]
    pub(crate) connected: bool,
    /// List sockets and holders only: no firewall, no boot, no settings
    #[arg(long)]
    pub(crate) sockets_only: bool,
    /// How it is read.
    #[command(flatten)]
    pub(crate) how: ReadFlags,
}

impl From<ReadFlags> for ScopeFlags {
    /// All but connections.
    fn from(how: ReadFlags) -> Self {
        Self { how, ..Self::default() }
    }
}

/// Flags of the views.
#[derive(Debug, Args)]
pub(crate) struct ViewFlags {
    /// What to show in detail: a port, address, process, unit, container, protocol or service
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Everything: loopback sockets and sockets that are bound but not open, line by line
    #[arg(short, long)]
    pub(crate) all: bool,
    /// The form of the output
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// Show a saved snapshot instead of this host; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// How much of the host is read.
    #[command(flatten)]
    pub(crate) read: ScopeFlags,
    /// Read command lines too, to tell more about port forwarders; they are never shown
    #[arg(long)]
    pub(crate) with_args: bool,
    /// Exit with 1 if there is a finding of this severity or a higher one
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<FailOn>,
    /// Exit with 2 if something could not be read or judged
    #[arg(long)]
    pub(crate) strict: bool,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(crate) color: When,
    /// The width in columns, 60 to 96; that of the terminal if not given
    #[arg(long, value_name = "N")]
    pub(crate) width: Option<usize>,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document; `whyopen schema` describes it.
    Json,
    /// One JSON object for each socket, then a summary.
    Ndjson,
}

/// The form of the output of `rules`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RulesFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// A severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Any finding.
    Info,
    /// Low and above.
    Low,
    /// Medium and above.
    Medium,
    /// High only.
    High,
}

impl FailOn {
    /// As the judgement has it.
    pub(crate) const fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
        }
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal that shows it, unless the environment says no.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Parses the command line. Help, the version and mistakes are printed, and end the run with the
/// exit code given.
pub(crate) fn parse() -> Result<Invocation, ExitCode> {
    Invocation::try_parse().map_err(|error| {
        // If nobody reads it, it need not be printed.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(exit::ERROR) } else { ExitCode::SUCCESS }
    })
}

/// The definition of the flags, for completions and the manual page.
pub(crate) fn definition() -> clap::Command {
    Invocation::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn destinations() {
        let check = |text: &str, expect: Option<(&str, u16, u8)>| {
            let found = destination(text).ok();
            let found = found.map(|one| {
                let address = one.address.map_or_else(String::new, |address| address.to_string());
                (address, one.port, one.protocol)
            });
            let expect =
                expect.map(|(address, port, protocol)| (address.to_owned(), port, protocol));
            assert_eq!(found, expect, "{text}");
        };
        check(":9100", Some(("", 9100, 6)));
        check("9100", Some(("", 9100, 6)));
        check("192.0.2.1:22", Some(("192.0.2.1", 22, 6)));
        check("[2001:db8::1]:443/tcp", Some(("2001:db8::1", 443, 6)));
        check(":53/udp", Some(("", 53, 17)));
        check("192.0.2.1/icmp", Some(("192.0.2.1", 0, 1)));
        check("2001:db8::1/icmp6", Some(("2001:db8::1", 0, 58)));
        check("/icmp", Some(("", 0, 1)));
        check("192.0.2.1/89", Some(("192.0.2.1", 0, 89)));
        check("192.0.2.1", None);
        check("192.0.2.1:70000", None);
        check("192.0.2.1:22/icmp", None);
        check("web:22", None);
    }

    #[test]
    fn both_helps_tell_the_exit_codes() {
        assert!(LONG_HELP.contains(exit::HELP));
    }

    #[test]
    fn numbers_and_names_are_targets() {
        let targets = |args: &[&str]| {
            let all = ["whyopen"].iter().chain(args);
            let parsed = Invocation::try_parse_from(all).map_err(|e| e.kind())?;
            let command = parsed.command.is_some();
            Ok::<_, clap::error::ErrorKind>((parsed.view.targets, command))
        };
        let check = |args: &[&str], expect: &[&str]| {
            let expect = expect.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(targets(args), Ok((expect, false)), "{args:?}");
        };
        check(&[], &[]);
        check(&["111", "udp/53", "-a"], &["111", "udp/53"]);
        check(&["-o", "json", ":22"], &[":22"]);
        check(&["--", "snapshot"], &["snapshot"]);
        check(&["snapshots"], &["snapshots"]);
        check(&["help"], &["help"]);
        assert_eq!(targets(&["snapshot"]), Ok((vec![], true)));
        assert!(targets(&["111", "--wrong"]).is_err());
    }
}
