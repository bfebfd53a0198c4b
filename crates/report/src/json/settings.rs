//! The JSON of `whyopen settings`.

use std::io::{self, Write};
use std::net::IpAddr;

use judge::settings::{
    Discovery, Found, Interface, Judged, Ledger, Restart, Settings, Table, dotted,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{convert, write};
use crate::schema::{self, SCHEMA_VERSION};
use crate::words;

/// What `whyopen settings -o json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "whyopen settings")]
pub struct Document<'a> {
    /// The version of this interface.
    #[schemars(range(min = 1, max = 1))]
    pub schema_version: u32,
    /// The host.
    pub host: schema::Host<'a>,
    /// What the host is for: `server`, `desktop`, `router`, `container host`.
    pub role: String,
    /// What tells so.
    pub role_by: &'a str,
    /// What could not be read.
    pub gaps: Vec<schema::Gap<'a>>,
    /// The settings, sorted by key.
    pub settings: Vec<Setting<'a>>,
    /// The table of connection tracking; null where the kernel has none now.
    pub conntrack: Option<Conntrack<'a>>,
    /// What restarts of firewalls do to connection tracking.
    pub restarts: Vec<RestartOf<'a>>,
    /// The addresses of the host's network namespace but those of loopback.
    pub addresses: Vec<AddressOf<'a>>,
    /// The address that the host sends from over IPv6.
    pub chosen: Option<ChosenOf>,
    /// IPv6 on the interfaces but loopback.
    pub interfaces: Vec<InterfaceOf<'a>>,
    /// SELinux's mode; null where the kernel does not have it.
    pub selinux: Option<&'a str>,
    /// Whether AppArmor is on; null where the kernel does not have it.
    pub apparmor: Option<bool>,
    /// How many profiles of AppArmor are enforced, and how many only complain; null where that was
    /// not read.
    pub apparmor_profiles: Option<ProfilesOf>,
    /// Recorded denials that bear on sockets.
    pub denials: Vec<DenialOf<'a>>,
    /// The logs that were searched for denials; empty where none could be read, or nothing denies.
    pub denial_logs: &'a [String],
    /// What is wrong, the worst first.
    pub findings: Vec<SettingFinding<'a>>,
}

/// A setting.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Setting<'a> {
    /// Its key: `net.ipv4.conf.eth0/100.rp_filter`.
    pub key: String,
    /// Its path below `/proc/sys`.
    pub path: &'a str,
    /// Its value; null where there is no such key now, or it is not known.
    pub now: Option<String>,
    /// Its value after a boot; null where that cannot be told.
    pub after_boot: Option<String>,
    /// Why.
    pub because: String,
    /// Who set it to what it is: a file of sysctl.d, a program, `kernel default` …
    pub owner: String,
    /// What counts on the interface, where `all` has a say.
    pub effective: Option<i64>,
    /// What on this host it bears on, where that can be told: sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bears_on: Option<String>,
    /// What `sysctl --system` would make of it, where a boot makes something else of it.
    pub sysctl_system: Option<&'a str>,
    /// Every line that names it, in the order in which they are applied.
    pub sources: Vec<SourceOf<'a>>,
}

/// A line that names a setting.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SourceOf<'a> {
    /// The file.
    pub file: &'a str,
    /// The line; null where it is the file as a whole.
    pub line: Option<u32>,
    /// To what it sets it; null where that is not told.
    pub value: Option<&'a str>,
    /// Who applies it.
    pub stage: &'static str,
    /// What it does at a boot.
    pub effect: String,
}

/// The table of connection tracking.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Conntrack<'a> {
    /// Tracked connections.
    pub count: Option<u64>,
    /// How many there may be.
    pub max: Option<u64>,
    /// Buckets.
    pub buckets: Option<u64>,
    /// New connections that were dropped because the table was full.
    pub dropped: Option<u64>,
    /// Entries that were removed early to make room.
    pub early_dropped: Option<u64>,
    /// The most memory it can take, in bytes.
    pub memory_bytes: Option<u64>,
    /// Whether that is from the usual size of an entry rather than this kernel's.
    pub memory_is_estimate: bool,
    /// How many there may be by default, by this kernel's rule and this host's memory.
    pub default_max: Option<u64>,
    /// The buckets by default.
    pub default_buckets: Option<u64>,
    /// Whether it is built into the kernel.
    pub builtin: bool,
    /// References to its module.
    pub uses: Option<u32>,
    /// The modules that use it.
    pub used_by: &'a [String],
}

/// A restart of a firewall's service.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RestartOf<'a> {
    /// The service.
    pub service: &'a str,
    /// `survives`, `resets`, or `perhaps` where what decides is not known.
    pub verdict: &'static str,
    /// Why.
    pub because: &'a str,
    /// The settings that change.
    pub settings: Vec<Change<'a>>,
    /// The flows that are forgotten.
    pub flows: Option<u64>,
    /// The file that decides.
    pub file: Option<&'a str>,
    /// Its line.
    pub line: Option<u32>,
}

/// A setting that changes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Change<'a> {
    /// Its key.
    pub key: String,
    /// Its value now, or as it is configured on a host of which only the files are known.
    pub now: &'a str,
    /// Its value then; null where that is not known.
    pub then: Option<&'a str>,
}

/// An address.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AddressOf<'a> {
    /// The interface.
    pub interface: Option<&'a str>,
    /// The address.
    pub address: IpAddr,
    /// The prefix length in bits.
    pub prefix_len: u8,
    /// `temporary`, `stable_privacy`, `eui64`, `static`, `dhcp` or `link_local`.
    pub kind: &'static str,
    /// `global`, `ula`, `link_local` or `host`.
    pub scope: &'static str,
    /// Whether it is no longer chosen as a source, and still answers.
    pub deprecated: bool,
    /// Seconds it stays preferred; null for ever.
    pub preferred_s: Option<u32>,
    /// Seconds it stays valid; null for ever.
    pub valid_s: Option<u32>,
}

/// IPv6 on an interface.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InterfaceOf<'a> {
    /// It.
    pub interface: &'a str,
    /// Who configures it; null for nobody that is known.
    pub manager: Option<&'static str>,
    /// Who looks for routers: `kernel`, the name of a program, `nobody`, `unknown`.
    pub router_discovery: &'static str,
    /// Why nobody does.
    pub because: Option<&'static str>,
    /// `accept_ra`.
    pub accept_ra: Option<i64>,
    /// `forwarding`.
    pub forwarding: Option<i64>,
    /// `use_tempaddr`.
    pub use_tempaddr: Option<i64>,
    /// Seconds that its temporary addresses are valid.
    pub temporary_valid_s: Option<i64>,
    /// Seconds that its temporary addresses are preferred.
    pub temporary_preferred_s: Option<i64>,
}

/// Profiles of AppArmor.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProfilesOf {
    /// What is not allowed is denied.
    pub enforced: u32,
    /// What is not allowed is recorded.
    pub complaining: u32,
}

/// The address that the host sends from.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChosenOf {
    /// The address.
    pub address: IpAddr,
    /// Seconds until another is chosen; null where that is not before it is changed.
    pub until_s: Option<u32>,
    /// Whether the kernel said so; else it follows from RFC 6724.
    pub by_kernel: bool,
    /// Whether another address is as good by all rules.
    pub of_equals: bool,
}

/// A denial of a security module.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DenialOf<'a> {
    /// `selinux` or `apparmor`.
    pub module: &'a str,
    /// The program.
    pub program: &'a str,
    /// What was denied.
    pub operation: &'a str,
    /// The port.
    pub port: Option<u16>,
    /// Whether it was only recorded.
    pub only_recorded: bool,
}

/// Something wrong with a setting.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SettingFinding<'a> {
    /// What is wrong, and what to do.
    #[serde(flatten)]
    pub finding: schema::Finding<'a>,
    /// The exact lines to write.
    pub lines: Vec<LineOf<'a>>,
    /// Where it is written down that this is wrong.
    pub cites: &'static str,
}

/// A line to write.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LineOf<'a> {
    /// The file.
    pub file: &'a str,
    /// The line.
    pub text: &'a str,
}

/// Writes the document: all settings, or these.
///
/// # Errors
/// Those of the writer.
pub fn settings<W: Write>(
    out: &mut W,
    settings: &Settings<'_>,
    gaps: &[facts::Gap],
    only: Option<&[&Ledger]>,
) -> io::Result<()> {
    write(out, &document(settings, gaps, only))?;
    out.write_all(b"\n")
}

fn document<'a>(
    settings: &'a Settings<'a>,
    gaps: &'a [facts::Gap],
    only: Option<&[&'a Ledger]>,
) -> Document<'a> {
    let host = &settings.snapshot.host;
    Document {
        schema_version: SCHEMA_VERSION,
        host: schema::Host {
            name: &host.name,
            os: &host.os,
            kernel: &host.kernel,
            machine: &host.machine,
        },
        role: settings.role.to_string(),
        role_by: &settings.role_by,
        gaps: gaps.iter().map(super::gap).collect(),
        settings: match only {
            Some(only) => only.iter().map(|ledger| setting(settings, ledger)).collect(),
            None => settings.ledgers.iter().map(|ledger| setting(settings, ledger)).collect(),
        },
        conntrack: settings.conntrack.as_ref().map(conntrack),
        restarts: settings.restarts.iter().map(restart).collect(),
        addresses: settings.addresses.iter().map(address).collect(),
        chosen: settings.chosen.map(|chosen| ChosenOf {
            address: chosen.address.address.address,
            until_s: chosen.address.address.preferred_s,
            by_kernel: chosen.by_kernel,
            of_equals: chosen.of_equals,
        }),
        interfaces: settings.interfaces.iter().map(interface).collect(),
        selinux: settings.security.0,
        apparmor: settings.security.1,
        apparmor_profiles: settings
            .profiles
            .map(|p| ProfilesOf { enforced: p.enforced, complaining: p.complaining }),
        denials: settings.denials.iter().map(denial).collect(),
        denial_logs: settings.denial_logs,
        findings: settings.findings.iter().map(finding).collect(),
    }
}

fn setting<'a>(settings: &Settings<'_>, ledger: &'a Ledger) -> Setting<'a> {
    Setting {
        bears_on: settings.bears_on(&ledger.path),
        key: dotted(&ledger.path),
        path: &ledger.path,
        now: ledger.now.as_deref().map(plain),
        after_boot: ledger.after_boot.as_deref().map(plain),
        because: words::because(ledger),
        owner: words::owner(ledger),
        effective: ledger.effective,
        sysctl_system: ledger.by_hand.as_deref(),
        sources: ledger
            .sources
            .iter()
            .map(|source| SourceOf {
                file: &source.file,
                line: (source.line > 0).then_some(source.line),
                value: source.value.as_deref(),
                stage: words::stage(source.stage),
                effect: words::effect(&source.effect),
            })
            .collect(),
    }
}

/// A value with single spaces: the kernel separates by tabs.
fn plain(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn conntrack(table: &Table) -> Conntrack<'_> {
    Conntrack {
        count: table.count,
        max: table.max,
        buckets: table.buckets,
        dropped: table.dropped,
        early_dropped: table.early_dropped,
        memory_bytes: table.memory_bytes,
        memory_is_estimate: table.memory_is_estimate,
        default_max: table.default.map(|sizes| sizes.max),
        default_buckets: table.default.map(|sizes| sizes.buckets),
        builtin: table.builtin,
        uses: table.uses,
        used_by: &table.used_by,
    }
}

fn restart(restart: &Restart) -> RestartOf<'_> {
    RestartOf {
        service: &restart.service,
        verdict: words::verdict(&restart.verdict),
        because: &restart.because,
        settings: restart
            .settings
            .iter()
            .map(|(path, now, then)| Change { key: dotted(path), now, then: then.as_deref() })
            .collect(),
        flows: restart.flows,
        file: restart.decided_by.as_ref().map(|(file, _)| file.as_str()),
        line: restart.decided_by.as_ref().map(|(_, line)| *line),
    }
}

fn address<'a>(judged: &'a Judged<'a>) -> AddressOf<'a> {
    AddressOf {
        interface: judged.link.map(|link| link.name.as_str()),
        address: judged.address.address,
        prefix_len: judged.address.prefix_len,
        kind: words::kind(judged.kind),
        scope: words::scope(judged.scope),
        deprecated: judged.address.is_deprecated(),
        preferred_s: judged.address.preferred_s,
        valid_s: judged.address.valid_s,
    }
}

fn interface<'a>(interface: &Interface<'a>) -> InterfaceOf<'a> {
    let (router_discovery, because) = match interface.discovery {
        Discovery::Kernel => ("kernel", None),
        Discovery::Program(name) => (name, None),
        Discovery::Nobody(why) => ("nobody", Some(why)),
        Discovery::Unknown => ("unknown", None),
    };
    InterfaceOf {
        interface: &interface.link.name,
        manager: interface.manager,
        router_discovery,
        because,
        accept_ra: interface.accept_ra,
        forwarding: interface.forwarding,
        use_tempaddr: interface.use_tempaddr,
        temporary_valid_s: interface.temporary_s.map(|(valid, _)| valid),
        temporary_preferred_s: interface.temporary_s.map(|(_, preferred)| preferred),
    }
}

fn denial(denial: &facts::Denial) -> DenialOf<'_> {
    DenialOf {
        module: &denial.module,
        program: &denial.program,
        operation: &denial.operation,
        port: denial.port,
        only_recorded: denial.only_recorded,
    }
}

fn finding(found: &Found) -> SettingFinding<'_> {
    SettingFinding {
        finding: schema::Finding {
            id: found.finding.id,
            severity: convert::severity(found.finding.severity),
            subject: &found.finding.subject,
            text: &found.finding.text,
            action: &found.finding.action,
        },
        lines: found.lines.iter().map(|(file, text)| LineOf { file, text }).collect(),
        cites: found.cites,
    }
}
