//! The file system that hosts boot from: made once, cached, never written to by a host.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::{Error, run};

mod mirror;

use mirror::Mirror;

/// Debian's release in the image. The tests' machine runs the same one, so that programs built there
/// find their C library here.
const RELEASE: &str = "bookworm";

/// What is installed besides Debian's required packages.
const PACKAGES: &[&str] = &[
    "busybox-static",
    "conntrack",
    "cron",
    "dbus",
    "dbus-user-session",
    "docker.io",
    "fail2ban",
    "firewalld",
    "ifupdown",
    "iproute2",
    "ipset",
    "iptables",
    "isc-dhcp-client",
    "kmod",
    "libpam-systemd",
    "netbase",
    "network-manager",
    "nfs-common",
    "nftables",
    "nginx-light",
    "openssh-server",
    "procps",
    "radvd",
    "rpcbind",
    "systemd",
    "systemd-resolved",
    "systemd-sysv",
    "systemd-timesyncd",
    "ufw",
];

/// What is installed besides on hosts that have many services ([`Contents::Services`]).
const SERVICES: &[&str] = &[
    "apache2",
    "avahi-daemon",
    "chrony",
    "cockpit-ws",
    "cups-browsed",
    "cups-daemon",
    "dhcpcd-base",
    "dnsmasq-base",
    "exim4-daemon-light",
    "haproxy",
    "iperf3",
    "mariadb-server",
    "memcached",
    "nodejs",
    "openbsd-inetd",
    "postgresql",
    "prometheus",
    "prometheus-node-exporter",
    "rabbitmq-server",
    "redis-server",
    "samba",
    "snmpd",
    "tftpd-hpa",
    "tigervnc-standalone-server",
    "vsftpd",
    "xrdp",
    "xvfb",
];

/// What cannot be there with them: chrony takes its place. The package and its unit.
const LEFT_OUT: (&str, &str) = ("systemd-timesyncd", "systemd-timesyncd.service");

/// Which of their units Debian enables; a test starts those that it is about. Those without a unit
/// file of their own are started by links in `/etc/rc?.d`, which are removed.
const SERVICES_DISABLED: &[&str] = &[
    "apache2.service",
    "avahi-daemon.service",
    "avahi-daemon.socket",
    "chrony.service",
    "cockpit.socket",
    "cups-browsed.service",
    "cups.path",
    "cups.service",
    "cups.socket",
    "exim4-base.timer",
    "haproxy.service",
    "inetd.service",
    "mariadb.service",
    "mariadb.socket",
    "memcached.service",
    "nmbd.service",
    "postgresql.service",
    "epmd.socket",
    "prometheus-node-exporter.service",
    "prometheus.service",
    "rabbitmq-server.service",
    "redis-server.service",
    "samba-ad-dc.service",
    "smbd.service",
    "snmpd.service",
    "vsftpd.service",
    "xrdp-sesman.service",
    "xrdp.service",
];

/// What Debian enables at installation and a quiet host does not want. A test enables what it is
/// about ([`crate::HostOptions::enable`]).
const DISABLED: &[&str] = &[
    "NetworkManager-wait-online.service",
    "NetworkManager.service",
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "containerd.service",
    "cron.service",
    "docker.service",
    "docker.socket",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fail2ban.service",
    "firewalld.service",
    "fstrim.timer",
    "networking.service",
    "nfs-client.target",
    "nginx.service",
    "radvd.service",
    "rpcbind.service",
    "rpcbind.socket",
    "ssh.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "ufw.service",
];

/// Counts changes of the recipe below that the lists above do not show.
const RECIPE: u32 = 1;

/// Names another directory for cached images.
const CACHE_VARIABLE: &str = "WHYOPEN_TESTBED_CACHE";

/// Where images are cached unless [`CACHE_VARIABLE`] says otherwise.
const CACHE: &str = "/var/cache/whyopen-testbed";

/// What is installed in an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contents {
    /// What most tests need.
    #[default]
    Usual,
    /// Many services besides, none of them started. It takes minutes to make and twice the space, and
    /// is made only for the tests that ask for it.
    Services,
}

impl Contents {
    /// The packages besides Debian's required ones.
    fn packages(self) -> Vec<&'static str> {
        match self {
            Self::Usual => PACKAGES.to_vec(),
            Self::Services => {
                let usual = PACKAGES.iter().filter(|package| **package != LEFT_OUT.0);
                usual.chain(SERVICES).copied().collect()
            }
        }
    }

    /// The units that are disabled.
    fn disabled(self) -> Vec<&'static str> {
        match self {
            Self::Usual => DISABLED.to_vec(),
            Self::Services => {
                let usual = DISABLED.iter().filter(|unit| **unit != LEFT_OUT.1);
                usual.chain(SERVICES_DISABLED).copied().collect()
            }
        }
    }
}

/// A directory with a bootable Debian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    directory: PathBuf,
}

impl Image {
    /// The usual image: see [`Image::with`].
    ///
    /// # Errors
    /// Those of [`Image::with`].
    pub fn ready() -> Result<Self, Error> {
        Self::with(Contents::Usual)
    }

    /// The image; makes it if it is not cached yet, which takes about a minute for the usual one.
    /// Callers at the same time, in this and in other processes, wait for the first.
    ///
    /// # Errors
    /// [`Error::Missing`] without debootstrap, [`Error::NoMirror`] if the machine's package sources
    /// do not name a mirror, [`Error::Failed`] if the installation fails.
    pub fn with(contents: Contents) -> Result<Self, Error> {
        let cache = Self::cache();
        let name = format!("{RELEASE}-{:016x}", fnv1a(recipe(contents).as_bytes()));
        let image = Self { directory: cache.join(&name) };
        if image.directory.is_dir() {
            return Ok(image);
        }
        fs::create_dir_all(&cache).map_err(Error::io(format!("create {}", cache.display())))?;
        let lock_path = cache.join("lock");
        let lock = File::create(&lock_path)
            .map_err(Error::io(format!("create {}", lock_path.display())))?;
        lock.lock().map_err(Error::io(format!("lock {}", lock_path.display())))?;
        if !image.directory.is_dir() {
            // A run that was killed leaves an unfinished directory; only a whole one gets the name.
            let unfinished = cache.join(format!("{name}.unfinished"));
            if unfinished.exists() {
                fs::remove_dir_all(&unfinished)
                    .map_err(Error::io(format!("remove {}", unfinished.display())))?;
            }
            install(&unfinished, contents)?;
            fs::rename(&unfinished, &image.directory)
                .map_err(Error::io(format!("rename {}", unfinished.display())))?;
        }
        Ok(image)
    }

    /// Where images are kept.
    pub(crate) fn cache() -> PathBuf {
        std::env::var_os(CACHE_VARIABLE).map_or_else(|| CACHE.into(), PathBuf::from)
    }

    /// Its root directory. Do not write there: every host sees it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Everything that decides what the image contains.
fn recipe(contents: Contents) -> String {
    let (packages, disabled) = (contents.packages().join(","), contents.disabled().join(","));
    format!("{RECIPE}\n{RELEASE}\n{packages}\n{disabled}\n")
}

/// Installs Debian into `directory`.
fn install(directory: &Path, contents: Contents) -> Result<(), Error> {
    let target = directory.display().to_string();
    let mirror = Mirror::of_this_machine(RELEASE)?;
    let include = format!("--include={}", contents.packages().join(","));
    let mut command = vec!["debootstrap", "--variant=minbase", include.as_str()];
    let keyring = mirror.keyring.map(|path| format!("--keyring={path}"));
    command.extend(keyring.as_deref());
    command.extend([RELEASE, target.as_str(), mirror.uri.as_str()]);
    // Fifteen minutes: a slow mirror is no reason to give up. The environment stays, because it may
    // name the proxy to the mirror.
    let mut debootstrap = run::limited("900");
    debootstrap.args(&command);
    run::to_end(debootstrap, &command)?.ok()?;

    let root = format!("--root={target}");
    let disable = ["systemctl", root.as_str(), "disable"];
    run::run(&[], &[&disable[..], &contents.disabled()].concat())?.ok()?;
    if contents == Contents::Services {
        remove_start_links(directory)?;
    }
    // Every host makes its own id, else they would all derive the same addresses from it. Empty, not
    // absent: systemd would take an absent file for a first boot and enable everything again
    // (machine-id(5), "FIRST BOOT SEMANTICS").
    write(&directory.join("etc/machine-id"), "")?;
    // debootstrap copies this machine's name; systemd-nspawn gives every host its own.
    let hostname = directory.join("etc/hostname");
    fs::remove_file(&hostname).map_err(Error::io(format!("remove {}", hostname.display())))?;
    // Nothing answers for names on the lab's network, so that no lookup waits. systemd-resolved left a
    // link to a file that only it makes.
    let resolv = directory.join("etc/resolv.conf");
    fs::remove_file(&resolv).map_err(Error::io(format!("remove {}", resolv.display())))?;
    write(&resolv, "")
}

/// Removes the links by which System V's init would start services at boot: systemd makes units of
/// them for programs without a unit file of their own (systemd-sysv-generator(8)).
fn remove_start_links(directory: &Path) -> Result<(), Error> {
    for level in ["rc2.d", "rc3.d", "rc4.d", "rc5.d"] {
        let folder = directory.join("etc").join(level);
        let what = || format!("remove links in {}", folder.display());
        for entry in fs::read_dir(&folder).map_err(Error::io(what()))? {
            let entry = entry.map_err(Error::io(what()))?;
            let name = entry.file_name();
            let starts = |service| name.to_string_lossy().strip_suffix(service).is_some();
            if ["exim4", "openbsd-inetd", "tftpd-hpa"].into_iter().any(starts) {
                fs::remove_file(entry.path()).map_err(Error::io(what()))?;
            }
        }
    }
    Ok(())
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    fs::write(path, content).map_err(Error::io(format!("write {}", path.display())))
}

/// FNV-1a, 64 bits: a hash that stays the same over versions of Rust, unlike the standard library's.
/// Source: <https://datatracker.ietf.org/doc/draft-eastlake-fnv/>.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv1a() {
        // The test vectors of the draft, appendix C.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
