//! The knowledge base: what is known of services in general, one file for each.
//!
//! `data/services/*.toml`, described in `docs/knowledge.md`. They are a part of the program, each
//! parsed when its service is first met: the names by which services are recognised are found
//! without parsing (see `index`), since most hosts have a few of them.

use std::sync::OnceLock;

use facts::{Key, Protocol};
use serde::Deserialize;

use crate::row::Row;

/// Names the files, and includes them.
macro_rules! files {
    ($($id:literal),* $(,)?) => {
        /// All files, sorted by name.
        pub(super) static FILES: [File; [$($id),*].len()] = [$(File {
            id: $id,
            text: include_str!(concat!("../../data/services/", $id, ".toml")),
            service: OnceLock::new(),
        }),*];
    };
}

files![
    "apache",
    "avahi",
    "chrony",
    "cockpit",
    "containerd",
    "cups",
    "cups-browsed",
    "dhclient",
    "dhcpcd",
    "dnsmasq",
    "docker",
    "docker-proxy",
    "elasticsearch",
    "epmd",
    "exim",
    "ftp",
    "grafana",
    "haproxy",
    "inetd",
    "iperf",
    "java",
    "kubelet",
    "lockd",
    "mariadb",
    "mcsmanager-daemon",
    "mcsmanager-panel",
    "memcached",
    "mongodb",
    "networkmanager",
    "nfsd",
    "nginx",
    "nmbd",
    "node",
    "node-exporter",
    "ntpsec",
    "podman",
    "postfix",
    "postgresql",
    "prometheus",
    "rabbitmq",
    "redis",
    "rpc-mountd",
    "rpc-statd",
    "rpcbind",
    "samba",
    "snmpd",
    "sshd",
    "systemd-networkd",
    "systemd-resolved",
    "systemd-timesyncd",
    "tailscale",
    "telnet",
    "tftp",
    "vnc",
    "vxlan",
    "wireguard",
    "x11",
    "xinetd",
    "xrdp"
];

/// A file of the base.
#[derive(Debug)]
pub(super) struct File {
    /// Its name without `.toml`.
    pub(super) id: &'static str,
    /// What is in it.
    pub(super) text: &'static str,
    service: OnceLock<Option<Service>>,
}

impl File {
    /// The service; none if the file is wrong, which a test excludes.
    pub(super) fn service(&'static self) -> Option<&'static Service> {
        let parsed = self.service.get_or_init(|| self.parse().ok());
        parsed.as_ref()
    }

    /// Parses the file.
    pub(super) fn parse(&self) -> Result<Service, toml::de::Error> {
        toml::from_str(self.text).map(|service| Service { id: self.id, ..service })
    }
}

/// All services, sorted by id.
pub fn all() -> impl Iterator<Item = &'static Service> {
    FILES.iter().filter_map(File::service)
}

/// What is known of a service.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The name of its file.
    #[serde(skip)]
    pub id: &'static str,
    /// What people call it: `the portmapper rpcbind`.
    pub name: String,
    /// Its name in a narrow column: `portmapper`.
    pub what: String,
    /// Names of the port registry that say as well what one of its sockets is; `*`: all of them.
    #[serde(default)]
    pub also: Vec<String>,
    /// What it is for, as the end of "it …".
    pub purpose: String,
    /// What breaks without it.
    pub breaks: String,
    /// Whether its needs are told in full.
    pub needs: Needs,
    /// Where the above is from.
    pub sources: Vec<String>,
    /// What proves it: a scenario (`scenario NAME`) or a sample (`sample`).
    pub tested: String,
    /// How it is recognised.
    pub recognise: Recognise,
    /// What its single sockets are for, where it has several.
    #[serde(default)]
    pub socket: Vec<SocketUse>,
    /// What on this host would need it.
    #[serde(default)]
    pub need: Vec<Need>,
    /// Which settings decide where it is bound.
    #[serde(default)]
    pub bind: Vec<Bind>,
    /// What stops it.
    #[serde(default)]
    pub stop: Stop,
    /// Other ways to close it.
    #[serde(default)]
    pub close: Vec<Close>,
    /// What does not close it.
    #[serde(default)]
    pub not_enough: Vec<NotEnough>,
}

/// Whether everything that could need a service is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Everything that could need it leaves a trace on this host, and `need` lists these.
    Known,
    /// Others on the network may need it, and leave no trace here.
    Open,
}

/// By what a service is recognised. Never by its port.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognise {
    /// Units of systemd; a template stands for its instances.
    #[serde(default)]
    pub units: Vec<String>,
    /// Names of executables: the last part of their path.
    #[serde(default)]
    pub executables: Vec<String>,
    /// Packages that own the executable.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Names of processes, of which the kernel keeps 15 bytes.
    #[serde(default)]
    pub comms: Vec<String>,
    /// Parts of the kernel.
    #[serde(default)]
    pub kernel: Vec<String>,
}

/// Which sockets something is about; what is not said is not asked for.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Only {
    /// Of these ports.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Of these protocols: `tcp`, `udp`, `icmp6`, `packet`.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Whether systemd made them for a socket unit.
    pub activated: Option<bool>,
}

/// What a socket of a service is for.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketUse {
    /// Which.
    pub only: Only,
    /// Its name in a narrow column.
    pub what: String,
    /// What it is for, as the end of "it …".
    pub purpose: String,
    /// Where this is from.
    pub source: String,
}

/// Something that would need a service.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// What, in the plural or uncountable, for "no …": `NFSv3 mounts`.
    pub what: String,
    /// How to find it.
    pub check: Check,
    /// Which sockets it needs.
    #[serde(default)]
    pub only: Only,
    /// Where it is from that this needs the service.
    pub source: String,
}

/// A typed look at the facts.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// A network file system that is mounted, or configured to be.
    Mount {
        /// Of one of these types.
        kinds: Vec<String>,
        /// Of one of these major versions.
        #[serde(default)]
        versions: Vec<String>,
    },
    /// A folder that is exported over NFS.
    Export {},
    /// A program that is registered with the portmapper.
    RpcProgram {
        /// One of these; empty: any.
        #[serde(default)]
        numbers: Vec<u32>,
        /// None of these.
        #[serde(default)]
        except: Vec<u32>,
    },
    /// A profile of NetworkManager that is active.
    Profile {
        /// Whose method for IPv4 is one of these; empty: any.
        #[serde(default)]
        ipv4: Vec<String>,
        /// Whose method for IPv6 is one of these; empty: any.
        #[serde(default)]
        ipv6: Vec<String>,
    },
    /// A value in a configuration file.
    Setting {
        /// Where.
        at: Key,
        /// With one of these words in it; empty: any value.
        #[serde(default)]
        has: Vec<String>,
        /// With none of these words in it.
        #[serde(default)]
        lacks: Vec<String>,
    },
    /// Something at a path.
    Path(String),
    /// An installed package.
    Package(String),
    /// A network interface of a kind, as `ip -d link` names it.
    Link(String),
    /// A container of an engine.
    Container {},
}

/// A setting that decides where a service is bound.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// Where it stands.
    pub at: Key,
    /// What binds the service to loopback; none: this setting cannot.
    pub loopback: Option<String>,
    /// What closes the port altogether; none: this setting cannot.
    pub off: Option<String>,
    /// What the service does without the setting.
    pub default: String,
    /// Which sockets it binds.
    #[serde(default)]
    pub only: Only,
    /// Where this is from.
    pub source: String,
}

/// What stops a service.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Units that have to be closed along with the one that holds the socket, where they are there.
    #[serde(default)]
    pub with: Vec<String>,
    /// Whether it does more than hold its sockets, so that nobody stops it to close one.
    #[serde(default)]
    pub keep: bool,
    /// What is to be known of it.
    pub but: Option<String>,
    /// Where this is from.
    pub source: Option<String>,
}

/// A way to close a socket.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// What to do, as an order.
    pub how: String,
    /// What breaks.
    pub breaks: String,
    /// Whether it is still closed after a boot.
    pub survives_boot: bool,
    /// Which sockets it closes.
    #[serde(default)]
    pub only: Only,
    /// Where this is from.
    pub source: String,
}

/// What does not close a socket.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotEnough {
    /// What people do.
    pub what: String,
    /// Why it does not help.
    pub because: String,
    /// Which sockets it does not close.
    #[serde(default)]
    pub only: Only,
    /// Where this is from.
    pub source: String,
}

impl Only {
    /// Whether a row is meant.
    pub(crate) fn fits(&self, row: &Row<'_>, activated: bool) -> bool {
        let port = row.port().map(|port| port.0);
        // MPTCP is TCP on the wire.
        let protocol = match row.protocol_name() {
            Some("mptcp") => Protocol::TCP.ip_name(),
            name => name,
        };
        (self.ports.is_empty() || port.is_some_and(|port| self.ports.contains(&port)))
            && (self.protocols.is_empty()
                || protocol.is_some_and(|name| self.protocols.iter().any(|p| p == name)))
            && self.activated.is_none_or(|wanted| wanted == activated)
    }
}

impl Service {
    /// What a row of the service is, in a narrow column; none if the port registry says it as well,
    /// or if the row has no port and no use that is told.
    pub fn what(&self, row: &Row<'_>) -> Option<&str> {
        if let Some(socket) = self.use_of(row) {
            return Some(&socket.what);
        }
        row.port()?;
        let registered = row.service.map(|service| service.name);
        let as_good =
            |name| self.also.iter().any(|also| also == name || also == "*") || name == self.what;
        if registered.is_some_and(as_good) { None } else { Some(&self.what) }
    }

    /// What a socket of the service is for, if it has a use of its own.
    pub fn use_of(&self, row: &Row<'_>) -> Option<&SocketUse> {
        self.socket.iter().find(|socket| socket.only.fits(row, false))
    }
}
